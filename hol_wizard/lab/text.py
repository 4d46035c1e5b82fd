"""Replaces placeholders in the lab's texts with the reader's own names.

`{resource_group}` is the one of the step's own environment, `{prod.resource_group}` the one of that environment,
`{{resource_group}}` the word itself in braces. `${VAR}`, `$(x)`, the braces of JSON and of `{{.Server.Version}}` are
not placeholders and stay unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import BOUND, PLAIN

_NAME = r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)?"
_PLACEHOLDER = re.compile(r"(?<!\$)(?<!\$\{)(?:\{(\{" + _NAME + r"\})\}|\{(" + _NAME + r")\})")


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a text with each placeholder replaced; one without a value stays unchanged.

    Args:
        template: The text as its author wrote it.
        values: The value for each name (`hol_wizard.lab.names.Names.values`).
    """

    def replacement(match: re.Match[str]) -> str:
        literal: str | None = match[1]
        return literal if literal is not None else values.get(match[2], match[0])

    return _PLACEHOLDER.sub(replacement, template)


def placeholders(template: str) -> Iterator[str]:
    """Yield the placeholders of a text, without their braces, in order."""
    for match in _PLACEHOLDER.finditer(template):
        if match[2] is not None:
            yield match[2]


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word that was probably meant; empty if none is similar."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), n=1, cutoff=0.6)), "")


class Misused(NamedTuple):
    """What is wrong with a placeholder, and what was probably meant."""

    message: str
    nearest: str


def misuse(placeholder: str, environments: Collection[Environment]) -> Misused | None:
    """Return what is wrong with a placeholder in its context; None if nothing is.

    Args:
        placeholder: Without its braces.
        environments: Those of its step; empty for a step or a text without an environment.
    """
    shown = f"`{{{placeholder}}}`"
    before, dot, name = placeholder.rpartition(".")
    if dot:
        if before not in list(Environment):
            options = [f"{environment}.{each}" for each in BOUND for environment in BOUND[each]]
            return Misused(f"there is no environment `{before}`, as in {shown}", _braced(nearest(placeholder, options)))
        if name in PLAIN:
            return Misused(f"{shown} is the same in every environment", f"{{{name}}}")
        if name not in BOUND:
            return Misused(f"there is no placeholder {shown}", _braced(nearest(name, BOUND), before))
        if before not in BOUND[name]:
            return Misused(f"the lab creates no {_words(name)} in {before}: {shown}", f"{{{BOUND[name][0]}.{name}}}")
        return None
    if name in PLAIN:
        return None
    if name not in BOUND:
        return Misused(f"there is no placeholder {shown}", _braced(nearest(name, (*PLAIN, *BOUND))))
    if not environments:
        return Misused(
            f"{shown} differs between environments, and this text has none: name one",
            f"{{{BOUND[name][0]}.{name}}}",
        )
    if strange := [environment for environment in environments if environment not in BOUND[name]]:
        return Misused(f"the lab creates no {_words(name)} in {strange[0]}: {shown}", f"{{{BOUND[name][0]}.{name}}}")
    return None


def _words(name: str) -> str:
    return name.replace("_", " ")


def _braced(name: str, environment: str = "") -> str:
    if not name:
        return ""
    return f"{{{environment}.{name}}}" if environment else f"{{{name}}}"
