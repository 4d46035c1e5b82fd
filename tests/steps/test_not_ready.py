"""What exists, but whose address Azure does not tell, is never taken for gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.errors import AccessDeniedError, NotFoundError, NotReadyError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.profile import Profile
from hol_wizard.resources import access_entry, key_vault, lake, vault_secret, workspace
from hol_wizard.resources import cluster as clusters
from hol_wizard.resources.access_entry import AccessEntry
from hol_wizard.resources.azure_resource import TAG
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.lake_data_file import LakeDataFile
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.vault_secret import VaultSecret
from hol_wizard.services.context import Services
from hol_wizard.steps import cluster
from tests.steps.test_units import GUID
from tests.steps.test_vault import PlayedArm, PlayedVault
from tests.unit.services.places import CLOUD

ADDRESSES: dict[str, Callable[[StepContext], object]] = {
    "lake": lake.endpoint,
    "workspace": workspace.workspace,
    "vault": key_vault.address,
}


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    """A step of an attendee for whom Resource Manager has a document without an address."""
    profile = Profile("default", "practice", tmp_path / "default.toml")
    profile.change(prefix="practice", location="westeurope", alias="me", subscription=GUID)
    return StepContext(
        target="some/step@dev",
        environment=Environment.DEV,
        profile=profile,
        services=Services(CLOUD).replace(arm=PlayedArm({"properties": {}, "tags": {}}), key_vault=PlayedVault()),
        reads=ReadCache(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        reporter=Reporter("some/step@dev", lambda event: None, threading.Event()),
        inputs={},
    )


def arm_of(context: StepContext) -> PlayedArm:
    arm: Any = context.services.arm
    assert isinstance(arm, PlayedArm)
    return arm


def made(context: StepContext, resource: str, kind: str) -> None:
    context.ledger.write(Fact.INTENT, context.target, resource, kind)
    context.ledger.write(Fact.CREATED, context.target, resource, kind)


def standing(context: StepContext) -> list[str]:
    return [entry.resource for entry in context.ledger.standing()]


@pytest.mark.parametrize("name", ADDRESSES)
def test_only_a_missing_document_means_that_it_does_not_exist(name: str, context: StepContext) -> None:
    with pytest.raises(NotReadyError, match="is not ready"):
        ADDRESSES[name](context)
    arm_of(context).vault = None
    with pytest.raises(NotFoundError, match="does not exist"):
        ADDRESSES[name](StepContext(**{**_fields(context), "reads": ReadCache()}))


def _fields(context: StepContext) -> dict[str, Any]:
    return {name: getattr(context, name) for name in StepContext.__dataclass_fields__}


def test_no_undo_writes_off_what_is_in_something_that_is_not_ready(context: StepContext) -> None:
    file = LakeDataFile(context)
    made(context, file.id, file.kind)
    made(context, f"{key_vault.vault_id(context)}/secrets/alg-state", VaultSecret.kind)
    scope = KeyVaultScope(context)
    made(context, scope.id, scope.kind)
    made(context, clusters.ledger_id(context), clusters.KIND)
    before = standing(context)
    undos: list[Callable[[], object]] = [
        lambda: ownership.undo(file),
        lambda: vault_secret.remove(context),
        lambda: ownership.undo(scope),
        lambda: cluster.delete(context),
    ]
    for undo in undos:
        with pytest.raises(NotReadyError):
            undo()
    assert len(before) == 4
    assert standing(context) == before


def test_the_plan_of_a_removal_cannot_tell_while_the_vault_is_not_ready(context: StepContext) -> None:
    made(context, f"{key_vault.vault_id(context)}/secrets/alg-state", VaultSecret.kind)
    with pytest.raises(NotReadyError):
        vault_secret.plan_removal(context)
    made(context, key_vault.vault_id(context), "Key vault")
    arm_of(context).vault = {"properties": {}, "tags": {TAG: context.profile.choices.lab_id}}
    (change,) = vault_secret.plan_removal(StepContext(**{**_fields(context), "reads": ReadCache()}))
    assert change.verb == "leave"
    assert change.note == f"it cannot be reached; it is deleted together with Key vault {context.here.key_vault}"


def test_a_survey_does_not_count_a_vault_that_is_not_ready_as_empty(context: StepContext) -> None:
    with pytest.raises(NotReadyError):
        vault_secret.marked(["alg-state"])(context)


def test_what_is_to_come_is_planned_while_its_place_is_not_ready(context: StepContext) -> None:
    assert [change.verb for change in ownership.plan(LakeDataFile(context))] == ["create"]
    assert workspace.open_workspace(context) is None


@pytest.mark.parametrize("ours", [True, False])
def test_access_lists_that_the_lake_does_not_show_are_not_written_off(ours: bool, context: StepContext) -> None:
    class ClosedLake:
        """A data lake that shows nothing to this account."""

        def get_access_control(self, address: str, file_system: str, path: str = "") -> None:
            raise AccessDeniedError("The lake refuses.", code="AuthorizationPermissionMismatch")

    entry = AccessEntry(context, "object-of-a-principal-that-is-gone")
    made(context, entry.id, entry.kind)
    document: dict[str, Any] = {"properties": {"primaryEndpoints": {"dfs": "https://lake.test.invalid/"}}, "tags": {}}
    if ours:
        made(context, lake.lake_id(context), "Storage account")
        document["tags"] = {TAG: context.profile.choices.lab_id}
    arm = PlayedArm(document)
    services = context.services.replace(arm=arm, data_lake=ClosedLake())
    closed = StepContext(**{**_fields(context), "services": services, "reads": ReadCache()})

    (noted,) = access_entry.noted(closed)
    assert noted.object_id == entry.object_id
    (change,) = ownership.plan_undo(noted)
    assert (change.verb, change.resource) == ("leave" if ours else "unclear", entry.id)
    if ours:
        ownership.undo(noted)
    else:
        with pytest.raises(AccessDeniedError):
            ownership.undo(noted)
    assert entry.id in standing(closed)

    arm.vault = None
    gone = StepContext(**{**_fields(closed), "reads": ReadCache()})
    (noted,) = access_entry.noted(gone)
    assert ownership.plan_undo(noted) == ()
    ownership.undo(noted)
    assert entry.id not in standing(gone)
