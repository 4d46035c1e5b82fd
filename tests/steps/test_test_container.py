"""Section test-container: results count for the image that they are of, and say what failed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.events import Event, Said
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import ConflictError, NotFoundError, ServiceError, UnreachableError
from hol_wizard.lab.model import Target
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.test_run import RECORD
from hol_wizard.resources.written_test import TEST_FILE
from hol_wizard.services.containers.workbench import RESULTS, TESTS_LABEL
from hol_wizard.services.context import Services
from hol_wizard.steps import test_container as step
from tests.resources.bench import COVERAGE, IMAGE, OWN_TEST, PASSED, STARTER_TEST, Bench, leave
from tests.steps.attendee import Attendee, Seen, clone
from tests.steps.databricks import context_of
from tests.steps.test_build_container import BUILD, builder, docker, engine, modeller, no_engine
from tests.steps.test_inference_code import reader
from tests.steps.test_scientist_setup import person

__all__ = ["builder", "engine", "modeller", "no_engine", "person", "reader"]
RUN, READ = "test-container/run-the-tests-in-the-container", "test-container/read-the-coverage-report"
pytestmark = pytest.mark.slow


@dataclass
class Desk:
    """Somebody with a test of their own and an image, and what the step's functions are given."""

    attendee: Attendee
    bench: Bench
    clone: Path

    def __post_init__(self) -> None:
        self.events: list[Event] = []

    def context(self, cancelled: threading.Event | None = None) -> StepContext:
        reporter = Reporter(RUN, self.events.append, cancelled or threading.Event())
        return replace(context_of(self.attendee, RUN), reporter=reporter)

    def look(self) -> Result:
        return step.all_passed(self.context())

    @property
    def results(self) -> Path:
        return self.clone / RESULTS

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))


@pytest.fixture
def desk(reader: Attendee, monkeypatch: pytest.MonkeyPatch) -> Desk:
    found = Desk(reader, Bench(), clone(reader))
    with (found.clone / TEST_FILE).open("a", encoding="utf-8") as file:
        file.write(OWN_TEST)
    monkeypatch.setattr(Services, "workbench", lambda self: found.bench)
    return found


def found(result: Result, what: str) -> tuple[str, bool]:
    (each,) = [each for each in result.expectations if each.what == what]
    return each.actual, each.met


def test_the_tests_are_run_and_pass_and_an_undo_removes_the_results(desk: Desk) -> None:
    before = desk.look()
    assert (before.status, before.report) == (Status.FAILED, None)
    assert "Run runtests_local" in before.next_action
    assert [change.verb for change in step._plan(desk.context())] == ["create"]

    step.run_tests(desk.context())
    assert "5 passed" in desk.said
    seen = desk.look()
    assert seen.status is Status.PASSED, seen
    assert seen.summary == (
        "All tests passed in this image, yours among them: 2 passed; coverage 44 %, 24 points below the lab's 68 %."
    )
    assert seen.report is not None
    assert seen.report.about == (f"Tested: image {'1' * 12}, built from commit {'c' * 12}.",)
    assert seen.report.page == str(desk.results / "cov_html" / "index.html")
    assert found(seen, "Your test test_mine") == ("passed", True)

    step.run_tests(desk.context())
    assert desk.bench.runs == 1, "what fits is not run again"
    assert [change.verb for change in ownership.plan_undo(step._left(desk.context()))] == ["delete"]
    step.remove_results(desk.context())
    assert not desk.results.exists()
    assert desk.results.parent.exists()


@pytest.mark.parametrize("before", [False, True], ids=["first", "again"])
def test_a_program_that_cannot_run_to_its_end_is_no_test_that_failed(desk: Desk, *, before: bool) -> None:
    """Python ends with 1 after an exception, as pytest does after a failed test."""
    if before:
        desk.bench.tests = {**PASSED, "test_mine": "assert 2 == 3"}
        step.run_tests(desk.context())
    desk.bench.run_tests = lambda clone, lab, reporter: False  # type: ignore[method-assign] # a traceback
    with pytest.raises(ServiceError, match="their program has written no results") as raised:
        step.run_tests(desk.context())
    assert "python Project_One-Tests/run_tests.py" in raised.value.hint


def test_a_failing_test_of_ones_own_fails_with_its_name_and_its_assertion(desk: Desk) -> None:
    desk.bench.tests = {**PASSED, "test_mine": "assert 2 == 3"}
    step.run_tests(desk.context())
    failed = desk.look()
    assert (failed.status, failed.summary) == (Status.FAILED, "1 of 2 tests did not pass: test_mine.")
    assert found(failed, "test_mine") == ("assert 2 == 3", False)
    assert found(failed, "Your test test_mine") == ("failed", False)
    assert failed.next_action.startswith("Correct the test, then")
    assert failed.report is not None
    assert [change.verb for change in step._plan(desk.context())] == ["change"]

    desk.bench.tests = PASSED
    step.run_tests(desk.context())
    assert desk.look().status is Status.PASSED
    step.remove_results(desk.context())
    assert not desk.results.exists()


def test_of_many_failures_five_are_named(desk: Desk) -> None:
    leave(desk.clone, tests={f"test_{number}": "assert 0" for number in range(9)})
    failed = desk.look()
    assert failed.summary == "9 of 9 tests did not pass: test_0, test_1, test_2 and 6 more."
    assert found(failed, "Further tests") == ("4 not passed", False)


Change = Callable[[Desk], object]
STALE: dict[str, tuple[Change, str]] = {
    "older image": (
        lambda desk: leave(desk.clone, image=replace(IMAGE, id=f"sha256:{'2' * 64}")),
        "The results are of an older image.",
    ),
    "tests changed": (
        lambda desk: (desk.clone / TEST_FILE).write_text((desk.clone / TEST_FILE).read_text() + "\n\n# more\n"),
        "The tests have changed since they ran.",
    ),
    "no record": (
        lambda desk: (desk.results / RECORD).unlink(),
        "The results do not say which image was tested.",
    ),
    "a record of 100 kB of brackets": (
        lambda desk: (desk.results / RECORD).write_text("[" * 100_000),
        "The results do not say which image was tested.",
    ),
    "a record of another form": (
        lambda desk: (desk.results / RECORD).write_text('{"image_id": [1], "labels": 3, "tests": [], "marks": "x"}'),
        "The results are of an older image.",
    ),
    "own test not among them": (
        lambda desk: leave(desk.clone, tests={STARTER_TEST: ""}),
        "Your test is not among those that passed.",
    ),
    "a test of the same name in another file": (
        lambda desk: leave(desk.clone, module="test_other"),
        "Your test is not among those that passed.",
    ),
    "no test": (lambda desk: leave(desk.clone, tests={}), "No test has passed."),
    "no coverage": (lambda desk: (desk.results / "coverage.xml").unlink(), "The results cannot be read."),
    "no results": (lambda desk: (desk.results / "test-results.xml").unlink(), "The results cannot be read."),
    "entities": (
        lambda desk: (desk.results / "test-results.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        "The results cannot be read.",
    ),
    "100 kB of elements": (
        lambda desk: (desk.results / "test-results.xml").write_text("<testsuite>" * 10_000),
        "The results cannot be read.",
    ),
    "another document": (lambda desk: leave(desk.clone, coverage="<html/>"), "The results cannot be read."),
    "zero bytes": (
        lambda desk: (desk.results / "test-results.xml").write_bytes(b"\0" * 1000),
        "The results cannot be read.",
    ),
}


@pytest.mark.parametrize(("change", "said"), STALE.values(), ids=STALE)
def test_results_that_do_not_count_say_why_and_the_tests_run_again(desk: Desk, change: Change, said: str) -> None:
    leave(desk.clone)
    assert desk.look().status is Status.PASSED
    change(desk)
    failed = desk.look()
    assert (failed.status, failed.summary) == (Status.FAILED, said)
    assert failed.next_action
    assert [each.verb for each in step._plan(desk.context())] == ["change"]
    step.run_tests(desk.context())
    assert desk.look().status is Status.PASSED
    # They were the attendee's, so they stay.
    step.remove_results(desk.context())
    assert desk.results.exists()


def test_coverage_that_contradicts_itself_is_told_and_is_no_failure(desk: Desk) -> None:
    leave(desk.clone, coverage=COVERAGE)
    seen = desk.look()
    assert seen.status is Status.PASSED
    assert seen.report is not None
    assert seen.report.coverage is not None
    assert seen.report.coverage.notes


def test_a_file_of_the_attendees_among_the_results_is_never_removed(desk: Desk) -> None:
    step.run_tests(desk.context())
    (desk.results / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match=r"notes\.txt"):
        step.remove_results(desk.context())
    assert (desk.results / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert desk.results.joinpath("test-results.xml").exists()
    # The tests could not be run again either.
    desk.bench.tests = {**PASSED, "test_mine": "assert 0"}
    leave(desk.clone, tests=desk.bench.tests)
    (desk.results / "notes.txt").write_text("mine", encoding="utf-8")
    assert "Move notes.txt out of" in desk.look().next_action


def test_a_test_file_that_python_cannot_read_is_told(desk: Desk) -> None:
    (desk.clone / TEST_FILE).write_text("def test_(:\n", encoding="utf-8")
    leave(desk.clone)
    failed = desk.look()
    assert failed.status is Status.FAILED
    assert "test_model.py cannot be read" in found(failed, "Your test")[0]


def test_without_an_image_there_is_nothing_to_test(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.bench, "image", lambda clone, name: None)
    with pytest.raises(NotFoundError, match="There is no image hol-inference:local to test"):
        desk.look()
    assert [change.verb for change in step._plan(desk.context())] == ["later"]


def test_without_an_engine_it_is_unknown(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(self: Services) -> Bench:
        raise UnreachableError("The Docker engine is not running.", "Start Docker.")

    monkeypatch.setattr(Services, "workbench", none)
    with pytest.raises(UnreachableError, match="is not running"):
        desk.look()


def test_practice_without_a_container_is_said_everywhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.bench, "note", "practiced without a container")
    assert "practiced without a container" in step._plan(desk.context())[0].note
    step.run_tests(desk.context())
    seen = desk.look()
    assert seen.status is Status.PASSED
    assert seen.summary.endswith("(practiced without a container).")
    assert seen.report is not None
    assert seen.report.about[-1] == "Practiced without a container."
    assert "what would be in the image" in seen.report.about[0]


def test_the_step_that_a_person_confirms_shows_the_report_of_the_tests(desk: Desk) -> None:
    leave(desk.clone)
    result = desk.look()
    wizard = desk.attendee.wizard()
    (read,) = wizard.targets([READ])
    assert isinstance(read, Target)
    assert wizard.report(read, {RUN: result}) is result.report
    assert wizard.report(read, {}) is None


def test_a_clone_that_is_gone_takes_the_results_along(desk: Desk) -> None:
    step.run_tests(desk.context())
    results = step._left(desk.context())
    assert results.context.ledger.made(results.id)
    shutil.rmtree(desk.clone)
    assert ownership.plan_undo(step._left(desk.context())) == ()
    step.remove_results(desk.context())
    assert not desk.context().ledger.made(results.id)


# With a real engine, and without one


def write(attendee: Attendee, more: str) -> None:
    with (clone(attendee) / TEST_FILE).open("a", encoding="utf-8") as file:
        file.write(more)


def run_until(attendee: Attendee, said: str, end: Callable[[threading.Event], object]) -> Seen:
    """Run the tests, and end the run when a line was said."""
    wizard, cancelled, events = attendee.wizard(), threading.Event(), list[Event]()
    for event in wizard.solve(wizard.targets([RUN]), cancelled=cancelled):
        events.append(event)
        if isinstance(event, Said) and said in event.text:
            end(cancelled)
    return Seen(events)


def containers(attendee: Attendee) -> list[str]:
    """Return the names of the containers of the attendee's test runs, ended ones too; they have the image's labels."""
    ours = f"label={TESTS_LABEL}={context_of(attendee, RUN).lab_id}"
    return docker("ps", "--all", "--filter", ours, "--format", "{{.Names}}").split()


def verbs_of_undo(attendee: Attendee) -> list[str]:
    return [change.verb for change in ownership.plan_undo(step._left(context_of(attendee, RUN)))]


@pytest.mark.docker
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("runtime", "keyring", "engine")
def test_in_a_real_image_a_failure_is_named_a_stop_leaves_nothing_and_an_undo_removes_the_image(
    builder: Attendee,
) -> None:
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED
    write(builder, OWN_TEST.replace("== 3", "== 1000"))
    failed = builder.solve(RUN)
    assert failed.statuses[RUN] is Status.FAILED, failed.results[RUN]
    assert "test_mine FAILED" in failed.said, "live, a line for each test"
    assert "Running the tests" in failed.progress
    seen = builder.look(RUN)
    assert seen.summary == "1 of 5 tests did not pass: test_mine."
    actual, met = found(seen, "test_mine")
    assert (actual.startswith("assert"), "== 1000" in actual, met) == (True, True, False)
    assert seen.report is not None
    assert seen.report.results is not None
    assert seen.report.results.bad[0].text

    file = clone(builder) / TEST_FILE
    file.write_text(file.read_text(encoding="utf-8").replace("== 1000", "> 1"), encoding="utf-8")
    assert builder.look(RUN).summary == "The tests have changed since they ran."
    passed = builder.solve(RUN)
    assert passed.statuses[RUN] is Status.PASSED, passed.results[RUN]
    assert "coverage 44 %" in builder.look(RUN).summary

    write(builder, "\n\ndef test_slow():\n    import time\n\n    time.sleep(120)\n")
    mine_passed = "test_model.py::test_mine PASSED"
    stopped = run_until(builder, mine_passed, threading.Event.set)
    assert stopped.statuses[RUN] is Status.UNKNOWN, stopped.results[RUN]
    killed = run_until(builder, mine_passed, lambda _: docker("kill", *containers(builder)))
    assert "pytest's exit code was 137" in killed.results[RUN].summary
    assert containers(builder) == []
    after = builder.look(RUN)
    assert after.report is not None
    assert str(after.report.results) == "5 passed", "the results before stay"

    ours = f"label={TESTS_LABEL}={context_of(builder, RUN).lab_id}"
    assert len(docker("image", "ls", "--quiet", "--filter", ours).split()) == 1, "earlier ones are gone"
    # As wizard, supervisor and run_tests.py leave it that are killed together, before there are results.
    shutil.rmtree(clone(builder) / RESULTS)
    left = docker("image", "ls", "--quiet", "--filter", ours)
    docker("run", "--detach", "--name", f"mltests-{left}", left, "sleep", "600")
    assert verbs_of_undo(builder) == ["purge"]
    builder.teardown(RUN)
    assert docker("image", "ls", "--quiet", "--filter", ours) == ""
    assert containers(builder) == []


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("runtime", "keyring", "no_engine")
def test_without_an_engine_the_tests_are_practiced_and_everything_says_so(builder: Attendee) -> None:
    assert builder.solve(BUILD).statuses[BUILD] is Status.PASSED
    write(builder, OWN_TEST.replace("== 3", "> 1"))
    (planned,) = builder.plan(RUN)[RUN]
    assert "practiced without a container" in planned.note
    passed = builder.solve(RUN)
    assert passed.statuses[RUN] is Status.PASSED, passed.results[RUN]
    seen = builder.look(RUN)
    assert seen.summary.endswith("(practiced without a container).")
    assert seen.report is not None
    assert "Practiced without a container." in seen.report.about
    # An image that is built later is another one.
    (clone(builder) / "Project_One" / "score.py").write_text("def init(): pass\n", encoding="utf-8")
    builder.solve(BUILD)
    assert "older image" in step.all_passed(context_of(builder, RUN)).summary
    builder.teardown(RUN)
    assert not (clone(builder) / RESULTS).exists()
