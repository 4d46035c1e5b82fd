"""What is on the attendee's machine: told as it is, with what to do."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.channel import Channel
from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.registry import CHECKS
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab.profile import Profile
from hol_wizard.resources.context import StepContext
from hol_wizard.services.context import Services
from hol_wizard.services.docker import DockerReport
from hol_wizard.services.git.program import GitReport
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


def look(name: str, tmp_path: Path, **services: object) -> Result:
    context = StepContext(
        target=f"tools/{name}",
        environment=None,
        profile=Profile("default", "practice", tmp_path / "default.toml"),
        services=Services(endpoints()).replace(**services),
        reads=SharedReads(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        channel=Channel("tools", lambda event: None, threading.Event()),
        inputs={},
    )
    return CHECKS[f"tools.{name}"].run(context)


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
        (GitReport((2, 43, 0)), Status.FAILED, "git config --global user.name"),
        (GitReport((2, 43, 0), "Test"), Status.FAILED, "git config --global user.email"),
    ],
)
def test_git_is_judged_by_version_and_by_who_commits(
    tmp_path: Path, report: GitReport, status: Status, next_action: str
) -> None:
    result = look("git", tmp_path, git=Probe(report))
    assert result.status is status
    assert next_action in result.next_action
    assert report.problem in result.summary


def test_a_docker_engine_that_answers_passes_and_one_that_does_not_says_why(tmp_path: Path) -> None:
    answers = DockerReport("docker", engine="29.1.0", where="unix:///var/run/docker.sock")
    result = look("docker_engine", tmp_path, docker=Probe(answers))
    assert (result.status, "29.1.0" in result.summary) == (Status.PASSED, True)
    silent = DockerReport("docker", problem="The engine does not run.", remedy="sudo systemctl start docker")
    result = look("docker_engine", tmp_path, docker=Probe(silent))
    assert result.status is Status.FAILED
    assert (result.summary, result.next_action) == ("The engine does not run.", "sudo systemctl start docker")
    result = look("docker_engine", tmp_path, docker=Probe(DockerReport("")))
    assert (result.status, bool(result.next_action)) == (Status.FAILED, True)


@pytest.mark.parametrize("name", ["azure_cli", "databricks_cli"])
def test_a_command_line_that_is_not_needed_is_skipped_unless_it_is_in_the_way(tmp_path: Path, name: str) -> None:
    absent = look(name, tmp_path, programs=Probe(ProgramReport("")))
    assert absent.status is Status.SKIPPED
    current = look(name, tmp_path, programs=Probe(ProgramReport("2.91.0")))
    assert current.status is Status.PASSED
    old = look(name, tmp_path, programs=Probe(ProgramReport("0.18.0", "It is the retired one.", "Remove it.")))
    assert (old.status, old.summary, old.next_action) == (Status.FAILED, "It is the retired one.", "Remove it.")
