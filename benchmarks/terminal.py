"""A program on a terminal of its own: a pty, an emulated screen, real keys, and the clock beside them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import pyte

KEYS = {
    "enter": "\r",
    "tab": "\t",
    "esc": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "pgdn": "\x1b[6~",
    "pgup": "\x1b[5~",
}

REPLIES = (
    (re.compile(rb"\x1b\[6n"), b"\x1b[1;1R"),
    (re.compile(rb"\x1b\[0?c"), b"\x1b[?62;22c"),
    (re.compile(rb"\x1b\[\?2026\$p"), b"\x1b[?2026;2$y"),
)
"""What a terminal answers; a program that waits for an answer would otherwise be measured waiting."""

MODES = {
    "alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"),
    "mouse": (b"\x1b[?1000h", b"\x1b[?1000l"),
    "mouse motion": (b"\x1b[?1003h", b"\x1b[?1003l"),
    "mouse (urxvt)": (b"\x1b[?1015h", b"\x1b[?1015l"),
    "mouse (SGR)": (b"\x1b[?1006h", b"\x1b[?1006l"),
    "mouse (pixels)": (b"\x1b[?1016h", b"\x1b[?1016l"),
    "focus reports": (b"\x1b[?1004h", b"\x1b[?1004l"),
    "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
    "in-band resize": (b"\x1b[?2048h", b"\x1b[?2048l"),
    "synchronized output": (b"\x1b[?2026h", b"\x1b[?2026l"),
    "hidden cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    "no line wrap": (b"\x1b[?7l", b"\x1b[?7h"),
    "kitty keyboard": (b"\x1b[>", b"\x1b[<u"),
}
"""What turns each mode on and off: all must be off when the program has ended."""

UNKNOWN = re.compile(
    rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1b\[\?[0-9;]*\$p|\x1b\[[0-9;]* q|\x1b\[[0-9;]*t|\x1bP[^\x1b]*\x1b\\"
    rb"|\x1b_[^\x1b]*\x1b\\|\x1b\[[0-9;]*:[0-9;:]*m"
)
"""Sequences that pyte would print as text."""


class Terminal:
    """A running program and its screen."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int] = (120, 40)
    ) -> None:
        self.columns, self.rows = size
        self._command = list(command)
        self._environment = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self._carry = b""
        self.ended = False
        self.output = bytearray()
        """Every byte that the program has written."""

    def __enter__(self) -> Terminal:
        self.started = time.perf_counter()
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
                os.execvpe(self._command[0], self._command, self._environment)  # noqa: S606 a pty wants it
            finally:
                os._exit(127)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", self.rows, self.columns, 0, 0))
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(psutil.Error):
            own = psutil.Process(self.pid)
            for sign in (signal.SIGTERM, signal.SIGKILL):
                own.send_signal(sign)
                deadline = time.monotonic() + 3
                while time.monotonic() < deadline and own.status() != psutil.STATUS_ZOMBIE:
                    self.read(0.05)
        if self._fd >= 0:
            os.close(self._fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def read(self, seconds: float) -> float | None:
        """Feed one chunk to the screen, if one comes in time, and return when it came."""
        if self.ended or not select.select([self._fd], [], [], max(0.0, seconds))[0]:
            return None
        at = time.perf_counter()
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:
            chunk = b""
        if not chunk:
            self.ended = True
            return None
        self.output += chunk
        for question, answer in REPLIES:
            if question.search(chunk):
                self.send(answer)
        chunk = self._carry + chunk
        unfinished = re.search(rb"\x1b(?:[\[P_\]][^\x1b@-~]{0,64})?$", chunk[-80:])
        cut = len(chunk) - len(unfinished[0]) if unfinished else len(chunk)
        self._carry = chunk[cut:]
        try:
            self._stream.feed(UNKNOWN.sub(b"", chunk[:cut]))
        except TypeError:
            # pyte's own parser ends where a sequence has more parameters than it knows.
            self._stream = pyte.ByteStream(self.screen)
        return at

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def wait_for(self, pattern: str, seconds: float = 60.0) -> float:
        """Return when the text was on the screen, in seconds after the start.

        Raises:
            TimeoutError: It never was.
        """
        deadline = time.perf_counter() + seconds
        if re.search(pattern, self.text):
            return time.perf_counter() - self.started
        while time.perf_counter() < deadline and not self.ended:
            at = self.read(deadline - time.perf_counter())
            if at is not None and re.search(pattern, self.text):
                return at - self.started
        raise TimeoutError(f"{pattern!r} did not show up on:\n{self.text}")

    def settle(self, quiet: float = 0.3, most: float = 5.0) -> None:
        """Read until nothing came for a while."""
        deadline = time.perf_counter() + most
        while time.perf_counter() < deadline and self.read(quiet) is not None:
            pass

    def send(self, data: bytes) -> None:
        """Send bytes as they are, unless the program has ended."""
        with contextlib.suppress(OSError):
            os.write(self._fd, data)

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size; the program gets SIGWINCH."""
        self.columns, self.rows = columns, rows
        self.screen.resize(rows, columns)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def hang_up(self) -> None:
        """Close the terminal, as a window that is closed does: the program gets SIGHUP."""
        os.close(self._fd)
        self._fd = -1
        self.ended = True

    @property
    def modes(self) -> dict[str, bool]:
        """Whether each mode that a full screen needs is on, from what the program wrote."""
        return {name: self.output.rfind(on) > self.output.rfind(off) for name, (on, off) in MODES.items()}

    @property
    def attributes(self) -> list[Any]:
        """The terminal's own settings: echo, line editing, signals."""
        return termios.tcgetattr(self._fd)

    def wait_for_end(self, seconds: float = 30.0) -> int:
        """Return the exit code of the program, negative for a signal, as soon as it has ended.

        Raises:
            TimeoutError: It has not.
        """
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            if not self.ended:
                self.read(0.05)
            else:
                time.sleep(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while self.read(0.05) is not None:
                    pass
                return os.waitstatus_to_exitcode(status)
        raise TimeoutError(f"it did not end; the screen:\n{self.text}")

    def press(self, *keys: str) -> None:
        """Type keys, one after the other."""
        for key in keys:
            os.write(self._fd, KEYS.get(key, key).encode())
            self.settle(0.15, 1.0)

    def seconds_to_change(self, key: str, changed: re.Pattern[str], most: float = 1.0) -> float | None:
        """Type a key and return how long it took until the pattern's match on the screen was another; None: never."""
        while self.read(0) is not None:
            pass
        before = changed.findall(self.text)
        began = time.perf_counter()
        os.write(self._fd, KEYS.get(key, key).encode())
        while time.perf_counter() - began < most:
            at = self.read(most - (time.perf_counter() - began))
            if at is not None and changed.findall(self.text) != before:
                return at - began
        return None

    @property
    def process(self) -> psutil.Process:
        """The program itself, without its children."""
        return psutil.Process(self.pid)
