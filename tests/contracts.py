"""Holds exchanges to the official API descriptions, with the checker of `../shared/contracts`."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

CONTRACTS = Path(__file__).resolve().parents[2] / "shared" / "contracts"
CHECKER = CONTRACTS / "validate.py"
REASON = f"the official API descriptions are not here ({CHECKER})"

REAL_ADDRESSES = {
    "resource_manager": "https://management.azure.com",
    "active_directory": "https://login.microsoftonline.com",
    "microsoft_graph": "https://graph.microsoft.com",
    "key_vault": "https://{thing}.vault.azure.net",
    "registry": "https://{thing}.azurecr.io",
    "databricks": "https://{thing}.azuredatabricks.net",
    "storage_blob": "https://{account}.blob.core.windows.net",
    "storage_dfs": "https://{account}.dfs.core.windows.net",
    "prices": "https://prices.azure.com",
    "machine_learning": "https://westeurope.api.azureml.ms",
    "devops": "https://dev.azure.com",
    "devops_profile": "https://app.vssps.visualstudio.com",
    "devops_entitlements": "https://vsaex.dev.azure.com",
    "devops_sps": "https://vssps.dev.azure.com",
    "devops_test_results": "https://vstmr.dev.azure.com",
    "devops_artifacts": "https://artprodweu1.artifacts.visualstudio.com",
}
"""Which real service each of the practice cloud's stands for. Storage is asked in path style on a local address: the
first part of the path is the account's name."""

UNDESCRIBED = (
    (
        "GET",
        r"/subscriptions/[^/]+/providers/Microsoft\.Authorization/permissions",
        "Azure answers it at a subscription too; the description lists it for groups and resources only",
    ),
    (
        "GET",
        r"/subscriptions/[^/]+(/.+)?/providers/Microsoft\.Authorization/roleEligibilityScheduleInstances",
        "RoleEligibilityScheduleInstances_ListForScope, 2020-10-01: not among our descriptions",
    ),
    (
        "GET",
        r"/subscriptions/[^/]+/providers/Microsoft\.Compute/locations/[^/]+/usages",
        "Usage_List, 2024-11-01: Microsoft.Compute is not among our descriptions",
    ),
    (
        "*",
        r"/subscriptions/[^/]+(/resourceGroups/[^/]+)?/providers/"
        r"Microsoft\.OperationalInsights/workspaces(/[^/]+)?",
        "this provider's description is not among ours; `_GENERIC` is asked of its answers",
    ),
    (
        "GET",
        r"/subscriptions/[^/]+/providers/Microsoft\.KeyVault/(deletedM|m)anagedHSMs",
        "ManagedHsms_ListBySubscription and _ListDeleted, 2023-07-01: not among our descriptions",
    ),
    ("GET", r"/api/retail/prices", "the public list of prices: documented, without a machine-readable description"),
    (
        "GET",
        r"/v1\.0/(me/(transitiveM|m)emberOf(/microsoft\.graph\.directoryRole)?|policies/authorizationPolicy"
        r"|directory/deletedItems/microsoft\.graph\.\w+)",
        "Microsoft Graph has them (user: List transitiveMemberOf, authorizationPolicy: Get, directory: List "
        "deletedItems); the description among ours is cut to other operations",
    ),
    (
        "GET",
        r"/[^/]+/_apis/connectionData",
        "in the service's own route table, and recorded; not among the descriptions",
    ),
    (
        "*",
        r"(/[^/]+)?/_apis(/ResourceAreas(/[^/]+)?)?",
        "what the official Python client asks first (azure-devops 7.1.0b4); the areas are recorded",
    ),
    (
        "POST",
        r"/[^/]+/_apis/graph/subjectlookup",
        "in the official client (azure-devops, `graph_client.py`), whose memberships the Azure CLI shows by it",
    ),
    ("OPTIONS", r"(/[^/]+)?/_apis/[^/]+", "what the official Node client asks first (`VsoClient.js`)"),
    (
        "GET",
        r"/[^/]+/_apis/(distributedtask/resource(limits|usage)|permissions/[^/]+/[^/]+)",
        "in the service's own route table, and documented (Permissions - Has Permissions); not among the descriptions",
    ),
    (
        "GET",
        r"/[^/]+/_apis/git/repositories(/.+)?",
        "recorded; the descriptions write the project, which may be left out, as a part that must be there",
    ),
    (
        "GET",
        r"/[^/]+/[^/]+/_apis/git/repositories/[^/]+/items/.+",
        "in the service's own route table (`items/{*path}`), and the address that an item names as its own",
    ),
    (
        "GET",
        r"/A[0-9a-f-]{36}/[^/]+/_apis/artifact/[^/]+/content",
        "the files of a pipeline artifact: public clients follow the address in `resource.downloadUrl`",
    ),
    ("GET", r"/[^/]+(/[^/]+)?/_git/[^/]+/vsts/info", "what the Azure CLI asks about a clone's remote (`GitClient`)"),
    ("*", r"/[^/]+(/[^/]+)?/_git/[^/]+/(info/refs|git-(upload|receive)-pack)", "git's own protocol over HTTPS"),
    ("GET", r"/metadata/endpoints", "what Azure CLI and azureml-mlflow read of a cloud; not among the descriptions"),
    (
        "*",
        r"/mlflow/v[12]\.0/.+/api/2\.0/mlflow/.+",
        "MLflow's own API (mlflow.org, REST API), asked by its own client",
    ),
    (
        "GET",
        r"/\.well-known/databricks-config",
        "the vendor's SDK asks it first (oauth.get_host_metadata), and its description lacks it",
    ),
    ("GET", r"/aad/auth", "the vendor's SDK reads the tenant from where it leads (config.load_azure_tenant_id)"),
    (
        "GET",
        r"/v2/(_catalog|.+/tags/list)",
        "lists of the OCI distribution specification, which Azure's description has below `/acr/v1` only",
    ),
    ("*", r"/api/2\.0/workspace-conf", "WorkspaceConf: the description derived from the SDK lacks it"),
    (
        "GET",
        r"/api/2\.0/scim/v2/(Me|Groups(/[^/]+)?)",
        "CurrentUser_me, Groups: their other address, without `preview`",
    ),
    (
        "GET",
        r"/api/2\.(1/unity-catalog/(current-metastore-assignment|catalogs)"
        r"|0/settings/types/disable_legacy_(access|dbfs)/names/default)",
        "in databricks-sdk (catalog, settings); the description derived from it is cut to other services",
    ),
)
"""What the real service answers although no description here has it: method, path, reason."""

UNJUDGED = (
    ("param-missing", r"/oauth2/token\?", "`docker login` asks for a token without a scope"),
    (
        "status-undeclared",
        r"/blobs/uploads/\?mount=",
        "a blob that cannot be mounted is uploaded instead, with 202 (OCI distribution specification, end-11)",
    ),
    (
        "bad-json",
        r"/_apis/git/repositories/[^/]+/items\?",
        "a file's content or a zip archive (Items - Get, media types; azure-devops, `get_item_content`)",
    ),
    (
        "bad-json",
        r"/api/2\.0/workspace/export\?.*direct_download=true",
        "the content itself (databricks-sdk, `WorkspaceExt.download`)",
    ),
    (
        "bad-json",
        r"/_apis/build/builds/[^/]+/(logs([/?].*)?|artifacts\?.*|.+/attachments/.*)$",
        "text or a zip archive (azure-devops, `get_build_log`, `get_build_logs_zip`, `get_artifact_content_zip`)",
    ),
    (
        "response-schema",
        r"/_apis/build/builds/[^/]+/logs/\d+",
        "lines as JSON (azure-devops, `get_build_log_lines`); the description has only a stream",
    ),
    (
        "bad-json",
        r"/_apis/test(results)?/runs/[^/]+/(results/[^/]+/)?attachments/",
        "the attachment itself (azure-devops, `get_test_run_attachment_content`)",
    ),
    (
        "param-invalid",
        r"/_apis/git/.*(recursionLevel|versionType|versionOptions)=\d+(&|$)",
        "azure-devops-node-api sends the members of enumerations as numbers",
    ),
    (
        "param-invalid",
        r"/subscriptions/[^/]+/resources\?.*Microsoft\.KeyVault",
        "the Azure CLI looks for a vault by its name with Resources_List; Key Vault's description has that path, too",
    ),
)
"""What the descriptions are too narrow for: a finding's code, a regular expression for `path?query`, reason."""

_GENERIC = ("id", "name", "type", "location", "properties")
"""What every tracked resource has (Azure Resource Manager's common types, TrackedResource)."""


def available() -> bool:
    """Return whether exchanges can be judged on this machine."""
    return CHECKER.exists()


@cache
def _validator() -> Any:
    spec = importlib.util.spec_from_file_location("contracts_validate", CHECKER)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(CHECKER)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.Validator(module.Specs(str(CONTRACTS / "specs")))


def violations(exchanges: Iterable[Mapping[str, Any]], wrong_on_purpose: Iterable[str] = ()) -> list[str]:
    """Return what breaks the official descriptions, one line each.

    Args:
        exchanges: What the practice cloud has logged.
        wrong_on_purpose: Regular expressions, searched in `METHOD path?query`: a refused request that matches may be
            wrong.
    """
    forgiven = [re.compile(pattern, re.IGNORECASE) for pattern in wrong_on_purpose]
    found = []
    for exchange in exchanges:
        if exchange["status"] is None:
            continue  # a dropped connection: there is no answer to judge
        url = _real(exchange)
        parts = urlsplit(url)
        target = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
        path = target.partition("?")[0]
        # 302 leads to Azure DevOps' sign-in page, which comes with 203.
        refused = exchange["status"] >= 400 or exchange["status"] in {203, 302}
        asked = f"{exchange['method']} {target}"
        result = _judge(exchange, url)
        for finding in result["findings"]:
            if finding["level"] != "error":
                continue
            if finding["code"].startswith("unmatched") and _undescribed(exchange["method"], path):
                found += _shape(exchange, path)
                continue
            if refused and any(pattern.search(asked) for pattern in forgiven):
                continue
            if any(finding["code"] == code and re.search(pattern, target) for code, pattern, _ in UNJUDGED):
                continue
            found.append(
                f"{exchange['method']} {path} -> {exchange['status']}: {result['op']}: {finding['code']} at "
                f"'{finding['where']}': {finding['msg']}"
            )
    return found


_ONCE = re.compile(r"(^|-)(request-id|activityid|authorization|ratelimit-.*|telemetry)$", re.IGNORECASE)
"""Headers that differ from one exchange to the next; the checker looks at none of their values."""
_judged: dict[str, Any] = {}
"""What the checker has said about each distinct exchange: most of a test's are those of many others."""


def _judge(exchange: Mapping[str, Any], url: str) -> Any:
    headers = [
        {name: None if _ONCE.search(name) else value for name, value in (exchange.get(side) or {}).items()}
        for side in ("request_headers", "response_headers")
    ]
    asked, answered = exchange["request_body"], exchange["response_body"]
    key = json.dumps([exchange["method"], url, exchange["status"], *headers, asked, answered], sort_keys=True)
    if key not in _judged:
        _judged[key] = _validator().check({**exchange, "url": url})
    return _judged[key]


def _real(exchange: Mapping[str, Any]) -> str:
    """Return the address under which the real service would have been asked."""
    parts = urlsplit(str(exchange["url"]))
    path, query, account = parts.path, parts.query, ""
    if str(exchange["service"]).startswith("storage_"):
        account, _, rest = path.lstrip("/").partition("/")
        path, query = _described_storage(rest, query)
    if exchange["service"] == "key_vault" and exchange["method"] in {"GET", "PATCH"}:
        # The version may be left out of `/secrets/{secret-name}/{secret-version}`; the path is one part shorter then.
        path = re.sub(r"^(/secrets/[^/]+)/?$", r"\1/latest", path)
    if exchange["service"] == "microsoft_graph":
        # Both ways of naming an object are documented; the description has only that by its id.
        path = re.sub(r"^(/v1\.0/\w+)\(appId='([^']*)'\)", r"\1/\2", unquote(path))
    real = REAL_ADDRESSES[exchange["service"]].format(thing=exchange["thing"], account=account)
    return f"{real}{path}{'?' if query else ''}{query}"


def _described_storage(rest: str, query: str) -> tuple[str, str]:
    """Return path and query of a request to storage in the form in which they are described.

    The description has a file's or blob's path as one part, gives the root of a file system the path `/`, and tells
    the two ways of listing blobs apart by a word that no real request has.
    """
    container, _, inner = rest.partition("/")
    inner = inner.strip("/").replace("/", "%2F")
    if not inner and "action=" in query:
        inner = "%2F"
    if "restype=container" in query and "comp=list" in query:
        query += "&hierarchy=" if "delimiter=" in query else "&flat="
    return f"/{container}" + (f"/{inner}" if inner else ""), query


def _undescribed(method: str, path: str) -> bool:
    return any(
        allowed in {"*", method} and re.fullmatch(pattern, path, re.IGNORECASE) for allowed, pattern, _ in UNDESCRIBED
    )


def _shape(exchange: Mapping[str, Any], path: str) -> list[str]:
    """Return what is missing in a resource whose type has no description here."""
    body = exchange["response_body"]
    if exchange["status"] not in {200, 201} or not isinstance(body, dict) or exchange["method"] not in {"GET", "PUT"}:
        return []
    resources = body.get("value", [body]) if "/registries" in path or "/workspaces" in path else []
    return [
        f"{exchange['method']} {path}: a resource without {name!r}"
        for resource in resources
        for name in _GENERIC
        if name not in resource
    ]


def assert_valid(exchanges: Iterable[Mapping[str, Any]], wrong_on_purpose: Iterable[str] = ()) -> None:
    """Fail where an exchange breaks the official descriptions; nothing is judged where they are absent.

    Raises:
        AssertionError: One does.
    """
    if available():
        broken = violations(exchanges, wrong_on_purpose)
        assert not broken, "exchanges break the official API descriptions:\n" + "\n".join(broken)
