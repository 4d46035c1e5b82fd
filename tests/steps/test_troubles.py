"""What can go wrong on the way: said clearly, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.events import CheckFinished, Event, PersonNeeded, Progressed, RunFinished, Said, WorkStarted
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import CHECKS
from hol_wizard.engine.results import Status
from hol_wizard.errors import UsageError
from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from tests.practice.conftest import VAULTS, Arm, vault_body
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import (
    DATABRICKS,
    DEFAULTS,
    GROUP,
    LAKE,
    NAMES,
    PROVIDERS,
    REGISTRY,
    SIGN_IN,
    SUBSCRIPTION,
    VAULT,
    Attendee,
    Seen,
    drain,
)
from tests.steps.conftest import use_service_principal
from tests.steps.test_adoption import make_lake

# Names that somebody in the world has


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "step", "words"),
    [
        ("Storage/storageAccounts", f"{LAKE}@dev", "already taken"),
        ("KeyVault/vaults", f"{VAULT}@dev", "already in use"),
        ("ContainerRegistry/registries", f"{REGISTRY}@prod", "already in use"),
    ],
)
def test_a_name_taken_worldwide_is_a_conflict_and_everything_else_goes_on(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud, kind: str, step: str, words: str
) -> None:
    name = {
        "Storage/storageAccounts": attendee.names("dev").storage_account,
        "KeyVault/vaults": attendee.names("dev").key_vault,
        "ContainerRegistry/registries": attendee.names("prod").container_registry,
    }[kind]
    by_hand.make_group("somebody")
    path = f"/resourceGroups/somebody/providers/Microsoft.{kind}/{name}"
    if kind.startswith("Storage"):
        make_lake(by_hand, path)
    elif kind.startswith("KeyVault"):
        by_hand.ask("PUT", path, vault_body(practice_cloud), version=VAULTS)
    else:
        body = {"location": "westeurope", "sku": {"name": "Basic"}}
        by_hand.poll(by_hand.ask("PUT", path, body, version="2023-07-01"))
    assert attendee.solve("resource-groups").all_passed()
    (change,) = attendee.plan(step)[step]
    assert change.verb == "conflict"
    assert words in change.note
    others = (f"{LAKE}@pipeline", f"{VAULT}@pipeline")
    solved = attendee.solve(step, *others)
    assert solved.statuses[step] is Status.FAILED
    assert words in solved.results[step].summary
    assert "prefix" in solved.results[step].next_action
    assert {solved.statuses[other] for other in others} == {Status.PASSED}
    assert step not in {entry["target"] for entry in attendee.ledger()}


# Who, where, with which rights


@pytest.mark.slow
def test_a_region_that_the_subscription_does_not_offer_is_named_with_those_near_it(
    newcomer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_service_principal(monkeypatch, practice_cloud.endpoints)
    newcomer.defaults = {**DEFAULTS, "location": "switzerlandwest"}
    solved = newcomer.solve("resource-groups")
    result = solved.results[SUBSCRIPTION]
    assert result.status is Status.FAILED
    region = next(each for each in result.expectations if each.what == "Region")
    assert (region.expected, region.met) == ("switzerlandwest", False)
    assert "switzerlandnorth" in result.next_action
    assert solved.statuses[f"{GROUP}@dev"] is Status.BLOCKED
    assert newcomer.solve(NAMES, inputs={"location": "westeurope"}).all_passed()
    assert newcomer.solve("resource-groups").all_passed()


def test_a_subscription_without_rights_is_said_before_anything_is_tried(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    newcomer.flags = {"subscription": seed.READ_ONLY_SUBSCRIPTION.id}
    began = practice_cloud.log_size()
    solved = newcomer.solve("resource-groups")
    result = solved.results[SUBSCRIPTION]
    assert result.status is Status.FAILED
    right = next(each for each in result.expectations if each.what == "You may create resource groups")
    assert (right.expected, right.actual) == ("yes", "no")
    assert "Contributor" in result.next_action
    assert {solved.statuses[f"{GROUP}@{name}"] for name in ("dev", "pipeline", "prod")} == {Status.BLOCKED}
    assert not [each for each in practice_cloud.exchanges(began) if each["method"] == "PUT"]


def test_a_subscription_that_nobody_sees_is_refused_with_those_that_are_seen(newcomer: Attendee) -> None:
    newcomer.flags = {"subscription": "00000000-0000-0000-0000-000000000001"}
    result = newcomer.solve("set-up").results[SUBSCRIPTION]
    assert result.status is Status.FAILED
    assert "00000000-0000-0000-0000-000000000001" in result.summary
    assert seed.SUBSCRIPTION.name in result.next_action


def test_somebody_without_any_subscription_is_told_whom_to_ask(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.settings(user="stranger@practice.example")
    solved = newcomer.solve("set-up")
    refused = [result for result in solved.results.values() if result.status is Status.FAILED]
    assert refused
    assert any("cannot see any subscription" in result.summary for result in refused)
    assert any("Ask" in result.next_action for result in refused)


def test_a_token_that_expires_on_the_way_is_renewed_silently(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.register_providers()
    wizard = newcomer.wizard()
    assert drain(wizard.solve(wizard.targets(["set-up"]))).all_passed()
    assert practice_cloud.control.expire_tokens() > 0
    began = practice_cloud.log_size()
    seen = drain(wizard.solve(wizard.targets(["resource-groups"])))
    assert seen.all_passed()
    assert not [event for event in seen.events if isinstance(event, PersonNeeded)]
    assert 401 in {each["status"] for each in practice_cloud.exchanges(began)}


def test_a_sign_in_that_is_no_longer_good_fails_with_the_way_to_renew_it(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert newcomer.solve("set-up").all_passed()
    practice_cloud.control.expire_tokens("access", "refresh")
    seen = newcomer.check("resource-groups", "set-up")
    result = seen.results[SIGN_IN]
    assert result.status in {Status.FAILED, Status.UNKNOWN}
    assert result.next_action
    assert seen.statuses[f"{GROUP}@dev"] is Status.BLOCKED
    assert newcomer.solve("set-up").all_passed()


@pytest.mark.parametrize("approval", ["decline"])
def test_a_sign_in_that_is_declined_is_said(newcomer: Attendee, practice_cloud: PracticeCloud, approval: str) -> None:
    practice_cloud.control.settings(approval=approval)
    result = newcomer.solve("set-up").results[SIGN_IN]
    assert not result.passed
    assert "declined" in result.summary
    practice_cloud.control.settings(approval="approve")
    assert newcomer.solve("set-up").all_passed()


def until(events: Iterator[Event], stop: Callable[[Event], bool], act: Callable[[], object]) -> Seen:
    """Drain a run, and act once, when an event comes that it was waited for."""
    seen: list[Event] = []
    acted = False
    for event in events:
        seen.append(event)
        if not acted and stop(event):
            acted = True
            act()
    assert acted, "what the test waits for did not happen"
    return Seen(seen)


def test_a_device_code_can_be_given_up(newcomer: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(approval="never")
    wizard, cancelled = newcomer.wizard(), threading.Event()
    began = time.monotonic()
    seen = until(
        wizard.solve(wizard.targets(["set-up"]), cancelled=cancelled),
        lambda event: isinstance(event, PersonNeeded) and bool(event.code) and event.url.startswith("https://"),
        cancelled.set,
    )
    assert time.monotonic() - began < 5
    assert seen.last.cancelled
    assert seen.statuses[SIGN_IN] is Status.UNKNOWN
    assert seen.statuses[SUBSCRIPTION] is Status.UNKNOWN
    practice_cloud.control.settings(approval="approve")
    assert newcomer.solve("set-up").all_passed()


@pytest.mark.slow
def test_a_provider_that_is_not_registered_is_named_and_registered(
    newcomer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_service_principal(monkeypatch, practice_cloud.endpoints)
    assert newcomer.solve("resource-groups").all_passed()
    result = newcomer.look(PROVIDERS)
    assert result.status is Status.FAILED
    assert {each.actual for each in result.expectations} == {"NotRegistered"}
    assert {change.verb for change in newcomer.plan(PROVIDERS)[PROVIDERS]} == {"change"}
    assert newcomer.check(f"{REGISTRY}@prod").statuses[f"{REGISTRY}@prod"] is Status.BLOCKED
    assert newcomer.solve(PROVIDERS).all_passed()


@pytest.mark.slow
def test_providers_that_are_being_registered_are_waited_for(
    newcomer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_service_principal(monkeypatch, practice_cloud.endpoints)
    assert newcomer.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=60)
    wizard, cancelled = newcomer.wizard(), threading.Event()
    stopped = until(
        wizard.solve(wizard.targets([PROVIDERS]), cancelled=cancelled),
        lambda event: isinstance(event, Progressed),
        cancelled.set,
    )
    assert stopped.statuses[PROVIDERS] is Status.UNKNOWN
    assert newcomer.look(PROVIDERS).status is Status.WAITING
    waited = newcomer.check(PROVIDERS, wait=20.0)
    assert waited.statuses[PROVIDERS] is Status.PASSED


# The cloud refuses, fails, or is slow


def test_a_policy_that_forbids_it_is_named(attendee: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("policy", method="PUT", path=attendee.names("dev").resource_group)
    solved = attendee.solve("resource-groups")
    result = solved.results[f"{GROUP}@dev"]
    assert result.status is Status.FAILED
    assert "Allowed locations" in result.summary
    assert "RequestDisallowedByPolicy" in result.detail
    assert solved.statuses[f"{GROUP}@pipeline"] is Status.PASSED


@pytest.mark.slow
@pytest.mark.parametrize("step", [f"{LAKE}@dev", f"{DATABRICKS}@dev", f"{REGISTRY}@prod", f"{VAULT}@dev"])
def test_an_operation_that_fails_is_told_in_the_services_words_and_can_be_done_again(
    attendee: Attendee, practice_cloud: PracticeCloud, step: str
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    fault = {"code": "SkuCapacity", "message": "No capacity for this in the region today."}
    practice_cloud.control.fault("failed-operation", path="/providers/Microsoft", times=1, **fault)
    failed = attendee.solve(step).results[step]
    assert failed.status is Status.FAILED
    words = failed.summary + failed.detail
    # A vault's operation tells nothing but its state.
    assert "No capacity" in words or step == f"{VAULT}@dev"
    assert failed.next_action
    last = [entry for entry in attendee.ledger() if entry["target"] == step][-1]
    # Whatever is left of it is ours; where nothing is, the intent is withdrawn.
    assert last["fact"] in {"failed", "withdrawn"}
    assert last["detail"]
    assert attendee.look(step).status is Status.FAILED
    assert attendee.solve(step).all_passed()
    assert attendee.teardown().all_passed()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("throttle", {"retry_after": 0, "times": 1}),
        ("unavailable", {"retry_after": 0, "times": 1}),
        ("drop", {"times": 1}),
        ("drop", {"times": 1, "method": "PUT"}),
        ("slow", {"seconds": 0.3, "times": 3}),
        ("expired-token", {"times": 1}),
    ],
)
def test_what_passes_by_itself_is_overcome(
    attendee: Attendee, practice_cloud: PracticeCloud, kind: str, fields: dict[str, Any]
) -> None:
    practice_cloud.control.fault(kind, service="resource_manager", **fields)
    seen = attendee.solve("resource-groups")
    assert seen.all_passed(), [result.summary for result in seen.results.values() if not result.passed]
    practice_cloud.control.fault(kind, service="resource_manager", **fields)
    assert attendee.check("resource-groups").all_passed()


@pytest.mark.parametrize("kind", ["throttle", "drop"])
def test_what_does_not_pass_is_unknown_and_not_failed(
    attendee: Attendee, practice_cloud: PracticeCloud, kind: str
) -> None:
    group = attendee.names("dev").resource_group
    practice_cloud.control.fault(
        kind, path=f"/resourcegroups/{group}", **({"retry_after": 0} if kind != "drop" else {})
    )
    seen = attendee.check("resource-groups")
    result = seen.results[f"{GROUP}@dev"]
    assert result.status is Status.UNKNOWN
    assert result.next_action
    assert seen.statuses[f"{GROUP}@prod"] is Status.FAILED


# Answers that get lost


@pytest.mark.slow
@pytest.mark.parametrize("step", [f"{LAKE}@dev", f"{DATABRICKS}@dev", f"{VAULT}@dev", f"{REGISTRY}@prod"])
def test_what_was_accepted_although_the_answer_was_lost_is_ours(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud, step: str
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=200)
    practice_cloud.control.fault("drop", method="PUT", path="/providers/Microsoft", after=True)
    first = attendee.solve(step).results[step]
    practice_cloud.control.clear_faults()
    facts = [entry["fact"] for entry in attendee.ledger() if entry["target"] == step]
    assert facts[0] == "intent"
    assert "adopted" not in facts
    if not first.passed:
        assert first.status is Status.UNKNOWN
    began = practice_cloud.log_size()
    assert attendee.solve(step).all_passed()
    assert not [each for each in practice_cloud.exchanges(began) if each["method"] == "PUT"]
    facts = [entry["fact"] for entry in attendee.ledger() if entry["target"] == step]
    assert facts[-1] in {"intent", "created"}
    assert "adopted" not in facts
    assert attendee.teardown().all_passed()
    assert by_hand.ask("GET", "/resources").json()["value"] == []
    assert by_hand.ask("GET", "/resourcegroups").json()["value"] == []


# The cloud goes away


@pytest.fixture
def at_own_cloud(own_cloud: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attendee:
    endpoints = own_cloud()
    use_service_principal(monkeypatch, endpoints)
    launch.ControlClient(endpoints).register_providers()
    made = Attendee(tmp_path / "home", tmp_path / "cloud" / launch.ENDPOINTS_FILE)
    assert made.solve("resource-groups").all_passed()
    return made


@pytest.mark.slow
def test_a_cloud_that_is_stopped_is_unknown_and_found_again_at_the_next_look(
    at_own_cloud: Attendee, own_cloud: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    wizard = at_own_cloud.wizard()
    targets = wizard.targets(["resource-groups"])
    assert drain(wizard.check(targets)).all_passed()
    stopped = until(
        wizard.check(targets),
        lambda event: isinstance(event, CheckFinished) and event.target == NAMES,
        lambda: launch.stop(tmp_path / "cloud"),
    )
    lost = [result for result in stopped.results.values() if not result.passed]
    assert lost
    assert {result.status for result in lost} <= {Status.UNKNOWN, Status.BLOCKED}
    seen = drain(wizard.check(targets))
    assert Status.FAILED not in seen.statuses.values()
    assert all(result.next_action for result in seen.results.values() if not result.passed)
    own_cloud()
    assert drain(wizard.check(targets)).all_passed()


@pytest.mark.slow
def test_a_cloud_that_is_stopped_in_the_middle_of_a_solve_is_gone_on_with(
    at_own_cloud: Attendee, own_cloud: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    launch.ControlClient(own_cloud()).settings(speed=60)
    wizard = at_own_cloud.wizard()
    step = f"{DATABRICKS}@dev"
    stopped = until(
        wizard.solve(wizard.targets([step])),
        lambda event: isinstance(event, Progressed) and event.target == step,
        lambda: launch.stop(tmp_path / "cloud"),
    )
    assert stopped.statuses[step] is Status.UNKNOWN
    assert "refuses" in stopped.results[step].summary or "reach" in stopped.results[step].summary
    assert [entry["fact"] for entry in at_own_cloud.ledger() if entry["target"] == step] == ["intent", "operation"]
    launch.ControlClient(own_cloud()).settings(speed=600)
    seen = drain(wizard.solve(wizard.targets([step])))
    assert seen.all_passed(), seen.results[step]
    assert [entry["fact"] for entry in at_own_cloud.ledger() if entry["target"] == step].count("intent") == 1


# Stopping, and two at once


@pytest.mark.slow
def test_a_solve_stops_at_a_safe_point_and_is_gone_on_with(attendee: Attendee, practice_cloud: PracticeCloud) -> None:
    assert attendee.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=90)
    wizard, cancelled = attendee.wizard(), threading.Event()
    keys = [f"{DATABRICKS}@dev", f"{LAKE}@dev"]
    began = time.monotonic()
    stopped = until(
        wizard.solve(wizard.targets(keys), cancelled=cancelled),
        lambda event: isinstance(event, Progressed) and event.target == keys[0],
        cancelled.set,
    )
    assert time.monotonic() - began < 4
    assert stopped.last.cancelled
    assert stopped.results[keys[0]].status is Status.UNKNOWN
    assert "Stopped as you asked" in stopped.results[keys[0]].summary
    assert "next start finds it" in stopped.results[keys[0]].next_action
    found = attendee.look(keys[0])
    assert found.status is Status.WAITING
    assert "is being created" in found.summary
    (change,) = attendee.plan(keys[0])[keys[0]]
    assert (change.verb, change.note) == ("leave", "it is being created (Accepted); the wizard waits for it")
    began_at = practice_cloud.log_size()
    practice_cloud.control.settings(speed=600)
    gone_on = attendee.solve(keys[0])
    assert gone_on.all_passed()
    assert "already being created" in gone_on.said
    assert not [each for each in practice_cloud.exchanges(began_at) if each["method"] == "PUT"]
    assert attendee.ledger()[-1]["fact"] == "created"


@pytest.mark.slow
def test_a_run_that_nobody_watches_any_more_lets_go_only_when_it_has_stopped(
    attendee: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=20)
    wizard = attendee.wizard()
    events = wizard.solve(wizard.targets([f"{DATABRICKS}@dev"]))
    assert any(isinstance(event, Progressed) for event in events)
    events.close()  # type: ignore[attr-defined]
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("work ")]
    practice_cloud.control.settings(speed=600)
    assert attendee.solve("resource-groups").all_passed()


@pytest.mark.slow
def test_what_is_half_made_is_waited_for_and_removed(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=200)
    wizard, cancelled = attendee.wizard(), threading.Event()
    until(
        wizard.solve(wizard.targets([f"{DATABRICKS}@dev", f"{LAKE}@dev"]), cancelled=cancelled),
        lambda event: isinstance(event, Progressed) and event.target == f"{DATABRICKS}@dev",
        cancelled.set,
    )
    gone = attendee.teardown()
    assert gone.all_passed(), [result.summary for result in gone.results.values() if not result.passed]
    assert "is still being created" in "\n".join(gone.progress)
    assert by_hand.ask("GET", "/resources").json()["value"] == []
    assert by_hand.ask("GET", "/resourcegroups").json()["value"] == []


@pytest.mark.slow
def test_what_is_just_being_deleted_is_waited_for_and_made_again(
    attendee: Attendee, by_hand: Arm, practice_cloud: PracticeCloud
) -> None:
    step = f"{DATABRICKS}@dev"
    assert attendee.solve(step).all_passed()
    practice_cloud.control.settings(speed=30)
    names = attendee.names("dev")
    path = (
        f"/resourceGroups/{names.resource_group}/providers/Microsoft.Databricks/workspaces/{names.databricks_workspace}"
    )
    assert by_hand.ask("DELETE", path, version="2026-01-01").status_code == 202
    found = attendee.look(step)
    assert found.status is Status.WAITING
    assert "is being deleted" in found.summary
    (change,) = attendee.plan(step)[step]
    assert (change.verb, change.note) == ("create", "after the old one is deleted")
    practice_cloud.control.settings(speed=600)
    solved = attendee.solve(step)
    assert solved.all_passed()
    assert "is still being deleted" in "\n".join(solved.progress)


@pytest.mark.slow
def test_the_second_wizard_on_a_profile_may_look_but_not_work(
    attendee: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve("resource-groups").all_passed()
    practice_cloud.control.settings(speed=90)
    first = attendee.wizard()
    events = first.solve(first.targets([f"{DATABRICKS}@dev"]))
    assert any(isinstance(event, WorkStarted) and event.target == f"{DATABRICKS}@dev" for event in events)
    with pytest.raises(UsageError, match="Another wizard is working on profile default") as refused:
        attendee.solve("resource-groups")
    assert "--profile" in refused.value.hint
    with pytest.raises(UsageError):
        attendee.teardown()
    assert attendee.check("resource-groups").all_passed()
    other = Attendee(attendee.root, attendee.endpoints_file, profile="other")
    assert other.solve("set-up").all_passed()
    assert drain(events).all_passed()
    assert attendee.solve("resource-groups").all_passed()


@pytest.mark.slow
def test_names_are_not_changed_while_what_bears_them_stands(attendee: Attendee) -> None:
    assert attendee.solve("resource-groups").all_passed()
    refused = attendee.solve(NAMES, inputs={"prefix": "another"}).results[NAMES]
    assert refused.status is Status.FAILED
    assert "3 resources that this wizard created with prefix practice still exist" in refused.summary
    assert "--profile" in refused.next_action
    assert attendee.wizard().profile.choices.prefix == "practice"
    assert attendee.solve(NAMES, inputs={"alias": "someone"}).all_passed()
    assert attendee.teardown().all_passed()
    assert attendee.solve(NAMES, inputs={"prefix": "another"}).all_passed()
    assert attendee.wizard().profile.choices.prefix == "another"
    assert attendee.wizard().profile.choices.alias == "someone"


@pytest.mark.slow
def test_what_is_given_for_a_run_that_makes_things_is_saved_before(
    newcomer: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_service_principal(monkeypatch, practice_cloud.endpoints)
    practice_cloud.register_providers()
    newcomer.flags = {
        "prefix": "given",
        "location": "northeurope",
        "alias": "me",
        "subscription": practice_cloud.subscription,
    }
    assert {change.name for change in newcomer.plan("resource-groups")[NAMES]} == {"given", "northeurope", "me"}
    assert newcomer.solve(f"{VAULT}@dev").all_passed()
    newcomer.flags = {}
    choices = newcomer.wizard().profile.choices
    assert (choices.prefix, choices.location, choices.alias) == ("given", "northeurope", "me")
    assert (choices.subscription, choices.tenant) == (practice_cloud.subscription, seed.TENANT)
    assert choices.lab_id
    assert newcomer.check(f"{VAULT}@dev").all_passed()
    assert newcomer.teardown().all_passed()


@pytest.mark.slow
def test_a_deletion_that_is_refused_keeps_the_ledger_and_can_be_done_again(
    attendee: Attendee, practice_cloud: PracticeCloud
) -> None:
    assert attendee.solve(f"{LAKE}@dev").all_passed()
    message = "The scope cannot perform delete operation because it is locked."
    practice_cloud.control.fault("error", method="DELETE", status=409, code="ScopeLocked", message=message, times=1)
    gone = attendee.teardown()
    assert gone.statuses[f"{LAKE}@dev"] is Status.FAILED
    assert "locked" in gone.results[f"{LAKE}@dev"].summary
    assert gone.statuses[f"{GROUP}@dev"] is Status.BLOCKED
    assert [entry["fact"] for entry in attendee.ledger() if entry["target"] == f"{LAKE}@dev"][-1] != "deleted"
    assert attendee.teardown().all_passed()


def test_two_looks_at_the_same_thing_ask_once(attendee: Attendee, practice_cloud: PracticeCloud) -> None:
    wizard = attendee.wizard()
    target = wizard.target(f"{GROUP}@dev")
    context = wizard.connection.context(target, Services(Endpoints.of_file(attendee.endpoints_file)), ReadCache())
    began = practice_cloud.log_size()
    results: list[Status] = []

    def look() -> None:
        results.append(CHECKS["resource_group"].run(context).status)

    threads = [threading.Thread(target=look) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [each for each in practice_cloud.exchanges(began) if "/resourceGroups/" in each["url"]]
    assert results == [Status.FAILED] * 5
    assert len(asked) == 1
    CHECKS["resource_group"].run(replace(context, reads=ReadCache()))
    assert len([each for each in practice_cloud.exchanges(began) if "/resourceGroups/" in each["url"]]) == 2


def test_a_solve_tells_what_it_does_as_it_goes(attendee: Attendee) -> None:
    seen = attendee.solve(f"{GROUP}@prod")
    assert [event.text for event in seen.events if isinstance(event, Said) and event.target == f"{GROUP}@prod"] == [
        "Creating Resource group practice-db-prod …",
        "Resource group practice-db-prod is ready.",
    ]
    assert isinstance(seen.events[-1], RunFinished)
