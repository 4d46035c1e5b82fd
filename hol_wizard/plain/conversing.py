"""The wizard's conversation in plain lines: questions, plans and outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard.engine.reporter import StopRequest
from hol_wizard.engine.results import Status
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Target
from hol_wizard.lab.names import SUFFIX_TO_COME, UNKNOWN_SUFFIX
from hol_wizard.lines import one_line
from hol_wizard.plain.runs import Runs
from hol_wizard.prompts import numbered
from hol_wizard.report import (
    plan_lines,
    result_lines,
)
from hol_wizard.services.secrets import Secret
from hol_wizard.wizard import conversation
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.questions import Question
from hol_wizard.wizard.requests import Ask, ByHand, Confirm, Consent, Kind, LedgerDoubt, LedgerRebuilt, Outcome, Work

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost


FEW = 12
"""Maximum number of choices that are listed without being asked for."""
_NOT_ALL = "This may not be everything: see the message about the ledger."


class Conversing:
    """Answers the wizard's requests with the person's answers."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.talk = runs.talk
        self.wizard = runs.wizard

    def do(self, targets: Sequence[Target]) -> None:
        """Ask for missing values, show the plan, and carry it out if the person agrees."""
        self._answer(conversation.solve(self.wizard, targets))

    def undo(self, targets: Sequence[Target] | None) -> None:
        """Show what will be removed, and remove it if the person agrees; None: everything that was created."""
        self.talk.say("Checking what this wizard created …")
        self._answer(conversation.teardown(self.wizard, targets))

    def act(self, targets: Sequence[Target], action: str) -> None:
        """Do an action with what steps created."""
        self._answer(conversation.act(self.wizard, targets, action))

    def _answer(self, requests: Conversation) -> None:
        """Carry out a conversation with the person's answers."""
        talk, wizard = self.talk, self.wizard
        while (request := self.runs.read_cloud(lambda: next(requests, None))) is not None:
            match request:
                case ByHand():
                    for target in request.targets:
                        alone = wizard.text(target.step.human, target.environment)
                        alone = alone or "the wizard cannot do this step for you yet."
                        talk.say(f"{self.runs.title(target)}: {alone}")
                case Confirm():
                    request.confirmed = self.confirmed(request.target, request.statement)
                case Ask():
                    request.answers = self._answers(request.questions)
                case LedgerDoubt():
                    for line in request.survey.lines():
                        talk.say(line)
                    request.rebuild = request.may_rebuild and talk.agree(
                        "Rebuild the ledger first?", "Yes, rebuild it; the old file is kept", "No, not now"
                    )
                case LedgerRebuilt():
                    for line in request.rebuilt.lines():
                        talk.say(line)
                case Consent():
                    request.agreed = self._agreed(request)
                case Work():
                    cancelled = StopRequest()
                    request.finished = self.runs.work(request.events(cancelled), cancelled)
                case Outcome():
                    self._tell(request)
        self.runs.results.update(wizard.confirming.results())

    def confirmed(self, target: Target, statement: str) -> bool:
        """Ask whether the person has done a step that only they can judge."""
        self.talk.say(f"Only you can judge “{self.runs.title(target)}”.")
        return self.talk.agree(f"Do you confirm: “{statement}”", "Yes, I confirm it", "No, not yet")

    def _agreed(self, request: Consent) -> bool:
        """Show a plan, and return whether to continue."""
        talk, removes = self.talk, request.removes
        for reason in request.because:
            talk.say(reason)
        if not removes:
            talk.say("Checking what exists, to show what would be done …")
        changes = self.runs.read_cloud(lambda: request.changes)
        if not request.must_ask:
            for line in plan_lines(changes):
                talk.add(line)
            if not removes:
                talk.say("Nothing to create or change. Verifying …")
            elif request.has_work:
                talk.say("Nothing to remove. Updating the ledger …")
            else:
                talk.say("Nothing to remove." if request.complete else _NOT_ALL)
            return request.has_work
        talk.say("This would be done:")
        for line in plan_lines(changes):
            talk.add(line)
        question = "Remove it? It cannot be restored." if removes else "Do it?"
        if talk.agree(question, "Yes, remove it" if removes else "Yes, do it", "No, do not change anything"):
            return True
        talk.say("Nothing was removed." if removes else "Nothing was changed.")
        return False

    def _tell(self, outcome: Outcome) -> None:
        """Show the result of the work, and what is running now."""
        talk, finished = self.talk, outcome.finished
        if outcome.kind is Kind.UNDO:
            for line in outcome.receipt.lines() if outcome.receipt is not None else ():
                talk.add(line)
            talk.say(outcome.receipt_kept)
            if not outcome.complete:
                talk.say(_NOT_ALL)
            self.runs.leave_if_ended()
            if outcome.gone:
                self.runs.look(outcome.gone, "what exists now")
            return
        self.runs.results.update(finished.results)
        for key, result in finished.results.items():
            if result.status is not Status.PASSED or key in {target.key for target in outcome.targets or ()}:
                self.runs.show_lines(result_lines(key, result))
        if outcome.cost_unknown:
            talk.say(f"Unknown what is running now: {one_line(outcome.cost_unknown)}")
        if outcome.cost is not None:
            self._tell_running(outcome.cost)
        if outcome.following is not None:
            talk.say(self.wizard.next_step(outcome.following))
        self.runs.leave_if_ended()

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
        """Ask for a secret until it is valid, and put it into the keyring."""
        talk, asked = self.talk, question.input
        talk.heading(asked.label)
        talk.say(asked.help)
        source = self.runs.read_cloud(lambda: question.source(answers))
        otherwise = f", or Enter for the one from {source}" if source else ""
        while True:
            value = Secret.hidden(talk.ask_secret(f"{asked.label} (not shown{otherwise}):"))
            if not value.reveal():
                if source:
                    return
                talk.say("This value is required.")
            elif problem := question.problem(value.reveal()):
                talk.say(problem)
            else:
                talk.say(self.runs.read_cloud(lambda: question.keep(value, answers)))  # noqa: B023 at once
                return

    def _value(self, question: Question) -> str:
        """Ask for a value until it is valid, and return it in the form in which it is saved."""
        talk, asked, offered = self.talk, question.input, question.offered
        talk.heading(asked.label)
        talk.say(asked.help)
        options: Sequence[tuple[str, str]] = ()
        try:
            options = self.runs.read_cloud(question.options)
        except WizardError as error:
            talk.say(f"The choices are unknown: {one_line(error.message)}")

        def show() -> None:
            for number, (value, label) in enumerate(options, start=1):
                talk.say(f"{number}. {label} ({value})" if value != label else f"{number}. {label}")

        if 0 < len(options) <= FEW:
            show()
        if options and asked.others:
            talk.say("Type a number of these, or another value.")
        how = "or ? for the list" if len(options) > FEW else ""
        otherwise = f"Enter for {offered}" if offered else "" if asked.required else "Enter to let the wizard choose"
        told = ", ".join(filter(None, [otherwise, how]))
        while True:
            answer = talk.ask(f"{asked.label}{f' ({told})' if told else ''}:")
            if answer == "?":
                show()
                continue
            if number := numbered(answer, len(options)):
                answer = options[number - 1][0]
            answer = answer or offered
            if not answer:
                if not asked.required:
                    return ""
                talk.say("This value is required.")
                continue
            if problem := question.problem(answer):
                talk.say(problem)
                continue
            value = asked.normalise(answer)
            if self._names_agreed(question, value):
                return value

    def _names_agreed(self, question: Question, value: str) -> bool:
        """Show the names that result from an answer, if any, and return whether the person wants them."""
        names = question.preview(value)
        if not names:
            return True
        self.talk.say("With this prefix, the wizard would create:")
        for environment, kind, name in names:
            self.talk.say(f"- {environment}: {kind} {name}" if environment else f"- {kind} {name}")
        if any(UNKNOWN_SUFFIX in name for _, _, name in names):
            self.talk.say(SUFFIX_TO_COME)
        return self.talk.agree("Use these names?", "Yes, use them", "No, another prefix")

    def _tell_running(self, found: Cost) -> None:
        if found.running:
            self.talk.say(f"{found.heading()}:", "bold")
        for each in found.running:
            self.talk.say(f"- {each.what}: {each.text()}")
