"""Approvals: the check of an environment that asks for them, and the ones that runs wait for (Approvals and Checks,
7.1; the settings of a check are only in its official examples)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hol_wizard.services.answers import Document, moment
from hol_wizard.services.devops.connection import PREVIEW, VERSION, Connection, ask
from hol_wizard.services.rest import json_object

APPROVAL: Final = "8c6f20a7-a545-4486-9777-f762fafe0d4d"
"""ID of the type `Approval`, the same in every organization (official examples)."""
ENVIRONMENT: Final = "environment"
"""Kind of protected resource that a stage deploys to."""
PENDING, APPROVED, REJECTED, TIMED_OUT = "pending", "approved", "rejected", "timedOut"
_CHECKS: Final = "/pipelines/checks/configurations"
_NOT_PEOPLE: Final = frozenset({"svc", "s2s", "aadsp", "vssgp", "aadgp"})
"""Types of subjects that are services or groups: the part of a descriptor before its dot. `svc` is a service account
(swellaby/vsts-traffic-monitor), `aadsp` a service principal (Graph - Service Principals), the last two are groups
(Graph - Groups)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody of an organization."""

    id: str
    name: str
    is_person: bool


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """The check of a resource that lets a stage begin only after an approval."""

    id: int
    approvers: tuple[Identity, ...]
    requester_may_approve: bool
    instructions: str
    minutes: int
    """After which an approval times out."""
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class ApprovalStep:
    """What one approver is asked, and has said."""

    assigned: Identity
    actual: Identity | None
    """Who has decided; None while nobody has."""
    status: str
    comment: str


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval that a stage of a run waits for, or waited for."""

    id: str
    status: str
    """`pending`, `approved`, `rejected`, `skipped`, `canceled`, `timedOut`, …"""
    created: datetime | None
    changed: datetime | None
    steps: tuple[ApprovalStep, ...]

    @property
    def open(self) -> tuple[Identity, ...]:
        """Who has not decided yet."""
        return tuple(each.assigned for each in self.steps if each.status == PENDING)

    @property
    def decisions(self) -> tuple[ApprovalStep, ...]:
        """What approvers have decided."""
        return tuple(each for each in self.steps if each.status in {APPROVED, REJECTED})


class Approvals(Connection):
    """The approvals of an organization's projects."""

    def approval_rules(self, project: str, resource: str) -> list[ApprovalRule]:
        """Return the checks of an environment that ask for an approval.

        Args:
            project: Name or ID.
            resource: ID of the environment.
        """
        query = {"resourceType": ENVIRONMENT, "resourceId": resource, "$expand": "settings"}
        found = self._get(_CHECKS, "the checks of the environment", PREVIEW, project, **query)
        kinds = ((each, each.inner("type").text("id").lower()) for each in found.objects("value"))
        return [_rule(each) for each, kind in kinds if kind == APPROVAL]

    def create_approval_rule(
        self,
        project: str,
        resource: tuple[str, str],
        approvers: Sequence[str],
        *,
        requester_may_approve: bool,
        instructions: str,
        minutes: int,
    ) -> ApprovalRule:
        """Let stages that use an environment begin only after one of the approvers has approved.

        Args:
            project: Name or ID.
            resource: ID and name of the environment.
            approvers: Their IDs in the organization.
            requester_may_approve: Whether an approver may approve a run that they have started.
            instructions: Text for the approvers.
            minutes: After which the approval times out.

        Raises:
            AccessDeniedError: The caller does not administer the environment.
        """
        body = _body(resource, approvers, requester_may_approve, instructions, minutes)
        reply = self._send("POST", _CHECKS, "the approval check", body, PREVIEW, project)
        return _rule(json_object(reply, self.url))

    def change_approval_rule(
        self,
        project: str,
        found: ApprovalRule,
        resource: tuple[str, str],
        approvers: Sequence[str],
        *,
        requester_may_approve: bool,
        minutes: int,
    ) -> None:
        """Give a check the settings of a new one; its instructions stay."""
        body = _body(resource, approvers, requester_may_approve, found.instructions, minutes)
        self._send("PATCH", f"{_CHECKS}/{found.id}", "the approval check", body, PREVIEW, project)

    def delete_approval_rule(self, project: str, found: ApprovalRule) -> None:
        """Delete a check: stages begin without an approval."""
        self._send("DELETE", f"{_CHECKS}/{found.id}", "the approval check", None, PREVIEW, project)

    def approvals(self, project: str, identities: Sequence[str]) -> list[Approval]:
        """Return approvals by their IDs, which are those of the records `Checkpoint.Approval` of a run."""
        if not identities:
            return []
        query = {"approvalIds": ",".join(identities), "$expand": "steps"}
        found = self._get("/pipelines/approvals", "the approvals", below=project, **query)
        return [_approval(each) for each in found.objects("value")]

    def decide(self, project: str, approval: str, comment: str, *, approve: bool) -> None:
        """Approve or reject as the signed-in person.

        Raises:
            AccessDeniedError: They are no approver.
            ConflictError: It is decided already, or they may not decide about a run of their own.
        """
        body = [{"approvalId": approval, "status": APPROVED if approve else REJECTED, "comment": comment}]
        url = self._address("/pipelines/approvals", project)
        ask(self._rest, "PATCH", url, "the approval", body, VERSION, {}, patches=False)


def _body(
    resource: tuple[str, str], approvers: Sequence[str], requester_may_approve: bool, instructions: str, minutes: int
) -> dict[str, Any]:
    return {
        "type": {"id": APPROVAL, "name": "Approval"},
        "settings": {
            "approvers": [{"id": each} for each in approvers],
            "executionOrder": "anyOrder",
            "minRequiredApprovers": 1,
            "instructions": instructions,
            "blockedApprovers": [],
            "requesterCannotBeApprover": not requester_may_approve,
        },
        "resource": {"type": ENVIRONMENT, "id": resource[0], "name": resource[1]},
        "timeout": minutes,
    }


def _identity(document: Document) -> Identity:
    descriptor = document.text("descriptor")
    is_person = not document.get("isContainer") and descriptor.partition(".")[0].lower() not in _NOT_PEOPLE
    name = document.text("displayName") or document.text("uniqueName") or document.text("id")
    return Identity(document.text("id").lower(), name, is_person)


def _rule(document: Document) -> ApprovalRule:
    settings = document.inner("settings")
    return ApprovalRule(
        id=document.required_number("id"),
        approvers=tuple(map(_identity, settings.some("approvers"))),
        requester_may_approve=not settings.get("requesterCannotBeApprover"),
        instructions=settings.text("instructions"),
        minutes=document.number("timeout"),
        is_enabled=not document.get("isDisabled"),
    )


def _approval(document: Document) -> Approval:
    return Approval(
        id=document.text("id").lower(),
        status=document.text("status"),
        created=moment(document.text("createdOn")),
        changed=moment(document.text("lastModifiedOn")),
        steps=tuple(
            ApprovalStep(
                assigned=_identity(each.inner("assignedApprover")),
                actual=_identity(each.inner("actualApprover")) if each.get("actualApprover") else None,
                status=each.text("status"),
                comment=each.text("comment"),
            )
            for each in document.some("steps")
        ),
    )
