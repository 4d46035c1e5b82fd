from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient

from hol_wizard.practice.process import commands
from hol_wizard.practice.process.launch import ControlClient, ControlError, LaunchError
from tests.practice.conftest import STORAGE, STORAGE_BODY, Arm, provider
from tests.practice_cloud import PracticeCloud

LAKE = provider("Storage/storageAccounts", "labdata1")


def test_a_throttle_hits_as_often_as_told_where_it_is_told(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("throttle", method="GET", path="resourcegroups", times=2, retry_after=7)
    assert arm.ask("GET", "", version="2022-12-01").status_code == 200
    for _ in range(2):
        answer = arm.ask("GET", "/resourceGroups")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert arm.ask("GET", "/resourceGroups").status_code == 200
    assert practice_cloud.control.faults() == []


def test_azure_core_gets_over_a_throttle_and_an_outage(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("throttle", times=1, retry_after=1, service="resource_manager")
    practice_cloud.control.fault("unavailable", times=1, service="resource_manager")
    client: ARMPipelineClient[Any, Any] = ARMPipelineClient(
        base_url=practice_cloud.resource_manager,
        policies=[policies.RetryPolicy(retry_backoff_factor=0.05)],
        connection_verify=practice_cloud.ca_file,
    )
    address = f"{practice_cloud.resource_manager}{arm.base}?api-version=2022-12-01"
    request = HttpRequest("GET", address, headers={"Authorization": f"Bearer {arm.token}"})
    assert client.send_request(request).status_code == 200


def test_a_dropped_connection_is_one_and_may_leave_the_work_done(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("drop", method="PUT", times=1)
    practice_cloud.control.fault("drop", method="PUT", times=1, after=True)
    body = {"location": "westeurope"}
    with pytest.raises(requests.ConnectionError):
        arm.ask("PUT", "/resourcegroups/first", body)
    with pytest.raises(requests.ConnectionError):
        arm.ask("PUT", "/resourcegroups/second", body)
    assert arm.ask("HEAD", "/resourcegroups/first").status_code == 404
    assert arm.ask("HEAD", "/resourcegroups/second").status_code == 204


def test_latency_and_slow_answers_add_up(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.settings(latency=0.1)
    practice_cloud.control.fault("slow", seconds=0.2, times=1)
    before = time.monotonic()
    arm.ask("GET", "/resourceGroups")
    assert 0.3 <= time.monotonic() - before < 1.5


def test_an_expired_token_is_the_401_of_arm(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("expired-token", times=1)
    answer = arm.ask("GET", "/resourceGroups")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert "WWW-Authenticate" in answer.headers


def test_a_policy_denial_names_the_policy(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("policy", method="PUT")
    answer = arm.ask("PUT", "/resourcegroups/lab", {"location": "westeurope"})
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert error["code"] == "RequestDisallowedByPolicy"
    assert error["additionalInfo"][0]["info"]["policyDefinitionDisplayName"] == "Allowed locations"


def test_an_accepted_operation_can_fail_at_its_end(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.make_group()
    practice_cloud.control.fault("failed-operation", path="storageAccounts", code="QuotaExceeded", times=1)
    accepted = arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE)
    assert accepted.status_code == 202
    failed = arm.poll(accepted)
    assert (failed.status_code, failed.json()["error"]["code"]) == (409, "QuotaExceeded")
    assert arm.ask("GET", LAKE, version=STORAGE).status_code == 404
    assert arm.poll(arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE)).status_code == 200


def test_any_error_can_be_had_from_any_service(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("error", status=409, code="ConflictError", message="Busy.", path="labdata1")
    assert arm.error("GET", LAKE, version=STORAGE) == (409, "ConflictError")
    practice_cloud.control.clear_faults()
    assert arm.error("GET", LAKE, version=STORAGE) == (404, "ResourceGroupNotFound")


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("thunder", {}, "there is no fault 'thunder'"),
        ("drop", {"colour": "red"}, "a fault has no 'colour'"),
        ("drop", {"path": "("}, "no regular expression"),
        ("throttle", {"times": "two"}, "wrong type"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    practice_cloud: PracticeCloud, kind: str, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(ControlError, match=said):
        practice_cloud.control.fault(kind, **fields)


def test_nobody_commands_without_the_control_token(practice_cloud: PracticeCloud) -> None:
    wrong = ControlClient({**practice_cloud.endpoints, "control_token": "wrong"})
    with pytest.raises(LaunchError, match="token is missing or wrong"):
        wrong.reset()


def test_the_commands_do_the_same(practice_cloud: PracticeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--state", str(practice_cloud.state)]
    assert commands.main(["fault", "throttle", *where, "--path", "x", "--times", "3"]) == 0
    assert json.loads(capsys.readouterr().out)["times"] == 3
    assert commands.main(["faults", *where]) == 0
    assert json.loads(capsys.readouterr().out)[0]["kind"] == "throttle"
    assert commands.main(["clear-faults", *where]) == 0
    assert commands.main(["set", *where, "--latency", "0", "--user", "reader@practice.example"]) == 0
    assert commands.main(["reset", *where]) == 0
    capsys.readouterr()
    assert commands.main(["status", *where]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["user"], status["faults"]) == ("attendee@practice.example", 0)
    assert commands.main(["set", *where, "--user", "nobody@practice.example"]) == 1
    assert "there is no user" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("form", "content_type", "words"),
    [
        ("page", "text/html; charset=utf-8", b"<p>Blocked &lt;here&gt;</p>"),
        ("text", "text/plain; charset=utf-8", b"Blocked <here>"),
        ("empty", "application/octet-stream", b""),
        ("bytes", "application/json; charset=utf-8", b"\xff\xfe"),
    ],
)
def test_an_error_that_is_not_the_services_has_none_of_its_marks(
    practice_cloud: PracticeCloud, arm: Arm, form: str, content_type: str, words: bytes
) -> None:
    practice_cloud.control.fault("error", status=404, code="ResourceNotFound", message="Blocked <here>", form=form)
    answer = arm.ask("GET", "/resourceGroups")
    assert answer.status_code == 404
    assert answer.headers.get("Content-Type", "application/octet-stream") == content_type
    assert words in answer.content
    assert b"ResourceNotFound" not in answer.content
    assert not [name for name in answer.headers if name.lower().startswith("x-ms")]


def test_an_answer_that_is_cut_was_given(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("cut", method="PUT", times=1)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        arm.ask("PUT", "/resourcegroups/first", {"location": "westeurope"})
    assert arm.ask("HEAD", "/resourcegroups/first").status_code == 204


def test_an_unknown_form_is_refused(practice_cloud: PracticeCloud) -> None:
    with pytest.raises(ControlError, match="no form"):
        practice_cloud.control.fault("error", form="poem")


def test_an_answer_that_drips_comes_byte_by_byte(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("drip", method="PUT", times=1, seconds=0.002)
    began = time.monotonic()
    answer = arm.ask("PUT", "/resourcegroups/first", {"location": "westeurope"})
    assert answer.json()["name"] == "first"
    assert time.monotonic() - began > 0.002 * len(answer.content)


def test_a_list_can_be_made_to_lead_back_to_itself(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.control.fault("loop", method="GET")
    answer = arm.ask("GET", "/resourceGroups")
    assert answer.json()["nextLink"] == answer.url


def test_a_fault_can_wait_for_a_request(practice_cloud: PracticeCloud, arm: Arm) -> None:
    arm.ask("PUT", "/resourcegroups/first", {"location": "westeurope"})
    practice_cloud.control.fault("error", status=404, form="page", method="GET", path="/first", since="delete")
    assert arm.ask("GET", "/resourcegroups/first").status_code == 200
    assert arm.ask("DELETE", "/resourcegroups/other").status_code == 404
    assert arm.ask("GET", "/resourcegroups/first").status_code == 200
    assert arm.ask("DELETE", "/resourcegroups/first").status_code == 202
    assert arm.ask("GET", "/resourcegroups/first").content.startswith(b"<!DOCTYPE html>")
    assert arm.ask("GET", "/resourcegroups/other").json()["error"]["code"] == "ResourceGroupNotFound"
