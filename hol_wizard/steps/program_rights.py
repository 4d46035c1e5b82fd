"""Section service-principal: what the service principal may do, in the lake and in Machine Learning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, Marked, check, solve, undo
from hol_wizard.engine.results import Result, Status, judge
from hol_wizard.errors import AccessDeniedError, SignInError
from hol_wizard.resources import access_entry, lake, machine_learning, role_assignment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.role_assignment import (
    AZUREML_DATA_SCIENTIST,
    READER,
    STORAGE_BLOB_DATA_CONTRIBUTOR,
    STORAGE_BLOB_DATA_OWNER,
    Grant,
    Role,
)
from hol_wizard.resources.service_principal import account, required

# The access lists of the files


def _owner(context: StepContext) -> Grant:
    """Return the role for changing access lists, for the signed-in account."""
    exists = lake.is_there(context)
    return role_assignment.to_yourself(context, STORAGE_BLOB_DATA_OWNER, lake.lake_id(context), exists=exists)


@check(deadline=30)
def may_access_the_files(context: StepContext) -> Result:
    """Check whether the access lists of the container and of the data file give the service principal access."""
    principal = required(context)
    access, default = access_entry.entries(context)
    seen = (*access.expectations(access.look(context.reads)), *default.expectations(default.look(context.reads)))
    return judge(
        seen,
        passed=f"{principal.name} may read, write and execute in {lake.FILE_SYSTEM}.",
        failed=f"The access lists do not give {principal.name} all that it needs.",
        next_action="Give it access by hand as described, or <solve>.",
    )


def _plan_access(context: StepContext) -> Sequence[Change]:
    owner = role_assignment.plan(context, _owner(context))
    try:
        return [*owner, *(change for each in access_entry.entries(context) for change in ownership.plan(each))]
    except (AccessDeniedError, SignInError):
        # The role for reading the lists is assigned first.
        return [*owner, *(each.creation() for each in access_entry.entries_to_come(context))]


@solve(plan=_plan_access)
def give_access_to_the_files(context: StepContext) -> None:
    """Add the service principal to the access lists of everything in the container, and to the default for new files.

    Raises:
        AccessDeniedError: The account may not change access lists, and may not assign itself the role for that.
    """
    required(context)
    role_assignment.give(context, _owner(context))
    for each in access_entry.entries(context, new_right=True):
        ownership.solve(each)


def _plan_access_removal(context: StepContext) -> Sequence[Change]:
    entries = ownership.plan_undo_all(access_entry.noted(context))
    return [*entries, *role_assignment.plan_removal(context)]


@undo(
    plan=_plan_access_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_OWNER, lake.lake_id),
)
def take_back_access_to_the_files(context: StepContext) -> None:
    """Remove the service principal from the access lists.

    Raises:
        WizardError: The access lists of somebody else's lake are not visible.
    """
    for each in access_entry.noted(context):
        ownership.undo(each)
    role_assignment.take_back(context)


# Its roles


def _grant(context: StepContext, role: Role, scope: str) -> Grant:
    """Return a role of the service principal."""
    principal = account(context)
    return Grant(role, scope, principal.object_id if principal else "", context.here.service_principal)


def storage_grant(context: StepContext) -> Grant:
    """Return the role of the service principal on the lake."""
    return _grant(context, STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id(context))


def _ml_workspace(context: StepContext) -> str:
    return machine_learning.workspace(context).id


def _machine_learning_grants(context: StepContext) -> tuple[Grant, Grant]:
    """Return the service principal's roles on the workspace: for its contents, and for reading the workspace itself.

    AzureML Data Scientist allows `workspaces/*/read`; the MLflow tracking address is a property of the workspace.
    """
    place = _ml_workspace(context)
    return _grant(context, AZUREML_DATA_SCIENTIST, place), _grant(context, READER, place)


def _model_storage_grant(context: StepContext) -> Grant:
    """Return the role of the service principal on the files of models, which no role on the workspace includes."""
    return _grant(context, STORAGE_BLOB_DATA_CONTRIBUTOR, machine_learning.storage_id(context))


@check(deadline=30)
def has_the_storage_role(context: StepContext) -> Result:
    """Check whether the service principal has its role on the lake; the check below verifies that the role works."""
    required(context)
    return role_assignment.look(context, storage_grant(context))


@solve(plan=lambda context: role_assignment.plan(context, storage_grant(context)))
def give_the_storage_role(context: StepContext) -> None:
    """Assign the role on the lake to the service principal."""
    required(context)
    role_assignment.give(context, storage_grant(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id, of_program=True),
)
def take_back_the_storage_role(context: StepContext) -> None:
    """Remove the assignment of the role on the lake."""
    role_assignment.take_back(context)


@check(deadline=30)
def has_the_machine_learning_role(context: StepContext) -> Result:
    """Check whether the service principal has its roles on the Machine Learning workspace."""
    required(context)
    register, read = (role_assignment.look(context, each) for each in _machine_learning_grants(context))
    if register.status is not Status.PASSED:
        return register
    return replace(read, expectations=(*register.expectations, *read.expectations))


def _plan_machine_learning(context: StepContext) -> Sequence[Change]:
    return [change for each in _machine_learning_grants(context) for change in role_assignment.plan(context, each)]


@solve(plan=_plan_machine_learning)
def give_the_machine_learning_role(context: StepContext) -> None:
    """Assign the roles on the Machine Learning workspace to the service principal."""
    required(context)
    for each in _machine_learning_grants(context):
        role_assignment.give(context, each)


def _marked_machine_learning(context: StepContext) -> Sequence[Marked]:
    found = (role_assignment.marked(role, _ml_workspace, of_program=True) for role in (AZUREML_DATA_SCIENTIST, READER))
    return [marked for find in found for marked in find(context)]


@undo(plan=role_assignment.plan_removal, marked=_marked_machine_learning)
def take_back_the_machine_learning_role(context: StepContext) -> None:
    """Remove the assignments of the roles on the Machine Learning workspace."""
    role_assignment.take_back(context)


@check(deadline=30)
def has_the_model_storage_role(context: StepContext) -> Result:
    """Check whether the service principal may write the files of models."""
    required(context)
    return role_assignment.look(context, _model_storage_grant(context))


@solve(plan=lambda context: role_assignment.plan(context, _model_storage_grant(context)))
def give_the_model_storage_role(context: StepContext) -> None:
    """Assign the role on the storage account of the Machine Learning workspace to the service principal."""
    required(context)
    role_assignment.give(context, _model_storage_grant(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_CONTRIBUTOR, machine_learning.storage_id, of_program=True),
)
def take_back_the_model_storage_role(context: StepContext) -> None:
    """Remove the assignment of the role on the storage account of the Machine Learning workspace."""
    role_assignment.take_back(context)
