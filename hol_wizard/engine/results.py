"""The possible results of a check."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hol_wizard.redaction import redact, scrub

if TYPE_CHECKING:
    from hol_wizard.test_results.report import RunReport


class Status(StrEnum):
    """The status of a step."""

    PASSED = "passed"
    """The check found what the lab needs."""
    FAILED = "failed"
    """The check found something else."""
    WAITING = "waiting"
    """Something is being created or is propagating; the check should be repeated."""
    UNKNOWN = "unknown"
    """The check could not find out: sign-in, network, permission, or there is no check yet."""
    BLOCKED = "blocked"
    """Another step must be done first; not checked."""
    SKIPPED = "skipped"
    """Omitted by choice, not for this role, or confirmed by a person (`Result.confirmed`)."""


DONE: Final = frozenset({Status.PASSED, Status.SKIPPED})
"""With these statuses, nothing is left to do, and other steps can begin."""


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A person's statement that a step is done, as opposed to the result of a check."""

    by: str
    at: datetime
    """With a time zone."""
    outdated: bool = False
    """Whether the step's text has changed since, so that it no longer counts."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One property that a check compared."""

    what: str
    """The property, in the portal's words: `Access tier`."""
    expected: str
    actual: str
    met: bool

    def __post_init__(self) -> None:
        """Hide secrets that come from a service or a variable."""
        object.__setattr__(self, "expected", redact(self.expected))
        object.__setattr__(self, "actual", redact(self.actual))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a check of one step in one environment."""

    status: Status
    summary: str
    """One sentence that is understandable on its own."""
    expectations: tuple[Expectation, ...] = ()
    next_action: str = ""
    """The one thing to do next; empty if there is nothing to do."""
    detail: str = ""
    """A service's original message, for copying."""
    look_again_after: float | None = None
    """WAITING: seconds after which the check should be repeated."""
    usually: float | None = None
    """WAITING: how many seconds this usually takes in total."""
    blocked_by: str = ""
    """BLOCKED: key of the step that is the root cause, `section/step` or `section/step@environment`."""
    confirmable: bool = False
    """Whether only a person can judge this step, so that it is confirmed instead of checked."""
    confirmed: Confirmation | None = None
    """SKIPPED: who confirmed it, and when."""
    ask_again: bool = False
    """Whether nothing was started because it is not what the person agreed to, so that they are asked again."""
    report: RunReport | None = None
    """What a run of tests left behind, if the step is about one."""

    def __post_init__(self) -> None:
        """Hide secrets in the texts, because these go to screens, reports and files."""
        object.__setattr__(self, "summary", redact(self.summary))
        object.__setattr__(self, "next_action", redact(self.next_action))
        object.__setattr__(self, "detail", scrub(self.detail))

    @property
    def passed(self) -> bool:
        """Whether the step is done."""
        return self.status is Status.PASSED


NOT_CHECKED = "not checked"
"""The word for a step without a result, in every front end."""
TO_DO = "to do"
"""The word for a step that its check did not find done, and that nobody has started."""


def word_of(result: Result, *, tried: bool = False) -> str:
    """Return the word for a result: FAILED is "to do" until somebody has tried the step, or a part of it exists.

    A lab that nobody has started must not look like a list of failures.

    Args:
        result: The result of the last check.
        tried: Whether somebody has tried the step, or it passed earlier.
    """
    if result.confirmed is not None:
        return "confirmed"
    if result.confirmable:
        return TO_DO
    started = tried or any(expectation.met for expectation in result.expectations)
    return TO_DO if result.status is Status.FAILED and not started else str(result.status)


def judge(
    expectations: Iterable[Expectation], *, passed: str, failed: str, next_action: str, detail: str = ""
) -> Result:
    """Return PASSED if every expectation is met, otherwise FAILED with the next action.

    Args:
        expectations: What was compared, in the order to show.
        passed: The summary if all are met.
        failed: The summary if one is not met.
        next_action: What to do if one is not met.
        detail: A service's original message, for copying.
    """
    seen = tuple(expectations)
    if all(expectation.met for expectation in seen):
        return Result(Status.PASSED, passed, seen, detail=detail)
    return Result(Status.FAILED, failed, seen, next_action, detail)


def together(results: Iterable[Result], passed: str) -> Result:
    """Return the first result that is not PASSED, with what all of them have seen; PASSED if there is none.

    Args:
        results: The results of the parts of a step.
        passed: The summary if all have passed.
    """
    known = list(results)
    seen = tuple(expectation for each in known for expectation in each.expectations)
    first = next((each for each in known if not each.passed), None)
    return Result(Status.PASSED, passed, seen) if first is None else replace(first, expectations=seen)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the status of a group of steps: the one that most needs attention.

    An empty group is SKIPPED.
    """
    order = (Status.FAILED, Status.UNKNOWN, Status.BLOCKED, Status.WAITING, Status.PASSED, Status.SKIPPED)
    found = set(statuses)
    return next((status for status in order if status in found), Status.SKIPPED)


def exit_code(statuses: Iterable[Status]) -> int:
    """Return the exit code of `--check`.

    0: everything passed (or is skipped by choice). 1: at least one step failed or is not done yet.
    3: nothing failed, but something is unknown.
    """
    found = set(statuses)
    if found & {Status.FAILED, Status.WAITING}:
        return 1
    if found & {Status.UNKNOWN, Status.BLOCKED}:
        return 3
    return 0
