"""The starter's requests against the practice cloud, which holds each of them to the official descriptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.practice.conftest import STORAGE, Arm, user_token
from tests.practice.data_planes import BLOB_CONTRIBUTOR, give, oid
from tests.practice.test_storage_data import ACCOUNT, CONTAINERS, Storage, make_account
from tests.practice_cloud import PracticeCloud
from tests.starter.conftest import Import

AUDIENCE = "https://storage.azure.com/.default"
NAME = ACCOUNT.rpartition("/")[2]


@pytest.fixture
def trusted(practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch) -> PracticeCloud:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", practice_cloud.ca_file)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return practice_cloud


@pytest.fixture
def container(trusted: PracticeCloud) -> str:
    """Address of an empty container, in which the attendee may write."""
    trusted.register_providers()
    arm = Arm(trusted, user_token(trusted))
    arm.make_group()
    blob = make_account(arm, isHnsEnabled=False)["properties"]["primaryEndpoints"]["blob"]
    assert arm.ask("PUT", f"{CONTAINERS}/azureml", {}, version=STORAGE).status_code == 201
    token = user_token(trusted, scope=AUDIENCE)
    give(arm, ACCOUNT, BLOB_CONTRIBUTOR, oid(token))
    storage = Storage(trusted, blob, token)
    for _ in range(500):
        if storage.ask("GET", "azureml", restype="container", comp="list").status_code == 200:
            return f"{blob}azureml"
    raise AssertionError("the role never worked")


def registry_of(module: Any, token: str) -> Any:
    return module.Registry(module.Workspace("s", "g", "w"), module.GivenTokens({module.STORAGE: token}))


@pytest.mark.parametrize("audience", ["ARM", "STORAGE"])
def test_the_service_principal_of_the_secrets_gets_its_tokens(
    starter: Import, trusted: PracticeCloud, audience: str
) -> None:
    module = starter("model_registry")
    known = trusted.endpoints["service_principal"]
    endpoint = f"{trusted.endpoints['active_directory']}/{known['tenant']}/oauth2/token"
    principal = module.ServicePrincipal(known["client_id"], known["client_secret"], endpoint)
    assert principal.token(getattr(module, audience)).count(".") == 2
    wrong = module.ServicePrincipal(known["client_id"], "wr0ng", endpoint)
    with pytest.raises(module.ServiceError, match="AADSTS7000215"):
        wrong.token(module.ARM)


def test_a_folder_goes_to_a_container_and_comes_back(
    starter: Import, trusted: PracticeCloud, container: str, tmp_path: Path
) -> None:
    module = starter("model_registry")
    registry = registry_of(module, user_token(trusted, scope=AUDIENCE))
    for name in ("a.pkl", "b c.pkl"):
        registry._upload(container, f"models/m/1/{name}", name.encode())
    assert list(registry._list(container, "models/m/1/")) == ["models/m/1/a.pkl", "models/m/1/b c.pkl"]
    assert list(registry._list(container, "models/m/2/")) == []
    assert registry._blob("GET", f"{container}/models/m/1/b%20c.pkl", what="download") == b"b c.pkl"


def test_who_may_not_write_hears_which_role_is_missing(starter: Import, trusted: PracticeCloud, container: str) -> None:
    module = starter("model_registry")
    registry = registry_of(module, user_token(trusted, "reader@practice.example", AUDIENCE))
    with pytest.raises(module.ServiceError, match=r"AuthorizationPermissionMismatch.*Storage Blob Data Contributor"):
        registry._upload(container, "models/m/1/a.pkl", b"a")


def test_a_certificate_that_is_not_trusted_is_said(
    starter: Import, practice_cloud: PracticeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = starter("model_registry")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(module.RegistryError, match=r"CERTIFICATE_VERIFY_FAILED.*REQUESTS_CA_BUNDLE"):
        module.send("GET", f"{practice_cloud.endpoints['active_directory']}/", what="sign in")
