"""Approvals that a run waits for: documents, never a job that waits.

https://learn.microsoft.com/rest/api/azure/devops/approvalsandchecks/approvals: the ID of an approval is the ID of its
timeline record (`Checkpoint.Approval`), as several public clients use it. An approval that nobody decides in time is
skipped, with its stage. A decision is final.
"""

from __future__ import annotations

import uuid
from enum import StrEnum

from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Check

_OPERATION = "pipeline approval"


class Status(StrEnum):
    """The status of an approval, as in REST (`ApprovalStatus`)."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    CANCELED = "canceled"
    TIMED_OUT = "timedOut"


class DecisionError(Exception):
    """A person cannot decide an approval; the message says why."""


class Approvals(Register):
    """All approvals."""

    collection = "pipeline_approvals"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world

    def request(self, run: str, stage: str, resource: Document, check: Check, requester: str) -> Document:
        """Add a pending approval, and return it.

        Args:
            run: Key of the run.
            stage: Name of the stage that waits.
            resource: `kind`, `id` and `name` of the protected resource.
            check: What it was configured with.
            requester: Object ID of the person who queued the run.
        """
        now = self._world.clock.now()
        approval: Document = {
            "id": str(uuid.uuid4()),
            "run": run,
            "stage": stage,
            "resource": resource,
            "check": check.id,
            "minimum": check.minimum or len(check.approvers),
            "instructions": check.instructions,
            "requester": requester,
            "requester_may_approve": check.requester_may_approve,
            "status": Status.PENDING,
            "created": now,
            "changed": now,
            "expires": now + check.timeout_minutes * 60,
            "steps": [
                {"approver": each, "actual": "", "status": Status.PENDING, "comment": "", "changed": now}
                for each in check.approvers
            ],
        }
        self.keep(approval)
        self._schedule_timeout(approval)
        return approval

    def _schedule_timeout(self, approval: Document) -> None:
        """Schedule the timeout of an approval; the clock's speed does not apply, because people answer it."""
        identity = f"{_OPERATION}-{approval['id']}"
        self._world.operations.begin_until(_OPERATION, approval["id"], approval["expires"], identity=identity)

    def expire(self, identity: str) -> bool:
        """Make a pending approval time out now, and return whether there is one."""
        approval = self.find(identity)
        if approval is None or approval["status"] != Status.PENDING:
            return False
        approval["expires"] = self._world.clock.now()
        self.keep(approval)
        self._world.operations.remove(f"{_OPERATION}-{identity}")
        self._schedule_timeout(approval)
        return True

    def decide(self, approval: Document, who: str, may_act_for: set[str], status: Status, comment: str) -> Document:
        """Record a decision, and return the approval.

        Args:
            approval: From `find`.
            who: Object ID of the person.
            may_act_for: Their object ID, and those of their groups.
            status: `APPROVED` or `REJECTED`.
            comment: What they say.

        Raises:
            DecisionError: They are not an approver, or it is already decided.
        """
        if approval["status"] != Status.PENDING:
            raise DecisionError(f"The approval is already {approval['status']}.")
        open_steps = [
            each for each in approval["steps"] if each["status"] == Status.PENDING and each["approver"] in may_act_for
        ]
        if not open_steps:
            raise DecisionError("Only an approver who has not decided yet can approve or reject.")
        if who == approval["requester"] and not approval["requester_may_approve"]:
            raise DecisionError("The person who queued the run cannot approve it.")
        now = self._world.clock.now()
        open_steps[0].update(actual=who, status=status, comment=comment, changed=now)
        approved = sum(each["status"] == Status.APPROVED for each in approval["steps"])
        if status == Status.REJECTED:
            approval["status"] = Status.REJECTED
        elif approved >= approval["minimum"]:
            approval["status"] = Status.APPROVED
        approval["changed"] = now
        self._end(approval)
        return approval

    def close(self, identity: str, status: Status) -> None:
        """Close an approval that is still open: its run was canceled, or its time is over."""
        approval = self.find(identity)
        if approval is not None and approval["status"] == Status.PENDING:
            approval.update(status=status, changed=self._world.clock.now())
            for each in approval["steps"]:
                if each["status"] == Status.PENDING:
                    each["status"] = status
            self._end(approval)

    def _end(self, approval: Document) -> None:
        for each in approval["steps"]:
            if approval["status"] != Status.PENDING and each["status"] == Status.PENDING:
                each["status"] = Status.SKIPPED
        self.keep(approval)
        if approval["status"] != Status.PENDING:
            self._world.operations.remove(f"{_OPERATION}-{approval['id']}")

    def of_run(self, run: str) -> list[Document]:
        """Return the approvals of a run."""
        return [each for each in self.all() if each["run"] == run]

    @property
    def operation(self) -> str:
        """Return the kind of the operation that ends with an approval's time."""
        return _OPERATION
