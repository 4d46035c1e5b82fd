"""Measures what the wizard costs while it only watches: requests in the busiest minute, CPU, and how soon it notices.

    .venv/bin/python benchmarks/watching.py [--minutes N]

The requests are counted by the practice cloud's own log, not by the wizard. The person moves among the steps and
returns to the window again and again, which makes everything in view due.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.run import WIZARD, Figure, environment, home, wizard
from benchmarks.terminal import Terminal
from hol_wizard.paths import Home
from hol_wizard.practice.process import launch

FOCUS_OUT, FOCUS_IN = b"\x1b[O", b"\x1b[I"
SECTION = "workspace-resources"
QUIET = 8.0
"""Seconds after the start for the check of the whole lab, which is not watching."""


class Requests:
    """When the lines of the practice cloud's log came, as seen by a reader that looks twice a second."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lines = 0
        self.times: list[float] = []

    def look(self) -> None:
        """Count the new lines."""
        lines = self._log.read_bytes().count(b"\n")
        self.times += [time.monotonic()] * (lines - self._lines)
        self._lines = lines


def busiest(times: list[float], window: float = 60.0) -> int:
    """Return the highest number of requests within a minute."""
    return max((sum(1 for at in times if start <= at < start + window) for start in times), default=0)


def watching(minutes: float) -> list[Figure]:
    """Watch a solved section for some minutes, with a person who moves and returns."""
    with home() as folder:
        log = folder / "exchanges.jsonl"
        state = Home(folder / "config", folder / "state").practice_folder
        launch.start(state, speed=60, log_exchanges=log, keep=True, is_wizards=True)
        done = wizard(folder, "--practice", "solve", SECTION, "--yes")
        if done.returncode:
            raise SystemExit(f"the solve failed:\n{done.stdout}{done.stderr}")
        with Terminal([*WIZARD, "--practice", "--resume", SECTION], environment(folder), (80, 24)) as terminal:
            terminal.wait_for("Add a data lake")
            terminal.settle(QUIET, QUIET)
            requests = Requests(log)
            requests.look()
            requests.times.clear()
            end, idle = time.monotonic() + minutes * 60, []
            while time.monotonic() < end:
                terminal.press("down")
                terminal.send(FOCUS_OUT)
                terminal.send(FOCUS_IN)
                terminal.settle(1.0, 1.0)
                before, at = sum(terminal.process.cpu_times()[:2]), time.monotonic()
                while time.monotonic() < min(at + 25, end):
                    terminal.read(0.5)
                    requests.look()
                idle.append((sum(terminal.process.cpu_times()[:2]) - before) / (time.monotonic() - at) * 100)
    return [
        Figure("requests in the busiest minute while watching", busiest(requests.times), "", 12, [len(requests.times)]),
        Figure("CPU of the TUI while watching, moved and returned to", sorted(idle)[len(idle) // 2], "%", 0.3, idle),
    ]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=3.0)
    figures = watching(parser.parse_args().minutes)
    for figure in figures:
        mark = "ok  " if figure.kept else "OVER"
        print(f"{mark} {figure.name:<60} {figure.value:8.2f} {figure.unit:<3} budget {figure.budget:g}  {figure.runs}")
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
