"""The overview: all sections of the lab with their status, where you are and what is next."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import ClassVar

from textual import getters
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Static

from hol_wizard.lab.model import Role, Section, Target
from hol_wizard.lab.prose import lead
from hol_wizard.tui.base_screen import BoardScreen
from hol_wizard.tui.commands import Place, bindings_of
from hol_wizard.tui.result_text import busy_text
from hol_wizard.tui.widgets.head_bar import HeadBar, bar
from hol_wizard.tui.widgets.key_bar import KeyBar
from hol_wizard.tui.widgets.message_line import MessageLine
from hol_wizard.tui.widgets.rows import Rows


class OverviewScreen(BoardScreen):
    """One row for each section; next to them, if there is room, what the section is about."""

    BINDINGS: ClassVar[list[BindingType]] = bindings_of(Place.OVERVIEW)
    AUTO_FOCUS = "#sections"
    place = Place.OVERVIEW

    head = getters.query_one(HeadBar)
    banner = getters.query_one("#banner", Static)
    sections = getters.query_one("#sections", Rows)
    detail = getters.query_one("#detail", Static)
    line = getters.query_one("#line", Static)

    def __init__(self, size: Size) -> None:
        super().__init__(size)
        self._away = False
        self._was_wide = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield HeadBar()
        yield Static(id="banner", markup=False)
        with Horizontal(id="body"):
            yield Rows(self._row, id="sections")
            with VerticalScroll(id="detail-pane", can_focus=False):
                yield Static(id="detail", markup=False)
        yield MessageLine()
        yield Static(id="line", markup=False)
        yield KeyBar(Place.OVERVIEW)

    def on_mount(self) -> None:
        """Show what is known before any check."""
        self._fill()
        self.board_changed(frozenset())

    def on_screen_suspend(self) -> None:
        """Suspend for a section or a dialog."""
        self._away = True

    def on_screen_resume(self) -> None:
        """Resume after a section, with the cursor on it."""
        if not self._away:
            return
        if self.wizard_app.memory.here:
            self.sections.move_to(self.wizard_app.memory.here)
        self.board_changed(frozenset())

    def _fill(self) -> None:
        memory = self.wizard_app.memory
        wanted = [s.id for s in self.board.lab.sections if not memory.role or s.role in {memory.role, Role.EVERYONE}]
        self.sections.show(wanted, memory.here or None)

    def _section(self, section_id: str) -> Section:
        return self.board.lab.section(section_id)

    # Drawing

    def _row(self, section_id: str, width: int) -> Content:
        section = self._section(section_id)
        look = self.board.section_look(section)
        targets = self.board.section_targets(section)
        word, style = self.board.word(look, [target.key for target in targets])
        count = self.board.count(targets)
        following = self.board.next_target()
        is_next = following is not None and following.step.section == section_id
        is_here = self.wizard_app.memory.here == section_id
        pointer = "▸" if is_next else "•" if is_here else " "
        left = Content.assemble(
            (pointer, "$accent bold"),
            (f"{section.number:>2} ", "$foreground 60%"),
            (f"{look.symbol} ", look.style),
            (f"{word:<9}", style),
            section.title,
        )
        tags = [" you are here"] * is_here + [" next"] * is_next
        right = Content("")
        if width >= 44:
            right = Content.styled(f" {count.passed:>2}/{count.total:<2}", "$foreground 75%")
        apart = f"  {', '.join(count.apart)}" if count.apart else ""
        if apart and (width >= 76 or left.cell_length + len(apart) + right.cell_length < width):
            right = Content.styled(apart, "$foreground 75%") + right
        elif width >= 58:
            right = Content.styled(f" {section.minutes:>3} min", "$foreground 60%") + right
            if width >= 76:
                right = Content.styled(f" {section.role:<10}", "$foreground 60%") + right
        room = width - right.cell_length - 1
        for tag in ("".join(tags), *tags):
            if left.cell_length + len(tag) + 1 <= room:
                left = Content.assemble(left, " ", (tag, "$accent bold"))
                break
        left = left.truncate(room, ellipsis=True)
        return left + Content(" " * max(1, width - left.cell_length - right.cell_length)) + right

    def _head(self) -> None:
        total = self.board.count(self.board.targets.values())
        progress = Content.assemble(
            bar(total.done, total.total, 16 if self.has_class("-wide") else 6),
            f"  {total.passed} of {total.total} verified",
            *([f", {', '.join(total.apart)}"] if total.apart and self.has_class("-wide") else []),
        )
        self.head.show(
            (Content.assemble(("hol-wizard", "$primary bold"), f"  {self.board.lab.title}"), progress),
            (Content.styled(self.wizard_app.where, "$foreground 70%"), self.cost_content()),
        )

    def _banner(self) -> None:
        broken = self.board.regressed
        self.banner.set_class(bool(broken), "-shown")
        if broken:
            first = self.board.title(broken[0])
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            self.put(
                self.banner,
                Content.assemble(
                    ("! ", "bold"),
                    f"Passed earlier, but no longer: {first}{more}. ",
                    ("r", "bold"),
                    " goes there.",
                ),
            )

    def _detail(self) -> None:
        if not self.has_class("-wide") or self.sections.current is None:
            return
        section = self._section(self.sections.current)
        parts: list[Content] = [
            Content.styled(f"{section.number}  {section.title}", "$primary bold"),
            Content.styled(f"{section.role} · about {section.minutes} min", "$foreground 60%"),
            Content(""),
        ]
        parts += [*map(Content, lead(self.wizard_app.text(section.intro))), Content("")]
        for target in self.board.section_targets(section):
            look = self.board.look(target.key)
            parts.append(Content.assemble((f"{look.symbol} {look.word:<9}", look.style), self.board.title(target.key)))
        unchecked = self.board.count(self.board.section_targets(section)).unchecked
        if unchecked:
            said = f"{unchecked} of these cannot be checked yet: do them by hand, and compare with the guide."
            parts += [Content(""), Content.styled(said, "$foreground 60%")]
        if section.needs:
            names = ", ".join(self._section(need.partition("/")[0]).title for need in section.needs)
            parts += [Content(""), Content.styled(f"Needs: {names}", "$foreground 60%")]
        self._was_wide = True
        self.put(self.detail, Content("\n").join(parts))

    def _line(self) -> None:
        app, target = self.wizard_app, self.board.next_target()
        run = app.working or app.checking
        parts: list[Content] = []
        if run is not None:
            done = sum(1 for key in run.keys if key in self.board.standings and self.board.fresh(key))
            parts.append(Content.styled(f"{run.title}: {done} of {len(run.keys)}", "$primary"))
        if app.working is not None and (busy := self.board.working(app.working.keys | app.working.seen)):
            parts.append(Content.assemble(("» ", "$accent bold"), busy_text(self.board, busy)))
            self.put(self.line, Content("   ").join(parts), layout=False)
            return
        here = [section.number for section in self.board.lab.sections if section.id == app.memory.here]
        if here:
            parts.append(Content(f"You are at {here[0]}."))
        if target is not None:
            section = self._section(target.step.section)
            parts.append(
                Content.assemble(
                    ("Next: ", "$accent bold"),
                    f"{section.number} · {self.board.title(target.key)}",
                    (" (n)", "$accent"),
                )
            )
        elif run is None:
            parts.append(
                Content.assemble(
                    ("All that can be checked is verified. ", "$success bold"), ("n", "$accent bold"), " shows the end."
                )
            )
        self.put(self.line, Content("   ").join(parts), layout=False)

    # Events

    def board_changed(self, keys: Set[str]) -> None:
        """Show changes."""
        self._head()
        self._banner()
        self.sections.redraw()
        self._detail()
        self._line()
        self.refresh_bindings()

    def watched(self) -> tuple[Target | None, Sequence[Target]]:
        """Return the next step, which the overview names."""
        return self.board.next_target(), ()

    def tick(self) -> None:
        """Show the elapsed time."""
        if self.wizard_app.working is not None:
            self._line()

    def on_resize(self) -> None:
        """Fill the second pane if there is room for it."""
        self.call_after_refresh(self._widened)

    def _widened(self) -> None:
        if self.has_class("-wide") and not self._was_wide:
            self._detail()
        self._was_wide = self.has_class("-wide")

    def on_rows_moved(self) -> None:
        """Describe the section under the cursor."""
        self._detail()

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        """Open the section."""
        self.wizard_app.open_section(self._section(event.key))

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide commands that are not available now."""
        if not self.is_ready:
            return True
        if action == "regressed":
            return bool(self.board.regressed)
        if action in {"check_all", "solve_up_to_here"}:
            return self.wizard_app.working is None
        return True

    def why_not(self, action: str) -> str:
        """Return why a command is not available now."""
        return "Nothing that passed earlier has stopped passing." if action == "regressed" else ""

    def action_open(self) -> None:
        """Open the section under the cursor."""
        self.sections.action_choose()

    def action_next(self) -> None:
        """Open the next step that is not done; after the last one, show the end."""
        if target := self.board.next_target():
            self.wizard_app.open_section(self._section(target.step.section), target.key)
        else:
            self.wizard_app.action_ending()

    def action_check_all(self) -> None:
        """Check everything."""
        self.wizard_app.check_lab()

    def action_solve_up_to_here(self) -> None:
        """Do the section under the cursor and all before it, after asking."""
        from hol_wizard.tui import flows

        if self.sections.current is None:
            return
        last = self._section(self.sections.current)
        targets = [
            target
            for section in self.board.lab.sections
            if section.number <= last.number
            for target in self.board.section_targets(section)
            if target.step.solve
        ]
        title = f"Sections 1 to {last.number}" if last.number > 1 else last.title
        self.wizard_app.flow(flows.solve(self.wizard_app, targets, title))

    def action_regressed(self) -> None:
        """Open the first step that no longer passes."""
        if self.board.regressed:
            key = self.board.regressed[0]
            self.wizard_app.open_section(self._section(self.board.targets[key].step.section), key)

    def action_filter(self) -> None:
        """Show the next role's sections."""
        memory = self.wizard_app.memory
        choices = ["", *(role.value for role in Role if role is not Role.EVERYONE)]
        at = choices.index(memory.role) if memory.role in choices else 0
        memory.role = choices[(at + 1) % len(choices)]
        self._fill()
        self.board_changed(frozenset())
        shown = f"those for the role {memory.role} and for everyone" if memory.role else "all"
        self.notify(f"Sections shown: {shown}.", title="Filter", timeout=3, markup=False)
