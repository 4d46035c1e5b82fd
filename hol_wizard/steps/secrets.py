"""Section secrets: the secret scope, who may use its vault, and the secrets in it.

No value is ever shown: a check reports `set`, `missing` or `differs` for a secret, or why it could not find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ServiceError
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import key_vault, role_assignment, vault_access_policy, vault_secret
from hol_wizard.resources.cluster import find as find_cluster
from hol_wizard.resources.cluster import left_stopped
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.workspace import workspace
from hol_wizard.steps import secret_values
from hol_wizard.steps.secret_reading import read_on_cluster, refused
from hol_wizard.steps.secret_values import BUILD, DATA_LAKE, ML_WORKSPACE

# Who may write

_WITH_ROLES = ("let-yourself-write-secrets", "let-databricks-read-the-vault")
"""Steps with which earlier editions of the lab assigned roles on the vault."""


def _let_in(context: StepContext) -> bool:
    """Return whether the vault lists its secrets for us; raises an error if it could not be asked."""
    try:
        context.services.key_vault.names(key_vault.address(context))
    except AccessDeniedError as error:
        if error.code != "AccessDenied":
            raise
        return False
    return True


@check(deadline=30)
def you_may_write(context: StepContext) -> Result:
    """Check whether the signed-in account has the access policy for writing secrets, and whether it is already
    effective."""
    key_vault.address(context)
    policy = vault_access_policy.for_yourself(context)
    result = ownership.check(policy)
    if not result.passed or _let_in(context):
        return result
    return Result(
        Status.WAITING,
        f"The access policy on {policy.where} is there, and does not work yet.",
        (*result.expectations, Expectation("The access policy in use", "has access", "still denied", met=False)),
        "Nothing to do: the wizard checks again automatically.",
        look_again_after=max(1.0, context.poll_interval),
        usually=vault_access_policy.SPREADS,
    )


def _plan_writer(context: StepContext) -> Sequence[Change]:
    policy = vault_access_policy.for_yourself(context)
    return ownership.plan(policy) if policy.principal else (policy.creation(),)


@solve(plan=_plan_writer)
def let_yourself_write(context: StepContext) -> None:
    """Give the signed-in account the access policy for writing secrets."""
    key_vault.address(context)
    ownership.solve(vault_access_policy.for_yourself(context))


def _given(context: StepContext) -> list[Resource[Any]]:
    """Return the policy that this step created, and the roles that it assigned when the lab's vaults used roles."""
    keys = [f"secrets/{step}@{context.environment}" for step in _WITH_ROLES]
    policies = vault_access_policy.given(context, vault_access_policy.WRITE)
    return [*policies, *role_assignment.given(context, by=keys)]


@undo(plan=lambda context: ownership.plan_undo_all(_given(context)))
def take_back_your_access(context: StepContext) -> None:
    """Remove the access policy that this step created."""
    ownership.undo_all(_given(context))


# The steps that write


@check(deadline=30)
def data_lake_secrets_set(context: StepContext) -> Result:
    """Check whether the vault has the secrets of the data lake, with the right values."""
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
    """Check whether the vault has the secrets of the ML workspace, with the right values."""
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
    """Check whether the vault has the additional secrets of the build pipeline, with the right values."""
    return vault_secret.look(context, secret_values.build(context))


@solve(plan=vault_secret.plan(secret_values.build, BUILD))
def set_build_secrets(context: StepContext) -> None:
    """Write the additional secrets of the build pipeline."""
    vault_secret.write(context, secret_values.build(context))


@undo(plan=vault_secret.plan_removal, marked=vault_secret.marked(BUILD))
def delete_build_secrets(context: StepContext) -> None:
    """Delete and purge the secrets of the build that this step wrote."""
    vault_secret.remove(context)


@check(deadline=30)
def all_pipeline_secrets_set(context: StepContext) -> Result:
    """Check whether the vault has everything that the variable group must offer, with the right values."""
    wanted = (*secret_values.data_lake(context), *secret_values.ml_workspace(context), *secret_values.build(context))
    return vault_secret.look(context, wanted, "To add them: <section secrets>.")


# In Databricks


@check(deadline=90)
def databricks_sees_the_secrets(context: StepContext) -> Result:
    """Check in Databricks: the names that the scope shows and, if the cluster is running, the values.

    Databricks reads even the names from the vault with its own identity, so a missing or new policy shows up here. A
    check never starts a cluster.
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
            else "The names are there. To test reading as well, start the cluster "
            "(hol-wizard do cluster/create-the-cluster start-cluster), then check again."
        )
        reading = Expectation("Reading on the cluster", "if it is running", "not tested: it is not running", met=True)
        return Result(Status.PASSED, f"The scope {scope} shows all ten secrets.", (*seen, reading), how)
    return read_on_cluster(context, seen, required, found.id)


def _plan_waiting(context: StepContext) -> Sequence[Change]:
    note = f"changes nothing: checks until Databricks can read {context.here.key_vault}"
    return (Change("leave", KeyVaultScope.kind, FIXED["secret_scope"], context.here.databricks_workspace, note=note),)


@solve(plan=_plan_waiting)
def wait_for_databricks(context: StepContext) -> None:
    """Change nothing; the check after the solve is repeated until the policy of Databricks is effective."""
    context.reporter.say(f"Reading {context.here.key_vault} through Databricks …")
