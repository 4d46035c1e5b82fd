"""A section: its steps, the guide to the selected one, its result, and the log."""

from __future__ import annotations

from collections.abc import Container, Sequence, Set
from typing import ClassVar

from textual import getters, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from hol_wizard.engine.results import DONE, Status
from hol_wizard.lab.model import Section, Target
from hol_wizard.lab.prose import code_blocks
from hol_wizard.test_results.report import RunReport
from hol_wizard.tui import flows
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Place, bindings_of, commands_of
from hol_wizard.tui.guide_text import guide_text, hints_content, is_command
from hol_wizard.tui.modals.choose import ChooseDialog
from hol_wizard.tui.result_text import addresses, clock, next_line, result_content, section_content
from hol_wizard.tui.saved_files import SavedFiles
from hol_wizard.tui.threads import aside
from hol_wizard.tui.widgets.coverage_bar import report_content
from hol_wizard.tui.widgets.guide import Guide
from hol_wizard.tui.widgets.head_bar import HeadBar, bar
from hol_wizard.tui.widgets.key_bar import KeyBar
from hol_wizard.tui.widgets.log_lines import LogLines
from hol_wizard.tui.widgets.message_line import MessageLine
from hol_wizard.tui.widgets.pane_tabs import PaneTabs
from hol_wizard.tui.widgets.prose import Prose
from hol_wizard.tui.widgets.rows import Rows

SETTLED_AFTER = 0.2
"""Seconds for which a step must stay selected before its guide is laid out."""
LOOK_EVERY = 2.0
"""Seconds between two looks at the files that the section's checks read."""

READ = "read"
"""The first entry of a step's menu."""
ABOUT = "about"
"""Row that shows the section's introduction."""
PANES = (("steps", "Steps"), ("guide", "Guide"), ("result", "Result"), ("log", "Log"))
_FOCUS = {"steps": "#steps", "guide": "#guide", "result": "#result-pane", "log": "#log"}


_ABOUT_A_STEP = {"solve_step", "check_step", "confirm_step", "undo_step", "act", "hint", "portal", "copy_result"}
_WHY_NOT = {
    "check_step": "The wizard cannot check this step yet: compare with the guide.",
    "undo_step": "This step creates nothing that could be removed.",
    "act": "There is nothing else to do with this step now.",
    "copy_command": "The guide to this step contains no command.",
    "copy_result": "This step has not been checked yet.",
    "portal": "This step has no page in the portal.",
    "show_report": "This step has no test results.",
    "open_page": "This step has no coverage report.",
    "solve_section": "Only a person can do the steps of this section.",
    "check_section": "The wizard cannot check the steps of this section yet.",
    "undo_section": "This section creates nothing that could be removed.",
    "catch_up": "Nothing that this section needs is known to be missing.",
    "stop": "Nothing is being changed.",
    "pane": "All panes are on the screen.",
    "copy_log": "Nothing was done here in this session, so the log is empty.",
    "next_step": "This is the only step that is not done.",
    "next_section": "This is the last section.",
    "previous_section": "This is the first section.",
}
"""Why a command is not available, in general."""


class SectionScreen(BoardScreen):
    """Two columns if there is room, otherwise one pane at a time below the steps."""

    CSS_PATH = "section_screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings_of(Place.SECTION),
        Binding(
            "space,pagedown", "guide(1)", "Scroll down", show=False, tooltip="Scroll the guide down.", id="guide.down"
        ),
        Binding("pageup", "guide(-1)", "Scroll up", show=False, tooltip="Scroll the guide up.", id="guide.up"),
    ]
    AUTO_FOCUS = "#steps"
    place = Place.SECTION

    head = getters.query_one(HeadBar)
    banner = getters.query_one("#banner", Static)
    tabs = getters.query_one(PaneTabs)
    steps = getters.query_one("#steps", Rows)
    result = getters.query_one("#result", Static)
    guide = getters.query_one(Guide)
    hints = getters.query_one("#hints", Static)
    log_lines = getters.query_one("#log", LogLines)
    line = getters.query_one("#line", Static)

    def __init__(self, section: Section, size: Size) -> None:
        super().__init__(size)
        self.section = section
        self._targets: dict[str, Target] = {}
        self._pane = "guide"
        self._picked = ""
        """The step for which the person has chosen a pane: the reason of its failure does not replace it."""
        self._saved = SavedFiles()
        self._looking = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield HeadBar()
        yield Static(id="banner", markup=False)
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Rows(self._row, id="steps")
                yield PaneTabs()
                with VerticalScroll(id="result-pane"):
                    yield Static(id="result", markup=False)
            with Vertical(id="right"):
                with Guide():
                    yield Prose(id="prose")
                    yield Static(id="hints", markup=False)
                yield LogLines(id="log")
        yield MessageLine()
        yield Static(id="line", markup=False)
        yield KeyBar(Place.SECTION)

    def on_mount(self) -> None:
        """Go to where the person was."""
        memory = self.wizard_app.memory
        self._targets = {target.key: target for target in self.board.section_targets(self.section)}
        pane = memory.panes.get(self.section.id, "guide")
        self._pane = pane if pane in _FOCUS else "guide"
        self.steps.show([ABOUT, *self._targets], memory.steps.get(self.section.id))
        self.guide.scrolls = memory.scrolls
        self._show_guide()
        self.board_changed(frozenset())
        reading = [target for target in self._targets.values() if self.wizard_app.wizard.files(target)]
        if reading:
            self._look_at_files(reading)
            self.set_interval(LOOK_EVERY, lambda: self._may_look(reading))

    # Selection

    @property
    def target(self) -> Target | None:
        """The step under the cursor; None on the section's introduction."""
        return self._targets.get(self.steps.current or "")

    def _filled(self, template: str) -> str:
        return self.wizard_app.text(template, self.target.environment if self.target else None)

    def _hints(self) -> tuple[int, tuple[str, ...]]:
        """Return how many hints are shown, and all hints."""
        if self.target is None:
            return 0, ()
        shown = self.wizard_app.memory.hints.get(self.target.step.key, 0)
        return min(shown, len(self.target.step.hints)), self.target.step.hints

    def commands(self) -> list[str]:
        """Return what can be copied from the selected step.

        These are its code blocks, the shown hints that are commands, and the addresses in its result.
        """
        template = self.target.step.body if self.target else self.section.intro
        shown, hints = self._hints()
        found = code_blocks(self._filled(template))
        found += [text for hint in hints[:shown] if is_command(text := self._filled(hint))]
        result = self.board.standings[self.target.key].result if self.target else None
        found += addresses(result.next_action) if result else []
        return list(dict.fromkeys(found))

    # Drawing

    def _row(self, key: str, width: int) -> Content:
        if key == ABOUT:
            return Content.styled("  About this section", "$foreground 75%")
        target = self._targets[key]
        look, standing = self.board.look(key), self.board.standings[key]
        word, style = self.board.word(look, [key])
        if standing.progress is not None:
            word = clock(self.board.elapsed(key))
        left = Content.assemble((f"{look.symbol} ", look.style), target.step.title)
        widest = max((len(str(each.environment or "")) for each in self._targets.values()), default=0)
        environment = f" {target.environment or '':<{widest}}" if widest else ""
        right = Content.assemble((environment, "$secondary"), " ", (f"{word:<9}", style))
        room = max(4, width - right.cell_length)
        left = left.truncate(room, ellipsis=True)
        return left + Content(" " * max(0, room - left.cell_length)) + right

    def _head(self) -> None:
        section, count = self.section, self.board.count(self._targets.values())
        left = Content.assemble((f"{section.number} ", "$foreground 60%"), (section.title, "$primary bold"))
        right = Content.assemble(bar(count.done, count.total, 10), f" {count.text}")
        about = f"{section.role} · about {section.minutes} min"
        self.head.show(
            (left, right),
            (Content.styled(f"{about} · {self.wizard_app.where}", "$foreground 65%"), self.cost_content()),
        )

    def _banner(self) -> None:
        missing = self.wizard_app.missing_before(self.section)
        self.banner.set_class(bool(missing), "-shown")
        if missing:
            titles = ", ".join(self.board.title(target.key) for target in missing[:3])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            self.banner.update(
                Content.assemble(
                    ("! ", "bold"),
                    f"This section first needs: {titles}{more}. ",
                    *((("b", "bold"), " does it.") if any(target.step.solve for target in missing) else ()),
                )
            )

    def _show_guide(self) -> None:
        """Show the guide to the selected step, scrolled to where it was left."""
        key = self.target.key if self.target else f"{self.section.id}/{ABOUT}"
        self.guide.show(key, guide_text(self.section, self.target, self._filled))
        self._show_hints()

    def _show_hints(self) -> None:
        shown, hints = self._hints()
        self.hints.display = bool(hints)
        if not hints:
            return
        self.put(self.hints, hints_content([self._filled(hint) for hint in hints], shown))

    def _result(self) -> None:
        target = self.target
        if target is None:
            self.put(self.result, section_content(self.board, self.section))
            return
        content = result_content(self.board, target, watching=self.wizard_app.is_watching)
        if report := self.wizard_app.report_of(target):
            width = self.query_one("#result-pane").scrollable_content_region.width
            content = Content("\n").join([content, Content(""), report_content(report, width)])
        self.put(self.result, content)

    def _line(self) -> None:
        line = next_line(self.board, self.target, self._targets, self.wizard_app.working)
        self.put(self.line, line, layout=False)

    @property
    def _shown_pane(self) -> str:
        """The pane to show if only one is shown at a time: a failed step's reason comes before its guide."""
        key = self.steps.current or ""
        trouble = self.board.troubles.get(key, "")
        return trouble if trouble and key != self._picked else self._pane

    def show_trouble(self, key: str) -> None:
        """Select a step that failed, with its reason in view."""
        self._picked = ""
        self.steps.move_to(key)
        self._panes()
        self._result()
        self._line()
        self.query_one("#result-pane").scroll_home(animate=False)

    def _panes(self) -> None:
        short = self.has_class("-short") and not self.has_class("-wide")
        panes = PANES if short else PANES[1:]
        pane = self._shown_pane
        shown = pane if any(name == pane for name, _ in panes) else "guide"
        self.tabs.show(panes, shown)
        for name, _ in PANES:
            self.set_class(name == shown, f"-pane-{name}")
        self.set_class(bool(self.board.logs.get(self.section.id)), "-has-log")
        if self.focused is not None and not self.focused.is_on_screen and not self.focused.display:
            self.query_one(_FOCUS[shown]).focus()

    # Events

    def board_changed(self, keys: Set[str]) -> None:
        """Show changes."""
        self._head()
        self._banner()
        self._panes()
        self.steps.redraw()
        self._result()
        self._line()
        self.log_grew({self.section.id})
        if "set-up" in {key.partition("/")[0] for key in keys}:
            # The reader's own names may have changed.
            self._show_guide()
        self.refresh_bindings()

    def log_grew(self, sections: Set[str]) -> None:
        """Show new log lines."""
        if self.section.id in sections:
            self.log_lines.show(self.board.logs.get(self.section.id, []))

    def tick(self) -> None:
        """Show the elapsed time."""
        if any(self.board.standings[key].activity for key in self._targets):
            self.steps.redraw()
            self._result()
            self._line()

    def on_resize(self) -> None:
        """Show the panes for which there is room."""
        self.call_after_refresh(self._panes)

    def on_rows_moved(self, event: Rows.Moved) -> None:
        """Select another step."""
        self.wizard_app.memory.steps[self.section.id] = event.key
        self._panes()
        self._result()
        self._line()
        self.refresh_bindings()
        # Held-down arrow keys pass many steps: only the last one is laid out.
        self.set_timer(SETTLED_AFTER, lambda: self._settled(event.key))

    def _settled(self, key: str) -> None:
        if self.steps.current == key:
            self._show_guide()

    def on_rows_chosen(self) -> None:
        """Offer what can be done with the step; show the introduction of the section."""
        if self.target is None:
            self._read_guide()
        else:
            self.wizard_app.flow(self._offer())

    def _read_guide(self) -> None:
        self.action_show_pane("guide")
        self.guide.focus()

    async def _offer(self) -> None:
        """Ask what to do with the step under the cursor; what is not possible says why."""
        step = [each for each in commands_of(Place.SECTION) if each.id.startswith("step.") and each.id != "step.next"]
        able = {each.action: each for each in step if self.check_action(each.action, ())}
        rest = [each for each in step if each.action not in able]
        options = [(READ, "Read the guide")]
        options += [(each.action, f"{each.title}  ({each.key_text})") for each in able.values()]
        options += [(each.action, f"– {each.title}: {self.why_not(each.action)}") for each in rest]
        title = self.board.title(self.target.key) if self.target else ""
        chosen = await self.app.push_screen_wait(ChooseDialog(title, options, self._likely(able), filtered=False))
        if chosen == READ:
            self._read_guide()
        elif chosen in able:
            # After this flow has ended: the command starts one itself.
            self.set_timer(0.01, lambda: self.app.call_later(self.app.run_action, chosen, self))

    def _likely(self, able: Container[str]) -> str:
        """Return what a person most likely wants to do with the step under the cursor."""
        done = self.target is not None and self.board.status(self.target.key) in DONE
        wanted = () if done else ("solve_step", "confirm_step", "check_step")
        return next((action for action in wanted if action in able), READ)

    def on_prose_link_clicked(self, event: Prose.LinkClicked) -> None:
        """Open a link of the guide in the browser."""
        self.wizard_app.flow(flows.open_address(self.wizard_app, event.href), flows.BROWSER)

    # Watching

    def watched(self) -> tuple[Target | None, Sequence[Target]]:
        """Return the step under the cursor, and the section's others: first those that are not done."""
        targets = list(self._targets.values())
        missing = self.board.missing(targets)
        in_view = self.target or next(iter(missing), None)
        return in_view, [*missing, *(target for target in targets if target not in missing)]

    def show_age(self) -> None:
        """Show how old the result is."""
        if self.target is not None:
            self._result()

    def _may_look(self, targets: Sequence[Target]) -> None:
        """Look at the files of these steps, if the section is on the screen and nothing is running."""
        # A look may block, for example at a folder in the network: there is at most one.
        if self.is_current and not self._looking and not self.wizard_app.runs:
            self._look_at_files(targets)

    @work(exit_on_error=False)
    async def _look_at_files(self, targets: Sequence[Target]) -> None:
        """Ask for another look at the steps whose files were saved."""
        wizard = self.wizard_app.wizard
        self._looking = True
        try:
            files = {target.key: wizard.files(target) for target in targets}
            wizard.watching.watch.call_for(await aside(lambda: self._saved.look(files), "files"))
        finally:
            self._looking = False

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide commands that are not available now."""
        if not self.is_ready:
            return True
        app, target = self.wizard_app, self.target
        busy = app.working is not None
        step = target.step if target else None
        result = self.board.standings[target.key].result if target else None
        blocked = result is not None and result.status is Status.BLOCKED
        shown, hints = self._hints()
        numbers = [section.number for section in self.board.lab.sections]
        able = {
            "solve_step": bool(step and step.solve) and not busy,
            "check_step": bool(step and step.check),
            "confirm_step": bool(step and step.confirm),
            "undo_step": bool(step and step.undo) and not busy,
            "act": bool(step and step.actions) and not busy and not blocked,
            "hint": shown < len(hints),
            "copy_command": bool(self.commands()) if action == "copy_command" else True,
            "copy_result": result is not None and bool(step and step.check),
            "portal": bool(step and step.portal),
            "show_report": bool(self._report()) if action == "show_report" else True,
            "open_page": self._has_page() if action == "open_page" else True,
            "solve_section": not busy and any(t.step.solve for t in self._targets.values()),
            "check_section": any(t.step.check for t in self._targets.values()),
            "undo_section": not busy and any(t.step.undo for t in self._targets.values()),
            "catch_up": not busy and bool(app.missing_before(self.section)) if action == "catch_up" else True,
            "stop": busy,
            "pane": not self.has_class("-wide"),
            "copy_log": bool(self.board.logs.get(self.section.id)),
            "next_step": self._next_step() != target or target is None if action == "next_step" else True,
            "next_section": self.section.number < max(numbers),
            "previous_section": self.section.number > min(numbers),
        }
        return able.get(action, True)

    def why_not(self, action: str) -> str:
        """Return why a command is not available now."""
        step = self.target.step if self.target else None
        if step is None and action in _ABOUT_A_STEP:
            return "Select a step first, with the arrow keys."
        if action == "solve_step":
            return "Only a person can do this step: the guide says how." if step and not step.solve else ""
        if action == "check_step" and step and step.confirm:
            return "Only you can judge this step: press i to confirm it."
        if action == "confirm_step":
            return "The wizard checks this step, so it needs no confirmation."
        if action == "hint":
            return "There is no other hint." if self._hints()[1] else "This step has no hints."
        return _WHY_NOT.get(action, "")

    def action_check_step(self) -> None:
        """Check the selected step."""
        if self.target:
            self.wizard_app.start_check([self.target], f"Checking “{self.board.title(self.target.key)}”")

    def action_check_section(self) -> None:
        """Check all steps of the section."""
        targets = [target for target in self._targets.values() if target.step.check]
        self.wizard_app.start_check(targets, f"Checking section {self.section.number}")

    def action_solve_step(self) -> None:
        """Do the selected step, after asking."""
        if self.target:
            self.wizard_app.flow(flows.solve(self.wizard_app, [self.target], self.board.title(self.target.key)))

    def action_solve_section(self) -> None:
        """Do the section, after asking."""
        targets = [target for target in self._targets.values() if target.step.solve]
        self.wizard_app.flow(flows.solve(self.wizard_app, targets, self.section.title))

    def action_confirm_step(self) -> None:
        """Confirm the selected step, or withdraw its confirmation, after asking."""
        if self.target:
            self.wizard_app.flow(flows.confirm(self.wizard_app, self.target))

    def action_act(self) -> None:
        """Do one of the selected step's actions, after asking which."""
        if self.target:
            self.wizard_app.flow(flows.act(self.wizard_app, self.target))

    def action_undo_step(self) -> None:
        """Undo the selected step, after asking."""
        if self.target:
            self.wizard_app.flow(
                flows.undo(self.wizard_app, [self.target], f"Undo “{self.board.title(self.target.key)}”")
            )

    def action_undo_section(self) -> None:
        """Undo the section, after asking."""
        targets = [target for target in self._targets.values() if target.step.undo]
        self.wizard_app.flow(flows.undo(self.wizard_app, targets, f"Undo “{self.section.title}”"))

    def action_catch_up(self) -> None:
        """Do the missing earlier steps that this section needs, after asking."""
        missing = self.wizard_app.missing_before(self.section)
        self.wizard_app.flow(flows.solve(self.wizard_app, missing, "Catching up"))

    def action_stop(self) -> None:
        """Stop what is running."""
        self.wizard_app.stop_work()

    def action_hint(self) -> None:
        """Show one more hint."""
        shown, hints = self._hints()
        if self.target and shown < len(hints):
            self.wizard_app.memory.hints[self.target.step.key] = shown + 1
            self._show_hints()
            self.action_show_pane("guide")
            self.call_after_refresh(self.guide.scroll_end, animate=False)
            self.refresh_bindings()

    def action_copy_command(self) -> None:
        """Copy one of the step's commands."""
        self.wizard_app.flow(flows.copy_one(self.wizard_app, self.commands()), flows.COPY)

    def action_copy_result(self) -> None:
        """Copy the result of the check."""
        if self.target:
            self.wizard_app.flow(flows.copy_result(self.wizard_app, self.target), flows.COPY)

    def action_copy_log(self) -> None:
        """Copy the section's log."""
        lines = [line.text for line in self.board.logs.get(self.section.id, [])]
        said = f"{len(lines)} lines of the log"
        self.wizard_app.flow(flows.copy(self.wizard_app, "\n".join(lines), said), flows.COPY)

    def action_portal(self) -> None:
        """Open the page that shows the resource."""
        if self.target:
            address = self.wizard_app.wizard.portal_url(self.target)
            self.wizard_app.flow(flows.open_address(self.wizard_app, address), flows.BROWSER)

    def _report(self) -> RunReport | None:
        return self.wizard_app.report_of(self.target) if self.target else None

    def _has_page(self) -> bool:
        """Return whether the step has web pages of its own on this machine."""
        report = self._report()
        return bool(report and report.page)

    def action_show_report(self) -> None:
        """Show the tests and the coverage."""
        if self.target and (report := self._report()):
            from hol_wizard.tui.report_screen import ReportScreen

            self.app.push_screen(ReportScreen(self.target, report, self.app.size))

    def action_open_page(self) -> None:
        """Open the coverage as web pages."""
        if report := self._report():
            self.wizard_app.flow(flows.open_file(self.wizard_app, report.page), flows.BROWSER)

    def action_show_pane(self, name: str) -> None:
        """Show a pane, if only one is shown at a time."""
        self._pane = self.wizard_app.memory.panes[self.section.id] = name
        self._picked = self.steps.current or ""
        self._panes()
        if not self.has_class("-wide"):
            self.query_one(_FOCUS[name]).focus()

    def action_pane(self) -> None:
        """Show the next pane."""
        names = [name for name, _ in (PANES if self.has_class("-short") else PANES[1:])]
        at = names.index(self._shown_pane) if self._shown_pane in names else 0
        self.action_show_pane(names[(at + 1) % len(names)])

    def action_guide(self, by: int) -> None:
        """Scroll the guide by a page."""
        if by > 0:
            self.guide.scroll_page_down(animate=False)
        else:
            self.guide.scroll_page_up(animate=False)

    def _next_step(self) -> Target | None:
        """Return the next step to do after the selected one, in the lab's order, starting over at the end."""
        keys = list(self.board.targets)
        at = keys.index(self.target.key) + 1 if self.target else keys.index(next(iter(self._targets)))
        missing = self.board.missing([self.board.targets[key] for key in [*keys[at:], *keys[:at]]])
        return next(iter(missing), None)

    def action_next_step(self) -> None:
        """Select the next step that is not done."""
        target = self._next_step()
        if target is None:
            self.wizard_app.action_ending()
        elif target.step.section == self.section.id:
            self.steps.move_to(target.key)
        else:
            self.wizard_app.open_section(self.board.lab.section(target.step.section), target.key)

    def action_next_section(self) -> None:
        """Open the next section."""
        self._neighbour(1)

    def action_previous_section(self) -> None:
        """Open the previous section."""
        self._neighbour(-1)

    def _neighbour(self, by: int) -> None:
        for section in self.board.lab.sections:
            if section.number == self.section.number + by:
                self.wizard_app.open_section(section)
                return

    def action_back(self) -> None:
        """Go back to the overview."""
        self.wizard_app.back_to_overview()
