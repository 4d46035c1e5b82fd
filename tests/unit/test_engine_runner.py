"""The runner: graph, side by side, deadlines, looking again, cancelling."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import pytest

from hol_wizard.engine.events import (
    CheckFinished,
    CheckStarted,
    Event,
    RunFinished,
    Said,
    WorkFinished,
    WorkStarted,
)
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.engine.runner import CheckTask, WorkTask, critical_path, run_checks, run_work
from hol_wizard.errors import AccessDeniedError, ConflictError, ServiceError, SignInError, UnreachableError

PASSED = Result(Status.PASSED, "fine")
FAILED = Result(Status.FAILED, "not so", next_action="do it")


def task(
    key: str, result: Result = PASSED, needs: Sequence[str] = (), seconds: float = 0.0, **more: object
) -> CheckTask:
    def run() -> Result:
        time.sleep(seconds)
        return result

    return CheckTask(key, key.title(), run, tuple(needs), **more)  # type: ignore[arg-type]


def statuses(events: Iterable[Event]) -> dict[str, Status]:
    *_, last = events
    assert isinstance(last, RunFinished)
    return {key: result.status for key, result in last.results.items()}


def test_results_come_in_the_order_of_the_lab() -> None:
    found = statuses(run_checks([task("slow", seconds=0.05), task("quick")]))
    assert list(found) == ["slow", "quick"]


def test_checks_that_need_nothing_run_side_by_side() -> None:
    began = time.monotonic()
    statuses(run_checks([task(f"t{number}", seconds=0.2) for number in range(10)]))
    assert time.monotonic() - began < 1.0


def test_a_child_is_looked_at_only_after_its_parent_passed() -> None:
    events = list(run_checks([task("child", needs=["parent"]), task("parent", seconds=0.02)]))
    order = [(type(event), event.target) for event in events if isinstance(event, CheckStarted | CheckFinished)]
    assert order.index((CheckFinished, "parent")) < order.index((CheckStarted, "child"))


@pytest.mark.parametrize("parent", [Status.FAILED, Status.UNKNOWN, Status.WAITING, Status.BLOCKED])
def test_a_child_of_what_has_not_passed_is_blocked_and_not_looked_at(parent: Status) -> None:
    looked = threading.Event()

    def look() -> Result:
        looked.set()
        return PASSED

    events = run_checks([task("parent", Result(parent, "?")), CheckTask("child", "Child", look, ("parent",))])
    assert statuses(events)["child"] is Status.BLOCKED
    assert not looked.is_set()


def finished(events: Iterable[Event]) -> RunFinished:
    *_, last = events
    assert isinstance(last, RunFinished)
    return last


def test_what_is_blocked_names_the_root_cause_through_others_that_are_blocked() -> None:
    down = Result(Status.UNKNOWN, "Azure is too busy.", next_action="Wait a minute, then try again.")
    tasks = [task("a", down), task("b", needs=["a"]), task("c", needs=["b"])]
    result = finished(run_checks(tasks)).results["c"]
    assert (result.status, result.blocked_by) == (Status.BLOCKED, "a")
    assert result.summary == "Not checked: “A” could not be determined. Azure is too busy."
    assert result.next_action == "Wait a minute, then try again."


def test_a_failed_root_cause_is_to_be_done_first() -> None:
    result = finished(run_checks([task("a", FAILED), task("b", needs=["a"])])).results["b"]
    assert (result.summary, result.next_action) == ("Not checked: needs “A” first.", "<first a>.")


def test_of_several_causes_the_one_that_somebody_can_do_is_named() -> None:
    unknown, waiting = Result(Status.UNKNOWN, "?"), Result(Status.WAITING, "soon")
    tasks = [task("w", waiting), task("u", unknown), task("f", FAILED), task("c", needs=["w", "u", "f"])]
    assert finished(run_checks(tasks)).results["c"].blocked_by == "f"


def test_the_root_cause_is_reported_even_if_only_the_blocked_step_was_asked_for() -> None:
    tasks = [task("a", FAILED, wanted=False), task("b", needs=["a"], wanted=False), task("c", needs=["b"])]
    assert list(finished(run_checks(tasks)).results) == ["a", "c"]


def test_work_that_is_blocked_names_the_root_cause_too() -> None:
    def refused(reporter: Reporter) -> None:
        raise AccessDeniedError("You may not do this.", "Ask an owner.")

    tasks = [
        WorkTask("a", "A", lambda: FAILED, refused),
        WorkTask("b", "B", lambda: FAILED, lambda reporter: None, ("a",)),
        WorkTask("c", "C", lambda: FAILED, lambda reporter: None, ("b",)),
    ]
    result = finished(run_work(tasks)).results["c"]
    assert (result.status, result.blocked_by, result.summary) == (Status.BLOCKED, "a", "Not started: needs “A” first.")


def test_a_skipped_parent_does_not_block() -> None:
    assert statuses(run_checks([task("p", Result(Status.SKIPPED, "-")), task("c", needs=["p"])]))["c"] is Status.PASSED


def test_what_is_only_needed_is_looked_at_but_not_counted() -> None:
    assert statuses(run_checks([task("p", wanted=False), task("c", needs=["p"])])) == {"c": Status.PASSED}


def test_a_check_that_hangs_becomes_unknown_at_its_deadline() -> None:
    began = time.monotonic()
    assert statuses(run_checks([task("hangs", seconds=5, deadline=0.2)])) == {"hangs": Status.UNKNOWN}
    assert time.monotonic() - began < 1.5


def test_an_error_nobody_foresaw_is_unknown_and_the_others_go_on() -> None:
    def broken() -> Result:
        raise ZeroDivisionError("private detail")

    events = list(run_checks([CheckTask("broken", "Broken", broken), task("fine")]))
    assert statuses(events) == {"broken": Status.UNKNOWN, "fine": Status.PASSED}


@pytest.mark.parametrize("error", [UnreachableError("no network", "look at the cable"), SignInError("expired")])
def test_what_could_not_be_found_out_is_unknown_with_the_errors_own_words(error: Exception) -> None:
    def run() -> Result:
        raise error

    *_, last = run_checks([CheckTask("t", "T", run)])
    assert isinstance(last, RunFinished)
    assert last.results["t"].status is Status.UNKNOWN
    assert str(error) in last.results["t"].summary
    assert last.results["t"].next_action


def test_a_waiting_check_is_looked_at_again_until_it_passes() -> None:
    answers = [Result(Status.WAITING, "soon", look_again_after=0.05)] * 2 + [PASSED]
    events = list(run_checks([CheckTask("t", "T", lambda: answers.pop(0))], wait=5))
    assert statuses(events) == {"t": Status.PASSED}
    assert sum(isinstance(event, CheckFinished) for event in events) == 3


def test_a_waiting_check_counts_as_waiting_when_the_wait_is_over() -> None:
    waiting = Result(Status.WAITING, "soon", look_again_after=0.05)
    assert statuses(run_checks([task("t", waiting)], wait=0.2)) == {"t": Status.WAITING}


def test_fail_fast_stops_at_the_first_failure() -> None:
    found = statuses(run_checks([task("bad", FAILED), task("later", seconds=2)], fail_fast=True))
    assert found == {"bad": Status.FAILED, "later": Status.UNKNOWN}


def test_cancelling_leaves_reads_behind_at_once() -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    began = time.monotonic()
    *_, last = run_checks([task("slow", seconds=5)], cancelled=cancelled)
    assert isinstance(last, RunFinished)
    assert last.cancelled
    assert time.monotonic() - began < 1.5


def test_no_more_checks_than_workers_run_at_once() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def look() -> Result:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return PASSED

    statuses(run_checks([CheckTask(f"t{number}", "T", look) for number in range(9)], workers=3))
    assert most <= 3


class Thing:
    """Something that a solve makes."""

    def __init__(self) -> None:
        self.there = False
        self.made = 0

    def look(self) -> Result:
        return PASSED if self.there else FAILED

    def make(self, reporter: Reporter) -> None:
        reporter.say("making it")
        self.made += 1
        self.there = True

    def as_task(self, key: str, needs: Sequence[str] = ()) -> WorkTask:
        return WorkTask(key, key.title(), self.look, self.make, tuple(needs))


def test_a_solve_is_proven_by_its_check_and_tells_what_it_does() -> None:
    thing = Thing()
    events = list(run_work([thing.as_task("t")]))
    assert [type(event) for event in events] == [WorkStarted, Said, CheckFinished, WorkFinished, RunFinished]
    assert statuses(events) == {"t": Status.PASSED}


def test_what_already_passes_is_not_made_again() -> None:
    thing = Thing()
    thing.there = True
    statuses(run_work([thing.as_task("t")]))
    assert thing.made == 0


def test_a_solve_that_lies_is_caught_by_its_check() -> None:
    liar = WorkTask("t", "T", lambda: FAILED, lambda reporter: None)
    assert statuses(run_work([liar])) == {"t": Status.FAILED}


def test_one_that_fails_leaves_its_neighbour_alone_and_blocks_its_children() -> None:
    def refuse(reporter: Reporter) -> None:
        raise ConflictError("the name is taken", "choose another")

    good, child = Thing(), Thing()
    tasks = [WorkTask("bad", "Bad", lambda: FAILED, refuse), good.as_task("good"), child.as_task("child", ["bad"])]
    events = list(run_work(tasks))
    assert statuses(events) == {"bad": Status.FAILED, "good": Status.PASSED, "child": Status.BLOCKED}
    assert child.made == 0
    last = events[-1]
    assert isinstance(last, RunFinished)
    assert last.results["bad"].next_action == "choose another"


def test_after_the_work_a_waiting_check_is_looked_at_until_it_passes() -> None:
    answers = [FAILED, Result(Status.WAITING, "spreads", look_again_after=0.02), PASSED]
    work = WorkTask("t", "T", lambda: answers.pop(0), lambda reporter: None)
    assert statuses(run_work([work])) == {"t": Status.PASSED}


def test_a_look_that_came_to_nothing_does_not_keep_the_work_from_being_tried() -> None:
    answers: list[Result | Exception] = [UnreachableError("no response"), PASSED]
    made: list[str] = []

    def look() -> Result:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert statuses(run_work([WorkTask("t", "T", look, lambda reporter: made.append("it"))])) == {"t": Status.PASSED}
    assert made == ["it"]


def test_a_proof_that_the_network_spoils_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hol_wizard.engine.runner.UNSURE_WAITS", (0.01, 0.01))
    answers: list[Result | Exception] = [FAILED, UnreachableError("no response"), ServiceError("HTTP 500"), PASSED]

    def look() -> Result:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert statuses(run_work([WorkTask("t", "T", look, lambda reporter: None)])) == {"t": Status.PASSED}


def test_a_refused_proof_is_not_asked_for_again() -> None:
    looks: list[str] = []

    def look() -> Result:
        looks.append("once")
        if len(looks) == 1:
            return FAILED
        raise AccessDeniedError("not for you")

    assert statuses(run_work([WorkTask("t", "T", look, lambda reporter: None)])) == {"t": Status.UNKNOWN}
    assert len(looks) == 2


def test_what_is_on_its_way_after_its_work_keeps_nothing_from_beginning() -> None:
    waits = [
        WorkTask(f"role{number}", "Role", iter_looks(), lambda reporter: None, patience=0.5) for number in range(20)
    ]
    thing = Thing()
    began = time.monotonic()
    done_at: list[float] = []
    for event in run_work([*waits, thing.as_task("t")]):
        if isinstance(event, WorkFinished) and event.target == "t":
            done_at.append(time.monotonic() - began)
    assert done_at[0] < 0.5


def iter_looks() -> Callable[[], Result]:
    """Return a look that says FAILED once, then WAITING for ever."""
    answers = iter([FAILED])
    return lambda: next(answers, Result(Status.WAITING, "spreads", look_again_after=0.1))


def test_what_was_asked_for_is_done_however_the_step_stands() -> None:
    thing = Thing()
    thing.there = True
    task_ = WorkTask("t", "T", thing.look, thing.make, asked=True)
    assert statuses(run_work([task_])) == {"t": Status.PASSED}
    assert thing.made == 1


def test_cancelling_work_waits_for_a_safe_point_and_begins_nothing_new() -> None:
    cancelled, safe = threading.Event(), []

    def work(reporter: Reporter) -> None:
        cancelled.set()
        time.sleep(0.1)
        safe.append("reached")
        reporter.stop_if_cancelled()
        safe.append("passed over")

    later = Thing()
    events = run_work([WorkTask("t", "T", lambda: FAILED, work), later.as_task("later", ["t"])], cancelled=cancelled)
    assert statuses(events) == {"t": Status.UNKNOWN, "later": Status.UNKNOWN}
    assert safe == ["reached"]
    assert later.made == 0


def test_work_that_takes_too_long_stops_at_a_safe_point_and_says_how_to_go_on() -> None:
    safe: list[str] = []
    later = Thing()

    def work(reporter: Reporter) -> None:
        time.sleep(0.2)
        safe.append("reached")
        reporter.stop_if_cancelled()
        safe.append("passed over")

    late = WorkTask("t", "T", lambda: FAILED, work, deadline=0.1)
    *_, last = run_work([late, later.as_task("later", ["t"])])
    assert isinstance(last, RunFinished)
    assert last.results["t"].status is Status.UNKNOWN
    assert last.results["t"].next_action == "The cloud continues what it has started. To continue, <solve>."
    assert last.results["later"].status is Status.BLOCKED
    assert safe == ["reached"]
    assert later.made == 0


def test_a_wait_of_work_ends_with_its_deadline() -> None:
    began = time.monotonic()
    endless = WorkTask("t", "T", lambda: FAILED, lambda reporter: reporter.wait(30), deadline=0.1, resume="once more")
    *_, last = run_work([endless])
    assert isinstance(last, RunFinished)
    assert (last.results["t"].status, last.results["t"].next_action) == (Status.UNKNOWN, "once more")
    assert time.monotonic() - began < 5


def test_the_deadline_of_work_does_not_cut_its_proof_short() -> None:
    answers = [FAILED, Result(Status.WAITING, "spreads", look_again_after=0.3), PASSED]
    work = WorkTask("t", "T", lambda: answers.pop(0), lambda reporter: None, deadline=0.1)
    assert statuses(run_work([work])) == {"t": Status.PASSED}


def test_the_critical_path_is_the_longest_chain_of_tasks_that_need_each_other() -> None:
    needs = {"end": ("left", "right"), "left": ("start",), "right": ("start",), "start": (), "alone": ()}
    durations = {"start": 1.0, "left": 2.0, "right": 3.0, "end": 1.0, "alone": 4.5}
    assert critical_path(needs, durations) == ("start", "right", "end")
    assert critical_path(needs, durations | {"alone": 6.0}) == ("alone",)
    assert critical_path(needs, {}) == ()


def test_the_run_says_how_long_the_work_took_but_not_of_what_was_done_before() -> None:
    state = {"a": FAILED, "b": PASSED}

    def work_of(key: str) -> WorkTask:
        def do(reporter: Reporter) -> None:
            del reporter
            state[key] = PASSED

        return WorkTask(key, key, lambda: state[key], do)

    *_, last = run_work([work_of("a"), work_of("b")])
    assert isinstance(last, RunFinished)
    assert list(last.durations) == ["a"]


def test_what_comes_after_another_task_waits_for_it_but_does_not_need_it() -> None:
    order: list[str] = []

    def work_of(key: str, after: tuple[str, ...] = ()) -> WorkTask:
        def do(reporter: Reporter) -> None:
            del reporter
            time.sleep(0.02 if not after else 0.0)
            order.append(key)

        return WorkTask(key, key, lambda: FAILED if key == "first" else _passed_if(key in order), do, after=after)

    *_, last = run_work([work_of("second", after=("first", "elsewhere")), work_of("first")])
    assert isinstance(last, RunFinished)
    assert order == ["first", "second"]
    assert {key: result.status for key, result in last.results.items()} == {
        "second": Status.PASSED,
        "first": Status.FAILED,
    }


def _passed_if(done: bool) -> Result:
    return PASSED if done else FAILED


def test_two_runs_one_after_the_other_end_as_one() -> None:
    first = RunFinished(
        {"a": PASSED, "b": FAILED}, 3.0, notes=("one",), durations={"a": 2.0, "b": 1.0}, critical_path=("a", "b")
    )
    second = RunFinished(
        {"a": PASSED, "b": PASSED}, 2.0, notes=("one", "two"), durations={"b": 2.0}, critical_path=("b",)
    )
    both = second.behind(first)
    assert both.results == second.results
    assert (both.seconds, both.durations, both.critical_path) == (5.0, {"a": 2.0, "b": 3.0}, ("a", "b"))
    assert both.notes == ("one", "two")
