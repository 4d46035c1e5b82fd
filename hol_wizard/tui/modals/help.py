"""The keys of a place."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.board import LOOKS
from hol_wizard.tui.commands import Command, Place, commands_of
from hol_wizard.tui.modals.dialog import Dialog

_MOVING = (
    ("↑ ↓ j k", "Move among the rows; Home and End go to the first and the last."),
    ("space", "Read on in the guide; PgUp reads back."),
    ("tab", "Go to the next pane; arrows scroll it."),
    ("mouse", "Click rows, tabs, keys at the foot; the wheel scrolls."),
)
_SHOWN = ("passed", "to do", "failed", "waiting", "unknown", "blocked", "no check", "regressed")
_MEANINGS = {
    "passed": "we looked, and it is as the lab needs it",
    "to do": "we looked, and it is not there yet",
    "failed": "we looked, and it is not so",
    "waiting": "it is on its way; looked at again by itself",
    "unknown": "we could not find out",
    "blocked": "another step comes first",
    "no check": "no check is built yet",
    "regressed": "it passed earlier and does not now",
}


class HelpDialog(Dialog[None]):
    """The keys of the screen below, those that do not work now as well, and what the signs mean."""

    AUTO_FOCUS = "#content"

    def __init__(self, below: BoardScreen) -> None:
        super().__init__("Keys")
        self._below = below

    def body(self) -> ComposeResult:
        """Yield the lists."""
        place = "In this section" if self._below.place is Place.SECTION else "On the overview"
        parts = [Content.styled(place, "$secondary bold"), *[self._line(c) for c in commands_of(self._below.place)]]
        parts += [Content.styled("\nEverywhere", "$secondary bold"), *[self._line(c) for c in commands_of(Place.APP)]]
        parts += [Content.styled("\nMoving", "$secondary bold")]
        parts += [Content.assemble((f"{key:>8}  ", "$accent bold"), said) for key, said in _MOVING]
        parts += [Content.styled("\nSigns", "$secondary bold")]
        for name in _SHOWN:
            look = LOOKS[name]
            parts.append(Content.assemble((f"{look.symbol:>2} {look.word:<9}", look.style), _MEANINGS[name]))
        yield Static(Content("\n").join(parts), markup=False)

    def _line(self, command: Command) -> Content:
        able = (self.app if command.place is Place.APP else self._below).check_action(command.action, ())
        style = "" if able else "$foreground 50%"
        note = "" if able else "  (not now)"
        return Content.assemble(
            (f"{command.key_text:>8}  ", "$accent bold"), (f"{command.title}: {command.help}{note}", style)
        )
