"""A text of the lab, rendered from Markdown in one widget.

Textual's own Markdown widget creates a widget for every paragraph: selecting another step then takes 0.1 to 0.2
seconds, during which no key is processed. One widget takes a tenth of that.
"""

from __future__ import annotations

from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import BlockQuote, CodeBlock, Heading, Markdown, MarkdownElement
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text
from rich.theme import Theme
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Static


class _Heading(Heading):
    """A left-aligned heading with an empty line below it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.text


class _Code(CodeBlock):
    """Unchanged commands on their own background; a long line is wrapped, never truncated."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        code = Text(str(self.text).rstrip(), style="markdown.code_block", overflow="fold")
        yield Padding(code, (0, 1), style="markdown.code_block")


class _Quote(BlockQuote):
    """A note, with a bar in front of it."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        inner = options.update(width=options.max_width - 3)
        bar = Segment("▌ ", console.get_style("markdown.quote_bar"))
        for line in console.render_lines(self.elements, inner, style=self.style):
            yield bar
            yield from line
            yield Segment.line()


class _Document(Markdown):
    """The whole text, in the colors of the app's theme."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {
        **Markdown.elements,
        "heading_open": _Heading,
        "fence": _Code,
        "code_block": _Code,
        "blockquote_open": _Quote,
    }

    def __init__(self, text: str, theme: Theme) -> None:
        super().__init__(text)
        self._theme = theme

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with console.use_theme(self._theme):
            yield from super().__rich_console__(console, options)


class Prose(Static):
    """Shows Markdown; a click on a link posts a message."""

    class LinkClicked(Message):
        """A link was clicked."""

        def __init__(self, href: str) -> None:
            super().__init__()
            self.href = href

    def __init__(self, *, id: str) -> None:  # noqa: A002 Textual calls it so
        super().__init__(id=id, markup=False)
        self._text = ""
        self._heights: dict[int, int] = {}

    def show(self, text: str) -> None:
        """Show another text."""
        self._text = text
        self._heights.clear()
        self.update(_Document(text, self._theme()))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return its number of lines; it is rendered once for that, not at every layout of the screen."""
        if width not in self._heights:
            self._heights[width] = super().get_content_height(container, viewport, width)
        return self._heights[width]

    def on_mount(self) -> None:
        """Follow the app's theme."""
        self.watch(self.app, "theme", self._recolor, init=False)

    def _recolor(self) -> None:
        # The theme's variables exist only after the app has applied it.
        self.call_after_refresh(lambda: self.show(self._text))

    def _theme(self) -> Theme:
        colors = self.app.theme_variables
        ground, ink = colors["panel"], colors["foreground"]
        return Theme(
            {
                "markdown.h2": f"bold {colors['primary']}",
                "markdown.h3": f"bold {colors['secondary']}",
                "markdown.code": f"{colors['accent']} on {colors['surface']}",
                "markdown.code_block": f"{ink} on {ground}",
                "markdown.block_quote": ink,
                "markdown.quote_bar": colors["warning"],
                "markdown.item.bullet": f"bold {colors['primary']}",
                "markdown.item.number": f"bold {colors['primary']}",
                "markdown.table.header": f"bold {colors['secondary']}",
                "markdown.table.border": colors["border-blurred"],
                "markdown.link": f"underline {colors['primary']}",
                "markdown.link_url": f"underline {colors['primary']}",
            }
        )

    def on_click(self, event: Click) -> None:
        """Post which link was clicked."""
        if event.style.link:
            self.post_message(self.LinkClicked(event.style.link))
