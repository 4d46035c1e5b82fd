"""Section test-container: the tests run in the image, and all of them pass."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.errors import NotFoundError, UnreachableError
from hol_wizard.resources.build_settings import image_name
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.local_clone import required_clone
from hol_wizard.resources.test_run import TestRun
from hol_wizard.services.containers.workbench import with_note


def _run(context: StepContext) -> TestRun:
    """Return the results that count for the image as it is now.

    Raises:
        NotFoundError: There is no clone, or no image that was built from it.
        UnreachableError: No container engine answers.
    """
    bench, clone, name = context.services.workbench(), required_clone(context).folder, image_name(context)
    image = bench.image(clone, name)
    if image is None:
        raise NotFoundError(f"There is no image {name} to test.", "<first build-container/run-the-local-build>.")
    return TestRun(context, bench, clone, image)


@check(deadline=30)
def all_passed(context: StepContext) -> Result:
    """Check whether the tests ran in this very image, and all passed, the attendee's among them."""
    run = _run(context)
    return with_note(ownership.check(run), run.bench)


def _plan(context: StepContext) -> Sequence[Change]:
    try:
        return ownership.plan(_run(context))
    except NotFoundError:
        return (Change("later", TestRun.kind, TestRun.name, context.names.clone_folder, "free"),)


@solve(plan=_plan)
def run_tests(context: StepContext) -> None:
    """Run the tests in the image, with their output as it comes.

    Raises:
        StoppedError: The person asked to stop; the results before stay.
        WizardError: The tests could not be run.
    """
    ownership.solve(_run(context))


def _left(context: StepContext) -> TestRun:
    """Return the results, whatever has become of the image since."""
    return TestRun(context, context.services.workbench(), Path(context.names.clone_folder), None)


def _plan_removal(context: StepContext) -> Sequence[Change]:
    folder = Path(context.names.clone_folder)
    if not context.ledger.made(TestRun.id_in(folder)):
        return ()
    try:
        return ownership.plan_undo(_left(context))
    except UnreachableError as error:
        # The engine: everything else can be removed without it.
        note = f"cannot tell whether it exists: {error.message}"
        return (Change("unclear", TestRun.kind, TestRun.name, str(folder), note=note, resource=TestRun.id_in(folder)),)


@undo(plan=_plan_removal, marked=lambda context: ownership.marked(_left(context)))
def remove_results(context: StepContext) -> None:
    """Remove the results and the test image, if this wizard has made them."""
    ownership.undo(_left(context))
