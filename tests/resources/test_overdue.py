"""What a service has accepted and does not finish in time stays the wizard's: nobody has refused it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact
from hol_wizard.errors import UnreachableError
from hol_wizard.services.secrets import Secret
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.resources.case import Case, Ground
from tests.resources.kinds.devops import DevOpsProjectCase
from tests.resources.kinds.vault_secret import VaultSecretCase
from tests.steps.attendee import Attendee


@pytest.fixture
def ground(
    practice_cloud: PracticeCloud, attendee: Attendee, by_hand: Arm, keyring: dict[str, Secret], tmp_path: Path
) -> Ground:
    assert not keyring
    return Ground(practice_cloud, attendee, by_hand, tmp_path / "ledgers")


def goes_on(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait for the creation, and see that a later solve and undo take up what has become of it."""
    with monkeypatch.context() as impatient:
        impatient.setattr(case.resource, "patience", -1.0)
        with pytest.raises(UnreachableError):
            ownership.solve(case.make(case.ground.context()))
    assert case.ground.facts[-1] == Fact.INTENT
    until = time.monotonic() + 20
    while case.state() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    ownership.solve(case.make(case.ground.context()))
    assert case.ground.facts[-1] == Fact.CREATED
    ownership.undo(case.make(case.ground.context()))
    assert case.ground.facts[-1] == Fact.DELETED


def test_a_project_that_takes_too_long_is_still_ours(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    case = DevOpsProjectCase(ground)
    case.prepare()
    # At the tests' own speed it is made before the first look.
    ground.cloud.control.settings(speed=100)
    goes_on(case, monkeypatch)


@pytest.mark.slow
def test_a_secret_whose_recovery_takes_too_long_is_still_ours(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    case = VaultSecretCase(ground)
    case.prepare()
    ownership.solve(case.make(ground.context()))
    vault = case.make(ground.context())
    found = vault.find(vault.context.reads)
    assert found is not None
    vault.delete(found)
    assert case.state() is None
    # In a hurry the practice cloud has recovered it before the first look.
    ground.cloud.control.settings(speed=20)
    goes_on(case, monkeypatch)
