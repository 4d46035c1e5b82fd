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
"""Turns off what the driver turns on, in the same order as Textual's driver."""


class PosixTerminal(LinuxDriver):
    """Textual's driver, made robust against any input, a closed terminal and a stopped process."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        # Textual draws on standard error, so that standard output can be a pipe; here it always draws on the terminal.
        shown = sys.__stderr__ if sys.__stderr__ is not None and sys.__stderr__.isatty() else sys.__stdout__
        assert shown is not None  # noqa: S101 the command line shows screens only on a terminal
        self._output = Output(shown)
        self._file = self._output  # type: ignore[assignment]  # the writer thread writes and flushes, no more
        self._drawing = False

    def start_application_mode(self) -> None:
        """Take over the terminal."""
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's has no types
        self._drawing = self._writer_thread is not None
        # The kernel may hand a signal to any thread. Python then notes it, but an idle loop goes on sleeping: unless a
        # handler of the loop's own has set the descriptor that wakes it, for each signal (`signal.set_wakeup_fd`).
        self._loop.add_signal_handler(signal.SIGCONT, self._sigcont_application)

    def stop_application_mode(self) -> None:
        """Restore the terminal."""
        super().stop_application_mode()
        if self._mouse_pixels:
            self.write("\x1b[?1016l")
        self._drawing = False

    def close(self) -> None:
        """Flush the output."""
        super().close()
        self._writer_thread = None

    def write(self, data: str) -> None:
        """Write to the terminal if it has been taken over."""
        if self._writer_thread is not None:
            super().write(data)

    def restore(self) -> None:
        """Restore the terminal immediately, from any thread, if the end cannot wait."""
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

    # Restoring the terminal and taking it over again wait for the writer's queue, whose lock this thread may hold when
    # a signal interrupts it: a handler that did so itself would wait forever. Therefore, the loop does it.

    def _sigtstp_application(self, *_: object) -> None:
        """Make the loop restore the terminal and stop the process."""
        stop = super()._sigtstp_application
        if self._auto_restart:
            self._loop.call_soon_threadsafe(stop)
        else:
            stop()

    def _sigcont_application(self, *_: object) -> None:
        """Make the loop draw again."""
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._draw_again)

    def _draw_again(self) -> None:
        """Take over the terminal again.

        After a SIGSTOP, which cannot be handled, it was not restored: the shell has changed its state, and starting a
        second time without stopping would leave two readers of the keys.
        """
        if self._drawing:
            self.suspend_application_mode()
        self.resume_application_mode()
        self._app.refresh(layout=True)

    def run_input_thread(self) -> None:
        """Read keys until the end; a byte that is not UTF-8 becomes the unknown key U+FFFD."""
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
                        # The terminal has been closed; SIGHUP reports that, too, but may be ignored.
                        self._output.gone = True
                        self._loop.call_soon_threadsafe(self._app.post_message, EndAsked(signal.SIGHUP))
                        return
                    self._take(keys.feed(decode(data)))
                self._take(keys.tick())

    def _take(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.process_message(message)
