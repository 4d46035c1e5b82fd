"""Shows a document of a lab as its section, and again whenever it is saved. It runs nothing of the lab."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from textual import getters, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from hol_wizard.lab.loader import Known
from hol_wizard.lab.model import Environment, Target, targets_of
from hol_wizard.lab.names import Names
from hol_wizard.lab.preview import Draft, draft
from hol_wizard.lab.references import Speech
from hol_wizard.lab.text import fill
from hol_wizard.tui.guide_text import guide_text, hints_content
from hol_wizard.tui.saved_files import SavedFiles
from hol_wizard.tui.themes import THEMES
from hol_wizard.tui.threads import aside
from hol_wizard.tui.widgets.guide import Guide
from hol_wizard.tui.widgets.prose import Prose
from hol_wizard.tui.widgets.rows import Rows
from hol_wizard.wizard.registration import known_names

LOOK_EVERY = 0.4
"""Seconds between two looks at the file."""
ABOUT = "about"
"""Row that shows the section's introduction."""
_MOST = 6
"""Maximum number of mistakes that are shown; the rest is counted."""


class PreviewApp(App[None]):
    """The steps above, the guide to the selected one, and what is wrong with the document below."""

    TITLE = "hol-wizard preview"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: $background; }
    #head { height: 1; padding: 0 1; }
    #steps { height: auto; max-height: 40%; margin: 0 0 0 1; }
    #guide { height: 1fr; margin: 1 0 0 1; padding: 0 1; border-left: solid $border-blurred; }
    #guide:focus { border-left: solid $border; }
    #hints { height: auto; margin: 1; padding: 0 1; border-left: outer $accent; background: $surface; }
    #problems { height: auto; max-height: 40%; padding: 0 1; border-top: solid $border-blurred; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,ctrl+c", "quit", "Quit", tooltip="End the preview.", id="preview.quit"),
        Binding("space,pagedown", "guide(1)", "Scroll down", tooltip="Scroll the guide down.", id="preview.down"),
        Binding("pageup", "guide(-1)", "Scroll up", tooltip="Scroll the guide up.", id="preview.up"),
        Binding("h", "hints", "Hints", tooltip="Show all hints, or none.", id="preview.hints"),
    ]

    head = getters.query_one("#head", Static)
    steps = getters.query_one("#steps", Rows)
    guide = getters.query_one(Guide)
    hints = getters.query_one("#hints", Static)
    problems = getters.query_one("#problems", Static)

    def __init__(self, path: Path, answers: Mapping[str, str], theme: str) -> None:
        """Create the app.

        Args:
            path: The document.
            answers: Values of inputs, for the placeholders.
            theme: `light` or `dark`.
        """
        super().__init__()
        for item in THEMES.values():
            self.register_theme(item)
        self.theme = THEMES[theme].name
        self.draft = Draft(None, ())
        self._path = path
        self._names = Names(**answers, cloud="practice")
        self._known: Known | None = None
        self._targets: dict[str, Target] = {}
        self._saved = SavedFiles()
        self._looking = False
        self._all_hints = False

    def compose(self) -> ComposeResult:
        """Lay out the screen."""
        yield Static(id="head", markup=False)
        yield Rows(self._row, id="steps")
        with Guide():
            yield Prose(id="prose")
            yield Static(id="hints", markup=False)
        yield Static(id="problems", markup=False)

    def on_mount(self) -> None:
        """Read the document, and look at it from now on."""
        self.head.update(f"{self._path.name}: reading …")
        self.steps.focus()
        self._look(first=True)
        self.set_interval(LOOK_EVERY, self._look_again)

    def _look_again(self) -> None:
        if not self._looking:
            self._look(first=False)

    @work(exit_on_error=False)
    async def _look(self, *, first: bool) -> None:
        self._looking = True
        try:
            files = {"document": [self._path], "lab": [self._path.with_name("lab.toml")]}
            if await aside(lambda: self._saved.look(files), "files") or first:
                self.show_draft(await aside(self._read, "preview"))
        finally:
            self._looking = False

    def _read(self) -> Draft:
        self._known = self._known or known_names()
        return draft(self._path, self._known)

    def show_draft(self, new: Draft) -> None:
        """Show the document as it is now; if it has mistakes, the last version without them stays."""
        kept = new.section or self.draft.section
        self.draft = Draft(kept, new.problems)
        if kept is not None:
            targets = [targets_of(step)[0] for step in kept.steps]
            self._targets = {target.step.id: target for target in targets}
            title = Content.assemble((f"{kept.number} ", "$foreground 60%"), (kept.title, "$primary bold"))
            about = Content.styled(f"  {kept.role} · about {kept.minutes} min · {self._path.name}", "$foreground 65%")
            self.head.update(title + about)
            self.steps.show([ABOUT, *self._targets])
        else:
            self.head.update(f"{self._path.name} cannot be shown yet")
        self._show_guide()
        self._show_problems(stale=new.section is None and kept is not None)

    def _row(self, key: str, width: int) -> Content:
        text = "About this section" if key == ABOUT else self._targets[key].step.title
        return Content(text).truncate(width, ellipsis=True)

    def _filled(self, template: str) -> str:
        target = self._targets.get(self.steps.current or "")
        environment: Environment | None = target.environment if target else None
        text = fill(template, self._names.values(environment))
        return Speech({}, "hol-wizard --practice", practice=True).resolve(text)

    def _show_guide(self) -> None:
        section, key = self.draft.section, self.steps.current or ABOUT
        if section is None:
            return
        target = self._targets.get(key)
        self.guide.show(key, guide_text(section, target, self._filled))
        hints = target.step.hints if target else ()
        self.hints.display = bool(hints)
        shown = len(hints) if self._all_hints else 0
        self.hints.update(hints_content([self._filled(hint) for hint in hints], shown))

    def _show_problems(self, *, stale: bool) -> None:
        found = self.draft.problems
        lines = [Content(f"{each.line}: {each.message}{_meant(each.nearest)}") for each in found[:_MOST]]
        if stale:
            lines.insert(0, Content.styled("The last version without mistakes is shown.", "$warning bold"))
        if len(found) > _MOST:
            lines.append(Content(f"… and {len(found) - _MOST} more"))
        self.problems.update(Content("\n").join(lines or [Content.styled("No mistakes.", "$success")]))

    def on_rows_moved(self) -> None:
        """Show the guide to another step."""
        self._show_guide()

    def on_rows_chosen(self) -> None:
        """Focus the guide."""
        self.guide.focus()

    def action_guide(self, by: int) -> None:
        """Scroll the guide by a page."""
        if by > 0:
            self.guide.scroll_page_down(animate=False)
        else:
            self.guide.scroll_page_up(animate=False)

    def action_hints(self) -> None:
        """Show all hints, or none."""
        self._all_hints = not self._all_hints
        self._show_guide()


def _meant(nearest: str) -> str:
    return f" (did you mean {nearest}?)" if nearest else ""
