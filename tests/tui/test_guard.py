"""Keys, callbacks and answers that come when a screen is not there yet, or not any more."""

from __future__ import annotations

import pytest
from rich.style import Style
from textual.command import CommandList
from textual.css.query import NoMatches
from textual.events import Click, Key, Resize
from textual.geometry import Size
from textual.message import Message
from textual.pilot import Pilot

from hol_wizard.tui.app import HolWizardApp
from hol_wizard.tui.modals.about import AboutDialog
from hol_wizard.tui.modals.dialog import Dialog
from hol_wizard.tui.modals.inputs import InputsDialog
from hol_wizard.tui.modals.plan import PlanDialog
from hol_wizard.tui.overview_screen import OverviewScreen
from hol_wizard.tui.palette import Palette
from hol_wizard.tui.section_screen import SectionScreen
from hol_wizard.tui.terminal import Keys
from tests.tui.conftest import MakeApp
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, until, until_seen


def burst(app: HolWizardApp, *keys: str) -> None:
    """Type keys so fast that nothing happens in between."""
    for key in keys:
        event = Key(key, key if len(key) == 1 else None)
        event.set_sender(app)
        app.post_message(event)


def dialogs(app: HolWizardApp) -> list[str]:
    return [type(screen).__name__ for screen in app.screen_stack[1:]]


async def settle(pilot: Pilot[int]) -> None:
    for _ in range(5):
        await pilot.pause(0.05)


@pytest.mark.parametrize("key", ["n", "enter"])
async def test_a_section_that_is_opened_twice_in_a_row_is_opened_once(make_app: MakeApp, key: str) -> None:
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        burst(app, key, key, key)
        await settle(pilot)
        assert dialogs(app) == ["SectionScreen"]
    assert not app.broken


async def test_the_next_section_twice_in_a_row_leaves_one_section_open(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        burst(app, "right_square_bracket", "right_square_bracket")
        await settle(pilot)
        assert dialogs(app) == ["SectionScreen"]
        assert isinstance(app.screen, SectionScreen)
        # The second is for the section that is open by then, or for none.
        assert app.screen.section.number in {2, 3}
    assert not app.broken


@pytest.mark.parametrize("keys", ["ss", "sS", "Su", "sms"])
async def test_keys_that_ask_about_changes_ask_once(make_app: MakeApp, fake: FakeWizard, keys: str) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        burst(app, *keys)
        await settle(pilot)
        asked = [screen for screen in app.screen_stack if isinstance(screen, Dialog)]
        assert len(asked) == 1
        assert isinstance(asked[0], PlanDialog | InputsDialog)


async def test_one_confirmation_too_many_begins_one_solve(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "+ create")
        burst(app, "enter", "enter", "enter")
        await until(pilot, lambda: fake.world.done and not app.runs)
        assert dialogs(app) == ["SectionScreen"]
        assert len(fake.world.done) == len(set(fake.world.done))


async def test_a_dialog_closed_twice_takes_away_itself_only(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, AboutDialog))
        about = app.screen
        about.dismiss(None)
        about.dismiss(None)
        await settle(pilot)
        assert dialogs(app) == ["SectionScreen"]


async def test_a_dialog_answered_under_another_goes_when_that_one_has_gone(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        below, above = AboutDialog(app.wizard), AboutDialog(app.wizard)
        await app.push_screen(below)
        await app.push_screen(above)
        below.dismiss(None)
        await settle(pilot)
        assert app.screen is above
        above.dismiss(None)
        await until(pilot, lambda: dialogs(app) == ["SectionScreen"])


async def test_the_palette_can_be_opened_again_at_once(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        burst(app, "ctrl+p", "escape", "escape", "ctrl+p", "ctrl+p")
        await settle(pilot)
        assert len([screen for screen in app.screen_stack if isinstance(screen, Palette)]) <= 1
        assert "ErrorDialog" not in dialogs(app)
    assert not app.broken


async def test_a_click_on_a_command_that_is_not_listed_any_more_does_nothing(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("ctrl+p")
        await until_seen(pilot, "Check the section")
        commands = app.screen.query_one(CommandList)
        stale = Style(meta={"option": commands.option_count})
        x, y = commands.region.x + 1, commands.region.y + 1
        click = Click(commands, 1, 1, 0, 0, 1, False, False, False, screen_x=x, screen_y=y, style=stale)
        commands.post_message(click)
        await settle(pilot)
        assert isinstance(app.screen, Palette)
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, Palette))
    assert not app.broken


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 10)])
async def test_the_palette_takes_every_key_in_any_size(make_app: MakeApp, size: tuple[int, int]) -> None:
    app = make_app("set-up")
    async with app.run_test(size=size) as pilot:
        await at_rest(pilot)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, Palette))
        await pilot.press("down", "pagedown", "pageup", "up", "pagedown", "tab", "end", "home")
        await settle(pilot)
        assert dialogs(app) == ["SectionScreen", "Palette"]


@pytest.mark.timeout(30)  # it never ended
async def test_sizes_that_follow_each_other_closely_come_to_rest(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        app._size = Size(100, 30)
        # With something else in between, none of them replaces the other in the queue.
        for size in (Size(90, 20), Size(100, 30)):
            app.screen.post_message(Resize(size, size))
            app.screen.post_message(_Nothing())
        resized: list[Size] = []
        before = app.screen._screen_resized

        def count(size: Size) -> None:
            resized.append(size)
            before(size)

        app.screen._screen_resized = count  # type: ignore[method-assign]
        for _ in range(5):
            await pilot.pause(0.1)
        assert len(resized) < 4
        assert app.screen.size == Size(100, 30)


async def test_the_place_is_not_changed_while_a_dialog_waits(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, Dialog))
        waiting = app.screen
        app.open_section(app.board.lab.sections[2])
        app.back_to_overview()
        await settle(pilot)
        assert app.screen is waiting
        assert len(app.screen_stack) == 3


async def test_a_key_typed_ahead_does_not_keep_the_resumed_section_away(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        burst(app, "question_mark")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen) and app.screen.section.id == "resource-groups")


class _Nothing(Message):
    """Means nothing."""


class _Stumble(Message):
    """Makes a screen stumble."""


class _Stumbling(AboutDialog):
    CSS_PATH = "../../hol_wizard/tui/modals/dialog.tcss"

    def on__stumble(self) -> None:
        raise NoMatches("its parts have gone")


async def test_what_stumbles_in_a_screen_that_has_been_taken_away_ends_nothing(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        screen = _Stumbling(app.wizard)
        await app.push_screen(screen)
        screen.post_message(_Stumble())
        app.pop_screen()
        await settle(pilot)
        assert dialogs(app) == ["SectionScreen"]
    assert not app.broken


async def test_what_stumbles_in_a_screen_that_is_there_is_not_hidden(make_app: MakeApp) -> None:
    app = make_app("set-up")

    async def stumble() -> None:
        async with app.run_test(size=(80, 24)) as pilot:
            await at_rest(pilot)
            screen = _Stumbling(app.wizard)
            await app.push_screen(screen)
            screen.post_message(_Stumble())
            await settle(pilot)

    with pytest.raises(NoMatches):
        await stumble()
    assert app.broken


async def test_a_callback_of_a_screen_that_has_gone_is_not_run_by_the_next_one(make_app: MakeApp) -> None:
    app = make_app("set-up")
    called: list[str] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        before = app.screen
        before.call_after_refresh(called.append, "gone")
        app.pop_screen()
        app.screen._invoke_later(lambda: called.append("gone"), before)
        app.screen._invoke_later(lambda: called.append("there"), app.screen)
        await settle(pilot)
        assert isinstance(app.screen, OverviewScreen)
    assert called == ["there"]


async def test_no_command_is_taken_while_the_app_ends(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        burst(app, "q", "n", "S", "question_mark")
        await settle(pilot)
    assert app.return_value == 0
    assert not app.broken


@pytest.mark.parametrize("odd", ["\x1b[99999999999u", "\x1b[1;99999999999999999999u", "\x1b[1;1;1114112u"])
def test_a_sequence_that_cannot_be_digested_loses_no_other_key(odd: str) -> None:
    keys = Keys()
    told = [*keys.feed(odd), *keys.feed("q")]
    assert [message.key for message in told if isinstance(message, Key)][-1:] == ["q"]
