"""The functions behind the checks, solves and undos that documents declare (`hol_wizard.lab.declared`)."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.lab.declared import MOST_CHECK_SECONDS
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.declared_work import DeclaredWork, looked


@check(deadline=MOST_CHECK_SECONDS + 5.0)
def command_prints(context: StepContext) -> Result:
    """Check whether a command succeeds and prints what is expected."""
    return looked(context, context.declared["check"])


@check(deadline=20)
def file_contains(context: StepContext) -> Result:
    """Check whether a file exists and contains a text."""
    return looked(context, context.declared["check"])


@check(deadline=30)
def address_answers(context: StepContext) -> Result:
    """Check whether a web address answers as expected."""
    return looked(context, context.declared["check"])


def _plan(context: StepContext) -> Sequence[Change]:
    return ownership.plan(DeclaredWork(context))


def _plan_undo(context: StepContext) -> Sequence[Change]:
    return ownership.plan_undo(DeclaredWork(context))


@solve(_plan)
def run_solve(context: StepContext) -> None:
    """Save the answers that the step asks for, and run the declared command, unless the check passes already."""
    context.save(*context.asked)
    ownership.solve(DeclaredWork(context))


@undo(_plan_undo)
def run_undo(context: StepContext) -> None:
    """Run the declared command, if the solve ran here."""
    ownership.undo(DeclaredWork(context))
