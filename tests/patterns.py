"""Every regular expression of the package, found in its source, and hostile text made from its own structure."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from re import _constants as constants  # type: ignore[attr-defined] # what `re` compiles with
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hol_wizard"
USED_BY_NAME = {
    "hol_wizard/practice/directory/odata.py": "match",
    "hol_wizard/practice/storage/lake.py": "fullmatch",
    "hol_wizard/redaction.py": "sub",
}
"""How patterns are used that a module keeps in a table, or that another module uses."""
FUNCTIONS = frozenset({"compile", "search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split"})
LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """One use of a pattern."""

    place: str
    """`hol_wizard/log.py:28`."""
    function: str
    pattern: str
    flags: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A use whose pattern is made of what only a run knows."""

    place: str
    source: str


@cache
def in_source() -> tuple[Found | Unknown, ...]:
    """Return every use of `re` in the package, the starter and the practice cloud included."""
    return tuple(_in_source())


def _in_source() -> Iterator[Found | Unknown]:
    for file in sorted(PACKAGE.rglob("*.py")):
        relative = file.relative_to(ROOT)
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "re"
                and node.func.attr in FUNCTIONS
            ):
                # Only then: a module of another system's cannot be imported here.
                names = _names_of(relative)
                for function in _uses(tree, node, relative.as_posix()):
                    yield _found(node, function, f"{relative.as_posix()}:{node.lineno}", names)


def _uses(tree: ast.Module, call: ast.Call, file: str) -> list[str]:
    """Return how a pattern is used: `re.search(…)` says so itself, a compiled one is called by its name."""
    function = call.func.attr  # type: ignore[attr-defined] # an Attribute, as above
    if function != "compile":
        return [function]
    name = next(
        (
            target.id
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is call
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        ),
        "",
    )
    found = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (
            (isinstance(node.func.value, ast.Name) and node.func.value.id == name)
            or (isinstance(node.func.value, ast.Attribute) and node.func.value.attr == name)
        )
        and node.func.attr in FUNCTIONS
    }
    return sorted(found) or [USED_BY_NAME.get(file, "compile")]


def _names_of(file: Path) -> dict[str, Any]:
    """Return what a module's own names mean; the starter is data and is never imported."""
    if "starter" in file.parts:
        return {"re": re}
    return vars(import_module(".".join(file.with_suffix("").parts).removesuffix(".__init__")))


def _found(node: ast.Call, function: str, place: str, names: dict[str, Any]) -> Found | Unknown:
    called = node.func.attr  # type: ignore[attr-defined] # an Attribute, as above
    position = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(called, 2)
    wanted = [each.value for each in node.keywords if each.arg == "flags"] + node.args[position : position + 1]
    try:
        pattern = eval(compile(ast.Expression(node.args[0]), place, "eval"), dict(names))  # noqa: S307 our own source
        flags = eval(compile(ast.Expression(wanted[0]), place, "eval"), dict(names)) if wanted else 0  # noqa: S307
    except NameError:
        return Unknown(place, ast.unparse(node.args[0]))
    return Found(place, function, pattern, int(flags))


def run(found: Found, text: str) -> None:
    """Use a pattern as the package does."""
    pattern: re.Pattern[Any] = re.compile(found.pattern, found.flags)
    read: Any = text.encode() if isinstance(found.pattern, bytes) else text
    match found.function:
        case "match" | "fullmatch" | "search":
            getattr(pattern, found.function)(read)
        case "sub" | "subn":
            pattern.sub(read[:0], read)
        case "split":
            pattern.split(read)
        case "compile":
            pattern.sub(read[:0], read)
            pattern.fullmatch(read)
        case _:
            pattern.findall(read)


def hostile(pattern: str, flags: int = 0) -> Iterator[str]:
    """Yield long texts that lead a pattern as far as it goes and then end badly.

    For each repetition: what comes before it, its own text many times over, and an end that fits nothing; and the
    beginning many times over, so that every place is one where a match can begin.
    """
    texts = {letter * LENGTH + "\0" for letter in 'a \\"-1'}
    for before, body in _repetitions(parser.parse(pattern, flags), ""):
        for each in filter(None, dict.fromkeys((*body, " ", "\\"))):
            texts |= {(before + each * (LENGTH // len(each)))[:LENGTH] + end for end in ("\0", "")}
            texts.add(((before + each * 3) * (LENGTH // (len(before) + len(each))))[:LENGTH] + "\0")
    yield from sorted(texts)


def _repetitions(tree: Any, before: str) -> Iterator[tuple[str, list[str]]]:
    """Yield for each repetition a text that comes before it, and texts that it can repeat."""
    for operator, argument in tree:
        match operator:
            case constants.MAX_REPEAT | constants.MIN_REPEAT | constants.POSSESSIVE_REPEAT:
                least, most, inside = argument
                if most > 10:
                    yield before, samples(inside)
                yield from _repetitions(inside, before)
                before += samples(inside)[0] * max(least, 1 if most > 1 else least)
            case constants.SUBPATTERN:
                yield from _repetitions(argument[3], before)
                before += samples(argument[3])[0]
            case constants.ATOMIC_GROUP:
                yield from _repetitions(argument, before)
                before += samples(argument)[0]
            case constants.BRANCH:
                for branch in argument[1]:
                    yield from _repetitions(branch, before)
                before += samples(argument[1][0])[0]
            case _:
                before += samples([(operator, argument)])[0]


def samples(tree: Any) -> list[str]:
    """Return texts that fit, at least one, each different in the letters that its classes allow."""
    made = [""]
    for operator, argument in tree:
        match operator:
            case constants.LITERAL:
                options = [chr(argument)]
            case constants.NOT_LITERAL:
                options = [letter for letter in "a \\" if ord(letter) != argument]
            case constants.ANY:
                options = ["a", " ", "\\"]
            case constants.IN:
                options = [letter for letter in "a1 -_.\\/:=\n" if re.match(_class(argument), letter)][:4] or [
                    _member(argument)
                ]
            case constants.MAX_REPEAT | constants.MIN_REPEAT | constants.POSSESSIVE_REPEAT:
                options = [each * max(argument[0], 1) for each in samples(argument[2])]
            case constants.SUBPATTERN:
                options = samples(argument[3])
            case constants.ATOMIC_GROUP:
                options = samples(argument)
            case constants.BRANCH:
                options = [each for branch in argument[1] for each in samples(branch)[:1]]
            case _:
                options = [""]
        made = [first + options[0] for first in made[:1]] + [made[0] + each for each in options[1:]]
    return made[:4]


def _class(items: Any) -> re.Pattern[str]:
    """Return a pattern for one letter of a class, from its parsed form."""
    return re.compile("|".join(_part(items)) or "(?!)")


def _part(items: Any) -> Iterator[str]:
    negated = bool(items) and items[0][0] is constants.NEGATE
    parts = []
    for operator, argument in items:
        if operator is constants.LITERAL:
            parts.append(re.escape(chr(argument)))
        elif operator is constants.RANGE:
            parts.append(f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}")
        elif operator is constants.CATEGORY:
            parts.append(_CATEGORIES[argument])
    yield f"[{'^' if negated else ''}{''.join(parts)}]"


def _member(items: Any) -> str:
    return next((chr(number) for number in range(33, 0x2FF) if re.match(_class(items), chr(number))), "a")


_CATEGORIES = {
    constants.CATEGORY_DIGIT: r"\d",
    constants.CATEGORY_NOT_DIGIT: r"\D",
    constants.CATEGORY_SPACE: r"\s",
    constants.CATEGORY_NOT_SPACE: r"\S",
    constants.CATEGORY_WORD: r"\w",
    constants.CATEGORY_NOT_WORD: r"\W",
}


def say(text: str) -> None:
    """Tell the waiting test, at once, what is tried now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
