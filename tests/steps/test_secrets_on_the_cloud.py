"""Section secrets through the real wizard on the practice cloud: from nothing to green, by hand, and back."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.practice.arm.roles import KEY_VAULT_SECRETS_OFFICER, KEY_VAULT_SECRETS_USER
from hol_wizard.steps.secret_values import BUILD, DATA_LAKE, ML_WORKSPACE
from tests.practice.conftest import VAULTS, Arm, provider, user_token, vault_body
from tests.practice.test_authorization import VERSION, body
from tests.practice.test_key_vault_data import AUDIENCE, Vault
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import GROUP, VAULT, Attendee, Seen, drain
from tests.steps.directory import Directory

WRITE = "secrets/let-yourself-write-secrets"
SCOPE = "secrets/create-the-secret-scope"
READ_ONCE = "secrets/let-databricks-read-the-vault"
"""A step of earlier editions of the lab."""
LAKE = "secrets/add-the-secrets-of-the-data-lake"
ML = "secrets/add-the-secrets-of-the-ml-workspace"
BUILDS = "secrets/add-the-secrets-of-the-build"
VERIFY = "secrets/verify-the-secrets-in-the-scope"
TEN = {*DATA_LAKE, *ML_WORKSPACE}
FIVE = {*BUILD}


@pytest.fixture
def person(newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody who signs in as a person."""

    def make() -> None:
        practice_cloud.control.settings(user="attendee@practice.example")
        practice_cloud.register_providers()
        assert newcomer.solve("set-up").all_passed()

    snapshots.prepare("member", practice_cloud, newcomer.root, make)
    return newcomer


def arm(cloud: PracticeCloud) -> Arm:
    """Return Resource Manager as the person asks it by hand."""
    return Arm(cloud, user_token(cloud))


def vault(cloud: PracticeCloud, attendee: Attendee, environment: str = "dev") -> Vault:
    """Return the environment's vault as the person asks it by hand."""
    address = (
        arm(cloud)
        .ask("GET", vault_path(attendee, environment), version=VAULTS)
        .json()["properties"]["vaultUri"]
        .rstrip("/")
    )
    return Vault(cloud, address, user_token(cloud, scope=AUDIENCE))


def vault_path(attendee: Attendee, environment: str = "dev") -> str:
    """Return the path of an environment's vault below the subscription."""
    names = attendee.names(environment)
    return provider("KeyVault/vaults", names.key_vault, names.resource_group)


def policies(cloud: PracticeCloud, attendee: Attendee) -> dict[str, list[str]]:
    """Return who may do what with the secrets of dev."""
    found = arm(cloud).ask("GET", vault_path(attendee), version=VAULTS).json()["properties"]["accessPolicies"]
    return {each["objectId"]: each["permissions"]["secrets"] for each in found}


def names_in(vault: Vault) -> set[str]:
    return {each["id"].rpartition("/")[2] for each in vault.ask("GET", "/secrets").json()["value"]}


def problems(seen: Seen) -> dict[str, str]:
    return {
        key: f"{each.status}: {each.summary} {each.detail}" for key, each in seen.results.items() if not each.passed
    }


def not_passed(seen: Seen) -> dict[str, str]:
    """Return what did not pass; a step that is left out by choice is none of it."""
    return {key: text for key, text in problems(seen).items() if seen.statuses[key] is not Status.SKIPPED}


def secret_writes(exchanges: list[dict[str, Any]]) -> list[str]:
    return [
        str(each["url"]).partition("?")[0].rpartition("/")[2]
        for each in exchanges
        if each["service"] == "key_vault" and each["method"] != "GET" and each["status"] < 400
    ]


@pytest.mark.slow
def test_from_nothing_to_green_and_back(person: Attendee, practice_cloud: PracticeCloud) -> None:
    planned = person.plan("secrets")
    assert {change.name for change in planned[f"{BUILDS}@pipeline"]} == FIVE
    assert {change.verb for key in (WRITE, SCOPE, LAKE, ML) for change in planned[f"{key}@dev"]} == {"create"}
    assert [change.verb for change in planned[f"{VERIFY}@dev"]] == ["leave"]

    began = practice_cloud.log_size()
    assert not_passed(person.solve("secrets")) == {}
    assert sorted(secret_writes(practice_cloud.exchanges(began))) == sorted([*TEN, *TEN, *FIVE])
    assert names_in(vault(practice_cloud, person)) == TEN
    assert names_in(vault(practice_cloud, person, "pipeline")) == TEN | FIVE

    began = practice_cloud.log_size()
    seen = person.check("secrets")
    assert not_passed(seen) == {}
    assert not_passed(person.solve("secrets")) == {}
    assert secret_writes(practice_cloud.exchanges(began)) == []

    gone = person.teardown("secrets")
    assert problems(gone) == {}
    assert [each for each in person.wizard().ledger.standing() if each.target.startswith("secrets/")] == []
    assert not_passed(person.solve(f"{WRITE}@dev")) == {}
    assert names_in(vault(practice_cloud, person)) == set()
    assert vault(practice_cloud, person).ask("GET", "/deletedsecrets").json()["value"] == []
    assert not_passed(person.solve("secrets")) == {}


@pytest.mark.slow
def test_what_is_set_by_hand_is_compared_and_set_right(person: Attendee, practice_cloud: PracticeCloud) -> None:
    assert not_passed(person.solve(f"{WRITE}@dev", f"{ML}@dev")) == {}
    hand = vault(practice_cloud, person)
    canary = "canary-of-a-wrong-value"
    assert hand.ask("PUT", "/secrets/ml-workspace-name", {"value": canary}).status_code == 200
    assert hand.ask("DELETE", "/secrets/alg-state").status_code == 200
    hand.until("GET", "/deletedsecrets/alg-state")
    result = person.look(f"{ML}@dev")
    assert result.status is Status.FAILED
    assert {each.what: each.actual for each in result.expectations if not each.met} == {
        "ml-workspace-name": "differs",
        "alg-state": "missing",
    }
    assert {change.name: change.verb for change in person.plan(f"{ML}@dev")[f"{ML}@dev"]} == {
        "subscription-id": "leave",
        "resource-group": "leave",
        "created-by": "leave",
        "ml-workspace-name": "change",
        "alg-state": "adopt",
    }
    began = practice_cloud.log_size()
    assert not_passed(person.solve(f"{ML}@dev")) == {}
    assert sorted(secret_writes(practice_cloud.exchanges(began))) == ["ml-workspace-name", "recover"]
    for path in [practice_cloud.log, *Path(person.root).rglob("*")]:
        if path.is_file():
            assert canary not in path.read_text(encoding="utf-8", errors="replace")


@pytest.mark.slow
def test_without_the_policy_the_step_that_gives_it_comes_first(person: Attendee, practice_cloud: PracticeCloud) -> None:
    assert not_passed(person.solve(f"{ML}@dev")) == {}
    assert problems(person.teardown(WRITE)) == {}
    seen = person.check(f"{ML}@dev")
    assert seen.statuses[f"{ML}@dev"] is Status.BLOCKED


@pytest.mark.slow
def test_scopes_and_policies_are_made_and_taken_back(person: Attendee, practice_cloud: PracticeCloud) -> None:
    assert not_passed(person.solve(f"{SCOPE}@dev", f"{WRITE}@dev", f"{SCOPE}@pipeline")) == {}
    assert not_passed(person.check(f"{SCOPE}@dev", f"{WRITE}@dev")) == {}
    assert policies(practice_cloud, person) == {
        seed.ATTENDEE.id: ["get", "list", "set", "delete", "recover", "purge"],
        seed.fixed_id("AzureDatabricks"): ["get", "list"],
    }
    assert problems(person.teardown(SCOPE, WRITE)) == {}
    assert person.look(f"{SCOPE}@dev").status is Status.FAILED
    # Databricks keeps what it gave itself, as the service does.
    assert set(policies(practice_cloud, person)) == {seed.fixed_id("AzureDatabricks")}


@pytest.mark.slow
def test_a_vault_of_somebody_else_that_goes_by_roles_is_told_and_left_alone(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert not_passed(person.solve(f"{GROUP}@dev")) == {}
    hand, path = arm(practice_cloud), vault_path(person)
    assert hand.ask("PUT", path, vault_body(practice_cloud), version=VAULTS).status_code == 200
    hand.until(path, VAULTS)
    result = person.look(f"{VAULT}@dev")
    assert result.status is Status.FAILED
    assert (
        f"az keyvault update --name {person.names().key_vault} --enable-rbac-authorization false" in result.next_action
    )
    seen = person.solve(f"{VAULT}@dev")
    assert "does not fit" in seen.results[f"{VAULT}@dev"].summary
    assert hand.ask("GET", path, version=VAULTS).json()["properties"]["enableRbacAuthorization"] is True
    assert (
        hand.ask("PATCH", path, {"properties": {"enableRbacAuthorization": False}}, version=VAULTS).status_code == 200
    )
    assert not_passed(person.solve(f"{VAULT}@dev", f"{SCOPE}@dev")) == {}


@pytest.mark.slow
def test_a_vault_of_an_earlier_lab_is_switched_and_keeps_its_policies(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert not_passed(person.solve(f"{SCOPE}@dev")) == {}
    hand, path = arm(practice_cloud), vault_path(person)
    model = {"properties": {"enableRbacAuthorization": True}}
    assert hand.ask("PATCH", path, model, version=VAULTS).status_code == 200
    assert person.look(f"{VAULT}@dev").status is Status.FAILED
    assert [change.verb for change in person.plan(f"{VAULT}@dev")[f"{VAULT}@dev"]] == ["change"]
    before = policies(practice_cloud, person)
    assert not_passed(person.solve(f"{VAULT}@dev")) == {}
    assert not_passed(person.check(f"{VAULT}@dev", f"{SCOPE}@dev")) == {}
    assert policies(practice_cloud, person) == before


@pytest.mark.slow
def test_the_roles_of_an_earlier_lab_are_taken_back(person: Attendee, practice_cloud: PracticeCloud) -> None:
    """Its steps gave roles on the vault, one of them in a step that is no more; somebody else's vault stays."""
    assert not_passed(person.solve(f"{GROUP}@dev")) == {}
    hand, path = arm(practice_cloud), vault_path(person)
    assert hand.ask("PUT", path, vault_body(practice_cloud), version=VAULTS).status_code == 200
    hand.until(path, VAULTS)
    mark = f"hol-wizard {person.wizard().profile.choices.lab_id}"
    ledger = person.wizard().ledger
    for step, role in ((WRITE, KEY_VAULT_SECRETS_OFFICER), (READ_ONCE, KEY_VAULT_SECRETS_USER)):
        address = f"{path}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        asked = body(hand, seed.ATTENDEE.id, role, description=mark)
        assert hand.ask("PUT", address, asked, version=VERSION).status_code == 201
        resource = f"/subscriptions/{practice_cloud.subscription}{address}"
        ledger.write(Fact.INTENT, f"{step}@dev", resource, "Role assignment")
        ledger.write(Fact.CREATED, f"{step}@dev", resource, "Role assignment", "a role for you")
    assert [change.verb for change in person.plan_teardown(WRITE)[f"{WRITE}@dev"]] == ["delete", "delete"]
    assert problems(person.teardown(WRITE)) == {}
    kept = hand.ask("GET", f"{path}/providers/Microsoft.Authorization/roleAssignments", version=VERSION)
    assert [each for each in kept.json().get("value", []) if each["properties"].get("description") == mark] == []
    assert [each for each in person.wizard().ledger.standing() if each.kind == "Role assignment"] == []


@pytest.mark.slow
def test_a_running_cluster_reads_the_secrets(person: Attendee, practice_cloud: PracticeCloud) -> None:
    assert not_passed(person.solve(f"{VERIFY}@dev", "cluster/create-the-cluster@dev")) == {}
    result = person.look(f"{VERIFY}@dev")
    assert result.passed
    assert "the cluster cpu reads them" in result.summary
    assert {each.actual for each in result.expectations[10:]} == {"the same"}
    assert vault(practice_cloud, person).ask("DELETE", "/secrets/alg-state").status_code == 200
    assert person.look(f"{VERIFY}@dev").status is Status.BLOCKED


@pytest.mark.slow
def test_a_teardown_of_everything_leaves_nothing_even_without_the_policy(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert not_passed(person.solve("secrets")) == {}
    ledger = person.wizard().ledger
    patch: dict[str, Any] = {"properties": {"accessPolicies": []}}
    assert arm(practice_cloud).ask("PATCH", vault_path(person), patch, version=VAULTS).status_code == 200
    assert not_passed(person.teardown()) == {}
    assert person.plan_teardown() == {}
    deleted = arm(practice_cloud).ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version=VAULTS).json()
    assert deleted["value"] == []
    assert not_passed(person.teardown()) == {}
    assert {each.kind for each in ledger.standing()} == {"Sign-in"}


@pytest.mark.slow
def test_two_profiles_share_a_vault_and_neither_overwrites_the_others_password(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    create = "service-principal/create-the-service-principal@dev"
    other = Attendee(person.root, person.endpoints_file, profile="other")
    assert other.solve("set-up").all_passed()
    # A wizard without a keyring keeps what it was told: each has a client secret of its own.
    wizards = [(each, each.wizard()) for each in (person, other)]
    for each, wizard in wizards:
        assert drain(wizard.solve(each.targets(wizard, [create]))).results[create].passed
    (application,) = Directory(practice_cloud).applications()
    assert len(application["passwordCredentials"]) == 2
    for each, wizard in wizards:
        assert drain(wizard.solve(each.targets(wizard, [f"{LAKE}@dev"]))).results[f"{LAKE}@dev"].passed
    for each, wizard in wizards:
        assert drain(wizard.check(each.targets(wizard, [f"{LAKE}@dev"]))).results[f"{LAKE}@dev"].passed
    versions = vault(practice_cloud, person).ask("GET", "/secrets/sp-password/versions").json()["value"]
    assert len(versions) == 1
