"""The three streams of the process: safe to write to, and what is said on them before and after a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

USAGE = 2

INTERRUPTED = 130

INTERNAL_ERROR = 3


class StdoutError(OSError):
    """Standard output cannot be written, for example because the disk is full."""


class Stdout:
    """Standard output, which tells an error of its own from those of the program's files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and return how many characters.

        Raises:
            StdoutError: It takes no more.
        """
        with self._told_apart():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is in the buffer.

        Raises:
            StdoutError: It takes no more.
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
        """Return what the stream itself has."""
        return getattr(self._stream, name)


class MisuseError(Exception):
    """The command line is wrong; like a UsageError, for where nothing of ours is loaded yet."""

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
        # Nobody listens; the exit code tells it as well.
        return


def complain(message: str, hint: str) -> None:
    """Write an error and its hint to standard error."""
    message = message[:1].lower() + message[1:] if message[:2].istitle() else message
    say(f"hol-wizard: {message}")
    for line in hint.splitlines():
        say(f"  {line}")


def have_streams() -> None:
    """Have all three streams, and none that an odd letter breaks.

    Where the caller has closed one (`<&-`), the next file that is opened would get its number, and programs that are
    started would write into it. A byte or a letter that the encoding lacks becomes a question mark.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Opened in this order, each gets the lowest number that is free: its own.
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123 to the end
        if reconfigure := getattr(getattr(sys, name), "reconfigure", None):
            reconfigure(errors="replace")


def close_stdout() -> None:
    """Discard what is still to be written, about which Python would complain when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        # Not a real stream; then nothing is left to be flushed either.
        return


def leave_behind(code: int) -> None:
    """End the process now when threads are left that would keep it: reads, or what a person gave up waiting for."""
    import threading

    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if left:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
