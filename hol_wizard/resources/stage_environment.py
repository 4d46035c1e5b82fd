"""The environments that the stages of the release deploy to, and the approval that one of them asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.ownership import owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_project import DescribedInProject, InProject
from hol_wizard.services.devops.approvals import ApprovalRule
from hol_wizard.services.devops.environments import DeployedEnvironment

LONGEST_MINUTES: Final = 2 * 24 * 60
"""The lab's time limit of an approval: two days."""
_MINUTES: Final = 60
_INSTRUCTIONS: Final = "Check the tests of the build, and the image in QA, before you approve."


@dataclass(frozen=True)
class StageEnvironment(DescribedInProject[DeployedEnvironment]):
    """An environment without resources; its description carries the mark."""

    context: StepContext
    organization: str
    name: str
    project: str = ""
    kind = "Environment"
    usually = 1.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"environments/{self.name}")

    @property
    def note(self) -> str:
        """Return what it is for."""
        return "it has a history of deployments, and checks"

    def find(self, reads: ReadCache) -> DeployedEnvironment | None:
        """Return the project's environment with this name.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("environment", self.organization, place.id, self.name)
        return reads.share(key, lambda: self.client.environment(place.id, self.name))

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number."""
        del begun
        place = self.enter(ReadCache())
        return str(self.client.create_environment(place.id, self.name, self.context.mark).id)

    def contents(self, found: DeployedEnvironment) -> str:
        """Return what is deleted with it."""
        del found
        return "its history and its checks"

    def delete(self, found: DeployedEnvironment) -> None:
        """Delete it with its history and its checks."""
        self.client.delete_environment(self.enter(ReadCache()).id, found)


@dataclass(frozen=True)
class StageApproval(InProject[ApprovalRule]):
    """The check by which a stage waits until a person approves; its instructions end with the mark.

    An environment can have several such checks, and all of them count: one that fits is enough.
    """

    context: StepContext
    organization: str
    environment: str
    """Name of the environment."""
    approvers: tuple[tuple[str, str], ...] = ()
    """ID and name of those who may approve; empty for an undo."""
    requester_may_approve: bool = True
    """Whether an approver may approve a run that they have started."""
    project: str = ""
    kind = "Approval check"
    mark = "mark in its instructions"
    usually = 1.0

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the environment's name."""
        return f"of {self.environment}"

    @property
    def _environment(self) -> StageEnvironment:
        return StageEnvironment(self.context, self.organization, self.environment, self.project)

    @property
    def id(self) -> str:
        """Return its ID in the ledger, below that of its environment."""
        return f"{self._environment.id}/approval"

    @property
    def note(self) -> str:
        """Return who is asked, and for how long."""
        who = " or ".join(name for _, name in self.approvers)
        own = "" if self.requester_may_approve else "; they may not approve a run that they have started"
        return f"{who} approves within {LONGEST_MINUTES // _MINUTES} hours{own}"

    # Checking

    def _place(self, reads: ReadCache) -> DeployedEnvironment:
        found = self._environment.find(reads)
        if found is None:
            raise NotFoundError(
                f"There is no environment {self.environment}.", "<first release/create-the-environments>."
            )
        return found

    def rules(self, reads: ReadCache) -> list[ApprovalRule]:
        """Return all checks of the environment that ask for an approval.

        Raises:
            NotFoundError: The environment does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place, identity = self.enter(reads), str(self._place(reads).id)
        key = ("approval checks", self.organization, place.id, identity)
        return reads.share(key, lambda: self.client.approval_rules(place.id, identity))

    def find(self, reads: ReadCache) -> ApprovalRule | None:
        """Return the one that was noted, else one that fits, else any of the environment.

        Raises:
            NotFoundError: The environment does not exist.
            UnseenError: The project may be hidden from this account.
        """
        noted = self.context.ledger.detail(self.id) or None
        return min(
            self.rules(reads), key=lambda each: (not self.marked(each, noted), bool(self._wrong(each))), default=None
        )

    def marked(self, found: ApprovalRule, noted: str | None) -> bool:
        """Return whether its instructions end with the mark and it is the recorded one, because people copy texts."""
        last = found.instructions.strip().rpartition("\n")[2]
        return self.context.is_mark(last) and noted in {None, "", str(found.id)}

    def identity(self, found: ApprovalRule) -> str:
        """Return its number."""
        return str(found.id)

    def expectations(self, found: ApprovalRule) -> Sequence[Expectation]:
        """Return who is asked, for how long, and whether somebody decides about a run of their own."""
        names = ", ".join(each.name for each in found.approvers) or "nobody"
        fits = {each.id for each in found.approvers} >= {identity for identity, _ in self.approvers}
        wanted = ", ".join(name for _, name in self.approvers) or "somebody"
        hours = found.minutes / _MINUTES
        limit = LONGEST_MINUTES / _MINUTES
        own = "allowed" if found.requester_may_approve else "not allowed"
        return (
            Expectation("Approvers", wanted, names, fits and bool(found.approvers)),
            Expectation("Timeout", f"{limit:.0f} hours at most", f"{hours:g} hours", 0 < hours <= limit),
            Expectation(
                "Approval of one's own run",
                "allowed, or not" if self.requester_may_approve else "not allowed",
                own,
                self.requester_may_approve or not found.requester_may_approve,
            ),
            Expectation("State", "enabled", "enabled" if found.is_enabled else "disabled", found.is_enabled),
        )

    def _wrong(self, found: ApprovalRule) -> list[Expectation]:
        return [each for each in self.expectations(found) if not each.met]

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number."""
        del begun
        reads = ReadCache()
        made = self.client.create_approval_rule(
            self.enter(reads).id,
            self._resource(reads),
            [identity for identity, _ in self.approvers],
            requester_may_approve=self.requester_may_approve,
            instructions=f"{_INSTRUCTIONS}\n\n{self.context.mark}",
            minutes=LONGEST_MINUTES,
        )
        return str(made.id)

    def _resource(self, reads: ReadCache) -> tuple[str, str]:
        return str(self._place(reads).id), self.environment

    def changeable(self, found: ApprovalRule, *, ours: bool) -> bool:
        """Return whether it is ours."""
        del found
        return ours

    def change(self, found: ApprovalRule) -> None:
        """Give it the settings of a new one."""
        reads = ReadCache()
        self.client.change_approval_rule(
            self.enter(reads).id,
            found,
            self._resource(reads),
            [identity for identity, _ in self.approvers],
            requester_may_approve=self.requester_may_approve,
            minutes=LONGEST_MINUTES,
        )

    def remedy(self, found: ApprovalRule) -> str:
        """Return where it is changed."""
        by_hand = f"Correct it under Pipelines, Environments, {self.environment}, Approvals and checks"
        return f"{by_hand}, or <solve>." if owns(self, found) else f"{by_hand}; or delete it there and <solve>."

    def delete(self, found: ApprovalRule) -> None:
        """Delete it: the stage no longer waits."""
        self.client.delete_approval_rule(self.enter(ReadCache()).id, found)
