"""The state of every step, for all screens: last results, work in progress, the log."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    PersonNeeded,
    Progressed,
    Said,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.results import DONE, NOT_CHECKED, TO_DO, Result, Status, word_of
from hol_wizard.lab.model import Lab, Section, Target, targets_of

FLASH_SECONDS = 3.0
"""How long a step stands out whose status changed without anybody asking."""


class Activity(StrEnum):
    """What is being done with a step at the moment."""

    NONE = ""
    CHECKING = "checking"
    WORKING = "working"


@dataclass(frozen=True, slots=True)
class Look:
    """How a step's status is shown: never by color alone."""

    symbol: str
    word: str
    style: str


LOOKS: Mapping[str, Look] = {
    "passed": Look("✓", "passed", "$success"),
    "failed": Look("✗", "failed", "$error"),
    "to do": Look("○", "to do", "$primary"),
    "waiting": Look("…", "waiting", "$warning"),
    "unknown": Look("?", "unknown", "$warning"),
    "blocked": Look("‖", "blocked", "$foreground 60%"),
    "skipped": Look("–", "skipped", "$foreground 60%"),
    "confirmed": Look("●", "confirmed", "$success 70%"),
    "no check": Look("·", "no check", "$foreground 50%"),
    "not checked": Look("·", "not checked", "$foreground 60%"),
    "checking": Look("◌", "checking", "$primary"),
    "working": Look("»", "working", "$accent bold"),
    "queued": Look("·", "queued", "$accent"),
    "regressed": Look("!", "broken", "$error bold"),
    "partly": Look("◐", "partly", "$primary"),
}


@dataclass(slots=True)
class Standing:
    """What is known about one target."""

    result: Result | None = None
    remembered: Status | None = None
    """The result of an earlier session, shown until the step is checked."""
    activity: Activity = Activity.NONE
    activity_since: float = 0.0
    progress: Progressed | None = None
    progress_at: float = 0.0
    checked_at: float | None = None
    """Monotonic time of the last check."""
    seen_at: float = 0.0
    """The same, in seconds since the epoch."""
    tried: bool = False
    """Whether the person has requested a check or a solve of it in this session."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a section's log."""

    at: float
    """Seconds since the epoch."""
    target: str
    text: str
    kind: str = "said"
    """`said`, `begun`, `passed`, `failed` or `note`."""


@dataclass(slots=True)
class Count:
    """How many of a group's steps are verified, confirmed by a person, and unknown."""

    passed: int = 0
    confirmed: int = 0
    unchecked: int = 0
    """Steps without a check that a person cannot confirm: done by hand."""
    skipped: int = 0
    """Steps that are skipped by choice."""
    total: int = 0
    """All steps: the number stays, whatever becomes of them."""

    @property
    def done(self) -> int:
        """Verified or confirmed."""
        return self.passed + self.confirmed

    @property
    def open(self) -> int:
        """Steps that can still be verified or confirmed."""
        return self.total - self.done - self.unchecked - self.skipped

    @property
    def apart(self) -> tuple[str, ...]:
        """Steps that are not verified, in words: `2 confirmed`, `3 by hand`."""
        parts = ((self.confirmed, "confirmed"), (self.unchecked, "by hand"), (self.skipped, "skipped"))
        return tuple(f"{number} {word}" for number, word in parts if number)

    @property
    def text(self) -> str:
        """The count in words: `1 of 4, 3 by hand`."""
        return ", ".join((f"{self.passed} of {self.total}", *self.apart))


@dataclass(slots=True)
class Board:
    """The only source of the state for the screens; only the app's event handlers write it."""

    lab: Lab
    targets: dict[str, Target] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    logs: dict[str, list[LogLine]] = field(default_factory=dict)
    regressed: tuple[str, ...] = ()
    person_needed: PersonNeeded | None = None
    troubles: dict[str, str] = field(default_factory=dict)
    """What the last request of the person did not achieve, by step: the pane that says why."""
    queued: set[str] = field(default_factory=set)
    """Steps that the run that makes changes has not started yet."""
    _flashing: dict[str, float] = field(default_factory=dict)
    """Until when steps stand out, on the monotonic clock."""

    @classmethod
    def of(cls, lab: Lab, remembered: Mapping[str, str], confirmable: Mapping[str, Result] | None = None) -> Board:
        """Return the board of a lab.

        Args:
            lab: The lab.
            remembered: The steps' results in an earlier session, by key.
            confirmable: The results of steps that only a person can judge, by key; known without contacting the cloud.
        """
        board = cls(lab)
        known = {status.value for status in Status}
        for section in lab.sections:
            for step in section.steps:
                for target in targets_of(step):
                    board.targets[target.key] = target
                    status = str(remembered.get(target.key, ""))
                    board.standings[target.key] = Standing(
                        (confirmable or {}).get(target.key), Status(status) if status in known else None
                    )
        return board

    def section_targets(self, section: Section) -> list[Target]:
        """Return the section's steps, each once for every environment, in the lab's order."""
        return [target for step in section.steps for target in targets_of(step)]

    def status(self, key: str) -> Status | None:
        """Return the target's last result in this session or an earlier one."""
        standing = self.standings[key]
        return standing.result.status if standing.result else standing.remembered

    def look(self, key: str) -> Look:
        """Return how to show the target.

        The words are those of all front ends (`word_of`).
        """
        standing, step = self.standings[key], self.targets[key].step
        if standing.activity is not Activity.NONE:
            return LOOKS[standing.activity]
        if step.confirm:
            return LOOKS["confirmed" if self.status(key) is Status.SKIPPED else "to do"]
        if not step.check:
            return LOOKS["no check"]
        if key in self.queued and self.status(key) is not Status.PASSED:
            return LOOKS["queued"]
        if key in self.regressed and self.status(key) is not Status.PASSED:
            return LOOKS["regressed"]
        status = self.status(key)
        if status is None:
            return LOOKS[NOT_CHECKED]
        if status is Status.FAILED:
            if standing.result is None:
                return LOOKS["failed" if standing.tried else TO_DO]
            return LOOKS[word_of(standing.result, tried=standing.tried)]
        return LOOKS[status]

    def fresh(self, key: str) -> bool:
        """Whether the step was checked in this session."""
        return self.standings[key].result is not None

    def count(self, targets: Iterable[Target]) -> Count:
        """Return how many of the targets are verified, confirmed, and neither."""
        count = Count()
        for target in targets:
            status, step = self.status(target.key), target.step
            count.total += 1
            count.passed += status is Status.PASSED
            count.confirmed += status is Status.SKIPPED and bool(step.confirm)
            count.skipped += status is Status.SKIPPED and not step.confirm
            count.unchecked += not step.check and not step.confirm
        return count

    def section_look(self, section: Section) -> Look:
        """Return how to show a whole section: by the status that most needs attention."""
        every = self.section_targets(section)
        targets = [target for target in every if target.step.check or target.step.confirm]
        if not targets:
            return LOOKS["no check"]
        looks = [self.look(target.key).word for target in targets]
        for word, look in (("working", "working"), ("queued", "queued"), ("broken", "regressed"), ("failed", "failed")):
            if word in looks:
                return LOOKS[look]
        if all(word in {"passed", "confirmed", "skipped"} for word in looks):
            if len(targets) < len(every):
                # The rest is done by hand and not checked.
                return LOOKS["partly"]
            return LOOKS[next(word for word in ("passed", "confirmed", "skipped") if word in looks)]
        for word in ("waiting", "checking", "unknown"):
            if word in looks:
                return LOOKS[word]
        if "passed" in looks or "confirmed" in looks:
            return LOOKS["partly"]
        for word in ("to do", "blocked", "skipped"):
            if word in looks:
                return LOOKS[word]
        return LOOKS[NOT_CHECKED]

    def next_target(self) -> Target | None:
        """Return the first step in the lab's order that can be verified or confirmed, and is not.

        A step that only a person can do and that has failed its check may be impossible for them: it comes last as long
        as something else can be done.
        """
        open_ = self.missing(list(self.targets.values()))

        def stands_still(target: Target) -> bool:
            status = self.status(target.key)
            return status is Status.BLOCKED or (
                not (target.step.solve or target.step.confirm)
                and status in {Status.FAILED, Status.UNKNOWN, Status.WAITING}
            )

        return next((target for target in open_ if not stands_still(target)), next(iter(open_), None))

    def missing(self, targets: Sequence[Target]) -> list[Target]:
        """Return those of the targets that can be verified or confirmed, and are not."""
        able = [target for target in targets if target.step.check or target.step.confirm]
        return [target for target in able if self.status(target.key) not in DONE]

    def elapsed(self, key: str) -> float:
        """Return for how many seconds the work on the target has been running."""
        standing, now = self.standings[key], time.monotonic()
        if standing.progress is not None:
            return standing.progress.seconds + now - standing.progress_at
        return now - standing.activity_since if standing.activity is not Activity.NONE else 0.0

    def working(self, keys: Iterable[str], first: Sequence[str] = ()) -> list[str]:
        """Return which of these are in progress, in the order in which to show them."""
        wanted = {key for key in keys if self.standings[key].activity is Activity.WORKING}
        order = {key: number for number, key in enumerate(self.targets)}
        return sorted(wanted, key=lambda key: (key not in first, order[key]))

    def title(self, key: str) -> str:
        """Return the step's title with its environment."""
        target = self.targets.get(key)
        return key if target is None else target.title

    def waiting(self) -> list[str]:
        """Return the steps whose state is still changing."""
        return [
            key
            for key, standing in self.standings.items()
            if standing.activity is Activity.NONE and standing.result and standing.result.status is Status.WAITING
        ]

    def flash(self, keys: Iterable[str]) -> None:
        """Make these steps stand out for a moment."""
        self._flashing |= dict.fromkeys(keys, time.monotonic() + FLASH_SECONDS)

    def is_flashing(self, key: str) -> bool:
        """Whether the step stands out at the moment."""
        return self._flashing.get(key, 0.0) > time.monotonic()

    def word(self, look: Look, keys: Iterable[str]) -> tuple[str, str]:
        """Return the word for a status and its style, which stand out if one of the steps has just changed."""
        if any(self.is_flashing(key) for key in keys):
            return f"★ {look.word}"[:11], f"{look.style} reverse"
        return look.word, look.style

    def outdate(self, statuses: Mapping[str, Status | None]) -> None:
        """Take over what another window found out about these steps, until they are checked here."""
        for key, status in statuses.items():
            standing = self.standings[key]
            standing.result, standing.remembered, standing.checked_at = None, status, None
            self.troubles.pop(key, None)

    def begin(self, keys: Iterable[str]) -> None:
        """Record that the person requested these."""
        for key in keys:
            if key in self.standings:
                self.standings[key].tried = True

    def judge(self, keys: Iterable[str], pane: str, *, tried: bool) -> str:
        """Record which of these steps a request of the person left undone; return the first, or an empty string.

        A step that has a cause of its own comes before one that waits for another step.

        Args:
            keys: The requested steps, and those that they need.
            pane: The pane that says why.
            tried: Whether somebody tried to do them. Otherwise they were only checked, and one that nobody has started
                is no trouble, unless it is the first.
        """
        wanted = set(keys)
        order = [key for key in self.targets if key in wanted]
        for key in order:
            self.troubles.pop(key, None)
        causes = [key for key in order if self.status(key) in {Status.FAILED, Status.UNKNOWN}]
        behind = [key for key in order if self.status(key) is Status.BLOCKED]
        first = next(iter(causes or behind), "")
        for key in (*causes, *behind):
            if tried or key == first or self.look(key).word not in {"to do", "blocked"}:
                self.troubles[key] = pane
        return first

    def settle(self, keys: Iterable[str]) -> None:
        """Record that nothing is being done with these anymore."""
        for key in keys:
            self.queued.discard(key)
            if key in self.standings:
                self.standings[key].activity = Activity.NONE
                self.standings[key].progress = None

    def note(self, section_id: str, text: str, kind: str = "note", target: str = "") -> None:
        """Add a line to a section's log."""
        self.logs.setdefault(section_id, []).append(LogLine(time.time(), target, text, kind))

    def apply(self, event: Event, *, undo: bool = False) -> bool:
        """Process an event of a run; return whether more than a log has changed.

        Args:
            event: The event.
            undo: Whether the run removes resources: a passed result is then about the removal, and the step must be
                checked again.
        """
        key = getattr(event, "target", "")
        standing = self.standings.get(key)
        if standing is None:
            return False
        section_id, environment = self.targets[key].step.section, self.targets[key].environment
        # Two environments that are processed in parallel share one log.
        where = f"{environment}: " if environment else ""
        now = time.monotonic()
        match event:
            case CheckStarted():
                if standing.activity is Activity.NONE:
                    standing.activity, standing.activity_since = Activity.CHECKING, now
            case CheckFinished(result=result):
                if standing.activity is Activity.CHECKING:
                    standing.activity = Activity.NONE
                if not undo:
                    standing.result, standing.checked_at, standing.seen_at = result, now, time.time()
                    if result.passed:
                        self.troubles.pop(key, None)
            case WorkStarted():
                self.queued.discard(key)
                standing.activity, standing.activity_since = Activity.WORKING, now
                self.note(section_id, self.title(key), "begun", key)
            case Said(text=text):
                self.note(section_id, f"{where}{text}", "said", key)
                return False
            case Progressed(text=text):
                first = standing.progress is None
                if standing.progress is None or standing.progress.text != text:
                    self.note(section_id, f"{where}{text}", "said", key)
                standing.progress, standing.progress_at = event, now
                # A build can say so ten times a second; later ones are drawn with the time, once a second.
                return first
            case PersonNeeded():
                self.person_needed = event
                self.note(
                    section_id, event.text if event.url in event.text else f"{event.text} {event.url}", "said", key
                )
            case WorkFinished(result=result, seconds=seconds):
                standing.activity, standing.progress = Activity.NONE, None
                self.queued.discard(key)
                if undo:
                    standing.result = standing.remembered = None
                else:
                    standing.result, standing.checked_at, standing.seen_at = result, now, time.time()
                standing.tried = not undo
                if self.person_needed is not None and self.person_needed.target == key:
                    self.person_needed = None
                kind = "passed" if result.passed else "failed" if result.status is Status.FAILED else "note"
                word = "gone" if undo and result.passed else LOOKS[result.status].word
                took = f" ({seconds:.0f} s)" if seconds >= 1 else ""
                self.note(section_id, f"{where.replace(':', '')}{word}: {result.summary}{took}", kind, key)
        return True
