"""Pictures of the main screens over the fake wizard, for the documentation and for looking at.

    python -m tests.tui.screenshots FOLDER [NAME …]

writes NAME.svg, and NAME.png where `cairosvg` and a monospaced font are there.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from hol_wizard.paths import Home
from hol_wizard.tui.app import HolWizardApp
from tests.tui.fake_wizard import FakeWizard

SMALL, LARGE, TINY = (80, 24), (120, 40), (40, 10)
GROUPS, RESOURCES = ("down", "down", "enter", "down"), ("down", "down", "down", "enter", "down", "down")
BUSY: Mapping[str, Any] = {"pace": 0.05, "lines": 30}
BROKEN = {"remembered": {"resource-groups/create-the-three-resource-groups@dev": "passed"}}


@dataclass(frozen=True)
class Picture:
    size: tuple[int, int]
    theme: str
    keys: Sequence[str] = ()
    wizard: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the fake wizard."""


PICTURES = {
    "overview-dark": Picture(LARGE, "dark", wizard=BROKEN),
    "overview-light": Picture(LARGE, "light"),
    "overview-80x24": Picture(SMALL, "dark"),
    "overview-40x10": Picture(TINY, "light"),
    "section-dark": Picture(LARGE, "dark", GROUPS),
    "section-light": Picture(LARGE, "light", (*GROUPS, "h")),
    "section-80x24": Picture(SMALL, "dark", GROUPS),
    "section-40x10": Picture(TINY, "dark", GROUPS),
    "working-dark": Picture(LARGE, "dark", (*RESOURCES, "S", "enter"), BUSY),
    "working-80x24": Picture(SMALL, "light", (*RESOURCES, "S", "enter", "p", "p"), BUSY),
    "plan-dark": Picture(LARGE, "dark", (*RESOURCES, "S")),
    "form-light": Picture(LARGE, "light", ("enter", "down", "s")),
    "form-80x24": Picture(SMALL, "dark", ("enter", "down", "s")),
    "sign-in": Picture(SMALL, "light", ("enter", "down", "down", "s", "enter"), {**BUSY, "asks_person": True}),
    "leaving": Picture(SMALL, "dark", (*RESOURCES, "S", "enter", "q"), BUSY),
    "help": Picture(SMALL, "dark", ("question_mark",)),
    "palette": Picture(SMALL, "light", ("ctrl+p",)),
    "machine": Picture(SMALL, "light", ("d",)),
}


async def _settle(pilot: Pilot[int], seconds: float) -> None:
    for _ in range(round(seconds / 0.05)):
        await pilot.pause(0.05)


async def draw(picture: Picture) -> str:
    """Return the picture as SVG."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "config", Path(folder) / "state")
        app = HolWizardApp(FakeWizard(home, **picture.wizard), theme=picture.theme)
        async with app.run_test(size=picture.size) as pilot:
            await _settle(pilot, 0.5 + 60 * picture.wizard.get("pace", 0.0))
            for key in picture.keys:
                await pilot.press(key)
                await _settle(pilot, 0.3)
            await _settle(pilot, 1.5)
            return app.export_screenshot(title="hol-wizard")


def main(folder: Path, names: Sequence[str]) -> None:
    """Write the pictures, all for no names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        svg = asyncio.run(draw(PICTURES[name]))
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        try:
            import cairosvg
        except ImportError:
            continue
        # The SVG asks for a web font; the drawing must not depend on a network.
        plain = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S).replace("Fira Code", "DejaVu Sans Mono")
        cairosvg.svg2png(plain.encode(), write_to=str(folder / f"{name}.png"), scale=0.8)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
