"""Reads the files of a lab's folder, which are `lab.toml` and the documents; nothing else in it is ever read.

Each file is read once, so that what is trusted, what is checked for mistakes and what is shown are the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import hol_wizard
from hol_wizard.lab.problem import Problem
from hol_wizard.lab.toml import TomlError, key_lines, parse

MANIFEST: Final = "lab.toml"
FORMAT: Final = 1
"""Version of the format of a lab's folder."""
LARGEST: Final = 512 * 1024
"""Maximum size of a file in bytes; the longest document of the lab has 40 KB."""
MOST: Final = 99
"""Maximum number of documents: their numbers have two digits."""

_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "format": (int, "a whole number"),
    "title": (str, "a string"),
    "introduction": (str, "a string"),
    "defaults": (dict, "a table: [defaults]"),
}
_REQUIRED: Final = ("title", "introduction")
_LONGEST_TITLE: Final = 60
_STEERING: Final = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text, so that a command looks different from what runs."""
_CONTROL: Final = r"\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff"
"""Characters of the Unicode categories Cc and Cs, without the tab."""
_HIDDEN: Final = re.compile(f"[{_STEERING}{_CONTROL}]")


def default_folder() -> Path:
    """Return the folder of the lab that comes with the wizard: in the wheel, or next to the package in a checkout."""
    package = Path(hol_wizard.__file__).parent
    inside = package / "_screens"
    return inside if inside.is_dir() else package.parent / "screens"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The contents of `lab.toml`."""

    title: str = ""
    introduction: str = ""
    defaults: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Default values of inputs."""


@dataclass(frozen=True, slots=True)
class LabFolder:
    """The files of a lab, as they were when they were read."""

    path: Path
    files: Mapping[str, bytes]
    """Contents of `lab.toml` and of each document, by name."""
    manifest: Manifest
    problems: tuple[Problem, ...]
    own: bool
    """Whether it comes with the wizard."""

    @property
    def documents(self) -> Mapping[str, bytes]:
        """The files without `lab.toml`."""
        return {name: data for name, data in self.files.items() if name != MANIFEST}

    @property
    def digests(self) -> Mapping[str, str]:
        """The digest of each file."""
        return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(self.files.items())}

    @property
    def digest(self) -> str:
        """The digest of all files and their names."""
        lines = "".join(f"{each}  {name}\n" for name, each in self.digests.items())
        return hashlib.sha256(lines.encode()).hexdigest()


def read_folder(path: Path | None = None) -> LabFolder:
    """Return the files of a lab, and what is wrong with them as files.

    Args:
        path: The folder; None for the lab that comes with the wizard.
    """
    own = path is None or _same(path, default_folder())
    path = path or default_folder()
    problems: list[Problem] = []
    files: dict[str, bytes] = {}
    if not path.is_dir():
        problem = Problem(path, 1, "there is no such folder for the lab's documents")
        return LabFolder(path, files, Manifest(), (problem,), own)
    try:
        names = sorted(each.name for each in path.iterdir() if each.name == MANIFEST or each.suffix == ".md")
    except OSError as error:
        problem = Problem(path, 1, f"the folder cannot be read: {error.strerror or error}")
        return LabFolder(path, files, Manifest(), (problem,), own)
    documents = [name for name in names if name != MANIFEST]
    if len(documents) > MOST:
        problems.append(Problem(path, 1, f"there are {len(documents)} documents; the maximum is {MOST}"))
        names = []
    for name in names:
        data = _contents(path / name, own=own)
        if isinstance(data, str):
            problems.append(Problem(path / name, 1, data))
        else:
            files[name] = data
    if not documents:
        problems.append(Problem(path, 1, "there is no document in this folder"))
    manifest = Manifest()
    if MANIFEST in files:
        manifest, wrong = _manifest(path / MANIFEST, files[MANIFEST])
        problems += wrong
    elif MANIFEST not in names and len(documents) <= MOST:
        problems.append(
            Problem(path / MANIFEST, 1, "a lab has this file, with its `title` and `introduction`; it does not exist")
        )
    return LabFolder(path, files, manifest, tuple(problems), own)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _contents(path: Path, *, own: bool) -> bytes | str:
    """Return the contents of a file, or what is wrong with it.

    Installers may link the files of a package, but a link in another lab leads to something that its author does not
    ship, and a pipe or a device would block.
    """
    try:
        found = path.stat() if own else path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return "it is a link to another file; copy the file to here"
        if not stat.S_ISREG(found.st_mode):
            return "it is not a file"
        flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | (0 if own else getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(os.open(path, flags), "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        return f"the file cannot be read: {error.strerror or error}"
    return data if len(data) <= LARGEST else f"it is larger than {LARGEST // 1024} KB"


def hidden_characters(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines, from 1, with a character that a terminal executes or that hides others, and its number.

    Line ends and tabs are not included.
    """
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if found := _HIDDEN.search(line):
            yield number, f"U+{ord(found[0]):04X}"


def hidden_in(value: Any) -> str:
    """Return the number of such a character in a value of TOML, where it can be escaped; empty if there is none."""
    if isinstance(value, str):
        return next((code for _, code in hidden_characters(value)), "")
    if isinstance(value, Mapping):
        return next(filter(None, (hidden_in(each) for pair in value.items() for each in pair)), "")
    if isinstance(value, list):
        return next(filter(None, map(hidden_in, value)), "")
    return ""


def _manifest(path: Path, data: bytes) -> tuple[Manifest, list[Problem]]:
    from hol_wizard.lab.inputs import INPUTS
    from hol_wizard.lab.text import nearest

    problems: list[Problem] = []
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        return Manifest(), [Problem(path, line, "this is not UTF-8 text; save the file as UTF-8")]
    try:
        table = parse(text)
    except TomlError as error:
        return Manifest(), [Problem(path, error.line, f"this is not TOML: {error.message}")]
    lines = key_lines(text)

    def report(message: str, *keys: str, near: str = "") -> None:
        problems.append(Problem(path, lines.get(keys, lines.get(keys[:1], 1)), message, near))

    given = table.get("format", FORMAT)
    if type(given) is int and given != FORMAT:
        report(f"this lab has format {given}, and this hol-wizard knows format {FORMAT}", "format")
        return Manifest(), problems
    for key in list(table):
        if key not in _KEYS:
            report(f"there is no key `{key}` in {MANIFEST}", key, near=nearest(key, _KEYS))
        elif type(table[key]) is not _KEYS[key][0]:
            report(f"`{key}` must be {_KEYS[key][1]}, not {table[key]!r}", key)
            del table[key]
        elif isinstance(table[key], str) and not table[key].strip():
            report(f"`{key}` is empty", key)
        elif code := hidden_in(table[key]):
            report(f"there is a control character ({code}) in `{key}`", key)
    for key in _REQUIRED:
        if key not in table and (key,) not in lines:
            report(f"`{key}` is missing")
    if len(title := table.get("title", "")) > _LONGEST_TITLE or "\n" in title:
        report(f"`title` must be one line of at most {_LONGEST_TITLE} characters", "title")
    defaults: dict[str, str] = table.get("defaults", {})
    for name, value in defaults.items():
        if name not in INPUTS:
            report(f"there is no input `{name}`", "defaults", name, near=nearest(name, INPUTS))
        elif INPUTS[name].secret:
            report(f"`{name}` is a secret: it has no default", "defaults", name)
        elif not isinstance(value, str):
            report(f"`{name}` must be a string, not {value!r}", "defaults", name)
        elif wrong := INPUTS[name].validate(value):
            report(f"`{name}` cannot be {value!r}: {wrong.splitlines()[0]}", "defaults", name)
    manifest = Manifest(title, str(table.get("introduction", "")).strip(), defaults)
    return (Manifest() if problems else manifest), problems
