"""The whole lab in one command: stand-ins play the people where a cloud has them, and nobody does where it has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hol_wizard import headless
from hol_wizard.engine.results import Status
from hol_wizard.headless import WorkOptions
from hol_wizard.lab.model import Lab
from hol_wizard.resources.context import StepContext
from hol_wizard.wizard.stand_ins import StandIns
from tests.front_fakes import CHOSEN, READ, RUN, FakeWizard, reading_lab

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
WHOLE = WorkOptions(yes=True, whole=True)


def lab() -> Lab:
    """Return a lab in which a person confirms a step, and another one is a reviewer's."""
    (section,) = reading_lab().sections
    read, run, hand = section.steps
    run = replace(run, person="reviewer")
    return Lab((replace(section, steps=(read, run, hand)),))


def wizard(*played: str) -> tuple[FakeWizard, list[str]]:
    parts: list[str] = []

    def play(name: str, context: StepContext) -> None:
        parts.append(f"{name} {context.target}")

    plays = {name: lambda context, name=name: play(name, context) for name in played}
    made = FakeWizard(
        saved=CHOSEN | {"subscription": SUBSCRIPTION},
        lab=lab(),
        stand_ins=StandIns("on a test cloud", plays) if played else None,
    )
    made.wording.commands = True
    return made, parts


def test_stand_ins_play_the_people_and_the_output_names_each_part(capsys: pytest.CaptureFixture[str]) -> None:
    played, parts = wizard("reader", "reviewer")
    headless.solve(played, WHOLE)
    told = capsys.readouterr()
    assert parts == [f"reader {READ}", f"reviewer {RUN}"]
    assert f"played on a test cloud: the reader, who confirms the step ({READ})" in told.out
    assert f"played on a test cloud: the second reviewer ({RUN})" in told.out
    assert "play       the second reviewer (on a test cloud)" in told.out
    assert f"[{RUN}] Played on a test cloud: the second reviewer." in told.err
    confirmed = played.confirming.look(played.target(READ)).confirmed
    assert confirmed is not None
    assert confirmed.by == "a stand-in on a test cloud"
    assert played.last_results()[RUN] is Status.PASSED


def test_a_part_that_was_played_is_not_played_again(capsys: pytest.CaptureFixture[str]) -> None:
    played, parts = wizard("reader", "reviewer")
    headless.solve(played, WHOLE)
    parts.clear()
    capsys.readouterr()
    headless.solve(played, WHOLE)
    assert parts == []
    assert "played" not in capsys.readouterr().out


def test_nobody_plays_a_person_unless_the_whole_lab_was_asked_for() -> None:
    played, parts = wizard("reader", "reviewer")
    headless.solve(played, WorkOptions(yes=True))
    assert parts == []
    assert played.confirming.look(played.target(READ)).confirmed is None


def test_without_stand_ins_the_parts_of_people_are_left_to_them(capsys: pytest.CaptureFixture[str]) -> None:
    alone, _ = wizard()
    alone.confirming.confirm(alone.targets([READ]))
    assert headless.solve(alone, WHOLE) == 1
    told = capsys.readouterr().out
    assert f"left for the second reviewer: “Run it” ({RUN})" in told
    assert "played" not in told
    assert alone.last_results()[RUN] is Status.FAILED


def test_the_end_says_how_long_each_step_took_and_which_chain_was_the_longest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    played, _ = wizard("reader", "reviewer")
    headless.solve(played, WHOLE)
    told = capsys.readouterr().out
    assert f" s  {RUN}\n" in told.partition("Time\n")[2].partition("Critical path")[0]
    assert "times the critical path" in told


def test_what_is_blocked_is_not_left_for_anybody(capsys: pytest.CaptureFixture[str]) -> None:
    alone, _ = wizard()
    headless.solve(alone, WHOLE)
    told = capsys.readouterr().out
    assert f"left for you: “Read it”. Then run: hol-wizard --practice confirm {READ}" in told
    assert f"BLOCKED  {RUN}" in told
    assert "left for the second reviewer" not in told
