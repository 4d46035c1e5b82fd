"""From the empty cloud to green, back to nothing, and again."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from hol_wizard.engine.results import Status, exit_code
from hol_wizard.wizard.checks import NO_CHECK_YET
from tests.practice.conftest import Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import (
    GROUP,
    LEARNING,
    NAMES,
    PROVIDERS,
    SIGN_IN,
    SUBSCRIPTION,
    WHOLE,
    Attendee,
    drain,
)

SECTION = "workspace-resources"


def puts(exchanges: list[dict[str, Any]]) -> list[str]:
    return [str(each["url"]).partition("?")[0].lower() for each in exchanges if each["method"] == "PUT"]


def test_before_anything_each_step_is_named_and_nobody_is_asked_to_wait(newcomer: Attendee) -> None:
    seen = newcomer.check("set-up", "resource-groups", SECTION)
    assert set(seen.statuses) == set(WHOLE)
    assert [key for key, status in seen.statuses.items() if status is Status.FAILED] == [NAMES, SIGN_IN]
    assert {status for key, status in seen.statuses.items() if key not in {NAMES, SIGN_IN}} == {Status.BLOCKED}
    assert all(result.next_action for result in seen.results.values())
    assert exit_code(seen.statuses.values()) == 1


def test_no_step_of_the_whole_lab_is_without_a_check(newcomer: Attendee) -> None:
    seen = newcomer.check()
    assert set(WHOLE) < set(seen.statuses)
    assert [key for key, result in seen.results.items() if result.summary == NO_CHECK_YET.summary] == []


@pytest.mark.slow
def test_from_the_empty_cloud_to_green_and_back_and_again(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    planned = newcomer.plan(SECTION)
    assert {change.verb for changes in planned.values() for change in changes} <= {"create", "change", "later"}
    assert [each for each in itertools.chain(*planned.values()) if not each.name and each.verb != "later"] == []

    began = practice_cloud.log_size()
    made = newcomer.solve(SECTION)
    assert made.statuses == dict.fromkeys(WHOLE, Status.PASSED)
    created = puts(practice_cloud.exchanges(began))
    assert len(created) == len(set(created)) == 3 + 2 * 8 + 1

    began = practice_cloud.log_size()
    assert newcomer.solve(SECTION).all_passed()
    assert newcomer.check("set-up", "resource-groups", SECTION).all_passed()
    assert {change.verb for changes in newcomer.plan(SECTION).values() for change in changes} == set()
    assert [each["method"] for each in practice_cloud.exchanges(began) if each["method"] not in {"GET", "POST"}] == []

    planned = newcomer.plan_teardown()
    assert {change.verb for changes in planned.values() for change in changes} == {"delete"}
    assert sum(map(len, planned.values())) == 3 + 2 * 8 + 1
    gone = newcomer.teardown()
    assert gone.all_passed()
    assert {entry["resource"] for entry in newcomer.ledger() if entry["fact"] == "deleted"} == {
        entry["resource"] for entry in newcomer.ledger() if entry["resource"].startswith("/")
    }
    arm = Arm(practice_cloud, user_token(practice_cloud))
    assert arm.ask("GET", "/resources").json()["value"] == []
    assert arm.ask("GET", "/resourcegroups").json()["value"] == []
    deleted = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version="2026-02-01").json()
    assert deleted["value"] == []
    assert newcomer.plan_teardown() == {}

    after = newcomer.check("set-up", "resource-groups", SECTION).statuses
    stays = [NAMES, SIGN_IN, SUBSCRIPTION, PROVIDERS]
    assert [key for key, status in after.items() if status is Status.PASSED] == stays
    assert {after[f"{GROUP}@{name}"] for name in ("dev", "pipeline", "prod")} == {Status.FAILED}
    assert after[f"{LEARNING}@dev"] is Status.BLOCKED

    assert newcomer.solve(SECTION).all_passed()


@pytest.mark.slow
def test_what_a_teardown_removed_is_no_regression_and_what_somebody_deleted_is(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud
) -> None:
    del practice_cloud
    assert attendee.solve("resource-groups").all_passed()
    by_hand.poll(by_hand.ask("DELETE", f"/resourcegroups/{attendee.names('prod').resource_group}"))
    seen = attendee.check("resource-groups")
    assert attendee.wizard().regressions(seen.results) == (f"{GROUP}@prod",)
    assert attendee.teardown().all_passed()
    seen = attendee.check("resource-groups")
    assert attendee.wizard().regressions(seen.results) == ()


@pytest.mark.slow
def test_what_is_deleted_by_hand_is_written_off_by_the_teardown(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve("resource-groups").all_passed()
    for name in ("dev", "pipeline", "prod"):
        by_hand.poll(by_hand.ask("DELETE", f"/resourcegroups/{attendee.names(name).resource_group}"))
    assert attendee.plan_teardown() == {}
    assert attendee.teardown().all_passed()
    assert attendee.wizard().ledger.standing() == ()


@pytest.mark.slow
def test_the_doctor_before_and_after(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    def examine() -> dict[str, Status]:
        titles, events = newcomer.wizard().doctor()
        found = drain(events).statuses
        assert set(found) == set(titles)
        return found

    before = examine()
    assert before["doctor/wizard"] is before["doctor/folders"] is before["doctor/network"] is Status.PASSED
    assert before["doctor/keyring"] is Status.SKIPPED
    assert before["doctor/sign-in"] is before["doctor/names"] is Status.FAILED
    assert before["doctor/providers"] is Status.BLOCKED
    practice_cloud.register_providers()
    assert newcomer.solve("set-up").all_passed()
    after = examine()
    azure = ("names", "sign-in", "subscription", "providers", "deleted-vaults")
    assert {after[f"doctor/{name}"] for name in azure} == {Status.PASSED}


@pytest.mark.slow
def test_the_doctor_names_soft_deleted_vaults_that_are_in_the_way(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve("workspace-resources/add-a-key-vault@dev").all_passed()
    names = attendee.names("dev")
    path = f"/resourceGroups/{names.resource_group}/providers/Microsoft.KeyVault/vaults/{names.key_vault}"
    assert by_hand.ask("DELETE", path, version="2026-02-01").status_code == 200
    _, events = attendee.wizard().doctor()
    result = drain(events).results["doctor/deleted-vaults"]
    assert result.status is Status.FAILED
    assert names.key_vault in result.summary
    assert result.next_action.startswith("You: ")


def test_nothing_secret_is_written_down(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    assert newcomer.solve("resource-groups").all_passed()
    endpoints = practice_cloud.endpoints
    secrets = {endpoints["control_token"], endpoints["service_principal"]["client_secret"]}
    # The Azure CLI's own cache, which nothing of ours repeats.
    cache = json.loads((practice_cloud.state / "azure" / "msal_token_cache.json").read_text(encoding="utf-8"))
    for kind in ("AccessToken", "RefreshToken", "IdToken"):
        secrets |= {each["secret"] for each in cache[kind].values()}
    assert len(secrets) >= 5
    files = [path for path in newcomer.root.rglob("*") if path.is_file()]
    assert {"ledger.jsonl", "progress.json", "default.toml"} <= {path.name for path in files}
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert "Bearer" not in text
        assert not [secret for secret in secrets if secret in text], path
