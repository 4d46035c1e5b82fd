"""A machine with a practice cloud that outlives every wizard on it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hol_wizard.practice.process import launch
from tests import contracts
from tests.end_to_end.conftest import Machine
from tests.end_to_end.warm import Command, Warm
from tests.practice_cloud import PracticeCloud

Process = subprocess.Popen[str] | Command
SEED = "HOL_WIZARD_TEST_SEED"
"""Environment variable that plays a run of kills again."""
_GIVEN_SEED = os.environ.get(SEED)
"""Its value, read before a test's fixtures take the wizard's variables away."""


@dataclass
class _Aim:
    """When a run is killed. A run that has ended before its kill makes the next kill of its kind come earlier."""

    lines: int
    """How many lines a run writes at most before it is killed."""
    pause: float = 0.3
    """Seconds at most between the last of them and the kill."""
    duration: float = 2.5
    """Seconds from its beginning in which a run is killed that is killed at any moment."""

    def pick(self, moments: random.Random, *, at_any_moment: bool) -> tuple[int, float]:
        """Return how many lines a run writes, and the seconds from then until it is killed."""
        lines, pause = moments.randint(1, self.lines), moments.random()
        return (0, pause * self.duration) if at_any_moment else (lines, pause * self.pause)

    def missed(self, lines: int, seconds: float) -> None:
        """Take into account a run that ended by itself: the lines that it wrote, and how long it took."""
        self.lines = max(1, min(self.lines, lines - 1))
        self.pause /= 2
        self.duration = seconds


@dataclass
class Ground:
    """A machine, and a practice cloud that outlives every wizard on it."""

    machine: Machine
    cloud: PracticeCloud
    _warm: Warm | None = None

    @property
    def ledger_file(self) -> Path:
        return self.machine.home / "state" / "practice" / "default" / "ledger.jsonl"

    def start(self, *words: str) -> Process:
        if not hasattr(os, "fork"):
            return self.machine.start("--practice", *words)
        if self._warm is None:
            # Not before the first command: many tests of the screen begin none.
            self._warm = Warm(self.machine.home, self.machine.environment)
        return self._warm.start(["--practice", *words], self.machine.environment)

    def empty(self, speed: float) -> None:
        """Make machine and cloud as empty as they were at the beginning: no wizard has been here."""
        self.cloud.control.clear_faults()
        self.cloud.control.reset()
        self.cloud.control.settings(speed=speed)
        self.machine.more.clear()
        shutil.rmtree(self.machine.home / "config", ignore_errors=True)
        for name in ("default", "azure"):
            shutil.rmtree(self.cloud.state / name, ignore_errors=True)
        (self.cloud.state / "databrickscfg").unlink(missing_ok=True)
        shutil.rmtree(self.machine.home / "state" / "log", ignore_errors=True)

    def end(self) -> None:
        """End what begins the wizards; those that were begun go on."""
        if self._warm is not None:
            self._warm.end()

    def run(self, *words: str, timeout: float = 100) -> subprocess.CompletedProcess[str]:
        process = self.start(*words)
        out, err = process.communicate(timeout=timeout)
        assert process.returncode is not None
        return subprocess.CompletedProcess(words, process.returncode, out, err)

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
        if not self.ledger_file.exists():
            return []
        found = []
        for line in self.ledger_file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # a kill in the middle of a write
        return found

    def kill_again_and_again(
        self,
        sections: Sequence[str],
        *,
        kills: int,
        lines: int,
        number: int = 0,
        pause: float = _Aim.pause,
        torn_down: Sequence[str] = (),
        killed: Callable[[], None] = lambda: None,
    ) -> Iterator[str]:
        """Solve the sections and tear them down, in turn, killed again and again; end torn down.

        Two of three kills hit a solve. Most come when the run has written a random number of lines into the ledger, and
        a moment later, however long a busy machine takes to come to that; every fourth comes at any moment.

        Args:
            sections: What is solved.
            kills: SIGKILLs in all.
            lines: How many a run writes at most before it is killed; a few of all that it has to write.
            number: Tells runs with the same seed apart.
            pause: Seconds at most between the last of them and the kill.
            torn_down: What is torn down; empty: everything.
            killed: Is called right after each kill: nothing of the killed run may go on.

        Yields:
            `solve` or `teardown`, each time that one has come to its end.
        """
        moments = _moments(number)
        left = {"solve": kills - kills // 3, "teardown": kills // 3}
        aims = {doing: _Aim(lines, pause) for doing in left}
        at_work, ends, doing = 0, 0, "solve"
        while any(left.values()) or doing == "teardown":
            before, begun = self._lines(), time.monotonic()
            process = self.start(doing, *(sections if doing == "solve" else torn_down), "--yes")
            wait = 90.0
            if left[doing]:
                fourth = sum(left.values()) % 4 == 2
                written, wait = aims[doing].pick(moments, at_any_moment=fourth)
                self._until_written(process, before + written)
            try:
                out, err = process.communicate(timeout=wait)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                killed()
                left[doing] -= 1
                ledger = self.ledger()
                at_work += len(ledger) > before
                facts = Counter(entry["fact"] for entry in ledger)
                print(f"{doing} killed after {len(ledger) - before} lines: {dict(sorted(facts.items()))}")  # noqa: T201
                if not any(left.values()):
                    doing = "teardown"  # what the last solve has begun goes as well
                continue
            assert process.returncode == 0, f"{doing}: {out}\n{err}"
            ends += 1
            assert ends < 4 * kills, "a run ends at once and does nothing"
            aims[doing].missed(self._lines() - before, time.monotonic() - begun)
            yield doing
            doing = "teardown" if doing == "solve" else "solve"
        print(f"{at_work} of {kills} kills came while something was written")  # noqa: T201
        assert at_work * 2 >= kills, f"only {at_work} of {kills} kills came while something was written"

    def kill_each_run(self, targets: Sequence[str], *, rounds: int, kills: int, lines: int) -> Iterator[str]:
        """Solve the targets and tear them down, in turn, each killed some times before it comes to its end.

        Args:
            targets: What is solved and torn down.
            rounds: Of a solve and a teardown.
            kills: SIGKILLs before each of them.
            lines: Ledger lines that a run writes at most before it is killed.

        Yields:
            `solve` or `teardown`, each time that one has come to its end.
        """
        moments, hits = _moments(), 0
        for _ in range(rounds):
            for doing in ("solve", "teardown"):
                hits += sum(self._killed(doing, targets, moments, lines) for _ in range(kills))
                done = self.run(doing, *targets, "--yes")
                assert done.returncode == 0, done.stdout + done.stderr
                yield doing
        facts = Counter(entry["fact"] for entry in self.ledger())
        print(f"{hits} of {rounds * kills * 2} kills hit a run; {dict(sorted(facts.items()))}")  # noqa: T201
        assert hits > rounds

    def _killed(self, doing: str, targets: Sequence[str], moments: random.Random, lines: int) -> bool:
        """Kill a run when it has written some lines into the ledger; return whether it was still running."""
        process, before = self.start(doing, *targets, "--yes"), len(self.ledger())
        written, end = moments.randint(1, lines), time.monotonic() + 60
        while process.poll() is None and len(self.ledger()) < before + written:
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(moments.random() * 0.1)
        alive = process.poll() is None
        process.kill()
        process.communicate()
        return alive

    def _lines(self) -> int:
        return self.ledger_file.read_bytes().count(b"\n") if self.ledger_file.exists() else 0

    def _until_written(self, process: Process, lines: int) -> None:
        end = time.monotonic() + 30
        while process.poll() is None and self._lines() < lines and time.monotonic() < end:
            time.sleep(0.01)

    @classmethod
    @contextmanager
    def of(cls, machine: Machine, speed: float) -> Iterator[Ground]:
        """Start the machine's practice cloud, and hold what passed to the official descriptions at the end."""
        state = machine.home / "state" / "practice"
        log = machine.home / "exchanges.jsonl"
        log.parent.mkdir(parents=True)
        endpoints = launch.start(state, speed=speed, keep=True, log_exchanges=log)
        cloud = PracticeCloud(state, endpoints, launch.ControlClient(endpoints), log)
        cloud.control.settings(approval_seconds=0)
        made = cls(machine, cloud)
        try:
            yield made
        finally:
            made.end()
        launch.stop(state)
        contracts.assert_valid(cloud.exchanges())


def _moments(number: int = 0) -> random.Random:
    """Return what picks the moments of kills; the seed that it prints plays a failed run again."""
    seed = int(_GIVEN_SEED or random.SystemRandom().randrange(1_000_000))
    print(f"\nround {number}: {SEED}={seed}")  # noqa: T201
    return random.Random(seed + number)  # noqa: S311 it only picks moments


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
