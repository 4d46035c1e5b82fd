"""Fixtures that put a practice cloud at a test's disposal: one server a session, emptied before each test.

`practice_cloud` is the running one. Every exchange of a test goes through the contract checker when the test is over,
and what breaks the official description fails it: a wrong request as well as a wrong answer. A test that sends wrong
requests says so first: `practice_cloud.wrong_on_purpose("GET /nonsense")`.
"""

from __future__ import annotations

import http.client
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from filelock import FileLock
from requests.adapters import HTTPAdapter

from hol_wizard.engine import runner
from hol_wizard.practice.databricks.runtime import Runtime
from hol_wizard.practice.process import launch
from hol_wizard.services import rest, sign_in_answers, transport
from hol_wizard.services.git import remote
from tests import contracts

SPEED = 6000.0
"""A Databricks workspace takes 0.03 seconds."""


class _Kept(http.client.HTTPSConnection):
    """A connection that stays open if its last answer was read to the end, and is not old."""

    _answer: http.client.HTTPResponse | None = None
    _used = 0.0

    def request(self, *arguments: Any, **named: Any) -> None:
        if time.monotonic() - self._used > 5:
            super().close()  # the server closes it at some time
        self._used = time.monotonic()
        super().request(*arguments, **named)

    def getresponse(self) -> http.client.HTTPResponse:
        self._answer = None
        self._answer = super().getresponse()
        return self._answer

    def close(self) -> None:
        if self._answer is None or not self._answer.isclosed():
            super().close()


class Control(launch.ControlClient):
    """The control port as a test asks it, five times and more: by one connection for each thread."""

    def __init__(self, endpoints: dict[str, Any]) -> None:
        super().__init__(endpoints)
        self._address = urlsplit(str(endpoints["control"]))
        self._context = ssl.create_default_context(cafile=endpoints["ca_file"])
        self._connections = threading.local()

    def connect(self) -> http.client.HTTPSConnection:
        kept: _Kept | None = getattr(self._connections, "kept", None)
        if kept is None:
            address = self._address
            kept = _Kept(str(address.hostname), address.port, timeout=launch.ASK_SECONDS, context=self._context)
            self._connections.kept = kept
        return kept


class _Shared(HTTPAdapter):
    """Connections that sessions have in common: the end of one leaves them open for the next."""

    def close(self) -> None:
        """Leave them open."""


@dataclass(frozen=True)
class PracticeCloud:
    """A running practice cloud, and what tests do with it."""

    state: Path
    """Its folder; `endpoints_file` lies in it."""
    endpoints: dict[str, Any]
    control: launch.ControlClient
    """`fault(kind, …)`, `settings(…)`, `expire_tokens()`, `status()`, …"""
    log: Path
    forgiven: list[str] = field(default_factory=list)

    @cached_property
    def connections(self) -> HTTPAdapter:
        """The connections of the tests' own sessions (`tests.practice.conftest.session`)."""
        return _Shared()

    def wrong_on_purpose(self, *patterns: str) -> None:
        """Let refused requests be wrong that match one of these regular expressions (`METHOD path?query`)."""
        self.forgiven.extend(patterns)

    def register_providers(self) -> None:
        """Have the lab's resource providers registered at once, for tests that are about something else."""
        self.control.register_providers()

    @property
    def endpoints_file(self) -> Path:
        """`endpoints.json`, as `Endpoints.of_file` reads it."""
        return self.state / launch.ENDPOINTS_FILE

    @property
    def resource_manager(self) -> str:
        """Base URL of ARM."""
        return str(self.endpoints["resource_manager"])

    @property
    def subscription(self) -> str:
        """Id of the subscription that the attendee owns."""
        return str(self.endpoints["defaults"]["subscription"])

    @property
    def ca_file(self) -> str:
        """The CA to trust."""
        return str(self.endpoints["ca_file"])

    def exchanges(self, since: int = 0) -> list[dict[str, Any]]:
        """Return the exchanges logged from this offset of the log on."""
        with self.log.open("rb") as log:
            log.seek(since)
            # The server may be writing the last one.
            return [json.loads(line) for line in log if line.endswith(b"\n")]

    def log_size(self) -> int:
        """Return how long the log is now: the place where later exchanges begin."""
        return self.log.stat().st_size if self.log.exists() else 0


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The Python of practice clusters, installed by the product's own commands if this machine does not have it yet."""
    environment = Runtime()
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{environment.folder}.lock"):
        if not environment.ready:
            shutil.rmtree(environment.folder, ignore_errors=True)
            for command in environment.commands:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    pytest.skip(f"the packages of practice clusters cannot be installed here: {done.stderr[-300:]}")
            environment.note_complete()
    return environment.python


@pytest.fixture(scope="session")
def practice_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeCloud]:
    """One server for the session, in a folder of its own."""
    state = tmp_path_factory.mktemp("practice")
    log = state / "exchanges.jsonl"
    endpoints = launch.start(state, speed=SPEED, log_exchanges=log, linger=5)
    with launch.Lease(endpoints):
        yield PracticeCloud(state, endpoints, Control(endpoints), log)
    launch.stop(state)


@pytest.fixture
def brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the wizard's own pauses between its tries as short as the practice cloud's operations."""
    for module in (transport, rest, remote):
        monkeypatch.setattr(module, "BUSY_WAITS", (0.01,) * len(module.BUSY_WAITS))
    monkeypatch.setattr(transport, "RECONNECT_SECONDS", 0.01)
    monkeypatch.setattr(sign_in_answers, "WAITS", (0.01,) * len(sign_in_answers.WAITS))
    monkeypatch.setattr(runner, "UNSURE_WAITS", (0.01,) * len(runner.UNSURE_WAITS))
    monkeypatch.setattr(runner, "LOOK_AGAIN_MOST", 0.05)


@pytest.fixture
def practice_cloud(practice_server: PracticeCloud, brief_pauses: None) -> Iterator[PracticeCloud]:
    """The session's server, as empty as at its first start; its exchanges are judged when the test is over."""
    del brief_pauses
    practice_server.control.reset()
    practice_server.control.settings(speed=SPEED, approval_seconds=0)
    practice_server.forgiven.clear()
    since = practice_server.log_size()
    yield practice_server
    contracts.assert_valid(practice_server.exchanges(since), practice_server.forgiven)
