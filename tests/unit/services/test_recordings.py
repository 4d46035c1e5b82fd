"""What real services answered, read by this project's clients: `recordings/public` of the contracts, over no network.

Errors keep their words and their code, become an error of the right kind, and say that something does not exist only
where the code is one that the service has for that. Good answers come back whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import pytest

from hol_wizard.errors import (
    AbsenceUnclearError,
    AccessDeniedError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)
from hol_wizard.services import rest, transport
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.data_lake import DataLake
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.devops.client import DevOps, organizations
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.error_rules import BUSY, Service
from hol_wizard.services.graph import Graph
from hol_wizard.services.key_vault import KeyVault
from hol_wizard.services.rest import RestClient
from tests import contracts
from tests.unit.services.recorded import Record, Recorded
from tests.unit.services.tls_server import Tokens

RECORDINGS = contracts.CONTRACTS / "recordings" / "public"

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="no recordings here")

CLOUD = Endpoints.of_cloud("azure")
SUFFIXES: Mapping[str, Service] = {
    "management.azure.com": "arm",
    "graph.microsoft.com": "graph",
    "vault.azure.net": "key_vault",
    "core.windows.net": "storage",
    "azuredatabricks.net": "databricks",
    "dev.azure.com": "devops",
    "visualstudio.com": "devops",
}
"""Which service answers at a host; what the lab never asks, such as somebody's container registry, is left out."""

ABSENT: Mapping[str, frozenset[str]] = {
    "arm": frozenset(
        {
            "ResourceNotFound",
            "ResourceGroupNotFound",
            "ParentResourceNotFound",
            "ContainerNotFound",
            "ContainerOperationFailure",
        }
    ),
    "graph": frozenset({"Request_ResourceNotFound"}),
    "key_vault": frozenset({"SecretNotFound", "VaultNotFound"}),
    "storage": frozenset({"ContainerNotFound", "BlobNotFound", "PathNotFound", "FilesystemNotFound"}),
    "databricks": frozenset(
        {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "SCIM_404", "INVALID_PARAMETER_VALUE", "INVALID_STATE"}
    ),
    "devops": frozenset(),
}
"""The codes of each service by which recorded answers say that something does not exist."""


def read(name: str) -> list[Record]:
    """Return the recordings of one file."""
    lines = (RECORDINGS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if "status" in record]


@cache
def errors() -> Mapping[Service, list[Record]]:
    """Return all recorded errors of the services that the lab asks."""
    found: dict[Service, list[Record]] = {service: [] for service in SUFFIXES.values()}
    for file in sorted(RECORDINGS.rglob("*.jsonl")):
        for record in read(str(file.relative_to(RECORDINGS).with_suffix(""))):
            service = service_of(record)
            if record["status"] >= 400 and service is not None:
                found[service].append(record)
    return found


def service_of(record: Record) -> Service | None:
    host = urlsplit(record["url"]).hostname or ""
    return next((service for suffix, service in SUFFIXES.items() if host.endswith(suffix)), None)


def client(service: Service, record: Record) -> RestClient:
    """Return a client for which the recording is the only answer."""
    session = transport.make_session(CLOUD)
    session.mount("https://", Recorded(record))
    return RestClient(
        service, CLOUD, Tokens(), audience=service, shared=lambda: transport.make_transport(CLOUD, session)
    )


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "BUSY_WAITS", ())
    monkeypatch.setattr(rest, "BUSY_WAITS", ())


def members(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the names, in lower case, and the values of all texts in a body."""
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str):
                yield name.lower(), each
            yield from members(each)
    elif isinstance(value, list):
        for each in value:
            yield from members(each)


def told(record: Record) -> tuple[set[str], set[str]]:
    """Return the codes and the words that stand anywhere in a recorded error, found without the code under test."""
    body = record["response_body"]
    codes = {value for name, value in members(body) if name in {"code", "error_code", "typekey", "scimtype", "error"}}
    words = {value for name, value in members(body) if name in {"message", "detail", "value", "error", "error_message"}}
    codes |= {value for name, value in record["response_headers"].items() if name.lower() == "x-ms-error-code"}
    if isinstance(body, str):
        for tag, into in (("Code", codes), ("Message", words)):
            into |= {part.partition("<")[0] for part in body.split(f"<{tag}>")[1:]}
    return codes - {""}, {each for each in words if " " in each}


def wrong_with(record: Record, service: Service) -> Iterator[str]:
    """Yield what is wrong with the error that a recording becomes."""
    status, (codes, words) = record["status"], told(record)
    try:
        client(service, record).send(record["method"], record["url"], thing="the thing")
    except WizardError as raised:
        error = raised
    else:
        yield "no error"
        return
    if codes and not error.code:
        yield f"no code, of {codes}"
    if codes and error.code not in codes and not error.code.startswith("SCIM_"):
        yield f"the code {error.code} is none of {codes}"
    # Two secrets' worth of words may be hidden; the beginning of one that is kept proves that it was read.
    if words and not any(each.split("'")[0][:60].strip() in error.detail for each in words):
        yield f"none of the words {words} in {error.detail!r}"
    if "<html" in f"{error.message}{error.hint}{error.detail}".lower():
        yield f"a page is shown: {error.message}"
    if isinstance(error, NotFoundError) and (error.code not in ABSENT[service] or status in BUSY or status >= 500):
        yield f"absence from {status} {error.code}"
    if (status in BUSY or status >= 500) and not isinstance(error, UnreachableError):
        yield f"certain of {status}: {type(error).__name__}"
    if status == 404 and not isinstance(error, NotFoundError | AbsenceUnclearError | AccessDeniedError):
        yield f"404 as {type(error).__name__}"
    if status == 401 and not isinstance(error, SignInError | AccessDeniedError):
        yield f"401 as {type(error).__name__}"
    if status == 403 and not isinstance(error, SignInError | AccessDeniedError | InconclusiveError):
        yield f"403 as {type(error).__name__}"
    if status < 404 and codes and isinstance(error, InconclusiveError):
        yield f"a refusal of the service is nobody's: {status} {error.code}"


@pytest.mark.parametrize("service", sorted(ABSENT))
def test_recorded_errors_keep_words_and_code_and_become_the_right_error(service: Service) -> None:
    wrong, absent = [], set()
    for record in errors()[service]:
        host_and_path = urlsplit(record["url"])
        if not CLOUD.owns(record["url"]):
            record = {**record, "url": f"{CLOUD.devops}{host_and_path.path}"}
        wrong += [
            f"{record['method']} {host_and_path.path} {record['status']}: {words}"
            for words in wrong_with(record, service)
        ]
        codes, _ = told(record)
        if record["status"] == 404 and codes & ABSENT[service]:
            absent |= codes & ABSENT[service]
            with pytest.raises(NotFoundError):
                client(service, record).send(record["method"], record["url"], thing="the thing")
    assert wrong == []
    assert errors()[service]
    assert bool(absent) == (service in {"arm", "graph", "storage", "databricks"})


# Good answers


def names(record: Record, key: str = "value", name: str = "name") -> list[str]:
    return [str(each[name]) for each in record["response_body"].get(key) or ()]


def body(record: Record) -> Any:
    return record["response_body"]


def arm(record: Record) -> ArmClient:
    session = transport.make_session(CLOUD)
    session.mount("https://", Recorded(record))
    return ArmClient(CLOUD, Tokens(), transport.make_transport(CLOUD, session))


def path(record: Record) -> str:
    where = urlsplit(record["url"])
    return f"{where.path}?{where.query}"


def host(record: Record) -> str:
    where = urlsplit(record["url"])
    return f"{where.scheme}://{where.netloc}"


def devops(record: Record) -> DevOps:
    return DevOps(client("devops", record), "contoso")


def databricks(record: Record) -> Databricks:
    return Databricks(client("databricks", record), host(record))


def graph(record: Record) -> Graph:
    return Graph(client("graph", record))


def vault(record: Record) -> KeyVault:
    return KeyVault(client("key_vault", record))


def _repository_ids(record: Record) -> object:
    found = body(record).get("repository") or body(record)
    return [(found["id"], found["project"]["id"])]


READERS: Mapping[str, tuple[Callable[[Record], object], Callable[[Record], object]]] = {
    "arm.resources.ResourceGroups_Get": (lambda r: arm(r).get(path(r))["name"], lambda r: body(r)["name"]),
    "arm.resources.ResourceGroups_List": (
        lambda r: [each["name"] for each in arm({**r, "response_body": {**body(r), "nextLink": ""}}).list(path(r))],
        names,
    ),
    "arm.databricks.Workspaces_Get": (
        lambda r: arm(r).get(path(r))["properties"]["workspaceUrl"],
        lambda r: body(r)["properties"]["workspaceUrl"],
    ),
    "arm.keyvault.Vaults_Get": (
        lambda r: arm(r).get(path(r))["properties"]["vaultUri"],
        lambda r: body(r)["properties"]["vaultUri"],
    ),
    "arm.storage.StorageAccounts_GetProperties": (
        lambda r: arm(r).get(path(r))["properties"]["primaryEndpoints"],
        lambda r: body(r)["properties"]["primaryEndpoints"],
    ),
    "graph.graph.applications.application.GetApplication": (
        lambda r: [(each.app_id, each.name, len(each.passwords)) for each in [graph(r).application("1")] if each],
        lambda r: [(body(r)["appId"], body(r)["displayName"], len(body(r)["passwordCredentials"]))],
    ),
    "graph.graph.servicePrincipals.servicePrincipal.GetServicePrincipal": (
        lambda r: [(each.id, each.name) for each in [graph(r).service_principal_of("1")] if each],
        lambda r: [(body(r)["id"], body(r)["displayName"])],
    ),
    "keyvault-data.secrets.Secrets_GetSecret": (
        lambda r: [each.reveal() for each in [vault(r).get(host(r), "a")] if each],
        lambda r: [body(r)["value"]],
    ),
    "keyvault-data.secrets.Secrets_GetSecrets": (
        lambda r: list(vault({**r, "response_body": {**body(r), "nextLink": None}}).names(host(r))),
        lambda r: [each.rpartition("/")[2] for each in names(r, name="id")],
    ),
    "adls.dfs-gen.FileSystem_ListPaths": (
        lambda r: [each.name for each in DataLake(client("storage", r)).paths(host(r), "f")],
        lambda r: names(r, "paths"),
    ),
    "databricks.workspace.Clusters_list": (
        lambda r: [each.name for each in databricks(r).clusters()],
        lambda r: names(r, "clusters", "cluster_name"),
    ),
    "databricks.workspace.Clusters_get": (
        # Who typed some of them left the id out, which no workspace does.
        lambda r: [
            (each.id, each.state)
            for each in [databricks({**r, "response_body": {"cluster_id": "1", **body(r)}}).cluster("1")]
            if each
        ],
        lambda r: [(body(r).get("cluster_id", "1"), body(r).get("state", "UNKNOWN"))],
    ),
    "databricks.workspace.Clusters_spark_versions": (
        lambda r: [each.key for each in databricks(r).runtimes()],
        lambda r: names(r, "versions", "key"),
    ),
    "databricks.workspace.Repos_get": (
        lambda r: [each.url for each in [databricks(r).git.folder_of_id("1")] if each],
        lambda r: [body(r)["url"]],
    ),
    "databricks.workspace.Secrets_list_scopes": (
        lambda r: [each.name for each in databricks(r).list_scopes()],
        lambda r: names(r, "scopes"),
    ),
    "databricks.workspace.Secrets_list_acls": (
        lambda r: dict(databricks(r).scope_permissions("a")),
        lambda r: {each["principal"]: each["permission"] for each in body(r)["items"]},
    ),
    "databricks.workspace.Secrets_list_secrets": (
        lambda r: list(databricks(r).list_secret_names("a")),
        lambda r: names(r, "secrets", "key"),
    ),
    "devops.account.Accounts_List": (
        lambda r: organizations(client("devops", r)) if isinstance(body(r), dict) else [],
        lambda r: sorted(names(r, name="accountName"), key=str.lower) if isinstance(body(r), dict) else [],
    ),
    "devops.connection-data": (
        lambda r: devops(r).person().id,
        lambda r: body(r)["authenticatedUser"]["id"],
    ),
    "devops.core.Projects_Get": (
        lambda r: [(each.id, each.state) for each in [devops(r).project("a")] if each],
        lambda r: [(body(r)["id"], body(r)["state"])],
    ),
    "devops.core.Projects_List": (lambda r: [each.name for each in devops(r).projects()], names),
    "devops.git.Repositories_Get_Repository": (
        # Where git itself asks (`vsts/info`), the repository stands inside.
        lambda r: [
            (each.id, each.project)
            for each in [devops({**r, "response_body": body(r).get("repository") or body(r)}).repository("p", "a")]
            if each
        ],
        _repository_ids,
    ),
    "devops.git.Repositories_List": (lambda r: [each.name for each in devops(r).repositories()], names),
    "devops.git.Refs_List": (
        lambda r: list(devops(r).branches("p", "a")),
        lambda r: [each.removeprefix("refs/heads/") for each in names(r)],
    ),
    "devops.memberEntitlementManagement.User_Entitlements_Get_User_Entitlements": (
        lambda r: [
            each.id for each in devops({**r, "response_body": {**body(r), "continuationToken": None}}).members()
        ],
        lambda r: names(r, "members", "id"),
    ),
}
"""A call of ours for each recorded operation that the lab reads, and what its answer says, read by hand."""


@pytest.mark.parametrize("operation", READERS)
def test_recorded_answers_come_back_whole(operation: str) -> None:
    call, expected = READERS[operation]
    good = [record for record in read(operation) if record["status"] == 200 and record["response_body"] is not None]
    assert good
    for record in good:
        assert call(record) == expected(record), record["url"]


def test_an_error_that_no_client_knows_is_still_told() -> None:
    record = {"method": "GET", "url": "https://management.azure.com/x", "status": 418, "response_headers": {}}
    with pytest.raises(ServiceError, match="short and stout"):
        client("arm", {**record, "response_body": {"code": "Teapot", "message": "short and stout"}}).send(
            "GET", "https://management.azure.com/x", thing="tea"
        )
