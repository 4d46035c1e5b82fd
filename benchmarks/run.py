"""Measures what a person at the terminal feels, and holds it against the budget.

    .venv/bin/python benchmarks/run.py [--runs N] [--json FILE]

Every figure is the median of at least five runs. Works on the practice cloud in folders of its own; needs the tests'
environment. The exit code is 1 when a budget is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.terminal import Terminal

ROOT = Path(__file__).parents[1]
WIZARD = [sys.executable, "-m", "hol_wizard"]
SECTIONS = ["set-up", "resource-groups", "workspace-resources"]
ADDED = 0.1
"""Seconds added to each answer of the practice cloud in the measurement of `--check`."""
CHAIN = 4
"""Answers that must come one after another in a whole check of `SECTIONS`: the subscriptions that the sign-in sees, the
chosen one with its regions and permissions, a resource group, what stands in it. The token comes from the session."""


@dataclass
class Figure:
    """One measurement and its budget."""

    name: str
    value: float
    unit: str
    budget: float
    runs: list[float]

    @property
    def kept(self) -> bool:
        """Whether the value is within the budget."""
        return self.value <= self.budget


def environment(home: Path) -> dict[str, str]:
    """Return a clean environment; with bytecode, which an installed program has."""
    dropped = ("PYTHONDONTWRITEBYTECODE", "NO_COLOR", "CI", "TMUX")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HOL_", "AZURE_")) and name not in dropped
    }
    return {**kept, "HOL_WIZARD_HOME": str(home), "HOME": str(home), "PYTHONPATH": str(ROOT)}


@contextmanager
def home() -> Iterator[Path]:
    """A home folder whose practice cloud is stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="hol-benchmark-") as folder:
        try:
            yield Path(folder)
        finally:
            wizard(Path(folder), "practice", "stop")


def wizard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the wizard to its end."""
    return subprocess.run(
        [*WIZARD, *words],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def seconds(command: list[str], folder: Path) -> float:
    """Return how long a command takes."""
    began = time.perf_counter()
    subprocess.run(command, env=environment(folder), capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return time.perf_counter() - began


def version(runs: int) -> Figure:
    """`hol-wizard --version`."""
    with home() as folder:
        taken = [seconds([*WIZARD, "--version"], folder) * 1000 for _ in range(runs + 2)][2:]
    return Figure("hol-wizard --version", statistics.median(taken), "ms", 120, taken)


def _settled(terminal: Terminal) -> float:
    """Return when the screen was painted for the last time before a tenth of a second without output."""
    last = time.perf_counter() - terminal.started
    while (at := terminal.read(0.1)) is not None:
        last = at - terminal.started
    return last


def first_paint(runs: int) -> list[Figure]:
    """Start to the first useful paint, in turns with a hello-world application."""
    hello: list[float] = []
    ours: list[float] = []
    settled: list[float] = []
    with home() as folder:
        for _ in range(runs + 1):
            with Terminal([sys.executable, str(ROOT / "benchmarks/hello.py")], environment(folder)) as terminal:
                hello.append(terminal.wait_for("Hello, world") * 1000)
            with Terminal([*WIZARD, "--practice"], environment(folder)) as terminal:
                ours.append(terminal.wait_for("Create the resource groups") * 1000)
                settled.append(_settled(terminal) * 1000)
    base, value = statistics.median(hello[1:]), statistics.median(ours[1:])
    return [
        Figure("hello-world Textual: first paint", base, "ms", float("inf"), hello[1:]),
        Figure("hol-wizard --practice: first useful paint", value, "ms", 1.3 * base, ours[1:]),
        Figure(
            "hol-wizard --practice: last paint before the checks",
            statistics.median(settled[1:]),
            "ms",
            1.5 * base,
            settled[1:],
        ),
    ]


def check(runs: int) -> Figure:
    """A whole `--check` with a slow network."""
    with home() as folder:
        done = wizard(folder, "--practice", "solve", "workspace-resources", "--yes")
        if done.returncode:
            raise SystemExit(f"the solve failed:\n{done.stdout}{done.stderr}")
        wizard(folder, "practice", "start")
        said = wizard(folder, "practice", "set", "--latency", str(ADDED))
        if said.returncode:
            raise SystemExit(f"the latency was not set:\n{said.stdout}{said.stderr}")
        command = [*WIZARD, "--practice", "--check", *SECTIONS]
        taken = [seconds(command, folder) for _ in range(runs + 1)][1:]
    return Figure(
        f"--check, {ADDED * 1000:.0f} ms added to each answer",
        statistics.median(taken),
        "s",
        1.5 * CHAIN * ADDED + 1.0,
        taken,
    )


def terminal_run(runs: int) -> list[Figure]:
    """A whole solve on the screen: key latency while the log streams, then memory and idle CPU."""
    memory: list[float] = []
    idle: list[float] = []
    keys: list[float] = []
    missed = 0
    for number in range(runs):
        with home() as folder:
            wizard(folder, "--practice", "solve", "set-up", "--yes")
            command = [*WIZARD, "--practice", "--practice-speed", "12", "--resume", "workspace-resources"]
            with Terminal(command, environment(folder)) as terminal:
                terminal.wait_for("Add a container registry")
                terminal.settle(1.0, 6)
                terminal.press("S")
                terminal.wait_for("Do it")
                terminal.settle(0.5, 3)
                terminal.press("enter")
                terminal.wait_for("Creating")
                cursor = re.compile(r"^ ?▌.*$", re.MULTILINE)
                deadline = time.monotonic() + 12
                down = True
                while time.monotonic() < deadline and "10 of 10" not in terminal.text:
                    for _ in range(8):
                        taken = terminal.seconds_to_change("down" if down else "up", cursor)
                        if taken is None:
                            missed += 1
                        else:
                            keys.append(taken * 1000)
                        terminal.settle(0.05, 0.1)
                    down = not down
                terminal.wait_for("10 of 10", 120)
                terminal.settle(1.0, 5)
                memory.append(terminal.process.memory_info().rss / 2**20)
                if number < 5:
                    before, began = sum(terminal.process.cpu_times()[:2]), time.monotonic()
                    while time.monotonic() - began < 6:
                        terminal.read(0.5)
                    idle.append((sum(terminal.process.cpu_times()[:2]) - before) / (time.monotonic() - began) * 100)
    ordered = sorted(keys)
    p95 = ordered[round(0.95 * (len(ordered) - 1))]
    return [
        Figure(f"key to paint while a solve streams, p95 ({len(keys)} keys, {missed} unseen)", p95, "ms", 40, ordered),
        Figure("memory of the TUI after a full run (RSS)", statistics.median(memory), "MB", 90, memory),
        Figure("idle CPU of the TUI", statistics.median(idle), "%", 0.3, idle),
    ]


def main() -> int:
    """Run all measurements and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="runs of each measurement, at least 5 for the record")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures: list[Figure] = []
    for measure in (version, first_paint, check, terminal_run):
        found = measure(options.runs)
        for figure in found if isinstance(found, list) else [found]:
            figures.append(figure)
            budget = "" if figure.budget == float("inf") else f"budget {figure.budget:.5g} {figure.unit}"
            mark = "ok  " if figure.kept else "OVER"
            print(f"{mark} {figure.name:<72} {figure.value:8.1f} {figure.unit:<3} {budget}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1), encoding="utf-8")
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
