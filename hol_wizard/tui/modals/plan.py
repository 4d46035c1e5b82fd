"""Shows what will be created, changed or removed, and asks before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget
from textual.widgets import Button, Static

from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.result_text import duration
from hol_wizard.tui.threads import aside
from hol_wizard.tui.widgets.diff_lines import DiffLines

if TYPE_CHECKING:
    from hol_wizard.engine.registry import Change
    from hol_wizard.tui.app import HolWizardApp
    from hol_wizard.wizard.requests import Consent

_VERBS = {
    "create": ("+ create", "$success bold"),
    "adopt": ("= adopt", "$primary bold"),
    "change": ("~ change", "$warning bold"),
    "delete": ("- delete", "$error bold"),
    "purge": ("- purge", "$error bold"),
    "leave": ("· leave", "$foreground 60%"),
    "later": ("· later", "$foreground 60%"),
    "unclear": ("? unclear", "$warning bold"),
    "conflict": ("! conflict", "$error bold"),
}


class PlanDialog(Dialog[bool]):
    """Reads the cloud while it is open, then shows the plan and asks."""

    # While a button has the focus, which is most of the time, the keys would not reach the body.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "scroll('up')", "Up", show=False, tooltip="A line up.", id="plan.up"),
        Binding("down,j", "scroll('down')", "Down", show=False, tooltip="A line down.", id="plan.down"),
        Binding("pageup", "scroll('page_up')", "Page up", show=False, tooltip="A page up.", id="plan.page_up"),
        Binding(
            "pagedown", "scroll('page_down')", "Page down", show=False, tooltip="A page down.", id="plan.page_down"
        ),
        Binding("home", "scroll('home')", "Beginning", show=False, tooltip="To the beginning.", id="plan.home"),
        Binding("end", "scroll('end')", "End", show=False, tooltip="To the end.", id="plan.end"),
    ]

    def __init__(self, app: HolWizardApp, title: str, consent: Consent) -> None:
        super().__init__(f"{title}: what this will {'remove' if consent.removes else 'do'}")
        self._host = app
        self._consent = consent

    def body(self) -> ComposeResult:
        """Yield the place for the plan."""
        yield Static("Checking what exists already …", id="said", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons; continuing requires the plan."""
        yield Static("↑ ↓ to scroll", id="scrolls", markup=False)
        go = button(
            "Remove" if self._consent.removes else "Do it", "confirm", primary=True, danger=self._consent.removes
        )
        go.disabled = True
        yield go
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        """Start reading."""
        self._read()

    @work(exit_on_error=False)
    async def _read(self) -> None:
        try:
            plan = await aside(lambda: self._consent.changes, "plan")
        except Exception as error:  # noqa: BLE001 whatever it is: the dialog has to go, and the error be seen
            self.dismiss(False)
            self._host.show_error(error, "The plan could not be made")
            return
        self._show([planned.change for planned in plan])

    def _show(self, changes: Sequence[Change]) -> None:
        go = self.query_one("#confirm", Button)
        if not changes:
            self.query_one("#said", Static).update(self._nothing())
            go.disabled = not self._consent.has_work
            self.query_one("#cancel" if self._consent.removes else "#confirm", Button).focus()
            return
        parts = [Content.styled(reason, "$warning bold") for reason in self._consent.because]
        conflicts = [change for change in changes if change.verb == "conflict"]
        if conflicts:
            many = f"{len(conflicts)} conflicts" if len(conflicts) > 1 else "1 conflict"
            said = f"{many}: the resources named above are not changed, and their steps fail."
            parts.append(Content.styled(said, "$error bold"))
        times = [change.seconds for change in changes if change.seconds]
        if times:
            # Independent steps run in parallel, so the longest one is more informative than the sum.
            parts.append(
                Content.styled(f"The longest of these usually takes {duration(max(times))}.", "$foreground 60%")
            )
        below = self.query_one("#said", Static)
        below.update(Content("\n").join(parts))
        below.display = bool(parts)
        rows: list[Widget] = []
        for change in changes:
            rows += [_Row(change), *([DiffLines(change.diff)] if change.diff else ())]
        self.query_one("#content").mount_all(rows, before=below)
        self.call_after_refresh(self._tell_of_more)
        go.disabled = not self._consent.has_work
        (self.query_one("#cancel", Button) if conflicts or self._consent.removes else go).focus()

    def _nothing(self) -> str:
        """Return the text for a plan without changes."""
        if not self._consent.removes:
            return "Nothing has to be created; this only verifies it."
        if self._consent.noted:
            return "Nothing that the ledger names here exists any more. Continue to update the ledger."
        return "This wizard created nothing here." if self._consent.complete else "The ledger names nothing else here."

    def on_resize(self, event: Resize) -> None:
        """Say again whether there is more than fits."""
        super().on_resize(event)
        self.call_after_refresh(self._tell_of_more)

    def _tell_of_more(self) -> None:
        """Say how to scroll if not everything fits."""
        self.query_one("#scrolls").visible = self.query_one("#content").max_scroll_y > 0

    def action_scroll(self, where: str) -> None:
        """Scroll the plan."""
        scroll = getattr(self.query_one("#content"), f"scroll_{where}")
        scroll(animate=False)

    def action_confirm(self) -> None:
        """Agree."""
        if not self.query_one("#confirm", Button).disabled:
            self.dismiss(True)

    def action_cancel(self) -> None:
        """Change nothing."""
        self.dismiss(False)


class _Row(Horizontal):
    """A change: the verb in the left column, the resource in the right one."""

    def __init__(self, change: Change) -> None:
        super().__init__(classes="change")
        self._change = change

    def compose(self) -> ComposeResult:
        """Yield both columns."""
        change = self._change
        verb, style = _VERBS.get(change.verb, (change.verb, "bold"))
        yield Static(Content.styled(verb, style), classes="verb")
        facts = [change.where, change.cost, duration(change.seconds) if change.seconds else ""]
        lines = [Content.assemble(f"{change.kind}  ", (change.name, "bold"))]
        if said := " · ".join(fact for fact in facts if fact):
            lines.append(Content.styled(said, "$foreground 60%"))
        if change.note:
            lines.append(Content.styled(change.note, "$error" if change.verb == "conflict" else "$foreground 75%"))
        yield Static(Content("\n").join(lines))
