"""The command palette: every command of the table, and every section."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult
from textual.command import CommandList, CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.events import Click

from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Section, targets_of
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Place, commands_of
from hol_wizard.tui.guard import GuardedScreen

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp


SHORTEST = 3
"""Characters from which the texts of the guides are searched."""
IN_A_TEXT = 0.05
"""The score of a text that contains the query: titles come first."""


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

    def _places(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Yield the steps, and the settings with the step that asks for them."""
        app = cast("HolWizardApp", self.app)
        asked: dict[str, Section] = {}
        for section in app.board.lab.sections:
            for target in app.board.section_targets(section):
                look = app.board.look(target.key)
                about = f"section {section.number}, {section.title}, {look.word}"
                yield f"Step: {app.board.title(target.key)}", about, partial(app.open_section, section, target.key)
                for name in target.step.inputs:
                    if name in INPUTS and name not in asked:
                        asked[name] = section
                        run = partial(app.open_section, section, target.key)
                        yield f"Setting: {INPUTS[name].label}", f"section {section.number}, {target.step.title}", run

    def _guides(self, query: str) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Yield the steps whose guide contains all words of the query, with the place."""
        app = cast("HolWizardApp", self.app)
        words = query.casefold().split()
        for section in app.board.lab.sections if len(query) >= SHORTEST else ():
            texts = [("", section.title, section.intro)]
            texts += [(targets_of(step)[0].key, step.title, step.body) for step in section.steps]
            for key, title, body in texts:
                folded = body.casefold()
                if words and all(word in folded for word in words):
                    at = folded.find(words[0])
                    around = " ".join(body[max(0, at - 20) : at + 60].split())
                    run = partial(app.open_section, section, key)
                    yield f"Guide: {title} (section {section.number})", f"… {around} …", run

    async def discover(self) -> Hits:
        """Offer all commands."""
        for title, about, run in self._entries():
            yield DiscoveryHit(title, run, help=about)

    async def search(self, query: str) -> Hits:
        """Offer the commands that match the typed text."""
        matcher = self.matcher(query)
        for title, about, run in (*self._entries(), *self._places()):
            score = matcher.match(title)
            if score > 0:
                yield Hit(score, matcher.highlight(title), run, help=about)
        for title, about, run in self._guides(query):
            yield Hit(IN_A_TEXT, title, run, help=about)
