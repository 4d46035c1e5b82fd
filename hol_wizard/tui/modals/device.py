"""Sign-in with a device code: an address to open, a code to type there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.tui.modals.dialog import Dialog, button

if TYPE_CHECKING:
    from hol_wizard.engine.events import PersonNeeded
    from hol_wizard.tui.app import HolWizardApp


class DeviceDialog(Dialog[None]):
    """Is shown until the sign-in is done or canceled; the app removes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", "Copy the code", tooltip="Copy the code.", id="device.copy"),
        Binding("o", "open", "Open the page", tooltip="Open the page in the browser.", id="device.open"),
        Binding("escape,x", "stop", "Cancel", tooltip="Stop signing in.", id="device.stop"),
    ]
    AUTO_FOCUS = "#copy"

    def __init__(self, needed: PersonNeeded) -> None:
        super().__init__("Only you can go on")
        self.needed = needed
        self._beats = 0

    def body(self) -> ComposeResult:
        """Yield the address and the code."""
        parts = [Content(self.needed.text)]
        if self.needed.url:
            parts.append(Content.assemble("\n1  Open   ", (self.needed.url, "$primary bold")))
        if self.needed.code:
            parts.append(Content.assemble("2  Type   ", (self.needed.code, "$accent bold")))
        yield Static(Content("\n").join(parts), markup=False)
        yield Static(id="beat", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        if self.needed.code:
            yield button("Copy the code (y)", "copy", primary=True)
        if self.needed.url:
            yield button("Open (o)", "open")
        yield button("Cancel", "stop")

    def on_mount(self) -> None:
        """Show that the wizard is waiting."""
        self.set_interval(1.0, self._beat)
        self._beat()

    def _beat(self) -> None:
        self._beats += 1
        self.query_one("#beat", Static).update(f"\nWaiting for you {'.' * (self._beats % 4)}")

    @property
    def _app(self) -> HolWizardApp:
        return cast("HolWizardApp", self.app)

    def finish(self) -> None:
        """Close, because the sign-in has ended."""
        if self.is_attached:
            self.dismiss(None)

    def action_copy(self) -> None:
        """Copy the code."""
        from hol_wizard.tui.flows import COPY, copy

        self._app.flow(copy(self._app, self.needed.code, "The code; type or paste it on the page."), COPY)

    def action_open(self) -> None:
        """Open the page."""
        from hol_wizard.tui.flows import BROWSER, open_address

        self._app.flow(open_address(self._app, self.needed.url), BROWSER)

    def action_stop(self) -> None:
        """Cancel the sign-in."""
        self._app.stop_work()
