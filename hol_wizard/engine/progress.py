"""The last results of each step, for the first screen and for regressions; never treated as the actual state."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hol_wizard.engine.results import Result, Status
from hol_wizard.errors import UsageError
from hol_wizard.paths import read_file, write_private

logger = logging.getLogger(__name__)

VERSION = 1
"""Version of the file's format; a file of another version is ignored."""


class Progress:
    """The last results of one profile on one cloud, in a file that may be deleted at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def _document(self) -> dict[str, Any]:
        try:
            document = json.loads(read_file(self.path))
        except (OSError, ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) and document.get("version") == VERSION else {}

    def _read(self) -> tuple[dict[str, dict[str, Any]], str]:
        """Return the steps' results, and who was signed in."""
        document = self._document()
        steps, user = document.get("steps"), document.get("user")
        kept = steps.items() if isinstance(steps, dict) else ()
        return (
            {str(key): dict(value) for key, value in kept if isinstance(value, dict)},
            user if isinstance(user, str) else "",
        )

    def _steps(self) -> dict[str, dict[str, Any]]:
        return self._read()[0]

    @property
    def user(self) -> str:
        """Who was signed in at the last check; empty if nobody, or unknown."""
        return self._read()[1]

    def note_user(self, user: str) -> None:
        """Record who is signed in; empty if nobody."""
        with self._lock:
            steps, noted = self._read()
            if user != noted:
                self._save(steps, user)

    def statuses(self) -> Mapping[str, Status]:
        """Return the status of every step that was ever checked."""
        known = {status.value: status for status in Status}
        return {
            key: known[str(value["status"])]
            for key, value in self._steps().items()
            if str(value.get("status")) in known
        }

    def regressed(self, results: Mapping[str, Result]) -> tuple[str, ...]:
        """Return the steps that passed earlier but, by these results, no longer do."""
        steps = self._steps()
        return tuple(
            key
            for key, result in results.items()
            if result.status is Status.FAILED and steps.get(key, {}).get("passed_at")
        )

    def remember(self, results: Mapping[str, Result]) -> None:
        """Save the current results; a file that cannot be written is logged and otherwise ignored."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock:
            steps, user = self._read()
            for key, result in results.items():
                entry = steps.setdefault(key, {})
                entry["status"] = result.status.value
                if result.passed:
                    entry["passed_at"] = now
            self._save(steps, user)

    def forget(self, keys: Iterable[str]) -> None:
        """Forget steps, so that it is no longer reported that they passed earlier."""
        with self._lock:
            steps, user = self._read()
            for key in keys:
                steps.pop(key, None)
            self._save(steps, user)

    def _save(self, steps: Mapping[str, Mapping[str, Any]], user: str) -> None:
        document = {"version": VERSION, "user": user, "steps": steps}
        try:
            write_private(self.path, json.dumps(document, indent=1).encode())
        except (OSError, UsageError) as error:
            logger.warning("progress is not kept: %s", error)
