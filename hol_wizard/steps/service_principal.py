"""Section service-principal: the identity with which the code reads the lake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import Change, Marked, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ConflictError, SignInError
from hol_wizard.resources import client_secret, lake, role_assignment
from hol_wizard.resources.application import ApplicationRegistration
from hol_wizard.resources.client_secret import ClientSecret
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import Account, ServicePrincipal, required
from hol_wizard.services.data_lake import FileProperties
from hol_wizard.services.graph import Password
from hol_wizard.services.secrets import Secret
from hol_wizard.steps.program_rights import storage_grant

SPREADS = 60.0
"""Usual number of seconds until the sign-in accepts a new secret."""


# The application, its service principal and its secret


def _parts(context: StepContext) -> tuple[Resource[Any], ...]:
    return ApplicationRegistration(context), ServicePrincipal(context), ClientSecret(context)


def _made(context: StepContext) -> list[Resource[Any]]:
    """Return the parts that this wizard created, in the order of removal: without its secret, it has no access
    anymore."""
    application, principal, secret = _parts(context)
    return [each for each in (secret, application, principal) if context.ledger.made(each.id)]


@check(deadline=30)
def created(context: StepContext) -> Result:
    """Check whether application, service principal and client secret exist, and whether the secret's value is
    stored."""
    registration = ApplicationRegistration(context)
    name, found = registration.name, registration.find(context.reads)
    if found is None:
        return Result(
            Status.FAILED,
            f"There is no application {name}.",
            (Expectation("Application", f"{name} is registered", "not found", met=False),),
            "Create it by hand as described, or <solve>.",
        )
    principal, kept = ServicePrincipal(context).find(context.reads), client_secret.place(context)
    seen = [
        Expectation("Application", f"{name} is registered", found.application.app_id, met=True),
        Expectation(
            "Service principal",
            "in this directory",
            principal.id if principal else "not there",
            principal is not None,
        ),
        *registration.expectations(found),
        client_secret.good_until(found.application.passwords),
        Expectation("Client secret here", "kept", f"in {kept}" if kept else "not kept", bool(kept)),
    ]
    return judge(
        seen,
        passed=f"The service principal {name} exists, and its secret is kept.",
        failed=f"The service principal {name} is not complete.",
        next_action="To complete it, <solve>: a lost or expired secret is replaced. "
        f"If you have a secret, put it into the vault: az keyvault secret set --vault-name {context.here.key_vault} "
        "--name sp-password --file FILE --output none",
    )


def _plan(context: StepContext) -> Sequence[Change]:
    try:
        return [change for part in _parts(context) for change in ownership.plan(part)]
    except SignInError:
        return [part.creation() for part in _parts(context)]


def _plan_removal(context: StepContext) -> Sequence[Change]:
    return ownership.plan_undo_all(_made(context))


def _marked(context: StepContext) -> Sequence[Marked]:
    try:
        return [each for part in _parts(context) for each in ownership.marked(part)]
    except ConflictError:
        # Several have this name, and none carries the mark.
        return ()


@solve(plan=_plan)
def create(context: StepContext) -> None:
    """Register the application, create its service principal and a client secret, or adopt what exists.

    Raises:
        AccessDeniedError: The account may not register applications, or may not change this one.
        ConflictError: Several applications have this name.
    """
    for part in _parts(context):
        ownership.solve(part)


@undo(plan=_plan_removal, marked=_marked)
def delete(context: StepContext) -> None:
    """Delete the application with everything that belongs to it, permanently; for an adopted one, only what was added.

    Raises:
        ServiceError: The directory refused, or it still exists.
    """
    for part in _made(context):
        # What is deleted with the application is recorded as removed with it.
        if context.ledger.made(part.id):
            ownership.undo(part)
    context.services.secrets.delete(client_secret.kept_as(context))


# Its object ID


@check(deadline=30)
def object_id_known(context: StepContext) -> Result:
    """Check which object ID roles and access lists use."""
    principal = required(context)
    seen = (
        Expectation("Object ID of the service principal", "known", principal.object_id, met=True),
        Expectation("Application (client) ID", "known", principal.application_id, met=True),
        Expectation(
            "Object ID of the application",
            "not used for rights",
            principal.application_object_id,
            principal.application_object_id != principal.object_id,
        ),
    )
    return Result(Status.PASSED, f"Rights are assigned to the object ID {principal.object_id}.", seen)


# Verification


def _file_as(context: StepContext, principal: Account, secret: Secret) -> FileProperties | None:
    """Sign in as the service principal and read the data file's properties."""
    services = context.services.acting_as(principal.application_id, context.names.tenant, secret)
    try:
        return services.data_lake.file(lake.endpoint(context), lake.FILE_SYSTEM, lake.DATA_FILE)
    finally:
        services.close()


@check(deadline=60)
def signs_in_and_sees_the_lake(context: StepContext) -> Result:
    """Sign in as the service principal, and check its access to the lake."""
    principal, secret = required(context), client_secret.value(context)
    if secret is None:
        return Result(
            Status.FAILED,
            f"The client secret of {principal.name} is not kept here.",
            (Expectation("Client secret here", "kept", "not kept", met=False),),
            "Create a new one (<step service-principal/create-the-service-principal>).",
        )
    until = client_secret.good_until(_passwords(context))
    signed_in = Expectation("Sign-in", "as the service principal", principal.name, met=True)
    try:
        file = _file_as(context, principal, secret)
    except SignInError as error:
        refused = Expectation("Sign-in", "as the service principal", error.code or "refused", met=False)
        if error.code in {"AADSTS7000215", "AADSTS700016", "AADSTS7000229"} and client_secret.young(
            _passwords(context)
        ):
            return _waiting(f"The new secret of {principal.name} is still propagating in Entra ID.", refused)
        return Result(
            Status.FAILED,
            f"{principal.name} cannot sign in: {error.message}",
            (refused, until),
            "Create a new secret (<step service-principal/create-the-service-principal>), then write it into the vault "
            "(<section secrets>).",
            error.detail,
        )
    except AccessDeniedError as error:
        refused = Expectation("The lake, as the service principal", "gives access", "denies access", met=False)
        if role_assignment.is_young(role_assignment.assignment(context, storage_grant(context)).find(context.reads)):
            return _waiting(f"The role of {principal.name} on the lake is propagating.", signed_in, refused)
        return Result(
            Status.FAILED, f"The lake denies {principal.name} access.", (signed_in, refused), error.hint, error.detail
        )
    size = f"{file.length:,} bytes" if file else "not there"
    seen = (signed_in, until, Expectation(lake.DATA_FILE, "seen as the service principal", size, file is not None))
    return judge(
        seen,
        passed=f"{principal.name} signs in and can read the data.",
        failed=f"{principal.name} signs in, but cannot see {lake.DATA_FILE}.",
        next_action="<first initial-data/upload-the-data-file>.",
    )


def _passwords(context: StepContext) -> Sequence[Password]:
    found = ApplicationRegistration(context).find(context.reads)
    return found.application.passwords if found is not None else ()


def _waiting(summary: str, *seen: Expectation) -> Result:
    return Result(
        Status.WAITING,
        summary,
        seen,
        "Nothing to do: the wizard checks again automatically.",
        look_again_after=1.0,
        usually=SPREADS,
    )


def _plan_verification(context: StepContext) -> Sequence[Change]:
    registration = ApplicationRegistration(context)
    if registration.find(context.reads) is None:
        return []
    kind, name = ClientSecret.kind, registration.name
    return [Change("create", kind, name, registration.where, note="if the kept one is wrong")]


@solve(plan=_plan_verification)
def verify(context: StepContext) -> None:
    """Create a new secret if the stored one does not work; otherwise there is nothing to do but check.

    Raises:
        NotFoundError: There is no service principal.
    """
    principal, secret = required(context), client_secret.value(context)
    if secret is not None:
        try:
            _file_as(context, principal, secret)
        except SignInError:
            if client_secret.young(_passwords(context)):
                context.reporter.say("The secret is new and still propagating in Entra ID.")
                return
        except AccessDeniedError:
            return
        else:
            return
    ownership.solve(ClientSecret(context, refused=True))
