"""Jobs: background programs with durable status, timeline and log, which can be canceled.

Work that a service starts and that really runs on this machine (a command on a cluster, a training run, the agent's
work on a pipeline) is a job. A service registers a *kind* of job with the function that does its work, and submits jobs
of that kind, with data as JSON. Everything about a job is in the store: its state, its timeline (records, in the terms
of Azure DevOps), its data; logs and files are next to it. After a restart of the practice cloud, a queued job is
therefore started, and a running one is marked as *interrupted*; none of its programs is left. See
docs/practice-internals.md, "Writing a job".

A job uses real time: a clock that is sped up does not shorten its timeouts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hol_wizard.paths import for_programs
from hol_wizard.practice.kernel import job_log, programs
from hol_wizard.practice.kernel.job_log import JobLog, Lines
from hol_wizard.practice.kernel.programs import Grace, Program, Running
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import ROOT, Result, State, Timelines
from hol_wizard.practice.kernel.world import World

LOG = logging.getLogger(__name__)
CANCEL_SECONDS = 300.0
"""How long a canceled job may continue with the steps that it must still run (`cancelTimeoutInMinutes` of a pipeline:
5)."""
_CHUNK = 1 << 16


class CanceledError(Exception):
    """The job was canceled or timed out: it ends now, or runs the steps that must still run."""


class TooLongError(Exception):
    """A program exceeded its time limit and was stopped."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The properties of all jobs of one kind."""

    name: str
    run: Callable[[Work], Awaitable[Result | None]]
    """Does the work. If it raises an error, the job fails; otherwise it succeeded, or was stopped."""
    ended: Callable[[Document], None] | None = None
    """Called with each job that has ended for any reason, in the transaction that records the end."""
    at_once: int = 1
    """How many run in parallel; the others are queued in the order of submission."""
    seconds: float | None = None
    """Time limit of a job from its start; None for no limit."""
    grace: Grace = field(default_factory=Grace)
    """How long its programs may take to stop when it is canceled."""
    cancel_seconds: float = CANCEL_SECONDS
    """How long it may continue after that before it is ended."""


class Step:
    """A record of a job's timeline while it is in progress."""

    def __init__(self, work: Work, record: str) -> None:
        self._work = work
        self.record = record
        """Its ID."""
        self.result = Result.SUCCEEDED
        """Its result if nothing is raised."""
        self.log = JobLog(work.log_file(record), work.log_limit)

    def change(self, **details: Any) -> None:
        """Save details in the record: issues, a percentage, a worker's name."""
        self._work.change_record(self.record, details=details)


class Work:
    """A running job, for the function that does its work."""

    def __init__(self, jobs: Jobs, kind: Kind, job: Document) -> None:
        self._jobs = jobs
        self._programs: set[Running] = set()
        self.kind = kind
        self.id: str = job["id"]
        self.owner: str = job["owner"]
        self.timeline: str = job["timeline"]
        self.data: Document = job["data"]
        """The data with which it was submitted, and what `keep` has added."""
        self.canceled = asyncio.Event()
        """Set when the job is canceled or times out."""
        self.stopped: Result | None = None
        """The reason: `CANCELED` or `TIMED_OUT`."""
        self.log_limit = job_log.LOG_BYTES
        self.abandoned = False
        """Whether all documents were replaced, so that this job no longer counts."""
        self.task: asyncio.Task[None] | None = None

    # Where

    @property
    def folder(self) -> Path:
        """A folder for this job only, which is removed when it ends."""
        folder = self._jobs.work_folder / self.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.resolve()

    def log_file(self, record: str) -> Path:
        """Return the file of a record's log."""
        return self._jobs.timelines.log_file(self.timeline, record)

    # Data and records

    def keep(self, **data: Any) -> None:
        """Save values in the job's data."""
        self.data = {**self.data, **data}
        with self._jobs.of_work(self) as job:
            if job is not None:
                self._jobs.put({**job, "data": self.data})

    def add_record(
        self, name: str, *, kind: str = "Task", parent: str = ROOT, identity: str = "", order: int = 0, **details: Any
    ) -> str:
        """Add a pending record to the timeline, and return its ID.

        Args:
            name: What people read.
            kind: `Stage`, `Phase`, `Job`, `Task`, `Checkpoint`.
            parent: ID of its parent record.
            identity: Its ID; empty for a new one.
            order: Its position among the records with the same parent; 0 for the last.
            details: Anything else.
        """
        identity = identity or str(uuid.uuid4())
        with self._jobs.of_work(self) as job:
            if job is not None:
                self._jobs.timelines.add(
                    self.timeline,
                    name,
                    kind=kind,
                    parent=parent,
                    identity=identity,
                    order=order,
                    job=self.id,
                    **details,
                )
        return identity

    def change_record(self, record: str, *, details: Document | None = None, **values: Any) -> None:
        """Change a record."""
        with self._jobs.of_work(self) as job:
            if job is not None:
                self._jobs.timelines.change(self.timeline, record, details=details, job=self.id, **values)

    def skip(self, record: str) -> None:
        """Record that a record is skipped."""
        self.change_record(record, state=State.COMPLETED, result=Result.SKIPPED)

    @contextlib.asynccontextmanager
    async def step(self, name: str, *, record: str = "", kind: str = "Task", parent: str = ROOT) -> AsyncIterator[Step]:
        """Work on a record of the timeline, which starts here and ends with the block.

        Args:
            name: What people read.
            record: ID of a record from `add_record`; empty for a new one.
            kind: As for `add_record`.
            parent: As for `add_record`.
        """
        identity = record or self.add_record(name, kind=kind, parent=parent)
        step = Step(self, identity)
        now = self._jobs.now()
        self.change_record(identity, state=State.RUNNING, started=now)
        result = Result.FAILED
        try:
            yield step
            result = step.result
        except (CanceledError, asyncio.CancelledError):
            result = Result.CANCELED
            raise
        finally:
            log = {"lines": step.log.lines, "bytes": step.log.size, "cut": step.log.cut} if step.log.lines else None
            self.change_record(identity, state=State.COMPLETED, result=result, finished=self._jobs.now(), log=log)

    def limit(self, seconds: float, cancel_seconds: float = CANCEL_SECONDS) -> None:
        """Give this job its own limits instead of its kind's.

        Args:
            seconds: Time limit from now.
            cancel_seconds: How long it may continue after it was canceled, or timed out.
        """
        self.kind = replace(self.kind, cancel_seconds=cancel_seconds)
        self._jobs.stop_later(self, seconds)

    # Programs

    def check(self) -> None:
        """Continue only if the job has not been canceled.

        Raises:
            CanceledError: It has been canceled.
        """
        if self.canceled.is_set():
            raise CanceledError(self.stopped)

    async def sleep(self, seconds: float) -> None:
        """Wait for this many real seconds.

        Raises:
            CanceledError: The job is canceled in the meantime.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.canceled.wait()
        self.check()

    @contextlib.asynccontextmanager
    async def started(self, program: Program, *, even_canceled: bool = False) -> AsyncIterator[Running]:
        """Start a program that the job communicates with; no process of it is left after the block.

        Args:
            program: What to start.
            even_canceled: Whether it is started and continues in a canceled job.

        Raises:
            CanceledError: The job was canceled before, or while the program was running.
            OSError: It cannot be started.
        """
        async with self._run(program, talks=True, even_canceled=even_canceled) as running:
            yield running

    @contextlib.asynccontextmanager
    async def _run(
        self, program: Program, *, talks: bool = False, errors: bool = False, even_canceled: bool
    ) -> AsyncIterator[Running]:
        if not even_canceled:
            self.check()
        running = await programs.start(program, talks=talks, errors=errors)
        if not even_canceled:
            self._programs.add(running)
        try:
            if self.canceled.is_set() and not even_canceled:
                running.kill()  # it was canceled while the program was being started
            yield running
        finally:
            self._programs.discard(running)
            running.kill()
            running.let_go()
            await running.process.wait()
        if not even_canceled:
            self.check()

    async def program(
        self,
        program: Program,
        step: Step,
        *,
        line: Callable[[str], str | None] | None = None,
        error_line: Callable[[str], str | None] | None = None,
        seconds: float | None = None,
        even_canceled: bool = False,
    ) -> int:
        """Run a program until it ends, with its output in a step's log, and return its exit code.

        Args:
            program: What to run.
            step: The step whose log gets its output.
            line: Converts each line for the log, or returns None; used to mask secrets and to interpret commands.
            error_line: Does the same for its standard error, which then is not in the order of its output.
            seconds: Time limit in real time; None for that of the job.
            even_canceled: As for `started`.

        Raises:
            TooLongError: It took longer, and was stopped as in a canceled job.
            CanceledError: The job was canceled before, or while the program was running.
            OSError: It cannot be started.
        """
        async with self._run(program, errors=error_line is not None, even_canceled=even_canceled) as running:
            copying = [asyncio.ensure_future(self._log(running.output, step, line))]
            if error_line is not None:
                copying.append(asyncio.ensure_future(self._log(running.errors, step, error_line)))
            try:
                _, unfinished = await asyncio.wait(copying, timeout=seconds)
                if unfinished:
                    await running.stop(self.kind.grace)
                    await asyncio.gather(*copying)
                    raise TooLongError(f"it took longer than {seconds:g} seconds")
                await asyncio.gather(*copying)
            finally:
                for each in copying:
                    each.cancel()
            return await running.wait()

    @staticmethod
    async def _log(output: asyncio.StreamReader, step: Step, line: Callable[[str], str | None] | None) -> None:
        """Log a program's output until it ends."""
        lines, data = Lines(), b" "
        while data:
            data = await output.read(_CHUNK)
            said = lines.of(data)
            step.log.append(*(said if line is None else [each for each in map(line, said) if each is not None]))

    def stop_programs(self) -> list[Awaitable[None]]:
        """Return the tasks that stop all programs that do not continue in a canceled job."""
        return [each.stop(self.kind.grace) for each in self._programs]

    def kill_programs(self) -> None:
        """Kill all programs immediately."""
        for each in self._programs:
            each.kill()
            each.let_go()


class Jobs:
    """All jobs: queued, running and completed ones."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("jobs", self)
        self.timelines = world.part(Timelines)
        self.work_folder = for_programs(world.store.path.parent / "job-work")
        """Files of running jobs, which no snapshot contains."""
        self._kinds: dict[str, Kind] = {}
        self._waiting: dict[str, deque[str]] = {}
        self._running: dict[str, Work] = {}
        self._stopping: set[asyncio.Future[Any]] = set()
        world.on_end(self._abandon)
        world.on_replaced(self._find_again)

    def now(self) -> float:
        """Return the time."""
        return self._world.clock.now()

    # For the services

    def register(self, kind: Kind) -> None:
        """Register a kind of job; every service registers its kinds when it is created."""
        self._kinds[kind.name] = kind
        self._waiting[kind.name] = deque()

    def submit(self, kind: str, owner: str, data: Document, *, identity: str = "", timeline: str = "") -> Document:
        """Submit a job, and return its document; it starts after the transaction is committed.

        Args:
            kind: A registered kind.
            owner: What it belongs to, in its service's terms: a context, a run.
            data: Its data; it must not contain secrets.
            identity: Its ID; empty for a new one.
            timeline: A timeline that it shares with others; empty for its own, with the job's ID.
        """
        waiting = self._waiting[kind]
        identity = identity or uuid.uuid4().hex
        job: Document = {
            "id": identity,
            "timeline": timeline or identity,
            "kind": kind,
            "owner": owner,
            "data": data,
            "state": State.QUEUED,
            "result": None,
            "cause": "",
            "canceling": False,
            "created": self.now(),
            "started": None,
            "finished": None,
        }
        self._documents.put(identity, job)

        def begin() -> None:
            waiting.append(identity)
            self._pump(kind)

        self._world.store.current.on_commit.append(begin)
        return job

    def find(self, identity: str) -> Document | None:
        """Return a job, or None."""
        return self._documents.get(identity)

    def of(self, owner: str) -> list[Document]:
        """Return the jobs of an owner, and of those below it (`a/b` is below `a`), in the order of their submission."""
        return [each for each in self._documents if f"{each['owner']}/".startswith(f"{owner}/")]

    def cancel(self, identity: str) -> bool:
        """Cancel a job after the transaction is committed; return whether there was anything to cancel.

        A queued job never starts. The programs of a running job are stopped, gracefully first; it may still run the
        steps that must run in a canceled job.
        """
        job = self._documents.get(identity)
        if job is None or job["state"] == State.COMPLETED or job["canceling"]:
            return False
        if job["state"] == State.QUEUED:
            self._end(job, Result.CANCELED, "")
            return True
        self._documents.put(identity, {**job, "canceling": True})
        self._world.store.current.on_commit.append(lambda: self._stop(identity, Result.CANCELED))
        return True

    def remove(self, identity: str) -> None:
        """Delete a job, with its timeline if it is its own; a running one is killed after the transaction."""
        job = self._documents.get(identity)
        if job is None:
            return
        if job["timeline"] == identity:
            self.timelines.remove(identity)
        self._documents.delete(identity)
        self._world.store.current.on_commit.append(lambda: self._forget(identity))

    # For `Work`: each is its own transaction

    @contextlib.contextmanager
    def of_work(self, work: Work) -> Iterator[Document | None]:
        """Yield the document of a running job, in a transaction; None if it has been removed or replaced."""
        if work.abandoned:
            yield None
            return
        with self._world.store.transaction():
            yield self._documents.get(work.id)

    def put(self, job: Document) -> None:
        """Save a changed job."""
        self._documents.put(job["id"], job)

    # Start and end

    def _pump(self, kind: str) -> None:
        """Start as many queued jobs of a kind as may run."""
        waiting, known = self._waiting[kind], self._kinds[kind]
        while waiting and sum(each.kind.name == kind for each in self._running.values()) < known.at_once:
            identity = waiting.popleft()
            job = self._documents.get(identity)
            if job is not None and job["state"] == State.QUEUED:
                work = self._running[identity] = Work(self, known, job)
                work.task = asyncio.get_running_loop().create_task(self._run(work))

    def _begin(self, work: Work) -> bool:
        """Record that a job is running; return whether it was still queued."""
        with self.of_work(work) as job:
            if job is None or job["state"] != State.QUEUED:
                return False
            self._documents.put(work.id, {**job, "state": State.RUNNING, "started": self.now()})
        return True

    async def _run(self, work: Work) -> None:
        """Do a job's work, and record its result."""
        result, cause = Result.FAILED, ""
        try:
            if not self._begin(work):
                return
            if work.kind.seconds is not None:
                self.stop_later(work, work.kind.seconds)
            result = await work.kind.run(work) or work.stopped or Result.SUCCEEDED
        except (CanceledError, asyncio.CancelledError):
            result = work.stopped or Result.CANCELED
        except Exception as error:  # any error of a job ends the job, not the server
            # If a step fails because its program was stopped, it has not failed.
            result = work.stopped or Result.FAILED
            if result is Result.FAILED:
                LOG.exception("job %s (%s)", work.id, work.kind.name)
                cause = f"{type(error).__name__}: {error}"
        finally:
            work.kill_programs()
            shutil.rmtree(self.work_folder / work.id, ignore_errors=True)
            if self._running.get(work.id) is work:
                del self._running[work.id]
            self._finish(work, result, cause)
            if not work.abandoned:
                self._pump(work.kind.name)

    def _finish(self, work: Work, result: Result, cause: str) -> None:
        """Record the end of a job, even if its `ended` function fails."""
        for tell in (True, False):
            try:
                with self.of_work(work) as job:
                    if job is not None and job["state"] == State.RUNNING:
                        self._end(job, result, cause, tell=tell)
                return
            except Exception:  # an error of the service's function is not the job's
                LOG.exception("at the end of job %s (%s)", work.id, work.kind.name)

    def _end(self, job: Document, result: Result, cause: str, *, tell: bool = True) -> None:
        """Record that a job, and everything in its timeline, has ended."""
        job.update(state=State.COMPLETED, result=result, cause=cause, finished=self.now())
        self._documents.put(job["id"], job)
        left = Result.INTERRUPTED if result is Result.INTERRUPTED else Result.CANCELED
        self.timelines.finish(job["timeline"], job["id"], left)
        kind = self._kinds.get(job["kind"])
        if tell and kind is not None and kind.ended is not None:
            kind.ended(job)

    def stop_later(self, work: Work, seconds: float) -> None:
        """Stop a job's work when this time has passed."""
        if work.task is not None:
            _call_later(work.task, seconds, lambda: self._stop(work.id, Result.TIMED_OUT))

    def _stop(self, identity: str, why: Result) -> None:
        """Stop a job's work, except for steps that run even in a canceled job."""
        work = self._running.get(identity)
        if work is None or work.canceled.is_set():
            return
        work.stopped = why
        work.canceled.set()
        for each in work.stop_programs():
            stopping = asyncio.ensure_future(each)
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)
        if work.task is not None:
            _call_later(work.task, work.kind.cancel_seconds, work.task.cancel)

    def _forget(self, identity: str) -> None:
        """End a job whose document was deleted."""
        work = self._running.pop(identity, None)
        if work is not None:
            self._leave(work)
            self._pump(work.kind.name)

    def _leave(self, work: Work) -> None:
        """Kill a job that is no longer needed."""
        work.abandoned = True
        work.kill_programs()
        if work.task is not None:
            work.task.cancel()

    def _abandon(self) -> None:
        """Kill all running jobs, because the server ends or all documents are replaced."""
        for waiting in self._waiting.values():
            waiting.clear()
        running, self._running = list(self._running.values()), {}
        for work in running:
            self._leave(work)

    def _find_again(self) -> None:
        """Handle jobs of an earlier server: running ones were interrupted, queued ones are started."""
        shutil.rmtree(self.work_folder, ignore_errors=True)
        with self._world.store.transaction():
            for job in self._documents:
                if job["state"] == State.RUNNING:
                    self._end(job, Result.INTERRUPTED, "The practice cloud ended while this ran.")
        for job in self._documents:
            if job["state"] == State.QUEUED and job["kind"] in self._waiting:
                self._waiting[job["kind"]].append(job["id"])
        for kind in self._kinds:
            self._pump(kind)


def _call_later(task: asyncio.Task[None], seconds: float, act: Callable[[], object]) -> None:
    """Call a function when this time has passed, unless the task has ended by then."""
    timer = asyncio.get_running_loop().call_later(seconds, act)
    task.add_done_callback(lambda _: timer.cancel())
