"""The questions of a solve, each judged while it is typed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input as Field
from textual.widgets import RadioButton, RadioSet, Static

from hol_wizard.errors import WizardError
from hol_wizard.tui.modals.choose import ChooseDialog
from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.threads import aside

if TYPE_CHECKING:
    from hol_wizard.lab.inputs import Input
    from hol_wizard.tui.wizard import WizardLike

logger = logging.getLogger(__name__)


class _Choice(RadioButton):
    """One of a few values; its mark, not only its colour, tells whether it is the one taken."""

    BUTTON_LEFT = "("
    BUTTON_INNER = " "
    BUTTON_RIGHT = ")"

    def watch_value(self) -> None:
        """Change the mark."""
        self.BUTTON_INNER = "•" if self.value else " "
        super().watch_value()


class InputsDialog(Dialog[Mapping[str, str]]):
    """A form; answers the values by name."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+o", "options", "Choose from a list", tooltip="Choose from a list.", id="inputs.options"),
    ]
    AUTO_FOCUS = "Input, RadioSet"

    def __init__(self, wizard: WizardLike, questions: Sequence[Input], title: str) -> None:
        super().__init__(title)
        self._wizard = wizard
        self._questions = {question.name: question for question in questions}
        self._options: dict[str, dict[str, str]] = {}

    def body(self) -> ComposeResult:
        """Yield a field for each question, and the names that follow from a prefix."""
        for name, question in self._questions.items():
            value = self._wizard.input_value(name)
            with Horizontal(classes="row -choice" if question.options else "row"):
                yield Static(question.label, classes="label", markup=False)
                if question.options:
                    with RadioSet(id=f"field-{name}", compact=True):
                        for option, label in question.options:
                            yield _Choice(Content(label), option == value, name=option, compact=True)
                else:
                    yield Field(value, id=f"field-{name}", select_on_focus=False)
            yield Static(id=f"problem-{name}", markup=False)
        yield Static(id="advice", markup=False)
        if "prefix" in self._questions:
            yield Static("What this gives", classes="field", markup=False)
            yield Static(id="preview", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the answers."""
        yield button("Go on", "submit", primary=True)
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        """Judge what stands in the fields, and ask the cloud what there is to choose from."""
        for name, question in self._questions.items():
            self._judge(name)
            if not question.options:
                self._load_options(name)

    @work(exit_on_error=False)
    async def _load_options(self, name: str) -> None:
        try:
            found = await aside(lambda: self._wizard.input_options(name), "options")
        except WizardError as error:
            logger.info("nothing to choose from for %s: %s", name, error)
            return
        self._options[name] = dict(found)
        field = self._field(name)
        if len(found) == 1 and not field.value:
            field.value = found[0][0]
        if found:
            self._judge(name)

    def _field(self, name: str) -> Field:
        return self.query_one(f"#field-{name}", Field)

    def values(self) -> dict[str, str]:
        """Return the answers in the form that is kept."""
        return {name: question.normalise(self._value(name)) for name, question in self._questions.items()}

    def _value(self, name: str) -> str:
        """Return what stands in a field, or which of its choices is taken."""
        if not self._questions[name].options:
            return self._field(name).value
        pressed = self.query_one(f"#field-{name}", RadioSet).pressed_button
        return str(pressed.name) if pressed is not None else ""

    def _problem(self, name: str) -> str:
        value = self._value(name)
        if not value.strip():
            return "This is needed." if self._questions[name].required else ""
        return self._wizard.input_problem(name, value)

    def _judge(self, name: str) -> bool:
        problem, line = self._problem(name), self.query_one(f"#problem-{name}", Static)
        options = self._options.get(name, {})
        value = self._questions[name].normalise(self._value(name))
        line.display = not self._questions[name].options or bool(problem)
        if not problem and options and value not in options:
            problem = "This is not one of the choices; ↓ lists them."
            line.update(Content.assemble(("! ", "bold"), problem))
            line.set_classes("problem")
            return False
        line.set_classes("problem" if problem else "fine")
        said = f"✗ {problem}" if problem else f"✓ {options.get(value, 'fine')}" if value else ""
        line.update(said + (f"   (↓ lists {len(options)} choices)" if options else ""))
        if name == "prefix":
            self._preview(value if not problem else "")
        return not problem

    def _preview(self, prefix: str) -> None:
        preview = self.query_one("#preview", Static)
        if not prefix:
            preview.update("")
            return
        try:
            names = self._wizard.name_preview(prefix)
        except WizardError as error:
            preview.update(error.message)
            return
        width = max((len(kind) for _, kind, _ in names), default=0)
        lines: list[Content] = []
        heading = ""
        for environment, kind, name in names:
            if environment != heading:
                heading = environment
                lines.append(Content.styled(environment, "$secondary bold"))
            lines.append(Content.assemble(f"  {kind:<{width}}  ", (name, "bold")))
        preview.update(Content("\n").join(lines))

    def on_descendant_focus(self) -> None:
        """Say what the field under the cursor is for."""
        question = self._questions.get(str(self.focused.id if self.focused else "").removeprefix("field-"))
        advice = self.query_one("#advice", Static)
        # While the dialog is being laid out an update would keep the height of the empty line.
        self.call_after_refresh(advice.update, question.help.replace("`", "") if question else "")

    def on_input_changed(self, event: Field.Changed) -> None:
        """Judge the field."""
        self._judge(str(event.input.id).removeprefix("field-"))

    def on_input_submitted(self, event: Field.Submitted) -> None:
        """Go to the next field, or on after the last."""
        names = list(self._questions)
        at = names.index(str(event.input.id).removeprefix("field-"))
        if at + 1 < len(names):
            self.query_one(f"#field-{names[at + 1]}").focus()
        else:
            self.action_submit()

    @work(exit_on_error=False)
    async def action_options(self) -> None:
        """Choose the field's answer from a list, where there is one."""
        name = str(self.focused.id if self.focused else "").removeprefix("field-")
        options = self._options.get(name)
        if not options:
            self.action_focus_next()
            return
        field = self._field(name)
        chosen = await self.app.push_screen_wait(
            ChooseDialog(self._questions[name].label, list(options.items()), field.value)
        )
        if chosen is not None:
            field.value = chosen

    def action_focus_next(self) -> None:
        """Go to the next field."""
        self.focus_next()

    def action_submit(self) -> None:
        """Answer, when every field is fine; else go to the first that is not."""
        for name in self._questions:
            if not self._judge(name):
                self.query_one(f"#field-{name}").focus()
                return
        self.dismiss(self.values())
