"""The decisions about a release to Production: who has made one, what it means, and whose turn it is."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ServiceError
from hol_wizard.resources.release_run import ReleaseRun, names, shown
from hol_wizard.services.devops.approvals import APPROVED, REJECTED, TIMED_OUT, Approval
from hol_wizard.services.devops.builds import Build


def decisions(run: ReleaseRun, newest: Build, approvals: Sequence[Approval]) -> list[Expectation]:
    """Return who has decided: a person, and not the requester where the environment does not allow that."""
    own = all(each.requester_may_approve for each in run.rules())
    seen = []
    for each in (step for one in approvals for step in one.decisions):
        who = each.actual or each.assigned
        counts = who.is_person and (own or who.id != newest.requester)
        words = f"{who.name}: {each.status}{f', “{each.comment}”' if each.comment else ''}"
        if not who.is_person:
            words = f"{words}; not a person"
        elif not counts:
            words = f"{words}; the person who started the run"
        seen.append(Expectation("Decision", "approved by a person", words, counts and each.status == APPROVED))
    return seen or [Expectation("Decision", "approved by a person", "nobody has decided", met=False)]


def approved_by(approvals: Sequence[Approval]) -> str:
    """Return the names of those who have approved."""
    people = [each.actual or each.assigned for one in approvals for each in one.decisions if each.status == APPROVED]
    return " and ".join(dict.fromkeys(each.name for each in people)) or "nobody"


def refusal(approvals: Sequence[Approval]) -> ServiceError | None:
    """Return that an approval was rejected, or that nobody has given it in time; otherwise None."""
    again = "To release the same image once more, <solve>; a new build starts a release of its own."
    for each in approvals:
        against = next((step for step in each.steps if step.status == REJECTED), None)
        if each.status == REJECTED or against is not None:
            who = (against.actual or against.assigned).name if against is not None else "An approver"
            why = against.comment if against is not None else ""
            said = f": “{why}”" if why else ", without a comment"
            return ServiceError(f"{who} rejected the release to Production{said}.", f"Correct what they found. {again}")
        if each.status == TIMED_OUT:
            asked = names([step.assigned for step in each.steps]) or "Nobody"
            return ServiceError(
                f"Nobody approved the release to Production in time: {asked} was asked at {shown(each.created)}, and "
                f"the approval timed out at {shown(each.changed)}. The run can have succeeded all the same.",
                f"Agree with the approver when to decide. {again}",
            )
    return None


def reason_not_to_decide(run: ReleaseRun, newest: Build, waiting: Approval) -> str:
    """Return why the signed-in person cannot decide; empty if they can, or if only the service knows (a group)."""
    me = run.context.reads.share(("devops person", run.organization), run.client.person)
    if not any(each.id == me.id.lower() or not each.is_person for each in waiting.open):
        return f"You are no approver: {names(waiting.open) or 'nobody'} is asked."
    if newest.requester == me.id.lower() and not all(each.requester_may_approve for each in run.rules()):
        return "You have started this run, and the environment does not let you approve it yourself."
    return ""
