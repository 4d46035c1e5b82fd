"""An error: what happened, and what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.errors import WizardError
from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.result_text import with_links

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp
    from hol_wizard.wizard.facade import Wizard


class ErrorDialog(Dialog[None]):
    """Message, hint and the service's original message; all of it can be copied."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,e", "copy", "Copy", tooltip="Copy the whole message.", id="error.copy"),
    ]
    AUTO_FOCUS = "#cancel"

    def __init__(self, title: str, message: str, hint: str, detail: str) -> None:
        super().__init__(f"✗ {title}")
        self.message, self.hint, self.detail = message, hint, detail

    @classmethod
    def of(cls, error: Exception, title: str, wizard: Wizard) -> Self:
        """Return the dialog for an error; an unexpected one is named, and its traceback is only in the log."""
        if isinstance(error, WizardError):
            detail = "\n".join(part for part in (error.code, error.detail) if part)
            return cls(title, error.message, wizard.speak(error.hint), detail)
        log = wizard.home.log_file
        hint = f"Nothing that was done is lost. Try again. If it happens again, report it with the log file: {log}"
        return cls(title, f"Internal error in the wizard: {type(error).__name__}.", hint, "")

    def body(self) -> ComposeResult:
        """Yield the message."""
        parts = [Content.styled(self.message, "bold")]
        if self.hint:
            parts.append(Content.assemble(("\nWhat to do  ", "$accent bold"), with_links(self.hint)))
        if self.detail:
            parts.append(Content.assemble(("\nIn the service's own words\n", "$foreground 60%"), self.detail))
        yield Static(Content("\n").join(parts), markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        yield button("Copy (y)", "copy")
        yield button("Close", "cancel", primary=True)

    def action_copy(self) -> None:
        """Copy all of it."""
        from hol_wizard.tui.flows import COPY, copy

        app = cast("HolWizardApp", self.app)
        text = "\n".join(part for part in (self.message, self.hint, self.detail) if part)
        app.flow(copy(app, text, "The error, and what to do about it."), COPY)
