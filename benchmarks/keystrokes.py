"""Counts the keys and the seconds from nothing to a lab whose sections 1 to 11 are done, on the real screen.

    .venv/bin/python benchmarks/keystrokes.py [--speed N] [--budget KEYS]

The person goes to section 11 on the overview, lets the wizard do everything up to it, and answers each question with
the default. Their reading is not counted.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.run import WIZARD, environment, home, wizard
from benchmarks.terminal import Terminal

LAST = 11
PATIENCE = 600.0
QUESTIONS = ("Do it", "Go on", "Choose  ", "I confirm it")
"""Buttons that Enter answers with the default."""


def walk(folder: Path, speed: float) -> tuple[int, float]:
    """Do it, and return the keys and the seconds."""
    keys = 0
    with Terminal([*WIZARD, "--practice", "--practice-speed", str(speed)], environment(folder), (80, 24)) as terminal:
        terminal.wait_for("Create the resource groups")
        terminal.settle(1.0, 8)
        began = time.monotonic()
        for key in (*["down"] * (LAST - 1), "S"):
            terminal.press(key)
            keys += 1
        while time.monotonic() - began < PATIENCE:
            terminal.settle(0.5, 2.0)
            if any(question in terminal.text for question in QUESTIONS):
                terminal.press("enter")
                keys += 1
            elif "done and verified" in terminal.text or "not done; each step" in terminal.text:
                return keys, time.monotonic() - began
    raise TimeoutError(terminal.text)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=60.0, help="how much faster than real life")
    parser.add_argument("--budget", type=int, default=45)
    options = parser.parse_args()
    with home() as folder:
        wizard(folder, "practice", "start")
        keys, seconds = walk(folder, options.speed)
        done = wizard(folder, "--practice", "--check", *map(str, range(1, LAST + 1)), "--format", "json")
        steps = json.loads(done.stdout)["results"]
        passed = sum(step["status"] == "passed" for step in steps)
        left = [step["target"] for step in steps if step["status"] != "passed"]
    print(f"{keys} keys, {seconds:.0f} s at speed {options.speed:g}; {passed} of {len(steps)} steps passed")
    print(f"left: {left}")
    return 0 if keys <= options.budget else 1


if __name__ == "__main__":
    raise SystemExit(main())
