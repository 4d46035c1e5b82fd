"""The questions of a solve; each answer is validated while it is typed."""

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
from textual.widgets import RadioButton, RadioSet, Static, TextArea

from hol_wizard.errors import WizardError
from hol_wizard.lab.names import SUFFIX_TO_COME, UNKNOWN_SUFFIX
from hol_wizard.services.secrets import Secret
from hol_wizard.tui.modals.choose import ChooseDialog
from hol_wizard.tui.modals.dialog import Dialog, button
from hol_wizard.tui.threads import aside

if TYPE_CHECKING:
    from hol_wizard.wizard.questions import Question

logger = logging.getLogger(__name__)

ANOTHER = ""
"""The option for typing a value that is not in the list."""


class _Choice(RadioButton):
    """One of a few values; a symbol, not only the color, shows whether it is selected."""

    BUTTON_LEFT = "("
    BUTTON_INNER = " "
    BUTTON_RIGHT = ")"

    def watch_value(self) -> None:
        """Change the symbol."""
        self.BUTTON_INNER = "•" if self.value else " "
        super().watch_value()


class _Line(Field):
    """A value on one line; ↓ lists the choices even if the form is scrollable and would otherwise process the key."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "screen.options", show=False, id="inputs.line.options")]


class InputsDialog(Dialog[Mapping[str, str]]):
    """A form; answers with the values by name.

    Secrets are not included: they go to the keyring when the form is answered, and are nowhere else.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+o", "options", "Choose from a list", tooltip="Choose from a list.", id="inputs.options"),
    ]
    AUTO_FOCUS = "Input, RadioSet, TextArea"

    def __init__(self, questions: Sequence[Question], title: str) -> None:
        """Create the form.

        Args:
            questions: The questions.
            title: The title of what the answers are for.
        """
        super().__init__(title)
        self._asking: set[str] = set()
        self._touched: set[str] = set()
        """Fields that the person has changed or tried to answer with."""
        self._unlisted: dict[str, str] = {}
        self._sources: dict[str, str] = {}
        self._keeping = False
        self._questions = {question.name: question for question in questions}
        self._inputs = {question.name: question.input for question in questions}
        self._options: dict[str, dict[str, str]] = {}

    def body(self) -> ComposeResult:
        """Yield a field for each question, and the names that result from a prefix."""
        for name, question in self._inputs.items():
            value = self._questions[name].offered
            with Horizontal(classes="row -choice" if question.options else "row", id=f"row-{name}"):
                yield Static(question.label, classes="label", markup=False)
                if question.options:
                    with RadioSet(id=f"field-{name}", compact=True):
                        for option, label in question.options:
                            yield _Choice(Content(label), option == value, name=option, compact=True)
                elif question.long:
                    yield TextArea(value.replace(", ", "\n"), id=f"field-{name}", compact=True, soft_wrap=True)
                elif question.secret:
                    yield _Line(id=f"field-{name}", password=True, select_on_focus=False)
                else:
                    yield _Line(value, id=f"field-{name}", select_on_focus=False)
            yield Static(id=f"problem-{name}", markup=False)
        yield Static(id="advice", markup=False)
        if "prefix" in self._inputs:
            yield Static("The resulting names", classes="field", markup=False)
            yield Static(id="preview", markup=False)

    def buttons(self) -> ComposeResult:
        """Yield the buttons."""
        yield button("Go on", "submit", primary=True)
        yield button("Cancel", "cancel")

    def on_mount(self) -> None:
        """Validate the contents of the fields, and ask the cloud for the possible values."""
        for name, question in self._inputs.items():
            if question.listed:
                self._asking.add(name)
                self._load_options(name)
            self._judge(name)
            if question.secret:
                self._find_secret(name)

    @work(exit_on_error=False)
    async def _load_options(self, name: str) -> None:
        try:
            found = await aside(lambda: self._questions[name].options(), "options")
        except WizardError as error:
            logger.info("no choices for %s: %s", name, error)
            self._unlisted[name] = error.message
            found = ()
        self._asking.discard(name)
        self._options[name] = dict(found)
        field = self._field(name)
        if len(found) == 1 and not field.value:
            field.value = found[0][0]
        self._judge(name)

    @work(exit_on_error=False)
    async def _find_secret(self, name: str) -> None:
        answers = self.values()
        try:
            self._sources[name] = await aside(lambda: self._questions[name].source(answers), "keyring")
        except WizardError as error:
            logger.info("unknown whether there is a %s: %s", name, error)
        self._judge(name)

    def _field(self, name: str) -> Field:
        return self.query_one(f"#field-{name}", Field)

    def values(self) -> dict[str, str]:
        """Return the answers in the form in which they are saved, without secrets."""
        return {
            name: question.normalise(self._value(name))
            for name, question in self._inputs.items()
            if not question.secret
        }

    def _is_asked(self, name: str) -> bool:
        """Whether the question applies, given the other answers."""
        return self._questions[name].is_asked(self.values())

    def _value(self, name: str) -> str:
        """Return the contents of a field, or the selected choice."""
        if self._inputs[name].long:
            return self.query_one(f"#field-{name}", TextArea).text
        if not self._inputs[name].options:
            return self._field(name).value
        pressed = self.query_one(f"#field-{name}", RadioSet).pressed_button
        return str(pressed.name) if pressed is not None else ""

    def _problem(self, name: str) -> str:
        value = self._value(name)
        if not value.strip():
            return "This value is required." if self._inputs[name].required and not self._sources.get(name) else ""
        return self._questions[name].problem(value)

    def _judge(self, name: str) -> bool:
        """Show what is wrong with an answer, and return whether it is valid."""
        question, line = self._inputs[name], self.query_one(f"#problem-{name}", Static)
        self.query_one(f"#row-{name}").display = asked = self._is_asked(name)
        problem = self._problem(name) if asked else ""
        options = self._options.get(name, {})
        value = question.normalise(self._value(name))
        line.display = asked and (not question.options or bool(problem))
        if not asked:
            return True
        # An empty field is no mistake before the person has been there.
        shown = problem if value or name in self._touched else ""
        if not problem and options and value not in options and not question.others:
            if value or name in self._touched:
                problem = "This is not one of the choices; ↓ lists them."
                line.update(Content.assemble(("! ", "bold"), problem))
                line.set_classes("problem")
            else:
                line.update(Content(self._said(name, value, "")))
                line.set_classes("fine")
            return False
        line.set_classes("problem" if shown else "fine")
        line.update(Content(self._said(name, value, shown)))
        if name == "prefix":
            self._preview(value if not problem else "")
        return not problem

    def _said(self, name: str, value: str, problem: str) -> str:
        """Return the line below a field."""
        question, options = self._inputs[name], self._options.get(name, {})
        if problem:
            said = "\n".join(f"✗ {line}" for line in problem.split("\n"))
        elif question.secret:
            source = self._sources.get(name, "")
            said = "✓ fine" if value else f"✓ the value from {source} is used; type another one to replace it"
        else:
            label = options.get(value, "")
            said = f"✓ {label if label and label != value else 'fine'}" if value else ""
        if name in self._asking:
            more = "(looking which there are …)"
        elif name in self._unlisted:
            more = f"\nThe choices are unknown: {self._unlisted[name]}"
        elif options:
            more = f"(↓ lists {len(options)} {'choice' if len(options) == 1 else 'choices'})"
        else:
            more = ""
        return f"{said}   {more}".replace("   \n", "\n").strip()

    def _preview(self, prefix: str) -> None:
        preview = self.query_one("#preview", Static)
        if not prefix:
            preview.update("")
            return
        try:
            names = self._questions["prefix"].preview(prefix)
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
        if any(UNKNOWN_SUFFIX in name for _, _, name in names):
            lines.append(Content.styled(SUFFIX_TO_COME, "$foreground 60%"))
        preview.update(Content("\n").join(lines))

    def on_descendant_focus(self) -> None:
        """Show what the focused field is for."""
        question = self._inputs.get(str(self.focused.id if self.focused else "").removeprefix("field-"))
        advice = self.query_one("#advice", Static)
        # During the dialog's layout, an update would keep the height of the empty line.
        self.call_after_refresh(advice.update, question.help.replace("`", "") if question else "")

    def on_input_changed(self, event: Field.Changed) -> None:
        """Validate the field."""
        name = str(event.input.id).removeprefix("field-")
        if event.value:
            self._touched.add(name)
        self._judge(name)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Validate the field."""
        self._judge(str(event.text_area.id).removeprefix("field-"))

    def on_radio_set_changed(self) -> None:
        """Show only the questions that apply with this choice."""
        for name in self._inputs:
            if self._inputs[name].when is not None:
                self._judge(name)

    def on_input_submitted(self, event: Field.Submitted) -> None:
        """Go to the next field, or continue after the last one; open the list if an answer is still to be chosen."""
        names = [name for name in self._inputs if self._is_asked(name)]
        name = str(event.input.id).removeprefix("field-")
        self._touched.add(name)
        if not self._judge(name) and self._options.get(name):
            self.action_options()
            return
        at = names.index(name)
        if at + 1 < len(names):
            self.query_one(f"#field-{names[at + 1]}").focus()
        else:
            self.action_submit()

    @work(exit_on_error=False)
    async def action_options(self) -> None:
        """Choose the field's answer from a list, if there is one."""
        name = str(self.focused.id if self.focused else "").removeprefix("field-")
        options = self._options.get(name)
        if not options:
            self.action_focus_next()
            return
        field, question = self._field(name), self._inputs[name]
        listed = [*options.items(), *([(ANOTHER, "Type another")] if question.others else [])]
        chosen = await self.app.push_screen_wait(ChooseDialog(question.label, listed, field.value))
        if chosen is not None:
            field.value = chosen

    def action_focus_next(self) -> None:
        """Go to the next field."""
        self.focus_next()

    def action_submit(self) -> None:
        """Answer if every field is valid; otherwise go to the first one that is not."""
        self._touched |= set(self._inputs)
        for name in self._inputs:
            if not self._judge(name):
                self.query_one(f"#field-{name}").focus()
                return
        if any(question.secret and self._is_asked(name) for name, question in self._inputs.items()):
            if not self._keeping:
                self._keeping = True
                self._keep_secrets()
            return
        self.dismiss(self.values())

    @work(exit_on_error=False)
    async def _keep_secrets(self) -> None:
        """Put the secrets into the keyring, then answer; if that fails, the form stays open."""
        answers = self.values()
        for name, question in self._inputs.items():
            if not question.secret or not self._is_asked(name):
                continue
            field, line = self._field(name), self.query_one(f"#problem-{name}", Static)
            value = Secret.hidden(question.normalise(field.value))
            try:
                if value.reveal():
                    said = await aside(lambda: self._questions[name].keep(value, answers), "keyring")  # noqa: B023
                    self.app.notify(said, timeout=8, markup=False)
                    problem = ""
                else:
                    # The organization may have been changed since the form was opened.
                    source = await aside(lambda: self._questions[name].source(answers), "keyring")  # noqa: B023
                    problem = "" if source else "This value is required."
            except WizardError as error:
                problem = f"{error.message} {self._questions[name].speak(error.hint)}"
            if problem:
                self._keeping = False
                line.set_classes("problem")
                line.update(Content(f"✗ {problem}"))
                field.focus()
                return
            field.value = ""
        self.dismiss(self.values())
