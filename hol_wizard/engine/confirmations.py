"""The steps that a person has confirmed because no check can judge them, such as reading code and discussing it.

The file is JSON Lines, with one line for each confirmation and each withdrawal, and belongs to one profile on one
cloud. Nothing in it is a resource: it is not in the ledger, and a teardown leaves it in place. The file is replaced
completely under a lock, so a process that is killed leaves the old file or the new one, and two wizards keep each
other's lines.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hol_wizard.engine.results import Confirmation
from hol_wizard.errors import UsageError
from hol_wizard.paths import keep_damaged, only_writer, read_file, write_private

logger = logging.getLogger(__name__)

VERSION: Final = 1
"""Version of the format of a line."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What can be confirmed: a step, in a subscription, with its current text."""

    step: str
    """Key of the target, `section/step` or `section/step@environment`."""
    subscription: str
    digest: str
    """Digest of the text that the person has read (`digest_of`)."""


@dataclass(frozen=True, slots=True)
class _Line:
    step: str
    subscription: str
    digest: str
    by: str
    at: datetime
    withdrawn: bool

    def text(self) -> str:
        values = {
            "version": VERSION,
            "step": self.step,
            "subscription": self.subscription,
            "text": self.digest,
            "by": self.by,
            "at": self.at.isoformat(timespec="seconds"),
            "withdrawn": self.withdrawn,
        }
        return json.dumps(values)

    @classmethod
    def of(cls, text: str) -> _Line:
        """Return the confirmation in a line.

        Raises:
            ValueError: It is not a confirmation, or has another version.
        """
        try:
            values = json.loads(text)
            if values["version"] != VERSION or type(values["withdrawn"]) is not bool:
                raise ValueError("another version")
            step, subscription, digest, by = (values[name] for name in ("step", "subscription", "text", "by"))
            at = datetime.fromisoformat(values["at"])
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("not a confirmation") from error
        if at.tzinfo is None or not all(isinstance(each, str) for each in (step, subscription, digest, by)):
            raise ValueError("not a confirmation")
        return cls(step, subscription, digest, by, at, values["withdrawn"])


def digest_of(*texts: str) -> str:
    """Return the digest of a step's texts; how their lines are wrapped does not matter."""
    return hashlib.sha256("\n".join(" ".join(text.split()) for text in texts).encode()).hexdigest()


class Confirmations:
    """The confirmations of one profile on one cloud."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, statement: Statement) -> Confirmation | None:
        """Return who confirmed a statement, and when; None if nobody did, or if the confirmation was withdrawn.

        `Confirmation.outdated` says that the text has changed since.

        Raises:
            UsageError: The file exists but cannot be read.
        """
        return _last(self._read()[0], statement)

    @property
    def damage(self) -> str:
        """What is wrong with the file; empty if nothing is.

        Raises:
            UsageError: The file exists but cannot be read.
        """
        damaged = self._read()[1]
        if not damaged:
            return ""
        lines = "1 line" if damaged == 1 else f"{damaged} lines"
        return f"{lines} of {self.path} cannot be read: a confirmation, or its withdrawal, may be missing."

    def confirm(self, statements: Sequence[Statement], by: str) -> Path | None:
        """Record that a person confirms these statements; existing confirmations keep their date.

        Args:
            statements: What is confirmed.
            by: Who confirms it.

        Returns:
            Where a damaged file is kept; None if it was not damaged.

        Raises:
            UsageError: The file cannot be read or written.
        """
        return self._add(statements, by, withdrawn=False)

    def withdraw(self, statements: Sequence[Statement], by: str) -> Path | None:
        """Record that a person withdraws these confirmations; the arguments are those of `confirm`.

        Raises:
            UsageError: The file cannot be read or written.
        """
        return self._add(statements, by, withdrawn=True)

    def _add(self, statements: Sequence[Statement], by: str, *, withdrawn: bool) -> Path | None:
        with only_writer(self.path, "the confirmations of this profile"):
            lines, damaged = self._read()
            now = datetime.now(UTC).replace(microsecond=0)
            new = []
            for each in statements:
                found = _last(lines, each)
                if (found is not None) if withdrawn else (found is None or found.outdated):
                    new.append(_Line(each.step, each.subscription, each.digest, by, now, withdrawn))
            kept = None
            if damaged:
                kept = keep_damaged(self.path)
                logger.warning("kept the damaged confirmations as %s", kept)
            if new or damaged:
                write_private(self.path, "".join(f"{line.text()}\n" for line in [*lines, *new]).encode())
        return kept

    def _read(self) -> tuple[list[_Line], int]:
        """Return the readable lines, and the number of unreadable ones."""
        try:
            content = read_file(self.path)
        except FileNotFoundError:
            return [], 0
        except OSError as error:
            raise UsageError(
                f"The confirmations in {self.path} cannot be read: {error.strerror or error}.",
                "Give yourself the right to read the file.",
            ) from error
        lines, damaged = [], 0
        for text in content.split(b"\n"):
            if not text.strip():
                continue
            try:
                lines.append(_Line.of(text.decode("utf-8")))
            except ValueError:
                damaged += 1
        return lines, damaged


def _last(lines: Sequence[_Line], statement: Statement) -> Confirmation | None:
    for line in reversed(lines):
        if (line.step, line.subscription) == (statement.step, statement.subscription):
            outdated = line.digest != statement.digest
            return None if line.withdrawn else Confirmation(line.by, line.at, outdated=outdated)
    return None
