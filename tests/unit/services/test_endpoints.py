from __future__ import annotations

import json
from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.services.endpoints import Endpoints

DOCUMENT = {
    "name": "practice",
    "resource_manager": "https://127.0.0.1:1",
    "active_directory": "https://127.0.0.1:2/",
    "microsoft_graph": "https://127.0.0.1:3",
    "bundle_file": "/somewhere/bundle.pem",
    "audiences": {"management": "m", "graph": "g", "key_vault": "k", "storage": "s"},
    "suffixes": {"storage": "x", "key_vault": ".y"},
    "defaults": {"tenant": "t"},
}


@pytest.mark.parametrize(
    ("cloud", "resource_manager", "sign_in", "vaults", "portal"),
    [
        (
            "azure",
            "https://management.azure.com",
            "https://login.microsoftonline.com",
            "vault.azure.net",
            "portal.azure.com",
        ),
        (
            "usgov",
            "https://management.usgovcloudapi.net",
            "https://login.microsoftonline.us",
            "vault.usgovcloudapi.net",
            "portal.azure.us",
        ),
        (
            "china",
            "https://management.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
            "vault.azure.cn",
            "portal.azure.cn",
        ),
    ],
)
def test_the_public_clouds_are_those_of_the_azure_cli(
    cloud: str, resource_manager: str, sign_in: str, vaults: str, portal: str
) -> None:
    endpoints = Endpoints.of_cloud(cloud)
    assert endpoints.resource_manager == resource_manager
    assert endpoints.active_directory == sign_in
    assert endpoints.key_vault_audience == f"https://{vaults}"
    assert endpoints.portal == f"https://{portal}"
    assert endpoints.ca_bundle is None
    assert endpoints.azure_config_dir is None
    assert endpoints.poll_interval == 5.0


def test_an_unknown_cloud_is_refused() -> None:
    with pytest.raises(UsageError, match="no cloud `mars`"):
        Endpoints.of_cloud("mars")


def test_a_local_cloud_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text(json.dumps(DOCUMENT), encoding="utf-8")
    endpoints = Endpoints.of_file(file)
    assert endpoints.active_directory == "https://127.0.0.1:2"
    assert endpoints.azure_config_dir == tmp_path / "azure"
    assert endpoints.tenant == "t"
    assert not endpoints.browser_sign_in
    assert not endpoints.instance_discovery
    assert endpoints.poll_interval < 1
    file.write_text(json.dumps({**DOCUMENT, "poll_interval": 2.5}), encoding="utf-8")
    assert Endpoints.of_file(file).poll_interval == 2.5


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"name": "x"}', '{"audiences": []}'])
def test_a_broken_file_is_told_with_its_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "endpoints.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"endpoints\.json does not contain the cloud's address"):
        Endpoints.of_file(file)
    file.unlink()
    with pytest.raises(UsageError, match=r"endpoints\.json"):
        Endpoints.of_file(file)
