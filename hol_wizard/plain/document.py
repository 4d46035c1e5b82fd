"""A text of the lab as lines without markup; commands are not changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hol_wizard.lab.prose import inline


def plain_text(markdown: str) -> Iterator[tuple[str, str, bool]]:
    """Yield a Markdown text as (line or paragraph, style, whether it must stay as it is)."""
    paragraph: list[str] = []
    fence = ""

    def flush() -> Iterator[tuple[str, str, bool]]:
        if paragraph:
            yield inline(" ".join(paragraph)), "", False
            paragraph.clear()

    for line in markdown.strip("\n").split("\n"):
        stripped = line.strip()
        mark = re.match(r"(`{3,}|~{3,})", stripped)
        if fence:
            if stripped.startswith(fence):
                fence = ""
            else:
                yield f"    {line.rstrip()}", "", True
        elif mark:
            yield from flush()
            fence = mark[1]
        elif not stripped:
            yield from flush()
            yield "", "", False
        elif heading := re.match(r"#{1,6}\s+(.*)", stripped):
            yield from flush()
            yield inline(heading[1]), "bold", False
        elif stripped.startswith("|"):
            yield from flush()
            if not re.fullmatch(r"[|\s:-]+", stripped):
                yield inline("; ".join(cell.strip() for cell in stripped.strip("|").split("|"))), "", False
        elif re.match(r"([-*+]|\d+[.)])\s", stripped):
            yield from flush()
            paragraph.append(line.rstrip())
        else:
            paragraph.append(stripped.removeprefix("> "))
    yield from flush()
