"""The sign-in shared with the Azure CLI: azure-cli-core without its commands and without its `AzCli`.

`AzCli` looks for updates on the internet at its first start and writes to standard error.
`tests/unit/services/test_az_contract.py` verifies everything that is used from azure-cli-core but is not public.
"""

from __future__ import annotations

import configparser
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from hol_wizard.errors import UsageError
from hol_wizard.paths import home_folder
from hol_wizard.services.answers import Document
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.error_rules import SIGN_IN_AGAIN

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

Entry = Mapping[str, Any]
"""One subscription of `azureProfile.json`, with the user who sees it."""

PROFILE_FILE = "azureProfile.json"
TENANT_LEVEL = "N/A(tenant level account)"
"""The Azure CLI's name for the entry of an account without a subscription (`az login --allow-no-subscriptions`)."""

_FOLDER_VARIABLE = "AZURE_CONFIG_DIR"
_process = threading.RLock()
"""azure-cli-core keeps its folder, token cache and profile in module globals, so only one session at a time may use
them."""
_pointed: dict[str, str | None] = {}
"""The folder that this module set in the environment, and the previous value."""


def _folder_of(endpoints: Endpoints) -> Path:
    if endpoints.azure_config_dir is not None:
        return endpoints.azure_config_dir
    here = os.environ.get(_FOLDER_VARIABLE) or None
    if here is not None and here == _pointed.get("to"):
        here = _pointed["from"]
    return Path(here) if here else home_folder() / ".azure"


class _Context:
    """The part of `AzCli` that azure-cli-core's `Profile` needs."""

    def __init__(self, folder: Path, endpoints: Endpoints) -> None:
        from azure.cli.core.cloud import get_cloud
        from knack.config import CLIConfig

        try:
            self.config = CLIConfig(config_dir=str(folder), config_env_var_prefix="AZURE")
        except (configparser.Error, UnicodeDecodeError) as error:
            # An error of form names the file: one in a folder above the working directory counts, too.
            file = Path(getattr(error, "source", "") or folder / "config")
            raise unreadable(file, str(error), ours=endpoints.azure_config_dir is not None) from error
        self.data: dict[str, Any] = {
            "headers": {},
            "command": "hol-wizard",
            "completer_active": False,
            "query_active": False,
            "subscription_id": None,
        }
        if endpoints.azure_config_dir is not None:
            # Otherwise it would search folders of this name above the working directory, as it does with `.azure`.
            self.config._config_file_chain = self.config._config_file_chain[-1:]
            _configure(self, endpoints)
        self.cloud = get_cloud(self, endpoints.session_cloud or endpoints.name)


def _configure(context: _Context, endpoints: Endpoints) -> None:
    """Configure `az` in one of our folders: the cloud, and a sign-in without Microsoft's broker."""
    for section, name, value in (
        ("cloud", "name", endpoints.session_cloud or endpoints.name),
        ("core", "instance_discovery", str(endpoints.instance_discovery).lower()),
        ("core", "enable_broker_on_windows", "false"),
    ):
        if context.config.get(section, name, fallback="") != value:
            context.config.set_value(section, name, value)


def _quieten() -> None:
    """Keep messages of azure-cli-core and MSAL off the screen, and their debug lines, which can contain tokens, out of
    logs."""
    for name in ("cli", "msal", "azure", "urllib3"):
        chatty = logging.getLogger(name)
        if not chatty.handlers:
            # Without a handler, Python writes warnings to standard error.
            chatty.addHandler(logging.NullHandler())
        if chatty.level == logging.NOTSET:
            chatty.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class AzSession:
    """Who is signed in for the Azure CLI, and their tokens; thread-safe.

    Reading the session only reads a file; tokens and changes load azure-cli-core.
    """

    def __init__(self, endpoints: Endpoints, connect: Callable[[], requests.Session]) -> None:
        """Create the object without reading anything.

        Args:
            endpoints: The cloud.
            connect: Returns the requests session to sign in through.
        """
        self._endpoints = endpoints
        self._connect = connect
        self._read: tuple[tuple[int, int], list[Entry]] | None = None
        self._credentials: dict[tuple[str, str], Any] = {}

    # Reading

    @property
    def folder(self) -> Path:
        """Where the Azure CLI keeps the session."""
        return _folder_of(self._endpoints)

    def entries(self) -> Sequence[Entry]:
        """Return the subscriptions of this cloud in the Azure CLI's session, with their users.

        The file is read again if it has changed: `az login` in another window takes effect immediately.

        Raises:
            UsageError: The person has no access to the file.
        """
        path = self.folder / PROFILE_FILE
        try:
            state = path.stat()
            stamp = (state.st_mtime_ns, state.st_size)
            if self._read is None or self._read[0] != stamp:
                # The Azure CLI writes a byte order mark.
                document = json.loads(path.read_text(encoding="utf-8-sig"))
                found = [each for each in document.get("subscriptions") or () if _is_entry(each)]
                self._read = (stamp, found)
        except FileNotFoundError:
            return ()
        except PermissionError as error:
            # Not "nobody": after `sudo az`, the folder can belong to root.
            raise UsageError(
                f"The Azure CLI's file {path} cannot be read: {error.strerror or error}.",
                f"Its folder must belong to you. Run: sudo chown -R \"$(id -un)\" '{self.folder}'",
            ) from error
        except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
            logger.warning("%s cannot be read, so nobody is signed in: %s", path, error)
            return ()
        cloud = self._endpoints.session_cloud or self._endpoints.name
        return [each for each in self._read[1] if each["environmentName"] == cloud]

    def current(self) -> Entry | None:
        """Return the default entry; None if nobody is signed in."""
        known = self.entries()
        return next((each for each in known if each.get("isDefault")), known[0] if known else None)

    # Tokens

    def ask(self, user: str, kind: str, tenant: str, scope: str, *, fresh: bool = False, claims: str = "") -> Any:
        """Return MSAL's response with a token.

        Args:
            user: Sign-in name, or a service principal's application ID.
            kind: `user` or `servicePrincipal`, as in the entry.
            tenant: Directory.
            scope: The token's scope.
            fresh: Whether to ignore the cache.
            claims: A service's challenge.

        Raises:
            Exception: Any exception of azure-cli-core, MSAL and requests.
        """
        credential = self._credential(user, kind, tenant)
        more: dict[str, Any] = {"claims_challenge": claims} if claims else {}
        if fresh and kind == "user":
            more["force_refresh"] = True
        return credential.acquire_token([scope], **more)

    def _credential(self, user: str, kind: str, tenant: str) -> Any:
        key = (user, tenant)
        with _process:
            if key not in self._credentials:
                if kind == "servicePrincipal" and user in {"systemAssignedIdentity", "userAssignedIdentity"}:
                    with self._profile() as profile:
                        made, _, _ = profile.get_login_credentials(sdk_credential=False)
                else:
                    identity = self.identity(tenant)
                    made = (
                        identity.get_service_principal_credential(user)
                        if kind == "servicePrincipal"
                        else identity.get_user_credential(user)
                    )
                self._credentials[key] = made
            return self._credentials[key]

    def identity(self, tenant: str = "") -> Any:
        """Return azure-cli-core's `Identity` for a directory, or for the person's own directory if it is empty."""
        with self._at() as context:
            from azure.cli.core.auth.identity import Identity
            from azure.cli.core.util import should_encrypt_token_cache

            connect, ours = self._connect, self._endpoints.azure_config_dir is not None

            class ConnectedIdentity(Identity):  # type: ignore[misc] # azure-cli-core has no types
                """Uses our connections: MSAL's have no timeout and no other certificates."""

                @property
                def _msal_app_kwargs(self) -> dict[str, Any]:
                    return {**super()._msal_app_kwargs, "http_client": connect()}

                def _load_msal_token_cache(self) -> Any:
                    cache = super()._load_msal_token_cache()
                    drop_stale_lock(Path(cache._lock_location))
                    replace_when_saving(cache._persistence)
                    lock_in_one_order(cache)
                    refuse_what_is_no_cache(cache, ours=ours)
                    return cache

            switch = context.config.getboolean
            return ConnectedIdentity(
                self._endpoints.session_authority or self._endpoints.active_directory,
                tenant_id=tenant or None,
                encrypt=should_encrypt_token_cache(context),
                use_msal_http_cache=switch("core", "use_msal_http_cache", fallback=True),
                enable_broker_on_windows=switch("core", "enable_broker_on_windows", fallback=True),
                enable_broker_on_mac=switch("core", "enable_broker_on_mac", fallback=False),
                instance_discovery=self._endpoints.instance_discovery
                and switch("core", "instance_discovery", fallback=True),
            )

    # Changing

    def repair(self) -> None:
        """Move damaged files of the practice cloud's own folder aside; the person's own files are left as they are."""
        if self._endpoints.azure_config_dir is None:
            return
        with _process:
            broken = [file for name in _FILES if _is_damaged(file := self.folder / name)]
            for file in broken:
                logger.warning("%s is damaged, so it is moved aside", file)
                file.replace(file.with_name(f"{file.name}.damaged"))
            identity = sys.modules.get("azure.cli.core.auth.identity")
            if broken and identity is not None:
                identity.Identity._msal_token_cache = None
                identity.Identity._service_principal_store_instance = None
                self._credentials.clear()

    def verify_profile(self) -> None:
        """Return if the person's own file of subscriptions can be read; a sign-in replaces one of the practice cloud.

        Raises:
            UsageError: It cannot be read. It names nobody, and a sign-in would not help.
        """
        if self._endpoints.azure_config_dir is None:
            _verify_profile(self.folder / PROFILE_FILE)

    def verify(self, application: Any) -> None:
        """Return if all of the session's files can be read.

        Args:
            application: MSAL's application that is about to sign somebody in.

        Raises:
            UsageError: One is damaged.
        """
        _verify_profile(self.folder / PROFILE_FILE)
        application.get_accounts()

    def save(self, user: str, subscriptions: Sequence[Document], tenant: str) -> None:
        """Save a person and the subscriptions that they see, as `az login` does.

        Args:
            user: Sign-in name.
            subscriptions: Resource Manager's documents, each with `seenFrom`, the tenant in which it was found.
            tenant: The person's own directory, used if they see no subscription.
        """
        found = [_as_azure_cli_has_it(each) for each in subscriptions] or [
            SimpleNamespace(id=f"/subscriptions/{tenant}", display_name=TENANT_LEVEL, state="Enabled", tenant_id=tenant)
        ]
        with self._profile() as profile:
            profile._set_subscriptions(profile._normalize_properties(user, found, False))
        self._credentials.clear()

    def select(self, subscription: str) -> None:
        """Make a subscription the default, as `az account set` does.

        Raises:
            CLIError: It is not among the entries.
        """
        with self._profile() as profile:
            profile.set_active_subscription(subscription)

    def forget(self, user: str, kind: str, tenant: str) -> None:
        """Sign somebody out, as `az logout` does."""
        identity = self.identity(tenant)
        if kind == "servicePrincipal":
            identity.logout_service_principal(user)
        else:
            identity.logout_user(user)
        with self._profile() as profile:
            from azure.cli.core._session import ACCOUNT

            ACCOUNT["subscriptions"] = [
                each
                for each in profile.load_cached_subscriptions(all_clouds=True)
                if each["user"]["name"].lower() != user.lower()
            ]
        self._credentials.clear()

    @contextmanager
    def _profile(self) -> Iterator[Any]:
        with self._at() as context:
            from azure.cli.core._profile import Profile
            from azure.cli.core._session import ACCOUNT

            _verify_profile(self.folder / PROFILE_FILE)
            ACCOUNT.load(str(self.folder / PROFILE_FILE))
            yield Profile(cli_ctx=context)

    @contextmanager
    def _at(self) -> Iterator[_Context]:
        """Point azure-cli-core at this session's folder."""
        with _process:
            folder = self.folder
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._endpoints.azure_config_dir is not None and os.environ.get(_FOLDER_VARIABLE) != str(folder):
                # azure-cli-core reads it when it is imported, and so does `az` in the attendee's shell.
                _pointed.setdefault("from", os.environ.get(_FOLDER_VARIABLE) or None)
                _pointed["to"] = str(folder)
                os.environ[_FOLDER_VARIABLE] = str(folder)
            os.environ.setdefault("AZURE_CORE_COLLECT_TELEMETRY", "false")
            _quieten()
            from azure.cli.core import cloud as clouds
            from azure.cli.core.auth.identity import Identity

            file = str(folder / "clouds.config")
            if file != clouds.CLOUD_CONFIG_FILE:
                clouds.GLOBAL_CONFIG_DIR, clouds.CLOUD_CONFIG_FILE = str(folder), file
                Identity._msal_token_cache = None
                Identity._msal_http_cache = None
                Identity._service_principal_store_instance = None
            yield _Context(folder, self._endpoints)


def unreadable(file: Path, why: str, *, ours: bool = False) -> UsageError:
    """Return the error that a file of the Azure CLI's is damaged; it is left as it is.

    Args:
        file: Its path.
        why: What is wrong with it.
        ours: Whether it is in the practice cloud's own folder, where a sign-in replaces it.
    """
    return UsageError(
        f"The Azure CLI's file {file} cannot be read.",
        SIGN_IN_AGAIN
        if ours
        else f"It is left as it is. Rename it, then {SIGN_IN_AGAIN[0].lower()}{SIGN_IN_AGAIN[1:]}",
        detail=why[:500],
    )


TOKENS_FILE: Final = "msal_token_cache.json"
_FILES: Final = (PROFILE_FILE, TOKENS_FILE, "service_principal_entries.json", "config", "clouds.config")
"""Files of the Azure CLI that stop it if they are damaged (azure-cli-core, `_session.py` and `auth/identity.py`)."""


def _is_damaged(file: Path) -> bool:
    """Return whether a file of the Azure CLI exists, but not in the form in which it is read."""
    try:
        if file.name == PROFILE_FILE:
            _verify_profile(file)
        elif file.suffix == ".json":
            told = json.loads(file.read_text(encoding="utf-8"))
            return not (_are_tokens(told) if file.name == TOKENS_FILE else _are_service_principals(told))
        else:
            configparser.ConfigParser(interpolation=None).read_string(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    except (UsageError, configparser.Error, ValueError, RecursionError):
        return True
    return False


def _are_tokens(told: Any) -> bool:
    kinds = told.values() if isinstance(told, dict) else (None,)
    return all(isinstance(kind, dict) and all(isinstance(each, dict) for each in kind.values()) for kind in kinds)


def _are_service_principals(told: Any) -> bool:
    return isinstance(told, list) and all(isinstance(each, dict) for each in told)


def _verify_profile(file: Path) -> None:
    """Return if azure-cli-core can read the file of subscriptions; it replaces one that it cannot read by an empty one.

    Raises:
        UsageError: It cannot.
    """
    try:
        told = json.loads(file.read_text(encoding="utf-8-sig"))
        fits = isinstance(told, dict) and all(map(_is_entry, told.get("subscriptions") or ()))
    except FileNotFoundError:
        return
    except (ValueError, TypeError, RecursionError) as error:
        raise unreadable(file, str(error)) from error
    if not fits:
        raise unreadable(file, "It contains something other than subscriptions.")


def refuse_what_is_no_cache(cache: Any, *, ours: bool = False) -> None:
    """Have a cache of tokens say that its file is damaged, rather than fail at the first look into it.

    Args:
        cache: msal-extensions' `PersistedTokenCache`.
        ours: Whether the file is in the practice cloud's own folder.
    """
    reload, file = cache._reload_if_necessary, Path(cache._persistence.get_location())

    def checked() -> None:
        try:
            reload()
        except (ValueError, RecursionError) as error:
            raise unreadable(file, str(error), ours=ours) from error
        if not _are_tokens(cache._cache):
            raise unreadable(file, "It contains something other than tokens.", ours=ours)

    cache._reload_if_necessary = checked


def drop_stale_lock(file: Path) -> None:
    """Remove a lock file of msal-extensions that nobody holds, which a killed process has left behind.

    Otherwise, every process would wait five seconds for it before it continues.

    Args:
        file: The lock file.
    """
    from filelock import FileLock, Timeout

    if not file.exists():
        return
    try:
        with FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
    except (Timeout, OSError):
        # Somebody holds it, or (on Windows) it disappears when it is released.
        return


def lock_in_one_order(cache: Any) -> None:
    """Make a token cache take its own lock before that of its file, for every change.

    MSAL adds tokens with its own lock held, and replaces or removes one without it: two threads then wait for each
    other until the lock of the file is given up after ten seconds.

    Args:
        cache: msal-extensions' `PersistedTokenCache`.
    """
    modify = cache.modify

    def in_order(*args: Any, **named: Any) -> None:
        with cache._lock:
            modify(*args, **named)

    cache.modify = in_order


def replace_when_saving(persistence: Any) -> None:
    """Make msal-extensions replace the file of tokens instead of overwriting it.

    msal-extensions empties the file first: after a kill at that moment, the person had to sign in again, and a process
    that read the file at that moment had to wait.

    Args:
        persistence: The object of msal-extensions; it is changed only if it uses a file.
    """
    from msal_extensions import FilePersistence  # type: ignore[import-untyped] # has no types

    if not isinstance(persistence, FilePersistence):
        return
    # A link remains a link.
    location = Path(os.path.realpath(persistence.get_location()))
    beside, write_over = copy(persistence), persistence.save

    def save(content: str) -> None:
        # An unused name: a file of somebody else is never overwritten, and no link is followed.
        draft = location.with_name(f".{os.urandom(6).hex()}.draft")
        beside._location = str(draft)
        try:
            beside.save(content)
            draft.replace(location)
        except PermissionError:
            # Windows: another program has it open at this moment.
            write_over(content)
        finally:
            draft.unlink(missing_ok=True)

    persistence.save = save


def _is_entry(each: Any) -> bool:
    return (
        isinstance(each, dict)
        and all(isinstance(each.get(name), str) for name in ("id", "name", "tenantId", "environmentName"))
        and isinstance(each.get("user"), dict)
        and isinstance(each["user"].get("name"), str)
    )


def _as_azure_cli_has_it(document: Document) -> SimpleNamespace:
    managers = document.objects("managedByTenants") if document.get("managedByTenants") else ()
    return SimpleNamespace(
        id=document["id"],
        display_name=document.get("displayName", ""),
        state=document.get("state", ""),
        tenant_id=document["seenFrom"],
        home_tenant_id=document.get("tenantId", document["seenFrom"]),
        managed_by_tenants=[SimpleNamespace(tenant_id=each.get("tenantId")) for each in managers],
    )
