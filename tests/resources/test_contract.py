"""The contract of ownership: every kind of resource in every situation, on the practice cloud.

Each kind has a module in `tests/resources/kinds`. The table at the end of the run shows kinds and situations.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from unittest.mock import patch

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact
from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Status
from hol_wizard.errors import ConflictError, WizardError
from hol_wizard.services.secrets import Secret
from hol_wizard.wizard.registration import load_steps
from tests.practice.conftest import Arm
from tests.practice_cloud import PracticeCloud
from tests.resources import kinds
from tests.resources.case import Case, Ground
from tests.steps.attendee import Attendee

for _found in iter_modules(kinds.__path__):
    import_module(f"{kinds.__name__}.{_found.name}")


def _cases(of: type[Case]) -> list[type[Case]]:
    """Return the cases that are for a kind, rather than what several have in common."""
    below = [case for each in of.__subclasses__() for case in _cases(each)]
    return [*below, *([of] if hasattr(of, "resource") else [])]


CASES = sorted({case for each in Case.__subclasses__() for case in _cases(each)}, key=lambda each: each.__name__)
WRITES = {"create", "change", "delete", "purge"}


class Killed(BaseException):
    """The wizard is gone, from one line to the next."""


@contextmanager
def creating(case: Case, instead: Callable[[Callable[[], str]], str]) -> Iterator[None]:
    """Have something else happen in the place of the kind's `create`, which it is given."""
    original = case.resource.create
    with patch.object(case.resource, "create", lambda self, begun: instead(lambda: original(self, begun))):
        yield


def plan(case: Case) -> tuple[Change, ...]:
    return ownership.plan(case.make(case.ground.context()))


def solve(case: Case) -> Any:
    """Solve, and hold the plan to what really changes."""
    planned = {change.verb for change in plan(case)}
    before = case.state()
    try:
        return ownership.solve(case.make(case.ground.context()))
    except ConflictError:
        assert planned == {"conflict"}, planned
        raise
    finally:
        changed = case.state() != before
        assert changed == bool(planned & WRITES), f"plan {planned}, changed: {changed}"


def undo(case: Case) -> None:
    """Undo, and hold the plan to what really changes."""
    planned = {change.verb for change in ownership.plan_undo(case.make(case.ground.context()))}
    before = case.state()
    try:
        ownership.undo(case.make(case.ground.context()))
    finally:
        changed = case.state() != before
        assert changed == bool(planned & WRITES), f"plan {planned}, changed: {changed}"


def owns(case: Case) -> bool:
    resource = case.make(case.ground.context())
    found = resource.find(resource.context.reads)
    assert found is not None
    return ownership.owns(resource, found)


def made(case: Case) -> bool:
    return case.ground.ledger.made(case.make(case.ground.context()).id)


def check(case: Case) -> Status:
    return ownership.check(case.make(case.ground.context())).status


def assert_somebody_elses(case: Case) -> None:
    """What is there is adopted by a solve, and a teardown leaves it as it is."""
    before = case.state()
    assert before is not None
    undo(case)
    assert case.state() == before
    solve(case)
    if case.beside:
        assert case.ground.facts[-1] == Fact.CREATED
        undo(case)
        assert case.state() == before
        return
    assert case.ground.facts[-1] == Fact.ADOPTED
    assert not made(case)
    assert "left in place" in case.ground.said
    undo(case)
    assert case.state() == before


def absent(case: Case) -> None:
    assert check(case) is Status.FAILED
    assert [change.verb for change in plan(case)] == ["create"]
    solve(case)
    assert check(case) is Status.PASSED
    assert case.ground.facts == [Fact.INTENT, Fact.CREATED]
    assert owns(case)
    assert [change.verb for change in plan(case)] == ["leave"]
    solve(case)
    assert case.ground.facts == [Fact.INTENT, Fact.CREATED]
    if case.stays:
        undo(case)
        assert check(case) is Status.PASSED
        assert_left_alone(case)
        return
    assert [change.verb for change in ownership.plan_undo(case.make(case.ground.context()))] == ["delete"]
    undo(case)
    assert check(case) is Status.FAILED
    assert not made(case)
    assert case.ground.facts[-1] == Fact.DELETED
    assert ownership.plan_undo(case.make(case.ground.context())) == ()


def adopted(case: Case) -> None:
    case.by_hand()
    assert check(case) is (Status.FAILED if case.beside else Status.PASSED)
    assert_somebody_elses(case)


def conflict(case: Case) -> None:
    case.by_hand_wrong()
    before = case.state()
    assert check(case) is Status.FAILED
    with pytest.raises(ConflictError) as told:
        solve(case)
    assert told.value.hint
    undo(case)
    assert case.state() == before
    assert not made(case)


def overtaken(case: Case) -> None:
    """Somebody else makes it between our look and our request."""

    def refused(create: Callable[[], str]) -> str:
        del create
        case.by_hand()
        raise ConflictError("It already exists.", "Look again.")

    with creating(case, refused):
        ownership.solve(case.make(case.ground.context()))
    assert case.ground.facts == [Fact.INTENT, Fact.WITHDRAWN, Fact.ADOPTED]
    assert_somebody_elses(case)


def refused(case: Case) -> None:
    """Our request is refused, then somebody else makes it by hand."""
    case.refuse()
    with pytest.raises(WizardError):
        ownership.solve(case.make(case.ground.context()))
    assert not case.ground.cloud.control.faults(), "the request that is refused was not sent"
    assert case.state() is None
    assert case.ground.facts == [Fact.INTENT, Fact.WITHDRAWN]
    case.by_hand()
    assert_somebody_elses(case)


def killed_before(case: Case) -> None:
    """The wizard is killed between intent and request; the next start goes on."""
    with creating(case, _kill), pytest.raises(Killed):
        ownership.solve(case.make(case.ground.context()))
    assert case.ground.facts == [Fact.INTENT]
    assert made(case)
    solve(case)
    assert owns(case)
    undo(case)
    assert case.stays or case.state() is None or check(case) is Status.FAILED


def killed_and_by_hand(case: Case) -> None:
    """The wizard is killed between intent and request, then somebody else makes it by hand."""
    with creating(case, _kill), pytest.raises(Killed):
        ownership.solve(case.make(case.ground.context()))
    case.by_hand()
    before = case.state()
    undo(case)
    assert case.state() == before
    assert case.ground.facts[-1] == (Fact.DELETED if case.beside else Fact.LEFT)
    assert_somebody_elses(case)


def killed_after(case: Case) -> None:
    """The wizard is killed between the service's answer and its note."""

    def answered(create: Callable[[], str]) -> str:
        create()
        raise Killed

    with creating(case, answered), pytest.raises(Killed):
        ownership.solve(case.make(case.ground.context()))
    assert case.ground.facts == [Fact.INTENT]
    if case.resource.unmarked:
        # Nobody can tell; so it is left alone, and said.
        ownership.undo(case.make(case.ground.context()))
        assert case.state() is not None
        assert case.ground.facts[-1] == Fact.LEFT
        assert case.resource.unmarked in case.ground.said
        return
    ownership.solve(case.make(case.ground.context()))
    assert owns(case)
    assert case.ground.facts[-1] == Fact.CREATED
    undo(case)
    assert case.stays or not made(case)


def mark_removed(case: Case) -> None:
    solve(case)
    case.remove_mark()
    before = case.state()
    assert not owns(case)
    undo(case)
    assert case.state() == before
    assert_left_alone(case)
    assert case.resource.mark in case.ground.said


def replaced(case: Case) -> None:
    """Ours is gone, and somebody else has made another in its place."""
    solve(case)
    case.remove()
    case.by_hand()
    before = case.state()
    undo(case)
    assert case.state() == before
    if case.beside:
        assert not made(case)
    else:
        assert_left_alone(case)


def namesake(case: Case) -> None:
    """Somebody else makes another of the same name beside ours: ours is removed, and theirs stays."""
    solve(case)
    ours = case.state()
    case.by_hand()
    assert case.state() not in (None, ours)
    undo(case)
    assert case.state() not in (None, ours)
    assert not made(case)
    assert case.ground.facts[-1] == Fact.DELETED
    assert_somebody_elses(case)


def assert_left_alone(case: Case) -> None:
    """It is told, and noted, in the same way for every kind; a second teardown says the same and notes nothing."""
    resource = case.make(case.ground.context())
    facts = case.ground.facts
    assert facts[-1] == Fact.LEFT
    assert case.ground.ledger.left(resource.id)
    assert resource.id not in case.ground.standing
    (change,) = ownership.plan_undo(resource)
    assert change.verb == "leave"
    assert "left in place" in change.note
    ownership.undo(case.make(case.ground.context()))
    assert case.ground.facts == facts


def gone_by_hand(case: Case) -> None:
    solve(case)
    case.remove()
    assert case.state() is None
    # What leaves a trace has to be purged yet; nothing else is left to do.
    assert {change.verb for change in ownership.plan_undo(case.make(case.ground.context()))} <= {"purge"}
    ownership.undo(case.make(case.ground.context()))
    assert not made(case)


def gone_with_parent(case: Case) -> None:
    solve(case)
    resource = case.make(case.ground.context())
    inside = f"{resource.id}/inside/it"
    case.ground.ledger.write(Fact.INTENT, "contract/inside", inside, "Something in it")
    case.remove_parent()
    # What leaves a trace has to be purged yet; nothing else is left to do.
    assert {change.verb for change in ownership.plan_undo(case.make(case.ground.context()))} <= {"purge"}
    ownership.undo(case.make(case.ground.context()))
    assert ownership.plan_undo(case.make(case.ground.context())) == ()
    assert not made(case)
    assert not case.ground.ledger.made(inside)
    assert not case.ground.standing


SITUATIONS: Mapping[str, Callable[[Case], None]] = {
    function.__name__.replace("_", " "): function
    for function in (
        absent,
        adopted,
        conflict,
        overtaken,
        refused,
        killed_before,
        killed_and_by_hand,
        killed_after,
        mark_removed,
        replaced,
        namesake,
        gone_by_hand,
        gone_with_parent,
    )
}


def _kill(create: Callable[[], str]) -> str:
    del create
    raise Killed


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES, ids=lambda each: each.__name__)
def test_a_kind_fulfills_the_contract_of_ownership(
    kind: type[Case],
    practice_cloud: PracticeCloud,
    attendee: Attendee,
    by_hand: Arm,
    keyring: dict[str, Secret],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    assert not keyring
    ground = Ground(practice_cloud, attendee, by_hand, tmp_path / "ledgers")
    case = kind(ground)
    assert set(case.exempt) <= set(SITUATIONS)
    row: dict[str, str] = {}
    problems: list[BaseException] = []
    case.prepare()
    for name, situation in SITUATIONS.items():
        if name in case.exempt or (situation is namesake and not (case.namesakes or case.beside)):
            row[name] = "-"
            continue
        ground.begin()
        case.remove()
        assert case.state() is None
        try:
            situation(case)
        except (AssertionError, WizardError, Killed, pytest.fail.Exception) as error:
            error.add_note(f"{kind.__name__}, {name}: facts {ground.facts}")
            problems.append(error)
            practice_cloud.control.clear_faults()
            row[name] = "FAILED"
        else:
            row[name] = "ok"
    record_property("contract", (kind.__name__, row))
    if problems:
        raise BaseExceptionGroup(f"{kind.__name__} breaks the contract", problems)


def test_every_kind_of_resource_is_in_the_contract_test() -> None:
    load_steps()
    gc.collect()
    found: set[type[Resource[Any]]] = set()
    open_classes: list[type[Resource[Any]]] = list(Resource.__subclasses__())
    while open_classes:
        each = open_classes.pop()
        open_classes.extend(each.__subclasses__())
        if each.__module__.startswith("hol_wizard.") and not getattr(each, "__abstractmethods__", None):
            found.add(each)
    assert found == {case.resource for case in CASES}
