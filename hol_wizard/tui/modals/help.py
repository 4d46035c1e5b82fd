"""The keys of a screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.board import LOOKS
from hol_wizard.tui.commands import Command, Place, commands_of
from hol_wizard.tui.modals.dialog import Dialog

_HEADINGS = {
    Place.OVERVIEW: "On the overview",
    Place.SECTION: "In this section",
    Place.REPORT: "In the test results",
}
_MOVING = (
    ("↑ ↓", "Move among the rows; Home and End go to the first and the last."),
    ("space", "Scroll the guide down; PgUp scrolls it up."),
    ("tab", "Go to the next pane; arrows scroll it."),
    ("mouse", "Click rows, tabs and the keys at the bottom; the wheel scrolls."),
)
_SHOWN = ("passed", "to do", "failed", "waiting", "unknown", "blocked", "no check", "regressed")
_MEANINGS = {
    "passed": "the check found what the lab needs",
    "to do": "the check found nothing yet",
    "failed": "the check found something else",
    "waiting": "the state is still changing; it is checked again automatically",
    "unknown": "the wizard could not find out",
    "blocked": "another step must be done first",
    "no check": "the wizard cannot check this step yet",
    "regressed": "it passed earlier, but no longer does",
}


class HelpDialog(Dialog[None]):
    """The keys of the screen below, including unavailable ones, and what the symbols mean."""

    AUTO_FOCUS = "#content"

    def __init__(self, below: BoardScreen) -> None:
        super().__init__("Keys")
        self._below = below

    def body(self) -> ComposeResult:
        """Yield the lists."""
        place = _HEADINGS[self._below.place]
        parts = [Content.styled(place, "$secondary bold"), *[self._line(c) for c in commands_of(self._below.place)]]
        parts += [Content.styled("\nEverywhere", "$secondary bold"), *[self._line(c) for c in commands_of(Place.APP)]]
        parts += [Content.styled("\nMoving", "$secondary bold")]
        parts += [self._hanging(key, said) for key, said in _MOVING]
        parts += [Content.styled("\nSigns", "$secondary bold")]
        for name in _SHOWN:
            look = LOOKS[name]
            parts.append(Content.assemble((f"{look.symbol:>2} {look.word:<9}", look.style), _MEANINGS[name]))
        yield Static(Content("\n").join(parts), markup=False)

    def _line(self, command: Command) -> Content:
        able = (self.app if command.place is Place.APP else self._below).check_action(command.action, ())
        note = "" if able else " (not now)"
        return self._hanging(
            command.key_text, f"{command.title}. {command.help}{note}", "" if able else "$foreground 50%"
        )

    def _hanging(self, key: str, said: str, style: str = "") -> Content:
        """Return a key and what it does, wrapped next to the key."""
        lead = 7 if self.app.size.width < 50 else 10
        room = max(16, min(84, int(self.app.size.width * 0.96)) - 8 - lead)
        lines = [line.plain for line in Content(said).wrap(room)]
        rest = ("\n" + " " * lead).join(lines)
        return Content.assemble((f"{key:>{lead - 2}}  ", "$accent bold"), (rest, style))
