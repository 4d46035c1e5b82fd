"""Names by which other clients know what is in a cloud on this machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.remote import GitRemote
from hol_wizard.services.secrets import Secret

HERE = "https://127.0.0.1:4000/practice/lab/_git/lab"
NAME = "https://dev.azure.com/practice/lab/_git/lab"


@pytest.fixture
def endpoints(tmp_path: Path) -> Endpoints:
    file = tmp_path / "names.json"
    names = {
        "https://dev.azure.com": "https://127.0.0.1:4000",
        "https://adb-1.2.azuredatabricks.net": "https://127.0.0.1:5",
    }
    file.write_text(json.dumps(names), encoding="utf-8")
    return replace(Endpoints.of_cloud("azure"), names_file=file)


def test_addresses_and_names_are_found_for_each_other(endpoints: Endpoints) -> None:
    assert endpoints.known_as(HERE) == NAME
    assert endpoints.address_of(NAME) == HERE
    assert endpoints.address_of("https://practice@DEV.azure.com/practice/lab/_git/lab") == HERE
    assert endpoints.known_as("https://127.0.0.1:5") == "https://adb-1.2.azuredatabricks.net"
    assert endpoints.address_of("https://vssps.dev.azure.com/x") == "https://vssps.dev.azure.com/x"


@pytest.mark.parametrize("content", ["", "[1]", "nonsense", '{"https://dev.azure.com": null}'])
def test_a_file_that_tells_nothing_changes_nothing(endpoints: Endpoints, content: str) -> None:
    assert endpoints.names_file is not None
    endpoints.names_file.write_text(content, encoding="utf-8")
    assert endpoints.known_as(HERE) == HERE


def test_public_clouds_have_no_other_names() -> None:
    assert Endpoints.of_cloud("azure").known_as(NAME) == NAME


def test_a_clone_made_by_hand_is_of_the_repository_and_never_asks_the_real_host(tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    (folder / ".git").mkdir(parents=True)
    remote = GitRemote(HERE, lambda: Secret("Basic x"), known_as=NAME)
    clone = Clone(folder, remote)
    assert remote.is_at(NAME)
    assert remote.is_at(f"{HERE}/")
    assert not remote.is_at("https://dev.azure.com/practice/lab/_git/other")
    with remote._reaching() as settings:
        sent = {value: name for name, value in settings if name.endswith(".insteadOf")}
    assert sent[NAME] == sent["https://practice@dev.azure.com/practice/lab/_git/lab"] == f"url.{HERE}.insteadOf"
    assert clone.remote is remote
