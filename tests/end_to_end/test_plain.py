from __future__ import annotations

import os
import re
import shutil
import sys
import time

import pytest

from tests.end_to_end.conftest import COMMAND, Machine

pytestmark = pytest.mark.slow


def test_a_person_gets_through_the_first_sections_with_numbers(machine: Machine) -> None:
    names = "1\nDo it\nhol\n1\n\n\n1\n0\n"
    typed = f"1\n{names}Do this\n1\n0\n3\nDo this\n1\n0\n0\n"
    done = machine.run("--practice", "--plain", typed=typed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().splitlines()[-1].startswith("Goodbye.")
    assert "PASSED   set-up/sign-in" in done.stdout
    assert "Resource group hol-db-prod" in done.stdout
    assert machine.run("--practice", "--check", "set-up", "resource-groups").returncode == 0


def test_resume_with_catch_up_does_what_comes_before(machine: Machine) -> None:
    typed = "1\nq\n"
    done = machine.run("--practice", "--plain", "--resume", "4", "--catch-up", typed=typed)
    assert done.returncode == 0, done.stderr
    assert "This section needs 6 steps of earlier ones; 6 of them are not done:" in done.stdout
    assert "Section 4: Add resources to the resource groups" in done.stdout
    assert machine.run("--practice", "--check", "set-up", "resource-groups").returncode == 0


def test_what_regressed_is_told_at_the_next_start(machine: Machine) -> None:
    machine.run("--practice", "solve", "resource-groups", "--yes")
    machine.run("practice", "reset")
    # The session that the reset cloud does not know any more.
    shutil.rmtree(machine.home / "state" / "practice" / "azure")
    assert machine.run("--practice", "solve", "set-up", "--yes").returncode == 0
    done = machine.run("--practice", "--plain")
    assert "These steps passed in an earlier run, but no longer do:" in done.stdout
    assert "resource-groups/create-the-three-resource-groups@dev" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
@pytest.mark.parametrize(
    ("term", "words", "colour"),
    [("dumb", (), False), ("xterm-256color", ("--plain",), True), ("vt100", ("--plain",), True)],
)
def test_nothing_is_redrawn_on_a_terminal(machine: Machine, term: str, words: tuple[str, ...], colour: bool) -> None:
    import pty

    machine.more = {"TERM": term, "COLUMNS": "80", "LINES": "24"}
    machine.more |= {} if colour else {"NO_COLOR": "1"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(COMMAND[0], [*COMMAND, "--practice", *words], machine.environment)  # noqa: S606 the child of pty.fork
    said = b""
    answers = [b"3\n", b"1\n", b"\x03", b"0\n", b"q\n"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            got = os.read(terminal, 65536)
        except OSError:
            break
        if not got:
            break
        said += got
        if re.search(rb"Number[^\n]*: $", said) and answers:
            os.write(terminal, answers.pop(0))
    _, status = os.waitpid(pid, 0)
    text = said.decode("utf-8")
    assert os.waitstatus_to_exitcode(status) == 0, text
    assert "Step: Create the three resource groups (dev)" in text
    assert "Goodbye." in text
    # Colours may be set (SGR); the cursor may not be moved, nor anything erased.
    left = re.sub(r"\x1b\[[0-9;]*m", "", text) if colour else text
    assert "\x1b" not in left
    assert "\x08" not in left
    assert "\r" not in left.replace("\r\n", "")
