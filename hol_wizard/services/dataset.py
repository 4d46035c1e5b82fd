"""The lab's data file: its required contents, how it is built from its public source, and how a copy is validated.

`AdultCensusIncome.csv` is the training part of the dataset Adult of the UCI Machine Learning Repository (Barry Becker
and Ronny Kohavi, 1996, doi.org/10.24432/C5XW20) with a line of column names in front. The digests are those of
`adult.data`, as many public projects pin it, and of the only copy of the lab's file that was found. It cannot be shown
that this copy is identical to the lab's original, but it consists exactly of UCI's rows.
"""

from __future__ import annotations

import codecs
import hashlib
import io
import re
from dataclasses import dataclass
from enum import StrEnum

from hol_wizard.errors import ServiceError

NAME = "AdultCensusIncome.csv"

SOURCES = (
    "https://archive.ics.uci.edu/static/public/2/adult.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/adult/adult.data",
)
"""Where UCI publishes the rows: as an archive, and unpacked at the older address, which many programs still use."""

SOURCE_WORDS = "the data set Adult of the UCI Machine Learning Repository"
LICENCE = "Creative Commons Attribution 4.0 International (CC BY 4.0)"
"""The license under which UCI publishes the dataset; not verified here."""

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
"""Columns of integers; the others contain words."""
HEADER = (",".join(COLUMNS) + "\n").encode()

SIZE = 3_974_473
ROWS = 32_561
SHA256 = "8dbaed1c413d1a1aa4ddbec2544a76c6620ac4021a44181ff1eb1a062a3b036e"

UCI_MEMBER = "adult.data"
UCI_SIZE = 3_974_305
UCI_SHA256 = "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"

STAND_IN_SHA256 = "ec4961526730e713f8c78aceb621075af61b7288db7b28fdf5494b4ed6f2dcc7"
"""Digest of the result of `census_stand_in.generate`, which is the same on every system and Python version."""

MOST = 64 * 1024 * 1024
"""Maximum size in bytes of a file that is accepted instead of the lab's."""


class Origin(StrEnum):
    """The origin of a copy, as far as its contents show."""

    ORIGINAL = "original"
    """The lab's file, by its digest."""
    STAND_IN = "generated stand-in"
    """The generated stand-in for machines without internet access; it contains no real people."""
    OTHER = "own file"
    """Anything else."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """The properties of a copy."""

    size: int
    """In bytes."""
    sha256: str
    rows: int
    """Number of rows without the header line."""
    columns: tuple[str, ...]
    column_problem: str = ""
    """Which columns are wrong; empty if they are the lab's."""
    row_problem: str = ""
    """The first row with values of the wrong types; empty if there is none."""

    @property
    def origin(self) -> Origin:
        """The origin of the contents."""
        return {SHA256: Origin.ORIGINAL, STAND_IN_SHA256: Origin.STAND_IN}.get(self.sha256, Origin.OTHER)

    @property
    def fits(self) -> bool:
        """Whether the lab can use it."""
        return not (self.column_problem or self.row_problem) and self.rows > 0 and self.size <= MOST

    @property
    def problem(self) -> str:
        """Why the lab cannot use it, in words; empty if it can."""
        if self.size > MOST:
            return f"it is larger than {MOST // 2**20} MiB"
        return self.column_problem or self.row_problem or ("" if self.rows else "it has no rows")


def examine(content: bytes) -> DataFile:
    """Return the properties of a copy."""
    size, sha256 = len(content), hashlib.sha256(content).hexdigest()
    if size > MOST:
        return DataFile(size, sha256, 0, ())
    if form := _other_form(content):
        return DataFile(size, sha256, 0, (), form)
    first, _, rest = content.partition(b"\n")
    columns = tuple(first.decode("utf-8", "replace").removesuffix("\r").split(","))
    problem = _column_problem(columns)
    if sha256 in (SHA256, STAND_IN_SHA256):
        return DataFile(size, sha256, ROWS, columns)
    lines = rest.decode("utf-8", "replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return DataFile(size, sha256, len(lines), columns, problem, "" if problem else _row_problem(lines))


_FORMS = (
    (b"PK\x03\x04", "it is a ZIP archive, or a workbook of Excel: unpack it, or save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "it is a workbook of Excel: save it as CSV with commas"),
    (b"\x1f\x8b", "it is compressed (gzip): unpack it"),
    (b"%PDF", "it is a PDF"),
    (b"PAR1", "it is a Parquet file: write it as CSV"),
    (b"version https://git-lfs.github.com/spec/", "it is a pointer of Git LFS, not the file: git lfs pull fetches it"),
    (codecs.BOM_UTF16_LE, "it is UTF-16: save it as UTF-8"),
    (codecs.BOM_UTF16_BE, "it is UTF-16: save it as UTF-8"),
)
"""First bytes of what people take for the file (file formats' magic numbers; git-lfs, docs/spec.md)."""


def _other_form(content: bytes) -> str:
    """Return what a file is if it is not text with commas; empty if it may be."""
    if told := next((words for start, words in _FORMS if content.startswith(start)), ""):
        return told
    head = content[:4096]
    if re.match(rb"\s*<(?:!doctype|html|\?xml|head|!--)", head, re.IGNORECASE):
        return "it is a web page: the download led to a page, such as one for a sign-in, instead of the file"
    if re.match(rb"\s*[\[{]", head):
        return "it is JSON"
    if b"\0" in head:
        return "it is not text, or UTF-16: save it as UTF-8"
    first = head.partition(b"\n")[0]
    for separator, name in ((b";", "semicolons"), (b"\t", "tabs"), (b"|", "vertical bars")):
        if first.count(separator) >= len(COLUMNS) // 2 and b"," not in first:
            return f"its values are separated by {name}, as some programs write CSV: save it with commas"
    return ""


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
    """Return the lab's file, built from the download of one of the `SOURCES`, packed or not.

    Raises:
        ServiceError: It is something else; nothing of it is used.
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
            # Reading one byte more than the maximum detects a larger file without unpacking all of it.
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
    from hol_wizard.services import sample_dataset

    return sample_dataset.generate(HEADER, ROWS)
