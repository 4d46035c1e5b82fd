"""The labs that a person trusts: until then, nothing runs of a lab that does not come with the wizard.

A lab is trusted by the digest of its documents. The file also records what each trusted version could run, so that the
next question can show what has changed. A damaged file trusts nothing, and is kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hol_wizard.errors import UsageError
from hol_wizard.lab.folder import LabFolder
from hol_wizard.lab.model import Lab
from hol_wizard.paths import keep_damaged, only_writer, read_file, write_private

logger = logging.getLogger(__name__)

VERSION: Final = 1
"""Version of the format of the file."""


@dataclass(frozen=True, slots=True)
class Trusted:
    """A version of a lab that a person trusts."""

    folder: str
    digest: str
    files: Mapping[str, str]
    """The digest of each file, by name."""
    runs: tuple[str, ...]
    """What it could run (`runs_of`)."""
    at: str
    """ISO 8601, UTC."""


def runs_of(lab: Lab) -> tuple[str, ...]:
    """Return a line for everything that a lab declares to run, read or request, and for what else it uses."""
    lines = [f"{step.key}: {key} {declared}" for step in lab.steps.values() for key, declared in step.declared.items()]
    used: dict[str, None] = {}
    for step in lab.steps.values():
        named = {"check": step.check, "solve": step.solve, "undo": step.undo}
        used |= dict.fromkeys(name for key, name in named.items() if name and key not in step.declared)
        used |= dict.fromkeys(step.actions)
    if used:
        lines.append(f"the wizard's own: {', '.join(sorted(used))}")
    lines += [f"default of {name}: {value}" for name, value in lab.defaults.items()]
    return tuple(lines)


def changes(before: Trusted, folder: LabFolder, runs: Sequence[str]) -> Iterator[str]:
    """Yield what has changed in a lab since a version of it was trusted, one line each."""
    now = folder.digests
    for name in sorted({*before.files, *now}):
        if name not in now:
            yield f"removed: {name}"
        elif name not in before.files:
            yield f"new: {name}"
        elif before.files[name] != now[name]:
            yield f"changed: {name}"
    yield from (f"no longer {line}" for line in before.runs if line not in runs)
    yield from (f"now {line}" for line in runs if line not in before.runs)


class TrustedLabs:
    """The labs that the person of this machine trusts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has(self, digest: str) -> bool:
        """Return whether a lab with this digest is trusted, wherever it is.

        Raises:
            UsageError: The file exists but cannot be read.
        """
        return any(each.digest == digest for each in self._read()[0])

    def last(self, folder: Path) -> Trusted | None:
        """Return the version of a folder that was trusted last, if there is one.

        Raises:
            UsageError: The file exists but cannot be read.
        """
        found = [each for each in self._read()[0] if each.folder == str(folder)]
        return found[-1] if found else None

    def trust(self, folder: LabFolder, runs: Sequence[str]) -> Path | None:
        """Record that the person trusts this version of a lab.

        Returns:
            Where a damaged file is kept; None if it was not damaged.

        Raises:
            UsageError: The file cannot be read or written.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        new = Trusted(str(folder.path), folder.digest, folder.digests, tuple(runs), now)
        with only_writer(self.path, "the list of trusted labs"):
            labs, damaged = self._read()
            kept = None
            if damaged:
                kept = keep_damaged(self.path)
                logger.warning("kept the damaged list of trusted labs as %s", kept)
            write_private(self.path, _text([*(each for each in labs if each.digest != new.digest), new]))
        return kept

    def _read(self) -> tuple[list[Trusted], bool]:
        """Return the trusted versions, oldest first, and whether the file is damaged."""
        try:
            content = read_file(self.path)
        except FileNotFoundError:
            return [], False
        except OSError as error:
            raise UsageError(
                f"The list of trusted labs in {self.path} cannot be read: {error.strerror or error}.",
                "Give yourself the right to read the file.",
            ) from error
        try:
            value = json.loads(content)
            if value["version"] != VERSION:
                raise ValueError("another version")
            return [_trusted(each) for each in value["labs"]], False
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return [], True


def _trusted(value: Mapping[str, Any]) -> Trusted:
    files, runs = value["files"], value["runs"]
    texts = [value["folder"], value["digest"], value["at"], *files, *files.values(), *runs]
    if not all(isinstance(each, str) for each in texts) or not isinstance(runs, list):
        raise ValueError("not a trusted lab")
    return Trusted(value["folder"], value["digest"], files, tuple(runs), value["at"])


def _text(labs: Sequence[Trusted]) -> bytes:
    rows = [
        {"folder": each.folder, "digest": each.digest, "files": each.files, "runs": each.runs, "at": each.at}
        for each in labs
    ]
    return (json.dumps({"version": VERSION, "labs": rows}, indent=2, default=dict) + "\n").encode()
