"""The checkpoint of a stage: may the pipeline use what the stage uses, and has everybody approved who must?

https://learn.microsoft.com/azure/devops/pipelines/process/approvals and
https://learn.microsoft.com/azure/devops/pipelines/security/resources: a run starts and waits at the first stage that
uses a resource the pipeline is not authorized for. Records: Stage > Checkpoint > Checkpoint.Authorization,
Checkpoint.Approval.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum, auto

from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State, Timelines
from hol_wizard.practice.pipelines.host import Found, Host, RunKey
from hol_wizard.practice.pipelines.orchestrate.approvals import Approvals, Status
from hol_wizard.practice.pipelines.plan import ProtectedKind, Stage

_TITLES = {
    ProtectedKind.ENDPOINT: "service connection",
    ProtectedKind.VARIABLE_GROUP: "variable group",
    ProtectedKind.ENVIRONMENT: "environment",
    ProtectedKind.QUEUE: "agent pool",
    ProtectedKind.REPOSITORY: "repository",
}


class Passage(Enum):
    """What a checkpoint says."""

    OPEN = auto()
    """The stage may start."""
    WAITING = auto()
    REJECTED = auto()
    TIMED_OUT = auto()
    MISSING = auto()
    """Something that the stage uses no longer exists."""


def waiting_text(count: int, stage: str) -> str:
    """Return what the run shows while it waits for permission."""
    what = "a resource" if count == 1 else f"{count} resources"
    return f"This pipeline needs permission to access {what} before this run can continue to {stage}"


def missing_text(kind: ProtectedKind, name: str, job: str, step: str, given: str) -> str:
    """Return the error for something that does not exist, as the service says it when a run is queued."""
    where = f"Job {job}: " if job else ""
    what = _TITLES[kind]
    if kind is ProtectedKind.QUEUE:
        return f"Could not find a pool with name {name}. The pool does not exist or has not been authorized for use."
    if kind is ProtectedKind.ENVIRONMENT:
        # azure/devops/pipelines/process/environments, FAQ.
        reason = "The environment does not exist or has not been authorized for use."
        return f"{where}Environment {name} could not be found. {reason}"
    if step and given:
        where += f"Step {step} input {given} references "
    elif job:
        where += "references "
    else:
        where += f"{what[0].upper()}{what[1:]} "
        what = ""
    named = f"{what} {name}".strip()
    return (
        f"{where}{named} which could not be found. The {_TITLES[kind]} does not exist, has been disabled or has not"
        " been authorized for use. For authorization details, refer to https://aka.ms/yamlauthz."
    )


class Checkpoints:
    """The checkpoints of all runs."""

    def __init__(self, timelines: Timelines, approvals: Approvals, now: Callable[[], float]) -> None:
        self._timelines = timelines
        self._approvals = approvals
        self._now = now

    def pass_(self, host: Host, key: RunKey, run: Document, stage: Document, plan: Stage, requester: str) -> Passage:
        """Say whether a stage may start, and keep the records of its checkpoint up to date.

        Args:
            host: The services.
            key: The run.
            run: Its document.
            stage: The stage's document, which is changed.
            plan: The stage.
            requester: Object ID of who queued the run.
        """
        used: dict[tuple[ProtectedKind, str], Found] = {}
        for use in plan.protected:
            found = host.find(key, use.kind, use.name)
            if found is None:
                return Passage.MISSING
            used[use.kind, found.id] = found
        if not used:
            return Passage.OPEN
        self._open(run, stage)
        missing = [found for (kind, identity), found in used.items() if not host.authorized(key, kind, identity)]
        if missing:
            self._change(
                run,
                stage["authorization"],
                State.RUNNING,
                currentOperation=waiting_text(len(missing), plan.display_name or plan.name),
                missing=[each.name for each in missing],
            )
            return Passage.WAITING
        self._change(run, stage["authorization"], State.COMPLETED, Result.SUCCEEDED, currentOperation="", missing=[])
        passage = self._approved(host, key, run, stage, used, requester)
        if passage is not Passage.WAITING:
            result = Result.SUCCEEDED if passage is Passage.OPEN else Result.FAILED
            self._change(run, stage["checkpoint"], State.COMPLETED, result)
        return passage

    def _open(self, run: Document, stage: Document) -> None:
        """Add the checkpoint's records, once for each attempt of the stage."""
        if stage["checkpoint"]:
            return
        stage["checkpoint"], stage["authorization"] = str(uuid.uuid4()), str(uuid.uuid4())
        for name, identity, parent in (
            ("Checkpoint", stage["checkpoint"], stage["record"]),
            ("Checkpoint.Authorization", stage["authorization"], stage["checkpoint"]),
        ):
            self._add(run, stage, name, identity, parent)
        self._change(run, stage["checkpoint"], State.RUNNING)

    def _add(self, run: Document, stage: Document, name: str, identity: str, parent: str) -> None:
        self._timelines.add(
            run["timeline"],
            name,
            kind=name,
            parent=parent,
            identity=identity,
            identifier=f"{stage['name']}.{name}",
            attempt=stage["attempt"],
        )

    def _approved(
        self,
        host: Host,
        key: RunKey,
        run: Document,
        stage: Document,
        used: dict[tuple[ProtectedKind, str], Found],
        requester: str,
    ) -> Passage:
        if not stage["approvals"]:
            for (kind, identity), found in used.items():
                for check in host.checks(key, kind, identity):
                    resource = {"kind": str(kind), "id": identity, "name": found.name}
                    approval = self._approvals.request(run["key"], stage["name"], resource, check, requester)
                    stage["approvals"].append(approval["id"])
                    self._add(run, stage, "Checkpoint.Approval", approval["id"], stage["checkpoint"])
                    self._change(run, approval["id"], State.RUNNING)
        statuses = []
        for identity in stage["approvals"]:
            decided = self._approvals.find(identity)
            status = Status(decided["status"]) if decided is not None else Status.CANCELED
            statuses.append(status)
            if status is not Status.PENDING:
                result = {Status.APPROVED: Result.SUCCEEDED, Status.REJECTED: Result.FAILED}
                self._change(run, identity, State.COMPLETED, result.get(status, Result.SKIPPED))
        if Status.REJECTED in statuses:
            return Passage.REJECTED
        if Status.TIMED_OUT in statuses:
            return Passage.TIMED_OUT
        return Passage.WAITING if Status.PENDING in statuses else Passage.OPEN

    def close(self, run: Document, stage: Document, status: Status, result: Result) -> None:
        """Close an open checkpoint: the run was canceled, or the stage ends without it."""
        for identity in stage["approvals"]:
            self._approvals.close(identity, status)
        for identity in (*stage["approvals"], stage["authorization"], stage["checkpoint"]):
            if identity:
                self._change(run, identity, State.COMPLETED, result)

    def _change(
        self, run: Document, record: str, state: State, result: Result | None = None, **details: object
    ) -> None:
        """Change a record if that changes anything."""
        known = self._timelines.record(run["timeline"], record)
        if known["state"] == State.COMPLETED or (known["state"] == state and not details):
            return
        values: dict[str, object] = {"state": state, "result": result}
        if state is State.RUNNING and known["started"] is None:
            values["started"] = self._now()
        if state is State.COMPLETED:
            values["finished"] = self._now()
        self._timelines.change(run["timeline"], record, details=dict(details), **values)
