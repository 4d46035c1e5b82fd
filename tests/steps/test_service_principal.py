"""The section service-principal, over the practice cloud's directory, roles and lake."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hol_wizard.engine.registry import UNDOS
from hol_wizard.engine.results import Result, Status
from hol_wizard.services.graph import Application, Graph
from tests.practice.conftest import GRAPH
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee, drain
from tests.steps.databricks import context_of
from tests.steps.directory import NAME, Directory

SECTION = "service-principal"
CREATE = f"{SECTION}/create-the-service-principal@dev"
OBJECT_ID = f"{SECTION}/find-its-object-id@dev"
FILES = f"{SECTION}/give-it-access-to-the-files@dev"
STORAGE = f"{SECTION}/give-it-the-storage-role@dev"
PROOF = f"{SECTION}/verify-that-it-can-sign-in@dev"


@pytest.fixture
def directory(practice_cloud: PracticeCloud) -> Directory:
    return Directory(practice_cloud)


@pytest.fixture
def member(newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """A person who is signed in, in a subscription of their own."""

    def make() -> None:
        practice_cloud.control.settings(user="attendee@practice.example")
        practice_cloud.register_providers()
        assert newcomer.solve("set-up").all_passed()

    snapshots.prepare("member", practice_cloud, newcomer.root, make)
    return newcomer


def passwords(application: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = application["passwordCredentials"]
    return found


def test_before_anything_there_is_no_principal_and_what_needs_it_waits(member: Attendee) -> None:
    seen = member.check(f"{SECTION}/create-the-service-principal", OBJECT_ID)
    assert seen.statuses[CREATE] is Status.FAILED
    assert seen.statuses[OBJECT_ID] is Status.BLOCKED
    assert NAME in seen.results[CREATE].summary


def test_one_application_with_one_secret_is_made_however_often_it_is_asked_for(
    member: Attendee, directory: Directory
) -> None:
    wizard = member.wizard()
    for _ in range(2):
        seen = [event for event in wizard.solve(member.targets(wizard, [CREATE]))]
        assert seen
    (application,) = directory.applications()
    assert application["tags"] == [f"hol-wizard {wizard.profile.choices.lab_id}"]
    (secret,) = passwords(application)
    assert secret["displayName"] == f"hol-wizard {wizard.profile.choices.lab_id}"
    result = list(wizard.check(member.targets(wizard, [CREATE, OBJECT_ID])))[-1].results  # type: ignore[union-attr]
    assert result[CREATE].passed
    assert result[OBJECT_ID].passed


@pytest.mark.slow
def test_a_secret_that_nobody_kept_is_made_anew_in_the_place_of_the_lost_one(
    member: Attendee, directory: Directory
) -> None:
    member.solve(CREATE)
    (before,) = passwords(directory.applications()[0])
    # Another wizard, without a keyring: what the first one kept in memory is lost.
    lost = member.look(CREATE)
    assert lost.status is Status.FAILED
    assert "not kept" in {each.actual for each in lost.expectations}
    assert member.solve(CREATE).results[CREATE].passed
    (application,) = directory.applications()
    (after,) = passwords(application)
    assert after["keyId"] != before["keyId"]


def test_the_only_application_of_the_name_is_adopted_and_survives_a_teardown(
    member: Attendee, directory: Directory
) -> None:
    made = directory.register()
    assert member.solve(CREATE).results[CREATE].passed
    assert [each["id"] for each in directory.applications()] == [made["id"]]
    assert len(passwords(directory.applications()[0])) == 1
    assert member.teardown(CREATE).all_passed()
    (left,) = directory.applications()
    assert passwords(left) == []


def test_several_applications_of_the_name_are_told_and_none_is_chosen(member: Attendee, directory: Directory) -> None:
    ids = {directory.register()["appId"] for _ in range(2)}
    seen = member.solve(CREATE)
    assert seen.results[CREATE].status is Status.UNKNOWN or seen.results[CREATE].status is Status.FAILED
    assert all(each in seen.results[CREATE].summary for each in ids)
    assert len(directory.applications()) == 2
    # None of them carries the mark, which is known: a lost ledger can be written again.
    find = UNDOS["service_principal.delete"].marked
    assert find is not None
    assert find(context_of(member, CREATE)) == ()


def test_who_may_not_register_applications_is_told_who_may(
    member: Attendee, practice_cloud: PracticeCloud, directory: Directory
) -> None:
    practice_cloud.control.settings(register_applications=False)
    seen = member.solve(CREATE).results[CREATE]
    assert seen.status is Status.FAILED
    assert "Application Developer" in seen.next_action
    assert directory.applications() == []


@pytest.mark.slow
def test_from_nothing_to_the_proof_and_back(
    member: Attendee, practice_cloud: PracticeCloud, directory: Directory
) -> None:
    seen = member.solve(FILES, PROOF)
    assert seen.results[PROOF].passed, seen.results
    assert {seen.results[key].status for key in (CREATE, OBJECT_ID, FILES, STORAGE)} == {Status.PASSED}
    assert (
        "3,9" in seen.results[PROOF].expectations[-1].actual or "bytes" in seen.results[PROOF].expectations[-1].actual
    )
    gone = member.teardown()
    assert gone.all_passed(), {key: each.summary for key, each in gone.results.items() if not each.passed}
    assert directory.applications() == []
    assert directory.deleted_applications() == []
    assert {entry["fact"] for entry in member.ledger() if entry["resource"].startswith("graph/")} >= {"deleted"}


@pytest.mark.slow
def test_a_secret_removed_behind_the_wizard_fails_the_proof_and_is_made_anew(
    member: Attendee, directory: Directory
) -> None:
    wizard = member.wizard()
    targets = member.targets(wizard, [PROOF])
    assert list(wizard.solve(targets))[-1].results[PROOF].passed  # type: ignore[union-attr]
    directory.remove_password(directory.applications()[0])
    before = list(wizard.check(targets))[-1].results[PROOF]  # type: ignore[union-attr]
    assert before.status in {Status.FAILED, Status.WAITING, Status.BLOCKED}
    assert list(wizard.solve(targets))[-1].results[PROOF].passed  # type: ignore[union-attr]
    assert len(passwords(directory.applications()[0])) == 1


def test_the_secret_is_shown_nowhere(member: Attendee) -> None:
    wizard = member.wizard()
    events = list(wizard.solve(member.targets(wizard, [CREATE])))
    services = wizard.connection.services
    assert services is not None
    secret = services.secrets.get("service-principal/dev")
    assert secret is not None
    assert secret.reveal() not in "".join(str(event) for event in events)
    assert secret.reveal() not in (member.home.ledger_file("practice", "default")).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["/applications$", "addPassword"])
def test_a_lost_answer_leaves_nothing_twice(
    member: Attendee, practice_cloud: PracticeCloud, directory: Directory, path: str
) -> None:
    # The request is carried out, and sent again since nobody knows that.
    practice_cloud.control.fault("drop", service="microsoft_graph", method="POST", path=path, after=True, times=1)
    assert member.solve(CREATE).results[CREATE].status in {Status.PASSED, Status.FAILED}
    assert member.solve(CREATE).results[CREATE].passed
    (application,) = directory.applications()
    assert len(passwords(application)) == 1


def test_a_service_principal_that_an_administrator_made_after_a_refusal_is_not_deleted(
    member: Attendee, practice_cloud: PracticeCloud, directory: Directory
) -> None:
    practice_cloud.control.fault(
        "error",
        service="microsoft_graph",
        method="POST",
        path="/servicePrincipals$",
        times=1,
        status=403,
        code="Authorization_RequestDenied",
        message="Insufficient privileges to complete the operation.",
    )
    assert member.solve(CREATE).results[CREATE].status is Status.FAILED
    principal = directory.make_principal()
    assert member.solve(CREATE).results[CREATE].passed
    notes = {change.kind: change.note for change in member.plan_teardown(CREATE)[CREATE]}
    assert principal["id"] in notes["Application"]
    seen = member.teardown(CREATE).results[CREATE]
    assert seen.status is Status.FAILED
    assert principal["id"] in seen.summary
    assert [each["id"] for each in directory.principals()] == [principal["id"]]
    (application,) = directory.applications()
    assert passwords(application) == []
    directory.remove_principals()
    assert member.teardown(CREATE).all_passed()
    assert directory.applications() == []


@pytest.mark.slow
def test_two_profiles_at_the_same_time_share_one_application_and_both_sign_in(
    member: Attendee, practice_cloud: PracticeCloud, directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Attendee(member.root, member.endpoints_file, profile="other")
    assert other.solve("set-up").all_passed()
    # A new secret works at once: a young one is refused like a wrong one, and the sign-ins below do not wait.
    practice_cloud.control.settings(speed=1e9)
    wizards = [each.wizard() for each in (member, other)]
    targets = [member.targets(each, [CREATE]) for each in wizards]
    # Both have looked before either has made one.
    both, send = threading.Barrier(2), Graph.create_application

    def together(graph: Graph, name: str, mark: str) -> Application:
        both.wait(60)
        return send(graph, name, mark)

    monkeypatch.setattr(Graph, "create_application", together)

    def solve(number: int) -> Result:
        return drain(wizards[number].solve(targets[number])).results[CREATE]

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(solve, range(2)))
    assert [each.status for each in results] == [Status.PASSED] * 2, results
    assert len(directory.applications()) == 1
    assert len(directory.principals()) == 1
    for each in wizards:
        services = each.connection.services
        assert services is not None
        secret, (application,) = services.secrets.get("service-principal/dev"), directory.applications()
        assert secret is not None
        acting = services.acting_as(application["appId"], each.names.tenant, secret)
        assert acting.identity.token(GRAPH.removesuffix("/.default")).fresh
        acting.close()
    # The one who made it removes it; the other has nothing to remove then.
    for one in (member, other):
        assert one.teardown(CREATE).results[CREATE].status in {Status.PASSED, Status.FAILED}
    assert member.teardown(CREATE).statuses.get(CREATE, Status.PASSED) is Status.PASSED
