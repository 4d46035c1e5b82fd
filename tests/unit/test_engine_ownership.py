"""The rule of ownership, on a kind that lives in memory; real kinds are in tests/resources."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.events import Event, Said
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.ownership import Pending, Resource, looks, removal
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Expectation, Status
from hol_wizard.engine.visibility import UnseenError, Viewer
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    InconclusiveError,
    NotFoundError,
    OverdueError,
    ServiceError,
    UnreachableError,
    WizardError,
)


@dataclass
class Thing:
    """What the service has."""

    color: str = "green"
    mark: str = ""
    looks: int = 0
    """How many looks it still takes until it is ready, or gone."""
    going: bool = False
    number: str = "1"
    work: str = ""
    """Why it is to stay."""
    lingers: int = 0
    """For how many looks it is still listed after its deletion."""


@dataclass
class Service:
    """A service with room for one thing, in a place that may go."""

    thing: Thing | None = None
    place: bool = True
    closed: bool = False
    answers: list[WizardError | None] = field(default_factory=list)
    """For each creation to come: its refusal, or None."""
    overtaken: Thing | None = None
    """What somebody else makes while a creation is in progress."""
    after_answer: WizardError | None = None
    refusals: list[WizardError] = field(default_factory=list)
    """For each change or deletion to come."""
    silences: int = 0
    """How many looks to come at something that changes tell nothing."""
    requests: int = 0
    account: str = ""
    beside: Thing | None = None
    """What somebody else has made of the same name."""


@dataclass
class FakeContext:
    ledger: Ledger
    service: Service
    target: str = "section/step"
    poll_interval: float = 0.0
    events: list[Event] = field(default_factory=list)
    reporter: Reporter = field(init=False)
    reads: ReadCache = field(default_factory=ReadCache)

    def __post_init__(self) -> None:
        self.reporter = Reporter(self.target, self.events.append, threading.Event())

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Said))


@dataclass(frozen=True)
class FakeKind(Resource[Thing]):
    context: FakeContext
    name: str = "one"
    kind = "Thing"
    around: Resource[Thing] | None = None

    @property
    def id(self) -> str:
        return f"things/{self.name}"

    @property
    def service(self) -> Service:
        return self.context.service

    @property
    def viewer(self) -> Viewer | None:
        name = self.service.account
        return Viewer(f"{name}-id", name) if name else None

    def stays(self, found: Thing) -> str:
        return found.work

    @property
    def parent(self) -> Resource[Thing] | None:
        return self.around

    def find(self, reads: ReadCache) -> Thing | None:
        del reads
        if not self.service.place:
            raise NotFoundError("The place is gone.")
        if self.service.closed:
            raise AccessDeniedError("No.")
        thing = self.service.thing
        if thing is not None and thing.looks:
            thing.looks -= 1
            if thing.going and not thing.looks:
                self.service.thing = None
        return self.service.thing

    def marked(self, found: Thing, noted: str | None) -> bool:
        del noted
        return found.mark == "ours"

    def expectations(self, found: Thing) -> Sequence[Expectation]:
        return (Expectation("Color", "green", found.color, found.color == "green"),)

    def pending(self, found: Thing) -> Pending | None:
        if not found.looks:
            return None
        return Pending("being deleted", deleting=True) if found.going else Pending()

    def create(self, begun: Callable[[str], None]) -> str:
        del begun
        self.service.requests += 1
        if self.service.overtaken is not None:
            self.service.thing = self.service.overtaken
        error = self.service.answers.pop(0) if self.service.answers else None
        if error is not None:
            raise error
        self.service.thing = Thing(mark="ours", looks=2)
        if self.service.after_answer is not None:
            raise self.service.after_answer
        return "1"

    def identity(self, found: Thing) -> str:
        return found.number

    def passes(self, error: ServiceError) -> bool:
        return error.code == "Busy"

    def changeable(self, found: Thing, *, ours: bool) -> bool:
        return ours and found.color != "broken"

    def change(self, found: Thing) -> None:
        found.color = "green"

    def delete(self, found: Thing) -> None:
        found.going, found.looks = True, 3


class TakenName(FakeKind):
    """A kind whose name somebody takes between the look and the question whether it is free."""

    def obstacle(self) -> WizardError | None:
        self.service.thing = self.service.overtaken
        return ConflictError("The name is in use.")


class Busy(FakeKind):
    """A kind whose service is busy with something else, or does not tell for a while how one is that changes."""

    def find(self, reads: ReadCache) -> Thing | None:
        thing = self.service.thing
        if thing is not None and thing.looks and self.service.silences and thing.looks < 2 + thing.going:
            self.service.silences -= 1
            raise InconclusiveError("Too busy (HTTP 500).")
        return super().find(reads)

    def change(self, found: Thing) -> None:
        self._refuse()
        super().change(found)

    def delete(self, found: Thing) -> None:
        self._refuse()
        super().delete(found)

    def _refuse(self) -> None:
        if self.service.refusals:
            raise self.service.refusals.pop(0)


class Quick(FakeKind):
    """A kind that can be deleted while it is being created, and is gone at once, or listed for a little longer."""

    def find(self, reads: ReadCache) -> Thing | None:
        thing = self.service.thing
        if thing is not None and thing.going:
            thing.lingers -= 1
            if thing.lingers < 0:
                self.service.thing = None
        return self.service.thing

    def pending(self, found: Thing) -> Pending | None:
        return Pending("starting", can_be_deleted=True) if found.looks and not found.going else None

    def delete(self, found: Thing) -> None:
        found.going = True


class ByName(FakeKind):
    """A kind of which a service takes several of one name: ours is meant, else somebody else's."""

    def find(self, reads: ReadCache) -> Thing | None:
        return super().find(reads) or self.service.beside


@dataclass(frozen=True)
class Unmarkable(FakeKind):
    unmarked = "a thing has no tags"

    def marked(self, found: Thing, noted: str | None) -> bool:
        return noted == found.number


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    return FakeContext(Ledger(tmp_path / "ledger.jsonl"), Service())


def facts(context: FakeContext) -> list[Fact]:
    return [entry.fact for entry in context.ledger.entries()]


def verbs(resource: FakeKind) -> list[str]:
    return [change.verb for change in ownership.plan(resource)]


def test_ours_is_gone_although_somebody_elses_of_the_same_name_is_left(context: FakeContext) -> None:
    ownership.solve(ByName(context))
    context.service.beside = Thing()
    ownership.undo(ByName(context))
    assert context.service.thing is None
    assert context.service.beside is not None
    assert facts(context)[-1] is Fact.DELETED


def test_it_is_created_waited_for_and_removed_with_a_look(context: FakeContext) -> None:
    made = ownership.solve(FakeKind(context))
    assert (made.mark, made.looks) == ("ours", 0)
    assert facts(context) == [Fact.INTENT, Fact.CREATED]
    ownership.undo(FakeKind(context))
    assert context.service.thing is None
    assert facts(context)[-1] is Fact.DELETED


def test_a_plan_waits_for_nothing_and_says_what_is_waited_for(context: FakeContext) -> None:
    context.service.thing = Thing(looks=9)
    assert verbs(FakeKind(context)) == ["adopt"]
    assert ownership.check(FakeKind(context)).status is Status.WAITING
    context.service.thing = Thing(looks=9, going=True)
    assert verbs(FakeKind(context)) == ["create"]
    assert context.service.thing.looks == 8


def test_waiting_for_what_is_ours_is_no_change(context: FakeContext) -> None:
    ownership.solve(FakeKind(context)).looks = 9
    assert verbs(FakeKind(context)) == ["leave"]


def test_what_is_ours_and_does_not_fit_is_changed(context: FakeContext) -> None:
    ownership.solve(FakeKind(context)).color = "red"
    assert verbs(FakeKind(context)) == ["change"]
    assert ownership.solve(FakeKind(context)).color == "green"
    assert facts(context) == [Fact.INTENT, Fact.CREATED]


def test_what_is_somebody_elses_or_cannot_be_changed_is_a_conflict_with_a_remedy(context: FakeContext) -> None:
    context.service.thing = Thing("red")
    assert verbs(FakeKind(context)) == ["conflict"]
    with pytest.raises(ConflictError, match="Color is red, not green") as told:
        ownership.solve(FakeKind(context))
    assert told.value.hint
    assert facts(context) == []
    context.service.thing = None
    ownership.solve(FakeKind(context)).color = "broken"
    assert verbs(FakeKind(context)) == ["conflict"]
    with pytest.raises(ConflictError):
        ownership.solve(FakeKind(context))


@pytest.mark.parametrize("kind", [FakeKind, Unmarkable])
def test_what_somebody_else_makes_after_our_refusal_is_never_ours(context: FakeContext, kind: type[FakeKind]) -> None:
    context.service.answers = [AccessDeniedError("You may not.")]
    with pytest.raises(AccessDeniedError):
        ownership.solve(kind(context))
    assert facts(context) == [Fact.INTENT, Fact.WITHDRAWN]
    context.service.thing = theirs = Thing()
    ownership.undo(kind(context))
    ownership.solve(kind(context))
    ownership.undo(kind(context))
    assert context.service.thing is theirs
    assert context.ledger.standing() == ()


def test_a_name_taken_by_what_another_wizard_makes_just_now_is_waited_for_and_adopted(context: FakeContext) -> None:
    context.service.overtaken = Thing(looks=3)
    assert ownership.solve(TakenName(context)).looks == 0
    assert facts(context) == [Fact.ADOPTED]
    assert context.service.requests == 0


def test_a_name_in_use_elsewhere_is_an_obstacle(context: FakeContext) -> None:
    with pytest.raises(ConflictError, match="in use"):
        ownership.solve(TakenName(context))
    assert facts(context) == []


@pytest.mark.parametrize("kind", [FakeKind, Unmarkable])
def test_after_a_conflict_it_looks_again_and_adopts_what_fits(context: FakeContext, kind: type[FakeKind]) -> None:
    context.service.overtaken = Thing(looks=2)
    context.service.answers = [ConflictError("It exists.")]
    assert ownership.solve(kind(context)) is context.service.overtaken
    assert facts(context) == [Fact.INTENT, Fact.WITHDRAWN, Fact.ADOPTED]
    ownership.undo(kind(context))
    assert context.service.thing is context.service.overtaken


def test_after_a_conflict_with_something_that_does_not_fit_the_difference_is_told(context: FakeContext) -> None:
    context.service.overtaken = Thing("red")
    context.service.answers = [ConflictError("It exists.")]
    with pytest.raises(ConflictError, match="Color is red"):
        ownership.solve(FakeKind(context))
    assert not context.ledger.made("things/one")


def test_a_conflict_with_our_own_first_request_is_ours(context: FakeContext) -> None:
    context.service.overtaken = Thing(mark="ours", number="7")
    context.service.answers = [ConflictError("It exists.")]
    ownership.solve(FakeKind(context))
    assert facts(context) == [Fact.INTENT, Fact.FAILED, Fact.CREATED]
    assert context.ledger.detail("things/one") == "7"
    ownership.undo(FakeKind(context))
    assert context.service.thing is None


def test_a_refusal_that_passes_by_itself_is_asked_again(context: FakeContext) -> None:
    context.service.answers = [ServiceError("Busy.", code="Busy"), ServiceError("Busy.", code="Busy")]
    ownership.solve(FakeKind(context))
    assert context.service.requests == 3
    assert facts(context) == [Fact.INTENT, Fact.CREATED]


def busy() -> ConflictError:
    """Return the error of a service in which another operation is in progress."""
    error = ConflictError("Another operation is in progress.", code="AnotherOperationInProgress")
    error.passes = True
    return error


def test_another_operation_in_progress_is_waited_for_in_every_kind(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.service.answers = [busy(), busy()]
    resource = Busy(context)
    ownership.solve(resource)
    assert context.service.requests == 3
    assert facts(context) == [Fact.INTENT, Fact.CREATED]
    context.service.refusals = [busy(), busy()]
    assert context.service.thing is not None
    context.service.thing.color = "red"
    ownership.solve(resource)
    assert context.service.thing.color == "green"
    context.service.refusals = [busy(), busy()]
    ownership.undo(resource)
    assert context.service.thing is None
    monkeypatch.setattr(looks, "BUSY_PATIENCE", 0.0)
    context.service.answers = [busy()]
    with pytest.raises(ConflictError, match="Another operation"):
        ownership.solve(resource)
    assert context.service.thing is None


@pytest.mark.parametrize("kind", ["create", "delete"])
def test_a_service_that_does_not_tell_for_a_while_ends_no_waiting(
    kind: str, context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = Busy(context)
    if kind == "delete":
        ownership.solve(resource)
    context.service.silences = 4
    (ownership.solve if kind == "create" else ownership.undo)(resource)
    assert context.service.silences == 0
    assert (context.service.thing is None) == (kind == "delete")
    if kind == "delete":
        context.service.thing = None
        ownership.solve(resource)
    monkeypatch.setattr(looks, "SILENCE", 0.0)
    context.service.silences = 4
    before = facts(context)
    with pytest.raises(InconclusiveError):
        ownership.undo(resource)
    # The deletion was sent: what became of it, the next look tells.
    assert facts(context) == before
    context.service.silences = 0
    ownership.undo(resource)
    assert facts(context)[-1] is Fact.DELETED


def test_what_somebody_else_makes_while_a_refusal_passes_is_adopted_and_not_asked_for_again(
    context: FakeContext,
) -> None:
    context.service.overtaken = Thing()
    context.service.answers = [ServiceError("Busy.", code="Busy")]
    ownership.solve(FakeKind(context))
    assert context.service.requests == 1
    assert facts(context)[-1] is Fact.ADOPTED


def test_a_person_who_stops_while_a_refusal_passes_leaves_nothing_open(context: FakeContext) -> None:
    context.service.answers = [ServiceError("Busy.", code="Busy")]
    resource = FakeKind(context)
    ownership.check(resource)
    reporter = context.reporter

    def stop(event: Event) -> None:
        if "Busy" in str(event):
            reporter.cancelled.set()

    context.reporter._emit = stop
    with pytest.raises(WizardError):
        ownership.solve(resource)
    assert facts(context) == [Fact.INTENT, Fact.WITHDRAWN]


def test_a_deadline_that_passes_while_a_refusal_does_leaves_nothing_open(context: FakeContext) -> None:
    context.service.answers = [ServiceError("Busy.", code="Busy")]
    reporter = context.reporter = Reporter(context.target, context.events.append, threading.Event(), 60, "Go on.")

    def pass_the_deadline(event: Event) -> None:
        if "Busy" in str(event):
            reporter._began -= 60

    reporter._emit = pass_the_deadline
    with pytest.raises(OverdueError):
        ownership.solve(FakeKind(context))
    assert facts(context) == [Fact.INTENT, Fact.WITHDRAWN]


def test_a_deadline_that_passes_in_a_creation_leaves_the_intent_open(context: FakeContext) -> None:
    context.service.after_answer = OverdueError("Not finished within 30 minutes.")
    with pytest.raises(OverdueError):
        ownership.solve(FakeKind(context))
    assert facts(context) == [Fact.INTENT]


def test_only_a_lost_answer_leaves_the_intent_open(context: FakeContext) -> None:
    context.service.after_answer = UnreachableError("The connection broke.")
    with pytest.raises(UnreachableError):
        ownership.solve(FakeKind(context))
    assert facts(context) == [Fact.INTENT]
    context.service.after_answer = None
    ownership.solve(FakeKind(context))
    assert context.service.requests == 1
    assert facts(context) == [Fact.INTENT, Fact.CREATED]


def test_a_kind_without_a_mark_is_not_ours_by_an_intent_alone(context: FakeContext) -> None:
    context.service.after_answer = UnreachableError("The connection broke.")
    with pytest.raises(UnreachableError):
        ownership.solve(Unmarkable(context))
    (change,) = ownership.plan_undo(Unmarkable(context))
    assert change.verb == "leave"
    assert "a thing has no tags" in change.note
    ownership.undo(Unmarkable(context))
    assert context.service.thing is not None
    assert facts(context) == [Fact.INTENT, Fact.LEFT]
    assert context.ledger.standing() == ()


def test_a_kind_without_a_mark_knows_its_own_by_the_id_that_was_noted(context: FakeContext) -> None:
    ownership.solve(Unmarkable(context))
    context.service.thing = Thing(number="2")
    ownership.undo(Unmarkable(context))
    assert context.service.thing is not None
    context.service.thing = Thing(number="1")
    ownership.undo(Unmarkable(context))
    assert context.service.thing is None


def test_a_refusal_that_cannot_be_looked_after_makes_nothing_ours_without_a_mark(context: FakeContext) -> None:
    context.service.answers = [AccessDeniedError("You may not.")]
    resource = FakeKind(context)
    ownership.check(resource)
    original = context.service.answers.pop(0)

    class Blind(FakeKind):
        def create(self, begun: Callable[[str], None]) -> str:
            del begun
            self.service.closed = True
            assert original is not None
            raise original

    with pytest.raises(AccessDeniedError):
        ownership.solve(Blind(context))
    context.service.closed = False
    context.service.thing = Thing()
    ownership.undo(FakeKind(context))
    assert context.service.thing is not None
    assert facts(context) == [Fact.INTENT, Fact.LEFT]


def test_what_went_with_its_place_is_written_off_with_what_was_in_it(context: FakeContext) -> None:
    ownership.solve(FakeKind(context))
    context.ledger.write(Fact.INTENT, "section/other", "things/one/part", "Part")
    context.ledger.write(Fact.INTENT, "section/other", "things/oneself", "Another")
    context.service.place = False
    assert ownership.plan_undo(FakeKind(context)) == ()
    ownership.undo(FakeKind(context))
    assert [entry.resource for entry in context.ledger.standing()] == ["things/oneself"]


def test_what_cannot_be_asked_goes_with_what_it_is_in_if_that_is_ours(context: FakeContext, tmp_path: Path) -> None:
    ownership.solve(FakeKind(context))
    context.service.closed = True
    with pytest.raises(AccessDeniedError):
        ownership.undo(FakeKind(context))
    outer = FakeContext(context.ledger, Service())
    around = FakeKind(outer, name="outer")
    outer.service.thing = Thing()
    with pytest.raises(AccessDeniedError):
        ownership.undo(FakeKind(context, around=around))
    outer.service.thing = None
    ownership.solve(around)
    (told,) = ownership.plan_undo(FakeKind(context, around=around))
    assert (told.verb, told.note) == (
        "leave",
        "your account may not see it; it is deleted together with Thing outer",
    )
    # It stands: only the end of what it is in proves that it is gone.
    ownership.undo(FakeKind(context, around=around))
    assert context.ledger.made("things/one")
    ownership.undo(around)
    assert outer.service.thing is None
    ownership.undo(FakeKind(context, around=around))
    assert not context.ledger.made("things/one")


def test_whether_it_is_gone_is_told_only_to_the_account_that_made_it(context: FakeContext) -> None:
    context.service.account = "alex"
    ownership.solve(FakeKind(context))
    context.service.thing = None
    context.service.account = "kim"
    (told,) = ownership.plan(FakeKind(context))
    assert told.verb == "unclear"
    (told,) = ownership.plan_undo(FakeKind(context))
    assert told.verb == "unclear"
    for asked in (ownership.check, ownership.solve, ownership.undo):
        with pytest.raises(UnseenError, match="you \\(kim\\) can see; alex created it"):
            asked(FakeKind(context))
    mine = FakeContext(context.ledger, Service())
    ownership.solve(FakeKind(mine, "two"))
    with pytest.raises(UnseenError):
        ownership.undo_all([FakeKind(context), FakeKind(mine, "two")])
    assert context.ledger.made("things/one")
    assert not context.ledger.made("things/two")
    context.service.account = "alex"
    ownership.undo(FakeKind(context))
    assert not context.ledger.made("things/one")


def test_what_another_account_sees_and_deletes_is_gone(context: FakeContext) -> None:
    context.service.account = "alex"
    ownership.solve(FakeKind(context))
    context.service.account = "kim"
    ownership.undo(FakeKind(context))
    assert context.service.thing is None
    assert not context.ledger.made("things/one")


def test_what_lets_nobody_in_yet_is_asked_to_before_what_is_in_it_is_deleted(context: FakeContext) -> None:
    class Inside(FakeKind):
        can_join = True

        def join(self) -> None:
            self.service.closed = False

    around = FakeKind(FakeContext(context.ledger, Service()), name="outer")
    ownership.solve(around)
    context.service.closed = True
    assert [change.verb for change in ownership.plan(Inside(context, around=around))] == ["create"]
    context.service.closed = False
    ownership.solve(Inside(context, around=around))
    context.service.closed = True
    (told,) = ownership.plan_undo(Inside(context, around=around))
    assert (told.verb, told.note) == ("unclear", f"cannot tell whether it exists: {removal.JOINS}")
    assert context.service.closed
    ownership.undo(Inside(context, around=around))
    assert context.service.thing is None
    assert not context.ledger.made("things/one")


def test_what_can_be_deleted_while_it_starts_is_not_waited_for(context: FakeContext) -> None:
    context.ledger.write(Fact.INTENT, context.target, "things/one", "Thing")
    context.service.thing = Thing(mark="ours", looks=1_000_000)
    (told,) = ownership.plan_undo(Quick(context))
    assert (told.verb, told.note) == ("delete", "")
    ownership.undo(Quick(context))
    assert context.service.thing is None


def test_what_is_listed_a_little_longer_after_its_deletion_is_looked_at_again(context: FakeContext) -> None:
    context.ledger.write(Fact.INTENT, context.target, "things/one", "Thing")
    context.service.thing = Thing(mark="ours", lingers=2)
    ownership.undo(Quick(context))
    assert not context.ledger.made("things/one")
    context.ledger.write(Fact.INTENT, context.target, "things/one", "Thing")
    context.service.thing = Thing(mark="ours", lingers=1000)
    with pytest.raises(ServiceError, match="still there"):
        ownership.undo(Quick(context))
    assert context.ledger.made("things/one")


def test_what_has_somebodys_work_in_it_is_left_alone_once_and_deleted_when_it_has_no_more(context: FakeContext) -> None:
    ownership.solve(FakeKind(context))
    thing = context.service.thing
    assert thing is not None
    thing.work = "it has work of yours"
    (told,) = ownership.plan_undo(FakeKind(context))
    assert (told.verb, told.note) == ("leave", "it has work of yours: left in place")
    ownership.undo(FakeKind(context))
    ownership.undo(FakeKind(context))
    assert facts(context) == [Fact.INTENT, Fact.CREATED, Fact.LEFT]
    assert not context.ledger.standing()
    thing.work = ""
    ownership.undo(FakeKind(context))
    assert context.service.thing is None


def test_a_creation_is_finished_after_it_is_noted_and_by_a_change_after_a_kill(context: FakeContext) -> None:
    class Killed(BaseException):
        pass

    class Red(FakeKind):
        def expectations(self, found: Thing) -> Sequence[Expectation]:
            return (Expectation("Color", "red", found.color, found.color == "red"),)

        def finish(self, found: Thing) -> bool:
            assert facts(self.context) == [Fact.INTENT, Fact.CREATED]
            self.change(found)
            return True

        def change(self, found: Thing) -> None:
            found.color = "red"

    class Interrupted(Red):
        def finish(self, found: Thing) -> bool:
            raise Killed

    assert ownership.solve(Red(context)).color == "red"
    ownership.undo(Red(context))
    with pytest.raises(Killed):
        ownership.solve(Interrupted(context))
    assert ownership.solve(Red(context)).color == "red"


def test_an_id_that_a_change_has_given_is_noted(context: FakeContext) -> None:
    class Renewed(FakeKind):
        def change(self, found: Thing) -> None:
            super().change(found)
            found.number = "2"

    ownership.solve(Renewed(context))
    assert context.service.thing is not None
    context.service.thing.color = "red"
    ownership.solve(Renewed(context))
    assert context.ledger.detail("things/one") == "2"


def test_what_is_never_ready_or_never_gone_ends_with_an_error(
    context: FakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.service.thing = Thing(looks=10**9)
    monkeypatch.setattr(FakeKind, "patience", 0.0)
    with pytest.raises(ServiceError, match="is still being created, after more than"):
        ownership.solve(FakeKind(context))


def test_what_carries_the_mark_without_being_named_is_a_conflict_in_the_plan_as_in_the_solve(
    context: FakeContext,
) -> None:
    context.service.thing = Thing(mark="ours")
    (told,) = ownership.plan(FakeKind(context))
    assert (told.verb, "the ledger does not name it" in told.note) == ("conflict", True)
    with pytest.raises(ConflictError, match="the ledger does not name it"):
        ownership.solve(FakeKind(context))
    assert facts(context) == []
