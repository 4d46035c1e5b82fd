"""The header of a screen: where you are on the left, your progress on the right."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class HeadBar(Widget):
    """Two lines; the right part is omitted if it does not fit, the left part is truncated."""

    DEFAULT_CSS = """
    HeadBar {
        height: 2;
        padding: 0 1;
        background: $panel;
        color: $foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[tuple[Content, Content], ...] = ()

    def show(self, *lines: tuple[Content, Content]) -> None:
        """Show these lines, each with a left and a right part."""
        if lines != self._lines:
            self._lines = lines
            self.refresh()

    def render(self) -> Content:
        """Return the lines, fitted to the width."""
        width = max(1, self.content_size.width)
        return Content("\n").join([fit(left, right, width) for left, right in self._lines])


def fit(left: Content, right: Content, width: int) -> Content:
    """Return a line with the left part and the right-aligned right part."""
    if not right or left.cell_length + right.cell_length + 1 > width:
        spare = width - right.cell_length - 1
        if not right or spare < width // 2:
            return left.truncate(width, ellipsis=True)
        left = left.truncate(spare, ellipsis=True)
    return left + Content(" " * (width - left.cell_length - right.cell_length)) + right


def bar(done: int, total: int, width: int) -> Content:
    """Return a bar of this width; its numbers are always shown next to it."""
    full = round(width * done / total) if total else 0
    return Content.assemble(("━" * full, "$success"), ("━" * (width - full), "$foreground 25%"))
