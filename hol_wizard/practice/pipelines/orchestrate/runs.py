"""The runs of pipelines: queued, canceled, and continued after a permission, an approval or the end of a job.

A run is a document. Waiting for a permission or an approval is a state of documents, so a restart of the practice cloud
does not end it. All functions here run in the transaction of their caller; what an agent works on is in `run_jobs`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, Timelines
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.agent.variables import expanded
from hol_wizard.practice.pipelines.expressions import ExpressionError
from hol_wizard.practice.pipelines.host import Host, RunKey
from hol_wizard.practice.pipelines.orchestrate import attempts, numbers, validation
from hol_wizard.practice.pipelines.orchestrate.approvals import Approvals, Status
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
from hol_wizard.practice.pipelines.orchestrate.run_jobs import RunJobs
from hol_wizard.practice.pipelines.orchestrate.timeline import RunTimeline


class Runs(Register):
    """All runs of all pipelines."""

    collection = "pipeline_runs"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._counters = world.part(Counters)
        self.approvals = world.part(Approvals)
        self._timelines = world.part(Timelines)
        self._timeline = RunTimeline(self._timelines, world.clock.now)
        self._checkpoints = Checkpoints(self._timelines, self.approvals, world.clock.now)
        self._host: Host | None = None
        self.when_ended: list[Callable[[Document], None]] = []
        """Called in the transaction in which a run has ended."""
        self._jobs = RunJobs(world, self, self._timeline)
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
        self.go_on(run)
        return run

    def cancel(self, key: RunKey) -> bool:
        """Cancel a run; return whether there was anything to cancel."""
        run = self.run(key)
        if run is None or run["state"] == RunState.COMPLETED or run["canceled"]:
            return False
        run.update(canceled=True, state=RunState.CANCELING)
        self._cancel(run, run["stages"])
        return True

    def retry_stage(self, key: RunKey, stage: str, *, all_jobs: bool = False) -> None:
        """Run the failed jobs of a stage again, or all of them.

        Raises:
            KeyError: There is no such run, or no such stage.
            AttemptError: The stage has not ended, or nothing in it has failed.
        """
        run = self._known(key)
        attempts.begin(run, stage, request_of(run).plan, self._timelines, all_jobs=all_jobs)
        self.go_on(run)

    def cancel_stage(self, key: RunKey, name: str) -> None:
        """Cancel a stage; the run goes on with the others.

        Raises:
            KeyError: There is no such run, or no such stage.
            AttemptError: The stage has ended, or has not begun.
        """
        run = self._known(key)
        stage = named(run["stages"], name)
        if stage["state"] not in {Phase.WAITING, Phase.RUNNING}:
            raise AttemptError(f"The stage {stage['name']} is not in progress.")
        stage["canceled"] = True
        self._cancel(run, [stage])

    def advance(self, key: RunKey) -> None:
        """Go on with a run, after a permission or an approval was given."""
        run = self.run(key)
        if run is not None and run["state"] != RunState.COMPLETED:
            self._look_again(run)

    def advance_all(self, pipeline: int | None = None) -> None:
        """Go on with all runs that wait, after a permission was given to a pipeline, or to all."""
        for run in self.all():
            if run["state"] != RunState.COMPLETED and pipeline in (None, int(run["request"]["pipeline"]["id"])):
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
        self._jobs.forget(legs_of(run))
        for approval in self.approvals.of_run(run["key"]):
            self.approvals.close(approval["id"], Status.CANCELED)
            self.approvals.remove(approval["id"])
        for timeline in (run["timeline"], *run.get("earlier_timelines", ())):
            self._timelines.remove(timeline)
        self.remove(run["key"])

    # Progress

    def _known(self, key: RunKey) -> Document:
        run = self.run(key)
        if run is None:
            raise KeyError(key)
        return run

    def _cancel(self, run: Document, stages: Sequence[Document]) -> None:
        """Close the checkpoints of stages of a run, cancel their jobs, and go on with the run."""
        for stage in stages:
            if stage["state"] == Phase.WAITING:
                self._checkpoints.close(run, stage, Status.CANCELED, Result.CANCELED)
                complete(stage, Result.CANCELED)
                self._timeline.end(run, stage["record"], Result.CANCELED)
        self.save(run)
        # A job that is queued ends at once, which changes the run that was just saved.
        self._jobs.cancel(leg for stage in stages for job in stage["jobs"] for leg in job["legs"])
        self._go_on_with(run["key"])

    def _change(self, key: RunKey, change: Callable[[Document], None]) -> None:
        run = self.run(key)
        if run is not None:
            change(run)
            self.save(run)

    def save(self, run: Document) -> None:
        """Save a changed run."""
        run["changed"] = self._world.clock.now()
        self.keep(run)

    def _number(self, run: Document, request: RunRequest, now: float) -> str:
        pipeline, project = request.pipeline.id, request.project.id
        taken = [
            each["number"]
            for each in self.all()
            if each["request"]["pipeline"]["id"] == pipeline and each["request"]["project"]["id"] == project
        ]
        functions = {"counter": self._counters.function(run)}
        try:
            found = variables(request, "", request.plan.variables, {}, functions)
        except ExpressionError:
            # The first stage evaluates the variables again, and fails with the message.
            found = variables(request, "", (), {}, functions)
        known = {name.lower(): value for name, value in found.items()}
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

    def progress(self, run: Document) -> Progress:
        """Return a run on its way."""
        tools = Tools(
            self.host,
            self._timeline,
            self._checkpoints,
            self._jobs.submit,
            self._jobs.secret,
            self._counters.function,
            self._world.clock.now,
        )
        return Progress(run, request_of(run), tools)

    def go_on(self, run: Document) -> None:
        """Advance a run as far as it gets, and end it after its last stage."""
        self.progress(run).go_on()
        self._save_or_finish(run)

    def _save_or_finish(self, run: Document) -> None:
        if all(each["state"] == Phase.COMPLETED for each in run["stages"]):
            self._finish(run, run_result(run))
        else:
            self.save(run)

    def _look_again(self, run: Document) -> None:
        """Advance a run, and save it only if that changes it: otherwise other transactions would be refused."""
        before = copy.deepcopy(run)
        self.progress(run).go_on()
        if run != before:
            self._save_or_finish(run)

    def _go_on_with(self, key: str) -> None:
        run = self.find(key)
        if run is not None and run["state"] != RunState.COMPLETED:
            self.go_on(run)

    def _finish(self, run: Document, result: RunResult) -> None:
        run.update(state=RunState.COMPLETED, result=result, finished=self._world.clock.now())
        self.save(run)
        for tell in self.when_ended:
            tell(run)

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
                self._jobs.end_lost(run)
                self.go_on(run)
