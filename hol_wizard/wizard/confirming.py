"""Confirms steps that only a person can judge, and withdraws confirmations."""

from __future__ import annotations

import getpass
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hol_wizard.engine.confirmations import Confirmations, Statement, digest_of
from hol_wizard.engine.results import Confirmation, Result, Status
from hol_wizard.engine.runner import result_of
from hol_wizard.errors import UsageError, WizardError
from hol_wizard.lab.model import Target
from hol_wizard.wizard.connection import Connection
from hol_wizard.wizard.graph import Graph
from hol_wizard.wizard.wording import Wording


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The status of steps after a confirmation or a withdrawal."""

    results: dict[str, Result]
    """By the target's key."""
    kept: Path | None = None
    """Where the damaged file is kept; None if it was not damaged."""


class Confirming:
    """Confirms steps; does not contact the cloud."""

    def __init__(self, graph: Graph, connection: Connection, wording: Wording, store: Confirmations) -> None:
        self._graph = graph
        self._connection = connection
        self._wording = wording
        self._store = store

    @property
    def path(self) -> Path:
        """The file of the confirmations."""
        return self._store.path

    @property
    def is_possible(self) -> bool:
        """Whether anything can be confirmed: a confirmation counts for the chosen subscription, if the lab has one."""
        return bool(self._connection.profile.choices.subscription) or not self._choosing

    @property
    def _choosing(self) -> str:
        """Key of the step that chooses the subscription; empty for a lab without one."""
        steps = self._graph.lab.steps.values()
        return next((step.key for step in steps if step.solve and "subscription" in step.inputs), "")

    def statement(self, target: Target) -> str:
        """Return the statement that a person confirms, with their own names."""
        return self._wording.text(target.step.confirm, target.environment)

    def look(self, target: Target) -> Result:
        """Return the status of a step that only a person can judge.

        Raises:
            UsageError: The confirmations cannot be read.
        """
        found = self._store.find(self._stated(target))
        if found is None:
            return Result(
                Status.UNKNOWN,
                "Only you can judge this step, and you have not confirmed it.",
                next_action="When you have done it, <confirm>.",
                confirmable=True,
            )
        if found.outdated:
            return Result(
                Status.UNKNOWN,
                f"{self._said(found)}, but the text of the step has changed since.",
                next_action="Read it again, then <confirm>.",
                confirmable=True,
            )
        summary = f"{self._said(found)}: “{self.statement(target)}”"
        return Result(Status.SKIPPED, summary, confirmable=True, confirmed=found)

    def results(self) -> dict[str, Result]:
        """Return the status of each such step, by the target's key; an unreadable file confirms nothing."""
        found = {}
        for target in self._graph.all:
            if target.step.confirm:
                try:
                    found[target.key] = self._spoken(target)
                except WizardError as error:
                    found[target.key] = replace(result_of(error), confirmable=True)
        return found

    def doubt(self, keys: Iterable[str]) -> str:
        """Return what is wrong with the confirmations if a person confirms one of these steps; empty if nothing is."""
        if not any(self._graph.by_key[key].step.confirm for key in keys):
            return ""
        try:
            damage = self._store.damage
        except UsageError as error:
            return error.message
        remedy = (
            "Confirm the steps again (`hol-wizard confirm STEP`), or withdraw (`hol-wizard confirm STEP --withdraw`)."
        )
        return f"{damage} {self._wording.speak(remedy)}" if damage else ""

    def select(self, selectors: Sequence[str], environment: str | None = None) -> tuple[Target, ...]:
        """Return the steps that a person can confirm among those that the selectors name.

        A section selects those of its steps that can be confirmed.

        Raises:
            UsageError: A selector names nothing, or a step that cannot be confirmed.
        """
        if not selectors:
            keys = [step.key for step in self._graph.lab.steps.values() if step.confirm]
            raise UsageError("confirm needs a step.", f"The lab has these to confirm: {', '.join(keys) or 'none'}.")
        chosen: set[str] = set()
        for selector in selectors:
            named = self._graph.select((selector,), environment)
            able = [target for target in named if target.step.confirm]
            if not able and len({target.step.key for target in named}) > 1:
                raise UsageError(
                    f"{selector}: no step of this section can be confirmed.",
                    self._wording.speak("`hol-wizard --check`."),
                )
            if not able:
                raise self._refusal(named[0])
            chosen |= {target.key for target in able}
        return tuple(target for target in self._graph.all if target.key in chosen)

    def confirm(self, targets: Sequence[Target], by: str = "") -> Confirmed:
        """Record that the person has done these steps, and return their status.

        Args:
            targets: The steps.
            by: Who confirms them, if it is not the person who uses the wizard.

        Raises:
            UsageError: A step is checked, or cannot be judged by this version; no subscription is chosen; or the file
                cannot be written.
        """
        for target in targets:
            if not target.step.confirm:
                raise self._refusal(target)
        if not self.is_possible:
            raise UsageError(
                "Nothing can be confirmed yet: a confirmation counts for one subscription, and none is chosen.",
                self._wording.speak(f"<first {self._choosing}>."),
            )
        kept = self._store.confirm([self._stated(target) for target in targets], by or self._person)
        return Confirmed({target.key: self._spoken(target) for target in targets}, kept)

    def withdraw(self, targets: Sequence[Target]) -> Confirmed:
        """Record that the person withdraws the confirmations, and return the status of the steps.

        Raises:
            UsageError: A step cannot be confirmed, or the file cannot be written.
        """
        for target in targets:
            if not target.step.confirm:
                raise self._refusal(target)
        kept = self._store.withdraw([self._stated(target) for target in targets], self._person)
        return Confirmed({target.key: self._spoken(target) for target in targets}, kept)

    def _spoken(self, target: Target) -> Result:
        return self._wording.spoken(target.key, self.look(target))

    def _refusal(self, target: Target) -> UsageError:
        title, key = target.title, target.key
        if target.step.check:
            return UsageError(
                f"“{title}” cannot be confirmed: the wizard checks the actual resource.",
                self._wording.speak(f"Check it: `hol-wizard --check {key}`."),
            )
        return UsageError(
            f"“{title}” cannot be confirmed: it is not for a person to judge, and this version cannot check it yet.",
            "Do it by hand as described, and compare what you see with the guide.",
        )

    def _stated(self, target: Target) -> Statement:
        step, subscription = target.step, self._connection.profile.choices.subscription
        return Statement(target.key, subscription, digest_of(step.title, step.body, step.confirm))

    @property
    def _person(self) -> str:
        """Who uses the wizard: the account that was last signed in, otherwise the account on this computer."""
        return self._connection.known_user or _login()

    def _said(self, found: Confirmation) -> str:
        by = "you" if found.by in {self._connection.known_user, _login()} else found.by
        at = found.at.astimezone()
        return f"Confirmed by {by} on {at.day} {at:%b %Y}"


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # No variable names the account, and the system does not know it: in a container, for example.
        return "somebody on this computer"
