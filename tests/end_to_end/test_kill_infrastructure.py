"""The infrastructure, the project and a branch, solved and torn down by wizards that are killed again and again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hol_wizard.engine.ownership import Resource
from hol_wizard.resources.local_clone import LocalClone
from hol_wizard.wizard.registration import load_steps
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground, made_twice
from tests.practice.conftest import GRAPH, Arm, user_token
from tests.practice.test_devops import as_user
from tests.practice_cloud import PracticeCloud

SECTIONS = (
    "resource-groups",
    "workspace-resources",
    "cluster",
    "initial-data",
    "databricks-access",
    "service-principal",
    "secrets",
    "devops-project",
    "scientist-setup",
)
ROUNDS = 3
KILLS_A_ROUND = 17
"""More than fifty kills in all; the rounds share nothing, so that they can run beside each other."""


@pytest.fixture
def ground(attendees_machine: Machine) -> Iterator[Ground]:
    with Ground.of(attendees_machine, speed=300.0) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_whole_solve_that_is_killed_again_and_again_makes_nothing_twice_and_leaves_nothing(
    ground: Ground, number: int
) -> None:
    for done in ground.kill_again_and_again(SECTIONS, kills=KILLS_A_ROUND, lines=16, number=number):
        if done == "teardown":
            assert left_over(ground.cloud) == []
        else:
            checked = ground.run("--check", "set-up", *SECTIONS, "--wait", "60", "--format", "json")
            assert checked.returncode == 0, checked.stdout
            commits = ground.commits()
            assert commits == ["initial repo seed"], commits

    exchanges = ground.cloud.exchanges()
    assert made_twice(exchanges) == []
    assert standing_at_once(exchanges) == []
    assert adopted_without_a_reason(ground.ledger()) == []
    last = {entry["resource"]: entry for entry in ground.ledger() if not entry["resource"].startswith("sign-in/")}
    kept = [(entry["kind"], entry["fact"]) for entry in last.values() if entry["fact"] != "deleted"]
    assert {fact for _, fact in kept} <= {"left", "adopted", "withdrawn"}, kept
    # What is left is a clone, or something without a mark of which a kill took the note.
    assert {kind for kind, fact in kept if fact == "left"} <= unmarked_kinds() | {LocalClone.kind}


def unmarked_kinds() -> set[str]:
    """Return the kinds without a mark: of one that a kill left without a note, nobody can tell whose it is."""
    load_steps()
    open_classes: list[type[Resource[Any]]] = list(Resource.__subclasses__())
    found = set()
    while open_classes:
        each = open_classes.pop()
        open_classes.extend(each.__subclasses__())
        if each.unmarked:
            found.add(each.kind)
    return found


def adopted_without_a_reason(ledger: list[dict[str, str]]) -> list[tuple[str, str]]:
    """Return what the wizard adopted although nobody else was at work, and although no kill took its note.

    A kill between the answer and the note leaves an intent; of a kind without a mark nobody can tell then whose it is.
    """
    before: dict[str, str] = {}
    found, unmarked = [], unmarked_kinds()
    for entry in ledger:
        key = entry["resource"].lower()
        if entry["fact"] == "adopted" and (
            entry["kind"] not in unmarked or before.get(key) not in {"intent", "adopted"}
        ):
            found.append((entry["kind"], before.get(key, "never begun")))
        before[key] = entry["fact"]
    return found


def standing_at_once(exchanges: list[dict[str, Any]]) -> list[str]:
    """Return what was made anew although one of it was standing: what no PUT of a fixed name protects."""
    standing: dict[str, set[str]] = {}
    twice = []
    for exchange in exchanges:
        if exchange["status"] is None or exchange["status"] >= 300:
            continue
        method, path = exchange["method"], str(exchange["url"]).partition("?")[0].partition("//")[2].partition("/")[2]
        body, answer = exchange["request_body"], exchange["response_body"]
        thing = exchange["thing"]
        if (method, path) == ("POST", "v1.0/applications"):
            key, made = f"application {body['displayName']}", answer["id"]
        elif method == "POST" and path.endswith("clusters/create"):
            key, made = f"cluster {thing}", answer["cluster_id"]
        elif method == "DELETE" and path.startswith("v1.0/applications/"):
            for each in standing.values():
                each.discard(path.rpartition("/")[2])
            continue
        elif method == "POST" and path.endswith("clusters/permanent-delete"):
            standing.get(f"cluster {thing}", set()).discard(body["cluster_id"])
            continue
        else:
            continue
        standing.setdefault(key, set()).add(made)
        if len(standing[key]) > 1:
            twice.append(f"{key}: {sorted(standing[key])}")
    return twice


def left_over(cloud: PracticeCloud) -> list[str]:
    """Return what stands in the practice cloud that was not there at its beginning."""
    arm = Arm(cloud, user_token(cloud))
    found = [str(each["id"]) for each in arm.ask("GET", "/resources").json()["value"]]
    found += [str(each["id"]) for each in arm.ask("GET", "/resourcegroups").json()["value"]]
    deleted = arm.ask("GET", "/providers/Microsoft.KeyVault/deletedVaults", version="2026-02-01").json()
    found += [str(each["id"]) for each in deleted["value"]]
    roles = arm.ask("GET", "/providers/Microsoft.Authorization/roleAssignments", version="2022-04-01").json()
    found += [str(each["id"]) for each in roles["value"] if "/resourceGroups/" in str(each["properties"]["scope"])]
    arm.http.headers["Authorization"] = f"Bearer {user_token(cloud, scope=GRAPH)}"
    graph = cloud.endpoints["microsoft_graph"]
    for path in ("applications", "directory/deletedItems/microsoft.graph.application"):
        answer = arm.http.get(f"{graph}/v1.0/{path}", timeout=10).json()
        found += [f"{path} {each['displayName']}" for each in answer["value"]]
    projects = as_user(cloud).ask("GET", "/projects", stateFilter="all").json()["value"]
    return [*found, *(f"Azure DevOps project {each['name']}" for each in projects)]


def test_what_stands_at_once_is_found() -> None:
    made = {"method": "POST", "url": "https://h/v1.0/applications", "status": 201, "thing": "", "service": "graph"}
    body = {"request_body": {"displayName": "one"}}
    first = {**made, **body, "response_body": {"id": "a"}}
    second = {**made, **body, "response_body": {"id": "b"}}
    gone = {**made, **body, "method": "DELETE", "url": "https://h/v1.0/applications/a", "response_body": None}
    assert standing_at_once([first, {**gone, "status": 204}, second]) == []
    assert standing_at_once([first, second]) == ["application one: ['a', 'b']"]
