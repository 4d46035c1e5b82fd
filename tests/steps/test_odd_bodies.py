"""Bodies of another form than any client sends: each operation that the lab uses refuses them in its service's form."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.practice import seed
from hol_wizard.practice.process import launch
from tests.practice.conftest import MANAGEMENT, session, user_token
from tests.practice_cloud import SPEED, PracticeCloud
from tests.steps.attendee import DEFAULTS, Attendee

RUN = "train/run-the-training@dev"
ODD: tuple[Any, ...] = (None, 7, "x", True, [], [None], [7], {}, {"x": [None]})
SCOPES = {
    "resource_manager": MANAGEMENT,
    "machine_learning": MANAGEMENT,
    "microsoft_graph": "https://graph.microsoft.com/.default",
    "databricks": "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default",
    "key_vault": "https://vault.azure.net/.default",
}
DEVOPS = "499b84ac-1321-427f-aa17-267ca6975798/.default"
DEEPEST = 5
"""Members in members that are tried."""


def odd(body: Any, depth: int = 0) -> Iterator[Any]:
    """Yield copies of a body in which one member, or the whole, has another type, or is missing."""
    yield from (each for each in ODD if type(each) is not type(body) or not each)
    if depth == DEEPEST:
        return
    if isinstance(body, dict):
        for name, value in body.items():
            yield {key: copy.deepcopy(other) for key, other in body.items() if key != name}
            for each in odd(value, depth + 1):
                yield {**copy.deepcopy(body), name: each}
    elif isinstance(body, list):
        for number, value in enumerate(body[:2]):
            for each in odd(value, depth + 1):
                yield [*body[:number], each, *body[number + 1 :]]


def operation(exchange: dict[str, Any]) -> tuple[str, str, str]:
    """Return what kind of request it is: ids and names of things make no difference."""
    path = str(exchange["url"]).partition("?")[0].partition("://")[2].partition("/")[2]
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{5,}|practice[\w-]*", "*", path, flags=re.IGNORECASE)
    return exchange["service"], exchange["method"], path


def written(exchanges: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one accepted request with a JSON body of each kind."""
    seen = set()
    for each in exchanges:
        if each["method"] not in {"POST", "PUT", "PATCH"} or (each["status"] or 500) >= 300:
            continue
        if isinstance(each.get("request_body"), dict | list) and (kind := operation(each)) not in seen:
            seen.add(kind)
            yield each


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[PracticeCloud]:
    """A practice cloud whose exchanges are not compared with the descriptions: what is sent here is wrong."""
    state, log = tmp_path / "practice", tmp_path / "exchanges.jsonl"
    endpoints = launch.start(state, speed=SPEED, log_exchanges=log, linger=5)
    with launch.Lease(endpoints):
        yield PracticeCloud(state, endpoints, launch.ControlClient(endpoints), log)
    launch.stop(state)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("runtime", "keyring")
def test_no_odd_body_is_answered_as_a_defect(cloud: PracticeCloud, tmp_path: Path) -> None:
    cloud.register_providers()
    cloud.control.settings(user=seed.ATTENDEE.name)
    person = Attendee(tmp_path / "files", cloud.endpoints_file)
    person.defaults = {**DEFAULTS, "devops_organization": "practice", "devops_users": "robin@elsewhere.example"}
    assert person.solve("set-up").all_passed()
    seen = person.solve(RUN, "scientist-setup", "workspace-resources", "databricks-access", "devops-project")
    assert seen.statuses[RUN] is Status.PASSED, seen.results[RUN]
    cloud.control.settings(speed=1)
    requests = list(written(cloud.exchanges()))
    tokens = {scope: user_token(cloud, scope=scope) for scope in {*SCOPES.values(), DEVOPS}}
    defects: dict[str, str] = {}
    covered = set()
    with session(cloud) as http:
        for each in requests:
            service = str(each["service"])
            scope = DEVOPS if service.startswith("devops") else SCOPES.get(service)
            if scope is None:
                continue
            covered.add(service)
            kind = each["request_headers"].get("content-type", "application/json")
            headers = {"Authorization": f"Bearer {tokens[scope]}", "Content-Type": kind}
            for body in odd(each["request_body"]):
                answer = http.request(each["method"], each["url"], data=json.dumps(body), headers=headers, timeout=20)
                if answer.status_code >= 500:
                    defects.setdefault(" ".join(operation(each)), f"{answer.status_code} to {json.dumps(body)[:300]}")
    assert not defects, "\n".join(f"{kind}: {body}" for kind, body in sorted(defects.items()))
    assert covered > {*SCOPES, "devops", "devops_entitlements"}, covered
