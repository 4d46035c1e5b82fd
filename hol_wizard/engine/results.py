"""What a check can say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hol_wizard.redaction import redact, scrub
from hol_wizard.test_results.report import RunReport


class Status(StrEnum):
    """How a step stands."""

    PASSED = "passed"
    """We looked, and it is as the lab needs it."""
    FAILED = "failed"
    """We looked, and it is not so."""
    WAITING = "waiting"
    """It will be: something is being created or is propagating; worth looking again."""
    UNKNOWN = "unknown"
    """We could not find out: sign-in, network, permission, or no check is built yet."""
    BLOCKED = "blocked"
    """Another step must be done first; not looked at."""
    SKIPPED = "skipped"
    """Left out by choice, not for this role, or confirmed by a person (`Result.confirmed`)."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """That a person said that a step is done: a statement, and never what a check has seen."""

    by: str
    at: datetime
    """Aware of its time zone."""
    outdated: bool = False
    """Whether the step's text has changed since, so that it no longer counts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that a check looked at."""

    what: str
    """The property, in the portal's words: `Access tier`."""
    expected: str
    actual: str
    met: bool

    def __post_init__(self) -> None:
        """Hide the secrets that a service, or a variable, has put into it."""
        object.__setattr__(self, "expected", redact(self.expected))
        object.__setattr__(self, "actual", redact(self.actual))


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found out about one step in one environment."""

    status: Status
    summary: str
    """One sentence that can stand alone."""
    expectations: tuple[Expectation, ...] = ()
    next_action: str = ""
    """The one thing to do next; empty when there is nothing to do."""
    detail: str = ""
    """A service's own words, for copying."""
    look_again_after: float | None = None
    """WAITING: seconds after which another look is worth it."""
    usually: float | None = None
    """WAITING: how many seconds this usually takes in all."""
    blocked_by: str = ""
    """BLOCKED: key of the step that is the root cause, `section/step` or `section/step@environment`."""
    confirmable: bool = False
    """Whether only a person can judge this step, so that it is confirmed and not checked."""
    confirmed: Confirmation | None = None
    """SKIPPED: who confirmed it, and when."""
    report: RunReport | None = None
    """What a run of tests left behind, if the step is about one."""

    def __post_init__(self) -> None:
        """Hide the secrets that the words quote: they go to screens, reports and files."""
        object.__setattr__(self, "summary", redact(self.summary))
        object.__setattr__(self, "next_action", redact(self.next_action))
        object.__setattr__(self, "detail", scrub(self.detail))

    @property
    def passed(self) -> bool:
        """Whether the step is done."""
        return self.status is Status.PASSED


def judge(
    expectations: Iterable[Expectation], *, passed: str, failed: str, next_action: str, detail: str = ""
) -> Result:
    """Return PASSED when every expectation is met, else FAILED with the next action.

    Args:
        expectations: What was looked at, in the order to show.
        passed: The summary when all are met.
        failed: The summary when one is not.
        next_action: What to do when one is not met.
        detail: A service's own words, kept for copying.
    """
    seen = tuple(expectations)
    if all(expectation.met for expectation in seen):
        return Result(Status.PASSED, passed, seen, detail=detail)
    return Result(Status.FAILED, failed, seen, next_action, detail)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status that a group of steps shows: the one that most needs attention.

    An empty group is SKIPPED.
    """
    order = (Status.FAILED, Status.UNKNOWN, Status.BLOCKED, Status.WAITING, Status.PASSED, Status.SKIPPED)
    found = set(statuses)
    return next((status for status in order if status in found), Status.SKIPPED)


def exit_code(statuses: Iterable[Status]) -> int:
    """Return the exit code of `--check`.

    0: all passed (or skipped by choice). 1: at least one was looked at and is not so, or not yet.
    3: nothing failed, but something could not be found out.
    """
    found = set(statuses)
    if found & {Status.FAILED, Status.WAITING}:
        return 1
    if found & {Status.UNKNOWN, Status.BLOCKED}:
        return 3
    return 0
