"""After a failed check or solve, the cursor is on the first failed step, and the reason is on the screen."""

from __future__ import annotations

import pytest

from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.section_screen import SectionScreen
from tests.tui.conftest import MakeApp, solving
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, screen_of, seen, until, until_seen

SECTION = "workspace-resources"
LAKE = f"{SECTION}/add-a-data-lake"
NEXT = (
    "Change the access tier to Cool: in the portal, open the storage account, select Configuration, choose Cool and "
    "save; then check again."
)
WRONG = Result(
    Status.FAILED,
    "The data lake is not as the lab needs it.",
    (
        *(Expectation(f"Property {number}", "on", "on", True) for number in range(9)),
        Expectation("Access tier", "Cool", "Hot", False),
    ),
    next_action=NEXT,
)
SIZES = [(80, 24), (80, 16), (120, 40)]


@pytest.mark.parametrize("size", SIZES)
async def test_a_failed_check_of_a_section_shows_the_red_step_and_why(
    make_app: MakeApp, fake: FakeWizard, size: tuple[int, int]
) -> None:
    fake.world.done |= {f"{SECTION}/{step}" for step in ("register-the-resource-providers",)}
    fake.world.done |= {f"{SECTION}/add-a-machine-learning-workspace@{each}" for each in ("dev", "pipeline")}
    fake.world.done |= {f"{LAKE}@dev"}
    fake.world.results[f"{LAKE}@pipeline"] = WRONG
    app = make_app(SECTION)
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        await pilot.press("C")
        await at_rest(pilot)
        await until_seen(pilot, "Access tier: expected Cool, found Hot", "The data lake is not as the lab needs it.")
        assert isinstance(app.screen, SectionScreen)
        assert app.screen.target is not None
        assert app.screen.target.key == f"{LAKE}@pipeline"
        left = " ".join(line[:54] if size[0] > 80 else line for line in seen(app).splitlines())
        assert "then check again." in " ".join(left.split()), "the next action is whole"


@pytest.mark.parametrize("size", SIZES)
async def test_a_failed_solve_shows_the_red_step_and_why(
    make_app: MakeApp, fake: FakeWizard, size: tuple[int, int]
) -> None:
    app = make_app(SECTION)
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "Do it")
        fake.world.spoiled[f"{LAKE}@dev"] = WRONG
        await pilot.press("enter")
        await at_rest(pilot)
        await until_seen(pilot, "Access tier: expected Cool, found Hot")
        assert isinstance(app.screen, SectionScreen)
        assert app.screen.target is not None
        assert app.screen.target.key == f"{LAKE}@dev"


async def test_the_reason_leaves_with_the_failure_and_a_chosen_pane_stays(make_app: MakeApp, fake: FakeWizard) -> None:
    key = "tools/python"
    fake.world.done.discard(key)
    app = make_app("tools")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await until_seen(pilot, "[Guide]")
        await pilot.press("down", "c")
        await until_seen(pilot, "[Result]", "It is not there yet.")
        await pilot.press("down")
        await until_seen(pilot, "[Guide]")
        await pilot.press("up")
        await until_seen(pilot, "[Result]")
        await pilot.press("p", "p")
        await until_seen(pilot, "[Guide]")
        await pilot.press("c")
        await until_seen(pilot, "[Result]")
        fake.world.done.add(key)
        await pilot.press("c")
        await until_seen(pilot, "[Guide]", "passed")


async def test_the_overview_goes_to_the_section_that_failed(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.results[f"{LAKE}@dev"] = WRONG
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("c")
        await at_rest(pilot)
        assert isinstance(app.screen, OverviewScreen)
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen) and app.screen.sections.current == SECTION)
        await pilot.press("enter")
        await until_seen(pilot, "Add a data lake")


async def test_a_step_blocked_by_its_own_section_does_not_name_the_section(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("end", "c")
        await until_seen(pilot, "Do “Sign in” first.")
        assert "(section set-up)" not in screen_of(pilot)


async def test_a_failed_solve_does_not_take_the_cursor_before_it_has_ended(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app(SECTION)
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await pilot.press("end")
            assert isinstance(app.screen, SectionScreen)
            last = app.screen.target
            await pilot.pause(0.2)
            assert app.screen.target is last
