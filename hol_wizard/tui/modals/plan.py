"""Shows what will be created, changed or removed, and asks before anything is done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
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


_COUNTED = {"leave": "left as is", "later": "known later", "unclear": "unclear", "conflict": "in conflict"}
"""How to count the changes of a verb that is no change; the others are counted as `3 to create`."""
UNFOLDED_UP_TO = 3
"""Kinds of changes up to which all details are shown at first."""
COSTS_SHOWN = 3
"""Different costs in the totals; the details have them all."""


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
        Binding("space", "unfold", "Details", show=False, tooltip="Show all details, or hide them.", id="plan.unfold"),
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
        conflicts = [change for change in changes if change.verb == "conflict"]
        because = [Content.styled(reason, "$warning bold") for reason in self._consent.because]
        self.query_one("#said", Static).update(Content("\n").join([*because, _totals(changes)]))
        groups = _grouped(changes)
        rows = [_Row(group, unfolded=len(groups) <= UNFOLDED_UP_TO) for group in groups]
        self.query_one("#content").mount_all(rows)
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
        folded = any(not row.has_class("-unfolded") for row in self.query(_Row))
        hint = self.query_one("#scrolls", Static)
        hint.update("space: details · ↑ ↓ scroll" if folded else "↑ ↓ to scroll")
        hint.visible = folded or self.query_one("#content").max_scroll_y > 0

    def action_unfold(self) -> None:
        """Show all details, or only the lines."""
        rows = list(self.query(_Row))
        unfold = not all(row.has_class("-unfolded") for row in rows)
        for row in rows:
            row.set_class(unfold, "-unfolded")
        self.call_after_refresh(self._tell_of_more)

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


class _Row(Vertical, can_focus=True):
    """Changes of one kind: a line, or all of them with their details."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "details", "Details", show=False, tooltip="Show or hide the details.", id="plan.row.toggle"),
    ]

    def __init__(self, changes: Sequence[Change], *, unfolded: bool) -> None:
        to_read = any(change.verb in {"conflict", "unclear"} for change in changes)
        super().__init__(classes="plan-row -unfolded" if unfolded or to_read else "plan-row")
        self._changes = changes

    def compose(self) -> ComposeResult:
        """Yield the line, and the details that take its place."""
        first, more = self._changes[0], len(self._changes) - 1
        facts = [first.name + (" …" if more else ""), duration(first.seconds) if first.seconds else ""]
        verb, style = _verb(first)
        yield Static(
            Content.assemble(
                (f"{verb:<11}", style),
                (f"{more + 1} × " if more else "", "bold"),
                f"{first.kind}  ",
                (" · ".join(filter(None, facts)), "$foreground 60%"),
            ),
            classes="folded",
        )
        with Vertical(classes="details"):
            for change in self._changes:
                with Horizontal(classes="change"):
                    yield Static(Content.styled(*_verb(change)), classes="verb")
                    yield Static(_details(change))
                if change.diff:
                    yield DiffLines(change.diff)

    def action_details(self) -> None:
        """Show or hide the details."""
        self.toggle_class("-unfolded")

    def on_click(self) -> None:
        """Do the same with the mouse."""
        self.action_details()


def _verb(change: Change) -> tuple[str, str]:
    return _VERBS.get(change.verb, (change.verb, "bold"))


def _details(change: Change) -> Content:
    """Return a change in full: what, where, at what cost, for how long, and why."""
    facts = [change.where, change.cost, duration(change.seconds) if change.seconds else ""]
    lines = [Content.assemble(f"{change.kind}  ", (change.name, "bold"))]
    if said := " · ".join(fact for fact in facts if fact):
        lines.append(Content.styled(said, "$foreground 60%"))
    if change.note:
        lines.append(Content.styled(change.note, "$error" if change.verb == "conflict" else "$foreground 75%"))
    return Content("\n").join(lines)


def _grouped(changes: Sequence[Change]) -> list[list[Change]]:
    """Return the changes with those of the same kind and verb together, such as one for each environment."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.verb, change.kind), []).append(change)
    return list(groups.values())


def _totals(changes: Sequence[Change]) -> Content:
    """Return what matters first: how much of what, how long it takes, what it costs, and what is in the way."""
    counts = Counter(change.verb for change in changes)
    total = Content.styled(
        ", ".join(f"{count} {_COUNTED.get(verb, f'to {verb}')}" for verb, count in counts.items()), "bold"
    )
    if times := [change.seconds for change in changes if change.seconds]:
        # Independent steps run in parallel, so the longest one is more informative than the sum.
        total += Content(f" · the longest usually takes {duration(max(times))}")
    parts = [total]
    costs = list(dict.fromkeys(change.cost for change in changes if change.cost and not change.cost.startswith("free")))
    if costs:
        more = f"; and {len(costs) - COSTS_SHOWN} more" if len(costs) > COSTS_SHOWN else ""
        parts.append(Content.assemble(("Costs: ", "$warning bold"), "; ".join(costs[:COSTS_SHOWN]) + more))
    elif any(change.cost for change in changes):
        parts.append(Content.styled("Free of charge.", "$foreground 60%"))
    if conflicts := counts["conflict"]:
        many = f"{conflicts} conflicts" if conflicts > 1 else "1 conflict"
        said = f"{many}: these resources are not changed, and their steps fail."
        parts.append(Content.styled(said, "$error bold"))
    return Content("\n").join(parts)
