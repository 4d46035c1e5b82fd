"""Section secrets: the secret scope, who may use the vault behind it, and the secrets in it.

No value is ever shown: what a check tells of a secret is `set`, `missing`, `differs`, and why it could not tell.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import (
    AccessDeniedError,
    NotFoundError,
    ServiceError,
)
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import client_secret, key_vault, role_assignment
from hol_wizard.resources.cluster import find as find_cluster
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_token import kept_token
from hol_wizard.resources.role_assignment import KEY_VAULT_SECRETS_OFFICER, KEY_VAULT_SECRETS_USER, Grant
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.service_principal import account
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.endpoints import DATABRICKS_AUDIENCE
from hol_wizard.services.secrets import Secret
from hol_wizard.steps import vault
from hol_wizard.steps.vault import Wanted, known, vault_id

if TYPE_CHECKING:
    pass

PUBLIC_SIGN_IN = "https://login.microsoftonline.com"
PUBLIC_STORAGE = "core.windows.net"


# Who may write


def _writer(context: StepContext) -> Grant:
    """Return the role that whoever is signed in needs."""
    me = context.reads.share("signed in", context.services.graph.signed_in)
    return Grant(KEY_VAULT_SECRETS_OFFICER, vault_id(context), me.id, "you", me.kind)


def _let_in(context: StepContext) -> bool:
    """Return whether the vault lists its secrets for us; that it could not be asked is raised."""
    try:
        context.services.key_vault.names(key_vault.address(context))
    except AccessDeniedError as error:
        if error.code != "ForbiddenByRbac":
            raise
        return False
    return True


@check(deadline=30)
def you_may_write(context: StepContext) -> Result:
    """Look whether whoever is signed in has the role that writes secrets, and whether it works already."""
    key_vault.address(context)
    return role_assignment.look(context, _writer(context), lambda: _let_in(context))


def _plan_writer(context: StepContext) -> Sequence[Change]:
    if not key_vault.is_there(context):
        return role_assignment.plan(context, Grant(KEY_VAULT_SECRETS_OFFICER, vault_id(context), "", "you"))
    return role_assignment.plan(context, _writer(context))


@solve(plan=_plan_writer)
def let_yourself_write(context: StepContext) -> None:
    """Give whoever is signed in the role that writes secrets."""
    key_vault.address(context)
    role_assignment.give(context, _writer(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(KEY_VAULT_SECRETS_OFFICER, vault_id),
)
def take_back_your_role(context: StepContext) -> None:
    """Take back the role that this step gave."""
    role_assignment.take_back(context)


# Who reads for Databricks


def _reader(context: StepContext) -> Grant | None:
    """Return the role that Databricks' own service principal needs, or None where the directory does not have it."""
    found = context.reads.share(
        "AzureDatabricks", lambda: context.services.graph.service_principal_of(DATABRICKS_AUDIENCE)
    )
    if found is None:
        return None
    return Grant(KEY_VAULT_SECRETS_USER, vault_id(context), found.id, "AzureDatabricks")


_NO_DATABRICKS = "No Databricks workspace was ever made in this directory (tenant): it does not know AzureDatabricks."
_MAKE_WORKSPACE = (
    "Do the step “Add a Databricks workspace” first (workspace-resources/add-a-databricks-workspace), then wait a "
    "minute."
)


@check(deadline=30)
def databricks_may_read(context: StepContext) -> Result:
    """Look whether Databricks may read the vault.

    That it works cannot be tried from here: the section's last step reads a secret through Databricks.
    """
    key_vault.address(context)
    grant = _reader(context)
    if grant is None:
        return Result(
            Status.FAILED,
            _NO_DATABRICKS,
            (Expectation("Service principal", "AzureDatabricks", "not in this directory", met=False),),
            _MAKE_WORKSPACE,
        )
    return role_assignment.look(context, grant)


def _plan_reader(context: StepContext) -> Sequence[Change]:
    grant = _reader(context) if key_vault.is_there(context) else None
    return role_assignment.plan(
        context,
        grant or Grant(KEY_VAULT_SECRETS_USER, vault_id(context), "", "AzureDatabricks"),
    )


@solve(plan=_plan_reader)
def let_databricks_read(context: StepContext) -> None:
    """Give Databricks' own service principal the role that reads secrets.

    Raises:
        NotFoundError: The directory does not know it.
    """
    key_vault.address(context)
    grant = _reader(context)
    if grant is None:
        raise NotFoundError(_NO_DATABRICKS, _MAKE_WORKSPACE)
    role_assignment.give(context, grant)


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(KEY_VAULT_SECRETS_USER, vault_id),
)
def take_back_databricks_role(context: StepContext) -> None:
    """Take back the role that this step gave."""
    role_assignment.take_back(context)


# What the secrets should be


DATA_LAKE = ("sp-tenant-id", "sp-app-id", "sp-password", "sp-token-endpoint", "datalake-fqdn")
ML_WORKSPACE = ("subscription-id", "resource-group", "ml-workspace-name", "alg-state", "created-by")
BUILD = (
    "compute-name",
    "db-workspace-name",
    "db-access-token",
    "db-cluster-id",
    "model-name",
    "image-name",
    "author",
    "acr-name",
)


def _data_lake_secrets(context: StepContext) -> Sequence[Wanted]:
    """Return the secrets by which the code signs in and finds the lake.

    The addresses are those of the public clouds; a cloud on this machine stands for Azure, and code that is made for
    Azure wants Azure's. The token endpoint is the first version's: that is what the driver for `abfss://` asks.
    """
    names, endpoints = context.names, context.services.endpoints
    principal = account(context)
    # Not `client_secret.value`: where the keyring has none it answers with what the vault says.
    password = context.services.secrets.get(client_secret.kept_as(context))
    public = endpoints.instance_discovery
    sign_in = endpoints.active_directory if public else PUBLIC_SIGN_IN
    storage = endpoints.storage_suffix.lstrip(".") if public else PUBLIC_STORAGE
    step = "service-principal/create-the-service-principal"
    return (
        known("sp-tenant-id", names.tenant),
        Wanted(
            "sp-app-id",
            Secret(principal.application_id) if principal else None,
            f"Do the step “Create the service principal” first ({step}).",
        ),
        Wanted(
            "sp-password",
            password,
            "This machine's keyring does not have the password. Let the wizard make one "
            f"(hol-wizard solve {step}@{context.environment}), or set the one that you have: "
            f"az keyvault secret set --vault-name {context.here.key_vault} --name sp-password --file PASSWORD-FILE "
            "--output none",
        ),
        known("sp-token-endpoint", f"{sign_in}/{names.tenant}/oauth2/token"),
        known("datalake-fqdn", f"abfss://{FIXED['file_system']}@{context.here.storage_account}.dfs.{storage}"),
    )


def _ml_workspace_secrets(context: StepContext) -> Sequence[Wanted]:
    """Return the secrets that say where to register the model, and how to tag it."""
    state = str(context.environment)
    return (
        known("subscription-id", context.names.subscription),
        known("resource-group", context.here.resource_group),
        known("ml-workspace-name", context.here.ml_workspace),
        known("alg-state", state),
        known("created-by", state),
    )


def _build_secrets(context: StepContext) -> Sequence[Wanted]:
    """Return the secrets that the build pipeline needs besides."""
    names = context.names
    found = find_cluster(context)
    token = kept_token(context)
    return (
        known("compute-name", FIXED["cluster"]),
        known("db-workspace-name", context.here.databricks_workspace),
        Wanted("db-access-token", token, optional=True, without="no token is kept: the build signs in as itself"),
        Wanted(
            "db-cluster-id",
            Secret(found.id) if found else None,
            "Do the step “Create the cluster” first (cluster/create-the-cluster).",
        ),
        known("model-name", FIXED["model"]),
        known("image-name", FIXED["image"]),
        known("author", str(context.environment)),
        known("acr-name", names.of(Environment.PROD).container_registry),
    )


# The steps that write


@check(deadline=30)
def data_lake_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has the secrets of the data lake, with the right values."""
    return vault.look(context, _data_lake_secrets(context), "secrets/add-the-secrets-of-the-data-lake")


@solve(plan=vault.plan(_data_lake_secrets, DATA_LAKE))
def set_data_lake_secrets(context: StepContext) -> None:
    """Write the secrets of the data lake."""
    vault.write(context, _data_lake_secrets(context))


@undo(plan=vault.plan_removal)
def delete_data_lake_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the data lake that this step wrote."""
    vault.remove(context)


@check(deadline=30)
def ml_workspace_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has the secrets of the ML workspace, with the right values."""
    return vault.look(context, _ml_workspace_secrets(context), "secrets/add-the-secrets-of-the-ml-workspace")


@solve(plan=vault.plan(_ml_workspace_secrets, ML_WORKSPACE))
def set_ml_workspace_secrets(context: StepContext) -> None:
    """Write the secrets of the ML workspace."""
    vault.write(context, _ml_workspace_secrets(context))


@undo(plan=vault.plan_removal)
def delete_ml_workspace_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the ML workspace that this step wrote."""
    vault.remove(context)


@check(deadline=30)
def build_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has what the build pipeline needs besides, with the right values."""
    return vault.look(context, _build_secrets(context), "secrets/add-the-secrets-of-the-build")


@solve(plan=vault.plan(_build_secrets, [name for name in BUILD if name != "db-access-token"]))
def set_build_secrets(context: StepContext) -> None:
    """Write what the build pipeline needs besides."""
    vault.write(context, _build_secrets(context))


@undo(plan=vault.plan_removal)
def delete_build_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the build that this step wrote."""
    vault.remove(context)


@check(deadline=30)
def all_pipeline_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has all that the variable group is to offer, with the right values."""
    wanted = (*_data_lake_secrets(context), *_ml_workspace_secrets(context), *_build_secrets(context))
    return vault.look(context, wanted, "secrets/add-the-secrets-of-the-build and the two before it")


# Seen from Databricks


READING = 60.0
"""Seconds for which a look waits for the cluster to read the secrets."""


def _command(scope: str, names: Sequence[str], nonce: str) -> str:
    """Return Python for the cluster that proves that it reads the secrets, and shows none: an HMAC of each."""
    return f"""\
import hashlib, hmac, json
found = {{}}
for name in {json.dumps(list(names))}:
    value = dbutils.secrets.get(scope={json.dumps(scope)}, key=name)
    found[name] = hmac.new(bytes.fromhex({json.dumps(nonce)}), value.encode(), hashlib.sha256).hexdigest()
print(json.dumps(found))
"""


def _proofs(text: str) -> Mapping[str, str]:
    """Return what the command printed, or nothing where it printed something else."""
    for line in reversed(text.strip().splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return {str(name): str(proof) for name, proof in found.items()}
    return {}


@check(deadline=90)
def databricks_sees_the_secrets(context: StepContext) -> Result:
    """Look through Databricks: at the names that the scope shows, and where the cluster runs, at the values.

    Databricks fetches even the names from the vault under its own name, so a role that is too young shows here. No
    cluster is started for a look.
    """
    scope, required = FIXED["secret_scope"], (*DATA_LAKE, *ML_WORKSPACE)
    here = workspace(context)
    try:
        listed = set(here.list_secret_names(scope))
    except ServiceError as error:
        refused = _refused_to_databricks(context, error)
        if refused is None:
            raise
        return refused
    seen = [Expectation(name, "shown", "shown" if name in listed else "missing", name in listed) for name in required]
    if not set(required) <= listed:
        return judge(
            seen,
            passed="",
            failed=f"The scope {scope} does not show all ten secrets.",
            next_action="Add the missing ones (the two steps before), then check again.",
        )
    found = find_cluster(context)
    if found is None or found.state != "RUNNING":
        how = (
            f"The names are there. To try the reading as well, start the cluster {FIXED['cluster']} (section "
            "cluster) and check again."
        )
        reading = Expectation("Reading on the cluster", "where it runs", "not tried: it does not run", met=True)
        return Result(Status.PASSED, f"The scope {scope} shows all ten secrets.", (*seen, reading), how)
    return _read_on_cluster(context, seen, required, found.id)


def _plan_waiting(context: StepContext) -> Sequence[Change]:
    note = f"nothing is changed: looks until Databricks can read {context.here.key_vault}"
    return (Change("leave", KeyVaultScope.kind, FIXED["secret_scope"], context.here.databricks_workspace, note=note),)


@solve(plan=_plan_waiting)
def wait_for_databricks(context: StepContext) -> None:
    """Change nothing; the look that follows a solve is repeated for as long as the role of Databricks spreads."""
    context.channel.say(f"Looking through Databricks at {context.here.key_vault} …")


def _read_on_cluster(
    context: StepContext, seen: Sequence[Expectation], required: Sequence[str], cluster_id: str
) -> Result:
    """Have the cluster read the secrets, and compare what it read with the vault, showing neither."""
    scope, nonce = FIXED["secret_scope"], random.token_hex(32)
    try:
        said = workspace(context).run_command(cluster_id, _command(scope, required, nonce), seconds=READING)
    except ServiceError as error:
        refused = _refused_to_databricks(context, error)
        if refused is None:
            raise
        return refused
    proofs = _proofs(said)
    contents = vault.look_into(context, [Wanted(name, None) for name in required])

    def reading(name: str) -> Expectation:
        value, proof = contents.values.get(name), proofs.get(name)
        if not proof:
            return Expectation(f"{name} on the cluster", "as in the vault", "not read", met=False)
        if not isinstance(value, Secret):
            return Expectation(f"{name} on the cluster", "read", "read; the vault does not let us compare", met=True)
        same = hmac.compare_digest(
            proof, hmac.new(bytes.fromhex(nonce), value.reveal().encode(), hashlib.sha256).hexdigest()
        )
        return Expectation(f"{name} on the cluster", "as in the vault", "the same" if same else "differs", same)

    return judge(
        (*seen, *map(reading, required)),
        passed=f"The scope {scope} shows all ten secrets, and the cluster {FIXED['cluster']} reads them.",
        failed=f"What the cluster {FIXED['cluster']} reads is not what the vault has.",
        next_action="Wait a minute and check again: Databricks keeps what it read for a while. If it stays so, look "
        "whether the scope shows the right vault.",
    )


def _refused_to_databricks(context: StepContext, error: ServiceError) -> Result | None:
    """Return how the vault's refusal to Databricks stands: spreading or missing; None for another error.

    The words are those of public reports (`PERMISSION_DENIED … ForbiddenByRbac`, `DeniedWithNoValidRBAC`); no
    recording of them exists.
    """
    words = f"{error.code} {error.message} {error.detail}"
    denied = "PERMISSION_DENIED" in words and "vault" in words.lower()
    if not denied and not any(sign in words for sign in ("ForbiddenByRbac", "DeniedWithNoValidRBAC")):
        return None
    grant = _reader(context)
    return None if grant is None else role_assignment.look(context, grant, lambda: False)
