"""The entries in the access lists of the data lake that let the environment's service principal in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.resources import lake, role_assignment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import account
from hol_wizard.resources.storage_account import data_lake

RIGHTS = "rwx"


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights that one object id has; an empty text: it is not in the list."""

    top: str
    """In the container's top folder."""
    file: str | None
    """On the data file; None: there is no such file, or files take no such entry."""


@dataclass(frozen=True)
class AccessEntry(Resource[Rights]):
    """One entry of the container's access list and of all that is in it: for access, or the default for what will come.

    The object id is a part of its name in the ledger, so that an undo needs no directory: the service principal may be
    gone from there, and its entry is still in the lake.
    """

    context: StepContext
    object_id: str
    """Of the service principal; empty while there is none."""
    default: bool = False
    new_right: bool = False
    """Whether the account's right to change access lists may be so new that the lake does not know it yet."""
    kind = "Access list"
    unmarked = "an entry of an access list has no mark: the wizard owns it if its change was accepted"
    patience: ClassVar[float] = role_assignment.SPREADS_AT_MOST

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the container, and whether it is the default."""
        return f"{lake.FILE_SYSTEM} (default)" if self.default else lake.FILE_SYSTEM

    @property
    def id(self) -> str:
        """Return its name in the ledger."""
        return f"{_place(self.context)}{self.object_id}/{'default' if self.default else 'access'}"

    @property
    def where(self) -> str:
        """Return the storage account."""
        return self.context.here.storage_account

    @property
    def cost(self) -> str:
        """Return that it costs nothing."""
        return "free"

    @property
    def note(self) -> str:
        """Return which rights, and for whom."""
        return f"{RIGHTS} for {self.context.here.service_principal}"

    @property
    def parent(self) -> Resource[Any]:
        """Return the lake."""
        return data_lake(self.context)

    @property
    def _whom(self) -> str:
        return f"{'default:' if self.default else ''}user:{self.object_id}"

    # Looking

    def look(self, reads: SharedReads) -> Rights:
        """Return which rights it gives.

        Raises:
            NotFoundError: There is no service principal, no lake or no container.
            AccessDeniedError: The lake does not show its access lists.
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

    def _rights(self, path: str, reads: SharedReads) -> str:
        address = lake.endpoint(self.context)
        entries = reads.share(
            ("access list", address, path),
            lambda: self.context.services.data_lake.get_access_control(address, lake.FILE_SYSTEM, path).entries,
        )
        return next((each.rpartition(":")[2] for each in entries if each.startswith(f"{self._whom}:")), "")

    def find(self, reads: SharedReads) -> Rights | None:
        """Return the rights that the top folder's entry gives."""
        found = self.look(reads)
        return found if found.top else None

    def marked(self, found: Rights, noted: str | None) -> bool:
        """Return whether the lake took this wizard's change."""
        del found
        return noted is not None

    def expectations(self, found: Rights) -> Sequence[Expectation]:
        """Return that it gives all rights, on the data file, too."""
        what = "Default for new files" if self.default else f"Access list of {lake.FILE_SYSTEM}"
        seen = [_expectation(what, found.top)]
        if found.file is not None:
            seen.append(_expectation(f"Access list of {lake.DATA_FILE}", found.file))
        return seen

    # Making

    def create(self, begun: Callable[[str], None]) -> str:
        """Add it to the access lists of all that is in the container."""
        del begun
        changed = self.context.services.data_lake.modify_access_control_recursive(
            lake.endpoint(self.context), lake.FILE_SYSTEM, [f"{self._whom}:{RIGHTS}"]
        )
        self.context.channel.say(
            f"{self.context.here.service_principal} is in the access lists of {changed.directories} folders"
            + ("." if self.default else f" and {changed.files} files.")
        )
        return self.object_id

    def changeable(self, found: Rights, *, ours: bool) -> bool:
        """Return that missing rights are added, whoever gave the others."""
        del found, ours
        return True

    def change(self, found: Rights) -> None:
        """Add what is missing."""
        del found
        self.create(lambda address: None)

    def passes(self, error: ServiceError) -> bool:
        """Return whether the account's role may be on its way to the lake."""
        return self.new_right and isinstance(error, AccessDeniedError)

    # Removing

    def delete(self, found: Rights) -> None:
        """Take it out of the access lists of all that is in the container."""
        del found
        self.context.services.data_lake.remove_access_control_recursive(
            lake.endpoint(self.context), lake.FILE_SYSTEM, [self._whom]
        )

    def contents(self, found: Rights) -> str:
        """Return whose it is."""
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
    """Return what this step added in this lake, by the ledger."""
    place, found = _place(context).lower(), []
    for resource in context.ledger.made_by(context.target, AccessEntry.kind):
        if resource.lower().startswith(place):
            object_id, _, which = resource[len(place) :].partition("/")
            found.append(AccessEntry(context, object_id, default=which == "default"))
    return found


def entries_to_come(context: StepContext) -> tuple[AccessEntry, AccessEntry]:
    """Return the entries for plans, while nobody can say for whom they are."""
    return AccessEntry(context, ""), AccessEntry(context, "", default=True)
