"""The data file: which one the person wants, validating a copy, and progress."""

from __future__ import annotations

import codecs
import time
from pathlib import Path

from hol_wizard.engine.results import Expectation
from hol_wizard.errors import UsageError
from hol_wizard.lab.inputs import ORIGINAL, STAND_IN
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.lake import DATA_FILE
from hol_wizard.services import dataset
from hol_wizard.services.dataset import DataFile, Origin

INPUT = "own_data_file"
ANOTHER = "hol-wizard solve initial-data --own-data-file"
"""The command for another file, without the file name."""

TOLD_EVERY = 0.2
"""Seconds between two lines of progress."""


def choice(context: StepContext) -> str:
    """Return the person's choice: a path, `ORIGINAL`, `STAND_IN`, or an empty string for the cloud's default."""
    return context.answer(INPUT)


def own_file(context: StepContext) -> Path | None:
    """Return the person's own file, or None."""
    chosen = choice(context)
    return None if chosen in ("", ORIGINAL, STAND_IN) else Path(chosen)


def read_own(path: Path) -> bytes:
    """Return the contents of the person's own file without a byte order mark, or enough of it to see that it is too
    large.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(dataset.MOST + 1).removeprefix(codecs.BOM_UTF8)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            f"Give another file, or use the lab's own: {ANOTHER} {ORIGINAL}",
        ) from error


def generated(context: StepContext) -> bool:
    """Whether to use the stand-in: chosen by the person, or the default of a cloud that does not use the internet."""
    chosen = choice(context)
    return chosen == STAND_IN or (not chosen and context.services.endpoints.stand_in_data)


def local(context: StepContext) -> bytes | None:
    """Return the contents of the wizard's copy, or None; checks of one run share the read."""
    return context.reads.share(("data file",), lambda: context.services.downloads.find(DATA_FILE))


def examined(context: StepContext, content: bytes) -> DataFile:
    """Return the properties of a copy; checks of one run share the examination, which takes a second."""
    return context.reads.share(("data file examined", hash(content)), lambda: dataset.examine(content))


def origin_words(data: DataFile) -> str:
    """Return the origin of a copy in words."""
    return {
        Origin.ORIGINAL: "the lab's file",
        Origin.STAND_IN: "a generated stand-in without real people",
        Origin.OTHER: "not the lab's file",
    }[data.origin]


def expectations(context: StepContext, data: DataFile) -> tuple[Expectation, ...]:
    """Return the expectations for a copy; its digest distinguishes the lab's file from others that fit."""
    own, stand_in = data.origin is Origin.OTHER, data.origin is Origin.STAND_IN
    columns, values = f"{len(dataset.COLUMNS)}, with the lab's names", "of their columns' types"
    rows = "at least 1" if own else f"{dataset.ROWS:,}"
    size = f"{dataset.SIZE:,} bytes" if data.origin is Origin.ORIGINAL else f"at most {dataset.MOST:,} bytes"
    wanted = f"{dataset.SHA256} (the lab's file)"
    if own:
        wanted += ", or your own file's"
    elif stand_in and generated(context):
        wanted += ", or the generated stand-in's"
    return (
        Expectation("Columns", columns, data.column_problem or columns, not data.column_problem),
        Expectation("Values", values, data.row_problem or values, not data.row_problem),
        Expectation("Rows", rows, f"{data.rows:,}", data.rows > 0),
        Expectation("Size", size, f"{data.size:,} bytes", data.size <= dataset.MOST),
        Expectation("SHA-256", wanted, f"{data.sha256} ({origin_words(data)})", not stand_in or generated(context)),
    )


class Teller:
    """Reports the number of bytes so far and in total, at intervals, and stops if the person asks to."""

    def __init__(self, context: StepContext, doing: str) -> None:
        self._channel = context.reporter
        self._doing = doing
        self._last = 0.0

    def __call__(self, done: int, whole: int) -> None:
        """Report the progress."""
        self._channel.stop_if_cancelled()
        now = time.monotonic()
        if done and done != whole and now - self._last < TOLD_EVERY:
            return
        self._last = now
        of = f" of {whole / 2**20:.1f}" if whole else ""
        self._channel.progress(f"{self._doing} {DATA_FILE}: {done / 2**20:.1f}{of} MiB")
