"""Draws the pictures of `docs/screens/`: the real wizard, on a practice cloud of its own, at work.

    .venv/bin/python -m docs.screenshots [FOLDER]

Needs the tests' environment. What the pictures show of tools and versions is this machine's.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from hol_wizard.cli.practice import trust
from hol_wizard.cli.vocabulary import PRACTICE_DEFAULTS
from hol_wizard.paths import Home
from hol_wizard.practice.process import launch
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.tui.app import HolWizardApp
from hol_wizard.wizard.facade import Wizard, open_wizard

ROOT = Path(__file__).parents[1]
WIDE, NARROW = (120, 40), (80, 24)
LIGHT_TOO = ("overview", "section-before", "plan", "working")
"""The pictures that are taken in the light theme as well."""
PATIENCE = 60.0
SPEED = 60.0


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait until the condition holds.

    Raises:
        TimeoutError: It did not come to that.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the screen did not get there")
        await pilot.pause(0.02)


async def rest(pilot: Pilot[int], app: HolWizardApp) -> None:
    """Wait until nothing runs and all is drawn."""
    await pilot.pause(0.3)
    await until(pilot, lambda: not app.runs)
    await pilot.pause(0.4)


class Album:
    """Takes the pictures of one size and theme."""

    def __init__(self, folder: Path, wizard: Wizard, size: tuple[int, int], theme: str) -> None:
        self._folder = folder
        self._ending = f"{size[0]}x{size[1]}-{theme}.svg"
        self._wizard = wizard
        self._size = size
        self._theme = theme

    def app(self, section: str = "") -> HolWizardApp:
        """Return the wizard at the overview, or at a section."""
        resume = self._wizard.find_section(section) if section else None
        return HolWizardApp(self._wizard, theme=self._theme, resume=resume)

    def shoot(self, app: HolWizardApp, name: str) -> None:
        """Keep what is on the screen, if it is wanted in this theme."""
        if self._theme == "light" and name not in LIGHT_TOO:
            return
        app.clear_notifications()
        picture = app.export_screenshot(title="hol-wizard")
        # A picture fetches nothing: without its web font it takes the reader's own.
        picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
        file = self._folder / f"{name}-{self._ending}"
        file.write_text("\n".join(line.rstrip() for line in picture.splitlines()) + "\n", encoding="utf-8")
        sys.stdout.write(f"{file}\n")

    async def before(self) -> None:
        """Pictures of the empty cloud."""
        # The first section is done for the others.
        deque(self._wizard.solve(self._wizard.targets(["set-up"])), maxlen=0)
        app = self.app("resource-groups")
        async with app.run_test(size=self._size) as pilot:
            await rest(pilot, app)
            await pilot.press("down", "c")
            await rest(pilot, app)
            self.shoot(app, "section-before")
            await pilot.press("s")
            await until(pilot, lambda: len(app.screen_stack) > 2)
            await pilot.pause(0.5)
            self.shoot(app, "plan")
            await pilot.press("escape")
            await pilot.press("question_mark")
            await pilot.pause(0.3)
            self.shoot(app, "keys")
            await pilot.press("escape")
            await pilot.press("ctrl+p")
            await pilot.pause(0.5)
            self.shoot(app, "palette")

    async def work(self) -> None:
        """Pictures of a section being done."""
        app = self.app("workspace-resources")
        async with app.run_test(size=self._size) as pilot:
            await rest(pilot, app)
            await pilot.press("S")
            await until(pilot, lambda: len(app.screen_stack) > 2)
            await pilot.pause(0.5)
            self.shoot(app, "plan-section")
            await pilot.press("enter")
            await until(pilot, lambda: app.working is not None)
            await pilot.pause(3)
            self.shoot(app, "working")
            await until(pilot, lambda: app.working is None)
            await rest(pilot, app)
            self.shoot(app, "section-done")

    async def branch(self) -> None:
        """Pictures of the section that brings the attendee's branch to both places."""
        section = self._wizard.find_section("scientist-setup")
        before = [target for target in self._wizard.prerequisites(section) if target.step.solve]
        deque(self._wizard.solve(before), maxlen=0)
        app = self.app(section.id)
        async with app.run_test(size=self._size) as pilot:
            await rest(pilot, app)
            await pilot.press("S")
            await until(pilot, lambda: len(app.screen_stack) > 2)
            await pilot.pause(0.5)
            self.shoot(app, "plan-branch")
            await pilot.press("enter")
            await until(pilot, lambda: app.working is not None)
            await until(pilot, lambda: app.working is None)
            await rest(pilot, app)
            await pilot.press("down", "down")
            if self._size == NARROW:
                await pilot.press("p")
            await pilot.pause(0.5)
            self.shoot(app, "branch-done")

    async def overview(self) -> None:
        """A picture of the overview."""
        app = self.app()
        async with app.run_test(size=self._size) as pilot:
            await rest(pilot, app)
            self.shoot(app, "overview")


def wizard_of(home: Home) -> Wizard:
    """Return a wizard on the practice cloud that runs in this home."""

    def connect() -> Endpoints:
        trust(launch.start(home.practice_folder, speed=SPEED)["bundle_file"])
        return Endpoints.of_file(home.practice_folder / launch.ENDPOINTS_FILE)

    return open_wizard(
        home=home,
        cloud="practice",
        profile="default",
        connect=connect,
        flags={},
        environ={},
        defaults=PRACTICE_DEFAULTS,
    )


async def take(folder: Path) -> None:
    """Take all pictures."""
    person = Path(tempfile.gettempdir()) / "attendee"
    os.environ.update(HOME=str(person), USERPROFILE=str(person), GIT_CONFIG_GLOBAL=str(person / ".gitconfig"))
    for size, theme in ((WIDE, "dark"), (WIDE, "light"), (NARROW, "dark"), (NARROW, "light")):
        with tempfile.TemporaryDirectory(prefix="hol-wizard-") as place:
            home = Home(Path(place) / "config", Path(place) / "state")
            home.ensure_writable()
            person.mkdir()
            (person / ".gitconfig").write_text("[user]\n\tname = Alex\n\temail = alex@example.com\n", "utf-8")
            try:
                with launch.Lease(launch.start(home.practice_folder, speed=SPEED)):
                    for part in ("before", "work", "branch", "overview"):
                        wizard = wizard_of(home)
                        try:
                            await getattr(Album(folder, wizard, size, theme), part)()
                        finally:
                            wizard.close()
            finally:
                launch.stop(home.practice_folder)
                shutil.rmtree(person)


TOUR = ("overview", "section-before", "plan", "working", "section-done")
"""The pictures of the recording, in the order of a first hour."""
_EACH = 4
"""Seconds for which each of them is shown."""


def tour(folder: Path) -> None:
    """Write the recording: one picture that changes, without a script, so that every site shows it."""
    pictures = [(folder / f"{name}-80x24-dark.svg").read_text(encoding="utf-8") for name in TOUR]
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', pictures[0])
    if found is None:
        raise ValueError("a picture without a size")
    share = 100 / len(pictures)
    style = (
        f".frame {{ visibility: hidden; animation: tour {_EACH * len(pictures)}s step-end infinite }}\n"
        f"@keyframes tour {{ 0% {{ visibility: visible }} {share:g}% {{ visibility: hidden }} }}\n"
        "@media (prefers-reduced-motion) { .frame { animation: none } .frame:first-of-type { visibility: visible } }"
    )
    frames = "\n".join(
        f'<g class="frame" style="animation-delay: {number * _EACH}s">\n{picture.strip()}\n</g>'
        for number, picture in enumerate(pictures)
    )
    file = folder / "tour.svg"
    file.write_text(
        f'<svg viewBox="0 0 {found[1]} {found[2]}" xmlns="http://www.w3.org/2000/svg">\n'
        f"<title>hol-wizard: overview, a step that is not done, its plan, work in progress, and the result</title>\n"
        f"<style>\n{style}\n</style>\n{frames}\n</svg>\n",
        encoding="utf-8",
    )
    sys.stdout.write(f"{file}\n")


def main() -> None:
    """Take all pictures into the folder that was named, or `docs/screens/`."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    for name in [name for name in os.environ if name.startswith(("AZURE_", "HOL_WIZARD_"))]:
        del os.environ[name]
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
    asyncio.run(take(folder))
    tour(folder)


if __name__ == "__main__":
    main()
