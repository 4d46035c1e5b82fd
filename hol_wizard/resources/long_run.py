"""What goes on in a service while the wizard waits for its end: a training, or a run of the build pipeline."""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol, TypeVar

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.errors import CancelledByUserError, ServiceError


class Run(Protocol):
    """One run, as a service returns it."""

    @property
    def ended(self) -> bool:
        """Whether it has ended, however."""


R = TypeVar("R", bound=Run)


class LongRun(Resource[tuple[R, ...]]):
    """The runs of one commit, the newest first; the newest counts."""

    @abstractmethod
    def cancel(self, run: R) -> None:
        """Say that a run is canceled, and ask the service to cancel it; it ends later."""

    @abstractmethod
    def look(self, run: R) -> R | None:
        """Return a run as it is now; None if it is gone."""

    @abstractmethod
    def remove(self, run: R) -> None:
        """Delete a run that has ended."""

    def follow(self) -> R:
        """Start a run, or wait for the one that goes on, and return it when it has succeeded.

        A person who stops waiting can have it canceled as well.

        Raises:
            CancelledByUserError: The person asked to stop.
            ServiceError: It failed, with what to do.
        """
        try:
            return ownership.solve(self)[0]
        except CancelledByUserError:
            if self.context.reporter.cancels:
                self.cancel_newest()
            raise

    def cancel_newest(self) -> bool:
        """Cancel the newest run if it goes on, without waiting for its end; return whether it went on."""
        found = self.find(ReadCache())
        if found is None or found[0].ended:
            return False
        return self._cancel_unless_ended(found[0])

    def _cancel_unless_ended(self, run: R) -> bool:
        """Cancel a run; return whether it went on, because it may have ended since it was found."""
        try:
            self.cancel(run)
        except ServiceError:
            now = self.look(run)
            if now is not None and not now.ended:
                raise
            return False
        return True

    def delete(self, found: tuple[R, ...]) -> None:
        """Cancel what goes on, wait until it has ended, and delete the runs; what they have made stays."""
        for each in found:
            if not each.ended:
                self._cancel_unless_ended(each)
            seen: R | None = each
            while seen is not None and not seen.ended:
                self.context.reporter.wait(self.context.poll_interval)
                seen = self.look(each)
            self.remove(each)
