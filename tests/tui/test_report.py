"""The report of a run of tests, on screens of every size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hol_wizard.engine.results import Result, Status
from hol_wizard.test_results.cobertura import cobertura_of
from hol_wizard.test_results.junit import Case, Outcome, Results, junit_of
from hol_wizard.test_results.report import RunReport
from hol_wizard.tui import flows
from hol_wizard.tui.report_screen import ReportScreen
from hol_wizard.tui.widgets.report_tree import ReportTree
from hol_wizard.untrusted_xml import parse_xml
from tests.tui.conftest import MakeApp
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import at_rest, screen_of, until, until_seen
from tests.unit.test_results.test_junit import PYTEST

GROUP = "resource-groups/create-the-three-resource-groups@dev"
GIT = "tools/git"
COVERAGE = b"""<coverage line-rate="0.4412"><packages><package><classes>
<class filename="score.py"><lines><line number="1" hits="0"/><line number="2" hits="0"/><line number="5" hits="0"/>
</lines></class><class filename="inference_code/model_class.py"><lines><line number="1" hits="1"/>
<line number="3" hits="1"/><line number="4" hits="0"/><line number="7" hits="1"/></lines></class>
</classes></package></packages></coverage>"""
REPORT = RunReport(
    junit_of(parse_xml(PYTEST.encode())), cobertura_of(parse_xml(COVERAGE)), "", ("Image hol-inference:local [x].",)
)


def show(fake: FakeWizard, report: RunReport) -> None:
    fake.world.results[GIT] = Result(Status.FAILED, "3 of 5 tests did not pass.", report=report)


async def opened(pilot: Pilot[int]) -> ReportTree:
    await at_rest(pilot)
    if pilot.app.size.height < 18:
        await pilot.press("p", "p", "p")
    await pilot.press("down", "down")
    await pilot.press("v")
    await until(pilot, lambda: isinstance(pilot.app.screen, ReportScreen) and pilot.app.screen.is_ready)
    return pilot.app.screen.query_one(ReportTree)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (40, 10)])
async def test_a_failure_can_be_read_on_every_screen(
    make_app: MakeApp, fake: FakeWizard, size: tuple[int, int]
) -> None:
    show(fake, REPORT)
    async with make_app("tools").run_test(size=size) as pilot:
        tree = await opened(pilot)
        await pilot.press("home")
        seen = ""
        while (before := tree.cursor_line) >= 0:
            seen += screen_of(pilot)
            await pilot.press("pagedown")
            if tree.cursor_line == before:
                break
        for text in ("hol-inference:local", "test_model.TestAnswers", "/tests/test_model.py:11", "'wages': 41.5,"):
            assert text in seen
        assert "assert model.predict" in seen
        assert "44 %" in seen
        assert "score.py" in seen or "  0 %  sco" in seen
        assert tree.cursor_line > 20


async def test_what_is_closed_stays_closed_on_another_width(make_app: MakeApp, fake: FakeWizard) -> None:
    show(fake, REPORT)
    async with make_app("tools").run_test(size=(120, 40)) as pilot:
        tree = await opened(pilot)
        await until_seen(pilot, "Full diff", "test_ok")
        await pilot.press("left")
        await until(pilot, lambda: "Full diff" not in screen_of(pilot))
        await pilot.resize_terminal(80, 24)
        await until_seen(pilot, "▶ ✗ Tests", "coverage 44 %")
        await pilot.press("right", "right")
        await until_seen(pilot, "Full diff")
        await pilot.press("e")
        await until(pilot, lambda: all(node.is_expanded for node in tree._tree_nodes.values() if node.allow_expand))
        await pilot.press("end")
        await until_seen(pilot, "not run: 1-2, 5")
        await pilot.press("e")
        await until(pilot, lambda: "Full diff" not in screen_of(pilot))
        await pilot.press("escape")
        await until_seen(pilot, "[Guide]")


async def test_the_bars_stand_beside_the_step_and_beside_one_that_a_person_confirms(
    make_app: MakeApp, fake: FakeWizard
) -> None:
    show(fake, REPORT)
    async with make_app("tools").run_test(size=(120, 40)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down")
        await until_seen(pilot, "24 points below the", "━━━━━━┃───  75 %  inference_code/model_class.py")


async def test_without_a_browser_the_path_of_the_report_is_copied(
    make_app: MakeApp, fake: FakeWizard, tmp_path: Path
) -> None:
    page = tmp_path / "index.html"
    page.write_text("<html></html>")
    show(fake, replace(REPORT, page=str(page)))
    app = make_app("tools")
    async with app.run_test(size=(120, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("w")
        await until(pilot, lambda: app.clipboard == str(page))
        await until_seen(pilot, "No browser is available here")


async def test_the_report_opens_in_a_browser_or_is_gone(
    make_app: MakeApp, fake: FakeWizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "index.html"
    page.write_text("<html></html>")
    addresses: list[str] = []

    def opens(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(flows, "open_in_browser", opens)
    show(fake, replace(REPORT, page=str(page)))
    async with make_app("tools").run_test(size=(120, 24), notifications=True) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "down", "w")
        await until_seen(pilot, "Opened in the browser")
        assert addresses == [page.as_uri()]
        page.unlink()
        await pilot.press("w")
        await until_seen(pilot, "It is gone:")
        assert len(addresses) == 1


async def test_a_step_without_a_report_offers_none(make_app: MakeApp) -> None:
    async with make_app("tools").run_test(size=(120, 24)) as pilot:
        await at_rest(pilot)
        await pilot.press("down", "v", "w")
        await at_rest(pilot)
        assert not isinstance(pilot.app.screen, ReportScreen)
        assert " v tests" not in screen_of(pilot)


async def test_the_report_is_copied_as_text(make_app: MakeApp, fake: FakeWizard) -> None:
    show(fake, REPORT)
    app = make_app("tools")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "Coverage: 44 % of the lines" in app.clipboard)
        assert "    failed: test_dict" in app.clipboard


async def test_thousands_of_tests_are_listed_when_they_are_opened(make_app: MakeApp, fake: FakeWizard) -> None:
    cases = [Case(f"test_{number}", f"module_{number % 5}", Outcome.PASSED) for number in range(5_000)]
    show(fake, RunReport(Results(tuple(cases))))
    async with make_app("tools").run_test(size=(80, 24)) as pilot:
        tree = await opened(pilot)
        assert len(tree._tree_nodes) < 20
        await pilot.press("down", "enter")
        await until_seen(pilot, "✓ test_10", "5000 passed")
