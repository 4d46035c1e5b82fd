"""Checks again, automatically and within a budget, what a person may change by hand; for every front end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Result, Status
from hol_wizard.engine.runner import LOOK_AGAIN_AFTER, LOOK_AGAIN_MOST, result_of
from hol_wizard.engine.watching import Candidate, Watch
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Target
from hol_wizard.services import traffic
from hol_wizard.wizard.checks import Checks
from hol_wizard.wizard.parts import Parts

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a front end shows of a step."""

    result: Result | None
    """The result of the last check in this session."""
    checked_at: float | None
    """Its time on the monotonic clock."""


class Watching:
    """The watch over one profile's steps. `look` blocks; the other methods only think."""

    def __init__(self, parts: Parts, checks: Checks, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._checks = checks
        self._clock = clock
        self.watch = Watch(clock())

    def shared_files(self) -> tuple[Path, ...]:
        """Return the files that tell that another window has done something."""
        return (self._parts.progress.path, self._parts.ledger.path, self._parts.confirming.path)

    def next(self, in_view: Target | None, beside: Sequence[Target], seen: Callable[[str], Seen]) -> Target | None:
        """Return the step to look at now, or None.

        Args:
            in_view: The step that the person sees.
            beside: Other steps that may be looked at, in the order in which they matter.
            seen: Returns what is shown of the step with a key.
        """
        candidates: dict[str, Candidate] = {}
        for target in (*((in_view,) if in_view else ()), *beside):
            about = self._about(target, seen)
            if about.step.check and about.key not in candidates:
                known = seen(about.key)
                candidates[about.key] = Candidate(
                    about.key,
                    _NEVER if known.checked_at is None else known.checked_at,
                    in_view=target is in_view,
                    again_after=_again_after(known.result),
                )
        key = self.watch.next(candidates.values(), self._clock())
        return self._parts.graph.by_key[key] if key is not None else None

    def _about(self, target: Target, seen: Callable[[str], Seen]) -> Target:
        """Return the step that decides about a step: for a blocked one, its root cause."""
        result = seen(target.key).result
        if result is not None and result.status is Status.BLOCKED:
            return self._parts.graph.by_key.get(result.blocked_by, target)
        return target

    def look(self, target: Target) -> Result | None:
        """Return the status of a step, or None if it could not be found out; what was known before then stays.

        What it needs is not checked again: that is another step, with a look of its own.
        """
        before = traffic.sent()
        try:
            result = self._checks.look(target, ReadCache())
        except WizardError as error:
            result = result_of(error)
        self.watch.looked(target.key, self._clock(), traffic.sent() - before)
        return None if result.status is Status.UNKNOWN else self._parts.wording.spoken(target.key, result)

    def keep(self, changed: Mapping[str, Result]) -> None:
        """Save the results of noticed changes."""
        self.watch.attend(self._clock())
        self._parts.remember(changed)


def _again_after(result: Result | None) -> float | None:
    if result is None or result.status is not Status.WAITING:
        return None
    return min(result.look_again_after or LOOK_AGAIN_AFTER, LOOK_AGAIN_MOST)
