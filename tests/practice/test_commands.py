"""Commands on a cluster are jobs: they wait their turn, and a restart of the practice cloud hides none of them."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hol_wizard.practice.process import launch
from tests.practice.conftest import DATABRICKS, Arm, databricks_body, provider, user_token
from tests.practice.test_databricks import ONE_NODE, SCOPE, Workspace, execute
from tests.practice_cloud import PracticeCloud

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[PracticeCloud]:
    """A practice cloud of this test's own."""
    log = tmp_path / "exchanges.jsonl"
    endpoints = launch.start(tmp_path / "practice", speed=6000, keep=True, log_exchanges=log)
    yield PracticeCloud(tmp_path / "practice", endpoints, launch.ControlClient(endpoints), log)
    launch.stop(tmp_path / "practice")


@pytest.fixture
def workspace(own: PracticeCloud) -> Workspace:
    own.register_providers()
    arm = Arm(own, user_token(own))
    arm.make_group()
    path = provider("Databricks/workspaces", "practice-db")
    arm.poll(arm.ask("PUT", path, databricks_body(arm), version=DATABRICKS))
    made = arm.ask("GET", path, version=DATABRICKS).json()
    return Workspace(own, made, user_token(own, scope=SCOPE))


def begin(workspace: Workspace, cluster: str, *commands: str) -> tuple[dict[str, str], list[str]]:
    body = {"clusterId": cluster, "language": "python"}
    context = workspace.do("POST", "1.2/contexts/create", body)["id"]
    where = {"clusterId": cluster, "contextId": context}
    made = [workspace.do("POST", "1.2/commands/execute", {**body, **where, "command": each}) for each in commands]
    return where, [each["id"] for each in made]


def status(workspace: Workspace, where: dict[str, str], command: str) -> dict[str, Any]:
    return workspace.do("GET", "1.2/commands/status", commandId=command, **where)


def until(workspace: Workspace, where: dict[str, str], command: str, *wanted: str) -> dict[str, Any]:
    deadline = time.monotonic() + 40
    while (found := status(workspace, where, command))["status"] not in wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


@pytest.mark.slow
def test_a_command_that_ran_when_the_server_was_killed_is_in_error(workspace: Workspace, own: PracticeCloud) -> None:
    cluster = workspace.cluster(ONE_NODE)
    where, commands = begin(workspace, cluster, *["import time; time.sleep(1000)"] * 4, "print('its turn')")
    for each in commands[:4]:
        until(workspace, where, each, "Running")
    assert status(workspace, where, commands[4])["status"] == "Queued"
    pid = own.control.status()["pid"]
    deadline = time.monotonic() + 30
    while len(children := psutil.Process(pid).children(recursive=True)) < 8:
        assert time.monotonic() < deadline, "four interpreters, each with its supervisor"
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == []
    again = launch.start(own.state, speed=6000, keep=True)
    assert again["resource_manager"] == own.endpoints["resource_manager"]
    for each in commands[:4]:
        found = until(workspace, where, each, "Error")
        assert found["results"]["resultType"] == "error"
        assert "ended while this ran" in found["results"]["summary"]
    assert until(workspace, where, commands[4], "Finished")["results"]["data"] == "its turn"
    assert workspace.do("GET", "1.2/contexts/status", **where)["status"] == "Running"


@pytest.mark.slow
def test_what_is_written_into_a_command_is_not_kept(workspace: Workspace, own: PracticeCloud) -> None:
    cluster = workspace.cluster(ONE_NODE)
    secret = "canary-" + "in-a-command"
    assert execute(workspace, cluster, f"len({secret!r})")["results"]["data"] == "19"
    where, (command,) = begin(workspace, cluster, f"len({secret!r})")
    until(workspace, where, command, "Finished")
    busy, _ = begin(workspace, cluster, *["import time; time.sleep(30)"] * 4)
    where, (waiting,) = begin(workspace, cluster, f"len({secret!r})")
    workspace.do("POST", "1.2/commands/cancel", {**where, "commandId": waiting})
    assert status(workspace, where, waiting)["status"] == "Cancelled"
    workspace.do("POST", "1.2/contexts/destroy", busy)
    launch.stop(own.state)
    assert not [each for each in own.state.rglob("*") if each.is_file() and secret.encode() in each.read_bytes()]


@pytest.mark.slow
def test_fifty_commands_wait_their_turn_and_can_be_cancelled(workspace: Workspace) -> None:
    cluster = workspace.cluster(ONE_NODE)
    where, commands = begin(workspace, cluster, *(f"print({n})" for n in range(50)))
    for each in commands[40:]:
        workspace.do("POST", "1.2/commands/cancel", {**where, "commandId": each})
    for n, each in enumerate(commands[:40]):
        assert until(workspace, where, each, "Finished")["results"]["data"] == str(n)
    assert {status(workspace, where, each)["status"] for each in commands[40:]} == {"Cancelled"}


@pytest.mark.slow
def test_a_cluster_that_stops_ends_its_commands(workspace: Workspace, own: PracticeCloud) -> None:
    cluster = workspace.cluster(ONE_NODE)
    where, (command,) = begin(workspace, cluster, "import time; time.sleep(1000)")
    until(workspace, where, command, "Running")
    children = psutil.Process(own.control.status()["pid"]).children(recursive=True)
    workspace.do("POST", "2.1/clusters/restart", {"cluster_id": cluster})
    _, left = psutil.wait_procs(children, timeout=10)
    assert left == []
    deadline = time.monotonic() + 20
    while workspace.do("GET", "2.1/clusters/get", cluster_id=cluster)["state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer = workspace.ask("GET", "1.2/commands/status", commandId=command, **where)
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("ContextNotFound")
