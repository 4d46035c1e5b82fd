"""The commands that stand in a step's text."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>```+|~~~+)[^\n]*\n(?P<code>.*?)^[ \t]*(?P=mark)[ \t]*$", re.M | re.S)
_COMMAND = re.compile(r"^(?:az|git|docker|databricks|python3?|pip|uv|hol-wizard|curl|conda|dbfs|brew|winget)\s\S")


def code_blocks(markdown: str) -> list[str]:
    """Return the code blocks of a Markdown text, each without its own indentation."""
    found = []
    for match in _FENCE.finditer(markdown):
        indent = match["indent"]
        lines = [line.removeprefix(indent) for line in match["code"].splitlines()]
        code = "\n".join(lines).strip("\n")
        if code.strip():
            found.append(code)
    return found


def is_command(text: str) -> bool:
    """Tell whether a hint is, as a whole, something to paste into a terminal."""
    return bool(_COMMAND.match(text)) and "\n\n" not in text
