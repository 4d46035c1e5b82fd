"""Removes what this wizard created, or shows what it would remove."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import UNDOS, Change
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.engine.runner import WorkTask, run_work
from hol_wizard.errors import InconclusiveError, ServiceError
from hol_wizard.lab.model import Environment, Target
from hol_wizard.wizard.ledger_care import in_a_cloud
from hol_wizard.wizard.parts import Parts
from hol_wizard.wizard.solves import PlannedChange

if TYPE_CHECKING:
    from hol_wizard.resources.context import StepContext
    from hol_wizard.services.context import Services

_GROUP = re.compile(r"/resourceGroups/([^/]+)", re.IGNORECASE)


class Teardown:
    """Plans and does removals."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def _subscription(self) -> str:
        return self._parts.connection.profile.offered_names.subscription

    def _undone(self, targets: Sequence[Target] | None) -> tuple[Target, ...]:
        """Return the targets of a teardown, in reverse order."""
        wanted = (
            [target for target in self._parts.graph.all if not target.step.keep] if targets is None else list(targets)
        )
        return tuple(target for target in reversed(wanted) if target.step.undo)

    def plan(self, targets: Sequence[Target] | None = None) -> tuple[PlannedChange, ...]:
        """Return what a teardown would remove, in its order; None: everything that was created, except what is kept.

        Raises:
            InconclusiveError: The subscription does not answer, so nothing in it can be considered absent.
        """
        services = self._parts.connection.reach()
        self._require_the_subscription(services, self._undone(targets))

        def planned(target: Target) -> list[PlannedChange]:
            return [PlannedChange(target.key, change) for change in self._changes(target, services)]

        with ThreadPoolExecutor(8) as pool:
            return tuple(change for changes in pool.map(planned, self._undone(targets)) for change in changes)

    def _require_the_subscription(self, services: Services, targets: Sequence[Target]) -> None:
        """Refuse to conclude that something is absent if not even the subscription answers.

        An account that can see anything in a subscription can see the subscription (`GET /subscriptions/{id}`).

        Raises:
            InconclusiveError: It does not answer, and the ledger names something in it for these targets.
        """
        subscription, keys = (
            self._parts.connection.profile.offered_names.subscription,
            {target.key for target in targets},
        )
        path = f"/subscriptions/{subscription}"
        inside = [
            entry
            for entry in self._parts.ledger.standing()
            if entry.target in keys and entry.resource.lower().startswith(f"{path.lower()}/")
        ]
        if not subscription or not inside:
            return
        unclear = f"Cannot tell which of {len(inside)} resources that the ledger names still exist"
        nothing = "Nothing was removed, and the ledger keeps its entries."
        try:
            found = services.arm.get(path)
        except ServiceError as error:
            raise InconclusiveError(
                f"{unclear}: the subscription {subscription} does not answer. {error.message} {nothing}",
                error.hint,
                code=error.code,
                detail=error.detail,
            ) from error
        if str(found.get("subscriptionId", "")).lower() != subscription.lower():
            raise InconclusiveError(
                f"{unclear}: something else answers for the subscription {subscription}. {nothing}",
                "Check the proxy and the network (hol-wizard doctor), then try again.",
            )

    def run(
        self, targets: Sequence[Target] | None = None, *, cancelled: threading.Event | None = None
    ) -> Iterator[Event]:
        """Remove what this wizard created for the targets, dependents first; yield the events.

        Raises:
            InconclusiveError: The subscription does not answer.
            UsageError: Another wizard works on this profile.
        """
        wanted = self._undone(targets)
        # Steps without an undo are between others, too: a step that needs one of them also needs what that one needs.
        with_needs = self._parts.graph.with_needs
        needs = {target.key: {each.key for each in with_needs([target])} - {target.key} for target in wanted}
        with self._parts.care.only_writer():
            services = self._parts.connection.reach()
            self._require_the_subscription(services, wanted)
            tasks = [
                WorkTask(
                    key=target.key,
                    title=target.title,
                    look=lambda target=target: self._look_for_remains(target, services),  # type: ignore[misc]
                    work=self._removal(target, services),
                    needs=tuple(other.key for other in wanted if target.key in needs[other.key]),
                    deadline=UNDOS[target.step.undo].deadline,
                    resume="The cloud continues what it has started. To continue, run the teardown again.",
                )
                for target in wanted
            ]
            for event in self._parts.wording.told(run_work(tasks, cancelled=cancelled)):
                if isinstance(event, RunFinished):
                    self._parts.progress.forget([key for key, result in event.results.items() if result.passed])
                yield event

    def _removal(self, target: Target, services: Services) -> Callable[[Reporter], None]:
        work = UNDOS[target.step.undo]

        def remove(reporter: Reporter) -> None:
            for context in self._contexts(target, services, reporter):
                work.run(context)

        return remove

    def _changes(self, target: Target, services: Services) -> list[Change]:
        """Return what would be removed, each change once."""
        plan = UNDOS[target.step.undo].plan
        found = (change for context in self._contexts(target, services) for change in plan(context))
        return list({(each.verb, each.kind, each.name, each.where, each.resource): each for each in found}.values())

    def _contexts(self, target: Target, services: Services, reporter: Reporter | None = None) -> Iterator[StepContext]:
        """Yield the contexts in which a target is undone: with the names of earlier prefixes, then with today's.

        What the wizard created is removed although the person has chosen another prefix since. With the wrong names, an
        undo would only find a part, perhaps the role that the rest of it needs.
        """
        context = self._parts.connection.context(target, services, ReadCache(), reporter)
        for prefix in self._earlier_prefixes():
            yield replace(context, reads=ReadCache(), preview=replace(context.names, prefix=prefix))
        yield context

    def _earlier_prefixes(self) -> tuple[str, ...]:
        """Return the prefixes other than today's with which the ledger's resource groups were named."""
        names = self._parts.connection.profile.offered_names
        if not names.prefix:
            return ()
        standing = self._parts.ledger.standing()
        groups = dict.fromkeys(found[1] for each in standing if (found := _GROUP.search(each.resource)) is not None)
        suffixes = [names.values(each)["resource_group"].removeprefix(names.prefix) for each in Environment]
        prefixes = (group.removesuffix(suffix) for group in groups for suffix in suffixes if group.endswith(suffix))
        return tuple(dict.fromkeys(each for each in prefixes if each and each != names.prefix))

    def _look_for_remains(self, target: Target, services: Services) -> Result:
        changes = self._changes(target, services)
        left = [f"{change.kind} {change.name}" for change in changes if change.removes]
        if left:
            return Result(Status.FAILED, f"Still there: {', '.join(left)}.", next_action="Run the teardown again.")
        unclear = [f"{change.kind} {change.name}: {change.note}" for change in changes if change.verb == "unclear"]
        if unclear:
            return Result(
                Status.UNKNOWN,
                f"{'; '.join(unclear)}.",
                next_action="Sign in as the account that created it, and run the teardown again. The ledger keeps "
                "the entry.",
            )
        # What somebody else removed must be recorded; what has names other than today's cannot be reached.
        named = {change.name for change in changes} | {change.resource for change in changes}
        noted = [
            f"{entry.kind} {entry.resource.rpartition('/')[2]}"
            for entry in self._parts.ledger.standing()
            if entry.target == target.key
            and in_a_cloud(entry)
            and not {entry.resource, entry.resource.rpartition("/")[2]} & named
        ]
        if noted:
            return Result(
                Status.FAILED,
                f"In the ledger: {', '.join(noted)}.",
                next_action="If it was created with another prefix or subscription, run the teardown with those: "
                "--prefix NAME, --subscription ID.",
            )
        kept = [f"{change.kind} {change.name}: {change.note}" for change in changes if change.verb == "leave"]
        return Result(Status.PASSED, "; ".join(kept) if kept else "Nothing that this wizard created is left here.")
