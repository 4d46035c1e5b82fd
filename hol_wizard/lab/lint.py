"""What `hol-wizard lint` reports about the lab's documents: mistakes, and what is hard to read or to copy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import hol_wizard
from hol_wizard.lab.banned_words import banned_words
from hol_wizard.lab.folder import default_folder
from hol_wizard.lab.loader import Document, Known, read_documents, slug
from hol_wizard.lab.problem import Problem
from hol_wizard.lab.references import sources, unknown
from hol_wizard.lab.text import nearest

LONGEST_HEADING: Final = 60
"""Characters; a longer heading does not fit into the list of steps on a terminal of 80 columns."""
MOST_HINTS: Final = 5

_SHELLS = {"bash", "sh", "shell", "zsh", "console", "powershell", "pwsh", "ps1", "cmd", "bat"}
_PROMPT = re.compile(r"\s*(\$|PS [^>]*>|C:\\[^>]*>) ")
_CODE_SPAN = re.compile(r"(?<!`)(`++).*?(?<!`)\1(?!`)")
_LINK = re.compile(r"\[([^\[\]]*)\](\s*)\(([^()]*(?:\([^()]*\)[^()]*)*)\)")
_ADDRESS = re.compile(r"https?://[^\s<>]+")


def lint(folder: Path | None = None, known: Known | None = None) -> list[Problem]:
    """Return everything that is wrong with the documents, sorted by place; `str` of each is its line to print.

    Args:
        folder: Their folder; None for those that come with the wizard.
        known: The functions that they may name; None to allow any.
    """
    documents, problems = read_documents(folder, known)
    return sorted([*problems, *lint_documents(documents), *_references(documents)])


def lint_documents(documents: Sequence[Document]) -> list[Problem]:
    """Return what is hard to read or to copy in documents."""
    return [problem for document in documents for problem in _style(document)]


def _references(documents: Sequence[Document]) -> Iterator[Problem]:
    """Yield the steps that the wizard's code and error rules name but the documents do not have."""
    sections = {document.id for document in documents}
    own = {path.stem.partition("-")[2] for path in default_folder().glob("*.md")}
    if not own <= sections:
        # Another lab need not have the sections that the code knows.
        return
    steps = {f"{document.id}/{slug(heading.title)}" for document in documents for heading in document.headings}
    for path in sources(Path(hol_wizard.__file__).parent):
        for line, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            for key in unknown(text, sections, steps):
                yield Problem(path, line, f"the lab has no step `{key}`", nearest(key, steps))


def _style(document: Document) -> Iterator[Problem]:
    for heading in document.headings:
        if len(heading.title) > LONGEST_HEADING:
            yield Problem(
                document.path,
                heading.line,
                f"the heading has {len(heading.title)} characters; the maximum is {LONGEST_HEADING}",
            )
    for step_id, step in document.front.get("steps", {}).items():
        hints = step.get("hints", [])
        if len(hints) > MOST_HINTS:
            yield Problem(
                document.path,
                document.line_of("steps", step_id, "hints"),
                f"the step has {len(hints)} hints; the maximum is {MOST_HINTS}",
            )
    for line, text in enumerate(document.lines, 1):
        if text != text.rstrip(" "):
            yield Problem(document.path, line, "there are spaces at the end of this line")
    yield from _words(document)
    for line, text, language in document.code():
        if language is None:
            yield from _links(document.path, line, _CODE_SPAN.sub("", text))
        elif language in _SHELLS and (prompt := _PROMPT.match(text)):
            yield Problem(
                document.path,
                line,
                f"a command must be copyable: remove the prompt `{prompt[1]} `",
                text[prompt.end() :].strip(),
            )


def _words(document: Document) -> Iterator[Problem]:
    """Yield the banned words of the front matter and of the text around the code."""
    lines = dict.fromkeys(range(1, len(document.lines) + 1), "")
    lines.update(enumerate(document.lines[: document.body_line - 1], 1))
    lines.update((line, text) for line, text, language in document.code() if language is None)
    text = "\n".join(_CODE_SPAN.sub("", lines[number]) for number in sorted(lines))
    for found in banned_words(text):
        line = text.count("\n", 0, found.start) + 1
        word = " ".join(found.word.split())
        yield Problem(document.path, line, f"readers stop at “{word}”: write {found.instead}")


def _links(path: Path, line: int, text: str) -> Iterator[Problem]:
    for match in _LINK.finditer(text):
        label, gap, target = match[1], match[2], match[3].strip()
        address = target.partition(" ")[0].strip("<>")
        if gap and address.startswith("http"):
            yield Problem(path, line, f"remove the space between [{label}] and its address")
        elif gap:
            continue
        elif not label.strip():
            yield Problem(path, line, f"the link to `{target}` has no text")
        elif not address:
            yield Problem(path, line, f"the link [{label}] has no address")
        elif not _ADDRESS.fullmatch(address):
            yield Problem(
                path, line, f"the link [{label}] does not work in a terminal: `{target}` must begin with https://"
            )
        elif " " in target and not re.fullmatch(r"\S+ +(\"[^\"]*\"|'[^']*')", target):
            yield Problem(path, line, f"there is a space in the address of [{label}]: `{target}`")
    rest = _LINK.sub("", text)
    if re.search(r"\]\([^)]*$", rest):
        yield Problem(path, line, "a link is not closed: `)` is missing in this line")
