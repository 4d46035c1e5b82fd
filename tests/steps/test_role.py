"""Roles, given, waited for and taken back, over the practice cloud: that of the attendee on the lake."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.resources.role_assignment import RoleAssignment
from tests.practice.conftest import Arm, user_token
from tests.practice.test_authorization import VERSION, body
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import LAKE, Attendee

STEP = "initial-data/let-yourself-write-to-the-lake@dev"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"


@pytest.fixture
def member(newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """A person with a lake."""

    def make() -> None:
        practice_cloud.control.settings(user=seed.ATTENDEE.name)
        practice_cloud.register_providers()
        assert newcomer.solve("set-up", f"{LAKE}@dev").results[f"{LAKE}@dev"].passed

    snapshots.prepare("member-with-lake", practice_cloud, newcomer.root, make)
    return newcomer


class Roles:
    """The assignments on the lake of dev, as somebody sees and changes them in the portal."""

    def __init__(self, arm: Arm, member: Attendee) -> None:
        self.arm = arm
        names = member.names()
        account = f"providers/Microsoft.Storage/storageAccounts/{names.storage_account}"
        self.lake = f"/resourceGroups/{names.resource_group}/{account}"

    def all(self) -> list[dict[str, Any]]:
        path = f"{self.lake}/providers/Microsoft.Authorization/roleAssignments"
        found = self.arm.ask("GET", path, version=VERSION, **{"$filter": "atScope()"}).json()["value"]
        return [each for each in found if str(each["properties"]["roleDefinitionId"]).endswith(CONTRIBUTOR)]

    def give(self) -> None:
        path = f"{self.lake}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        given = self.arm.ask("PUT", path, body(self.arm, seed.ATTENDEE.id, CONTRIBUTOR), version=VERSION)
        assert given.status_code == 201, given.text

    def describe(self, text: str) -> None:
        (each,) = self.all()
        path = each["id"].removeprefix(self.arm.base)
        asked = body(self.arm, seed.ATTENDEE.id, CONTRIBUTOR, description=text)
        assert self.arm.ask("PUT", path, asked, version=VERSION).status_code == 200


@pytest.fixture
def roles(member: Attendee, practice_cloud: PracticeCloud) -> Roles:
    return Roles(Arm(practice_cloud, user_token(practice_cloud)), member)


@pytest.mark.slow
def test_a_role_is_given_once_with_the_mark_and_taken_back(member: Attendee, roles: Roles) -> None:
    assert member.look(STEP).status is Status.FAILED
    for _ in range(2):
        assert member.solve(STEP).results[STEP].passed
    (given,) = roles.all()
    assert given["properties"]["description"] == f"hol-wizard {member.wizard().profile.choices.lab_id}"
    assert member.teardown(STEP).results[STEP].passed
    assert roles.all() == []
    assert member.plan_teardown(STEP) == {}


@pytest.mark.slow
def test_a_role_that_spreads_is_waited_for_and_not_called_missing(
    member: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert member.solve(STEP).results[STEP].passed
    code = "AuthorizationPermissionMismatch"
    practice_cloud.control.fault("error", service="storage_dfs", status=403, code=code, message="Not yet.")
    practice_cloud.control.fault("error", service="storage_blob", status=403, code=code, message="Not yet.")
    seen = member.look(STEP)
    assert seen.status is Status.WAITING
    assert seen.look_again_after is not None
    assert seen.usually == 300.0
    assert "propagating" in seen.summary


@pytest.mark.slow
def test_a_role_given_by_hand_is_adopted_and_stays_after_the_teardown(member: Attendee, roles: Roles) -> None:
    roles.give()
    seen = member.solve(STEP)
    assert seen.results[STEP].passed
    assert len(roles.all()) == 1
    assert member.teardown(STEP).results
    assert len(roles.all()) == 1


def test_what_lost_its_mark_is_left_alone(member: Attendee, roles: Roles) -> None:
    assert member.solve(STEP).results[STEP].passed
    roles.describe("somebody else's now")
    (change,) = member.plan_teardown(STEP)[STEP]
    assert (change.verb, change.note) == ("leave", "it no longer carries the wizard's mark: left in place")
    member.teardown(STEP)
    assert len(roles.all()) == 1


def test_a_principal_that_the_roles_do_not_know_yet_is_asked_for_again(
    member: Attendee, roles: Roles, practice_cloud: PracticeCloud
) -> None:
    unknown = {"status": 400, "code": "PrincipalNotFound", "message": "It does not exist in the directory."}
    practice_cloud.control.fault(
        "error", service="resource_manager", method="PUT", path="roleAssignments", times=2, **unknown
    )
    assert member.solve(STEP).results[STEP].passed
    assert len(roles.all()) == 1


def test_an_answer_that_is_lost_gives_the_role_once(
    member: Attendee, roles: Roles, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.fault(
        "drop", service="resource_manager", method="PUT", path="roleAssignments", after=True, times=1
    )
    assert member.solve(STEP).results[STEP].passed
    assert len(roles.all()) == 1


def test_who_may_not_give_roles_is_told_who_may(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(user=seed.CONTRIBUTOR_USER.name)
    practice_cloud.register_providers()
    seen = newcomer.solve("set-up", STEP).results[STEP]
    assert seen.status is Status.FAILED
    assert "Role Based Access Control Administrator" in seen.next_action or "Owner" in seen.next_action


@pytest.mark.slow
def test_of_two_profiles_at_the_same_time_one_gives_the_role_and_the_other_adopts_it(
    member: Attendee, roles: Roles, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Attendee(member.root, member.endpoints_file, profile="other")
    assert other.solve("set-up").all_passed()
    # Both have looked before either has given it.
    both, send = threading.Barrier(2), RoleAssignment.create

    def together(self: RoleAssignment, begun: Callable[[str], None]) -> str:
        both.wait(60)
        return send(self, begun)

    monkeypatch.setattr(RoleAssignment, "create", together)
    with ThreadPoolExecutor(2) as pool:
        seen = list(pool.map(lambda each: each.solve(STEP).results[STEP], (member, other)))
    assert all(each.passed for each in seen), seen
    assert len(roles.all()) == 1
    facts = [[entry["fact"] for entry in each.ledger() if entry["target"] == STEP] for each in (member, other)]
    assert sorted(facts) == [["intent", "created"], ["intent", "withdrawn", "adopted"]]
