"""The lab's repository in Azure DevOps: its first commit, which contains the starter project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    WizardError,
)
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import (
    hidden_project,
    organization,
    repository,
    seeded_repository,
)
from hol_wizard.resources.review_policy import BranchReviewPolicy
from hol_wizard.resources.starter_project import (
    MESSAGE,
    NAMED,
    ROOTS,
    Named,
    has_layout,
    is_foreign,
    settled,
    some,
    starter_files,
    starter_paths,
)
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.remote import OLDEST, Person

KIND: Final = "Git repository"
COMMIT: Final = "Commit"
USUALLY: Final = 3.0
"""Usual duration in seconds of a push of the starter (measured with the practice cloud)."""
USUAL_BRANCH: Final = "main"


def _paths(context: StepContext, found: Repository) -> frozenset[str]:
    here, project = organization(context), context.names.devops_project
    return context.reads.share(("devops paths", here.organization, found.id), lambda: here.paths(project, found))


def _text(context: StepContext, found: Repository, file: str) -> str:
    here, project = organization(context), context.names.devops_project
    key = ("devops file", here.organization, found.id, file)
    return context.reads.share(key, lambda: here.text(project, found, file))


def _missing_repository(context: StepContext) -> Result:
    """Return the result for a repository that the account does not see.

    Raises:
        InconclusiveError: According to the ledger, somebody else created the project, and the account does not see it.
    """
    if (hidden := hidden_project(context)) is not None:
        raise hidden.error
    name = context.names.repository
    return Result(
        Status.FAILED,
        f"There is no repository {name}, or you may not see it.",
        (Expectation(KIND, f"{name} exists", "not found", met=False),),
        "Is the project there (<step devops-project/create-the-project>)? Then ask an administrator of the "
        "project to add you.",
    )


# Initialize


@check(deadline=30)
def initialized(context: StepContext) -> Result:
    """Check whether the repository has a default branch, and return its name."""
    found = repository(context)
    if found is None:
        return _missing_repository(context)
    there = Expectation(KIND, f"{found.name} exists", "exists", met=True)
    usable = Expectation("Usable", "yes", "disabled" if found.is_disabled else "yes", not found.is_disabled)
    branch = Expectation("Default branch", "exists", found.default_branch or "none", bool(found.default_branch))
    return judge(
        (there, usable, branch),
        passed=f"The repository's default branch is {found.default_branch}.",
        failed=f"The repository {found.name} is {'disabled' if found.is_disabled else 'empty: it has no branch yet'}.",
        next_action="Initialize it by hand as described, or to push the starter as its first commit, <solve>.",
    )


# Seed


@check(deadline=30)
def seeded(context: StepContext) -> Result:
    """Check whether the starter project is on the repository's default branch, with the reader's names."""
    found = repository(context)
    if found is None:
        return _missing_repository(context)
    paths = _paths(context, found)
    # The class may change, add or even remove files in the folders: only the layout counts.
    seen = []
    for root in (*ROOTS, *sorted(path for path in starter_paths() if "/" not in path)):
        is_there = root in paths or any(path.startswith(f"{root}/") for path in paths)
        seen.append(Expectation(root, "in the repository", "there" if is_there else "not there", is_there))
    if is_foreign(paths):
        return Result(
            Status.FAILED,
            f"There is something else in the repository {found.name}: {some(paths)}.",
            tuple(seen),
            "The wizard does not change it. Choose another prefix (<step set-up/choose-your-names>), or empty "
            "the repository if nobody needs its contents.",
        )
    if all(each.met for each in seen) and (wrong := _named(context, found, seen)):
        named, there = wrong[0]
        mine = named.expected(context.names)
        return Result(
            Status.FAILED,
            f"{named.file} names {' and '.join(there) or 'nothing'} as the {named.what.lower()}; yours is {mine}.",
            tuple(seen),
            f"Write `{named.key}: {mine}` in {named.file}, in a pull request like any other change. A name that does "
            "not exist fails the pipeline, and as a source it never starts one, without a message.",
        )
    return judge(
        tuple(seen),
        passed=f"The starter project is on the branch {found.default_branch}.",
        failed="Parts of the starter project are missing."
        if has_layout(paths)
        else "The starter project is not in the repository yet.",
        next_action="Add it by hand as described, or <solve>.",
    )


def _named(context: StepContext, found: Repository, seen: list[Expectation]) -> Sequence[tuple[Named, tuple[str, ...]]]:
    """Add expectations for the reader's names in the pipelines' files, and return those that differ."""
    wrong = []
    for named in NAMED:
        there, mine = named.found(_text(context, found, named.file)), named.expected(context.names)
        met = there == (mine,)
        seen.append(Expectation(f"{named.what} in {named.file}", mine, ", ".join(there) or "none", met))
        if not met:
            wrong.append((named, there))
    return wrong


def _first_branch(here: DevOps) -> str:
    """Return the name for the default branch of an empty repository.

    No API description contains the organization's setting, so the name that most of its other repositories use counts.
    """
    try:
        names = [each.default_branch for each in here.repositories() if each.default_branch]
    except (AccessDeniedError, NotFoundError):
        names = []
    return max(set(names), key=lambda name: (names.count(name), name == USUAL_BRANCH)) if names else USUAL_BRANCH


def _plan(context: StepContext) -> Sequence[Change]:
    name = context.names.repository
    try:
        found = repository(context)
        paths = _paths(context, found) if found is not None else frozenset()
        branch = (found.default_branch if found is not None else "") or _first_branch(organization(context))
    except (SignInError, NotFoundError, AccessDeniedError):
        found, paths, branch = None, frozenset(), USUAL_BRANCH
    if is_foreign(paths):
        return [Change("conflict", KIND, name, note=f"something else is in it: {some(paths)}")]
    absent = starter_paths() - paths
    if not absent:
        return [Change("leave", KIND, name, branch, note="contains the starter project")]
    note = f"“{MESSAGE}” on the branch {branch}, {len(absent)} files"
    return [Change("create", COMMIT, f"the starter project in {name}", branch, "free", USUALLY, note)]


@solve(plan=_plan)
def initialize(context: StepContext) -> None:
    """Push the starter project as the first commit, so that the repository has the lab's layout from the beginning."""
    _seed(context)


@solve(plan=_plan)
def seed(context: StepContext) -> None:
    """Push the missing files of the starter project; existing files are not changed."""
    _seed(context)


def _seed(context: StepContext) -> None:
    """Push the starter's missing files in one commit.

    A push is carried out completely or not at all, and is refused if the branch has moved, so a kill leaves nothing
    incomplete. Existing files are kept, except for the README of Azure DevOps, which is replaced, and `.gitignore`, to
    which the starter's lines are added.

    Raises:
        ConflictError: Something else is in the repository, or somebody has just pushed.
        NotFoundError: There is no repository.
        AccessDeniedError: The account may not push.
    """
    reporter, here, names = context.reporter, organization(context), context.names
    found = here.repository(names.devops_project, names.repository)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        raise NotFoundError(
            f"There is no repository {names.repository}, or you may not see it.",
            "<first devops-project/create-the-project>.",
        )
    paths = here.paths(names.devops_project, found)
    if is_foreign(paths):
        raise ConflictError(
            f"There is something else in the repository {found.name}: {some(paths)}.",
            "Choose another prefix (<step set-up/choose-your-names>), or empty the repository if nobody needs "
            "its contents.",
        )
    branch = found.default_branch or _first_branch(here)
    remember_branch(context, branch)
    laid_out = has_layout(paths)
    ours = starter_files(replace(names, default_branch=branch))
    missing = {path: file for path, file in ours.items() if path not in paths or not laid_out}
    if not missing:
        reporter.say(f"The repository {found.name} already contains the starter project, on the branch {branch}.")
        return

    def settle(path: str, content: bytes) -> bytes | None:
        return None if laid_out else settled(path, content, ours[path].content)

    person = _person(context, here)
    reporter.stop_if_cancelled()
    reporter.say(f"Pushing {len(missing)} files of the starter project to {found.name}, branch {branch} …")
    reporter.progress("git pushes the starter project", USUALLY)
    remote = context.services.git_remote(found.remote_url, here.authorization)
    try:
        commit = remote.push(missing, branch, MESSAGE, person, onto=bool(found.default_branch), settle=settle)
    except ServiceError:
        there = None if found.default_branch else here.repository(names.devops_project, names.repository)
        if there is None or not there.default_branch:
            raise
        reporter.say("Somebody else pushed the first commit at the same time.")
        _seed(context)
        return
    reporter.say(f"Commit {commit[:8]} “{MESSAGE}” is on the branch {branch}.")


def remember_branch(context: StepContext, branch: str) -> None:
    """Save the name of the repository's default branch for all later instructions."""
    if context.names.default_branch != branch:
        context.profile.change(default_branch=branch)


def _person(context: StepContext, here: DevOps) -> Person:
    """Return the author for the commit: from git's settings here, otherwise from the account in Azure DevOps.

    Raises:
        WizardError: git is not installed, or is too old.
    """
    report = context.services.git.probe()
    if report.version is None or report.version < OLDEST:
        found = report.problem or ".".join(map(str, report.version or ()))
        raise WizardError(
            f"git {'.'.join(map(str, OLDEST))} or newer is needed; here: {found}.",
            "Install it (<step tools/git>), then continue.",
        )
    known = here.person().name
    return Person(report.user_name or known.partition("@")[0], report.user_email or known)


# Require a review


def _review_policy(context: StepContext) -> BranchReviewPolicy:
    """Return the policy on the default branch.

    Raises:
        NotFoundError: There is no repository.
        ConflictError: The repository is empty.
    """
    found = seeded_repository(context)
    return BranchReviewPolicy(context, organization(context).organization, found.id, found.default_branch)


@check(deadline=20)
def review_required(context: StepContext) -> Result:
    """Check whether another person must approve each pull request into the default branch."""
    return ownership.check(_review_policy(context))


def _plan_review_policy(context: StepContext) -> Sequence[Change]:
    try:
        return ownership.plan(_review_policy(context))
    except (SignInError, NotFoundError, AccessDeniedError, ConflictError):
        # The repository is seeded first.
        return (replace(BranchReviewPolicy(context, "", "", context.names.default_branch).creation(), resource=""),)


@solve(plan=_plan_review_policy)
def require_review(context: StepContext) -> None:
    """Create the policy, or adopt an existing one that fits.

    Raises:
        AccessDeniedError: The account may not edit policies.
        ConflictError: There is one that does not fit.
    """
    ownership.solve(_review_policy(context))


def _made_policies(context: StepContext) -> list[BranchReviewPolicy]:
    noted = context.ledger.made_by(context.target, BranchReviewPolicy.kind)
    return [BranchReviewPolicy.of_id(context, each) for each in noted]


@undo(plan=lambda context: ownership.plan_undo_all(_made_policies(context)))
def remove_review_policy(context: StepContext) -> None:
    """Delete the policy that this wizard made."""
    ownership.undo_all(_made_policies(context))
