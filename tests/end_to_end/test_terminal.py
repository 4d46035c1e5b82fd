"""The full screen on a real terminal: odd bytes, keys typed ahead, signals, a closed terminal, odd sizes."""

from __future__ import annotations

import ctypes
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from hol_wizard import signals

if sys.platform == "win32":
    pytest.skip("no pseudo-terminals", allow_module_level=True)

from benchmarks.random_keys import play, started_practice_cloud
from benchmarks.terminal import Terminal
from tests import contracts
from tests.end_to_end.conftest import COMMAND, Machine
from tests.end_to_end.ground import Ground
from tests.processes import runs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

OVERVIEW = r"of \d+ verified"
SECTION = "About this section"
PATIENCE = 60.0
SPEED = 120.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One practice cloud for all tests of a worker: to start one takes longer than most of them."""
    with Ground.of(Machine(tmp_path_factory.mktemp("terminal") / "home"), speed=SPEED) as made:
        yield made


@pytest.fixture
def ground(running: Ground) -> Iterator[Ground]:
    running.empty(SPEED)
    since = running.cloud.log_size()
    yield running
    contracts.assert_valid(running.cloud.exchanges(since))


@contextmanager
def wizard(
    ground: Ground, *words: str, size: tuple[int, int] = (100, 30), program: Sequence[str] = COMMAND
) -> Iterator[Terminal]:
    with Terminal([*program, "--practice", *words], ground.machine.environment, size) as terminal:
        terminal.before = terminal.attributes  # type: ignore[attr-defined]  # to compare at the end
        yield terminal


def assert_whole(terminal: Terminal) -> None:
    """The terminal is as the program found it."""
    assert [name for name, on in terminal.modes.items() if on] == []
    assert terminal.attributes == terminal.before  # type: ignore[attr-defined]
    assert b"Traceback" not in terminal.output


def answers(terminal: Terminal) -> None:
    """The screen still answers to keys."""
    terminal.send(b"?")
    terminal.wait_for("Help|Keys|keys", PATIENCE)
    terminal.send(b"\x1b")
    terminal.settle(0.5, 2.0)
    # Odd input can contain digits, which open a section.
    terminal.send(b"\x1b")
    # With the next key at once, it would be an Alt key.
    terminal.settle(0.3, 2.0)
    terminal.wait_for(OVERVIEW, PATIENCE)


def begun_solve(terminal: Terminal, ground: Ground) -> None:
    """Have a solve write."""
    terminal.wait_for(SECTION, PATIENCE)
    terminal.settle(1.0)
    terminal.send(b"S")
    terminal.wait_for(r"Do it|Go on", PATIENCE)
    deadline = time.monotonic() + PATIENCE
    while not ground.ledger():
        assert time.monotonic() < deadline, terminal.text
        if "Go on" in terminal.text or "Do it" in terminal.text:
            terminal.send(b"\r")
        terminal.settle(0.3, 1.0)


ODD = (
    *(b"\xe9", b"\xff\xfe", b"\x1b\xe9", b"\x1b[\xe9A", b"\x1b[1;\xff5A", b"\x1b[200~caf\xe9 \xff\xfe\x1b[201~"),
    *(b"\xc3", b"\xed\xa0\x80", b"\x1b[99999999999u", b"\x1b[1;99999999999999999999u"),
)


def test_a_byte_that_cannot_be_read_ends_nothing(ground: Ground) -> None:
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        for odd in ODD:
            print(odd)  # noqa: T201 the last one is what a failure is about
            terminal.send(odd)
            terminal.settle(0.5, 2.0)
            answers(terminal)
        terminal.send(b"q")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)


TYPED = (b"nn", b"\r\r", b"nS\x1b\x1b", b"aaa\x1b\x1b", b"\x10\x10\x1b\x1b\x10")
MOMENTS = (0.0, 0.4, 0.8, 1.5)


@pytest.mark.parametrize(
    ("keys", "moment"),
    [(keys, MOMENTS[(turn + step) % len(MOMENTS)]) for turn, keys in enumerate(TYPED) for step in (0, 2)],
)
def test_keys_typed_ahead_break_nothing(ground: Ground, keys: bytes, moment: float) -> None:
    with wizard(ground) as terminal:
        terminal.settle(moment, moment)
        terminal.send(keys)
        terminal.wait_for(f"{OVERVIEW}|{SECTION}", PATIENCE)
        terminal.settle(1.0)
        terminal.send(b"\x1b\x1b\x11")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)


@pytest.mark.parametrize("moment", [0.2, 0.6, 1.0, 1.4])
def test_leaving_while_the_section_opens_breaks_nothing(ground: Ground, moment: float) -> None:
    with wizard(ground, "--resume", "1") as terminal:
        terminal.settle(moment, moment)
        terminal.send(b"qn")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_the_screen_and_gives_the_terminal_back(ground: Ground, number: signal.Signals) -> None:
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        assert terminal.modes["alternate screen"]
        os.kill(terminal.pid, number)
        assert terminal.wait_for_end() == 128 + number
        assert_whole(terminal)
        assert f"ended by {number.name}".encode() in terminal.output


def test_sigterm_during_a_solve_waits_for_a_safe_point(ground: Ground) -> None:
    with wizard(ground, "--resume", "3") as terminal:
        begun_solve(terminal, ground)
        os.kill(terminal.pid, signal.SIGTERM)
        began = time.monotonic()
        assert terminal.wait_for_end() == 128 + signal.SIGTERM
        assert time.monotonic() - began < signals.GRACE + 5
        assert_whole(terminal)
    assert ground.ledger()
    done = ground.run("solve", "resource-groups", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ground.run("teardown", "--yes").returncode == 0


def test_a_second_sigterm_ends_at_once(ground: Ground) -> None:
    with wizard(ground, "--resume", "4", "--catch-up") as terminal:
        begun_solve(terminal, ground)
        os.kill(terminal.pid, signal.SIGTERM)
        terminal.settle(0.1, 0.1)
        began = time.monotonic()
        os.kill(terminal.pid, signal.SIGTERM)
        # The second may come when the interpreter ends already: a shell shows 143 for both.
        assert terminal.wait_for_end() in {128 + signal.SIGTERM, -signal.SIGTERM}
        assert time.monotonic() - began < 3
        assert_whole(terminal)


def test_a_terminal_that_is_closed_during_a_solve_leaves_no_process(ground: Ground) -> None:
    with wizard(ground, "--resume", "3") as terminal:
        begun_solve(terminal, ground)
        process = terminal.process
        children = process.children(recursive=True)
        terminal.hang_up()
        assert terminal.wait_for_end(signals.GRACE + 10) == 128 + signal.SIGHUP
        assert [child for child in children if runs(child)] == []
    done = ground.run("solve", "resource-groups", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_stop_and_a_continuation_keep_the_screen_whole(ground: Ground, number: signal.Signals) -> None:
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(1.0)
        os.kill(terminal.pid, number)
        deadline = time.monotonic() + PATIENCE
        while terminal.process.status() != psutil.STATUS_STOPPED:
            terminal.read(0.05)
            assert time.monotonic() < deadline
        if number == signal.SIGTSTP:
            terminal.settle(0.2)
            assert_whole(terminal)
        terminal.screen.reset()
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(0.5)
        assert terminal.modes["alternate screen"]
        answers(terminal)
        terminal.send(b"q")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)


@pytest.mark.skipif(sys.platform != "linux", reason="tgkill is of Linux")
def test_a_signal_that_another_thread_takes_wakes_an_idle_screen(ground: Ground) -> None:
    """The kernel may hand a signal for a process to any of its threads; at rest, the first one sleeps."""
    libc = ctypes.CDLL(None, use_errno=True)
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(1.0)
        other = max(each.id for each in terminal.process.threads() if each.id != terminal.pid)
        terminal.screen.reset()
        assert libc.tgkill(terminal.pid, other, signal.SIGCONT) == 0
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(1.0)
        other = max(each.id for each in terminal.process.threads() if each.id != terminal.pid)
        assert libc.tgkill(terminal.pid, other, signal.SIGTERM) == 0
        assert terminal.wait_for_end() == 128 + signal.SIGTERM
        assert_whole(terminal)


PROMPT = r"ready>"


def in_shell(terminal: Terminal, command: str, answer: bytes) -> None:
    """Run a command in the shell until it has answered."""
    terminal.send(command.encode() + b"\r")
    deadline = time.monotonic() + PATIENCE
    while answer not in terminal.output:
        terminal.read(0.1)
        assert time.monotonic() < deadline, terminal.text


def test_a_shell_uses_this_cloud_and_the_screen_comes_back_and_looks_again(ground: Ground) -> None:
    done = ground.run("solve", "resource-groups", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    ground.machine.more |= {"SHELL": "/bin/sh", "PS1": "ready> ", "SOME_API_TOKEN": "canary-1234"}
    with wizard(ground, "--resume", "3") as terminal:
        terminal.wait_for("✓ passed|verified", PATIENCE)
        terminal.settle(2.0)
        terminal.send(b"!")
        terminal.wait_for("cloud practice: .*`exit` returns to the wizard", PATIENCE)
        assert_whole(terminal)
        state = ground.cloud.state.resolve()
        in_shell(terminal, 'echo "<$AZURE_CONFIG_DIR|$SOME_API_TOKEN>"', f"<{state / 'azure'}|>".encode())
        in_shell(terminal, 'test -s "$REQUESTS_CA_BUNDLE" && echo "bundle"_there', b"bundle_there")
        in_shell(terminal, 'test -s "$DATABRICKS_CONFIG_FILE" || echo "$DATABRICKS_CONFIG_FILE"', str(state).encode())
        # Ctrl-C is for the shell and its programs.
        terminal.send(b"\x03")
        # It also discards what has been typed ahead.
        terminal.settle(0.5)
        words = " ".join(shlex.quote(word) for word in COMMAND)
        in_shell(terminal, f"{words} --practice teardown resource-groups --yes; echo code_$?", b"code_0")
        since = ground.cloud.log_size()
        terminal.screen.reset()
        terminal.send(b"exit\r")
        terminal.wait_for(SECTION, PATIENCE)
        terminal.wait_for("There is no resource group|does not exist|failed|to do", PATIENCE)
        assert terminal.modes["alternate screen"]
        assert any("resourcegroups" in each["url"].lower() for each in ground.cloud.exchanges(since))
        terminal.send(b"q")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)
        assert b"canary-1234" not in terminal.output


@pytest.mark.parametrize("end", ["kill -9 $$", "kill -TERM $PPID"])
def test_the_end_of_a_shell_or_of_the_wizard_under_it_gives_the_terminal_back(ground: Ground, end: str) -> None:
    ground.machine.more |= {"SHELL": "/bin/sh", "PS1": "ready> "}
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(1.0)
        terminal.send(b"!")
        terminal.wait_for(PROMPT, PATIENCE)
        terminal.screen.reset()
        terminal.send(f"{end}\r".encode())
        if "PPID" in end:
            assert terminal.wait_for_end() == 128 + signal.SIGTERM
        else:
            terminal.wait_for(OVERVIEW, PATIENCE)
            answers(terminal)
            terminal.send(b"q")
            assert terminal.wait_for_end() == 0
        assert_whole(terminal)


def test_stops_in_the_middle_of_drawing_leave_no_empty_screen(ground: Ground) -> None:
    moments = random.Random(5)  # noqa: S311 a seed, not a secret
    with wizard(ground) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.settle(1.0)
        for number in range(60):
            for _ in range(moments.randrange(3, 12)):
                terminal.send(moments.choice([b"\x1b[B", b"\x1b[A"]))
            time.sleep(moments.random() * 0.05)
            os.kill(terminal.pid, signal.SIGTSTP if number % 4 == 0 else signal.SIGSTOP)
            deadline = time.monotonic() + PATIENCE
            while terminal.process.status() != psutil.STATUS_STOPPED:
                terminal.read(0.01)
                assert time.monotonic() < deadline
            os.kill(terminal.pid, signal.SIGCONT)
            terminal.read(0.05)
        terminal.settle(0.5)
        terminal.screen.reset()
        os.kill(terminal.pid, signal.SIGSTOP)
        time.sleep(0.1)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.wait_for(OVERVIEW, 20)
        answers(terminal)


def test_a_defect_of_ours_gives_the_terminal_back_and_names_the_log(ground: Ground, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import sys\n"
        "from hol_wizard import cli\n"
        "from hol_wizard.tui.widgets.head_bar import HeadBar\n"
        "def render(self):\n"
        "    raise ZeroDivisionError('a defect')\n"
        "HeadBar.render = render\n"
        "sys.exit(cli.main())\n",
        encoding="utf-8",
    )
    with wizard(ground, program=[sys.executable, str(broken)]) as terminal:
        assert terminal.wait_for_end() == 70
        assert_whole(terminal)
        said = terminal.output.rpartition(b"\x1b[")[2].decode()
        assert "screen broke" in said
        assert "hol-wizard.log" in said.replace("\r\n", "")
        assert "ZeroDivisionError" not in said
        (report,) = (ground.machine.home / "state").rglob("defects/*.txt")
        assert "ZeroDivisionError: a defect" in report.read_text("utf-8")


SIZES = ((40, 10), (1, 1), (500, 200), (2, 3), (80, 24))


def test_any_size_at_any_time_breaks_nothing(ground: Ground) -> None:
    with wizard(ground, "--resume", "3") as terminal:
        for size in SIZES:
            terminal.resize(*size)
            terminal.settle(0.1, 0.3)
        terminal.wait_for(SECTION, PATIENCE)
        for key in (b"?", b"\x10", b"a", b"S"):
            terminal.send(key)
            for size in SIZES:
                terminal.resize(*size)
                terminal.settle(0.2, 1.0)
            terminal.send(b"\x1b")
            terminal.settle(0.5, 2.0)
        begun_solve(terminal, ground)
        for size in SIZES:
            terminal.resize(*size)
            terminal.settle(0.2, 1.0)
        terminal.wait_for(SECTION, PATIENCE)
        os.kill(terminal.pid, signal.SIGTERM)
        assert terminal.wait_for_end() == 128 + signal.SIGTERM
        assert_whole(terminal)


def test_the_size_is_the_terminals_own_whatever_the_shell_exports(ground: Ground) -> None:
    ground.machine.more |= {"COLUMNS": "300", "LINES": "100"}
    with wizard(ground, size=(80, 24)) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.wait_for("quit", PATIENCE)
        terminal.resize(120, 40)
        # Otherwise the help may be drawn for the size before, which leaves the line visible that `answers` waits for.
        terminal.settle(1.0)
        answers(terminal)
        terminal.send(b"q")
        assert terminal.wait_for_end() == 0


def test_lost_standard_error_leaves_the_screen_on_the_terminal(ground: Ground) -> None:
    shell = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *COMMAND]
    with wizard(ground, program=shell) as terminal:
        terminal.wait_for(OVERVIEW, PATIENCE)
        terminal.send(b"q")
        assert terminal.wait_for_end() == 0
        assert_whole(terminal)


def test_seeded_random_keys_break_nothing(tmp_path: Path) -> None:
    with started_practice_cloud(tmp_path):
        broken = [start for seed in range(1, 6) if (start := play(seed, tmp_path)).problems]
    assert not broken, "\n".join(f"seed {start.seed}: {start.problems}\n{start.screen}" for start in broken)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_a_headless_solve_stops_it_at_a_safe_point(ground: Ground, number: signal.Signals) -> None:
    process = ground.start("solve", "resource-groups", "workspace-resources", "--yes")
    deadline = time.monotonic() + PATIENCE
    while not ground.ledger():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, said = process.communicate(timeout=signals.GRACE + 10)
    assert process.returncode == 128 + number, said
    assert f"ended by {number.name}" in said
    assert "Traceback" not in said
    done = ground.run("solve", "resource-groups", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nohup_is_honored(ground: Ground) -> None:
    process = subprocess.Popen(
        ["nohup", *COMMAND, "--practice", "solve", "resource-groups", "--yes"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ground.machine.environment,
    )
    while not ground.ledger() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGHUP)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
