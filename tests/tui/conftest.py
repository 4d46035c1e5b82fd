from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from hol_wizard.paths import Home
from hol_wizard.tui import flows
from hol_wizard.tui.app import HolWizardApp
from tests.tui.fake_wizard import FakeWizard
from tests.tui.looking import until, until_seen

MakeApp = Callable[..., HolWizardApp]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "config", tmp_path / "state")


@pytest.fixture
def fake(home: Home, request: pytest.FixtureRequest) -> FakeWizard:
    """A fake wizard; a test may parametrize what is not usual about it."""
    return FakeWizard(home, **getattr(request, "param", {}))


@pytest.fixture
def make_app(fake: FakeWizard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeApp:
    """Return a maker of apps over the fake wizard that remember in one file."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(flows, "open_in_browser", lambda address: False)

    def make(resume: str = "", **values: Any) -> HolWizardApp:
        section = fake.lab.section(resume) if resume else None
        return HolWizardApp(fake.as_wizard(), resume=section, memory_path=tmp_path / "ui.json", **values)

    return make


@contextmanager
def holding(fake: FakeWizard) -> Iterator[None]:
    """Hold every solve before its end until the block is left."""
    fake.world.hold = threading.Event()
    try:
        yield
    finally:
        fake.world.hold.set()


@asynccontextmanager
async def solving(pilot: Pilot[int], fake: FakeWizard, *keys: str) -> AsyncIterator[None]:
    """Agree to the solve that these keys start, and hold it before its end until the block is left."""
    app = pilot.app
    assert isinstance(app, HolWizardApp)
    await pilot.press(*keys)
    await until_seen(pilot, "+ create", "Do it")
    with holding(fake):
        await pilot.press("enter")
        await until(pilot, lambda: app.working is not None)
        yield
