"""`lint --names`: everything that a document may name, with one line about each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from hol_wizard.engine.kinds import KINDS
from hol_wizard.engine.registry import ACTIONS, CHECKS, SOLVES, UNDOS
from hol_wizard.headless.output import out
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.names import BOUND, MEANINGS
from hol_wizard.lab.people import PEOPLE
from hol_wizard.lab.portal import PAGES
from hol_wizard.wizard.registration import known_names

_WIDEST = 40
"""Maximum number of columns for names; a longer one has its description after it."""


def names() -> dict[str, dict[str, str]]:
    """Return the descriptions of everything that a document may name, by the key or place in which it is named."""
    known = known_names()
    return {
        "check": {name: _first(CHECKS[name].run) for name in sorted(known.checks - KINDS.keys())},
        "solve": {name: _first(SOLVES[name].run) for name in sorted(known.solves - KINDS.keys())},
        "undo": {name: _first(UNDOS[name].run) for name in sorted(known.undos - KINDS.keys())},
        "actions": {name: f"{ACTIONS[name].label}." for name in sorted(known.actions)},
        "resource": {name: _of_kind(name) for name in sorted(KINDS)},
        "inputs": {name: _sentence(each.label) for name, each in sorted(INPUTS.items())},
        "portal": {name: f"{page.title}{_in(page.placeholder)}." for name, page in sorted(PAGES.items())},
        "person": {name: _sentence(words) for name, words in sorted(PEOPLE.items())},
        "placeholder": {f"{{{name}}}": f"{meaning}{_in(name)}." for name, meaning in sorted(MEANINGS.items())},
    }


def list_names(format_: str) -> int:
    """Write what a document may name, as text or JSON, and return the exit code."""
    found = names()
    if format_ == "json":
        out(json.dumps(found, indent=2))
        return 0
    for place, described in found.items():
        out(f"{place}")
        width = min(_WIDEST, max(map(len, described), default=0))
        for name, words in described.items():
            out(f"  {name:<{width}}  {words}")
    return 0


def _first(function: Callable[..., Any]) -> str:
    """Return the first sentence of a function's docstring."""
    paragraph = (function.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _of_kind(name: str) -> str:
    kind = KINDS[name]
    arguments = [*kind.required, *(f"{each} (optional)" for each in kind.optional)]
    takes = f" Arguments: {', '.join(arguments)}." if arguments else ""
    words = _first(kind.make).removeprefix("Return ")
    return f"{_sentence(words)}{takes}"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _in(placeholder: str) -> str:
    """Return where a placeholder has a value: `; in dev and pipeline`."""
    places: Mapping[str, Any] = BOUND
    return f"; in {', '.join(places[placeholder])}" if placeholder in places else ""
