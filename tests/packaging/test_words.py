"""Words that make a reader stop: none in the documents, messages, error rules, docstrings and comments."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.lab.banned_words import banned_words
from tests.packaging.test_distributions import ROOT

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
CODE = re.compile(r"^```.*?^```|^~~~.*?^~~~|(`++).*?\1", re.MULTILINE | re.DOTALL)


def blank(found: re.Match[str]) -> str:
    """Return what stands for code: as many lines, and no words."""
    return "\n" * found[0].count("\n")


def told(path: Path, text: str, line: int = 1) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, found.start)}: {found.word}: write {found.instead}"
        for found in banned_words(text)
    ]


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings and comments of a module, each with its line; comments of adjacent lines are one text."""
    comments: list[str] = []
    at = last = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind, line = token.type, token.start[0]
        if kind == tokenize.COMMENT:
            if comments and line != last + 1:
                yield at, "\n".join(comments)
                comments = []
            at = at if comments else line
            last = line
            comments.append(token.string.lstrip("# "))
        elif kind == tokenize.STRING or tokenize.tok_name[kind] == "FSTRING_MIDDLE":
            yield line, token.string
    if comments:
        yield at, "\n".join(comments)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_documents_have_no_banned_words(document: Path) -> None:
    assert told(document, CODE.sub(blank, document.read_text(encoding="utf-8"))) == []


def test_messages_docstrings_and_comments_have_no_banned_words() -> None:
    found = []
    for path in sorted((ROOT / "hol_wizard").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if any(banned_words(source)):
            found += [problem for line, text in texts(source) for problem in told(path, text, line)]
    assert found == []


def test_the_error_rules_and_the_starter_have_no_banned_words() -> None:
    package = ROOT / "hol_wizard"
    tables = [path for path in package.rglob("*.toml") if path.name != "banned_words.toml"]
    starter = [path for path in (package / "starter").rglob("*") if path.suffix in {".md", ".yml", ".env", ".txt"}]
    assert [each for path in tables + starter for each in told(path, path.read_text(encoding="utf-8"))] == []


def test_the_strings_and_comments_of_a_module_are_searched_and_its_names_are_not() -> None:
    source = '# Begin\n# anew.\nanew = "then"\nthen = f"{then} anew"\n'
    assert sorted(line for line, text in texts(source) if any(banned_words(text))) == [1, 4]
