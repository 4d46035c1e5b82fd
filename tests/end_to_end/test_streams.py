"""Streams that are closed, full or broken, or hold bytes that are not UTF-8: no traceback, and a true exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform == "win32":
    pytest.skip("a POSIX shell joins the streams", allow_module_level=True)

from benchmarks.terminal import Terminal
from tests.end_to_end.conftest import COMMAND, Machine
from tests.end_to_end.ground import Ground

pytestmark = pytest.mark.slow

WIZARD = " ".join(COMMAND)
STRICT = "PYTHONIOENCODING=utf-8:strict"
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One practice cloud for all tests of a worker."""
    with Ground.of(Machine(tmp_path_factory.mktemp("streams") / "home"), speed=6000.0) as made:
        yield made


@pytest.fixture
def at_cloud(running: Ground) -> Machine:
    """A machine whose practice cloud runs already."""
    running.empty(6000.0)
    return running.machine


def shell(machine: Machine, script: str, code: int) -> str:
    """Run a script, expect its exit code, and return all that was said."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=machine.environment,
        timeout=100,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "internal error" not in said
    return said


@pytest.mark.parametrize("encoding", [STRICT, "PYTHONIOENCODING=ascii:strict", "LC_ALL=C", "PYTHONIOENCODING=latin-1"])
def test_plain_reads_past_bytes_that_are_not_utf_8(at_cloud: Machine, encoding: str) -> None:
    said = shell(at_cloud, rf"printf '\xe9\xff\n\xfe\nq\n' | {encoding} {WIZARD} --practice --plain", 0)
    assert "Type a number from 0" in said
    assert "Goodbye" in said


@pytest.mark.parametrize("stdin", ["<&-", "</dev/null"])
def test_plain_without_answers_says_goodbye(at_cloud: Machine, stdin: str) -> None:
    assert "Goodbye" in shell(at_cloud, f"{WIZARD} --practice --plain {stdin}", 0)


@pytest.mark.parametrize("command", ["solve resource-groups", "teardown"])
@pytest.mark.parametrize("stdin", ["<&-", "</dev/null", r"< <(printf 'y\xe9\n')"])
def test_consent_needs_a_terminal(at_cloud: Machine, command: str, stdin: str) -> None:
    assert "no terminal to ask on" in shell(at_cloud, f"{WIZARD} --practice {command} {stdin}", 2)


def test_no_screen_without_input(at_cloud: Machine) -> None:
    assert "no terminal to show the wizard on" in shell(at_cloud, f"{WIZARD} --practice <&-", 2)


@pytest.mark.parametrize("request_", ["<&-", r"< <(printf 'protocol=https\nhost=\xe9\n\n')"])
def test_git_credential_answers_nothing_to_what_it_cannot_read(at_cloud: Machine, request_: str) -> None:
    shell(at_cloud, f"{STRICT} {WIZARD} --practice git-credential get {request_}", 0)


@pytest.mark.parametrize("command", ["--practice --plain", "--practice --check set-up", "--version", "--list"])
def test_a_closed_output_changes_no_exit_code(at_cloud: Machine, command: str) -> None:
    expected = subprocess.run(
        [*COMMAND, *command.split()],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=at_cloud.environment,
        check=False,
    )
    shell(at_cloud, f"{WIZARD} {command} >&-", expected.returncode)
    shell(at_cloud, f"{WIZARD} {command} <&- >&- 2>&-", expected.returncode)


def test_closed_streams_are_not_given_to_the_next_file(machine: Machine) -> None:
    shell(machine, f"{WIZARD} --practice solve set-up --yes <&- >&- 2>&-", 0)
    ledgers = [path.read_text(encoding="utf-8") for path in machine.home.rglob("*.jsonl")]
    assert all(line.startswith("{") for text in ledgers for line in text.splitlines())


@FULL
@pytest.mark.parametrize(
    "command", ["--practice --plain", "--practice --check set-up", "--version", "--help", "--list", "practice --help"]
)
@pytest.mark.parametrize("buffered", ["PYTHONUNBUFFERED=1", "PYTHONUNBUFFERED="])
def test_a_full_disk_is_told(at_cloud: Machine, command: str, buffered: str) -> None:
    assert "tandard output cannot be written" in shell(at_cloud, f"{buffered} {WIZARD} {command} >/dev/full", 2)


@pytest.mark.parametrize("command", ["--help", "--practice --plain"])
def test_a_reader_that_goes_away_ends_it_as_shells_say(at_cloud: Machine, command: str) -> None:
    shell(at_cloud, f"{WIZARD} {command} | head -0", 141)


def test_a_prompt_reads_past_a_byte_that_is_not_utf_8(at_cloud: Machine) -> None:
    command = [*COMMAND, "--practice", "solve", "resource-groups"]
    with Terminal(command, at_cloud.environment, (100, 30)) as terminal:
        terminal.wait_for("Continue?", 60)
        terminal.send(b"\xe9\xff\x1b[\xfeA")
        terminal.settle(0.5)
        terminal.send(b"n")
        code = terminal.wait_for_end()
        assert b"Traceback" not in terminal.output
        assert "Nothing was changed" in terminal.text
        assert code != 0


@pytest.mark.parametrize("term", ["xterm-256color", "dumb"])
@pytest.mark.parametrize("words", [("solve", "resource-groups"), ("--plain",)])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_a_question_gives_the_terminal_back(
    at_cloud: Machine, number: signal.Signals, words: tuple[str, ...], term: str
) -> None:
    command = ["env", f"TERM={term}", *COMMAND, "--practice", *words]
    with Terminal(command, at_cloud.environment, (100, 40)) as terminal:
        before = terminal.attributes
        terminal.wait_for(r"Continue\?|Number", 60)
        terminal.settle(0.5)
        os.kill(terminal.pid, number)
        began = time.monotonic()
        assert terminal.wait_for_end() == 128 + number
        assert time.monotonic() - began < 5
        assert terminal.attributes == before
        assert [name for name, on in terminal.modes.items() if on] == []
        assert b"Traceback" not in terminal.output
