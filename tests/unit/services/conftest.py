from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.services import rest, transport
from hol_wizard.services.arm import ArmClient
from tests.unit.services.tls_server import Server, Tokens, serving


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of this machine's: no sign-in, no proxy, no certificates, no home."""
    for name in (
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_SUBSCRIPTION_ID",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSH_CONNECTION",
        "SSH_TTY",
        "CODESPACES",
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path / "azure-of-the-user"))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def server(running: Server) -> Server:
    running.begin()
    return running


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def arm(server: Server, tokens: Tokens, monkeypatch: pytest.MonkeyPatch) -> ArmClient:
    for module in (rest, transport):
        monkeypatch.setattr(module, "BUSY_WAITS", (0.01,) * len(module.BUSY_WAITS))
    return ArmClient(server.endpoints, tokens)
