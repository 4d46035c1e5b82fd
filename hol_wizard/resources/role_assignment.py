"""An Azure role of a principal on a scope."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, Marked, MarkedFunction
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import account
from hol_wizard.services.answers import moment
from hol_wizard.services.graph import Principal

Assignment = Mapping[str, Any]

SPREADS = 300.0
"""Usual number of seconds until a new role is effective in the data services ("up to 10 minutes", Storage, "Assign an
Azure role for access to blob data")."""
SPREADS_AT_MOST = 900.0
"""Seconds after which a role that does not work is no longer considered new: Azure says up to ten minutes."""

_SPACE = uuid.UUID("3f0c5a5e-5a3c-4b8c-9d0e-6b1f0a7e41aa")


@dataclass(frozen=True, slots=True)
class Role:
    """One of Azure's built-in roles; the IDs are the same in every tenant (Azure built-in roles reference)."""

    name: str
    id: str
    included_in: tuple[str, ...] = ()
    """IDs of roles that include this one."""


STORAGE_BLOB_DATA_OWNER = Role("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b")
STORAGE_BLOB_DATA_CONTRIBUTOR = Role(
    "Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", (STORAGE_BLOB_DATA_OWNER.id,)
)
STORAGE_BLOB_DATA_READER = Role(
    "Storage Blob Data Reader",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    (STORAGE_BLOB_DATA_CONTRIBUTOR.id, STORAGE_BLOB_DATA_OWNER.id),
)
_OWNER, _CONTRIBUTOR = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "b24988ac-6180-42a0-ab88-20f7382dd24c"
CONTRIBUTOR = Role("Contributor", _CONTRIBUTOR, (_OWNER,))
ACR_PUSH = Role("AcrPush", "8311e382-0749-4cb8-b61a-304f252e45ec")
ACR_IMPORTER = Role("Container Registry Data Importer and Data Reader", "577a9874-89fd-4f24-9dbd-b5034d0ad23a")
READER = Role("Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", (_OWNER, _CONTRIBUTOR))
AZUREML_DATA_SCIENTIST = Role("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, a principal and a scope."""

    role: Role
    scope: str
    """Resource ID."""
    principal: str
    """Object ID; empty if it is not known yet."""
    who: str
    """The principal in words: `you`, or the service principal's name."""
    principal_type: str = "ServicePrincipal"
    """`User`, `Group` or `ServicePrincipal`: with it, Azure accepts a principal that is not replicated yet."""

    @property
    def where(self) -> str:
        """Return the last part of the scope."""
        return self.scope.rpartition("/")[2]

    def __str__(self) -> str:
        """Return the grant in words."""
        return f"{self.role.name} on {self.where} for {self.who}"


def signed_in(context: StepContext) -> Principal:
    """Return the signed-in account from the directory; read once per run."""
    return context.reads.share("signed in", context.services.graph.signed_in)


def to_yourself(context: StepContext, role: Role, scope: str, *, exists: bool = True) -> Grant:
    """Return the assignment of a role to the signed-in account.

    Args:
        context: The step's.
        role: The role.
        scope: Resource ID.
        exists: Whether the scope exists; otherwise, the account is not looked up.
    """
    if not exists:
        return Grant(role, scope, "", "you", "User")
    me = signed_in(context)
    return Grant(role, scope, me.id, "you", me.kind)


@dataclass(frozen=True)
class RoleAssignment(Resource[Assignment]):
    """A role assignment; its mark is its description.

    Its name is always the same for this lab, so that a repeated request creates only one, and differs for another lab:
    if both send the request at the same time, Azure refuses the second one ("RoleAssignmentExists").
    """

    context: StepContext
    path: str
    """Resource ID."""
    name: str
    grant: Grant | None
    """None for any assignment with this ID, for an undo, in which the principal may no longer be known."""
    kind = "Role assignment"
    usually = SPREADS
    patience: ClassVar[float] = 180.0
    """Seconds to wait for a principal that is not replicated yet, as in azure-cli."""

    @property
    def id(self) -> str:
        """Return its resource ID."""
        return self.path

    @property
    def where(self) -> str:
        """Return the last part of the scope."""
        return _scope(self.path).rpartition("/")[2]

    def creation(self, note: str = "") -> Change:
        """Return the plan's line for its creation, without an ID as long as the principal is unknown."""
        line = super().creation(note)
        return line if self.grant is None or self.grant.principal else replace(line, resource="")

    def find(self, reads: ReadCache) -> Assignment | None:
        """Return it, otherwise another one that gives the principal this role, or more, on the scope or above it."""
        arm, grant = self.context.services.arm, self.grant
        if grant is None:
            return arm.find(self.path)
        if not grant.principal:
            raise NotFoundError(f"{grant.who} cannot get a role yet.", "First do the steps that it needs.")
        found = reads.share(
            ("roles", grant.scope.lower(), grant.principal.lower()),
            lambda: arm.list(
                f"{grant.scope}/providers/Microsoft.Authorization/roleAssignments",
                **{"$filter": f"assignedTo('{grant.principal}')"},
            ),
        )
        wanted = (grant.role.id, *grant.role.included_in)
        fitting = [
            each
            for each in found
            if str(each["properties"]["roleDefinitionId"]).rpartition("/")[2].lower() in wanted
            and grant.scope.lower().startswith(str(each["properties"].get("scope") or grant.scope).lower().rstrip("/"))
        ]
        return next(iter(sorted(fitting, key=lambda each: not self._is_this(each))), None)

    def _is_this(self, found: Assignment) -> bool:
        return str(found["id"]).lower() == self.path.lower()

    def marked(self, found: Assignment, noted: str | None) -> bool:
        """Return whether it is this one, with the lab's description."""
        del noted
        return self._is_this(found) and self.context.is_mark(found["properties"].get("description"))

    def identity(self, found: Assignment) -> str:
        """Return it in words; in an undo, the principal may no longer be known."""
        del found
        return self.name

    def create(self, begun: Callable[[str], None]) -> str:
        """Assign the role; the check waits until it works."""
        del begun
        grant = self.grant
        if grant is None:
            raise ValueError(f"{self.path} is known only by its ID")
        subscription = "/".join(grant.scope.split("/")[:3])
        body = {
            "properties": {
                "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{grant.role.id}",
                "principalId": grant.principal,
                "principalType": grant.principal_type,
                "description": self.context.mark,
            }
        }
        self.context.services.arm.put(self.path, body)
        return self.name

    def passes(self, error: ServiceError) -> bool:
        """Return whether the principal is not replicated yet."""
        return error.code == "PrincipalNotFound"

    def delete(self, found: Assignment) -> None:
        """Remove the assignment."""
        del found
        self.context.services.arm.delete(self.path)


def assignment(context: StepContext, grant: Grant) -> RoleAssignment:
    """Return the assignment with which this lab assigns a role."""
    words = f"{context.lab_id} {grant.scope.lower()} {grant.principal.lower()} {grant.role.id}"
    path = f"{grant.scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid5(_SPACE, words)}"
    return RoleAssignment(context, path, str(grant), grant)


def _scope(path: str) -> str:
    return path.partition("/providers/Microsoft.Authorization/")[0]


# What steps do with one


def look(context: StepContext, grant: Grant, works: Callable[[], bool] | None = None) -> Result:
    """Return the status of the role.

    Args:
        context: The step's context.
        grant: The role.
        works: Tries what the role allows, and returns whether it was allowed; None if that cannot be tried from here.
    """
    found = assignment(context, grant).find(context.reads)
    if found is None:
        return Result(
            Status.FAILED,
            f"The role {grant.role.name} on {grant.where} is not assigned to {grant.who}.",
            (Expectation(grant.role.name, f"assigned to {grant.who}", "not assigned", met=False),),
            "Assign it by hand as described, or <solve>.",
        )
    given = Expectation(grant.role.name, f"assigned to {grant.who}", "given", met=True)
    if works is None or works():
        tried = () if works is None else (Expectation("The role in use", "has access", "has access", met=True),)
        return Result(Status.PASSED, f"{grant} is assigned.", (given, *tried))
    refused = Expectation("The role in use", "has access", "still denied", met=False)
    if is_young(found):
        return Result(
            Status.WAITING,
            f"The role {grant.role.name} on {grant.where} is propagating.",
            (given, refused),
            "Nothing to do: the wizard checks again automatically.",
            look_again_after=max(1.0, context.poll_interval),
            usually=SPREADS,
        )
    minutes = _age(found) / 60
    return Result(
        Status.FAILED,
        f"The role {grant.role.name} on {grant.where}, given {minutes:.0f} minutes ago, still has no effect.",
        (given, refused),
        f"Check the firewall of {grant.where} in the portal, under Networking, then sign in again to get a new token.",
    )


def is_young(found: Assignment | None) -> bool:
    """Whether a role was assigned recently, so that a refusal does not mean that it is missing."""
    return found is not None and _age(found) < SPREADS_AT_MOST


def _age(found: Assignment) -> float:
    """Return the seconds since the assignment was created; 0 if unknown."""
    made = moment(str(found["properties"].get("createdOn") or ""))
    return 0.0 if made is None else max(0.0, time.time() - made.timestamp())


def plan(context: StepContext, grant: Grant) -> tuple[Change, ...]:
    """Return what `give` would do."""
    return ownership.plan(assignment(context, grant))


def give(context: StepContext, grant: Grant) -> None:
    """Assign the role, or adopt an existing assignment; the check waits until it works.

    Raises:
        AccessDeniedError: The account may not assign roles.
        ServiceError: Azure refused.
    """
    ownership.solve(assignment(context, grant))


def given(context: StepContext, *, by: Sequence[str] = ()) -> list[RoleAssignment]:
    """Return what this step assigned, according to the ledger; the directory may no longer know the principal.

    Args:
        context: The step's context.
        by: Keys of the steps if it is not only this one.
    """
    found = []
    for target in by or (context.target,):
        for path in context.ledger.made_by(target, RoleAssignment.kind):
            words = context.ledger.detail(path) or f"role on {_scope(path).rpartition('/')[2]}"
            found.append(RoleAssignment(context, path, words, None))
    return found


def plan_removal(context: StepContext) -> tuple[Change, ...]:
    """Return what `take_back` would do; empty if nothing of ours is left."""
    return tuple(ownership.plan_undo_all(given(context)))


def take_back(context: StepContext) -> None:
    """Remove the assignments that this step created and that still carry the mark.

    Raises:
        ServiceError: Azure refused, or one is still there.
    """
    ownership.undo_all(given(context))


def marked(role: Role, scope_of: Callable[[StepContext], str], *, of_program: bool = False) -> MarkedFunction:
    """Return a function that finds this lab's assignments of a role on a scope: to its service principal, or to
    others."""

    def find(context: StepContext) -> Sequence[Marked]:
        subscription, scope = f"/subscriptions/{context.names.subscription}", scope_of(context)
        listed = context.reads.share(
            ("marked roles", subscription),
            lambda: context.services.arm.list(f"{subscription}/providers/Microsoft.Authorization/roleAssignments"),
        )
        found = []
        for each in listed:
            properties = each["properties"]
            of, principal = str(properties["roleDefinitionId"]).rpartition("/")[2], str(properties["principalId"])
            here = of.lower() == role.id and str(properties.get("scope", "")).lower() == scope.lower()
            ours = here and context.is_mark(properties.get("description"))
            if ours and _is_program(context, principal) is of_program:
                words = str(Grant(role, scope, principal, principal))
                found.append(Marked(RoleAssignment.kind, str(each["id"]), words, scope.rpartition("/")[2], words))
        return found

    return find


def _is_program(context: StepContext, principal: str) -> bool:
    """Whether an object ID is that of the environment's service principal, and not of the person."""
    found = account(context)
    return found is not None and found.object_id.lower() == principal.lower()
