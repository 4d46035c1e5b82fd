"""The report of a defect of the wizard's own: what a person can send without looking for it, and without secrets."""

from __future__ import annotations

import logging
import os
import platform
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hol_wizard import __version__
from hol_wizard.paths import Home, expanded, write_private
from hol_wizard.redaction import scrub

logger = logging.getLogger(__name__)

_LINES: Final = 200
"""The last lines of the log that a report contains."""
_KEPT: Final = 10
"""Reports that are kept."""


def report(error: BaseException | None, command: str, home: Home) -> Path | None:
    """Write a report, and return its path; None if it cannot be written.

    It contains versions, the command's name without its values, the traceback, and the end of the log. The names of
    resources and of accounts that the log has are in it; secrets and the person's home folder are not.

    Args:
        error: The unexpected exception; None if only the log has it.
        command: The command's name: `solve`.
        home: The wizard's folders.
    """
    now = datetime.now(UTC)
    parts = [
        *about(command, now),
        "",
        *("".join(traceback.format_exception(error)).splitlines() if error is not None else ()),
        "",
        f"The last {_LINES} lines of {home.log_file}:",
        *end_of_log(home.log_file),
    ]
    text = without_secrets("\n".join(parts))
    folder = home.log_file.parent / "defects"
    path = folder / f"{now:%Y-%m-%d-%H%M%S}-{os.getpid()}.txt"
    # A defect must not be hidden by a full disk.
    try:
        write_private(path, text.encode("utf-8", "replace"))
        for old in sorted(folder.glob("*.txt"))[:-_KEPT]:
            with suppress(OSError):
                old.unlink()
    except Exception:
        logger.exception("the report of a defect cannot be written")
        return None
    return path


def about(command: str, now: datetime) -> list[str]:
    """Return the versions of what runs, and the terminal."""
    return [
        f"hol-wizard {__version__}, command {command}, {now.isoformat(timespec='seconds')}",
        f"Python {platform.python_version()} ({sys.implementation.name}) on {platform.platform()}",
        f"TERM={os.environ.get('TERM', '')}; standard output is a terminal: {bool(sys.stdout and sys.stdout.isatty())}",
    ]


def without_secrets(text: str) -> str:
    """Return a text without known secrets and without the path of the person's home folder."""
    own, text = str(expanded("~")), scrub(text)
    return text.replace(own, "~") if len(own) > 1 else text


def end_of_log(log_file: Path, lines: int = _LINES) -> list[str]:
    """Return the last lines of the log."""
    try:
        return log_file.read_text("utf-8", "replace").splitlines()[-lines:]
    except OSError as error:
        return [f"(cannot be read: {error.strerror})"]
