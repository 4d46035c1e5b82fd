"""A plan fits: totals first, a line for each kind of change, details on request."""

from __future__ import annotations

from tests.tui.conftest import MakeApp
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, seen, until, until_seen


async def test_a_plan_begins_with_its_totals_and_collapses_twins(make_app: MakeApp, fake: FakeWizard) -> None:
    kinds = ("Storage account", "Key vault", "Databricks workspace", "Container registry", "Cluster", "Role")
    fake.world.kinds = kinds
    app = make_app("workspace-resources")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("S")
        await until_seen(pilot, "60 to create", "the longest usually takes 2 min", "Costs: 0.24 USD per hour")
        lines = seen(app).splitlines()
        for kind in kinds:
            assert sum(f"+ create   10 × {kind}" in line for line in lines) == 1
        assert "space: details" in seen(app)
        await pilot.press("shift+tab", "enter")
        await until(pilot, lambda: sum("+ create" in line for line in seen(app).splitlines()) > len(kinds) - 1)
        await pilot.press("space")
        await until_seen(pilot, "westeurope · 0.24 USD per hour · 2 min")
        await pilot.press("escape")
        assert not fake.world.done & {"workspace-resources/register-the-resource-providers"}


async def test_a_form_does_not_open_with_errors(make_app: MakeApp, fake: FakeWizard) -> None:
    app = make_app("set-up")
    fake.profile.change(subscription="")
    async with app.run_test(size=(80, 24)) as pilot:
        await at_rest(pilot)
        fake.world.done.add("set-up/sign-in")
        await pilot.press("end", "s")
        await until_seen(pilot, "lists 2 choices")
        assert "required" not in seen(app)
        assert "✗" not in seen(app)
        await pilot.press("enter")
        await until_seen(pilot, "Hands-on lab (Enabled)", "Production (Enabled)")
        await pilot.press("enter")
        await until_seen(pilot, "Subscription     0001")
