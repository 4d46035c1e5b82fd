"""What every front end is asked to ask, in which order, through the real facade and the real lab."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from hol_wizard import headless, plain
from hol_wizard.doctor.cost import Cost
from hol_wizard.doctor.survey import Rebuilt, Survey
from hol_wizard.engine.events import RunFinished
from hol_wizard.engine.ledger import Damage
from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import UnreachableError, UsageError
from hol_wizard.headless import WorkOptions
from hol_wizard.paths import Home
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard import conversation
from hol_wizard.wizard.facade import Wizard, open_wizard
from hol_wizard.wizard.requests import Ask, ByHand, Consent, LedgerDoubt, LedgerRebuilt, Outcome, Request, Work

CHOSEN = {"prefix": "mine", "location": "westeurope", "alias": "ada", "devops_organization": "contoso"}


def reachable() -> Endpoints:
    return Endpoints.of_cloud("azure")


def wizard(
    root: Path, flags: Mapping[str, str] | None = None, *, connect: Callable[[], Endpoints] = reachable
) -> Wizard:
    """Return a wizard with these choices; before there is a lab of theirs, nothing is asked of the cloud."""
    return open_wizard(
        home=Home(root / "config", root / "state"),
        cloud="azure",
        profile="default",
        connect=connect,
        flags=flags,
        environ={},
    )


def names(request: Request) -> list[str]:
    assert isinstance(request, Ask)
    return [each.name for each in request.questions]


def answered(talk: Iterator[Request], **answers: str) -> Request:
    """Answer the first request, and return the second."""
    request = next(talk)
    assert isinstance(request, Ask)
    request.answers = answers
    return next(talk)


@pytest.mark.parametrize("review", [True, False])
def test_a_section_asks_for_what_its_needs_ask_for(tmp_path: Path, review: bool) -> None:
    bare = wizard(tmp_path)
    talk = conversation.solve(bare, bare.targets(["resource-groups"]), review=review)
    assert names(next(talk)) == ["prefix", "location", "alias"]


def test_plain_asks_for_the_same(tmp_path: Path) -> None:
    def unreachable() -> Endpoints:
        raise UnreachableError("No cloud here.", "")

    output = io.StringIO()
    answers = io.StringIO("do this section\nmine\n1\nwesteurope\n")
    bare = wizard(tmp_path, connect=unreachable)
    plain.run(bare, resume=bare.find_section("resource-groups"), answers=answers, output=output)
    headings = [line for line in output.getvalue().splitlines() if line in {"Prefix", "Region", "Alias"}]
    assert headings == ["Prefix", "Region", "Alias"]


def test_a_command_names_the_same(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        headless.solve(wizard(tmp_path), WorkOptions(("resource-groups",), yes=True))
    assert caught.value.hint.startswith("Give them as options (--prefix NAME --location REGION --alias NAME)")


def test_neither_plan_nor_solve_begins_without_a_value_that_is_needed(tmp_path: Path) -> None:
    bare = wizard(tmp_path)
    targets = bare.targets(["resource-groups"])
    with pytest.raises(UsageError, match="3 values are missing"):
        bare.plan(targets)
    with pytest.raises(UsageError, match="A value is missing"):
        list(bare.solve(targets, inputs={"prefix": "mine", "location": "westeurope"}))


def test_a_step_that_is_done_alone_shows_what_it_is_done_with_and_a_command_has_options(tmp_path: Path) -> None:
    chosen = wizard(tmp_path, CHOSEN)
    step = chosen.targets(["set-up/choose-your-names"])
    request = next(conversation.solve(chosen, step))
    assert names(request)[:3] == ["prefix", "location", "alias"]
    assert isinstance(request, Ask)
    assert [each.offered for each in request.questions[:3]] == ["mine", "westeurope", "ada"]
    assert isinstance(next(conversation.solve(chosen, step, review=False)), Consent)
    assert isinstance(next(conversation.solve(chosen, chosen.targets(["set-up"]))), Consent)


def test_whoever_does_not_answer_changes_nothing(tmp_path: Path) -> None:
    bare = wizard(tmp_path)
    assert len(list(conversation.solve(bare, bare.targets(["resource-groups"])))) == 1
    chosen = wizard(tmp_path, CHOSEN)
    assert [type(each) for each in conversation.solve(chosen, chosen.targets(["resource-groups"]))] == [Consent]


def test_what_only_a_person_can_do_is_told_first(tmp_path: Path) -> None:
    chosen = wizard(tmp_path, CHOSEN)
    targets = chosen.targets()
    by_hand = next(conversation.solve(chosen, targets))
    assert isinstance(by_hand, ByHand)
    assert [each.key for each in by_hand.targets] == [
        each.key for each in targets if not each.step.solve and not each.step.confirm
    ]


def test_a_secret_is_asked_for_once_it_is_known_to_be_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = wizard(tmp_path, CHOSEN)
    monkeypatch.setattr(chosen.secrets, "source", lambda name, inputs=None: "")
    (step,) = [each for each in chosen.targets() if "devops_sign_in" in each.step.inputs]
    section = chosen.targets([step.step.section])
    later = [each for each in section if each.key != step.key]
    assert isinstance(next(conversation.solve(chosen, later)), Consent | ByHand)
    request = next(conversation.solve(chosen, [step]))
    assert isinstance(request, Ask)
    (token,) = [each for each in request.questions if each.input.secret]
    assert token.is_asked({"devops_sign_in": "token"})
    assert not token.is_asked({"devops_sign_in": "entra"})
    by_token = wizard(tmp_path, CHOSEN | {"devops_sign_in": "token"})
    monkeypatch.setattr(by_token.secrets, "source", lambda name, inputs=None: "")
    assert names(next(conversation.solve(by_token, later))) == ["devops_token"]


@pytest.mark.parametrize(
    ("rebuild", "follows"), [(True, [LedgerDoubt, LedgerRebuilt, Consent]), (False, [LedgerDoubt, Consent])]
)
def test_a_ledger_in_doubt_is_talked_about_before_the_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rebuild: bool, follows: list[type]
) -> None:
    lost = Survey(Damage(tmp_path / "ledger.jsonl", "it is not JSON", (3,), 12))
    surveys = [lost, Survey()]
    chosen = wizard(tmp_path, CHOSEN)
    monkeypatch.setattr(chosen.ledger_care, "doubts", lambda removing_all: surveys.pop(0))
    monkeypatch.setattr(chosen.ledger_care, "rebuild", lambda seen: Rebuilt(None, 11, (), (), True))
    seen: list[type] = []
    for request in conversation.teardown(chosen, None):
        seen.append(type(request))
        if isinstance(request, LedgerDoubt):
            assert request.may_rebuild
            request.rebuild = rebuild
        if isinstance(request, Consent):
            assert request.complete is rebuild
    assert seen == follows


def test_whoever_leaves_at_a_doubt_sees_no_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = wizard(tmp_path, CHOSEN)
    lost = Survey(Damage(tmp_path / "ledger.jsonl", "it is not JSON", (3,), 12))
    monkeypatch.setattr(chosen.ledger_care, "doubts", lambda removing_all: lost)
    talk = conversation.teardown(chosen, None)
    doubt = next(talk)
    assert isinstance(doubt, LedgerDoubt)
    doubt.rebuild = None
    assert next(talk, None) is None


def test_a_removal_with_nothing_to_remove_has_work_only_where_something_is_to_be_written_off() -> None:
    nothing: Callable[[], tuple[()]] = lambda: ()  # noqa: E731
    assert Consent(nothing).has_work
    assert not Consent(nothing, removes=True).has_work
    assert Consent(nothing, removes=True, noted=True).has_work
    assert not Consent(nothing, removes=True, noted=True).must_ask


def following(bare: Wizard, asked: str, *others: str, status: Status = Status.PASSED, cancelled: bool = False) -> str:
    """Return the key of what follows a solve that ends like this, with these other steps done; empty: nothing."""
    for request in conversation.solve(bare, [bare.target(asked)], review=False):
        if isinstance(request, Consent):
            request.agreed = True
        elif isinstance(request, Work):
            results = {**dict.fromkeys(others, Result(Status.PASSED, "Done.")), asked: Result(status, "Looked at.")}
            request.finished = RunFinished(results, 1.0, cancelled=cancelled)
        elif isinstance(request, Outcome):
            return request.following.key if request.following else ""
    raise AssertionError("a solve has an outcome")


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wizard:
    """Return a wizard that has done nothing yet, and that no cloud answers."""
    made = wizard(tmp_path, CHOSEN)
    monkeypatch.setattr(made.ledger_care, "doubts", lambda **_: Survey())
    monkeypatch.setattr(made, "plan", lambda *_, **__: ())
    monkeypatch.setattr(made, "cost", Cost)
    return made


def test_what_follows_a_solve_is_the_next_step_that_is_not_done(bare: Wizard) -> None:
    names, sign_in, subscription = [target.key for target in bare.targets(["set-up"])]
    assert following(bare, names) == sign_in
    assert following(bare, names, sign_in) == subscription
    # Nobody has looked at the names yet: what is behind comes first.
    assert following(bare, sign_in) == subscription


def test_behind_the_last_step_the_first_follows_that_is_not_done(bare: Wizard) -> None:
    first, *others, last = [target.key for target in bare.targets()]
    assert following(bare, last, *others) == first
    assert following(bare, last, first, *others) == ""


def test_nothing_follows_a_solve_that_leaves_something_to_do(bare: Wizard) -> None:
    assert following(bare, "set-up/sign-in", status=Status.FAILED) == ""
    assert following(bare, "set-up/sign-in", cancelled=True) == ""


def test_who_has_not_agreed_to_what_would_run_is_asked_again_with_the_reason(bare: Wizard) -> None:
    asked = "build-pipeline/run-the-pipeline@pipeline"
    moved = Result(Status.FAILED, "Nothing was started: main has changed.", ask_again=True)
    results = [moved, Result(Status.PASSED, "Done.")]
    reasons: list[list[str]] = []
    ended = []
    for request in conversation.solve(bare, [bare.target(asked)], review=False):
        if isinstance(request, Consent):
            reasons.append(list(request.because))
            request.agreed = True
        elif isinstance(request, Work):
            request.finished = RunFinished({asked: results.pop(0)}, 1.0)
        elif isinstance(request, Outcome):
            ended.append(request.finished.results[asked].status)
    assert reasons == [[], ["Nothing was started: main has changed."]]
    assert ended == [Status.PASSED]


def test_nobody_is_asked_again_who_has_stopped_or_declined_or_was_asked_often(bare: Wizard) -> None:
    asked = "build-pipeline/run-the-pipeline@pipeline"
    moved = Result(Status.FAILED, "Nothing was started: main has changed.", ask_again=True)

    def questions(*, cancelled: bool, agrees: int) -> int:
        found = 0
        for request in conversation.solve(bare, [bare.target(asked)], review=False):
            if isinstance(request, Consent):
                found += 1
                request.agreed = found <= agrees
            elif isinstance(request, Work):
                request.finished = RunFinished({asked: moved}, 1.0, cancelled=cancelled)
        return found

    assert questions(cancelled=True, agrees=9) == 1
    assert questions(cancelled=False, agrees=1) == 2
    assert questions(cancelled=False, agrees=9) == 4
