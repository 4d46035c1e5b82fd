"""The notebooks of the training: as the repository has them at a commit, and as they are in a Git folder."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.git import GitFolder, WorkspaceObject

NOTEBOOKS: Final = "Project_One/notebooks"
"""The folder with all that the training consists of: the notebook, and the modules that it imports."""
NOTEBOOK: Final = f"{NOTEBOOKS}/train_model"
_ENDINGS: Final = (".py", ".ipynb", ".sql", ".scala", ".r")
"""Which a notebook has in the repository, and not in a workspace."""


def committed(context: StepContext, commit: str) -> Mapping[str, str]:
    """Return git's ids of the notebooks at a commit, by path; none if the repository has no such commit or folder."""
    here, project, repository = organization(context), context.names.devops_project, required_repository(context).id

    def read() -> Mapping[str, str]:
        try:
            return here.blobs(project, repository, commit, f"/{NOTEBOOKS}", of="commit")
        except NotFoundError:
            return {}

    return context.reads.share(("notebooks", repository, commit), read)


def are_same(context: StepContext, one: str, other: str) -> bool:
    """Return whether two commits have the same notebooks."""
    found = committed(context, one)
    return bool(found) and found == committed(context, other)


def uncommitted(context: StepContext, folder: GitFolder) -> list[str]:
    """Return in words which notebooks of a Git folder differ from its commit: `train_model.py changed`.

    Databricks does not tell over its API what is not committed: the files are compared, those in the notebooks' folder.

    Raises:
        ServiceError: The workspace could not be asked.
    """
    git, place = workspace(context).git, f"{folder.path}/{NOTEBOOKS}"
    paths = committed(context, folder.head).items()
    wanted = {path.rpartition("/")[2]: blob for path, blob in paths if path.rpartition("/")[0] == NOTEBOOKS}
    seen: set[str] = set()
    differences = []
    for each in git.objects(place):
        if each.type not in {"NOTEBOOK", "FILE"}:
            continue
        name = _name_in_git(each, wanted)
        seen.add(name)
        if name not in wanted:
            differences.append(f"{name} new")
        elif each.type == "NOTEBOOK" and not name.endswith(_ENDINGS[0]):
            continue  # A workspace gives it out in another format than that of the repository.
        elif wanted[name] not in possible_blobs(git.content(each)):
            differences.append(f"{name} changed")
    return differences + [f"{name} deleted" for name in sorted(wanted) if name not in seen]


def _name_in_git(found: WorkspaceObject, wanted: Collection[str]) -> str:
    """Return the name that something in a Git folder has in the repository."""
    name = found.path.rpartition("/")[2]
    if found.type != "NOTEBOOK":
        return name
    possible = [f"{name}{ending}" for ending in _ENDINGS]
    return next((each for each in possible if each in wanted), possible[0])


def possible_blobs(content: bytes) -> set[str]:
    """Return git's ids of a text with each line end, and with and without one at its end: a workspace may change both.

    Args:
        content: As a workspace gives it out.
    """
    bare = content.replace(b"\r\n", b"\n").rstrip(b"\n")
    texts = {bare, bare + b"\n", content.replace(b"\r\n", b"\n")}
    texts |= {content, *(each.replace(b"\n", b"\r\n") for each in texts)}
    return {hashlib.sha1(b"blob %d\0" % len(each) + each, usedforsecurity=False).hexdigest() for each in texts}
