"""The lab's data file: what it must be, how it is built from its public source, and how any copy is judged.

`AdultCensusIncome.csv` is the training part of the data set Adult of the UCI Machine Learning Repository (Barry Becker
and Ronny Kohavi, 1996, doi.org/10.24432/C5XW20) with a line of column names in front. The digests are those of
`adult.data` as many public projects pin it, and of the one surviving copy of the lab's file that was found; that this
copy is byte for byte what the lab once handed out cannot be shown, but it is UCI's rows and nothing else.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from enum import StrEnum

from hol_wizard.errors import ServiceError

NAME = "AdultCensusIncome.csv"

SOURCES = (
    "https://archive.ics.uci.edu/static/public/2/adult.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",
)
"""Where UCI hands the rows out: packed, and at the older address, which many programs still use, as they are."""

SOURCE_WORDS = "the data set Adult of the UCI Machine Learning Repository"
LICENCE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"
"""What UCI is known to give the data set out under; not verified here."""

COLUMNS = (
    "age",
    " workclass",
    " fnlwgt",
    " education",
    " education-num",
    " marital-status",
    " occupation",
    " relationship",
    " race",
    " sex",
    " capital-gain",
    " capital-loss",
    " hours-per-week",
    " native-country",
    " income",
)
"""The columns' names. The spaces are part of them: the training code asks for `" hours-per-week"`."""
NUMBERS = frozenset({"age", " fnlwgt", " education-num", " capital-gain", " capital-loss", " hours-per-week"})
"""Columns of whole numbers; the others are words."""
HEADER = (",".join(COLUMNS) + "\n").encode()

SIZE = 3_974_473
ROWS = 32_561
SHA256 = "8dbaed1c413d1a1aa4ddbec2544a76c6620ac4021a44181ff1eb1a062a3b036e"

UCI_MEMBER = "adult.data"
UCI_SIZE = 3_974_305
UCI_SHA256 = "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"

STAND_IN_SHA256 = "ec4961526730e713f8c78aceb621075af61b7288db7b28fdf5494b4ed6f2dcc7"
"""Digest of what `census_stand_in.generate` returns, on every system and every Python."""

MOST = 64 * 1024 * 1024
"""Bytes of the largest file that is accepted instead of the lab's."""


class Origin(StrEnum):
    """Where a copy's content comes from, as far as the content itself can tell."""

    ORIGINAL = "original"
    """The lab's file, by its digest."""
    STAND_IN = "generated stand-in"
    """What the wizard generates where the internet is out of reach; nobody's census."""
    OTHER = "own file"
    """Anything else."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """What was found out about a copy."""

    size: int
    """In bytes."""
    sha256: str
    rows: int
    """Without the line of column names."""
    columns: tuple[str, ...]
    column_problem: str = ""
    """Which columns are wrong; empty when they are the lab's."""
    row_problem: str = ""
    """The first row whose values are not of their columns' types; empty when there is none."""

    @property
    def origin(self) -> Origin:
        """Where the content comes from."""
        return {SHA256: Origin.ORIGINAL, STAND_IN_SHA256: Origin.STAND_IN}.get(self.sha256, Origin.OTHER)

    @property
    def fits(self) -> bool:
        """Whether the lab can work with it."""
        return not (self.column_problem or self.row_problem) and self.rows > 0 and self.size <= MOST

    @property
    def problem(self) -> str:
        """What keeps the lab from working with it, in words; empty when nothing does."""
        if self.size > MOST:
            return f"it is larger than {MOST // 2**20} MiB"
        return self.column_problem or self.row_problem or ("" if self.rows else "it has no rows")


def examine(content: bytes) -> DataFile:
    """Return what a copy is."""
    size, sha256 = len(content), hashlib.sha256(content).hexdigest()
    if size > MOST:
        return DataFile(size, sha256, 0, ())
    first, _, rest = content.partition(b"\n")
    columns = tuple(first.decode("utf-8", "replace").removesuffix("\r").split(","))
    problem = _column_problem(columns)
    if sha256 in (SHA256, STAND_IN_SHA256):
        return DataFile(size, sha256, ROWS, columns)
    lines = rest.decode("utf-8", "replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return DataFile(size, sha256, len(lines), columns, problem, "" if problem else _row_problem(lines))


def _column_problem(columns: tuple[str, ...]) -> str:
    if columns == COLUMNS:
        return ""
    missing = [f"“{name}”" for name in COLUMNS if name not in columns]
    extra = [f"“{name[:40]}”" for name in columns if name not in COLUMNS]
    if not missing and not extra:
        return "its columns are in another order"
    if [name.strip() for name in columns] == [name.strip() for name in COLUMNS]:
        return "its column names lack the leading space that all but the first have"
    found = []
    if missing:
        found.append(f"it has no column {', '.join(missing)}")
    if extra:
        found.append(f"it has {', '.join(extra[:15])}, which the lab's file does not have")
    return "; ".join(found)


def _row_problem(lines: list[str]) -> str:
    numbers = [index for index, name in enumerate(COLUMNS) if name in NUMBERS]
    for number, line in enumerate(lines, start=2):
        values = line.split(",")
        if len(values) != len(COLUMNS):
            return f"line {number} has {len(values)} values, not {len(COLUMNS)}"
        for index in numbers:
            if not values[index].strip().removeprefix("-").isdecimal():
                return f"line {number}: {COLUMNS[index].strip()} is “{values[index].strip()[:40]}”, not a whole number"
    return ""


def build(download: bytes) -> bytes:
    """Return the lab's file, built of what one of the `SOURCES` hands out, packed or not.

    Raises:
        ServiceError: It is something else: nothing of it is used.
    """
    rows = _unpacked(download)
    digest = hashlib.sha256(rows).hexdigest()
    if digest != UCI_SHA256:
        raise _not_it(f"sha256 of {UCI_MEMBER}: expected {UCI_SHA256}, got {digest}, {len(rows)} bytes")
    content = HEADER + rows.rstrip(b"\n")
    digest = hashlib.sha256(content).hexdigest()
    if (len(content), digest) != (SIZE, SHA256):
        raise _not_it(f"sha256 of {NAME}: expected {SHA256}, got {digest}, {len(content)} bytes")
    return content


def _unpacked(download: bytes) -> bytes:
    if not download.startswith(b"PK"):
        return download
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(io.BytesIO(download)) as archive, archive.open(UCI_MEMBER) as member:
            # One byte more than it may have tells a larger one, without unpacking all of that.
            return member.read(UCI_SIZE + 1)
    except (zipfile.BadZipFile, KeyError, OSError, EOFError, zlib.error, RuntimeError) as error:
        raise _not_it(f"the archive cannot be read: {error}") from error


def _not_it(detail: str) -> ServiceError:
    return ServiceError(
        "The downloaded file is not the lab's data, so it is not used.",
        "Try again. If it happens again, give a copy of your own: hol-wizard solve initial-data --own-data-file FILE",
        detail=detail,
    )


def stand_in() -> bytes:
    """Return the generated stand-in."""
    from hol_wizard.services import census_stand_in

    return census_stand_in.generate(HEADER, ROWS)
