"""The reader's branch in the lab's repository."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from hol_wizard.engine.reads import SharedReads
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_repository import InRepository
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone

PUSHING: Final = 2.0
"""Seconds that a push of a new branch takes."""


class Stand(NamedTuple):
    """How a branch stands."""

    repository: Repository
    at: str
    """The commit that it is at."""
    default: str
    """The commit that the default branch is at; empty if there is none."""


@dataclass(frozen=True)
class Branch(InRepository[Stand]):
    """A branch; nothing but its commits tells whose it is. What is noted is the commit that it was made from."""

    context: StepContext
    organization: str
    repository: str
    """The repository's id."""
    name: str
    start: str = ""
    """The branch that it is made from."""
    clone: Clone | None = field(default=None, compare=False)
    """Where it is checked out, and pushed from."""
    kind = "Branch"
    unmarked = "a branch has no mark: the wizard owns it if its push was accepted"

    @staticmethod
    def of_id(context: StepContext, identity: str) -> Branch:
        """Return the branch with an id of the ledger's."""
        _, organization, _, repository, _, name = identity.split("/", 5)
        return Branch(context, organization, repository, name)

    @property
    def id(self) -> str:
        """Return its name in the ledger, below its repository."""
        return f"devops/{self.organization}/repositories/{self.repository}/branches/{self.name}"

    @property
    def cost(self) -> str:
        """Return that it costs nothing."""
        return "free"

    @property
    def usually(self) -> float:
        """Return the seconds that it takes."""
        return PUSHING

    @property
    def note(self) -> str:
        """Return where it begins."""
        return f"from {self.start}, and pushed"

    # Looking

    def find(self, reads: SharedReads) -> Stand | None:
        """Return how it stands.

        Raises:
            NotFoundError: Its repository is gone.
            UnseenError: Its repository may be hidden from this account.
        """
        found = self.enter(reads)
        key = ("devops branches", self.organization, self.repository)
        known = reads.share(key, lambda: self.client.branches(found.project, found.id))
        at = known.get(self.name)
        return Stand(found, at, known.get(found.default_branch, "")) if at else None

    def marked(self, found: Stand, noted: str | None) -> bool:
        """Return whether its push was seen to be accepted."""
        del found
        return noted is not None

    # Making

    def create(self, begun: Callable[[str], None]) -> str:
        """Push it, and return the commit from which it was made: what is beyond that is the reader's."""
        del begun
        if self.clone is None:
            raise NotFoundError(
                f"There is no clone to push {self.name} from.", "<first scientist-setup/create-your-branch>."
            )
        self.context.channel.say(f"Pushing your branch {self.name} …")
        made_from = self.clone.common_commit(self.name, f"origin/{self.start}")
        self.clone.push(self.name)
        return made_from

    def stays(self, found: Stand) -> str:
        """Return that there are commits on it that are nowhere else, as far as anybody knows."""
        untouched = found.at in {self.context.ledger.detail(self.id), found.default}
        return "" if untouched else "it has commits of yours"

    def delete(self, found: Stand) -> None:
        """Remove it from the repository if it is still at the commit that was seen."""
        remote = self.context.services.git_remote(found.repository.remote_url, self.client.authorization)
        remote.delete_branch(self.name, found.at)
