"""One Databricks workspace: who is let in, clusters, libraries, tokens, secret scopes, and code run on a cluster.

The paths and the documents are those of databricks-sdk's generated service classes; the requests are ours
(`hol_wizard.services.rest`): one pool of connections, one policy of retries, Entra tokens, errors of
`error_rules/databricks.toml`. SDK types do not leave this module.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError, SignInError, WizardError
from hol_wizard.services import error_rules
from hol_wizard.services.databricks_git import DatabricksGit
from hol_wizard.services.rest import RestClient, not_the_cloud
from hol_wizard.services.secrets import Secret

if TYPE_CHECKING:
    from databricks.sdk.service import compute

T = TypeVar("T")

logger = logging.getLogger(__name__)

RESOURCE_HEADER = "X-Databricks-Azure-Workspace-Resource-Id"
"""Lets an Owner or Contributor of the Azure resource in who has never been there (databricks-sdk, `azure.py`)."""

MANAGEMENT_HEADER = "X-Databricks-Azure-SP-Management-Token"
"""Beside it a service principal shows that Azure knows it (databricks-sdk, `azure.py`)."""

DEDICATED = "DATA_SECURITY_MODE_DEDICATED"
SINGLE_USER_MODES = frozenset({DEDICATED, "SINGLE_USER", "LEGACY_SINGLE_USER", "LEGACY_SINGLE_USER_STANDARD"})
"""Access modes for one person: today's name, and those under which older clusters keep it."""

COMMAND_SECONDS = 300.0
"""Patience with code on a cluster: a first command waits for the interpreter."""

_LOADING = threading.Lock()


class User(NamedTuple):
    """Somebody as the workspace knows them."""

    name: str
    """`userName`: what a cluster is dedicated to; a service principal's is its application id."""
    id: str
    administrator: bool
    """Whether they are in the group `admins`."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """A version of the Databricks runtime that new clusters can have."""

    key: str
    """`16.4.x-cpu-ml-scala2.12`."""
    name: str
    """`16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)`."""

    @property
    def version(self) -> tuple[int, ...]:
        """Its number, for comparing."""
        found = re.match(r"(\d+)(?:\.(\d+))?", self.key)
        return (int(found[1]), int(found[2] or 0)) if found else (0, 0)

    @property
    def long_term_support(self) -> bool:
        """Whether it is an LTS version."""
        return "LTS" in self.name or "-esr-" in self.key

    @property
    def fits(self) -> bool:
        """Whether the lab's code can use it: LTS, for machine learning, no beta, for processors rather than GPUs.

        The marks are those by which databricks-sdk chooses (`mixins/compute.py`, `select_spark_version`).
        """
        marks = ("-gpu-", "-photon-", "-aarch64-", "-hls-", "apache-spark-")
        ml = "-ml-" in self.key and not any(mark in self.key for mark in marks)
        return ml and self.long_term_support and "Beta" not in self.name


@dataclass(frozen=True, slots=True)
class NodeType:
    """A machine type that clusters can have."""

    id: str
    """The Azure virtual machine size."""
    cores: int
    memory_mb: int
    category: str
    """`General Purpose`, `Memory Optimized`, …"""
    deprecated: bool = False
    hidden: bool = False
    gpus: int = 0
    arm: bool = False
    local_disk: bool = False
    family: str = ""
    """The quota that it counts against, in Azure's words: `Standard DSv2 Family vCPUs`; empty: not told."""
    unavailable: str = ""
    """Why the subscription cannot have it here; empty when Databricks knows of no reason."""


@dataclass(frozen=True, slots=True)
class Termination:
    """Why a cluster stopped, or did not start."""

    code: str
    type: str
    """`SUCCESS` (as somebody wanted), `CLIENT_ERROR`, `CLOUD_FAILURE` or `SERVICE_FAULT`."""
    words: str

    @property
    def trouble(self) -> WizardError | None:
        """What it means and what to do about it; None when somebody, or idleness, stopped it as intended."""
        if self.type == "SUCCESS" or self.code in {"USER_REQUEST", "INACTIVITY", "JOB_FINISHED"}:
            return None
        rule = error_rules.rule_for("databricks", self.code, self.words)
        if rule is not None:
            return error_rules.explain(rule, self.code, self.words, thing="The cluster")
        return ServiceError(
            f"The cluster stopped: {self.words or self.code}",
            "Start it again; if it stays so, copy the details to the proctor.",
            code=self.code,
            detail=f"{self.code} ({self.type}): {self.words}",
        )


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What a cluster is to be."""

    name: str
    runtime: str
    """Key of a `Runtime`."""
    node_type: str
    user: str
    """Whom it is dedicated to."""
    autotermination_minutes: int
    workers: tuple[int, int] | None
    """Fewest and most workers; None: a single node."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as the workspace tells it."""

    id: str
    name: str
    state: str
    """`PENDING`, `RUNNING`, `RESTARTING`, `RESIZING`, `TERMINATING`, `TERMINATED`, `ERROR` or `UNKNOWN`."""
    runtime: str
    node_type: str
    autotermination_minutes: int
    """0: it never stops by itself."""
    access_mode: str
    user: str
    """Whom it is dedicated to; empty: nobody."""
    single_node: bool
    workers: tuple[int, int]
    """Fewest and most."""
    machines: int
    """How many there are, or will be when it runs."""
    tags: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    created: datetime | None = None
    running_since: datetime | None = None
    """When it was last started."""
    stopped: datetime | None = None
    termination: Termination | None = None


class Library(NamedTuple):
    """A Python package on a cluster."""

    package: str
    """`azureml-mlflow==1.62.0.post6`."""
    status: str
    """`PENDING`, `RESOLVING`, `INSTALLING`, `INSTALLED`, `RESTORED`, `SKIPPED`, `FAILED` or `UNINSTALL_ON_RESTART`."""
    messages: tuple[str, ...] = ()


class AccessToken(NamedTuple):
    """A personal access token as the workspace lists it: all but its value."""

    id: str
    comment: str
    created: datetime | None
    expires: datetime | None
    """None: never."""


class TokenRules(NamedTuple):
    """What the workspace says about personal access tokens."""

    enabled: bool | None
    """None: it does not say."""
    longest_days: int | None
    """None: it sets no limit of its own."""


@dataclass(frozen=True, slots=True)
class SecretScope:
    """A secret scope."""

    name: str
    backend: str
    """`AZURE_KEYVAULT` or `DATABRICKS`."""
    resource_id: str = ""
    """The key vault's Azure resource id."""
    dns_name: str = ""
    """The key vault's address: `https://NAME.vault.azure.net/`."""


class Databricks:
    """One Databricks workspace; safe to use from many threads."""

    def __init__(self, rest: RestClient, host: str) -> None:
        self._rest = rest
        self.host = host
        """Its address: `https://adb-123.4.azuredatabricks.net`."""

    # People

    def me(self, *, token: Secret | None = None) -> User:
        """Return who the workspace takes the asking account for; the question itself changes nothing.

        Args:
            token: A personal access token to ask with; None: the Azure sign-in.

        Raises:
            AccessDeniedError: The workspace does not let the account in.
            SignInError: It does not take the token.
            ServiceError: It could not be asked.
        """
        return self._me({RESOURCE_HEADER: ""}, token)

    def join(self) -> User:
        """Have the workspace let the account in, and return who it takes it for.

        Who names the Azure resource, and is its Owner or Contributor, becomes an administrator of the workspace with
        the first request. A service principal has to show a token for Azure Resource Manager beside it ("Get Microsoft
        Entra ID tokens for service principals").

        Raises:
            AccessDeniedError: The account is no Owner or Contributor of the workspace.
            ServiceError: The workspace could not be asked.
        """
        try:
            return self._me({}, None)
        except (AccessDeniedError, SignInError):
            manager = self._rest.token(self._rest.endpoints.management_audience)
            try:
                return self._me({MANAGEMENT_HEADER: manager.reveal()}, None)
            except WizardError as error:
                logger.debug("with a token for Azure Resource Manager: %s", error.detail)
            raise

    def _me(self, headers: Mapping[str, str], token: Secret | None) -> User:
        found = self._api(_iam().CurrentUserAPI, "You", headers=headers, token=token).me()
        groups = [str(each.display or "") for each in found.groups or ()]
        return User(str(found.user_name or ""), str(found.id or ""), "admins" in groups)

    # Clusters

    def clusters(self) -> tuple[Cluster, ...]:
        """Return the clusters, with those that were terminated within the last 30 days.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        return tuple(map(_cluster, self._clusters("list of clusters").list(page_size=100)))

    def cluster(self, cluster_id: str) -> Cluster | None:
        """Return a cluster, or None.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            return _cluster(self._clusters(f"cluster {cluster_id}").get(cluster_id))
        except NotFoundError:
            return None

    def create_cluster(self, spec: ClusterSpec) -> str:
        """Create a cluster, which begins to start; return its id. Names need not be unique: look first.

        Raises:
            ServiceError: The workspace refused.
        """
        made = self._clusters(f"cluster {spec.name}").create(spec.runtime, **_settings(spec))
        # The SDK's own waiting is not used: whoever called shows how it goes.
        return str(made.bind()["cluster_id"])

    def edit_cluster(self, cluster_id: str, spec: ClusterSpec) -> None:
        """Make a cluster what the specification says, in all; a running one is restarted.

        Raises:
            ConflictError: It is neither running nor terminated.
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {spec.name}").edit(cluster_id, spec.runtime, **_settings(spec))

    def set_autotermination(self, cluster_id: str, minutes: int) -> None:
        """Set after how many idle minutes a cluster stops, and leave everything else; a running one may be restarted.

        Raises:
            ConflictError: It is neither running nor terminated.
            ServiceError: The workspace refused.
        """
        changed = _compute().UpdateClusterResource(autotermination_minutes=minutes)
        api = self._clusters(f"cluster {cluster_id}")
        api.update(cluster_id, "autotermination_minutes", cluster=changed)

    def start_cluster(self, cluster_id: str) -> None:
        """Begin to start a terminated cluster.

        Raises:
            ConflictError: It is not terminated.
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {cluster_id}").start(cluster_id)

    def stop_cluster(self, cluster_id: str) -> None:
        """Begin to terminate a cluster; it can be started again.

        Raises:
            ServiceError: The workspace refused.
        """
        self._clusters(f"cluster {cluster_id}").delete(cluster_id)

    def delete_cluster(self, cluster_id: str) -> None:
        """Remove a cluster for good; one that is gone is fine.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._clusters(f"cluster {cluster_id}").permanent_delete(cluster_id)

    def runtimes(self) -> tuple[Runtime, ...]:
        """Return the runtimes that a new cluster can have.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        found = self._clusters("list of runtimes").spark_versions().versions or ()
        return tuple(Runtime(str(each.key or ""), str(each.name or "")) for each in found)

    def node_types(self) -> tuple[NodeType, ...]:
        """Return the machine types that a new cluster can have.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        sdk = _compute()
        transport = _Transport(self._rest, self.host, "list of machine types", {}, None)
        # The SDK's class for the whole answer leaves `instance_family` out, which Azure Databricks tells.
        found = transport.do("GET", "/api/2.1/clusters/list-node-types").get("node_types") or ()
        return tuple(_node_type(sdk.NodeType.from_dict(each), each) for each in found)

    # Libraries

    def libraries(self, cluster_id: str) -> tuple[Library, ...]:
        """Return the Python packages that were asked for on a cluster, with how they stand.

        Raises:
            NotFoundError: There is no such cluster.
            ServiceError: The workspace could not be asked.
        """
        api = self._api(_compute().LibrariesAPI, f"libraries of cluster {cluster_id}")
        return tuple(
            Library(str(each.library.pypi.package), _value(each.status), tuple(each.messages or ()))
            for each in api.cluster_status(cluster_id)
            if each.library and each.library.pypi
        )

    def install_library(self, cluster_id: str, package: str) -> None:
        """Ask for a Python package on a cluster: it comes at once where the cluster runs, else at its next start.

        Raises:
            ServiceError: The workspace refused.
        """
        self._api(_compute().LibrariesAPI, f"library {package}").install(cluster_id, [_pypi(package)])

    def uninstall_library(self, cluster_id: str, package: str) -> None:
        """Ask for a Python package to go: it does when the cluster restarts.

        Raises:
            ServiceError: The workspace refused.
        """
        self._api(_compute().LibrariesAPI, f"library {package}").uninstall(cluster_id, [_pypi(package)])

    # Personal access tokens

    def tokens(self) -> tuple[AccessToken, ...]:
        """Return the account's own personal access tokens.

        Raises:
            AccessDeniedError: Tokens are switched off, or not for this account.
            ServiceError: The workspace could not be asked.
        """
        return tuple(map(_access_token, self._api(_settings_api().TokensAPI, "list of access tokens").list()))

    def create_token(self, comment: str, seconds: int) -> tuple[AccessToken, Secret]:
        """Create a personal access token; its value is not shown again. Asking twice makes two.

        Raises:
            AccessDeniedError: Tokens are switched off, or not for this account.
            ServiceError: The workspace refused.
        """
        api = self._api(_settings_api().TokensAPI, "access token")
        made = api.create(comment=comment, lifetime_seconds=seconds)
        if not made.token_value or made.token_info is None:
            raise ServiceError("The workspace made an access token without telling it.", "Try again.")
        return _access_token(made.token_info), Secret.hidden(made.token_value)

    def delete_token(self, token_id: str) -> None:
        """Revoke a personal access token; one that is gone is fine.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._api(_settings_api().TokensAPI, f"access token {token_id}").delete(token_id)

    def token_rules(self) -> TokenRules:
        """Return what the workspace's settings say about personal access tokens.

        Raises:
            AccessDeniedError: Only its administrators may ask.
            ServiceError: The workspace could not be asked.
        """
        api = self._api(_settings_api().WorkspaceConfAPI, "settings of the workspace")
        found = dict(api.get_status("enableTokensConfig,maxTokenLifetimeDays"))
        enabled, days = found.get("enableTokensConfig"), str(found.get("maxTokenLifetimeDays") or "")
        return TokenRules(
            None if enabled in (None, "") else str(enabled).lower() == "true",
            int(days) if days.isdigit() and int(days) > 0 else None,
        )

    # Secret scopes

    def list_scopes(self) -> tuple[SecretScope, ...]:
        """Return the secret scopes.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        scopes = []
        for each in self._secrets("list of secret scopes").list_scopes():
            vault = each.keyvault_metadata
            scopes.append(
                SecretScope(
                    str(each.name or ""),
                    _value(each.backend_type),
                    str((vault and vault.resource_id) or ""),
                    str((vault and vault.dns_name) or ""),
                )
            )
        return tuple(scopes)

    def create_scope(self, name: str, resource_id: str, dns_name: str, *, manage_principal: str = "users") -> None:
        """Create a secret scope that shows a key vault's secrets.

        Only an Entra token of a user will do (kb.databricks.com, "fails with a userAADToken error").

        Args:
            name: Unique in the workspace.
            resource_id: The vault's Azure resource id.
            dns_name: The vault's address: `https://NAME.vault.azure.net/`.
            manage_principal: Who may manage the scope; `users` are all users of the workspace.

        Raises:
            ConflictError: There is a scope of that name.
            AccessDeniedError: The account is no Owner or Contributor of the vault.
            ServiceError: The workspace refused.
        """
        workspace = _workspace_api()
        self._secrets(f"secret scope {name}").create_scope(
            name,
            scope_backend_type=workspace.ScopeBackendType.AZURE_KEYVAULT,
            backend_azure_keyvault=workspace.AzureKeyVaultSecretScopeMetadata(resource_id, dns_name),
            initial_manage_principal=manage_principal,
        )

    def delete_scope(self, name: str) -> None:
        """Delete a secret scope; the key vault behind it stays, and a scope that is gone is fine.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._secrets(f"secret scope {name}").delete_scope(name)

    def scope_permissions(self, name: str) -> Mapping[str, str]:
        """Return who may do what with a scope: principals with `READ`, `WRITE` or `MANAGE`.

        Raises:
            NotFoundError: There is no such scope.
            ServiceError: The workspace could not be asked.
        """
        found = self._secrets(f"secret scope {name}").list_acls(name)
        return {str(each.principal): _value(each.permission) for each in found}

    def list_secret_names(self, scope: str) -> tuple[str, ...]:
        """Return the names of the secrets that a scope shows.

        Raises:
            NotFoundError: There is no such scope.
            AccessDeniedError: The account, or Databricks itself, may not read the vault.
            ServiceError: The workspace could not be asked.
        """
        return tuple(str(each.key) for each in self._secrets(f"secrets of scope {scope}").list_secrets(scope))

    # Git

    @property
    def git(self) -> DatabricksGit:
        """Git credentials, Git folders, and the notebooks in them."""
        return DatabricksGit(self._api, _workspace_api())

    # Code

    def run_command(
        self,
        cluster_id: str,
        python: str,
        *,
        seconds: float = COMMAND_SECONDS,
        wait: Callable[[float], object] = time.sleep,
    ) -> str:
        """Run Python on a running cluster and return what it prints (Command Execution API, 1.2).

        Args:
            cluster_id: The cluster.
            python: The code.
            seconds: Patience with it.
            wait: Sleeps; it may raise to give up, and the code is left to end.

        Raises:
            ConflictError: The cluster does not run.
            ServiceError: The code failed, took too long, or the workspace could not be asked.
        """
        sdk = _compute()
        api = self._api(sdk.CommandExecutionAPI, f"code on cluster {cluster_id}")
        pause = min(1.0, self._rest.endpoints.poll_interval)
        deadline = time.monotonic() + seconds
        made = api.create(cluster_id=cluster_id, language=sdk.Language.PYTHON)
        context = str(made.response.id)

        def late(what: str) -> ServiceError:
            return ServiceError(
                f"Code on cluster {cluster_id} {what} after {seconds:.0f} s.", "Try again when the cluster is idle."
            )

        try:
            while (state := _value(api.context_status(cluster_id, context).status)) != "Running":
                if state == "Error":
                    raise ServiceError(f"Cluster {cluster_id} gives no place to run code in.", "Restart the cluster.")
                if time.monotonic() > deadline:
                    raise late("has not begun")
                wait(pause)
            begun = api.execute(cluster_id=cluster_id, context_id=context, language=sdk.Language.PYTHON, command=python)
            command = str(begun.response.id)
            while True:
                told = api.command_status(cluster_id, context, command)
                state = _value(told.status)
                if state in {"Finished", "Error", "Cancelled"}:
                    break
                if time.monotonic() > deadline:
                    raise late("has not ended")
                wait(pause)
        finally:
            # A context that nobody closes keeps its interpreter until the cluster stops; it is not worth an error.
            with suppress(WizardError):
                api.destroy(cluster_id, context)
        results = told.results
        if state != "Finished" or results is None or _value(results.result_type) == "error":
            summary = re.sub(r"<[^<>]+>|\x1b\[[0-9;]*m", "", str((results and results.summary) or state))
            cause = re.sub(r"\x1b\[[0-9;]*m", "", str((results and results.cause) or ""))
            raise ServiceError(f"Code on cluster {cluster_id} failed: {summary}", detail=cause[-2000:])
        return str(results.data if results.data is not None else "")

    # The SDK's classes over our requests

    def _api(
        self,
        kind: Callable[[Any], T],
        thing: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Secret | None = None,
    ) -> T:
        return kind(_Transport(self._rest, self.host, thing, headers or {}, token))

    def _clusters(self, thing: str) -> compute.ClustersAPI:
        api: compute.ClustersAPI = self._api(_compute().ClustersAPI, thing)
        return api

    def _secrets(self, thing: str) -> Any:
        return self._api(_workspace_api().SecretsAPI, thing)


class _Transport:
    """What the SDK's service classes need of its `ApiClient`: `do`, and a little of its configuration."""

    def __init__(
        self, rest: RestClient, host: str, thing: str, headers: Mapping[str, str], token: Secret | None
    ) -> None:
        self._rest = rest
        self._host = host
        self._thing = thing
        self._headers = headers
        self._token = token
        self._cfg = SimpleNamespace(workspace_id=None, host=host, account_id=None)

    def do(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        **_: Any,
    ) -> Any:
        """Send a request and return the parsed answer."""
        url = f"{self._host}{path}"
        if query:
            url += "?" + urlencode(list(_flat(query)))
        named = {**(headers or {}), **self._headers}
        # The transport writes the one that fits the body.
        named.pop("Content-Type", None)
        if self._token is not None:
            named |= {RESOURCE_HEADER: "", "Authorization": f"Bearer {self._token.reveal()}"}
        reply = self._rest.send(method, url, thing=self._thing, body=body, headers=named, signed=self._token is None)
        if reply.status >= 400:
            raise error_rules.of_reply("databricks", reply.status, reply.headers, reply.body, self._thing)
        if not reply.body:
            return {}
        if not isinstance(reply.body, dict | list):
            raise not_the_cloud(url)
        return reply.body


def _flat(query: Mapping[str, Any], prefix: str = "") -> Any:
    """Yield names and values as the API wants them: `filter_by.is_pinned=true` (databricks-sdk, `_base_client.py`)."""
    for name, value in query.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield from ((f"{prefix}{name}", each) for each in value)
        else:
            yield f"{prefix}{name}", str(value).lower() if isinstance(value, bool) else value


def _prepare_sdk() -> None:
    """Let `databricks.sdk.service.…` be imported without all that `databricks.sdk` imports: a second, and 60 MB.

    A module that is empty until it is asked for one of its names stands in for the package: whoever needs the rest
    (`from databricks.sdk import WorkspaceClient`) gets it then. Nothing happens where the package is loaded already.
    """
    with _LOADING:
        if "databricks.sdk" in sys.modules:
            return
        spec = importlib.util.find_spec("databricks.sdk")
        if spec is None or spec.loader is None or spec.submodule_search_locations is None:
            raise ImportError("databricks-sdk is not installed", name="databricks.sdk")
        package = ModuleType("databricks.sdk")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__, package.__file__, package.__loader__ = spec, spec.origin, spec.loader
        package.__package__ = "databricks.sdk"
        loader, filling = spec.loader, threading.RLock()

        def fill(name: str) -> Any:
            if not name.startswith("__"):
                with filling:
                    if package.__dict__.pop("__getattr__", None) is not None:
                        loader.exec_module(package)
                if name in package.__dict__:
                    return package.__dict__[name]
            raise AttributeError(f"module 'databricks.sdk' has no attribute {name!r}", name=name, obj=package)

        package.__getattr__ = fill  # type: ignore[method-assign] # PEP 562
        sys.modules["databricks.sdk"] = package
        setattr(importlib.import_module("databricks"), "sdk", package)  # noqa: B010 # as importing it would do


def _compute() -> Any:
    _prepare_sdk()
    from databricks.sdk.service import compute

    return compute


def _iam() -> Any:
    _prepare_sdk()
    from databricks.sdk.service import iam

    return iam


def _settings_api() -> Any:
    _prepare_sdk()
    from databricks.sdk.service import settings

    return settings


def _workspace_api() -> Any:
    _prepare_sdk()
    from databricks.sdk.service import workspace

    return workspace


def _pypi(package: str) -> compute.Library:
    sdk = _compute()
    library: compute.Library = sdk.Library(pypi=sdk.PythonPyPiLibrary(package=package))
    return library


def _settings(spec: ClusterSpec) -> dict[str, Any]:
    """Return a specification as arguments of the SDK's `create` and `edit`."""
    sdk = _compute()
    size: dict[str, Any] = {"is_single_node": True}
    if spec.workers is not None:
        size = {"autoscale": sdk.AutoScale(min_workers=spec.workers[0], max_workers=spec.workers[1])}
    return {
        "cluster_name": spec.name,
        "node_type_id": spec.node_type,
        "kind": sdk.Kind.CLASSIC_PREVIEW,
        "data_security_mode": sdk.DataSecurityMode(DEDICATED),
        "single_user_name": spec.user,
        "autotermination_minutes": spec.autotermination_minutes,
        "custom_tags": dict(spec.tags),
        **size,
    }


def _value(member: Any) -> str:
    """Return an SDK enumeration's value; what this SDK does not know yet it reads as nothing."""
    return str(getattr(member, "value", None) or "UNKNOWN")


def _moment(milliseconds: Any) -> datetime | None:
    """Return a time that the API gives in milliseconds; 0 and -1 mean never."""
    if not isinstance(milliseconds, int | float) or milliseconds <= 0:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _cluster(told: Any) -> Cluster:
    scale, count = told.autoscale, int(told.num_workers or 0)
    fewest, most = (int(scale.min_workers or 0), int(scale.max_workers or 0)) if scale else (count, count)
    conf = told.spark_conf or {}
    single = bool(told.is_single_node) or conf.get("spark.databricks.cluster.profile") == "singleNode"
    started, restarted = _moment(told.start_time), _moment(told.last_restarted_time)
    stopped = _moment(told.terminated_time)
    state = _value(told.state)
    reason = told.termination_reason
    present = len(told.executors or ()) + (1 if told.driver else 0)
    return Cluster(
        id=str(told.cluster_id or ""),
        name=str(told.cluster_name or ""),
        state=state,
        runtime=str(told.spark_version or ""),
        node_type=str(told.node_type_id or ""),
        autotermination_minutes=int(told.autotermination_minutes or 0),
        access_mode=_value(told.data_security_mode) if told.data_security_mode else "",
        user=str(told.single_user_name or ""),
        single_node=single,
        workers=(fewest, most),
        machines=present or 1 + max(fewest, count),
        tags=dict(told.custom_tags or {}),
        message=str(told.state_message or ""),
        created=started,
        running_since=max(filter(None, (started, restarted)), default=None),
        stopped=stopped if state == "TERMINATED" else None,
        termination=_termination(reason, str(told.state_message or "")) if reason else None,
    )


def _termination(reason: Any, message: str) -> Termination:
    parameters = reason.parameters or {}
    said = [
        str(parameters[name])
        for name in ("azure_error_message", "databricks_error_message", "instance_pool_error_message")
        if parameters.get(name)
    ]
    code = _value(reason.code)
    if code == "UNKNOWN" and (told := re.match(r"([A-Z][A-Z0-9_]+)\(", message)):
        code = told[1]
    return Termination(code, _value(reason.type), said[0] if said else message)


def _node_type(told: Any, raw: Mapping[str, Any]) -> NodeType:
    disks = told.node_instance_type
    instance = raw.get("node_instance_type")
    reasons = [_value(each) for each in (told.node_info.status if told.node_info else None) or ()]
    words = {
        "NotEnabledOnSubscription": "the subscription may not use it",
        "NotAvailableInRegion": "this region does not have it",
    }
    return NodeType(
        id=str(told.node_type_id or ""),
        cores=int(told.num_cores or 0),
        memory_mb=int(told.memory_mb or 0),
        category=str(told.category or ""),
        deprecated=bool(told.is_deprecated),
        hidden=bool(told.is_hidden),
        gpus=int(told.num_gpus or 0),
        arm=bool(told.is_graviton),
        local_disk=bool(disks and ((disks.local_disks or 0) + (disks.local_nvme_disks or 0))),
        family=str(instance.get("instance_family") or "") if isinstance(instance, Mapping) else "",
        unavailable=", ".join(words.get(each, each) for each in reasons),
    )


def _access_token(told: Any) -> AccessToken:
    return AccessToken(
        str(told.token_id or ""), str(told.comment or ""), _moment(told.creation_time), _moment(told.expiry_time)
    )
