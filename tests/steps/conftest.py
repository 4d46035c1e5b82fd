"""Attendees at the practice cloud: one who has done nothing yet, and one who is signed in and set up."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.practice.process import launch
from hol_wizard.services.secrets import Secret, SecretStore
from tests.practice.conftest import Arm, user_token
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import Attendee
from tests.steps.databricks import LAUNCH


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> dict[str, Secret]:
    """A keyring that outlives a wizard: none of this machine's is within reach."""
    kept: dict[str, Secret] = {}
    monkeypatch.setattr(SecretStore, "get", lambda self, name: kept.get(name))
    monkeypatch.setattr(SecretStore, "set", lambda self, name, secret: kept.__setitem__(name, secret))
    monkeypatch.setattr(SecretStore, "delete", lambda self, name: kept.pop(name, None))
    return kept


@pytest.fixture
def newcomer(practice_cloud: PracticeCloud, tmp_path: Path) -> Attendee:
    """Somebody at an empty cloud, not signed in."""
    shutil.rmtree(practice_cloud.state / "azure", ignore_errors=True)
    (practice_cloud.state / "databrickscfg").unlink(missing_ok=True)
    return Attendee(tmp_path, practice_cloud.endpoints_file)


def use_service_principal(monkeypatch: pytest.MonkeyPatch, endpoints: dict[str, object]) -> None:
    """Sign in without a word and without a file, as a build does."""
    principal = endpoints["service_principal"]
    assert isinstance(principal, dict)
    monkeypatch.setenv("AZURE_CLIENT_ID", principal["client_id"])
    monkeypatch.setenv("AZURE_CLIENT_SECRET", principal["client_secret"])
    monkeypatch.setenv("AZURE_TENANT_ID", principal["tenant"])


@pytest.fixture
def attendee(
    newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> Attendee:
    """Somebody signed in by the environment, set up, in a subscription with all providers registered."""
    use_service_principal(monkeypatch, practice_cloud.endpoints)

    def make() -> None:
        practice_cloud.register_providers()
        assert newcomer.solve("set-up").all_passed()

    snapshots.prepare("attendee", practice_cloud, newcomer.root, make)
    return newcomer


@pytest.fixture
def inside(attendee: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """Somebody who has access to the workspace of dev."""

    def make() -> None:
        seen = attendee.solve(LAUNCH)
        assert seen.statuses[LAUNCH] is Status.PASSED, seen.results[LAUNCH]

    snapshots.prepare("inside", practice_cloud, attendee.root, make)
    return attendee


@pytest.fixture
def by_hand(practice_cloud: PracticeCloud, attendee: Attendee) -> Arm:
    """What somebody else does in the portal."""
    del attendee
    return Arm(practice_cloud, user_token(practice_cloud))


@pytest.fixture
def own_cloud(tmp_path: Path) -> Iterator[Callable[..., dict[str, object]]]:
    """Starts, and starts again, a cloud of the test's own; for tests that stop it."""
    state = tmp_path / "cloud"

    def start(speed: float = 600.0) -> dict[str, object]:
        return launch.start(state, speed=speed, keep=True)

    yield start
    launch.stop(state)
