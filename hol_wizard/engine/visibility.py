"""Whether what an account cannot see is gone: services answer the same for what is hidden and for what is absent.

Azure DevOps answers 404 for a private project of others ("does not exist, or you do not have permission to access it"),
Databricks lists to everybody their own tokens and Git credentials, and to most users only some of the clusters. So
absence is concluded only for the account that made a resource, as the ledger has it, or for one from whom the service
hides nothing. For everybody else it is unclear, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.registry import Change
from hol_wizard.errors import InconclusiveError


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, as the service identifies the account."""

    id: str
    name: str
    is_administrator: bool = False
    """Whether nothing that people share is hidden from them."""
    was_deleted: Callable[[str], bool] | None = None
    """For what the service may hide even from its creator, who can be removed from it: whether the service itself says
    that it was deleted, by the noted id. None: its creator always sees it."""

    def __str__(self) -> str:
        """Return it as the ledger notes it."""
        return f"{self.id} {self.name}".strip()


@dataclass(frozen=True, slots=True)
class Unseen:
    """A resource of the ledger's that the account does not see."""

    kind: str
    name: str
    where: str
    """Organization or workspace."""
    resource: str
    """Its id in the ledger."""
    maker: str
    """Who made it, by name; empty where the ledger does not say."""
    viewer: str
    """Who looks, by name."""

    @property
    def note(self) -> str:
        """Why nothing can be concluded, for a plan."""
        who = f"{self.maker} created it" if self.maker else "the ledger does not say who created it"
        return f"cannot tell whether it exists: {self.viewer} does not see it, and {who}"

    @property
    def change(self) -> Change:
        """The line of a plan."""
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
    """Whether a resource exists cannot be told for this account."""

    def __init__(self, unseen: Unseen, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.unseen = unseen


def unseen(
    ledger: Ledger, viewer: Viewer, resource: str, kind: str, name: str, where: str, *, personal: bool = False
) -> Unseen | None:
    """Return what stands against taking a resource that was not found for absent; None: it is absent.

    Args:
        ledger: What this wizard made.
        viewer: Who has looked.
        resource: Its id in the ledger.
        kind: In people's words.
        name: As people know it.
        where: Organization or workspace.
        personal: Whether even an administrator sees only their own.
    """
    identity, _, maker = ledger.maker(resource).partition(" ")
    noted = ledger.detail(resource)
    if viewer.was_deleted is not None and noted and viewer.was_deleted(noted):
        return None
    if viewer.is_administrator and not personal:
        return None
    # What was never seen to be made has no id to ask for: then its maker's word has to do.
    if identity == viewer.id != "" and (viewer.was_deleted is None or not noted):
        return None
    return Unseen(kind, name, where, resource, maker or identity, viewer.name)
