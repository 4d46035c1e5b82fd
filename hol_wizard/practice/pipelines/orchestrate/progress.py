"""How a run goes on: which stages and jobs may start, and with which results they end.

`Progress.go_on` is called in a transaction whenever something has changed: the run was queued or canceled, a permission
or an approval was given, or a job has ended. It changes only documents, and submits jobs; nothing waits in it.
https://learn.microsoft.com/azure/devops/pipelines/process/stages and …/phases.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines import expressions
from hol_wizard.practice.pipelines.agent.results import GOOD
from hol_wizard.practice.pipelines.agent.variables import expanded
from hol_wizard.practice.pipelines.expressions import ExpressionError, Function
from hol_wizard.practice.pipelines.expressions.places import runtime_expression
from hol_wizard.practice.pipelines.host import Deployment, Host, HostError
from hol_wizard.practice.pipelines.orchestrate import conditions, contexts, legs
from hol_wizard.practice.pipelines.orchestrate.approvals import Status
from hol_wizard.practice.pipelines.orchestrate.checkpoints import Checkpoints, Passage, missing_text
from hol_wizard.practice.pipelines.orchestrate.legs import LegsError
from hol_wizard.practice.pipelines.orchestrate.records import (
    Phase,
    complete,
    legs_of,
    named,
    new_job,
    new_leg,
    worst_of,
)
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest
from hol_wizard.practice.pipelines.orchestrate.timeline import RunTimeline, title_of_leg
from hol_wizard.practice.pipelines.plan import Job, JobKind, Stage, as_document

LOST = (
    "The output {name} of an earlier job is secret, and the practice cloud has ended since: it keeps no secrets on the "
    "disk. Run the stage of that job again."
)
_AFTER = {"on.success": True, "on.failure": False}
"""Hooks that run after the others, if none of them failed, or if one did."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the progress of a run needs."""

    host: Host
    timeline: RunTimeline
    checkpoints: Checkpoints
    submit: Callable[[Document, Document, Document, Document], None]
    """Submits the work on a leg of a job of a stage of a run."""
    secrets: contexts.Secrets
    counter: Callable[[Document], Function]
    now: Callable[[], float]


class Progress:
    """One run, on its way."""

    def __init__(self, run: Document, request: RunRequest, tools: Tools) -> None:
        self._run = run
        self._request = request
        self._tools = tools
        self._functions = {"counter": tools.counter(run)}
        self._depends = {each.name.lower(): each.depends_on for each in request.plan.stages}

    def go_on(self) -> None:
        """Start and end what can be."""
        while any([self._stage(plan) for plan in self._request.plan.stages]):
            pass

    # Stages

    def _stage(self, plan: Stage) -> bool:
        """Advance a stage, and return whether it has changed."""
        stage = named(self._run["stages"], plan.name)
        try:
            return self._advanced(stage, plan)
        except HostError as error:
            # The project of the run was deleted, for example.
            self._end_stage(stage, Result.FAILED, str(error))
            return True

    def _advanced(self, stage: Document, plan: Stage) -> bool:
        if stage["state"] == Phase.PENDING:
            return self._consider(stage, plan)
        if stage["state"] == Phase.WAITING:
            return self._pass(stage, plan)
        if stage["state"] == Phase.RUNNING:
            changed = any([self._job(stage, plan, each) for each in plan.jobs])
            if all(each["state"] == Phase.COMPLETED for each in stage["jobs"]):
                self._end_stage(stage, worst_of(stage["jobs"]) if stage["jobs"] else Result.SUCCEEDED)
                return True
            return changed
        return False

    def _consider(self, stage: Document, plan: Stage) -> bool:
        """Look whether a stage can start, now that the stages before it have ended."""
        run = self._run
        if any(named(run["stages"], each)["state"] != Phase.COMPLETED for each in plan.depends_on):
            return False
        if plan.name.lower() in {each.lower() for each in self._request.skipped_stages}:
            self._end_stage(stage, Result.SKIPPED)
            return True
        before = {
            each: Result(named(run["stages"], each)["result"])
            for each in conditions.all_before(plan.name, self._depends)
        }
        if lost := self._lost(replace(plan, jobs=())):
            self._end_stage(stage, Result.FAILED, lost)
            return True
        try:
            before_stage = contexts.of_stages(run, plan.depends_on, self._tools.secrets)
            values = self._variables(plan, None, {"stageDependencies": before_stage})
            known = {
                "variables": values,
                "pipeline": {},
                "dependencies": contexts.of_stage(run, plan.depends_on, self._tools.secrets),
            }
            if not conditions.holds(plan.condition, known, before, run["canceled"]):
                self._end_stage(stage, Result.SKIPPED)
                return True
        except ExpressionError as error:
            self._end_stage(stage, Result.FAILED, str(error))
            return True
        stage["state"] = Phase.WAITING
        return True

    def _pass(self, stage: Document, plan: Stage) -> bool:
        """Start a stage if its checkpoint is open."""
        tools, request = self._tools, self._request
        passage = tools.checkpoints.pass_(tools.host, request.key, self._run, stage, plan, request.requested_for.id)
        if passage is Passage.WAITING:
            return False
        if passage is Passage.OPEN:
            self._start_stage(stage, plan)
        elif passage is Passage.TIMED_OUT:
            tools.checkpoints.close(self._run, stage, Status.TIMED_OUT, Result.SKIPPED)
            self._end_stage(stage, Result.SKIPPED)
        else:
            tools.checkpoints.close(self._run, stage, Status.CANCELED, Result.FAILED)
            self._end_stage(stage, Result.FAILED, *self._missing(plan))
        return True

    def _missing(self, plan: Stage) -> list[str]:
        host, key = self._tools.host, self._request.key
        return [
            missing_text(each.kind, each.name, each.job, each.step, each.input)
            for each in plan.protected
            if host.find(key, each.kind, each.name) is None
        ]

    def _start_stage(self, stage: Document, plan: Stage) -> None:
        tools, run = self._tools, self._run
        # If a stage runs although the run was canceled, so do its jobs: conditions page, "canceled builds".
        stage.update(state=Phase.RUNNING, in_canceled_run=run["canceled"])
        tools.timeline.start(run, stage["record"])
        refusal = tools.host.refusal(self._request.key, self._request.programs)
        kept = {each["name"].lower() for each in stage["jobs"]}
        for each in (each for each in plan.jobs if each.name.lower() not in kept):
            job = new_job(each.name, str(uuid.uuid4()))
            stage["jobs"].append(job)
            tools.timeline.add_job(run, stage, job, each)
            if refusal:
                self._end_job(stage, job, each, Result.FAILED, refusal)

    def _end_stage(self, stage: Document, result: Result, *messages: str) -> None:
        complete(stage, result)
        self._tools.timeline.end(self._run, stage["record"], result, messages)

    # Jobs

    def _job(self, stage: Document, plan: Stage, job_plan: Job) -> bool:
        job = named(stage["jobs"], job_plan.name)
        if job["state"] == Phase.PENDING:
            return self._consider_job(stage, plan, job, job_plan)
        if job["state"] == Phase.RUNNING:
            return self._run_legs(stage, job, job_plan)
        return False

    def _consider_job(self, stage: Document, plan: Stage, job: Document, job_plan: Job) -> bool:
        run = self._run
        if any(named(stage["jobs"], each)["state"] != Phase.COMPLETED for each in job_plan.depends_on):
            return False
        depends = {each.name.lower(): each.depends_on for each in plan.jobs}
        before = {
            each: Result(named(stage["jobs"], each)["result"]) for each in conditions.all_before(job_plan.name, depends)
        }
        if lost := self._lost(replace(plan, jobs=(job_plan,))):
            self._end_job(stage, job, job_plan, Result.FAILED, lost)
            return True
        try:
            reachable = contexts.of_job(run, stage, plan.depends_on, self._tools.secrets)
            values = self._variables(plan, job_plan, reachable)
            known = {"variables": values, "pipeline": {}, **reachable}
            canceled = (run["canceled"] and not stage["in_canceled_run"]) or bool(stage.get("canceled"))
            if not conditions.holds(job_plan.condition, known, before, canceled):
                self._end_job(stage, job, job_plan, Result.SKIPPED)
                return True
            found = legs.of(job_plan, lambda text: self.resolved(text, known))
        except (ExpressionError, LegsError) as error:
            self._end_job(stage, job, job_plan, Result.FAILED, str(error))
            return True
        if job_plan.kind is JobKind.SERVER:
            tasks = ", ".join(each.task for each in job_plan.steps)
            self._end_job(
                stage, job, job_plan, Result.FAILED, f"The practice cloud does not run server jobs ({tasks})."
            )
            return True
        job["state"] = Phase.RUNNING
        self._tools.timeline.start(run, job["record"])
        for each in found:
            leg = new_leg(each.name, str(uuid.uuid4()))
            leg.update(job=uuid.uuid4().hex, variables=each.variables, hook=each.hook)
            job["legs"].append(leg)
            self._tools.timeline.add_leg(run, stage, job, leg, title_of_leg(job_plan, each.name))
        self._deployed(stage, job, job_plan)
        self._run_legs(stage, job, job_plan)
        return True

    def _run_legs(self, stage: Document, job: Document, plan: Job) -> bool:
        """Submit the legs that can run, and end the job after the last one."""
        waiting = [each for each in job["legs"] if each["state"] == Phase.PENDING]
        for leg in waiting:
            if plan.kind is JobKind.DEPLOYMENT:
                step = self._hook(job, leg)
                if step is None:
                    continue
                if not step:
                    complete(leg, Result.SKIPPED)
                    self._tools.timeline.end(self._run, leg["record"], Result.SKIPPED)
                    continue
            leg["state"] = Phase.RUNNING
            self._tools.submit(self._run, stage, job, leg)
        if any(each["state"] != Phase.COMPLETED for each in job["legs"]):
            return False
        result = worst_of(job["legs"])
        if result is Result.FAILED and self._continues(plan):
            result = Result.SUCCEEDED_WITH_ISSUES
        self._end_job(stage, job, plan, result)
        return True

    @staticmethod
    def _hook(job: Document, leg: Document) -> bool | None:
        """Return whether a hook of a deployment runs now; None if it has to wait for the hooks before it."""
        before = []
        for each in job["legs"]:
            if each is leg:
                break
            if each["name"] not in _AFTER:
                before.append(each)
        if any(each["state"] != Phase.COMPLETED for each in before):
            return None
        failed = any(each["result"] not in GOOD for each in before)
        return failed is not _AFTER.get(leg["name"], True)

    def _continues(self, plan: Job) -> bool:
        given = plan.continue_on_error
        return given if isinstance(given, bool) else self.resolved(given, {}).strip().lower() == "true"

    def _end_job(self, stage: Document, job: Document, plan: Job, result: Result, *messages: str) -> None:
        run = self._run
        complete(job, result)
        self._tools.timeline.end(run, job["record"], result, messages)
        if result is not Result.SKIPPED:
            self._deployed(stage, job, plan, str(result))

    def _deployed(self, stage: Document, job: Document, plan: Job, result: str = "") -> None:
        """Tell the environment of a deployment job that it has started, or how it has ended."""
        if plan.environment is not None:
            now = self._tools.now()
            started = min((each.get("started") or now for each in job["legs"]), default=now)
            deployment = Deployment(
                environment=plan.environment.name,
                stage=stage["name"],
                attempt=stage["attempt"],
                job=job["name"],
                started=started,
                result=result,
                finished=now if result else 0.0,
            )
            self._tools.host.deployed(self._request.key, deployment)

    # Values

    def _lost(self, plan: Stage) -> str:
        """Return the issue of a stage or a job that reads a secret output of before a restart; empty if there is none.

        On the service such an output is still known. With an empty value instead, programs would do something else.
        """
        lost = [
            name
            for leg in legs_of(self._run)
            for name, given in leg["outputs"].items()
            if given["secret"] and self._tools.secrets(leg["record"], name) is None
        ]
        text = json.dumps(as_document(plan)).lower() if lost else ""
        return next((LOST.format(name=each) for each in lost if f"{each.lower()}']" in text), "")

    def _variables(self, plan: Stage, job: Job | None, known: Mapping[str, Any]) -> dict[str, str]:
        sources = [*self._request.plan.variables, *plan.variables, *(job.variables if job is not None else ())]
        return contexts.variables(self._request, self._run["number"], sources, known, self._functions)

    def resolved(self, text: str, known: Mapping[str, Any]) -> str:
        """Return a text with its runtime expression, or its macros, evaluated.

        Raises:
            ExpressionError: It cannot be evaluated.
        """
        inner = runtime_expression(text)
        if inner is not None:
            return expressions.to_text(expressions.evaluate(inner, known, self._functions)) or ""
        values = {name.lower(): value for name, value in dict(known.get("variables", {})).items()}
        return expanded(text, lambda name: values.get(name.lower()))

    def reachable(self, plan: Stage, job: Job) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the contexts and the variables of a job that starts.

        Raises:
            ExpressionError: A runtime expression cannot be evaluated.
        """
        stage = named(self._run["stages"], plan.name)
        found = contexts.of_job(self._run, stage, plan.depends_on, self._tools.secrets)
        return found, self._variables(plan, job, found)

    def secret_outputs(self) -> list[str]:
        """Return the values of all secret outputs of the run."""
        return [
            value
            for leg in legs_of(self._run)
            for name, given in leg["outputs"].items()
            if given["secret"] and (value := self._tools.secrets(leg["record"], name))
        ]
