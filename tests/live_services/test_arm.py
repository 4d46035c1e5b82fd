"""The client of Resource Manager against the practice cloud; every exchange is held to the official descriptions."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from hol_wizard.errors import AccessDeniedError, ServiceError, SignInError, UnreachableError
from hol_wizard.services.arm import ArmClient, Operation
from hol_wizard.services.context import Services
from hol_wizard.services.identity import Account
from tests.practice_cloud import PracticeCloud


@pytest.fixture
def arm(services: Services, sign_in: Callable[[], Account]) -> ArmClient:
    sign_in()
    return services.arm


@pytest.fixture
def group(arm: ArmClient, practice_cloud: PracticeCloud) -> str:
    path = f"/subscriptions/{practice_cloud.subscription}/resourceGroups/live"
    assert arm.put(path, {"location": "westeurope"}).done
    return path


def account(group: str) -> str:
    return f"{group}/providers/Microsoft.Storage/storageAccounts/liveaccount1"


BODY = {"location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": {}}


def register(arm: ArmClient, cloud: PracticeCloud) -> None:
    path = f"/subscriptions/{cloud.subscription}/providers/Microsoft.Storage"
    arm.post(f"{path}/register")
    deadline = time.monotonic() + 10
    while arm.get(path)["registrationState"] != "Registered":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def drive(operation: Operation | None) -> None:
    deadline = time.monotonic() + 20
    while operation is not None and not operation.done:
        assert time.monotonic() < deadline
        time.sleep(operation.retry_after)
        operation.poll()


@pytest.mark.slow
def test_a_resource_lives_from_its_creation_to_its_deletion(
    arm: ArmClient, group: str, practice_cloud: PracticeCloud
) -> None:
    register(arm, practice_cloud)
    drive(arm.put(account(group), BODY))
    assert arm.get(account(group))["properties"]["provisioningState"] == "Succeeded"
    assert [each["name"] for each in arm.list(f"{group}/resources")] == ["liveaccount1"]
    drive(arm.delete(account(group)))
    assert arm.find(account(group)) is None
    drive(arm.delete(group))
    assert arm.find(group) is None
    assert arm.delete(group) is None


@pytest.mark.slow
def test_an_operation_is_found_again_by_another_wizard(
    arm: ArmClient, group: str, services: Services, practice_cloud: PracticeCloud
) -> None:
    register(arm, practice_cloud)
    practice_cloud.control.settings(speed=20.0)
    begun = arm.put(account(group), BODY)
    assert begun.url
    practice_cloud.control.settings(speed=600.0)
    again = Services(services.endpoints).arm.operation(begun.url)
    drive(again)
    assert arm.get(account(group))["name"] == "liveaccount1"


@pytest.mark.slow
def test_a_failed_operation_tells_why(arm: ArmClient, group: str, practice_cloud: PracticeCloud) -> None:
    register(arm, practice_cloud)
    practice_cloud.control.fault(
        "failed-operation",
        method="PUT",
        path="storageAccounts",
        code="QuotaExceeded",
        message="No quota left.",
        times=1,
    )
    with pytest.raises(ServiceError, match="No quota left") as caught:
        drive(arm.put(account(group), BODY))
    assert caught.value.code == "QuotaExceeded"


def test_throttling_is_waited_out(arm: ArmClient, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("throttle", path="/subscriptions", retry_after=1, times=1)
    began = time.monotonic()
    assert arm.list("/subscriptions")
    assert 0.9 < time.monotonic() - began < 4


@pytest.mark.parametrize("kind", ["drop", "unavailable", "expired-token", "revoked-token"])
def test_what_passes_is_got_over(arm: ArmClient, practice_cloud: PracticeCloud, kind: str) -> None:
    practice_cloud.control.fault(kind, path="/subscriptions", times=1)
    assert arm.list("/subscriptions")


def test_what_does_not_pass_is_told(arm: ArmClient, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("expired-token", path="/subscriptions")
    with pytest.raises(SignInError):
        arm.list("/subscriptions")
    practice_cloud.control.clear_faults()
    practice_cloud.control.fault("drop", path="/subscriptions")
    with pytest.raises(UnreachableError, match="dropped the connection"):
        arm.list("/subscriptions")


def test_a_policy_is_named(arm: ArmClient, group: str, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("policy", method="PUT", times=1)
    with pytest.raises(AccessDeniedError, match="policy “") as caught:
        arm.put(f"{group}2", {"location": "westeurope"})
    assert caught.value.code == "RequestDisallowedByPolicy"


def test_who_may_not_is_told_what(
    services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.settings(user="reader@practice.example")
    sign_in()
    path = f"/subscriptions/{practice_cloud.subscription}/resourceGroups/no"
    with pytest.raises(AccessDeniedError, match=r"(?i)may not Microsoft\.Resources/subscriptions/resourceGroups/write"):
        services.arm.put(path, {"location": "westeurope"})


def test_another_subscription_is_not_simply_absent(arm: ArmClient) -> None:
    with pytest.raises(AccessDeniedError, match="cannot see such a subscription"):
        arm.find("/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/x")


def test_the_clocks_agree(arm: ArmClient) -> None:
    assert abs(arm.clock_skew()) < 3
