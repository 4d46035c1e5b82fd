"""The reader's branch in the lab's repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_repository import InRepository
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone

PUSHING: Final = 2.0
"""Usual duration of a push of a new branch, in seconds."""


class Stand(NamedTuple):
    """The state of a branch."""

    repository: Repository
    at: str
    """Its commit."""
    default: str
    """The default branch's commit; empty if there is none."""


@dataclass(frozen=True)
class Branch(InRepository[Stand]):
    """A branch; only its commits show who owns it. The ledger records the commit that it was created from."""

    context: StepContext
    organization: str
    repository: str
    """The repository's ID."""
    name: str
    start: str = ""
    """The branch that it is created from."""
    clone: Clone | None = field(default=None, compare=False)
    """The clone in which it is checked out, and from which it is pushed."""
    kind = "Branch"
    unmarked = "a branch has no mark: the wizard owns it if its push was accepted"
    usually = PUSHING

    @staticmethod
    def of_id(context: StepContext, identity: str) -> Branch:
        """Return the branch with this ID in the ledger."""
        _, organization, _, repository, _, name = identity.split("/", 5)
        return Branch(context, organization, repository, name)

    @property
    def id(self) -> str:
        """Return its ID in the ledger, below its repository."""
        return f"devops/{self.organization}/repositories/{self.repository}/branches/{self.name}"

    @property
    def note(self) -> str:
        """Return its starting point."""
        return f"from {self.start}, and pushed"

    # Checking

    def find(self, reads: ReadCache) -> Stand | None:
        """Return its state.

        Raises:
            NotFoundError: Its repository is gone.
            UnseenError: Its repository may be hidden from this account.
        """
        found = self.enter(reads)
        known = self.branches(reads, found)
        at = known.get(self.name)
        return Stand(found, at, known.get(found.default_branch, "")) if at else None

    def marked(self, found: Stand, noted: str | None) -> bool:
        """Return whether its push is recorded as accepted."""
        del found
        return noted is not None

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Push it, and return the commit from which it was created: later commits are the reader's."""
        del begun
        if self.clone is None:
            raise NotFoundError(
                f"There is no clone to push {self.name} from.", "<first scientist-setup/create-your-branch>."
            )
        self.context.reporter.say(f"Pushing your branch {self.name} …")
        made_from = self.clone.common_commit(self.name, f"origin/{self.start}")
        self.clone.push(self.name)
        return made_from

    def stays(self, found: Stand) -> str:
        """Return why it is kept: it may have commits that are nowhere else."""
        untouched = found.at in {self.context.ledger.detail(self.id), found.default}
        return "" if untouched else "it has commits of yours"

    def delete(self, found: Stand) -> None:
        """Remove it from the repository if it is still at the commit that was found."""
        remote = self.context.services.git_remote(found.repository.remote_url, self.client.authorization)
        remote.delete_branch(self.name, found.at)
