"""One line of tabs, for screens with room for only one pane."""

from __future__ import annotations

from textual.content import Content
from textual.style import Style
from textual.widget import Widget


class PaneTabs(Widget):
    """The panes' names, each clickable; the current one is in brackets and bold."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    PaneTabs {
        height: 1;
        padding: 0 1;
        background: $surface;
        color: $foreground;
        link-style: none;
        link-color: $foreground;
        link-style-hover: bold;
        link-background-hover: $primary 30%;
        link-color-hover: $foreground;
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._panes: tuple[tuple[str, str], ...] = ()
        self._shown = ""

    def show(self, panes: tuple[tuple[str, str], ...], shown: str) -> None:
        """Show these panes, each with a name and a title."""
        if (panes, shown) != (self._panes, self._shown):
            self._panes, self._shown = panes, shown
            self.refresh()

    def render(self) -> Content:
        """Return the line."""
        parts = []
        for name, title in self._panes:
            part = Content.styled(f"[{title}]", "$accent bold") if name == self._shown else Content(f" {title} ")
            parts.append(part.stylize(Style.from_meta({"@click": f"screen.show_pane('{name}')"})))
        return Content(" ").join(parts)
