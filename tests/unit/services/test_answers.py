from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from hol_wizard.errors import AbsenceUnclearError, InconclusiveError, NotFoundError, WizardError
from hol_wizard.services import transport
from hol_wizard.services.answers import Document, moment
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.data_lake import DataLake
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import ClusterSpec
from hol_wizard.services.devops.client import DevOps, organizations
from hol_wizard.services.devops.projects import Project, Work
from hol_wizard.services.devops.tokens import DevOpsTokens
from hol_wizard.services.graph import Graph
from hol_wizard.services.key_vault import KeyVault
from hol_wizard.services.machine_learning import MachineLearning
from hol_wizard.services.rest import RestClient
from tests.unit.services.recorded import Recorded
from tests.unit.services.tls_server import Reply, Server, Tokens

WHOLE = Reply(body={"id": "x", "properties": {"a": 1}})
CUT = Reply(body={"id": "x", "properties": {"a": 1}}, cut=5)
CUT_CHUNK = Reply(
    content=b'40\r\n{"id": "x"',
    headers={"Transfer-Encoding": "chunked", "Content-Length": "", "Connection": "close"},
    cut=1,
)
CUT_JSON = Reply(content=b'{"id": "x", "prop', headers={"Content-Type": "application/json; charset=utf-8"})
LATIN_1 = Reply(content='{"id": "é"}'.encode("latin-1"), headers={"Content-Type": "application/json"})
UNKNOWN_CHARSET = Reply(content=b"\xff\xfe{", headers={"Content-Type": "application/json; charset=x-unknown"})
GZIPPED = Reply(content=b"no gzip", headers={"Content-Type": "application/json", "Content-Encoding": "gzip"})
DEEP = Reply(content=b"[" * 100_000, headers={"Content-Type": "application/json"})
BROKEN = [CUT, CUT_CHUNK, CUT_JSON, LATIN_1, UNKNOWN_CHARSET, GZIPPED, DEEP]
NAMES = ["cut", "cut-chunk", "cut-json", "latin-1", "charset", "gzip", "deep"]


@pytest.mark.parametrize("broken", BROKEN, ids=NAMES)
def test_an_answer_that_breaks_off_is_asked_for_again(arm: ArmClient, server: Server, broken: Reply) -> None:
    server.will_answer(broken, WHOLE)
    assert arm.get("/subscriptions/s1")["id"] == "x"
    assert len(server.asked) == 2


@pytest.mark.parametrize("broken", BROKEN, ids=NAMES)
def test_an_answer_that_stays_broken_is_an_error_that_names_service_and_operation(
    arm: ArmClient, server: Server, broken: Reply
) -> None:
    server.will_answer(broken)
    with pytest.raises(InconclusiveError) as raised:
        arm.get("/subscriptions/s1")
    assert raised.value.message == "Azure Resource Manager answered in an unexpected form (GET s1)."
    assert raised.value.hint
    assert len(server.asked) == 4


def test_a_request_that_is_not_safe_to_repeat_is_sent_once_when_its_answer_breaks_off(
    arm: ArmClient, server: Server
) -> None:
    server.will_answer(CUT_JSON)
    with pytest.raises(InconclusiveError):
        arm.post("/subscriptions/s1/providers/Microsoft.Storage/checkNameAvailability", {"name": "x"})
    assert len(server.asked) == 1


def test_a_page_in_the_place_of_a_document_is_nobodys_answer(arm: ArmClient, server: Server) -> None:
    server.will_answer(Reply(200, "<html><body>Please sign in to the network</body></html>"))
    with pytest.raises(InconclusiveError, match="answers instead") as raised:
        arm.get("/subscriptions/s1")
    assert "<" not in f"{raised.value.message}{raised.value.hint}{raised.value.detail}"


def test_a_page_during_an_operation_does_not_end_it(arm: ArmClient, server: Server) -> None:
    server.will_answer(
        Reply(202, {}, {"Location": f"{server.base}/operations/1"}),
        Reply(200, "<html><body>Please sign in to the network</body></html>"),
    )
    operation = arm.put("/subscriptions/s1/resourceGroups/g", {})
    with pytest.raises(InconclusiveError):
        operation.poll()
    assert not operation.done


# Every member of a good answer, missing, null or of another type


def _graph(server: Server, tokens: Tokens) -> Graph:
    endpoints = replace(server.endpoints, microsoft_graph=server.base)
    return Graph(RestClient("graph", endpoints, tokens, audience="graph"))


def _machine_learning(server: Server, tokens: Tokens) -> MachineLearning:
    return MachineLearning(ArmClient(server.endpoints, tokens), DataLake(_rest(server, tokens, "storage")))


def _rest(server: Server, tokens: Tokens, service: Any) -> RestClient:
    return RestClient(service, server.endpoints, tokens, audience=service)


def _devops_rest(server: Server, tokens: Tokens) -> RestClient:
    base = server.base
    endpoints = replace(server.endpoints, devops=base, devops_profile=base, devops_sps=base, devops_entitlements=base)
    return RestClient("devops", endpoints, tokens, audience="devops")


def _of_devops(call: Callable[[DevOps], object]) -> Callable[[Server, Tokens], object]:
    return lambda server, tokens: call(DevOps(_devops_rest(server, tokens), "contoso"))


def _of_databricks(call: Callable[[Databricks], object]) -> Callable[[Server, Tokens], object]:
    return lambda server, tokens: call(Databricks(_rest(server, tokens, "databricks"), server.base))


PROJECT_DOCUMENT = {
    "id": "1",
    "name": "p",
    "state": "wellFormed",
    "capabilities": {"versioncontrol": {"sourceControlType": "Git"}, "processTemplate": {"templateName": "Agile"}},
}
REPOSITORY = {"id": "1", "name": "r", "defaultBranch": "refs/heads/main", "project": {"id": "2", "name": "p"}}
MEMBER = {
    "id": "1",
    "user": {"principalName": "a@b.c", "mailAddress": "a@b.c"},
    "accessLevel": {"accountLicenseType": "express", "licenseDisplayName": "Basic"},
    "projectEntitlements": [{"projectRef": {"id": "2"}}],
}
PROJECT = Project("2", "p", "wellFormed")
DEVOPS: dict[str, tuple[Callable[[DevOps], object], Any]] = {
    "person": (
        lambda here: here.person(),
        {"authenticatedUser": {"id": "1", "properties": {"Account": {"$value": "a@b.c"}}}},
    ),
    "project": (lambda here: here.project("p"), PROJECT_DOCUMENT),
    "projects": (lambda here: here.projects(), {"value": [PROJECT_DOCUMENT]}),
    "process": (lambda here: here.process_id("Agile"), {"value": [{"id": "1", "name": "Agile"}]}),
    "create": (lambda here: here.create_project("p", "", "1"), {"id": "1", "url": "u"}),
    "operation": (lambda here: here.is_over(Work("1", "")), {"status": "succeeded", "detailedMessage": "m"}),
    "repository": (lambda here: here.repository("p", "r"), REPOSITORY),
    "repository of id": (lambda here: here.repository_of_id("1"), REPOSITORY),
    "repositories": (lambda here: here.repositories(), {"value": [REPOSITORY]}),
    "branches": (lambda here: here.branches("p", "1"), {"value": [{"name": "refs/heads/a", "objectId": "1"}]}),
    "blobs": (lambda here: here.blobs("p", "1", "a"), {"value": [{"path": "/a", "objectId": "1", "isFolder": False}]}),
    "members": (lambda here: here.members(), {"members": [MEMBER], "continuationToken": None}),
    "member": (
        lambda here: here.add_member("a@b.c", "express", PROJECT),
        {"isSuccess": True, "operationResult": {"isSuccess": True, "userId": "1", "errors": [{"value": "e"}]}},
    ),
    "permission": (lambda here: here.may_create_projects(), {"value": [True]}),
    "jobs": (lambda here: here.hosted_jobs(), {"value": [{"isHosted": True, "totalCount": 1}]}),
    "organizations": (
        lambda here: organizations(here._rest),
        {"publicAlias": "1", "id": "1", "value": [{"accountName": "contoso"}]},
    ),
    "tokens": (
        lambda here: DevOpsTokens(here._rest, "contoso").list(),
        {"patTokens": [{"authorizationId": "1", "displayName": "n", "validTo": "2030-01-01T00:00:00Z"}]},
    ),
    "token": (
        lambda here: DevOpsTokens(here._rest, "contoso").create("n", "vso.code", 3),
        {"patToken": {"authorizationId": "1", "token": "x"}, "patTokenError": "none"},
    ),
}
CLUSTER = {
    "cluster_id": "1",
    "cluster_name": "c",
    "state": "TERMINATED",
    "num_workers": 1,
    "autoscale": {"min_workers": 1, "max_workers": 2},
    "spark_conf": {"a": "b"},
    "custom_tags": {"a": "b"},
    "start_time": 1,
    "executors": [{"host_private_ip": "1"}],
    "termination_reason": {"code": "USER_REQUEST", "type": "SUCCESS", "parameters": {"azure_error_message": "m"}},
}
PULL_REQUEST = {
    "pullRequestId": 1,
    "title": "t",
    "status": "active",
    "sourceRefName": "refs/heads/a",
    "targetRefName": "refs/heads/main",
    "createdBy": {"id": "1", "displayName": "n"},
    "mergeStatus": "succeeded",
    "lastMergeSourceCommit": {"commitId": "c"},
    "reviewers": [{"id": "2", "displayName": "r", "vote": 10, "isRequired": True}],
    "isDraft": False,
}
THREAD = {"id": 1, "status": "active", "comments": [{"author": {"displayName": "n"}, "content": "c"}]}
EVALUATION = {"status": "approved", "configuration": {"isBlocking": True, "type": {"displayName": "n"}}}
POLICY = {
    "id": 1,
    "isEnabled": True,
    "settings": {"minimumApproverCount": 1, "scope": [{"repositoryId": "1", "matchKind": "Exact"}]},
}
DEVOPS |= {
    "pull requests": (lambda here: here.pull_requests("p", "1", "a", "main"), {"value": [PULL_REQUEST]}),
    "pull request": (lambda here: here.pull_request("p", "1", 1), PULL_REQUEST),
    "discussions": (lambda here: here.discussions("p", "1", 1), {"value": [THREAD]}),
    "evaluations": (lambda here: here.policy_evaluations("1", 1), {"value": [EVALUATION]}),
    "policies": (lambda here: here.review_policies("p"), {"value": [POLICY]}),
    "new policy": (lambda here: here.create_review_policy("p", "1", "main"), POLICY),
}
RUN = {
    "run_id": 1,
    "run_name": "r",
    "state": {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS", "state_message": "m"},
    "tasks": [{"run_id": 2, "task_key": "train"}],
    "start_time": 1,
    "end_time": 2,
}
DATABRICKS: dict[str, tuple[Callable[[Databricks], object], Any]] = {
    "me": (lambda here: here.me(), {"id": "1", "userName": "a@b.c", "groups": [{"display": "admins"}]}),
    "clusters": (lambda here: here.clusters(), {"clusters": [CLUSTER], "next_page_token": ""}),
    "cluster": (lambda here: here.cluster("1"), CLUSTER),
    "create": (
        lambda here: here.create_cluster(ClusterSpec("c", "r", "n", "u", 10, None)),
        {"cluster_id": "1"},
    ),
    "libraries": (
        lambda here: here.libraries("1"),
        {"library_statuses": [{"library": {"pypi": {"package": "p"}}, "status": "INSTALLED", "messages": ["m"]}]},
    ),
    "runtimes": (lambda here: here.runtimes(), {"versions": [{"key": "16.4.x", "name": "16.4"}]}),
    "machines": (
        lambda here: here.node_types(),
        {
            "node_types": [
                {
                    "node_type_id": "n",
                    "num_cores": 4.0,
                    "memory_mb": 1,
                    "node_instance_type": {"local_disks": 1, "instance_family": "f"},
                    "node_info": {"status": ["NotEnabledOnSubscription"]},
                }
            ]
        },
    ),
    "tokens": (
        lambda here: here.tokens(),
        {"token_infos": [{"token_id": "1", "comment": "c", "creation_time": 1, "expiry_time": 2}]},
    ),
    "token": (lambda here: here.create_token("c", 1), {"token_value": "x", "token_info": {"token_id": "1"}}),
    "token rules": (lambda here: here.token_rules(), {"enableTokensConfig": "true", "maxTokenLifetimeDays": "9"}),
    "scopes": (
        lambda here: here.list_scopes(),
        {"scopes": [{"name": "s", "backend_type": "AZURE_KEYVAULT", "keyvault_metadata": {"dns_name": "d"}}]},
    ),
    "permissions": (lambda here: here.scope_permissions("s"), {"items": [{"principal": "p", "permission": "READ"}]}),
    "secret names": (lambda here: here.list_secret_names("s"), {"secrets": [{"key": "k"}]}),
    "credentials": (
        lambda here: here.git.credentials(),
        {"credentials": [{"credential_id": 1, "git_provider": "p", "git_username": "u"}]},
    ),
    "Git folder": (lambda here: here.git.folder_of_id("1"), {"id": 1, "path": "/a", "url": "u", "branch": "b"}),
    "runs": (lambda here: here.submitted_runs(datetime.fromtimestamp(0, UTC)), {"runs": [RUN], "has_more": False}),
    "run": (lambda here: here.run("1"), RUN),
    "submit": (lambda here: here.submit_notebook("n", "/a", {}, "c", 9, "token"), {"run_id": 1}),
    "object": (lambda here: here.git.object("/a"), {"object_id": 1, "object_type": "REPO", "path": "/a"}),
    "source": (lambda here: here.git.source("/a"), {"content": "eA=="}),
}

APPLICATION = {
    "id": "1",
    "appId": "2",
    "displayName": "a",
    "tags": ["t"],
    "passwordCredentials": [{"keyId": "3", "displayName": "p", "endDateTime": "2030-01-01T00:00:00Z"}],
}
SECRET = {"id": "https://v/secrets/a", "value": "x", "attributes": {"enabled": True}, "tags": {"t": "1"}}
CALLS: dict[str, tuple[Callable[[Server, Tokens], object], Any]] = {
    "arm get": (
        lambda server, tokens: ArmClient(server.endpoints, tokens).get("/subscriptions/s")["properties"]["a"],
        {"properties": {"a": 1}},
    ),
    "arm list": (
        lambda server, tokens: [
            each.get("properties", {}).get("a")
            for each in ArmClient(server.endpoints, tokens).list("/subscriptions/s/resources")
        ],
        {"value": [{"id": "x", "properties": {"a": 1}}], "nextLink": ""},
    ),
    "arm put": (
        lambda server, tokens: ArmClient(server.endpoints, tokens).put("/subscriptions/s/resourceGroups/g", {}).done,
        {"id": "x", "properties": {"provisioningState": "Succeeded"}},
    ),
    "models": (
        lambda server, tokens: _machine_learning(server, tokens).versions("/subscriptions/s", "m"),
        {
            "value": [
                {
                    "name": "1",
                    "properties": {"tags": {"a": "b"}, "modelUri": "u"},
                    "systemData": {"createdAt": "2026-01-01T00:00:00Z"},
                }
            ]
        },
    ),
    "graph application": (lambda server, tokens: _graph(server, tokens).application("1"), APPLICATION),
    "graph applications": (lambda server, tokens: _graph(server, tokens).applications("a"), {"value": [APPLICATION]}),
    "graph principal": (
        lambda server, tokens: _graph(server, tokens).service_principal_of("2"),
        {"id": "1", "displayName": "a"},
    ),
    "graph me": (lambda server, tokens: _graph(server, tokens).signed_in(), {"id": "1", "userPrincipalName": "a"}),
    "graph password": (
        lambda server, tokens: _graph(server, tokens).add_password("1", "n", 3),
        {"keyId": "1", "secretText": "x", "endDateTime": "2030-01-01T00:00:00Z"},
    ),
    "graph policy": (
        lambda server, tokens: _graph(server, tokens).allowed_to_create_applications(),
        {"defaultUserRolePermissions": {"allowedToCreateApps": True}},
    ),
    "graph roles": (lambda server, tokens: _graph(server, tokens).directory_roles(), {"value": [{"displayName": "a"}]}),
    "vault items": (
        lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).items(server.base),
        {"value": [SECRET]},
    ),
    "vault get": (lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).get(server.base, "a"), SECRET),
    "vault deleted": (
        lambda server, tokens: KeyVault(_rest(server, tokens, "key_vault")).deleted(server.base, "a"),
        SECRET,
    ),
    "lake paths": (
        lambda server, tokens: DataLake(_rest(server, tokens, "storage")).paths(server.base, "f"),
        {"paths": [{"name": "a", "contentLength": "3", "isDirectory": "true"}]},
    ),
    "lake access": (
        lambda server, tokens: DataLake(_rest(server, tokens, "storage")).modify_access_control_recursive(
            server.base, "f", ["user:1:rwx"]
        ),
        {"directoriesSuccessful": 1, "filesSuccessful": 1, "failureCount": 0, "failedEntries": []},
    ),
    **{f"devops {name}": (_of_devops(call), good) for name, (call, good) in DEVOPS.items()},
    **{f"databricks {name}": (_of_databricks(call), good) for name, (call, good) in DATABRICKS.items()},
}
MISSING = object()


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of every member, at every depth."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in members:
        yield (*path, key)
        yield from places(each, (*path, key))


def changed(value: Any, path: tuple[str | int, ...], put: object) -> Any:
    """Return the value with something else at a place."""
    whole = copy.deepcopy(value)
    at = whole
    for key in path[:-1]:
        at = at[key]
    if put is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = put
    return whole


@pytest.mark.parametrize("name", CALLS)
def test_no_form_of_an_answer_makes_the_wizard_stumble(
    name: str, server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, good = CALLS[name]
    answer = {"status": 200, "response_headers": {"Content-Type": "application/json"}, "response_body": good}
    session = transport.make_session(server.endpoints)
    session.mount("https://", Recorded(answer))
    monkeypatch.setattr(transport, "make_session", lambda endpoints: session)
    call(server, tokens)
    tried = 0
    bodies = [[], [good], "text", 7, None]
    bodies += [changed(good, path, put) for path in places(good) for put in (MISSING, None, [], ["x"], {}, "x", 7)]
    for body in bodies:
        answer["response_body"] = json.dumps(body)
        with suppress(WizardError):
            call(server, tokens)
        tried += 1
    assert tried > 10


def test_a_document_tells_what_is_wrong_with_it() -> None:
    document = Document({"a": None, "b": [1], "c": {"d": None}}, "Microsoft Graph (GET my-app)")
    assert document.get("a", {}) == {}
    assert document["c"].get("d", "x") == "x"
    for wrong in (
        lambda: document["a"],
        lambda: document["z"],
        lambda: document["b"]["x"],
        lambda: document["b"].get("x"),
        lambda: document.get("b", {}),
        lambda: document.get("c", ()),
        lambda: document.objects("b"),
        lambda: document["c"]["d"],
    ):
        with pytest.raises(InconclusiveError, match=r"Microsoft Graph answered in an unexpected form \(GET my-app\)"):
            wrong()


LISTS = {
    "databricks clusters": "clusters",
    "databricks libraries": "library_statuses",
    "databricks tokens": "token_infos",
    "databricks scopes": "scopes",
    "databricks secret names": "secrets",
    "databricks credentials": "credentials",
    "devops projects": "value",
    "devops repositories": "value",
    "devops branches": "value",
    "devops members": "members",
    "devops tokens": "patTokens",
    "arm list": "value",
    "graph roles": "value",
    "vault items": "value",
    "lake paths": "paths",
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("value", ["", 0, {}, "x", 7, [7], [[]], False], ids=repr)
def test_what_is_no_list_is_no_empty_list(name: str, value: object, server: Server, tokens: Tokens) -> None:
    server.will_answer(Reply(body={LISTS[name]: value}))
    with pytest.raises(InconclusiveError, match="answered in an unexpected form"):
        CALLS[name][0](server, tokens)


@pytest.mark.parametrize("name", [*LISTS, "databricks cluster", "databricks Git folder", "databricks object"])
def test_an_empty_answer_is_no_empty_list(name: str, server: Server, tokens: Tokens) -> None:
    server.will_answer(Reply(content=b""))
    with pytest.raises(InconclusiveError):
        CALLS[name][0](server, tokens)


@pytest.mark.parametrize(
    ("name", "page", "headers"),
    [
        ("databricks clusters", {"clusters": [CLUSTER], "next_page_token": "2"}, {}),
        ("devops projects", {"value": [{**PROJECT_DOCUMENT, "id": str(number)} for number in range(100)]}, {}),
        ("devops pull requests", {"value": [{**PULL_REQUEST, "pullRequestId": number} for number in range(100)]}, {}),
        ("devops members", {"members": [MEMBER], "continuationToken": "2"}, {}),
        ("devops tokens", {"patTokens": [{"authorizationId": "1"}], "continuationToken": "2"}, {}),
        ("arm list", {"value": [], "nextLink": "BASE/subscriptions/s?page=2"}, {}),
        ("graph roles", {"value": [], "@odata.nextLink": "BASE/v1.0/me?page=2"}, {}),
        ("vault items", {"value": [], "nextLink": "BASE/secrets?page=2"}, {}),
        ("lake paths", {"paths": []}, {"x-ms-continuation": "2"}),
        ("lake access", {"directoriesSuccessful": 1, "failureCount": 0}, {"x-ms-continuation": "2"}),
    ],
)
def test_a_list_that_leads_back_to_a_page_that_was_read_ends(
    name: str, page: dict[str, Any], headers: dict[str, str], server: Server, tokens: Tokens
) -> None:
    whole = json.loads(json.dumps(page).replace("BASE", server.base))
    server.will_answer(Reply(body=whole, headers=headers))
    with pytest.raises(InconclusiveError, match="unexpected form") as raised:
        CALLS[name][0](server, tokens)
    assert "leads back to a page that was already read" in raised.value.detail
    assert len(server.asked) <= 3


def test_a_workspace_that_does_not_know_who_asks_says_nothing_of_what_exists(server: Server, tokens: Tokens) -> None:
    scim = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "detail": "Not found", "status": "404"}
    server.will_answer(Reply(404, scim))
    with pytest.raises(AbsenceUnclearError, match="does not say who you are"):
        CALLS["databricks me"][0](server, tokens)


@pytest.mark.parametrize(
    "message",
    ["Remote repository not found. Check the address.", "Branch a does not exist on the remote.", "TF401019: no such"],
)
@pytest.mark.parametrize("code", ["RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "PERMISSION_DENIED", "GIT_REMOTE_ERROR"])
def test_nothing_in_the_workspace_is_absent_for_what_azure_devops_lacks(
    code: str, message: str, server: Server, tokens: Tokens
) -> None:
    server.will_answer(Reply(404, {"error_code": code, "message": message}))
    for call in ("databricks Git folder", "databricks object"):
        with pytest.raises(WizardError) as raised:
            CALLS[call][0](server, tokens)
        assert not isinstance(raised.value, NotFoundError)


@pytest.mark.parametrize("written", ["1e999", "NaN", '"soon"', "[]", '"' + "9" * 5000 + '"'])
def test_what_is_no_whole_number_is_an_answer_in_an_unexpected_form(written: str) -> None:
    with pytest.raises(InconclusiveError, match="unexpected form"):
        Document(json.loads(f'{{"limit": {written}}}'), "Azure Resource Manager (GET usages)").number("limit")


def test_two_events_of_one_second_have_an_order() -> None:
    merged, made = moment("2026-11-28T13:42:17.1768860Z"), moment("2026-11-28T13:42:17.9836170Z")
    assert merged is not None
    assert made is not None
    assert merged < made


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-11-28T13:42:17Z", datetime(2026, 11, 28, 13, 42, 17, tzinfo=UTC)),
        ("2026-11-28T13:42:17", datetime(2026, 11, 28, 13, 42, 17, tzinfo=UTC)),
        ("2026-11-28T14:42:17.5+01:00", datetime(2026, 11, 28, 13, 42, 17, 500_000, tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_time_is_read_in_utc_or_is_none(text: str, value: datetime | None) -> None:
    assert moment(text) == value
