"""The entries in the access lists of the data lake that give the environment's service principal access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.resources import lake, role_assignment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import account
from hol_wizard.resources.storage_account import data_lake

RIGHTS = "rwx"


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one object ID; empty if it is not in the list."""

    top: str
    """Rights on the container's top folder."""
    file: str | None
    """Rights on the data file; None if there is no such file, or if files cannot have such an entry."""


@dataclass(frozen=True)
class AccessEntry(Resource[Rights]):
    """One entry in the access lists of the container and its contents: for access, or as default for new files.

    The object ID is a part of its ID in the ledger, so that an undo does not need the directory: the service principal
    may have been deleted there while its entry is still in the lake.
    """

    context: StepContext
    object_id: str
    """Object ID of the service principal; empty if there is none yet."""
    default: bool = False
    new_right: bool = False
    """Whether the account's right to change access lists may be so new that it is not effective yet."""
    kind = "Access list"
    unmarked = "an entry of an access list has no mark: the wizard owns it if its change was accepted"
    patience: ClassVar[float] = role_assignment.SPREADS_AT_MOST

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the container, and whether it is the default entry."""
        return f"{lake.FILE_SYSTEM} (default)" if self.default else lake.FILE_SYSTEM

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"{_place(self.context)}{self.object_id}/{'default' if self.default else 'access'}"

    @property
    def where(self) -> str:
        """Return the storage account."""
        return self.context.here.storage_account

    @property
    def note(self) -> str:
        """Return the rights, and the principal."""
        return f"{RIGHTS} for {self.context.here.service_principal}"

    @property
    def parent(self) -> Resource[Any]:
        """Return the lake."""
        return data_lake(self.context)

    @property
    def _whom(self) -> str:
        return f"{'default:' if self.default else ''}user:{self.object_id}"

    # Checking

    def look(self, reads: ReadCache) -> Rights:
        """Return the rights that it gives.

        Raises:
            NotFoundError: There is no service principal, no lake or no container.
            AccessDeniedError: The account may not read the access lists.
        """
        if not self.object_id:
            raise NotFoundError("There is no service principal yet.", "Create it first.")
        top = self._rights("", reads)
        if self.default:
            return Rights(top, None)
        try:
            return Rights(top, self._rights(lake.DATA_FILE, reads))
        except NotFoundError:
            return Rights(top, None)

    def _rights(self, path: str, reads: ReadCache) -> str:
        address = lake.endpoint(self.context)
        entries = reads.share(
            ("access list", address, path),
            lambda: self.context.services.data_lake.get_access_control(address, lake.FILE_SYSTEM, path).entries,
        )
        return next((each.rpartition(":")[2] for each in entries if each.startswith(f"{self._whom}:")), "")

    def find(self, reads: ReadCache) -> Rights | None:
        """Return the rights that the top folder's entry gives."""
        found = self.look(reads)
        return found if found.top else None

    def marked(self, found: Rights, noted: str | None) -> bool:
        """Return whether the lake accepted this wizard's change."""
        del found
        return noted is not None

    def expectations(self, found: Rights) -> Sequence[Expectation]:
        """Return the expectations: all rights, also on the data file."""
        what = "Default for new files" if self.default else f"Access list of {lake.FILE_SYSTEM}"
        seen = [_expectation(what, found.top)]
        if found.file is not None:
            seen.append(_expectation(f"Access list of {lake.DATA_FILE}", found.file))
        return seen

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Add it to the access lists of everything in the container."""
        del begun
        changed = self.context.services.data_lake.modify_access_control_recursive(
            lake.endpoint(self.context), lake.FILE_SYSTEM, [f"{self._whom}:{RIGHTS}"]
        )
        self.context.reporter.say(
            f"{self.context.here.service_principal} is in the access lists of {changed.directories} folders"
            + ("." if self.default else f" and {changed.files} files.")
        )
        return self.object_id

    def changeable(self, found: Rights, *, ours: bool) -> bool:
        """Return True: missing rights are added, regardless of who gave the others."""
        del found, ours
        return True

    def change(self, found: Rights) -> None:
        """Add what is missing."""
        del found
        self.create(lambda address: None)

    def passes(self, error: ServiceError) -> bool:
        """Return whether the account's role may still be propagating."""
        return self.new_right and isinstance(error, AccessDeniedError)

    # Removing

    def delete(self, found: Rights) -> None:
        """Remove it from the access lists of everything in the container."""
        del found
        self.context.services.data_lake.remove_access_control_recursive(
            lake.endpoint(self.context), lake.FILE_SYSTEM, [self._whom]
        )

    def contents(self, found: Rights) -> str:
        """Return its principal."""
        del found
        return f"object id {self.object_id}"


def _expectation(what: str, rights: str) -> Expectation:
    return Expectation(what, "read, write, execute", rights or "not in the list", rights == RIGHTS)


def _place(context: StepContext) -> str:
    return f"{lake.lake_id(context)}/acl/"


def entries(context: StepContext, *, new_right: bool = False) -> tuple[AccessEntry, AccessEntry]:
    """Return the two entries of the environment's service principal.

    Raises:
        ConflictError: Several applications have its name.
    """
    found = account(context)
    object_id = found.object_id if found is not None else ""
    return (
        AccessEntry(context, object_id, new_right=new_right),
        AccessEntry(context, object_id, default=True, new_right=new_right),
    )


def noted(context: StepContext) -> list[AccessEntry]:
    """Return what this step added in this lake, according to the ledger."""
    place, found = _place(context).lower(), []
    for resource in context.ledger.made_by(context.target, AccessEntry.kind):
        if resource.lower().startswith(place):
            object_id, _, which = resource[len(place) :].partition("/")
            found.append(AccessEntry(context, object_id, default=which == "default"))
    return found


def entries_to_come(context: StepContext) -> tuple[AccessEntry, AccessEntry]:
    """Return the entries for plans before the service principal is known."""
    return AccessEntry(context, ""), AccessEntry(context, "", default=True)
