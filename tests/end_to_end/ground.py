"""A machine with a practice cloud that outlives every wizard on it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hol_wizard.practice.process import launch
from tests import contracts
from tests.end_to_end.conftest import Machine
from tests.practice_cloud import PracticeCloud

SEED = "HOL_WIZARD_TEST_SEED"
"""Environment variable that plays a run of kills again."""
_GIVEN_SEED = os.environ.get(SEED)
"""Its value, read before a test's fixtures take the wizard's variables away."""


@dataclass
class Ground:
    """A machine, and a practice cloud that outlives every wizard on it."""

    machine: Machine
    cloud: PracticeCloud

    def start(self, *words: str) -> subprocess.Popen[str]:
        return self.machine.start("--practice", *words)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.machine.run("--practice", *words)

    def commits(self) -> list[str]:
        """Return the subjects of the commits in the practice cloud's newest repository."""
        found = sorted((self.cloud.state / "git").glob("*.git"), key=lambda each: each.stat().st_mtime)
        told = subprocess.run(
            ["git", "--git-dir", str(found[-1]), "log", "--format=%s", "--all"],
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.splitlines()

    def ledger(self) -> list[dict[str, str]]:
        path = self.machine.home / "state" / "practice" / "default" / "ledger.jsonl"
        if not path.exists():
            return []
        found = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # a kill in the middle of a write
        return found

    def kill_again_and_again(
        self, sections: Sequence[str], *, kills: int, shortest: float, longest: float, number: int = 0
    ) -> None:
        """Solve the sections and tear everything down, in turn, each run killed after a random time; end torn down.

        At least a quarter of the kills come after the run has begun to write: the others prove nothing.

        Args:
            sections: What is solved.
            kills: SIGKILLs in all.
            shortest: Seconds that a run usually needs before it writes.
            longest: Seconds that it has at most.
            number: Tells runs with the same seed apart.
        """
        seed = int(_GIVEN_SEED or random.SystemRandom().randrange(1_000_000))
        moments = random.Random(seed + number)  # noqa: S311 it only picks moments
        print(f"\nround {number}: {SEED}={seed}")  # noqa: T201 to play a failed run again
        killed, at_work, ends, solving = 0, 0, 0, True
        while killed < kills or not solving:
            assert ends < 2 * kills, "a run ends at once and does nothing"
            words = ("solve", *sections, "--yes") if solving else ("teardown", "--yes")
            before = len(self.ledger())
            process = self.start(*words)
            if killed == kills:
                moment = 90.0
            else:
                moment = moments.uniform(shortest, longest)
                # One in four at any moment; the others some time after the run has begun to write, however long a busy
                # machine takes to come to that.
                if moments.random() > 0.25:
                    self._until_written(process, before)
                    moment -= shortest
            try:
                out, err = process.communicate(timeout=moment)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed += 1
                ledger = self.ledger()
                at_work += len(ledger) > before
                facts = Counter(entry["fact"] for entry in ledger)
                print(f"kill {killed} after {moment:.2f} s of {words[0]}: {dict(sorted(facts.items()))}")  # noqa: T201
                continue
            assert process.returncode == 0, f"{words}: {out}\n{err}"
            ends += 1
            solving = not solving
        print(f"{at_work} of {kills} kills came while something was written")  # noqa: T201
        assert at_work * 4 >= kills, f"only {at_work} of {kills} kills came while something was written"

    def _until_written(self, process: subprocess.Popen[str], before: int) -> None:
        end = time.monotonic() + 30
        while process.poll() is None and len(self.ledger()) == before and time.monotonic() < end:
            time.sleep(0.02)

    @classmethod
    @contextmanager
    def of(cls, machine: Machine, speed: float) -> Iterator[Ground]:
        """Start the machine's practice cloud, and hold what passed to the official descriptions at the end."""
        state = machine.home / "state" / "practice"
        log = machine.home / "exchanges.jsonl"
        log.parent.mkdir(parents=True)
        endpoints = launch.start(state, speed=speed, keep=True, log_exchanges=log)
        cloud = PracticeCloud(state, endpoints, launch.ControlClient(endpoints), log)
        yield cls(machine, cloud)
        launch.stop(state)
        contracts.assert_valid(cloud.exchanges())


def made_twice(exchanges: list[dict[str, Any]]) -> list[str]:
    """Return what was asked for again although it had been asked for and not been deleted since."""
    standing: set[str] = set()
    twice = []
    for exchange in exchanges:
        path = str(exchange["url"]).partition("?")[0].partition("/subscriptions/")[2].lower()
        refused = exchange["status"] is not None and exchange["status"] >= 400
        managed = exchange["service"] == "resource_manager"
        if refused or not managed or exchange["method"] not in {"PUT", "DELETE"}:
            continue
        before, policies, operation = path.partition("/accesspolicies/")
        if policies:
            whose = [each["objectId"] for each in exchange["request_body"]["properties"]["accessPolicies"]]
            path = f"{before}{policies}{','.join(whose)}"
        if exchange["method"] == "DELETE" or operation == "remove":
            standing = {each for each in standing if not f"{each}/".startswith(f"{path}/")}
        elif path in standing:
            twice.append(path)
        else:
            standing.add(path)
    return twice
