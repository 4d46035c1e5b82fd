"""The footer of a screen: the available keys, each clickable."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from hol_wizard.tui.commands import Command, Place, commands_of


class KeyBar(Widget):
    """One line from the table of commands; unavailable commands are omitted."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyBar {
        height: 1;
        background: $footer-background;
        color: $foreground 75%;
        link-style: none;
        link-color: $foreground 75%;
        link-style-hover: bold;
        link-background-hover: $primary 30%;
        link-color-hover: $foreground;
    }
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def on_mount(self) -> None:
        """Update the available commands."""
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.refresh())

    def _offered(self) -> list[Command]:
        here = [
            command
            for command in commands_of(self._place)
            if command.footer and self.screen.check_action(command.action, ())
        ]
        everywhere = [
            command
            for command in commands_of(Place.APP)
            if command.footer and self.app.check_action(command.action, ())
        ]
        return here + everywhere

    def render(self) -> Content:
        """Return as many keys as fit; help is always included, because it lists the others."""
        room = self.size.width
        parts: list[Content] = []
        offered = self._offered()
        # Help lists everything that did not fit.
        offered.sort(key=lambda command: command.id != "app.help")
        for command in offered:
            part = self._part(command)
            if part.cell_length > room:
                continue
            room -= part.cell_length
            parts.append(part)
        return Content("").join([*parts[1:], *parts[:1]])

    def _part(self, command: Command) -> Content:
        part = Content.assemble((f" {command.key_text}", "$accent bold"), f" {command.footer} ")
        return part.stylize(Style.from_meta({"@click": command.namespaced}))
