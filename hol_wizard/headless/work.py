"""`solve`, `teardown` and `do`: answer the conversation from the command's options."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from hol_wizard.background import Interrupts, in_background, waited
from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    Progressed,
    RunFinished,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.results import DONE, Status, exit_code
from hol_wizard.headless.asking import WorkOptions, answers_to, can_ask, can_consent
from hol_wizard.headless.output import NOTHING_DONE, UNSURE, err, out, tell
from hol_wizard.lab.people import words_for
from hol_wizard.lines import clean, one_line
from hol_wizard.markdown_report import plan_markdown
from hol_wizard.prompts import confirm
from hol_wizard.report import (
    INTERRUPTED,
    counts_line,
    event_line,
    plan_lines,
    result_lines,
    timing_lines,
)
from hol_wizard.wizard import conversation
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.requests import Ask, Confirm, Consent, Kind, LedgerDoubt, LedgerRebuilt, Outcome, Work

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard

HEARTBEAT = 10.0
"""Seconds without output after which a long run on a terminal shows that it is still working."""


def solve(wizard: Wizard, options: WorkOptions) -> int:
    """Show the plan, ask, do it and show the progress, and return the exit code.

    Raises:
        UsageError: An unknown section or step, missing input, or no consent and no terminal.
    """
    targets = wizard.targets(options.selectors, options.environment)
    can_consent(options, "solve")
    return _converse(wizard, conversation.solve(wizard, targets, review=False, whole=options.whole), options)


def teardown(wizard: Wizard, options: WorkOptions) -> int:
    """Show what this wizard created, ask, remove it, list the results, and return the exit code.

    Raises:
        UsageError: An unknown section or step, or no consent and no terminal.
    """
    chosen = bool(options.selectors or options.environment)
    targets = wizard.targets(options.selectors, options.environment) if chosen else None
    can_consent(options, "teardown")
    return _converse(wizard, conversation.teardown(wizard, targets), options)


def act(wizard: Wizard, selector: str, action: str, environment: str | None) -> int:
    """Do an action with what a step created, show the progress, and return the exit code.

    It is done in parallel in every environment that the selector allows.

    Raises:
        UsageError: An unknown step or action.
    """
    found, targets = wizard.find_action(wizard.targets((selector,), environment), action)
    return _converse(wizard, conversation.act(wizard, targets, found.name, review=False), WorkOptions(yes=True))


def _converse(wizard: Wizard, talk: Conversation, options: WorkOptions) -> int:
    """Answer a conversation from the options or from the terminal, and return the exit code."""
    asks = not (options.yes or options.plan) and can_ask()
    code = 0
    while (request := waited(lambda: next(talk, None))) is not None:
        if isinstance(request, Ask):
            request.answers = answers_to(wizard, request.questions, asks=asks)
        elif isinstance(request, Confirm):
            request.confirmed = asks and _confirmed(wizard, request)
        elif isinstance(request, LedgerDoubt):
            tell(request.survey.lines(), err)
            request.rebuild = request.may_rebuild and asks and confirm("Rebuild the ledger first?")
        elif isinstance(request, LedgerRebuilt):
            tell(request.rebuilt.lines(), err)
        elif isinstance(request, Consent):
            code = _consent(request, options)
        elif isinstance(request, Work):
            cancelled = threading.Event()
            request.finished, code = _work(wizard, request.events(cancelled), cancelled)
        elif isinstance(request, Outcome):
            code = _outcome(wizard, request, options, code)
    return code


def _consent(request: Consent, options: WorkOptions) -> int:
    """Show the plan, answer the request, and return the exit code if nothing is done."""
    doubt = 0 if request.complete else UNSURE
    for line in request.because:
        err(one_line(line))
    changes = waited(lambda: request.changes)
    for line in (plan_markdown if options.format == "markdown" and changes else plan_lines)(changes):
        out(line)
    if not changes and not request.removes:
        out("Nothing to create or change.")
    if not changes and request.removes and request.complete:
        out("Nothing to remove: the ledger names nothing that this wizard created here.")
    if doubt:
        err("This may not be everything: see above.")
    if options.plan or not request.has_work:
        return doubt
    question = "Remove all this? It cannot be restored." if request.removes else "Continue?"
    request.agreed = options.yes or not request.must_ask or confirm(question)
    if not request.agreed:
        err("Nothing was removed." if request.removes else "Nothing was changed.")
        return NOTHING_DONE
    return doubt


def _outcome(wizard: Wizard, request: Outcome, options: WorkOptions, code: int) -> int:
    """Write the result of the work and what is running now, and return the exit code."""
    finished = request.finished
    if request.kind is Kind.UNDO:
        for line in request.receipt.lines() if request.receipt is not None else ():
            out(line)
        err(request.receipt_kept)
        if not request.complete:
            err("Resources that the ledger does not name may be left: see above.")
        return code or (0 if request.complete else UNSURE)
    for key, result in finished.results.items():
        for line in result_lines(key, result):
            out(line)
    if request.kind is Kind.SOLVE:
        if options.whole:
            for line in timing_lines(finished):
                out(line)
        for note in finished.notes:
            out(one_line(note))
        out(f"{counts_line(finished.results.values())} ({finished.seconds:.1f} s)")
        _tell_what_is_left(wizard, finished, whole=options.whole)
    _tell_cost(wizard, request)
    if request.following is not None:
        out(one_line(wizard.next_step(request.following)))
    return code


def _confirmed(wizard: Wizard, request: Confirm) -> bool:
    """Ask a person at the terminal about a step that only they can judge."""
    err(f"Only you can judge “{request.target.title}”.")
    return confirm(f"Do you confirm: {one_line(request.statement)}")


def _tell_what_is_left(wizard: Wizard, finished: RunFinished, *, whole: bool) -> None:
    """List the steps that wait for a person: those without a solve that are not verified or confirmed.

    In a run of the whole lab, those that are a person's also wait, although the wizard could do them. What is blocked
    waits for another step, and after Ctrl-C for the next start.
    """
    if finished.cancelled:
        return
    for key, result in finished.results.items():
        target = wizard.target(key)
        waits = not target.step.solve or (whole and target.step.person and key not in finished.durations)
        if not waits or result.status in {*DONE, Status.BLOCKED}:
            continue
        if target.step.confirm:
            out(f"left for you: “{target.title}”. Then run: {wizard.command} confirm {key}")
        elif target.step.person:
            out(f"left for {words_for(target.step)}: “{target.title}” ({key})")
        else:
            out(f"left for you: “{target.title}”, by hand ({key})")


def _tell_cost(wizard: Wizard, request: Outcome) -> None:
    """Say what is running, after work on resources that can run."""
    from hol_wizard.doctor.cost import lines

    if request.cost_unknown:
        err(f"unknown what is running now: {request.cost_unknown}")
    if request.cost is not None and request.cost.running:
        for line in lines(replace(request.cost, standing=()), wizard.command):
            out(line)


def _ways_to_cancel(wizard: Wizard, keys: Iterable[str]) -> list[str]:
    """Return how to cancel what the solves in progress leave running in the cloud."""
    return [
        f"To cancel {action.ends}: hol-wizard do {key} {action.word}"
        for key in sorted(keys)
        for action in wizard.actions(wizard.target(key))
        if action.ends
    ]


def _work(wizard: Wizard, events: Iterator[Event], cancelled: threading.Event) -> tuple[RunFinished, int]:
    """Show the progress of a solve or a teardown, and return its result and the exit code."""
    finished = RunFinished({}, 0.0, cancelled=True)
    told = 0
    begun: set[str] = set()
    going: set[str] = set()
    latest: dict[str, str] = {}
    spoken = time.monotonic()
    with Interrupts(cancelled) as interrupts:
        for event in in_background(events):
            if isinstance(event, WorkStarted):
                begun.add(event.target)
                going.add(event.target)
            elif isinstance(event, WorkFinished) and not interrupts.count:
                # Work that Ctrl-C has stopped may leave something running.
                going.discard(event.target)
            if interrupts.count > told:
                told = interrupts.count
                if told == 1:
                    err(
                        "Stopping at the next safe point. The cloud continues what it has started, and the next "
                        "start finds it."
                    )
                    for line in _ways_to_cancel(wizard, going):
                        err(line)
                elif told == 2:
                    err(
                        "Still stopping: a change is in progress. Ctrl-C again leaves now; the ledger has what was "
                        "begun."
                    )
                else:
                    raise KeyboardInterrupt
            if isinstance(event, RunFinished):
                finished = event
            if event is None or isinstance(event, CheckStarted | CheckFinished | RunFinished):
                continue
            if isinstance(event, WorkFinished) and event.result.passed and event.target not in begun:
                continue
            if isinstance(event, Progressed):
                # Progress repeats while an operation runs; it is enough to show it occasionally.
                repeated = latest.get(event.target) == event.text
                latest[event.target] = event.text
                if repeated and time.monotonic() - spoken < HEARTBEAT:
                    continue
            if line := event_line(event):
                err(clean(line))
                spoken = time.monotonic()
    code = exit_code(result.status for result in finished.results.values())
    return finished, INTERRUPTED if finished.cancelled or cancelled.is_set() else code
