from __future__ import annotations

from dataclasses import replace

from hol_wizard.engine.results import Result, Status
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.section_screen import SectionScreen
from hol_wizard.tui.widgets.rows import Rows
from tests.tui.conftest import MakeApp
from tests.tui.fake_wizard import RUNS, FakeWizard
from tests.tui.looking import at_rest, screen_of, seen, until, until_seen

GROUP_DEV = "resource-groups/create-the-three-resource-groups@dev"


async def test_the_overview_numbers_all_sections_and_says_in_words_how_they_stand(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        text = seen(app)
        assert "19 · no check Release to production" in text
        assert "◐ partly   Tools on your machine" in text
        assert "○ to do    Create the resource groups" in text
        assert "2 of 49 verified" in text
        assert "2 by hand  0/2" in text
        assert "cloud practice · profile default" in text


async def test_the_overview_points_to_the_next_step_and_n_opens_it(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        assert "Next: 1 · Choose your names" in seen(app)
        await pilot.press("n")
        await until_seen(pilot, "What choose your names is for")
        assert isinstance(app.screen, SectionScreen)
        await pilot.press("escape")
        await at_rest(pilot)
        assert isinstance(app.screen, OverviewScreen)
        assert "You are at 1." in seen(app)
        await pilot.resize_terminal(120, 40)
        await until_seen(pilot, "you are here")


async def test_before_anybody_has_looked_the_last_run_is_shown(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.remembered = {f"tools/{name}": Status.PASSED for name in ("python", "git", "docker-engine")}
    fake.world.pace = 0.2
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until_seen(pilot, "✓ passed   Tools on your machine")
        assert fake.world.looks.count("tools/git") == 0


async def test_what_broke_since_the_last_run_is_said_and_r_goes_there(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.remembered = {GROUP_DEV: Status.PASSED}
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await until_seen(pilot, "Passed earlier, but no longer: Create the three resource groups (dev)")
        assert "! broken   Create the resource groups" in seen(app)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))
        assert isinstance(app.screen, SectionScreen)
        assert app.screen.target is not None
        assert app.screen.target.key == GROUP_DEV


async def test_sections_can_be_filtered_by_role(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        await pilot.press("f", "f")
        await until_seen(pilot, "Train the model")
        assert "Create the resource groups" not in seen(app)
        assert "Tools on your machine" in seen(app)
        await pilot.press("f", "f")
        await until_seen(pilot, "Create the resource groups")


async def test_a_click_moves_the_cursor_and_a_second_opens(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.click(Rows, offset=(20, 2))
        assert app.screen.query_one(Rows).current == "resource-groups"
        await pilot.click(Rows, offset=(20, 2))
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))


async def test_the_keys_at_the_foot_can_be_clicked(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        column = seen(app).splitlines()[-1].index("? help")
        await pilot.click(offset=(column + 3, 23))
        await until_seen(pilot, "On the overview", "Everywhere")


async def test_a_wide_overview_tells_about_the_section_under_the_cursor(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down")
        await until_seen(pilot, "This section is about create", "(pipeline)")
        assert "**" not in screen_of(pilot)


async def test_a_message_takes_a_line_of_its_own_and_hides_nothing(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        before = seen(app).splitlines()
        app.notify("It is done. " * 30, title="✓ Done", timeout=60, markup=False)
        await until_seen(pilot, "✓ Done  It is done.")
        after = seen(app).splitlines()
        assert [line.rstrip() for line in after[-2:]] == [line.rstrip() for line in before[-2:]]
        assert sum("It is done." in line for line in after) == 3
        assert [line[:40] for line in after[:17]] == [line[:40] for line in before[:17]]
        app.clear_notifications()
        await until(pilot, lambda: seen(app).splitlines() == before)


async def test_a_message_is_shown_in_a_dialog_and_below_it(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        await pilot.press("question_mark")
        await until_seen(pilot, "Close")
        app.notify("Copied [this].", timeout=60, markup=False)
        await until_seen(pilot, "· Copied [this].", "Close")
        await pilot.press("escape")
        await until_seen(pilot, "· Copied [this].", "Create the cluster")


async def test_a_change_of_what_costs_money_is_told(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.costs = RUNS
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        app.take_cost(RUNS)
        await until_seen(pilot, "Running now", "2 clusters run, ~0.48 USD/h+DBU. $ shows more.")
        app.clear_notifications()
        app.take_cost(RUNS)
        await pilot.pause()
        assert "shows more" not in seen(app), "nothing has changed"
        app.take_cost(replace(RUNS, running=RUNS.running[:1]))
        await until_seen(pilot, "No longer running: Cluster cpu (pipeline). 1 cluster runs")
        app.clear_notifications()
        app.take_cost(replace(RUNS, running=()))
        await until_seen(pilot, "No longer running: Cluster cpu (dev). Nothing that is billed")


async def test_going_on_after_the_last_step_shows_the_end_and_writes_a_report(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.world.done |= {target.key for target in fake.targets() if target.step.check}
    fake.profile.change(subscription="11111111-2222-3333-4444-555555555555")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        fake.confirming.confirm([target for target in fake.targets() if target.step.confirm])
        app.show_confirmations(fake.confirming.results())
        await until_seen(pilot, "n shows the end.")
        await pilot.press("n")
        await until_seen(pilot, "The lab is done: 19 of 49 steps are verified, 1 confirmed by you.")
        await pilot.press("end")
        await until_seen(pilot, "Nothing that is billed by the hour is running.", "The report:")
        assert (fake.home.state_folder("practice", "default") / "report.md").is_file()


async def test_everything_up_to_the_section_under_the_cursor_is_done_with_few_keys(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down", "S")
        await until_seen(pilot, "Sections 1 to 3: what this will do", "4 to create")
        await pilot.press("enter")
        await until(pilot, lambda: len([key for key in fake.world.done if not key.startswith("tools/")]) == 6)
        await at_rest(pilot)
        assert not any(key.startswith("workspace-resources/") for key in fake.world.done)


async def test_a_skipped_step_stays_in_the_count(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.results["tools/git"] = Result(Status.SKIPPED, "Not wanted here.")
    app = make_app("tools")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await until_seen(pilot, "1 of 3, 1 skipped")
