"""Reads coverage in Cobertura's XML, as coverage.py, istanbul and others write it.

The total is that of the root element, as in every tool that shows such a file: coverage.py rounds, other tools leave
files out of the list. The lines are counted only if the root has no rate. Real files can contradict themselves; a note
then says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hol_wizard.test_results.attributes import count_of, number_of
from hol_wizard.untrusted_xml import UnreadableError, read_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ROUNDING: Final = 0.006
"""Difference between two rates that rounding explains."""


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """The coverage of a file."""

    name: str
    """Its path relative to the source folder."""
    covered: int
    valid: int
    """Number of executable lines; 0: the file has none, or the tool lists no lines."""
    told: float | None = None
    """The rate in the file's own entry, between 0 and 1; None: there is none."""
    missing: tuple[int, ...] = ()
    """Numbers of the lines that no test ran, ascending."""

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None: it has no executable lines."""
        return self.covered / self.valid if self.valid else None

    @property
    def ranges(self) -> str:
        """The missing lines: `3-5, 9`."""
        runs: list[list[int]] = []
        for number in self.missing:
            if runs and number == runs[-1][1] + 1:
                runs[-1][1] = number
            else:
                runs.append([number, number])
        return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)


@dataclass(frozen=True, slots=True)
class Coverage:
    """The coverage of a run."""

    rate: float | None
    """The total, between 0 and 1; None: unknown."""
    files: tuple[FileCoverage, ...]
    """In the file's order."""
    notes: tuple[str, ...] = ()
    """Contradictions in the file, in sentences."""

    @property
    def percent(self) -> str:
        """The rate as text: `44 %`. Rounded down, so that 67.9 % is not 68 %."""
        return percent(self.rate)


def percent(rate: float | None) -> str:
    """Return a rate as `44 %`, rounded down; `unknown` for None."""
    # 0.29 * 100 is 28.999999999999996.
    return "unknown" if rate is None else f"{int(round(rate * 100, 6))} %"


def read_cobertura(path: Path) -> Coverage:
    """Return the coverage in a file.

    Raises:
        FileNotFoundError: There is no such file.
        UnreadableError: It is not Cobertura XML.
    """
    return cobertura_of(read_xml(path))


def cobertura_of(root: Element) -> Coverage:
    """Return the coverage in a document.

    Raises:
        UnreadableError: It is not Cobertura XML.
    """
    if root.tag != "coverage" or root.find("packages") is None:
        what = "is a report of Clover, not Cobertura" if root.find("project") is not None else "is not Cobertura XML"
        raise UnreadableError(f"{what}: its root is <{root.tag[:40]}>")
    files = tuple(_files(root))
    covered, valid = sum(each.covered for each in files), sum(each.valid for each in files)
    counted = covered / valid if valid else None
    told, notes = _told(root)
    if told is not None and counted is not None and abs(told - counted) > _ROUNDING:
        notes.append(f"The report says {percent(told)} for all files; the lines that it lists are {percent(counted)}.")
    return Coverage(counted if told is None else told, files, tuple(notes))


def _told(root: Element) -> tuple[float | None, list[str]]:
    """Return the root's rate, given as such or as two counts, and a note if they differ."""
    rate = number_of(root.get("line-rate"))
    if rate is not None and rate > 1:
        rate = None
    covered, valid = count_of(root.get("lines-covered")), count_of(root.get("lines-valid"))
    counts = covered / valid if covered is not None and valid and covered <= valid else None
    if rate is None:
        return counts, []
    if counts is not None and abs(rate - counts) > _ROUNDING:
        return rate, [f"The report says {percent(rate)}, and {covered} of {valid} lines, which is {percent(counts)}."]
    return rate, []


def _files(root: Element) -> Iterator[FileCoverage]:
    """Yield the files; a file with several classes has an entry for each, and a line can be in more than one."""
    hits: dict[str, dict[int, bool]] = {}
    told: dict[str, float | None] = {}
    for entry in root.iter("class"):
        name = (entry.get("filename") or entry.get("name") or "(no name)").replace("\\", "/").removeprefix("./")
        lines = hits.setdefault(name, {})
        told.setdefault(name, number_of(entry.get("line-rate")))
        for line in entry.iterfind("lines/line"):
            number = count_of(line.get("number"))
            if number is not None:
                lines[number] = lines.get(number, False) or bool(number_of(line.get("hits")))
    for name, lines in hits.items():
        missing = tuple(sorted(number for number, hit in lines.items() if not hit))
        yield FileCoverage(name, len(lines) - len(missing), len(lines), told[name], missing)
