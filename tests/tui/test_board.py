from __future__ import annotations

import pytest

from hol_wizard.engine.events import CheckFinished, CheckStarted, Progressed, Said, WorkFinished, WorkStarted
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab.prose import code_blocks
from hol_wizard.tui.board import Board
from hol_wizard.tui.guide_text import hints_content, is_command
from hol_wizard.tui.result_text import addresses, busy_text, clock, duration, result_plain, with_links
from tests.tui.fake_wizard import small_lab

GIT, PYTHON, DOCKER = "tools/git", "tools/python", "tools/docker-engine"


@pytest.fixture
def board() -> Board:
    return Board.of(small_lab(), {PYTHON: "passed", "gone/step": "passed", GIT: "nonsense"})


def finished(key: str, status: Status, *, partly: bool = False) -> CheckFinished:
    seen = (Expectation("A", "1", "1", True), Expectation("B", "1", "2", False)) if partly else ()
    return CheckFinished(key, Result(status, "so it is", seen), 0.1)


def test_what_was_remembered_shows_until_somebody_looks(board: Board) -> None:
    assert board.look(PYTHON).word == "passed"
    assert board.look(GIT).word == "not checked"
    board.apply(finished(PYTHON, Status.UNKNOWN))
    assert board.look(PYTHON).word == "unknown"


def test_a_step_that_nobody_has_tried_is_to_do_and_one_half_there_has_failed(board: Board) -> None:
    board.apply(finished(GIT, Status.FAILED))
    assert board.look(GIT).word == "to do"
    board.apply(finished(GIT, Status.FAILED, partly=True))
    assert board.look(GIT).word == "failed"
    board.apply(finished(DOCKER, Status.FAILED))
    board.begin([DOCKER])
    assert board.look(DOCKER).word == "failed"


def test_what_broke_shows_until_it_passes_again(board: Board) -> None:
    board.regressed = (GIT,)
    board.apply(finished(GIT, Status.FAILED))
    assert board.look(GIT).word == "broken"
    board.apply(finished(GIT, Status.PASSED))
    assert board.look(GIT).word == "passed"


def test_a_section_is_done_when_the_rest_of_it_is_skipped(board: Board) -> None:
    for key, status in ((GIT, Status.PASSED), (PYTHON, Status.PASSED), (DOCKER, Status.SKIPPED)):
        board.apply(finished(key, status))
    tools = board.lab.section("tools")
    assert board.section_look(tools).word == "passed"
    count = board.count(board.section_targets(tools))
    assert count.text == "2 of 3, 1 skipped"


def test_a_section_with_steps_by_hand_is_never_more_than_partly_done(board: Board) -> None:
    train = board.lab.section("train")
    board.apply(finished("train/look-at-it", Status.SKIPPED))
    assert board.look("train/look-at-it").word == "confirmed"
    assert board.section_look(train).word == "partly"
    count = board.count(board.section_targets(train))
    assert count.text == "0 of 2, 1 confirmed, 1 by hand"
    assert (count.done, count.open) == (1, 0)


def test_only_the_log_changes_when_a_solve_talks(board: Board) -> None:
    assert board.apply(WorkStarted(GIT))
    assert not board.apply(Said(GIT, "line"))
    assert board.apply(Progressed(GIT, "being created", 1.0, 90.0))
    assert not board.apply(Progressed(GIT, "being created", 2.0, 90.0))
    assert [line.text for line in board.logs["tools"]] == ["Git", "line", "being created"]
    assert board.look(GIT).word == "working"


def test_a_removal_that_passed_leaves_the_step_to_be_looked_at(board: Board) -> None:
    board.apply(finished(GIT, Status.PASSED))
    board.apply(WorkFinished(GIT, Result(Status.PASSED, "nothing left"), 2.0), undo=True)
    assert board.look(GIT).word == "not checked"
    assert board.logs["tools"][-1].text == "gone: nothing left (2 s)"


def test_a_check_that_was_broken_off_leaves_nothing_checking(board: Board) -> None:
    board.apply(CheckStarted(GIT))
    assert board.look(GIT).word == "checking"
    board.settle([GIT])
    assert board.look(GIT).word == "not checked"


def test_events_of_steps_that_the_lab_has_not_are_passed_over(board: Board) -> None:
    assert not board.apply(CheckStarted("nowhere/step"))


def test_what_waits_is_listed_unless_something_is_being_done_with_it(board: Board) -> None:
    board.apply(CheckFinished(GIT, Result(Status.WAITING, "soon", look_again_after=5.0), 0.1))
    assert board.waiting() == [GIT]
    board.apply(CheckStarted(GIT))
    assert board.waiting() == []


def test_code_blocks_lose_their_own_indentation() -> None:
    markdown = "text\n\n1. do\n\n   ```bash\n   az login\n     --tenant x\n   ```\n\n~~~\ngit status\n~~~\n```\n\n```\n"
    assert code_blocks(markdown) == ["az login\n  --tenant x", "git status"]


@pytest.mark.parametrize(
    ("text", "yes"), [("az group list", True), ("git push origin x", True), ("azure is a colour", False), ("az", False)]
)
def test_a_hint_that_is_a_command_is_known_by_its_first_word(text: str, yes: bool) -> None:
    assert is_command(text) is yes


def test_hints_say_how_many_are_left() -> None:
    assert hints_content(["a", "b"], 0).plain == "Stuck? 2 hints: press h"
    assert hints_content(["a", "b"], 1).plain.endswith("1 hint more: press h")
    assert hints_content(["a"], 1).plain == "Hint 1 of 1  a"


def test_durations_read_as_a_person_says_them() -> None:
    assert (clock(75), duration(90), duration(300)) == ("1:15", "90 s", "5 min")


def test_a_copied_result_has_all_that_helps() -> None:
    result = Result(Status.FAILED, "Not so.", (Expectation("Tier", "Cool", "Hot", False),), "Change it.", "raw words")
    text = result_plain("Add a data lake (dev)", result)
    assert text.splitlines() == [
        "Add a data lake (dev): failed",
        "Not so.",
        "  not Tier: expected Cool, found Hot",
        "Next: Change it.",
        "raw words",
    ]


LAKE = "workspace-resources/add-a-data-lake"


def test_both_environments_of_a_step_are_told_side_by_side(board: Board) -> None:
    for place in ("dev", "pipeline"):
        board.apply(WorkStarted(f"{LAKE}@{place}"))
        board.apply(Progressed(f"{LAKE}@{place}", f"Storage account lab{place} is being created", 75.0, 240.0))
    busy = board.working(board.targets)
    assert busy_text(board, busy) == "Add a data lake  dev 1:15 · pipeline 1:15, usually 4 min"
    board.apply(WorkStarted(GIT))
    assert busy_text(board, board.working(board.targets, first=busy)).endswith("usually 4 min · 1 more in parallel")
    assert busy_text(board, busy[:1]) == "Storage account labdev is being created  1:15, usually 4 min"


def test_the_log_says_which_environment_it_tells_about(board: Board) -> None:
    board.apply(Said(f"{LAKE}@dev", "asked for"))
    board.apply(WorkFinished(f"{LAKE}@pipeline", Result(Status.FAILED, "refused"), 0.1))
    assert [line.text for line in board.logs["workspace-resources"]] == ["dev: asked for", "pipeline failed: refused"]


def test_the_pages_that_a_hint_points_at_are_links() -> None:
    text = "Ask for the role. More: https://learn.microsoft.com/azure/key-vault/general/rbac-guide."
    page = "https://learn.microsoft.com/azure/key-vault/general/rbac-guide"
    assert addresses(f"{text} {text} (see http://x.example/a)") == [page, "http://x.example/a"]
    content = with_links(text)
    assert content.plain == text
    assert [text[span.start : span.end] for span in content.spans] == [page]


def test_what_a_person_cannot_have_does_not_hold_up_what_is_next(board: Board) -> None:
    for target in board.section_targets(board.lab.section("set-up")):
        board.apply(finished(target.key, Status.PASSED))
    board.apply(finished(GIT, Status.PASSED))
    board.apply(finished(DOCKER, Status.FAILED))
    following = board.next_target()
    assert following is not None
    assert following.step.section == "resource-groups"
    for target in board.targets.values():
        if target.key != DOCKER:
            board.apply(finished(target.key, Status.PASSED))
    last = board.next_target()
    assert last is not None
    assert last.key == DOCKER
