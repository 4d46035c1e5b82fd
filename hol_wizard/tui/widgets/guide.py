"""The guide to a step or a section, scrolled to where its reader left it."""

from __future__ import annotations

from textual.containers import VerticalScroll

from hol_wizard.tui.widgets.prose import Prose


class Guide(VerticalScroll):
    """Contains the prose, and what a screen puts below it."""

    def __init__(self) -> None:
        super().__init__(id="guide")
        self.scrolls: dict[str, float] = {}
        """How far each guide is scrolled, by its key; a screen may replace it with what it has saved."""
        self._text = ""
        self._key = ""
        """The key of the guide on the screen; empty while it is laid out."""

    def on_mount(self) -> None:
        """Save from now on how far the guide is scrolled."""
        self.watch(self, "scroll_y", self._scrolled, init=False)

    def show(self, key: str, text: str) -> None:
        """Show a guide where it was left; one that is on the screen is not laid out again."""
        if text == self._text and self._key:
            return
        where = self.scroll_y if key == self._key else self.scrolls.get(key, 0.0)
        self._text, self._key = text, ""
        self.query_one(Prose).show(text)

        def turn() -> None:
            self.scroll_to(y=where, animate=False, force=True)
            self._key = key

        self.call_after_refresh(turn)

    def _scrolled(self, where: float) -> None:
        if self._key:
            self.scrolls[self._key] = where
