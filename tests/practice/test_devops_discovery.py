"""What official clients ask first: the areas of an organization, and the table of its routes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hol_wizard.practice.devops import discovery
from hol_wizard.practice.devops.service import Part
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.process import server
from tests import contracts
from tests.practice.test_devops import as_user
from tests.practice_cloud import PracticeCloud

RECORDED = contracts.CONTRACTS / "recordings" / "public" / "devops.resource-areas.jsonl"


@pytest.mark.skipif(not RECORDED.exists(), reason=contracts.REASON)
def test_every_area_that_was_ever_recorded_is_at_an_address_of_the_practice_cloud(
    practice_cloud: PracticeCloud,
) -> None:
    recorded: dict[str, str] = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        answer = json.loads(line)["response_body"]
        recorded |= {each["id"].lower(): each["name"] for each in answer["value"]} if "value" in answer else {}
    assert len(recorded) > 200
    devops = as_user(practice_cloud)
    listed = {each["id"]: each for each in devops.ask("GET", "/ResourceAreas", version="7.1-preview.1").json()["value"]}
    assert set(recorded) <= set(listed)
    own = {f"{address}/practice/" for address in practice_cloud.endpoints.values() if isinstance(address, str)}
    for identity, area in listed.items():
        assert area["locationUrl"] in own
        assert area["name"] == recorded.get(identity, area["name"])
        # What is at that address tells its routes, so that a client learns there that one is missing.
    for address in {area["locationUrl"] for area in listed.values()}:
        assert devops.http.options(f"{address}_apis", timeout=10).json()["count"] >= 2


def test_every_operation_is_in_the_table_of_routes(tmp_path: Path) -> None:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    missing, found = [], 0
    for service in (make(world) for make in server.SERVICES):
        if not isinstance(service, Part):
            continue
        listed = [pattern(*each[1:4]) for each in discovery.ROUTES[service.name]]
        for route in service.router.routes:
            path = re.sub(r"\(\?P<\w+>[^)]*\)", "x", route.pattern.pattern.removesuffix("/?")).replace("\\", "")
            if route.method == "OPTIONS" or "/_git/" in path or path.endswith(discovery.UNLISTED):
                continue
            found += 1
            below = path if path.startswith("/_apis") else path.removeprefix("/x")
            if not any(each.fullmatch(below) for each in listed):
                missing.append(f"{service.name}: {path}")
    assert not missing
    assert found > 30


def test_the_routes_of_one_area_are_told_alone(practice_cloud: PracticeCloud) -> None:
    """azure-devops-node-api asks for the area of each client, `VsoClient.js`."""
    devops = as_user(practice_cloud)
    base = practice_cloud.endpoints["devops"]
    listed = devops.http.options(f"{base}/practice/_apis/Location", timeout=10).json()
    assert {each["resourceName"] for each in listed["value"]} == {"ConnectionData", "ResourceAreas"}
    git = devops.http.options(f"{base}/_apis/git", timeout=10).json()["value"]
    assert "items" in {each["resourceName"] for each in git}
    assert devops.http.options(f"{base}/practice/_apis/wit", timeout=10).status_code == 404


def pattern(area: str, resource: str, template: str) -> re.Pattern[str]:
    """Return what a route's template leads to; parts may be missing (azure-devops, `_create_request_message`)."""
    said = template.replace("{area}", area).replace("{resource}", resource)
    parts = [
        r"(/.+)?" if "*" in each else r"(/[^/]+)?" if each.startswith("{") else f"/{each}" for each in said.split("/")
    ]
    return re.compile("".join(parts), re.IGNORECASE)
