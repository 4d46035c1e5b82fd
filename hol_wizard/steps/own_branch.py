"""The reader's own branch of section scientist-setup: in Azure DevOps, and in their clone on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from hol_wizard import anywhere
from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, action, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, SignInError
from hol_wizard.resources.branch import PUSHING, Branch
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, organization, repository, seeded_repository
from hol_wizard.resources.local_clone import LocalClone
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone
from hol_wizard.steps.repository import USUAL_BRANCH, remember_branch


def _clone(context: StepContext, found: Repository | None) -> LocalClone:
    return LocalClone(context, context.names.clone_folder, found)


def _branch(context: StepContext, found: Repository, clone: Clone | None = None) -> Branch:
    name, start = context.names.branch, found.default_branch
    return Branch(context, organization(context).organization, found.id, name, start, clone)


def _required(context: StepContext) -> Repository:
    return seeded_repository(context, "there is nothing to branch from")


@check(deadline=30)
def is_everywhere(context: StepContext) -> Result:
    """Check whether the reader's branch is in the repository, and checked out in their clone on this machine."""
    found = _required(context)
    branch, folder = context.names.branch, context.names.clone_folder
    remote = branches(context, found).get(branch, "")
    wanted = _clone(context, found)
    clone = wanted.find(context.reads)
    seen = [
        Expectation("Branch in Azure DevOps", f"{branch} exists", "exists" if remote else "not found", bool(remote))
    ]
    if clone is None:
        seen.append(Expectation(wanted.kind, f"in {folder}", "not there", met=False))
        return _failed("Your clone of the repository is not on this machine.", seen)
    seen += wanted.expectations(clone)
    if not seen[-1].met:
        other = "an earlier repository of this name" if wanted.is_earlier(clone) else "another repository"
        other = other if clone.is_of(found.remote_url) else "another repository"
        return _failed(f"{folder} is a clone of {other}.", seen, wanted.remedy(clone))
    state = clone.state()
    seen.append(Expectation("Checked out", branch, state.branch or "no branch (detached)", state.branch == branch))
    seen.append(
        Expectation("Follows", f"origin/{branch}", state.upstream or "nothing", state.upstream == f"origin/{branch}")
    )
    # Changes and unpushed commits are the reader's work in progress: reported, but not a failure.
    seen.append(Expectation("Work tree", "nothing to resolve", str(state), not (state.conflicts or state.doing)))
    if state.conflicts or state.doing:
        advice = f"In {folder}: git status says how to end it. The wizard resolves nothing for you."
        return _failed(f"In your clone {state}.", seen, advice)
    if not all(each.met for each in seen):
        return _failed(f"Your branch {branch} is not in all the places where it should be.", seen)
    return Result(Status.PASSED, f"You are on your branch {branch}: {state}.", tuple(seen))


_BY_EITHER = "Do it by hand as described, or <solve>."


def _failed(summary: str, seen: Sequence[Expectation], advice: str = _BY_EITHER) -> Result:
    return Result(Status.FAILED, summary, tuple(seen), advice)


def _plan(context: StepContext) -> Sequence[Change]:
    branch, where = context.names.branch, context.names.repository
    try:
        found = repository(context)
        there = branches(context, found) if found is not None and found.default_branch else {}
    except (SignInError, NotFoundError, AccessDeniedError):
        found, there = None, {}
    wanted = _clone(context, found)
    clone = wanted.find(context.reads)
    changes = list(ownership.plan(wanted))
    if changes[0].verb == "conflict":
        return changes
    if changes[0].verb == "leave" and clone is not None:
        notes = []
        if (state := clone.state()).branch != branch:
            notes.append(f"{branch} is checked out instead of {state.branch or 'no branch'}")
        if not clone.repository:
            notes.append("its git settings name the repository, and how git signs in if that is not set yet")
        if notes:
            changes = [Change("change", wanted.kind, wanted.name, wanted.where, note="; ".join(notes))]
    if found is None or (branch not in there and not found.default_branch):
        note = f"from {USUAL_BRANCH}, and pushed"
        return [*changes, Change("create", Branch.kind, branch, where, "free", PUSHING, note)]
    return [*changes, *ownership.plan(_branch(context, found))]


@solve(plan=_plan)
def make(context: StepContext) -> None:
    """Clone the repository, create the reader's branch from the default branch, push it, and configure git's sign-in.

    What exists is adopted: the clone if it is of this repository, and the branch, local or remote. A clone that the
    wizard made of a repository that was deleted since is renamed.

    Raises:
        ConflictError: Something else is in the folder, or uncommitted changes prevent this.
        NotFoundError: There is no repository.
        AccessDeniedError: The account may not push.
    """
    context.save("clone_folder")
    found, name = _required(context), context.names.branch
    remember_branch(context, found.default_branch)
    wanted, start = _clone(context, found), f"origin/{found.default_branch}"
    wanted.refuse_unrelated(found.default_branch)
    clone = ownership.solve(wanted)
    clone.settle(found.id, _helper(context), context.services.endpoints.ca_bundle)
    clone.fetch()
    clone.switch(name, start)
    context.reporter.stop_if_cancelled()
    ownership.solve(_branch(context, found, clone))
    if not clone.state().upstream:
        clone.push(name)
    context.reporter.say(f"You are on your branch {name}, in {clone.folder}.")


def _helper(context: StepContext) -> str:
    """Return git's credential helper command, which contains no secret."""
    words = [*anywhere.words("hol_wizard"), "git-credential", *context.profile.options]
    return " ".join(shlex.quote(word) for word in words)


def _made(context: StepContext) -> Sequence[Resource[Any]]:
    """Return what this step created, according to the ledger."""
    ledger, target = context.ledger, context.target
    return [
        *(Branch.of_id(context, each) for each in ledger.made_by(target, Branch.kind)),
        *(LocalClone(context, each.removeprefix("clone/")) for each in ledger.made_by(target, LocalClone.kind)),
    ]


@undo(
    plan=lambda context: ownership.plan_undo_all(_made(context)),
    marked=lambda context: ownership.marked(_clone(context, None)),
)
def remove(context: StepContext) -> None:
    """Remove the branch from the repository if it contains no work of the reader; their clone is always kept.

    Raises:
        AccessDeniedError: The account may not remove it.
        UnseenError: It is unknown whether it still exists.
        ServiceError: Azure DevOps refused, or it is still there.
    """
    ownership.undo_all(_made(context))


def _there(context: StepContext) -> Clone:
    wanted = _clone(context, _required(context))
    clone = wanted.find(ReadCache())
    if clone is None:
        raise NotFoundError(f"There is no clone in {wanted.folder}.", "<first scientist-setup/create-your-branch>.")
    return clone


@action("Pull new commits")
def pull(context: StepContext) -> None:
    """Pull new commits of the branch into the clone, if nothing prevents it."""
    clone = _there(context)
    context.reporter.say(f"In {clone.folder}: {clone.pull()}.")


@action("Push my commits")
def push(context: StepContext) -> None:
    """Push the commits of the branch; uncommitted changes are left unchanged."""
    clone, branch = _there(context), context.names.branch
    state = clone.state()
    if state.branch != branch:
        raise ConflictError(
            f"{clone.folder} is on {state.branch or 'no branch'}, not on {branch}.", f"git switch {branch}"
        )
    clone.push(branch)
    context.reporter.say(f"{branch} is pushed; {clone.state()}.")
