"""Everything is a few keys away, and a key that does nothing says why."""

from __future__ import annotations

import pytest

from hol_wizard.tui import app as app_module
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.section_screen import SectionScreen
from tests.tui.conftest import MakeApp, solving
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, seen, until, until_seen


async def test_digits_open_a_section_from_anywhere(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    # However busy the machine is, the second digit is in time.
    monkeypatch.setattr(app_module, "ANOTHER_DIGIT_WITHIN", 60.0)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("3")
        await until_seen(pilot, "3 Create the resource groups", "About this section")
        await pilot.press("1", "2")
        await until_seen(pilot, "12 Train the model", "About this section")
        monkeypatch.setattr(app_module, "ANOTHER_DIGIT_WITHIN", 0.1)
        await pilot.press("1")
        await until_seen(pilot, "1 Set up: who, where, sign-in")
        await pilot.press("0")
        await until_seen(pilot, "There is no section 0: they are 1 to 19.")


async def test_a_key_that_does_nothing_says_why(make_app: MakeApp) -> None:
    app = make_app("tools")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        for keys, said in (
            (["s"], "Select a step first"),
            (["down", "s"], "Only a person can do this step: the guide says how."),
            (["u"], "This step creates nothing that could be removed."),
            (["v"], "This step has no test results."),
            (["x"], "Nothing is being changed."),
        ):
            await pilot.press(*keys)
            await until_seen(pilot, said)
            app.clear_notifications()


async def test_a_key_that_has_to_wait_for_work_says_for_which(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "s"):
            await pilot.press("s")
            await until_seen(pilot, "(dev)” is running:")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_footer_always_has_back_undo_and_help(make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app("workspace-resources")
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        for _ in range(8):
            footer = seen(app).splitlines()[-1]
            assert all(text in footer for text in (" esc back ", " u undo ", " ? help")), footer
            assert len(footer.rstrip()) <= size[0]
            await pilot.press("down")
            await pilot.pause()


async def test_enter_on_a_step_offers_what_can_be_done_and_says_why_the_rest_cannot(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "enter")
        await until_seen(
            pilot,
            "Read the guide",
            "▌Do this step for me  (s)",
            "– Show the test results: This step has no test results.",
        )
        await pilot.press("enter")
        await until_seen(pilot, "what this will do")
        await pilot.press("escape")
        await pilot.press("enter")
        await until_seen(pilot, "Read the guide")
        await pilot.press("home", "enter")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen) and app.screen.guide.has_focus)


@pytest.mark.parametrize(
    ("typed", "found", "opened"),
    [
        ("key vault", "Step: Add a Key Vault (dev)", "Add a Key Vault"),
        ("region", "Setting: Region", "Choose your names"),
        (
            "provisioningState",
            "Guide: Create the three resource groups (section 3)",
            "Create the three resource groups",
        ),
        ("section 12", "Go to section 12: Train the model", "12 Train the model"),
    ],
)
async def test_a_slash_finds_steps_settings_texts_and_sections(
    make_app: MakeApp, typed: str, found: str, opened: str
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("slash")
        await pilot.press(*("space" if key == " " else key for key in typed))
        await until_seen(pilot, found)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))
        await until_seen(pilot, opened)


async def test_the_question_about_work_in_progress_goes_with_the_work(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "s"):
            await pilot.press("q")
            await until_seen(pilot, "Something is still running")
        await until(pilot, lambda: app.working is None)
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))
        assert app.is_running
        await until_seen(pilot, "done and verified.")


async def test_the_overview_counts_while_a_number_is_typed(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "ANOTHER_DIGIT_WITHIN", 60.0)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("1")
        assert isinstance(app.screen, OverviewScreen)
        await pilot.press("9")
        await until_seen(pilot, "19 Release to production")
