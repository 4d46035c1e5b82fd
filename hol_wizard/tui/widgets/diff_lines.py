"""The lines of a diff, colored and wrapped to the current width, as tall as they are."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip
from textual.visual import Visual
from textual.widget import Widget

from hol_wizard.lines import clean

_FILE, _PLACE, _ADDED, _REMOVED, _SAME = "$primary bold", "$secondary", "$success", "$error", "$foreground 75%"
_IN_HEAD = ("index ", "--- ", "+++ ", "old mode", "new mode", "new file", "deleted file", "similarity", "rename ")


class DiffLines(Widget):
    """Draws only the lines that its container shows: a diff can have thousands."""

    DEFAULT_CSS = """
    DiffLines { height: auto; width: 1fr; margin: 1 0; }
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__()
        self._lines = [(clean(line).expandtabs(4), style) for line, style in _styled(lines)]
        self._rows: list[tuple[str, str]] = []
        self._width = 0

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Return the width of the container: long lines are wrapped."""
        del viewport
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the number of rows at this width."""
        del container, viewport
        if width != self._width:
            self._width = width
            self._rows = [(part, style) for line, style in self._lines for part in _folded(line, width)]
        return len(self._rows)

    def render_line(self, y: int) -> Strip:
        """Return one row."""
        width = self.size.width
        if not 0 <= y < len(self._rows):
            return Strip.blank(width, self.rich_style)
        text, style = self._rows[y]
        strips = Visual.to_strips(self, Content.styled(text, style), width, 1, self.visual_style)
        return (strips[0] if strips else Strip.blank(width)).adjust_cell_length(width, self.rich_style)


def _styled(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the lines with their styles; a line that begins with `---` is a removed one outside a file's head."""
    styled, in_head = [], False
    for line in lines:
        in_head = line.startswith("diff --git ") or (in_head and line.startswith(_IN_HEAD))
        if in_head:
            style = _FILE
        elif line.startswith("@@"):
            style = _PLACE
        else:
            style = {"+": _ADDED, "-": _REMOVED}.get(line[:1], _SAME)
        styled.append((line, style))
    return styled


def _folded(line: str, width: int) -> list[str]:
    """Return the line in parts of this width, broken anywhere: its spaces matter."""
    if line.isascii():
        return [line[at : at + width] for at in range(0, len(line), max(1, width))] or [""]
    parts, rest = [], Content(line)
    while rest.cell_length > width:
        part = rest.truncate(width)
        parts.append(part.plain)
        rest = rest[len(part.plain) :]
    return [*parts, rest.plain]
