"""An approver who answers the approval of a release in Azure DevOps, for people who practice alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from hol_wizard.practice.process.launch import ControlClient, LaunchError
from hol_wizard.practice.process.second_person import SECOND, Person, id_of, person

_SCOPE: Final = "vso.build_execute vso.project"
_STATUS: Final = {"approve": "approved", "reject": "rejected"}
_LOOK_SECONDS: Final = 0.5


def answer(
    endpoints: Mapping[str, Any],
    *,
    organization: str,
    approval: str,
    user: str,
    decision: str,
    comment: str,
    wait: float,
    follow: bool = False,
) -> dict[str, Any]:
    """Answer an approval that a run waits for, as its approver, and return what was done.

    Args:
        endpoints: The endpoints of the running practice cloud.
        organization: The Azure DevOps organization.
        approval: ID of the approval; empty for the only pending one.
        user: Sign-in name of the person who answers; empty for an approver, or a member of a group that is one.
        decision: `approve` or `reject`; `time-out` makes the approval time out.
        comment: Their comment, if any.
        wait: Seconds to wait until an approval is pending.
        follow: Whether to wait until the run has ended, or waits for something else.

    Raises:
        LaunchError: Azure DevOps refuses it, or there is no such approval.
    """
    with person(endpoints, organization, user or SECOND[0].name, _SCOPE) as first:
        project, pending = _pending(first, approval, wait)
    done = {"approval": pending["id"], "project": project}
    if decision == "time-out":
        ControlClient(endpoints).expire_approval(str(pending["id"]))
        return {**done, "status": "timedOut"}
    asked = {str(each["assignedApprover"]["id"]) for each in pending["steps"] if each["status"] == "pending"}
    asked_first = (each.name for each in SECOND if id_of(organization, each.name) in asked)
    name = user or next(asked_first, SECOND[0].name)
    with person(endpoints, organization, name, _SCOPE) as approver:
        run = _run(approver, project, pending["id"]) if follow else None
        body = [{"approvalId": pending["id"], "status": _STATUS[decision], "comment": comment}]
        (decided,) = approver.ask("PATCH", "/pipelines/approvals", body, project=project)["value"]
        if run is not None:
            done |= _followed(approver, project, run)
    said = {"comment": comment} if comment else {}
    return {**done, "approver": approver.display_name, "status": decided["status"], **said}


def _pending(who: Person, approval: str, wait: float) -> tuple[str, dict[str, Any]]:
    """Return the pending approval with an ID, or the only one, with the name of its project.

    Raises:
        LaunchError: There is none, or there are several.
    """
    deadline = time.monotonic() + wait
    while True:
        found = [
            (str(project["name"]), dict(each))
            for project in who.ask("GET", "/projects")["value"]
            for each in who.ask(
                "GET", "/pipelines/approvals", project=project["name"], **{"state": "pending", "$expand": "steps"}
            )["value"]
            if approval.lower() in {"", each["id"]}
        ]
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(str(each["id"]) for _, each in found)
            raise LaunchError(f"Several approvals are pending: {listed}.", "Name one: --approval ID")
        if time.monotonic() >= deadline:
            which = "No approval is pending" if not approval else f"No approval {approval} is pending"
            raise LaunchError(f"{which} in the organization {who.organization}.")
        time.sleep(_LOOK_SECONDS)


def _run(who: Person, project: str, approval: str) -> int | None:
    """Return the ID of the run that waits for an approval; None if it has ended meanwhile."""
    builds = who.ask("GET", "/build/builds", project=project, statusFilter="inProgress,notStarted")["value"]
    return next(
        (
            int(each["id"])
            for each in builds
            if any(one["id"] == approval for one in _records(who, project, each["id"]))
        ),
        None,
    )


def _followed(who: Person, project: str, run: int) -> dict[str, Any]:
    """Wait until a run has ended, or waits at another checkpoint, and return its number with its result."""
    while True:
        build = who.ask("GET", f"/build/builds/{run}", project=project)
        ended = build["status"] == "completed"
        if ended or any(
            each["type"] == "Checkpoint" and each["state"] == "inProgress" for each in _records(who, project, run)
        ):
            return {"run": build["buildNumber"], "result": build["result"] if ended else "waits for something else"}
        time.sleep(_LOOK_SECONDS)


def _records(who: Person, project: str, run: int) -> list[dict[str, Any]]:
    """Return the records of a run's timeline."""
    return list(who.ask("GET", f"/build/builds/{run}/timeline", project=project).get("records") or ())
