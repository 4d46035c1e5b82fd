"""The receipt of a teardown: what is gone, what is left and why, and what it cost; on the screen and in a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import DONE, Result
from hol_wizard.errors import UsageError
from hol_wizard.lines import clean, duration, one_line
from hol_wizard.paths import write_private
from hol_wizard.wizard.solves import PlannedChange

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost

FOLDER: Final = "receipts"


@dataclass(frozen=True, slots=True)
class Item:
    """One resource that a teardown was to remove."""

    target: str
    """Key of the step that created it."""
    what: str
    """Its kind and name."""
    gone: bool
    stood: float | None = None
    """Seconds from its creation, or the request for it, to its removal, or to the receipt; None if unknown."""

    def line(self) -> str:
        """Return the item as a line."""
        stood = f" (stood {duration(self.stood)})" if self.stood is not None else ""
        return f"{'GONE' if self.gone else 'LEFT':<7}  {self.target}  {self.what}{stood}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a teardown."""

    at: datetime
    where: str
    """Cloud, profile, account and subscription."""
    items: Sequence[Item]
    results: Mapping[str, Result]
    """The result of each target, in the order of the teardown."""
    untouched: Sequence[str]
    """What was left in place on purpose, with the reason."""
    costs: Sequence[str]
    """What it cost, in lines."""
    seconds: float
    cancelled: bool = False

    @property
    def gone(self) -> int:
        """How many resources are gone."""
        return sum(each.gone for each in self.items)

    def lines(self) -> Iterator[str]:
        """Yield the receipt as lines."""
        yield f"Receipt of {self.at:%Y-%m-%d %H:%M:%S} UTC, {one_line(self.where)}"
        by_target: dict[str, list[Item]] = {}
        for item in self.items:
            by_target.setdefault(item.target, []).append(item)
        for key, result in self.results.items():
            done = result.status in DONE
            items = by_target.get(key, [])
            yield from (item.line() for item in items)
            if items and done:
                yield f"         verified: {one_line(result.summary)}"
            elif not done:
                yield f"{result.status.upper():<7}  {key}  {one_line(result.summary)}"
                if result.next_action:
                    yield f"         next: {one_line(result.next_action)}"
        yield from self.untouched
        yield from map(clean, self.costs)
        stopped = "interrupted; " if self.cancelled else ""
        yield f"{stopped}{self.gone} gone, {len(self.items) - self.gone} left ({self.seconds:.1f} s)"

    def keep(self, folder: Path) -> Path:
        """Write the receipt into a new file in a folder, readable only by its owner, and return its path.

        Raises:
            UsageError: It cannot be written.
        """
        path = folder / f"{self.at:%Y%m%dT%H%M%S}-{self.at.microsecond // 1000:03}Z.txt"
        write_private(path, "".join(f"{line}\n" for line in self.lines()).encode())
        return path


def kept(receipt: Receipt, folder: Path) -> str:
    """Write a receipt into a file, and return where it is, or why it is not written."""
    try:
        return f"This receipt is kept in {receipt.keep(folder)}"
    except UsageError as error:
        return f"This receipt is not kept in a file. {error.message}"


def receipt_of(
    where: str,
    changes: Sequence[PlannedChange],
    finished: RunFinished,
    entries: Iterable[Entry],
    cost: Cost | None,
    began: datetime,
) -> Receipt:
    """Return the receipt of a teardown.

    Args:
        where: Cloud, profile, account and subscription.
        changes: What was planned.
        finished: How it ended.
        entries: The ledger's, after the teardown. They say when each resource was created and removed.
        cost: What cost money before the teardown; None if it is unknown.
        began: When the teardown began.
    """
    now = datetime.now(UTC)
    noted: dict[str, list[Entry]] = {}
    for entry in entries:
        noted.setdefault(entry.target, []).append(entry)
    items = []
    untouched = []
    for planned in changes:
        key, change = planned.target_key, planned.change
        what = f"{change.kind} {one_line(change.name)}"
        if change.removes:
            result = finished.results.get(key)
            own = [each for each in noted.get(key, ()) if _is_about(each, change)]
            made = [at for each in own if each.fact in {Fact.INTENT, Fact.CREATED} and (at := each.time)]
            removed = [at for each in own if each.fact is Fact.DELETED and (at := each.time) and at >= began]
            end = removed[-1] if removed else now
            stood = (end - made[-1]).total_seconds() if made else None
            items.append(Item(key, what, bool(removed) or (result is not None and result.passed), stood))
        elif change.verb == "leave":
            untouched.append(f"{'KEPT':<7}  {key}  {what}: {one_line(change.note)}")
    return Receipt(
        now, where, items, finished.results, untouched, tuple(_costs(cost, now)), finished.seconds, finished.cancelled
    )


def _is_about(entry: Entry, change: Change) -> bool:
    """Whether a ledger entry is about what a change removes."""
    return entry.resource == change.resource or (
        entry.kind == change.kind and entry.resource.rpartition("/")[2].lower() == change.name.lower()
    )


def _costs(cost: Cost | None, now: datetime) -> Iterator[str]:
    """Yield what was billed until the teardown: what ran, and what costs by the day or by its use."""
    if cost is None:
        return
    if not cost.running and not cost.standing:
        return
    yield "Cost until the teardown"
    for each in cost.running:
        hours = None if each.since is None else max(0.0, now.timestamp() - each.since) / 3600
        ran = f"ran {duration(hours * 3600)}" if hours is not None else "ran"
        amount = ""
        if hours is not None and each.hourly is not None:
            amount = f"; that makes {each.hourly * hours:.2f} {each.currency} for the machines"
        yield f"  {each.what}: {ran}; {each.price_text}{amount}"
    places: dict[str, list[str]] = {}
    for standing in cost.standing:
        places.setdefault(standing.cost, []).append(standing.target_key)
    for words, keys in places.items():
        yield f"  {', '.join(keys)}: {words}"
    for note in cost.notes:
        yield f"  {note}"
