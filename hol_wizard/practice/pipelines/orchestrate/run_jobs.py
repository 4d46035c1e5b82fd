"""The jobs of runs, which the agent works on.

They are jobs of the kernel, one at a time, because an organization has one free parallel job. If the practice cloud
ends while a job runs, the job fails with an issue, as if its agent had been lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from hol_wizard.practice.kernel.jobs import Jobs, Kind, Work
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State, Timelines
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.agent.assignment import Assignment, Outcome, Surroundings
from hol_wizard.practice.pipelines.agent.job import JobRun
from hol_wizard.practice.pipelines.agent.predefined import AGENT_NAME
from hol_wizard.practice.pipelines.orchestrate.assigning import assignment_of
from hol_wizard.practice.pipelines.orchestrate.counters import Counters
from hol_wizard.practice.pipelines.orchestrate.records import Phase, RunState, complete, legs_of, named, request_of
from hol_wizard.practice.pipelines.orchestrate.timeline import RunTimeline

if TYPE_CHECKING:
    from hol_wizard.practice.pipelines.orchestrate.runs import Runs

KIND = "pipeline job"
LOST = (
    f"We stopped hearing from agent {AGENT_NAME}. Verify the agent machine is running and has a healthy network"
    " connection. Anything that terminates an agent process, starves it for CPU, or blocks its network access can cause"
    " this error. (The practice cloud ended while this job was running.)"
)


class RunJobs:
    """Submits the jobs of runs, and does their work."""

    def __init__(self, world: World, runs: Runs, timeline: RunTimeline) -> None:
        self._world = world
        self._runs = runs
        self._jobs = world.part(Jobs)
        self._timelines = world.part(Timelines)
        self._counters = world.part(Counters)
        self._timeline = timeline
        self._secrets: dict[tuple[str, str], str] = {}
        """Secret outputs, by the leg's record and the output's name: they are never stored. They are kept as long as
        the run, because a stage of a run that has ended can run again."""
        self._jobs.register(Kind(KIND, self._work, ended=self._ended))

    # For the runs, in the caller's transaction

    def secret(self, record: str, name: str) -> str | None:
        """Return a secret output, by the leg's record and the output's name; None if it is no longer known."""
        return self._secrets.get((record, name))

    def submit(self, run: Document, stage: Document, job: Document, leg: Document) -> None:
        """Submit the work on a leg of a job of a stage of a run."""
        self._jobs.submit(
            KIND,
            f"pipelines/{run['key']}",
            {"run": run["key"], "stage": stage["name"], "job": job["name"], "leg": leg["name"]},
            identity=leg["job"],
            timeline=run["timeline"],
        )

    def cancel(self, legs: Iterable[Document]) -> None:
        """Cancel the legs that are running or queued."""
        for leg in legs:
            if leg["state"] == Phase.RUNNING:
                self._jobs.cancel(leg["job"])

    def forget(self, legs: Iterable[Document]) -> None:
        """Delete the jobs and the secret outputs of legs."""
        for leg in legs:
            if leg["job"]:
                self._jobs.remove(leg["job"])
            for name in leg["outputs"]:
                self._secrets.pop((leg["record"], name), None)

    def end_lost(self, run: Document) -> None:
        """Fail the legs of a run of an earlier server whose jobs have ended, or are gone."""
        for leg in legs_of(run):
            job = self._jobs.find(leg["job"]) if leg["job"] else None
            if leg["state"] == Phase.RUNNING and (job is None or job["state"] == State.COMPLETED):
                complete(leg, Result.FAILED)
                self._timeline.end(run, leg["record"], Result.FAILED, [LOST])

    def _ended(self, job: Document) -> None:
        """Go on with a run, in the transaction in which one of its jobs has ended."""
        run = self._runs.find(job["data"]["run"])
        if run is None:
            return
        leg = _leg(run, job["data"])[2]
        if leg["job"] != job["id"] or leg["state"] == Phase.COMPLETED:
            return
        result, messages = Result(job["result"]), []
        if result is Result.INTERRUPTED:
            result, messages = Result.FAILED, [LOST]
            run["issues"] = [*run["issues"], *messages]
        elif result is Result.TIMED_OUT:
            result = Result.CANCELED
        elif result is Result.FAILED and job["cause"]:
            messages = [f"The practice agent has a defect: {job['cause'].partition(':')[0]}; see server.log."]
        if messages or self._timelines.record(run["timeline"], leg["record"])["result"] != result:
            self._timeline.end(run, leg["record"], result, messages)
        complete(leg, result)
        self._runs.go_on(run)

    # The work, in transactions of its own

    async def _work(self, work: Work) -> Result:
        """Run one job of a run."""
        with self._world.store.transaction():
            assignment = self._begin(work)
        if assignment is None:
            return Result.CANCELED
        key, runs = work.data["run"], self._runs
        surroundings = Surroundings(
            runs.host,
            lambda: self._next_log(key),
            lambda prefix, seed: self._counted(key, prefix, seed),
            lambda number: self._in_transaction(lambda: runs.rename(assignment.request.key, number)),
            lambda tag: self._in_transaction(lambda: runs.tag(assignment.request.key, tag)),
        )
        outcome = await JobRun(work, assignment, surroundings).run()
        if not work.abandoned:
            self._in_transaction(lambda: self._keep_outputs(work, outcome))
        return outcome.result

    def _begin(self, work: Work) -> Assignment | None:
        """Record that a job has started, and return its assignment; None if the run was deleted."""
        run = self._runs.find(work.data["run"])
        if run is None:
            return None
        stage, job, leg = _leg(run, work.data)
        now = self._world.clock.now()
        leg["started"] = now
        if run["started"] is None:
            run["started"] = now
        if run["state"] == RunState.NOT_STARTED:
            run["state"] = RunState.IN_PROGRESS
        assignment = assignment_of(run, request_of(run), stage, job, leg, self._runs.progress(run))
        self._runs.save(run)
        return assignment

    def _keep_outputs(self, work: Work, outcome: Outcome) -> None:
        run = self._runs.find(work.data["run"])
        if run is None:
            return
        leg = _leg(run, work.data)[2]
        for name, value in outcome.outputs.items():
            if value.secret:
                self._secrets[leg["record"], name] = value.value
            leg["outputs"][name] = {"secret": value.secret, "value": "" if value.secret else value.value}
        self._runs.save(run)

    def _in_transaction(self, change: Callable[[], None]) -> None:
        with self._world.store.transaction():
            change()

    def _next_log(self, key: str) -> int:
        with self._world.store.transaction():
            run = self._runs.find(key)
            if run is None:
                return 0
            run["logs"] += 1
            self._runs.keep(run)
            return int(run["logs"])

    def _counted(self, key: str, prefix: str, seed: int) -> int:
        with self._world.store.transaction():
            run = self._runs.find(key)
            if run is None:
                return seed
            value = self._counters.count(run, prefix, seed)
            self._runs.keep(run)
            return value


def _leg(run: Document, data: Document) -> tuple[Document, Document, Document]:
    """Return the stage, the job and the leg that a job of the kernel works on."""
    stage = named(run["stages"], data["stage"])
    job = named(stage["jobs"], data["job"])
    return stage, job, named(job["legs"], data["leg"])
