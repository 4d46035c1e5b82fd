"""Ends the app on a signal: changes in progress reach a safe point first, and the terminal is restored."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from hol_wizard import signals
from hol_wizard.tui.messages import EndAsked

if TYPE_CHECKING:
    from hol_wizard.tui.running_app import RunningApp

AT_ONCE = tuple(getattr(signal, name) for name in ("SIGQUIT",) if hasattr(signal, name))
"""Signals that ask for an end without waiting."""
_SAID = "hol-wizard: ended by {}. Changes in progress are in the ledger; the next start finds them.\n"


def run(app: RunningApp) -> None:
    """Run the app on this terminal until the person quits or a signal asks it to end.

    Raises:
        EndedError: A signal asked the app to end; the terminal is restored.
    """
    asked: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        loop = app._loop
        if asked or number in AT_ONCE:
            leave_now(app, number)
        asked.append(number)
        if loop is None:
            # Not started yet, or already ended.
            raise signals.EndedError(number)
        # The time limit applies regardless of what happens in the app.
        signals.after(signals.GRACE, partial(leave_now, app, number))
        loop.call_soon_threadsafe(app.post_message, EndAsked(number))

    try:
        with signals.taken_by(hear, (*signals.ASK_TO_END, *AT_ONCE, signal.SIGINT)):
            app.run()
    finally:
        restore(app)
    if number := app.ended_by or next(iter(asked), 0):
        raise signals.EndedError(number)


def restore(app: RunningApp) -> None:
    """Restore the terminal if the app could not do that itself."""
    driver = app._driver
    if driver is not None and hasattr(driver, "restore"):
        driver.restore()


def leave_now(app: RunningApp, number: int) -> None:
    """End the process immediately, from any thread."""
    restore(app)
    with suppress(OSError):
        os.write(2, _SAID.format(signal.Signals(number).name).encode())
    os._exit(128 + number)
