"""Confirming a step that only a person can judge, through the facade, in every front end."""

from __future__ import annotations

import io
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml

from hol_wizard import headless, plain
from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import UsageError
from hol_wizard.headless import CheckOptions, WorkOptions
from hol_wizard.wizard import conversation
from hol_wizard.wizard.requests import Confirm, Consent, Outcome, Work
from tests.front_fakes import CHOSEN, READ, RUN, FakeWizard, reading_lab

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


def reader(subscription: str = SUBSCRIPTION) -> FakeWizard:
    wizard = FakeWizard(saved=CHOSEN | {"subscription": subscription}, lab=reading_lab())
    wizard.wording.commands = True
    return wizard


def looked(wizard: FakeWizard) -> dict[str, Result]:
    finished = [event for event in wizard.check() if isinstance(event, RunFinished)]
    return dict(finished[0].results)


def test_an_unconfirmed_step_is_unknown_and_blocks_what_needs_it_with_the_command_to_confirm_it() -> None:
    results = looked(reader())
    read, run = results[READ], results[RUN]
    assert (read.status, read.confirmable, read.confirmed) == (Status.UNKNOWN, True, None)
    assert read.summary == "Only you can judge this step, and you have not confirmed it."
    assert read.next_action == "When you have done it, run: hol-wizard --practice confirm train/read-it"
    assert (run.status, run.blocked_by) == (Status.BLOCKED, READ)
    assert run.summary == "Not checked: needs your confirmation of “Read it” first."
    assert run.next_action == "Confirm “Read it” first: hol-wizard --practice confirm train/read-it"


def test_a_step_that_is_not_checked_yet_says_so_and_not_that_a_person_can_judge_it() -> None:
    result = looked(reader())["train/look-at-it"]
    assert (result.status, result.confirmable) == (Status.UNKNOWN, False)
    assert result.summary == "This version of the wizard cannot check this step yet."


def test_a_confirmed_step_is_skipped_says_who_and_when_and_satisfies_needs() -> None:
    wizard = reader()
    wizard.connection.known_user = "jane@example.com"
    wizard.confirming.confirm(wizard.targets([READ]))
    results = looked(wizard)
    read = results[READ]
    assert read.status is Status.SKIPPED
    assert read.confirmed is not None
    assert read.confirmed.by == "jane@example.com"
    day = read.confirmed.at.astimezone()
    assert read.summary == f"Confirmed by you on {day.day} {day:%b %Y}: “I have read the code of jane.”"
    assert results[RUN].status is Status.FAILED
    assert wizard.last_results()[READ] is Status.SKIPPED
    assert wizard.ledger.standing() == ()
    wizard.connection.known_user = "joe@example.com"
    assert looked(wizard)[READ].summary.startswith("Confirmed by jane@example.com on ")


def test_a_withdrawn_confirmation_is_none() -> None:
    wizard = reader()
    targets = wizard.targets([READ])
    wizard.confirming.confirm(targets)
    assert wizard.confirming.withdraw(targets).results[READ].status is Status.UNKNOWN
    assert looked(wizard)[RUN].status is Status.BLOCKED


def test_a_changed_text_asks_to_read_it_again() -> None:
    wizard = reader()
    target = wizard.target(READ)
    wizard.confirming.confirm([target])
    object.__setattr__(target.step, "body", "Read other code.")
    result = looked(wizard)[READ]
    assert (result.status, result.confirmed) == (Status.UNKNOWN, None)
    assert "but the text of the step has changed since" in result.summary
    assert result.next_action.startswith("Read it again, then run: hol-wizard --practice confirm")


def test_another_subscription_does_not_inherit_a_confirmation() -> None:
    wizard = reader()
    wizard.confirming.confirm([wizard.target(READ)])
    wizard.profile.change(subscription="22222222-2222-3333-4444-555555555555")
    assert looked(wizard)[READ].confirmed is None
    wizard.profile.change(subscription=SUBSCRIPTION)
    assert looked(wizard)[READ].confirmed is not None


@pytest.mark.parametrize(
    ("selectors", "said", "hint"),
    [
        ([RUN], "the wizard checks the actual resource", "hol-wizard --practice --check train/run-it"),
        ([READ, RUN], "the wizard checks the actual resource", "--check train/run-it"),
        (["train/look-at-it"], "this version cannot check it yet", "compare what you see with the guide"),
        (["train/read"], "has no step `read`", "--list"),
        ([], "confirm needs a step", READ),
    ],
)
def test_what_can_be_checked_or_is_not_for_a_person_is_refused(selectors: list[str], said: str, hint: str) -> None:
    wizard = reader()
    with pytest.raises(UsageError) as caught:
        headless.confirm(wizard, selectors, None, withdraw=False)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert looked(wizard)[READ].confirmed is None


def test_the_engine_refuses_a_checked_step_whoever_asks() -> None:
    wizard = reader()
    for change in (wizard.confirming.confirm, wizard.confirming.withdraw):
        with pytest.raises(UsageError, match="checks the actual resource"):
            change([wizard.target(READ), wizard.target(RUN)])
    assert looked(wizard)[READ].confirmed is None


def test_nothing_can_be_confirmed_before_the_subscription_of_the_lab_is_chosen() -> None:
    lab = reading_lab()
    choose = replace(lab.sections[0].steps[1], id="choose", title="Choose", needs=(), inputs=("subscription",))
    section = replace(lab.sections[0], steps=(choose, *lab.sections[0].steps))
    wizard = FakeWizard(saved=CHOSEN | {"subscription": ""}, lab=replace(lab, sections=(section,)))
    assert not wizard.confirming.is_possible
    with pytest.raises(UsageError, match="counts for one subscription") as refused:
        wizard.confirming.confirm([wizard.target(READ)])
    assert refused.value.hint == "Do “Choose” first (section train)."


def test_a_lab_without_a_subscription_is_confirmed_without_one() -> None:
    wizard = reader(subscription="")
    wizard.confirming.confirm([wizard.target(READ)])
    assert looked(wizard)[READ].confirmed is not None


def test_a_section_stands_for_its_steps_that_can_be_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = reader()
    assert headless.confirm(wizard, ["train"], None, withdraw=False) == 0
    written = capsys.readouterr().out
    assert written.startswith("SKIPPED  train/read-it  Confirmed by you on ")
    assert len(written.splitlines()) == 1
    assert headless.confirm(wizard, ["train"], None, withdraw=True) == 0
    assert capsys.readouterr().out.startswith("UNKNOWN  train/read-it  Only you can judge this step")


def test_every_report_tells_confirmed_apart(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wizard = reader()
    wizard.world.finish(RUN)
    targets = ("train/read-it", "train/run-it")
    assert headless.check(wizard, CheckOptions(targets)) == 3
    wizard.confirming.confirm([wizard.target(READ)])
    capsys.readouterr()
    assert headless.check(wizard, CheckOptions(targets)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("SKIPPED  train/read-it  Confirmed by you on ")
    assert lines[-1].startswith("1 passed, 1 skipped (1 confirmed) of 2 (")
    assert headless.check(wizard, CheckOptions(targets, format="json")) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["counts"]["skipped"], value["confirmed"], value["exit_code"]) == (1, 1, 0)
    read, run = value["results"]
    assert read["confirmable"] is True
    assert set(read["confirmed"]) == {"by", "at"}
    assert (run["confirmable"], run["confirmed"]) == (False, None)
    file = tmp_path / "report.xml"
    for _ in range(2):
        assert headless.check(wizard, CheckOptions(targets, format="junit", output=file)) == 0
    case = next(iter(next(iter(JUnitXml.fromfile(str(file))))))
    assert (case.is_skipped, case.result[0].type) == (True, "confirmed")
    assert headless.check(wizard, CheckOptions(targets, format="tap")) == 0
    assert capsys.readouterr().out.splitlines()[3].endswith(" # SKIP confirmed")


def test_a_report_with_confirmed_steps_is_known_again_as_one(tmp_path: Path) -> None:
    wizard = reader()
    wizard.confirming.confirm([wizard.target(READ)])
    file = tmp_path / "report.txt"
    for _ in range(2):
        headless.check(wizard, CheckOptions(output=file))
    assert "(1 confirmed)" in file.read_text(encoding="utf-8")


def test_a_damaged_file_leaves_a_check_uncertain_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = reader()
    wizard.confirming.confirm([wizard.target(READ)])
    path = wizard.home.confirmations_file("practice", "default")
    path.write_bytes(path.read_bytes() + b"{torn")
    assert headless.check(wizard, CheckOptions((READ,))) == 3
    written = capsys.readouterr().out
    assert "1 line of" in written
    assert "hol-wizard --practice confirm STEP" in written
    assert headless.confirm(wizard, [READ], None, withdraw=False) == 0
    assert "is kept" in capsys.readouterr().err
    assert headless.check(wizard, CheckOptions((READ,))) == 0


def test_a_solve_without_anybody_to_ask_leaves_what_is_for_a_person_and_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wizard = reader()
    assert headless.solve(wizard, WorkOptions(("train",), yes=True)) == 3
    written = capsys.readouterr().out.splitlines()
    assert "left for you: “Read it”. Then run: hol-wizard --practice confirm train/read-it" in written
    assert "left for you: “Look at it”, by hand (train/look-at-it)" in written
    assert RUN not in wizard.world.done
    wizard.confirming.confirm([wizard.target(READ)])
    assert headless.solve(wizard, WorkOptions((RUN,), yes=True)) == 0
    assert RUN in wizard.world.done


@pytest.mark.parametrize("agrees", [True, False])
def test_a_solve_asks_whoever_is_there_and_goes_on_either_way(agrees: bool) -> None:
    wizard = reader()
    talk = conversation.solve(wizard, [wizard.target(RUN)])
    request = next(talk)
    assert isinstance(request, Confirm)
    assert (request.target.key, request.statement) == (READ, "I have read the code of jane.")
    request.confirmed = agrees
    consent = next(talk)
    assert isinstance(consent, Consent)
    consent.agreed = True
    work = next(talk)
    assert isinstance(work, Work)
    for event in work.events(threading.Event()):
        if isinstance(event, RunFinished):
            work.finished = event
    assert isinstance(next(talk), Outcome)
    assert (RUN in wizard.world.done) is agrees
    assert (looked(wizard)[READ].confirmed is not None) is agrees


def walk(wizard: FakeWizard, *answers: str) -> str:
    output = io.StringIO()
    assert plain.run(wizard.as_wizard(), answers=io.StringIO("\n".join(answers) + "\n"), output=output) == 0
    return " ".join(output.getvalue().split())


def test_plain_confirms_withdraws_and_tells_it_apart() -> None:
    wizard = reader()
    wizard.wording.commands = False
    said = walk(wizard, "1", "1", "Confirm", "Yes", "Withdraw", "0", "0", "0")
    assert "Only you can judge this. Confirm it when you can say: “I have read the code of jane.”" in said
    assert "Do you confirm: “I have read the code of jane.”" in said
    assert "SKIPPED train/read-it Confirmed by you on" in said
    assert said.index("Confirmed by you on") < said.rindex(
        "Only you can judge this step, and you have not confirmed it"
    )
    wizard.confirming.confirm([wizard.target(READ)])
    said = walk(wizard, "1", "0", "0")
    assert "1. Train (scientist): 0 of 3 done, 1 confirmed, 1 by hand, failed" in said
    assert "1. Read it: confirmed 2. Run it: to do" in said


def test_plain_asks_before_it_does_what_needs_a_confirmation() -> None:
    wizard = reader()
    walk(wizard, "1", "2", "Do it", "Yes, I confirm", "Yes, do it", "0", "0", "0")
    assert RUN in wizard.world.done
