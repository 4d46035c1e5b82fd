from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema  # type: ignore[import-untyped] # has no annotations
import pytest

from tests.end_to_end.conftest import COMMAND, ROOT, Machine

pytestmark = pytest.mark.slow
posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals")


def test_from_nothing_to_green_and_back_without_any_configuration(machine: Machine) -> None:
    before = machine.run("--practice", "--check", "set-up", "resource-groups", "workspace-resources")
    assert before.returncode == 1, before.stderr
    named = [line.split()[1] for line in before.stdout.splitlines() if line[:1].isupper()]
    assert len([name for name in named if name.startswith("resource-groups/create-the-three-resource-groups@")]) == 3
    assert before.stderr == ""

    solved = machine.run("--practice", "solve", "workspace-resources", "--yes")
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "create    Resource group practice-db-dev" in solved.stdout

    after = machine.run("--check", "resource-groups", "workspace-resources", "--practice", "--format", "json")
    assert after.returncode == 0, after.stdout
    report = json.loads(after.stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "check.schema.json").read_text(encoding="utf-8")))
    assert {each["status"] for each in report["results"]} == {"passed"}

    planned = machine.run("--practice", "teardown", "--plan")
    assert planned.returncode == 0
    removed = machine.run("--practice", "teardown", "--yes")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert removed.stdout.count("GONE ") == planned.stdout.count("  delete    ")
    assert machine.run("--practice", "--check", "resource-groups").returncode == 1
    again = machine.run("--practice", "teardown", "--yes")
    assert again.returncode == 0
    assert "Nothing to remove" in again.stdout


def test_a_teardown_believes_no_absence_while_the_subscription_does_not_answer(machine: Machine) -> None:
    assert machine.run("practice", "start").returncode == 0
    solved = machine.run("--practice", "solve", "resource-groups", "--yes")
    assert solved.returncode == 0, solved.stdout + solved.stderr
    ledger = machine.home / "state" / "practice" / "default" / "ledger.jsonl"
    before = ledger.read_bytes()
    for code in ("PageNotFound", "ResourceNotFound"):
        fault = ("error", "--service", "resource_manager", "--status", "404", "--code", code)
        assert machine.run("practice", "fault", *fault, "--message", "no such page").returncode == 0
        refused = machine.run("--practice", "teardown", "--yes")
        assert refused.returncode == 3, refused.stdout + refused.stderr
        assert "does not answer" in refused.stderr
        assert "the ledger keeps its entries" in refused.stderr
        assert "Nothing to remove" not in refused.stdout
        assert ledger.read_bytes() == before
        assert machine.run("practice", "clear-faults").returncode == 0
    removed = machine.run("--practice", "teardown", "--yes")
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert removed.stdout.count("GONE ") == solved.stdout.count("create    Resource group ") > 0
    assert machine.run("--practice", "--check", "resource-groups").returncode == 1


def test_the_whole_lab_is_named(machine: Machine) -> None:
    whole = json.loads(machine.run("--practice", "--check", "--format", "json").stdout)
    listed = machine.run("--list").stdout
    steps = {line.split()[0].partition("@")[0] for line in listed.splitlines() if line[:6].isspace() and line[6] != " "}
    assert {f"{each['section']}/{each['step']}" for each in whole["results"]} == steps


def test_check_loads_no_screen(machine: Machine) -> None:
    code = (
        "import sys\nfrom hol_wizard.cli import main\n"
        "code = main(['--practice', '--check', 'set-up', 'tools', 'resource-groups'])\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print('LOADED', *sorted(names & {'textual', 'rich', 'questionary', 'prompt_toolkit', 'databricks'}))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=machine.environment,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout.endswith("LOADED\n")


def test_what_fails_in_one_environment_leaves_the_other_alone(machine: Machine) -> None:
    assert machine.run("--practice", "solve", "resource-groups", "--yes").returncode == 0
    fault = ("error", "--method", "PUT", "--path", "practicedlsdev|practice-dev", "--status", "400")
    assert machine.run("practice", "fault", *fault, "--code", "TooBad", "--message", "Not here.").returncode == 0
    solved = machine.run("--practice", "solve", "workspace-resources", "--yes")
    assert solved.returncode == 1, solved.stdout + solved.stderr
    rows = {line.split()[1]: line.split()[0] for line in solved.stdout.splitlines() if line[:1].isupper()}
    assert rows["workspace-resources/add-a-databricks-workspace@dev"] == "FAILED"
    pipeline = {key: status for key, status in rows.items() if key.endswith("@pipeline")}
    assert len(pipeline) == 5
    assert set(pipeline.values()) == {"PASSED"}
    assert machine.run("practice", "clear-faults").returncode == 0
    assert machine.run("--practice", "solve", "workspace-resources", "--yes").returncode == 0


def test_what_a_step_made_is_started_stopped_and_told_what_it_costs(machine: Machine) -> None:
    solved = machine.run("--practice", "solve", "cluster/create-the-cluster", "--yes")
    assert solved.returncode == 0, solved.stdout + solved.stderr
    assert "stop it: hol-wizard --practice do cluster/create-the-cluster@dev stop-cluster" in solved.stdout
    costs = json.loads(machine.run("--practice", "cost", "--format", "json").stdout)
    # The cluster of pipeline is left stopped.
    assert [each["target"].partition("@")[2] for each in costs["running"]] == ["dev"]
    assert all(each["example"] and each["stops_after_idle_minutes"] == 120 for each in costs["running"])
    started = machine.run("--practice", "do", "cluster/create-the-cluster@pipeline", "start")
    assert started.returncode == 1
    assert "is left stopped" in started.stdout
    stopped = machine.run("--practice", "do", "cluster/create-the-cluster@dev", "stop")
    assert stopped.returncode == 0, stopped.stderr
    assert "Cluster cpu" not in stopped.stdout
    assert machine.run("--practice", "do", "cluster/create-the-cluster", "stop-cluster").returncode == 0
    assert "Nothing that is billed by the hour is running." in machine.run("--practice", "cost").stdout


@posix
def test_a_reader_that_goes_away_does_not_change_the_exit_code(machine: Machine) -> None:
    script = f'{" ".join(COMMAND)} --practice --check | head -1; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, encoding="utf-8", env=machine.environment, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == ""


@posix
def test_a_full_disk_is_told(machine: Machine) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--practice", "--check", "set-up"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=machine.environment,
            timeout=60,
        )
    assert done.returncode == 2
    assert "Standard output cannot be written" in done.stderr or "standard output cannot be written" in done.stderr


def _until(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if words in line:
            return said
    raise AssertionError(f"ended without {words!r}: {said}")


@posix
def test_ctrl_c_in_a_solve_stops_and_the_next_solve_goes_on(machine: Machine) -> None:
    machine.run("--practice", "solve", "resource-groups", "--yes")
    process = machine.start("--practice", "--practice-speed", "40", "solve", "workspace-resources", "--yes")
    _until(process, "is being created")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Stopping at the next safe point" in err
    assert "Traceback" not in err
    resumed = machine.run("--practice", "--practice-speed", "600", "solve", "workspace-resources", "--yes")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr


@posix
def test_a_kill_in_a_solve_loses_nothing(machine: Machine) -> None:
    machine.run("--practice", "solve", "resource-groups", "--yes")
    process = machine.start("--practice", "--practice-speed", "40", "solve", "workspace-resources", "--yes")
    _until(process, "is being created")
    process.kill()
    process.communicate(timeout=60)
    resumed = machine.run("--practice", "--practice-speed", "600", "solve", "workspace-resources", "--yes")
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    removed = machine.run("--practice", "teardown", "--yes")
    assert removed.returncode == 0
    assert "container registry" in removed.stdout.lower()


@posix
def test_a_second_wizard_may_look_but_not_work(machine: Machine) -> None:
    machine.run("--practice", "solve", "resource-groups", "--yes")
    process = machine.start("--practice", "--practice-speed", "20", "solve", "workspace-resources", "--yes")
    _until(process, "is being created")
    second = machine.run("--practice", "solve", "workspace-resources", "--yes")
    assert second.returncode == 2
    assert "Another wizard" in second.stderr or "another wizard" in second.stderr
    assert machine.run("--practice", "--check", "resource-groups").returncode == 0
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


def test_the_practice_cloud_is_kept_stopped_and_reset_by_command(machine: Machine) -> None:
    assert machine.run("practice", "status").returncode == 1
    assert "runs" in machine.run("practice", "start", "--speed", "600").stdout
    assert json.loads(machine.run("practice", "status").stdout)["speed"] == 600
    machine.run("--practice", "solve", "resource-groups", "--yes")
    assert machine.run("practice", "reset").returncode == 0
    assert machine.run("--practice", "--check", "resource-groups").returncode in {1, 3}
    assert machine.run("practice", "stop").returncode == 0
    assert machine.run("practice", "status").returncode == 1


def test_no_network_is_could_not_tell_and_not_failed(machine: Machine) -> None:
    machine.run("--practice", "solve", "resource-groups", "--yes")
    assert machine.run("practice", "fault", "unavailable", "--service", "resource_manager").returncode == 0
    checked = machine.run("--practice", "--check", "resource-groups")
    assert checked.returncode == 3, checked.stdout
    assert "UNKNOWN" in checked.stdout or "BLOCKED" in checked.stdout


def test_the_doctor_tells_about_this_machine(machine: Machine) -> None:
    done = machine.run("--practice", "doctor", "--format", "json")
    assert done.returncode in {0, 1, 3}
    assert any(str(machine.home) in str(each) for each in json.loads(done.stdout)["results"])
