"""What real services were asked, asked of the practice cloud: the same status, the same code, no member less.

Whole sequences are sent in their order; what an answer names (ids, addresses) goes into the later requests in the place
of what the recording names. Requests that the practice cloud does not serve are left out, and counted.
"""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from hol_wizard.practice import seed
from tests import contracts
from tests.practice.conftest import GRAPH, MANAGEMENT, session, user_token
from tests.practice_cloud import PracticeCloud

RECORDINGS = contracts.CONTRACTS / "recordings" / "public"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings here"),
]

Record = dict[str, Any]
UNSERVED = {"InvalidResourceType", "NoRegisteredProviderFound", "InvalidApiVersionParameter", "UnsupportedApiVersion"}
"""Codes by which the practice cloud says that it has no such address, or not in this version."""
FLOWS = {
    "ado_test_devops_projects_CreateListShowDelete*": 53,
    "role_test_app_create_idempotent*": 11,
    "role_test_app_credential*": 34,
    "role_test_sp_credential*": 36,
    "role_test_service_principal_scenario*": 26,
    "azure-mgmt-resource_test_mgmt_resource.test_resource_groups*": 17,
}
"""Sequences, and how many requests of each are compared at least: what is no longer served is seen."""
ABSENT = {
    *("ResourceNotFound", "ResourceGroupNotFound", "ParentResourceNotFound"),
    *("ContainerNotFound", "ContainerOperationFailure"),
}
PAGES = {"nextLink", "@odata.nextLink"}
"""Members that a list has only if there is more of it."""
NOT_YET = "does not reference a valid application object"
"""What Microsoft Graph says of an application that was made a moment ago; azure-cli tries again on it."""
OVER = {"succeeded", "completed", "failed", "cancelled"}


def records(path: Any) -> list[Record]:
    return [each for each in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if "status" in each]


class Replay:
    """One sequence, sent to the practice cloud."""

    def __init__(self, cloud: PracticeCloud) -> None:
        self.cloud = cloud
        self.http = session(cloud)
        ends = cloud.endpoints
        self.hosts = {
            "management.azure.com": (ends["resource_manager"], MANAGEMENT),
            "graph.microsoft.com": (ends["microsoft_graph"], GRAPH),
            "dev.azure.com": (ends["devops"], f"{seed.AUDIENCES['devops']}/.default"),
        }
        self.tokens: dict[str, str] = {}
        self.names = {"00000000-0000-0000-0000-000000000000": cloud.subscription}
        self.wrong: list[str] = []
        self.compared = self.unserved = 0

    def send(self, record: Record) -> requests.Response | None:
        where = urlsplit(record["url"])
        if where.hostname not in self.hosts:
            return None
        base, scope = self.hosts[where.hostname]
        path = where.path
        if where.hostname == "dev.azure.com":
            path = "/practice/" + path.lstrip("/").partition("/")[2]
        asked = self.ours(f"{path}?{where.query}" if where.query else path)
        body = record.get("request_body")
        if isinstance(body, str) and body.startswith("b'"):
            # Some recordings have bytes as Python shows them.
            body = ast.literal_eval(body).decode()
        text = None if body is None else self.ours(body if isinstance(body, str) else json.dumps(body))
        if scope not in self.tokens:
            self.tokens[scope] = user_token(self.cloud, scope=scope)
        return self.http.request(
            record["method"],
            base + asked,
            # Dates that lay ahead then are to lie ahead now.
            data=text and re.sub(r"\b(20[12]\d)(?=-\d\d-\d\d)", lambda year: str(int(year[1]) + 15), text),
            headers={
                "Authorization": f"Bearer {self.tokens[scope]}",
                "Content-Type": "application/json",
                # It is where clients of Azure DevOps name the version of the API.
                "Accept": (record.get("request_headers") or {}).get("accept", "application/json"),
            },
            timeout=10,
        )

    def ours(self, text: str) -> str:
        for theirs, ours in self.names.items():
            text = text.replace(theirs, ours)
        return text

    def replay(self, record: Record) -> None:
        answer = self.send(record)
        if answer is None:
            self.unserved += 1
            return
        told = record["response_body"] if isinstance(record["response_body"], dict) else {}
        deadline = time.monotonic() + 10
        while told.get("status") in OVER and _body(answer).get("status") not in OVER and time.monotonic() < deadline:
            time.sleep(0.05)
            again = self.send(record)
            assert again is not None
            answer = again
        while NOT_YET in answer.text and record["status"] < 300 and time.monotonic() < deadline:
            time.sleep(0.02)
            again = self.send(record)
            assert again is not None
            answer = again
        seen = _body(answer)
        if _code(seen) in UNSERVED or (answer.status_code in {404, 405, 501} and record["status"] < 300):
            self.unserved += 1
            return
        self.compared += 1
        what = f"{record['method']} {urlsplit(record['url']).path}"
        if answer.status_code != record["status"]:
            self.wrong.append(f"{what}: {answer.status_code}, recorded {record['status']} {str(seen)[:200]}")
            return
        # Where the whole group existed, the recording names what was missing in it.
        if _code(seen) != _code(told) and not {_code(seen), _code(told)} <= ABSENT:
            self.wrong.append(f"{what}: {_code(seen)}, recorded {_code(told)}")
        missing = {name for name, value in told.items() if value is not None} - set(seen) - PAGES
        if missing and record["status"] < 300:
            self.wrong.append(f"{what}: lacks {sorted(missing)}")
        self.names.update(_pairs(told, seen))


def _body(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(body: dict[str, Any]) -> str:
    error = body.get("error")
    inner = error if isinstance(error, dict) else body
    return str(inner.get("code") or body.get("typeKey") or "")


def _pairs(theirs: Any, ours: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield what stands at the same place of both: the ids by which later requests name it."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs.keys() & ours.keys():
            yield from _pairs(theirs[key], ours[key], key)
    elif (
        isinstance(theirs, str)
        and isinstance(ours, str)
        and name.lower() in {"id", "appid", "keyid"}
        and "/" not in theirs
    ):
        yield theirs, ours
    if isinstance(theirs, dict) and "value" in theirs and isinstance(ours, dict):
        known = {each["name"]: each for each in ours.get("value") or () if isinstance(each, dict) and "name" in each}
        for each in theirs["value"] or ():
            if isinstance(each, dict) and each.get("name") in known:
                yield from _pairs(each, known[each["name"]])


def absences() -> list[Record]:
    """Return the recorded reads of what does not exist, of Resource Manager and Microsoft Graph."""
    found: dict[str, Record] = {}
    for path in sorted(RECORDINGS.rglob("*.jsonl")):
        for record in records(path):
            host, body = urlsplit(record["url"]).hostname, record["response_body"]
            asked = host in {"management.azure.com", "graph.microsoft.com"} and record["method"] in {"GET", "DELETE"}
            if asked and record["status"] == 404 and isinstance(body, dict):
                found.setdefault(f"{record['method']} {urlsplit(record['url']).path}", record)
    return list(found.values())


def test_what_does_not_exist_is_said_as_the_service_says_it(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(".")
    practice_cloud.register_providers()
    replay = Replay(practice_cloud)
    for record in absences():
        replay.replay(record)
    assert replay.wrong == []
    assert replay.compared >= 12


@pytest.mark.parametrize(("pattern", "least"), FLOWS.items())
def test_a_recorded_sequence_gets_the_same_answers(pattern: str, least: int, practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(".")
    practice_cloud.register_providers()
    replay = Replay(practice_cloud)
    for path in sorted((RECORDINGS / "flows").glob(pattern + ".jsonl")):
        practice_cloud.control.reset()
        practice_cloud.register_providers()
        replay.tokens.clear()
        for record in records(path):
            replay.replay(record)
    assert replay.wrong == []
    assert replay.compared >= least
