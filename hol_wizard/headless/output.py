"""Data on standard output, everything else on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from hol_wizard.errors import UsageError
from hol_wizard.report import one_line

NOTHING_DONE = 1

UNSURE = 3
"""Exit code: nothing failed, but something could not be found out."""


def put(text: str) -> None:
    """Write data to standard output.

    If the reader has closed the pipe (`| head -1`), the work continues and the exit code stays correct.

    Raises:
        UsageError: It cannot be written for another reason, such as a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain about what is left in the buffer at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Windows has EINVAL for a broken pipe.
        if not isinstance(error, BrokenPipeError) and not (sys.platform == "win32" and error.errno == errno.EINVAL):
            raise UsageError(
                f"Standard output cannot be written: {error.strerror or error}.", "Write to a file: --output FILE"
            ) from error


def out(text: str) -> None:
    """Write a line of data to standard output."""
    put(text + "\n")


def err(text: str) -> None:
    """Write a line for the person, not for a program, to standard error."""
    # A reader that went away, or a closed stream, is no reason to stop the work.
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def watched(stream: TextIO) -> bool:
    """Return whether a person sees the stream."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def tell(lines: Iterable[str], write: Callable[[str], None]) -> None:
    """Write lines that keep their indentation and are safe for a terminal."""
    for line in lines:
        write(f"{' ' * (len(line) - len(line.lstrip()))}{one_line(line)}")
