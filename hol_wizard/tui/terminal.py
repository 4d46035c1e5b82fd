"""Textual's terminal driver, made robust against invalid bytes, a closed terminal, a stop and a sudden end."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from typing import IO

from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.message import Message

logger = logging.getLogger(__name__)

KEPT = ("last_x", "last_y", "mouse_pixels", "terminal_size", "terminal_pixel_size")
"""What the parser has learned about the terminal."""


class Keys:
    """Textual's parser of terminal input; an invalid sequence does not stop it."""

    def __init__(self, *, debug: bool = False) -> None:
        self._debug = debug
        self._parser = XTermParser(debug)

    def feed(self, text: str) -> Iterator[Message]:
        """Yield the keys and other messages of the text; parses one character at a time, so that no other one is
        lost."""
        for character in text:
            yield from self._guarded(self._parser.feed(character))

    def tick(self) -> Iterator[Message]:
        """Yield what only the elapsed time can decide, such as a single Escape."""
        yield from self._guarded(self._parser.tick())

    def _guarded(self, messages: Iterable[Message]) -> Iterator[Message]:
        try:
            yield from messages
        except Exception:
            # It is one of Textual's generators, which an error has ended.
            logger.info("the terminal sent unreadable input", exc_info=True)
            before, self._parser = self._parser, XTermParser(self._debug)
            for name in KEPT:
                setattr(self._parser, name, getattr(before, name))


class Output:
    """The terminal as a file; after it has been closed, output is discarded.

    Otherwise, the error would end Textual's writer thread, and its full queue would block the app.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.gone = False

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._file.fileno()

    def write(self, text: str) -> None:
        """Write, unless the terminal is closed."""
        if not self.gone:
            try:
                self._file.write(text)
            except (OSError, ValueError):
                self.gone = True

    def flush(self) -> None:
        """Flush the buffer, unless the terminal is closed."""
        if not self.gone:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.gone = True


def terminal_class() -> type[Driver]:
    """Return the driver for this system."""
    if sys.platform == "win32":
        from hol_wizard.tui.windows_terminal import WindowsTerminal

        return WindowsTerminal
    from hol_wizard.tui.posix_terminal import PosixTerminal

    return PosixTerminal
