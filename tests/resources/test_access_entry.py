"""What is particular to the entries of access lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.resources.case import Ground
from tests.resources.kinds.access_entry import AccessEntryCase
from tests.steps.attendee import Attendee


@pytest.mark.slow
def test_rights_that_somebody_else_gave_are_completed_and_stay_after_a_teardown(
    practice_cloud: PracticeCloud, attendee: Attendee, by_hand: Arm, tmp_path: Path
) -> None:
    ground = Ground(practice_cloud, attendee, by_hand, tmp_path / "ledgers")
    case = AccessEntryCase(ground)
    case.prepare()
    case.by_hand("r-x")
    (change,) = ownership.plan(case.make(ground.context()))
    assert (change.verb, change.note) == ("change", "Access list of datalake: r-x → read, write, execute")
    ownership.solve(case.make(ground.context()))
    assert case.state() == [f"{case.whom}:rwx"]
    assert ground.facts == [Fact.ADOPTED]
    ownership.undo(case.make(ground.context()))
    assert case.state() == [f"{case.whom}:rwx"]
