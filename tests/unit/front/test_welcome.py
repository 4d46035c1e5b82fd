from __future__ import annotations

import argparse
import io
from pathlib import Path

import pytest

from hol_wizard.cli import welcome
from hol_wizard.paths import Home


def options(**values: object) -> argparse.Namespace:
    return argparse.Namespace(**{"practice": False, "cloud": None, "resume": None, "catch_up": False, **values})


@pytest.mark.parametrize(
    ("typed", "front", "practice", "resume"),
    [
        ("\n", "tui", True, None),
        ("1\n", "tui", True, None),
        ("2\n", "tui", False, None),
        ("3\nworkspace\n", "tui", False, "workspace"),
        ("3\n\n", "tui", False, "1"),
        ("4\n1\n", "plain", True, None),
        ("4\n2\n", "plain", False, None),
        ("nonsense\n99\n2\n", "tui", False, None),
    ],
)
def test_the_first_start_asks_what_one_wants(typed: str, front: str, practice: bool, resume: str | None) -> None:
    given, output = options(), io.StringIO()
    assert welcome.ask(given, io.StringIO(typed), output, "tui") == front
    assert (given.practice, given.resume) == (practice, resume)
    assert "1. Practice on this machine" in output.getvalue()
    assert "To start there directly: hol-wizard " in output.getvalue()


@pytest.mark.parametrize("typed", ["", "q\n", "3\n", "4\nq\n"])
def test_leaving_the_question_starts_nothing(typed: str) -> None:
    assert welcome.ask(options(), io.StringIO(typed), io.StringIO(), "tui") is None


def test_nobody_is_asked_who_has_said_where_or_has_been_there(tmp_path: Path) -> None:
    home = Home(tmp_path / "config", tmp_path / "state")
    assert welcome.is_first(home, options())
    assert not welcome.is_first(home, options(practice=True))
    assert not welcome.is_first(home, options(cloud="azure"))
    assert not welcome.is_first(home, options(resume="4"))
    (tmp_path / "state" / "practice").mkdir(parents=True)
    assert welcome.is_first(home, options()), "practice says nothing about a subscription"
    (tmp_path / "state" / "azure").mkdir()
    assert not welcome.is_first(home, options())
