"""Confirms a step that only a person can judge, or withdraws the confirmation."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard.engine.results import Result
from hol_wizard.tui.modals.dialog import Dialog, button


class ConfirmDialog(Dialog[bool]):
    """Shows the statement to confirm; answers whether to confirm, or to withdraw."""

    AUTO_FOCUS = "#agree"

    def __init__(self, title: str, statement: str, result: Result) -> None:
        """Create the dialog.

        Args:
            title: The step's title.
            statement: The statement that the person confirms.
            result: The step's result.
        """
        super().__init__(title)
        self._statement = statement
        self._result = result

    def body(self) -> ComposeResult:
        """Yield the statement, or the existing confirmation."""
        if self._result.confirmed:
            yield Static(Content(f"{self._result.summary}\n\nWithdraw this confirmation?"), markup=False)
        else:
            said = Content.assemble("Only you can judge this step. Do you confirm:\n\n", (self._statement, "bold"))
            yield Static(said, markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        if self._result.confirmed:
            yield button("Withdraw", "agree", danger=True)
            yield button("Keep it", "cancel", primary=True)
        else:
            yield button("I confirm it", "agree", primary=True)
            yield button("Not yet", "cancel")

    def action_agree(self) -> None:
        """Answer yes."""
        self.dismiss(True)
