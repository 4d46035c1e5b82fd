"""The form before a solve: a secret, a list that the cloud has, a list of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from textual.widgets import Input as Field
from textual.widgets import RadioSet, TextArea

from hol_wizard.errors import ServiceError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.tui.app import HolWizardApp
from hol_wizard.tui.modals.inputs import InputsDialog
from hol_wizard.wizard.questions import Question
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import seen, until, until_seen

TOKEN = "canaryPAT" + "x7" * 30
SIZES = [(80, 24), (120, 40)]
ORGANIZATIONS = (("contoso", "contoso"), ("fabrikam", "fabrikam"))


class Form:
    """The dialog in the app, and what it answered."""

    def __init__(self, wizard: FakeWizard, *names: str) -> None:
        self.app = HolWizardApp(wizard.as_wizard(), memory_path=wizard.home.state / "ui.json")
        self.wizard = wizard
        self.dialog = InputsDialog(
            [Question(wizard.as_wizard(), INPUTS[name]) for name in names], "Choose the organization"
        )
        self.answers: list[Mapping[str, str] | None] = []

    async def open(self) -> None:
        await self.app.push_screen(self.dialog, self.answers.append)

    def field(self, name: str) -> Field:
        return self.dialog.query_one(f"#field-{name}", Field)


@pytest.fixture
def wizard(fake: FakeWizard) -> FakeWizard:
    fake.world.options["devops_organization"] = ORGANIZATIONS
    return fake


QUESTIONS = ("devops_organization", "devops_sign_in", "devops_token")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_a_token_is_asked_for_where_tokens_are_used_and_is_seen_nowhere(
    wizard: FakeWizard, tmp_path: Path, size: tuple[int, int]
) -> None:
    form = Form(wizard, *QUESTIONS)
    async with form.app.run_test(size=size, notifications=True) as pilot:
        await form.open()
        await until_seen(pilot, "lists 2 choices", "A personal access token")
        assert not form.dialog.query_one("#row-devops_token").display
        form.field("devops_organization").value = "contoso"
        form.dialog.query_one(RadioSet).focus()
        await pilot.press("down", "space")
        await until(pilot, lambda: form.dialog.query_one("#row-devops_token").display)
        form.field("devops_token").focus()
        await pilot.press(*TOKEN)
        await until_seen(pilot, "••••", "✓ fine")
        assert TOKEN not in seen(form.app)
        assert TOKEN not in form.app.export_screenshot()
        await pilot.press("enter")
        await until(pilot, lambda: form.answers)
        await until_seen(pilot, "kept for this session only")
        assert TOKEN not in form.app.export_screenshot()
    assert form.answers == [{"devops_organization": "contoso", "devops_sign_in": "token"}]
    assert wizard.world.kept["devops-token/contoso"].reveal() == TOKEN
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


async def test_a_token_that_is_none_is_not_kept(wizard: FakeWizard) -> None:
    wizard.profile.change(devops_sign_in="token")
    form = Form(wizard, *QUESTIONS)
    async with form.app.run_test(size=(80, 24)) as pilot:
        await form.open()
        form.field("devops_organization").value = "contoso"
        form.dialog.action_submit()
        await until_seen(pilot, "This value is required.")
        form.field("devops_token").value = "too short"
        form.dialog.action_submit()
        await until_seen(pilot, "not a personal access token")
        assert "too short" not in seen(form.app)
    assert not wizard.world.kept
    assert not form.answers


async def test_without_tokens_none_is_asked_for(wizard: FakeWizard) -> None:
    form = Form(wizard, *QUESTIONS)
    async with form.app.run_test(size=(80, 24)) as pilot:
        await form.open()
        form.field("devops_organization").value = "contoso"
        form.field("devops_organization").focus()
        await pilot.press("enter")
        form.dialog.action_submit()
        await until(pilot, lambda: form.answers)
    assert form.answers == [{"devops_organization": "contoso", "devops_sign_in": "entra"}]
    assert not wizard.world.kept


async def test_an_organization_is_chosen_from_the_list_or_typed(wizard: FakeWizard) -> None:
    form = Form(wizard, "devops_organization")
    async with form.app.run_test(size=(80, 24)) as pilot:
        await form.open()
        await until_seen(pilot, "lists 2 choices")
        await pilot.press("down")
        await until_seen(pilot, "fabrikam", "Type another")
        await pilot.press("down", "enter")
        await until(pilot, lambda: form.field("devops_organization").value == "fabrikam")
        form.field("devops_organization").value = "not-listed"
        form.dialog.action_submit()
        await until(pilot, lambda: form.answers)
    assert form.answers == [{"devops_organization": "not-listed"}]


async def test_what_keeps_the_list_away_is_said_and_stops_nobody(
    wizard: FakeWizard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> tuple[tuple[str, str], ...]:
        raise ServiceError("Azure DevOps does not tell.", "")

    monkeypatch.setattr(wizard.answers, "options", refuse)
    form = Form(wizard, "devops_organization")
    async with form.app.run_test(size=(80, 24)) as pilot:
        await form.open()
        await until_seen(pilot, "The choices are unknown", "does not tell")
        form.field("devops_organization").value = "contoso"
        form.dialog.action_submit()
        await until(pilot, lambda: form.answers)
    assert form.answers == [{"devops_organization": "contoso"}]


async def test_that_the_list_is_on_its_way_is_said(wizard: FakeWizard) -> None:
    wizard.world.pace = 0.5
    form = Form(wizard, "devops_organization")
    async with form.app.run_test(size=(80, 24)) as pilot:
        await form.open()
        await until_seen(pilot, "looking which there are")
        await until_seen(pilot, "lists 2 choices")


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
async def test_addresses_are_typed_one_a_line_and_each_wrong_one_is_named(
    wizard: FakeWizard, size: tuple[int, int]
) -> None:
    wizard.profile.change(devops_users="robin@contoso.com, sam@contoso.com")
    form = Form(wizard, "devops_users", "devops_access_level")
    async with form.app.run_test(size=size) as pilot:
        await form.open()
        area = form.dialog.query_one("#field-devops_users", TextArea)
        assert area.text == "robin@contoso.com\nsam@contoso.com"
        area.text = "robin@contoso.com\nsam\nkim@"
        await until_seen(pilot, "✗ “sam” is not an e-mail address.", "✗ “kim@” is not an e-mail address.")
        form.dialog.action_submit()
        assert not form.answers
        area.text = "robin@contoso.com; Robin@contoso.com\nkim@contoso.com"
        await until_seen(pilot, "✓ fine")
        form.dialog.action_submit()
        await until(pilot, lambda: form.answers)
    assert form.answers == [{"devops_users": "robin@contoso.com, kim@contoso.com", "devops_access_level": "basic"}]
