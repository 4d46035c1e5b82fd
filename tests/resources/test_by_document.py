"""A new step that is a document's alone: its kind and its arguments give check, solve, plan and undo."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.lab.folder import default_folder
from hol_wizard.lab.lint import lint
from hol_wizard.wizard.registration import known_names
from tests.practice.conftest import STORAGE, Arm
from tests.steps.attendee import LAKE, Attendee

STEP = "initial-data/create-the-log-container"
TABLE = """
[steps.create-the-log-container]
resource = "storage_container"
with = { name = "{prefix}-logs" }
for_each = ["dev", "pipeline"]
needs = ["workspace-resources/add-a-data-lake"]
"""
TEXT = "\n## Create the log container\nIt is called `{prefix}-logs`.\n"


@pytest.fixture
def screens(tmp_path: Path) -> Path:
    folder = tmp_path / "screens"
    shutil.copytree(default_folder(), folder)
    document = folder / "06-initial-data.md"
    start, front, body = document.read_text(encoding="utf-8").split("+++\n", 2)
    document.write_text(f"{start}+++\n{front.rstrip()}\n{TABLE}+++\n{body.rstrip()}\n{TEXT}", encoding="utf-8")
    return folder


@pytest.mark.slow
def test_a_container_that_a_document_adds_is_checked_made_and_removed(
    attendee: Attendee, by_hand: Arm, screens: Path
) -> None:
    assert lint(screens, known_names()) == []
    attendee = replace(attendee, screens=screens)
    assert attendee.solve(f"{LAKE}@dev").all_passed()
    key, names = f"{STEP}@dev", attendee.names()
    path = f"/resourceGroups/{names.resource_group}/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"
    container = f"{path}/blobServices/default/containers/practice-logs"
    missing = attendee.look(key)
    assert missing.status is Status.FAILED
    assert "practice-logs does not exist" in missing.summary
    (change,) = attendee.plan(key)[key]
    assert (change.verb, change.kind, change.name) == ("create", "Container", "practice-logs")
    assert attendee.solve(key).all_passed()
    assert by_hand.ask("GET", container, version=STORAGE).status_code == 200
    assert attendee.look(key).passed
    assert attendee.plan(key) == {}
    (change,) = attendee.plan_teardown(key)[key]
    assert change.verb == "delete"
    assert attendee.teardown(key).all_passed()
    assert by_hand.ask("GET", container, version=STORAGE).status_code == 404
    assert attendee.solve(key).all_passed()
    assert attendee.teardown().all_passed()
    assert attendee.wizard().ledger.standing() == ()


@pytest.mark.slow
def test_a_plan_before_anything_exists_names_it(attendee: Attendee, screens: Path) -> None:
    attendee = replace(attendee, screens=screens)
    (change,) = attendee.plan(f"{STEP}@pipeline")[f"{STEP}@pipeline"]
    assert (change.verb, change.name, change.where) == (
        "create",
        "practice-logs",
        attendee.names("pipeline").storage_account,
    )
