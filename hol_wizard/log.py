"""The log file, for questions to the proctor. It contains no secrets and is never shown on the screen."""

from __future__ import annotations

import logging
import logging.handlers
import os
import sys
import threading
import traceback
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from hol_wizard import __version__
from hol_wizard.paths import unwritable
from hol_wizard.redaction import scrub

MAX_BYTES = 1_000_000
BACKUPS = 3


class ScrubbingFormatter(logging.Formatter):
    """Formats a record, its traceback included, without its secrets."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text."""
        return scrub(super().format(record))


class _LogFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only its owner can read, and whose errors never reach the screen."""

    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        # Path.open takes no opener.
        return open(self.baseFilename, "a", encoding="utf-8", errors="replace", opener=private)

    def doRollover(self) -> None:
        """Begin a new file, or continue with this one if another wizard has it open (Windows)."""
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
        path: The file; its folder is created if it does not exist.
        debug: Whether to log what the wizard's own modules do in detail.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = _LogFile(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8", errors="backslashreplace")
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


def guard() -> None:
    """Remove secrets from what Python itself writes to standard error: warnings without a log file, last messages."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(ScrubbingFormatter("%(message)s"))
    sys.excepthook = _write_scrubbed
    sys.unraisablehook = lambda told: _write_scrubbed(told.exc_type, told.exc_value, told.exc_traceback)


def _write_scrubbed(kind: type[BaseException], error: BaseException | None, where: TracebackType | None) -> None:
    if sys.stderr is not None:
        sys.stderr.write(scrub("".join(traceback.format_exception(kind, error, where))))


def stop() -> None:
    """Close the log file if it is open."""
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, _LogFile)]:
        root.removeHandler(handler)
        handler.close()


def _log_thread_error(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_type is SystemExit or arguments.exc_value is None:
        return
    name = arguments.thread.name if arguments.thread else "?"
    logging.getLogger("hol_wizard").error("thread %s died", name, exc_info=arguments.exc_value)
