"""Starts the wizard again and again and types seeded random keys at random moments: it must never break.

    .venv/bin/python benchmarks/random_keys.py [--starts 100] [--seed 1] [--verbose]

Works on a practice cloud in a folder of its own, with the real command on a real terminal. The keys are those of the
table of commands, those that Textual knows, mouse reports, pastes, resizes and bytes that no keyboard sends on purpose
(Latin-1, broken UTF-8, torn escape sequences), from the moment of the start on. A start breaks where the program ends
by itself with another exit code than that of leaving, says that it broke, leaves the terminal in another state than it
found it in, writes an unexpected error into its log, or cannot be left any more. The exit code is the number of those.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.terminal import KEYS, Terminal
from hol_wizard.tui.commands import COMMANDS

ROOT = Path(__file__).parents[1]
WIZARD = [sys.executable, "-m", "hol_wizard"]
SIZES = ((80, 24), (120, 40), (40, 10), (1, 1), (500, 200), (2, 3), (20, 60), (132, 8))
WORDS = ((), (), ("--resume", "1"), ("--resume", "3"), ("--resume", "5"), ("--resume", "4", "--catch-up"))
LEAVING = (0, 130)
"""Exit codes of leaving; 130 is Ctrl-C before the first paint, where the terminal itself makes a signal of it."""
PATIENCE = 45.0
"""Seconds that leaving may take: work that changes something is brought to a safe point first."""


def _command_keys() -> list[bytes]:
    """Return the bytes of every key in the table of commands."""
    named = {"escape": b"\x1b", "enter": b"\r", "f1": b"\x1bOP", "question_mark": b"?", "dollar_sign": b"$"}
    named |= {"left_square_bracket": b"[", "right_square_bracket": b"]"}
    found = []
    for command in COMMANDS:
        for key in command.key.split(","):
            if key.startswith("ctrl+"):
                found.append(bytes([ord(key[-1]) & 0x1F]))
            elif key.startswith("shift+"):
                found.append(key[-1].upper().encode())
            else:
                found.append(named.get(key) or key.encode())
    return found


OURS = _command_keys()
PLAIN = [key.encode() for key in KEYS.values()] + [
    b" ",
    b"j",
    b"k",
    b"\x1b[C",
    b"\x1b[D",
    b"\x1b[H",
    b"\x1b[F",
    b"\x1b[Z",
]
TEXT = [b"hol", b"abc\r", b"1", b"\x7f", b"\x15", b"\x03", b"\x04", b"\x00"]
BAD = [
    b"\xe9",
    b"\xff\xfe",
    b"\xc3",
    b"\xf0\x9f",
    b"\x1b\xe9",
    b"\x1b[\xe9A",
    b"\x1b[1;\xff5A",
    b"\x80\x81",
    b"\xed\xa0\x80",
]
TORN = [
    b"\x1b[",
    b"\x1b[<0;5",
    b"\x1bO",
    b"\x1b[1;5",
    b"\x1b]0;x\x07",
    b"\x1bP+q\x1b\\",
    b"\x1b[99999999999u",
    b"\x1b[201~",
]


@dataclass
class Start:
    """One start: what was typed, and how it went."""

    seed: int
    words: tuple[str, ...]
    typed: list[str]
    problems: list[str]
    screen: str = ""


def _mouse(moments: random.Random, columns: int, rows: int) -> bytes:
    button = moments.choice([0, 0, 0, 1, 2, 32, 35, 35, 64, 65])
    column, row = moments.randint(1, max(1, columns)), moments.randint(1, max(1, rows))
    pressed = f"\x1b[<{button};{column};{row}M"
    return (pressed + (f"\x1b[<{button};{column};{row}m" if button < 3 else "")).encode()


def _paste(moments: random.Random) -> bytes:
    return (
        b"\x1b[200~" + moments.choice([b"hol", b"a\nb\nc\n", b"\xe9t\xe9", b"\xff\xfe\x00", b"q" * 5000]) + b"\x1b[201~"
    )


def _keys(moments: random.Random, terminal: Terminal) -> bytes:
    """Return what is typed at once."""
    what = moments.random()
    if what < 0.55:
        key = moments.choice(OURS)
        return key * moments.choice([1, 1, 1, 2, 2, 3])
    if what < 0.75:
        return moments.choice(PLAIN)
    if what < 0.80:
        return moments.choice(TEXT)
    if what < 0.86:
        return moments.choice(BAD)
    if what < 0.90:
        return moments.choice(TORN)
    if what < 0.97:
        return b"".join(_mouse(moments, terminal.columns, terminal.rows) for _ in range(moments.randint(1, 4)))
    return _paste(moments)


def environment(home: Path) -> dict[str, str]:
    """Return the variables of a start: nothing of the person's own, no browser, no keyring."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
    own = {"HOME": str(home), "HOL_WIZARD_HOME": str(home / "hol-wizard"), "PYTHONPATH": str(ROOT)}
    return {
        **kept,
        **own,
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONFAULTHANDLER": "1",
    }


def _log(home: Path) -> str:
    log = next((home / "hol-wizard").rglob("hol-wizard.log"), None)
    return log.read_text(encoding="utf-8", errors="replace") if log else ""


def _leave(terminal: Terminal) -> None:
    """Leave as a person would: close what is open, ask to leave, stop what is under way."""
    deadline = time.monotonic() + PATIENCE
    while not terminal.ended and time.monotonic() < deadline:
        for key in (b"\x1b[201~", b"\x1b", b"\x1b", b"\x11", b"\r"):
            terminal.send(key)
            terminal.settle(0.2, 0.6)
            if "Something is still running" in terminal.text:
                terminal.send(b"s")
            elif "This is still running and costs money" in terminal.text:
                terminal.send(b"w")
        terminal.settle(0.5, 1.0)


def play(seed: int, home: Path) -> Start:
    """Start the wizard once, type, leave, and return how it went."""
    moments = random.Random(seed)  # noqa: S311 it only picks keys
    start = Start(seed, moments.choice(WORDS), [], [])
    size = moments.choice(SIZES[:3])
    logged = len(_log(home))
    command = [*WIZARD, "--practice", *start.words]
    with Terminal(command, environment(home), size) as terminal:
        found = terminal.attributes
        began = moments.choice([0.0, 0.2, 0.5, 1.0, 1.5, 2.5])
        until = time.monotonic() + began
        while time.monotonic() < until and not terminal.ended:
            terminal.read(max(0.0, until - time.monotonic()))
        for _ in range(moments.randint(3, 40)):
            if moments.random() < 0.06:
                columns, rows = moments.choice(SIZES)
                start.typed.append(f"<{columns}x{rows}>")
                terminal.resize(columns, rows)
            else:
                keys = _keys(moments, terminal)
                start.typed.append(repr(keys)[2:-1][:60])
                terminal.send(keys)
            pause = moments.choice([0.0, 0.0, 0.0, 0.01, 0.05, 0.2, 0.5])
            until = time.monotonic() + pause
            while True:
                terminal.read(max(0.0, until - time.monotonic()))
                if time.monotonic() >= until or terminal.ended:
                    break
        _leave(terminal)
        _judge(start, terminal, found, _log(home)[logged:])
    return start


def _judge(start: Start, terminal: Terminal, found: object, log: str) -> None:
    """Note what went wrong."""
    start.screen = terminal.text
    try:
        code = terminal.wait_for_end(5.0)
        # As a shell shows it: Ctrl-C can come before Python hears it.
        code = 128 - code if code < 0 else code
    except TimeoutError:
        start.problems.append("it could not be left")
        # Python says then where each of its threads is: PYTHONFAULTHANDLER.
        before = len(terminal.output)
        os.kill(terminal.pid, signal.SIGABRT)
        terminal.settle(1.0)
        start.screen += "\n" + terminal.output[before:].decode("utf-8", "replace")
        return
    said = terminal.output.decode("utf-8", "replace")
    if code not in LEAVING:
        start.problems.append(f"exit code {code}")
    if "screen broke" in said or "Traceback" in said:
        start.problems.append("it broke")
    start.problems += [f"left on: {name}" for name, on in terminal.modes.items() if on]
    if terminal.attributes != found:
        start.problems.append("the terminal's settings are not as they were")
    start.problems += [
        f"logged: {line}" for line in re.findall(r"(?m)^.* (?:CRITICAL|ERROR) hol_wizard\.(?:tui|cli).*$", log)
    ]
    start.problems += re.findall(r"(?m)^[A-Za-z_.]+(?:Error|Matches|Exception): .*$", log) if start.problems else []


@contextmanager
def started_practice_cloud(home: Path) -> Iterator[None]:
    """Have a practice cloud for all starts."""
    subprocess.run(
        [*WIZARD, "practice", "start", "--speed", "600"], env=environment(home), check=True, capture_output=True
    )
    try:
        yield
    finally:
        subprocess.run([*WIZARD, "practice", "stop"], env=environment(home), check=False, capture_output=True)


def play_many(starts: int, seed: int, home: Path, *, verbose: bool = False) -> int:
    """Play so many starts on one practice cloud, and return how many broke."""
    broken = 0
    with started_practice_cloud(home):
        for number in range(starts):
            start = play(seed + number, home)
            broken += bool(start.problems)
            if start.problems or verbose:
                print(f"seed {start.seed} {' '.join(start.words)}: {'; '.join(start.problems) or 'fine'}", flush=True)
                print(f"    typed: {' '.join(start.typed)}\n{start.screen}", flush=True)
    return broken


def main() -> int:
    """Play, and return how many starts broke."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        broken = play_many(options.starts, options.seed, Path(folder), verbose=options.verbose)
    print(f"{broken} of {options.starts} starts broke")
    return min(broken, 100)


if __name__ == "__main__":
    raise SystemExit(main())
