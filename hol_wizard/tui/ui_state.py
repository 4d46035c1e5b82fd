"""What the screens remember between two runs of the wizard: where you were, nothing about the lab itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from hol_wizard.paths import read_file

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class UiState:
    """The content of `ui.json`; a file that cannot be read is as good as none."""

    path: Path | None = None
    """None: nothing is kept."""
    theme: str = "dark"
    role: str = ""
    """Role that the overview is filtered by; empty: all."""
    place: str = ""
    """Id of the section that was open; empty: the overview."""
    here: str = ""
    """Id of the section opened last."""
    steps: dict[str, str] = field(default_factory=dict)
    """Target under the cursor, by section id."""
    panes: dict[str, str] = field(default_factory=dict)
    """Pane shown last, by section id."""
    scrolls: dict[str, float] = field(default_factory=dict)
    """How far the guide was scrolled, by target key."""
    hints: dict[str, int] = field(default_factory=dict)
    """How many hints have been shown, by step key."""

    @classmethod
    def load(cls, path: Path | None) -> UiState:
        """Return what the file holds, as far as it makes sense."""
        memory = cls(path)
        if path is None:
            return memory
        try:
            values = json.loads(read_file(path))
        except FileNotFoundError:
            return memory
        except (OSError, ValueError, RecursionError) as error:
            logger.warning("ignored the saved UI state: %s", type(error).__name__)
            return memory
        if isinstance(values, Mapping):
            for item in fields(cls):
                memory._take(item.name, values.get(item.name))
        return memory

    def _take(self, name: str, value: Any) -> None:
        held = getattr(self, name)
        if isinstance(held, str) and isinstance(value, str):
            setattr(self, name, value)
        elif isinstance(held, dict) and isinstance(value, dict):
            kinds: dict[str, type | tuple[type, ...]] = {"scrolls": (int, float), "hints": int}
            kind = kinds.get(name, str)
            setattr(self, name, {str(key): each for key, each in value.items() if isinstance(each, kind)})

    def save(self) -> None:
        """Write the file; a folder that cannot be written costs the memory, not the work."""
        if self.path is None:
            return
        values = {name: value for name, value in asdict(self).items() if name != "path"}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self.path.with_suffix(".new")
            fresh.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
            fresh.replace(self.path)
        except OSError as error:
            logger.warning("could not save the UI state: %s", error)
