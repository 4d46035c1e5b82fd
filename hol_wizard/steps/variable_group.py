"""Section variable-group: the identity of the build, the service connection that uses it, and the secrets that it
offers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import Change, Marked, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge, together
from hol_wizard.errors import ConflictError, NotFoundError, SignInError
from hol_wizard.resources import (
    build_identity,
    federated_credential,
    in_project,
    key_vault,
    machine_learning,
    role_assignment,
    service_connection,
    variable_group,
    vault_access_policy,
)
from hol_wizard.resources.build_identity import BuildIdentity
from hol_wizard.resources.container_registry import registry_id
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.role_assignment import (
    ACR_IMPORTER,
    ACR_PUSH,
    CONTRIBUTOR,
    STORAGE_BLOB_DATA_READER,
    Grant,
)
from hol_wizard.resources.service_connection import AzureConnection
from hol_wizard.resources.variable_group import VaultGroup
from hol_wizard.resources.vault_access_policy import VaultAccessPolicy
from hol_wizard.steps.secret_values import BUILD, ML_WORKSPACE

OFFERED: Final = (*ML_WORKSPACE, *BUILD)
"""The secrets that the pipeline's file uses: those of the data lake are for the notebook, which reads them itself."""


# The identity


def _other(context: StepContext) -> BuildIdentity | None:
    """Return the identity of a connection that somebody has created for another one than the lab's; None if none.

    The wizard's own connection gets the chosen identity, also if the choice has changed since.
    """
    try:
        connection = service_connection.lab_connection(context)
        found = connection.find(context.reads)
    except NotFoundError:
        return None
    if found is None or ownership.owns(connection, found):
        return None
    return build_identity.of_client(context, found.client)


@check(deadline=30)
def identity_exists(context: StepContext) -> Result:
    """Check whether the identity of the build exists, or the connection already signs in as another one."""
    if build_identity.find(context) is None and (other := _other(context)) is not None:
        seen = (Expectation("Identity of the service connection", "exists", other.name, met=True),)
        return Result(Status.PASSED, f"The service connection already signs in as {other.name}.", seen)
    name = context.names.build_identity
    return together(map(ownership.check, build_identity.parts(context)), f"The identity {name} exists.")


def _plan_identity(context: StepContext) -> Sequence[Change]:
    try:
        own = build_identity.find(context)
        other = _other(context) if own is None else None
        if other is not None:
            note = "the service connection already signs in as it"
            return (Change("leave", "Identity", other.name, note=note),)
        return [change for part in build_identity.parts(context) for change in ownership.plan(part)]
    except SignInError:
        return [part.creation() for part in build_identity.parts(context)]


def _made_identities(context: StepContext) -> list[Resource[Any]]:
    return [each for each in build_identity.all_parts(context) if context.ledger.made(each.id)]


def _marked_identities(context: StepContext) -> Sequence[Marked]:
    try:
        return [each for part in build_identity.all_parts(context) for each in ownership.marked(part)]
    except ConflictError:
        # Several applications have this name, and none carries the mark.
        return ()


@solve(plan=_plan_identity)
def create_identity(context: StepContext) -> None:
    """Create the identity of the build, or adopt what exists.

    Raises:
        AccessDeniedError: The account may not create it.
        ConflictError: Several applications have its name.
    """
    context.save("build_identity")
    if build_identity.find(context) is None and (other := _other(context)) is not None:
        context.reporter.say(f"The service connection already signs in as {other.name}.")
        return
    for part in build_identity.parts(context):
        ownership.solve(part)


@undo(
    plan=lambda context: ownership.plan_undo_all(_made_identities(context)),
    marked=_marked_identities,
)
def delete_identity(context: StepContext) -> None:
    """Delete the identity with its federated credentials."""
    for each in _made_identities(context):
        # What is deleted with the application is recorded as removed with it.
        if context.ledger.made(each.id):
            ownership.undo(each)


# The service connection


@check(deadline=30)
def connection_exists(context: StepContext) -> Result:
    """Check whether the connection exists, is ready, and signs in to this subscription without a secret."""
    return ownership.check(service_connection.lab_connection(context))


@solve(plan=lambda context: ownership.plan(service_connection.lab_connection(context)))
def create_connection(context: StepContext) -> None:
    """Create the connection for the identity of the build, or adopt one that fits.

    Raises:
        AccessDeniedError: The account is no creator of service connections in the project.
        ConflictError: There is one of this name that does not fit.
    """
    ownership.solve(service_connection.lab_connection(context))


def _made_connections(context: StepContext) -> list[AzureConnection]:
    known = in_project.noted(context, AzureConnection.kind)
    return [AzureConnection(context, organization, name, project) for organization, project, name in known]


@undo(
    plan=lambda context: ownership.plan_undo_all(_made_connections(context)),
    marked=lambda context: in_project.marked(context, service_connection.lab_connection),
)
def delete_connection(context: StepContext) -> None:
    """Delete the connection."""
    ownership.undo_all(_made_connections(context))


# Trust


@check(deadline=30)
def connection_is_trusted(context: StepContext) -> Result:
    """Check whether the connection's identity has a federated credential with the connection's issuer and subject."""
    return ownership.check(federated_credential.lab_credential(context))


def _plan_trust(context: StepContext) -> Sequence[Change]:
    try:
        return ownership.plan(federated_credential.lab_credential(context))
    except NotFoundError:
        name, where = context.names.values()["service_connection"], context.names.build_identity
        note = "with the issuer and the subject that the connection names"
        return (Change("create", federated_credential.Credential.kind, name, where, "free", note=note),)


@solve(plan=_plan_trust)
def trust_connection(context: StepContext) -> None:
    """Add the federated credential to the connection's identity, with what the connection itself names.

    Raises:
        AccessDeniedError: The account may not change the identity.
        ConflictError: There is one of this name that does not fit.
        NotFoundError: There is no connection, or the directory does not know its identity.
    """
    ownership.solve(federated_credential.lab_credential(context))


def _marked_trust(context: StepContext) -> Sequence[Marked]:
    try:
        return ownership.marked(federated_credential.lab_credential(context))
    except NotFoundError:
        return ()


@undo(
    plan=lambda context: ownership.plan_undo_all(federated_credential.noted(context)),
    marked=_marked_trust,
)
def distrust_connection(context: StepContext) -> None:
    """Remove the federated credential."""
    ownership.undo_all(federated_credential.noted(context))


# Roles


def _grants(context: StepContext, identity: BuildIdentity | None) -> tuple[Grant, ...]:
    """Return the roles of the connection's identity; without a principal if the identity is not known yet.

    Contributor on the resource group covers the Machine Learning workspace, and lets the identity enter the Databricks
    workspace, in which it is no user. It includes neither secrets nor files nor images.
    """
    subscription = f"/subscriptions/{context.names.subscription}"
    registry = registry_id(context)
    principal = identity.principal if identity is not None else ""
    who = identity.name if identity is not None else context.names.build_identity
    return tuple(
        Grant(role, scope, principal, who)
        for role, scope in (
            (CONTRIBUTOR, f"{subscription}/resourceGroups/{context.here.resource_group}"),
            (STORAGE_BLOB_DATA_READER, machine_learning.storage_id(context)),
            (ACR_PUSH, registry),
            (ACR_IMPORTER, registry),
        )
    )


def _policy(context: StepContext, identity: BuildIdentity | None) -> VaultAccessPolicy:
    if identity is None:
        return VaultAccessPolicy(context, "", context.names.build_identity)
    return VaultAccessPolicy(context, identity.principal, identity.name)


@check(deadline=30)
def connection_has_its_roles(context: StepContext) -> Result:
    """Check whether the connection's identity may do what the pipeline does, and read the secrets of the vault."""
    identity = service_connection.required_identity(context)
    looks = (role_assignment.look(context, each) for each in _grants(context, identity))
    results = [*looks, ownership.check(_policy(context, identity))]
    return together(results, f"{identity.name} has its roles, and may read {context.here.key_vault}.")


def _plan_roles(context: StepContext) -> Sequence[Change]:
    try:
        identity = service_connection.required_identity(context)
    except NotFoundError:
        identity = None
    if identity is None:
        grants = (role_assignment.assignment(context, each).creation() for each in _grants(context, None))
        return [*grants, _policy(context, None).creation()]
    roles = [change for each in _grants(context, identity) for change in role_assignment.plan(context, each)]
    return [*roles, *ownership.plan(_policy(context, identity))]


@solve(plan=_plan_roles)
def give_connection_its_roles(context: StepContext) -> None:
    """Assign the roles to the connection's identity, and give it the access policy of the vault.

    Raises:
        AccessDeniedError: The account may not assign roles, or not change the vault.
        ConflictError: The vault uses roles instead of access policies.
        NotFoundError: There is no connection, or the directory does not know its identity.
    """
    identity = service_connection.required_identity(context)
    for each in _grants(context, identity):
        role_assignment.give(context, each)
    ownership.solve(_policy(context, identity))


def _given(context: StepContext) -> list[Resource[Any]]:
    return [*vault_access_policy.given(context, vault_access_policy.READ), *role_assignment.given(context)]


def _marked_roles(context: StepContext) -> Sequence[Marked]:
    try:
        grants = _grants(context, service_connection.required_identity(context))
    except NotFoundError:
        return ()
    return [each for grant in grants for each in ownership.marked(role_assignment.assignment(context, grant))]


@undo(
    plan=lambda context: ownership.plan_undo_all(_given(context)),
    marked=_marked_roles,
)
def take_back_the_roles(context: StepContext) -> None:
    """Remove the roles and the access policy that this step gave."""
    ownership.undo_all(_given(context))


# The variable group


def _group(context: StepContext) -> VaultGroup:
    return variable_group.lab_group(context, OFFERED)


def _readable(context: StepContext) -> list[Expectation]:
    """Return whether a job could read what the group offers: by the vault's policies, its network, and each secret."""
    identity = service_connection.required_identity(context)
    address, now = key_vault.address(context), time.time()
    policy = _policy(context, identity)
    given = policy.find(context.reads)
    seen = list(policy.expectations(given or ()))
    items = {each.name: each for each in context.services.key_vault.items(address)}
    for name in OFFERED:
        item = items.get(name)
        if item is None:
            state = "missing in the vault"
        elif not item.enabled:
            state = "disabled"
        else:
            state = "expired" if 0 < item.expires <= now else "readable"
        seen.append(Expectation(name, "readable", state, state == "readable"))
    return seen


@check(deadline=30)
def key_vault_is_linked(context: StepContext) -> Result:
    """Check whether the group offers exactly the right secrets, and whether the connection may really read them."""
    group = _group(context)
    result = ownership.check(group)
    if result.status is not Status.PASSED:
        return result
    return judge(
        (*result.expectations, *_readable(context)),
        passed=f"{group.name} offers the {len(OFFERED)} secrets, and its connection may read them.",
        failed=f"{group.name} is linked, but a job cannot read all of its secrets.",
        next_action="Give the connection its access policy (<step variable-group/give-the-connection-its-roles>), and "
        "correct the secrets that are not readable (<section secrets>).",
    )


@solve(plan=lambda context: ownership.plan(_group(context)))
def link_key_vault(context: StepContext) -> None:
    """Create the group with exactly the secrets that the pipeline's file uses, or adopt one that fits.

    Raises:
        AccessDeniedError: The account may not create groups in the project, or not use the connection.
        ConflictError: There is one of this name that does not fit.
        NotFoundError: There is no connection.
    """
    ownership.solve(_group(context))


def _made_groups(context: StepContext) -> list[VaultGroup]:
    known, vault = in_project.noted(context, VaultGroup.kind), context.here.key_vault
    return [VaultGroup(context, organization, name, vault, OFFERED, project) for organization, project, name in known]


@undo(
    plan=lambda context: ownership.plan_undo_all(_made_groups(context)),
    marked=lambda context: in_project.marked(context, _group),
)
def unlink_key_vault(context: StepContext) -> None:
    """Delete the group; the vault stays as it is."""
    ownership.undo_all(_made_groups(context))
