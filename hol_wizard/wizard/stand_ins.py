"""Stand-ins: they play the people whom a step needs, so that the whole lab can be done in one command.

A cloud that has stand-ins gives them to the wizard. The wizard does not know which cloud that is, or how they work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hol_wizard.resources.context import StepContext


@dataclass(frozen=True, slots=True)
class StandIns:
    """Those of one cloud."""

    where: str
    """Where they play, for the output: `on the practice cloud`."""
    plays: Mapping[str, Callable[[StepContext], None]] = field(default_factory=dict, hash=False)
    """How a person's part is played, by the names of `hol_wizard.lab.people`."""
