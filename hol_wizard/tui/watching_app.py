"""The part of the app that notices what a person does by hand, or in another window."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from textual import events, work

from hol_wizard.engine.events import CheckFinished
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab.model import Target
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.board import FLASH_SECONDS
from hol_wizard.tui.running_app import RunningApp
from hol_wizard.tui.runs import Reason
from hol_wizard.tui.saved_files import SavedFiles
from hol_wizard.tui.threads import aside
from hol_wizard.wizard.watching import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hol_wizard.wizard.facade import Wizard

TICK = 1.0
"""Seconds between two questions to the watch whether something is due."""
AGAIN_AFTER = 0.1
"""Seconds between two looks whether a check of the same step has ended."""
ELSEWHERE_EVERY = 2
"""Ticks between two looks whether another window has changed the shared files."""


class WatchingApp(RunningApp):
    """Checks again automatically while nothing else is running, as the wizard's watch says."""

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._elsewhere = SavedFiles()
        self._looking = False
        self._ticks = 0

    def on_mount(self) -> None:
        """Start the clock of the watch."""
        self.set_interval(TICK, self._watch)

    @property
    def is_watching(self) -> bool:
        """Whether steps are checked automatically; not after a long time without a key."""
        return not self.wizard.watching.watch.is_paused(time.monotonic())

    async def on_event(self, event: events.Event) -> None:
        """Note that somebody is there."""
        if isinstance(event, events.Key | events.MouseDown | events.Paste):
            self.wizard.watching.watch.attend(time.monotonic())
        await super().on_event(event)

    def on_app_focus(self) -> None:
        """Look again when the person returns from another window."""
        self.wizard.watching.watch.wake(time.monotonic())

    async def look_again(self) -> None:
        """Look at the step in view, because the person may have done something by hand."""
        self.wizard.watching.watch.wake(time.monotonic())
        if not isinstance(self.screen, BoardScreen) or not self.screen.is_ready:
            return
        in_view, _ = self.screen.watched()
        if in_view is None or not in_view.step.check:
            return
        # A check that is still running may have looked before that.
        while any(in_view.key in run.keys for run in self.runs):
            await asyncio.sleep(AGAIN_AFTER)
        self.start_check([in_view], f"Checking {self.board.title(in_view.key)}", Reason.REFRESH)

    def _watch(self) -> None:
        """Look at one step that is due, unless something is running."""
        screen = self.screen if self.screen_stack else None
        if self._looking or self.runs or self.leaving or self._exit or not isinstance(screen, BoardScreen):
            return
        if not screen.is_ready:
            return
        screen.show_age()
        self._ticks += 1
        if self.is_watching and self._ticks % ELSEWHERE_EVERY == 0:
            self._look_elsewhere()
            return
        in_view, beside = screen.watched()
        waiting = [self.board.targets[key] for key in self.board.waiting()]
        target = self.wizard.watching.next(in_view, [*waiting, *beside], self._seen)
        if target is not None:
            self._look(target)

    def _seen(self, key: str) -> Seen:
        standing = self.board.standings[key]
        return Seen(standing.result, standing.checked_at)

    @work(exit_on_error=False, group="watch")
    async def _look(self, target: Target) -> None:
        """Look at a step, and show what has changed."""
        self._looking = True
        try:
            result = await aside(lambda: self.wizard.watching.look(target), "watch")
        finally:
            self._looking = False
        if result is not None and not self.runs and not self._exit:
            await self._notice(target.key, result)

    async def _notice(self, key: str, result: Result) -> None:
        """Show the result of a look that nobody asked for."""
        standing, before = self.board.standings[key], self.board.status(key)
        same = standing.result == result
        self.board.apply(CheckFinished(key, result, 0.0))
        if same:
            return
        if result.status is not before:
            kind = "passed" if result.passed else "failed" if result.status is Status.FAILED else "note"
            # What passed a moment ago is not "to do".
            standing.tried |= before is Status.PASSED
            section = self.board.targets[key].step.section
            self.board.note(section, f"noticed: {result.summary}", kind, key)
            self._flash([key])
            await aside(lambda: self.wizard.watching.keep({key: result}), "watch")
            self._compare()
        self._draw([key])
        if result.status is not before and Status.PASSED in {result.status, before}:
            self._look_at_what_waited([key])

    def _flash(self, keys: Iterable[str]) -> None:
        """Make these steps stand out for a moment."""
        self.board.flash(keys)
        self.set_timer(FLASH_SECONDS, lambda: self._draw(frozenset()))

    @work(exit_on_error=False, group="watch")
    async def _look_elsewhere(self) -> None:
        """Show what another window of this profile has done, without a request."""
        self._looking = True
        watching = self.wizard.watching
        try:
            files = {"shared": watching.shared_files()}
            changed = await aside(lambda: self._elsewhere.look(files), "elsewhere")
            shared = await aside(self.wizard.last_results, "elsewhere") if changed else None
        finally:
            self._looking = False
        if shared is None or self.runs or self._exit:
            return
        self.show_confirmations(self.wizard.confirming.results())
        other = {
            key: shared.get(key)
            for key, target in self.board.targets.items()
            if target.step.check and shared.get(key) is not self.board.status(key)
        }
        if other:
            self.board.outdate(other)
            self._flash(other)
            self._compare()
            self._draw(other)
            watching.watch.wake(time.monotonic())
