"""A query parameter that changes an answer is honored or refused, never dropped: every operation, by its description.

The descriptions are those of `../shared/contracts`. An operation that they do not have is not judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import Request, Response, Route, Router, Service
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.process import server
from tests import contracts
from tests.practice.conftest import Arm
from tests.practice.test_devops import as_user
from tests.practice_cloud import PracticeCloud

FAMILIES = {
    "resource_manager": "arm",
    "microsoft_graph": "graph",
    "key_vault": "keyvault-data",
    "registry": "acr",
    "databricks": "databricks",
    "storage_blob": "blob",
    "storage_dfs": "adls",
    "devops": "devops",
    "devops_profile": "devops",
    "devops_entitlements": "devops",
    "devops_sps": "devops",
    "devops_test_results": "devops",
    "devops_artifacts": "devops",
}
"""By which family of descriptions a service is judged."""


@pytest.fixture
def services(tmp_path: Path) -> list[Service]:
    world = World(Store(tmp_path / "cloud.sqlite"), Clock())
    return [make(world) for make in server.SERVICES]


def example(service: Service, route: Route) -> str:
    """Return a path that leads to an operation, as the descriptions write it."""
    path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"x\1", route.pattern.pattern.removesuffix("/?")).replace("\\", "")
    if service.name == "microsoft_graph":
        return path.removeprefix("/v1.0")
    # The descriptions of Azure DevOps begin with the organization, which the checker leaves out.
    return re.sub(r"^/xorganization(?=/)", "", path)


def described(service: Service, route: Route, place: str = "query") -> Iterator[tuple[str, str]]:
    """Return the parameters of an operation in the query or in headers, each with the description's name of it."""
    specs: Any = contracts._validator().specs
    family, paths = FAMILIES.get(service.name), [example(service, route)]
    if service.name.startswith("storage_"):
        # One route has all of them: the service's own, a container's, a blob's.
        paths = ["/", *paths, f"{paths[0]}/xblob"]
    for operation in specs.ops.get((family, route.method), ()):
        if any(operation.rx.match(path) for path in paths):
            document, node = specs.opnode(operation)
            for parameter in map(document.deref, node.get("parameters", ())):
                if parameter.get("in") == place:
                    yield parameter["name"], f"{operation.service} {operation.version}: {operation.id}"


@pytest.mark.slow
@pytest.mark.skipif(not contracts.available(), reason=contracts.REASON)
def test_every_operation_says_what_becomes_of_each_parameter_that_it_is_described_with(
    services: list[Service],
) -> None:
    forgotten, judged = set(), 0
    for service in services:
        for route in service.router.routes:
            known = route.honored | route.unserved | route.idle | service.everywhere
            # A structure is declared by its members: `filter_by.is_pinned`.
            known |= {name.partition(".")[0] for name in known}
            for name, where in described(service, route):
                judged += 1
                if name.lower() not in known:
                    forgotten.add(f"{service.name} {route.method} {example(service, route)}: {name} ({where})")
    assert not forgotten, "\n".join(sorted(forgotten))
    assert judged > 200


@pytest.mark.skipif(not contracts.available(), reason=contracts.REASON)
def test_every_operation_reads_or_refuses_the_headers_that_it_is_described_with(services: list[Service]) -> None:
    forgotten, judged = set(), 0
    for service in services:
        for route in service.router.routes:
            for name, where in described(service, route, "header"):
                judged += 1
                if name.lower() not in route.unserved_headers | service.known_headers:
                    forgotten.add(f"{service.name}: {name} ({where})")
            assert not route.unserved_headers & service.known_headers
    assert not forgotten, "\n".join(sorted(forgotten))
    assert judged > 50


def test_no_operation_declares_a_parameter_twice(services: list[Service]) -> None:
    for service in services:
        for route in service.router.routes:
            assert not route.honored & route.unserved
            assert not (route.honored | route.unserved) & (route.idle | service.everywhere)


def test_every_unserved_parameter_is_refused_in_the_form_of_its_service(services: list[Service]) -> None:
    refused = 0
    for service in services:
        for route in service.router.routes:
            for name in sorted(route.unserved):
                request = Request(route.method, example(service, route), {name: "x"}, {}, b"", "", pairs=((name, "x"),))
                assert route.unserved_in(request) == [name]
                response = service.written(request, service.unserved(request, [name]))
                assert response.status == 400
                assert name in str(response.body)
                for unset in ("", "false", "None", "0"):
                    assert not route.unserved_in(Request("GET", "/", {}, {}, b"", "", pairs=((name, unset),)))
                refused += 1
            for name in sorted(route.unserved_headers):
                request = Request(route.method, example(service, route), {}, {name: "x"}, b"", "")
                assert route.unserved_in(request) == [name]
                assert name in str(service.written(request, service.unserved(request, [name])).body)
    assert refused > 50


def test_a_handler_sees_only_what_its_operation_honors() -> None:
    router = Router()
    router.add("GET", "/things", lambda request: Response(200), honors="$Top", refuses="deep", ignores="quiet")
    route, _, _ = router.find("GET", "/things")
    assert route is not None
    assert route.honored == frozenset({"$top"})
    assert route.unserved == frozenset({"deep"})
    assert route.idle == frozenset({"quiet"})


def test_a_refusal_reaches_the_client(practice_cloud: PracticeCloud, arm: Arm) -> None:
    practice_cloud.wrong_on_purpose(r"\$expand", "includeAllUrls")
    arm.make_group()
    path = "/resourceGroups/lab/providers/Microsoft.KeyVault/vaults/any"
    assert arm.error("GET", path, version="2023-07-01", **{"$expand": "everything"}) == (400, "UnservedQueryParameter")
    devops = as_user(practice_cloud)
    devops.make()
    refused = devops.error("GET", "/git/repositories", includeAllUrls="true")
    assert refused[:2] == (400, "UnservedQueryParameterException")
    assert devops.ask("GET", "/git/repositories", includeAllUrls="false").status_code == 200
