from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every file of the wizard's in the test's folder."""
    for name in ("PREFIX", "LOCATION", "ALIAS", "SUBSCRIPTION", "DEVOPS_ORGANIZATION", "DEBUG"):
        monkeypatch.delenv(f"HOL_WIZARD_{name}", raising=False)
    monkeypatch.setenv("HOL_WIZARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path / "home"


@pytest.fixture
def terminal_input(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Terminal]:
    """Return a function that types on a terminal: standard input and standard error, which it returns, are one then."""

    def types(text: str) -> Terminal:
        shown = Terminal()
        monkeypatch.setattr("sys.stdin", Terminal(text))
        monkeypatch.setattr("sys.stderr", shown)
        return shown

    return types


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Close the log file that a test began, and set the levels back."""
    from hol_wizard import log

    loggers = logging.getLogger(), logging.getLogger("hol_wizard")
    before = [logger.level for logger in loggers]
    yield
    log.stop()
    logging.captureWarnings(False)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
