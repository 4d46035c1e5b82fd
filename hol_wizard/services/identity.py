"""Who is signed in: the session shared with the Azure CLI, or a service principal from the environment.

azure-cli-core is driven without its commands and without its `AzCli`, which asks the internet for news at every first
start and writes to standard error. What is used of it beyond its public face is held by a test of this project.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hol_wizard.errors import CancelledByUserError, SignInError, UsageError
from hol_wizard.services import error_rules, transport
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.secrets import Secret

logger = logging.getLogger(__name__)

EXPIRES_SOON = 300.0
"""Seconds before its end at which a token is no longer handed out."""


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in."""

    user: str
    """Sign-in name, or a service principal's application id."""
    tenant: str
    subscription: str
    """Id of the session's default subscription; empty where there is none."""
    subscription_name: str = ""
    service_principal: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that the account sees."""

    id: str
    name: str
    state: str
    tenant: str


@dataclass(frozen=True, slots=True)
class DevicePrompt:
    """What a person has to do on any device to sign in."""

    verification_uri: str
    user_code: str
    message: str


class _Session:
    """The ten lines of `AzCli` that sign-in needs."""

    def __init__(self, endpoints: Endpoints) -> None:
        if endpoints.azure_config_dir is not None:
            # azure-cli-core reads these when it is imported.
            os.environ["AZURE_CONFIG_DIR"] = str(endpoints.azure_config_dir)
            endpoints.azure_config_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ.setdefault("AZURE_CORE_COLLECT_TELEMETRY", "false")
        for name in ("cli", "msal", "azure"):
            chatty = logging.getLogger(name)
            chatty.propagate = True
            if not chatty.handlers:
                chatty.addHandler(logging.NullHandler())
        from azure.cli.core._session import ACCOUNT
        from azure.cli.core.cloud import get_cloud
        from knack.config import CLIConfig

        folder = endpoints.azure_config_dir or _own_folder()
        self.config = CLIConfig(config_dir=str(folder), config_env_var_prefix="AZURE")
        self.data: dict[str, Any] = {
            "headers": {},
            "command": "hol-wizard",
            "completer_active": False,
            "query_active": False,
            "subscription_id": None,
        }
        ACCOUNT.load(os.path.join(folder, "azureProfile.json"))  # noqa: PTH118 it wants text
        if endpoints.azure_config_dir is not None:
            self.cloud = self._register(endpoints)
        else:
            self.cloud = get_cloud(self, endpoints.name)

    def _register(self, endpoints: Endpoints) -> Any:
        """Enter a cloud that the Azure CLI does not know into its configuration, so that `az` can use it as well."""
        from azure.cli.core import cloud as clouds

        made = clouds.Cloud(
            endpoints.name,
            endpoints=clouds.CloudEndpoints(
                management=endpoints.resource_manager,
                resource_manager=endpoints.resource_manager,
                active_directory=endpoints.active_directory,
                active_directory_resource_id=endpoints.management_audience,
                active_directory_graph_resource_id=endpoints.graph_audience,
                microsoft_graph_resource_id=endpoints.graph_audience,
            ),
            suffixes=clouds.CloudSuffixes(
                storage_endpoint=endpoints.storage_suffix, keyvault_dns=endpoints.key_vault_suffix
            ),
        )
        clouds._save_cloud(made, overwrite=True)
        self.config.set_value("cloud", "name", endpoints.name)
        self.config.set_value("core", "instance_discovery", str(endpoints.instance_discovery).lower())
        return clouds.get_cloud(self, endpoints.name)


def _own_folder() -> str:
    from azure.cli.core._environment import get_config_dir

    return str(get_config_dir())


_VARIABLES = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_PROOFS = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")


class Identity:
    """Signs in and out, and gives tokens; safe to use from many threads."""

    def __init__(self, endpoints: Endpoints, environ: Mapping[str, str] | None = None) -> None:
        self.endpoints = endpoints
        self._environ = os.environ if environ is None else environ
        self._lock = threading.RLock()
        self._tokens: dict[tuple[str, str], tuple[Secret, float]] = {}

    # Where the session is

    @cached_property
    def _profile(self) -> Any:
        session = _Session(self.endpoints)
        from azure.cli.core._profile import Profile

        return Profile(cli_ctx=session)

    @property
    def from_environment(self) -> bool:
        """Whether the environment names a service principal, which then counts before any session."""
        return all(self._environ.get(name) for name in _VARIABLES) and any(self._environ.get(n) for n in _PROOFS)

    @cached_property
    def _environment_credential(self) -> Any:
        from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential

        tenant, client = self._environ["AZURE_TENANT_ID"], self._environ["AZURE_CLIENT_ID"]
        more: dict[str, Any] = {
            "authority": self.endpoints.active_directory,
            "disable_instance_discovery": not self.endpoints.instance_discovery,
            "transport": transport.make_transport(self.endpoints),
            "retry_total": 2,
        }
        if secret := self._environ.get("AZURE_CLIENT_SECRET"):
            return ClientSecretCredential(tenant, client, secret, **more)
        if certificate := self._environ.get("AZURE_CLIENT_CERTIFICATE_PATH"):
            password = self._environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
            return CertificateCredential(tenant, client, certificate, password=password, **more)
        file = self._environ["AZURE_FEDERATED_TOKEN_FILE"]
        return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file, **more)

    def account(self) -> Account | None:
        """Return who is signed in, from what is on this machine; None for nobody."""
        if self.from_environment:
            return Account(
                self._environ["AZURE_CLIENT_ID"],
                self._environ["AZURE_TENANT_ID"],
                self._environ.get("AZURE_SUBSCRIPTION_ID", ""),
                service_principal=True,
            )
        with self._lock:
            known = self._profile.load_cached_subscriptions()
        current = next((each for each in known if each.get("isDefault")), known[0] if known else None)
        if current is None:
            return None
        return Account(
            current["user"]["name"],
            current["tenantId"],
            current["id"],
            current["name"],
            service_principal=current["user"]["type"] == "servicePrincipal",
        )

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions that the account sees.

        Raises:
            SignInError: Nobody is signed in.
        """
        account = self._required_account()
        if self.from_environment:
            return self._subscriptions_of_environment(account)
        with self._lock:
            known = self._profile.load_cached_subscriptions()
        return [
            Subscription(each["id"], each["name"], each["state"], each["tenantId"])
            for each in known
            if each["user"]["name"] == account.user
        ]

    def _subscriptions_of_environment(self, account: Account) -> list[Subscription]:
        from hol_wizard.services.arm import ArmClient

        found = ArmClient(self.endpoints, self).list("/subscriptions")
        return [
            Subscription(
                str(each["subscriptionId"]),
                str(each.get("displayName", "")),
                str(each.get("state", "")),
                account.tenant,
            )
            for each in found
        ]

    def _required_account(self) -> Account:
        account = self.account()
        if account is None:
            raise SignInError("Nobody is signed in.", "Sign in (section set-up, step Sign in), or run: az login")
        return account

    # Tokens

    def token(self, audience: str, *, claims: str = "") -> Secret:
        """Return a token for a service.

        Args:
            audience: The service's identifier, such as `https://management.core.windows.net/`.
            claims: What the service asked for in a challenge; a token from memory is then not good enough.

        Raises:
            SignInError: Nobody is signed in, or the sign-in is no longer good.
            UnreachableError: The sign-in service does not answer.
        """
        account = self._required_account()
        key = (audience, account.user)
        with self._lock:
            found = self._tokens.get(key)
            if found and not claims and found[1] - time.time() > EXPIRES_SOON:
                return found[0]
            given = self._ask(audience, account, claims)
            secret = Secret(given.token)
            self._tokens[key] = (secret, float(given.expires_on))
            return secret

    def _ask(self, audience: str, account: Account, claims: str) -> Any:
        scope = f"{audience}/.default"
        more = {"claims": claims} if claims else {}
        with _plain_errors(self.endpoints, account.tenant):
            if self.from_environment:
                return self._environment_credential.get_token(scope, **more)
            credential, _, _ = self._profile.get_login_credentials(subscription_id=account.subscription)
            return credential.get_token(scope, **more)

    # Signing in and out

    def preferred_method(self) -> str:
        """Return `browser` where this machine can show one to the person who sits before it, else `device`."""
        if not self.endpoints.browser_sign_in:
            return "device"
        if any(self._environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "CODESPACES")):
            return "device"
        from azure.cli.core.util import can_launch_browser

        return "browser" if can_launch_browser() else "device"

    def sign_in(
        self,
        method: str,
        tenant: str = "",
        *,
        prompt: Callable[[DevicePrompt], None],
        cancelled: threading.Event,
    ) -> Account:
        """Sign a person in, so that the Azure CLI sees it too.

        Args:
            method: `browser` or `device`.
            tenant: Directory to sign in to; empty: the person's own.
            prompt: Is told what the person has to do, for a device.
            cancelled: Set by another thread to give up.

        Raises:
            UsageError: A service principal is given by the environment, or there is no such method.
            SignInError: It was refused, or there is no subscription.
            CancelledByUserError: It was given up.
        """
        if self.from_environment:
            raise UsageError(
                "The environment names a service principal, so nobody else can sign in.",
                f"Unset {', '.join(_VARIABLES)} to sign in as yourself.",
            )
        if method not in {"browser", "device"}:
            raise UsageError(f"There is no way to sign in called `{method}`.", "There are: browser, device.")
        from azure.cli.core._profile import SubscriptionFinder, _create_identity_instance

        profile = self._profile
        with _plain_errors(self.endpoints, tenant):
            identity = _create_identity_instance(profile.cli_ctx, self.endpoints.active_directory, tenant or None)
            scopes = [f"{self.endpoints.management_audience}/.default"]
            if method == "device":
                claims = _device_flow(identity, scopes, prompt, cancelled)
            else:
                claims = _browser_flow(identity, scopes, cancelled)
            user = str(claims["preferred_username"])
            credential = identity.get_user_credential(user)
            finder = SubscriptionFinder(profile.cli_ctx)
            if tenant:
                found = finder.find_using_specific_tenant(tenant, credential)
            else:
                found = finder.find_using_common_tenant(user, credential)
        if not found:
            raise SignInError(
                f"{user} sees no subscription.",
                "Ask the proctor for a subscription or a pass, or sign in to the directory that has one.",
            )
        with self._lock:
            profile._set_subscriptions(profile._normalize_properties(user, found, False))
            self._tokens.clear()
        return self._required_account()

    def select_subscription(self, subscription: str) -> None:
        """Make a subscription the session's default, as `az account set` does.

        Raises:
            UsageError: The session does not know it.
        """
        if self.from_environment:
            return
        from knack.util import CLIError

        with self._lock:
            try:
                self._profile.set_active_subscription(subscription)
            except CLIError as error:
                raise UsageError(
                    f"The session does not know the subscription {subscription}.", "Sign in again."
                ) from error
            self._tokens.clear()

    def sign_out(self) -> None:
        """Sign the account out, for the Azure CLI as well; nobody signed in is fine."""
        account = self.account()
        if account is None or self.from_environment:
            return
        with self._lock:
            self._profile.logout(account.user)
            self._tokens.clear()


def _device_flow(
    identity: Any, scopes: list[str], prompt: Callable[[DevicePrompt], None], cancelled: threading.Event
) -> Mapping[str, Any]:
    application = identity._msal_app
    flow = application.initiate_device_flow(scopes)
    if "user_code" not in flow:
        raise error_rules.of_sign_in(str(flow.get("error_description") or flow.get("error") or flow))
    uri = str(flow.get("verification_uri") or flow.get("verification_url"))
    plain = f"Open {uri} on any device and type the code {flow['user_code']}."
    prompt(DevicePrompt(uri, flow["user_code"], str(flow.get("message") or plain)))
    result = application.acquire_token_by_device_flow(
        flow, exit_condition=lambda flow: cancelled.is_set() or flow.get("expires_at", 0) < time.time()
    )
    return _claims(result, cancelled)


def _browser_flow(identity: Any, scopes: list[str], cancelled: threading.Event) -> Mapping[str, Any]:
    """Wait for the browser on a thread that can be left behind: MSAL's wait cannot be ended."""
    outcome: dict[str, Any] = {}

    def sign_in() -> None:
        try:
            application = identity._msal_app
            outcome["result"] = application.acquire_token_interactive(
                scopes, prompt="select_account", parent_window_handle=application.CONSOLE_WINDOW_HANDLE
            )
        except Exception as error:  # noqa: BLE001 handed to the thread that waits, which raises it again
            outcome["error"] = error

    thread = threading.Thread(target=sign_in, name="browser sign-in", daemon=True)
    thread.start()
    while thread.is_alive() and not cancelled.is_set():
        thread.join(0.2)
    if "error" in outcome:
        raise outcome["error"]
    return _claims(outcome.get("result") or {}, cancelled)


def _claims(result: Mapping[str, Any], cancelled: threading.Event) -> Mapping[str, Any]:
    if "access_token" not in result:
        if cancelled.is_set():
            raise CancelledByUserError("The sign-in was given up.", "Sign in when you are ready.")
        words = f"{result.get('error', '')} {result.get('error_description', '')}".strip()
        raise error_rules.of_sign_in(words or "the code was not typed in time (expired_token)")
    claims: Mapping[str, Any] = result.get("id_token_claims") or {}
    return claims


@contextlib.contextmanager
def _plain_errors(endpoints: Endpoints, tenant: str) -> Any:
    """Turn the errors of azure-cli-core, azure-identity, MSAL and requests into this project's."""
    import requests
    from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError
    from knack.util import CLIError

    host = endpoints.active_directory.partition("//")[2]
    try:
        yield
    except (requests.ConnectionError, requests.Timeout, ServiceRequestError) as error:
        raise transport.unreachable(error, host) from error
    except (CLIError, ClientAuthenticationError, AzureError) as error:
        raise error_rules.of_sign_in(str(error), tenant=tenant) from error
    except ValueError as error:
        # MSAL: the directory does not answer as one, or is none.
        raise error_rules.of_sign_in(str(error), tenant=tenant) from error
