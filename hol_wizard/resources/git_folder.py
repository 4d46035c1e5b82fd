"""A Git folder in the environment's Databricks workspace: a clone of the lab's repository, on one branch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import unquote, urlsplit

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError, ServiceError
from hol_wizard.resources import notebooks
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, required_repository
from hol_wizard.resources.git_credential import DatabricksGitCredential, credentials
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.visibility import databricks_viewer
from hol_wizard.resources.workspace import workspace, workspace_id
from hol_wizard.services.databricks.git import PROVIDER, GitFolder, is_azure_devops
from hol_wizard.services.devops.repositories import Repository

CLONING: Final = 10.0
"""Usual number of seconds until a new Git folder of the lab's size exists. [K]"""
SHARED: Final = "/Workspace/Shared/Project_One"
"""The shared folder of the lab of 2019."""
BRANCH_STEP: Final = "scientist-setup/create-your-branch"

_ROOT: Final = "/Workspace"


def own_path(context: StepContext) -> str:
    """Return the path of a user's own Git folder."""
    return f"{_ROOT}/Users/{databricks_viewer(context, workspace(context)).name}/{context.names.git_folder}"


def _same_repository(one: str, other: str) -> bool:
    """Whether two addresses belong to the same repository: case, user name, `.git` and a trailing slash are ignored."""

    def plain(url: str) -> tuple[str, str]:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2].lower(), unquote(parts.path).rstrip("/").removesuffix(".git").lower()

    return plain(one) == plain(other)


@dataclass(frozen=True, slots=True)
class Placed:
    """What is at the path, or at the path that the wizard's own folder was moved to."""

    type: str
    """`REPO`, `NOTEBOOK`, `DIRECTORY`, …"""
    folder: GitFolder | None
    """None if it is not a Git folder, or one that the account may not manage."""
    reads: ReadCache
    """What it is compared with, read together with it."""


@kind("git_folder", uses=("databricks_workspace",), deadline=30)
@dataclass(frozen=True)
class DatabricksGitFolder(InWorkspace[Placed]):
    """A Git folder; the Databricks API does not report uncommitted changes."""

    path: str
    """Its path, with `/Workspace`."""
    branch: str
    """The branch that it should be on, at the remote's newest commit."""
    kind = "Git folder"
    unmarked = "a Git folder has no tags: the wizard owns it if its creation was accepted"
    usually = CLONING

    @staticmethod
    def of_id(context: StepContext, identity: str) -> DatabricksGitFolder:
        """Return the folder with this ID in the ledger."""
        return DatabricksGitFolder(context, f"{_ROOT}{identity.partition('/git-folders')[2]}", "")

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its path."""
        return self.path

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"{workspace_id(self.context)}/git-folders{self.path.removeprefix(_ROOT)}"

    @property
    def note(self) -> str:
        """Return its future branch."""
        return f"on branch {self.branch}"

    # Checking

    def find(self, reads: ReadCache) -> Placed | None:
        """Return the wizard's folder, even if it was moved, otherwise what is at the path."""
        git, noted = self.enter(reads).git, self.context.ledger.detail(self.id)
        folder = git.folder_of_id(noted) if noted else None
        if folder is not None:
            return Placed("REPO", folder, reads)
        found = git.object(self.path)
        if found is None:
            return None
        return Placed(found.type, git.folder_of_id(found.id) if found.type == "REPO" else None, reads)

    def marked(self, found: Placed, noted: str | None) -> bool:
        """Return whether it is the one whose creation is recorded."""
        return found.folder is not None and bool(noted) and found.folder.id == noted

    def identity(self, found: Placed) -> str:
        """Return its ID."""
        return found.folder.id if found.folder is not None else ""

    def repository(self, reads: ReadCache) -> Repository:
        """Return the lab's repository.

        Raises:
            NotFoundError: There is none, or the account may not see it.
        """
        return required_repository(replace(self.context, reads=reads))

    def _remote(self, reads: ReadCache) -> Mapping[str, str]:
        return branches(replace(self.context, reads=reads), self.repository(reads))

    def other(self, found: Placed) -> str:
        """Return what else is at its path, in words; empty if nothing is."""
        if found.type != "REPO":
            return f"a {found.type.lower()}"
        if found.folder is None:
            return "a Git folder that you may not manage"
        if not _same_repository(found.folder.url, self.repository(found.reads).remote_url):
            return f"a Git folder of another repository, {found.folder.url or 'linked to none'}"
        return ""

    def refuse_other(self, found: Placed) -> GitFolder:
        """Return the folder.

        Raises:
            ConflictError: Something else is at its path."""
        if (other := self.other(found)) or found.folder is None:
            raise ConflictError(
                f"{self.path} is {other}, which the wizard does not change.",
                "In Databricks, rename or move it (its menu, Rename or Move), then try again.",
            )
        return found.folder

    def expectations(self, found: Placed) -> Sequence[Expectation]:
        """Return the expectations: it is of the repository, on the branch, at the remote's newest commit."""
        url = self.repository(found.reads).remote_url
        other, folder = self.other(found), found.folder
        if other or folder is None:
            return (Expectation(self.kind, url, other, met=False),)
        on = folder.branch == self.branch
        head = self._remote(found.reads).get(self.branch, "")
        seen = [
            Expectation("Path", self.path, folder.path, met=folder.path == self.path),
            Expectation("Repository", url, folder.url, met=True),
            Expectation("Provider", PROVIDER, folder.provider, is_azure_devops(folder.provider)),
            Expectation("Branch", self.branch, folder.branch or "no branch", on),
        ]
        if not head:
            seen.append(Expectation("Branch in Azure DevOps", f"{self.branch} exists", "not found", met=False))
        elif on:
            newest, actual = head[:12], folder.head[:12] or "unknown"
            is_newest = folder.head == head
            same = is_newest or notebooks.are_same(replace(self.context, reads=found.reads), folder.head, head)
            seen.append(
                Expectation(
                    "Newest commit", newest, actual if is_newest or not same else f"{actual}, same notebooks", same
                )
            )
        return seen

    # Creating

    def _required_branch(self, reads: ReadCache) -> None:
        if not self._remote(reads).get(self.branch):
            raise NotFoundError(
                f"The repository has no branch {self.branch or 'at all'}.",
                "<first scientist-setup/create-your-branch>.",
            )

    def create(self, begun: Callable[[str], None]) -> str:
        """Clone the repository into it; it is then on the default branch."""
        del begun
        reads = ReadCache()
        self._required_branch(reads)
        # Only a workspace with several credentials needs to know which one.
        known, credential = credentials(self.here), DatabricksGitCredential(self.context)
        ours = [each for each in known if credential.is_ours(each)]
        chosen = (ours or known)[0].id if len(known) > 1 else ""
        return self.here.git.create_folder(self.repository(reads).remote_url, self.path, chosen).id

    def finish(self, found: Placed) -> bool:
        """Switch it to its branch."""
        self.change(found)
        return True

    def changeable(self, found: Placed, *, ours: bool) -> bool:
        """Return whether it is of the repository, regardless of its creator, at its path, and the branch exists."""
        del ours
        at_place = found.folder is not None and found.folder.path == self.path
        return at_place and not self.other(found) and bool(self._remote(found.reads).get(self.branch))

    def difference(self, found: Placed) -> str:
        """Return the current branch, or that it is pulled."""
        folder = found.folder
        if folder is not None and folder.branch != self.branch:
            return f"from {folder.branch or 'no branch'} to {self.branch}"
        return "pulled to the newest commit"

    def change(self, found: Placed) -> None:
        """Switch it to its branch, at the newest commit.

        Raises:
            ConflictError: Something else is at its path, or changes in the folder prevent this.
            NotFoundError: There is no such branch.
            ServiceError: The workspace refused.
        """
        folder, say = self.refuse_other(found), self.context.reporter.say
        reads = ReadCache()
        self._required_branch(reads)
        if folder.branch == self.branch and folder.head == self._remote(reads)[self.branch]:
            say(f"{self.path} is on {self.branch}, at its newest commit.")
            return
        self.context.reporter.stop_if_cancelled()
        say(f"{'Pulling' if folder.branch == self.branch else 'Switching to'} {self.branch} in {self.path} …")
        self.here.git.switch(folder.id, self.branch)
        now = self.here.git.folder_of_id(folder.id)
        if now is None or now.branch != self.branch:
            raise ServiceError(
                f"The Git folder {self.path} is on {(now and now.branch) or 'no branch'} all the same.",
                "Check it in Databricks: uncommitted changes may prevent the switch.",
            )
        say(f"{self.path} is on {self.branch}, at {now.head[:8]}.")

    # Removing

    def contents(self, found: Placed) -> str:
        """Return what is deleted with it."""
        del found
        return "with uncommitted changes in it; the repository is kept"

    def delete(self, found: Placed) -> None:
        """Remove it, even if it was moved; the repository is not changed."""
        if found.folder is not None:
            self.here.git.delete_folder(found.folder.id)

    # Texts

    def absence(self) -> Result:
        """Return the result if nothing is at the path."""
        return Result(
            Status.FAILED,
            f"There is no Git folder {self.path}.",
            (Expectation(self.kind, f"{self.path} exists", "not found", met=False),),
            "Create it by hand as described, or <solve>.",
        )

    def result(self, found: Placed) -> Result:
        """Return the result: whether it is on its branch, at the newest commit."""
        seen, other, folder = tuple(self.expectations(found)), self.other(found), found.folder
        if other or folder is None:
            return Result(
                Status.FAILED,
                f"{self.path} is {other}, which the wizard does not change.",
                seen,
                "In Databricks, rename or move it (its menu, Rename or Move), then check again.",
            )
        on = folder.branch == self.branch
        is_newest = folder.head == self._remote(found.reads).get(self.branch)
        if folder.path != self.path:
            failed = f"The Git folder {self.path} was moved to {folder.path}."
        elif not self._remote(found.reads).get(self.branch):
            failed = f"The repository has no branch {self.branch}."
        elif not on:
            failed = f"The Git folder is on {folder.branch or 'no branch'}, not on {self.branch}."
        else:
            failed = f"The Git folder does not have the newest notebooks of {self.branch}."
        return judge(
            seen,
            passed=f"The Git folder {self.path} is on {self.branch}, at {'its newest' if is_newest else 'the'} "
            f"commit {folder.head[:8]}{'' if is_newest else ', whose notebooks are the newest'}.",
            failed=failed,
            next_action=self.remedy(found),
        )

    def remedy(self, found: Placed) -> str:
        """Return how to switch it to its branch."""
        folder = found.folder
        if self.other(found) or folder is None:
            return "In Databricks, rename or move it (its menu, Rename or Move), then try again."
        if folder.path != self.path:
            return "In Databricks, move it back (its menu, Move) or delete it, then try again."
        if not self._remote(found.reads).get(self.branch):
            return "<first scientist-setup/create-your-branch>."
        if folder.branch != self.branch:
            return (
                f"In Databricks, commit or discard your changes, then choose the branch {self.branch} "
                "next to the folder's name, or <solve>."
            )
        return "Pull into Databricks: in the branch menu there, or with the action of this name here."
