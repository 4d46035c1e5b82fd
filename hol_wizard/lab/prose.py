"""Converts the lab's Markdown to plain text: single lines, the beginning of a section, and whole documents.

markdown-it-py parses it, as it does for Rich, which draws the same texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


@cache
def _parser() -> MarkdownIt:
    """Return the parser, imported when it is first needed: the lab is loaded without it."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    # Addresses stay as their author wrote them, to be read and copied.
    parser.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return parser


def inline(text: str, *, addresses: bool = True, code_marks: bool = True) -> str:
    """Return a line of Markdown without markup.

    Args:
        text: The line; block markup in it is kept.
        addresses: Whether the address of a link follows its text.
        code_marks: Whether code keeps its backticks; code is never interpreted as Markdown.
    """
    return _line(_parser().parseInline(text)[0], addresses=addresses, code_marks=code_marks)


def _line(parsed: Token, *, addresses: bool, code_marks: bool) -> str:
    parts: list[str] = []
    targets: list[str] = []
    for each in parsed.children or ():
        if each.type == "code_inline":
            parts.append(f"{each.markup}{each.content}{each.markup}" if code_marks else each.content.strip())
        elif each.type in {"softbreak", "hardbreak"}:
            parts.append(" ")
        elif each.type == "link_open":
            targets.append("" if each.info == "auto" else str(each.attrs["href"]))
        elif each.type == "link_close":
            target = targets.pop()
            parts.append(f" ({target})" if target and addresses else "")
        elif each.type == "image":
            parts.append(each.content + (f" ({each.attrs['src']})" if addresses else ""))
        else:
            parts.append(each.content)
    return "".join(parts)


def lead(markdown: str) -> list[str]:
    """Return the beginning of a text: one line for its first paragraph and for each item of a list that follows it."""
    lines: list[str] = []
    tokens = _parser().parse(markdown)
    first = next((number for number, each in enumerate(tokens) if each.type == "inline"), None)
    if first is None:
        return lines
    lines.append(_line(tokens[first], addresses=False, code_marks=False))
    rest = tokens[first + 2 :]
    if lines[0].endswith(":") and rest and rest[0].type in {"bullet_list_open", "ordered_list_open"}:
        items = takewhile(lambda each: each.level or each.nesting > 0, rest)
        # In a list of the first level, the paragraphs of its items have level 2, and their text level 3.
        texts = (each for each in items if each.type == "inline" and each.level == 3)
        lines += [f"• {_line(each, addresses=False, code_marks=False)}" for each in texts]
    return lines


def code_blocks(markdown: str) -> list[str]:
    """Return the fenced code blocks of a text, without indentation; empty ones are left out."""
    fences = (each.content.strip("\n") for each in _parser().parse(markdown) if each.type == "fence")
    return [code for code in fences if code.strip()]


def plain_text(markdown: str) -> Iterator[tuple[str, str, bool]]:
    """Yield a text as (line or paragraph, style, whether it must stay as it is)."""
    tokens = _parser().parse(markdown)
    indents: list[str] = []
    mark, style, end = "", "", 0
    row: list[str] | None = None
    for each in tokens:
        if each.map and (each.type in _LEAVES or each.type == "tr_open"):
            if end and each.map[0] > end:
                yield "", "", False
            end = each.map[1]
        if each.type == "tbody_open" and each.map:
            # The line below a table's head is not a row.
            end = each.map[0]
        elif each.type == "list_item_open":
            mark = f"{each.info}{each.markup} "
            indents.append(" " * len(mark))
        elif each.type == "list_item_close":
            indents.pop()
        elif each.type == "heading_open":
            style = "bold"
        elif each.type == "heading_close":
            style = ""
        elif each.type == "tr_open":
            row = []
        elif each.type == "tr_close":
            yield "".join(indents) + "; ".join(row or ()), "", False
            row = None
        elif each.type == "inline":
            text = _line(each, addresses=True, code_marks=True)
            if row is not None:
                row.append(text)
                continue
            yield _marked(indents, mark) + text, style, False
            mark = ""
        elif each.type in _LEAVES:
            before = "".join(indents)
            lines = each.content.rstrip("\n").split("\n") if each.content else [each.markup]
            verbatim = each.type in {"fence", "code_block"}
            for line in lines:
                yield (f"{before}    {line}" if verbatim else before + line).rstrip(), "", verbatim


_LEAVES = frozenset({"inline", "fence", "code_block", "html_block", "hr"})


def _marked(indents: Sequence[str], mark: str) -> str:
    """Return what stands before a paragraph: the mark of its list item, or as many spaces."""
    return "".join(indents[:-1]) + mark if mark else "".join(indents)
