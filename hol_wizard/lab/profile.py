"""The reader's choices as they are now, and the names that follow from them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hol_wizard.lab.choices import Choices
from hol_wizard.lab.names import Names


def names_of(choices: Choices, offered: Mapping[str, str] | None = None) -> Names:
    """Return the names that follow from choices.

    Args:
        choices: The reader's.
        offered: Values that stand in for choices not made yet.
    """
    offered = offered or {}
    return Names(
        **{
            name: str(getattr(choices, name)) or offered.get(name, "")
            for name in Names.__dataclass_fields__
            if hasattr(choices, name)
        }
    )


class Profile:
    """One attendee's choices on one cloud, kept in a file that changes only when a choice does."""

    def __init__(self, name: str, cloud: str, path: Path, given: Mapping[str, str]) -> None:
        """Read the file, if there is one.

        Args:
            name: The profile's name; `default` unless `--profile` says otherwise.
            cloud: Name of the cloud it belongs to.
            path: Where the choices are saved.
            given: Values that count for this run: those of flags and variables over those of the file.

        Raises:
            UsageError: The file is broken.
        """
        self.name = name
        self.cloud = cloud
        self.path = path
        self.given = given
        self._lock = threading.Lock()
        self._choices = Choices.load(path)

    @property
    def choices(self) -> Choices:
        """The choices that count: what was given for this run, else what the file says."""
        known = {key: value for key, value in self.given.items() if value}
        return replace(self._choices, **known)

    @property
    def names(self) -> Names:
        """The names derived from the choices."""
        return names_of(self.choices)

    def change(self, **values: str) -> None:
        """Change choices and save them.

        Raises:
            UsageError: The file cannot be written.
        """
        with self._lock:
            self._choices = replace(self._choices, **values)
            self.given = {key: value for key, value in self.given.items() if key not in values}
            self._choices.save(self.path)

    def forget(self) -> None:
        """Delete the file and go back to no choices at all."""
        with self._lock:
            self.path.unlink(missing_ok=True)
            self._choices = Choices()
