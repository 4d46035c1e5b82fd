"""Who is signed in: the session shared with the Azure CLI, or a service principal from the environment."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from hol_wizard.errors import (
    CancelledByUserError,
    InconclusiveError,
    ServiceError,
    SignInError,
    UsageError,
    WizardError,
)
from hol_wizard.services import error_rules, sign_in_answers, transport
from hol_wizard.services.answers import Document
from hol_wizard.services.az_session import TENANT_LEVEL, AzSession
from hol_wizard.services.endpoints import Approval, Endpoints
from hol_wizard.services.secrets import Secret

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

EXPIRES_SOON = 300.0
"""Seconds before its expiry at which a token is no longer used."""
BROWSER_SECONDS = 900
"""Timeout for an unfinished sign-in in the browser; Entra ID also allows 15 minutes."""

SIGN_IN = "Microsoft Entra ID (sign-in)"
"""Service and operation, for errors."""

_VARIABLES = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_PROOFS = ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE")


@dataclass(frozen=True, slots=True)
class Account:
    """Who is signed in."""

    user: str
    """Sign-in name, or a service principal's application ID."""
    tenant: str
    subscription: str
    """ID of the session's default subscription; empty if there is none."""
    subscription_name: str = ""
    service_principal: bool = False
    source: str = "the session shared with the Azure CLI"
    """The source of the information, in words that follow “from”."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription that the account sees."""

    id: str
    name: str
    state: str
    tenant: str
    """The directory through which the account sees it."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A directory (tenant) of which the account is a member or guest, but whose subscriptions it could not ask for."""

    name: str
    tenant: str
    reason: str
    """A sentence."""

    def __str__(self) -> str:
        """Return it in plain words."""
        return f"The directory {self.name} ({self.tenant}) was left out: {self.reason}"


def sign_in_to(directories: Sequence[LeftOut]) -> str:
    """Return advice that names directories, each with the command that signs in to it."""
    first, *rest = directories
    more = "".join(f"; or to {each.name}<az login {each.tenant}>" for each in rest)
    return f"{first.name} (<step set-up/sign-in>)<az login {first.tenant}>{more}"


@dataclass(frozen=True, slots=True)
class DevicePrompt:
    """What a person must do on any device to sign in."""

    verification_uri: str
    user_code: str
    message: str


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """A token for one service."""

    secret: Secret
    expires_on: float
    """Seconds since the epoch."""

    def reveal(self) -> str:
        """Return the token itself; use it only for the `Authorization` header of its service."""
        return self.secret.reveal()

    @property
    def fresh(self) -> bool:
        """Whether it remains valid for a few minutes."""
        return self.expires_on - time.time() > EXPIRES_SOON


class _AccessToken(NamedTuple):
    """In the form of azure-core's `TokenCredential` and `SupportsTokenInfo`."""

    token: str
    expires_on: int
    token_type: str = "Bearer"  # noqa: S105 the name of a scheme
    refresh_on: int | None = None


class Credential:
    """Provides one service's tokens to an SDK that accepts azure-core credentials."""

    def __init__(self, identity: Identity, audience: str) -> None:
        self._identity = identity
        self._audience = audience

    def get_token(self, *scopes: str, claims: str | None = None, **others: Any) -> _AccessToken:
        """Return a token; the scope is that of this credential."""
        del scopes, others
        token = self._identity.token(self._audience, claims=claims or "")
        return _AccessToken(token.reveal(), int(token.expires_on))

    def get_token_info(self, *scopes: str, options: Any = None) -> _AccessToken:
        """Return a token in the form for newer SDKs."""
        return self.get_token(*scopes, claims=(options or {}).get("claims"))


class Identity:
    """Signs in and out, and provides tokens; thread-safe."""

    def __init__(
        self,
        endpoints: Endpoints,
        environ: Mapping[str, str] | None = None,
        connect: Callable[[], requests.Session] | None = None,
    ) -> None:
        """Create the object without reading anything.

        Args:
            endpoints: The cloud.
            environ: Environment variables; None for those of the process.
            connect: Returns the requests session for the sign-in; None to create one.
        """
        self.endpoints = endpoints
        self._environ = os.environ if environ is None else environ
        self._connect = connect or self._own_session
        self._az = AzSession(endpoints, self._connect_judged)
        self._asking = threading.RLock()
        self._tokens: dict[tuple[str, str, str], Token] = {}
        self.left_out: tuple[LeftOut, ...] = ()
        """The directories that could not be asked when the subscriptions were last listed."""

    @cached_property
    def _own(self) -> requests.Session:
        return transport.make_session(self.endpoints)

    def _own_session(self) -> requests.Session:
        with self._asking:
            return self._own

    def _connect_judged(self) -> requests.Session:
        return sign_in_answers.judged(self._connect(), self.endpoints)

    # Who

    @property
    def from_environment(self) -> bool:
        """Whether the environment names a service principal, which then takes precedence over a session.

        A service principal of another directory does not count for a cloud that has only one directory.
        """
        tenant = self._environ.get("AZURE_TENANT_ID", "")
        return (
            all(self._environ.get(name) for name in _VARIABLES)
            and any(self._environ.get(name) for name in _PROOFS)
            and (not self.endpoints.tenant or tenant.lower() == self.endpoints.tenant.lower())
        )

    def account(self) -> Account | None:
        """Return who is signed in, from local information only; None if nobody is."""
        if self.from_environment:
            return Account(
                self._environ["AZURE_CLIENT_ID"],
                self._environ["AZURE_TENANT_ID"],
                self._environ.get("AZURE_SUBSCRIPTION_ID", ""),
                service_principal=True,
                source="the environment (AZURE_CLIENT_ID)",
            )
        current = self._az.current()
        if current is None:
            return None
        nowhere = current["name"] == TENANT_LEVEL
        return Account(
            current["user"]["name"],
            current["tenantId"],
            "" if nowhere else current["id"],
            "" if nowhere else current["name"],
            service_principal=current["user"].get("type") == "servicePrincipal",
        )

    def verify_session(self) -> None:
        """Return if the session that is shared with the Azure CLI can be read.

        Raises:
            UsageError: A file is damaged: nobody is signed in, and a sign-in would not help.
        """
        if not self.from_environment:
            self._az.verify_profile()

    def _required_account(self) -> Account:
        account = self.account()
        if account is None:
            raise SignInError("Nobody is signed in.", error_rules.SIGN_IN_AGAIN.replace(" again", ""))
        return account

    def tenant_of(self, subscription: str) -> str:
        """Return the directory through which the account sees a subscription; empty if unknown."""
        if self.from_environment:
            return ""
        wanted = subscription.lower()
        return next((str(each["tenantId"]) for each in self._az.entries() if each["id"].lower() == wanted), "")

    def subscriptions(self) -> list[Subscription]:
        """Return the subscriptions that the account sees, from Resource Manager; see also `left_out`.

        Raises:
            SignInError: Nobody is signed in, or the sign-in is no longer valid.
            ServiceError: Resource Manager does not return them.
        """
        account = self._required_account()
        only = account.tenant if account.service_principal else ""
        return [
            Subscription(
                str(each["subscriptionId"]),
                str(each.get("displayName", "")),
                str(each.get("state", "")),
                each["seenFrom"],
            )
            for each in self._visible(account, only)
        ]

    def _visible(self, account: Account, tenant: str = "") -> list[Document]:
        """Return Resource Manager's documents of an account's subscriptions, with `seenFrom`, the tenant.

        Args:
            account: The account.
            tenant: The only directory to search; empty for all of which they are a member or guest.
        """
        from hol_wizard.services.arm import ArmClient

        def of_tenant(one: str) -> ArmClient:
            shared = transport.make_transport(self.endpoints, self._connect())
            return ArmClient(self.endpoints, _Member(self, account, one), shared)

        described: Sequence[Mapping[str, Any]] = [{"tenantId": tenant}]
        if not tenant:
            described = of_tenant(account.tenant).list("/tenants")

        left_out: list[LeftOut] = []

        def listed(directory: Mapping[str, Any]) -> list[Document]:
            one = str(directory["tenantId"])
            try:
                found = of_tenant(one).list("/subscriptions")
            except SignInError as error:
                if len(described) == 1:
                    raise
                # A directory that requires a second factor does not hide the subscriptions of the others.
                name = str(directory.get("displayName") or directory.get("defaultDomain") or one)
                logger.info("directory %s is left out: %s", one, error.message)
                left_out.append(LeftOut(name, one, error.message))
                return []
            source = f"{error_rules.NAMES['arm']} (GET subscriptions)"
            return [Document({**each, "seenFrom": one}, source) for each in found]

        with ThreadPoolExecutor(8) as pool:
            pages = list(pool.map(listed, described))
        self.left_out = tuple(sorted(left_out, key=lambda each: each.name))
        first: dict[str, Document] = {}
        for each in (each for page in pages for each in page):
            first.setdefault(str(each["subscriptionId"]).lower(), each)
        return list(first.values())

    # Tokens

    def token(self, audience: str, *, tenant: str = "", claims: str = "", rejected: Token | None = None) -> Token:
        """Return a token for a service.

        Args:
            audience: The service's identifier, such as `https://management.core.windows.net/`.
            tenant: Directory; empty for the account's own.
            claims: The claims that the service requested in a challenge.
            rejected: The token that the service did not accept; a new one is obtained silently.

        Raises:
            SignInError: Nobody is signed in, or the sign-in is no longer valid.
            UnreachableError: The sign-in service does not respond.
        """
        return self._token(self._required_account(), audience, tenant, claims=claims, rejected=rejected)

    def _token(
        self, account: Account, audience: str, tenant: str, *, claims: str = "", rejected: Token | None = None
    ) -> Token:
        tenant = tenant or account.tenant
        key = (account.user, tenant, audience)

        def known() -> Token | None:
            found = self._tokens.get(key)
            return found if found and found.fresh and found is not rejected and (rejected or not claims) else None

        if found := known():
            return found
        with self._asking:
            if found := known():
                # Another thread has obtained one in the meantime.
                return found
            with self._plain_errors(tenant, account.user):
                token = self._ask(account, audience, tenant, claims, fresh=rejected is not None)
            self._tokens[key] = token
            return token

    def _ask(self, account: Account, audience: str, tenant: str, claims: str, *, fresh: bool) -> Token:
        scope = f"{audience}/.default"
        if self.from_environment:
            if fresh:
                # azure-identity would return the rejected one again from its cache.
                self.__dict__.pop("_environment_credential", None)
            given = self._environment_credential.get_token(scope, **({"claims": claims} if claims else {}))
            return Token(Secret.hidden(given.token), float(given.expires_on))
        kind = "servicePrincipal" if account.service_principal else "user"
        answer = self._az.ask(account.user, kind, tenant, scope, fresh=fresh, claims=claims)
        told = Document(answer, SIGN_IN)
        return Token(Secret.hidden(str(told["access_token"])), time.time() + told.number("expires_in"))

    @cached_property
    def _environment_credential(self) -> Any:
        from azure.identity import CertificateCredential, ClientSecretCredential, WorkloadIdentityCredential

        tenant, client = self._environ["AZURE_TENANT_ID"], self._environ["AZURE_CLIENT_ID"]
        more: dict[str, Any] = {
            "authority": self.endpoints.active_directory,
            "disable_instance_discovery": not self.endpoints.instance_discovery,
            "transport": transport.make_transport(self.endpoints, self._connect_judged()),
            "retry_policy_class": lambda **options: transport.retries(),
        }
        if secret := self._environ.get("AZURE_CLIENT_SECRET"):
            return ClientSecretCredential(tenant, client, secret, **more)
        if certificate := self._environ.get("AZURE_CLIENT_CERTIFICATE_PATH"):
            password = self._environ.get("AZURE_CLIENT_CERTIFICATE_PASSWORD")
            return CertificateCredential(tenant, client, certificate, password=password, **more)
        file = self._environ["AZURE_FEDERATED_TOKEN_FILE"]
        return WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=file, **more)

    def credential(self, audience: str) -> Credential:
        """Return the credential of an SDK for this service."""
        return Credential(self, audience)

    # Signing in and out

    def preferred_method(self) -> str:
        """Return `browser` if this machine can show one to the person, otherwise `device`."""
        if not self.endpoints.browser_sign_in:
            return "device"
        if any(self._environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "CODESPACES")):
            return "device"
        shown = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
        if sys.platform.startswith("linux") and not any(self._environ.get(name) for name in shown):
            # Otherwise a text browser would be found, which would take over the terminal.
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
        """Sign in a person, also for the Azure CLI.

        A person without a subscription is signed in, too; the account then has none.

        Args:
            method: `browser` or `device`.
            tenant: Directory to sign in to; empty for the person's own.
            prompt: Called with what the person must do, for a device code.
            cancelled: Set by another thread to give up.

        Raises:
            UsageError: The environment names a service principal, there is no such method, or a file of the Azure CLI's
                is damaged.
            SignInError: It was refused.
            UnreachableError: The sign-in service, or Resource Manager, does not respond.
            CancelledByUserError: It was canceled.
        """
        if self.from_environment:
            raise UsageError(
                "The environment names a service principal, so nobody else can sign in.",
                f"Unset {', '.join(_VARIABLES)} to sign in as yourself.",
            )
        if method not in {"browser", "device"}:
            raise UsageError(f"There is no way to sign in called `{method}`.", "There are: browser, device.")
        scopes = [f"{self.endpoints.management_audience}/.default"]
        with self._plain_errors(tenant):
            self._az.repair()
            application = self._az.identity(tenant)._msal_app
            # Check first, so that nobody types a useless code.
            self._az.verify(application)
            if method == "device":
                claims = _device_flow(application, scopes, prompt, cancelled, lambda code: self._approve(code=code))
            else:
                _announce(application, lambda address: self._approve(address=address))
                claims = _browser_flow(application, scopes, cancelled)
        user = str(claims.get("preferred_username") or claims["upn"])
        home = tenant or str(claims["tid"])
        found = self._visible(Account(user, home, ""), tenant)
        self._tokens.clear()
        with self._plain_errors(tenant, user):
            self._az.save(user, found, home)
        return self._required_account()

    def _approve(self, **sign_in: str) -> None:
        """Approve a sign-in that was started here, if the cloud has an address for that.

        A refusal is not an error: the sign-in then keeps waiting, and its page says how a person approves it.

        Args:
            sign_in: `code`, as the person would type it; or `address`, as the browser will open it.
        """
        approval = self.endpoints.approval
        if approval is None:
            return
        answer = self._tell(approval, sign_in)
        if not answer.ok:
            logger.warning("the sign-in was not approved: status %d", answer.status_code)

    def run_plan(
        self, organization: str, project: str, pipeline: Mapping[str, object], branch: str, commit: str
    ) -> dict[str, Any]:
        """Return what a run would do on this machine, with the `digest` to agree to; empty if pipelines run elsewhere.

        Args:
            organization: The Azure DevOps organization.
            project: Name of the project.
            pipeline: `pipeline`, its ID; or `name` and `file` of one that is yet to be created.
            branch: Without `refs/heads/`.
            commit: Full ID of a commit of the branch.

        Raises:
            ServiceError: The pipeline cannot run; the message is the service's.
        """
        place = self.endpoints.runs_consent
        if place is None:
            return {}
        wanted = {"organization": organization, "project": project, **pipeline}
        answer = self._tell(
            replace(place, address=f"{place.address}/plan"), {**wanted, "branch": branch, "commit": commit}
        )
        body: dict[str, Any] = answer.json()
        if not answer.ok:
            raise ServiceError(f"The pipeline cannot run: {body.get('error', answer.status_code)}", "Correct its file.")
        return body

    def consent_to_run(self, digest: str) -> None:
        """Record that the person agrees that what was shown with a digest runs on this machine.

        Does nothing if pipelines run elsewhere.

        Args:
            digest: SHA-256 of what was shown.

        Raises:
            ServiceError: It was not recorded.
        """
        place = self.endpoints.runs_consent
        if place is None:
            return
        answer = self._tell(place, {"digest": digest})
        if not answer.ok:
            raise ServiceError(f"The consent was not recorded (HTTP {answer.status_code}).", "Try again.")

    def _tell(self, approval: Approval, body: Mapping[str, Any]) -> requests.Response:
        """Send what the person agrees to."""
        headers = {"Authorization": f"Bearer {approval.token.reveal()}"}
        return self._connect().post(approval.address, json=body, headers=headers)

    def select_subscription(self, subscription: str) -> None:
        """Make a subscription the session's default, as `az account set` does.

        Raises:
            UsageError: The account does not see it.
        """
        if self.from_environment:
            return
        account = self._required_account()
        if subscription.lower() not in {each["id"].lower() for each in self._az.entries()}:
            found = self._visible(account)
            if subscription.lower() not in {str(each["subscriptionId"]).lower() for each in found}:
                raise UsageError(
                    f"{account.user} does not see the subscription {subscription}.",
                    "Choose another, or sign in with another account or directory.",
                )
            self._az.save(account.user, found, account.tenant)
        with self._plain_errors():
            self._az.select(subscription)

    def sign_out(self) -> None:
        """Sign the account out, also for the Azure CLI; does nothing if nobody is signed in."""
        account = self.account()
        if account is None or self.from_environment:
            return
        kind = "servicePrincipal" if account.service_principal else "user"
        with self._plain_errors(account.tenant, account.user):
            self._az.forget(account.user, kind, account.tenant)
        self._tokens.clear()

    @contextmanager
    def _plain_errors(self, tenant: str = "", user: str = "") -> Iterator[None]:
        """Turn errors of azure-cli-core, azure-identity, MSAL and requests into this project's."""
        import requests
        from azure.core.exceptions import AzureError, ServiceRequestError, ServiceResponseError
        from knack.util import CLIError
        from msal_extensions.token_cache import LockError  # type: ignore[import-untyped] # has no types

        host = self.endpoints.active_directory.partition("//")[2]
        try:
            yield
        except LockError as error:
            raise InconclusiveError(
                "Another program holds the sign-in that the wizard shares with the Azure CLI.",
                f"Let the other `az` or hol-wizard end, or end it, then try again. The file is in {self._az.folder}.",
                detail=str(error),
            ) from error
        except (requests.RequestException, ServiceRequestError, ServiceResponseError) as error:
            raise transport.unreachable(error, host) from error
        except (CLIError, AzureError, ValueError, OSError) as error:
            # ValueError: MSAL finds no such directory. OSError: a certificate, a token file or the cache is unreadable.
            cause = sign_in_answers.cause_of(error)
            if isinstance(cause, WizardError):
                raise cause from error
            if cause is not error:
                raise transport.unreachable(cause, host) from error
            logger.info("sign-in: %s", type(error).__name__)
            raise error_rules.of_sign_in(str(error), tenant=tenant, thing=user) from error


class _Member:
    """The tokens of one account in one directory, for the client that lists its subscriptions."""

    def __init__(self, identity: Identity, account: Account, tenant: str) -> None:
        self._identity = identity
        self._account = account
        self._tenant = tenant

    def token(self, audience: str, *, tenant: str = "", claims: str = "", rejected: Token | None = None) -> Token:
        """Return a token of this directory."""
        del tenant
        return self._identity._token(self._account, audience, self._tenant, claims=claims, rejected=rejected)

    def tenant_of(self, subscription: str) -> str:
        """Return this directory."""
        del subscription
        return self._tenant


def _device_flow(
    application: Any,
    scopes: Sequence[str],
    prompt: Callable[[DevicePrompt], None],
    cancelled: threading.Event,
    approve: Callable[[str], None],
) -> Mapping[str, Any]:
    flow = application.initiate_device_flow(list(scopes))
    if "user_code" not in flow:
        raise error_rules.of_sign_in(f"{flow.get('error', '')} {flow.get('error_description', '')}".strip())
    uri = str(flow.get("verification_uri") or flow.get("verification_url"))
    plain = f"Open {uri} on any device and type the code {flow['user_code']}."
    prompt(DevicePrompt(uri, flow["user_code"], str(flow.get("message") or plain)))
    approve(str(flow["user_code"]))
    while True:
        result = application.acquire_token_by_device_flow(flow, exit_condition=lambda flow: True)
        if result.get("error") not in {"authorization_pending", "slow_down"}:
            return _claims(result)
        if flow["expires_at"] < time.time():
            return _claims({"error": "expired_token"})
        if cancelled.wait(float(flow.get("interval", 5))):
            raise _given_up()


def _announce(application: Any, approve: Callable[[str], None]) -> None:
    """Approve the address that MSAL will open in the browser."""
    client = application.client
    begin = client.initiate_auth_code_flow

    def begin_approved(*args: Any, **named: Any) -> Any:
        flow = begin(*args, **named)
        approve(str(flow["auth_uri"]))
        return flow

    client.initiate_auth_code_flow = begin_approved


def _browser_flow(application: Any, scopes: Sequence[str], cancelled: threading.Event) -> Mapping[str, Any]:
    """Wait for the browser on a thread that can be abandoned, because MSAL's wait cannot be canceled."""
    from azure.cli.core.auth.util import read_response_templates

    success, failure = read_response_templates()
    outcome: dict[str, Any] = {}
    done = threading.Event()

    def sign_in() -> None:
        try:
            outcome["result"] = application.acquire_token_interactive(
                list(scopes),
                prompt="select_account",
                timeout=BROWSER_SECONDS,
                success_template=success,
                error_template=failure,
                parent_window_handle=application.CONSOLE_WINDOW_HANDLE,
                enable_msa_passthrough=True,
            )
        except Exception as error:  # noqa: BLE001 handed to the thread that waits, which raises it again
            outcome["error"] = error
        finally:
            done.set()

    threading.Thread(target=sign_in, name="browser sign-in", daemon=True).start()
    while not done.wait(0.2):
        if cancelled.is_set():
            raise _given_up()
    if "error" in outcome:
        raise outcome["error"]
    return _claims(outcome.get("result") or {"error": "expired_token"})


def _given_up() -> CancelledByUserError:
    return CancelledByUserError("The sign-in was given up.", "Sign in when you are ready.")


def _claims(result: Mapping[str, Any]) -> Mapping[str, Any]:
    if "access_token" not in result:
        raise error_rules.of_sign_in(f"{result.get('error', '')} {result.get('error_description', '')}".strip())
    return Document(result.get("id_token_claims") or {}, SIGN_IN)
