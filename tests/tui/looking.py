"""What a person would see on the screen, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.pilot import Pilot

from hol_wizard.tui.app import HolWizardApp

PATIENCE = 10.0
"""Seconds to wait for something to be seen; it is there in milliseconds unless the machine is very busy."""


def seen(app: HolWizardApp) -> str:
    """Return the text on the screen, the topmost dialog included."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips(app.size))


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came:\n{screen_of(pilot)}"
        await pilot.pause(0.01)
    await pilot.pause()


def screen_of(pilot: Pilot[int]) -> str:
    """Return the text on the pilot's screen."""
    app = pilot.app
    assert isinstance(app, HolWizardApp)
    return seen(app)


async def until_seen(pilot: Pilot[int], *texts: str) -> None:
    """Wait until all of the texts are on the screen."""
    await until(pilot, lambda: all(text in screen_of(pilot) for text in texts))


async def at_rest(pilot: Pilot[int]) -> None:
    """Wait until no run and no flow is in progress."""
    app = pilot.app
    assert isinstance(app, HolWizardApp)
    await pilot.pause()
    await until(
        pilot, lambda: not app.runs and not [w for w in app.workers if w.group == "guide" and not w.is_finished]
    )
    await pilot.pause()
