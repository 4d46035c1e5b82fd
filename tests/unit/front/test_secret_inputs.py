"""A secret that a step asks for, in `solve` and in the plain front end: asked unseen, kept, said nowhere."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from hol_wizard import headless, plain
from hol_wizard.engine.results import Status
from hol_wizard.errors import UnreachableError, UsageError
from hol_wizard.headless import WorkOptions
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.services.secrets import Secret
from tests.front_fakes import CHOSEN, FAILED, NAMES, FakeWizard
from tests.unit.front.conftest import Terminal

TOKEN = "canary" + "x7" * 30
QUESTIONS = ("devops_organization", "devops_sign_in", "devops_token")


class OrganizationWizard(FakeWizard):
    """One whose first step asks for an organization and for the way into it."""

    def __init__(self, **saved: str) -> None:
        super().__init__(
            {NAMES: FAILED},
            CHOSEN | {"devops_organization": "contoso", "devops_sign_in": "token", **saved},
            inputs=("devops_organization", "devops_sign_in", "devops_token"),
        )
        self.answers.options = self._unknown  # type: ignore[method-assign]  # nobody tells the organizations

    def _unknown(self, name: str) -> tuple[tuple[str, str], ...]:
        if name == "devops_organization":
            raise UnreachableError("Azure DevOps does not tell.", "")
        return INPUTS[name].options


@pytest.mark.parametrize("options", [WorkOptions(("set-up",), yes=True), WorkOptions(("set-up",), plan=True)])
def test_where_nobody_can_be_asked_a_missing_secret_is_named_with_its_variables(options: WorkOptions) -> None:
    wizard = OrganizationWizard()
    with pytest.raises(UsageError, match="Personal access token is missing") as raised:
        headless.solve(wizard.as_wizard(), options)
    assert "HOL_WIZARD_DEVOPS_TOKEN or AZURE_DEVOPS_EXT_PAT" in raised.value.hint
    assert not wizard.world.kept


def test_without_tokens_nothing_is_missing() -> None:
    wizard = OrganizationWizard(devops_sign_in="entra")
    headless.solve(wizard.as_wizard(), WorkOptions(("set-up",), yes=True))
    assert "solve" in [name for name, _ in wizard.calls]


@pytest.mark.parametrize(
    ("status", "typed", "kept"), [("failed", TOKEN, TOKEN), ("failed", "", "old" * 20), ("passed", TOKEN, "old" * 20)]
)
def test_one_that_is_kept_and_does_not_open_can_be_given_anew(
    terminal_input: Callable[[str], Terminal],
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    typed: str,
    kept: str,
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal_input("y\n")
    monkeypatch.setattr("getpass.getpass", lambda question, stream: typed)
    wizard = OrganizationWizard()
    name = "devops-token/contoso"
    wizard.world.kept[name] = Secret("old" * 20)
    wizard.remembered[NAMES] = Status(status)
    headless.solve(wizard.as_wizard(), WorkOptions(("set-up",)))
    assert wizard.world.kept[name].reveal() == kept


def test_on_a_terminal_solve_asks_for_it_unseen_and_keeps_it(
    terminal_input: Callable[[str], Terminal],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    shown = terminal_input("y\n")
    monkeypatch.setattr("getpass.getpass", lambda question, stream: TOKEN)
    wizard = OrganizationWizard()
    headless.solve(wizard.as_wizard(), WorkOptions(("set-up",)))
    assert wizard.world.kept["devops-token/contoso"].reveal() == TOKEN
    said = shown.getvalue() + "".join(capsys.readouterr())
    assert "kept for this session only" in said
    assert TOKEN not in said
    assert TOKEN not in str(wizard.calls)


def walk(wizard: FakeWizard, *answers: str) -> str:
    output = io.StringIO()
    typed = io.StringIO("\n".join(answers) + "\n")
    plain.run(wizard.as_wizard(), answers=typed, output=output)
    return output.getvalue()


def test_plain_asks_for_it_after_the_rest_and_never_says_it() -> None:
    wizard = OrganizationWizard()
    said = walk(wizard, "1", "1", "Do it", "contoso", "2", "not it", TOKEN, "0", "0", "0")
    assert "The choices are unknown: Azure DevOps does not tell." in said
    assert "not a personal access token" in said
    assert wizard.world.kept["devops-token/contoso"].reveal() == TOKEN
    assert TOKEN not in said


def test_plain_does_not_ask_for_it_where_no_tokens_are_used() -> None:
    wizard = OrganizationWizard()
    said = walk(wizard, "1", "1", "Do it", "contoso", "1", "0", "0", "0")
    assert "Personal access token" not in said.replace("A personal access token", "")
    assert not wizard.world.kept
