"""The lab's repository in Azure DevOps: its first commit, which is the starter project, and the reader's branch."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from hol_wizard.engine.ledger import Entry, Fact
from hol_wizard.engine.registry import Change, action, check, solve, undo
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
    PROJECT,
    branches,
    hidden_project,
    organization,
    project_key,
    repository,
    required_repository,
)
from hol_wizard.resources.visibility import Unseen, devops_viewer, unseen
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.remote import OLDEST, File, GitRemote, Person

KIND: Final = "Git repository"
COMMIT: Final = "Commit"
MESSAGE: Final = "initial repo seed"
USUALLY: Final = 3.0
"""Seconds that a push of the starter takes (seen against the practice cloud)."""
ROOTS: Final = ("Project_One", "Project_One-Tests")
"""The folders by which the lab's layout is known."""
OF_AZURE: Final = frozenset({"README.md", ".gitignore"})
"""What Azure DevOps puts into a repository that is initialized in the browser."""
TEMPLATE: Final = b"TODO: Give a short introduction of your project"
"""A line of the README that Azure DevOps writes: the template stands so in many public repositories."""
USUAL_BRANCH: Final = "main"


def starter_files() -> Mapping[str, File]:
    """Return the starter project, by path from its root."""
    return dict(_files(files("hol_wizard").joinpath("starter"), ""))


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, File]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{above}{each.name}"
        if each.is_dir():
            if each.name != "__pycache__":
                yield from _files(each, f"{path}/")
        else:
            # A wheel keeps no file modes on Windows: what is run as a program is known by its ending.
            yield path, File(each.read_bytes(), executable=path.endswith(".sh"))


def _paths(context: StepContext, found: Repository) -> frozenset[str]:
    here, project = organization(context), context.names.devops_project
    return context.reads.share(("devops paths", here.organization, found.id), lambda: here.paths(project, found))


def _is_foreign(paths: frozenset[str]) -> bool:
    """Whether somebody else's work is in the repository: files, and none of the lab's folders."""
    return bool(paths - OF_AZURE) and not _has_layout(paths)


def _has_layout(paths: frozenset[str]) -> bool:
    return any(path.partition("/")[0] in ROOTS for path in paths)


def _missing_repository(context: StepContext) -> Result:
    """Return the result for a repository that the account does not see.

    Raises:
        InconclusiveError: Somebody else made the project, by the ledger, and the account does not see it.
    """
    if (hidden := hidden_project(context)) is not None:
        raise hidden.error
    name = context.names.repository
    return Result(
        Status.FAILED,
        f"There is no repository {name}, or you may not see it.",
        (Expectation(KIND, f"{name} exists", "not found", met=False),),
        "Is the project there (step “Create the project”)? Then ask an administrator of it to take you in.",
    )


# Initialize


@check(deadline=30)
def initialized(context: StepContext) -> Result:
    """Look whether the repository has a default branch, and tell its name."""
    found = repository(context)
    if found is None:
        return _missing_repository(context)
    there = Expectation(KIND, f"{found.name} exists", "exists", met=True)
    usable = Expectation("Usable", "yes", "disabled" if found.is_disabled else "yes", not found.is_disabled)
    branch = Expectation("Default branch", "there is one", found.default_branch or "none", bool(found.default_branch))
    return judge(
        (there, usable, branch),
        passed=f"The repository's default branch is {found.default_branch}.",
        failed=f"The repository {found.name} is {'disabled' if found.is_disabled else 'empty: it has no branch yet'}.",
        next_action="Initialize it by hand as described, or let the wizard push the starter as its first commit.",
    )


# Seed


@check(deadline=30)
def seeded(context: StepContext) -> Result:
    """Look whether the files of the starter project are on the repository's default branch."""
    found = repository(context)
    if found is None:
        return _missing_repository(context)
    paths = _paths(context, found)
    wanted = starter_files().keys()
    # What the class changes, adds or even removes in the folders is its own business: the layout counts.
    seen = []
    for root in (*ROOTS, *sorted(path for path in wanted if "/" not in path)):
        is_there = root in paths or any(path.startswith(f"{root}/") for path in paths)
        seen.append(Expectation(root, "in the repository", "there" if is_there else "not there", is_there))
    if _is_foreign(paths):
        return Result(
            Status.FAILED,
            f"Something else is in the repository {found.name}: {_some(paths)}.",
            tuple(seen),
            "The wizard does not touch it. Take another prefix (section set-up), or empty the repository if nobody "
            "needs what is in it.",
        )
    return judge(
        tuple(seen),
        passed=f"The starter project is on the branch {found.default_branch}.",
        failed="Parts of the starter project are missing."
        if _has_layout(paths)
        else "The starter project is not in the repository yet.",
        next_action="Bring it in by hand as described, or let the wizard do it.",
    )


def _some(paths: frozenset[str]) -> str:
    named = sorted({path.partition("/")[0] for path in paths})
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


def _first_branch(here: DevOps) -> str:
    """Return what the default branch of an empty repository is to be called.

    No description tells of an organization's setting: what most of its other repositories call theirs counts.
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
    if _is_foreign(paths):
        return [Change("conflict", KIND, name, note=f"something else is in it: {_some(paths)}")]
    absent = starter_files().keys() - paths
    if not absent:
        return [Change("leave", KIND, name, branch, note="holds the starter project")]
    note = f"“{MESSAGE}” on the branch {branch}, {len(absent)} files"
    return [Change("create", COMMIT, f"the starter project in {name}", branch, "free", USUALLY, note)]


@solve(plan=_plan)
def initialize(context: StepContext) -> None:
    """Push the starter project as the first commit, so that the lab's layout stands from the beginning."""
    _seed(context)


@solve(plan=_plan)
def seed(context: StepContext) -> None:
    """Push what is missing of the starter project; what is there already is not changed."""
    _seed(context)


def _seed(context: StepContext) -> None:
    """Push the starter's files that are not there, in one commit.

    A push is carried out whole or not at all, and is refused where the branch has moved: a kill leaves nothing half
    done. A file that is there stays as it is, but for the README of Azure DevOps, and for `.gitignore`, which gets the
    starter's lines besides its own.

    Raises:
        ConflictError: Something else is in the repository, or somebody has just pushed.
        NotFoundError: There is no repository.
        AccessDeniedError: The account may not push.
    """
    channel, here, names = context.channel, organization(context), context.names
    found = here.repository(names.devops_project, names.repository)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        raise NotFoundError(
            f"There is no repository {names.repository}, or you may not see it.",
            "Do the step “Create the project” first (devops-project/create-the-project).",
        )
    paths = here.paths(names.devops_project, found)
    if _is_foreign(paths):
        raise ConflictError(
            f"Something else is in the repository {found.name}: {_some(paths)}.",
            "Take another prefix (section set-up), or empty the repository if nobody needs what is in it.",
        )
    branch = found.default_branch or _first_branch(here)
    _remember(context, branch)
    laid_out = _has_layout(paths)
    missing = {path: file for path, file in starter_files().items() if path not in paths or not laid_out}
    if not missing:
        channel.say(f"The repository {found.name} holds the starter project already, on the branch {branch}.")
        return

    def settle(path: str, content: bytes) -> bytes | None:
        return None if laid_out else _settled(path, content)

    person = _person(context, here)
    channel.stop_if_cancelled()
    channel.say(f"Pushing {len(missing)} files of the starter project to {found.name}, branch {branch} …")
    channel.progress("git pushes the starter project", USUALLY)
    remote = _remote(context, here, found)
    commit = remote.push(missing, branch, MESSAGE, person, onto=bool(found.default_branch), settle=settle)
    channel.say(f"Commit {commit[:8]} “{MESSAGE}” is on the branch {branch}.")


def _settled(path: str, content: bytes) -> bytes | None:
    """Return what a file of a repository that is initialized already is to be, at the first seeding; None: as it is."""
    ours = starter_files()[path].content
    if path == "README.md" and TEMPLATE in content:
        return ours
    if path == ".gitignore" and ours not in content:
        return content.rstrip(b"\n") + b"\n\n" + ours
    return None


def _remember(context: StepContext, branch: str) -> None:
    """Have every later instruction name the default branch as the repository has it."""
    if context.names.default_branch != branch:
        context.profile.change(default_branch=branch)


def _person(context: StepContext, here: DevOps) -> Person:
    """Return as whom to commit: as git on this machine does, else as Azure DevOps knows the account.

    Raises:
        WizardError: There is no git, or it is too old.
    """
    report = context.services.git.probe()
    if report.version is None or report.version < OLDEST:
        found = report.problem or ".".join(map(str, report.version or ()))
        raise WizardError(
            f"git {'.'.join(map(str, OLDEST))} or newer is needed; here: {found}.",
            "Install it (section tools, step Git), then go on.",
        )
    known = here.person().name
    return Person(report.user_name or known.partition("@")[0], report.user_email or known)


# The reader's own branch

CLONE: Final = "Clone"
BRANCH: Final = "Branch"
CLONING_ENDS: Final = 15.0
"""Seconds after which a clone that somebody else has begun counts as given up."""
PULLING: Final = 5.0
"""Seconds that a clone of the lab's repository takes (seen against the practice cloud: one)."""


def _clone(context: StepContext, found: Repository) -> Clone:
    return Clone(Path(context.names.clone_folder), _remote(context, organization(context), found))


def _required(context: StepContext) -> Repository:
    found = required_repository(context)
    if not found.default_branch:
        raise ConflictError(
            f"The repository {found.name} is empty: there is nothing to branch from.",
            "Do the step “Seed the repository” first (devops-project/seed-the-repository).",
        )
    return found


@check(deadline=30)
def branch_there(context: StepContext) -> Result:
    """Look whether the reader's branch is in the repository, and checked out in their clone on this machine."""
    found = _required(context)
    branch, folder = context.names.branch, context.names.clone_folder
    remote = branches(context, found).get(branch, "")
    clone = _clone(context, found)
    seen = [
        Expectation("Branch in Azure DevOps", f"{branch} exists", "exists" if remote else "not found", bool(remote))
    ]
    if not clone.is_there:
        seen.append(Expectation(CLONE, f"in {folder}", "not there", met=False))
        return _branch_failed("Your clone of the repository is not on this machine.", seen)
    if not clone.is_of(found.remote_url):
        seen.append(Expectation(CLONE, f"of {found.remote_url}", clone.origin or "of nothing", met=False))
        return Result(
            Status.FAILED,
            f"{folder} is a clone of another repository.",
            tuple(seen),
            "Move it away, or choose another folder for your clone: --clone-folder FOLDER",
        )
    if _is_earlier(clone, found):
        seen.append(Expectation(CLONE, "of this repository", "of an earlier one of this name", met=False))
        return _branch_failed(
            f"{folder} is a clone of an earlier repository of this name.",
            seen,
            f"Let the wizard set it aside as {clone.aside.name}, with all that is in it, and clone anew.",
        )
    seen.append(Expectation(CLONE, f"in {folder}", "there", met=True))
    state = clone.state()
    seen.append(Expectation("Checked out", branch, state.branch or "no branch (detached)", state.branch == branch))
    seen.append(
        Expectation("Follows", f"origin/{branch}", state.upstream or "nothing", state.upstream == f"origin/{branch}")
    )
    # What is changed or not pushed is the reader's work going on: told, and no fault.
    seen.append(Expectation("Work tree", "told", str(state), not (state.conflicts or state.doing)))
    if state.conflicts or state.doing:
        return Result(
            Status.FAILED,
            f"In your clone {state}.",
            tuple(seen),
            f"In {folder}: git status says how to end it. Nothing is resolved behind your back.",
        )
    if not all(each.met for each in seen):
        return _branch_failed(f"Your branch {branch} is not everywhere where it should be.", seen)
    return Result(Status.PASSED, f"You are on your branch {branch}: {state}.", tuple(seen))


_BY_EITHER: Final = "Do it by hand as described, or let the wizard clone and branch for you."


def _branch_failed(summary: str, seen: Sequence[Expectation], advice: str = _BY_EITHER) -> Result:
    return Result(Status.FAILED, summary, tuple(seen), advice)


def _is_earlier(clone: Clone, found: Repository) -> bool:
    """Whether a clone was made of a repository that was deleted, before the one that has its address now."""
    return clone.repository not in {"", found.id}


def _plan_branch(context: StepContext) -> Sequence[Change]:
    branch, folder, name = context.names.branch, context.names.clone_folder, context.names.repository
    try:
        found = repository(context)
        there = branches(context, found) if found is not None and found.default_branch else {}
        clone = _clone(context, found) if found is not None else None
    except (SignInError, NotFoundError, AccessDeniedError):
        found, there, clone = None, {}, None
    changes = []
    if clone is None or not clone.is_there:
        changes.append(Change("create", CLONE, folder, "this machine", "free", PULLING, f"of {name}"))
    elif found is not None and not clone.is_of(found.remote_url):
        return [Change("conflict", CLONE, folder, "this machine", note=f"it is a clone of {clone.origin or 'nothing'}")]
    elif found is not None and _is_earlier(clone, found):
        note = f"set aside as {clone.aside.name}: it is of an earlier repository of this name"
        changes.append(Change("change", CLONE, folder, "this machine", note=note))
        changes.append(Change("create", CLONE, folder, "this machine", "free", PULLING, f"of {name}"))
    if branch in there:
        changes.append(Change("adopt", BRANCH, branch, name, note="exists: it is checked out as it stands"))
    else:
        start = found.default_branch if found is not None and found.default_branch else USUAL_BRANCH
        changes.append(Change("create", BRANCH, branch, name, "free", 2, f"from {start}, and pushed"))
    return changes


@solve(plan=_plan_branch)
def make_branch(context: StepContext) -> None:
    """Clone the repository, make the reader's branch from the default one, push it, and let plain git sign in.

    What is there is taken up: the clone where it is of this repository, the branch on either side. A clone that the
    wizard made of a repository that was deleted since is set aside.

    Raises:
        ConflictError: Something else is in the folder, or changes that are not committed are in the way.
        NotFoundError: There is no repository.
        AccessDeniedError: The account may not push.
    """
    channel, ledger, here = context.channel, context.ledger, organization(context)
    context.save("clone_folder")
    found, branch = _required(context), context.names.branch
    _remember(context, found.default_branch)
    clone = _clone(context, found)
    if clone.is_there and not clone.is_of(found.remote_url):
        raise ConflictError(
            f"{clone.folder} is a clone of another repository: {clone.origin or 'nothing'}.",
            "Move it away, or choose another folder for your clone: --clone-folder FOLDER",
        )
    channel.stop_if_cancelled()
    if clone.is_there and _is_earlier(clone, found):
        channel.say(f"{clone.folder} is a clone of an earlier repository of this name: it is {clone.set_aside()} now.")
    if not clone.is_there:
        key = f"clone/{clone.folder}"
        ledger.write(Fact.INTENT, context.target, key, CLONE)
        channel.say(f"Cloning {found.name} into {clone.folder} …")
        clone.make(lambda text: channel.progress(f"git clones: {text}", PULLING))
        ledger.write(Fact.CREATED, context.target, key, CLONE)
    elif not clone.repository:
        _wait_until_whole(context, clone)
        clone.fetch()
        if not clone.stems_from(f"origin/{found.default_branch}"):
            raise ConflictError(
                f"What is checked out in {clone.folder} has no beginning in common with {found.default_branch} of "
                f"{found.name}: it is of another repository, which had this address before.",
                "Move it away, or choose another folder for your clone: --clone-folder FOLDER",
            )
    clone.settle(found.id, _helper(context), context.services.endpoints.ca_bundle)
    clone.fetch()
    there = clone.has_remote_branch(branch)
    clone.switch(branch, f"origin/{found.default_branch}")
    channel.stop_if_cancelled()
    key = f"devops/{here.organization}/repositories/{found.id}/branches/{branch}"
    if not there:
        start = clone.commit_of(f"origin/{found.default_branch}")
        ledger.write(Fact.INTENT, context.target, key, BRANCH, start, by=str(devops_viewer(context, here)))
        channel.say(f"Pushing your branch {branch} …")
    elif not ledger.made(key):
        ledger.write(Fact.ADOPTED, context.target, key, BRANCH)
    if not there or not clone.state().upstream:
        clone.push(branch)
    if ledger.made(key) and not ledger.created(key):
        ledger.write(Fact.CREATED, context.target, key, BRANCH)
    channel.say(f"You are on your branch {branch}, in {clone.folder}.")


def _wait_until_whole(context: StepContext, clone: Clone) -> None:
    """Let a git end that a wizard has begun which was killed over it.

    Raises:
        ConflictError: It does not end.
    """
    end = time.monotonic() + CLONING_ENDS
    while not clone.is_whole:
        context.channel.stop_if_cancelled()
        if time.monotonic() > end:
            raise ConflictError(
                f"The clone in {clone.folder} was not ended: no commit is checked out.",
                "Delete the folder, if nothing of yours is in it; or choose another one: --clone-folder FOLDER",
            )
        time.sleep(0.2)


def _helper(context: StepContext) -> str:
    """Return the command that plain git asks for a sign-in; it names no secret."""
    # -P: the clone, in which git starts it, is no place to import from.
    words = [Path(sys.executable).as_posix(), "-P", "-m", "hol_wizard", "git-credential", *context.profile.options]
    return " ".join(shlex.quote(word) for word in words)


def _standing(context: StepContext, kind: str) -> list[Entry]:
    return [entry for entry in context.ledger.standing() if entry.target == context.target and entry.kind == kind]


@dataclass(frozen=True, slots=True)
class _Pushed:
    """A branch that this wizard has pushed, and that is still there."""

    here: DevOps
    repository: Repository
    name: str
    at: str
    """The commit at which it stands."""
    stays: str
    """Why it is to stay; empty: it may go."""


def _pushed(context: StepContext, entry: Entry) -> _Pushed | Unseen | None:
    """Return the branch of a ledger entry; None: it is gone."""
    _, there, _, identity, _, branch = entry.resource.split("/", 5)
    here = context.services.devops(there)
    found = here.repository_of_id(identity)
    if found is None:
        return _unseen_branch(context, here, entry, branch)
    known = here.branches(found.project, found.id)
    if branch not in known:
        return None
    untouched = known[branch] in {entry.detail, known.get(found.default_branch)}
    return _Pushed(here, found, branch, known[branch], "" if untouched else "it has commits of yours")


def _unseen_branch(context: StepContext, here: DevOps, entry: Entry, branch: str) -> Unseen | None:
    """Return why a branch may exist whose repository was not found; None: it is gone with its repository.

    Who pushed it may have been taken out of the project since, and would not see the repository either. So it is gone
    only for who made the project, and for who sees the project and pushed the branch.
    """
    name = context.names.devops_project
    viewer, key = devops_viewer(context, here), project_key(here, name)
    if context.ledger.maker(key) and unseen(context, viewer, key, PROJECT, name, here.organization) is None:
        return None
    hidden = unseen(context, viewer, entry.resource, BRANCH, branch, here.organization)
    if hidden is None and here.project(name) is None:
        identity, who = context.ledger.maker(key).partition(" ")[::2]
        return Unseen(BRANCH, branch, here.organization, entry.resource, who or identity, viewer.name)
    return hidden


def _plan_branch_removal(context: StepContext) -> Sequence[Change]:
    changes = []
    for entry in _standing(context, BRANCH):
        pushed = _pushed(context, entry)
        if isinstance(pushed, Unseen):
            changes.append(pushed.change)
        elif pushed is not None:
            verb, where = "leave" if pushed.stays else "delete", pushed.repository.name
            changes.append(Change(verb, BRANCH, pushed.name, where, note=pushed.stays, resource=entry.resource))
    for entry in _standing(context, CLONE):
        folder = entry.resource.removeprefix("clone/")
        if Path(folder).exists():
            note = "your work may be in it: delete it by hand when you need it no more"
            changes.append(Change("leave", CLONE, folder, "this machine", note=note, resource=entry.resource))
    return changes


@undo(plan=_plan_branch_removal)
def remove_branch(context: StepContext) -> None:
    """Remove the branch from the repository where nothing of the reader's is on it; their clone always stays.

    Raises:
        AccessDeniedError: The account may not.
        InconclusiveError: Whether it is still there cannot be told.
        ServiceError: Azure DevOps refused, or it is still there.
    """
    channel, ledger = context.channel, context.ledger
    hidden: Unseen | None = None
    for entry in _standing(context, BRANCH):
        branch, pushed = entry.resource.rpartition("/branches/")[2], _pushed(context, entry)
        if isinstance(pushed, Unseen):
            hidden = hidden or pushed
            continue
        if pushed is not None and pushed.stays:
            channel.say(f"The branch {branch} stays: {pushed.stays}.")
            continue
        if pushed is not None:
            channel.stop_if_cancelled()
            channel.say(f"Removing the branch {branch} from {pushed.repository.name} …")
            _remote(context, pushed.here, pushed.repository).delete_branch(branch, pushed.at)
            if branch in pushed.here.branches(pushed.repository.project, pushed.repository.id):
                where = pushed.repository.name
                raise ServiceError(f"The branch {branch} is still in {where}.", "Run the teardown again.")
        ledger.write(Fact.DELETED, context.target, entry.resource, BRANCH)
        channel.say(f"The branch {branch} is gone from Azure DevOps.")
    for entry in _standing(context, CLONE):
        folder = Path(entry.resource.removeprefix("clone/"))
        if folder.exists():
            channel.say(f"Your clone in {folder} stays: your work may be in it.")
        ledger.write(Fact.DELETED, context.target, entry.resource, CLONE)
    if hidden is not None:
        raise hidden.error


def _remote(context: StepContext, here: DevOps, found: Repository) -> GitRemote:
    return context.services.git_remote(found.remote_url, here.authorization)


@action("Pull what is new")
def pull(context: StepContext) -> None:
    """Take new commits of the branch into the clone, where nothing stands against it."""
    clone = _clone(context, _required(context))
    if not clone.is_there:
        raise NotFoundError(f"There is no clone in {clone.folder}.", "Do the step “Create your branch” first.")
    context.channel.say(f"In {clone.folder}: {clone.pull()}.")


@action("Push what I committed")
def push(context: StepContext) -> None:
    """Push the commits of the branch; what is not committed stays where it is."""
    clone = _clone(context, _required(context))
    if not clone.is_there:
        raise NotFoundError(f"There is no clone in {clone.folder}.", "Do the step “Create your branch” first.")
    branch = context.names.branch
    state = clone.state()
    if state.branch != branch:
        raise ConflictError(
            f"{clone.folder} stands on {state.branch or 'no branch'}, not on {branch}.", f"git switch {branch}"
        )
    clone.push(branch)
    context.channel.say(f"{branch} is pushed; {clone.state()}.")
