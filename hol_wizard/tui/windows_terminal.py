"""The terminal of Windows."""

from __future__ import annotations

import sys

assert sys.platform == "win32"  # noqa: S101 the types of what follows are there only on Windows

from textual.drivers import win32  # noqa: E402
from textual.drivers.windows_driver import WindowsDriver  # noqa: E402


class _LastingMonitor(win32.EventMonitor):
    """Continues after invalid input: half of a surrogate pair ends Textual's own reader permanently."""

    def run(self) -> None:
        """Read until the end."""
        while not self.exit_event.is_set():
            super().run()
            self.exit_event.wait(0.05)


class WindowsTerminal(WindowsDriver):
    """Textual's driver with a robust reader."""

    def start_application_mode(self) -> None:
        """Start application mode."""
        # Only here does the driver name its reader.
        before, win32.EventMonitor = win32.EventMonitor, _LastingMonitor
        try:
            super().start_application_mode()
        finally:
            win32.EventMonitor = before

    def restore(self) -> None:
        """Restore the terminal immediately, if the end cannot wait."""
        if self._restore_console is not None:
            self._restore_console()
