"""A choice from a list."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input

from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.widgets.rows import Rows

FILTERED_FROM = 9
"""Minimum number of options for a filter field."""


class ChooseDialog(Dialog[str]):
    """A list to choose from; answers with the value."""

    AUTO_FOCUS = "#options"

    def __init__(
        self, title: str, options: Sequence[tuple[str, str]], current: str = "", *, filtered: bool = True
    ) -> None:
        """Create the dialog.

        Args:
            title: What is chosen.
            options: The values with their texts.
            current: The value under the cursor at first.
            filtered: Whether a long list can be filtered.
        """
        super().__init__(title)
        self._filtered = filtered
        self._options = dict(options)
        self._current = current

    def body(self) -> ComposeResult:
        """Yield the list, with a filter above a long one."""
        if self._filtered and len(self._options) >= FILTERED_FROM:
            yield Input(placeholder="type to filter", id="filter")
        yield Rows(self._row, id="options")

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        yield button("Choose", "choose", primary=True)
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        """Show all options."""
        self.query_one(Rows).show(list(self._options), self._current)

    def _row(self, value: str, width: int) -> Content:
        first, _, more = self._options[value].partition("\n")
        return Content(first + (" …" if more else ""))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the options that contain the typed text."""
        wanted = event.value.casefold().split()
        self.query_one(Rows).show(
            [v for v, label in self._options.items() if all(word in f"{label} {v}".casefold() for word in wanted)]
        )

    def on_input_submitted(self) -> None:
        """Select the option under the cursor."""
        self.action_choose()

    def on_rows_chosen(self) -> None:
        """Answer with the clicked option."""
        self.action_choose()

    def action_choose(self) -> None:
        """Answer with the option under the cursor."""
        if (value := self.query_one(Rows).current) is not None:
            self.dismiss(value)
