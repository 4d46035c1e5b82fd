"""Finds the attendee's own tests: those that the starter does not contain."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from hol_wizard.resources.unit_tests import UnitTest, read
from hol_wizard.resources.written_test import TEST_FILE


def starter_tests() -> list[UnitTest]:
    """Return the tests that the starter comes with."""
    return read((files("hol_wizard") / "starter" / TEST_FILE).read_text(encoding="utf-8"))


def own_tests(found: Sequence[UnitTest]) -> list[UnitTest]:
    """Return those that are not from the starter; a changed test of the starter still counts as the starter's."""
    starters = starter_tests()
    names, bodies = {each.name for each in starters}, {each.body for each in starters}
    return [each for each in found if each.name not in names and each.body not in bodies]
