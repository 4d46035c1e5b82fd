"""Work done by hand, or in another window, turns green by itself."""

from __future__ import annotations

import time

import pytest
from textual import events

from hol_wizard.engine import watching
from hol_wizard.engine.results import Result, Status
from hol_wizard.paths import Home
from hol_wizard.tui import watching_app
from hol_wizard.tui.section_screen import SectionScreen
from tests.tui.conftest import MakeApp, solving
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, screen_of, seen, until, until_seen

GROUP = "resource-groups/create-the-three-resource-groups"
DEV = f"{GROUP}@dev"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the clock of the watch a hundred times as fast."""
    monkeypatch.setattr(watching_app, "TICK", 0.01)
    monkeypatch.setattr(watching, "CLOUD_EVERY", 0.2)
    monkeypatch.setattr(watching, "LOCAL_EVERY", 0.05)


async def test_work_done_by_hand_turns_green_by_itself_and_stands_out(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until_seen(pilot, "to do")
        fake.world.done.add(DEV)
        await until_seen(pilot, "★ passed", "1 of 3")
        assert fake.last_results()[DEV] is Status.PASSED, "the next start knows it"
        await pilot.press("p")
        await until_seen(pilot, "checked just now")
        await pilot.press("p")
        await until_seen(pilot, "noticed: It is there.")


async def test_what_breaks_by_hand_turns_red_by_itself(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.done.add(DEV)
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until_seen(pilot, "passed", "1 of 3")
        fake.world.done.discard(DEV)
        await until_seen(pilot, "★ failed", "0 of 3")


async def test_a_look_does_not_show_that_it_looks(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        looks = fake.world.looks.count(DEV)
        fake.world.pace = 0.01
        while fake.world.looks.count(DEV) < looks + 3:
            await pilot.pause(0.01)
            assert "checking" not in seen(app)


async def test_on_return_to_the_window_the_whole_section_is_looked_at(
    make_app: MakeApp, fake: FakeWizard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "CLOUD_EVERY", 1e9)
    monkeypatch.setattr(watching, "LOCAL_EVERY", 1e9)
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        fake.world.done |= {f"{GROUP}@{place}" for place in ("dev", "pipeline", "prod")}
        await pilot.pause(0.2)
        assert "0 of 3" in screen_of(pilot)
        app.post_message(events.AppBlur())
        app.post_message(events.AppFocus())
        await until_seen(pilot, "3 of 3")


async def test_nothing_is_looked_at_while_a_solve_writes(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "s"):
            await until(pilot, lambda: "PUT /subs" in str(app.board.logs) and not app._looking)
            looks = len(fake.world.looks)
            app.post_message(events.AppFocus())
            await pilot.pause(0.5)
            assert len(fake.world.looks) == looks


async def test_nothing_is_looked_at_after_a_long_time_without_a_key(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "p")
        fake.watching.watch.attend(time.monotonic() - watching.IDLE_AFTER - 1)
        await until_seen(pilot, "any key continues")
        await until(pilot, lambda: not app._looking)
        looks = len(fake.world.looks)
        await pilot.pause(0.4)
        assert len(fake.world.looks) == looks
        await pilot.press("f12")
        await until(pilot, lambda: len(fake.world.looks) > looks)
        assert "any key continues" not in screen_of(pilot)


async def test_what_another_window_has_removed_no_longer_counts_as_passed(
    make_app: MakeApp, fake: FakeWizard, home: Home
) -> None:
    fake.world.done.add(DEV)
    app = make_app()
    other = FakeWizard(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await until_seen(pilot, "3 of 49 verified")
        fake.world.done.discard(DEV)
        other._progress.forget([DEV])
        await until_seen(pilot, "2 of 49 verified")


async def test_a_service_that_cannot_be_reached_leaves_what_was_known(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.done.add(DEV)
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        fake.world.results[DEV] = Result(Status.UNKNOWN, "No answer.")
        looks = fake.world.looks.count(DEV)
        await until(pilot, lambda: fake.world.looks.count(DEV) > looks + 1)
        assert isinstance(app.screen, SectionScreen)
        assert app.board.status(DEV) is Status.PASSED


async def test_a_blocked_step_turns_with_the_one_that_it_needs(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("end")
        await until_seen(pilot, "‖ Choose the subscription")
        fake.world.done |= {"set-up/sign-in", "set-up/choose-the-subscription"}
        await until_seen(pilot, "✓ Sign in", "✓ Choose the subscription")


def test_ages_are_told_in_words_that_do_not_change_every_second() -> None:
    from hol_wizard.tui.result_text import age

    assert [age(second) for second in (0, 4, 7, 59, 61, 600)] == [
        "just now",
        "just now",
        "5 s ago",
        "55 s ago",
        "1 min ago",
        "10 min ago",
    ]
    assert age(7200).startswith("at ")
