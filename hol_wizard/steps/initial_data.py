"""Section initial-data: the data file in each data lake."""

from __future__ import annotations

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.errors import AccessDeniedError
from hol_wizard.resources import lake, role_assignment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.data_file import INPUT, choice
from hol_wizard.resources.lake import FILE_SYSTEM
from hol_wizard.resources.local_data_file import LocalDataFile
from hol_wizard.resources.role_assignment import STORAGE_BLOB_DATA_CONTRIBUTOR, Grant

# The file on this machine


@check(deadline=20)
def data_file_fits(context: StepContext) -> Result:
    """Check whether there is a valid copy of the data file on this machine."""
    return ownership.check(LocalDataFile(context))


@solve(plan=lambda context: ownership.plan(LocalDataFile(context)))
def get_data_file(context: StepContext) -> None:
    """Get the data file that the person wants, and save that choice."""
    ownership.solve(LocalDataFile(context))
    if choice(context):
        context.profile.change(**{INPUT: choice(context)})


@undo(plan=lambda context: ownership.plan_undo(LocalDataFile(context)))
def forget_data_file(context: StepContext) -> None:
    """Remove the wizard's copy and partial downloads, but not the person's own file."""
    ownership.undo(LocalDataFile(context))


# The right to write


def _grant(context: StepContext) -> Grant:
    """Return the role for writing, for the signed-in account, which is looked up only if there is a lake."""
    exists = lake.is_there(context)
    return role_assignment.to_yourself(context, STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id(context), exists=exists)


@check(deadline=20)
def may_write(context: StepContext) -> Result:
    """Check whether the signed-in account has the data role, and whether it has access to the lake."""
    address = lake.endpoint(context)

    def works() -> bool:
        try:
            context.services.data_lake.file_system_exists(address, FILE_SYSTEM)
        except AccessDeniedError as error:
            if error.code == "AuthorizationPermissionMismatch":
                return False
            raise
        return True

    return role_assignment.look(context, _grant(context), works)


@solve(plan=lambda context: role_assignment.plan(context, _grant(context)))
def let_yourself_write(context: StepContext) -> None:
    """Assign the data role on the lake to the signed-in account."""
    lake.endpoint(context)
    role_assignment.give(context, _grant(context))


@undo(
    plan=role_assignment.plan_removal,
    marked=role_assignment.marked(STORAGE_BLOB_DATA_CONTRIBUTOR, lake.lake_id),
)
def take_back_writing(context: StepContext) -> None:
    """Remove the assignment of the data role."""
    role_assignment.take_back(context)
