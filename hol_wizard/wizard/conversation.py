"""The conversation of all front ends: what is asked before anything is done, in which order, and what follows.

A conversation is a generator of requests (`wizard.requests`). A front end iterates over it and answers each request in
its own way: in a dialog, with lines, or from the command's options. The next request takes the answer into account; a
request that is not answered ends the conversation before anything is changed. Between two requests the wizard may read
the cloud or the keyring, so call `next` on a thread if the front end must stay responsive.

    for request in conversation.solve(targets):
        match request:
            case Ask():
                request.answers = {each.name: ask(each) for each in request.questions}
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.results import DONE, Status
from hol_wizard.errors import WizardError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Target
from hol_wizard.wizard.ledger_care import in_a_cloud
from hol_wizard.wizard.questions import Question
from hol_wizard.wizard.requests import (
    Ask,
    ByHand,
    Confirm,
    Consent,
    Kind,
    LedgerDoubt,
    LedgerRebuilt,
    Outcome,
    Request,
    Work,
    does_something,
)

if TYPE_CHECKING:
    from hol_wizard.doctor.cost import Cost
    from hol_wizard.wizard.facade import Wizard
    from hol_wizard.wizard.receipts import Receipt
    from hol_wizard.wizard.solves import PlannedChange

Conversation = Iterator[Request]

_QUESTIONS: Final = 4
"""How often a person is asked about the same work: again each time that other programs would run than they agreed to.
"""


def solve(wizard: Wizard, targets: Sequence[Target], *, review: bool = True, whole: bool = False) -> Conversation:
    """Run the conversation for a solve of the targets and of what they need.

    Args:
        wizard: The wizard.
        targets: The requested targets.
        review: Whether to show a person who does a single step its inputs, so that they can change them; a command has
            options for that.
        whole: Whether it is the whole lab, with the parts of people (`Solves.run`).
    """
    by_hand = [target for target in targets if not target.step.solve and not target.step.confirm]
    if by_hand:
        yield ByHand(by_hand)
    asked: set[str] = set()
    answers: dict[str, str] = {}
    for find in (_values, _secrets):
        questions = [each for each in find(wizard, targets, answers, review=review) if each.name not in asked]
        asked |= {each.name for each in questions}
        if questions:
            request = Ask(questions)
            yield request
            if request.answers is None:
                return
            answers |= request.answers
    if not whole:
        yield from _confirmations(wizard, targets)
    if (yield from _doubts(wizard)) is None:
        return
    because: tuple[str, ...] = ()
    before: RunFinished | None = None
    for left in reversed(range(_QUESTIONS)):
        consent = Consent(lambda: wizard.plan(targets, answers, whole=whole), because=because)
        if asked and not because and _only_saves_answers(wizard, consent):
            # The person has just given these values: a second question would show them again.
            consent.agreed = True
        else:
            yield consent
        if not consent.agreed:
            return
        work = Work(
            Kind.SOLVE,
            targets,
            lambda cancelled, agreed=consent.changes: wizard.solve(  # type: ignore[misc]
                targets, inputs=answers, whole=whole, cancelled=cancelled, agreed=agreed
            ),
        )
        yield work
        if work.finished is None:
            return
        if before is not None:
            work.finished = work.finished.behind(before)
        before = work.finished
        because = tuple(result.summary for result in before.results.values() if result.ask_again)
        if not because or not left or before.cancelled:
            yield from _outcome(wizard, work, consent)
            return


def _only_saves_answers(wizard: Wizard, consent: Consent) -> bool:
    """Return whether the plan changes nothing but the person's choices on this machine."""
    where = str(wizard.profile.path)
    return bool(consent.changes) and all(
        planned.change.verb == "change" and planned.change.where == where for planned in consent.changes
    )


def teardown(wizard: Wizard, targets: Sequence[Target] | None) -> Conversation:
    """Run the conversation for removing what this wizard created for the targets; None for everything."""
    complete = yield from _doubts(wizard, removing_all=targets is None)
    if complete is None:
        return
    keys = None if targets is None else {target.key for target in targets}
    noted = any(in_a_cloud(each) and (keys is None or each.target in keys) for each in wizard.ledger.standing())
    consent = Consent(lambda: wizard.plan_teardown(targets), removes=True, complete=complete, noted=noted)
    yield consent
    if consent.agreed and consent.has_work:
        cost, began = _cost_of(wizard, consent.changes), datetime.now(UTC)
        work = Work(Kind.UNDO, targets, lambda cancelled: wizard.teardown(targets, cancelled=cancelled))
        yield from _work(wizard, work, consent, lambda finished: wizard.receipt(consent.changes, finished, cost, began))


def act(wizard: Wizard, targets: Sequence[Target], action: str, *, review: bool = True) -> Conversation:
    """Do an action with what steps created; naming an action counts as consent.

    Args:
        wizard: The wizard.
        targets: Steps that have the action.
        action: Its registered name.
        review: Whether to show a person its inputs; a command has options for that.
    """
    chosen = next(each for target in targets for each in wizard.actions(target) if each.name == action)
    answers: dict[str, str] = {}
    if chosen.inputs and review:
        request = Ask([Question(wizard, INPUTS[name], {}) for name in chosen.inputs])
        yield request
        if request.answers is None:
            return
        answers |= request.answers
    work = Work(Kind.ACT, targets, lambda cancelled: wizard.act(targets, action, inputs=answers, cancelled=cancelled))
    yield from _work(wizard, work)


def left_running(wizard: Wizard, keys: Iterable[str]) -> str:
    """Return what the solves of these targets leave running in the cloud when they are stopped, in words; or nothing.

    Args:
        wizard: Which knows their actions.
        keys: Of the targets whose solves are in progress.
    """
    actions = [action for key in keys for action in wizard.actions(wizard.target(key))]
    return " and ".join(dict.fromkeys(each.ends for each in actions if each.ends))


def _values(wizard: Wizard, targets: Sequence[Target], answers: Mapping[str, str], *, review: bool) -> list[Question]:
    """Return the missing inputs of the targets and of what they need, then the inputs of a step that is done alone."""
    names = [each.name for each in wizard.answers.missing(wizard.with_needs(targets))]
    if review and len(targets) == 1:
        names += targets[0].step.inputs
    return [Question(wizard, INPUTS[name], answers) for name in dict.fromkeys(names)]


def _secrets(wizard: Wizard, targets: Sequence[Target], answers: Mapping[str, str], *, review: bool) -> list[Question]:
    """Return the missing secrets, then those of the targets that may no longer be accepted.

    A stored secret can be entered again for a step that did not pass in its last check. A variable takes precedence
    over the stored value, so asking would be useless then.
    """
    needed = wizard.with_needs(targets)
    if not any(INPUTS[name].secret for target in needed for name in target.step.inputs):
        return []
    names = [each.name for each in wizard.secrets.asked(needed, answers)]
    in_force = wizard.answers.in_force(answers)
    last = wizard.last_results()
    failed = [target for target in targets if last.get(target.key, Status.PASSED) is not Status.PASSED]
    for name in (name for target in failed for name in target.step.inputs if INPUTS[name].secret):
        source = wizard.secrets.source(name, answers) if INPUTS[name].asked_with(in_force) else ""
        if source and source not in INPUTS[name].variables:
            names.append(name)
    return [Question(wizard, INPUTS[name], answers) for name in dict.fromkeys(names)]


def _confirmations(wizard: Wizard, targets: Sequence[Target]) -> Conversation:
    """Ask about the steps among the targets, and what they need, that only the person can judge.

    If the person does not confirm a step, the run continues without it, and the steps that need it say so.
    """
    confirming = wizard.confirming
    for target in wizard.with_needs(targets) if confirming.is_possible else ():
        if target.step.confirm and confirming.look(target).confirmed is None:
            request = Confirm(target, confirming.statement(target))
            yield request
            if request.confirmed:
                confirming.confirm([target])


def _doubts(wizard: Wizard, *, removing_all: bool = False) -> Generator[Request, None, bool | None]:
    """Ask about what the ledger may have lost; return whether it is complete, or None if the person leaves."""
    care = wizard.ledger_care
    survey = care.doubts(removing_all=removing_all)
    if survey.complete:
        return True
    doubt = LedgerDoubt(survey)
    yield doubt
    if doubt.rebuild and doubt.may_rebuild:
        yield LedgerRebuilt(care.rebuild(survey))
        return care.doubts(removing_all=removing_all).complete
    return None if doubt.rebuild is None else False


def _cost_of(wizard: Wizard, changes: Sequence[PlannedChange]) -> Cost | None:
    """Return what costs money before a teardown that removes something; None if it is unknown."""
    if not any(does_something(planned.change) for planned in changes):
        return None
    try:
        return wizard.cost()
    except WizardError:
        # The receipt then says nothing of costs: the teardown does not wait for a price list.
        return None


def _work(
    wizard: Wizard,
    work: Work,
    consent: Consent | None = None,
    receipt: Callable[[RunFinished], Receipt] | None = None,
) -> Conversation:
    yield work
    yield from _outcome(wizard, work, consent, receipt)


def _outcome(
    wizard: Wizard,
    work: Work,
    consent: Consent | None,
    receipt: Callable[[RunFinished], Receipt] | None = None,
) -> Conversation:
    if work.finished is None:
        return
    written = receipt(work.finished) if receipt is not None else None
    cost, unknown = _cost(wizard, work.finished)
    results = work.finished.results
    yield Outcome(
        work.kind,
        work.targets,
        work.finished,
        consent.changes if consent else (),
        consent.complete if consent else True,
        cost,
        unknown,
        written,
        wizard.keep(written) if written is not None else "",
        [wizard.target(key) for key, result in results.items() if result.passed] if work.kind is Kind.UNDO else (),
        _following(wizard, work.targets or (), work.finished) if work.kind is Kind.SOLVE else None,
    )


def _following(wizard: Wizard, asked: Sequence[Target], finished: RunFinished) -> Target | None:
    """Return the next step that is not done, in the lab's order, starting over at the end.

    None if a requested step is not done: its result says what to do.
    """
    standing = {**wizard.last_results(), **{key: result.status for key, result in finished.results.items()}}
    if not asked or finished.cancelled or any(standing.get(target.key) not in DONE for target in asked):
        return None
    targets = wizard.targets()
    behind = targets.index(asked[-1]) + 1
    in_order = (*targets[behind:], *targets[:behind])
    return next((target for target in in_order if standing.get(target.key) not in DONE), None)


def _cost(wizard: Wizard, finished: RunFinished) -> tuple[Cost | None, str]:
    """Return what is running if one of the steps can have started it, otherwise None; and why it is unknown."""
    if not any(wizard.target(key).step.actions for key in finished.results):
        return None, ""
    try:
        return wizard.cost(), ""
    except WizardError as error:
        return None, error.message
