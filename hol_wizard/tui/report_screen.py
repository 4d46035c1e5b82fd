"""What a run of tests left behind: the tests with their failures, and the coverage of each file."""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size

from hol_wizard.lab.model import Target
from hol_wizard.test_results.report import RunReport, report_lines
from hol_wizard.tui import flows
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Place, bindings_of
from hol_wizard.tui.widgets.head_bar import HeadBar
from hol_wizard.tui.widgets.key_bar import KeyBar
from hol_wizard.tui.widgets.message_line import MessageLine
from hol_wizard.tui.widgets.report_tree import ReportTree


class ReportScreen(BoardScreen):
    """A tree that fills the screen, over the section."""

    CSS_PATH = "report_screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Place.REPORT)
    AUTO_FOCUS = "#report"
    place = Place.REPORT

    head = getters.query_one(HeadBar)
    tree_ = getters.query_one(ReportTree)

    def __init__(self, target: Target, report: RunReport, size: Size) -> None:
        super().__init__(size)
        self._target = target
        self._report = report

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield HeadBar()
        yield ReportTree(id="report")
        yield MessageLine()
        yield KeyBar(Place.REPORT)

    def on_mount(self) -> None:
        """Show the report."""
        self.board_changed(frozenset())

    def board_changed(self, keys: Set[str]) -> None:
        """Show the report of the newest check."""
        del keys
        self._report = self.wizard_app.report_of(self._target) or self._report
        results, coverage = self._report.results, self._report.coverage
        title = Content.styled(self.board.title(self._target.key), "$primary bold")
        counted = Content(str(results)) if results is not None else Content("")
        covered = Content(f"coverage {coverage.percent}") if coverage is not None else Content("")
        self.head.show((title, counted), (Content.styled(self.wizard_app.where, "$foreground 65%"), covered))
        self.tree_.show(self._report)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide commands that are not available now."""
        return bool(self._report.page) if action == "open_page" else True

    def why_not(self, action: str) -> str:
        """Return why a command is not available now."""
        return "The run left no web pages." if action == "open_page" else ""

    def action_open_page(self) -> None:
        """Open the coverage as web pages."""
        self.wizard_app.flow(flows.open_file(self.wizard_app, self._report.page), flows.BROWSER)

    def action_expand(self) -> None:
        """Open or close everything."""
        self.tree_.toggle_everything()

    def action_copy_report(self) -> None:
        """Copy the report as text."""
        text = "\n".join(report_lines(self._report))
        self.wizard_app.flow(flows.copy(self.wizard_app, text, "The report as text."), flows.COPY)

    def action_back(self) -> None:
        """Go back to the section."""
        self.dismiss(None)
