"""The people whose part in a step nobody else can do; a document names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hol_wizard.lab.model import Step

READER: Final = "reader"
"""The person who confirms a step. Documents do not name them: `confirm` does."""
_READER_WORDS: Final = "the reader, who confirms the step"

PEOPLE: Final[Mapping[str, str]] = {
    "author": "the author of the added test",
    "reviewer": "the second reviewer",
    "approver": "the approver",
}
"""The people that a document may name with `person`, with the words for each."""


def person_of(step: Step) -> str:
    """Return who must do a step, or an empty string if it need not be a person."""
    return READER if step.confirm else step.person


def words_for(step: Step) -> str:
    """Return the words for the person who must do a step: `the second reviewer`."""
    return _READER_WORDS if step.confirm else PEOPLE[step.person]
