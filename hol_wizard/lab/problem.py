"""A mistake in the lab's documents."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Problem(NamedTuple):
    """One mistake in a document; its text is `file:line: message (did you mean …?)`."""

    file: Path
    line: int
    """From 1."""
    message: str
    nearest: str = ""
    """What was probably meant."""

    def __str__(self) -> str:
        """Return the problem in the format that editors recognize."""
        meant = f" (did you mean {self.nearest}?)" if self.nearest else ""
        return f"{self.file}:{self.line}: {self.message}{meant}"
