"""Jobs: background programs with durable status, timeline and log, that can be cancelled.

What a service starts and what really runs on this machine (a command on a cluster, a training run, the agent's work on
a pipeline) is a job. A service registers a *kind* of job with the function that does its work, and submits jobs of that
kind, with data as JSON. Everything about a job is in the store: its state, its timeline (records, as Azure DevOps calls
them), its data; logs and files lie beside it. So after a restart of the practice cloud a job that waited is started,
and one that ran is found as *interrupted*; nothing of its programs is left. docs/practice-internals.md has a section
"Writing a job".

A job's time is real time: no clock that is sped up makes its timeouts shorter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hol_wizard.practice.kernel import job_log, programs
from hol_wizard.practice.kernel.job_log import JobLog, Lines
from hol_wizard.practice.kernel.programs import Grace, Program, Running
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import ROOT, Result, State, Timelines
from hol_wizard.practice.kernel.world import World

LOG = logging.getLogger(__name__)
CANCEL_SECONDS = 300.0
"""How long a cancelled job may work on what it does even then (`cancelTimeoutInMinutes` of a pipeline: 5)."""
_CHUNK = 1 << 16


class CanceledError(Exception):
    """The job has been cancelled, or its time is over: it ends now, or does what it has to do even then."""


class TooLongError(Exception):
    """A program has run for longer than it may; it was stopped."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What all jobs of one kind have in common."""

    name: str
    run: Callable[[Work], Awaitable[Result | None]]
    """Does the work. What it raises makes the job fail; None: it succeeded, or ended because it was stopped."""
    ended: Callable[[Document], None] | None = None
    """Called with each job that has ended, however, in the transaction in which it is noted."""
    at_once: int = 1
    """How many run side by side; others wait their turn, in the order in which they were submitted."""
    seconds: float | None = None
    """How long one may take, from its start; None: without end."""
    grace: Grace = field(default_factory=Grace)
    """How long its programs may take to stop when it is cancelled."""
    cancel_seconds: float = CANCEL_SECONDS
    """How long it may go on after that; then it is ended, wherever it is."""


class Step:
    """A record of a job's timeline, while it is being worked on."""

    def __init__(self, work: Work, record: str) -> None:
        self._work = work
        self.record = record
        """Its id."""
        self.result = Result.SUCCEEDED
        """How it ends if nothing is raised."""
        self.log = JobLog(work.log_file(record), work.log_limit)

    def change(self, **details: Any) -> None:
        """Note something in the record: issues, a percentage, a worker's name."""
        self._work.change_record(self.record, details=details)


class Work:
    """A job that runs, for the function that does its work."""

    def __init__(self, jobs: Jobs, kind: Kind, job: Document) -> None:
        self._jobs = jobs
        self._programs: set[Running] = set()
        self.kind = kind
        self.id: str = job["id"]
        self.owner: str = job["owner"]
        self.timeline: str = job["timeline"]
        self.data: Document = job["data"]
        """What it was submitted with, and what `keep` has added."""
        self.canceled = asyncio.Event()
        """Set when the job is cancelled or its time is over."""
        self.stopped: Result | None = None
        """Then: `CANCELED` or `TIMED_OUT`."""
        self.log_limit = job_log.LOG_BYTES
        self.abandoned = False
        """Whether all documents were replaced: nothing of this job counts anymore."""
        self.task: asyncio.Task[None] | None = None

    # Where

    @property
    def folder(self) -> Path:
        """A folder for this job alone, which is removed at its end."""
        folder = self._jobs.work_folder / self.id
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder.resolve()

    def log_file(self, record: str) -> Path:
        """Return the file of a record's log."""
        return self._jobs.timelines.log_file(self.timeline, record)

    # What is kept

    def keep(self, **data: Any) -> None:
        """Keep something in the job's data."""
        self.data = {**self.data, **data}
        with self._jobs.of_work(self) as job:
            if job is not None:
                self._jobs.put({**job, "data": self.data})

    def add_record(
        self, name: str, *, kind: str = "Task", parent: str = ROOT, identity: str = "", order: int = 0, **details: Any
    ) -> str:
        """Add a record to the timeline that has not begun, and return its id.

        Args:
            name: What people read.
            kind: `Stage`, `Phase`, `Job`, `Task`, `Checkpoint`.
            parent: Id of the record that it is below.
            identity: Its own id; empty: a new one.
            order: Its place among those with the same parent; 0: the last.
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
        """Note that a record's work is not done."""
        self.change_record(record, state=State.COMPLETED, result=Result.SKIPPED)

    @contextlib.asynccontextmanager
    async def step(self, name: str, *, record: str = "", kind: str = "Task", parent: str = ROOT) -> AsyncIterator[Step]:
        """Work on a record of the timeline: it begins here, and ends with the block.

        Args:
            name: What people read.
            record: Id of one that `add_record` has made; empty: a new one.
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

    # Programs

    def check(self) -> None:
        """Go on only if the job has not been cancelled.

        Raises:
            CanceledError: It has.
        """
        if self.canceled.is_set():
            raise CanceledError(self.stopped)

    async def sleep(self, seconds: float) -> None:
        """Wait for so many real seconds.

        Raises:
            CanceledError: The job is cancelled meanwhile.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.canceled.wait()
        self.check()

    @contextlib.asynccontextmanager
    async def started(self, program: Program, *, even_canceled: bool = False) -> AsyncIterator[Running]:
        """Start a program that the job talks with; nothing of it is left after the block.

        Args:
            program: What to start.
            even_canceled: Whether it is started, and goes on, in a job that is cancelled.

        Raises:
            CanceledError: The job has been cancelled before, or was while the program ran.
            OSError: It cannot be started.
        """
        async with self._run(program, talks=True, even_canceled=even_canceled) as running:
            yield running

    @contextlib.asynccontextmanager
    async def _run(self, program: Program, *, talks: bool, even_canceled: bool) -> AsyncIterator[Running]:
        if not even_canceled:
            self.check()
        running = await programs.start(program, talks=talks)
        if not even_canceled:
            self._programs.add(running)
        try:
            if self.canceled.is_set() and not even_canceled:
                running.kill()  # it was cancelled while the program was being started
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
        seconds: float | None = None,
        even_canceled: bool = False,
    ) -> int:
        """Run a program to its end, with what it says in a step's log, and return its exit code.

        Args:
            program: What to run.
            step: Whose log gets its output.
            line: Makes of each line what is logged, or None; here secrets are masked and commands are understood.
            seconds: How long it may take, in real time; None: as long as the job.
            even_canceled: As for `started`.

        Raises:
            TooLongError: It took longer, and was stopped as in a cancelled job.
            CanceledError: The job has been cancelled before, or was while the program ran.
            OSError: It cannot be started.
        """
        async with self._run(program, talks=False, even_canceled=even_canceled) as running:
            copying = asyncio.ensure_future(self._log(running, step, line))
            try:
                done, _ = await asyncio.wait({copying}, timeout=seconds)
                if not done:
                    await running.stop(self.kind.grace)
                    await copying
                    raise TooLongError(f"it took longer than {seconds:g} seconds")
                await copying
            finally:
                copying.cancel()
            return await running.wait()

    @staticmethod
    async def _log(running: Running, step: Step, line: Callable[[str], str | None] | None) -> None:
        """Log what a program says, to its end."""
        lines, data = Lines(), b" "
        while data:
            data = await running.output.read(_CHUNK)
            said = lines.of(data)
            step.log.append(*(said if line is None else [each for each in map(line, said) if each is not None]))

    def stop_programs(self) -> list[Awaitable[None]]:
        """Return what stops all programs that do not go on in a cancelled job."""
        return [each.stop(self.kind.grace) for each in self._programs]

    def kill_programs(self) -> None:
        """Kill all programs at once."""
        for each in self._programs:
            each.kill()
            each.let_go()


class Jobs:
    """All jobs: those that wait, those that run, those that have ended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("jobs", self)
        self.timelines = world.part(Timelines)
        self.work_folder = world.store.path.parent / "job-work"
        """Files of jobs that run; no snapshot has them."""
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
        """Have jobs of this kind run; every service registers its kinds when it is made."""
        self._kinds[kind.name] = kind
        self._waiting[kind.name] = deque()

    def submit(self, kind: str, owner: str, data: Document, *, identity: str = "", timeline: str = "") -> Document:
        """Submit a job, and return its document; it starts when the transaction has ended well.

        Args:
            kind: A registered kind.
            owner: What it belongs to, as its service knows it: a context, a run.
            data: What it needs; secrets have no place in it.
            identity: Its id; empty: a new one.
            timeline: One that it shares with others; empty: one of its own, with the job's id.
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
        """Cancel a job when the transaction has ended well; return whether there was anything to cancel.

        One that waits never starts. Of one that runs the programs are stopped, softly first; it may do what has to be
        done even then.
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
        """Forget a job, with its timeline if it is its own; one that runs is killed when the transaction has ended."""
        job = self._documents.get(identity)
        if job is None:
            return
        if job["timeline"] == identity:
            self.timelines.remove(identity)
        self._documents.delete(identity)
        self._world.store.current.on_commit.append(lambda: self._forget(identity))

    # For `Work`: each is a transaction of its own

    @contextlib.contextmanager
    def of_work(self, work: Work) -> Iterator[Document | None]:
        """Give the document of a job that runs, in a transaction; None if it has been removed or replaced."""
        if work.abandoned:
            yield None
            return
        with self._world.store.transaction():
            yield self._documents.get(work.id)

    def put(self, job: Document) -> None:
        """Keep what was changed of a job."""
        self._documents.put(job["id"], job)

    # Beginning and end

    def _pump(self, kind: str) -> None:
        """Start as many jobs of a kind as may run."""
        waiting, known = self._waiting[kind], self._kinds[kind]
        while waiting and sum(each.kind.name == kind for each in self._running.values()) < known.at_once:
            identity = waiting.popleft()
            job = self._documents.get(identity)
            if job is not None and job["state"] == State.QUEUED:
                work = self._running[identity] = Work(self, known, job)
                work.task = asyncio.get_running_loop().create_task(self._run(work))

    def _begin(self, work: Work) -> bool:
        """Note that a job runs; return whether it still waited for that."""
        with self.of_work(work) as job:
            if job is None or job["state"] != State.QUEUED:
                return False
            self._documents.put(work.id, {**job, "state": State.RUNNING, "started": self.now()})
        return True

    async def _run(self, work: Work) -> None:
        """Do a job's work, and note how it ended."""
        result, cause, limit = Result.FAILED, "", None
        try:
            if not self._begin(work):
                return
            if work.kind.seconds is not None:
                loop = asyncio.get_running_loop()
                limit = loop.call_later(work.kind.seconds, self._stop, work.id, Result.TIMED_OUT)
            result = await work.kind.run(work) or work.stopped or Result.SUCCEEDED
        except (CanceledError, asyncio.CancelledError):
            result = work.stopped or Result.CANCELED
        except Exception as error:  # whatever a job raises is its end, not the server's
            # What fails because its program was stopped has not failed.
            result = work.stopped or Result.FAILED
            if result is Result.FAILED:
                LOG.exception("job %s (%s)", work.id, work.kind.name)
                cause = f"{type(error).__name__}: {error}"
        finally:
            if limit is not None:
                limit.cancel()
            work.kill_programs()
            shutil.rmtree(self.work_folder / work.id, ignore_errors=True)
            if self._running.get(work.id) is work:
                del self._running[work.id]
            self._finish(work, result, cause)
            if not work.abandoned:
                self._pump(work.kind.name)

    def _finish(self, work: Work, result: Result, cause: str) -> None:
        """Note the end of a job that ran; one whose `ended` fails has ended all the same."""
        for tell in (True, False):
            try:
                with self.of_work(work) as job:
                    if job is not None and job["state"] == State.RUNNING:
                        self._end(job, result, cause, tell=tell)
                return
            except Exception:  # what a service makes of the end is not the job's
                LOG.exception("at the end of job %s (%s)", work.id, work.kind.name)

    def _end(self, job: Document, result: Result, cause: str, *, tell: bool = True) -> None:
        """Note that a job has ended, and everything in its timeline with it."""
        job.update(state=State.COMPLETED, result=result, cause=cause, finished=self.now())
        self._documents.put(job["id"], job)
        left = Result.INTERRUPTED if result is Result.INTERRUPTED else Result.CANCELED
        self.timelines.finish(job["timeline"], job["id"], left)
        kind = self._kinds.get(job["kind"])
        if tell and kind is not None and kind.ended is not None:
            kind.ended(job)

    def _stop(self, identity: str, why: Result) -> None:
        """Stop what a job does, except for what it does even when it is cancelled."""
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
            task = work.task
            limit = asyncio.get_running_loop().call_later(work.kind.cancel_seconds, task.cancel)
            task.add_done_callback(lambda _: limit.cancel())

    def _forget(self, identity: str) -> None:
        """End a job whose document is gone."""
        work = self._running.pop(identity, None)
        if work is not None:
            self._leave(work)
            self._pump(work.kind.name)

    def _leave(self, work: Work) -> None:
        """Kill a job that nobody asks for anymore."""
        work.abandoned = True
        work.kill_programs()
        if work.task is not None:
            work.task.cancel()

    def _abandon(self) -> None:
        """Kill everything that runs: the server ends, or all documents are replaced."""
        for waiting in self._waiting.values():
            waiting.clear()
        running, self._running = list(self._running.values()), {}
        for work in running:
            self._leave(work)

    def _find_again(self) -> None:
        """Find what an earlier server has left: what ran was interrupted, what waited is started."""
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
