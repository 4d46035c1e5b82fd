from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard import plain
from hol_wizard.doctor.cost import Cost
from hol_wizard.doctor.survey import Survey
from hol_wizard.engine.events import Event, RunFinished
from hol_wizard.engine.ledger import Damage
from hol_wizard.engine.registry import ACTIONS, Marked
from hol_wizard.engine.reporter import StopRequest
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import UnreachableError, UsageError
from hol_wizard.lab.prose import plain_text
from hol_wizard.plain import runs
from hol_wizard.test_results.cobertura import Coverage, FileCoverage
from hol_wizard.test_results.junit import Case, Outcome, Results
from hol_wizard.test_results.report import RunReport
from tests.fake_wizard import until_cancelled
from tests.front_fakes import CHOSEN, FAILED, LONG_COMMAND, PASSED, FakeWizard, running

GROUPS = [f"groups/create-groups@{place}" for place in ("dev", "pipeline", "prod")]


def walk(
    wizard: FakeWizard, *answers: str, resume: str = "", catch_up: bool = False, code: int = 0, end: str = "\n"
) -> str:
    """Give the answers, one a line, and return all that was said."""
    output = io.StringIO()
    section = wizard.find_section(resume) if resume else None
    typed = io.StringIO("\n".join(answers) + end if answers else "")
    found = plain.run(wizard.as_wizard(), resume=section, catch_up=catch_up, answers=typed, output=output)
    assert found == code
    said = output.getvalue()
    assert "\x1b" not in said
    assert "\r" not in said
    return said


def test_it_begins_with_where_one_stands_and_ends_politely() -> None:
    said = walk(FakeWizard(dict.fromkeys(GROUPS, PASSED)))
    assert "cloud practice · profile default" in said
    assert "4 passed, 1 unknown of 5." in said
    assert "2. Create groups (organizer): 3 of 3 done, passed" in said
    assert said.splitlines()[-1].startswith("Goodbye.")


def test_what_else_can_be_done_with_a_step_stands_among_its_choices() -> None:
    wizard = FakeWizard()
    said = walk(wizard, "2", "1", "lock the group", "0", "0", "0")
    assert "Unlock the group" in said
    assert ("act", ("groups.lock", GROUPS[:1])) in wizard.calls
    assert "is being created" in said


@pytest.mark.parametrize(("answer", "stopped"), [("1", True), ("0", False)])
def test_leaving_while_something_runs_offers_to_stop_it(answer: str, stopped: bool) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    wizard.costs = Cost((running(),))
    said = walk(wizard, "0", answer)
    assert "Still running, and billed:" in said
    assert "Cluster cpu (dev): about 0.24 USD an hour for the machine" in said
    assert (("act", ("groups.lock", GROUPS[:1])) in wizard.calls) is stopped


def test_what_costs_can_be_asked_for() -> None:
    said = walk(FakeWizard(), "what is running", "0")
    assert "Nothing that is billed by the hour is running." in said


def test_the_tests_and_the_coverage_of_a_step_are_lines() -> None:
    case = Case("test_it", "test_model", Outcome.FAILED, 0.1, "assert 3 == 4", "E   assert 3 == 4\n\nx.py:3: Error")
    covered = Coverage(0.44, (FileCoverage("score.py", 1, 4, None, (1, 2, 5)),))
    found = replace(FAILED, report=RunReport(Results((case,)), covered, "/tmp/index.html"))  # noqa: S108  only shown
    said = walk(FakeWizard({GROUPS[0]: found}), "2", "1", "0", "0", "0")
    for line in (
        "Tests: 1 failed (0.1 s)",
        "    failed: test_it",
        "      x.py:3",
        "      assert 3 == 4",
        "Coverage: 44 % of the lines, 24 points below the lab's 68 %",
        "  score.py: 25 %, 1 of 4 lines; not run: 1-2, 5",
        "The coverage as web pages: /tmp/index.html",
    ):
        assert line in said.splitlines()


@pytest.mark.parametrize("answer", ["0", "q", "QUIT"])
def test_leaving(answer: str) -> None:
    assert "Goodbye." in walk(FakeWizard(), answer)


def test_an_answer_without_a_line_end_counts() -> None:
    assert "Section 1: Set up" in walk(FakeWizard(), "1", end="")


def test_a_wrong_number_is_told_and_the_list_comes_again_when_asked_for() -> None:
    said = walk(FakeWizard(), "99", "?", "0")
    assert "Type a number from 0 to 8, ? for the list, or q to quit." in said
    assert said.count("1. Set up (everyone)") == 2


def test_the_beginning_of_a_choice_is_as_good_as_its_number() -> None:
    assert "Section 3: Train the model" in walk(FakeWizard(), "train")


def test_a_step_is_read_hinted_and_checked() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": FAILED})
    said = walk(wizard, "1", "1", "2", "2", "1", "0", "0", "0")
    assert "Choose a prefix, see the rules (https://example.com/rules)." in said
    assert f"    {LONG_COMMAND.rstrip()}\n" in said
    assert said.index("Hint 1: A short one.") < said.index("Hint 2: hol")
    assert "Region: expected westeurope, found northeurope" in said
    assert "next: Delete it, then make it again." in said
    assert wizard.calls[-1] == ("check", ["set-up/choose-your-names"])


def test_do_it_asks_shows_the_names_and_the_plan_and_does_it() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": FAILED})
    said = walk(wizard, "1", "1", "Do", "No good!", "hol", "1", "", "1")
    assert "It contains" in said
    assert "- dev: Resource group hol-db-dev" in said
    assert "  create    Resource group" in said
    assert wizard.calls[-1] == ("solve", {"prefix": "hol", "alias": "jane"})
    assert "PASSED   set-up/choose-your-names  It is there." in said


def test_a_prefix_whose_names_displease_is_asked_for_again() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": FAILED})
    said = walk(wizard, "1", "1", "Do", "one", "0", "two", "1", "", "0")
    assert "one-db-dev" in said
    assert "two-db-dev" in said
    assert wizard.calls[-1] == ("plan", {"prefix": "two", "alias": "jane"})
    assert "Nothing was changed." in said


def test_a_sign_in_code_stands_on_a_line_of_its_own() -> None:
    wizard = FakeWizard()
    wizard.world.asks_person = True
    lines = walk(wizard, "2", "1", "Do", "1").splitlines()
    assert "  open: https://microsoft.com/devicelogin" in lines
    assert "  code: ABCD-1234" in lines


def test_undo_shows_what_goes_and_gives_a_receipt() -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    said = walk(wizard, "2", "1", "Undo", "1", "0", "0", "0")
    assert "  delete    Resource group lab-db-dev" in said
    assert "GONE     groups/create-groups@dev  Resource group lab-db-dev" in said
    assert GROUPS[0] not in wizard.world.done
    assert GROUPS[1] in wizard.world.done


def test_undo_not_agreed_to_removes_nothing() -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    assert "Nothing was removed." in walk(wizard, "2", "1", "Undo", "0")
    assert GROUPS[0] in wizard.world.done


def test_everything_that_was_made_is_removed_from_the_overview() -> None:
    said = walk(FakeWizard(dict.fromkeys(GROUPS, PASSED)), "Remove", "1", "0")
    assert said.count("GONE     ") == 3


LOST = Survey(
    Damage(Path("/state/ledger.jsonl"), "it is not JSON", (3,), 12), found=(Marked("Key vault", "/s/v/kv", "kv"),)
)


def test_a_damaged_ledger_is_told_and_offered_to_be_written_again() -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    wizard.seen = LOST
    said = walk(wizard, "Remove", "1", "1", "0")
    assert "line 3 (1 of 12 lines) cannot be read" in said
    assert "  Key vault kv" in said
    assert "The old ledger is kept as ledger.jsonl.damaged-1." in said
    assert said.count("GONE     ") == 3
    assert "This may not be everything" not in said


def test_a_damaged_ledger_that_is_left_so_is_never_nothing_to_remove() -> None:
    wizard = FakeWizard()
    wizard.seen = LOST
    said = walk(wizard, "Remove", "0", "0")
    assert "Nothing to remove." not in said
    assert "This may not be everything" in said
    assert wizard.seen is LOST


def test_a_step_for_a_person_alone_says_what_only_they_can_do() -> None:
    assert "Only you can do this: The model is yours to train." in walk(FakeWizard(), "3", "1")
    assert "Train it: The model is yours to train." in walk(FakeWizard(), "3", "Do")


def test_the_portal_address() -> None:
    subscription = "11111111-2222-3333-4444-555555555555"
    said = walk(FakeWizard(saved=CHOSEN | {"subscription": subscription}), "2", "1", "Address")
    assert f"/subscriptions/{subscription}/resourceGroups/lab-db-dev" in said


def test_the_steps_and_sections_follow_each_other() -> None:
    said = walk(FakeWizard(), "2", "1", "Next", "Next", "0", "Next section")
    assert said.index("Step: Create the groups (dev)") < said.index("Step: Create the groups (pipeline)")
    assert said.index("Step: Create the groups (prod)") < said.index("Section 3: Train the model")


def test_what_has_regressed_is_told_at_the_start() -> None:
    wizard = FakeWizard({GROUPS[0]: FAILED})
    wizard.remembered[GROUPS[0]] = Status.PASSED
    said = walk(wizard)
    assert "These steps passed in an earlier run, but no longer do:" in said
    assert f"- Create the groups (dev) ({GROUPS[0]}): It does not fit." in said


def test_resume_opens_the_section_and_lists_what_is_missing_before_it() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": PASSED, GROUPS[0]: PASSED, GROUPS[1]: FAILED})
    said = walk(wizard, resume="train")
    assert "This section needs 4 steps of earlier ones; 2 of them are not done:" in said
    assert f"- Create the groups (pipeline): failed ({GROUPS[1]})" in said
    assert said.index("2 of them are not done") < said.index("Section 3: Train the model")
    assert wizard.calls[0][1] == ["set-up/choose-your-names", *GROUPS]


def test_resume_with_everything_done_says_so() -> None:
    wizard = FakeWizard(dict.fromkeys(["set-up/choose-your-names", *GROUPS], PASSED))
    assert "Everything that this section needs is done." in walk(wizard, resume="3")


def test_catch_up_does_what_is_missing_after_showing_it() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": PASSED})
    said = walk(wizard, "1", resume="train", catch_up=True)
    assert said.index("  create    Resource group lab-db-prod") < said.index("PUT /subscriptions")
    assert said.index("PUT /subscriptions") < said.index("Section 3: Train the model")
    assert wizard.world.done >= set(GROUPS)


def test_catch_up_not_agreed_to_changes_nothing() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": PASSED})
    said = walk(wizard, "0", resume="train", catch_up=True)
    assert "solve" not in [name for name, _ in wizard.calls]
    assert "Section 3: Train the model" in said


def test_long_work_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "HEARTBEAT", 0.1)
    wizard = FakeWizard()

    def takes_a_while(cancelled: threading.Event) -> None:
        cancelled.wait(0.5)

    wizard.world.slow = takes_a_while
    said = walk(wizard, "2", "1", "Do", "1")
    assert "Still checking: 0 done." in said
    assert "Still working: It is being created." in said


def test_an_error_is_told_and_the_place_is_kept() -> None:
    wizard = FakeWizard()

    def no_network(cancelled: threading.Event) -> None:
        raise UnreachableError("No answer from the cloud.", "Look at your network.", detail="ECONN[1]")

    wizard.world.slow = no_network
    said = walk(wizard, "2", "Check", "0", "0")
    assert said.count("No answer from the cloud.\n  Look at your network.\n  ECONN[1]\n") == 2
    assert said.splitlines()[-1].startswith("Goodbye.")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize(("answer", "word"), [("0", "Stopped as you asked."), ("1", "It is there.")])
def test_ctrl_c_in_the_middle_of_work_asks(answer: str, word: str) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS[1:], PASSED))
    pressed = threading.Event()

    def press(cancelled: threading.Event) -> None:
        if [name for name, _ in wizard.calls][-1] == "solve" and not pressed.is_set():
            pressed.set()
            os.kill(os.getpid(), signal.SIGINT)
            if answer == "0":
                until_cancelled(cancelled)
            else:
                cancelled.wait(0.6)

    wizard.world.slow = press
    said = walk(wizard, "2", "1", "Do", "1", answer)
    assert "Stop? The work continues until you choose." in said
    assert word in said
    assert (GROUPS[0] in wizard.world.done) is (answer == "1")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_with_nobody_to_answer_stops_at_a_safe_point_and_leaves() -> None:
    wizard = FakeWizard()

    def press(cancelled: threading.Event) -> None:
        if [name for name, _ in wizard.calls][-1] == "solve":
            os.kill(os.getpid(), signal.SIGINT)
            until_cancelled(cancelled)

    wizard.world.slow = press
    said = walk(wizard, "2", "1", "Do", "1")
    assert "Stopped at a safe point." in said
    assert said.splitlines()[-1].startswith("Goodbye.")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize(("answer", "cancels"), [("2", True), ("0", False)])
def test_ctrl_c_asks_whether_to_cancel_what_a_solve_leaves_running(
    monkeypatch: pytest.MonkeyPatch, answer: str, cancels: bool
) -> None:
    monkeypatch.setitem(ACTIONS, "groups.lock", replace(ACTIONS["groups.lock"], ends="the lock"))
    wizard = FakeWizard()
    heard: list[threading.Event] = []

    def press(cancelled: threading.Event) -> None:
        if [name for name, _ in wizard.calls][-1] == "solve" and not heard:
            heard.append(cancelled)
            cancelled.wait(0.5)  # the person sees what goes on first
            os.kill(os.getpid(), signal.SIGINT)
            until_cancelled(cancelled)

    wizard.world.slow = press
    said = walk(wizard, "2", "1", "Do", "1", answer)
    assert "2. Stop, and cancel the lock" in said
    assert "0. Stop, and leave the lock running" in said
    (stop,) = heard
    assert isinstance(stop, StopRequest)
    assert stop.cancels is cancels


class Pressing(io.StringIO):
    """Answers, of which one is Ctrl-C."""

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override] # typeshed has a bytes method above it
        line = super().readline()
        if line == "^C\n":
            raise KeyboardInterrupt
        return line


@pytest.mark.parametrize(("answers", "code"), [("^C\n", 130), ("1\n1\n^C\n0\n", 0)])
def test_ctrl_c_at_a_question_goes_back_and_at_the_first_leaves(answers: str, code: int) -> None:
    output = io.StringIO()
    assert plain.run(FakeWizard().as_wizard(), answers=Pressing(answers), output=output) == code
    assert "Goodbye." in output.getvalue()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_at_the_doctor_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    wizard = FakeWizard()
    over = threading.Event()

    def events() -> Iterator[Event]:
        os.kill(os.getpid(), signal.SIGINT)
        over.wait(5)
        yield RunFinished({}, 0.1)

    monkeypatch.setattr(wizard, "doctor", lambda: ({}, events()))
    said = walk(wizard, "doctor", "0")
    over.set()
    assert "Back." in said
    assert said.splitlines()[-1].startswith("Goodbye.")


def test_a_number_of_thousands_of_digits_is_a_wrong_number() -> None:
    assert "Type a number from 0 to 8, ? for the list, or q to quit." in walk(FakeWizard(), "9" * 5000, "0")


def test_what_runs_is_told_also_to_whoever_leaves_with_q() -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    wizard.costs = Cost((running(),))
    assert "Still running, and billed:" in walk(wizard, "q", "1")
    assert ("act", ("groups.lock", GROUPS[:1])) in wizard.calls


def test_the_end_stays_polite_if_what_runs_cannot_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    wizard.costs = Cost((running(),))

    def refuse(*_: object, **__: object) -> None:
        raise UsageError("Another wizard is working on profile default.", "Wait until it is done.")

    monkeypatch.setattr(wizard, "act", refuse)
    said = walk(wizard, "0", "1")
    assert "Another wizard is working on profile default.\n  Wait until it is done." in said
    assert said.splitlines()[-1].startswith("Goodbye.")


def test_after_a_solve_the_next_step_is_named() -> None:
    wizard = FakeWizard({"set-up/choose-your-names": FAILED})
    said = walk(wizard, "1", "1", "Do", "hol", "1", "", "1")
    assert "Next step: “Create the groups” (dev) in section 2." in said


def test_what_a_service_says_cannot_move_the_cursor() -> None:
    wizard = FakeWizard({GROUPS[0]: Result(Status.FAILED, "Bad \x1b[2J[/bold] thing.")})
    assert "Bad �[2J[/bold] thing." in walk(wizard, "2", "1")


def test_markdown_as_lines() -> None:
    markdown = (
        "Intro\ngoes on.\n\n### Head `x`\n\n1. First **bold**\n   more of it\n   - inner [a](b)\n\n"
        "```text\n  keep   this\n# and this\n```\n\n| A | B |\n|---|---|\n| 1 | 2 |\n\n> Quoted <https://x.y/z>"
    )
    assert [(text, verbatim) for text, _, verbatim in plain_text(markdown)] == [
        ("Intro goes on.", False),
        ("", False),
        ("Head `x`", False),
        ("", False),
        ("1. First bold more of it", False),
        ("   - inner a (b)", False),
        ("", False),
        ("      keep   this", True),
        ("    # and this", True),
        ("", False),
        ("A; B", False),
        ("1; 2", False),
        ("", False),
        ("Quoted https://x.y/z", False),
    ]


def test_enter_continues_with_the_next_step() -> None:
    wizard = FakeWizard()
    said = walk(wizard, "", "0", "0")
    continued = re.search(r"Enter: continue with “([^”]+)” \(section \d+\)", said)
    assert continued is not None
    assert f"Step: {continued[1]}" in said.split("Enter: continue", 1)[1]
