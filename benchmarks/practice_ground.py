"""A machine with a practice cloud of its own on which drivers break things, and what has to hold there afterwards.

The contents of the practice cloud are read from its database, so every kind of resource counts, including those that no
service lists. What somebody else created exists from the beginning and must be unchanged at the end.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from tests.practice.conftest import GRAPH, STORAGE_BODY, Arm, provider, session, user_token
from tests.practice.test_devops import as_user
from tests.practice_cloud import PracticeCloud

ROOT = Path(__file__).parents[1]
WIZARD = [sys.executable, "-m", "hol_wizard"]
WHOLE = ("solve", "--all", "--yes")
"""The whole lab, with the parts of people."""
NO_ENGINE = "tcp://127.0.0.1:1"
"""A container engine that does not respond: then the containers are practiced without one, which is faster."""
SPEED = "600"
LONGEST = 300.0
"""Seconds that any command may take."""
BROKEN = ("Traceback", "stumbled")

Key = tuple[str, str]
VOLATILE = frozenset(
    {"tokens", "sign_ins", "operations", "devops_operations", "providers", "settings", "faults", "databricks_events"}
    | {"file_systems_leaving", "deleted_directory_objects", "devops_deleted_projects", "vault_secrets"}
    | {"devops_pipeline_consents", "devops_queues", "devops_test_results", "registry_tokens"}
    | {"timelines", "timeline_records"}
)
"""Collections that grow by looking and by waiting, and what stays of deleted things; looked at one by one below."""
WORK = frozenset({"databricks_contexts", "jobs", "job_records"})
"""What runs on a cluster and goes with it: a cloud that is killed over a command has its context afterwards."""
FOREIGN_PROFILE = "; kept by hand\n[mine]\nhost  =  https://adb-7.7.azuredatabricks.net  ; not the lab's\n\n# end\n"


class WrongError(AssertionError):
    """Something does not hold; the message says what."""


@dataclass
class Done:
    """A command that has ended."""

    words: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    def __str__(self) -> str:
        tail = "\n".join((self.out + self.err).splitlines()[-60:])
        return f"`{' '.join(self.words)}` ended with {self.code} after {self.seconds:.1f} s:\n{tail}"


@dataclass
class Ground:
    """A machine and its practice cloud."""

    home: Path
    log: Path | None = None
    """Where the practice cloud logs each exchange."""
    baseline: dict[Key, str] = field(default_factory=dict)
    """What stands there before the wizard's first start."""
    reference: Counter[str] = field(default_factory=Counter)
    """How many of each kind stand after a solve that nothing disturbs."""
    usual: float = 0.0
    """Seconds that such a solve takes."""
    problems: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """The practice cloud's folder."""
        return self.home / "wizard" / "state" / "practice"

    @property
    def environment(self) -> dict[str, str]:
        """Variables of a command: nothing of the person's own, no keyring."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        person = {f"GIT_{who}_NAME": "Alex" for who in ("AUTHOR", "COMMITTER")}
        person |= {f"GIT_{who}_EMAIL": "alex@practice.example" for who in ("AUTHOR", "COMMITTER")}
        own = {
            "HOME": str(self.home),
            "HOL_WIZARD_HOME": str(self.home / "wizard"),
            "HOL_WIZARD_CLONE_FOLDER": str(self.home / "work" / "practice-hol"),
            "HOL_WIZARD_TOKEN_IN_PROFILE": "yes",
            "PYTHONPATH": str(ROOT),
            "DOCKER_HOST": NO_ENGINE,
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        }
        return {**kept, **person, **own}

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command of the wizard."""
        return subprocess.Popen(
            [*WIZARD, "--practice", "--practice-speed", SPEED, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def end(self, process: subprocess.Popen[str], words: tuple[str, ...], began: float) -> Done:
        """Wait for a command, and note what no command may do."""
        try:
            out, err = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)
            out, err = process.communicate()
            self.problems.append(f"`{' '.join(words)}` did not end within {LONGEST:.0f} s\n{out}{err}")
        done = Done(words, process.returncode, out, err, time.monotonic() - began)
        self.look_for_breaks(done)
        return done

    def run(self, *words: str) -> Done:
        """Run a command of the wizard to its end."""
        began = time.monotonic()
        return self.end(self.start(*words), words, began)

    def look_for_breaks(self, done: Done) -> None:
        """Note a traceback, or a word that the wizard says of its own defects, also in the log."""
        said = done.out + done.err
        if any(word in said for word in BROKEN):
            self.problems.append(f"it broke: {done}")
        log = self.home / "wizard" / "state" / "log" / "hol-wizard.log"
        text = log.read_text("utf-8", "replace") if log.exists() else ""
        found = [line for line in text.splitlines() if " CRITICAL " in line]
        if found:
            self.problems.append(f"the log has: {found[-1]}; {done}")
            log.unlink()

    def solve(self) -> Done:
        """Solve the whole lab."""
        return self.run(*WHOLE)

    def teardown(self) -> Done:
        """Tear everything down."""
        return self.run("teardown", "--yes")

    def check(self) -> tuple[Done, dict[str, dict[str, Any]]]:
        """Check the whole lab, and return each step's result."""
        done = self.run("--check", "--format", "json")
        try:
            return done, {each["target"]: each for each in json.loads(done.out)["results"]}
        except (ValueError, KeyError):
            self.problems.append(f"no report: {done}")
            return done, {}

    def documents(self) -> dict[Key, str]:
        """Return everything that the practice cloud holds."""
        database = sqlite3.connect(self.state / launch.DATABASE_FILE, timeout=30)
        try:
            rows = database.execute("SELECT collection, key, body FROM documents").fetchall()
        finally:
            database.close()
        # A project that was deleted goes when somebody looks after its time; what was in it is reachable no more.
        standing = {key for name, key, body in rows if name == "devops_projects" and not json.loads(body).get("gone")}
        found = {}
        for name, key, body in rows:
            value = json.loads(body) if name.startswith("devops_") else {}
            project = key if name == "devops_projects" else value.get("project")
            if name == "pipeline_runs":
                project = key.partition("/")[0]
            if (project is None or project in standing) and not value.get("deleted"):
                found[(name, key)] = body
        return found

    def counts(self) -> Counter[str]:
        """Return how many things of each kind stand, as a solve leaves them."""
        documents = self.documents()
        found = Counter(name for name, _ in documents if name not in VOLATILE | WORK)
        for (name, key), body in documents.items():
            value = json.loads(body)
            if name == "vault_secrets":
                # Each write is a version of its own.
                found[f"secret {key.rpartition('/')[0] or key}"] = 1
            elif name == "applications":
                found["passwords of applications"] += len(value.get("passwordCredentials") or [])
        return found

    def left(self) -> list[str]:
        """Return what stands that was not there at the beginning, and what was there and is gone or changed."""
        found = []
        now = self.documents()
        for key, body in now.items():
            if key in self.baseline:
                continue
            value = json.loads(body)
            is_own = key[0] == "service_principals" and value.get("displayName") == "AzureDatabricks"
            kept = key[0] == "deleted_directory_objects" and "identifierUris" not in value
            if (key[0] not in VOLATILE and not is_own) or (key[0] == "deleted_directory_objects" and not kept):
                found.append(f"left: {key[0]} {key[1]} {value.get('displayName') or value.get('name') or ''}")
            elif key[0] == "vault_secrets":
                found.append(f"left: a secret {key[1]}")
        for key, body in self.baseline.items():
            if key[0] not in VOLATILE and now.get(key) != body:
                found.append(f"{'changed' if key in now else 'gone'}: {key[0]} {key[1]}")
        if self.profiles.read_bytes() != FOREIGN_PROFILE.encode():
            found.append(f"the file of profiles is not as it was:\n{self.profiles.read_text('utf-8')}")
        if self.notes.read_text("utf-8") != "mine":
            found.append("a file beside the clone is not as it was")
        return found

    def differences(self) -> list[str]:
        """Return where what stands is not what a solve that nothing disturbs leaves."""
        now = self.counts()
        return [
            f"{name}: {now[name]}, not {self.reference[name]}"
            for name in sorted({*now, *self.reference})
            if now[name] != self.reference[name]
        ]

    @property
    def profiles(self) -> Path:
        """The file of the Databricks CLI's profiles."""
        return self.state / "databrickscfg"

    @property
    def notes(self) -> Path:
        """A file of the person's, beside the clone."""
        return self.home / "work" / "notes.txt"

    def verify_solved(self) -> None:
        """Hold that everything passes and that nothing stands twice."""
        done, results = self.check()
        bad = {key: each["summary"] for key, each in results.items() if each["status"] not in {"passed", "skipped"}}
        if done.code or bad:
            self.problems.append(f"a check after a solve that went well: exit code {done.code}, {bad}")
        if twice := self.differences():
            self.problems.append(f"after a solve: {'; '.join(twice)}")

    def verify_torn_down(self) -> None:
        """Hold that nothing of the wizard's is left, and everything of somebody else's stands."""
        if left := self.left():
            self.problems.append("after a teardown: " + "; ".join(left))

    def ledger_size(self) -> int:
        """Return how much the ledger says."""
        file = self.state / "default" / "ledger.jsonl"
        return file.stat().st_size if file.exists() else 0

    def kill_cloud(self) -> bool:
        """Kill the practice cloud, and return whether it ran."""
        said = launch.noted(self.state / launch.SERVER_LOCK_FILE)
        if not said.isdigit():
            return False
        with suppress(ProcessLookupError):
            os.kill(int(said), signal.SIGKILL)
            return True
        return False

    def cloud(self) -> PracticeCloud:
        """Return the practice cloud, started if it does not run."""
        endpoints = launch.start(self.state, speed=float(SPEED), keep=True, log_exchanges=self.log)
        return PracticeCloud(self.state, endpoints, launch.ControlClient(endpoints), self.log or self.home / "no-log")

    def settle(self) -> Done:
        """Tear down without disturbance, and hold that this leaves nothing."""
        done = self.teardown()
        if done.code:
            self.problems.append(f"a teardown that nothing disturbs: {done}")
        self.verify_torn_down()
        return done


def prepare(ground: Ground) -> None:
    """Make what is somebody else's, and learn what an undisturbed solve leaves."""
    ground.notes.parent.mkdir(parents=True)
    ground.notes.write_text("mine", "utf-8")
    cloud = ground.cloud()
    ground.profiles.write_bytes(FOREIGN_PROFILE.encode())
    cloud.register_providers()
    arm = Arm(cloud, user_token(cloud))
    arm.make_group("somebodys-group")
    arm.ask(
        "PUT",
        provider("Storage/storageAccounts", "somebodysaccount", "somebodys-group"),
        STORAGE_BODY,
        version="2023-05-01",
    )
    arm.until(provider("Storage/storageAccounts", "somebodysaccount", "somebodys-group"), "2023-05-01")
    with session(cloud) as http:
        http.headers["Authorization"] = f"Bearer {user_token(cloud, scope=GRAPH)}"
        answer = http.post(
            f"{cloud.endpoints['microsoft_graph']}/v1.0/applications", json={"displayName": "somebodys-app"}, timeout=10
        )
        assert answer.status_code == 201, answer.text
    as_user(cloud, seed.ATTENDEE.name).make("somebodys-project")
    # Whatever is being made is made by then.
    time.sleep(1.0)
    cloud.control.status()
    ground.baseline = ground.documents()
    done = ground.solve()
    if done.code:
        raise WrongError(str(done))
    ground.usual = done.seconds
    ground.reference = ground.counts()
    ground.settle()
    ground.problems = [f"without any disturbance: {each}" for each in ground.problems]


@contextmanager
def ground(*, logs: bool = False) -> Iterator[Ground]:
    """Have a prepared machine whose practice cloud is stopped at the end.

    Args:
        logs: Whether each exchange is logged.
    """
    # The practice cloud, which this program starts, runs the steps of pipelines.
    os.environ["DOCKER_HOST"] = NO_ENGINE
    with tempfile.TemporaryDirectory(prefix="hol-ground-", ignore_cleanup_errors=True) as folder:
        made = Ground(Path(folder), Path(folder) / "exchanges.jsonl" if logs else None)
        try:
            prepare(made)
            yield made
        finally:
            with suppress(launch.LaunchError):
                launch.stop(made.state)


def seeded(seed_: int | None) -> tuple[int, random.Random]:
    """Return a seed, and what picks by it."""
    number = random.SystemRandom().randrange(1_000_000) if seed_ is None else seed_
    return number, random.Random(number)  # noqa: S311 it only picks moments
