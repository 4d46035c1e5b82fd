"""The pull request that merges the reader's branch into the default branch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_repository import InRepository
from hol_wizard.services.devops.pull_requests import PullRequest

_MARK: Final = re.compile(r"<!-- (hol-wizard [0-9a-zA-Z-]+) -->")
"""The mark at the end of the description. Azure DevOps renders descriptions as Markdown, which does not show it."""


@dataclass(frozen=True)
class LabPullRequest(InRepository[PullRequest]):
    """A pull request from one branch into another.

    The service allows at most one active pull request between two branches. Without an active one, the last completed
    one counts, unless the branch has new commits; an abandoned one does not count.
    """

    context: StepContext
    organization: str
    repository: str
    source: str
    """The source branch."""
    target: str
    """The target branch."""
    title: str = ""
    description: str = ""
    reviewers: tuple[str, ...] = ()
    """The reviewers' IDs in the organization."""
    kind = "Pull request"
    mark = "note in its description"

    @staticmethod
    def of_id(context: StepContext, identity: str) -> LabPullRequest:
        """Return the pull request with this ID in the ledger."""
        _, organization, _, repository, _, source, target = identity.split("/", 6)
        return LabPullRequest(context, organization, repository, source, target)

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the branches."""
        return f"{self.source} into {self.target}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger, below its repository."""
        return f"devops/{self.organization}/repositories/{self.repository}/pullrequests/{self.source}/{self.target}"

    @property
    def cost(self) -> str:
        """Return the cost: it is free of charge."""
        return "free"

    @property
    def usually(self) -> float:
        """Return the usual duration in seconds."""
        return 3.0

    @property
    def note(self) -> str:
        """Return its title."""
        return f"“{self.title}”" if self.title else ""

    # Checking

    def find(self, reads: ReadCache) -> PullRequest | None:
        """Return the active one, otherwise the last completed one, otherwise None.

        Raises:
            NotFoundError: The repository is gone.
            UnseenError: The repository may be hidden from this account.
        """
        place = self.enter(reads)

        def read() -> PullRequest | None:
            found = self.client.pull_requests(place.project, place.id, self.source, self.target)
            by_status = {each.status: each for each in reversed(found)}
            chosen = by_status.get("active") or by_status.get("completed")
            if chosen is not None and chosen.status == "completed":
                key = ("devops branches", self.organization, place.id)
                known = reads.share(key, lambda: self.client.branches(place.project, place.id))
                if known.get(self.source, chosen.source_commit) != chosen.source_commit:
                    return None
            # The list truncates the description, and the mark is at its end.
            return self.client.pull_request(place.project, place.id, chosen.id) if chosen else None

        return reads.share(("devops pull request", self.organization, place.id, self.source, self.target), read)

    def marked(self, found: PullRequest, noted: str | None) -> bool:
        """Return whether its description carries the mark."""
        del noted
        return any(self.context.is_mark(each) for each in _MARK.findall(found.description))

    def identity(self, found: PullRequest) -> str:
        """Return its number."""
        return str(found.id)

    def expectations(self, found: PullRequest) -> Sequence[Expectation]:
        """Return the expectation that it can be reviewed: nobody can vote on a draft."""
        ready = not found.is_draft
        return (Expectation("State", "ready for review", "ready for review" if ready else "a draft", ready),)

    def changeable(self, found: PullRequest, *, ours: bool) -> bool:
        """Return whether it can be published: a draft of the wizard's own."""
        del found
        return ours

    def change(self, found: PullRequest) -> None:
        """Publish it."""
        self.client.publish_pull_request(self.context.names.devops_project, self.repository, found.id)

    def difference(self, found: PullRequest) -> str:
        """Return that it is published."""
        del found
        return "published, so that it can be reviewed"

    def remedy(self, found: PullRequest) -> str:
        """Return how to publish it."""
        return f"Open pull request {found.id} in Azure DevOps and choose Publish."

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number."""
        del begun
        description = f"{self.description}\n\n<!-- {self.context.mark} -->".strip()
        made = self.client.create_pull_request(
            self.context.names.devops_project,
            self.repository,
            self.source,
            self.target,
            self.title,
            description,
            self.reviewers,
        )
        return str(made.id)

    # Removing

    def stays(self, found: PullRequest) -> str:
        """Return why a completed one is kept."""
        return "it is completed, and a merge is not taken back" if found.status == "completed" else ""

    def delete(self, found: PullRequest) -> None:
        """Abandon it: a pull request cannot be deleted."""
        self.client.abandon_pull_request(self.context.names.devops_project, self.repository, found.id)
