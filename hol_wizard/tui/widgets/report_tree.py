"""Tests and coverage as a tree: whatever failed is open, everything else is closed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from hol_wizard.test_results.cobertura import Coverage, percent
from hol_wizard.test_results.failure import Part, failure_lines
from hol_wizard.test_results.junit import Case, Outcome, Results
from hol_wizard.test_results.report import RunReport, compared, told
from hol_wizard.tui.widgets.coverage_bar import LEGEND, bar_parts, ink_of

_SIGNS = {
    Outcome.PASSED: ("✓ ", "good"),
    Outcome.FAILED: ("✗ ", "bad"),
    Outcome.ERROR: ("! ", "bad"),
    Outcome.SKIPPED: ("– ", "dim"),
}
_INKS = {
    Part.PLACE: "dim",
    Part.CODE: "code",
    Part.ERROR: "text",
    Part.EXPECTED: "expected",
    Part.ACTUAL: "actual",
    Part.OUTPUT: "dim",
}
_WIDE = 70
"""Columns from which a bar has 20 cells."""

Parts = Sequence[tuple[str, str]]
"""Texts, each with the ink that it is drawn in."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a node of the tree shows."""

    key: str
    """What it is, whatever the width: who opens or closes it finds it so after a resize. Empty: a line of text."""
    parts: Parts
    cases: tuple[Case, ...] = ()
    """The tests below it, which are added when it is opened."""


class ReportTree(Tree[Line]):
    """Shows a report; wraps the failures to its width."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"report--{ink}" for ink in ("good", "bad", "dim", "code", "text", "expected", "actual", "bold", "enough")
    } | {"report--short", "report--rest", "report--mark"}
    DEFAULT_CSS = """
    ReportTree {
        height: 1fr;
        padding: 0 1;
        background: $background;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        & .report--good { color: $success; }
        & .report--bad { color: $error; text-style: bold; }
        & .report--dim { text-style: dim; }
        & .report--code { color: $primary; }
        & .report--text { color: $foreground; }
        & .report--expected { color: $success; }
        & .report--actual { color: $error; }
        & .report--bold { color: $foreground; text-style: bold; }
        & .report--enough { color: $success; }
        & .report--short { color: $warning; }
        & .report--rest { text-style: dim; }
        & .report--mark { color: $foreground; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "open", "Open", show=False, tooltip="Open this line, or go down.", id="report.right"),
        Binding("left", "close", "Close", show=False, tooltip="Close this line, or go up.", id="report.left"),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 Textual's own name
        super().__init__("", id=id)
        self.show_root = False
        self.guide_depth = 2
        self._report = RunReport()
        self._opened: dict[str, bool] = {}
        """What the person has opened or closed."""
        self._laid_out = 0
        """The width for which the lines are wrapped."""

    def show(self, report: RunReport) -> None:
        """Show a report; what the person has opened stays open."""
        if report is not self._report:
            self._report = report
            self._lay_out()

    def on_resize(self) -> None:
        """Wrap for the new width."""
        if self.size.width != self._laid_out:
            self._lay_out()

    # Its lines

    def _lay_out(self) -> None:
        self._laid_out = self.size.width
        if not self._laid_out:
            return
        key = self.cursor_node.data.key if self.cursor_node and self.cursor_node.data else ""
        self.clear()
        report = self._report
        for text in report.about:
            self._text(self.root, text, "dim")
        if report.results is not None:
            self._add_tests(report.results)
        if report.coverage is not None:
            self._add_coverage(report.coverage)
        for text in report.problems:
            self._text(self.root, text, "bad")
        by_key = {node.data.key: node for node in self._tree_nodes.values() if node.data and node.data.key}
        wanted = by_key.get(key) or by_key.get("tests") or by_key.get("coverage")
        self.call_after_refresh(self.move_cursor, wanted)

    def _node(self, above: TreeNode[Line], line: Line, *, is_open: bool) -> TreeNode[Line]:
        expand = self._opened.get(line.key, is_open)
        node = above.add("", line, expand=expand)
        if expand and line.cases:
            self._add_cases(node, line.cases)
        return node

    def _add_tests(self, results: Results) -> None:
        sign, ink = _SIGNS[Outcome.PASSED if results.passed else Outcome.FAILED]
        said = f"{results} ({results.seconds:.1f} s)"
        tests = self._node(self.root, Line("tests", [(sign, ink), ("Tests  ", "bold"), (said, "text")]), is_open=True)
        for group, cases in results.groups.items():
            own = Results(cases)
            sign, ink = _SIGNS[Outcome.FAILED if own.bad else Outcome.PASSED if own.passed else Outcome.SKIPPED]
            parts = [(sign, ink), (f"{group or 'without a module'}  ", "bold"), (str(own), "dim")]
            self._node(tests, Line(f"group {group}", parts, cases), is_open=bool(own.bad) or len(results.cases) < 20)
        for note in results.notes:
            self._text(tests, note, "short")

    def _add_cases(self, node: TreeNode[Line], cases: Sequence[Case]) -> None:
        for number, case in enumerate(cases):
            sign, ink = _SIGNS[case.outcome]
            took = f"  {case.seconds:.1f} s" if case.seconds >= 0.1 else ""
            reason = f"  {case.message}" if case.outcome is Outcome.SKIPPED and case.message else ""
            line = Line(
                f"case {case.group} {number} {case.name}", [(sign, ink), (case.name, "text"), (took + reason, "dim")]
            )
            if not case.bad:
                node.add_leaf("", line)
                continue
            below = self._node(node, line, is_open=True)
            for each in failure_lines(case):
                self._text(below, each.text, _INKS[each.part])

    def _add_coverage(self, coverage: Coverage) -> None:
        ink, said = ink_of(coverage.rate), f", {compared(coverage.rate)}"
        parts = [("Coverage  ", "bold"), (f"{coverage.percent} of the lines", str(ink)), (said, "text")]
        node = self._node(self.root, Line("coverage", parts), is_open=True)
        width = 20 if self._laid_out >= _WIDE else 10
        for file in coverage.files:
            drawn = [(text, str(ink)) for text, ink in bar_parts(file.rate, width)] if file.valid else []
            lead = f" {percent(file.rate):>5}  " if file.valid else f"{'–':^{width}}        "
            line = Line(f"file {file.name}", [*drawn, (lead, "text"), (file.name, "text")])
            self._text(self._node(node, line, is_open=False), told(file), "dim")
        if coverage.files:
            self._text(node, LEGEND, "dim")
        for note in coverage.notes:
            self._text(node, note, "short")

    def _text(self, above: TreeNode[Line], text: str, ink: str) -> None:
        """Add a text in as many lines as it needs."""
        depth, up = 1, above
        while up.parent is not None:
            depth, up = depth + 1, up.parent
        room = max(16, self._laid_out - 3 - depth * self.guide_depth)
        lead = " " * min(len(text) - len(text.lstrip()), room // 2)
        for number, part in enumerate(_wrapped(text.strip(), room - len(lead)) or [""]):
            above.add_leaf("", Line("", [(f"{lead}{'  ' if number else ''}{part}", ink)]))

    # What happens

    def render_label(self, node: TreeNode[Line], base_style: Style, style: Style) -> Text:
        """Return a line; under the cursor it has the cursor's color only, so that it can be read."""
        label = Text(no_wrap=True, end="")
        if node.allow_expand:
            label.append(self.ICON_NODE_EXPANDED if node.is_expanded else self.ICON_NODE, base_style)
        for text, ink in node.data.parts if node.data is not None else ():
            own = self.get_component_rich_style(f"report--{ink}", partial=True)
            label.append(text, style if node is self.cursor_node else style + own)
        return label

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Line]) -> None:
        """Add what was not needed until now."""
        line = event.node.data
        if line is not None:
            self._opened[line.key] = True
            if line.cases and not event.node.children:
                self._add_cases(event.node, line.cases)

    def on_tree_node_collapsed(self, event: Tree.NodeCollapsed[Line]) -> None:
        """Keep it closed."""
        if event.node.data is not None:
            self._opened[event.node.data.key] = False

    def action_open(self) -> None:
        """Open the line under the cursor, or go to the next one."""
        node = self.cursor_node
        if node is not None and node.allow_expand and not node.is_expanded:
            node.expand()
        else:
            self.action_cursor_down()

    def action_close(self) -> None:
        """Close the line under the cursor, or go to the one that it belongs to."""
        node = self.cursor_node
        if node is not None and node.allow_expand and node.is_expanded:
            node.collapse()
        elif node is not None and node.parent is not None and node.parent is not self.root:
            self.move_cursor(node.parent)

    def toggle_everything(self) -> None:
        """Open everything, or close everything below the first level if all of it is open."""
        nodes = [node for node in self._tree_nodes.values() if node.allow_expand and node is not self.root]
        opening = any(not node.is_expanded for node in nodes)
        for node in nodes:
            if opening:
                node.expand()
            elif node.parent is not self.root:
                node.collapse()


def _wrapped(text: str, room: int) -> list[str]:
    return textwrap.wrap(text, max(10, room), break_on_hyphens=False, drop_whitespace=True, expand_tabs=False)
