"""What is used of azure-cli-core and MSAL beyond their public face: an upgrade breaks these tests, not an attendee."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msal_extensions import FilePersistence  # type: ignore[import-untyped] # has no types

from hol_wizard.errors import UsageError
from hol_wizard.services.az_session import (
    drop_stale_lock,
    lock_in_one_order,
    refuse_what_is_no_cache,
    replace_when_saving,
)


def parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def test_the_session_file_is_written_through_these() -> None:
    from azure.cli.core._profile import Profile
    from azure.cli.core._session import ACCOUNT

    assert {"cli_ctx"} <= parameters(Profile.__init__)
    assert list(inspect.signature(Profile._normalize_properties).parameters)[1:4] == [
        "user",
        "subscriptions",
        "is_service_principal",
    ]
    assert {"new_subscriptions"} <= parameters(Profile._set_subscriptions)
    assert {"subscription"} <= parameters(Profile.set_active_subscription)
    assert {"all_clouds"} <= parameters(Profile.load_cached_subscriptions)
    assert {"sdk_credential"} <= parameters(Profile.get_login_credentials)
    assert {"filename"} <= parameters(ACCOUNT.load)


def test_a_person_signs_in_through_these() -> None:
    from azure.cli.core.auth.identity import Identity

    wanted = {
        "authority",
        "tenant_id",
        "encrypt",
        "use_msal_http_cache",
        "enable_broker_on_windows",
        "enable_broker_on_mac",
        "instance_discovery",
    }
    assert wanted <= parameters(Identity.__init__)
    assert isinstance(inspect.getattr_static(Identity, "_msal_app_kwargs"), property)
    assert isinstance(inspect.getattr_static(Identity, "_msal_app"), property)
    for name in ("_msal_token_cache", "_msal_http_cache", "_service_principal_store_instance"):
        assert hasattr(Identity, name), f"{name} is no longer a class attribute that can be reset"
    for name in (
        "get_user_credential",
        "get_service_principal_credential",
        "logout_user",
        "logout_service_principal",
    ):
        assert callable(getattr(Identity, name))


def test_the_identity_hands_its_arguments_to_msal(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from azure.cli.core.auth import identity as module

    given: dict[str, Any] = {}

    class Application:
        def __init__(self, client_id: str, **named: Any) -> None:
            given.update(named)

    class Ours(module.Identity):  # type: ignore[misc] # azure-cli-core has no types
        @property
        def _msal_app_kwargs(self) -> dict[str, Any]:
            return {**super()._msal_app_kwargs, "http_client": "ours"}

    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr(module, "PublicClientApplication", Application)
    for name in ("_msal_token_cache", "_msal_http_cache"):
        monkeypatch.setattr(module.Identity, name, None)
    assert isinstance(Ours("https://login.example", instance_discovery=False)._msal_app, Application)
    assert given["http_client"] == "ours"
    assert given["instance_discovery"] is False
    assert given["authority"] == "https://login.example/organizations"


def test_msal_takes_our_connections_and_gives_these_flows() -> None:
    import msal  # type: ignore[import-untyped] # it ships no types
    from msal.oauth2cli.oauth2 import Client  # type: ignore[import-untyped] # it ships no types

    application = msal.PublicClientApplication
    assert {"http_client", "http_cache", "token_cache", "instance_discovery"} <= parameters(
        msal.ClientApplication.__init__
    )
    assert "scopes" in parameters(application.initiate_device_flow)
    assert "flow" in parameters(application.acquire_token_by_device_flow)
    assert "exit_condition" in parameters(Client.obtain_token_by_device_flow)
    assert {"prompt", "timeout", "parent_window_handle"} <= parameters(application.acquire_token_interactive)
    assert hasattr(application, "CONSOLE_WINDOW_HANDLE")
    assert {"force_refresh", "claims_challenge"} <= parameters(application.acquire_token_silent_with_error)


def test_credentials_hand_force_refresh_through() -> None:
    from azure.cli.core.auth.msal_credentials import ServicePrincipalCredential, UserCredential

    for kind in (UserCredential, ServicePrincipalCredential):
        signature = inspect.signature(kind.acquire_token)
        assert "scopes" in signature.parameters
        assert any(each.kind is each.VAR_KEYWORD for each in signature.parameters.values())


def test_sessions_of_other_ports_are_found_again_because_the_cache_knows_hosts_only() -> None:
    from msal.authority import canonicalize  # type: ignore[import-untyped] # it ships no types

    assert canonicalize("https://127.0.0.1:4711/organizations")[1] == "127.0.0.1"


def test_clouds_are_entered_through_these() -> None:
    from azure.cli.core import cloud
    from knack.config import CLIConfig

    for name in ("CLOUD_CONFIG_FILE", "GLOBAL_CONFIG_DIR", "KNOWN_CLOUDS"):
        assert hasattr(cloud, name)
    assert {"cloud", "overwrite"} <= parameters(cloud._save_cloud)
    assert {"config", "cloud"} <= parameters(cloud._config_add_cloud)
    assert {"config_dir", "config_env_var_prefix"} <= parameters(CLIConfig.__init__)
    assert "_config_file_chain" in inspect.getsource(CLIConfig.__init__)
    assert {"AzureCloud", "AzureUSGovernment", "AzureChinaCloud"} <= {each.name for each in cloud.KNOWN_CLOUDS}


def test_the_small_helpers_are_where_they_were() -> None:
    from azure.cli.core.auth.util import read_response_templates
    from azure.cli.core.util import can_launch_browser, should_encrypt_token_cache

    assert all(isinstance(page, str) for page in read_response_templates())
    assert callable(can_launch_browser)
    assert callable(should_encrypt_token_cache)


@pytest.mark.slow
def test_a_file_of_tokens_is_whole_at_every_moment(tmp_path: Path) -> None:
    file = tmp_path / "msal_token_cache.json"
    persistence = FilePersistence(str(file))
    replace_when_saving(persistence)
    contents = [json.dumps({"AccessToken": {str(number): "x" * 200_000}}) for number in range(2)]
    persistence.save(contents[0])
    over = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not over.is_set():
            seen.add(persistence.load())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(300):
        persistence.save(contents[number % 2])
    over.set()
    reader.join()
    assert seen <= set(contents)
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o077 == 0


def test_a_lock_that_a_killed_process_has_left_is_no_lock(tmp_path: Path) -> None:
    file = tmp_path / "msal_token_cache.json.lockfile"
    code = (
        "import sys, time\nfrom msal_extensions import CrossPlatLock\n"
        f"lock = CrossPlatLock({str(file)!r})\nheld = lock.__enter__()\nprint('held', flush=True)\ntime.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    drop_stale_lock(file)
    assert file.exists()
    holder.kill()
    holder.communicate()
    assert file.exists()
    drop_stale_lock(file)
    assert not file.exists()
    drop_stale_lock(file)


def test_two_threads_that_change_tokens_do_not_wait_for_each_other(tmp_path: Path) -> None:
    from azure.cli.core.auth.persistence import load_persisted_token_cache

    cache = load_persisted_token_cache(str(tmp_path / "tokens"), encrypt=False)
    lock_in_one_order(cache)
    adding, look = threading.Event(), cache._persistence.time_last_modified

    def slowly() -> float:
        # The file is locked here; a thread that adds a token at this moment would hold the lock of the cache.
        adding.wait(0.3)
        return float(look())

    cache._persistence.time_last_modified = slowly
    old = {"home_account_id": "a", "environment": "b", "credential_type": "RefreshToken", "client_id": "c"}

    def add() -> None:
        with cache._lock:
            adding.set()
            cache.modify("RefreshToken", {**old, "home_account_id": "d"}, {"secret": "added"})

    with ThreadPoolExecutor(2) as pool:
        replaced = pool.submit(cache.update_rt, {**old, "secret": "old"}, "new")
        time.sleep(0.1)
        added = pool.submit(add)
        assert (replaced.result(), added.result()) == (None, None)
    assert {each["secret"] for each in cache.search("RefreshToken")} == {"new", "added"}


@pytest.mark.parametrize(
    "content",
    [b"<html>", b"[1]", b"\0\0", b"\xff\xfe", b"[" * 100_000, b'{"AccessToken": 7}', b'{"AccessToken": {"a": 7}}'],
)
def test_a_broken_file_of_tokens_is_named_and_left(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.cli.core.auth.persistence import load_persisted_token_cache

    # MSAL reads a file that it cannot read again, half a second later.
    monkeypatch.setattr("msal_extensions.token_cache.time", SimpleNamespace(sleep=lambda seconds: None, time=time.time))
    cache = load_persisted_token_cache(str(tmp_path / "tokens"), encrypt=False)
    refuse_what_is_no_cache(cache)
    file = tmp_path / "tokens.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=str(file)):
        list(cache.search("RefreshToken"))
    with pytest.raises(UsageError, match=str(file)):
        cache.modify("RefreshToken", {"credential_type": "RefreshToken"}, {"secret": "new"})
    assert file.read_bytes() == content


def test_the_cache_of_tokens_keeps_its_file_through_these(tmp_path: Path) -> None:
    from azure.cli.core.auth.identity import Identity
    from azure.cli.core.auth.persistence import load_persisted_token_cache

    cache = load_persisted_token_cache(str(tmp_path / "msal_token_cache"), encrypt=False)
    assert isinstance(cache._persistence, FilePersistence)
    assert cache._lock_location == f"{cache._persistence.get_location()}.lockfile"
    assert cache._persistence._location == cache._persistence.get_location()
    assert "self._load_msal_token_cache()" in inspect.getsource(Identity._msal_app_kwargs.fget)


def test_the_address_that_the_browser_opens_is_known_before_it_opens() -> None:
    from msal import PublicClientApplication
    from msal.oauth2cli.oauth2 import Client

    assert "self.client.obtain_token_by_browser" in inspect.getsource(PublicClientApplication.acquire_token_interactive)
    text = inspect.getsource(Client._obtain_token_by_browser)
    assert "flow = self.initiate_auth_code_flow(" in text
    assert 'auth_uri=flow["auth_uri"]' in text
