"""Databricks workspaces: the SDK's classes over our own requests, loaded without the rest of the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
)
from hol_wizard.services import error_rules
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.clusters import ClusterSpec, Termination
from hol_wizard.services.databricks.connection import RESOURCE_HEADER
from hol_wizard.services.databricks.libraries import Library
from hol_wizard.services.databricks.machines import NodeType, Runtime
from hol_wizard.services.databricks.people import MANAGEMENT_HEADER, User
from hol_wizard.services.databricks.secret_scopes import SecretScope
from hol_wizard.services.databricks.tokens import AccessToken, TokenRules
from hol_wizard.services.rest import RestClient
from hol_wizard.services.secrets import Secret
from tests import contracts
from tests.unit.services.tls_server import Reply, Server, Tokens

ROOT = Path(__file__).resolve().parents[3]
QUOTES = contracts.CONTRACTS / "recordings" / "public" / "_quotes.jsonl"
RESOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w"
AUDIENCE = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
ME = {"id": "7", "userName": "a@b.c", "groups": [{"display": "admins"}]}
CANARY = "dapi-canary-value"


@pytest.fixture
def workspace(server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> Databricks:
    monkeypatch.setattr("hol_wizard.services.rest.BUSY_WAITS", (0.01,))
    monkeypatch.setattr("hol_wizard.services.transport.BUSY_WAITS", (0.01,))
    rest = RestClient("databricks", server.endpoints, tokens, audience=AUDIENCE, headers={RESOURCE_HEADER: RESOURCE})
    return Databricks(rest, server.base)


def refusal(code: str | int, message: str = "No.", status: int = 400) -> Reply:
    return Reply(status, {"error_code": code, "message": message})


def run(program: str) -> str:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT).stdout


# Loading


LOADING = """
import sys, threading
from hol_wizard.services.databricks import sdk
found = []
def load():
    found.append((sdk.compute(), sdk.iam(), sdk.settings()))
threads = [threading.Thread(target=load) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert len(found) == 8 and len(set(found)) == 1
"""


@pytest.mark.slow
def test_only_the_wanted_parts_of_the_sdk_are_loaded() -> None:
    loaded = run(
        f"{LOADING}\nprint(*sorted(name for name in sys.modules if name.startswith('databricks.sdk')))"
    ).split()
    services = {name.split(".")[3] for name in loaded if name.startswith("databricks.sdk.service.")}
    assert services == {"_internal", "compute", "iam", "settings"}
    assert "databricks.sdk.core" not in loaded
    assert len(loaded) < 40


@pytest.mark.slow
def test_whoever_wants_the_whole_sdk_still_gets_it() -> None:
    program = f"""{LOADING}
import databricks.sdk
assert databricks.sdk is sys.modules["databricks.sdk"]
assert databricks.sdk.service.compute is found[0][0]
assert not hasattr(databricks.sdk, "__wrapped__") and "databricks.sdk.service.catalog" not in sys.modules
from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config
assert databricks.sdk.service.compute is found[0][0]
assert issubclass(type(WorkspaceClient), type) and "databricks.sdk.service.catalog" in sys.modules
try:
    databricks.sdk.nonsense
except AttributeError:
    print("fine")
"""
    assert run(program).strip() == "fine"


@pytest.mark.slow
def test_an_sdk_that_is_loaded_already_is_used_as_it_is() -> None:
    program = f"""import databricks.sdk
before = sys_module = databricks.sdk
{LOADING}
assert sys.modules["databricks.sdk"] is before and before.service.compute is found[0][0]
print("fine")
"""
    assert run(program).strip() == "fine"


# People


def test_looking_who_one_is_does_not_name_the_resource_and_joining_does(
    workspace: Databricks, server: Server, tokens: Tokens
) -> None:
    server.will_answer(Reply(body=ME))
    assert workspace.me() == User("a@b.c", "7", administrator=True)
    assert workspace.join().administrator
    assert [asked.headers.get(RESOURCE_HEADER) for asked in server.asked] == [None, RESOURCE]
    assert {asked.path for asked in server.asked} == {"/api/2.0/preview/scim/v2/Me"}
    assert {asked["audience"] for asked in tokens.asked} == {AUDIENCE}
    assert all(MANAGEMENT_HEADER not in asked.headers for asked in server.asked)


def test_a_service_principal_shows_a_token_for_azure_beside_its_own(workspace: Databricks, server: Server) -> None:
    stranger = refusal(403, "Unauthorized access to Org: 1234", 403)
    server.will_answer(stranger, Reply(body={"id": "1", "userName": "app"}))
    assert workspace.join() == User("app", "1", administrator=False)
    assert server.asked[1].headers[MANAGEMENT_HEADER].startswith("token-")
    server.will_answer(stranger)
    with pytest.raises(AccessDeniedError, match="not a user of this Databricks workspace") as caught:
        workspace.join()
    assert "Launch" in caught.value.hint


def test_a_personal_access_token_asks_in_the_place_of_the_sign_in(
    workspace: Databricks, server: Server, tokens: Tokens
) -> None:
    server.will_answer(Reply(body=ME), refusal(403, "Invalid access token.", 403))
    assert workspace.me(token=Secret(CANARY)).name == "a@b.c"
    assert server.asked[0].headers["Authorization"] == f"Bearer {CANARY}"
    assert RESOURCE_HEADER not in server.asked[0].headers
    assert not tokens.asked
    with pytest.raises((SignInError, AccessDeniedError)) as caught:
        workspace.me(token=Secret(CANARY))
    assert CANARY not in f"{caught.value.message}{caught.value.detail}"


def test_a_sign_in_page_in_the_place_of_an_answer_is_not_the_workspace(workspace: Databricks, server: Server) -> None:
    server.will_answer(Reply(body="<html>Welcome to the hotel</html>"))
    with pytest.raises(UnreachableError, match="Something between"):
        workspace.clusters()
    server.will_answer(Reply(302, headers={"Location": "/login.html"}))
    with pytest.raises(UnreachableError):
        workspace.me()


def test_a_workspace_that_is_closed_to_this_network_is_told_from_a_hotels_page(
    workspace: Databricks, server: Server
) -> None:
    where = "/login.html?error=private-link-validation-error"
    server.will_answer(Reply(302, headers={"Location": where}))
    with pytest.raises(AccessDeniedError, match="does not accept connections from this network") as caught:
        workspace.me()
    assert "VPN" in caught.value.hint
    server.will_answer(Reply(302, headers={"Location": f"https://hotel.example{where}"}))
    with pytest.raises(UnreachableError, match="Something between"):
        workspace.me()


# Clusters


RUNNING = {
    "cluster_id": "1",
    "cluster_name": "cpu",
    "state": "RUNNING",
    "spark_version": "17.3.x-cpu-ml-scala2.13",
    "node_type_id": "Standard_D4ds_v5",
    "autotermination_minutes": 120,
    "data_security_mode": "DATA_SECURITY_MODE_DEDICATED",
    "single_user_name": "a@b.c",
    "is_single_node": True,
    "num_workers": 0,
    "custom_tags": {"hol-wizard": "x"},
    "start_time": 1_700_000_000_000,
    "last_restarted_time": 1_700_000_600_000,
    "terminated_time": 0,
    "driver": {"node_id": "n"},
}


def test_all_pages_of_clusters_are_read(workspace: Databricks, server: Server) -> None:
    other = {
        "cluster_id": "2",
        "cluster_name": "other",
        "state": "TERMINATED",
        "autoscale": {"min_workers": 2, "max_workers": 8},
        "terminated_time": 1_700_000_000_000,
        "data_security_mode": "SOMETHING_NEW",
        "termination_reason": {
            "code": "INACTIVITY",
            "type": "SUCCESS",
            "parameters": {"inactivity_duration_min": "120"},
        },
    }
    server.will_answer(
        Reply(body={"clusters": [RUNNING], "next_page_token": "p2"}), Reply(body={"clusters": [other]}), Reply(body={})
    )
    cpu, second = workspace.clusters()
    assert [asked.path for asked in server.asked] == [
        "/api/2.1/clusters/list?page_size=100",
        "/api/2.1/clusters/list?page_size=100&page_token=p2",
    ]
    assert (cpu.name, cpu.state, cpu.single_node, cpu.machines) == ("cpu", "RUNNING", True, 1)
    assert cpu.running_since == datetime.fromtimestamp(1_700_000_600, UTC)
    assert cpu.stopped is None
    assert cpu.tags == {"hol-wizard": "x"}
    assert (second.workers, second.machines, second.autotermination_minutes) == ((2, 8), 3, 0)
    assert second.termination is not None
    assert second.termination.trouble is None
    assert second.stopped == datetime.fromtimestamp(1_700_000_000, UTC)
    assert workspace.clusters() == ()


@pytest.mark.parametrize("code", ["INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"])
def test_a_cluster_that_is_not_there_is_none(workspace: Databricks, server: Server, code: str) -> None:
    server.will_answer(refusal(code, "Cluster 7 does not exist"))
    assert workspace.cluster("7") is None
    workspace.delete_cluster("7")
    with pytest.raises(NotFoundError):
        workspace.start_cluster("7")


@pytest.mark.parametrize("code", ["INVALID_PARAMETER_VALUE", "INVALID_STATE", "BAD_REQUEST"])
def test_a_wrong_parameter_is_not_the_absence_of_what_was_asked_for(
    workspace: Databricks, server: Server, code: str
) -> None:
    words = "Azure KeyVault /subscriptions/1/vaults/v does not exist."
    server.will_answer(refusal(code, words))
    with pytest.raises(ServiceError, match="KeyVault") as caught:
        workspace.delete_scope("a")
    assert not isinstance(caught.value, NotFoundError)


def test_a_cluster_is_created_as_the_lab_asks(workspace: Databricks, server: Server) -> None:
    server.will_answer(Reply(body={"cluster_id": "9"}))
    spec = ClusterSpec("cpu", "r", "Standard_D4ds_v5", "a@b.c", 120, None, {"hol-wizard": "x"})
    assert workspace.create_cluster(spec) == "9"
    assert server.asked[0].path == "/api/2.1/clusters/create"
    body = {
        "cluster_name": "cpu",
        "spark_version": "r",
        "node_type_id": "Standard_D4ds_v5",
        "kind": "CLASSIC_PREVIEW",
        "is_single_node": True,
        "data_security_mode": "DATA_SECURITY_MODE_DEDICATED",
        "single_user_name": "a@b.c",
        "autotermination_minutes": 120,
        "custom_tags": {"hol-wizard": "x"},
    }
    assert server.asked[0].body == body
    server.will_answer(Reply(body={}))
    workspace.edit_cluster("9", ClusterSpec("cpu", "r", "Standard_D4ds_v5", "a@b.c", 120, (2, 8)))
    assert server.asked[1].body["autoscale"] == {"min_workers": 2, "max_workers": 8}
    assert server.asked[1].body["cluster_id"] == "9"
    assert "is_single_node" not in server.asked[1].body
    workspace.set_autotermination("9", 120)
    assert server.asked[2].body == {
        "cluster_id": "9",
        "cluster": {"autotermination_minutes": 120},
        "update_mask": "autotermination_minutes",
    }


def test_machine_types_say_their_quota_and_why_they_cannot_be_had(workspace: Databricks, server: Server) -> None:
    told = {
        "node_type_id": "Standard_DS3_v2",
        "num_cores": 4.0,
        "memory_mb": 14336,
        "category": "General Purpose",
        "node_instance_type": {"local_disks": 1, "instance_family": "Standard DSv2 Family vCPUs"},
        "node_info": {"status": ["NotEnabledOnSubscription"], "available_core_quota": 0},
    }
    server.will_answer(Reply(body={"node_types": [told, {"node_type_id": "x"}]}))
    family, reason = "Standard DSv2 Family vCPUs", "the subscription may not use it"
    assert workspace.node_types() == (
        NodeType("Standard_DS3_v2", 4, 14336, "General Purpose", local_disk=True, family=family, unavailable=reason),
        NodeType("x", 0, 0, ""),
    )


@pytest.mark.parametrize(
    ("key", "name", "fits"),
    [
        ("16.4.x-cpu-ml-scala2.12", "16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)", True),
        ("18.x-cpu-ml-scala2.13", "18 LTS ML (includes Apache Spark 4.1.0, Scala 2.13)", True),
        ("19.x-cpu-ml-scala2.13", "19 ML (includes Apache Spark 4.2.0, Scala 2.13)", False),
        ("16.4.x-gpu-ml-scala2.12", "16.4 LTS ML (includes Apache Spark 3.5.2, GPU, Scala 2.12)", False),
        ("16.4.x-scala2.12", "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)", False),
        ("20.x-cpu-ml-scala2.13", "20 LTS ML Beta (includes Apache Spark 4.3.0, Scala 2.13)", False),
    ],
)
def test_runtimes_that_fit_are_lts_and_for_machine_learning(key: str, name: str, *, fits: bool) -> None:
    assert Runtime(key, name).fits is fits


def test_runtimes_are_compared_by_number() -> None:
    keys = ["9.1.x-scala2.12", "16.4.x-scala2.12", "18.x-scala2.13", "nonsense"]
    assert [Runtime(key, "").version for key in keys] == [(9, 1), (16, 4), (18, 0), (0, 0)]


def test_a_cluster_that_did_not_start_for_its_quota_says_the_figures() -> None:
    if not QUOTES.is_file():
        pytest.skip("no recordings here")
    quotes = [json.loads(line) for line in QUOTES.read_text(encoding="utf-8").splitlines()]
    reason = next(each["response_body"]["termination_reason"] for each in quotes if "clusters/get" in each["url"])
    trouble = Termination(reason["code"], "CLIENT_ERROR", reason["parameters"]["azure_error_message"]).trouble
    assert isinstance(trouble, ConflictError)
    assert trouble.message == (
        "The subscription's quota of Total Regional Cores does not allow the cluster: limit 4, used 4, 4 more needed."
    )
    assert "https://aka.ms/" in trouble.hint
    assert "Location: eastus" in trouble.detail


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("CLOUD_PROVIDER_RESOURCE_STOCKOUT", "no machine of this type left"),
        ("AZURE_QUOTA_EXCEEDED_EXCEPTION", "may not use that many cores"),
        ("AZURE_OPERATION_NOT_ALLOWED_EXCEPTION", "does not allow these machines"),
        ("AZURE_VNET_CONFIGURATION_FAILURE", "virtual network"),
        ("NPIP_TUNNEL_SETUP_FAILURE", "could not reach Databricks"),
        ("BOOTSTRAP_TIMEOUT", "could not reach Databricks"),
        ("CLOUD_PROVIDER_LAUNCH_FAILURE", "could not start the machines"),
        ("SOMETHING_NEW", "The cluster stopped: cores"),
    ],
)
def test_why_a_cluster_did_not_start_is_told_in_plain_words(code: str, words: str) -> None:
    said = "cores" if code in {"AZURE_QUOTA_EXCEEDED_EXCEPTION", "SOMETHING_NEW"} else "Azure's own words"
    trouble = Termination(code, "CLOUD_FAILURE", said).trouble
    assert trouble is not None
    assert words in trouble.message
    assert trouble.hint
    assert trouble.code == code


# Libraries, tokens, scopes


def test_libraries_are_told_with_what_pip_said(workspace: Databricks, server: Server) -> None:
    pypi = {"library": {"pypi": {"package": "a==1"}}, "status": "FAILED", "messages": ["no"]}
    server.will_answer(Reply(body={"cluster_id": "1", "library_statuses": [{"library": {"jar": "x"}}, pypi]}))
    assert workspace.libraries("1") == (Library("a==1", "FAILED", ("no",)),)
    workspace.install_library("1", "a==1")
    workspace.uninstall_library("1", "a==1")
    body = {"cluster_id": "1", "libraries": [{"pypi": {"package": "a==1"}}]}
    assert [asked.body for asked in server.asked[1:]] == [body, body]


def test_a_token_is_made_listed_and_revoked(workspace: Databricks, server: Server) -> None:
    info = {"token_id": "t", "comment": "c", "creation_time": 1_700_000_000_000, "expiry_time": 1_700_000_000_000}
    server.will_answer(
        Reply(body={"token_value": CANARY, "token_info": info}),
        Reply(body={"token_infos": [{**info, "expiry_time": -1}]}),
        Reply(body={}),
        refusal("RESOURCE_DOES_NOT_EXIST", "Token with ID t does not exist.", 404),
    )
    made, value = workspace.create_token("c", 60)
    moment = datetime.fromtimestamp(1_700_000_000, UTC)
    assert made == AccessToken("t", "c", moment, moment)
    assert value == Secret(CANARY)
    assert CANARY not in repr((made, value))
    assert server.asked[0].body == {"comment": "c", "lifetime_seconds": 60}
    assert workspace.tokens() == (AccessToken("t", "c", moment, None),)
    workspace.delete_token("t")
    workspace.delete_token("t")


@pytest.mark.parametrize("created", [10**20, 1e999])
def test_a_time_that_no_calendar_has_is_an_answer_in_an_unexpected_form(
    workspace: Databricks, server: Server, created: float
) -> None:
    server.will_answer(Reply(body={"token_infos": [{"token_id": "t", "creation_time": created}]}))
    with pytest.raises(InconclusiveError, match="unexpected form"):
        workspace.tokens()


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        ({"enableTokensConfig": "true", "maxTokenLifetimeDays": "14"}, TokenRules(enabled=True, longest_days=14)),
        ({"enableTokensConfig": "false", "maxTokenLifetimeDays": ""}, TokenRules(enabled=False, longest_days=None)),
        ({"enableTokensConfig": None, "maxTokenLifetimeDays": "0"}, TokenRules(enabled=None, longest_days=None)),
    ],
)
def test_what_the_workspace_says_about_tokens_is_read(
    workspace: Databricks, server: Server, told: dict[str, Any], rules: TokenRules
) -> None:
    server.will_answer(Reply(body=told))
    assert workspace.token_rules() == rules
    assert server.asked[0].path == "/api/2.0/workspace-conf?keys=enableTokensConfig%2CmaxTokenLifetimeDays"


def test_scopes_are_made_over_a_key_vault_for_all_users(workspace: Databricks, server: Server) -> None:
    vault = {"resource_id": "/v", "dns_name": "https://v/"}
    server.will_answer(
        Reply(body={}),
        Reply(
            body={
                "scopes": [{"name": "a", "backend_type": "AZURE_KEYVAULT", "keyvault_metadata": vault}, {"name": "b"}]
            }
        ),
        Reply(body={"items": [{"principal": "users", "permission": "MANAGE"}]}),
        Reply(body={"secrets": [{"key": "one"}, {"key": "two"}]}),
        refusal("RESOURCE_DOES_NOT_EXIST", "Scope a does not exist!", 404),
    )
    workspace.create_scope("a", "/v", "https://v/")
    assert server.asked[0].body == {
        "scope": "a",
        "scope_backend_type": "AZURE_KEYVAULT",
        "backend_azure_keyvault": vault,
        "initial_manage_principal": "users",
    }
    assert workspace.list_scopes() == (
        SecretScope("a", "AZURE_KEYVAULT", "/v", "https://v/"),
        SecretScope("b", "UNKNOWN"),
    )
    assert workspace.scope_permissions("a") == {"users": "MANAGE"}
    assert workspace.list_secret_names("a") == ("one", "two")
    workspace.delete_scope("a")


# Code


def test_code_runs_on_a_cluster_and_its_place_is_given_back(workspace: Databricks, server: Server) -> None:
    server.will_answer(
        Reply(body={"id": "c1"}),
        Reply(body={"id": "c1", "status": "Pending"}),
        Reply(body={"id": "c1", "status": "Running"}),
        Reply(body={"id": "k1"}),
        Reply(body={"id": "k1", "status": "Running"}),
        Reply(body={"id": "k1", "status": "Finished", "results": {"resultType": "text", "data": "True"}}),
        Reply(body={}),
    )
    assert workspace.run_command("7", "print(True)") == "True"
    assert [asked.path.partition("?")[0].removeprefix("/api/1.2/") for asked in server.asked] == [
        *("contexts/create", "contexts/status", "contexts/status"),
        *("commands/execute", "commands/status", "commands/status", "contexts/destroy"),
    ]
    assert server.asked[3].body == {
        "clusterId": "7",
        "contextId": "c1",
        "language": "python",
        "command": "print(True)",
    }


@pytest.mark.parametrize(
    ("results", "words"),
    [
        (
            {"resultType": "error", "summary": "<b>Name</b>Error: x", "cause": "\x1b[31mTraceback\x1b[0m"},
            "NameError: x",
        ),
        (None, "failed"),
    ],
)
def test_code_that_fails_says_how_and_its_place_is_given_back(
    workspace: Databricks, server: Server, results: dict[str, str] | None, words: str
) -> None:
    server.will_answer(
        Reply(body={"id": "c1"}),
        Reply(body={"id": "c1", "status": "Running"}),
        Reply(body={"id": "k1"}),
        Reply(body={"id": "k1", "status": "Finished", "results": results}),
        Reply(body={}),
    )
    with pytest.raises(ServiceError, match=words) as caught:
        workspace.run_command("7", "x")
    assert "\x1b" not in caught.value.detail
    assert server.asked[-1].path == "/api/1.2/contexts/destroy"


def test_code_that_does_not_end_is_given_up(workspace: Databricks, server: Server) -> None:
    server.will_answer(
        Reply(body={"id": "c1"}),
        Reply(body={"id": "c1", "status": "Running"}),
        Reply(body={"id": "k1"}),
        Reply(body={"id": "k1", "status": "Running"}),
    )
    with pytest.raises(ServiceError, match="has not ended after 0 s"):
        workspace.run_command("7", "x", seconds=0)
    assert server.asked[-1].path == "/api/1.2/contexts/destroy"


# Errors


@pytest.mark.parametrize(
    ("code", "message", "kind", "words"),
    [
        (
            "INVALID_PARAMETER_VALUE",
            "Scope with Azure KeyVault must have userAADToken defined!",
            AccessDeniedError,
            "person who is signed in",
        ),
        ("RESOURCE_ALREADY_EXISTS", "Scope my_scope already exists!", ConflictError, "already exists"),
        (
            "INVALID_STATE",
            "Current organization 7 does not have any associated worker environments",
            ConflictError,
            "cannot start machines",
        ),
        (
            "PERMISSION_DENIED",
            "Personal access tokens are disabled for this workspace.",
            AccessDeniedError,
            "disabled",
        ),
        ("FEATURE_DISABLED", "Token authentication is disabled", AccessDeniedError, "disabled"),
        ("PERMISSION_DENIED", "... Inner error: ForbiddenByRbac", AccessDeniedError, "may not read the key vault"),
        (
            "CUSTOMER_UNAUTHORIZED",
            "Unable to grant read/list permission to Databricks service principal to KeyVault "
            "'https://a.vault.azure.net/': key not found: https://graph.windows.net/",
            AccessDeniedError,
            "may not look up or register AzureDatabricks",
        ),
        (
            "CUSTOMER_UNAUTHORIZED",
            "Unable to grant read/list permission to Databricks service principal to KeyVault "
            "'https://a.vault.azure.net/': Unknown error with status code 403",
            AccessDeniedError,
            "could not add its access policy to the key vault: Unable to grant",
        ),
        ("403", "Unauthorized access to Org: 1234567", AccessDeniedError, "not a user"),
        (
            "PERMISSION_DENIED",
            "Single-user check failed: user 'a@b.c' attempted to run a command on single-user cluster 1, but the "
            "single user of this cluster is 'd@e.f'",
            AccessDeniedError,
            "dedicated to somebody else",
        ),
        ("INVALID_PARAMETER_VALUE", "Node type X is not supported.", ConflictError, "does not offer"),
        ("INVALID_STATE", "Cluster 1 is in unexpected state Pending.", ConflictError, "busy"),
        ("QUOTA_EXCEEDED", "The token quota of 600 is exceeded.", ConflictError, "has reached its limit"),
        ("403", "Invalid access token.", SignInError, "does not accept the access token"),
    ],
)
def test_what_databricks_says_is_told_in_plain_words(
    code: str, message: str, kind: type[Exception], words: str
) -> None:
    error = error_rules.of_answer("databricks", 403, {"error_code": code, "message": message}, "The thing")
    assert type(error) is kind
    assert words in error.message
    assert error.hint
    assert message in error.detail


def test_the_short_errors_of_code_on_a_cluster_are_understood(workspace: Databricks, server: Server) -> None:
    server.will_answer(Reply(500, {"error": "ClusterNotReadyException: Cluster 7 is not ready"}))
    with pytest.raises(InconclusiveError, match="is not running yet"):
        workspace.run_command("7", "x")


def test_a_busy_workspace_is_asked_again(workspace: Databricks, server: Server) -> None:
    server.will_answer(refusal("TEMPORARILY_UNAVAILABLE", "Later.", 400), Reply(body={"clusters": []}))
    assert workspace.clusters() == ()
    assert len(server.asked) == 2
