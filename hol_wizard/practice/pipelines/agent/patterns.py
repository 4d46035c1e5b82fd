"""File patterns of tasks: `*`, `?`, `**`, `[…]`, `{a,b}`, `!` to take away, `#` for a comment.

https://learn.microsoft.com/azure/devops/pipelines/tasks/file-matching-patterns and `match` of the
azure-pipelines-task-lib: the default options are `dot`, `nobrace` and `nocase` on Windows; a pattern without a
slash that is not rooted belongs to the search folder; a double negation adds again.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def compiled(pattern: str, *, nocase: bool | None = None) -> re.Pattern[str]:
    """Return the regular expression of a pattern with slashes."""
    parts: list[str] = []
    segments = pattern.replace("\\", "/").split("/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "**":
            parts.append(".*" if last else "(?:[^/]+/)*")
            continue
        parts.append(_segment(segment) + ("" if last else "/"))
    flags = re.IGNORECASE if (sys.platform == "win32" if nocase is None else nocase) else 0
    return re.compile("".join(parts) + r"\Z", flags | re.DOTALL)


def _segment(text: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        sign = text[at]
        if sign == "*":
            out.append("[^/]*")
        elif sign == "?":
            out.append("[^/]")
        elif sign == "[" and (end := text.find("]", at + 2)) > 0:
            inner = text[at + 1 : end]
            negated = inner[:1] in {"!", "^"}
            body = re.sub(r"([\\\[\]^])", r"\\\1", inner[1:] if negated else inner)
            out.append(f"[{'^' if negated else ''}{body}]")
            at = end
        else:
            out.append(re.escape(sign))
        at += 1
    return "".join(out)


def files_below(folder: Path) -> list[Path]:
    """Return all files and folders below a folder, in a fixed order; links to folders are followed once."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(place) / each for each in sorted(folders + files)]
    return sorted(found)


def match(paths: Iterable[Path], patterns: Sequence[str], root: Path) -> list[Path]:
    """Return the paths that the patterns choose, in the order of `paths`.

    Args:
        paths: Absolute paths.
        patterns: In their order; a later one wins.
        root: The folder of patterns that are not absolute.
    """
    known = list(paths)
    chosen: set[Path] = set()
    for raw in patterns:
        pattern = raw.strip()
        if not pattern or pattern.startswith("#"):
            continue
        negations = len(pattern) - len(pattern.lstrip("!"))
        pattern = pattern[negations:].strip()
        if not Path(pattern).is_absolute():
            pattern = f"{_literal(root.as_posix())}/{pattern.removeprefix('./')}"
        expression = compiled(pattern)
        matched = {each for each in known if expression.match(each.as_posix())}
        chosen = chosen - matched if negations % 2 else chosen | matched
    return [each for each in known if each in chosen]


def _literal(path: str) -> str:
    """Return a path as a pattern: brackets in the names of folders stand for themselves."""
    return re.sub(r"([\[*?])", r"[\1]", path)


def find(root: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files that patterns choose (`findMatch`); patterns may be absolute."""
    starts: dict[Path, None] = {}
    for raw in patterns:
        pattern = raw.strip().lstrip("!").strip()
        if pattern and not pattern.startswith("#") and not raw.strip().startswith("!"):
            starts[_start(root, pattern)] = None
    paths: dict[Path, None] = {}
    for start in starts:
        if start.is_dir():
            paths |= dict.fromkeys([start, *files_below(start)])
        elif start.exists():
            paths[start] = None
    return [each for each in match(paths, patterns, root) if each.is_file()]


def _start(root: Path, pattern: str) -> Path:
    """Return the longest folder of a pattern that has no pattern in it."""
    fixed: list[str] = []
    for part in Path(pattern).parts:
        if re.search(r"[*?\[]", part):
            break
        fixed.append(part)
    return Path(os.path.normpath(root.joinpath(*fixed)))
