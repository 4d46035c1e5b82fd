from __future__ import annotations

import json
import logging
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.errors import CancelledByUserError, SignInError, UnreachableError, UsageError
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.error_rules import of_sign_in
from hol_wizard.services.identity import Account, DevicePrompt, Identity
from tests.practice_cloud import PracticeCloud


def folder(services: Services) -> Path:
    assert services.endpoints.azure_config_dir is not None
    return services.endpoints.azure_config_dir


def az_sees(services: Services) -> Any:
    """Return azure-cli-core's own view of the session, as `az account show` gives it."""
    from azure.cli.core._profile import Profile
    from azure.cli.core._session import ACCOUNT
    from azure.cli.core.cloud import get_active_cloud
    from knack.config import CLIConfig

    class Context:
        data: dict[str, Any] = {"headers": {}, "command": "az", "subscription_id": None}  # noqa: RUF012 as AzCli has it
        config = CLIConfig(config_dir=str(folder(services)), config_env_var_prefix="AZURE")
        cloud: Any = None

    context = Context()
    ACCOUNT.load(str(folder(services) / "azureProfile.json"))
    context.cloud = get_active_cloud(context)
    return Profile(cli_ctx=context)


def test_a_device_code_signs_in_and_the_azure_cli_sees_it(services: Services, practice_cloud: PracticeCloud) -> None:
    shown: list[DevicePrompt] = []
    account = services.identity.sign_in("device", prompt=shown.append, cancelled=threading.Event())
    assert account.user == practice_cloud.endpoints["defaults"]["user"]
    assert account.subscription == practice_cloud.subscription
    assert len(shown) == 1
    assert shown[0].user_code in shown[0].message
    profile = az_sees(services)
    # Under the services' real names: `az` asks through the practice cloud's proxy.
    assert profile.cli_ctx.cloud.name == "AzureCloud"
    assert profile.get_current_account_user() == account.user
    assert profile.get_subscription_id() == account.subscription
    listed = {each["id"]: each for each in profile.load_cached_subscriptions()}
    assert len(listed) == 2
    assert listed[account.subscription]["homeTenantId"] == account.tenant


def test_the_sign_in_is_there_for_the_next_wizard(services: Services, sign_in: Callable[[], Account]) -> None:
    account = sign_in()
    again = Services(services.endpoints)
    assert again.identity.account() == account
    assert again.arm.get(f"/subscriptions/{account.subscription}")["state"] == "Enabled"


@contextmanager
def another_port(address: str) -> Iterator[str]:
    """Yield the same service's address at another port."""
    there = ("127.0.0.1", int(address.rpartition(":")[2]))

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(there)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=carry, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_the_sign_in_outlives_a_change_of_ports(
    services: Services, sign_in: Callable[[], Account], endpoints: Endpoints
) -> None:
    sign_in()
    with another_port(endpoints.active_directory) as address:
        identity = Identity(replace(endpoints, active_directory=address))
        first = identity.token(endpoints.management_audience)
        second = identity.token(endpoints.management_audience, rejected=first)
        assert first.reveal() != second.reveal()


def test_the_users_own_session_is_left_alone(
    services: Services, sign_in: Callable[[], Account], tmp_path: Path
) -> None:
    sign_in()
    assert not (tmp_path / "home" / ".azure").exists()
    assert (folder(services) / "azureProfile.json").exists()
    assert os.environ["AZURE_CONFIG_DIR"] == str(folder(services))


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_tokens_are_readable_by_their_owner_only(services: Services, sign_in: Callable[[], Account]) -> None:
    sign_in()
    assert stat.S_IMODE(folder(services).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder(services) / "msal_token_cache.json").stat().st_mode) == 0o600


def test_nothing_is_written_to_the_screen_and_no_token_to_the_log(
    services: Services,
    sign_in: Callable[[], Account],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    sign_in()
    token = services.identity.token(services.endpoints.management_audience)
    services.arm.list("/subscriptions")
    assert capfd.readouterr() == ("", "")
    assert token.reveal() not in caplog.text
    cache = json.loads((folder(services) / "msal_token_cache.json").read_text(encoding="utf-8"))
    for entry in cache["RefreshToken"].values():
        assert entry["secret"] not in caplog.text
    assert token.reveal() not in repr(token)


def test_one_sign_in_gives_tokens_for_every_service(services: Services, sign_in: Callable[[], Account]) -> None:
    sign_in()
    places = services.endpoints
    audiences = [
        places.management_audience,
        places.graph_audience,
        places.key_vault_audience,
        places.storage_audience,
        places.databricks_audience,
        places.devops_audience,
    ]
    with ThreadPoolExecutor(6) as pool:
        tokens = list(pool.map(services.identity.token, audiences))
    assert len({token.reveal() for token in tokens}) == 6
    assert services.identity.token(audiences[0]) is tokens[0]
    given = services.identity.credential(places.storage_audience).get_token("ignored")
    assert given.token == tokens[3].reveal()
    assert given.expires_on > time.time()


def test_a_sign_in_is_given_up_at_once(services: Services, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(approval="never")
    cancelled = threading.Event()
    with pytest.raises(CancelledByUserError):
        services.identity.sign_in("device", prompt=lambda prompt: cancelled.set(), cancelled=cancelled)
    assert services.identity.account() is None


def test_a_sign_in_that_is_declined_says_so(services: Services, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(approval="decline")
    with pytest.raises(SignInError, match="declined"):
        services.identity.sign_in("device", prompt=lambda prompt: None, cancelled=threading.Event())
    assert services.identity.account() is None


def test_a_browser_window_can_be_left(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = threading.Event()
    cancelled = threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda url, *more: opened.set() or cancelled.set() or True)  # type: ignore[func-returns-value] # for its effect
    began = time.monotonic()
    with pytest.raises(CancelledByUserError):
        services.identity.sign_in("browser", prompt=lambda prompt: None, cancelled=cancelled)
    assert opened.is_set()
    assert time.monotonic() - began < 3


def test_a_browser_signs_in(services: Services, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser is a request that follows the practice cloud's page, which posts the code by itself."""
    import re
    from html import unescape

    import requests

    def browse(url: str, *more: object) -> bool:
        def follow() -> None:
            with requests.Session() as browser:
                browser.trust_env = False
                browser.verify = practice_cloud.ca_file
                # The page of the real name is the practice cloud's only through its proxy.
                browser.proxies = {"https": practice_cloud.endpoints["proxy"]}
                page = browser.get(url, timeout=10).text
                browser.proxies = {}
                target = re.search(r'action="([^"]+)"', page)
                assert target
                fields = re.findall(r'name="([^"]+)" value="([^"]*)"', page)
                browser.post(unescape(target[1]), data={name: unescape(value) for name, value in fields}, timeout=10)

        threading.Thread(target=follow, daemon=True).start()
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    account = services.identity.sign_in("browser", prompt=lambda prompt: None, cancelled=threading.Event())
    assert account.user == practice_cloud.endpoints["defaults"]["user"]


def test_an_expired_token_is_renewed_without_a_word(
    services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    sign_in()
    before = services.identity.token(services.endpoints.management_audience)
    practice_cloud.control.expire_tokens("access")
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: services.arm.list("/subscriptions"), range(8)))
    assert services.identity.token(services.endpoints.management_audience) is not before


def test_an_expired_sign_in_says_what_to_do_and_can_be_mended(
    services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    sign_in()
    practice_cloud.control.expire_tokens("access", "refresh")
    with pytest.raises(SignInError, match="has expired") as caught:
        services.arm.list("/subscriptions")
    assert "az login" in caught.value.hint
    assert "AADSTS" in caught.value.code
    sign_in()
    assert services.arm.list("/subscriptions")


def test_subscriptions_are_those_that_resource_manager_lists_now(
    services: Services, sign_in: Callable[[], Account]
) -> None:
    account = sign_in()
    found = services.identity.subscriptions()
    assert {each.name for each in found} == {"Practice subscription", "Practice subscription (look only)"}
    assert {each.tenant for each in found} == {account.tenant}
    other = next(each for each in found if each.id != account.subscription)
    services.identity.select_subscription(other.id)
    now = services.identity.account()
    assert now is not None
    assert (now.subscription, now.subscription_name) == (other.id, other.name)
    assert az_sees(services).get_subscription_id() == other.id
    with pytest.raises(UsageError, match="does not see"):
        services.identity.select_subscription("00000000-0000-0000-0000-000000000000")


def test_a_directory_that_wants_a_second_factor_is_named_and_does_not_hide_the_others(
    services: Services, sign_in: Callable[[], Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The practice cloud has one directory: the second one is put into the answers.
    other = "11111111-2222-3333-4444-555555555555"
    real = ArmClient.list

    def listed(client: ArmClient, path: str, *arguments: Any, **named: Any) -> Any:
        if path == "/tenants":
            return [*real(client, path, *arguments, **named), {"tenantId": other, "displayName": "Contoso"}]
        if client._rest._identity.tenant_of("") == other:
            raise of_sign_in("AADSTS50076: Due to a configuration change made by your administrator ...", tenant=other)
        return real(client, path, *arguments, **named)

    sign_in()
    assert not services.identity.left_out
    monkeypatch.setattr(ArmClient, "list", listed)
    assert len(services.identity.subscriptions()) == 2
    assert [*map(str, services.identity.left_out)] == [
        f"The directory Contoso ({other}) was left out: The directory (tenant) requires a second factor or a consent "
        "that only you can give."
    ]
    monkeypatch.undo()
    services.identity.subscriptions()
    assert not services.identity.left_out


def test_somebody_without_subscriptions_can_sign_in(services: Services, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(user="stranger@practice.example")
    account = services.identity.sign_in("device", prompt=lambda prompt: None, cancelled=threading.Event())
    assert (account.user, account.subscription) == ("stranger@practice.example", "")
    assert services.identity.subscriptions() == []


def test_signing_out_is_for_the_azure_cli_too(services: Services, sign_in: Callable[[], Account]) -> None:
    sign_in()
    services.identity.sign_out()
    services.identity.sign_out()
    assert services.identity.account() is None
    assert az_sees(services).load_cached_subscriptions() == []
    cache = json.loads((folder(services) / "msal_token_cache.json").read_text(encoding="utf-8"))
    assert not cache.get("RefreshToken")
    with pytest.raises(SignInError):
        services.identity.token(services.endpoints.management_audience)


def test_an_unknown_directory_is_told(services: Services) -> None:
    with pytest.raises(SignInError, match="no such directory"):
        services.identity.sign_in(
            "device",
            "11111111-2222-3333-4444-555555555555",
            prompt=lambda prompt: None,
            cancelled=threading.Event(),
        )


def test_a_sign_in_service_that_is_not_there_is_known_quickly(endpoints: Endpoints) -> None:
    identity = Identity(replace(endpoints, active_directory="https://127.0.0.1:9"))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match="refuses the connection"):
        identity.sign_in("device", prompt=lambda prompt: None, cancelled=threading.Event())
    assert time.monotonic() - began < 4


# A service principal


def principal(cloud: PracticeCloud, **more: str) -> dict[str, str]:
    given = cloud.endpoints["service_principal"]
    return {
        "AZURE_CLIENT_ID": given["client_id"],
        "AZURE_TENANT_ID": given["tenant"],
        "AZURE_CLIENT_SECRET": given["client_secret"],
        **more,
    }


def test_a_service_principal_of_the_environment_leaves_nothing_on_disk(
    endpoints: Endpoints, practice_cloud: PracticeCloud
) -> None:
    services = Services(endpoints)
    services.replace(identity=Identity(endpoints, principal(practice_cloud)))
    assert services.identity.token(endpoints.management_audience).fresh
    assert [each.id for each in services.identity.subscriptions()] == [practice_cloud.subscription]
    assert services.arm.get(f"/subscriptions/{practice_cloud.subscription}")
    assert endpoints.azure_config_dir is not None
    assert not endpoints.azure_config_dir.exists()
    with pytest.raises(UsageError, match="environment names a service principal"):
        services.identity.sign_in("device", prompt=lambda prompt: None, cancelled=threading.Event())


def test_a_service_principals_expired_token_is_renewed(endpoints: Endpoints, practice_cloud: PracticeCloud) -> None:
    services = Services(endpoints)
    services.replace(identity=Identity(endpoints, principal(practice_cloud)))
    services.arm.list("/subscriptions")
    practice_cloud.control.expire_tokens("access")
    assert services.arm.list("/subscriptions")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"AZURE_CLIENT_SECRET": "nonsense"}, "The client secret is wrong"),
        ({"AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555"}, "has no application"),
    ],
)
def test_a_service_principal_that_is_refused_says_why(
    endpoints: Endpoints, practice_cloud: PracticeCloud, wrong: dict[str, str], message: str
) -> None:
    identity = Identity(endpoints, principal(practice_cloud, **wrong))
    with pytest.raises(SignInError, match=message) as caught:
        identity.token(endpoints.management_audience)
    assert "AZURE_CLIENT" in caught.value.hint
    assert "nonsense" not in caught.value.detail
