"""Section inference-code: the reader's clone is up to date, and has a test of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.lab.names import Names
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, required_repository
from hol_wizard.resources.local_clone import LocalClone, required_clone
from hol_wizard.resources.own_tests import own_tests, starter_tests
from hol_wizard.resources.unit_tests import MODEL_CLASS, UnitTest, read
from hol_wizard.resources.written_test import TEST_FILE, WrittenTest

_SHORT = 10
"""Digits of a commit's id that are shown."""


# Pull


@check(deadline=30)
def is_up_to_date(context: StepContext) -> Result:
    """Check whether the reader's branch is checked out, and has what the repository's branch has.

    What is committed here and not pushed is the reader's work going on, and no fault.
    """
    clone, branch = required_clone(context), context.names.branch
    there = branches(context, required_repository(context)).get(branch, "")
    state, here = clone.state(), clone.commit("HEAD")
    seen = [
        Expectation("Checked out", branch, state.branch or "no branch (detached)", state.branch == branch),
        Expectation("Work tree", "nothing to resolve", str(state), not (state.conflicts or state.doing)),
    ]
    if not there:
        seen.append(Expectation("Branch in Azure DevOps", f"{branch} exists", "not found", met=False))
        return _failed(f"Azure DevOps has no branch {branch}.", seen, "Push it: git push --set-upstream origin HEAD")
    has = clone.contains(there)
    shown = "has it" if has else f"is at {here[:_SHORT]}"
    seen.append(Expectation(f"Newest commit of {branch}", there[:_SHORT], shown, has))
    if state.conflicts or state.doing:
        advice = f"In {clone.folder}: git status says how to end it. Nothing is resolved behind your back."
        return _failed(f"In your clone {state}.", seen, advice)
    return judge(
        seen,
        passed=f"Your clone is on {branch} and has everything that was pushed to it.",
        failed=f"Your clone is not at the newest commit of {branch}.",
        next_action=f"In {clone.folder}: git switch {branch}, then git pull. Or <solve>.",
    )


def _failed(summary: str, seen: Sequence[Expectation], advice: str) -> Result:
    return Result(Status.FAILED, summary, tuple(seen), advice)


def _plan_pull(context: StepContext) -> Sequence[Change]:
    branch, where = context.names.branch, context.names.clone_folder
    try:
        clone = required_clone(context)
        there = branches(context, required_repository(context)).get(branch, "")
    except NotFoundError:
        return (Change("later", LocalClone.kind, branch, where, "free", note="its newest commits are pulled"),)
    notes = []
    if clone.state().branch != branch:
        notes.append(f"{branch} is checked out")
    if there and not clone.contains(there):
        notes.append("its newest commits are pulled")
    if not notes:
        return (Change("leave", LocalClone.kind, branch, where, note="it is up to date"),)
    return (Change("change", LocalClone.kind, branch, where, "free", note="; ".join(notes)),)


@solve(plan=_plan_pull)
def pull(context: StepContext) -> None:
    """Check the reader's branch out and pull what is new, if nothing of their own prevents this.

    Raises:
        NotFoundError: There is no clone.
        ConflictError: Both sides have gone on, or changes that are not committed prevent this.
    """
    clone, branch = required_clone(context), context.names.branch
    clone.fetch()
    clone.switch(branch, f"origin/{branch}")
    context.reporter.say(f"On {branch}: {clone.pull()}.")


# A test of one's own


def _read(context: StepContext) -> tuple[Path, list[UnitTest]]:
    """Return the file with the reader's tests, and the tests in it.

    Raises:
        NotFoundError: There is no clone, or no such file in it.
        ConflictError: The file cannot be read as Python.
    """
    path = required_clone(context).folder / TEST_FILE
    try:
        source = path.read_text(encoding="utf-8-sig")
        return path, read(source)
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no {TEST_FILE} in {context.names.clone_folder}.",
            f"To get it back: git checkout origin/{context.names.default_branch} -- {TEST_FILE}",
        ) from error
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise ConflictError(
            f"Python cannot read {path}{line}: {error.msg}.", "Correct that line, and save the file."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConflictError(
            f"{path} cannot be read: {error}.", "Look at the file's rights, and save it as UTF-8."
        ) from error


def _test_files(names: Names) -> Sequence[Path]:
    return (Path(names.clone_folder) / TEST_FILE,)


@check(deadline=20, files=_test_files)
def has_own_test(context: StepContext) -> Result:
    """Check whether the test file has one test more than the starter's, which asserts something about the model.

    Nothing of it is run: the container does that.
    """
    try:
        path, found = _read(context)
    except ConflictError as error:
        unread = Expectation("Test file", "Python can read it", "it cannot", met=False)
        return _failed(error.message, (unread,), error.hint)
    own, starters = own_tests(found), len(starter_tests())
    good = [each for each in own if not each.problem]
    kept = len(found) - len(own)
    seen = [Expectation("The starter's tests", f"at least {starters}", f"{kept}", kept >= starters)]
    for each in own:
        told = each.problem or f"asserts something about {', '.join(each.about[:3])}"
        seen.append(
            Expectation(
                f"{each.name}, line {each.line}", f"asserts something about a {MODEL_CLASS}", told, not each.problem
            )
        )
    if not own:
        seen.append(Expectation("Tests of your own", "at least 1", "none", met=False))
    if good and kept < starters:
        branch = context.names.default_branch
        advice = f"Add it again, next to yours. To see it: git show origin/{branch}:{TEST_FILE}"
        return _failed(f"The starter's test is missing in {path.name}: yours must be in addition to it.", seen, advice)
    if good:
        by_wizard = [each.name for each in good] == [WrittenTest.name]
        summary = (
            f"{good[0].name} tests the model." if len(good) == 1 else f"{len(good)} tests of yours test the model."
        )
        if by_wizard:
            summary = f"The test {WrittenTest.name} is there; the wizard wrote it, not you."
        return Result(Status.PASSED, summary, tuple(seen))
    failed = (
        f"None of your tests in {path.name} tests the model." if own else f"{path.name} has no test of your own yet."
    )
    if own:
        advice = f"Assert something that you get from a {MODEL_CLASS}, such as model.x_scaler or model.predict(PERSON)."
    else:
        advice = f"In {path}: write a function whose name begins with test_, and save the file."
    return _failed(failed, seen, advice)


def _written(context: StepContext) -> WrittenTest:
    return WrittenTest(context, context.names.clone_folder)


def _plan_test(context: StepContext) -> Sequence[Change]:
    try:
        own = [each for each in own_tests(_read(context)[1]) if not each.problem]
        if own:
            note = "you have written one already"
            return (Change("leave", WrittenTest.kind, own[0].name, TEST_FILE, note=note),)
        return ownership.plan(_written(context))
    except NotFoundError:
        return (_written(context).creation(),)


@solve(plan=_plan_test)
def write_test(context: StepContext) -> None:
    """Write a test in the reader's place, if they have none, and say so.

    Raises:
        NotFoundError: There is no clone, or no test file in it.
        ConflictError: The file cannot be read or written.
    """
    if any(change.verb == "leave" and change.name != WrittenTest.name for change in _plan_test(context)):
        context.reporter.say("You have written a test already: nothing is added.")
        return
    ownership.solve(_written(context))
    context.reporter.say(f"The wizard, not you, wrote {WrittenTest.name}. The lab asks for a test of your own.")


@undo(plan=lambda context: ownership.plan_undo(_written(context)))
def remove_test(context: StepContext) -> None:
    """Take the wizard's test out of the file, unless somebody has changed it.

    Raises:
        ConflictError: The file cannot be read or written.
    """
    ownership.undo(_written(context))
