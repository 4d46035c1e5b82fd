"""The three standard streams: makes them safe to write to, and writes messages before and after a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

USAGE = 2

INTERRUPTED = 130

UNKNOWN = 3
"""A service or a file could not be asked, so the result is open."""

DEFECT = 70
"""A defect of the wizard's own (`EX_SOFTWARE` of sysexits.h)."""


class StdoutError(OSError):
    """Standard output cannot be written, for example because the disk is full."""


class Stdout:
    """Standard output, with its own error class to distinguish its errors from those of other files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and return how many characters.

        Raises:
            StdoutError: It cannot be written.
        """
        with self._told_apart():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is in the buffer.

        Raises:
            StdoutError: It cannot be written.
        """
        with self._told_apart():
            self._stream.flush()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutError(error.errno, error.strerror) from error

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the underlying stream."""
        return getattr(self._stream, name)


def forget_another_size() -> None:
    """Remove COLUMNS and LINES if the terminal itself says how large it is.

    Shells keep them up to date for themselves only: exported, they stay what they were in another window, and Textual
    and Rich (as `shutil.get_terminal_size`) believe them rather than the terminal.
    """
    with suppress(OSError, ValueError, AttributeError):
        if sys.stdout.isatty() and all(os.get_terminal_size(sys.stdout.fileno())):
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)


class MisuseError(Exception):
    """The command line is wrong; like UsageError, but available before other modules are loaded."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def say(text: str) -> None:
    """Write a line to standard error."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody reads it; the exit code says the same.
        return


def complain(message: str, hint: str) -> None:
    """Write an error and its hint to standard error."""
    message = message[:1].lower() + message[1:] if message[:2].istitle() else message
    say(f"hol-wizard: {message}")
    for line in hint.splitlines():
        say(f"  {line}")


def have_streams() -> None:
    """Make sure that all three streams exist, and that no unusual character breaks them.

    If the caller has closed one (`<&-`), the next file that is opened would get its number, and child processes would
    write into that file. A byte or a character that the encoding lacks becomes a question mark.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Opened in this order, each gets the lowest free number, which is its own.
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123 to the end
        if reconfigure := getattr(getattr(sys, name), "reconfigure", None):
            reconfigure(errors="replace")


def close_stdout() -> None:
    """Discard buffered output, about which Python would otherwise complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        # Not a real stream, so there is nothing to flush.
        return


def leave_behind(code: int) -> None:
    """End the process now if remaining threads would block it: reads, or work that a person no longer waits for."""
    import threading

    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if left:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
