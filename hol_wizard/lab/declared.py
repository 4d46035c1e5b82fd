"""Checks, solves and undos that a document declares itself, so that an author needs no Python.

check = { command = ["git", "--version"], expect = "^git version" }
check = { file = "{clone_folder}/notes.md", contains = "{resource_group}" }
check = { http = "https://example.com/", status = 200 }
solve = { command = ["git", "config", "--file", "{home_folder}/example.ini", "lab.owner", "{alias}"] }
undo = { command = ["git", "config", "--file", "{home_folder}/example.ini", "--unset", "lab.owner"] }
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.lab.text import fill, nearest

PREFIX: Final = "declared."
"""Beginning of the names of the functions behind them, which documents do not name."""
FUNCTIONS: Final[Mapping[str, str]] = {
    "command": f"{PREFIX}command_prints",
    "file": f"{PREFIX}file_contains",
    "http": f"{PREFIX}address_answers",
}
"""The function that checks each of the three."""
WORK: Final[Mapping[str, str]] = {"solve": f"{PREFIX}run_solve", "undo": f"{PREFIX}run_undo"}

PLACES: Final = ("{clone_folder}", "{home_folder}")
"""Where files may be that a check reads."""
CHECK_SECONDS: Final = 20
"""Default time limit of a command that checks."""
MOST_CHECK_SECONDS: Final = 120
WORK_SECONDS: Final = 120
"""Default time limit of a command that does or undoes something."""
MOST_WORK_SECONDS: Final = 1500

_KEYS: Final[Mapping[str, Mapping[str, type]]] = {
    "command": {"command": list, "expect": str, "seconds": int},
    "file": {"file": str, "contains": str},
    "http": {"http": str, "status": int, "contains": str},
}
_WORDS: Final[Mapping[type, str]] = {list: "a list of strings", str: "a string", int: "a whole number"}
_PROGRAM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_ADDRESS: Final = re.compile(r"(?:https://|http://(?:localhost|127\.0\.0\.1)(?=[:/]|$))[^\s@]+$")


@dataclass(frozen=True, slots=True)
class Declared:
    """One of them, as it is written; placeholders are not filled in."""

    command: tuple[str, ...] = ()
    """Program and arguments; it runs without a shell."""
    expect: str = ""
    """Regular expression that is searched for in what the command prints."""
    seconds: int = CHECK_SECONDS
    """Time limit of the command."""
    file: str = ""
    contains: str = ""
    """Text that the file or the response must contain."""
    http: str = ""
    status: int = 200

    @property
    def kind(self) -> str:
        """`command`, `file` or `http`."""
        return "command" if self.command else "file" if self.file else "http"

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that may contain placeholders."""
        return tuple(filter(None, (*self.command, self.expect, self.file, self.contains, self.http)))

    def __str__(self) -> str:
        """Return what it does in words: `runs: git --version`."""
        if self.command:
            return f"runs: {shlex.join(self.command)}"
        return f"reads: {self.file}" if self.file else f"requests: {self.http}"

    def words(self, values: Mapping[str, str]) -> list[str]:
        """Return the command with the reader's own names."""
        return [fill(word, values) for word in self.command]


def declared(table: Mapping[str, Any], key: str) -> Declared:
    """Return what a valid table declares.

    Args:
        table: The table.
        key: `check`, `solve` or `undo`.
    """
    values = {"seconds": CHECK_SECONDS if key == "check" else WORK_SECONDS, **table}
    return Declared(**{**values, "command": tuple(table.get("command", ()))})


def problems(table: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a table, and what was probably meant.

    Args:
        table: The value of the key.
        key: `check`, `solve` or `undo`.
    """
    kinds = [each for each in _KEYS if each in table] if key == "check" else ["command"]
    if key != "check" and "command" not in table:
        yield f"`{key}` names a function, or has a `command`", '{ command = ["PROGRAM", "ARGUMENT"] }'
        return
    if len(kinds) != 1:
        yield f"`{key}` has one of `command`, `file` and `http`, not {len(kinds)} of them", ""
        return
    kind = kinds[0]
    keys = {name: type_ for name, type_ in _KEYS[kind].items() if key == "check" or name != "expect"}
    for name, value in table.items():
        if name not in keys:
            yield f"there is no key `{name}` for a {kind} in `{key}`", nearest(name, keys)
            return
        if type(value) is not keys[name] or (isinstance(value, list) and not _are_texts(value)):
            yield f"`{name}` must be {_WORDS[keys[name]]}, not {value!r}", ""
            return
        if value in ("", []):
            yield f"`{name}` is empty", ""
            return
    yield from _problems_with(kind, table, key)


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def _problems_with(kind: str, table: Mapping[str, Any], key: str) -> Iterator[tuple[str, str]]:
    if kind == "command":
        if not _PROGRAM.fullmatch(program := table["command"][0]):
            yield f"`{program}` is not the name of a program, which is searched for on the PATH, without a shell", ""
        most = MOST_CHECK_SECONDS if key == "check" else MOST_WORK_SECONDS
        if not 1 <= table.get("seconds", 1) <= most:
            yield f"`seconds` must be 1 to {most}", ""
        try:
            re.compile(table.get("expect", ""))
        except re.error as error:
            yield f"`expect` is not a regular expression: {error}", ""
    elif kind == "file":
        place, slash, rest = table["file"].partition("/")
        parts = rest.split("/")
        if place not in PLACES or not slash or "\\" in rest or not all(parts) or {".", ".."} & set(parts):
            yield f"`file` must be a path below {' or '.join(PLACES)}, with `/` between names", ""
    elif not _ADDRESS.match(table["http"]):
        yield (
            "`http` must be an address that begins with https://, without a user; http:// is for this machine only",
            "",
        )
    elif not 100 <= table.get("status", 200) <= 599:
        yield "`status` must be 100 to 599", ""
