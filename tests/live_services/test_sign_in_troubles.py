"""A sign-in service, or something in front of it, that answers in an unexpected form or is too busy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from hol_wizard.errors import InconclusiveError, UnreachableError, WizardError
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Account, Identity
from tests.live_services.test_identity import principal
from tests.practice_cloud import PracticeCloud

ODD: Mapping[str, Mapping[str, Any]] = {
    "200 page": {"kind": "error", "status": 200, "form": "page", "message": "Please sign in to the network"},
    "200 text": {"kind": "error", "status": 200, "form": "text", "message": "hello"},
    "200 empty": {"kind": "error", "status": 200, "form": "empty"},
    "200 bytes": {"kind": "error", "status": 200, "form": "bytes"},
    "404 page": {"kind": "error", "status": 404, "form": "page", "message": "no such page"},
    "403 page": {"kind": "error", "status": 403, "form": "page", "message": "blocked"},
    "407 page": {"kind": "error", "status": 407, "form": "page", "message": "proxy"},
    "cut": {"kind": "cut"},
    **{
        f"{status} {form}": {"kind": "error", "status": status, "form": form, "message": "busy"}
        for status in (408, 429, 500, 502, 503, 504)
        for form in ("page", "empty")
    },
}
"""Answers that no sign-in service gives to a program, or that say no more than "not now"."""


@pytest.fixture(autouse=True)
def faults(practice_cloud: PracticeCloud) -> None:
    practice_cloud.wrong_on_purpose(".")


def fault(cloud: PracticeCloud, name: str, **more: Any) -> None:
    fields = dict(ODD[name])
    cloud.control.fault(fields.pop("kind"), service="active_directory", **fields, **more)


def assert_nobody_knows(error: WizardError) -> None:
    """The error names who did not answer, and says neither that a directory is missing nor that a sign-in is over."""
    assert isinstance(error, InconclusiveError)
    assert "Microsoft Entra ID" in error.message or "answers instead" in error.message or "407" in error.message
    assert error.hint
    assert "<" not in f"{error.message}{error.hint}{error.detail}"


@pytest.mark.parametrize("name", ODD)
def test_a_persons_token_is_not_over_by_such_an_answer(
    name: str, services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    sign_in()
    practice_cloud.control.expire_tokens("access")
    identity = Identity(services.endpoints)
    fault(practice_cloud, name)
    with pytest.raises(WizardError) as raised:
        identity.token(services.endpoints.graph_audience)
    assert_nobody_knows(raised.value)
    practice_cloud.control.clear_faults()
    assert identity.token(services.endpoints.graph_audience).fresh


@pytest.mark.parametrize("name", ODD)
def test_a_service_principals_token_is_not_over_by_such_an_answer(
    name: str, endpoints: Endpoints, practice_cloud: PracticeCloud
) -> None:
    identity = Identity(endpoints, principal(practice_cloud))
    fault(practice_cloud, name)
    with pytest.raises(WizardError) as raised:
        identity.token(endpoints.graph_audience)
    assert_nobody_knows(raised.value)
    practice_cloud.control.clear_faults()
    assert identity.token(endpoints.graph_audience).fresh


@pytest.mark.parametrize("name", ODD)
def test_a_sign_in_with_such_an_answer_can_be_tried_again(
    name: str, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    fault(practice_cloud, name)
    with pytest.raises(WizardError) as raised:
        sign_in()
    assert_nobody_knows(raised.value)
    practice_cloud.control.clear_faults()
    assert sign_in().subscription == practice_cloud.subscription


@pytest.mark.parametrize("name", ["200 page", "200 bytes", "cut", "429 empty", "503 page"])
def test_one_such_answer_is_not_noticed(
    name: str, endpoints: Endpoints, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    fault(practice_cloud, name, times=1)
    assert sign_in().subscription == practice_cloud.subscription
    fault(practice_cloud, name, times=1)
    assert Identity(endpoints, principal(practice_cloud)).token(endpoints.management_audience).fresh


def test_a_service_principal_without_a_network_is_not_refused(
    endpoints: Endpoints, practice_cloud: PracticeCloud
) -> None:
    gone = replace(endpoints, active_directory="https://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="refuses the connection"):
        Identity(gone, principal(practice_cloud)).token(endpoints.management_audience)


def test_a_connection_that_is_dropped_again_is_given_up(endpoints: Endpoints, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.fault("drop", service="active_directory", method="POST")
    since = practice_cloud.log_size()
    with pytest.raises(UnreachableError, match="dropped the connection"):
        Identity(endpoints, principal(practice_cloud)).token(endpoints.management_audience)
    assert [each["method"] for each in practice_cloud.exchanges(since)].count("POST") == 2


DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "extra": lambda content: content + b"extra",
    "null": lambda content: b"null",
    "empty list": lambda content: b"[1]",
    "zeros": lambda content: bytes(len(content)),
    "UTF-16": lambda content: content.decode().encode("utf-16"),
}


@pytest.mark.parametrize("name", ["msal_token_cache.json", "azureProfile.json", "config", "clouds.config"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_in_the_practice_clouds_own_folder_is_replaced_by_a_sign_in(
    name: str, damage: str, sign_in: Callable[[], Account], endpoints: Endpoints
) -> None:
    user = sign_in().user
    assert endpoints.azure_config_dir is not None
    file = endpoints.azure_config_dir / name
    content = DAMAGE[damage](file.read_bytes())
    file.write_bytes(content)
    assert sign_in().user == user
    if name.endswith(".json"):
        assert file.with_name(f"{name}.damaged").read_bytes() == content
    identity = Identity(endpoints)
    account = identity.account()
    assert account is not None
    assert account.user == user
    assert identity.token(endpoints.graph_audience).fresh
