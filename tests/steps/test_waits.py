"""Everything that waits has an end, and what goes on in the cloud outlives a service that does not tell for a while."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from hol_wizard.engine import runner
from hol_wizard.engine.kinds import KINDS
from hol_wizard.engine.ownership import Resource, looks
from hol_wizard.engine.registry import SOLVES, UNDOS
from hol_wizard.engine.results import Status
from hol_wizard.services import rest, transport
from tests.practice_cloud import PracticeCloud
from tests.steps import attendee as steps
from tests.steps.attendee import SIGN_IN, Attendee
from tests.steps.databricks import CLUSTER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

GROUP = f"{steps.GROUP}@dev"
WORKSPACE = f"{steps.DATABRICKS}@dev"


@pytest.fixture
def builder(attendee: Attendee, monkeypatch: pytest.MonkeyPatch, practice_cloud: PracticeCloud) -> Attendee:
    """An attendee with a resource group, whose requests are sent once only."""
    assert attendee.solve(GROUP).all_passed()
    monkeypatch.setattr(transport, "BUSY_WAITS", ())
    monkeypatch.setattr(rest, "BUSY_WAITS", ())
    monkeypatch.setattr(runner, "UNSURE_WAITS", ())
    practice_cloud.wrong_on_purpose(".")
    return attendee


def busy(cloud: PracticeCloud, status: int, **where: Any) -> None:
    cloud.control.fault("error", status=status, code="ServiceBusy", message="busy", **where)


@pytest.mark.parametrize("status", [429, 500])
def test_azure_that_does_not_tell_for_a_while_how_far_it_is_ends_nothing(
    status: int, builder: Attendee, practice_cloud: PracticeCloud
) -> None:
    where = {"service": "resource_manager", "method": "GET", "since": "PUT", "path": "Microsoft.Databricks"}
    busy(practice_cloud, status, **where, times=4)
    assert builder.solve(WORKSPACE).statuses[WORKSPACE] is Status.PASSED
    assert practice_cloud.control.faults() == []


@pytest.mark.parametrize("status", [429, 500])
def test_azure_that_tells_no_more_how_far_it_is_leaves_it_unknown_and_the_workspace_is_found_later(
    status: int, builder: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "SILENCE", 0.2)
    busy(practice_cloud, status, service="resource_manager", method="GET", since="PUT", path="Microsoft.Databricks")
    result = builder.solve(WORKSPACE).results[WORKSPACE]
    assert result.status in {Status.UNKNOWN, Status.WAITING}, result
    assert "too busy" in result.summary
    assert next(each["fact"] for each in builder.ledger() if each["kind"] == "Databricks workspace") == "intent"
    assert not [each for each in builder.ledger() if each["fact"] in {"failed", "withdrawn"}]
    practice_cloud.control.clear_faults()
    began = practice_cloud.log_size()
    assert builder.solve(WORKSPACE).statuses[WORKSPACE] is Status.PASSED
    sent = [each for each in practice_cloud.exchanges(began) if each["method"] == "PUT" and "Databricks" in each["url"]]
    assert not sent
    assert builder.teardown(WORKSPACE).all_passed()


def test_a_solve_that_takes_too_long_is_unknown_and_the_next_one_goes_on(
    builder: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy(practice_cloud, 500, service="resource_manager", method="GET", since="PUT", path="Microsoft.Databricks")
    with monkeypatch.context() as short:
        short.setitem(SOLVES, "databricks_workspace", replace(SOLVES["databricks_workspace"], deadline=3.0))
        result = builder.solve(WORKSPACE).results[WORKSPACE]
    assert result.status is Status.UNKNOWN
    assert result.summary.startswith("Not finished within")
    assert "To continue, " in result.next_action
    assert "<solve>" not in result.next_action
    assert not [each for each in builder.ledger() if each["fact"] in {"failed", "withdrawn"}]
    practice_cloud.control.clear_faults()
    began = practice_cloud.log_size()
    assert builder.solve(WORKSPACE).statuses[WORKSPACE] is Status.PASSED
    assert not [
        each for each in practice_cloud.exchanges(began) if each["method"] == "PUT" and "Databricks" in each["url"]
    ]


def test_an_undo_that_takes_too_long_is_unknown_and_the_next_one_goes_on(
    builder: Attendee, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as short:
        short.setitem(UNDOS, "resource_group", replace(UNDOS["resource_group"], deadline=0.0))
        result = builder.teardown(GROUP).results[GROUP]
    assert result.status is Status.UNKNOWN
    assert "run the teardown again" in result.next_action
    assert not [each for each in builder.ledger() if each["fact"] == "deleted"]
    assert builder.teardown(GROUP).all_passed()
    assert [each["fact"] for each in builder.ledger() if each["kind"] == "Resource group"][-1] == "deleted"


def test_every_kind_has_more_time_than_it_waits_for_its_service() -> None:
    """Both a deletion that is waited for and the creation after it fit in."""
    makers = {name: kind.make for name, kind in KINDS.items()}
    classes = {name: each for name, each in makers.items() if isinstance(each, type) and issubclass(each, Resource)}
    assert {"databricks_cluster", "cluster_library"} <= {*classes}
    for name, made in classes.items():
        for work in (SOLVES[name], UNDOS[name]):
            assert work.deadline >= 2 * made.patience, name


@pytest.mark.parametrize("status", [429, 500])
def test_databricks_that_does_not_tell_for_a_while_how_far_a_cluster_is_ends_nothing(
    status: int, inside: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "BUSY_WAITS", ())
    monkeypatch.setattr(rest, "BUSY_WAITS", ())
    practice_cloud.wrong_on_purpose(".")
    busy(practice_cloud, status, service="databricks", method="GET", path="clusters/", since="POST", times=4)
    solved = inside.solve(CLUSTER).results[CLUSTER]
    assert solved.passed, solved
    assert practice_cloud.control.faults() == []


def test_another_operation_in_progress_is_waited_for(builder: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault(
        "error",
        status=409,
        code="AnotherOperationInProgress",
        message="Another operation is in progress.",
        service="resource_manager",
        method="DELETE",
        times=3,
    )
    assert builder.teardown(GROUP).all_passed()
    assert practice_cloud.control.faults() == []


def test_a_list_without_an_end_and_an_answer_that_drips_end_with_a_clear_error(
    builder: Attendee, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice_cloud.control.fault("loop", service="resource_manager", path="/subscriptions\\?")
    result = builder.check(SIGN_IN).results[SIGN_IN]
    assert result.status is Status.UNKNOWN
    assert "Azure Resource Manager answered in an unexpected form" in result.summary
    practice_cloud.control.clear_faults()
    monkeypatch.setattr(transport, "ANSWER_SECONDS", 0.5)
    practice_cloud.control.fault("drip", service="resource_manager", path="/subscriptions\\?", seconds=0.05)
    began = time.monotonic()
    result = builder.check(SIGN_IN).results[SIGN_IN]
    assert result.status is Status.UNKNOWN
    assert "did not answer in time" in result.summary
    assert time.monotonic() - began < 10


def test_an_hour_to_wait_is_told(builder: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("throttle", service="resource_manager", method="GET", retry_after=3600)
    result = builder.check(SIGN_IN).results[SIGN_IN]
    assert result.status is Status.UNKNOWN
    assert "asks to wait for an hour" in result.next_action


def test_a_foreign_404_after_a_deletion_proves_nothing(builder: Attendee, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault(
        "error",
        service="resource_manager",
        method="GET",
        status=404,
        form="page",
        since="DELETE",
        path="/resourcegroups/",
    )
    gone = builder.teardown(GROUP).results[GROUP]
    assert gone.status is Status.UNKNOWN, gone
    assert not [each for each in builder.ledger() if each["fact"] == "deleted"]
    practice_cloud.control.clear_faults()
    assert builder.teardown(GROUP).all_passed()
    assert [each["kind"] for each in builder.ledger() if each["fact"] == "deleted"] == ["Resource group"]
