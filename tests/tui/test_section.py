from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from unittest.mock import patch

import pytest

from hol_wizard.engine.events import Event, Progressed, RunFinished, Said
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab.model import Target
from hol_wizard.tui.section_screen import SectionScreen
from hol_wizard.tui.widgets.log_lines import LogLines
from tests.tui.conftest import MakeApp, holding, solving
from tests.tui.fake_wizard import CHOSEN, FakeWizard
from tests.tui.looking import at_rest, seen, until, until_seen

GROUP = "resource-groups/create-the-three-resource-groups"


async def test_the_guide_has_the_readers_own_names_in_it(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until_seen(pilot, "az group create --name practice-db-dev", "westeurope")
        await pilot.press("down")
        await until_seen(pilot, "az group create --name practice-db-pipeline")


async def test_a_result_shows_what_was_expected_and_found_and_what_to_do_next(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.world.results[f"{GROUP}@dev"] = Result(
        Status.FAILED,
        "The data lake is not as the lab needs it.",
        (Expectation("Kind", "StorageV2", "StorageV2", True), Expectation("Access tier", "Cool", "Hot", False)),
        next_action="Change the tier [here].",
        detail="in the service's [own] words",
    )
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until_seen(
            pilot, "✓ Kind: StorageV2", "✗ Access tier: expected Cool, found Hot", "Change the tier [here]."
        )
        assert "✗ failed" in seen(app)
        assert "in the service's [own] words" in seen(app)


@pytest.mark.slow
async def test_hints_come_one_at_a_time_and_stay_for_the_next_start(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "h")
        await until_seen(pilot, "Hint 1 of 3")
        assert "Hint 2 of 3" not in seen(app)
        await pilot.press("h", "h", "h")
        await until_seen(pilot, "Hint 3 of 3", "az group create --name practice-db-dev")
    again = make_app("resource-groups")
    async with again.run_test(size=(120, 40)) as pilot:
        await until_seen(pilot, "Hint 3 of 3")


@pytest.mark.slow
async def test_one_command_is_copied_and_of_several_one_is_chosen(make_app: MakeApp) -> None:
    app = make_app("tools")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "y")
        await until(pilot, lambda: app.clipboard == "az do python")
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "y")
        await until_seen(pilot, "Copy which command?")
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.clipboard.startswith("az group show --name practice-db-dev"))


async def test_the_result_can_be_copied_with_the_services_own_words(make_app: MakeApp) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "e")
        await until(pilot, lambda: "ResourceGroupNotFound" in app.clipboard)
        assert "expected yes, found no" in app.clipboard


async def test_without_a_browser_the_portals_address_is_copied(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.profile.change(subscription="11111111-2222-3333-4444-555555555555", tenant="contoso")
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "o")
        await until(pilot, lambda: "/resourceGroups/practice-db-dev" in app.clipboard)


async def test_a_check_of_the_step_looks_again(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        fake.world.done.add(f"{GROUP}@dev")
        await pilot.press("down", "c")
        await until_seen(pilot, "✓ passed", "1 of 3")


async def test_a_section_opened_late_is_looked_at_again_by_itself(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        fake.world.done.add(f"{GROUP}@dev")
        for standing in app.board.standings.values():
            standing.checked_at = 0.0
        await pilot.press("down", "down", "enter")
        await until_seen(pilot, "1 of 3")


async def test_what_waits_is_looked_at_again_by_itself(make_app: MakeApp, fake: FakeWizard) -> None:
    key = f"{GROUP}@dev"
    fake.world.results[key] = Result(Status.WAITING, "It spreads.", look_again_after=0.1, usually=60)
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await until_seen(pilot, "… ", "waiting")
        looks = fake.world.looks.count(key)
        await until(pilot, lambda: fake.world.looks.count(key) > looks + 1)
        del fake.world.results[key]
        fake.world.done.add(key)
        await until_seen(pilot, "passed")


async def test_a_step_without_a_check_says_so_and_offers_none(make_app: MakeApp) -> None:
    app = make_app("train")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until_seen(pilot, "Not checked yet.", "no check")
        assert " c check" not in seen(app).splitlines()[-1]
        assert " s do it" not in seen(app).splitlines()[-1]


async def test_going_on_turns_to_the_next_step_not_done_and_on_to_the_next_section(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    app = make_app("tools")
    fake.world.done.update(target.key for target in fake.all if target.key.startswith("set-up"))
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("n")
        await until_seen(pilot, "A Docker engine")
        assert isinstance(app.screen, SectionScreen)
        assert app.screen.target is not None
        assert app.screen.target.key == "tools/docker-engine"
        fake.world.done.add("tools/docker-engine")
        await pilot.press("c")
        await at_rest(pilot)
        await pilot.press("n")
        await until_seen(pilot, "Create the three resource groups")


async def test_sections_follow_each_other(make_app: MakeApp) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("[")
        assert isinstance(app.screen, SectionScreen)
        assert app.screen.section.number == 1
        await pilot.press("]")
        await until_seen(pilot, "Tools on your machine")
        await pilot.press("[")
        await until_seen(pilot, "Set up: who, where, sign-in")
        await pilot.press("escape")
        assert len(app.screen_stack) == 1


@pytest.mark.slow
async def test_a_solve_streams_its_log_and_the_check_proves_it(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "s")
        await until_seen(pilot, "what this will do", "+ create", "practice-db-dev", "westeurope · free · 2 min")
        with holding(fake):
            await pilot.press("enter")
            await until_seen(pilot, "» working", "line 4", "usually 2 min")
            assert " x stop" in seen(app).splitlines()[-1]
        await until_seen(pilot, "✓ passed", "✓ Done", "verified.")
        await until_seen(pilot, "Next: Create the three resource groups (pipeline)")
        await at_rest(pilot)
        assert f"{GROUP}@dev" in fake.world.done
        assert f"[{GROUP}@dev] line 4" in "\n".join(line.text for line in app.board.logs["resource-groups"])


async def test_cancelling_the_plan_changes_nothing(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        before = set(fake.world.done)
        await pilot.press("S")
        await until_seen(pilot, "+ create")
        await pilot.press("escape")
        await at_rest(pilot)
        assert fake.world.done == before
        assert app.working is None


async def test_a_conflict_is_named_and_the_focus_stands_on_cancel(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.conflict = f"{GROUP}@pipeline"
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "! conflict", "somebody else's [vault]", "1 conflict:")
        assert app.focused is not None
        assert app.focused.id == "cancel"


@pytest.mark.slow
async def test_an_undo_shows_what_goes_and_removes_it(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.done.add(f"{GROUP}@dev")
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "u")
        await until_seen(pilot, "what this will remove", "- delete")
        await pilot.press("left", "enter")
        await until(pilot, lambda: f"{GROUP}@dev" not in fake.world.done)
        await until_seen(pilot, "0 of 3", "○ to do", "It is not")
        assert "Nothing that this wizard created is left here." in "\n".join(
            line.text for line in app.board.logs["resource-groups"]
        )


@pytest.mark.slow
async def test_the_form_judges_while_typing_and_shows_the_names(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "s")
        await until_seen(pilot, "Prefix", "practice-db-dev", "West Europe")
        await pilot.press("end", "_")
        await until_seen(pilot, "✗ ")
        assert "practice-db-dev" not in seen(app)
        await pilot.press("backspace", "2", "enter")
        await until_seen(pilot, "practice2-db-dev")
        await pilot.press("down")
        await until_seen(pilot, "North Europe")
        await pilot.press("down", "enter")
        await until_seen(pilot, "✓ North Europe")
        await pilot.press("enter", "enter")
        await until_seen(pilot, "what this will do", "create")
        await pilot.press("enter")
        await until(pilot, lambda: "set-up/choose-your-names" in fake.world.done)
        assert fake.solved_with == {"prefix": "practice2", "location": "northeurope", "alias": "ada"}


@pytest.mark.slow
@pytest.mark.parametrize("fake", [{"groups_need": ("set-up",), "saved": {}}], indirect=True)
async def test_a_section_asks_for_what_its_needs_ask_for(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "Prefix", "Region", "Alias")
        await pilot.press("escape")
        await at_rest(pilot)
    assert not fake.calls or "plan" not in [name for name, _ in fake.calls]


@pytest.mark.slow
async def test_a_wrong_answer_keeps_the_form_open(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "s")
        await until_seen(pilot, "Prefix")
        await pilot.press("home", "ctrl+k", "enter", "enter", "enter")
        await until_seen(pilot, "This value is required.")
        assert not fake.solved_with
        await pilot.press("escape")
        await at_rest(pilot)
        assert isinstance(app.screen, SectionScreen)


@pytest.mark.slow
async def test_signing_in_elsewhere_shows_address_and_code_until_it_is_done(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.world.asks_person = True
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "down", "s"):
            await until_seen(pilot, "https://microsoft.com/devicelogin", "ABCD-1234", "Waiting for you")
            await pilot.press("y")
            await until(pilot, lambda: app.clipboard == "ABCD-1234")
        await until(pilot, lambda: isinstance(app.screen, SectionScreen))
        await until_seen(pilot, "passed")


@pytest.mark.slow
async def test_giving_up_the_sign_in_stops_it(make_app: MakeApp, fake: FakeWizard) -> None:
    fake.world.asks_person = True
    app = make_app("set-up")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        async with solving(pilot, fake, "down", "down", "s"):
            await until_seen(pilot, "ABCD-1234")
            await pilot.press("escape")
            await until(pilot, lambda: app.working is None)
        assert "set-up/sign-in" not in fake.world.done
        assert isinstance(app.screen, SectionScreen)


WORKSPACE = "workspace-resources/add-a-databricks-workspace@dev"


@pytest.mark.slow
async def test_of_what_else_can_be_done_with_a_step_one_is_chosen_and_streams(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    app = make_app("workspace-resources")
    app.memory.steps["workspace-resources"] = WORKSPACE
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await until_seen(pilot, " m more")
        await pilot.press("m")
        await until_seen(pilot, "Start the machines", "Stop the machines")
        await pilot.press("down", "enter")
        await until(pilot, lambda: fake.world.acted == [("workspace.stop", WORKSPACE)])
        await at_rest(pilot)
        await pilot.press("p", "p")
        await until_seen(pilot, "PUT /subscriptions/0001")


async def test_a_step_that_can_do_nothing_else_offers_nothing(make_app: MakeApp) -> None:
    app = make_app("tools")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "m")
        await pilot.pause()
        assert " m more" not in seen(app)


@pytest.mark.slow
async def test_a_question_of_a_few_answers_shows_them_with_the_default_chosen(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    app = make_app("workspace-resources")
    app.memory.steps["workspace-resources"] = WORKSPACE
    fake.profile.change(node_type="Standard_D4ds_v5", own_data_file="a.csv")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("s")
        await until_seen(pilot, "Single node, 4 cores", "Autoscaling, 2 to 8 workers", "Go on")
        await pilot.press("down", "enter")
        dialog = app.screen
        await dialog.run_action("submit")
        await until_seen(pilot, "what this will do")
        await pilot.press("enter")
        await until(pilot, lambda: fake.solved_with.get("cluster_size") == "autoscaling")
        assert fake.solved_with["node_type"] == "Standard_D4ds_v5"


READ = "train/look-at-it"
"""The step of the lab that only a person can judge."""


@pytest.mark.slow
async def test_a_step_that_only_a_person_can_judge_is_confirmed_with_a_key_and_withdrawn_with_it(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    fake.profile.change(subscription="11111111-2222-3333-4444-555555555555")
    app = make_app("train")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down")
        await until_seen(
            pilot, "Only you can judge this.", "▌○ Look at it", "press i to confirm it", "0 of 2, 1 by hand"
        )
        assert " i confirm" in seen(app).splitlines()[-1]
        await pilot.press("i")
        await until_seen(pilot, "Do you confirm:", "I have read the code.")
        await pilot.press("escape")
        await at_rest(pilot)
        assert app.board.look(READ).word == "to do"
        await pilot.press("i")
        await until_seen(pilot, "Do you confirm:")
        await pilot.press("enter")
        await until_seen(pilot, "▌● Look at it", "0 of 2, 1 confirmed, 1 by hand")
        assert fake.confirming.results()[READ].confirmed
        await pilot.press("escape")
        await until_seen(pilot, "1 confirmed, 1 by hand  0/2", "◐ partly   Train the model")
        app.open_section(fake.find_section("train"), READ)
        await at_rest(pilot)
        await pilot.press("i")
        await until_seen(pilot, "Confirmed by you on", "Withdraw this confirmation?")
        await pilot.press("enter")
        await until(pilot, lambda: app.board.look(READ).word == "to do")
        assert fake.confirming.results()[READ].confirmed is None


async def test_without_a_subscription_the_key_says_why_nothing_can_be_confirmed(make_app: MakeApp) -> None:
    app = make_app("train")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down", "i")
        await until_seen(pilot, "Do you confirm:")
        await pilot.press("enter")
        await until_seen(pilot, "counts for one", "Choose the subscription")


async def test_the_confirm_key_is_for_steps_that_only_a_person_can_judge(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "i")
        await at_rest(pilot)
        assert isinstance(app.screen, SectionScreen)
        assert " i confirm" not in seen(app)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fake",
    [
        {
            "groups_need": (READ,),
            "saved": CHOSEN | {"subscription": "11111111-2222-3333-4444-555555555555"},
        }
    ],
    indirect=True,
)
@pytest.mark.parametrize("agrees", [True, False])
async def test_a_solve_asks_for_the_confirmation_that_it_needs_and_goes_on_either_way(
    make_app: MakeApp, fake: FakeWizard, agrees: bool
) -> None:
    app = make_app("resource-groups")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down")
        await until(pilot, lambda: app.board.look(f"{GROUP}@dev").word == "blocked")
        await pilot.press("s")
        await until_seen(pilot, "Only you can judge this step. Do you confirm:")
        await pilot.press("enter" if agrees else "escape")
        await until_seen(pilot, "Resource group" if agrees else "Create")
        assert app.board.look(READ).word == ("confirmed" if agrees else "to do")
        await pilot.press("enter")
        await until(pilot, lambda: app.working is None and app.board.look(f"{GROUP}@dev").word in {"passed", "blocked"})
        await at_rest(pilot)
    assert (f"{GROUP}@dev" in fake.world.done) is agrees


@pytest.mark.slow
async def test_new_lines_of_a_log_do_not_lay_out_the_screen(make_app: MakeApp, fake: FakeWizard) -> None:
    """A layout takes longer than drawing the lines, and a key would wait for it."""
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "s")
        await until_seen(pilot, "what this will do")
        with holding(fake):
            await pilot.press("enter")
            await until_seen(pilot, "» working", "line 4")
            assert app._second is not None
            app._second.pause()  # the time is drawn once a second
            with patch.object(app.screen, "_refresh_layout", wraps=app.screen._refresh_layout) as laid_out:
                for number in range(60):
                    for part in range(3):
                        app.board.apply(Said(f"{GROUP}@dev", f"output {number} of a program, part {part}"))
                    changed = app.board.apply(Progressed(f"{GROUP}@dev", f"package {number}", number / 10, None))
                    assert not changed
                    app._said.add(f"{GROUP}@dev")
                    app._draw_logs()
                    await pilot.pause()
                assert laid_out.call_count == 0
            await until_seen(pilot, "output 59 of a program, part 2")
            log = app.screen.query_one("#log", LogLines)
            assert log.scroll_y == log.max_scroll_y > 150
        await at_rest(pilot)


async def test_who_has_not_agreed_to_what_would_run_is_shown_the_plan_again_with_the_reason(
    make_app: MakeApp, fake: FakeWizard, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, solve, agreed = f"{GROUP}@dev", fake.solve, []

    def first_refuse(targets: Sequence[Target], **options: Any) -> Iterator[Event]:
        agreed.append(options["agreed"])
        if len(agreed) > 1:
            yield from solve(targets, **options)
            return
        moved = Result(Status.FAILED, "Nothing was started: [main] has changed.", ask_again=True)
        yield RunFinished({key: moved}, 0.1)

    monkeypatch.setattr(fake, "solve", first_refuse)
    app = make_app("resource-groups")
    async with app.run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "s")
        await until_seen(pilot, "+ create", "practice-db-dev")
        assert "Nothing was started" not in seen(app)
        await pilot.press("enter")
        await until_seen(pilot, "+ create", "Nothing was started: [main] has changed.")
        await pilot.press("enter")
        await until(pilot, lambda: key in fake.world.done)
    assert [len(each) for each in agreed] == [1, 1]
