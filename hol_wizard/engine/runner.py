"""Runs checks and work over a graph in parallel, and reports progress.

Both runs are blocking generators of events; the consumer chooses the thread. Reads run on daemon threads, so that one
that hangs can be abandoned. Work is never abandoned: the generator ends only when the work has stopped at a safe point.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    RunFinished,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.registry import WORK_DEADLINE
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import DONE, Result, Status
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotAgreedError,
    NotFoundError,
    ServiceError,
    SignInError,
    StoppedError,
    UnreachableError,
    WizardError,
)

logger = logging.getLogger(__name__)

READ_WORKERS = 32
"""Maximum number of parallel reads: 30 reads of 100 ms each take 0.16 s with 32 threads, 0.24 s with 16."""
WORK_WORKERS = 64
"""More than there are steps in all environments: work waits for the cloud, and nothing else must wait for it. A waiting
thread costs nothing, and a thread that waits for a role to propagate must not keep an independent step from starting.
"""
UNSURE_WAITS = (1.0, 3.0)
"""Seconds before each repetition of the check that verifies work, if it failed because of the network or a service."""
LOOK_AGAIN_AFTER = 5.0
"""Default seconds until a WAITING check is repeated."""
LOOK_AGAIN_MOST = 30.0
"""Maximum seconds until a WAITING check is repeated, whatever it asks for."""
_TICK = 0.1


@dataclass(frozen=True, slots=True)
class CheckTask:
    """A check, bound to everything that it needs."""

    key: str
    title: str
    run: Callable[[], Result]
    needs: tuple[str, ...] = ()
    deadline: float = 20.0
    """Seconds after which the runner stops waiting for it."""
    wanted: bool = True
    """Whether it was requested, as opposed to being needed by others."""


@dataclass(frozen=True, slots=True)
class WorkTask:
    """A solve or an undo with the check that verifies it, bound to everything that they need."""

    key: str
    title: str
    look: Callable[[], Result]
    """Returns the status of the step; called before and after the work."""
    work: Callable[[Reporter], None] | None
    """None if only a person can do it."""
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    """What is done first if it is in the same run, but is not needed."""
    patience: float = 900.0
    """Seconds to wait after the work while the check is WAITING."""
    asked: bool = False
    """Whether the work itself was requested, so that it is done regardless of the step's status."""
    deadline: float = WORK_DEADLINE
    """Seconds after which the work stops at its next safe point; the step is then UNKNOWN."""
    resume: str = "The cloud continues what it has started. To continue, <solve>."
    """What to do if the work did not end in time."""


def result_of(error: Exception) -> Result:
    """Return the status of a step if its check or its work raised this error."""
    if isinstance(error, StoppedError):
        return Result(Status.UNKNOWN, error.message, next_action=error.hint)
    if isinstance(error, NotAgreedError):
        return Result(Status.FAILED, error.message, next_action=error.hint, ask_again=True)
    if isinstance(error, NotFoundError):
        return Result(Status.FAILED, error.message, next_action=error.hint, detail=error.detail)
    if isinstance(error, SignInError):
        hint = error.hint or "Sign in again (<step set-up/sign-in>)."
        return Result(Status.UNKNOWN, error.message, next_action=hint, detail=error.detail)
    if isinstance(error, WizardError):
        return Result(Status.UNKNOWN, error.message, next_action=error.hint, detail=error.detail)
    logger.error("unexpected error in a step", exc_info=error)
    return Result(
        Status.UNKNOWN,
        f"Internal error in the wizard: {type(error).__name__}.",
        next_action="Try again. If it happens again, report it with the log file (hol-wizard doctor names it).",
        detail=str(error),
    )


def _look(run: Callable[[], Result]) -> Result:
    return _look_and_tell(run)[0]


def _look_and_tell(run: Callable[[], Result]) -> tuple[Result, bool]:
    """Return the status of a step, and whether it is unknown only because the network or a service failed."""
    try:
        return run(), False
    except Exception as error:  # noqa: BLE001 the runner is one of the two places that turn any error into a result
        refused = isinstance(error, NotFoundError | ConflictError | AccessDeniedError)
        return result_of(error), isinstance(error, ServiceError) and not refused


_CAUSES = (Status.FAILED, Status.UNKNOWN, Status.WAITING)
"""Order of statuses that block other steps: if several do, the one that a person can act on is named."""


def _blocked(
    task: CheckTask | WorkTask, titles: Mapping[str, str], results: Mapping[str, Result], left: str
) -> Result | None:
    """Return why the task cannot start, or None if everything that it needs is done.

    The root cause is named: a blocked step passes on what blocks it.

    Args:
        task: The task to start.
        titles: Title of each task of the run, by key.
        results: The results of the finished tasks.
        left: Beginning of the summary: `Not checked`.
    """
    unmet = [need for need in task.needs if need in results and results[need].status not in DONE]
    if not unmet:
        return None

    def rank(key: str) -> tuple[int, bool]:
        result = results[key]
        order = _CAUSES.index(result.status) if result.status in _CAUSES else len(_CAUSES)
        return order, not result.confirmable

    root = min((results[need].blocked_by or need for need in unmet), key=rank)
    title, cause = titles.get(root, root), results[root]
    if cause.confirmable:
        summary, next_action = f"{left}: needs your confirmation of “{title}” first.", f"<first {root}>."
    elif cause.status is Status.UNKNOWN:
        summary = f"{left}: “{title}” could not be determined. {cause.summary}"
        next_action = cause.next_action or f"Check again (<step {root}>)."
    elif cause.status is Status.WAITING:
        summary = f"{left}: waits for “{title}”. {cause.summary}"
        next_action = cause.next_action or "Wait, then check again."
    else:
        summary, next_action = f"{left}: needs “{title}” first.", f"<first {root}>."
    return Result(Status.BLOCKED, summary, next_action=next_action, blocked_by=root)


def run_checks(
    tasks: Sequence[CheckTask],
    *,
    cancelled: threading.Event | None = None,
    wait: float = 0.0,
    fail_fast: bool = False,
    workers: int = READ_WORKERS,
) -> Iterator[Event]:
    """Run the checks and yield the events; the last one is a RunFinished.

    Its results are those that were requested, and those of the steps that block them.

    Args:
        tasks: The checks, in the order of the report.
        cancelled: Set by another thread to stop; checks in progress are abandoned.
        wait: Seconds for which a WAITING check is repeated before it counts.
        fail_fast: Whether to stop at the first FAILED check that was requested.
        workers: Maximum number of parallel checks.
    """
    cancelled = cancelled or threading.Event()
    began = time.monotonic()
    inbox: queue.SimpleQueue[tuple[str, int, Result]] = queue.SimpleQueue()
    by_key = {task.key: task for task in tasks}
    titles = {task.key: task.title for task in tasks}
    pending = dict(by_key)
    running: dict[str, tuple[int, float]] = {}
    again: dict[str, float] = {}
    settled: dict[str, Result] = {}
    attempt = 0
    stopping = False

    def start(task: CheckTask) -> CheckStarted:
        nonlocal attempt
        attempt += 1
        number = attempt
        running[task.key] = (number, time.monotonic())
        threading.Thread(
            target=lambda: inbox.put((task.key, number, _look(task.run))),
            name=f"check {task.key}",
            daemon=True,
        ).start()
        return CheckStarted(task.key)

    def finish(key: str, result: Result, seconds: float) -> CheckFinished:
        nonlocal stopping
        looks_again = result.status is Status.WAITING and time.monotonic() - began < wait
        if looks_again:
            again[key] = time.monotonic() + _pause_after(result)
        else:
            settled[key] = result
        stopping = stopping or (fail_fast and result.status is Status.FAILED and by_key[key].wanted)
        return CheckFinished(key, result, seconds)

    while (pending or running or again) and not cancelled.is_set() and not stopping:
        now = time.monotonic()
        for key in [key for key, due in again.items() if due <= now and len(running) < workers]:
            del again[key]
            yield start(by_key[key])
        moved = True
        while moved:
            moved = False
            for task in list(pending.values()):
                waits_for = [need for need in task.needs if need in by_key and need not in settled]
                if waits_for or len(running) >= workers:
                    continue
                del pending[task.key]
                moved = True
                blocked = _blocked(task, titles, settled, "Not checked")
                yield finish(task.key, blocked, 0.0) if blocked else start(task)
        if not running and not again:
            break
        try:
            key, number, result = inbox.get(timeout=_TICK)
        except queue.Empty:
            pass
        else:
            if key in running and running[key][0] == number:
                _, started = running.pop(key)
                yield finish(key, result, time.monotonic() - started)
        now = time.monotonic()
        for key in [key for key, (_, started) in running.items() if now - started > by_key[key].deadline]:
            _, started = running.pop(key)
            seconds = by_key[key].deadline
            late = Result(
                Status.UNKNOWN,
                f"No answer within {seconds:.0f} seconds.",
                next_action="Check your network, then check again.",
            )
            yield finish(key, late, now - started)

    unfinished = Result(Status.UNKNOWN, "Not checked: the run was stopped.", next_action="Check again.")
    roots = {settled[task.key].blocked_by for task in tasks if task.wanted and task.key in settled}
    results = {task.key: settled.get(task.key, unfinished) for task in tasks if task.wanted or task.key in roots}
    yield RunFinished(results, time.monotonic() - began, cancelled.is_set())


def run_work(
    tasks: Sequence[WorkTask],
    *,
    cancelled: threading.Event | None = None,
    workers: int = WORK_WORKERS,
) -> Iterator[Event]:
    """Do the tasks, in parallel if they do not depend on each other; the last event is a RunFinished.

    A task whose check is already PASSED is not done again. One whose check is UNKNOWN is tried anyway: the plan that
    was agreed to names it, the work checks what exists before it creates anything, and says why if it cannot. After the
    work, the check verifies it; a WAITING check is repeated until its patience ends.

    Args:
        tasks: In the lab's order (for an undo, in reverse).
        cancelled: Set by another thread to stop at the next safe point; running work is waited for.
        workers: Maximum number of parallel tasks.
    """
    cancelled = cancelled or threading.Event()
    began = time.monotonic()
    inbox: queue.SimpleQueue[Event] = queue.SimpleQueue()
    by_key = {task.key: task for task in tasks}
    titles = {task.key: task.title for task in tasks}
    pending = dict(by_key)
    running: dict[str, threading.Thread] = {}
    results: dict[str, Result] = {}
    worked: set[str] = set()
    durations: dict[str, float] = {}

    def do(task: WorkTask) -> None:
        started = time.monotonic()
        result = _work(task, inbox.put, cancelled)
        inbox.put(WorkFinished(task.key, result, time.monotonic() - started))

    try:
        while pending or running:
            if cancelled.is_set():
                pending.clear()
            moved = True
            while moved:
                moved = False
                for task in list(pending.values()):
                    before = (*task.needs, *task.after)
                    waits_for = [other for other in before if other in by_key and other not in results]
                    if waits_for or len(running) >= workers:
                        continue
                    del pending[task.key]
                    moved = True
                    blocked = _blocked(task, titles, results, "Not started")
                    if blocked:
                        results[task.key] = blocked
                        yield WorkFinished(task.key, blocked, 0.0)
                        continue
                    running[task.key] = threading.Thread(target=do, args=(task,), name=f"work {task.key}")
                    running[task.key].start()
            if not running:
                continue
            try:
                event = inbox.get(timeout=_TICK)
            except queue.Empty:
                continue
            if isinstance(event, WorkStarted):
                worked.add(event.target)
            if isinstance(event, WorkFinished):
                running.pop(event.target).join()
                results[event.target] = event.result
                durations[event.target] = event.seconds
            yield event
    except GeneratorExit:
        # Nobody reads the events anymore, but the caller holds locks while something is being changed.
        cancelled.set()
        for thread in running.values():
            thread.join()
        raise

    stopped = Result(Status.UNKNOWN, "Not started: the run was stopped.", next_action="Run it again to continue.")
    final = {task.key: results.get(task.key, stopped) for task in tasks}
    yield RunFinished(
        final,
        time.monotonic() - began,
        cancelled.is_set(),
        durations={key: seconds for key, seconds in durations.items() if key in worked},
        critical_path=critical_path({task.key: (*task.needs, *task.after) for task in tasks}, durations),
    )


def critical_path(needs: Mapping[str, Sequence[str]], durations: Mapping[str, float]) -> tuple[str, ...]:
    """Return the longest chain of tasks, each of which needs the one before it: no scheduler can be faster.

    Args:
        needs: What each task needs, by key.
        durations: Seconds that each task took; a task without one took none, and is not part of a chain.
    """
    longest: dict[str, tuple[float, tuple[str, ...]]] = {}

    def chain(key: str) -> tuple[float, tuple[str, ...]]:
        if key not in longest:
            before = max((chain(need) for need in needs.get(key, ())), key=lambda each: each[0], default=(0.0, ()))
            own = durations.get(key, 0.0)
            longest[key] = (before[0] + own, (*before[1], key) if own else before[1])
        return longest[key]

    return max((chain(key) for key in needs), key=lambda each: each[0], default=(0.0, ()))[1]


def _pause_after(waiting: Result) -> float:
    """Return the seconds until a WAITING check is repeated."""
    return min(waiting.look_again_after or LOOK_AGAIN_AFTER, LOOK_AGAIN_MOST)


def _work(task: WorkTask, emit: Callable[[Event], None], cancelled: threading.Event) -> Result:
    if not task.asked:
        before = _look(task.look)
        if before.status in DONE:
            return before
    if task.work is None:
        return _look(task.look) if task.asked else before
    emit(WorkStarted(task.key))
    reporter = Reporter(task.key, emit, cancelled, task.deadline, task.resume)
    try:
        task.work(reporter)
        reporter.lift_deadline()
        deadline = time.monotonic() + task.patience
        waits = list(UNSURE_WAITS)
        while True:
            after, failed = _look_and_tell(task.look)
            emit(CheckFinished(task.key, after, 0.0))
            if failed and waits:
                reporter.wait(waits.pop(0))
                continue
            if after.status is not Status.WAITING or time.monotonic() > deadline:
                return after
            reporter.progress(after.summary, after.usually)
            reporter.wait(_pause_after(after))
    except Exception as error:  # noqa: BLE001 the runner is one of the two places that turn any error into a result
        result = result_of(error)
        unclear = SignInError | UnreachableError | StoppedError
        refused = isinstance(error, WizardError) and not isinstance(error, unclear)
        return replace(result, status=Status.FAILED) if refused else result
