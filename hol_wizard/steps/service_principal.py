"""Section service-principal: the account in whose name the code reads the lake."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    NotFoundError,
    NotReadyError,
    ServiceError,
    SignInError,
)
from hol_wizard.lab.model import Environment
from hol_wizard.resources import lake, machine_learning
from hol_wizard.resources.azure_resource import ours, read
from hol_wizard.resources.context import StepContext
from hol_wizard.services.data_lake import FileProperties
from hol_wizard.services.graph import Application, Password, Principal
from hol_wizard.services.secrets import Secret
from hol_wizard.steps import role, vault
from hol_wizard.steps.role import Grant, mark

APPLICATION = "Application"
SERVICE_PRINCIPAL = "Service principal"
CLIENT_SECRET = "Client secret"  # noqa: S105 the name of a kind of thing
ACCESS_LIST = "Access list"

SECRET_DAYS = (180, 90, 30)
"""Days for which a client secret is asked to be good; the next where the directory's policy refuses the one before."""
ENDS_SOON = 14.0
"""Days before its end from which on a secret's end is called near."""
YOUNG = 300.0
"""Seconds in which a new secret, or a new application, may still be unknown to the sign-in (lab/steps.md B6)."""
SPREADS = 60.0
"""Seconds that this usually takes."""
REPLICATION_TRIES = 36
"""Tries to make the service principal of a new application, as azure-cli does it."""

RIGHTS = "rwx"


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """The account of a program, in one environment."""

    name: str
    application_id: str
    """The application (client) id, which it signs in with."""
    object_id: str
    """That of the service principal: roles and access lists take it."""
    application_object_id: str
    """That of the application, which no role takes."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the directory has of an environment's service principal."""

    application: Application | None
    principal: Principal | None
    doubles: tuple[Application, ...] = ()
    """More applications with this wizard's mark: an answer was lost on the way, and the request sent again."""


def _name(context: StepContext, environment: Environment | None = None) -> str:
    here = context.names.of(environment) if environment else context.here
    return here.service_principal


def _application_key(name: str) -> str:
    """Return the ledger's id: the application bears this wizard's mark, so that its name is enough."""
    return f"graph/applications/{name}"


def _principal_key(name: str) -> str:
    return f"graph/servicePrincipals/{name}"


def _secret_key(name: str) -> str:
    return f"graph/applications/{name}/passwords/{name}"


def keys(name: str) -> tuple[str, str, str]:
    """Return the ledger's ids of an application, its service principal and its client secret."""
    return _application_key(name), _principal_key(name), _secret_key(name)


def _kept_as(environment: Environment | None) -> str:
    """Return the secret's name in the keyring."""
    return f"service-principal/{environment}"


def _look_up(context: StepContext, environment: Environment | None = None) -> _Found:
    """Return what the directory has.

    A display name is not unique: an application with this wizard's mark comes first; without one, the only one of the
    name counts.

    Raises:
        ConflictError: There are several, and none is this wizard's.
    """
    graph, name = context.services.graph, _name(context, environment)

    def read() -> _Found:
        named = graph.applications(name)
        marked = [each for each in named if mark(context) in each.tags]
        if len(named) > 1 and not marked:
            ids = ", ".join(each.app_id for each in named)
            raise ConflictError(
                f"{len(named)} applications are called {name}: {ids}.",
                "Delete, or rename, those that are not for this lab: az ad app delete --id APPLICATION-ID",
            )
        if not named:
            return _Found(None, None)
        principals = {each.id: graph.service_principal_of(each.app_id) for each in marked or named}
        # One that is further on first.
        chosen, *doubles = sorted(marked or named, key=lambda each: (principals[each.id] is None, each.id))
        return _Found(chosen, principals[chosen.id], tuple(doubles))

    return context.reads.share(("service principal", name), read)


def find(context: StepContext, environment: Environment | None = None) -> ServicePrincipal | None:
    """Return an environment's service principal, or None; without an environment that of the context's own.

    Raises:
        ConflictError: Several applications have its name.
    """
    found = _look_up(context, environment)
    if found.application is None or found.principal is None:
        return None
    application = found.application
    return ServicePrincipal(application.name, application.app_id, found.principal.id, application.id)


def _required(context: StepContext) -> ServicePrincipal:
    found = find(context)
    if found is None:
        raise NotFoundError(
            f"There is no service principal {_name(context)}.",
            "Do the step “Create the service principal” first (service-principal/create-the-service-principal).",
        )
    return found


def client_secret(context: StepContext, environment: Environment | None = None) -> Secret | None:
    """Return the client secret that is kept: in the keyring, else in the environment's key vault, where it may be read.

    Raises:
        SecretStoreError: The keyring refused.
    """
    environment = environment or context.environment
    kept = context.services.secrets.get(_kept_as(environment))
    return kept or _secret_of_the_vault(context)


def _secret_of_the_vault(context: StepContext) -> Secret | None:
    """Return the secret in the vault; None where there is no such vault or secret, or it may not be read.

    Raises:
        NotReadyError: Azure does not tell the vault's address.
    """
    if read(context, vault.vault_id(context)) is None:
        return None
    try:
        return context.services.key_vault.get(vault.address(context), "sp-password")
    except AccessDeniedError:
        # Before the section about secrets nobody has a role in the vault.
        return None


# The application, its service principal and its secret


def _marked(context: StepContext, application: Application) -> list[Password]:
    return [each for each in application.passwords if each.name == mark(context)]


def _days_left(password: Password) -> float:
    """Return the days until a secret ends; below zero it has ended."""
    try:
        ends = datetime.fromisoformat(password.ends[:19]).replace(tzinfo=UTC)
    except ValueError:
        return float("inf")
    return (ends.timestamp() - time.time()) / 86400


def _good_until(passwords: Sequence[Password]) -> Expectation:
    latest = max(passwords, key=_days_left, default=None)
    if latest is None:
        return Expectation("Client secret in the directory", "one that is good", "none", met=False)
    left = _days_left(latest)
    day = latest.ends[:10]
    if left <= 0:
        return Expectation("Client secret in the directory", "one that is good", f"ended on {day}", met=False)
    words = f"good until {day}" + (f", only {left:.0f} more days" if left < ENDS_SOON else "")
    return Expectation("Client secret in the directory", "one that is good", words, met=True)


def _where_kept(context: StepContext) -> str:
    store = context.services.secrets
    if store.get(_kept_as(context.environment)) is not None:
        return store.probe().backend or "this session's memory"
    return f"the key vault {context.here.key_vault}" if _secret_of_the_vault(context) is not None else ""


@check(deadline=30)
def created(context: StepContext) -> Result:
    """Look whether application, service principal and client secret are there, and whether the secret is kept."""
    name, found = _name(context), _look_up(context)
    if found.application is None:
        return Result(
            Status.FAILED,
            f"There is no application {name}.",
            (Expectation("Application", f"{name} is registered", "not found", met=False),),
            "Create it by hand as described, or let the wizard do it.",
        )
    kept = _where_kept(context)
    seen = [
        Expectation("Application", f"{name} is registered", found.application.app_id, met=True),
        Expectation(
            "Service principal",
            "in this directory",
            found.principal.id if found.principal else "not there",
            found.principal is not None,
        ),
        Expectation("Applications of this lab by that name", "1", str(1 + len(found.doubles)), not found.doubles),
        _good_until(found.application.passwords),
        Expectation("Client secret here", "kept", f"in {kept}" if kept else "not kept", bool(kept)),
    ]
    return judge(
        seen,
        passed=f"The service principal {name} is there, and its secret is kept.",
        failed=f"The service principal {name} is not complete.",
        next_action="Let the wizard complete it (do it for me): a secret that is lost, or has ended, is made anew. "
        f"One that you have goes into the vault: az keyvault secret set --vault-name {context.here.key_vault} "
        "--name sp-password --file FILE --output none",
    )


def _plan(context: StepContext) -> Sequence[Change]:
    name = _name(context)
    try:
        found = _look_up(context)
    except SignInError:
        found = _Found(None, None)
    changes = []
    if found.application is None:
        changes.append(Change("create", APPLICATION, name, "your directory (tenant)", "free", 5))
    elif mark(context) not in found.application.tags:
        changes.append(Change("adopt", APPLICATION, name, "your directory (tenant)", note="is there"))
    for double in found.doubles:
        note = f"made twice: {double.app_id}"
        changes.append(Change("delete", APPLICATION, name, "your directory (tenant)", note=note))
    if found.principal is None:
        changes.append(Change("create", SERVICE_PRINCIPAL, name, "your directory (tenant)", "free", 20))
    if found.application is None or not _secret_is_good(context, found.application):
        place = context.services.secrets.probe().backend or "this session's memory"
        where = f"the directory; kept in {place}"
        changes.append(Change("create", CLIENT_SECRET, name, where, "free", 5, f"good for {SECRET_DAYS[0]} days"))
    return changes


def _secret_is_good(context: StepContext, application: Application) -> bool:
    good = any(_days_left(each) > 0 for each in application.passwords)
    return good and client_secret(context) is not None


def _plan_removal(context: StepContext) -> Sequence[Change]:
    name, ledger = _name(context), context.ledger
    keys = (_application_key(name), _principal_key(name), _secret_key(name))
    if not any(ledger.made(key) for key in keys):
        return []
    if _of_the_mark(context) and ledger.made(keys[0]):
        return [Change("delete", APPLICATION, name, "your directory (tenant)", resource=keys[0])]
    found = _look_up(context)
    changes = []
    if found.application is not None and _marked(context, found.application):
        changes.append(Change("delete", CLIENT_SECRET, name, "your directory (tenant)", resource=keys[2]))
    if found.principal is not None and ledger.made(keys[1]) and not ledger.made(keys[0]):
        changes.append(Change("delete", SERVICE_PRINCIPAL, name, "your directory (tenant)", resource=keys[1]))
    return changes


def _of_the_mark(context: StepContext) -> Sequence[Application]:
    named = context.services.graph.applications(_name(context))
    return [each for each in named if mark(context) in each.tags]


@solve(plan=_plan)
def create(context: StepContext) -> None:
    """Register the application, make its service principal and a client secret, or adopt what is there.

    Raises:
        AccessDeniedError: The account may not register applications, or not change this one.
        ConflictError: Several applications have the name.
    """
    name, graph, channel, ledger = _name(context), context.services.graph, context.channel, context.ledger
    found = _look_up(context)
    application, principal = found.application, found.principal
    for double in found.doubles:
        channel.say(f"{name} was registered twice; deleting {double.app_id} …")
        graph.delete_application(double.id)
    if application is None:
        channel.stop_if_cancelled()
        channel.say(f"Registering the application {name} …")
        ledger.write(Fact.INTENT, context.target, _application_key(name), APPLICATION)
        application = graph.create_application(name, mark(context))
        ledger.write(Fact.CREATED, context.target, _application_key(name), APPLICATION)
        channel.say(f"The application {name} is registered: {application.app_id}")
    elif mark(context) in application.tags:
        if ledger.made(_application_key(name)) and not ledger.created(_application_key(name)):
            ledger.write(Fact.CREATED, context.target, _application_key(name), APPLICATION)
        channel.say(f"The application {name} is there.")
    else:
        ledger.write(Fact.ADOPTED, context.target, f"graph/applications/{application.id}", APPLICATION)
        channel.say(f"The application {name} is there: adopted, and left alone by a teardown.")
    if principal is None:
        principal = _create_principal(context, application)
    if not _secret_is_good(context, application):
        _renew(context, application)
    channel.say(f"The service principal {name} is ready: {principal.id}")


def _create_principal(context: StepContext, application: Application) -> Principal:
    """Make the service principal, as soon as the directory knows its application everywhere."""
    name, channel, ledger = _name(context), context.channel, context.ledger
    channel.stop_if_cancelled()
    channel.say(f"Making the service principal {name} …")
    ledger.write(Fact.INTENT, context.target, _principal_key(name), SERVICE_PRINCIPAL)
    for left in reversed(range(REPLICATION_TRIES)):
        try:
            made = context.services.graph.create_service_principal(application.app_id)
            break
        except (ServiceError, NotFoundError) as error:
            there = context.services.graph.service_principal_of(application.app_id)
            if there is not None:
                # An answer that was lost, or another run.
                made = there
                break
            if error.code != "NoBackingApplicationObject" and "valid application object" not in error.detail:
                raise
            if not left:
                raise
            channel.progress(f"The directory does not know {name} everywhere yet", SPREADS)
            channel.wait(context.services.arm.poll_interval)
    ledger.write(Fact.CREATED, context.target, _principal_key(name), SERVICE_PRINCIPAL)
    return made


def _renew(context: StepContext, application: Application) -> None:
    """Make a new client secret in the place of this wizard's old ones, and keep it.

    A secret is shown once: one whose value was lost, by a kill right after it was made, is of no use to anybody.
    """
    name, graph, channel, ledger = _name(context), context.services.graph, context.channel, context.ledger
    channel.stop_if_cancelled()
    for password in _marked(context, graph.application(application.id) or application):
        channel.say(f"Removing a client secret of {name} that is not kept, or has ended …")
        graph.remove_password(application.id, password.key_id)
    channel.say(f"Making a client secret for {name} …")
    ledger.write(Fact.INTENT, context.target, _secret_key(name), CLIENT_SECRET)
    password, secret = _add_password(context, application)
    for other in _marked(context, graph.application(application.id) or application):
        if other.key_id != password.key_id:
            # The answer to a first request was lost, and the request sent again.
            graph.remove_password(application.id, other.key_id)
    context.services.secrets.set(_kept_as(context.environment), secret)
    ledger.write(Fact.CREATED, context.target, _secret_key(name), CLIENT_SECRET)
    place = context.services.secrets.probe()
    where = place.backend if place.persistent else "this session's memory, and after the section secrets in the vault"
    channel.say(f"The client secret is good until {password.ends[:10]}; it is kept in {where}.")


def _add_password(context: StepContext, application: Application) -> tuple[Password, Secret]:
    for days in SECRET_DAYS[:-1]:
        try:
            return context.services.graph.add_password(application.id, mark(context), days)
        except ServiceError as error:
            # An application management policy may cap a secret's life; not in any description at hand.
            if "lifetime" not in f"{error.code} {error.detail}".lower():
                raise
            context.channel.say(f"The directory does not allow {days} days; asking for fewer.")
    return context.services.graph.add_password(application.id, mark(context), SECRET_DAYS[-1])


@undo(plan=_plan_removal)
def delete(context: StepContext) -> None:
    """Delete the application with all that belongs to it, for good; of one that was adopted, only what was added.

    Raises:
        ServiceError: The directory refused, or it is still there.
    """
    name, graph, channel, ledger = _name(context), context.services.graph, context.channel, context.ledger
    keys = {
        _application_key(name): APPLICATION,
        _principal_key(name): SERVICE_PRINCIPAL,
        _secret_key(name): CLIENT_SECRET,
    }
    for change in _plan_removal(context):
        channel.stop_if_cancelled()
        channel.say(f"Deleting {change.kind.lower()} {name} …")
        if change.kind == APPLICATION:
            for application in _of_the_mark(context):
                if not graph.delete_application(application.id):
                    channel.say(f"The directory keeps the deleted {name} for 30 days; it opens nothing any more.")
            if _of_the_mark(context):
                raise ServiceError(f"The application {name} is still there.", "Run the teardown again in a minute.")
        elif change.kind == CLIENT_SECRET:
            adopted = _look_up(context).application
            for password in _marked(context, adopted) if adopted else ():
                graph.remove_password(adopted.id if adopted else "", password.key_id)
        else:
            principal = _look_up(context).principal
            if principal is not None:
                graph.delete_service_principal(principal.id)
    if ledger.made(_application_key(name)):
        _purge_what_a_kill_left(context)
    context.services.secrets.delete(_kept_as(context.environment))
    for key, kind in keys.items():
        if ledger.made(key):
            ledger.write(Fact.DELETED, context.target, key, kind)
            channel.say(f"{kind} {name} is gone.")


def _purge_what_a_kill_left(context: StepContext) -> None:
    """Delete for good what was deleted before a kill, but is kept by the directory for 30 days."""
    for application in context.services.graph.deleted_applications(_name(context)):
        if mark(context) in application.tags:
            context.services.graph.delete_application(application.id)


# Its object id


@check(deadline=30)
def object_id_known(context: StepContext) -> Result:
    """Look which object id roles and access lists take."""
    principal = _required(context)
    seen = (
        Expectation("Object id of the service principal", "known", principal.object_id, met=True),
        Expectation("Application (client) id", "known", principal.application_id, met=True),
        Expectation(
            "Object id of the application",
            "of no use for rights",
            principal.application_object_id,
            principal.application_object_id != principal.object_id,
        ),
    )
    return Result(Status.PASSED, f"Rights are given to the object id {principal.object_id}.", seen)


# The access lists of the files


def _entries(principal: ServicePrincipal) -> tuple[str, str]:
    own = f"user:{principal.object_id}:{RIGHTS}"
    return own, f"default:{own}"


def _access_key(context: StepContext) -> str:
    return f"{lake.lake_id(context)}/acl/{_name(context)}"


def _owner(context: StepContext) -> Grant:
    """Return the role that lets the signed-in account change access lists."""
    scope = lake.lake_id(context)
    if not lake.is_there(context):
        return Grant(role.STORAGE_BLOB_DATA_OWNER, scope, "", "you", "User")
    me = context.reads.share(("signed in",), context.services.graph.signed_in)
    return Grant(role.STORAGE_BLOB_DATA_OWNER, scope, me.id, "you", me.kind)


@check(deadline=30)
def may_access_the_files(context: StepContext) -> Result:
    """Look whether the access lists of the container, and of the data file in it, let the service principal in."""
    principal, address = _required(context), lake.endpoint(context)
    own, default = _entries(principal)
    top = context.services.data_lake.get_access_control(address, lake.FILE_SYSTEM).entries
    seen = [
        Expectation(f"Access list of {lake.FILE_SYSTEM}", "read, write, execute", _shown(top, own), own in top),
        Expectation("Default for what will come", "read, write, execute", _shown(top, default), default in top),
    ]
    try:
        file = context.services.data_lake.get_access_control(address, lake.FILE_SYSTEM, lake.DATA_FILE).entries
    except NotFoundError:
        file = ()
    else:
        seen.append(
            Expectation(f"Access list of {lake.DATA_FILE}", "read, write, execute", _shown(file, own), own in file)
        )
    return judge(
        seen,
        passed=f"{principal.name} may read, write and execute in {lake.FILE_SYSTEM}.",
        failed=f"The access lists do not give {principal.name} all that it needs.",
        next_action="Give it access by hand as described, or let the wizard do it.",
    )


def _shown(entries: Sequence[str], wanted: str) -> str:
    """Return the rights that a list has for the one whom an entry is for."""
    whom = wanted.rpartition(":")[0] + ":"
    return next((each.rpartition(":")[2] for each in entries if each.startswith(whom)), "not in the list")


def _plan_access(context: StepContext) -> Sequence[Change]:
    what = f"{RIGHTS} for {_name(context)}"
    return [
        *role.plan(context, _owner(context)),
        Change("change", ACCESS_LIST, lake.FILE_SYSTEM, context.here.storage_account, "free", 5, what),
    ]


@solve(plan=_plan_access)
def give_access_to_the_files(context: StepContext) -> None:
    """Add the service principal to the access lists of all that is in the container, and of what will come.

    Raises:
        AccessDeniedError: The account may not change access lists, and may not give itself the role for it.
    """
    principal, address, channel = _required(context), lake.endpoint(context), context.channel
    role.give(context, _owner(context))
    channel.stop_if_cancelled()
    context.ledger.write(Fact.INTENT, context.target, _access_key(context), ACCESS_LIST)
    deadline = time.monotonic() + role.SPREADS_AT_MOST
    while True:
        try:
            changed = context.services.data_lake.modify_access_control_recursive(
                address, lake.FILE_SYSTEM, _entries(principal)
            )
            break
        except AccessDeniedError:
            if time.monotonic() > deadline:
                raise
            channel.progress(f"Your role on {context.here.storage_account} is spreading", role.SPREADS)
            channel.wait(max(0.2, context.services.arm.poll_interval))
    context.ledger.write(Fact.CREATED, context.target, _access_key(context), ACCESS_LIST)
    channel.say(f"{principal.name} is in the access lists of {changed.directories} folders and {changed.files} files.")


def _plan_access_removal(context: StepContext) -> Sequence[Change]:
    changes = list(role.plan_removal(context))
    if not context.ledger.made(_access_key(context)):
        return changes

    def change(verb: str, note: str = "") -> Change:
        where, key = context.here.storage_account, _access_key(context)
        return Change(verb, ACCESS_LIST, lake.FILE_SYSTEM, where, note=note, resource=key)

    try:
        left = _access_left(context)
    except (AccessDeniedError, NotReadyError) as error:
        verb = "leave" if _goes_with_the_lake(context) else "unclear"
        return [change(verb, _unseen_lists(context, error)), *changes]
    return [change("delete"), *changes] if left else changes


def _access_left(context: StepContext) -> bool:
    """Whether the service principal is in the container's access list.

    Raises:
        AccessDeniedError: There is a lake, and it does not show its access lists.
        NotReadyError: There is a lake, and Azure does not tell its address.
    """
    principal = find(context)
    if principal is None or read(context, lake.lake_id(context)) is None:
        return False
    address = lake.endpoint(context)
    try:
        top = context.services.data_lake.get_access_control(address, lake.FILE_SYSTEM).entries
    except NotFoundError:
        return False
    return bool(set(_entries(principal)) & set(top))


def _goes_with_the_lake(context: StepContext) -> bool:
    """Whether this wizard made the lake, so that a teardown removes the lists together with it."""
    scope = lake.lake_id(context)
    document = read(context, scope)
    return document is not None and ours(context, scope, document)


def _unseen_lists(context: StepContext, error: ServiceError) -> str:
    """Return why an access list that cannot be seen is left alone."""
    if _goes_with_the_lake(context):
        return "cannot be seen; it goes with the data lake"
    return f"cannot tell whether {_name(context)} is still in it: {error.message}"


@undo(plan=_plan_access_removal)
def take_back_access_to_the_files(context: StepContext) -> None:
    """Take the service principal out of the access lists again.

    Raises:
        InconclusiveError: Somebody else's lake does not show its access lists.
    """
    if context.ledger.made(_access_key(context)):
        _take_out(context)
    role.take_back(context)


def _take_out(context: StepContext) -> None:
    try:
        left = _access_left(context)
    except (AccessDeniedError, NotReadyError) as error:
        words = f"{ACCESS_LIST} of {lake.FILE_SYSTEM}: {_unseen_lists(context, error)}"
        if not _goes_with_the_lake(context):
            raise InconclusiveError(f"{words}.", error.hint, code=error.code, detail=error.detail) from error
        context.channel.say(f"{words}.")
        return
    principal = find(context)
    if left and principal is not None:
        context.channel.stop_if_cancelled()
        entries = [entry.rpartition(":")[0] for entry in _entries(principal)]
        context.services.data_lake.remove_access_control_recursive(lake.endpoint(context), lake.FILE_SYSTEM, entries)
    context.ledger.write(Fact.DELETED, context.target, _access_key(context), ACCESS_LIST)
    context.channel.say(f"{_name(context)} is out of the access lists.")


# Its roles


def _storage_grant(context: StepContext) -> Grant:
    principal = find(context)
    who = principal.object_id if principal else ""
    return Grant(role.STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id(context), who, _name(context))


def _machine_learning_grant(context: StepContext) -> Grant:
    principal = find(context)
    scope = machine_learning.workspace(context).id
    return Grant(role.AZUREML_DATA_SCIENTIST, scope, principal.object_id if principal else "", _name(context))


@check(deadline=30)
def has_the_storage_role(context: StepContext) -> Result:
    """Look whether the service principal has its role on the lake; the proof below tells whether it works."""
    _required(context)
    return role.look(context, _storage_grant(context))


@solve(plan=lambda context: role.plan(context, _storage_grant(context)))
def give_the_storage_role(context: StepContext) -> None:
    """Give the service principal its role on the lake."""
    _required(context)
    role.give(context, _storage_grant(context))


@undo(plan=role.plan_removal)
def take_back_the_storage_role(context: StepContext) -> None:
    """Take the role on the lake back."""
    role.take_back(context)


@check(deadline=30)
def has_the_machine_learning_role(context: StepContext) -> Result:
    """Look whether the service principal has its role on the Machine Learning workspace."""
    _required(context)
    return role.look(context, _machine_learning_grant(context))


@solve(plan=lambda context: role.plan(context, _machine_learning_grant(context)))
def give_the_machine_learning_role(context: StepContext) -> None:
    """Give the service principal its role on the Machine Learning workspace."""
    _required(context)
    role.give(context, _machine_learning_grant(context))


@undo(plan=role.plan_removal)
def take_back_the_machine_learning_role(context: StepContext) -> None:
    """Take the role on the Machine Learning workspace back."""
    role.take_back(context)


# The proof


def _file_as(context: StepContext, principal: ServicePrincipal, secret: Secret) -> FileProperties | None:
    """Sign in as the service principal and return the data file's properties, as it sees them."""
    services = context.services.acting_as(principal.application_id, context.names.tenant, secret)
    try:
        return services.data_lake.file(lake.endpoint(context), lake.FILE_SYSTEM, lake.DATA_FILE)
    finally:
        services.close()


@check(deadline=60)
def signs_in_and_sees_the_lake(context: StepContext) -> Result:
    """Sign in as the service principal, and look at the lake in its name."""
    principal, secret = _required(context), client_secret(context)
    if secret is None:
        return Result(
            Status.FAILED,
            f"The client secret of {principal.name} is not kept here.",
            (Expectation("Client secret here", "kept", "not kept", met=False),),
            "Do the step “Create the service principal” again (do it for me): it makes a new one.",
        )
    until = _good_until(_passwords(context))
    signed_in = Expectation("Sign-in", "as the service principal", principal.name, met=True)
    try:
        file = _file_as(context, principal, secret)
    except SignInError as error:
        refused = Expectation("Sign-in", "as the service principal", error.code or "refused", met=False)
        if error.code in {"AADSTS7000215", "AADSTS700016", "AADSTS7000229"} and _young(context):
            return _waiting(f"Entra ID does not know the new secret of {principal.name} everywhere yet.", refused)
        return Result(
            Status.FAILED,
            f"{principal.name} cannot sign in: {error.message}",
            (refused, until),
            "Let the wizard make a new secret (do it for me); then write it into the vault (section secrets).",
            error.detail,
        )
    except AccessDeniedError as error:
        refused = Expectation("The lake, in its name", "lets it in", "refuses it", met=False)
        assignment = role.find(context, _storage_grant(context))
        if assignment is not None and role.age(assignment) < role.SPREADS_AT_MOST:
            return _waiting(f"The role of {principal.name} on the lake is spreading.", signed_in, refused)
        return Result(
            Status.FAILED, f"The lake refuses {principal.name}.", (signed_in, refused), error.hint, error.detail
        )
    size = f"{file.length:,} bytes" if file else "not there"
    seen = (signed_in, until, Expectation(lake.DATA_FILE, "seen in its name", size, file is not None))
    return judge(
        seen,
        passed=f"{principal.name} signs in and sees the data.",
        failed=f"{principal.name} signs in, but does not see {lake.DATA_FILE}.",
        next_action="Do the step “Upload the data file” first (initial-data/upload-the-data-file).",
    )


def _passwords(context: StepContext) -> Sequence[Password]:
    application = _look_up(context).application
    return application.passwords if application else ()


def _young(context: StepContext) -> bool:
    """Whether this wizard has made the secret just now."""
    made = [
        entry.at
        for entry in context.ledger.entries()
        if entry.resource == _secret_key(_name(context)) and entry.fact is Fact.CREATED
    ]
    return bool(made) and time.time() - datetime.fromisoformat(made[-1]).timestamp() < YOUNG


def _waiting(summary: str, *seen: Expectation) -> Result:
    return Result(
        Status.WAITING,
        summary,
        seen,
        "Nothing to do: the wizard looks again by itself.",
        look_again_after=1.0,
        usually=SPREADS,
    )


def _plan_proof(context: StepContext) -> Sequence[Change]:
    found = _look_up(context)
    if found.application is None:
        return []
    return [Change("create", CLIENT_SECRET, _name(context), "your directory (tenant)", note="if the kept one is wrong")]


@solve(plan=_plan_proof)
def prove(context: StepContext) -> None:
    """Make a new secret where the kept one does not open the directory; else there is nothing to do but look.

    Raises:
        NotFoundError: There is no service principal.
    """
    principal, secret = _required(context), client_secret(context)
    application = _look_up(context).application
    if secret is not None:
        try:
            _file_as(context, principal, secret)
        except SignInError:
            if _young(context):
                context.channel.say("The secret is new; Entra ID does not know it everywhere yet.")
                return
        except AccessDeniedError:
            return
        else:
            return
    if application is not None:
        _renew(context, application)
