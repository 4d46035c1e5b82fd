from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from junitparser import JUnitXml

from hol_wizard import headless
from hol_wizard.doctor.cost import Cost
from hol_wizard.doctor.survey import Survey
from hol_wizard.engine.ledger import Damage
from hol_wizard.engine.registry import ACTIONS, Marked
from hol_wizard.engine.results import Result
from hol_wizard.errors import UsageError
from hol_wizard.headless import CheckOptions, WorkOptions
from tests.fake_wizard import until_cancelled
from tests.front_fakes import FAILED, PASSED, UNKNOWN, FakeWizard, running
from tests.unit.front.conftest import Terminal

GROUPS = [f"groups/create-groups@{place}" for place in ("dev", "pipeline", "prod")]


def interrupt_once(cancelled: threading.Event) -> None:
    """Press Ctrl-C in the middle, and go on until the run is told to stop."""
    os.kill(os.getpid(), signal.SIGINT)
    until_cancelled(cancelled)


def test_check_writes_the_report_to_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED) | {"set-up/choose-your-names": FAILED})
    assert headless.check(wizard.as_wizard(), CheckOptions()) == 1
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines() if line[:1].isalpha() and "/" in line] == [
        "set-up/choose-your-names",
        *GROUPS,
        "train/train-it",
    ]
    assert err == ""


@pytest.mark.parametrize(("result", "code"), [(PASSED, 0), (FAILED, 1), (UNKNOWN, 3)])
def test_check_tells_by_its_exit_code(result: Result, code: int) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, result))
    assert headless.check(wizard.as_wizard(), CheckOptions(("groups",))) == code


def test_progress_is_told_only_to_a_terminal(
    terminal_input: Callable[[str], Terminal], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = terminal_input("")
    headless.check(FakeWizard().as_wizard(), CheckOptions(("train",), format="json"))
    assert json.loads(capsys.readouterr().out)["results"][0]["status"] == "unknown"
    assert "unknown  train/train-it" in shown.getvalue()
    assert "\r" not in shown.getvalue()


def test_check_writes_a_file_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.xml"
    headless.check(FakeWizard().as_wizard(), CheckOptions(output=file))
    code = headless.check(FakeWizard().as_wizard(), CheckOptions(format="junit", output=file))
    assert code == 1
    assert sum(len(suite) for suite in JUnitXml.fromfile(str(file))) == 5
    assert [path.name for path in tmp_path.iterdir()] == ["report.xml"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["missing/report.txt", "."])
def test_an_output_that_cannot_be_written_is_told_before_any_work(tmp_path: Path, name: str) -> None:
    wizard = FakeWizard()
    with pytest.raises(UsageError, match="cannot be written"):
        headless.check(wizard.as_wizard(), CheckOptions(output=tmp_path / name))
    assert wizard.calls == []


def test_the_old_report_stays_when_the_run_dies(tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    headless.check(FakeWizard().as_wizard(), CheckOptions(output=file))
    old = file.read_bytes()
    wizard = FakeWizard()

    def die(cancelled: threading.Event) -> None:
        raise OSError("boom")

    wizard.world.slow = die
    with pytest.raises(OSError, match="boom"):
        headless.check(wizard.as_wizard(), CheckOptions(output=file))
    assert file.read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["report.txt"]


@pytest.mark.parametrize("content", [b"my notes\n", b"\x00\xff", b'{"my": "data"}'])
def test_a_file_that_is_no_report_stays_and_nothing_is_looked_at(content: bytes, tmp_path: Path) -> None:
    file, wizard = tmp_path / "notes.txt", FakeWizard()
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is not a report of hol-wizard, so it is not replaced") as refused:
        headless.check(wizard.as_wizard(), CheckOptions(output=file))
    assert "Name another file" in refused.value.hint
    assert wizard.calls == []
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("form", ["text", "json", "junit", "tap"])
def test_a_script_writes_the_same_file_at_every_run(form: str, tmp_path: Path) -> None:
    file = tmp_path / "report"
    file.touch(0o640)
    for _ in range(2):
        assert headless.check(FakeWizard().as_wizard(), CheckOptions(format=form, output=file)) == 1
        assert file.stat().st_size
        assert sys.platform == "win32" or file.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_an_output_that_is_a_link_stays_one_and_its_target_is_judged(tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to(target)
    with pytest.raises(UsageError, match=r"it is a link to .*target, which does not exist"):
        headless.check(FakeWizard().as_wizard(), CheckOptions(output=link))
    target.write_text("my notes", encoding="utf-8")
    with pytest.raises(UsageError, match="not replaced"):
        headless.check(FakeWizard().as_wizard(), CheckOptions(output=link))
    assert target.read_text(encoding="utf-8") == "my notes"
    target.write_bytes(b"")
    headless.check(FakeWizard().as_wizard(), CheckOptions(output=link))
    assert link.is_symlink()
    assert "unknown of" in target.read_text(encoding="utf-8")


def test_an_output_that_another_program_writes_meanwhile_stays(tmp_path: Path) -> None:
    for name, before in (("new", None), ("old", b"")):
        file, wizard = tmp_path / name, FakeWizard()
        if before is not None:
            file.write_bytes(before)

        def meddle(cancelled: threading.Event, file: Path = file) -> None:
            del cancelled
            file.write_bytes(b"my notes")

        wizard.world.slow = meddle
        with pytest.raises(UsageError, match="another program has changed it in the meantime"):
            headless.check(wizard.as_wizard(), CheckOptions(output=file))
        assert file.read_bytes() == b"my notes"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


_SECONDS = re.compile(r"\d+\.\d s")
"""How long it took, which differs between two runs."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices")
def test_standard_output_can_be_named_as_a_file(tmp_path: Path) -> None:
    code = "from tests.front_fakes import FakeWizard; from hol_wizard import headless; from pathlib import Path; "
    code += "headless.check(FakeWizard().as_wizard(), headless.CheckOptions(output=Path('/dev/stdout')))"
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[3]
    piped = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True, timeout=60)
    assert "unknown of" in piped.stdout
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        log.write("before\n")
        log.flush()
        subprocess.run(command, stdout=log, cwd=root, check=True, timeout=60)
    written = (tmp_path / "log").read_text(encoding="utf-8")
    assert _SECONDS.sub("", written) == "before\n" + _SECONDS.sub("", piped.stdout)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices")
def test_a_device_can_be_the_output() -> None:
    assert headless.check(FakeWizard().as_wizard(), CheckOptions(output=Path("/dev/null"))) == 1
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_reports_what_was_seen_and_names_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.world.slow = interrupt_once
    assert headless.check(wizard.as_wizard(), CheckOptions()) == 130
    out, err = capsys.readouterr()
    assert [line.split()[1] for line in out.splitlines() if "/" in line] == [target.key for target in wizard.all]
    assert "Not checked: the run was stopped." in out
    assert err.count("Stopping") == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_twice_leaves_a_read_that_hangs() -> None:
    wizard = FakeWizard()
    release = threading.Event()

    def hang(cancelled: threading.Event) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        release.wait(20)

    wizard.world.slow = hang
    began = time.monotonic()
    assert headless.check(wizard.as_wizard(), CheckOptions()) == 130
    assert time.monotonic() - began < 5
    release.set()


def test_an_unknown_step_is_told_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="Did you mean groups"):
        headless.check(FakeWizard().as_wizard(), CheckOptions(("gruops",)))


# solve


def test_solve_shows_the_plan_and_then_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.world.note = "A note."
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True)) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[:-2] == [
        "groups/create-groups@dev",
        "  create    Resource group lab-db-dev (westeurope; cost: free; usually 2 min)",
        "            A note.",
        "PASSED   set-up/choose-your-names  It is there.",
        "PASSED   groups/create-groups@dev  It is there.",
    ]
    assert out.splitlines()[-2].startswith("2 passed of 2 (")
    assert "[groups/create-groups@dev] PUT /subscriptions/0001/" in err
    assert err.count("It is being created") == 1


def test_solve_plan_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), plan=True)) == 0
    assert [name for name, _ in wizard.calls] == ["plan"]
    assert capsys.readouterr().out.count("create    Resource group") == 3


def test_without_a_terminal_solve_wants_yes_before_any_work() -> None:
    wizard = FakeWizard()
    with pytest.raises(UsageError, match="no terminal to ask on") as caught:
        headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev"))
    assert "`hol-wizard solve groups --environment dev --plan`" in caught.value.hint
    assert "--yes" in caught.value.hint
    assert wizard.calls == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_on_a_simple_terminal_solve_asks(
    answer: str, code: int, terminal_input: Callable[[str], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = terminal_input(answer)
    wizard = FakeWizard()
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",))) == code
    assert ("solve" in [name for name, _ in wizard.calls]) is (code == 0)
    assert ("Nothing was changed." in shown.getvalue()) is (code == 1)


def test_what_is_missing_is_listed_at_once_with_every_way_to_give_it() -> None:
    wizard = FakeWizard(saved={"location": "westeurope"})
    with pytest.raises(UsageError) as caught:
        headless.solve(wizard.as_wizard(), WorkOptions(("set-up",), yes=True))
    for word in ("--prefix", "HOL_WIZARD_PREFIX", "--alias", "HOL_WIZARD_ALIAS", "prefix = "):
        assert word in caught.value.message
    assert "solve" not in [name for name, _ in wizard.calls]


def test_a_sign_in_code_is_told_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.world.asks_person = True
    headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True))
    out, err = capsys.readouterr()
    assert "  open: https://microsoft.com/devicelogin\n  code: ABCD-1234\n" in err
    assert "ABCD-1234" not in out


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_in_a_solve_stops_at_a_safe_point(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.world.slow = interrupt_once
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True)) == 130
    out, err = capsys.readouterr()
    assert err.count("Stopping at the next safe point") == 1
    assert "UNKNOWN  groups/create-groups@dev  Stopped as you asked." in out


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_ctrl_c_in_a_solve_names_the_command_that_cancels_what_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ACTIONS, "groups.lock", replace(ACTIONS["groups.lock"], ends="the lock"))
    wizard = FakeWizard()

    def press(cancelled: threading.Event) -> None:
        cancelled.wait(0.5)  # the person sees what goes on first
        interrupt_once(cancelled)

    wizard.world.slow = press
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True)) == 130
    assert "To cancel the lock: hol-wizard do groups/create-groups@dev lock\n" in capsys.readouterr().err


def test_after_a_solve_the_command_for_the_next_step_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard({GROUPS[0]: PASSED, "set-up/choose-your-names": PASSED})
    wizard.wording.commands = True
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True)) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    command = "hol-wizard --practice solve groups/create-groups@pipeline"
    assert last == f"Next step: “Create the groups” (pipeline). Run: {command}"


def test_a_step_that_is_not_done_is_not_followed_by_a_next_one(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard({"set-up/choose-your-names": PASSED})
    wizard.world.slow = interrupt_once
    assert headless.solve(wizard.as_wizard(), WorkOptions(("groups",), "dev", yes=True)) == 130
    assert "Next step" not in capsys.readouterr().out


# teardown


def test_teardown_gives_a_receipt(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    assert headless.teardown(wizard.as_wizard(), WorkOptions(yes=True)) == 0
    out = capsys.readouterr().out
    assert out.count("  delete    Resource group lab-db-") == 3
    gone, verified = out.partition("GONE     groups/create-groups@prod  Resource group lab-db-prod")[2].splitlines()[:2]
    assert gone == ""
    assert verified.startswith("         verified: Nothing that")
    assert out.splitlines()[-1].startswith("3 gone, 0 left (")


def test_teardown_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    assert headless.teardown(wizard.as_wizard(), WorkOptions(yes=True)) == 0
    assert "Nothing to remove" in capsys.readouterr().out
    assert wizard.calls == []


LOST = Survey(
    Damage(Path("/state/ledger.jsonl"), "it is not JSON", (3, 4, 9), 12),
    found=(Marked("Resource group", "/s/g/lab-db-dev", "lab-db-dev"),),
)


def test_a_teardown_with_a_damaged_ledger_removes_what_it_names_and_claims_no_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wizard = FakeWizard({GROUPS[0]: PASSED})
    wizard.seen = LOST
    assert headless.teardown(wizard.as_wizard(), WorkOptions(yes=True)) == 3
    out, err = capsys.readouterr()
    assert "1 gone, 0 left" in out
    assert "Nothing to remove" not in out
    assert "/state/ledger.jsonl is damaged: lines 3-4, 9 (3 of 12 lines) cannot be read: it is not JSON." in err
    assert "  Resource group lab-db-dev" in err
    assert "hol-wizard ledger rebuild" in err


@pytest.mark.parametrize("seen", [LOST, Survey(lost=True, unknown=("Nobody is signed in.",))])
def test_a_ledger_that_names_nothing_is_not_believed_when_it_is_in_doubt(
    capsys: pytest.CaptureFixture[str], seen: Survey
) -> None:
    wizard = FakeWizard()
    wizard.seen = seen
    assert headless.teardown(wizard.as_wizard(), WorkOptions(yes=True)) == 3
    assert headless.teardown(wizard.as_wizard(), WorkOptions(plan=True)) == 3
    assert "Nothing to remove" not in capsys.readouterr().out
    assert wizard.surveyed == [True, True]


def test_a_ledger_is_rebuilt_after_showing_what_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.seen = LOST
    assert headless.rebuild_ledger(wizard.as_wizard(), WorkOptions(plan=True)) == 3
    assert wizard.seen is LOST
    assert headless.rebuild_ledger(wizard.as_wizard(), WorkOptions(yes=True)) == 0
    assert "The old ledger is kept as ledger.jsonl.damaged-1." in capsys.readouterr().out
    assert headless.rebuild_ledger(wizard.as_wizard(), WorkOptions(yes=True)) == 0
    assert "names everything that carries this lab's mark" in capsys.readouterr().out
    with pytest.raises(UsageError, match="ledger rebuild asks before"):
        headless.rebuild_ledger(wizard.as_wizard(), WorkOptions())


# do


@pytest.mark.parametrize("word", ["lock", "Lock", "groups.lock"])
def test_an_action_is_done_where_the_selector_says(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    assert headless.act(wizard.as_wizard(), "groups/create-groups@dev", word, None) == 0
    assert wizard.calls[0] == ("act", ("groups.lock", ["groups/create-groups@dev"]))
    assert capsys.readouterr().out == "PASSED   groups/create-groups@dev  It is there.\n"


def test_an_action_without_an_environment_is_done_in_each() -> None:
    wizard = FakeWizard()
    headless.act(wizard.as_wizard(), "groups", "unlock", None)
    assert len(wizard.calls[0][1][1]) == 3


def test_an_unknown_action_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no action `lokc`\. Did you mean lock\?"):
        headless.act(FakeWizard().as_wizard(), "groups", "lokc", None)
    with pytest.raises(UsageError, match="There are no other actions for train/train-it"):
        headless.act(FakeWizard().as_wizard(), "train", "lock", None)


def test_what_an_action_leaves_running_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard(dict.fromkeys(GROUPS, PASSED))
    wizard.costs = Cost((running(),))
    assert headless.act(wizard.as_wizard(), "groups/create-groups@dev", "unlock", None) == 0
    assert "runs: Cluster cpu (dev): about 0.24 USD an hour" in capsys.readouterr().out


# cost


def test_cost_in_both_formats(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.costs = Cost((running(),))
    assert headless.cost(wizard.as_wizard(), "text") == 0
    assert "      stop it: hol-wizard --practice do groups/create-groups@dev lock" in capsys.readouterr().out
    assert headless.cost(wizard.as_wizard(), "json") == 0
    found = json.loads(capsys.readouterr().out)["running"][0]
    assert (found["machines_price_per_hour"], found["stops_after_idle_minutes"]) == (0.24, 120)


def test_cost_that_could_not_be_looked_at_is_told_by_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    wizard = FakeWizard()
    wizard.costs = Cost(unknown=("what runs in dev: nobody is signed in",))
    assert headless.cost(wizard.as_wizard(), "text") == 3
    assert "unknown: what runs in dev" in capsys.readouterr().out


# doctor, list


def test_doctor_in_both_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert headless.doctor(*FakeWizard().doctor(), "text") == 0
    assert capsys.readouterr().out.splitlines() == ["PASSED   Python  It is there.", "1 passed of 1"]
    assert headless.doctor(*FakeWizard().doctor(), "json") == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["title"] == "Python"


def test_the_list_has_what_the_commands_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert headless.list_steps(FakeWizard().as_wizard(), "text") == 0
    out = capsys.readouterr().out
    assert "groups/create-groups@dev|pipeline|prod" in out
    assert " 3  train  Train the model" in out
    assert "do groups/create-groups unlock  Unlock the group" in out
    assert headless.list_steps(FakeWizard().as_wizard(), "json") == 0
    told = json.loads(capsys.readouterr().out)
    (made,) = [step for each in told["sections"] for step in each["steps"] if step["key"] == "groups/create-groups"]
    assert made["environments"] == ["dev", "pipeline", "prod"]
    assert {"name": "unlock", "title": "Unlock the group"} in made["actions"]
