"""The events of a run; every front end reads the same stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hol_wizard.engine.results import Result


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """A check has started."""

    target: str
    """Key of the step, `section/step` or `section/step@environment`."""


@dataclass(frozen=True, slots=True)
class CheckFinished:
    """A check has ended; the same target can appear again while it is WAITING."""

    target: str
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkStarted:
    """A solve or an undo has started."""

    target: str


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the log of a solve or an undo."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """The progress of a long operation."""

    target: str
    text: str
    seconds: float
    """How long it has been running, in seconds."""
    usually: float | None
    """How long it usually takes in total, in seconds."""


@dataclass(frozen=True, slots=True)
class PersonNeeded:
    """A person must continue: open an address, type a code."""

    target: str
    text: str
    url: str
    code: str


@dataclass(frozen=True, slots=True)
class WorkFinished:
    """A solve or an undo has ended; `result` is the result of the check afterwards, or says why there is none."""

    target: str
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run has ended: the last result of every target, in the lab's order."""

    results: Mapping[str, Result]
    seconds: float
    cancelled: bool = False
    notes: tuple[str, ...] = field(default=())
    durations: Mapping[str, float] = field(default_factory=dict)
    """Seconds that the work on each target took, with its checks, for targets on which work was done."""
    critical_path: tuple[str, ...] = ()
    """Keys of the targets on the longest chain through what they need of each other, by these durations."""
    uncertain: bool = False
    """Whether something is unknown that no result reports, such as after damage to the ledger; `notes` says what."""

    def behind(self, before: RunFinished) -> RunFinished:
        """Return the end of two runs, one after the other, as of one: the last results, the time and notes of both."""
        both = dict(before.durations)
        for key, seconds in self.durations.items():
            both[key] = both.get(key, 0.0) + seconds
        return replace(
            self,
            seconds=before.seconds + self.seconds,
            notes=tuple(dict.fromkeys((*before.notes, *self.notes))),
            durations=both,
            critical_path=tuple(dict.fromkeys((*before.critical_path, *self.critical_path))),
        )


Event = CheckStarted | CheckFinished | WorkStarted | Said | Progressed | PersonNeeded | WorkFinished | RunFinished
