"""Secrets that pass through a whole session, and the search for them in everything that is left behind or shown."""

from __future__ import annotations

import base64
import configparser
import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from hol_wizard.cli.vocabulary import PRACTICE_DEFAULTS
from hol_wizard.paths import Home
from hol_wizard.practice.process import launch
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.secrets import Secret, SecretStore
from hol_wizard.tui.app import HolWizardApp
from hol_wizard.wizard.facade import Wizard, open_wizard
from tests.practice.conftest import Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.tui.looking import at_rest, seen, until, until_seen

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
LISTENER = Path(__file__).parent / "listener"
WRONG_SECRET = "canary-wrong-7f3c5b1e-secret"  # noqa: S105 that is the point
TOKEN_CACHE = {"msal_token_cache.json", "msal_token_cache.bin"}
"""Where the session that is shared with `az` keeps tokens, as `az` itself does."""
CLOUD_DATABASE = {f"{launch.DATABASE_FILE}{ending}" for ending in ("", "-wal", "-shm")}


@dataclass
class Session:
    """A machine with a practice cloud, and all that its wizards have said and started."""

    home: Path
    said: list[str] = field(default_factory=list)
    started: set[str] = field(default_factory=set)
    environments: set[tuple[str, str]] = field(default_factory=set)
    """The wizard's child processes, each with the values of the variables that it got."""

    @property
    def started_programs(self) -> Path:
        """What the wizards of this machine have started, as `tests/listener` writes it down."""
        return self.home.with_name("started-programs.jsonl")

    @property
    def practice(self) -> Path:
        return self.home / "state" / "practice"

    @property
    def endpoints(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.practice / launch.ENDPOINTS_FILE).read_text(encoding="utf-8"))
        return content

    def run(self, *words: str, **variables: str) -> int:
        """Run a command at its most talkative, and keep what it says and which processes it starts."""
        own = {"HOL_WIZARD_HOME": str(self.home), "HOL_WIZARD_DEBUG": "1"}
        own |= {
            "PYTHONPATH": os.pathsep.join((str(LISTENER), str(ROOT))),
            "STARTED_PROGRAMS": str(self.started_programs),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "hol_wizard", *words],
            env={**os.environ, **own, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(process.pid, over))
        watch.start()
        try:
            out, _ = process.communicate(timeout=100)
        finally:
            over.set()
            watch.join()
        self.said.append(out)
        if self.started_programs.is_file():
            for line in self.started_programs.read_text(encoding="utf-8").splitlines():
                started, values = json.loads(line)
                self.started.add(started)
                self.environments.add((started, values))
        return process.returncode

    # What the wizard starts itself is written down without fail; what these programs start is looked for.
    def _watch(self, pid: int, over: threading.Event) -> None:
        while not over.is_set():
            try:
                own = psutil.Process(pid)
                for process in (own, *own.children(recursive=True)):
                    self.started.add(" ".join(process.cmdline()))
                    # Between fork and exec a child still shows what its parent has.
                    if process.pid != pid and process.cmdline() != own.cmdline():
                        self.environments.add((" ".join(process.cmdline()), " ".join(process.environ().values())))
            except psutil.Error:
                # It has ended, or this child has.
                time.sleep(0)
            # Each look reads the whole table of processes: without a rest it takes a core for itself.
            over.wait(0.03)

    def tokens(self) -> set[str]:
        """Return the tokens that the practice cloud has given to the person's session."""
        found = set()
        for name in TOKEN_CACHE:
            for file in self.home.rglob(name):
                for entries in json.loads(file.read_text(encoding="utf-8")).values():
                    found |= {entry["secret"] for entry in entries.values() if "secret" in entry}
        return found

    def assert_nowhere(
        self, canary: str, *, but_in: frozenset[str] | set[str] = frozenset(), programs: str = "nothing"
    ) -> None:
        """Fail where a secret is found in a file, an output, a process's arguments or variables; never show the secret.

        Args:
            canary: The secret.
            but_in: Names of the files that may have it.
            programs: A pattern for the commands whose variables may have it.
        """
        places = [
            file.relative_to(self.home).as_posix()
            for file in self.home.rglob("*")
            if file.is_file() and file.name not in but_in and canary.encode() in file.read_bytes()
        ]
        places += [f"output {number}" for number, text in enumerate(self.said) if canary in text]
        places += ["arguments of a process" for words in self.started if canary in words]
        places += [
            f"the variables of: {words}"
            for words, values in self.environments
            if canary in values and not re.search(programs, words)
        ]
        assert not places, f"a secret stands in {places}"

    def wizard(self, **variables: str) -> Wizard:
        """Return a wizard over the same files, for the screens."""
        return open_wizard(
            home=Home(self.home / "config", self.home / "state"),
            cloud="practice",
            profile="default",
            connect=lambda: Endpoints.of_file(self.practice / launch.ENDPOINTS_FILE),
            flags={},
            environ=variables,
            defaults=PRACTICE_DEFAULTS,
        )


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    made = Session(tmp_path / "home")
    log = made.home / "exchanges.jsonl"
    endpoints = launch.start(made.practice, speed=6000, log_exchanges=log, linger=5)
    launch.ControlClient(endpoints).settings(approval_seconds=0)
    with launch.Lease(endpoints):
        yield made
    launch.stop(made.practice)


async def look_around(session: Session, wizard: Wizard) -> None:
    """Walk through the screens and keep what they show."""
    app = HolWizardApp(wizard, resume=wizard.find_section("set-up"))
    async with app.run_test(size=(160, 50)) as pilot:
        await at_rest(pilot)
        await pilot.press("C")
        await at_rest(pilot)
        for key in ("down", "down", "down"):
            session.said.append(seen(app) + app.export_screenshot())
            await pilot.press(key)
        await pilot.press("d")
        await until_seen(pilot, "Sign-in")
        await pilot.pause(1.0)
        session.said.append(seen(app) + app.export_screenshot())
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 2)
    wizard.close()


async def test_tokens_of_a_person_stand_in_the_shared_session_only(session: Session) -> None:
    assert session.run("--practice", "solve", "workspace-resources", "--yes") == 0, session.said[-1]
    assert session.run("--practice", "--check", "workspace-resources", "--format", "json") == 0
    report = str(session.home / "report.xml")
    assert session.run("--practice", "--check", "set-up", "--format", "junit", "--output", report) == 0
    session.run("--practice", "doctor", "--format", "json")
    session.run("practice", "status")
    await look_around(session, session.wizard())
    tokens = session.tokens()
    assert len(tokens) >= 3
    for token in tokens:
        session.assert_nowhere(token, but_in=TOKEN_CACHE)
        # Not in part either: the end of a token is what proves it.
        session.assert_nowhere(token[-24:], but_in=TOKEN_CACHE)


async def test_the_secret_of_a_service_principal_stands_nowhere(session: Session) -> None:
    given = session.endpoints["service_principal"]
    variables = {f"AZURE_{name.upper()}": given[name] for name in ("client_id", "client_secret")}
    variables["AZURE_TENANT_ID"] = given["tenant"]
    assert session.run("--practice", "solve", "resource-groups", "--yes", **variables) == 0, session.said[-1]
    assert session.run("--practice", "--check", "resource-groups", **variables) == 0, session.said[-1]
    session.run("--practice", "doctor", **variables)
    assert any(words.endswith("git version") for words in session.started)
    # The practice cloud knows it, of course: it is the one that has given it.
    session.assert_nowhere(given["client_secret"], but_in={launch.ENDPOINTS_FILE, *CLOUD_DATABASE})
    assert not session.tokens()

    session.run("--practice", "--check", "set-up", **{**variables, "AZURE_CLIENT_SECRET": WRONG_SECRET})
    assert "client secret is wrong" in session.said[-1]
    session.assert_nowhere(WRONG_SECRET)


async def test_a_failing_screen_does_not_show_the_secret(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    given = session.endpoints["service_principal"]
    monkeypatch.setenv("AZURE_CLIENT_ID", given["client_id"])
    monkeypatch.setenv("AZURE_TENANT_ID", given["tenant"])
    monkeypatch.setenv("AZURE_CLIENT_SECRET", WRONG_SECRET)
    await look_around(session, session.wizard(**os.environ))
    session.assert_nowhere(WRONG_SECRET)


INFRASTRUCTURE = (
    *("resource-groups", "workspace-resources", "cluster", "initial-data"),
    *("databricks-access", "service-principal", "secrets"),
)


def secrets_that_were_made(session: Session) -> dict[str, str]:
    """Return the values that nobody but their owners may see: client secrets in the vaults, tokens in the profiles."""
    cloud = PracticeCloud(
        session.practice, session.endpoints, launch.ControlClient(session.endpoints), session.home / "exchanges.jsonl"
    )
    arm = Arm(cloud, user_token(cloud))
    vaults = arm.ask("GET", "/providers/Microsoft.KeyVault/vaults", version="2026-02-01").json()["value"]
    arm.http.headers["Authorization"] = f"Bearer {user_token(cloud, scope='https://vault.azure.net/.default')}"
    found = {}
    for vault in vaults:
        answer = arm.http.get(f"{vault['properties']['vaultUri']}secrets/sp-password?api-version=7.4", timeout=10)
        if answer.status_code == 200:
            found[f"{vault['name']}/sp-password"] = str(answer.json()["value"])
    profiles = configparser.ConfigParser()
    profiles.read(session.endpoints["databricks_config_file"], encoding="utf-8")
    return {**found, **{f"{name}/token": profiles[name]["token"] for name in profiles.sections()}}


def documents_with(session: Session, canary: str) -> set[str]:
    """Return the collections of the practice cloud's database in which a secret stands."""
    with contextlib.closing(sqlite3.connect(session.practice / launch.DATABASE_FILE)) as database:
        rows = database.execute("SELECT DISTINCT collection FROM documents WHERE instr(body, ?)", (canary,))
        return {str(collection) for (collection,) in rows}


@pytest.mark.timeout(300)
async def test_secrets_that_are_made_are_where_they_belong_and_nowhere_else(session: Session) -> None:
    """Client secrets, and an access token that a person wanted in clear in the CLI's profile, but nowhere else."""
    insisted = ("--token-in-profile", "yes")
    assert session.run("--practice", "solve", *INFRASTRUCTURE, *insisted, "--yes") == 0, session.said[-1]
    session.run("--practice", "--check", *INFRASTRUCTURE, "--format", "json")
    session.run("--practice", "--check", *INFRASTRUCTURE, "--output", str(session.home / "report.txt"))
    session.run("--practice", "doctor", "--format", "json")
    session.run("--practice", "cost")
    await look_around(session, session.wizard())
    canaries = secrets_that_were_made(session)
    profiles = Path(session.endpoints["databricks_config_file"]).name
    assert sorted(name.partition("/")[2] for name in canaries) == ["sp-password", "sp-password", "token", "token"]
    for name, canary in canaries.items():
        # The practice cloud's vaults have them, of course, and nothing else of it.
        places = {profiles} if name.endswith("token") else CLOUD_DATABASE
        session.assert_nowhere(canary, but_in=places)
        session.assert_nowhere(canary[-16:], but_in=places)
        assert {name for name in documents_with(session, canary) if not name.startswith("vault_")} == set()
    assert session.run("--practice", "teardown", "--yes") == 0, session.said[-1]
    for canary in canaries.values():
        session.assert_nowhere(canary, but_in=CLOUD_DATABASE)
        assert documents_with(session, canary) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
def test_files_with_secrets_are_for_their_owner_only(session: Session) -> None:
    assert session.run("--practice", "solve", "set-up", "--yes") == 0, session.said[-1]
    files = [file for file in session.home.rglob("*") if file.name in TOKEN_CACHE | CLOUD_DATABASE | {"endpoints.json"}]
    assert len(files) >= 3
    # Whoever may not enter the folder cannot read what is in it.
    open_to_others = [file.name for file in files if file.stat().st_mode & 0o077]
    assert not [name for name in open_to_others if session.practice.stat().st_mode & 0o077]


@pytest.mark.keyring
def test_a_secret_in_the_keyring_stands_there_only(session: Session) -> None:
    store = SecretStore("practice", "default")
    store.set("canary", Secret(WRONG_SECRET))
    try:
        session.run("--practice", "solve", "set-up", "--yes")
        session.run("--practice", "--check", "set-up")
        session.run("--practice", "doctor")
        session.assert_nowhere(WRONG_SECRET)
    finally:
        store.delete("canary")


def a_token(session: Session, scope: str) -> str:
    """Return a personal access token of Azure DevOps, made as a person makes one on its page."""
    return str(launch.ControlClient(session.endpoints).devops_token("practice", scope)["token"])


@pytest.mark.timeout(300)
def test_a_token_of_azure_devops_stands_nowhere(session: Session) -> None:
    """One that a variable gives, through everything that it opens: project, repository, branch, clone and push."""
    token = a_token(session, "app_token")
    words = ("--devops-sign-in", "token", "--clone-folder", str(session.home / "clone"))
    sections = ("devops-project", "scientist-setup")
    assert session.run("--practice", "solve", *sections, *words, "--yes", HOL_WIZARD_DEVOPS_TOKEN=token) == 0, (
        session.said[-1]
    )
    assert (session.home / "clone" / ".git").is_dir()
    assert any("git push" in started for started in session.started)
    report = str(session.home / "report.xml")
    session.run("--practice", "--check", *sections, *words, "--output", report, HOL_WIZARD_DEVOPS_TOKEN=token)
    session.run("--practice", "doctor", *words, AZURE_DEVOPS_EXT_PAT=token)
    session.assert_nowhere(token, but_in=CLOUD_DATABASE)
    # git gets it as the answer to its question, and not by its variables as the header that it sends.
    session.assert_nowhere(base64.b64encode(f":{token}".encode()).decode(), but_in=CLOUD_DATABASE)


FOREIGN = (
    *("ARM_CLIENT_SECRET", "GITHUB_TOKEN", "DB_PASSWORD", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY"),
    *("SYSTEM_ACCESSTOKEN", "DOCKER_AUTH_CONFIG", "DATABRICKS_TOKEN", "ANYTHING_AT_ALL", "HOL_WIZARD_OTHER_TOKEN"),
    *("GIT_CONFIG_PARAMETERS", "GIT_CONFIG_VALUE_0", "AZURE_CLIENT_SECRET"),
)
"""Variables with something of other programs, or of the wizard's own sign-in."""


@pytest.mark.timeout(300)
def test_no_program_gets_what_is_for_another(session: Session, tmp_path: Path) -> None:
    """git, docker, az, databricks, the practice cloud and what it starts, and what libraries start by themselves."""
    canaries = {name: f"canary-of-{name}-9e1c" for name in FOREIGN}
    # What stands in for the tools that are not on this machine; what counts is how they are started.
    fakes = tmp_path / "bin"
    fakes.mkdir()
    for name in ("docker", "az", "databricks"):
        (fakes / name).write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
        (fakes / name).chmod(0o755)
    told = {**canaries, "PATH": f"{fakes}{os.pathsep}{os.environ['PATH']}"}
    launch.stop(session.practice)
    words = ("--clone-folder", str(session.home / "clone"))
    everything = ("devops-project", "scientist-setup")
    assert session.run("--practice", "solve", *everything, *words, "--yes", **told) == 0, session.said[-1]
    session.run("--practice", "--check", "tools", *everything, *words, **told)
    session.run("--practice", "doctor", **told)
    session.run("--practice", "teardown", *words, "--yes", **told)
    programs = [Path(words.split(" ")[0]).name for words in session.started if words]
    for program in ("git", "docker", "az", "databricks"):
        assert program in programs
    assert any("hol_wizard.practice serve" in words for words in session.started)
    for canary in canaries.values():
        session.assert_nowhere(canary)
