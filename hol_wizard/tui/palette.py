"""The command palette: every command of the table, and every section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.events import Click

from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Place, commands_of
from hol_wizard.tui.guard import GuardedScreen

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp


class _Commands(CommandList):
    """Textual's list, made robust against a click on a replaced entry and a page without lines."""

    def on_click(self, event: Click) -> None:
        """Keep a click on a command that is no longer listed from the list's own handler."""
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()

    def action_page_up(self) -> None:
        """Go a page up, if there is room for one."""
        if self.scrollable_content_region.size:
            super().action_page_up()  # type: ignore[no-untyped-call]  # Textual has no types here

    def action_page_down(self) -> None:
        """Go a page down, if there is room for one."""
        if self.scrollable_content_region.size:
            super().action_page_down()  # type: ignore[no-untyped-call]  # as above


class Palette(CommandPalette, GuardedScreen[None]):
    """Textual's palette, which closes only once.

    It has no ID: Textual's own palette cannot be opened while the previous one is being removed, because both have the
    same ID.
    """

    def compose(self) -> ComposeResult:
        """Lay out the palette."""
        for part in super().compose():
            yield _Commands() if isinstance(part, CommandList) else part


class CommandsProvider(Provider):
    """Offers the commands that are available on the current screen."""

    def _entries(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        app = cast("HolWizardApp", self.app)
        if isinstance(self.screen, BoardScreen):
            for command in commands_of(self.screen.place):
                if self.screen.check_action(command.action, ()):
                    run = partial(app.run_action, command.action, self.screen)
                    yield f"{command.title}  ({command.key_text})", command.help, run
        for command in commands_of(Place.APP):
            if command.action != "command_palette" and app.check_action(command.action, ()):
                yield f"{command.title}  ({command.key_text})", command.help, partial(app.run_action, command.action)
        for section in app.board.lab.sections:
            look = app.board.section_look(section)
            about = f"{section.role}, about {section.minutes} min, {look.word}"
            yield f"Go to section {section.number}: {section.title}", about, partial(app.open_section, section)

    async def discover(self) -> Hits:
        """Offer all commands."""
        for title, about, run in self._entries():
            yield DiscoveryHit(title, run, help=about)

    async def search(self, query: str) -> Hits:
        """Offer the commands that match the typed text."""
        matcher = self.matcher(query)
        for title, about, run in self._entries():
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=about)
