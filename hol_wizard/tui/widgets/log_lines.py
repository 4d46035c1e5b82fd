"""A log that grows: wrapped to the width, wrapped anew when the width changes, following its end unless scrolled up."""

from __future__ import annotations

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

KEPT = 5000
"""Lines drawn; older ones stay in the board's log."""
_STYLES = {
    "said": "$foreground 85%",
    "begun": "$primary bold",
    "passed": "$success",
    "failed": "$error",
    "note": "$warning",
}
_MARKS = {"begun": "» ", "passed": "✓ ", "failed": "✗ ", "note": "· ", "said": "  "}


class LogLines(ScrollView, can_focus=True):
    """Shows a section's log; the lines themselves are kept by the board."""

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
        self._lines: list[LogLine] = []
        self._strips: list[Strip] = []
        self._width = 0
        self._follow = True

    def show(self, lines: Sequence[LogLine]) -> None:
        """Show these lines; those that were shown already are not drawn again."""
        fresh = list(lines[-KEPT:])
        known = len(self._lines)
        if self._lines and fresh[:1] == self._lines[:1] and len(fresh) >= known:
            added = fresh[known:]
        else:
            self._strips, added = [], fresh
        self._lines = fresh
        if added or not fresh:
            self._draw(added)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the end until somebody scrolls away from it, and again when they come back."""
        super().watch_scroll_y(old_value, new_value)
        self._follow = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        """Wrap for the new width."""
        width = self.scrollable_content_region.width
        if width != self._width:
            self._strips = []
            self._draw(self._lines)

    def notify_style_update(self) -> None:
        """Draw in the new colours."""
        super().notify_style_update()
        self._strips = []
        if self.is_attached:
            self._draw(self._lines)

    def _draw(self, added: Sequence[LogLine]) -> None:
        self._width = width = self.scrollable_content_region.width
        if width < 1:
            return
        if len(self._strips) == 0 and added is not self._lines:
            added = self._lines
        for line in added:
            self._strips.extend(self._wrap(line, width))
        self.virtual_size = Size(width, len(self._strips))
        self.refresh()
        if self._follow:
            # Only after the layout is it known where the end is.
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)

    def _wrap(self, line: LogLine, width: int) -> list[Strip]:
        clock = time.strftime("%H:%M:%S ", time.localtime(line.at)) if width >= 40 else ""
        lead = len(clock) + 2
        style = _STYLES.get(line.kind, "")
        strips: list[Strip] = []
        for number, part in enumerate(Content(line.text).wrap(max(8, width - lead))):
            head = (clock + _MARKS.get(line.kind, "  ")) if number == 0 else " " * lead
            content = Content.assemble((head, "$foreground 50%"), (part.plain, style))
            strips += Visual.to_strips(self, content.truncate(width), width, 1, self.visual_style)
        return strips

    def render_line(self, y: int) -> Strip:
        """Return one line of the window."""
        row = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if 0 <= row < len(self._strips):
            return self._strips[row].adjust_cell_length(width, self.rich_style)
        return Strip.blank(width, self.rich_style)
