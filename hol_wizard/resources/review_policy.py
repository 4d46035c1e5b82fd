"""The branch policy by which another person must approve each pull request into the default branch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_repository import InRepository
from hol_wizard.services.answers import moment
from hol_wizard.services.devops.policies import ReviewPolicy, Scope
from hol_wizard.services.devops.repositories import HEADS

_SKEW = timedelta(minutes=2)
"""By how much this machine's clock may be ahead of the service's. Right before a creation is begun there is no policy
that fits."""


@dataclass(frozen=True)
class BranchReviewPolicy(InRepository[ReviewPolicy]):
    """A policy "Minimum number of reviewers" on one branch, in which the creator's own vote does not count.

    What is noted is its number. Several can apply to one branch: one that fits is enough.

    A policy has no text that could carry a mark, but the service says who created it and when. If the creation was
    begun and its number was not noted, the wizard owns the policy that the same account created after that, with
    exactly the settings that the wizard sends, and that nobody has changed since.
    """

    context: StepContext
    organization: str
    repository: str
    """The repository's id."""
    branch: str
    kind = "Branch policy"
    mark = "number or settings"
    usually = 1.0

    @staticmethod
    def of_id(context: StepContext, identity: str) -> BranchReviewPolicy:
        """Return the policy with an id of the ledger's."""
        _, organization, _, repository, _, branch = identity.split("/", 5)
        return BranchReviewPolicy(context, organization, repository, branch)

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return what it requires, and where."""
        return f"one reviewer for {self.branch}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger, below its repository."""
        return f"devops/{self.organization}/repositories/{self.repository}/review-policies/{self.branch}"

    @property
    def note(self) -> str:
        """Return what changes for the team."""
        return f"from then on, {self.branch} accepts changes only through pull requests that another person approves"

    # Checking

    def find(self, reads: ReadCache) -> ReviewPolicy | None:
        """Return the one that was noted, else one that fits, else any that applies to the branch.

        Raises:
            NotFoundError: The repository is gone.
            UnseenError: The repository may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("devops review policies", self.organization, place.project)
        known = reads.share(key, lambda: self.client.review_policies(place.project))
        applying = [each for each in known if any(scope.covers(place.id, self.branch) for scope in each.scopes)]
        noted = self.context.ledger.detail(self.id) or None
        return min(applying, key=lambda each: (not self.marked(each, noted), bool(self._wrong(each))), default=None)

    def marked(self, found: ReviewPolicy, noted: str | None) -> bool:
        """Return whether it is the one whose creation was accepted, or begun and not noted."""
        if noted is not None:
            return noted == str(found.id)
        ledger = self.context.ledger
        begun, maker = moment(ledger.begun(self.id)), ledger.maker(self.id).partition(" ")[0].lower()
        if begun is None or found.created is None or not found.untouched or found.creator != maker:
            return False
        exact = Scope(self.repository.lower(), f"{HEADS}{self.branch}", "exact")
        return found.scopes == (exact,) and found.created >= begun - _SKEW

    def identity(self, found: ReviewPolicy) -> str:
        """Return its number."""
        return str(found.id)

    def expectations(self, found: ReviewPolicy) -> Sequence[Expectation]:
        """Return that a pull request cannot be completed without the approval of another person."""
        needed = f"{found.minimum} reviewer{'' if found.minimum == 1 else 's'}"
        own = "counts" if found.counts_creator else "does not count"
        state = "on and required" if found.is_blocking else "optional"
        state = state if found.is_enabled else "off"
        return (
            Expectation("State", "on and required", state, found.is_enabled and found.is_blocking),
            Expectation("Minimum number of reviewers", "1 or more", needed, found.minimum >= 1),
            Expectation("Vote of the pull request's creator", "does not count", own, not found.counts_creator),
        )

    def _wrong(self, found: ReviewPolicy) -> list[Expectation]:
        return [each for each in self.expectations(found) if not each.met]

    def changeable(self, found: ReviewPolicy, *, ours: bool) -> bool:
        """Return whether it can be corrected: only the wizard's own."""
        del found
        return ours

    def change(self, found: ReviewPolicy) -> None:
        """Give it its settings again."""
        project = self.context.names.devops_project
        self.client.change_review_policy(project, found, self.repository, self.branch)

    def remedy(self, found: ReviewPolicy) -> str:
        """Return where its settings are."""
        del found
        place = f"Repositories, {self.context.names.repository}, Policies, {self.branch}"
        return f"Correct it under Project settings, {place}: Require a minimum number of reviewers."

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number."""
        del begun
        project = self.context.names.devops_project
        return str(self.client.create_review_policy(project, self.repository, self.branch).id)

    def delete(self, found: ReviewPolicy) -> None:
        """Delete it: the branch accepts pushes again."""
        self.client.delete_policy(self.context.names.devops_project, found)
