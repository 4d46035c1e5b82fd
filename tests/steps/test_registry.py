"""The container registry: the mode in which AcrPull and AcrPush have an effect."""

from __future__ import annotations

from typing import Any

import pytest

from hol_wizard.engine.results import Status
from tests.practice.conftest import Arm, provider
from tests.steps.attendee import GROUP, REGISTRY, Attendee

VERSION = "2025-11-01"
KEY = f"{REGISTRY}@prod"
LEGACY, ABAC = "LegacyRegistryPermissions", "AbacRepositoryPermissions"


def path_of(attendee: Attendee) -> str:
    names = attendee.names("prod")
    return provider("ContainerRegistry/registries", names.container_registry, names.resource_group)


def mode(arm: Arm, path: str) -> Any:
    return arm.ask("GET", path, version=VERSION).json()["properties"]["roleAssignmentMode"]


@pytest.mark.slow
def test_the_registry_is_made_in_the_mode_of_roles_and_put_back_into_it(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(KEY).results[KEY].passed
    path = path_of(attendee)
    assert mode(by_hand, path) == LEGACY
    changed = by_hand.ask("PATCH", path, {"properties": {"roleAssignmentMode": ABAC}}, version=VERSION)
    assert (changed.status_code, mode(by_hand, path)) == (200, ABAC)
    result = attendee.look(KEY)
    assert result.status is Status.FAILED
    assert [each.what for each in result.expectations if not each.met] == ["Role assignment permissions mode"]
    assert [change.verb for change in attendee.plan(KEY)[KEY]] == ["change"]
    assert attendee.solve(KEY).results[KEY].passed
    assert mode(by_hand, path) == LEGACY


@pytest.mark.slow
def test_a_registry_of_somebody_else_keeps_its_mode_and_is_told(attendee: Attendee, by_hand: Arm) -> None:
    assert attendee.solve(f"{GROUP}@prod").all_passed()
    path = path_of(attendee)
    properties = {"roleAssignmentMode": ABAC}
    body = {"location": "westeurope", "sku": {"name": "Basic"}, "properties": properties}
    by_hand.poll(by_hand.ask("PUT", path, body, version=VERSION))
    seen = attendee.solve(KEY)
    assert seen.results[KEY].status is Status.FAILED
    assert "Role assignment permissions mode is AbacRepositoryPermissions" in seen.results[KEY].summary
    assert mode(by_hand, path) == ABAC
    wrong = {**body, "properties": {"roleAssignmentMode": "Other"}}
    assert by_hand.error("PUT", path, wrong, version=VERSION) == (400, "InvalidValuesForRequestParameters")
