"""The version of the wizard, and the location of its files."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hol_wizard import __version__
from hol_wizard.tui.modals.dialog import Dialog

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


class AboutDialog(Dialog[None]):
    """Version and folders, for a question to the proctor."""

    AUTO_FOCUS = "#cancel"

    def __init__(self, wizard: Wizard) -> None:
        super().__init__("About hol-wizard")
        self._wizard = wizard

    def body(self) -> ComposeResult:
        """Yield version and folders."""
        home = self._wizard.home
        facts = (
            ("Version", f"{__version__}, Python {platform.python_version()} on {platform.system()}"),
            ("Where", self._wizard.where()),
            ("Choices", str(home.choices_file(self._wizard.cloud, self._wizard.profile.name))),
            ("State", str(home.state_folder(self._wizard.cloud, self._wizard.profile.name))),
            ("Log file", str(home.log_file)),
        )
        lines = [Content.assemble((f"{name:<10}", "$secondary bold"), value) for name, value in facts]
        lines.append(
            Content.styled(
                "\nOnly the results of the checks count; these files only store what you chose and saw.",
                "$foreground 60%",
            )
        )
        yield Static(Content("\n").join(lines), markup=False)
