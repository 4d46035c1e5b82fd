"""The terminal of Linux and macOS."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import termios
from codecs import getincrementaldecoder
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from hol_wizard.tui.messages import EndAsked
from hol_wizard.tui.terminal import Keys, Output

_RESTORE = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    "\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""Turns off what the driver turns on, in the order in which Textual's own does it."""


class PosixTerminal(LinuxDriver):
    """Textual's driver, which no byte on the terminal, no closed terminal and no stop of the process breaks."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # Textual draws on standard error, so that standard output can be a pipe; here it is the terminal, always.
        shown = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.__stdout__
        assert shown is not None  # noqa: S101 the command line shows screens only on a terminal
        self._output = Output(shown)
        self._file = self._output  # type: ignore[assignment]  # the writer thread writes and flushes, no more
        self._drawing = False

    def start_application_mode(self) -> None:
        """Take the terminal over."""
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's has no types
        self._drawing = self._writer_thread is not None

    def stop_application_mode(self) -> None:
        """Give the terminal back."""
        super().stop_application_mode()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        self._drawing = False

    def close(self) -> None:
        """Write what is still to be written."""
        super().close()
        self._writer_thread = None

    def write(self, data: str) -> None:
        """Write to the terminal, if it has been taken over."""
        if self._writer_thread is not None:
            super().write(data)

    def restore(self) -> None:
        """Give the terminal back at once, from any thread, for an end that cannot wait."""
        if not self._drawing:
            return
        self._drawing = False
        self._output.gone = True
        with suppress(OSError):
            os.write(self._output.fileno(), _RESTORE.encode())
        with suppress(OSError, termios.error):
            termios.tcflush(self.fileno, termios.TCIFLUSH)
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)

    # Giving the terminal back, and taking it again, wait for the writer's queue, whose lock this thread may hold where
    # a signal interrupts it: a handler that did so itself would wait forever. The loop does it.

    def _sigtstp_application(self, *_: object) -> None:
        """Have the loop give the terminal back and stop the process."""
        stop = super()._sigtstp_application
        if self._auto_restart:
            self._loop.call_soon_threadsafe(stop)
        else:
            stop()

    def _sigcont_application(self, *_: object) -> None:
        """Have the loop draw again."""
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._draw_again)

    def _draw_again(self) -> None:
        """Take the terminal again. After a SIGSTOP, which cannot be heard, it was not given back: the shell has it in
        another state than it was, and starting a second time without an end would leave two readers of the keys.
        """
        if self._drawing:
            self.suspend_application_mode()
        self.resume_application_mode()
        self._app.refresh(layout=True)

    def run_input_thread(self) -> None:
        """Read keys until the end; a byte that is not UTF-8 is a key that nobody knows, U+FFFD."""
        decode = getincrementaldecoder("utf-8")("replace").decode
        keys = Keys(debug=self._debug)
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(0.1):
                    try:
                        data = os.read(self.fileno, 4096)
                    except OSError:
                        data = b""
                    if not data:
                        # The terminal has been closed; SIGHUP says it too, but may be ignored.
                        self._output.gone = True
                        self._loop.call_soon_threadsafe(self._app.post_message, EndAsked(signal.SIGHUP))
                        return
                    self._take(keys.feed(decode(data)))
                self._take(keys.tick())

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
