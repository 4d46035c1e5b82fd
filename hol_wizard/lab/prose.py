"""Converts the lab's Markdown to plain text: single lines, and the beginning of a section."""

from __future__ import annotations

import re
from typing import Final

_CODE: Final = re.compile(r"(`+)(.+?)(?<!`)\1(?!`)")
_LINK: Final = re.compile(r"!?\[([^\[\]]*)\]\(([^()\s]*)\)")
_ADDRESS: Final = re.compile(r"<(https?://[^<>]+)>")
_EMPHASIS: Final = re.compile(r"(?<![\w*_])(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?![\w*_])")
_ITEM: Final = re.compile(r"(?:[-*+]|\d+[.)])\s+")


def inline(text: str, *, addresses: bool = True, code_marks: bool = True) -> str:
    """Return a line of Markdown without markup.

    Args:
        text: The line; block markup in it is kept.
        addresses: Whether the address of a link follows its text.
        code_marks: Whether code keeps its backticks; code is never interpreted as Markdown.
    """

    def words(part: str) -> str:
        part = _LINK.sub(r"\1 (\2)" if addresses else r"\1", part)
        part = _ADDRESS.sub(r"\1", part)
        before = ""
        while part != before:
            before, part = part, _EMPHASIS.sub(r"\2", part)
        return part

    codes: list[str] = []

    def hidden(found: re.Match[str]) -> str:
        codes.append(found[0] if code_marks else found[2].strip())
        return f"\x00{len(codes) - 1}\x00"

    plain = words(_CODE.sub(hidden, text))
    return re.sub(r"\x00(\d+)\x00", lambda found: codes[int(found[1])], plain)


def lead(markdown: str) -> list[str]:
    """Return the beginning of a text: one line for its first paragraph and for each item of a list that follows it."""
    blocks = [block for block in re.split(r"\n\s*\n", markdown.strip()) if block.strip()]
    if not blocks:
        return []
    lines = [_plain(blocks[0])]
    if blocks[0].rstrip().endswith(":") and len(blocks) > 1 and _ITEM.match(blocks[1]):
        items = re.split(r"\n(?=(?:[-*+]|\d+[.)])\s)", blocks[1])
        lines += [f"• {_plain(_ITEM.sub('', item, count=1))}" for item in items]
    return lines


def _plain(block: str) -> str:
    return inline(" ".join(block.split()), addresses=False, code_marks=False)
