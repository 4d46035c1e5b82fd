"""The log file: what happened, for the question to the proctor; never a secret, never the screen."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
import sys
import threading
from io import TextIOWrapper
from pathlib import Path

from hol_wizard import __version__
from hol_wizard.paths import unwritable

MAX_BYTES = 1_000_000
BACKUPS = 3

_HIDDEN = "***"
_NAMES = (
    r"(?:[\w-]*(?:password|passwd|secret|assertion|access[_-]?key|account[_-]?key|shared[_-]?key|api[_-]?key)"
    r"|(?:access|refresh|id|control|bearer|sas|personal[_-]access)[_-]?tokens?|tokens?|device[_-]code|sig|signature|pat)"
)
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    # "Authorization: Bearer …", also as a Python or JSON mapping.
    (
        re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|sharedkey)?\s*)[^\s\"',}]+"),
        rf"\1{_HIDDEN}",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{12,}"), rf"\1 {_HIDDEN}"),
    # JSON, Python mapping, form, query string, connection string: NAME "=" or ":" VALUE.
    (re.compile(rf"(?i)([\"']{_NAMES}[\"']\s*:\s*)([\"'])(?:\\.|(?!\2).)*\2"), rf"\1\2{_HIDDEN}\2"),
    (re.compile(rf"(?i)(?<![\w-])({_NAMES}\s*[=:]\s*)(?![\"'\s]|\*\*\*)[^\s&;,\"')}}]+"), rf"\1{_HIDDEN}"),
    # user:password@host
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{_HIDDEN}@"),
    # JSON web tokens, Databricks tokens, Entra client secrets, Azure DevOps tokens, old and new.
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?"), _HIDDEN),
    (re.compile(r"\bdapi[0-9a-f]{32}(?:-\d+)?\b"), _HIDDEN),
    (re.compile(r"(?<![\w~.-])[\w~.-]{3}[78]Q~[\w~.-]{31,34}(?![\w~.-])"), _HIDDEN),
    (re.compile(r"\b(?:[a-z2-7]{52}|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4})\b"), _HIDDEN),
)


def scrub(text: str) -> str:
    """Return the text with everything that looks like a secret replaced by `***`.

    A second line of defence: secrets are held in a type whose `repr` is `***`, but a service's own error text can
    quote what it was sent.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class ScrubbingFormatter(logging.Formatter):
    """Formats a record, its traceback included, without its secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return scrub(super().format(record))


class _LogFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read and that never troubles the screen."""

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        # Path.open takes no opener.
        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=private)

    def doRollover(self) -> None:
        """Begin a new file, or go on with this one where another wizard holds it (Windows)."""
        try:
            super().doRollover()
        except OSError:
            self.stream = self._open()
            self.maxBytes = 0

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the record: a full disk must not write a traceback into the screen."""


def start(path: Path, *, debug: bool = False) -> None:
    """Send the program's log to this file.

    Args:
        path: The file; its folder is made when it does not exist.
        debug: Whether to log what the wizard's own modules do in detail.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = _LogFile(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8")
    except OSError as error:
        raise unwritable(path, error) from error
    handler.setFormatter(
        ScrubbingFormatter("%(asctime)s %(process)d %(levelname)s %(name)s [%(threadName)s] %(message)s")
    )
    stop()
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("hol_wizard")
    ours.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_error
    ours.info("hol-wizard %s, Python %s on %s", __version__, sys.version.split()[0], sys.platform)


def stop() -> None:
    """Close the log file, if one was begun."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _LogFile)]:
        root.removeHandler(handler)
        handler.close()


def _log_thread_error(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit or arguments.exc_value is None:
        return
    name = arguments.thread.name if arguments.thread else "?"
    logging.getLogger("hol_wizard").error("thread %s died", name, exc_info=arguments.exc_value)
