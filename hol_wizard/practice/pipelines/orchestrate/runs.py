"""The runs of pipelines: queued, canceled, continued after a permission or an approval, and ended.

A run is a document; its jobs are jobs of the kernel, one at a time, because an organization has one free parallel job.
Waiting for a permission or an approval is a state of documents, so a restart of the practice cloud does not end it. If
the practice cloud ends while a job runs, the job fails with an issue, as if its agent had been lost.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

from hol_wizard.practice.kernel.jobs import Jobs, Kind, Work
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.agent.assignment import Surroundings
from hol_wizard.practice.pipelines.agent.job import JobRun
from hol_wizard.practice.pipelines.agent.variables import expanded
from hol_wizard.practice.pipelines.host import Host, RunKey
from hol_wizard.practice.pipelines.orchestrate import attempts, numbers, validation
from hol_wizard.practice.pipelines.orchestrate.approvals import Approvals, Status
from hol_wizard.practice.pipelines.orchestrate.assigning import assignment_of
from hol_wizard.practice.pipelines.orchestrate.attempts import AttemptError
from hol_wizard.practice.pipelines.orchestrate.checkpoints import Checkpoints
from hol_wizard.practice.pipelines.orchestrate.contexts import variables
from hol_wizard.practice.pipelines.orchestrate.counters import Counters
from hol_wizard.practice.pipelines.orchestrate.progress import Progress, Tools
from hol_wizard.practice.pipelines.orchestrate.records import (
    Phase,
    RunResult,
    RunState,
    complete,
    key_of,
    legs_of,
    named,
    new_run,
    request_of,
    run_result,
)
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.orchestrate.timeline import RunTimeline

KIND = "pipeline job"
LOST = (
    "We stopped hearing from agent {agent}. Verify the agent machine is running and has a healthy network connection."
    " Anything that terminates an agent process, starves it for CPU, or blocks its network access can cause this error."
    " (The practice cloud ended while this job was running.)"
)


class Runs(Register):
    """All runs of all pipelines."""

    collection = "pipeline_runs"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._jobs = world.part(Jobs)
        self._counters = world.part(Counters)
        self.approvals = world.part(Approvals)
        self.timelines = self._jobs.timelines
        self._timeline = RunTimeline(self.timelines, world.clock.now)
        self._checkpoints = Checkpoints(self.timelines, self.approvals, world.clock.now)
        self._host: Host | None = None
        self._secrets: dict[tuple[str, str], str] = {}
        """Secret outputs, by the leg's record and the output's name: they are never stored. They are kept as long as
        the run, because a stage of a run that has ended can run again."""
        self.when_changed: list[Callable[[Document], None]] = []
        """Called in the transaction in which a run has changed."""
        self.when_ended: list[Callable[[Document], None]] = []
        """Called in the transaction in which a run has ended."""
        self._jobs.register(Kind(KIND, self._work, ended=self._job_ended))
        world.operations.on_end(self.approvals.operation, lambda _, operation: self._approval_is_due(operation))
        world.on_replaced(self._find_again)

    @property
    def host(self) -> Host:
        """Return the services around the runs."""
        if self._host is None:
            raise RuntimeError("no service has set the host of the pipelines")
        return self._host

    @host.setter
    def host(self, host: Host) -> None:
        """Set the services around the runs."""
        self._host = host

    def key(self, document: Document) -> str:
        """Return the key of a run."""
        return str(document["key"])

    # For the services, in their transaction

    def run(self, key: RunKey) -> Document | None:
        """Return a run, or None."""
        return self.find(key_of(key))

    def problems(self, request: RunRequest) -> list[str]:
        """Return why a run cannot be queued: what its plan names and does not exist, or is not run here."""
        return validation.problems(request, self.host)

    def queue(self, request: RunRequest) -> Document:
        """Queue a run, and return it; its first job starts after the transaction is committed."""
        now = self._world.clock.now()
        run = new_run(request, "", now)
        run["number"] = self._number(run, request, now)
        for stage, plan in zip(run["stages"], request.plan.stages, strict=True):
            self._timeline.add_stage(run, stage, plan)
        if request.problems:
            run["issues"] = list(request.problems)
            for stage in run["stages"]:
                complete(stage, Result.SKIPPED)
                self._timeline.end(run, stage["record"], Result.SKIPPED)
            self._finish(run, RunResult.FAILED)
            return run
        self._go_on(run)
        return run

    def cancel(self, key: RunKey, who: str = "") -> bool:
        """Cancel a run; return whether there was anything to cancel.

        Args:
            key: The run.
            who: Display name of who cancels it.
        """
        run = self.run(key)
        if run is None or run["state"] == RunState.COMPLETED or run["canceled"]:
            return False
        run.update(canceled=True, state=RunState.CANCELING, canceled_by=who)
        for stage in run["stages"]:
            if stage["state"] == Phase.WAITING:
                self._checkpoints.close(run, stage, Status.CANCELED, Result.CANCELED)
                complete(stage, Result.CANCELED)
                self._timeline.end(run, stage["record"], Result.CANCELED)
        self._save(run)
        for leg in legs_of(run):
            if leg["state"] == Phase.RUNNING:
                self._jobs.cancel(leg["job"])
        self._go_on_with(run["key"])
        return True

    def retry_stage(self, key: RunKey, stage: str, *, all_jobs: bool = False) -> None:
        """Run the failed jobs of a stage again, or all of them.

        Raises:
            KeyError: There is no such run, or no such stage.
            AttemptError: The stage has not ended, or nothing in it has failed.
        """
        run = self.run(key)
        if run is None:
            raise KeyError(key)
        attempts.begin(run, stage, request_of(run).plan, self.timelines, all_jobs=all_jobs)
        self._go_on(run)

    def cancel_stage(self, key: RunKey, name: str) -> None:
        """Cancel a stage; the run goes on with the others.

        Raises:
            KeyError: There is no such run, or no such stage.
            AttemptError: The stage has ended, or has not begun.
        """
        run = self.run(key)
        if run is None:
            raise KeyError(key)
        stage = named(run["stages"], name)
        if stage["state"] not in {Phase.WAITING, Phase.RUNNING}:
            raise AttemptError(f"The stage {stage['name']} is not in progress.")
        if stage["state"] == Phase.WAITING:
            self._checkpoints.close(run, stage, Status.CANCELED, Result.CANCELED)
            complete(stage, Result.CANCELED)
            self._timeline.end(run, stage["record"], Result.CANCELED)
        stage["canceled"] = True
        self._save(run)
        for leg in (leg for job in stage["jobs"] for leg in job["legs"]):
            if leg["state"] == Phase.RUNNING:
                self._jobs.cancel(leg["job"])
        self._go_on_with(run["key"])

    def advance(self, key: RunKey) -> None:
        """Go on with a run, after a permission or an approval was given."""
        run = self.run(key)
        if run is not None and run["state"] != RunState.COMPLETED:
            self._look_again(run)

    def advance_all(self, pipeline: int | None = None) -> None:
        """Go on with all runs that wait, after a permission was given to a pipeline, or to all."""
        for run in self.all():
            if run["state"] != RunState.COMPLETED:
                key = request_of(run).key
                if pipeline in (None, key.pipeline):
                    self._look_again(run)

    def decide(self, approval: str, who: str, may_act_for: set[str], status: Status, comment: str) -> Document:
        """Record a decision about an approval, go on with its run, and return the approval.

        Raises:
            KeyError: There is no such approval.
            DecisionError: They cannot decide it.
        """
        found = self.approvals.find(approval)
        if found is None:
            raise KeyError(approval)
        decided = self.approvals.decide(found, who, may_act_for, status, comment)
        self._go_on_with(decided["run"])
        return decided

    def rename(self, key: RunKey, number: str) -> None:
        """Change the number of a run."""
        self._change(key, lambda run: run.update(number=number))

    def tag(self, key: RunKey, tag: str) -> None:
        """Add a tag to a run."""
        self._change(key, lambda run: run.update(tags=list(dict.fromkeys([*run["tags"], tag]))))

    def untag(self, key: RunKey, tag: str) -> None:
        """Remove a tag from a run."""
        self._change(key, lambda run: run.update(tags=[each for each in run["tags"] if each.lower() != tag.lower()]))

    def forget(self, key: RunKey) -> None:
        """Delete a run with its jobs, its timeline and its approvals."""
        run = self.run(key)
        if run is None:
            return
        for leg in legs_of(run):
            if leg["job"]:
                self._jobs.remove(leg["job"])
            for name in leg["outputs"]:
                self._secrets.pop((leg["record"], name), None)
        for approval in self.approvals.of_run(run["key"]):
            self.approvals.close(approval["id"], Status.CANCELED)
            self.approvals.remove(approval["id"])
        for timeline in (run["timeline"], *run.get("earlier_timelines", ())):
            self.timelines.remove(timeline)
        self.remove(run["key"])

    # Progress

    def _change(self, key: RunKey, change: Callable[[Document], None]) -> None:
        run = self.run(key)
        if run is not None:
            change(run)
            self._save(run)

    def _save(self, run: Document) -> None:
        run["changed"] = self._world.clock.now()
        self.keep(run)
        for tell in self.when_changed:
            tell(run)

    def _number(self, run: Document, request: RunRequest, now: float) -> str:
        pipeline, project = request.pipeline.id, request.project.id
        taken = [
            each["number"]
            for each in self.all()
            if each["request"]["pipeline"]["id"] == pipeline and each["request"]["project"]["id"] == project
        ]
        known = {
            name.lower(): value
            for name, value in variables(
                request, "", request.plan.variables, {}, {"counter": self._counters.function(run)}
            ).items()
        }
        known |= {
            "sourcebranchname": known.get("build.sourcebranchname", "").replace("/", "_"),
            "teamproject": request.project.name,
            "builddefinitionname": request.pipeline.name,
            "buildid": str(request.run),
        }

        def value_of(name: str) -> str | None:
            value = known.get(name.lower())
            # A variable can contain a token that only a number has, such as `$(SourceBranchName)`.
            return None if value is None else expanded(value, lambda inner: known.get(inner.lower()))

        return numbers.number(request.plan.number_format, now, value_of, taken)

    def _tools(self) -> Tools:
        return Tools(
            self.host,
            self._timeline,
            self._checkpoints,
            self._submit,
            lambda record, name: self._secrets.get((record, name), ""),
            self._counters.function,
            self._world.clock.now,
        )

    def _go_on(self, run: Document) -> None:
        """Advance a run as far as it gets, and end it after its last stage."""
        Progress(run, request_of(run), self._tools()).go_on()
        if all(each["state"] == Phase.COMPLETED for each in run["stages"]):
            self._finish(run, run_result(run))
        else:
            self._save(run)

    def _look_again(self, run: Document) -> None:
        """Advance a run, and save it only if that changes it: otherwise other transactions would be refused."""
        before = copy.deepcopy(run)
        Progress(run, request_of(run), self._tools()).go_on()
        if run != before:
            self._go_on(run)

    def _go_on_with(self, key: str) -> None:
        run = self.find(key)
        if run is not None and run["state"] != RunState.COMPLETED:
            self._go_on(run)

    def _finish(self, run: Document, result: RunResult) -> None:
        run.update(state=RunState.COMPLETED, result=result, finished=self._world.clock.now())
        self._save(run)
        for tell in self.when_ended:
            tell(run)

    def _submit(self, run: Document, stage: Document, job: Document, leg: Document) -> None:
        self._jobs.submit(
            KIND,
            f"pipelines/{run['key']}",
            {"run": run["key"], "stage": stage["name"], "job": job["name"], "leg": leg["name"]},
            identity=leg["job"],
            timeline=run["timeline"],
        )

    # Jobs

    async def _work(self, work: Work) -> Result:
        """Run one job of a run."""
        key: str = work.data["run"]
        with self._world.store.transaction():
            run = self.find(key)
            if run is None:
                return Result.CANCELED
            stage, job, leg = _leg(run, work.data)
            leg["started"] = self._world.clock.now()
            if run["started"] is None:
                run["started"] = self._world.clock.now()
            if run["state"] == RunState.NOT_STARTED:
                run["state"] = RunState.IN_PROGRESS
            request = request_of(run)
            progress = Progress(run, request, self._tools())
            assignment = assignment_of(run, request, stage, job, leg, progress)
            self._save(run)
        surroundings = Surroundings(
            self.host,
            lambda: self._next_log(key),
            lambda prefix, seed: self._counted(key, prefix, seed),
            lambda number: self._in_transaction(lambda: self.rename(request.key, number)),
            lambda tag: self._in_transaction(lambda: self.tag(request.key, tag)),
        )
        outcome = await JobRun(work, assignment, surroundings).run()
        with self._world.store.transaction():
            run = self.find(key)
            if run is not None and not work.abandoned:
                leg = _leg(run, work.data)[2]
                for name, value in outcome.outputs.items():
                    if value.secret:
                        self._secrets[leg["record"], name] = value.value
                    leg["outputs"][name] = {"secret": value.secret, "value": "" if value.secret else value.value}
                self._save(run)
        return outcome.result

    def _in_transaction(self, change: Callable[[], None]) -> None:
        with self._world.store.transaction():
            change()

    def _next_log(self, key: str) -> int:
        with self._world.store.transaction():
            run = self.find(key)
            if run is None:
                return 0
            run["logs"] += 1
            self.keep(run)
            return int(run["logs"])

    def _counted(self, key: str, prefix: str, seed: int) -> int:
        with self._world.store.transaction():
            run = self.find(key)
            if run is None:
                return seed
            value = self._counters.count(run, prefix, seed)
            self.keep(run)
            return value

    def _job_ended(self, job: Document) -> None:
        """Go on with a run, in the transaction in which one of its jobs has ended."""
        run = self.find(job["data"]["run"])
        if run is None:
            return
        leg = _leg(run, job["data"])[2]
        if leg["job"] != job["id"] or leg["state"] == Phase.COMPLETED:
            return
        result, messages = Result(job["result"]), []
        if result is Result.INTERRUPTED:
            result, messages = Result.FAILED, [LOST.format(agent="Practice agent")]
            run["issues"] = [*run["issues"], *messages]
        elif result is Result.TIMED_OUT:
            result = Result.CANCELED
        elif result is Result.FAILED and job["cause"]:
            messages = [f"The practice agent has a defect: {job['cause'].partition(':')[0]}; see server.log."]
        if messages or self.timelines.record(run["timeline"], leg["record"])["result"] != result:
            self._timeline.end(run, leg["record"], result, messages)
        complete(leg, result)
        self._go_on(run)

    # Time and restart

    def _approval_is_due(self, operation: Document) -> None:
        approval = self.approvals.find(operation["target"])
        self.approvals.close(operation["target"], Status.TIMED_OUT)
        if approval is not None:
            self._go_on_with(approval["run"])

    def _find_again(self) -> None:
        """Go on with the runs of an earlier server, whose jobs have ended or are queued again."""
        with self._world.store.transaction():
            for run in self.all():
                if run["state"] == RunState.COMPLETED:
                    continue
                for leg in legs_of(run):
                    job = self._jobs.find(leg["job"]) if leg["job"] else None
                    if leg["state"] == Phase.RUNNING and (job is None or job["state"] == State.COMPLETED):
                        complete(leg, Result.FAILED)
                        self._timeline.end(run, leg["record"], Result.FAILED, [LOST.format(agent="Practice agent")])
                self._go_on(run)


def _leg(run: Document, data: Document) -> tuple[Document, Document, Document]:
    """Return the stage, the job and the leg that a job of the kernel works on."""
    stage = named(run["stages"], data["stage"])
    job = named(stage["jobs"], data["job"])
    return stage, job, named(job["legs"], data["leg"])
