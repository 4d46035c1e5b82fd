"""The pull request by which the reader's branch goes into the default branch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, SignInError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_repository import InRepository
from hol_wizard.services.devops.pull_requests import PullRequest
from hol_wizard.services.devops.repositories import Repository

_STATE: Final = "State"
_MARK: Final = re.compile(r"<!-- (hol-wizard [0-9a-zA-Z-]+) -->")
"""At the end of the description. Azure DevOps renders descriptions as Markdown, which does not show it."""


@dataclass(frozen=True)
class LabPullRequest(InRepository[PullRequest]):
    """A pull request from one branch into another.

    The service has at most one active one between two branches. Without an active one it is the last that was
    completed, unless the branch has new commits since; an abandoned one does not count.
    """

    context: StepContext
    organization: str
    repository: str
    source: str
    """The branch that is proposed."""
    target: str
    """The branch that it is proposed for."""
    title: str = ""
    description: str = ""
    reviewers: tuple[str, ...] = ()
    """Addresses of the people who are asked for a review, in small letters."""
    kind = "Pull request"
    mark = "note in its description"
    usually = 3.0

    @staticmethod
    def of_id(context: StepContext, identity: str) -> LabPullRequest:
        """Return the pull request with an id of the ledger's."""
        _, organization, _, repository, _, source, target = identity.split("/", 6)
        return LabPullRequest(context, organization, repository, source, target)

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the branches."""
        return f"{self.source} into {self.target}"

    @property
    def id(self) -> str:
        """Return its name in the ledger, below its repository."""
        return f"devops/{self.organization}/repositories/{self.repository}/pullrequests/{self.source}/{self.target}"

    @property
    def note(self) -> str:
        """Return its title, and who has to do what."""
        who = f"review by {', '.join(self.reviewers)}" if self.reviewers else "nobody is asked for a review"
        return f"“{self.title}”; {who}; another person must approve it<practice review>" if self.title else ""

    # Checking

    def find(self, reads: ReadCache) -> PullRequest | None:
        """Return the active one, else the last completed one, else None.

        Raises:
            NotFoundError: The repository is gone.
            UnseenError: The repository may be hidden from this account.
        """
        place = self.enter(reads)

        def read() -> PullRequest | None:
            found = self.client.pull_requests(place.project, place.id, self.source, self.target)
            by_status = {each.status: each for each in reversed(found)}
            chosen = by_status.get("active") or by_status.get("completed")
            if chosen is not None and chosen.status == "completed" and self._went_on(reads, place, chosen):
                return None
            # The list truncates the description, at whose end the mark is.
            return self.client.pull_request(place.project, place.id, chosen.id) if chosen else None

        return reads.share(("devops pull request", self.organization, place.id, self.source, self.target), read)

    def _went_on(self, reads: ReadCache, place: Repository, completed: PullRequest) -> bool:
        """Return whether the branch has commits since a merge that its target does not have."""
        known = self.branches(reads, place)
        if known.get(self.source, completed.source_commit) == completed.source_commit:
            return False
        # It may only have taken the merge in.
        apart = self.client.distance(place.project, place.id, self.source, known.get(self.target, ""))
        return apart is None or apart[0] > 0

    def marked(self, found: PullRequest, noted: str | None) -> bool:
        """Return whether its description carries the mark."""
        del noted
        return any(self.context.is_mark(each) for each in _MARK.findall(found.description))

    def identity(self, found: PullRequest) -> str:
        """Return its number."""
        return str(found.id)

    def expectations(self, found: PullRequest) -> Sequence[Expectation]:
        """Return that it can be reviewed, which a draft cannot, and that everybody was asked who is to review it."""
        ready = not found.is_draft
        seen = [Expectation(_STATE, "ready for review", "ready for review" if ready else "a draft", ready)]
        if found.status == "active":
            missing = self._missing(found)
            for each in self.reviewers:
                asked = each not in missing
                seen.append(Expectation(f"Reviewer {each}", "asked", "asked" if asked else "not asked", asked))
        return seen

    def _missing(self, found: PullRequest) -> tuple[str, ...]:
        asked = {each.unique_name.lower() for each in found.reviewers}
        return tuple(each for each in self.reviewers if each not in asked)

    def changeable(self, found: PullRequest, *, ours: bool) -> bool:
        """Return whether it fits once reviewers are asked, or a draft of the wizard's own is published."""
        return ours or not found.is_draft

    def change(self, found: PullRequest) -> None:
        """Publish it, and ask the reviewers who are missing."""
        project = self.context.names.devops_project
        if found.is_draft:
            self.client.publish_pull_request(project, self.repository, found.id)
        for each in self._missing(found):
            self.client.add_reviewer(project, self.repository, found.id, self._identity(each))

    def difference(self, found: PullRequest) -> str:
        """Return that it is published, and who is asked."""
        published = ["published, so that it can be reviewed"] if found.is_draft else []
        return "; ".join([*published, *(f"{each} is asked for a review" for each in self._missing(found))])

    def obstacle(self) -> WizardError | None:
        """Return that the organization does not know a reviewer."""
        for each in self.reviewers:
            try:
                self._identity(each)
            except NotFoundError as error:
                return error
        return None

    def _identity(self, address: str) -> str:
        """Return the organization's own id of a reviewer.

        Raises:
            NotFoundError: It has nobody with this address.
        """
        try:
            found = self.client.identity(address)
        except (SignInError, AccessDeniedError):
            # A personal access token without the scope for identities; it may have the one for users.
            members = self.client.members()
            found = next((each.id for each in members if address in each.known_as), "")
        if not found:
            raise NotFoundError(
                f"The organization {self.organization} has no user {address}.",
                "Check the address, or have the organizer invite this person (<step devops-project/invite-the-users>).",
            )
        return found

    def remedy(self, found: PullRequest) -> str:
        """Return who publishes it, or asks for the review."""
        if found.is_draft:
            return f"Open pull request {found.id} in Azure DevOps and choose Publish. Nobody can vote on a draft."
        return f"Add the reviewer on the page of pull request {found.id}, or <solve>."

    # Making

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
            [self._identity(each) for each in self.reviewers],
        )
        return str(made.id)

    # Removing

    def stays(self, found: PullRequest) -> str:
        """Return that a completed one is history."""
        return "it is completed, and a merge is not taken back" if found.status == "completed" else ""

    def delete(self, found: PullRequest) -> None:
        """Abandon it: a pull request cannot be deleted."""
        self.client.abandon_pull_request(self.context.names.devops_project, self.repository, found.id)
