"""A list of one-line rows with a cursor: one widget, whatever its length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.visual import Visual

RenderRow = Callable[[str, int], Content]
"""Renders the row with this key in this width."""


class Rows(ScrollView, can_focus=True):
    """Keys, each rendered as one line by its owner; the cursor has a symbol in addition to its color."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"rows--cursor", "rows--hover"}
    DEFAULT_CSS = """
    Rows {
        height: 1fr;
        scrollbar-size-vertical: 1;
        overflow-x: hidden;
        &:focus > .rows--cursor {
            color: $block-cursor-foreground;
            background: $block-cursor-background;
            text-style: bold;
        }
        & > .rows--cursor { color: $block-cursor-blurred-foreground; background: $block-cursor-blurred-background; }
        & > .rows--hover { background: $boost; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False, tooltip="The row above.", id="rows.up"),
        Binding("down,j", "move(1)", "Down", show=False, tooltip="The row below.", id="rows.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, tooltip="A page up.", id="rows.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, tooltip="A page down.", id="rows.page_down"),
        Binding("home", "move(-9999)", "First", show=False, tooltip="The first row.", id="rows.first"),
        Binding("end", "move(9999)", "Last", show=False, tooltip="The last row.", id="rows.last"),
        Binding("enter", "choose", "Open", show=False, tooltip="Open the row.", id="rows.choose"),
    ]

    cursor: reactive[int] = reactive(0, repaint=False)
    hovered: reactive[int] = reactive(-1, repaint=False)

    class Moved(Message):
        """The cursor has moved to another row."""

        def __init__(self, rows: Rows, key: str) -> None:
            super().__init__()
            self.rows = rows
            self.key = key

        @property
        def control(self) -> Rows:
            """The list, for selectors."""
            return self.rows

    class Chosen(Moved):
        """A row was opened, by Enter or the mouse."""

    def __init__(self, render_row: RenderRow, *, id: str | None = None) -> None:  # noqa: A002 Textual's own name
        super().__init__(id=id)
        self._render_row = render_row
        self._keys: tuple[str, ...] = ()
        self._drawn: dict[tuple[int, str], tuple[Content, Strip]] = {}
        """The rendered text and the resulting strip, by row and style."""
        self._contents: dict[int, Content] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The rows, in order."""
        return self._keys

    @property
    def current(self) -> str | None:
        """The key under the cursor."""
        return self._keys[self.cursor] if 0 <= self.cursor < len(self._keys) else None

    def show(self, keys: Sequence[str], current: str | None = None) -> None:
        """Show other rows, keeping the cursor on its key if that still exists."""
        wanted = current or self.current
        self._keys = tuple(keys)
        self.virtual_size = Size(self.virtual_size.width, len(self._keys))
        self.cursor = self._keys.index(wanted) if wanted in self._keys else 0
        self.redraw(layout=True)

    def move_to(self, key: str) -> None:
        """Move the cursor to this key, if it exists."""
        if key in self._keys:
            self.cursor = self._keys.index(key)

    def redraw(self, *, layout: bool = False) -> None:
        """Render the rows again because they may have changed; an unchanged row keeps its strip."""
        self._contents.clear()
        self.refresh(layout=layout)

    def notify_style_update(self) -> None:
        """Discard the rendered rows, because colors may have changed."""
        self._drawn.clear()
        super().notify_style_update()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return one line per row."""
        return len(self._keys)

    def on_resize(self) -> None:
        """Render for the new width."""
        self._contents.clear()
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._keys))
        self._keep_in_view()

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor among the rows."""
        return max(0, min(cursor, len(self._keys) - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        """Scroll to the cursor and post a message."""
        self.refresh()
        self._keep_in_view()
        if before != after and self.current is not None:
            self.post_message(self.Moved(self, self.current))

    def watch_hovered(self) -> None:
        """Show where the mouse is."""
        self.refresh()

    def _keep_in_view(self) -> None:
        if self.is_attached and self._keys and self.size.height:
            # With its neighbors: the row of the other environment is one of them.
            around = 1 if self.size.height > 3 else 0
            region = Region(0, max(0, self.cursor - around), 1, 1 + around + min(around, self.cursor))
            self.scroll_to_region(region, animate=False, force=True)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the page keys to the screen if all rows are visible."""
        return action != "page" or len(self._keys) > self.scrollable_content_region.height

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        self.cursor += by

    def action_page(self, by: int) -> None:
        """Move the cursor by one page."""
        self.cursor += by * max(1, self.scrollable_content_region.height - 1)

    def action_choose(self) -> None:
        """Post that the row under the cursor was opened."""
        if self.current is not None:
            self.post_message(self.Chosen(self, self.current))

    def _row_at(self, event: events.MouseEvent) -> int:
        row = event.y - self.gutter.top + self.scroll_offset.y
        return row if 0 <= row < len(self._keys) else -1

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show the row under the mouse."""
        self.hovered = self._row_at(event)

    def on_leave(self) -> None:
        """Forget the mouse."""
        self.hovered = -1

    def on_click(self, event: events.Click) -> None:
        """One click moves the cursor; a second one, or one on the cursor, opens."""
        row = self._row_at(event)
        if row < 0:
            return
        if row == self.cursor:
            self.action_choose()
        self.cursor = row

    def render_line(self, y: int) -> Strip:
        """Return one line of the window."""
        row = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        if not 0 <= row < len(self._keys) or width < 1:
            return Strip.blank(max(0, width), self.rich_style)
        component = "rows--cursor" if row == self.cursor else "rows--hover" if row == self.hovered else ""
        content = self._contents.get(row)
        if content is None:
            content = self._contents[row] = self._render_row(self._keys[row], max(1, width - 1))
        drawn = self._drawn.get((row, component))
        if drawn is None or drawn[1].cell_length != width or not drawn[0].is_same(content):
            drawn = self._drawn[row, component] = (content, self._draw(content, width, component))
        return drawn[1]

    def _draw(self, content: Content, width: int, component: str) -> Strip:
        at_cursor = component == "rows--cursor"
        content = Content("▌" if at_cursor else " ") + content
        if at_cursor and self.has_focus:
            # The row's own colors are for the normal background, not for the bar's.
            content = Content(content.plain)
        style = self.get_visual_style(component) if component else self.visual_style
        strips = Visual.to_strips(self, content.truncate(width, ellipsis=True), width, 1, style)
        strip = strips[0] if strips else Strip.blank(width)
        return strip.adjust_cell_length(width, style.rich_style)

    def on_focus(self) -> None:
        """The cursor looks different with the focus."""
        self._drawn.clear()

    def on_blur(self) -> None:
        """The cursor looks different without the focus."""
        self._drawn.clear()
