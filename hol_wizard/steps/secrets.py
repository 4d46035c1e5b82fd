"""Section secrets: the secret scope, who may use the vault behind it, and the secrets in it.

No value is ever shown: what a check tells of a secret is `set`, `missing`, `differs`, and why it could not tell.
"""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import key_vault, role_assignment, vault_secret
from hol_wizard.resources.cluster import find as find_cluster
from hol_wizard.resources.cluster import left_stopped
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import vault_id
from hol_wizard.resources.role_assignment import KEY_VAULT_SECRETS_OFFICER, KEY_VAULT_SECRETS_USER, Grant
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.workspace import workspace
from hol_wizard.steps import secret_values
from hol_wizard.steps.secret_reading import read_on_cluster, reader, refused
from hol_wizard.steps.secret_values import BUILD, DATA_LAKE, ML_WORKSPACE

# Who may write


def _writer(context: StepContext) -> Grant:
    """Return the role that whoever is signed in needs."""
    return role_assignment.to_yourself(context, KEY_VAULT_SECRETS_OFFICER, vault_id(context))


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
    exists = key_vault.is_there(context)
    grant = role_assignment.to_yourself(context, KEY_VAULT_SECRETS_OFFICER, vault_id(context), exists=exists)
    return role_assignment.plan(context, grant)


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


_NO_DATABRICKS = "No Databricks workspace was ever made in this directory (tenant): it does not know AzureDatabricks."
_MAKE_WORKSPACE = "<first workspace-resources/add-a-databricks-workspace>, then wait a minute."


@check(deadline=30)
def databricks_may_read(context: StepContext) -> Result:
    """Look whether Databricks may read the vault.

    That it works cannot be tried from here: the section's last step reads a secret through Databricks.
    """
    key_vault.address(context)
    grant = reader(context)
    if grant is None:
        return Result(
            Status.FAILED,
            _NO_DATABRICKS,
            (Expectation("Service principal", "AzureDatabricks", "not in this directory", met=False),),
            _MAKE_WORKSPACE,
        )
    return role_assignment.look(context, grant)


def _plan_reader(context: StepContext) -> Sequence[Change]:
    grant = reader(context) if key_vault.is_there(context) else None
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
    grant = reader(context)
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


# The steps that write


@check(deadline=30)
def data_lake_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has the secrets of the data lake, with the right values."""
    return vault_secret.look(context, secret_values.data_lake(context))


@solve(plan=vault_secret.plan(secret_values.data_lake, DATA_LAKE))
def set_data_lake_secrets(context: StepContext) -> None:
    """Write the secrets of the data lake."""
    vault_secret.write(context, secret_values.data_lake(context))


@undo(plan=vault_secret.plan_removal, marked=vault_secret.marked(DATA_LAKE))
def delete_data_lake_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the data lake that this step wrote."""
    vault_secret.remove(context)


@check(deadline=30)
def ml_workspace_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has the secrets of the ML workspace, with the right values."""
    return vault_secret.look(context, secret_values.ml_workspace(context))


@solve(plan=vault_secret.plan(secret_values.ml_workspace, ML_WORKSPACE))
def set_ml_workspace_secrets(context: StepContext) -> None:
    """Write the secrets of the ML workspace."""
    vault_secret.write(context, secret_values.ml_workspace(context))


@undo(plan=vault_secret.plan_removal, marked=vault_secret.marked(ML_WORKSPACE))
def delete_ml_workspace_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the ML workspace that this step wrote."""
    vault_secret.remove(context)


@check(deadline=30)
def build_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has what the build pipeline needs besides, with the right values."""
    return vault_secret.look(context, secret_values.build(context))


@solve(plan=vault_secret.plan(secret_values.build, [name for name in BUILD if name != "db-access-token"]))
def set_build_secrets(context: StepContext) -> None:
    """Write what the build pipeline needs besides."""
    vault_secret.write(context, secret_values.build(context))


@undo(plan=vault_secret.plan_removal, marked=vault_secret.marked(BUILD))
def delete_build_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the build that this step wrote."""
    vault_secret.remove(context)


@check(deadline=30)
def all_pipeline_secrets_set(context: StepContext) -> Result:
    """Look whether the vault has all that the variable group is to offer, with the right values."""
    wanted = (*secret_values.data_lake(context), *secret_values.ml_workspace(context), *secret_values.build(context))
    return vault_secret.look(context, wanted, "To add them: <section secrets>.")


# Seen from Databricks


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
        told = refused(context, error)
        if told is None:
            raise
        return told
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
            "The names are there. The first build tries the reading: the cluster of this environment is left stopped."
            if left_stopped(context)
            else "The names are there. To try the reading as well, start the cluster "
            "(hol-wizard do cluster/create-the-cluster start-cluster), then check again."
        )
        reading = Expectation("Reading on the cluster", "where it runs", "not tried: it does not run", met=True)
        return Result(Status.PASSED, f"The scope {scope} shows all ten secrets.", (*seen, reading), how)
    return read_on_cluster(context, seen, required, found.id)


def _plan_waiting(context: StepContext) -> Sequence[Change]:
    note = f"nothing is changed: looks until Databricks can read {context.here.key_vault}"
    return (Change("leave", KeyVaultScope.kind, FIXED["secret_scope"], context.here.databricks_workspace, note=note),)


@solve(plan=_plan_waiting)
def wait_for_databricks(context: StepContext) -> None:
    """Change nothing; the look that follows a solve is repeated for as long as the role of Databricks spreads."""
    context.channel.say(f"Looking through Databricks at {context.here.key_vault} …")
