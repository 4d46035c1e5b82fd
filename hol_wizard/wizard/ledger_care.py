"""Checks whether the ledger is complete, and controls who may write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.engine.ledger import SIGN_IN_PREFIX, Entry, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import SOLVES
from hol_wizard.errors import LedgerError, UsageError
from hol_wizard.lab.model import Target
from hol_wizard.wizard.connection import Connection
from hol_wizard.wizard.graph import Graph
from hol_wizard.wizard.registration import load_steps
from hol_wizard.wizard.wording import Wording

if TYPE_CHECKING:
    from hol_wizard.doctor.survey import Rebuilt, Survey


class LedgerCare:
    """Looks after one profile's ledger."""

    def __init__(self, ledger: Ledger, lock: Path, graph: Graph, connection: Connection, wording: Wording) -> None:
        """Create a caretaker for a ledger.

        Args:
            ledger: The ledger.
            lock: File that only one wizard can lock.
            graph: The lab's targets.
            connection: The connection to the cloud.
            wording: Adapts hints to this cloud and profile.
        """
        self._ledger = ledger
        self._lock = lock
        self._graph = graph
        self._connection = connection
        self._wording = wording

    def problem(self) -> LedgerError | None:
        """Return what is damaged in the ledger, and what to do about it; None if it can be read."""
        damage = self._ledger.damage
        return LedgerError(damage.message, self._wording.speak(damage.hint)) if damage is not None else None

    def survey(self) -> Survey:
        """Return how far the ledger can be trusted: its damage, and resources with the mark that it does not name.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        from hol_wizard.doctor import survey

        services, reads = self._connection.reach(), ReadCache()
        contexts = [
            (each.step.undo, self._connection.context(each, services, reads))
            for each in self._graph.all
            if each.step.undo
        ]
        seen = survey.survey(self._ledger, contexts)
        return replace(seen, command=self._wording.speak(seen.command))

    def doubts(self, *, removing_all: bool = False) -> Survey:
        """Return the survey if it is needed, otherwise one without findings.

        A solve needs it if the ledger is damaged or lost. A teardown of everything always needs it, because a ledger
        that was restored from an old copy looks complete.

        Raises:
            WizardError: The cloud's addresses could not be determined.
        """
        from hol_wizard.doctor.survey import Survey

        needed = removing_all or self._ledger.damage is not None or not self._ledger.exists
        return self.survey() if needed else Survey()

    def rebuild(self, seen: Survey) -> Rebuilt:
        """Write the ledger again from its readable entries and the resources with the mark; the old file is kept.

        Raises:
            LedgerError: Not everything could be checked, or it cannot be written.
            UsageError: Another wizard works on this profile.
        """
        from hol_wizard.doctor import survey

        with self.only_writer():
            return survey.rebuild(self._ledger, seen)

    def require(self, targets: Sequence[Target]) -> None:
        """Refuse to create anything while it is unknown what this wizard has already created.

        Args:
            targets: What will be solved. A sign-in is not refused, because a rebuild needs it.

        Raises:
            LedgerError: The ledger is damaged, or lost while resources carry this lab's mark.
        """
        load_steps()
        if not any(SOLVES[each.step.solve].creates for each in targets if each.step.solve):
            return
        if (problem := self.problem()) is not None:
            raise problem
        seen = self.doubts()
        if seen.found or seen.strays:
            raise seen.error()

    @contextmanager
    def only_writer(self) -> Iterator[None]:
        """Keep other wizards from writing this profile's ledger.

        Raises:
            UsageError: Another one is at work.
        """
        from filelock import FileLock, Timeout

        self._lock.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._lock, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(
                f"Another wizard is working on profile {self._connection.profile.name}.",
                "Wait until it is done, or stop it. You can still check. For another attendee, use --profile NAME.",
            ) from error
        try:
            yield
        finally:
            lock.release()


def in_a_cloud(entry: Entry) -> bool:
    """Whether a ledger entry is about something that costs money or persists, rather than about a sign-in."""
    return not entry.resource.startswith(SIGN_IN_PREFIX)
