"""A role that somebody needs on a scope: looked at, planned, given and taken back the same way everywhere."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import ServiceError
from hol_wizard.resources.context import StepContext

KIND = "Role assignment"

SPREADS = 300.0
"""Seconds that a new role usually takes until the data services know it ("Allow several minutes", Key Vault RBAC
guide)."""
SPREADS_AT_MOST = 900.0
"""Seconds after which a role that still does not work is not merely young: Azure says up to ten minutes."""
REPLICATION_TRIES = 36
"""Looks at a service principal too young to be given a role, one every poll interval of Azure (as azure-cli does)."""

_SPACE = uuid.UUID("3f0c5a5e-5a3c-4b8c-9d0e-6b1f0a7e41aa")


@dataclass(frozen=True, slots=True)
class Role:
    """One of Azure's built-in roles; the ids are the same in every tenant (Azure built-in roles reference)."""

    name: str
    id: str
    included_in: tuple[str, ...] = ()
    """Ids of roles that allow all that this one allows."""


STORAGE_BLOB_DATA_OWNER = Role("Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b")
STORAGE_BLOB_DATA_CONTRIBUTOR = Role(
    "Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", (STORAGE_BLOB_DATA_OWNER.id,)
)
_KEY_VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
KEY_VAULT_SECRETS_OFFICER = Role(
    "Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", (_KEY_VAULT_ADMINISTRATOR,)
)
KEY_VAULT_SECRETS_USER = Role(
    "Key Vault Secrets User",
    "4633458b-17de-408a-b874-0445c86b69e6",
    (KEY_VAULT_SECRETS_OFFICER.id, _KEY_VAULT_ADMINISTRATOR),
)
AZUREML_DATA_SCIENTIST = Role("AzureML Data Scientist", "f6c7c914-8db3-469d-8ca1-694a8f32e121")


@dataclass(frozen=True, slots=True)
class Grant:
    """A role, and who is to have it where."""

    role: Role
    scope: str
    """Resource id."""
    principal: str
    """Object id."""
    who: str
    """In words: `you`, or the service principal's name."""
    principal_type: str = "ServicePrincipal"
    """`User`, `Group` or `ServicePrincipal`: with it Azure takes a principal that has not spread yet."""

    @property
    def id(self) -> str:
        """Resource id of the assignment: always the same, so that asking twice makes one."""
        name = uuid.uuid5(_SPACE, f"{self.scope.lower()} {self.principal.lower()} {self.role.id}")
        return f"{self.scope}/providers/Microsoft.Authorization/roleAssignments/{name}"

    @property
    def where(self) -> str:
        """Last part of the scope."""
        return self.scope.rpartition("/")[2]

    def __str__(self) -> str:
        """Return the grant in words."""
        return f"{self.role.name} on {self.where} for {self.who}"


def find(context: StepContext, grant: Grant) -> Mapping[str, Any] | None:
    """Return an assignment that gives the principal this role, or more, on the scope or above it, or None."""
    path = f"{grant.scope}/providers/Microsoft.Authorization/roleAssignments"
    found = context.reads.share(
        ("roles", grant.scope.lower(), grant.principal.lower()),
        lambda: context.services.arm.list(path, **{"$filter": f"assignedTo('{grant.principal}')"}),
    )
    wanted = (grant.role.id, *grant.role.included_in)
    fitting = [
        each
        for each in found
        if str(each["properties"]["roleDefinitionId"]).rpartition("/")[2].lower() in wanted
        and grant.scope.lower().startswith(str(each["properties"].get("scope") or grant.scope).lower().rstrip("/"))
    ]
    return next(iter(sorted(fitting, key=lambda each: str(each["id"]).lower() != grant.id.lower())), None)


def look(context: StepContext, grant: Grant, works: Callable[[], bool] | None = None) -> Result:
    """Tell how the role stands.

    Args:
        context: The step's.
        grant: The role.
        works: Tries what the role is for, and returns whether it was allowed; None: it cannot be tried from here.
    """
    assignment = find(context, grant)
    if assignment is None:
        return Result(
            Status.FAILED,
            f"The role {grant.role.name} on {grant.where} is not given to {grant.who}.",
            (Expectation(grant.role.name, f"given to {grant.who}", "not given", met=False),),
            "Give it by hand as described, or let the wizard do it.",
        )
    given = Expectation(grant.role.name, f"given to {grant.who}", "given", met=True)
    if works is None or works():
        tried = () if works is None else (Expectation("The role in use", "let in", "let in", met=True),)
        return Result(Status.PASSED, f"{grant} is given.", (given, *tried))
    refused = Expectation("The role in use", "let in", "still refused", met=False)
    given_ago = age(assignment)
    if given_ago < SPREADS_AT_MOST:
        return Result(
            Status.WAITING,
            f"The role {grant.role.name} on {grant.where} is spreading.",
            (given, refused),
            "Nothing to do: the wizard looks again by itself.",
            look_again_after=max(1.0, context.services.arm.poll_interval),
            usually=SPREADS,
        )
    return Result(
        Status.FAILED,
        f"The role {grant.role.name} on {grant.where}, given {given_ago / 60:.0f} minutes ago, still lets nobody in.",
        (given, refused),
        f"Look at the firewall under Networking of {grant.where} in the portal; then sign in again, for a fresh token.",
    )


def age(assignment: Mapping[str, Any]) -> float:
    """Return the seconds since the assignment was made; none where it does not say."""
    text = str(assignment["properties"].get("createdOn") or "")
    try:
        made = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)
    except ValueError:
        return 0.0
    return max(0.0, time.time() - made.timestamp())


def plan(context: StepContext, grant: Grant) -> tuple[Change, ...]:
    """Tell what `give` would do."""
    if grant.principal and find(context, grant) is not None:
        return (Change("leave", KIND, str(grant), grant.where, note="is given"),)
    return (Change("create", KIND, f"{grant.role.name} for {grant.who}", grant.where, "free", SPREADS),)


def give(context: StepContext, grant: Grant) -> None:
    """Give the role, or adopt the assignment that is there; that it works, the look afterwards waits for.

    Raises:
        AccessDeniedError: The account may not give roles.
        ServiceError: Azure refused.
    """
    channel, ledger, arm = context.channel, context.ledger, context.services.arm
    assignment = find(context, grant)
    if assignment is not None:
        mine = str(assignment["id"]).lower() == grant.id.lower() and ledger.made(grant.id)
        if mine and not ledger.created(grant.id):
            ledger.write(Fact.CREATED, context.target, grant.id, KIND)
        elif not mine:
            ledger.write(Fact.ADOPTED, context.target, str(assignment["id"]), KIND)
        channel.say(f"{grant} is given{'' if mine else ' already: adopted, and left alone by a teardown'}.")
        return
    channel.stop_if_cancelled()
    channel.say(f"Giving {grant} …")
    subscription = "/".join(grant.scope.split("/")[:3])
    body = {
        "properties": {
            "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions/{grant.role.id}",
            "principalId": grant.principal,
            "principalType": grant.principal_type,
            "description": mark(context),
        }
    }
    ledger.write(Fact.INTENT, context.target, grant.id, KIND, str(grant))
    for left in reversed(range(REPLICATION_TRIES)):
        try:
            arm.put(grant.id, body)
            break
        except ServiceError as error:
            if error.code == "RoleAssignmentExists":
                break
            if error.code != "PrincipalNotFound" or not left:
                raise
            channel.progress(f"{grant.who} is not known to Azure's roles yet")
            channel.wait(arm.poll_interval)
    ledger.write(Fact.CREATED, context.target, grant.id, KIND)
    channel.say(f"{grant} is given; it takes some minutes to work everywhere.")


def mark(context: StepContext) -> str:
    """Return the text by which a thing without tags is known as this lab's: a description, a comment."""
    return context.mark


def _standing(context: StepContext) -> Sequence[tuple[str, str]]:
    """Return id and words of the assignments that this step made, by the ledger."""
    return [
        (entry.resource, entry.detail)
        for entry in context.ledger.standing()
        if entry.target == context.target and entry.kind == KIND
    ]


def plan_removal(context: StepContext) -> tuple[Change, ...]:
    """Tell what `take_back` would do; empty when nothing of ours is left."""
    changes: list[Change] = []
    for assignment_id, words in _standing(context):
        assignment = context.services.arm.find(assignment_id)
        if assignment is None:
            continue
        if assignment["properties"].get("description") == mark(context):
            changes.append(Change("delete", KIND, words, resource=assignment_id))
        else:
            note = "it no longer bears the wizard's mark"
            changes.append(Change("leave", KIND, words, note=note, resource=assignment_id))
    return tuple(changes)


def take_back(context: StepContext) -> None:
    """Take back the roles that this step gave and that still bear its mark, and see that they are gone.

    Raises:
        ServiceError: Azure refused, or one is still there.
    """
    channel, arm = context.channel, context.services.arm
    for assignment_id, words in _standing(context):
        assignment = arm.find(assignment_id)
        if assignment is not None:
            if assignment["properties"].get("description") != mark(context):
                channel.say(f"{words} no longer bears the wizard's mark: left alone.")
                continue
            channel.stop_if_cancelled()
            channel.say(f"Taking back {words} …")
            arm.delete(assignment_id)
            if arm.find(assignment_id) is not None:
                raise ServiceError(f"{words} is still there after its deletion.", "Run the teardown again in a minute.")
        context.ledger.write(Fact.DELETED, context.target, assignment_id, KIND)
        channel.say(f"{words} is gone.")
