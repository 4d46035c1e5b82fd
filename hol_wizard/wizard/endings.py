"""The end of the lab: what is verified and what is only confirmed, how long it took, and what still costs money."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.results import DONE, Status
from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Lab, Section, targets_of
from hol_wizard.lines import duration, one_line
from hol_wizard.paths import write_private


@dataclass(frozen=True, slots=True)
class Chapter:
    """What became of one section."""

    number: int
    title: str
    verified: int
    confirmed: int
    by_hand: int
    """Steps that nobody can check or confirm."""
    total: int
    left: Sequence[str]
    """Titles of the steps that can be verified or confirmed, and are not."""
    seconds: float | None
    """From the first entry of the ledger about it to the last creation; None if it created nothing."""

    def line(self) -> str:
        """Return it as a line: `4. Add resources: 10 of 10 verified, 6 min`."""
        parts = [f"{self.verified} of {self.total} verified"]
        parts += [f"{self.confirmed} confirmed"] if self.confirmed else []
        parts += [f"{self.by_hand} by hand"] if self.by_hand else []
        parts += [f"{len(self.left)} not done"] if self.left else []
        parts += [duration(self.seconds)] if self.seconds is not None else []
        return f"{self.number}. {self.title}: {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of the lab, by the last checks."""

    at: datetime
    where: str
    """Cloud, profile, account and subscription."""
    chapters: Sequence[Chapter]
    costs: Sequence[str]
    """What costs money now and how to stop it, in lines."""
    command: str
    """The command that removes everything."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left that can be verified or confirmed."""
        return not any(chapter.left for chapter in self.chapters)

    @property
    def heading(self) -> str:
        """One line about all of it."""
        verified = sum(chapter.verified for chapter in self.chapters)
        total = sum(chapter.total for chapter in self.chapters)
        confirmed = sum(chapter.confirmed for chapter in self.chapters)
        said = f"{verified} of {total} steps are verified" + (f", {confirmed} confirmed by you" if confirmed else "")
        return f"The lab is done: {said}." if self.is_complete else f"Not at the end yet: {said}."

    def lines(self) -> Iterator[str]:
        """Yield the sections, what is left, and what costs money."""
        for chapter in self.chapters:
            yield chapter.line()
            for title in chapter.left:
                yield f"   not done: {title}"
        yield ""
        yield "What costs money now"
        yield from self.costs
        yield f"To remove everything that this wizard created: {self.command}"

    def document(self) -> str:
        """Return it as Markdown."""
        listed = "\n".join(
            "\n".join([f"- {chapter.line()}", *(f"  - not done: {title}" for title in chapter.left)])
            for chapter in self.chapters
        )
        costs = "\n".join(f"- {line}" for line in self.costs)
        return (
            f"# {self.heading}\n\n{self.at:%Y-%m-%d %H:%M} UTC · {one_line(self.where)}\n\n"
            f"The results are those of the last check of each step. *Confirmed* means that a person said so.\n\n"
            f"## Sections\n\n{listed}\n\n## What costs money now\n\n{costs}\n\n"
            f"To remove everything that the wizard created, run `{self.command}`.\n"
        )


def ending_of(
    lab: Lab,
    where: str,
    statuses: Mapping[str, Status],
    entries: Iterable[Entry],
    costs: Sequence[str],
    command: str,
) -> Ending:
    """Return what became of the lab.

    Args:
        lab: The lab.
        where: Cloud, profile, account and subscription.
        statuses: The last result of each step.
        entries: Of the ledger.
        costs: What costs money now, in lines.
        command: The command that removes everything.
    """
    entries = list(entries)
    chapters = [_chapter(section, statuses, entries) for section in lab.sections]
    return Ending(datetime.now(UTC), where, chapters, costs, command)


def _chapter(section: Section, statuses: Mapping[str, Status], entries: Sequence[Entry]) -> Chapter:
    targets = [target for step in section.steps for target in targets_of(step)]
    able = [target for target in targets if target.step.check or target.step.confirm]
    return Chapter(
        section.number,
        section.title,
        sum(statuses.get(target.key) is Status.PASSED for target in targets),
        sum(statuses.get(target.key) is Status.SKIPPED and bool(target.step.confirm) for target in targets),
        len(targets) - len(able),
        len(targets),
        [target.title for target in able if statuses.get(target.key) not in DONE],
        _seconds(section.id, entries),
    )


def _seconds(section_id: str, entries: Sequence[Entry]) -> float | None:
    """Return the time from the first request about a section to its last creation."""
    own = [entry for entry in entries if entry.target.partition("/")[0] == section_id]
    began = [at for entry in own if entry.fact is Fact.INTENT and (at := entry.time)]
    ended = [at for entry in own if entry.fact is Fact.CREATED and (at := entry.time)]
    return max(0.0, (max(ended) - min(began)).total_seconds()) if began and ended else None


def kept(ending: Ending, path: Path) -> str:
    """Write the report, and return where it is, or why it is not written."""
    try:
        write_private(path, ending.document().encode())
    except UsageError as error:
        return f"The report could not be written: {error}"
    return f"The report: {path}"
