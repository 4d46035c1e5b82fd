from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msal_extensions.token_cache import LockError  # type: ignore[import-untyped] # has no types

from hol_wizard.errors import InconclusiveError, SignInError, UsageError
from hol_wizard.services.az_session import PROFILE_FILE
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Identity
from tests.unit.services.places import CLOUD

DEEP = "[" * 100_000
"""Too deep for Python's reader of JSON."""


def entry(subscription: str, *, default: bool = False, cloud: str = "test", **more: Any) -> dict[str, Any]:
    return {
        "id": subscription,
        "name": f"Subscription {subscription}",
        "state": "Enabled",
        "tenantId": "t-1",
        "environmentName": cloud,
        "isDefault": default,
        "user": {"name": "me@contoso.com", "type": "user"},
        **more,
    }


@pytest.fixture
def cloud(tmp_path: Path) -> Endpoints:
    (tmp_path / "azure").mkdir()
    return replace(CLOUD, azure_config_dir=tmp_path / "azure")


def write(cloud: Endpoints, *entries: dict[str, Any], text: str | None = None) -> None:
    assert cloud.azure_config_dir is not None
    content = json.dumps({"subscriptions": entries}) if text is None else text
    # The Azure CLI writes a byte order mark.
    (cloud.azure_config_dir / PROFILE_FILE).write_text(content, encoding="utf-8-sig")


def test_nobody_is_signed_in_where_the_azure_cli_never_was(cloud: Endpoints) -> None:
    identity = Identity(cloud, {})
    assert identity.account() is None
    with pytest.raises(SignInError, match="Nobody is signed in") as caught:
        identity.token("x")
    assert "az login" in caught.value.hint


def test_the_session_of_the_azure_cli_is_taken_with_its_default(cloud: Endpoints) -> None:
    write(cloud, entry("s-1"), entry("s-2", default=True), entry("s-3", cloud="AzureCloud"))
    account = Identity(cloud, {}).account()
    assert account is not None
    assert (account.user, account.tenant, account.subscription) == ("me@contoso.com", "t-1", "s-2")
    assert account.subscription_name == "Subscription s-2"
    assert not account.service_principal


def test_a_login_in_another_window_counts_at_once(cloud: Endpoints) -> None:
    identity = Identity(cloud, {})
    assert identity.account() is None
    write(cloud, entry("s-1", default=True))
    account = identity.account()
    assert account is not None
    assert account.subscription == "s-1"
    write(cloud, entry("s-other", default=True))
    account = identity.account()
    assert account is not None
    assert account.subscription == "s-other"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"subscriptions": [1, {"id": 2}]}', '{"subscriptions": 7}', "null", DEEP]
)
def test_a_broken_session_file_is_nobody_and_stays_as_it_is(cloud: Endpoints, text: str) -> None:
    write(cloud, text=text)
    assert Identity(cloud, {}).account() is None
    assert cloud.azure_config_dir is not None
    assert (cloud.azure_config_dir / PROFILE_FILE).read_text(encoding="utf-8-sig") == text


def test_somebody_without_a_subscription_is_signed_in_all_the_same(cloud: Endpoints) -> None:
    write(cloud, entry("t-1", default=True, name="N/A(tenant level account)"))
    account = Identity(cloud, {}).account()
    assert account is not None
    assert (account.user, account.subscription) == ("me@contoso.com", "")


def test_the_directory_of_a_subscription_is_known_from_the_session(cloud: Endpoints) -> None:
    write(cloud, entry("S-1", default=True), entry("s-2", tenantId="t-2"))
    identity = Identity(cloud, {})
    assert identity.tenant_of("s-1") == "t-1"
    assert identity.tenant_of("s-2") == "t-2"
    assert identity.tenant_of("s-9") == ""


SERVICE_PRINCIPAL = {"AZURE_CLIENT_ID": "app-1", "AZURE_TENANT_ID": "T-1", "AZURE_CLIENT_SECRET": "hush"}


def test_a_service_principal_of_the_environment_counts_before_the_session(cloud: Endpoints) -> None:
    write(cloud, entry("s-1", default=True))
    identity = Identity(cloud, {**SERVICE_PRINCIPAL, "AZURE_SUBSCRIPTION_ID": "s-7"})
    account = identity.account()
    assert account is not None
    assert (account.user, account.tenant, account.subscription) == ("app-1", "T-1", "s-7")
    assert account.service_principal
    assert "environment" in account.source
    assert "hush" not in repr(account)


@pytest.mark.parametrize("missing", SERVICE_PRINCIPAL)
def test_half_a_service_principal_is_none(cloud: Endpoints, missing: str) -> None:
    environ = {name: value for name, value in SERVICE_PRINCIPAL.items() if name != missing}
    assert Identity(cloud, environ).account() is None


def test_a_service_principal_of_another_directory_means_nothing_to_a_cloud_with_one(cloud: Endpoints) -> None:
    assert Identity(replace(cloud, tenant="t-other"), SERVICE_PRINCIPAL).account() is None
    assert Identity(replace(cloud, tenant="t-1"), SERVICE_PRINCIPAL).account() is not None


@pytest.mark.parametrize(
    ("environ", "method"),
    [
        ({"DISPLAY": ":0", "SSH_CONNECTION": "1.2.3.4"}, "device"),
        ({"DISPLAY": ":0", "CODESPACES": "true"}, "device"),
        ({}, "device"),
        ({"DISPLAY": ":0"}, "browser"),
    ],
)
def test_the_browser_is_offered_where_the_person_can_see_it(
    cloud: Endpoints, environ: dict[str, str], method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("azure.cli.core.util.can_launch_browser", lambda: True)
    assert Identity(replace(cloud, browser_sign_in=True), environ).preferred_method() == method
    assert Identity(cloud, environ).preferred_method() == "device"


def test_an_unknown_way_to_sign_in_is_refused(cloud: Endpoints) -> None:
    import threading

    with pytest.raises(UsageError, match="no way to sign in called `telepathy`"):
        Identity(cloud, {}).sign_in("telepathy", prompt=lambda prompt: None, cancelled=threading.Event())


@pytest.fixture
def known(cloud: Endpoints) -> Endpoints:
    """The same under a name that azure-cli-core knows."""
    known = replace(cloud, session_cloud="AzureCloud")
    write(known, entry("s-1", default=True, cloud="AzureCloud"))
    return known


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b"null", b"\xff\xfe", DEEP.encode(), b'{"subscriptions": 7}'])
def test_a_broken_session_file_is_named_and_not_replaced_by_a_sign_in(known: Endpoints, content: bytes) -> None:
    assert known.azure_config_dir is not None
    file = known.azure_config_dir / PROFILE_FILE
    file.write_bytes(content)
    with pytest.raises(UsageError, match=PROFILE_FILE) as caught:
        Identity(known, {})._az.save("me@contoso.com", [], "t-1")
    assert "Rename it" in caught.value.hint
    assert file.read_bytes() == content


def test_a_folder_of_another_user_is_named_with_the_cure(known: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: Any, **named: Any) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refused)
    with pytest.raises(UsageError, match=f"{PROFILE_FILE} cannot be read: Permission denied") as caught:
        Identity(known, {}).account()
    assert f"chown -R \"$(id -un)\" '{known.azure_config_dir}'" in caught.value.hint


@pytest.mark.parametrize("content", [b"<html>", b"\xff\xfe", b"a = 1"])
def test_a_broken_configuration_of_the_azure_cli_is_named(known: Endpoints, content: bytes) -> None:
    assert known.azure_config_dir is not None
    file = known.azure_config_dir / "config"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=str(file)):
        Identity(known, {}).token("x")
    assert file.read_bytes() == content


def test_a_program_that_holds_the_shared_sign_in_for_long_is_named(
    cloud: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cloud, entry("s-1", default=True))

    def wait_in_vain(*args: Any, **named: Any) -> None:
        # As CrossPlatLock of msal-extensions does after ten seconds.
        raise LockError("[Errno 11] Resource temporarily unavailable")

    identity = Identity(cloud, {})
    monkeypatch.setattr(identity._az, "ask", wait_in_vain)
    with pytest.raises(InconclusiveError, match="Another program holds the sign-in") as caught:
        identity.token("x")
    assert str(cloud.azure_config_dir) in caught.value.hint
