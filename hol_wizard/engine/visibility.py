"""Whether a resource that an account cannot see is gone: services respond the same for hidden and absent resources.

Azure DevOps answers 404 for a private project of others ("does not exist, or you do not have permission to access it"),
Databricks lists to each person only their own tokens and Git credentials, and to most users only some of the clusters.
Absence is therefore concluded only for the account that created a resource, according to the ledger, or for an account
from which the service hides nothing. For all others it is unclear, and nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.registry import Change
from hol_wizard.errors import InconclusiveError


@dataclass(frozen=True, slots=True)
class Viewer:
    """The account that checks, as the service identifies it."""

    id: str
    name: str
    is_administrator: bool = False
    """Whether no shared resource is hidden from it."""
    was_deleted: Callable[[str], bool] | None = None
    """For resources that the service may hide even from their creator: whether the service says that it was deleted.

    The argument is the recorded ID. None if the creator always sees the resource.
    """

    def __str__(self) -> str:
        """Return it in the ledger's form."""
        return f"{self.id} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Unseen:
    """A resource in the ledger that the account does not see."""

    kind: str
    name: str
    where: str
    """Organization or workspace."""
    resource: str
    """Its id in the ledger."""
    maker: str
    """Name of its creator; empty if the ledger does not contain it."""
    viewer: str
    """Name of the account that checks."""

    @property
    def note(self) -> str:
        """Why nothing can be concluded, for a plan."""
        who = f"{self.maker} created it" if self.maker else "the ledger does not say who created it"
        return f"cannot tell whether it exists: {self.viewer} does not see it, and {who}"

    @property
    def change(self) -> Change:
        """Its line in a plan."""
        return Change("unclear", self.kind, self.name, self.where, note=self.note, resource=self.resource)

    @property
    def error(self) -> UnseenError:
        """The error for a check or an undo."""
        sign_in = f"Sign in as {self.maker}" if self.maker else "Sign in as the account that created it"
        if self.maker == self.viewer:
            sign_in = f"You may have been removed from it: sign in as a member of {self.name}"
        made = f"; {self.maker} created it" if self.maker else ""
        return UnseenError(
            self,
            f"Cannot tell: there is no {self.kind} {self.name} in {self.where} that you ({self.viewer}) can see{made}.",
            f"{sign_in}, and try again. Until then the ledger keeps it.",
        )


class UnseenError(InconclusiveError):
    """With this account, it is unknown whether a resource exists."""

    def __init__(self, unseen: Unseen, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.unseen = unseen


def unseen(
    ledger: Ledger, viewer: Viewer, resource: str, kind: str, name: str, where: str, *, personal: bool = False
) -> Unseen | None:
    """Return why a resource that was not found cannot be considered absent; None if it is absent.

    Args:
        ledger: What this wizard created.
        viewer: The account that checked.
        resource: Its ID in the ledger.
        kind: The kind, for messages.
        name: The name, for messages.
        where: Organization or workspace.
        personal: Whether even an administrator sees only their own.
    """
    identity, _, maker = ledger.maker(resource).partition(" ")
    noted = ledger.detail(resource)
    if viewer.was_deleted is not None and noted and viewer.was_deleted(noted):
        return None
    if viewer.is_administrator and not personal:
        return None
    # If no completed creation is recorded, there is no ID to ask for: then its creator's view must suffice.
    if identity == viewer.id != "" and (viewer.was_deleted is None or not noted):
        return None
    return Unseen(kind, name, where, resource, maker or identity, viewer.name)
