"""Compares the wall time of a solve with its critical path.

    .venv/bin/python benchmarks/solve_time.py [--speed N] [--runs N]

First sections 3 to 9, against what the services alone take: the practice cloud takes as long for everything as its
table of real-life durations says, sped up; the critical path is the longest chain of such waits through what the
steps need of each other. What is more than that is the wizard's own: polls, requests, steps that wait for each other
without need. These times are in seconds of Azure's.

Then the whole lab in one command, with what each step really took: training, builds and pipelines run at the speed of
this machine, and the critical path is the one that the command prints. What is more than that are steps that were ready
and did not begin.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.run import WIZARD, environment, home
from hol_wizard.cli.vocabulary import PRACTICE_DEFAULTS
from hol_wizard.paths import Home
from hol_wizard.practice.kernel.clock import DURATIONS
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard.facade import open_wizard

SECTIONS = [
    *("resource-groups", "workspace-resources", "cluster", "initial-data"),
    *("databricks-access", "service-principal", "secrets"),
]
BUDGET = 1.15
"""Wall time over critical path, where the path is what the services alone take."""
WHOLE_BUDGET = 1.1
"""The same for the whole lab, where the path is what the steps took."""

ML = "Microsoft.MachineLearningServices/workspaces"
LAKE = "Microsoft.Storage/storageAccounts"
LOGS = "Microsoft.OperationalInsights/workspaces"

WAITS: Mapping[str, tuple[str, ...]] = {
    "register-the-resource-providers": ("provider registration",),
    # Storage, vault and log workspace are made side by side: the slowest counts.
    "add-a-machine-learning-workspace": (max((LAKE, LOGS), key=lambda row: DURATIONS[row].seconds), ML),
    "add-a-data-lake": (LAKE,),
    "add-a-key-vault": ("Microsoft.KeyVault/vaults",),
    "add-a-databricks-workspace": ("Microsoft.Databricks/workspaces",),
    "add-a-container-registry": ("Microsoft.ContainerRegistry/registries",),
    "create-the-cluster": ("Databricks cluster start",),
    "install-the-library": ("Databricks library install",),
    "let-yourself-write-to-the-lake": ("role assignment",),
    "create-the-service-principal": ("application",),
    "give-it-access-to-the-files": ("role assignment",),
    # The role is given in the step before, which does not wait for it: nobody else needs it.
    "verify-that-it-can-sign-in": ("role assignment",),
    "let-yourself-write-secrets": ("access policy",),
    # Databricks' own policy is added with the scope, in the step before.
    "verify-the-secrets-in-the-scope": ("access policy",),
}
"""What each step has to wait for, one after the other: rows of the practice cloud's `clock.DURATIONS`."""


def critical_path() -> tuple[float, list[str]]:
    """Return the length of the longest chain of waits, and its steps."""

    def nowhere() -> Endpoints:
        raise AssertionError("the graph is read from the documents")

    with home() as folder:
        wizard = open_wizard(
            home=Home(folder / "config", folder / "state"),
            cloud="practice",
            profile="default",
            connect=nowhere,
            defaults=PRACTICE_DEFAULTS,
        )
        targets = wizard.with_needs(wizard.targets(SECTIONS))
        ends: dict[str, tuple[float, list[str]]] = {}
        for target in targets:
            before = [ends[need] for need in wizard.graph.needs(target) if need in ends]
            longest, steps = max(before, key=lambda each: each[0], default=(0.0, []))
            own = sum(DURATIONS[row].seconds for row in WAITS.get(target.step.id, ()))
            ends[target.key] = (longest + own, [*steps, f"{target.key} {own:.0f}"] if own else steps)
    return max(ends.values(), key=lambda each: each[0])


def wall_time(speed: float) -> float:
    """Return how long a solve of everything takes, in Azure's seconds."""
    with home() as folder:
        for words in (["practice", "start"], ["--practice", "solve", "set-up", "--yes"]):
            subprocess.run([*WIZARD, *words], env=environment(folder), capture_output=True, check=True)
        subprocess.run(
            [*WIZARD, "practice", "set", "--speed", str(speed)],
            env=environment(folder),
            capture_output=True,
            check=True,
        )
        began = time.perf_counter()
        done = subprocess.run(
            [*WIZARD, "--practice", "solve", *SECTIONS, "--yes"],
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        taken = time.perf_counter() - began
        if done.returncode:
            raise SystemExit(f"the solve failed:\n{done.stdout}{done.stderr}")
    return taken * speed


def whole_lab(speed: float) -> tuple[float, float]:
    """Do the whole lab in one command, and return the seconds that it took, and those of its critical path."""
    with home() as folder:
        # Without a container engine: others use the same one.
        variables = {**environment(folder), "DOCKER_HOST": "tcp://127.0.0.1:1"}
        for name, value in (("user.name", "Alex"), ("user.email", "alex@practice.example")):
            subprocess.run(["git", "config", "--global", name, value], env=variables, check=True)
        command = [*WIZARD, "--practice", "--practice-speed", str(speed), "solve", "--all", "--yes"]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"the whole lab failed:\n{done.stdout}{done.stderr}")
    found = (re.search(rf"^{what} (\d+\.\d) s", done.stdout, re.M) for what in ("wall time", "critical path"))
    wall, path = (float(each[1]) if each else 0.0 for each in found)
    steps = done.stdout.partition("Critical path\n")[2].partition("critical path")[0]
    print(f"{done.stdout.splitlines()[-1]}\n{steps}", flush=True)
    return wall, path


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=20.0, help="how much faster than real life")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    path, steps = critical_path()
    print(f"critical path {path:.0f} s: {', then '.join(steps)}", flush=True)
    walls = [wall_time(options.speed) for _ in range(options.runs)]
    wall = statistics.median(walls)
    print(f"wall time {wall:.0f} s at speed {options.speed:g} (runs: {', '.join(f'{each:.0f}' for each in walls)})")
    print(
        f"{'ok  ' if wall / path <= BUDGET else 'OVER'} wall time over critical path {wall / path:.2f}, budget {BUDGET}"
    )
    whole, longest = whole_lab(options.speed)
    fits = whole / longest <= WHOLE_BUDGET
    print(
        f"{'ok  ' if fits else 'OVER'} the whole lab: wall time {whole:.0f} s, critical path {longest:.0f} s, "
        f"{whole / longest:.2f}, budget {WHOLE_BUDGET}"
    )
    return 0 if wall / path <= BUDGET and fits else 1


if __name__ == "__main__":
    raise SystemExit(main())
