"""What the doctor says about the subscription: on the practice cloud, and judged over answers laid down here."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from hol_wizard import variables
from hol_wizard.doctor import examinations as doctor
from hol_wizard.doctor import preflight
from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Status
from hol_wizard.errors import AccessDeniedError
from hol_wizard.lab.profile import Profile
from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.graph import Principal
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee, drain

OWNER, READER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", "acdd72a7-3385-48ef-bd42-f606fba81ae7"


class Answers:
    """Lists of Resource Manager, by the last part of the path; one that is not here is refused."""

    def __init__(self, **lists: list[dict[str, Any]]) -> None:
        self.lists = lists
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def list(self, path: str, **query: str) -> list[dict[str, Any]]:
        name = path.rpartition("/")[2]
        self.asked.append((name, query))
        if name not in self.lists:
            raise AccessDeniedError("not for you", detail="HTTP 403")
        return self.lists[name]


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    flags = {"prefix": "lab", "location": "westeurope", "subscription": "00000000-0000-0000-0000-000000000001"}
    return StepContext(
        "doctor/doctor",
        None,
        Profile("default", "azure", tmp_path / "default.toml", flags=flags),
        Services(Endpoints.of_cloud("azure")),
        ReadCache(),
        Ledger(tmp_path / "ledger.jsonl"),
        Reporter("doctor/doctor", lambda event: None, threading.Event()),
        {},
    )


def asking(context: StepContext, **lists: list[dict[str, Any]]) -> StepContext:
    return replace(context, services=Services(context.services.endpoints).replace(arm=Answers(**lists)))


def eligible(role: str) -> dict[str, Any]:
    return {"properties": {"roleDefinitionId": f"/subscriptions/x/providers/…/roleDefinitions/{role}"}}


class Directory:
    """Microsoft Graph for one signed-in account."""

    def __init__(self, kind: Literal["User", "ServicePrincipal"], roles: tuple[str, ...], allowed: bool | None) -> None:
        self._kind, self._roles, self._allowed = kind, roles, allowed

    def signed_in(self) -> Principal:
        return Principal("1", self._kind, "jane")

    def directory_roles(self) -> tuple[str, ...]:
        return self._roles

    def allowed_to_create_applications(self) -> bool | None:
        return self._allowed


@pytest.mark.parametrize(
    ("kind", "roles", "allowed", "status"),
    [
        ("User", (), True, Status.PASSED),
        ("User", ("Reports Reader", "Application Developer"), False, Status.PASSED),
        ("User", ("Reports Reader",), False, Status.FAILED),
        ("User", (), None, Status.UNKNOWN),
        ("ServicePrincipal", (), True, Status.UNKNOWN),
    ],
)
def test_who_may_create_applications(
    kind: Literal["User", "ServicePrincipal"],
    roles: tuple[str, ...],
    allowed: bool | None,
    status: Status,
    context: StepContext,
) -> None:
    directory = Directory(kind, roles, allowed)
    here = replace(context, services=Services(context.services.endpoints).replace(graph=directory))
    result = preflight.may_create_applications(here)
    assert result.status is status
    assert result.passed or result.next_action.startswith("An administrator of the directory:")


CONTRIBUTOR = {"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}


def test_an_owner_may_give_roles(context: StepContext) -> None:
    result = preflight.may_give_roles(asking(context, permissions=[{"actions": ["*"], "notActions": []}]))
    assert result.status is Status.PASSED


def test_who_could_activate_a_role_is_told_where(context: StepContext) -> None:
    here = asking(
        context, permissions=[CONTRIBUTOR], roleEligibilityScheduleInstances=[eligible(READER), eligible(OWNER)]
    )
    result = preflight.may_give_roles(here)
    assert result.status is Status.FAILED
    assert "activate Owner in Privileged Identity Management" in result.summary
    assert result.next_action.startswith("You: activate it at https://portal.azure.com/#view/Microsoft_Azure_PIMCommon")


@pytest.mark.parametrize(
    ("lists", "told"), [({"roleEligibilityScheduleInstances": [eligible(READER)]}, "none"), ({}, "not told")]
)
def test_who_cannot_is_sent_to_an_owner(
    lists: dict[str, list[dict[str, Any]]], told: str, context: StepContext
) -> None:
    result = preflight.may_give_roles(asking(context, permissions=[CONTRIBUTOR], **lists))
    assert result.status is Status.FAILED
    assert result.next_action.startswith("An owner of the subscription:")
    assert result.expectations[1].actual == told


def assigned(policy: str, name: str = "A policy", **properties: object) -> dict[str, Any]:
    return {"properties": {"displayName": name, "policyDefinitionId": f"/…/{policy}", **properties}}


def regions(*names: str) -> dict[str, Any]:
    return assigned(preflight.ALLOWED_LOCATIONS, "Where", parameters={"listOfAllowedLocations": {"value": list(names)}})


@pytest.mark.parametrize(
    ("assignments", "status"),
    [
        ([], Status.PASSED),
        ([assigned(preflight.ONLY_LOOKING[0])], Status.PASSED),
        ([assigned("unheard-of", enforcementMode="DoNotEnforce")], Status.PASSED),
        ([regions("West Europe", "northeurope")], Status.PASSED),
        ([regions("northeurope"), assigned("unheard-of")], Status.FAILED),
        ([assigned("unheard-of", "No public access")], Status.UNKNOWN),
    ],
)
def test_policies_are_judged_as_far_as_an_assignment_tells(
    assignments: list[dict[str, Any]], status: Status, context: StepContext
) -> None:
    assert preflight.policies(asking(context, policyAssignments=assignments)).status is status


def test_policies_that_may_not_be_seen_are_unknown(context: StepContext) -> None:
    assert preflight.policies(asking(context)).status is Status.UNKNOWN


def test_a_proxys_password_is_not_shown(context: StepContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*variables.PROXIES, *doctor.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    examine = {each.key: each.run for each in doctor.examinations(Attendee(tmp_path, tmp_path).home, {})}[
        "doctor/proxy"
    ]
    assert examine(context).status is Status.PASSED
    monkeypatch.setenv("HTTPS_PROXY", "http://jane:hunter2@proxy.example:3128")
    found = examine(context)
    assert found.status is Status.PASSED
    assert found.expectations[0].actual == "an address"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert examine(context).status is Status.FAILED


@pytest.mark.slow
def test_on_the_practice_cloud_all_of_it_is_answered(attendee: Attendee) -> None:
    results = drain(attendee.wizard().doctor()[1]).results
    free = results["doctor/names-free"]
    assert free.status is Status.PASSED
    assert len(free.expectations) == 9
    # A build's service principal is a Contributor, who may give no roles.
    assert results["doctor/roles"].status is Status.FAILED
    assert results["doctor/applications"].status is Status.UNKNOWN
    assert results["doctor/quota"].status is Status.PASSED
    assert "room for the cluster of dev and a build's job cluster: Standard_D4ds_v5: 8 cores" in (
        results["doctor/quota"].summary
    )
    assert results["doctor/policies"].status is Status.PASSED
    assert results["doctor/clock"].status is Status.PASSED


def test_what_the_doctor_advises_can_be_pasted(newcomer: Attendee) -> None:
    wizard = newcomer.wizard()
    wizard.wording.commands = True
    steps = set(wizard.graph.by_key)
    results = drain(wizard.doctor()[1]).results
    command = "hol-wizard --practice solve "
    named = {
        key: each.next_action.partition(command)[2].split()[0]
        for key, each in results.items()
        if command in each.next_action
    }
    assert set(named.values()) <= steps
    assert named["doctor/names"] == named["doctor/deleted-workspaces"] == "set-up/choose-your-names"
    assert named["doctor/sign-in"] == named["doctor/applications"] == "set-up/sign-in"
    assert named["doctor/subscription-chosen"] == "set-up/choose-the-subscription"


@pytest.mark.slow
def test_a_person_learns_whether_they_may_create_applications(
    newcomer: Attendee, practice_cloud: PracticeCloud
) -> None:
    practice_cloud.control.settings(user=seed.ATTENDEE.name)
    assert newcomer.solve("set-up").all_passed()
    practice_cloud.control.settings(register_applications=False)
    assert drain(newcomer.wizard().doctor()[1]).results["doctor/applications"].status is Status.FAILED
    practice_cloud.control.settings(register_applications=True)
    assert drain(newcomer.wizard().doctor()[1]).results["doctor/applications"].status is Status.PASSED
