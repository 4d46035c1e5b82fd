from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from hol_wizard.doctor.cost import Cost
from hol_wizard.doctor.survey import Survey
from hol_wizard.engine.ledger import Damage
from hol_wizard.engine.registry import Marked
from hol_wizard.engine.results import Status
from hol_wizard.errors import ServiceError
from hol_wizard.tui import flows
from hol_wizard.tui.commands import COMMANDS, Place, bindings_of
from hol_wizard.tui.modals.error import ErrorDialog
from hol_wizard.tui.modals.leave import LeaveDialog
from hol_wizard.tui.modals.ledger import LedgerDialog
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.section_screen import SectionScreen
from hol_wizard.tui.ui_state import UiState
from hol_wizard.wizard import conversation
from tests.tui.conftest import MakeApp, holding, solving
from tests.tui.fake_wizard import RUNS, FakeWizard
from tests.tui.looking import at_rest, seen, until, until_seen

GROUP = "resource-groups/create-the-three-resource-groups"
SIZES = [(80, 24), (120, 40), (40, 10), (200, 60), (20, 5), (1, 1), (60, 20), (95, 18), (96, 17)]


@pytest.mark.parametrize("fake", [{"groups_need": ("set-up", "tools")}], indirect=True)
async def test_resuming_opens_the_section_and_lists_what_is_missing_before_it(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await until_seen(
            pilot, "This section first needs: Choose your names, Sign in, Choose the subscription and 1 more"
        )
        assert isinstance(app.screen, SectionScreen)


@pytest.mark.slow
@pytest.mark.parametrize("fake", [{"groups_need": ("set-up",)}], indirect=True)
async def test_catching_up_shows_what_is_missing_and_does_it(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups", catch_up=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await until_seen(pilot, "Catching up: what this will do", "Choose your names", "Sign in")
        await until(pilot, lambda: app.board.status(f"{GROUP}@dev") is Status.BLOCKED)
        await pilot.press("enter")
        await until(pilot, lambda: {"set-up/choose-your-names", "set-up/sign-in"} <= fake.world.done)
        # What waited for it is looked at by itself: the section can be begun.
        await until(pilot, lambda: app.board.status(f"{GROUP}@dev") is Status.FAILED)


LOST = Survey(
    Damage(Path("/state/ledger.jsonl"), "it is not JSON", (3,), 12), found=(Marked("Key vault", "/s/v/kv", "kv"),)
)


async def test_a_damaged_ledger_is_told_before_a_teardown_and_written_again(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.world.done.add(f"{GROUP}@dev")
    fake.seen = LOST
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        app.action_teardown()
        await until_seen(pilot, "line 3 (1 of 12 lines)", "Key vault kv", "Write it again")
        assert isinstance(app.screen, LedgerDialog)
        await pilot.press("enter")
        await until_seen(pilot, "what this will remove", "- delete")
        assert fake.seen.complete
        await pilot.press("escape")
    assert fake.surveyed == [True, True]


@pytest.mark.slow
async def test_a_damaged_ledger_that_is_left_so_names_nothing_more(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.seen = LOST
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        fake.world.done.clear()
        app.action_teardown()
        await until_seen(pilot, "Continue without")
        await pilot.press("right", "enter")
        await until_seen(pilot, "The ledger names nothing else here.")
        await pilot.press("escape")
        app.action_teardown()
        await until_seen(pilot, "Continue without")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen))
    assert fake.seen is LOST


@pytest.mark.parametrize("size", [(80, 24), (48, 20)])
async def test_long_notes_of_a_plan_stay_in_their_column(
    make_app: MakeApp, fake: FakeWizard, size: tuple[int, int]
) -> None:
    fake.world.note = "words " * 30
    app = make_app("resource-groups")
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "practice-db-dev", "words")
        lines = seen(app).splitlines()
        column = next(line for line in lines if "practice-db-dev" in line and "+" in line).index("Resource group")
        beginnings = {line.index("words") for line in lines if "words" in line}
        assert beginnings == {column}
        assert sum("words" in line for line in lines) > 3


DIFF = (
    "diff --git a/train.py b/train.py",
    "--- a/train.py",
    "+++ b/train.py",
    "@@ -1,3 +1,3 @@",
    "-removed = [1]",
    "--- was an SQL comment",
    "+added\t= \x1b[2J[bold]",
    *(f" same {number}" for number in range(400)),
    f"+{'long' * 60}",
    "+the end",
)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (48, 16)])
async def test_the_diff_of_a_commit_is_shown_in_colors_before_it_is_agreed_to(
    make_app: MakeApp, fake: FakeWizard, size: tuple[int, int]
) -> None:
    fake.world.diff = DIFF
    app = make_app("resource-groups")
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "diff --git a/train.py b/train.py", "-removed = [1]", "to scroll")
        if size == (48, 16):
            await pilot.press("down", "down")
        await until_seen(pilot, "-removed = [1]", " same 0")
        strips = [segment for strip in app.screen._compositor.render_strips(app.size) for segment in strip]
        color = {segment.text.strip(): segment.style.color for segment in strips if segment.style}
        assert color["-removed = [1]"] == color["--- was an SQL comment"]
        assert len({color[each] for each in ("-removed = [1]", "+added  = �[2J[bold]", "same 0")}) == 3
        await pilot.press("end")
        await until_seen(pilot, "+the end")
        assert sum("longlong" in line for line in seen(app).splitlines()) >= 240 // size[0]
        await pilot.press("pageup", "up")
        await until(pilot, lambda: "+the end" not in seen(app))
        await pilot.press("escape")
        await at_rest(pilot)
        assert app.working is None


@pytest.mark.slow
async def test_ctrl_c_while_a_solve_runs_asks_first_and_staying_goes_on(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await pilot.press("ctrl+c")
            await until_seen(pilot, "Something is still running")
            await pilot.press("ctrl+c", "q")
            assert isinstance(app.screen, LeaveDialog)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, SectionScreen))
            assert app.working is not None
        await until(pilot, lambda: len([key for key in fake.world.done if key.startswith(GROUP)]) == 3)


@pytest.mark.slow
async def test_leaving_offers_to_cancel_what_a_solve_leaves_running(
    make_app: MakeApp, fake: FakeWizard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "left_running", lambda wizard, keys: "the training" if keys else "")
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await until(pilot, lambda: app.board.working(app.board.targets))
            run = app.working
            await pilot.press("ctrl+c")
            await until_seen(pilot, "Cancel it (c)", "Stay", "as well")
            await pilot.press("c")
            await until(pilot, lambda: run is not None and run.over)
    assert run is not None
    assert run.cancelled.cancels


async def test_what_happens_while_the_screens_go_away_breaks_nothing(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        going = app.screen.remove()
        app.check_lab()
        await going
        app.check_lab()
        await until(pilot, lambda: not app.runs)
    assert app.return_code in {0, None}


@pytest.mark.slow
async def test_stopping_then_leaving_waits_for_the_safe_point(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await pilot.press("q")
            await until_seen(pilot, "Something is still running")
            await pilot.press("s")
            await until(pilot, lambda: app.return_value == 0)
    assert not [key for key in fake.world.done if key.startswith(GROUP)]


@pytest.mark.slow
async def test_leaving_when_done_lets_the_work_end(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "S"):
            await pilot.press("q")
            await until_seen(pilot, "Something is still running")
            await pilot.press("w")
            await pilot.pause()
            assert app.return_value is None
        await until(pilot, lambda: app.return_value == 0)
    assert len([key for key in fake.world.done if key.startswith(GROUP)]) == 3


async def test_ctrl_c_leaves_at_once_when_nothing_is_being_changed(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.pace = 0.5
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.checking is not None)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app.return_value == 0)


@pytest.mark.slow
async def test_leaving_and_coming_back_finds_everything_where_it_was(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(60, 20)) as pilot:
        await at_rest(pilot)
        await pilot.press("t", "down", "down", "enter")
        await until_seen(pilot, "About this section")
        await pilot.press("down", "down")
        await until_seen(pilot, "pipeline · about 1 min")
        await pilot.press("pagedown")
        await pilot.pause()
        assert isinstance(app.screen, SectionScreen)
        scrolled = app.screen.guide.scroll_y
        assert scrolled > 0
        await pilot.press("q")
    again = make_app()
    async with again.run_test(size=(60, 20)) as pilot:
        await until_seen(pilot, "Create the three resource groups")
        await until(pilot, lambda: again.screen.query_one("#guide").scroll_y == scrolled)
        assert isinstance(again.screen, SectionScreen)
        assert again.screen.target is not None
        assert again.screen.target.key == f"{GROUP}@pipeline"
        assert again.theme == "hol-light"
        await pilot.press("p")
        await pilot.press("q")
    third = make_app()
    async with third.run_test(size=(60, 20)) as pilot:
        await until(pilot, lambda: third.screen.has_class("-pane-result"))


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"theme": 4, "steps": [], "hints": {"a": "x"}, "place": "nowhere"}', "\x00\xff"],
)
async def test_a_broken_memory_is_as_good_as_none(make_app: MakeApp, tmp_path: Path, content: str) -> None:
    (tmp_path / "ui.json").write_text(content, encoding="latin-1")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        assert isinstance(app.screen, OverviewScreen)


def test_the_memory_is_read_as_it_was_written(tmp_path: Path) -> None:
    memory = UiState(tmp_path / "deep" / "ui.json", theme="light", here="tools", hints={"a/b": 2}, scrolls={"a/b": 3.0})
    memory.save()
    assert UiState.load(memory.path) == memory
    assert "path" not in json.loads((tmp_path / "deep" / "ui.json").read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["overview", "section", "plan", "help", "form"])
async def test_no_size_breaks_a_screen(make_app: MakeApp, where: str) -> None:
    app = make_app()
    keys: dict[str, list[str]] = {
        "overview": [],
        "section": ["down", "down", "enter", "down"],
        "plan": ["down", "down", "enter", "S"],
        "help": ["question_mark"],
        "form": ["enter", "down", "s"],
    }
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        for key in keys[where]:
            await pilot.press(key)
            await pilot.pause()
        await at_rest(pilot)
        for width, height in SIZES:
            await pilot.resize_terminal(width, height)
            await pilot.pause()
            await pilot.press("down", "p", "tab")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()


@pytest.mark.slow
async def test_a_small_screen_shows_one_pane_at_a_time(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(40, 10)) as pilot:
        await at_rest(pilot)
        await until_seen(pilot, "[Guide]", "Create the resource groups")
        await pilot.press("p")
        await until_seen(pilot, "[Result]")
        await pilot.press("p", "p")
        await until_seen(pilot, "[Steps]", "About this section")
        await pilot.press("down", "enter")
        await until_seen(pilot, "Read the guide")
        await pilot.press("home", "enter")
        await until_seen(pilot, "[Guide]", "Each environment")
        await pilot.resize_terminal(120, 40)
        await until_seen(pilot, "About this section", "Each environment has a resource group")
        assert "[Guide]" not in seen(app)


@pytest.mark.parametrize("place", ["overview", "section"])
async def test_nonsense_input_does_no_harm(make_app: MakeApp, fake: FakeWizard, place: str) -> None:
    app = make_app("" if place == "overview" else "resource-groups")
    nonsense = [
        "z",
        "Z",
        "%",
        "f12",
        "ctrl+z",
        "ctrl+a",
        "delete",
        "ö",
        "left",
        "right",
        "shift+tab",
        "insert",
        "0",
        "backspace",
    ]
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        before = set(fake.world.done)
        await pilot.press(*nonsense * 2)
        await at_rest(pilot)
        assert fake.world.done == before
        assert app.return_value is None


async def test_a_run_that_breaks_shows_its_error_which_can_be_copied(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        fake.broken = ServiceError(
            "Another wizard works on this profile.", "Close the [other] one.", code="Locked", detail="pid 42"
        )
        await pilot.press("C")
        await until_seen(pilot, "Another wizard works on this profile.", "Close the [other] one.", "pid 42")
        await pilot.press("y")
        await until(pilot, lambda: "Close the [other] one." in app.clipboard and "pid 42" in app.clipboard)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))


async def test_an_error_that_nobody_foresaw_is_named_without_its_values(
    make_app: MakeApp, fake: FakeWizard, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        fake.broken = KeyError("hunter2")
        await pilot.press("C")
        await until_seen(pilot, "Internal error in the wizard: KeyError.")
        assert "hunter2" not in seen(app)
        assert "hol-wizard.log" in seen(app).replace("\n", "")
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen))
    assert "unexpected error" in caplog.text


async def test_a_command_that_stumbles_leaves_the_app_as_it_is(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()

    def stumble() -> None:
        raise ZeroDivisionError

    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        monkeypatch.setattr(app, "action_theme", stumble)
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, OverviewScreen))


async def test_a_plan_that_cannot_be_made_says_why(make_app: MakeApp, fake: FakeWizard, monkeypatch: Any) -> None:
    def plan(*_: object, **__: object) -> None:
        raise ServiceError("The cloud does not answer.", "Look at your network.")

    monkeypatch.setattr(fake, "plan", plan)
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "The cloud does not answer.", "Look at your network.")


@pytest.mark.slow
async def test_the_palette_finds_every_command_of_the_place_and_every_section(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("ctrl+p")
        await until_seen(pilot, "Check everything  (c)")
        await pilot.press(*"section 13")
        await until_seen(pilot, "Go to section 13: Inference code")
        await pilot.press("enter")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))
        await until_seen(pilot, "Inference code")


async def test_the_machine_is_looked_at(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("d")
        await until_seen(pilot, "✓ passed", "No keyring here", "Look at your network.")


async def test_about_says_where_the_files_are(make_app: MakeApp) -> None:
    app = make_app()
    async with app.run_test(size=(200, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("a")
        await until_seen(pilot, "Version", "Choices", "State", "Log file")


def test_every_command_is_complete_and_no_two_take_one_key() -> None:
    assert len({command.id for command in COMMANDS}) == len(COMMANDS)
    for place in (Place.OVERVIEW, Place.SECTION, Place.REPORT):
        keys = [key for c in COMMANDS if c.place in {place, Place.APP} for key in c.key.split(",")]
        assert len(keys) == len(set(keys))
    for place in Place:
        for binding in bindings_of(place):
            assert isinstance(binding, Binding)
            assert binding.id
            assert binding.description
            assert binding.tooltip.endswith(".")


def test_every_command_has_its_action() -> None:
    from hol_wizard.tui.app import HolWizardApp
    from hol_wizard.tui.report_screen import ReportScreen

    owners = {
        Place.APP: HolWizardApp,
        Place.OVERVIEW: OverviewScreen,
        Place.SECTION: SectionScreen,
        Place.REPORT: ReportScreen,
    }
    for command in COMMANDS:
        assert hasattr(owners[command.place], f"action_{command.action}"), command.id


async def test_what_is_queued_behind_a_running_step_is_shown_as_such(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "what this will do", "create")
        with holding(fake):
            await pilot.press("enter")
            await until_seen(pilot, "queued", "0:0")
            await pilot.press("x")
            await until(pilot, lambda: app.working is None)
        assert app.board.standings["set-up/choose-the-subscription"].result is not None
        assert app.board.status("set-up/choose-the-subscription") is Status.BLOCKED


@pytest.mark.slow
def test_what_the_first_paint_does_not_need_is_not_loaded_before_it() -> None:
    code = (
        "import sys, hol_wizard.cli, hol_wizard.wizard.facade, hol_wizard.tui.app\n"
        "heavy = {'azure', 'msal', 'databricks', 'keyring', 'git', 'requests', 'aiohttp', 'questionary', "
        "'markdown_it', 'textual.widgets._markdown', 'textual.widgets._data_table'}\n"
        "later = {'cli.lab_command', 'cli.trusting', 'test_results', 'wizard.endings', 'wizard.receipts', "
        "'wizard.trials'}\n"
        "heavy |= {f'hol_wizard.{name}' for name in later}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
async def test_what_runs_and_costs_is_said_before_leaving_and_can_be_stopped(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.costs = RUNS
    fake.world.done.update(each.target_key for each in RUNS.running)
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("$")
        await until_seen(pilot, "Cluster cpu (dev)", "stops automatically after 120", "no bill")
        await pilot.press("escape")
        await until_seen(pilot, "» 2 clusters run, ~0.48 USD/h+DBU")
        await pilot.press("q")
        await until_seen(pilot, "Still running, and billed", "about 0.24 USD an hour")
        await pilot.press("escape")
        await pilot.pause()
        assert app.is_running
        await pilot.press("q")
        await until_seen(pilot, "Leave it running")
        await pilot.press("s")
        await until(pilot, lambda: app.return_code == 0 or not app.is_running)
    assert sorted(fake.world.acted) == [("workspace.stop", each.target_key) for each in RUNS.running]


async def test_what_runs_can_be_left_running(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.costs = RUNS
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        app.take_cost(fake.costs)
        await pilot.press("q")
        await until_seen(pilot, "Leave it running")
        await pilot.press("w")
        await until(pilot, lambda: app.return_code == 0 or not app.is_running)
    assert not fake.world.acted


def practice_prices(cost: Cost) -> Cost:
    return replace(cost, running=tuple(replace(each, example=True) for each in cost.running))


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        (RUNS, ("Running now, and billed: 2 clusters run, ~0.48 USD/h+DBU. $ shows more.",)),
        (
            practice_prices(RUNS),
            (
                "Running now (free of charge on the practice cloud): 2 clusters run,",
                "$ shows more.",
            ),
        ),
    ],
)
async def test_what_a_solve_left_running_is_told_when_it_is_new(
    make_app: MakeApp, fake: FakeWizard, costs: Cost, said: tuple[str, ...]
) -> None:
    fake.world.done.add("workspace-resources/add-a-databricks-workspace@dev")
    app = make_app("workspace-resources")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        fake.costs = costs
        targets = [app.board.targets[costs.running[0].target_key]]
        app.flow(flows.converse(app, conversation.act(app.wizard, targets, "workspace.start"), "Start it"))
        await until_seen(pilot, *said)
        app.clear_notifications()
        app.flow(flows.converse(app, conversation.act(app.wizard, targets, "workspace.start"), "Start it again"))
        await until_seen(pilot, "Start it again: done.")
        await at_rest(pilot)
        assert said[0] not in seen(app)
