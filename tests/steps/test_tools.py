"""What is on the attendee's machine: told as it is, with what to do."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import CHECKS, SOLVES
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import ServiceError, UsageError
from hol_wizard.lab.profile import Profile
from hol_wizard.resources.context import StepContext
from hol_wizard.services.containers.engine import EngineReport
from hol_wizard.services.context import Services
from hol_wizard.services.git.program import Git, GitReport
from hol_wizard.services.identity import Account
from hol_wizard.services.programs import ProgramReport
from hol_wizard.steps import tools
from tests.steps.test_units import endpoints


@dataclass
class Probe:
    """A tool that was looked at already."""

    report: Any

    def probe(self) -> Any:
        return self.report

    def azure_cli(self) -> Any:
        return self.report

    def databricks_cli(self) -> Any:
        return self.report


def context_of(name: str, tmp_path: Path, inputs: Mapping[str, str] | None = None, **services: Any) -> StepContext:
    return StepContext(
        target=f"tools/{name}",
        environment=None,
        profile=Profile("default", "practice", tmp_path / "default.toml"),
        services=Services(endpoints()).replace(**services),
        reads=ReadCache(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        reporter=Reporter("tools", lambda event: None, threading.Event()),
        inputs=inputs or {},
    )


def look(name: str, tmp_path: Path, **services: Any) -> Result:
    return CHECKS[f"tools.{name}"].run(context_of(name, tmp_path, **services))


def test_the_python_that_runs_the_wizard_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("python", tmp_path).status is Status.PASSED
    monkeypatch.setattr(tools, "OLDEST_PYTHON", (sys.version_info[0] + 1, 0))
    result = look("python", tmp_path)
    assert result.status is Status.FAILED
    assert "newer Python" in result.next_action


@pytest.mark.parametrize(
    ("report", "status", "next_action"),
    [
        (GitReport((2, 43, 0), "Test", "test@example.com"), Status.PASSED, ""),
        (GitReport(None, problem="not found"), Status.FAILED, "Install git"),
        (GitReport(None, problem="only a placeholder: run xcode-select --install"), Status.FAILED, "Install git"),
        (GitReport((2, 25, 1), "Test", "test@example.com"), Status.FAILED, "newer git"),
        (GitReport((2, 43, 0)), Status.PASSED, ""),
    ],
)
def test_git_is_judged_by_its_version(tmp_path: Path, report: GitReport, status: Status, next_action: str) -> None:
    result = look("git", tmp_path, git=Probe(report))
    assert result.status is status
    assert next_action in result.next_action
    assert report.problem in result.summary


@dataclass
class SignedIn:
    """Who is signed in."""

    user: str = ""

    def account(self) -> Account | None:
        return Account(self.user, "tenant", "") if self.user else None


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    """Return the git of a machine that does not know who commits."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return Git()


IDENTITY = "tools.set_git_identity"


@pytest.mark.parametrize(
    ("given", "user", "known"),
    [
        ({"git_name": "Kim Doe", "git_email": "kim@example.com"}, "", "Kim Doe <kim@example.com>"),
        ({"git_name": "Kim Doe"}, "kim@contoso.com", "Kim Doe <kim@contoso.com>"),
        ({}, "kim@contoso.com", "kim <kim@contoso.com>"),
    ],
)
def test_git_is_told_who_commits_as_given_or_as_signed_in(
    tmp_path: Path, nobody: Git, given: dict[str, str], user: str, known: str
) -> None:
    context = context_of("git_identity", tmp_path, given, git=nobody, identity=SignedIn(user))
    assert look("git_identity", tmp_path, git=nobody).status is Status.FAILED
    assert [each.name.partition(" ")[0] for each in SOLVES[IDENTITY].plan(context)] == ["user.name", "user.email"]
    SOLVES[IDENTITY].run(context)
    assert look("git_identity", tmp_path, git=nobody).summary == f"git commits as {known}."


def test_a_name_that_git_knows_is_kept(tmp_path: Path, nobody: Git) -> None:
    nobody.set_globally("user.name", "Robin")
    given = {"git_name": "Kim Doe", "git_email": "kim@example.com"}
    SOLVES[IDENTITY].run(context_of("git_identity", tmp_path, given, git=nobody, identity=SignedIn()))
    assert look("git_identity", tmp_path, git=nobody).summary == "git commits as Robin <kim@example.com>."


def test_nothing_is_set_while_a_value_is_missing(tmp_path: Path, nobody: Git) -> None:
    context = context_of("git_identity", tmp_path, {"git_name": "Kim Doe"}, git=nobody, identity=SignedIn())
    with pytest.raises(UsageError, match="Your e-mail address in commits is missing") as raised:
        SOLVES[IDENTITY].run(context)
    assert "--git-email" in raised.value.hint
    assert not (tmp_path / "gitconfig").exists()


def test_settings_that_cannot_be_written_are_told(tmp_path: Path, nobody: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "no" / "folder" / "gitconfig"))
    given = {"git_name": "Kim Doe", "git_email": "kim@example.com"}
    with pytest.raises(ServiceError, match=r"git could not set user\.name"):
        SOLVES[IDENTITY].run(context_of("git_identity", tmp_path, given, git=nobody, identity=SignedIn()))


def test_a_docker_engine_that_answers_passes_and_one_that_does_not_says_why(tmp_path: Path) -> None:
    answers = EngineReport("docker", engine="29.1.0", where="unix:///var/run/docker.sock")
    result = look("docker_engine", tmp_path, container_engine=Probe(answers))
    assert (result.status, "29.1.0" in result.summary) == (Status.PASSED, True)
    silent = EngineReport("docker", problem="The engine does not run.", remedy="sudo systemctl start docker")
    result = look("docker_engine", tmp_path, container_engine=Probe(silent))
    assert result.status is Status.FAILED
    assert (result.summary, result.next_action) == ("The engine does not run.", "sudo systemctl start docker")
    result = look("docker_engine", tmp_path, container_engine=Probe(EngineReport("")))
    assert (result.status, bool(result.next_action)) == (Status.FAILED, True)


@pytest.mark.parametrize("name", ["azure_cli", "databricks_cli"])
def test_a_command_line_that_is_not_needed_is_skipped_unless_it_is_in_the_way(tmp_path: Path, name: str) -> None:
    absent = look(name, tmp_path, programs=Probe(ProgramReport("")))
    assert absent.status is Status.SKIPPED
    current = look(name, tmp_path, programs=Probe(ProgramReport("2.91.0")))
    assert current.status is Status.PASSED
    old = look(name, tmp_path, programs=Probe(ProgramReport("0.18.0", "It is the retired one.", "Remove it.")))
    assert (old.status, old.summary, old.next_action) == (Status.FAILED, "It is the retired one.", "Remove it.")
