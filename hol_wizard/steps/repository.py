"""The lab's repository in Azure DevOps: its first commit, which is the starter project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from hol_wizard.engine.registry import Change, check, solve
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, SignInError, WizardError
from hol_wizard.services.devops import DevOps, Repository
from hol_wizard.services.git_remote import OLDEST, File, Person
from hol_wizard.steps.context import StepContext
from hol_wizard.steps.devops import organization, repository

KIND: Final = "Git repository"
COMMIT: Final = "Commit"
MESSAGE: Final = "initial repo seed"
USUALLY: Final = 3.0
"""Seconds that a push of the starter takes (seen against the practice cloud)."""
ROOTS: Final = ("Project_One", "Project_One-Tests")
"""The folders by which the lab's layout is known."""
OF_AZURE: Final = frozenset({"README.md", ".gitignore"})
"""What Azure DevOps puts into a repository that is initialized in the browser."""
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
        passed=f"The repository's default branch is {found.default_branch}."
        + ("" if found.default_branch == USUAL_BRANCH else f" Where this lab says {USUAL_BRANCH}, it is that one."),
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
    done, and nobody's work is overwritten.

    Raises:
        ConflictError: Something else is in the repository, or somebody has just pushed.
        NotFoundError: There is no repository.
        AccessDeniedError: The account may not push.
    """
    channel, here, names = context.channel, organization(context), context.names
    found = here.repository(names.devops_project, names.repository)
    if found is None:
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
    # A README that Azure DevOps wrote gives way to the starter's; the class's own files never do.
    replaced = frozenset() if _has_layout(paths) else OF_AZURE
    missing = {path: file for path, file in starter_files().items() if path not in paths - replaced}
    if not missing:
        channel.say(f"The repository {found.name} holds the starter project already, on the branch {branch}.")
        return
    person = _person(context, here)
    channel.stop_if_cancelled()
    channel.say(f"Pushing {len(missing)} files of the starter project to {found.name}, branch {branch} …")
    channel.progress("git pushes the starter project", USUALLY)
    remote = context.services.git_remote(found.remote_url, here.authorization)
    commit = remote.push(missing, branch, MESSAGE, person, onto=bool(found.default_branch))
    channel.say(f"Commit {commit[:8]} “{MESSAGE}” is on the branch {branch}.")


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
