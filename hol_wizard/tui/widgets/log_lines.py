"""A growing log, wrapped to the current width, that follows its end unless it is scrolled up."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

from hol_wizard.tui.board import LogLine

_STYLES = {
    "said": "$foreground 85%",
    "begun": "$primary bold",
    "passed": "$success",
    "failed": "$error",
    "note": "$warning",
}
_MARKS = {"begun": "» ", "passed": "✓ ", "failed": "✗ ", "note": "· ", "said": "  "}


class LogLines(ScrollView, can_focus=True):
    """Shows a section's log; the board keeps the lines.

    Only visible lines are drawn, and only new ones are wrapped: a verbose solve must not slow down the keys.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    LogLines { height: 1fr; padding: 0 1; overflow-x: hidden; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll_up", "Up", show=False, tooltip="A line up.", id="log.up"),
        Binding("down,j", "scroll_down", "Down", show=False, tooltip="A line down.", id="log.down"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 Textual's own name
        super().__init__(id=id)
        self._lines: Sequence[LogLine] = ()
        self._rows: list[tuple[LogLine, str, bool]] = []
        """The contents of each row of the screen, and whether a line begins there."""
        self._wrapped = 0
        """Number of lines that are in the rows."""
        self._width = 0
        self._follow = True

    def show(self, lines: Sequence[LogLine]) -> None:
        """Show these lines; the list may have grown since the last call."""
        if lines is not self._lines:
            self._lines, self._rows, self._wrapped = lines, [], 0
        self._wrap_new()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end until somebody scrolls away from it, and again when they return."""
        super().watch_scroll_y(old_value, new_value)
        self._follow = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        """Wrap for the new width."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._width, self._rows, self._wrapped = width, [], 0
        self._wrap_new(force=True)

    def _wrap_new(self, *, force: bool = False) -> None:
        fresh = self._lines[self._wrapped :]
        if self._width < 1 or not (fresh or force):
            return
        room = max(8, self._width - self._lead)
        for line in fresh:
            for number, part in enumerate(_wrap(line.text, room)):
                self._rows.append((line, part, number == 0))
        self._wrapped = len(self._lines)
        # Assigned, it would lay out the whole screen for every new line, although only the scroll bar depends on it.
        self.set_reactive(LogLines.virtual_size, Size(self._width, len(self._rows)))
        follow = self._follow
        self._scroll_update(self.virtual_size)
        self.refresh()
        if follow:
            # Without force, a scroll bar that is not shown yet prevents scrolling.
            self.scroll_end(animate=False, force=True, immediate=True)

    @property
    def _lead(self) -> int:
        """Cells before the text: the time, if there is room, and the symbol."""
        return 11 if self._width >= 40 else 2

    def render_line(self, y: int) -> Strip:
        """Return one line of the window."""
        at, width = y + self.scroll_offset.y, self.scrollable_content_region.width
        if at == 0 and not self._rows and width > 0:
            empty = Content.styled("Nothing was done here in this session.", "$foreground 50%")
            return Visual.to_strips(self, empty.truncate(width), width, 1, self.visual_style)[0]
        if not 0 <= at < len(self._rows) or width < 1:
            return Strip.blank(max(0, width), self.rich_style)
        line, part, first = self._rows[at]
        head = ""
        if first:
            head = time.strftime("%H:%M:%S ", time.localtime(line.at)) if self._lead > 2 else ""
            head += _MARKS.get(line.kind, "  ")
        content = Content.assemble((f"{head:<{self._lead}}", "$foreground 50%"), (part, _STYLES.get(line.kind, "")))
        strips = Visual.to_strips(self, content.truncate(width), width, 1, self.visual_style)
        return (strips[0] if strips else Strip.blank(width)).adjust_cell_length(width, self.rich_style)


def _wrap(text: str, room: int) -> list[str]:
    """Return the text in lines of this width."""
    if text.isascii():
        lines = [
            part for line in text.splitlines() for part in textwrap.wrap(line, room, break_on_hyphens=False) or [""]
        ]
    else:
        lines = [part.plain for part in Content(text).wrap(room)]
    return lines or [""]
