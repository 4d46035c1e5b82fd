"""Reads the lab's documents, and reports all mistakes in them together.

A lab is a folder with `lab.toml` (`hol_wizard.lab.folder`) and its documents. A document is `NN-id.md`: TOML front
matter between two lines of `+++`, an introduction in Markdown, then one `## ` heading for each step, whose slug is the
name of its `[steps.<slug>]` table. `hol_wizard.lab.model` explains the keys. A code fence that opens with
"```yaml include=FILE" is empty in the document, and contains that file of the starter project in the lab.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import hol_wizard
from hol_wizard.engine.kinds import Kind
from hol_wizard.errors import ContentError
from hol_wizard.lab import declared
from hol_wizard.lab.folder import LabFolder, hidden_characters, hidden_in, read_folder
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step
from hol_wizard.lab.people import PEOPLE
from hol_wizard.lab.portal import PAGES
from hol_wizard.lab.problem import Problem
from hol_wizard.lab.text import Misused, misuse, nearest, placeholders
from hol_wizard.lab.toml import TomlError, key_lines, parse

FENCE: Final = "+++"
"""The line before and after the front matter."""

_YAML_FENCE: Final = "---"
"""What other programs have before and after their front matter."""

CODE_FENCE: Final = "```"
"""The language that `Document.code` yields for the lines that open and close a fence."""

_FILE_NAME = re.compile(r"(\d+)-([a-z0-9]+(?:-[a-z0-9]+)*)\.md")
_CODE_FENCE = re.compile(r"\s*(`{3,}|~{3,})(.*)$")
_INCLUDE = re.compile(r"(?P<fence>\s*(?:`{3,}|~{3,})[a-z]*) +include=(?P<file>\S*)\s*$")
_NUMBER = (int, float)


class Known(NamedTuple):
    """The names of the functions that documents may use."""

    checks: Collection[str] = ()
    solves: Collection[str] = ()
    undos: Collection[str] = ()
    actions: Collection[str] = ()
    kinds: Mapping[str, Kind] = MappingProxyType({})


def starter_folder() -> Path:
    """Return the folder whose files documents include: the starter project, with placeholders for the names."""
    return Path(hol_wizard.__file__).parent / "starter"


def is_document_name(name: str) -> bool:
    """Return whether a file's name is that of a document: its number and ID."""
    return _FILE_NAME.fullmatch(name) is not None


def slug(heading: str) -> str:
    """Return the ID of a step from its heading: `Add a Key Vault` becomes `add-a-key-vault`."""
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only.replace("'", "")).strip("-")


@dataclass(slots=True)
class Heading:
    """A `## ` line and the text below it."""

    title: str
    line: int
    text: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    """One file, parsed but not yet interpreted."""

    path: Path
    number: int
    id: str
    """From the file's name."""
    lines: list[str] = field(default_factory=list)
    front: dict[str, Any] = field(default_factory=dict)
    readable: bool = False
    """Whether its front matter could be read."""
    tables: tuple[str, ...] = ()
    """The names below `steps`, including those of invalid tables."""
    body_line: int = 1
    """Line of the first line after the front matter, from 1."""
    intro: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    included: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """The lines of the files that fences include, by the line that opens the fence."""
    problems: list[Problem] = field(default_factory=list)

    def report(self, line: int, message: str, nearest: str = "") -> None:
        """Record a mistake."""
        self.problems.append(Problem(self.path, line, message, nearest))

    def line_of(self, *path: str) -> int:
        """Return the line of a key of the front matter, or of the nearest enclosing table."""
        lines = self.key_lines()
        while path:
            if path in lines:
                return lines[path]
            path = path[:-1]
        return 1

    def key_lines(self) -> Mapping[tuple[str, ...], int]:
        """Return the line of each key of the front matter; determined each time, because only mistakes need it."""
        text = "\n".join(self.lines[1 : self.body_line - 2])
        return {path: line + 1 for path, line in key_lines(text).items()}

    def line_with(self, text: str, *path: str) -> int:
        """Return the line, at or below a key, that contains a text."""
        first = self.line_of(*path)
        for number in range(first, self.body_line):
            if text in self.lines[number - 1]:
                return number
        return first

    def code(self) -> Iterator[tuple[int, str, str | None]]:
        """Yield each line after the front matter: its number, its text, and the language of the fence it is in.

        The language is None outside of fences, empty in a fence without one, and `CODE_FENCE` on a fence's own lines.
        """
        opened = ""
        language: str | None = None
        for number, line in enumerate(self.lines[self.body_line - 1 :], self.body_line):
            match = _CODE_FENCE.match(line) if "```" in line or "~~~" in line else None
            if match and not opened and "`" not in match[2]:
                opened, language = match[1], match[2].strip().partition(" ")[0].lower()
                yield number, line, CODE_FENCE
            elif match and opened and match[1].startswith(opened) and not match[2].strip():
                opened, language = "", None
                yield number, line, CODE_FENCE
            else:
                yield number, line, language


def read(folder: LabFolder | Path | None = None, known: Known | None = None) -> tuple[Lab | None, list[Problem]]:
    """Return the lab, or every mistake in its documents.

    Args:
        folder: Where the documents are, or its files; None: those that come with the wizard.
        known: The functions that they may name; None: any.
    """
    files = folder if isinstance(folder, LabFolder) else read_folder(folder)
    documents, problems = read_documents(files, known)
    if problems:
        return None, problems
    about = files.manifest
    sections = tuple(section_of(document) for document in documents)
    return Lab(sections, about.title, about.introduction, about.defaults, None if files.own else files.path), []


def load(folder: LabFolder | Path | None = None, known: Known | None = None) -> Lab:
    """Return the lab.

    Args:
        folder: Where the documents are, or its files; None: those that come with the wizard.
        known: The functions that they may name; None: any.

    Raises:
        ContentError: The documents have mistakes; it lists them all.
    """
    lab, problems = read(folder, known)
    if lab is None:
        count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        raise ContentError(
            "\n".join([f"The lab's documents have {count}:", *map(str, problems)]),
            "Correct them; `hol-wizard lint` shows them again.",
        )
    return lab


def read_documents(folder: LabFolder | Path | None, known: Known | None) -> tuple[list[Document], list[Problem]]:
    """Return the documents in the lab's order, and every mistake in them and in `lab.toml`, sorted by place.

    Args:
        folder: Where they are, or its files; None: those that come with the wizard.
        known: The functions that they may name; None: any.
    """
    files = folder if isinstance(folder, LabFolder) else read_folder(folder)
    documents: list[Document] = []
    problems = list(files.problems)
    for name, data in files.documents.items():
        path = files.path / name
        if match := _FILE_NAME.fullmatch(name):
            documents.append(_parse(path, int(match[1]), match[2], data))
        else:
            problems.append(Problem(path, 1, "a document's name is its number and ID, such as 03-resource-groups.md"))
    documents.sort(key=lambda document: document.number)
    _check_numbers(documents)
    for document in documents:
        _check_front(document, known)
        _check_headings(document)
        _check_placeholders(document)
    _check_needs(documents)
    problems += [problem for document in documents for problem in document.problems]
    return documents, sorted(problems)


def _parse(path: Path, number: int, document_id: str, data: bytes) -> Document:
    document = Document(path, number, document_id)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        document.report(data[: error.start].count(b"\n") + 1, "this is not UTF-8 text; save the file as UTF-8")
        return document
    document.lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if "\t" in text:
        for line, content in enumerate(document.lines, 1):
            if "\t" in content:
                document.report(line, "there is a tab in this line; write spaces")
    for line, code in hidden_characters(text.removeprefix("\ufeff")):
        document.report(line, f"there is a control character ({code}) in this line")
    _parse_front(document)
    _split(document)
    return document


def _parse_front(document: Document) -> None:
    if document.lines[0].rstrip() != FENCE:
        if document.lines[0].rstrip() == _YAML_FENCE:
            document.report(1, f"the front matter is not YAML here, but TOML between two lines `{FENCE}`")
            return
        document.report(1, f"the document must begin with a line `{FENCE}`, its front matter and another `{FENCE}`")
        return
    end = next((i for i, line in enumerate(document.lines[1:], 1) if line.rstrip() == FENCE), 0)
    if not end:
        document.report(1, f"the front matter is not closed: a line `{FENCE}` is missing after it")
        document.body_line = len(document.lines) + 1
        return
    document.body_line = end + 2
    text = "\n".join(document.lines[1:end])
    try:
        document.front = parse(text)
        document.readable = True
        if code := hidden_in(document.front):
            document.report(1, f"there is a control character ({code}) in a value of the front matter")
        document.tables = tuple(document.front["steps"]) if isinstance(document.front.get("steps"), dict) else ()
    except TomlError as error:
        document.report(min(error.line, end) + 1, f"the front matter is not TOML: {error.message}")


def _split(document: Document) -> None:
    text = document.intro
    opened = 0
    inside = False
    for number, line, language in document.code():
        if language == CODE_FENCE:
            inside = not inside
            if inside and (found := _INCLUDE.match(line)):
                text += [found["fence"], *_include(document, number, found["file"], len(line) - len(line.lstrip()))]
                opened = number
                continue
            opened = number
        elif inside and opened in document.included and line.strip():
            document.report(number, f"a fence that includes a file must be empty; it contains `{line.strip()}`")
        if not inside and line.startswith("## "):
            document.headings.append(Heading(line[3:].strip(), number))
            text = document.headings[-1].text
            continue
        if not inside and line.startswith("# "):
            document.report(
                number, "a first-level heading: the title belongs in the front matter, and steps are `## ` headings"
            )
        if not inside and line.rstrip() == "##":
            document.report(number, "a step's heading is empty")
        text.append(line)
    if inside:
        document.report(opened, "this code fence is never closed")


def _include(document: Document, number: int, name: str, indent: int) -> tuple[str, ...]:
    """Return the lines of a file of the starter project, indented as the fence that includes it.

    The starter is part of the package, so its contents are the same for every lab and every reader.
    """
    folder = starter_folder()
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    if name not in files:
        document.report(number, f"there is no file `{name}` in the starter project", nearest(name, files))
        lines: tuple[str, ...] = ()
    else:
        text = (folder / name).read_text(encoding="utf-8-sig")
        lines = tuple(f"{' ' * indent}{line}".rstrip() for line in text.splitlines())
    document.included[number] = lines
    return lines


def _check_numbers(documents: Sequence[Document]) -> None:
    expected = 1
    for before, document in zip([None, *documents], documents, strict=False):
        if before and before.number == document.number:
            document.report(1, f"{before.path.name} has the same number")
        elif document.number != expected:
            gap = f"{expected:02}" if document.number == expected + 1 else f"{expected:02} to {document.number - 1:02}"
            document.report(1, f"the numbers have a gap: there is no document {gap} before this one")
        expected = document.number + 1


_SECTION_KEYS: Final[Mapping[str, tuple[type, ...]]] = {
    "id": (str,),
    "title": (str,),
    "role": (str,),
    "minutes": (int,),
    "needs": (list,),
    "steps": (dict,),
}
_SECTION_REQUIRED = ("id", "title", "role", "minutes")
_STEP_KEYS: Final[Mapping[str, tuple[type, ...]]] = {
    "check": (dict, str),
    "solve": (dict, str),
    "undo": (dict, str),
    "resource": (str,),
    "with": (dict,),
    "actions": (list,),
    "for_each": (list,),
    "needs": (list,),
    "after": (list,),
    "inputs": (list,),
    "hints": (list,),
    "portal": (str,),
    "cost": (str,),
    "minutes": _NUMBER,
    "human": (str,),
    "person": (str,),
    "confirm": (str,),
    "keep": (bool,),
}
_UNCONFIRMABLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("check", "resource"), "a step that is checked cannot be confirmed: omit `confirm`"),
    **dict.fromkeys(("solve", "undo", "actions"), "a step that the wizard does cannot be confirmed: omit `confirm`"),
    **dict.fromkeys(("human", "person"), "`confirm` says what only a person can judge: omit `human` and `person`"),
}
"""Why a step with this key cannot have `confirm`."""
_TYPE_WORDS: Final[Mapping[type, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    list: "a list of strings",
    dict: "a table",
    bool: "true or false",
}


def _check_table(document: Document, table: dict[str, Any], kinds: Mapping[str, tuple[type, ...]], *path: str) -> None:
    """Report unknown keys and wrong types, and remove those keys, so that the rest is valid."""
    for key in list(table):
        if key not in kinds:
            document.report(
                document.line_of(*path, key), f"there is no key `{key}` {_where(path)}", nearest(key, kinds)
            )
            del table[key]
        elif not _is(table[key], kinds[key]):
            document.report(
                document.line_of(*path, key), f"`{key}` must be {_TYPE_WORDS[kinds[key][-1]]}, not {table[key]!r}"
            )
            del table[key]
        elif isinstance(table[key], str) and not table[key].strip():
            document.report(document.line_of(*path, key), f"`{key}` is empty")
            del table[key]


def _where(path: tuple[str, ...]) -> str:
    return f"in [{'.'.join(path)}]" if path else "in the front matter"


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, list):
        return list in kinds and all(isinstance(item, str) and item.strip() for item in value)
    return isinstance(value, kinds)


def _check_front(document: Document, known: Known | None) -> None:
    if not document.readable:
        return
    front = document.front
    keys = tuple(front)
    _check_table(document, front, _SECTION_KEYS)
    for key in _SECTION_REQUIRED:
        if key not in front and key not in keys:
            document.report(1, f"the front matter has no `{key}`")
    if (section_id := front.get("id", document.id)) != document.id:
        document.report(
            document.line_of("id"),
            f"the ID `{section_id}` does not match the name of the file",
            f'id = "{document.id}"',
        )
    if "role" in front and front["role"] not in list(Role):
        _report_unknown(document, "role", front["role"], Role, "role")
    if front.get("minutes", 1) <= 0:
        document.report(document.line_of("minutes"), "`minutes` must be more than 0")
    steps = front.setdefault("steps", {})
    for step_id in list(steps):
        if not isinstance(steps[step_id], dict):
            document.report(document.line_of("steps", step_id), f"`{step_id}` must be a table: [steps.{step_id}]")
            del steps[step_id]
            continue
        _check_step(document, step_id, steps[step_id], known)


def _report_unknown(document: Document, what: str, word: str, words: Iterable[str], *path: str) -> None:
    options = list(words)
    near = nearest(word, options)
    told = "" if near or len(options) > 8 else f"; there are {', '.join(options)}"
    document.report(document.line_with(word, *path), f"there is no {what} `{word}`{told}", near)


def _check_step(document: Document, step_id: str, step: dict[str, Any], known: Known | None) -> None:
    path = ("steps", step_id)
    keys = tuple(step)
    _check_table(document, step, _STEP_KEYS, *path)
    if known is not None:
        for key, names in (("check", known.checks), ("solve", known.solves), ("undo", known.undos)):
            if isinstance(step.get(key), str) and step[key] not in names:
                _report_unknown(document, key, step[key], names, *path, key)
    _check_declared(document, step, *path)
    _check_resource(document, step_id, step, known)
    lists: dict[str, tuple[str, Collection[str]]] = {
        "for_each": ("environment", list(Environment)),
        "inputs": ("input", list(INPUTS)),
        "actions": ("action", step.get("actions", []) if known is None else known.actions),
    }
    for key, (what, words) in lists.items():
        values = step.get(key, [])
        for value in values:
            if value not in words:
                _report_unknown(document, what, value, words, *path, key)
        for value in dict.fromkeys(value for value in values if values.count(value) > 1):
            document.report(document.line_of(*path, key), f"`{value}` occurs twice in `{key}`")
    step["for_each"] = [value for value in step.get("for_each", []) if value in list(Environment)]
    if "solve" in step and "check" not in keys:
        document.report(document.line_of(*path, "solve"), "a step with a `solve` needs a `check` that verifies it")
    if "confirm" in step:
        reasons = (reason for key, reason in _UNCONFIRMABLE.items() if key in keys)
        for reason in dict.fromkeys(reasons):
            document.report(document.line_of(*path, "confirm"), reason)
    if step.get("minutes", 1) <= 0:
        document.report(document.line_of(*path, "minutes"), "`minutes` must be more than 0")
    if (person := step.get("person", "")) and person not in PEOPLE:
        _report_unknown(document, "person", person, PEOPLE, *path, "person")
    if page := step.get("portal"):
        _check_portal(document, page, step["for_each"], *path, "portal")


def _tables(step: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables that a step has instead of names of functions, by `check`, `solve` and `undo`."""
    return {key: step[key] for key in ("check", "solve", "undo") if isinstance(step.get(key), dict)}


def _check_declared(document: Document, step: dict[str, Any], *path: str) -> None:
    """Report what is wrong with the tables that a step has instead of names of functions, and remove those."""
    tables = _tables(step)
    for key, table in tables.items():
        for message, near in declared.problems(table, key):
            document.report(document.line_of(*path, key), message, near)
            step.pop(key, None)
    if "solve" in tables and "undo" not in tables:
        line = document.line_of(*path, "solve")
        document.report(line, "a `solve` with a command needs an `undo` with the command that takes it back")
    if "undo" in tables and "solve" not in tables:
        document.report(document.line_of(*path, "undo"), "an `undo` with a command needs a `solve` with a command")


def _check_resource(document: Document, step_id: str, step: dict[str, Any], known: Known | None) -> None:
    """Report what is wrong with a step's kind of resource and its arguments."""
    path = ("steps", step_id)
    given: dict[str, Any] = step.get("with", {})
    for name, value in given.items():
        if not isinstance(value, str) or not value.strip():
            document.report(document.line_of(*path, "with", name), f"`{name}` must be a string, not {value!r}")
    step["with"] = {name: value for name, value in given.items() if isinstance(value, str)}
    if "resource" not in step:
        if given:
            document.report(
                document.line_of(*path, "with"), "`with` gives arguments to a `resource`, but the step has none"
            )
        return
    for key in ("check", "solve", "undo"):
        if key in step:
            document.report(document.line_of(*path, key), f"`resource` provides its own {key}: omit one of them")
    if known is None:
        return
    kind = known.kinds.get(step["resource"])
    if kind is None:
        _report_unknown(document, "kind of resource", step["resource"], known.kinds, *path, "resource")
        return
    for name in given:
        if name not in kind.arguments:
            near = nearest(name, kind.arguments)
            takes = f"; it takes {', '.join(kind.arguments)}" if kind.arguments and not near else ""
            document.report(
                document.line_with(name, *path, "with"), f"{kind.name} has no argument `{name}`{takes}", near
            )
    for name in kind.required:
        if name not in given:
            line = document.line_of(*path, "with" if given else "resource")
            document.report(line, f"{kind.name} needs the argument `{name}`", f'with = {{ {name} = "…" }}')
    environments = [Environment(each) for each in step.get("for_each", []) if each in list(Environment)]
    for name in kind.uses:
        if not environments:
            message = f"{kind.name} uses the {name.replace('_', ' ')} of an environment: `for_each` is missing"
            document.report(document.line_of(*path, "resource"), message)
            break
        if wrong := misuse(name, environments):
            document.report(document.line_of(*path, "for_each"), wrong.message)


def _check_portal(document: Document, page: str, environments: Sequence[str], *path: str) -> None:
    if page not in PAGES:
        _report_unknown(document, "portal page", page, PAGES, *path)
        return
    places = PAGES[page].environments
    if places and not environments:
        document.report(
            document.line_of(*path), f"the portal page `{page}` is of an environment: `for_each` is missing"
        )
    for environment in environments:
        if places and environment not in places:
            document.report(document.line_of(*path), f"the lab creates no {page.replace('_', ' ')} in {environment}")


def _check_headings(document: Document) -> None:
    seen: dict[str, int] = {}
    for heading in document.headings:
        step_id = slug(heading.title)
        if not step_id:
            document.report(heading.line, "a step's heading is empty")
        elif step_id in seen:
            document.report(heading.line, f"the step `{step_id}` is there already, in line {seen[step_id]}")
        seen.setdefault(step_id, heading.line)
        if not "".join(heading.text).strip():
            document.report(heading.line, f"the step `{heading.title}` has no text")
        for name in placeholders(heading.title):
            document.report(heading.line, f"placeholders are not filled in here: `{{{name}}}`")
    if not document.readable:
        return
    if not "".join(document.intro).strip():
        document.report(document.body_line, "the section has no text before its first step: say what it is for")
    if not document.headings:
        document.report(document.body_line, "the section has no step, no line that begins with `## `")
    without_heading = [step_id for step_id in document.tables if step_id not in seen]
    without_table = {step_id: line for step_id, line in seen.items() if step_id and step_id not in document.tables}
    for step_id, line in without_table.items():
        document.report(line, f"this heading has no table [steps.{step_id}]", nearest(step_id, without_heading))
    for step_id in without_heading:
        document.report(
            document.line_of("steps", step_id),
            f"[steps.{step_id}] has no heading, none whose slug is `{step_id}`",
            nearest(step_id, without_table),
        )


def _check_placeholders(document: Document) -> None:
    steps = document.front.get("steps", {})
    environments: list[Environment] = []
    headings = {heading.line: slug(heading.title) for heading in document.headings}
    for number, line in enumerate(document.lines[document.body_line - 1 :], document.body_line):
        if number in headings:
            environments = [Environment(each) for each in steps.get(headings[number], {}).get("for_each", [])]
            continue
        for _, wrong in _misuses("\n".join((line, *document.included.get(number, ()))), environments):
            document.report(number, wrong.message, wrong.nearest)
    for key in ("title",):
        for name in placeholders(document.front.get(key, "")):
            document.report(document.line_of(key), f"placeholders are not filled in here: `{{{name}}}`")
    for step_id, step in steps.items():
        environments = [Environment(each) for each in step.get("for_each", [])]
        for name in placeholders(step.get("cost", "")):
            line_number = document.line_of("steps", step_id, "cost")
            document.report(line_number, f"placeholders are not filled in here: `{{{name}}}`")
        texts_of = {
            "hints": step.get("hints", []),
            "human": [step.get("human", "")],
            "confirm": [step.get("confirm", "")],
            "with": step.get("with", {}).values(),
            **{key: declared.declared(table, key).texts for key, table in _tables(step).items()},
        }
        for key, texts in texts_of.items():
            for text in texts:
                for name, wrong in _misuses(text, environments):
                    line_number = document.line_with(f"{{{name}}}", "steps", step_id, key)
                    document.report(line_number, wrong.message, wrong.nearest)


def _misuses(text: str, environments: Collection[Environment]) -> Iterator[tuple[str, Misused]]:
    if "{" in text:
        for name in placeholders(text):
            if wrong := misuse(name, environments):
                yield name, wrong


def _own_needs(document: Document, step_id: str) -> tuple[str, ...]:
    """Return what a step needs, its section's needs first; each is a section's ID or `section/step`."""
    return tuple(dict.fromkeys((*document.front.get("needs", []), *_named(document, step_id, "needs"))))


def _named(document: Document, step_id: str, key: str) -> tuple[str, ...]:
    """Return the sections and steps that a step names under a key, each as a section's ID or `section/step`."""
    steps = document.front["steps"]
    return tuple(f"{document.id}/{name}" if name in steps else name for name in steps.get(step_id, {}).get(key, []))


def _check_needs(documents: Sequence[Document]) -> None:
    sections = {document.id: document for document in documents}
    graph: dict[str, tuple[str, ...]] = {}
    steps = {document.id: [slug(heading.title) for heading in document.headings] for document in documents}
    keys = [f"{section}/{step}" for section in steps for step in steps[section]]
    for document in documents:
        if not document.readable:
            continue
        for path in ((), *(("steps", step_id) for step_id in document.front["steps"])):
            table = document.front["steps"][path[1]] if path else document.front
            siblings = steps[document.id] if path else []
            for key, need in ((list_, name) for list_ in ("needs", "after") for name in table.get(list_, [])):
                if need in siblings and need in sections:
                    document.report(
                        document.line_with(need, *path, key),
                        f"`{need}` is a step of this section and a section",
                        f"{document.id}/{need}",
                    )
                elif need not in siblings and need not in sections and need not in keys:
                    document.report(
                        document.line_with(need, *path, key),
                        f"there is no section or step `{need}`",
                        nearest(need, [*siblings, *sections, *keys]),
                    )
        for step_id in document.front["steps"]:
            graph[f"{document.id}/{step_id}"] = tuple(
                key
                for need in (*_own_needs(document, step_id), *_named(document, step_id, "after"))
                for key in ([f"{need}/{step}" for step in steps[need]] if need in steps else [need])
            )
    pointed: set[tuple[Path, int]] = set()
    for cycle in sorted(_cycles(graph), key=len):
        section, _, step_id = cycle[0].partition("/")
        document = sections[section]
        following = cycle[1 % len(cycle)]
        names = {following, following.partition("/")[0]}
        own = next((each for each in ("needs", "after") if names & {*_named(document, step_id, each)}), None)
        line = document.line_of("steps", step_id, own) if own else document.line_of("needs")
        # Sections that need each other form a cycle for each pair of their steps: the shortest one is enough.
        if (document.path, line) in pointed:
            continue
        pointed.add((document.path, line))
        document.report(line, f"circular needs: {' needs '.join([*cycle, cycle[0]])}")


def _cycles(graph: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Return the cycles in a graph, each once, in the order in which a walk finds them."""
    found: dict[frozenset[str], list[str]] = {}
    done: set[str] = set()

    def walk(key: str, trail: list[str]) -> None:
        if key in trail:
            cycle = trail[trail.index(key) :]
            found.setdefault(frozenset(cycle), cycle)
            return
        if key in done:
            return
        for need in graph.get(key, ()):
            walk(need, [*trail, key])
        done.add(key)

    for key in graph:
        walk(key, [])
    return list(found.values())


def section_of(document: Document) -> Section:
    """Return the section that a document without mistakes becomes."""
    front = document.front
    return Section(
        id=document.id,
        number=document.number,
        title=front["title"],
        role=Role(front["role"]),
        minutes=front["minutes"],
        needs=tuple(front.get("needs", [])),
        intro="\n".join(document.intro).strip(),
        steps=tuple(_step(document, heading) for heading in document.headings),
        path=document.path,
    )


def _step(document: Document, heading: Heading) -> Step:
    step_id = slug(heading.title)
    step = document.front["steps"][step_id]
    resource = step.get("resource", "")
    tables = {key: declared.declared(table, key) for key, table in _tables(step).items()}
    names = {key: declared.WORK.get(key) or declared.FUNCTIONS[each.kind] for key, each in tables.items()}
    return Step(
        id=step_id,
        section=document.id,
        title=heading.title,
        body="\n".join(heading.text).strip(),
        line=heading.line,
        check=names.get("check") or step.get("check", resource),
        solve=names.get("solve") or step.get("solve", resource),
        undo=names.get("undo") or step.get("undo", resource),
        declared=tables,
        arguments=step.get("with", {}),
        actions=tuple(step.get("actions", [])),
        for_each=tuple(Environment(each) for each in step.get("for_each", [])),
        needs=_own_needs(document, step_id),
        after=_named(document, step_id, "after"),
        inputs=tuple(step.get("inputs", [])),
        hints=tuple(step.get("hints", [])),
        portal=step.get("portal", ""),
        cost=step.get("cost", ""),
        minutes=step.get("minutes"),
        human=step.get("human", ""),
        person=step.get("person", ""),
        confirm=step.get("confirm", ""),
        keep=step.get("keep", False),
    )
