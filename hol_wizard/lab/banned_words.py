"""Finds the words from `banned_words.toml`, at which readers stop, in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class BannedWord(NamedTuple):
    """One occurrence in a text."""

    start: int
    """Offset in the text."""
    word: str
    """As written in the text."""
    instead: str
    """What to write instead."""


@cache
def _patterns() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """Return one expression with a group for each entry of the table, and the replacements in the same order."""
    import tomllib

    text = files(__package__).joinpath("banned_words.toml").read_text(encoding="utf-8")
    table: dict[str, str] = tomllib.loads(text)["words"]
    groups = "|".join(f"({words})" for words in table).replace(" ", r"\s+")
    return re.compile(rf"\b(?:{groups})\b", re.IGNORECASE), tuple(table.values())


def banned_words(text: str) -> Iterator[BannedWord]:
    """Yield the banned words of a text, in order. A phrase is found across a line break, too."""
    pattern, instead = _patterns()
    for found in pattern.finditer(text):
        yield BannedWord(found.start(), found[0], instead[(found.lastindex or 1) - 1])
