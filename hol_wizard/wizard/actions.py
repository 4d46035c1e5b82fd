"""Actions: what else can be done with what a step created."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import ACTIONS, Action
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.runner import WorkTask, run_work
from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Target
from hol_wizard.lab.text import nearest
from hol_wizard.wizard.checks import Checks
from hol_wizard.wizard.parts import Parts
from hol_wizard.wizard.registration import load_steps


class Actions:
    """Finds and does actions."""

    def __init__(self, parts: Parts, checks: Checks) -> None:
        self._parts = parts
        self._checks = checks

    def of(self, target: Target) -> tuple[Action, ...]:
        """Return a step's actions, in the document's order; does not contact the cloud."""
        if target.step.actions:
            load_steps()
        return tuple(ACTIONS[name] for name in target.step.actions if name in ACTIONS)

    def find(self, targets: Sequence[Target], text: str) -> tuple[Action, tuple[Target, ...]]:
        """Return the action that a person means, and those of the targets that have it.

        Args:
            targets: The targets to search.
            text: Its name, `cluster.start_cluster`, or the part after the dot; `-` and `_` are equivalent.

        Raises:
            UsageError: None of the targets has it; the message lists the existing ones, the most similar first.
        """
        having: dict[str, list[Target]] = {}
        known: dict[str, Action] = {}
        for target in targets:
            for action in self.of(target):
                known[action.name] = action
                having.setdefault(action.name, []).append(target)
        wanted = text.strip().casefold().replace("-", "_")
        fits = [name for name in known if wanted in {name, name.rpartition(".")[2]}]
        # A unique prefix is enough: `stop` for `stop-cluster`.
        fits = fits or [name for name in known if wanted and name.rpartition(".")[2].startswith(f"{wanted}_")]
        if len(fits) == 1:
            return known[fits[0]], tuple(having[fits[0]])
        words = dict.fromkeys(action.word for action in known.values())
        if fits:
            raise UsageError(f"Several actions are called `{text}`: {', '.join(fits)}.", "Type the whole name.")
        if not words:
            places = ", ".join(dict.fromkeys(target.step.key for target in targets))
            raise UsageError(f"There are no other actions for {places}.", "`hol-wizard --list` shows the actions.")
        near = nearest(wanted.replace("_", "-"), words)
        meant = f" Did you mean {near}?" if near else ""
        raise UsageError(f"There is no action `{text}`.{meant}", f"There are {', '.join(words)}.")

    def run(
        self,
        targets: Sequence[Target],
        action: str,
        *,
        inputs: Mapping[str, str] | None = None,
        cancelled: threading.Event | None = None,
    ) -> Iterator[Event]:
        """Do an action with what the targets created, then check them; yield the events.

        Args:
            targets: Steps that have the action.
            action: Its registered name.
            inputs: Answers given for this run.
            cancelled: Set by another thread to stop at the next safe point.

        Raises:
            UsageError: Another wizard works on this profile.
        """
        load_steps()
        chosen = ACTIONS[action]
        asked = self._parts.answers.in_force(inputs)
        with self._parts.care.only_writer():
            services, context = self._parts.connection.reach(), self._parts.connection.context

            def bound(target: Target) -> Callable[[Reporter], None]:
                return lambda reporter: chosen.run(context(target, services, ReadCache(), reporter, asked))

            tasks = [
                WorkTask(
                    key=target.key,
                    title=target.title,
                    look=lambda target=target: self._checks.look(target),  # type: ignore[misc]
                    work=bound(target),
                    asked=True,
                    deadline=chosen.deadline,
                    resume="The cloud continues what it has started. Check the step in a few minutes.",
                )
                for target in targets
            ]
            for event in self._parts.wording.told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    self._parts.progress.remember(event.results)
                yield event
