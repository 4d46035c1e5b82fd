"""What costs money now, and the doctor's checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Result
from hol_wizard.engine.runner import CheckTask, run_checks
from hol_wizard.lab.model import Step, Target
from hol_wizard.paths import Home
from hol_wizard.wizard.parts import Parts

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.resources.context import StepContext


class Overviews:
    """Checks of the whole lab instead of one step."""

    def __init__(self, parts: Parts, home: Home) -> None:
        self._parts = parts
        self._home = home

    def cost(self) -> Cost:
        """Return what costs money now: what is running, and what this wizard created that always costs money.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        from hol_wizard.doctor import cost

        services = self._parts.connection.reach()
        reads = ReadCache()
        stoppable = [target for target in self._parts.graph.all if cost.STOP in target.step.actions]
        contexts = [self._parts.connection.context(target, services, reads) for target in stoppable]
        found = cost.look(contexts, dict.fromkeys((target.key for target in stoppable), cost.STOP))
        made = dict.fromkeys(entry.target for entry in self._parts.ledger.standing())
        standing = tuple(
            cost.Standing(key, self._parts.wording.text(words))
            for key in made
            if key in self._parts.graph.by_key
            and (words := self._parts.graph.by_key[key].step.cost)
            and not words.startswith("free")
            and cost.STOP not in self._parts.graph.by_key[key].step.actions
        )
        found = replace(found, standing=standing)
        if (damage := self._parts.ledger.damage) is not None:
            found = replace(found, unknown=(*found.unknown, f"what else this wizard made. {damage.message}"))
        elif not self._parts.ledger.exists and (seen := self._parts.care.survey()).found:
            found = replace(found, unknown=(*found.unknown, f"what this wizard made. {seen.error().message}"))
        return found

    def doctor(self) -> tuple[Mapping[str, str], Iterator[Event]]:
        """Return the titles of the doctor's checks, by key, and their run."""
        from hol_wizard.doctor.examinations import examinations as examinations_of

        examinations = examinations_of(self._home, self._parts.connection.environ)
        titles = {each.key: each.title for each in examinations}
        steps = {each.key: each.step for each in examinations if each.step}
        reads = ReadCache()

        def bound(run: Callable[[StepContext], Result]) -> Callable[[], Result]:
            target = Target(Step("doctor", "doctor", "Doctor", "", 0))
            return lambda: run(self._parts.connection.context(target, self._parts.connection.reach_once(), reads))

        def events() -> Iterator[Event]:
            self._parts.connection.refresh()
            tasks = [
                CheckTask(each.key, each.title, bound(each.run), each.needs, each.deadline) for each in examinations
            ]
            yield from self._parts.wording.told(run_checks(tasks), titles, steps)

        return titles, events()
