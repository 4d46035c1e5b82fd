"""What is there already: adopted, left alone, set right, or named as what it is."""

from __future__ import annotations

from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.resources.azure_resource import TAG
from tests.practice.conftest import GROUPS, MACHINE_LEARNING, STORAGE, STORAGE_BODY, VAULTS, Arm, vault_body
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DATABRICKS, GROUP, LAKE, LEARNING, REGISTRY, VAULT, Attendee


def lake_path(attendee: Attendee, environment: str = "dev") -> str:
    names = attendee.names(environment)
    return f"/resourceGroups/{names.resource_group}/providers/Microsoft.Storage/storageAccounts/{names.storage_account}"


def vault_path(attendee: Attendee, environment: str = "dev") -> str:
    names = attendee.names(environment)
    return f"/resourceGroups/{names.resource_group}/providers/Microsoft.KeyVault/vaults/{names.key_vault}"


def make_lake(by_hand: Arm, path: str, location: str = "westeurope", **properties: Any) -> None:
    body = {**STORAGE_BODY, "location": location}
    body["properties"] = {**STORAGE_BODY["properties"], **properties}  # type: ignore[dict-item]
    by_hand.poll(by_hand.ask("PUT", path, body, version=STORAGE))


def state_of(by_hand: Arm, path: str, version: str = STORAGE) -> dict[str, Any]:
    found: dict[str, Any] = by_hand.ask("GET", path, version=version).json()
    return found


@pytest.mark.slow
def test_a_group_made_by_hand_is_adopted_and_stays_after_the_teardown(attendee: Attendee, by_hand: Arm) -> None:
    name = attendee.names("dev").resource_group
    by_hand.make_group(name)
    assert "dev" not in {change.name for change in attendee.plan("resource-groups").get(f"{GROUP}@dev", [])}
    assert attendee.solve("resource-groups").all_passed()
    assert f"{GROUP}@dev" not in attendee.plan_teardown()
    assert attendee.teardown().all_passed()
    assert by_hand.ask("GET", f"/resourcegroups/{name}").status_code == 200
    left = by_hand.ask("GET", "/resourcegroups").json()["value"]
    assert [group["name"] for group in left] == [name]


@pytest.mark.slow
def test_a_lake_and_a_vault_made_by_hand_are_adopted_and_keep_their_group(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    lake, vault = lake_path(attendee), vault_path(attendee)
    make_lake(by_hand, lake)
    body = vault_body(practice_cloud, enableRbacAuthorization=False, accessPolicies=[])
    assert by_hand.ask("PUT", vault, body, version=VAULTS).status_code == 200
    by_hand.until(vault, VAULTS)
    before = state_of(by_hand, lake)
    assert attendee.solve(f"{LAKE}@dev", f"{VAULT}@dev").all_passed()
    assert attendee.plan_teardown(LAKE, VAULT) == {}
    gone = attendee.teardown()
    group = gone.results[f"{GROUP}@dev"]
    assert group.status is Status.FAILED
    names = attendee.names("dev")
    assert names.storage_account in group.summary
    assert names.key_vault in group.summary
    assert "run the teardown again" in group.next_action
    assert gone.statuses[f"{GROUP}@prod"] is Status.PASSED
    assert state_of(by_hand, lake) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("properties", "location", "expected"),
    [
        ({"isHnsEnabled": False}, "westeurope", ("Hierarchical namespace", "on", "off")),
        ({}, "northeurope", ("Region", "westeurope", "northeurope")),
        ({"accessTier": "Hot"}, "westeurope", ("Access tier", "Cool", "Hot")),
    ],
)
def test_a_lake_that_does_not_fit_is_named_and_not_changed(
    attendee: Attendee, by_hand: Arm, properties: dict[str, Any], location: str, expected: tuple[str, str, str]
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    path = lake_path(attendee)
    make_lake(by_hand, path, location, **properties)
    before = state_of(by_hand, path)
    result = attendee.look(f"{LAKE}@dev")
    assert result.status is Status.FAILED
    assert [(each.what, each.expected, each.actual) for each in result.expectations if not each.met] == [expected]
    (change,) = attendee.plan(f"{LAKE}@dev")[f"{LAKE}@dev"]
    assert (change.verb, change.note) == ("conflict", f"{expected[0]} is {expected[2]}, not {expected[1]}")
    solved = attendee.solve(LAKE)
    assert solved.statuses[f"{LAKE}@dev"] is Status.FAILED
    assert f"{expected[0]} is {expected[2]}" in solved.results[f"{LAKE}@dev"].summary
    assert solved.results[f"{LAKE}@dev"].next_action
    assert solved.statuses[f"{LAKE}@pipeline"] is Status.PASSED
    assert state_of(by_hand, path) == before


@pytest.mark.slow
def test_a_group_in_another_region_is_a_conflict(attendee: Attendee, by_hand: Arm) -> None:
    by_hand.make_group(attendee.names("dev").resource_group, "northeurope")
    (change,) = attendee.plan("resource-groups")[f"{GROUP}@dev"]
    assert change.verb == "conflict"
    solved = attendee.solve(GROUP, f"{LAKE}@dev")
    assert "Region is northeurope, not westeurope" in solved.results[f"{GROUP}@dev"].summary
    assert solved.statuses[f"{GROUP}@pipeline"] is Status.PASSED
    assert solved.statuses[f"{LAKE}@dev"] is Status.BLOCKED


@pytest.mark.slow
def test_ours_is_set_right_where_azure_can_change_it_and_keeps_the_tags_of_others(
    attendee: Attendee, by_hand: Arm
) -> None:
    assert attendee.solve(f"{LAKE}@dev").all_passed()
    path = lake_path(attendee)
    tags = {**state_of(by_hand, path)["tags"], "costCentre": "42"}
    change = {"tags": tags, "properties": {"accessTier": "Hot", "minimumTlsVersion": "TLS1_0"}}
    assert by_hand.ask("PATCH", path, change, version=STORAGE).status_code == 200
    result = attendee.look(f"{LAKE}@dev")
    assert result.status is Status.FAILED
    assert result.next_action.startswith("Set Access tier to Cool, Minimum TLS version to TLS1_2")
    (planned,) = attendee.plan(f"{LAKE}@dev")[f"{LAKE}@dev"]
    assert planned.verb == "change"
    assert "Access tier: Hot → Cool" in planned.note
    assert attendee.solve(f"{LAKE}@dev").all_passed()
    assert state_of(by_hand, path)["tags"] == tags


@pytest.mark.slow
def test_what_lost_its_tag_is_left_alone_and_its_group_with_it(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{LAKE}@dev").all_passed()
    path = lake_path(attendee)
    lost = {"tags": {"mine": "now"}, "properties": {"accessTier": "Hot"}}
    assert by_hand.ask("PATCH", path, lost, version=STORAGE).status_code == 200
    (change,) = attendee.plan_teardown()[f"{LAKE}@dev"]
    assert (change.verb, "tag" in change.note) == ("leave", True)
    assert attendee.solve(f"{LAKE}@dev").statuses[f"{LAKE}@dev"] is Status.FAILED
    assert state_of(by_hand, path)["properties"]["accessTier"] == "Hot"
    gone = attendee.teardown()
    assert gone.statuses[f"{LAKE}@dev"] is Status.PASSED
    assert "no longer carries the wizard's tag" in gone.results[f"{LAKE}@dev"].summary
    assert gone.statuses[f"{GROUP}@dev"] is Status.FAILED
    assert attendee.names("dev").storage_account in gone.results[f"{GROUP}@dev"].summary
    assert state_of(by_hand, path)["tags"] == {"mine": "now"}


@pytest.mark.slow
def test_a_group_that_lost_its_tag_is_left_alone(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{GROUP}@prod").all_passed()
    path = f"/resourcegroups/{attendee.names('prod').resource_group}"
    assert by_hand.ask("PATCH", path, {"tags": {}}).status_code == 200
    assert attendee.teardown().all_passed()
    assert by_hand.ask("GET", path).status_code == 200


@pytest.mark.slow
def test_a_foreign_resource_in_our_group_stops_its_deletion_and_is_named(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{GROUP}@prod").all_passed()
    group = attendee.names("prod").resource_group
    foreign = f"/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/somebodyelse1"
    make_lake(by_hand, foreign)
    result = attendee.teardown().results[f"{GROUP}@prod"]
    assert result.status is Status.FAILED
    assert "Microsoft.Storage/storageAccounts somebodyelse1" in result.summary
    assert state_of(by_hand, foreign)["name"] == "somebodyelse1"
    by_hand.ask("DELETE", foreign, version=STORAGE)
    assert attendee.teardown().all_passed()


@pytest.mark.slow
def test_all_that_is_made_carries_the_tag_of_this_lab(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{REGISTRY}@prod", f"{VAULT}@dev").all_passed()
    lab = attendee.wizard().profile.choices.lab_id
    assert lab
    made = [
        *by_hand.ask("GET", "/resources").json()["value"],
        *by_hand.ask("GET", "/resourcegroups", version=GROUPS).json()["value"],
    ]
    assert len(made) == 2 + 2  # two things in two groups: the third group was not needed
    assert {each["tags"][TAG] for each in made} == {lab}


@pytest.mark.slow
def test_another_profile_adopts_what_this_one_made_and_does_not_remove_it(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{GROUP}@prod").all_passed()
    other = Attendee(attendee.root, attendee.endpoints_file, profile="other")
    assert other.solve(f"{GROUP}@prod").all_passed()
    assert other.plan_teardown() == {}
    assert other.teardown().all_passed()
    assert by_hand.ask("GET", f"/resourcegroups/{attendee.names('prod').resource_group}").status_code == 200


# Soft-deleted vaults


@pytest.mark.slow
def test_our_soft_deleted_vault_is_recovered(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{VAULT}@dev").all_passed()
    path = vault_path(attendee)
    born = state_of(by_hand, path, VAULTS)["systemData"]["createdAt"]
    assert by_hand.ask("DELETE", path, version=VAULTS).status_code == 200
    result = attendee.look(f"{VAULT}@dev")
    assert result.status is Status.FAILED
    assert "soft-deleted" in result.summary
    assert "purged automatically on 20" in result.expectations[0].actual
    (change,) = attendee.plan(f"{VAULT}@dev")[f"{VAULT}@dev"]
    assert (change.verb, change.note) == ("adopt", "soft-deleted: recover it")
    solved = attendee.solve(f"{VAULT}@dev")
    assert solved.all_passed()
    assert "recovering it" in solved.said
    assert state_of(by_hand, path, VAULTS)["systemData"]["createdAt"] == born
    assert attendee.teardown().all_passed()


@pytest.mark.slow
def test_the_teardown_purges_a_vault_that_was_deleted_by_hand(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{VAULT}@dev").all_passed()
    by_hand.ask("DELETE", vault_path(attendee), version=VAULTS)
    (change,) = attendee.plan_teardown()[f"{VAULT}@dev"]
    assert change.verb == "purge"
    assert attendee.teardown().all_passed()
    deleted = by_hand.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version=VAULTS).json()
    assert deleted["value"] == []


@pytest.mark.slow
def test_a_soft_deleted_vault_in_another_group_is_a_conflict_with_a_remedy(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    by_hand.make_group("elsewhere")
    path = f"/resourceGroups/elsewhere/providers/Microsoft.KeyVault/vaults/{attendee.names('dev').key_vault}"
    by_hand.ask("PUT", path, vault_body(practice_cloud), version=VAULTS)
    by_hand.until(path, VAULTS)
    by_hand.ask("DELETE", path, version=VAULTS)
    assert attendee.look(f"{VAULT}@dev").summary.endswith("does not exist.")
    (change,) = attendee.plan(f"{VAULT}@dev")[f"{VAULT}@dev"]
    assert change.verb == "conflict"
    solved = attendee.solve(VAULT)
    assert solved.statuses[f"{VAULT}@dev"] is Status.FAILED
    assert "recoverable state" in solved.results[f"{VAULT}@dev"].summary
    assert "soft-deleted" in solved.results[f"{VAULT}@dev"].next_action
    assert solved.statuses[f"{VAULT}@pipeline"] is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize("code", ["VaultAlreadyExists", "ConflictError"])
def test_a_vault_name_that_azure_refuses_only_at_the_creation_is_explained(
    attendee: Attendee, practice_cloud: PracticeCloud, code: str
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    name = attendee.names("dev").key_vault
    practice_cloud.control.fault(
        "error",
        method="PUT",
        path=f"/vaults/{name}",
        status=409,
        code=code,
        message=f"A vault with the same name {name} already exists in deleted state. You need to either recover or "
        "purge existing key vault.",
    )
    result = attendee.solve(f"{VAULT}@dev").results[f"{VAULT}@dev"]
    assert result.status is Status.FAILED
    assert "soft-deleted" in result.summary
    assert "recover or purge it" in result.next_action
    assert attendee.ledger()[-1]["fact"] == "withdrawn"


# Databricks' own group


@pytest.mark.slow
def test_a_managed_group_that_is_in_the_way_is_told_before_anything_is_made(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve("resource-groups").all_passed()
    by_hand.make_group(attendee.names("dev").managed_resource_group)
    (change,) = attendee.plan(f"{DATABRICKS}@dev")[f"{DATABRICKS}@dev"]
    assert change.verb == "conflict"
    solved = attendee.solve(DATABRICKS)
    result = solved.results[f"{DATABRICKS}@dev"]
    assert result.status is Status.FAILED
    assert attendee.names("dev").managed_resource_group in result.summary
    assert solved.statuses[f"{DATABRICKS}@pipeline"] is Status.PASSED
    assert [entry for entry in attendee.ledger() if entry["target"] == f"{DATABRICKS}@dev"] == []


@pytest.mark.slow
def test_a_machine_learning_workspace_that_was_deleted_by_hand_still_has_its_name(
    attendee: Attendee, by_hand: Arm
) -> None:
    learning, names = f"{LEARNING}@dev", attendee.names()
    assert attendee.solve(learning).all_passed()
    group = f"/resourceGroups/{names.resource_group}/providers/Microsoft.MachineLearningServices/workspaces"
    path = f"{group}/{names.ml_workspace}"
    by_hand.poll(by_hand.ask("DELETE", path, version=MACHINE_LEARNING))
    refused = attendee.solve(learning).results[learning]
    assert refused.status is Status.FAILED
    assert "was deleted, but not permanently" in refused.summary
    assert "Recently deleted" in refused.next_action
    assert by_hand.ask("DELETE", path, version=MACHINE_LEARNING, forceToPurge="true").status_code == 204
    assert attendee.solve(learning).all_passed()
    assert attendee.teardown(learning).all_passed()
    assert attendee.solve(learning).all_passed()


@pytest.mark.slow
def test_the_dependants_of_machine_learning_are_planned_and_removed_with_it(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve("resource-groups").all_passed()
    planned = attendee.plan(f"{LEARNING}@dev")[f"{LEARNING}@dev"]
    assert [change.verb for change in planned] == ["create"] * 5
    assert attendee.solve(f"{LEARNING}@dev").all_passed()
    assert len(by_hand.ask("GET", "/resources").json()["value"]) == 5
    assert attendee.teardown(f"{LEARNING}@dev").all_passed()
    assert by_hand.ask("GET", "/resources").json()["value"] == []
