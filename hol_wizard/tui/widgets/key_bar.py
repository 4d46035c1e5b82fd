"""The footer of a screen: the available keys, each clickable."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.style import Style
from textual.widget import Widget

from hol_wizard.tui.commands import Command, Place, commands_of

_ALWAYS = {"app.help": 0, "section.back": 1, "report.back": 1, "step.undo": 2}
"""Commands that keep their place, with their rank; unavailable ones are dim."""


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

    def _offered(self) -> Iterator[tuple[Command, bool]]:
        """Yield the commands to show, and whether each is available."""
        for command in (*commands_of(self._place), *commands_of(Place.APP)):
            if not command.footer:
                continue
            able = bool((self.app if command.place is Place.APP else self.screen).check_action(command.action, ()))
            if able or command.id in _ALWAYS:
                yield command, able

    def render(self) -> Content:
        """Return as many keys as fit; help, back and undo always have their place."""
        parts = {command.id: self._part(command, able=able) for command, able in self._offered()}
        shown: set[str] = set()
        room = self.size.width
        # Help lists everything that did not fit.
        for identity in sorted(parts, key=lambda identity: _ALWAYS.get(identity, len(_ALWAYS))):
            if parts[identity].cell_length <= room:
                room -= parts[identity].cell_length
                shown.add(identity)
        order = sorted((each for each in parts if each in shown), key=lambda each: each == "app.help")
        return Content("").join([parts[each] for each in order])

    def _part(self, command: Command, *, able: bool) -> Content:
        text = (f" {command.footer} ", "" if able else "$foreground 40%")
        part = Content.assemble((f" {command.key_text}", "$accent bold" if able else "$foreground 40%"), text)
        return part.stylize(Style.from_meta({"@click": command.namespaced}))
