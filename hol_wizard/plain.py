"""`hol-wizard --plain`: the lab in lines and numbered choices, for screen readers, simple terminals and serial lines.

Lines are only ever added: nothing is redrawn, and no cursor is moved. Answers are read a line at a time as the
terminal hands them over. questionary, and the prompt_toolkit below it, cannot do that: also with TERM=dumb they move
the cursor and write the question a second time when it is answered, which a screen reader reads out twice.
"""

from __future__ import annotations

import re
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from getpass import GetPassWarning
from typing import TYPE_CHECKING, TextIO, TypeVar

from hol_wizard.drain import Interrupts, drain, waited
from hol_wizard.engine.events import CheckFinished, CheckStarted, Event, PersonNeeded, Progressed, RunFinished
from hol_wizard.engine.results import Result, Status, worst
from hol_wizard.errors import UsageError, WizardError
from hol_wizard.lab.model import Section, Target, targets_of
from hol_wizard.prompts import unseen
from hol_wizard.report import (
    INTERRUPTED,
    clean,
    counts_line,
    event_line,
    one_line,
    plan_lines,
    receipt,
    result_lines,
)
from hol_wizard.services.secrets import Secret
from hol_wizard.wizard import conversation
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.questions import Question
from hol_wizard.wizard.requests import Ask, ByHand, Consent, Kind, LedgerDoubt, LedgerRebuilt, Outcome, Work

if TYPE_CHECKING:
    from hol_wizard.steps.cost import Cost
    from hol_wizard.wizard.facade import Wizard

HEARTBEAT = 5.0
"""Seconds of silence after which a long run gives a sign of life."""
FEW = 12
"""As many answers to choose from are listed without being asked for."""
WIDEST = 100
_NOT_ALL = "This is not all that there may be: see what was said about the ledger."

T = TypeVar("T")


class _EndError(Exception):
    """The person leaves, or there are no more answers."""


class _BackError(Exception):
    """Ctrl-C at a question: back to where one came from."""


def run(
    wizard: Wizard,
    *,
    resume: Section | None = None,
    catch_up: bool = False,
    answers: TextIO | None = None,
    output: TextIO | None = None,
) -> int:
    """Take a person through the lab and return the exit code.

    Args:
        wizard: What does it.
        resume: Section to open, with what comes before it looked at.
        catch_up: Whether to do what is missing before that section, after showing it.
        answers: Where the answers come from; None: standard input.
        output: Where the lines go; None: standard output.
    """
    talk = Talk(answers or sys.stdin, output or sys.stdout)
    guide = _Guide(wizard, talk)
    try:
        guide.begin(resume, catch_up)
        code = guide.overview()
        guide.before_leaving()
    except _EndError:
        code = 0
    except _BackError:
        code = INTERRUPTED
    talk.say("")
    talk.say("Goodbye. Everything stays as it is; the next start finds it again.")
    return code


# Talking


class Talk:
    """Says lines and reads answers."""

    def __init__(self, answers: TextIO, output: TextIO) -> None:
        from rich.console import Console

        class Lines(Console):
            def on_broken_pipe(self) -> None:
                """Leave it to the command line: Rich would end the program with the exit code 1."""
                raise

        self._answers = answers
        self._output = output
        self._console = Lines(file=output, highlight=False, markup=False, emoji=False)
        self.last = time.monotonic()
        """When something was last said."""

    def say(self, text: str = "", style: str = "") -> None:
        """Add lines, wrapped between words."""
        for line in clean(text).split("\n"):
            indent = re.match(r"\s*(?:[-*] |\d+[.)] )?", line)
            hanging = " " * len(indent[0]) if indent else ""
            width = max(20, min(self._console.width, WIDEST))
            for part in textwrap.wrap(
                line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
            ) or [""]:
                self.add(part, style)

    def add(self, line: str, style: str = "") -> None:
        """Add one line as it is, whatever its length: a command can be copied."""
        from rich.text import Text

        self._console.print(Text(clean(line), style), soft_wrap=True)
        self.last = time.monotonic()

    def heading(self, text: str) -> None:
        """Add a heading with an empty line above it."""
        self.add("")
        self.say(text, "bold")

    def document(self, markdown: str) -> None:
        """Add a text of the lab: prose wrapped, commands as they are."""
        for text, style, verbatim in plain_text(markdown):
            if verbatim:
                self.add(text, style)
            else:
                self.say(text, style)

    def ask(self, question: str) -> str:
        """Return what the person types.

        Raises:
            _EndError: There is nobody any more.
            _BackError: They pressed Ctrl-C.
        """
        try:
            # Inside: Ctrl-C can come as soon as the question can be read.
            self._output.write(f"{question} ")
            self._output.flush()
            answer = self._answers.readline()
        except KeyboardInterrupt:
            self._output.write("\n")
            raise _BackError from None
        if not answer:
            self._output.write("\n")
            raise _EndError
        if not self._answers.isatty():
            # Nobody typed it here: say it, so that what follows makes sense.
            self._output.write(clean(answer) if answer.endswith("\n") else f"{clean(answer)}\n")
        self.last = time.monotonic()
        return answer.strip()

    def ask_secret(self, question: str) -> str:
        """Return what the person types, which is neither shown nor said again.

        Raises:
            _EndError: There is nobody any more.
            _BackError: They pressed Ctrl-C.
            UsageError: The terminal would show it.
        """
        try:
            if self._answers.isatty():
                answer = unseen(f"{question} ")
            elif not (answer := self._read(question)):
                raise EOFError
        except KeyboardInterrupt:
            self._output.write("\n")
            raise _BackError from None
        except EOFError:
            self._output.write("\n")
            raise _EndError from None
        except GetPassWarning as warning:
            raise UsageError("This terminal would show the secret.", "Give it as a variable.") from warning
        self.last = time.monotonic()
        return answer.strip()

    def _read(self, question: str) -> str:
        self._output.write(f"{question}\n")
        self._output.flush()
        return self._answers.readline()

    def choose(self, title: str, choices: Sequence[str], zero: str, *, listed: bool = True) -> int:
        """Return the number of a choice, from 1; 0 for going back.

        Args:
            title: What is to be chosen.
            choices: Their texts.
            zero: What 0 does.
            listed: Whether to list them at once; `?` always does.

        Raises:
            _EndError: The person leaves.
            _BackError: They pressed Ctrl-C.
        """
        width = len(str(len(choices)))

        def show() -> None:
            self.add(title)
            for number, choice in enumerate(choices, start=1):
                self.say(f"{number:>{width}}. {choice}")
            self.say(f"{0:>{width}}. {zero}")

        if listed:
            show()
        while True:
            answer = self.ask("Number:" if listed else "Number (? lists the choices):")
            folded = answer.casefold()
            if answer.isdecimal() and int(answer) <= len(choices):
                return int(answer)
            if folded in {"q", "quit", "exit"}:
                raise _EndError
            begin = [number for number, choice in enumerate(choices, start=1) if choice.casefold().startswith(folded)]
            if folded and len(begin) == 1:
                return begin[0]
            if folded == "?":
                show()
            elif answer:
                self.say(f"Type a number from 0 to {len(choices)}, ? for the list, or q to leave.")

    def agree(self, question: str, yes: str, no: str = "No, go back") -> bool:
        """Return whether the person chooses `yes`."""
        return self.choose(question, [yes], no) == 1


def plain_text(markdown: str) -> Iterator[tuple[str, str, bool]]:
    """Yield a Markdown text as (line or paragraph, style, whether it must stay as it is)."""
    paragraph: list[str] = []
    fence = ""

    def flush() -> Iterator[tuple[str, str, bool]]:
        if paragraph:
            yield _inline(" ".join(paragraph)), "", False
            paragraph.clear()

    for line in markdown.strip("\n").split("\n"):
        stripped = line.strip()
        mark = re.match(r"(`{3,}|~{3,})", stripped)
        if fence:
            if stripped.startswith(fence):
                fence = ""
            else:
                yield f"    {line.rstrip()}", "", True
        elif mark:
            yield from flush()
            fence = mark[1]
        elif not stripped:
            yield from flush()
            yield "", "", False
        elif heading := re.match(r"#{1,6}\s+(.*)", stripped):
            yield from flush()
            yield _inline(heading[1]), "bold", False
        elif stripped.startswith("|"):
            yield from flush()
            if not re.fullmatch(r"[|\s:-]+", stripped):
                yield _inline("; ".join(cell.strip() for cell in stripped.strip("|").split("|"))), "", False
        elif re.match(r"([-*+]|\d+[.)])\s", stripped):
            yield from flush()
            paragraph.append(line.rstrip())
        else:
            paragraph.append(stripped.removeprefix("> "))
    yield from flush()


def _inline(text: str) -> str:
    text = re.sub(r"!?\[([^\[\]]*)\]\(([^()\s]*)\)", lambda found: f"{found[1]} ({found[2]})", text)
    text = re.sub(r"<(https?://[^<>]+)>", r"\1", text)
    return re.sub(r"\*\*(.+?)\*\*", r"\1", text)


# The lab


class _Guide:
    """Takes a person through the lab."""

    def __init__(self, wizard: Wizard, talk: Talk) -> None:
        self.wizard = wizard
        self.talk = talk
        self.results: dict[str, Result] = {}
        self.remembered: Mapping[str, Status] = wizard.last_results()
        self.hints: dict[str, int] = {}

    # Start

    def begin(self, resume: Section | None, catch_up: bool) -> None:
        """Say hello, look where the person stands, and open the section to go on with."""
        talk = self.talk
        talk.say("hol-wizard, plain: lines and numbered choices.", "bold")
        talk.say(self.wizard.where())
        talk.say("Type the number of a choice and press Enter. ? lists the choices, q leaves, Ctrl-C goes back.")
        if resume is None:
            self._back(lambda: self.look(None, "the whole lab"))
            self._tell_regressions()
            return
        before = self.wizard.before(resume)
        if before:
            self._back(lambda: self.look(before, f"what comes before section {resume.number}, {resume.title}"))
        missing = [target for target in before if not self._done(target)]
        if missing:
            talk.say(f"Before this section {len(missing)} of {len(before)} steps are not seen to be done:")
            for target in missing:
                talk.say(f"- {self._title(target)}: {self._standing(target)} ({target.key})")
        elif before:
            talk.say("Everything before this section is done.")
        self._tell_regressions()
        doable = [target for target in missing if target.step.solve]
        if catch_up and doable:
            self._back(lambda: self.do(doable))
        self.section(resume)

    def _tell_regressions(self) -> None:
        fallen = self.wizard.regressions(self.results)
        if fallen:
            self.talk.say("These steps were done in an earlier run and are not so any more:", "bold")
        for key in fallen:
            self.talk.say(f"- {self._title(self.wizard.target(key))} ({key}): {one_line(self.results[key].summary)}")

    # Places

    def overview(self) -> int:
        """List the sections, do what is chosen until the person leaves, and return the exit code."""
        sections = self.wizard.lab.sections
        again = True
        while True:
            if again:
                self.talk.heading("All sections")
            chosen = self.talk.choose(
                "Sections and what else there is:",
                [
                    *(self._section_line(section) for section in sections),
                    "Check everything again",
                    "Doctor: look at what the wizard stands on",
                    "What runs and costs now",
                    "Remove everything that this wizard made",
                ],
                "Leave",
                listed=again,
            )
            again = chosen <= len(sections)
            if chosen == 0:
                return 0
            if again:
                self._back(partial(self.section, sections[chosen - 1]))
            elif chosen == len(sections) + 1:
                self._back(lambda: self.look(None, "the whole lab"))
                self._tell_regressions()
            elif chosen == len(sections) + 2:
                self._back(self.doctor)
            elif chosen == len(sections) + 3:
                self._back(self.cost)
            else:
                self._back(lambda: self.undo(None))

    def section(self, section: Section) -> None:
        """Show a section and its steps, and do what is chosen."""
        following: Section | None = section
        while following is not None:
            following = self._section(following)

    def _section(self, section: Section) -> Section | None:
        """Return the section to go on with; None: back to the overview."""
        talk, wizard = self.talk, self.wizard
        targets = [target for step in section.steps for target in targets_of(step)]
        later = [other for other in wizard.lab.sections if other.number == section.number + 1]
        talk.heading(f"Section {section.number}: {section.title} ({section.role}, about {section.minutes} minutes)")
        talk.document(wizard.text(section.intro))
        talk.add("")
        again = True
        while True:
            more = ["Check this section", "Do this section for me"]
            more += [f"Next section: {other.title}" for other in later]
            chosen = talk.choose(
                "Steps and what else there is:",
                [*(f"{self._title(target)}: {self._standing(target)}" for target in targets), *more],
                "Back to all sections",
                listed=again,
            )
            again = chosen <= len(targets)
            if chosen == 0:
                return None
            if again:
                self._back(partial(self.steps, targets, chosen - 1))
            elif chosen == len(targets) + 1:
                self._back(lambda: self.look(targets, section.title, show=True))
            elif chosen == len(targets) + 2:
                self._back(lambda: self.do(targets))
            else:
                return later[0]

    def steps(self, targets: Sequence[Target], index: int) -> None:
        """Show a step, and do what is chosen, until the person goes back; the steps follow each other."""
        while index < len(targets):
            if not self._step(targets[index], targets[index + 1] if index + 1 < len(targets) else None):
                return
            index += 1

    def _step(self, target: Target, following: Target | None) -> bool:
        """Return whether to go on with the step behind it."""
        talk, wizard, step = self.talk, self.wizard, target.step
        self._read(target)
        again = True
        while True:
            shown = self.hints.get(target.key, 0)
            choices: list[tuple[str, Callable[[], None]]] = [("Check it", lambda: self.look([target], show=True))]
            if shown < len(step.hints):
                choices.append((f"Hint {shown + 1} of {len(step.hints)}", lambda: self._hint(target)))
            if step.solve:
                choices.append(("Do it for me", lambda: self.do([target])))
            for action in wizard.actions(target):
                choices.append((action.label, partial(self._act, target, action.name)))
            if step.undo:
                choices.append(("Undo it", lambda: self.undo([target])))
            if step.portal:
                choices.append(("Address in the portal", lambda: self._portal(target)))
            choices.append(("Read it again", lambda: self._read(target)))
            titles = [title for title, _ in choices]
            if following is not None:
                titles.append(f"Next step: {self._title(following)}")
            chosen = talk.choose("What now?", titles, "Back to the section", listed=again)
            again = False
            if chosen == 0:
                return False
            if chosen > len(choices):
                return True
            self._back(choices[chosen - 1][1])

    # What can be done at a step

    def _read(self, target: Target) -> None:
        talk, step, wizard = self.talk, target.step, self.wizard
        talk.heading(f"Step: {self._title(target)}")
        about = [f"about {step.minutes:g} min"] if step.minutes else []
        if step.cost:
            about.append(f"cost: {step.cost}")
        if about:
            talk.say("; ".join(about))
        talk.document(wizard.text(step.body, target.environment))
        talk.add("")
        if step.human:
            talk.say(f"For you alone: {wizard.text(step.human, target.environment)}")
        self._show_result(target)

    def _hint(self, target: Target) -> None:
        number = self.hints.get(target.key, 0)
        self.hints[target.key] = number + 1
        self.talk.document(f"Hint {number + 1}: {self.wizard.text(target.step.hints[number], target.environment)}")

    def _portal(self, target: Target) -> None:
        address = self.wizard.portal_url(target)
        self.talk.add(address or "There is no address yet: choose your names and subscription first.")

    def look(self, targets: Sequence[Target] | None, what: str = "", *, show: bool = False) -> None:
        """Look at the targets, at all for None, and say how they stand."""
        talk = self.talk
        if what:
            talk.say(f"Looking at {what} … Ctrl-C stops looking.")
        cancelled = threading.Event()
        done = 0
        asked: Mapping[str, Result] = {}
        with Interrupts(cancelled):
            for event in drain(self.wizard.check(targets, cancelled=cancelled)):
                if isinstance(event, CheckFinished):
                    self.results[event.target] = event.result
                    done += 1
                elif isinstance(event, RunFinished):
                    self.results.update(event.results)
                    asked = event.results
                    for note in event.notes:
                        talk.say(note, "bold")
                self._beat(f"Still looking: {done} done.")
        if cancelled.is_set():
            talk.say("Stopped looking.")
        if show and targets is not None:
            for target in targets:
                self._show_result(target)
        if asked and len(asked) > 1:
            talk.say(f"{counts_line(asked.values())}.")

    def do(self, targets: Sequence[Target]) -> None:
        """Ask for what is missing, show what would be done, and do it once the person agrees."""
        self._converse(conversation.solve(self.wizard, targets))

    def undo(self, targets: Sequence[Target] | None) -> None:
        """Show what would be removed, and remove it once the person agrees; None: everything that was made."""
        self.talk.say("Looking at what this wizard made …")
        self._converse(conversation.teardown(self.wizard, targets))

    def _act(self, target: Target, action: str) -> None:
        """Do something else with what a step made."""
        self._converse(conversation.act(self.wizard, [target], action))

    def _converse(self, requests: Conversation) -> None:
        """Answer a conversation as the person says."""
        talk, wizard = self.talk, self.wizard
        while (request := self._read_cloud(lambda: next(requests, None))) is not None:
            match request:
                case ByHand():
                    for target in request.targets:
                        alone = wizard.text(target.step.human, target.environment)
                        alone = alone or "the wizard cannot do this one for you yet."
                        talk.say(f"{self._title(target)}: {alone}")
                case Ask():
                    request.answers = self._answers(request.questions)
                case LedgerDoubt():
                    for line in request.survey.lines():
                        talk.say(line)
                    request.rebuild = request.may_rebuild and talk.agree(
                        "Write the ledger again first?", "Yes, write it again; the old file is kept", "No, not now"
                    )
                case LedgerRebuilt():
                    for line in request.rebuilt.lines():
                        talk.say(line)
                case Consent():
                    request.agreed = self._agreed(request)
                case Work():
                    cancelled = threading.Event()
                    request.finished = self._work(request.events(cancelled), cancelled)
                case Outcome():
                    self._tell(request)

    def _agreed(self, request: Consent) -> bool:
        """Show a plan, and return whether to go on."""
        talk, removes = self.talk, request.removes
        if not removes:
            talk.say("Looking at what is there, to tell what would be done …")
        changes = self._read_cloud(lambda: request.changes)
        if not request.must_ask:
            for line in plan_lines(changes):
                talk.add(line)
            if not removes:
                talk.say("There is nothing to create or change. Proving it …")
            elif request.has_work:
                talk.say("There is nothing to remove. Writing off what is gone …")
            else:
                talk.say("There is nothing to remove." if request.complete else _NOT_ALL)
            return request.has_work
        talk.say("This would be done:")
        for line in plan_lines(changes):
            talk.add(line)
        question = "Remove it? It cannot be brought back." if removes else "Do it?"
        if talk.agree(question, "Yes, remove it" if removes else "Yes, do it", "No, leave it as it is"):
            return True
        talk.say("Nothing was removed." if removes else "Nothing was changed.")
        return False

    def _tell(self, outcome: Outcome) -> None:
        """Say what became of the work, and what runs now."""
        talk, finished = self.talk, outcome.finished
        if outcome.kind is Kind.UNDO:
            talk.say("Receipt:")
            receipt(outcome.changes, finished, talk.add)
            if not outcome.complete:
                talk.say(_NOT_ALL)
            self._leave_if_ended()
            if outcome.gone:
                self.look(outcome.gone, "what is there now")
            return
        self.results.update(finished.results)
        for key, result in finished.results.items():
            if result.status is not Status.PASSED or key in {target.key for target in outcome.targets or ()}:
                self._show_lines(result_lines(key, result))
        if outcome.cost_unknown:
            talk.say(f"What runs now is not known: {one_line(outcome.cost_unknown)}")
        if outcome.cost is not None:
            self._tell_running(outcome.cost)
        self._leave_if_ended()

    # What costs

    def cost(self) -> None:
        """Say what runs and costs, and what is always there."""
        from hol_wizard.steps.cost import lines

        self.talk.say("Looking at what runs …")
        self._show_lines(lines(self._read_cloud(self.wizard.cost), self.wizard.command))

    def _now(self) -> Cost | None:
        """Return what costs where something can run; None where nothing can, or it is not known."""
        made = {Status.PASSED, Status.FAILED, Status.WAITING}
        can_run = (key for key, result in self.results.items() if result.status in made)
        if not any(self.wizard.target(key).step.actions for key in can_run):
            return None
        try:
            return self._read_cloud(self.wizard.cost)
        except WizardError as error:
            self.talk.say(f"What runs now is not known: {one_line(error.message)}")
            return None

    def _tell_running(self, found: Cost) -> None:
        if found.running:
            self.talk.say("This runs and costs now:", "bold")
        for each in found.running:
            self.talk.say(f"- {each.what}: {each.text()}")

    def before_leaving(self) -> None:
        """Say what runs and costs, and offer to stop it."""
        found = self._now()
        if found is None or not found.running:
            return
        self.talk.say("This still runs, and costs:", "bold")
        for each in found.running:
            self.talk.say(f"- {each.what}: {each.text()}")
        for action, keys in found.stops.items():
            if not self.talk.agree("Stop it before you leave?", "Yes, stop it", "No, leave it running"):
                return
            cancelled = threading.Event()
            targets = [self.wizard.target(key) for key in keys]
            finished = self._work(self.wizard.act(targets, action, cancelled=cancelled), cancelled)
            for key, result in finished.results.items():
                self._show_lines(result_lines(key, result))

    def doctor(self) -> None:
        """Look at what the wizard itself stands on."""
        titles, events = self.wizard.doctor()
        for event in drain(events):
            if isinstance(event, RunFinished):
                for key, result in event.results.items():
                    self._show_lines(result_lines(titles.get(key, key), result))
            self._beat("Still looking.")

    # Inputs

    def _answers(self, questions: Sequence[Question]) -> dict[str, str]:
        """Return the answers to the questions, without the secrets: these go into the keyring."""
        answers: dict[str, str] = {}
        for question in questions:
            if not question.is_asked(answers):
                continue
            if question.input.secret:
                self._secret(question, answers)
            elif value := self._value(question):
                answers[question.name] = value
        return answers

    def _secret(self, question: Question, answers: Mapping[str, str]) -> None:
        """Ask for a secret until it keeps its rule, and put it into the keyring."""
        talk, asked = self.talk, question.input
        talk.heading(asked.label)
        talk.say(asked.help)
        source = self._read_cloud(lambda: question.source(answers))
        otherwise = f", Enter for the one from {source}" if source else ""
        while True:
            value = Secret.hidden(talk.ask_secret(f"{asked.label} (not shown{otherwise}):"))
            if not value.reveal():
                if source:
                    return
                talk.say("It is needed.")
            elif problem := question.problem(value.reveal()):
                talk.say(problem)
            else:
                talk.say(self._read_cloud(lambda: question.keep(value, answers)))  # noqa: B023 at once
                return

    def _value(self, question: Question) -> str:
        """Ask for a value until it keeps its rule, and return it in the form that is kept."""
        talk, asked, offered = self.talk, question.input, question.offered
        talk.heading(asked.label)
        talk.say(asked.help)
        options: Sequence[tuple[str, str]] = ()
        try:
            options = self._read_cloud(question.options)
        except WizardError as error:
            talk.say(f"What there is to choose from is not known: {one_line(error.message)}")

        def show() -> None:
            for number, (value, label) in enumerate(options, start=1):
                talk.say(f"{number}. {label} ({value})" if value != label else f"{number}. {label}")

        if 0 < len(options) <= FEW:
            show()
        if options and asked.others:
            talk.say("Type a number of these, or another value.")
        how = "or ? for the list" if len(options) > FEW else ""
        otherwise = f"Enter for {offered}" if offered else "" if asked.required else "Enter to leave it to the wizard"
        told = ", ".join(filter(None, [otherwise, how]))
        while True:
            answer = talk.ask(f"{asked.label}{f' ({told})' if told else ''}:")
            if answer == "?":
                show()
                continue
            if answer.isdecimal() and options and 1 <= int(answer) <= len(options):
                answer = options[int(answer) - 1][0]
            answer = answer or offered
            if not answer:
                if not asked.required:
                    return ""
                talk.say("It is needed.")
                continue
            if problem := question.problem(answer):
                talk.say(problem)
                continue
            value = asked.normalise(answer)
            if self._names_agreed(question, value):
                return value

    def _names_agreed(self, question: Question, value: str) -> bool:
        """Show the names that follow from an answer, if any do, and return whether the person wants them."""
        names = question.preview(value)
        if not names:
            return True
        self.talk.say("With this prefix these would be made:")
        for environment, kind, name in names:
            self.talk.say(f"- {environment}: {kind} {name}" if environment else f"- {kind} {name}")
        return self.talk.agree("Use these names?", "Yes, use them", "No, another prefix")

    # Running

    def _work(self, events: Iterator[Event], cancelled: threading.Event) -> RunFinished:
        """Tell about a solve or a teardown as it goes; Ctrl-C asks whether to stop."""
        finished = RunFinished({}, 0.0, cancelled=True)
        latest = ""
        ended = False
        with Interrupts(cancelled, cancel=False) as interrupts:
            for event in drain(events):
                if interrupts.count and not cancelled.is_set():
                    with interrupts.paused():
                        ended = self._asks_to_stop(cancelled)
                elif interrupts.count > 1:
                    raise KeyboardInterrupt
                elif interrupts.count:
                    self._beat("Still stopping. Ctrl-C again leaves now; the ledger has what was begun.")
                if isinstance(event, RunFinished):
                    finished = event
                elif isinstance(event, Progressed):
                    if event.text == latest:
                        self._beat(event_line(event))
                    else:
                        self.talk.say(event_line(event))
                    latest = event.text
                elif isinstance(event, PersonNeeded):
                    self.talk.say(one_line(event.text), "bold")
                    self.talk.add(f"  open: {one_line(event.url)}")
                    self.talk.add(f"  code: {one_line(event.code)}")
                elif event is not None and not isinstance(event, CheckStarted | CheckFinished):
                    self.talk.say(event_line(event))
                self._beat(f"Still at work{f': {one_line(latest)}' if latest else ''}.")
        self._ended = ended
        for note in finished.notes:
            self.talk.say(one_line(note))
        if finished.cancelled:
            self.talk.say("Stopped at a safe point.")
        return finished

    _ended = False
    """Whether the answers came to their end in the middle of work."""

    def _leave_if_ended(self) -> None:
        if self._ended:
            raise _EndError

    def _asks_to_stop(self, cancelled: threading.Event) -> bool:
        """Ask whether to stop, and do so; return whether there are no more answers."""
        try:
            go_on = self.talk.choose("Stop? The work goes on until you choose.", ["Go on"], "Stop at a safe point") == 1
            over = False
        except (_EndError, _BackError) as error:
            go_on, over = False, isinstance(error, _EndError)
        if not go_on:
            cancelled.set()
            self.talk.say("Stopping at the next safe point. What the cloud has begun goes on there and is found again.")
        return over

    def _read_cloud(self, read: Callable[[], T]) -> T:
        """Return what a read gives, with signs of life.

        Raises:
            _BackError: The person pressed Ctrl-C.
        """
        try:
            return waited(read, lambda: self._beat("Still looking."))
        except KeyboardInterrupt:
            raise _BackError from None

    def _beat(self, text: str) -> None:
        """Say something when nothing was said for some time."""
        if time.monotonic() - self.talk.last >= HEARTBEAT:
            self.talk.say(text)

    def _back(self, act: Callable[[], None]) -> None:
        """Do something; Ctrl-C comes back here, and what goes wrong is said."""
        try:
            self._safely(act)
        except _BackError:
            self.talk.say("Back.")

    def _safely(self, act: Callable[[], None]) -> None:
        try:
            act()
        except WizardError as error:
            self.talk.say(error.message, "bold")
            for more in (self.wizard.speak(error.hint), error.detail):
                if more:
                    self.talk.say(f"  {more}")

    # How things stand

    def _done(self, target: Target) -> bool:
        result = self.results.get(target.key)
        return result is not None and result.status in {Status.PASSED, Status.SKIPPED}

    def _title(self, target: Target) -> str:
        title = self.wizard.text(target.step.title, target.environment)
        return f"{title} ({target.environment})" if target.environment else title

    def _standing(self, target: Target) -> str:
        if result := self.results.get(target.key):
            return str(result.status)
        if status := self.remembered.get(target.key):
            return f"{status} when last looked at"
        return "not looked at yet"

    def _section_line(self, section: Section) -> str:
        targets = [target for step in section.steps for target in targets_of(step)]
        seen = [self.results[target.key].status for target in targets if target.key in self.results]
        done = sum(self._done(target) for target in targets)
        standing = f"{done} of {len(targets)} done, {worst(seen)}" if seen else "not looked at yet"
        return f"{section.title} ({section.role}): {standing}"

    def _show_result(self, target: Target) -> None:
        if result := self.results.get(target.key):
            self._show_lines(result_lines(target.key, result))
        else:
            self.talk.say(f"How it stands: {self._standing(target)}.")

    def _show_lines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.talk.say(line)
