"""The build and its programs as those who really run them, against the practice cloud: refused first, then allowed."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from hol_wizard.practice.arm import roles
from tests.practice.conftest import user_token
from tests.practice.machine_learning import ACCOUNT, WORKSPACE
from tests.starter.conftest import Import
from tests.starter.ground import STORAGE, Ground

TAGS = {"state": "dev", "created_by": "jane"}


@pytest.fixture
def module(starter: Import, allowed: Ground, assets: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The build, its settings in the environment, and a model that the notebook's principal has registered."""
    registry = starter("model_registry")
    monkeypatch.setattr(registry.time, "sleep", lambda _seconds: None)
    allowed.registry(registry, allowed.lake).register("worst_regression", assets, TAGS)
    for file in assets.iterdir():
        file.unlink()
    settings = {
        "SUBSCRIPTION_ID": allowed.cloud.subscription,
        "RESOURCE_GROUP": "lab",
        "WORKSPACE_NAME": "lab-ml",
        "STATE": "dev",
        "AUTHOR": "jane",
        "MODEL_NAME": "worst_regression",
        "IMAGE_NAME": "hol-inference",
        **allowed.variables,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return starter("build")


@pytest.fixture
def built(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images that Docker was told to build."""
    images: list[str] = []
    monkeypatch.setattr(module, "docker", lambda *words: images.append(words[words.index("--tag") + 1]))
    return images


def refused(module: ModuleType, built: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert module.main([]) == 3
    assert built == []
    assert not module.ARTIFACTS.exists()
    return capsys.readouterr().err


@pytest.mark.slow
def test_the_attendee_builds_with_a_role_on_the_model_files(
    module: ModuleType,
    built: list[str],
    allowed: Ground,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ARM_ACCESS_TOKEN", allowed.arm.token)
    monkeypatch.setenv("STORAGE_ACCESS_TOKEN", user_token(allowed.cloud, scope=f"{STORAGE}/.default"))
    # The owner of a subscription has no data role.
    told = refused(module, built, capsys)
    assert "AuthorizationPermissionMismatch" in told
    assert "Storage Blob Data Reader" in told
    allowed.give(allowed.attendee, roles.STORAGE_BLOB_DATA_READER, ACCOUNT)
    assert module.main([]) == 0
    assert built == ["hol-inference:local"]
    assert (module.ASSETS / "model.pkl").is_file()
    about = json.loads((module.ARTIFACTS / "artifacts.json").read_text(encoding="utf-8"))
    assert about["model"] == {"name": "worst_regression", "version": "1"}


@pytest.mark.slow
def test_the_service_connection_builds_with_both_of_its_roles(
    module: ModuleType,
    built: list[str],
    allowed: Ground,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BUILD_BUILDID", "42")
    monkeypatch.setenv("AZURE_TENANT_ID", str(allowed.cloud.endpoints["defaults"]["tenant"]))
    monkeypatch.setenv("AZURE_CLIENT_ID", allowed.connection.app_id)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", allowed.connection.secret)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", str(allowed.cloud.endpoints["active_directory"]))
    assert "AuthorizationFailed" in refused(module, built, capsys)
    allowed.give(allowed.connection, roles.CONTRIBUTOR, WORKSPACE)
    # Contributor has no data role either.
    assert "AuthorizationPermissionMismatch" in refused(module, built, capsys)
    allowed.give(allowed.connection, roles.STORAGE_BLOB_DATA_READER, ACCOUNT)
    assert module.main([]) == 0
    assert built == ["hol-inference:42"]
