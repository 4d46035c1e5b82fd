"""`--check`, `solve`, `teardown`, `doctor` and `lint`: no screen, data on stdout, everything else on stderr."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hol_wizard import __version__
from hol_wizard.drain import Interrupts, drain, waited
from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    Progressed,
    RunFinished,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.results import Result, Status, exit_code
from hol_wizard.errors import UsageError, WizardError
from hol_wizard.lab.model import Target, targets_of
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.prompts import ask, ask_secret, confirm
from hol_wizard.report import (
    FORMATS,
    INTERRUPTED,
    SCHEMA_VERSION,
    Report,
    Row,
    clean,
    counts_line,
    event_line,
    is_report,
    one_line,
    plan_lines,
    receipt,
    removes,
    result_lines,
    result_value,
)
from hol_wizard.wizard import conversation
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.questions import Question
from hol_wizard.wizard.requests import Ask, Consent, Kind, LedgerDoubt, LedgerRebuilt, Outcome, Work

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard

HEARTBEAT = 10.0
"""Seconds of silence after which a long run on a terminal gives a sign of life."""
NOTHING_DONE = 1
UNSURE = 3
"""Exit code: nothing failed, but something could not be found out."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What `--check` was asked for."""

    selectors: tuple[str, ...] = ()
    """Sections and steps; empty: the whole lab."""
    environment: str | None = None
    format: str = "text"
    output: Path | None = None
    """None: standard output."""
    wait: float = 0.0
    """Seconds for which a WAITING step is looked at again."""
    fail_fast: bool = False


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """What `solve` or `teardown` was asked for."""

    selectors: tuple[str, ...] = ()
    environment: str | None = None
    plan: bool = False
    """Only show what would be done."""
    yes: bool = False
    """Do not ask."""


def put(text: str) -> None:
    """Write data to standard output.

    A reader that went away (`| head -1`) has seen enough; the work goes on and the exit code stays true.

    Raises:
        UsageError: It cannot be written for another reason, such as a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would complain about what is left in the buffer at its end.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # Windows has EINVAL for a broken pipe.
        if not isinstance(error, BrokenPipeError) and not (sys.platform == "win32" and error.errno == errno.EINVAL):
            raise UsageError(
                f"Standard output cannot be written: {error.strerror or error}.", "Write to a file: --output FILE"
            ) from error


def out(text: str) -> None:
    """Write a line of data to standard output."""
    put(text + "\n")


def err(text: str) -> None:
    """Write a line for the person, not for a program, to standard error."""
    # A reader that went away, or a closed stream, is no reason to stop the work.
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def _watched(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False


def list_steps(wizard: Wizard) -> int:
    """List all sections and steps, as every command names them."""
    for section in wizard.lab.sections:
        out(f"{section.number:>2}  {section.id}  {section.title} ({section.role}, {section.minutes} min)")
        for step in section.steps:
            places = f"@{'|'.join(step.for_each)}" if step.for_each else ""
            out(f"      {step.key}{places}  {step.title}")
            if step.actions:
                for action in wizard.actions(targets_of(step)[0]):
                    out(f"          do {step.key} {action.word}  {action.label}")
    return 0


# --check


def check(wizard: Wizard, options: CheckOptions) -> int:
    """Look at what was asked for, write the report and return the exit code.

    Raises:
        UsageError: An unknown section, step or environment, or an output file that cannot be written; nothing was
            looked at then.
    """
    targets = wizard.targets(options.selectors, options.environment)
    with _Output(options.output) as output:
        report = _look(wizard, targets, options)
        output.write(FORMATS[options.format](report))
    if options.output is not None and _watched(sys.stderr):
        err(f"{counts_line(row.result for row in report.rows)}; written to {options.output}")
    return report.exit_code


def _look(wizard: Wizard, targets: Sequence[Target], options: CheckOptions) -> Report:
    started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    cancelled = threading.Event()
    watched = _watched(sys.stderr)
    wanted = {target.key for target in targets}
    seconds: dict[str, float] = {}
    latest: dict[str, Result] = {}
    events = wizard.check(targets, cancelled=cancelled, wait=options.wait, fail_fast=options.fail_fast)
    finished = RunFinished({}, 0.0, cancelled=True)
    told_to_stop = False
    with Interrupts(cancelled) as interrupts:
        for event in drain(events):
            if interrupts.count and not told_to_stop:
                told_to_stop = True
                err("Stopping: what was seen so far is reported. Ctrl-C again leaves at once.")
            if interrupts.count > 1:
                break
            if isinstance(event, CheckFinished):
                seconds[event.target] = seconds.get(event.target, 0.0) + event.seconds
                latest[event.target] = event.result
                if watched and event.target in wanted:
                    err(f"{event.result.status:<7}  {event.target} ({event.seconds:.1f} s)")
            elif isinstance(event, RunFinished):
                finished = event
    results = finished.results or latest
    unseen = Result(Status.UNKNOWN, "Not looked at: the run was stopped.", next_action="Check again.")
    causes = {result.blocked_by for key, result in results.items() if key in wanted}
    told = [wizard.target(key) for key in results if key in causes - wanted]
    rows = [_row(target, results.get(target.key, unseen), seconds.get(target.key, 0.0)) for target in (*told, *targets)]
    return Report(
        rows,
        wizard.cloud,
        wizard.profile.name,
        started,
        finished.seconds,
        finished.cancelled or cancelled.is_set(),
        finished.notes,
        finished.uncertain,
    )


def _row(target: Target, result: Result, seconds: float) -> Row:
    environment = str(target.environment) if target.environment else ""
    return Row(target.key, target.step.title, result, target.step.section, target.step.id, environment, seconds)


class _Output:
    """Where the report goes: standard output, or a file that is written whole or not at all.

    A script names the same file at every run, so a report of this program is replaced, and an empty file is written.
    Whatever else is there stays.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: Rewriting | None = None
        self._device: TextIO | None = None

    def __enter__(self) -> _Output:
        """Open the file, so that one that cannot be written is known before any work.

        Raises:
            UsageError: It cannot be written, or is not this program's.
        """
        if self._path is None or _is_stdout(self._path):
            return self
        try:
            if self._path.exists() and not self._path.is_file() and not self._path.is_dir():
                # A device or a pipe is written as it is.
                self._device = self._path.open("w", encoding="utf-8", newline="\n")
                return self
            self._file = Rewriting(self._path)
            if self._file.before and not is_report(self._file.before):
                raise UsageError(
                    f"{self._path} is not a report of hol-wizard, so it is left alone.",
                    f"Name another file, or move it away. To replace it all the same: … > {self._path}",
                )
            self._file.prepare()
        except UnfitError as error:
            raise self._unwritable(str(error)) from error
        except OSError as error:
            raise self._unwritable((error.strerror or str(error)).lower()) from error
        return self

    def _unwritable(
        self, why: str, hint: str = "Name a file in a folder that exists and that you can write."
    ) -> UsageError:
        return UsageError(f"The output file {self._path} cannot be written: {why}.", hint)

    def write(self, text: str) -> None:
        """Write the report and put it into place.

        Raises:
            UsageError: The disk refused it, or the file has changed meanwhile; what it held is still there.
        """
        try:
            if self._device is not None:
                self._device.write(text)
                self._device.close()
            elif self._file is not None:
                self._file.write(text.encode())
            else:
                put(text)
        except ChangedError as error:
            raise self._unwritable("another program has written it meanwhile", "Name another file.") from error
        except OSError as error:
            raise self._unwritable(
                (error.strerror or str(error)).lower(), "Make room, or name another file, and check again."
            ) from error

    def __exit__(self, *_: object) -> None:
        """Leave no draft behind."""
        if self._device is not None:
            with suppress(OSError):
                self._device.close()
        if self._file is not None:
            self._file.__exit__()


def _is_stdout(path: Path) -> bool:
    """Return whether a path is where standard output goes: `/dev/stdout`."""
    try:
        return os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        # Nothing is there, or standard output is no file.
        return False


# solve and teardown


def solve(wizard: Wizard, options: WorkOptions) -> int:
    """Show the plan, ask, do it while telling about it, and return the exit code.

    Raises:
        UsageError: An unknown section or step, missing input, no consent and nobody to ask.
    """
    targets = wizard.targets(options.selectors, options.environment)
    _can_consent(options, "solve")
    return _converse(wizard, conversation.solve(wizard, targets, review=False), options)


def teardown(wizard: Wizard, options: WorkOptions) -> int:
    """Show what this wizard made, ask, remove it, give a receipt, and return the exit code.

    Raises:
        UsageError: An unknown section or step, or no consent and nobody to ask.
    """
    chosen = bool(options.selectors or options.environment)
    targets = wizard.targets(options.selectors, options.environment) if chosen else None
    _can_consent(options, "teardown")
    return _converse(wizard, conversation.teardown(wizard, targets), options)


def act(wizard: Wizard, selector: str, action: str, environment: str | None) -> int:
    """Do an action with what a step made while telling about it, and return the exit code.

    It is done in every environment that the selector leaves, side by side.

    Raises:
        UsageError: An unknown step or action.
    """
    found, targets = wizard.find_action(wizard.targets((selector,), environment), action)
    return _converse(wizard, conversation.act(wizard, targets, found.name), WorkOptions(yes=True))


# The conversation of solve, teardown and do


def _converse(wizard: Wizard, talk: Conversation, options: WorkOptions) -> int:
    """Answer a conversation from the options, or as a person at the terminal says, and return the exit code."""
    asks = not (options.yes or options.plan) and _can_ask()
    code = 0
    while (request := waited(lambda: next(talk, None))) is not None:
        if isinstance(request, Ask):
            request.answers = _answers(wizard, request.questions, asks=asks)
        elif isinstance(request, LedgerDoubt):
            _tell(request.survey.lines(), err)
            request.rebuild = request.may_rebuild and asks and confirm("Write the ledger again first?")
        elif isinstance(request, LedgerRebuilt):
            _tell(request.rebuilt.lines(), err)
        elif isinstance(request, Consent):
            code = _consent(request, options)
        elif isinstance(request, Work):
            cancelled = threading.Event()
            request.finished, code = _work(request.events(cancelled), cancelled)
        elif isinstance(request, Outcome):
            code = _outcome(wizard, request, code)
    return code


def _answers(wizard: Wizard, questions: Sequence[Question], *, asks: bool) -> dict[str, str]:
    """Return the answers to questions, or refuse to go on without them; secrets go into the keyring.

    Raises:
        UsageError: A value is missing, and nobody can be asked.
    """
    answers: dict[str, str] = {}
    for each in questions:
        source = waited(partial(each.source, answers)) if each.input.secret else ""
        if not asks:
            if each.input.secret and not source:
                raise UsageError(
                    f"{each.input.label} is missing; a secret is no option of a command.",
                    f"Give it as the variable {' or '.join(each.input.variables)}, or solve in a terminal without "
                    "--yes: it is asked for and kept in the keyring.",
                )
            if error := wizard.profile.settings.missing_error([question.name for question in questions]):
                raise error
        elif not each.input.secret:
            answers[each.name] = ask(each.input, listed=_listed(each))
        elif (secret := ask_secret(each.input, source)) is not None:
            err(waited(partial(each.keep, secret, answers)))
    return answers


def _listed(question: Question) -> Sequence[tuple[str, str]]:
    """Return what the cloud has for an input; that it does not tell is no reason not to ask."""
    if not question.input.listed:
        return ()
    try:
        return waited(question.options)
    except WizardError as error:
        err(f"What there is to choose from is not known: {one_line(error.message)}")
        return ()


def _consent(request: Consent, options: WorkOptions) -> int:
    """Show the plan, answer the request, and return the exit code if nothing is done."""
    doubt = 0 if request.complete else UNSURE
    changes = waited(lambda: request.changes)
    for line in plan_lines(changes):
        out(line)
    if not changes and not request.removes:
        out("Nothing to create or change.")
    if not changes and request.removes and request.complete:
        out("Nothing to remove: the ledger names nothing that this wizard made here.")
    if doubt:
        err("This is not all that there may be: see above.")
    if options.plan or not request.has_work:
        return doubt
    question = "Remove all this? It cannot be brought back." if request.removes else "Go on?"
    request.agreed = options.yes or not request.must_ask or confirm(question)
    if not request.agreed:
        err("Nothing was removed." if request.removes else "Nothing was changed.")
        return NOTHING_DONE
    return doubt


def _outcome(wizard: Wizard, request: Outcome, code: int) -> int:
    """Write what became of the work and what runs now, and return the exit code."""
    finished = request.finished
    if request.kind is Kind.UNDO:
        out("Receipt")
        receipt(request.changes, finished, out)
        doomed = [planned for planned in request.changes if removes(planned.change)]
        gone = sum(_passed(finished, planned.target_key) for planned in doomed)
        out(f"{gone} gone, {len(doomed) - gone} left ({finished.seconds:.1f} s)")
        if not request.complete:
            err("More than the ledger named may be left: see above.")
        return code or (0 if request.complete else UNSURE)
    for key, result in finished.results.items():
        for line in result_lines(key, result):
            out(line)
    if request.kind is Kind.SOLVE:
        for note in finished.notes:
            out(one_line(note))
        out(f"{counts_line(finished.results.values())} ({finished.seconds:.1f} s)")
    _tell_cost(wizard, request)
    return code


def _tell_cost(wizard: Wizard, request: Outcome) -> None:
    """Say what runs, after work on what can run."""
    from hol_wizard.steps.cost import lines

    if request.cost_unknown:
        err(f"what runs now is not known: {request.cost_unknown}")
    if request.cost is not None and request.cost.running:
        for line in lines(replace(request.cost, standing=()), wizard.command):
            out(line)


def _tell(lines: Iterable[str], write: Callable[[str], None]) -> None:
    for line in lines:
        write(f"{' ' * (len(line) - len(line.lstrip()))}{one_line(line)}")


def starter(folder: str, options: WorkOptions) -> int:
    """Show which files of the starter project a folder lacks, ask, write them, and return the exit code.

    Raises:
        UsageError: No consent and nobody to ask, or the folder cannot be written.
    """
    from hol_wizard.person_files import State, plan
    from hol_wizard.steps.repository import starter_files

    _can_consent(options, "starter")
    planned = plan(Path(folder), starter_files())
    for each in planned.of(State.NEW):
        out(f"create {each.path}")
    new, same = len(planned.of(State.NEW)), len(planned.of(State.SAME))
    out(f"{one_line(str(planned.folder))}: {new} files to write, {same} there already.")
    if not options.plan and new:
        if not options.yes and not confirm("Write these files?"):
            err("Nothing was written.")
            return NOTHING_DONE
        planned = planned.write()
        out(f"{len(planned.of(State.SAME))} of {len(planned.files)} files are in {one_line(str(planned.folder))}.")
    left = planned.of(State.LEFT)
    for each in left:
        err(f"Left alone: {each.path}: {each.reason}.")
    if left:
        err("To compare, write the starter into an empty folder; take over by hand what you want of it.")
    return NOTHING_DONE if left and not options.plan else 0


def rebuild_ledger(wizard: Wizard, options: WorkOptions) -> int:
    """Show what the ledger lost, ask, write it again, and return the exit code.

    Raises:
        LedgerError: Not everything could be looked at, or it cannot be written.
        UsageError: No consent and nobody to ask.
    """
    _can_consent(options, "ledger rebuild")
    seen = waited(wizard.ledger_care.survey)
    _tell(seen.lines(), out)
    if not seen.rebuildable:
        out("The ledger can be read, and names everything that carries this lab's mark.") if seen.complete else None
        return 0 if seen.complete else UNSURE
    if options.plan:
        return UNSURE
    if not options.yes and not confirm("Write the ledger again?"):
        err("Nothing was changed.")
        return NOTHING_DONE
    _tell(wizard.ledger_care.rebuild(seen).lines(), out)
    return UNSURE if seen.closed or seen.strays else 0


def cost(wizard: Wizard, format_: str) -> int:
    """Write what costs money now, and return the exit code: 0, or 3 where something could not be looked at."""
    from hol_wizard.steps.cost import lines

    found = waited(wizard.cost)
    if format_ == "json":
        value = {
            "version": SCHEMA_VERSION,
            "tool": {"name": "hol-wizard", "version": __version__},
            "running": [
                {
                    "target": each.target_key,
                    "what": each.what,
                    "since": None if each.since is None else datetime.fromtimestamp(each.since, UTC).isoformat(),
                    "machines": [{"size": size, "number": number} for size, number in each.machines],
                    "machines_price_per_hour": each.hourly,
                    "databricks_unit_price": each.unit.amount if each.unit else None,
                    "currency": each.currency or None,
                    "example": each.example,
                    "stops_after_idle_minutes": each.idle_minutes or None,
                }
                for each in found.running
            ],
            "standing": [{"target": each.target_key, "cost": each.cost} for each in found.standing],
            "unknown": list(found.unknown),
            "notes": list(found.notes),
        }
        out(json.dumps(value, indent=2))
    else:
        for line in lines(found, wizard.command):
            out(one_line(line) if not line.startswith(" ") else f"      {one_line(line)}")
    return 3 if found.unknown else 0


def _passed(finished: RunFinished, key: str) -> bool:
    return key in finished.results and finished.results[key].passed


def _can_ask() -> bool:
    return _watched(sys.stdin) and _watched(sys.stderr)


def _can_consent(options: WorkOptions, command: str) -> None:
    if options.yes or options.plan or _can_ask():
        return
    raise UsageError(
        f"{command} asks before it changes anything, and there is no terminal to ask on.",
        f"Look at `hol-wizard {command} … --plan`, then add --yes.",
    )


def _work(events: Iterator[Event], cancelled: threading.Event) -> tuple[RunFinished, int]:
    """Tell a solve or a teardown as it goes, and return its end and the exit code."""
    finished = RunFinished({}, 0.0, cancelled=True)
    told = 0
    begun: set[str] = set()
    latest: dict[str, str] = {}
    spoken = time.monotonic()
    with Interrupts(cancelled) as interrupts:
        for event in drain(events):
            if interrupts.count > told:
                told = interrupts.count
                if told == 1:
                    err("Stopping at the next safe point. What the cloud has begun goes on there and is found again.")
                elif told == 2:
                    err(
                        "Still stopping: a change is under way. Ctrl-C again leaves now; the ledger has what was begun."
                    )
                else:
                    raise KeyboardInterrupt
            if isinstance(event, RunFinished):
                finished = event
            if event is None or isinstance(event, CheckStarted | CheckFinished | RunFinished):
                continue
            if isinstance(event, WorkStarted):
                begun.add(event.target)
            if isinstance(event, WorkFinished) and event.result.passed and event.target not in begun:
                continue
            if isinstance(event, Progressed):
                # The same is told again and again while an operation runs; now and then is enough.
                repeated = latest.get(event.target) == event.text
                latest[event.target] = event.text
                if repeated and time.monotonic() - spoken < HEARTBEAT:
                    continue
            if line := event_line(event):
                err(clean(line))
                spoken = time.monotonic()
    code = exit_code(result.status for result in finished.results.values())
    return finished, INTERRUPTED if finished.cancelled or cancelled.is_set() else code


# doctor


def doctor(titles: Mapping[str, str], events: Iterator[Event], format_: str) -> int:
    """Look at what the wizard itself stands on, write it and return the exit code.

    Args:
        titles: What is looked at, by key.
        events: The run that looks.
        format_: `text` or `json`.
    """
    cancelled = threading.Event()
    finished = RunFinished({}, 0.0, cancelled=True)
    latest: dict[str, Result] = {}
    with Interrupts(cancelled) as interrupts:
        for event in drain(events):
            if interrupts.count:
                break
            if isinstance(event, CheckFinished):
                latest[event.target] = event.result
            elif isinstance(event, RunFinished):
                finished = event
    results = finished.results or latest
    code = INTERRUPTED if finished.cancelled else exit_code(result.status for result in results.values())
    if format_ == "json":
        value = {
            "version": SCHEMA_VERSION,
            "tool": {"name": "hol-wizard", "version": __version__},
            "cancelled": finished.cancelled,
            "exit_code": code,
            "results": [
                {"name": key, "title": titles.get(key, key), **result_value(result)} for key, result in results.items()
            ],
        }
        out(json.dumps(value, indent=2))
        return code
    for key, result in results.items():
        for line in result_lines(titles.get(key, key), result):
            out(line)
    out(counts_line(results.values()))
    return code


def git_credential(wizard: Wizard, deed: str, asked: TextIO) -> int:
    """Answer git's request for a sign-in (git-credential's protocol); store and erase leave all as it is.

    Args:
        wizard: Whose sign-in.
        deed: `get`, `store` or `erase`.
        asked: What git asks: lines of `name=value`.

    Returns:
        0: what cannot be answered is left to git, which then says so.
    """
    lines = list(itertools.takewhile(bool, (line.rstrip("\r\n") for line in asked)))
    request = dict(line.split("=", 1) for line in lines if "=" in line)
    if deed != "get":
        return 0
    authorization = wizard.connection.git_authorization(f"{request.get('protocol', '')}://{request.get('host', '')}")
    if authorization is not None:
        from hol_wizard.services.git import sign_in

        out(sign_in.answer(authorization, lines).rstrip("\n"))
    return 0
