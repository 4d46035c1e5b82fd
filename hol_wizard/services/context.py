"""All services of one cloud, each created when it is first used."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload
from urllib.parse import urlsplit

from hol_wizard.errors import ServiceError, SignInError
from hol_wizard.paths import Home
from hol_wizard.services import transport
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.container_registry import ContainerRegistries
from hol_wizard.services.containers.engine import Engine
from hol_wizard.services.containers.opening import open_workbench
from hol_wizard.services.containers.workbench import Workbench
from hol_wizard.services.data_lake import DataLake
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.profiles import DatabricksProfiles, default_file
from hol_wizard.services.devops.client import DevOps, organizations
from hol_wizard.services.devops.tokens import DevOpsTokens
from hol_wizard.services.downloads import Downloads
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.error_rules import Service
from hol_wizard.services.git.program import Git
from hol_wizard.services.git.remote import GitRemote
from hol_wizard.services.graph import Graph
from hol_wizard.services.identity import Identity
from hol_wizard.services.key_vault import KeyVault
from hol_wizard.services.machine_learning import MachineLearning
from hol_wizard.services.prices import Prices
from hol_wizard.services.probing import Probing
from hol_wizard.services.programs import Programs
from hol_wizard.services.rest import RestClient
from hol_wizard.services.secrets import Secret, SecretStore

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

T = TypeVar("T")

DEVOPS_TOKEN_VARIABLES = ("HOL_WIZARD_DEVOPS_TOKEN", "AZURE_DEVOPS_EXT_PAT")
"""Environment variables for a personal access token for Azure DevOps: ours, and that of Microsoft's client."""


class _Client(cached_property[T]):
    """A cached property that two threads do not compute twice: Python 3.12 removed the lock."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Self | T:
        if instance is None:
            return self
        with instance._making:
            made: T = super().__get__(instance, owner)
            return made


class Services:
    """The clients of one cloud; they share connections and the sign-in."""

    def __init__(
        self,
        endpoints: Endpoints,
        profile: str = "default",
        *,
        tenant: Callable[[], str] = str,
        environ: Mapping[str, str] | None = None,
        cache: Path | None = None,
        devops_by_token: Callable[[], bool] = bool,
    ) -> None:
        """Create the object without creating any client.

        Args:
            endpoints: The cloud.
            profile: The profile whose secrets are in the keyring.
            tenant: Returns the directory of the lab's subscription; empty for the account's own.
            environ: Environment variables that may name who signs in; None for those of the process.
            cache: Folder of the profile's downloads; None for this system's default.
            devops_by_token: Returns whether requests to Azure DevOps use a personal access token.
        """
        self._devops_by_token = devops_by_token
        self.endpoints = endpoints
        self._profile = profile
        self._tenant = tenant
        self._environ = environ
        self._cache = cache
        self._making = threading.RLock()
        self._workspaces: dict[str, Databricks] = {}
        self._remembered: dict[Hashable, Any] = {}

    @_Client
    def _transport(self) -> RequestsTransport:
        return transport.make_transport(self.endpoints)

    @_Client
    def identity(self) -> Identity:
        """Who is signed in."""
        return Identity(self.endpoints, self._environ, connect=lambda: self._transport.session)

    def _rest(self, service: Service, audience: str, **headers: str) -> RestClient:
        return RestClient(
            service,
            self.endpoints,
            self.identity,
            audience=audience,
            shared=lambda: self._transport,
            headers=headers,
            tenant=self._tenant,
        )

    @_Client
    def arm(self) -> ArmClient:
        """Azure Resource Manager."""
        return ArmClient(self.endpoints, self.identity, lambda: self._transport)

    @_Client
    def registries(self) -> ContainerRegistries:
        """The images in container registries."""
        return ContainerRegistries(self._rest("arm", self.endpoints.management_audience))

    @_Client
    def graph(self) -> Graph:
        """Microsoft Graph."""
        return Graph(self._rest("graph", self.endpoints.graph_audience))

    @_Client
    def key_vault(self) -> KeyVault:
        """The secrets in key vaults."""
        return KeyVault(self._rest("key_vault", self.endpoints.key_vault_audience))

    @_Client
    def data_lake(self) -> DataLake:
        """The files in data lakes."""
        return DataLake(self._rest("storage", self.endpoints.storage_audience))

    @_Client
    def machine_learning(self) -> MachineLearning:
        """The models of Machine Learning workspaces."""
        return MachineLearning(self.arm, self.data_lake)

    def _devops_with(self, authorization: Callable[[], Secret] | None) -> RestClient:
        return RestClient(
            "devops",
            self.endpoints,
            self.identity,
            audience=self.endpoints.devops_audience,
            shared=lambda: self._transport,
            tenant=self._tenant,
            authorization=authorization,
        )

    def _devops(self, organization: str) -> RestClient:
        if self._devops_by_token():
            return self._devops_with(lambda: self._by_devops_token(organization))
        return self._devops_as_person()

    def _devops_as_person(self) -> RestClient:
        return self._devops_with(None if self.endpoints.devops_takes_sign_in else self._no_devops)

    def _no_devops(self) -> Secret:
        """Refuse to send this cloud's tokens to a service of another cloud.

        Raises:
            SignInError: Always.
        """
        raise SignInError(
            f"Azure DevOps is in the public cloud only: a sign-in to {self.endpoints.name} does not work for it.",
            "Use a personal access "
            "token: hol-wizard solve devops-project/choose-the-organization --devops-sign-in token",
        )

    def devops_token(self, organization: str) -> Secret | None:
        """Return the personal access token for an organization, from a variable or the keyring.

        None if the wizard uses the sign-in, or if there is no token.
        """
        if not self._devops_by_token():
            return None
        environ = os.environ if self._environ is None else self._environ
        given = next((environ[name] for name in DEVOPS_TOKEN_VARIABLES if environ.get(name)), "")
        return Secret.hidden(given) if given else self.secrets.get(f"devops-token/{organization.lower()}")

    def _by_devops_token(self, organization: str) -> Secret:
        """Return the `Authorization` header of an organization's personal access token.

        Raises:
            SignInError: There is none.
        """
        token = self.devops_token(organization)
        if token is None:
            raise SignInError(
                f"There is no personal access token for the organization {organization} here.",
                f"Enter one (<step devops-project/choose-the-organization>), or set {DEVOPS_TOKEN_VARIABLES[0]}.",
            )
        header = base64.b64encode(f":{token.reveal()}".encode()).decode()
        return Secret(f"Basic {Secret.hidden(header).reveal()}")

    def devops(self, organization: str) -> DevOps:
        """Return the client of an Azure DevOps organization.

        Args:
            organization: The word after https://dev.azure.com/ in its address.
        """
        return DevOps(self._devops(organization), organization)

    def devops_tokens(self, organization: str) -> DevOpsTokens:
        """Return the client for the account's personal access tokens in an Azure DevOps organization.

        It always uses the Entra sign-in, because the service does not accept a token for this.
        """
        return DevOpsTokens(self._devops_as_person(), organization)

    def devops_organizations(self) -> list[str]:
        """Return the names of the Azure DevOps organizations of the signed-in account."""
        return organizations(self._devops_as_person())

    @_Client
    def downloads(self) -> Downloads:
        """Files from the public internet."""
        folder = self._cache or Home.default().cache_folder(self.endpoints.name.lower(), self._profile)
        return Downloads(lambda: self._transport.session, folder)

    def databricks(self, workspace_url: str, resource_id: str) -> Databricks:
        """Return the client of a Databricks workspace.

        Args:
            workspace_url: Its host, from Resource Manager (`properties.workspaceUrl`).
            resource_id: Its Azure resource ID: it gives access to an Owner or Contributor who is not a user yet.
        """
        with self._making:
            if workspace_url not in self._workspaces:
                named = {"X-Databricks-Azure-Workspace-Resource-Id": resource_id}
                rest = self._rest("databricks", self.endpoints.databricks_audience, **named)
                self._workspaces[workspace_url] = Databricks(rest, f"https://{workspace_url}")
            return self._workspaces[workspace_url]

    def acting_as(self, application: str, tenant: str, secret: Secret) -> Services:
        """Return services that sign in as a service principal instead of the person.

        Args:
            application: Its application (client) ID.
            tenant: Its directory.
            secret: Its client secret.
        """
        environ = {
            "AZURE_CLIENT_ID": application,
            "AZURE_TENANT_ID": tenant,
            "AZURE_CLIENT_SECRET": secret.reveal(),
        }
        return Services(self.endpoints, self._profile, tenant=lambda: tenant, environ=environ, cache=self._cache)

    @_Client
    def prices(self) -> Prices:
        """The public list of prices."""
        return Prices(lambda: self._transport.session, self.endpoints.prices, self.downloads.folder)

    @_Client
    def secrets(self) -> SecretStore:
        """The keyring."""
        return SecretStore(self.endpoints.name, self._profile)

    @property
    def databricks_profiles(self) -> DatabricksProfiles:
        """The profiles in the Databricks CLI's file, or in the cloud's own file."""
        return DatabricksProfiles(self.endpoints.databricks_config_file or default_file())

    @_Client
    def container_engine(self) -> Engine:
        """The container engine of this machine."""
        return Engine()

    def workbench(self) -> Workbench:
        """Return where the inference container is built, asked and tested.

        Raises:
            UnreachableError: No container engine answers, and this cloud does not do without one.
        """
        return open_workbench(self.container_engine, self.endpoints.practice_python)

    def program_access(self, blob: str) -> dict[str, str]:
        """Return the variables by which the starter's programs reach this cloud as the signed-in account.

        Args:
            blob: Address of the blobs of the storage account with the models; empty: the programs find it.

        Raises:
            SignInError: Nobody is signed in.
        """
        tokens = {
            "ARM_ACCESS_TOKEN": self.endpoints.management_audience,
            "STORAGE_ACCESS_TOKEN": self.endpoints.storage_audience,
        }
        given = {name: self.identity.token(each, tenant=self._tenant()).reveal() for name, each in tokens.items()}
        given |= {"ARM_URL": self.endpoints.resource_manager, "STORAGE_BLOB_URL": blob}
        if self.endpoints.ca_bundle is not None:
            # It is on this machine, and has an authority of its own.
            hosts = [urlsplit(each).hostname or "" for each in (self.endpoints.resource_manager, blob)]
            given |= {"REQUESTS_CA_BUNDLE": str(self.endpoints.ca_bundle)}
            given |= dict.fromkeys(("NO_PROXY", "no_proxy"), ",".join(filter(None, hosts)))
        return given

    def git_remote(self, url: str, authorization: Callable[[], Secret]) -> GitRemote:
        """Return a repository that git reaches over HTTPS.

        Args:
            url: Its address.
            authorization: Returns the value of the `Authorization` header.

        Raises:
            ServiceError: The address does not belong to this cloud: no credential is sent there.
        """
        if not self.endpoints.owns(url):
            raise ServiceError(
                f"{url} is not part of this cloud, so git does not connect to it.", "Check the repository's URL."
            )
        return GitRemote(url, authorization, self.endpoints.ca_bundle, self.endpoints.known_as(url))

    @_Client
    def git(self) -> Git:
        """git."""
        return Git()

    @_Client
    def programs(self) -> Programs:
        """Command-line tools."""
        return Programs()

    @_Client
    def probing(self) -> Probing:
        """What the checks that documents declare look at."""
        return Probing(self.endpoints, lambda: self._transport.session)

    def remembered(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what was found out before in this session about something that never changes, such as by its digest.

        Args:
            key: Names it, with all that it depends on.
            find: Finds it out; what it raises is not remembered.
        """
        if key not in self._remembered:
            self._remembered[key] = find()
        found: T = self._remembered[key]
        return found

    def replace(self, **clients: Any) -> Self:
        """Replace clients, for tests.

        Raises:
            AttributeError: There is no such client.
        """
        for name, client in clients.items():
            if not isinstance(getattr(type(self), name, None), cached_property):
                raise AttributeError(f"Services has no {name}")
            setattr(self, name, client)
        return self

    def close(self) -> None:
        """Close the shared connections."""
        if "_transport" in self.__dict__:
            self._transport.session.close()
