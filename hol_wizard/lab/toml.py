"""TOML with line numbers: the line of each key, and of the first syntax error."""

from __future__ import annotations

import re
from typing import Any

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_-]+|\"[^\"]+\"|'[^']+')\s*=")
_POSITION = re.compile(r" \((?:at line (\d+), column \d+|at end of document)\)$")


class TomlError(ValueError):
    """A text is not TOML.

    Attributes:
        message: The parser's message, without the position.
        line: Line of the mistake, from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(f"line {line}: {message}")
        self.message = message
        self.line = line


def parse(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Raises:
        TomlError: It is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Python 3.14 also has attributes for the position; every version has it in the text.
        said = str(error)
        position = _POSITION.search(said)
        line = int(position[1]) if position and position[1] else text.count("\n") + 1
        raise TomlError(_POSITION.sub("", said), line) from error


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Return the line, from 1, of each table's header and of each key, under its full path.

    It is used to locate mistakes; keys in inline tables and dotted keys are not included.
    """
    table: tuple[str, ...] = ()
    lines: dict[tuple[str, ...], int] = {}
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if closing:
            if closing in line:
                closing = ""
            continue
        if match := _HEADER.match(line):
            table = tuple(part.strip().strip("\"'") for part in match[1].split("."))
            lines.setdefault(table, number)
        elif match := _KEY.match(line):
            lines.setdefault((*table, match[1].strip("\"'")), number)
        closing = next((quotes for quotes in ('"""', "'''") if line.count(quotes) % 2), "")
    return lines
