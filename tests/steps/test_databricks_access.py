"""Section databricks-access at the practice cloud: tokens that end, and profiles in a file that is the person's own."""

from __future__ import annotations

import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import AccessDeniedError, ConflictError
from hol_wizard.resources.databricks_cli_profile import DatabricksCliProfile
from hol_wizard.resources.databricks_token import DatabricksToken, kept_token
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.profiles import CliProfile, DatabricksProfiles
from hol_wizard.services.databricks.tokens import AccessToken, TokenRules
from hol_wizard.services.secrets import Secret, SecretStore
from hol_wizard.steps import databricks_access
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee
from tests.steps.databricks import PROFILE, TOKEN, act, client, context_of, name_of

CHANGE_SETTINGS = "/api/2.0/workspace-conf"


@pytest.fixture
def insisting(inside: Attendee, keyring: dict[str, Secret]) -> Attendee:
    """Somebody who wants a token in the profile."""
    del keyring
    return replace(inside, flags={"token_in_profile": "yes"})


@pytest.fixture
def file(practice_cloud: PracticeCloud, isolated: Path) -> Iterator[Path]:
    """The practice cloud's file; the person's own is not touched."""
    own = isolated / ".databrickscfg"
    own.write_text("[dev]\nhost = https://mine\n", encoding="utf-8")
    yield practice_cloud.state / "databrickscfg"
    assert own.read_text(encoding="utf-8") == "[dev]\nhost = https://mine\n"


def ours(attendee: Attendee) -> list[AccessToken]:
    return [each for each in client(attendee).tokens() if each.comment == context_of(attendee).mark]


def settings(attendee: Attendee, **changes: str) -> None:
    """Change the workspace's settings as its administrator does in its pages."""
    here = client(attendee)
    here._rest.send("PATCH", f"{here.host}{CHANGE_SETTINGS}", thing="settings", body=changes)


@pytest.mark.slow
def test_without_need_there_is_no_token_and_the_profile_signs_in_through_azure(inside: Attendee, file: Path) -> None:
    assert inside.plan(PROFILE)[PROFILE][0].verb == "create"
    seen = inside.solve(PROFILE)
    assert seen.statuses[TOKEN] is Status.SKIPPED
    assert "Azure sign-in" in seen.results[TOKEN].summary
    assert seen.statuses[PROFILE] is Status.PASSED
    assert f"DATABRICKS_CONFIG_FILE={file}" in seen.said
    here = client(inside)
    tenant = inside.wizard().names.tenant
    lab = context_of(inside).lab_id
    assert file.read_text(encoding="utf-8") == (
        f"[dev]\n# hol-wizard: {lab} for {name_of(inside)}\n"
        f"host = {name_of(inside)}\nauth_type = azure-cli\nazure_tenant_id = {tenant}\n"
    )
    assert not here.tokens()
    assert f"as {here.me().name}" in inside.look(PROFILE).summary
    assert inside.teardown(PROFILE).statuses[PROFILE] is Status.PASSED
    assert not file.exists()
    assert not inside.plan_teardown(PROFILE)


@pytest.mark.slow
def test_where_no_token_is_needed_the_plan_announces_none(inside: Attendee, keyring: dict[str, Secret]) -> None:
    assert [change.verb for change in inside.plan(TOKEN)[TOKEN]] == ["leave"]
    assert inside.solve(PROFILE).statuses[PROFILE] is Status.PASSED
    planned = inside.plan(TOKEN, PROFILE)
    assert {change.verb for changes in planned.values() for change in changes} == {"leave"}
    assert not ours(inside)
    assert not keyring


def test_a_profile_that_the_cli_has_written_again_is_no_longer_the_wizards(inside: Attendee, file: Path) -> None:
    """The CLI takes out every key of the section, with the comments before it, and writes its own."""
    inside.solve(PROFILE)
    host = name_of(inside)
    file.write_text(f"[dev]\nhost = {host}\nauth_type = databricks-cli\n", encoding="utf-8")
    assert [change.verb for change in inside.plan_teardown(PROFILE)[PROFILE]] == ["leave"]
    inside.teardown(PROFILE)
    assert "databricks-cli" in file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_one_who_insists_gets_a_token_that_ends_and_it_is_revoked(
    insisting: Attendee, file: Path, keyring: dict[str, Secret]
) -> None:
    note = insisting.plan(PROFILE)[PROFILE][0].note
    assert "in plain text" in note
    seen = insisting.solve(PROFILE)
    assert seen.statuses[PROFILE] is Status.PASSED
    (listed,) = ours(insisting)
    assert listed.expires is not None
    assert listed.expires - datetime.now(UTC) < timedelta(days=30, minutes=1)
    value = keyring["databricks-token/dev"]
    assert f"token = {value.reveal()}\n" in file.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    everything = f"{seen.events}{insisting.ledger()}{insisting.check('databricks-access').events}"
    assert value.reveal() not in everything
    later = replace(insisting, flags={})
    assert later.look(TOKEN).status is Status.PASSED
    assert "ends on" in later.look(TOKEN).summary
    assert later.look(PROFILE).status is Status.PASSED
    assert kept_token(context_of(later, TOKEN)) == value
    assert later.teardown("databricks-access").all_passed()
    assert not ours(later)
    assert not keyring
    assert not file.exists()
    assert not later.plan_teardown("databricks-access")


@pytest.mark.slow
def test_a_token_in_clear_goes_when_it_is_no_longer_wanted(insisting: Attendee, file: Path) -> None:
    insisting.solve(PROFILE)
    sober = replace(insisting, flags={"token_in_profile": "no"})
    look = sober.look(PROFILE)
    assert look.status is Status.FAILED
    assert "is there in plain text" in str(look.expectations)
    assert sober.solve(PROFILE).statuses[PROFILE] is Status.PASSED
    assert "token" not in file.read_text(encoding="utf-8")


@pytest.mark.slow
def test_without_a_keyring_the_token_in_the_profile_is_the_one_that_is_kept(inside: Attendee, file: Path) -> None:
    del file
    insisting = replace(inside, flags={"token_in_profile": "yes"})
    seen = insisting.solve(PROFILE)
    assert seen.statuses[PROFILE] is Status.PASSED
    assert "kept for this session only" in seen.said
    assert insisting.look(TOKEN).status is Status.PASSED
    assert len(ours(insisting)) == 1


@pytest.mark.slow
def test_a_token_whose_value_was_lost_is_revoked_and_made_anew(insisting: Attendee, monkeypatch: Any) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(SecretStore, "set", kill)
        with pytest.raises(Killed):
            databricks_access.make_token(context_of(insisting, TOKEN))
    (lost,) = ours(insisting)
    look = insisting.look(TOKEN)
    assert look.status is Status.FAILED
    assert "their values are unknown" in str(look.expectations)
    assert [change.verb for change in insisting.plan(TOKEN)[TOKEN]] == ["change"]
    assert insisting.solve(TOKEN).statuses[TOKEN] is Status.PASSED
    (made,) = ours(insisting)
    assert made.id != lost.id


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_lost_answers_leave_no_second_token(insisting: Attendee, practice_cloud: PracticeCloud, times: int) -> None:
    practice_cloud.control.fault("drop", service="databricks", path="token/create", after=True, times=times)
    assert (insisting.solve(TOKEN).statuses[TOKEN] is Status.PASSED) is (times == 1)
    practice_cloud.control.clear_faults()
    assert insisting.solve(TOKEN).statuses[TOKEN] is Status.PASSED
    assert len(ours(insisting)) == 1


@pytest.mark.slow
def test_a_token_that_was_revoked_fails_and_is_replaced(insisting: Attendee, file: Path) -> None:
    insisting.solve(PROFILE)
    before = file.read_text(encoding="utf-8")
    client(insisting).delete_token(ours(insisting)[0].id)
    look = insisting.look(TOKEN)
    assert look.status is Status.FAILED
    assert "no longer works" in look.summary
    assert "expired or was revoked" in str(look.expectations)
    assert insisting.solve(PROFILE).statuses[PROFILE] is Status.PASSED
    assert file.read_text(encoding="utf-8") != before


@pytest.mark.slow
def test_a_token_that_never_ends_is_called_out(
    insisting: Attendee, keyring: dict[str, Secret], monkeypatch: pytest.MonkeyPatch
) -> None:
    insisting.solve(TOKEN)
    (listed,) = ours(insisting)
    monkeypatch.setattr(Databricks, "tokens", lambda self: (listed._replace(expires=None),))
    look = insisting.look(TOKEN)
    assert look.status is Status.FAILED
    assert "never expires" in look.summary
    assert keyring


@pytest.mark.slow
def test_a_workspace_with_a_shorter_limit_gives_a_shorter_token(insisting: Attendee) -> None:
    settings(insisting, maxTokenLifetimeDays="3")
    assert insisting.solve(TOKEN).statuses[TOKEN] is Status.PASSED
    expires = ours(insisting)[0].expires
    assert expires is not None
    assert expires - datetime.now(UTC) < timedelta(days=3, minutes=1)


def test_a_limit_that_only_administrators_see_is_found_by_trying(
    insisting: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(insisting, maxTokenLifetimeDays="2")

    def refused(self: Databricks) -> TokenRules:
        raise AccessDeniedError("No.")

    monkeypatch.setattr(Databricks, "token_rules", refused)
    seen = insisting.solve(TOKEN)
    assert seen.statuses[TOKEN] is Status.PASSED
    assert "for 7 days" in seen.said
    assert "for 1 days" in seen.said


@pytest.mark.slow
def test_where_tokens_are_switched_off_the_lab_goes_on_without(insisting: Attendee, file: Path) -> None:
    settings(insisting, enableTokensConfig="false")
    look = insisting.look(TOKEN)
    assert look.status is Status.SKIPPED
    assert "your Azure sign-in instead" in look.summary
    seen = insisting.solve(PROFILE)
    assert seen.statuses[PROFILE] is Status.PASSED
    assert "auth_type = azure-cli" in file.read_text(encoding="utf-8")
    result = act(insisting, TOKEN, "databricks_access.insist_on_token").results[TOKEN]
    assert "disabled" in result.summary


def test_a_person_can_insist_where_none_is_needed(inside: Attendee, keyring: dict[str, Secret]) -> None:
    assert inside.look(TOKEN).status is Status.SKIPPED
    assert act(inside, TOKEN, "databricks_access.insist_on_token").statuses[TOKEN] is Status.PASSED
    assert "databricks-token/dev" in keyring
    act(inside, TOKEN, "databricks_access.insist_on_token")
    assert len(ours(inside)) == 1


def test_somebody_elses_profile_of_the_name_is_a_conflict_and_stays(inside: Attendee, file: Path) -> None:
    before = "# mine\n[dev]\nhost = https://adb-9.9.azuredatabricks.net\ntoken = x\n"
    file.write_text(before, encoding="utf-8")
    look = inside.look(PROFILE)
    assert look.status is Status.FAILED
    assert "rename [dev]" in look.next_action
    assert inside.plan(PROFILE)[PROFILE][0].verb == "conflict"
    result = inside.solve(PROFILE).results[PROFILE]
    assert result.status is Status.FAILED
    assert "adb-9.9" in result.summary
    assert file.read_text(encoding="utf-8") == before


@pytest.mark.slow
def test_a_profile_for_this_workspace_that_works_is_left_as_it_is(inside: Attendee, file: Path) -> None:
    here = client(inside)
    _, value = here.create_token("mine", 3600)
    DatabricksProfiles(file).write("dev", CliProfile(name_of(inside), token=value))
    before = file.read_bytes()
    assert inside.look(PROFILE).status is Status.PASSED
    assert inside.solve(PROFILE).statuses[PROFILE] is Status.PASSED
    inside.teardown(PROFILE)
    assert file.read_bytes() == before


def test_a_profile_whose_token_is_of_no_use_is_taken_over_and_left_by_a_teardown(inside: Attendee, file: Path) -> None:
    DatabricksProfiles(file).write("dev", CliProfile(name_of(inside), token=Secret("dapi-nonsense")))
    look = inside.look(PROFILE)
    assert look.status is Status.FAILED
    assert "expired or was revoked" in str(look.expectations)
    seen = inside.solve(PROFILE)
    assert seen.statuses[PROFILE] is Status.PASSED
    assert "adopted" in seen.said
    inside.teardown(PROFILE)
    assert "[dev]" in file.read_text(encoding="utf-8")


def test_a_profile_that_was_turned_to_something_else_is_left_by_a_teardown(inside: Attendee, file: Path) -> None:
    inside.solve(PROFILE)
    DatabricksProfiles(file).write("dev", CliProfile("https://other", "azure-cli", "t"))
    assert inside.plan_teardown(PROFILE)[PROFILE][0].verb == "leave"
    inside.teardown(PROFILE)
    assert "https://other" in file.read_text(encoding="utf-8")


def test_a_broken_file_is_told_and_left(inside: Attendee, file: Path) -> None:
    file.write_text("[dev\ntoken = x\n", encoding="utf-8")
    look = inside.look(PROFILE)
    assert look.status is Status.FAILED
    assert "invalid at line" in look.summary
    assert inside.solve(PROFILE).statuses[PROFILE] is Status.FAILED
    assert file.read_text(encoding="utf-8") == "[dev\ntoken = x\n"


@pytest.mark.slow
def test_tokens_and_profiles_go_with_a_workspace_that_is_gone(
    insisting: Attendee, file: Path, keyring: dict[str, Secret]
) -> None:
    insisting.solve(PROFILE)
    context = context_of(insisting)
    operation = context.services.arm.delete(workspace_id(context))
    while operation is not None and not operation.done:
        operation.poll()
    assert insisting.teardown("databricks-access").all_passed()
    assert not file.exists()
    assert not keyring
    standing = [each.kind for each in context.ledger.standing()]
    assert DatabricksToken.kind not in standing
    assert DatabricksCliProfile.kind not in standing


def test_the_cloud_of_the_public_has_the_cli_s_own_file(inside: Attendee, isolated: Path) -> None:
    context = context_of(inside)
    endpoints = replace(context.services.endpoints, databricks_config_file=None)
    context.services.endpoints = endpoints
    assert context.services.databricks_profiles.path == isolated / ".databrickscfg"


def test_a_lifetime_that_is_refused_for_another_reason_is_told(
    insisting: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Databricks, comment: str, seconds: int) -> tuple[AccessToken, Secret]:
        raise ConflictError("There are too many.", code="QUOTA_EXCEEDED", detail="quota")

    monkeypatch.setattr(Databricks, "create_token", full)
    result = insisting.solve(TOKEN).results[TOKEN]
    assert (result.status, result.summary) == (Status.FAILED, "There are too many.")
