from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.identity import Account
from tests.practice_cloud import PracticeCloud

VARIABLES = (
    "AZURE_CONFIG_DIR",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_SECRET",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Nothing of this machine's; what the services put into the environment is taken out again."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    before = dict(os.environ)
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def endpoints(practice_cloud: PracticeCloud, tmp_path: Path) -> Endpoints:
    """The practice cloud, with a sign-in of this test's own."""
    return replace(Endpoints.of_file(practice_cloud.endpoints_file), azure_config_dir=tmp_path / "azure")


@pytest.fixture
def services(endpoints: Endpoints) -> Iterator[Services]:
    made = Services(endpoints)
    yield made
    made.close()


@pytest.fixture
def sign_in(services: Services) -> Callable[[], Account]:
    """Sign the attendee in by a device code, which the client approves itself."""
    return lambda: services.identity.sign_in("device", prompt=lambda prompt: None, cancelled=threading.Event())
