"""The section devops-project, over the practice cloud's Azure DevOps."""

from __future__ import annotations

import pytest

from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.practice import seed
from hol_wizard.resources.devops_project import lab_project
from hol_wizard.services.secrets import Secret
from tests.practice.test_devops import DevOps, as_user, join
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import DEFAULTS, Attendee, drain
from tests.steps.databricks import context_of

ORGANIZATION = "devops-project/choose-the-organization"
PROJECT = "devops-project/create-the-project"
NAME = "practice-hol"


def member(newcomer: Attendee, cloud: PracticeCloud, who: seed.Principal) -> Attendee:
    """Return somebody who is signed in."""
    cloud.control.settings(user=who.name)
    assert newcomer.solve("set-up").all_passed()
    return newcomer


@pytest.fixture
def attendee(newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody who may make projects, with an organization in mind."""
    newcomer.defaults = {**DEFAULTS, "devops_organization": "practice"}

    def make() -> None:
        member(newcomer, practice_cloud, seed.ATTENDEE)

    snapshots.prepare("devops-attendee", practice_cloud, newcomer.root, make)
    return newcomer


@pytest.fixture
def by_hand(attendee: Attendee, practice_cloud: PracticeCloud) -> DevOps:
    """What somebody does in the browser."""
    del attendee
    return as_user(practice_cloud)


@pytest.mark.slow
def test_from_nothing_to_a_project_and_back(attendee: Attendee, by_hand: DevOps) -> None:
    assert attendee.look(ORGANIZATION).status is Status.FAILED
    assert attendee.look(PROJECT).status is Status.BLOCKED
    for _ in range(2):
        assert attendee.solve(PROJECT).all_passed()
    made = by_hand.ask("GET", f"/projects/{NAME}", includeCapabilities="true").json()
    assert attendee.wizard().profile.choices.lab_id in made["description"]
    assert made["visibility"] == "private"
    assert attendee.plan(PROJECT) == {}
    (change,) = attendee.plan_teardown()[PROJECT]
    assert (change.verb, change.name) == ("delete", NAME)
    assert attendee.teardown().results[PROJECT].passed
    assert by_hand.ask("GET", f"/projects/{NAME}").status_code == 404
    assert attendee.plan_teardown() == {}
    facts = [entry["fact"] for entry in attendee.ledger() if entry["resource"].startswith("devops/")]
    assert facts == ["intent", "created", "deleted"]


@pytest.mark.slow
def test_the_organizations_are_offered_where_none_is_chosen_or_the_chosen_one_is_closed(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    somebody = member(newcomer, practice_cloud, seed.ATTENDEE)
    seen = somebody.look(ORGANIZATION)
    assert seen.status is Status.FAILED
    assert "You are a member of: practice, practice-legacy, practice-new, practice-shared." in seen.next_action
    for name, actual, status in (
        ("practice-closed", "you are not a member", Status.FAILED),
        # Azure DevOps answers with a page of HTML, as anything between would; its list of one's own says more.
        ("nobodys", "you are not a member of an organization of this name", Status.FAILED),
    ):
        somebody.flags = {"devops_organization": name}
        seen = somebody.look(ORGANIZATION)
        assert seen.status is status
        assert seen.expectations[-1].actual == actual
        assert "practice-shared" in seen.next_action
        refused = somebody.solve(ORGANIZATION, inputs={"devops_organization": name}).results[ORGANIZATION]
        assert refused.status is status
    practice_cloud.control.fault("unavailable", service="devops_profile")
    assert somebody.look(ORGANIZATION).status is Status.UNKNOWN
    unclear = somebody.solve(ORGANIZATION, inputs={"devops_organization": "nobodys"}).results[ORGANIZATION]
    assert unclear.status is Status.UNKNOWN


def test_a_project_that_fits_is_adopted_and_stays_after_a_teardown(attendee: Attendee, by_hand: DevOps) -> None:
    by_hand.make(NAME)
    assert attendee.solve(PROJECT).results[PROJECT].passed
    attendee.teardown()
    assert by_hand.ask("GET", f"/projects/{NAME}").json()["state"] == "wellFormed"


@pytest.mark.parametrize(("more", "words"), [({"visibility": "public"}, "Visibility is public, not private")])
def test_a_project_that_does_not_fit_is_named_and_not_changed(
    attendee: Attendee, by_hand: DevOps, more: dict[str, str], words: str
) -> None:
    by_hand.make(NAME, **more)
    attendee.solve(ORGANIZATION)
    (change,) = attendee.plan(PROJECT)[PROJECT]
    assert (change.verb, change.note) == ("conflict", words)
    seen = attendee.solve(PROJECT).results[PROJECT]
    assert seen.status is Status.FAILED
    assert attendee.look(PROJECT).status is Status.FAILED
    assert by_hand.ask("GET", f"/projects/{NAME}").json()["visibility"] == "public"


def test_what_lost_its_mark_is_left_alone(attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud) -> None:
    assert attendee.solve(PROJECT).results[PROJECT].passed
    made = by_hand.ask("GET", f"/projects/{NAME}").json()
    by_hand.wait(by_hand.ask("DELETE", f"/projects/{made['id']}"))
    by_hand.make(NAME, description="somebody else's now")
    (change,) = attendee.plan_teardown(PROJECT)[PROJECT]
    assert change.verb == "leave"
    attendee.teardown(PROJECT)
    assert by_hand.ask("GET", f"/projects/{NAME}").status_code == 200


def test_a_lost_answer_makes_one_project(attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("drop", service="devops", method="POST", path="/_apis/projects", after=True, times=1)
    assert attendee.solve(PROJECT).results[PROJECT].passed
    assert by_hand.ask("GET", "/projects", stateFilter="all").json()["count"] == 1
    assert attendee.teardown(PROJECT).results[PROJECT].passed


@pytest.mark.slow
def test_a_project_that_a_kill_left_half_made_is_taken_up(
    attendee: Attendee, by_hand: DevOps, practice_cloud: PracticeCloud
) -> None:
    attendee.solve(ORGANIZATION)
    lab_id = attendee.wizard().profile.choices.lab_id
    project = lab_project(context_of(attendee, PROJECT))
    project.context.ledger.write(Fact.INTENT, PROJECT, project.id, project.kind)
    practice_cloud.control.settings(speed=20)
    begun = by_hand.ask(
        "POST",
        "/projects",
        {
            "name": NAME,
            "description": f"hol-wizard {lab_id}",
            "visibility": "private",
            "capabilities": {
                "versioncontrol": {"sourceControlType": "Git"},
                "processTemplate": {"templateTypeId": "adcc42ab-9882-485e-a3ed-7678f01f66bc"},
            },
        },
    )
    assert begun.status_code == 202
    assert attendee.look(PROJECT).status is Status.WAITING
    assert attendee.solve(PROJECT).results[PROJECT].passed
    assert by_hand.ask("GET", "/projects", stateFilter="all").json()["count"] == 1


def test_who_may_not_make_projects_is_told_who_may(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    newcomer.defaults = {**DEFAULTS, "devops_organization": "practice"}
    somebody = member(newcomer, practice_cloud, seed.CONTRIBUTOR_USER)
    practice_cloud.wrong_on_purpose(r"/_apis/projects\?")
    seen = somebody.solve(PROJECT).results[PROJECT]
    assert seen.status is Status.FAILED
    assert "“Create new projects”" in seen.summary
    assert "Project Collection Administrator" in seen.next_action
    assert somebody.teardown(PROJECT).results[PROJECT].passed


def test_another_organization_is_refused_while_a_project_stands(attendee: Attendee) -> None:
    assert attendee.solve(PROJECT).results[PROJECT].passed
    seen = attendee.solve(ORGANIZATION, inputs={"devops_organization": "practice-shared"}).results[ORGANIZATION]
    assert seen.status is Status.FAILED
    assert "still exists in practice" in seen.summary


def test_an_expired_sign_in_is_renewed_and_a_dead_one_is_told(
    attendee: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve(PROJECT).results[PROJECT].passed
    practice_cloud.control.expire_tokens("access")
    assert attendee.look(PROJECT).passed
    practice_cloud.control.fault("unavailable", service="devops")
    assert attendee.look(ORGANIZATION).status is Status.UNKNOWN


USERS = "devops-project/invite-the-users"
ROBIN, NEW, NOBODY = seed.STRANGER.name, "guest@elsewhere.example", "nobody@practice.example"


def mails(by_hand: DevOps) -> dict[str, str]:
    base = by_hand.cloud.endpoints["devops_entitlements"]
    answer = by_hand.http.get(f"{base}/practice/_apis/userentitlements", params={"api-version": "7.1"}, timeout=10)
    return {each["user"]["mailAddress"]: each["accessLevel"]["licenseDisplayName"] for each in answer.json()["items"]}


@pytest.mark.slow
def test_users_are_invited_once_seen_and_taken_out_again(attendee: Attendee, by_hand: DevOps) -> None:
    before = mails(by_hand)
    assert attendee.solve(PROJECT).all_passed()
    assert "nobody to invite" in attendee.look(USERS).summary
    asked = {"devops_users": f"{ROBIN}; {NEW}, {ROBIN.upper()}"}
    for _ in range(2):
        assert attendee.solve(USERS, inputs=asked).results[USERS].passed
    assert {ROBIN, NEW} <= mails(by_hand).keys() - before.keys()
    assert attendee.look(USERS).passed
    assert [change.verb for change in attendee.plan_teardown(USERS)[USERS]] == ["delete", "delete"]
    assert attendee.teardown().results[USERS].passed
    assert mails(by_hand) == before


@pytest.mark.slow
def test_one_who_is_refused_keeps_nobody_else_out(attendee: Attendee, by_hand: DevOps) -> None:
    seen = attendee.solve(USERS, inputs={"devops_users": f"{NOBODY}, {NEW}"}).results[USERS]
    assert seen.status is Status.FAILED
    assert "1 of 2 could not be invited" in seen.summary
    assert NOBODY in seen.summary
    assert NEW in mails(by_hand)
    looked = attendee.look(USERS)
    assert {each.what: each.met for each in looked.expectations} == {NOBODY: False, NEW: True}
    assert not [entry for entry in attendee.ledger() if NOBODY in entry["resource"] and entry["fact"] == "created"]
    attendee.teardown()
    assert NEW not in mails(by_hand)


@pytest.mark.slow
def test_who_is_in_the_organization_is_taken_into_the_project_and_stays(attendee: Attendee, by_hand: DevOps) -> None:
    cleo = seed.CONTRIBUTOR_USER.name
    assert attendee.solve(PROJECT).all_passed()
    (change,) = attendee.plan(USERS, inputs={"devops_users": cleo})[USERS]
    assert (change.verb, change.note) == ("change", "added to the project")
    assert attendee.solve(USERS, inputs={"devops_users": cleo}).results[USERS].passed
    attendee.teardown()
    assert cleo in mails(by_hand)


def test_a_lower_access_level_is_told_and_not_raised(attendee: Attendee, by_hand: DevOps) -> None:
    robin = seed.READER_USER.name
    seen = attendee.solve(USERS, inputs={"devops_users": robin}).results[USERS]
    assert seen.status is Status.FAILED
    assert "Access level is Stakeholder, not basic" in seen.summary
    assert mails(by_hand)[robin] == "Stakeholder"
    seen = attendee.solve(USERS, inputs={"devops_users": robin, "devops_access_level": "stakeholder"}).results[USERS]
    assert seen.passed


@pytest.mark.slow
def test_licenses_that_run_out_are_told_for_each(attendee: Attendee) -> None:
    many = ", ".join(f"guest{number}@elsewhere.example" for number in range(8))
    seen = attendee.solve(USERS, inputs={"devops_users": many}).results[USERS]
    assert seen.status is Status.FAILED
    assert "no available licenses" in seen.summary


@pytest.mark.slow
def test_who_may_not_invite_is_told_who_may(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    project = as_user(practice_cloud).make(NAME)
    join(as_user(practice_cloud), seed.CONTRIBUTOR_USER, project["id"])
    newcomer.defaults = {**DEFAULTS, "devops_organization": "practice"}
    somebody = member(newcomer, practice_cloud, seed.CONTRIBUTOR_USER)
    seen = somebody.solve(USERS, inputs={"devops_users": NEW}).results[USERS]
    assert seen.status is Status.FAILED
    assert "Project Collection Administrator" in seen.next_action
    # Who is in later was invited by somebody else.
    by_hand = as_user(practice_cloud)
    base = by_hand.cloud.endpoints["devops_entitlements"]
    body = {"accessLevel": {"accountLicenseType": "express"}, "user": {"principalName": NEW, "subjectKind": "user"}}
    made = by_hand.http.post(f"{base}/practice/_apis/userentitlements?api-version=7.1", json=body, timeout=10)
    assert made.ok
    somebody.teardown()
    assert NEW in mails(by_hand)


@pytest.mark.slow
def test_who_takes_part_elsewhere_by_now_stays(attendee: Attendee, by_hand: DevOps) -> None:
    assert attendee.solve(USERS, inputs={"devops_users": NEW}).results[USERS].passed
    by_hand.make("other")
    project = by_hand.ask("GET", "/projects/other").json()
    base = by_hand.cloud.endpoints["devops_entitlements"]
    listed = by_hand.http.get(f"{base}/practice/_apis/userentitlements", params={"api-version": "7.1"}, timeout=10)
    who = next(each["id"] for each in listed.json()["items"] if each["user"]["mailAddress"] == NEW)
    change = {"group": {"groupType": "projectContributor"}, "projectRef": {"id": project["id"]}}
    patched = by_hand.http.patch(
        f"{base}/practice/_apis/userentitlements/{who}?api-version=7.1",
        json=[{"op": "add", "path": "/projectEntitlements", "value": change}],
        headers={"Content-Type": "application/json-patch+json"},
        timeout=10,
    )
    assert patched.ok
    (planned,) = attendee.plan_teardown(USERS)[USERS]
    assert (planned.verb, planned.note) == ("leave", "is a member of other projects by now: left in place")
    attendee.teardown()
    assert NEW in mails(by_hand)


@pytest.mark.parametrize("typed", ["no address", "a@b", "one@two.example, three"])
def test_what_is_no_address_is_named(typed: str) -> None:
    assert "e-mail address" in INPUTS["devops_users"].validate(typed)


LEGACY = "practice-legacy"
ENOUGH = "vso.code_manage vso.project_manage vso.memberentitlementmanagement_write vso.profile"
VARIABLE = "HOL_WIZARD_DEVOPS_TOKEN"


@pytest.fixture
def with_token(attendee: Attendee, monkeypatch: pytest.MonkeyPatch) -> Attendee:
    """Somebody who wants to come into an organization that takes personal access tokens only, and has none yet."""
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("AZURE_DEVOPS_EXT_PAT", raising=False)
    attendee.defaults = {**DEFAULTS, "devops_organization": LEGACY}
    attendee.flags = {"devops_organization": LEGACY, "devops_sign_in": "token"}
    return attendee


def test_with_a_personal_access_token_the_project_is_made(
    with_token: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = practice_cloud.control.devops_token(LEGACY, ENOUGH)
    monkeypatch.setenv(VARIABLE, str(made["token"]))
    assert with_token.solve(PROJECT).results[PROJECT].passed
    assert with_token.teardown(PROJECT).results[PROJECT].passed
    for path in (with_token.root / "config", with_token.root / "state"):
        for each in path.rglob("*"):
            assert not each.is_file() or str(made["token"]) not in each.read_text(encoding="utf-8", errors="replace")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "There is no personal access token for the organization practice-legacy here"),
        ("wrong", "does not accept"),
        ("revoked", "does not accept"),
        ("ended", "expired"),
    ],
)
def test_a_token_that_does_not_open_is_told(
    with_token: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch, kind: str, words: str
) -> None:
    practice_cloud.wrong_on_purpose("connectionData")
    made = practice_cloud.control.devops_token(LEGACY, ENOUGH, **({"days": -1} if kind == "ended" else {}))
    if kind == "revoked":
        assert practice_cloud.control.revoke_devops_token(str(made["id"]))
    if kind != "none":
        monkeypatch.setenv(VARIABLE, "x" * 52 if kind == "wrong" else str(made["token"]))
    assert words in with_token.solve(ORGANIZATION).results[ORGANIZATION].summary
    with_token.wizard().profile.change(devops_organization=LEGACY)
    seen = with_token.look(ORGANIZATION)
    assert seen.status is Status.FAILED
    assert words in seen.summary
    assert f"/{LEGACY}/_usersSettings/tokens" in seen.next_action
    assert str(made["token"]) not in f"{seen}"


def test_an_organization_that_refuses_the_sign_in_says_so(with_token: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose("connectionData")
    with_token.flags = {"devops_organization": LEGACY}
    seen = with_token.solve(ORGANIZATION).results[ORGANIZATION]
    assert seen.status is Status.FAILED
    assert "personal access token" in seen.next_action


@pytest.mark.slow
def test_what_a_token_opens_is_tried_and_said(
    with_token: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice_cloud.wrong_on_purpose("_apis/(projects|git|tokens)")
    for scope, missing in ((ENOUGH, ()), ("vso.project", ("Code",)), ("vso.code_write", ("Projects",))):
        monkeypatch.setenv(VARIABLE, str(practice_cloud.control.devops_token(LEGACY, scope)["token"]))
        with_token.solve(ORGANIZATION)
        seen = with_token.look(ORGANIZATION)
        assert seen.status is (Status.FAILED if missing else Status.PASSED)
        assert tuple(each.what for each in seen.expectations if not each.met) == missing
        assert "a personal access token" in {each.actual for each in seen.expectations}


@pytest.mark.slow
def test_scopes_and_ends_are_shown_where_they_can_be_read(
    with_token: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_token.flags = {"devops_organization": "practice", "devops_sign_in": "token"}
    for days, fits in ((1, False), (30, True)):
        made = practice_cloud.control.devops_token("practice", "vso.code_write vso.project", days=days)
        monkeypatch.setenv(VARIABLE, str(made["token"]))
        with_token.solve(ORGANIZATION)
        shown = with_token.look(ORGANIZATION).expectations[-1]
        assert (shown.what, "(none fits)" not in shown.actual) == ("Your tokens here", fits)
        assert "vso.code_write" in shown.actual


def doctor_says(somebody: Attendee) -> dict[str, Result]:
    found = drain(somebody.wizard().doctor()[1]).results
    return {key.removeprefix("doctor/"): found[key] for key in found if key.startswith("doctor/devops")}


@pytest.mark.slow
def test_the_doctor_says_of_an_organization_who_can_mend_what(
    attendee: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose("connectionData", "_apis/tokens")
    attendee.flags = {"devops_organization": "practice"}
    fine = doctor_says(attendee)
    skipped = {key for key, each in fine.items() if each.status is Status.SKIPPED}
    assert skipped == {"devops-tokens"}
    assert all(each.passed for key, each in fine.items() if key not in skipped)

    attendee.flags = {"devops_organization": "practice-new"}
    new = doctor_says(attendee)
    assert new["devops-jobs"].status is Status.FAILED
    assert "aka.ms/azpipelines-parallelism-request" in new["devops-jobs"].next_action

    attendee.flags = {"devops_organization": "practice-shared"}
    shared = doctor_says(attendee)["devops-projects"]
    assert shared.status is Status.FAILED
    assert shared.next_action.startswith("An administrator of the organization")

    attendee.flags = {"devops_organization": LEGACY}
    legacy = doctor_says(attendee)
    assert legacy["devops"].status is legacy["devops-sign-in"].status is Status.FAILED
    assert "policy" in legacy["devops-sign-in"].summary
    assert legacy["devops-projects"].status is Status.BLOCKED


@pytest.mark.slow
def test_the_doctor_looks_at_no_organization_while_none_is_chosen(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    somebody = member(newcomer, practice_cloud, seed.ATTENDEE)
    assert {each.status for each in doctor_says(somebody).values()} == {Status.SKIPPED}


def test_the_way_in_is_answered_with_the_organization(
    attendee: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice_cloud.wrong_on_purpose("_apis/tokens")
    monkeypatch.setenv(VARIABLE, str(practice_cloud.control.devops_token(LEGACY, ENOUGH)["token"]))
    asked = {"devops_organization": LEGACY, "devops_sign_in": "token"}
    assert attendee.solve(ORGANIZATION, inputs=asked).results[ORGANIZATION].passed
    attendee.defaults = DEFAULTS
    seen = attendee.look(ORGANIZATION)
    assert seen.passed
    assert "with a personal access token" in seen.summary


def test_the_kept_token_goes_with_the_sign_in(
    newcomer: Attendee, practice_cloud: PracticeCloud, keyring: dict[str, Secret]
) -> None:
    newcomer.defaults = {**DEFAULTS, "devops_organization": LEGACY}
    newcomer.flags = {"devops_organization": LEGACY, "devops_sign_in": "token"}
    assert newcomer.solve("set-up").all_passed()
    wizard = newcomer.wizard()
    made = practice_cloud.control.devops_token(LEGACY, ENOUGH)
    wizard.secrets.keep("devops_token", Secret(str(made["token"])), {"devops_organization": LEGACY})
    assert newcomer.solve(ORGANIZATION).results[ORGANIZATION].passed
    assert newcomer.teardown("devops-project").all_passed()
    assert keyring
    planned = newcomer.plan_teardown("set-up/sign-in")["set-up/sign-in"]
    assert [each.name for each in planned] == [f"devops-token/{LEGACY}", seed.ATTENDEE.name]
    assert newcomer.teardown("set-up/sign-in").all_passed()
    assert not keyring
