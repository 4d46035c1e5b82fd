"""Shows what the ledger may have lost, and asks whether to rebuild it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Static

from hol_wizard.tui.modals.dialog import Dialog, button


class LedgerDialog(Dialog[bool]):
    """Shows what is wrong; answers True to rebuild the ledger, False to continue without, None to do nothing."""

    AUTO_FOCUS = "#rebuild, #cancel"

    def __init__(self, lines: Sequence[str], *, rebuildable: bool) -> None:
        super().__init__("The ledger of what this wizard created is not complete")
        self._lines = lines
        self._rebuildable = rebuildable

    def body(self) -> ComposeResult:
        """Yield what is wrong."""
        yield Static("\n".join(self._lines), id="said", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        if self._rebuildable:
            yield button("Write it again", "rebuild", primary=True)
        yield button("Continue without", "go_on")
        yield button("Cancel", "cancel")

    def action_rebuild(self) -> None:
        """Write the ledger again; the old file is kept."""
        self.dismiss(True)

    def action_go_on(self) -> None:
        """Continue with the entries that are left."""
        self.dismiss(False)
