"""Data on standard output, everything else on standard error."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from hol_wizard.errors import UsageError
from hol_wizard.lines import one_line

NOTHING_DONE = 1

UNSURE = 3
"""Exit code: nothing failed, but something is unknown."""


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
        # Python would otherwise complain about the rest of the buffer when it ends.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # On Windows, a broken pipe is EINVAL.
        if not isinstance(error, BrokenPipeError) and not (sys.platform == "win32" and error.errno == errno.EINVAL):
            raise UsageError(
                f"Standard output cannot be written: {error.strerror or error}.", "Write to a file: --output FILE"
            ) from error


def out(text: str) -> None:
    """Write a line of data to standard output."""
    put(text + "\n")


def err(text: str) -> None:
    """Write a line for the person, not for a program, to standard error."""
    # The work does not stop because the reader has gone or a stream is closed.
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def watched(stream: TextIO) -> bool:
    """Return whether the stream is a terminal."""
    try:
        return stream.isatty()
    except ValueError:
        return False


def tell(lines: Iterable[str], write: Callable[[str], None]) -> None:
    """Write lines that keep their indentation and are safe for a terminal."""
    for line in lines:
        write(f"{' ' * (len(line) - len(line.lstrip()))}{one_line(line)}")
