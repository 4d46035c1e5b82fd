"""What a run tells whoever watches it; every front end drains the same stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hol_wizard.engine.results import Result


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check was begun."""

    target: str
    """Key of the step, `section/step` or `section/step@environment`."""


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check came back; the same target can come back again while it is WAITING."""

    target: str
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkStarted:
    """A solve or an undo was begun."""

    target: str


@dataclass(frozen=True, slots=True)
class Said:
    """A solve or an undo tells what it does, one line of its log."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a long operation is."""

    target: str
    text: str
    seconds: float
    """How long it has been going."""
    usually: float | None
    """How long it usually takes in all, in seconds."""


@dataclass(frozen=True, slots=True)
class PersonNeeded:
    """Only a person can go on: open an address, type a code."""

    target: str
    text: str
    url: str
    code: str


@dataclass(frozen=True, slots=True)
class WorkFinished:
    """A solve or an undo ended; `result` is what the check says afterwards, or why it could not."""

    target: str
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over: the last result of every target, in the order of the lab."""

    results: Mapping[str, Result]
    seconds: float
    cancelled: bool = False
    notes: tuple[str, ...] = field(default=())
    uncertain: bool = False
    """Whether something stands in doubt that no result tells: a damaged ledger; `notes` says what."""


Event = CheckStarted | CheckFinished | WorkStarted | Said | Progressed | PersonNeeded | WorkFinished | RunFinished
