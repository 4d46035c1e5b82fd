"""Section scientist-setup: whether the signed-in account may read the files of registered models."""

from __future__ import annotations

from hol_wizard.engine.registry import check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.errors import NotFoundError
from hol_wizard.resources import machine_learning, role_assignment
from hol_wizard.resources.azure_resource import read
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.role_assignment import STORAGE_BLOB_DATA_READER, Grant


def _is_there(context: StepContext) -> bool:
    return read(context, machine_learning.storage_id(context)) is not None


def _grant(context: StepContext) -> Grant:
    """Return the role for reading the files of models, for the signed-in account."""
    scope = machine_learning.storage_id(context)
    return role_assignment.to_yourself(context, STORAGE_BLOB_DATA_READER, scope, exists=_is_there(context))


def _require(context: StepContext) -> None:
    if not _is_there(context):
        raise NotFoundError(
            f"The storage account {context.here.ml_storage_account} does not exist.",
            "<first workspace-resources/add-a-machine-learning-workspace>.",
        )


@check(deadline=20)
def you_may_read(context: StepContext) -> Result:
    """Check whether the signed-in account has the data role on the Machine Learning workspace's storage account."""
    _require(context)
    return role_assignment.look(context, _grant(context))


@solve(plan=lambda context: role_assignment.plan(context, _grant(context)))
def let_yourself_read(context: StepContext) -> None:
    """Assign the data role to the signed-in account."""
    _require(context)
    role_assignment.give(context, _grant(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_READER, machine_learning.storage_id),
)
def take_back_reading(context: StepContext) -> None:
    """Remove the assignment of the data role."""
    role_assignment.take_back(context)
