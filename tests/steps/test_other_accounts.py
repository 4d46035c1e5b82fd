"""What an account does not see is not gone: what one account made is looked at by another."""

from __future__ import annotations

import shutil

import pytest

from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.services.secrets import Secret
from tests.practice.test_devops import DevOps, as_user, join
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee
from tests.steps.databricks import LAUNCH, TOKEN
from tests.steps.test_devops_project import NAME, NEW, PROJECT, USERS, attendee, mails
from tests.steps.test_repository import SEED, identity
from tests.steps.test_scientist_setup import CREDENTIAL, FOLDER, git, person, scientist, solved, tokens

__all__ = ["attendee", "identity", "person", "scientist"]
BRANCH = "scientist-setup/create-your-branch"


def sign_in(somebody: Attendee, cloud: PracticeCloud, who: seed.Principal) -> None:
    """Have the same wizard, with the same ledger, used by another account."""
    cloud.control.settings(user=who.name)
    shutil.rmtree(cloud.state / "azure", ignore_errors=True)
    assert somebody.solve("set-up/sign-in").results["set-up/sign-in"].passed


def deleted(somebody: Attendee) -> list[str]:
    return [entry["resource"] for entry in somebody.ledger() if entry["fact"] == "deleted"]


@pytest.fixture
def by_hand(attendee: Attendee, practice_cloud: PracticeCloud) -> DevOps:
    del attendee
    return as_user(practice_cloud)


@pytest.mark.slow
def test_a_hidden_project_is_neither_gone_nor_made_again(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects")
    assert attendee.solve(PROJECT).all_passed()
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    noted = attendee.ledger()
    assert noted[-1]["detail"] == made["id"]
    sign_in(attendee, practice_cloud, seed.CONTRIBUTOR_USER)
    seen = attendee.look(PROJECT)
    assert seen.status is Status.UNKNOWN
    assert f"no Azure DevOps project {NAME} in practice that you ({seed.CONTRIBUTOR_USER.name}) can see" in seen.summary
    assert f"{seed.ATTENDEE.name} created it" in seen.summary
    assert f"Sign in as {seed.ATTENDEE.name}" in seen.next_action
    (change,) = attendee.plan(PROJECT)[PROJECT]
    assert change.verb == "unclear"
    assert attendee.solve(PROJECT).results[PROJECT].status is Status.UNKNOWN
    (change,) = attendee.plan_teardown(PROJECT)[PROJECT]
    assert (change.verb, change.name) == ("unclear", NAME)
    torn = attendee.teardown(PROJECT)
    assert torn.results[PROJECT].status is Status.UNKNOWN
    assert [entry for entry in attendee.ledger() if entry not in noted and entry["kind"] != "Sign-in"] == []
    # Who made it sees it, and removes it.
    sign_in(attendee, practice_cloud, seed.ATTENDEE)
    assert attendee.teardown(PROJECT).results[PROJECT].passed
    assert by_hand.ask("GET", f"/projects/{made['id']}").status_code == 404


@pytest.mark.slow
def test_who_was_taken_out_of_their_own_project_cannot_tell_whether_it_is_gone(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/projects")
    assert attendee.solve(PROJECT).all_passed()
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    # Whoever may make projects here is never taken out of them: by the ledger somebody else was it.
    other = f"{seed.fixed_id(f'devops practice {seed.CONTRIBUTOR_USER.id}')} {seed.CONTRIBUTOR_USER.name}"
    ledger, last = Ledger(attendee.home.ledger_file("practice", attendee.profile)), attendee.ledger()[-1]
    ledger.write(Fact.DELETED, PROJECT, last["resource"], last["kind"])
    ledger.write(Fact.INTENT, PROJECT, last["resource"], last["kind"], by=other)
    ledger.write(Fact.CREATED, PROJECT, last["resource"], last["kind"], made["id"])
    sign_in(attendee, practice_cloud, seed.CONTRIBUTOR_USER)
    noted = attendee.ledger()
    seen = attendee.look(PROJECT)
    assert seen.status is Status.UNKNOWN
    assert "You may have been removed from it" in seen.next_action
    assert attendee.solve(PROJECT).results[PROJECT].status is Status.UNKNOWN
    assert attendee.teardown(PROJECT).results[PROJECT].status is Status.UNKNOWN
    assert [entry for entry in attendee.ledger() if entry not in noted and entry["kind"] != "Sign-in"] == []
    assert by_hand.ask("GET", f"/projects/{made['id']}").json()["state"] == "wellFormed"
    # Who sees that it was deleted knows more, whoever made it.
    by_hand.wait(by_hand.ask("DELETE", f"/projects/{made['id']}"))
    assert attendee.look(PROJECT).status is Status.UNKNOWN
    sign_in(attendee, practice_cloud, seed.ORGANIZER)
    assert attendee.look(PROJECT).status is Status.FAILED
    assert attendee.teardown(PROJECT).results[PROJECT].passed


@pytest.mark.slow
def test_a_project_that_its_maker_deleted_in_the_browser_is_gone(attendee: Attendee, by_hand: DevOps) -> None:
    assert attendee.solve(PROJECT).all_passed()
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    by_hand.wait(by_hand.ask("DELETE", f"/projects/{made['id']}"))
    assert attendee.look(PROJECT).status is Status.FAILED
    assert attendee.solve(PROJECT).all_passed()
    assert attendee.teardown(PROJECT).all_passed()


def test_an_administrator_who_sees_a_project_of_others_removes_it(
    attendee: Attendee, practice_cloud: PracticeCloud, by_hand: DevOps
) -> None:
    assert attendee.solve(PROJECT).all_passed()
    sign_in(attendee, practice_cloud, seed.ORGANIZER)
    assert attendee.teardown(PROJECT).results[PROJECT].passed
    assert by_hand.ask("GET", f"/projects/{NAME}").status_code == 404


def test_another_project_of_the_name_is_not_the_one_that_was_made(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud
) -> None:
    """Somebody copies the description, mark and all: the id tells them apart."""
    assert attendee.solve(PROJECT).all_passed()
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    by_hand.wait(by_hand.ask("DELETE", f"/projects/{made['id']}"))
    other = by_hand.make(NAME, description=made["description"])
    (change,) = attendee.plan_teardown(PROJECT)[PROJECT]
    assert change.verb == "leave"
    attendee.teardown(PROJECT)
    assert by_hand.ask("GET", f"/projects/{other['id']}").json()["state"] == "wellFormed"


@pytest.mark.slow
def test_a_branch_in_a_project_that_is_hidden_by_now_stays_in_the_ledger(
    attendee: Attendee, practice_cloud: PracticeCloud, tmp_path: object
) -> None:
    """Who pushed it was taken out of the project since: it can be their own branch, and still hidden from them."""
    practice_cloud.wrong_on_purpose(r"/_apis/(projects|git)")
    organizer = as_user(practice_cloud, seed.ORGANIZER.name)
    made = organizer.make(NAME)
    sign_in(attendee, practice_cloud, seed.ATTENDEE)
    assert attendee.solve(SEED).results[SEED].passed
    join(organizer, seed.CONTRIBUTOR_USER, made["id"])
    sign_in(attendee, practice_cloud, seed.CONTRIBUTOR_USER)
    attendee.flags = {"alias": "cleo", "clone_folder": f"{tmp_path}/cleo"}
    assert attendee.solve(BRANCH).results[BRANCH].passed
    base = f"{practice_cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements"
    who = seed.fixed_id(f"devops practice {seed.CONTRIBUTOR_USER.id}")
    assert organizer.http.delete(f"{base}/{who}", params={"api-version": "7.1"}, timeout=10).ok
    again = {"principalName": seed.CONTRIBUTOR_USER.name, "subjectKind": "user"}
    body = {"accessLevel": {"accountLicenseType": "express"}, "user": again, "projectEntitlements": []}
    assert organizer.http.post(base, params={"api-version": "7.1"}, json=body, timeout=10).json()["isSuccess"]
    (change, *_) = attendee.plan_teardown(BRANCH)[BRANCH]
    assert (change.verb, change.kind) == ("unclear", "Branch")
    assert attendee.teardown(BRANCH).results[BRANCH].status is Status.UNKNOWN
    assert not [each for each in deleted(attendee) if "/branches/" in each]
    join(organizer, seed.CONTRIBUTOR_USER, made["id"])
    assert attendee.teardown(BRANCH).results[BRANCH].passed
    assert [each for each in deleted(attendee) if "/branches/" in each]


@pytest.mark.slow
def test_a_branch_goes_with_the_project_that_the_same_account_made_and_removed(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud, tmp_path: object
) -> None:
    practice_cloud.wrong_on_purpose(r"/_apis/(projects|git)")
    attendee.flags = {"clone_folder": f"{tmp_path}/mine"}
    assert attendee.solve(BRANCH).results[BRANCH].passed
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    by_hand.wait(by_hand.ask("DELETE", f"/projects/{made['id']}"))
    assert attendee.teardown().results[BRANCH].passed
    assert {"projects", "branches"} <= {part for each in deleted(attendee) for part in each.split("/")}


@pytest.mark.slow
def test_who_was_invited_by_another_account_is_forgotten_by_nobody(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud
) -> None:
    """Some organizations show their users to some accounts in part only; one that the account sees can go."""
    assert attendee.solve(USERS, inputs={"devops_users": NEW}).results[USERS].passed
    base = f"{practice_cloud.endpoints['devops_entitlements']}/practice/_apis/userentitlements"
    listed = by_hand.http.get(base, params={"api-version": "7.1"}, timeout=10).json()["items"]
    who = next(each["id"] for each in listed if each["user"]["mailAddress"] == NEW)
    sign_in(attendee, practice_cloud, seed.ORGANIZER)
    assert [each.verb for each in attendee.plan_teardown(USERS)[USERS]] == ["delete"]
    assert by_hand.http.delete(f"{base}/{who}", params={"api-version": "7.1"}, timeout=10).ok
    assert [each.verb for each in attendee.plan_teardown(USERS)[USERS]] == ["unclear"]
    assert attendee.teardown(USERS).results[USERS].status is Status.UNKNOWN
    assert not deleted(attendee)
    sign_in(attendee, practice_cloud, seed.ATTENDEE)
    assert attendee.teardown(USERS).results[USERS].passed
    assert NEW not in mails(by_hand)


@pytest.mark.slow
def test_what_is_listed_to_its_owner_only_is_left_in_the_ledger_by_others(
    scientist: Attendee, practice_cloud: PracticeCloud, keyring: dict[str, Secret]
) -> None:
    """Personal access tokens of both services and Git credentials are each account's own."""
    assert keyring is not None
    solved(scientist)
    scientist.flags = {**scientist.flags, "token_in_profile": "yes"}
    assert scientist.solve(TOKEN).results[TOKEN].passed
    before = len(deleted(scientist))
    sign_in(scientist, practice_cloud, seed.ORGANIZER)
    assert scientist.solve(LAUNCH).results[LAUNCH].passed
    assert not tokens(scientist).list()
    assert not git(scientist).credentials()
    planned = scientist.plan_teardown(CREDENTIAL, TOKEN)
    assert [each.verb for each in planned[CREDENTIAL]] == ["unclear", "unclear"]
    assert [each.verb for each in planned[TOKEN]] == ["unclear"]
    torn = scientist.teardown(CREDENTIAL, TOKEN)
    assert {torn.statuses[CREDENTIAL], torn.statuses[TOKEN]} == {Status.UNKNOWN}
    assert len(deleted(scientist)) == before
    # Nor is what the other account has replaced in the ledger by something new.
    assert scientist.solve(TOKEN).results[TOKEN].status is Status.UNKNOWN
    assert not [entry for entry in scientist.ledger() if seed.ORGANIZER.name in entry.get("by", "")]
    sign_in(scientist, practice_cloud, seed.ATTENDEE)
    torn = scientist.teardown(CREDENTIAL, TOKEN)
    assert torn.all_passed()
    assert not tokens(scientist).list()
    assert not git(scientist).credentials()


@pytest.mark.slow
def test_a_workspace_of_ours_that_does_not_let_the_account_in_is_asked_to(
    scientist: Attendee, practice_cloud: PracticeCloud
) -> None:
    """Nothing in it is written off: who may delete the workspace is let in by it."""
    solved(scientist)
    before = len(deleted(scientist))
    sign_in(scientist, practice_cloud, seed.ORGANIZER)
    (change,) = scientist.plan_teardown(FOLDER)[FOLDER]
    assert change.verb == "unclear"
    assert len(deleted(scientist)) == before
    assert scientist.teardown(FOLDER).results[FOLDER].passed
    assert git(scientist).folder(change.name) is None
