"""What the Databricks CLI is generated from, as the vendor's SDK has it.

The CLI is a Go program that no package index has. A command of it is a group and a method of the API's description;
what the method must have are arguments, all else are options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

FLAGS = frozenset({"no_wait"})
"""Options of the CLI itself that have no value."""


def parsed(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return arguments, and options by name."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            arguments.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        name = name.replace("-", "_")
        options[name] = value if equals else "true" if name in FLAGS else next(rest)
    return arguments, options


def method_of(group: str, command: str) -> Callable[..., Any]:
    """Return the method that a command is. No client is made: that would look for the workspace in the network.

    Raises:
        AttributeError: There is no such group, or no such command in it.
    """
    # Takes a second to load: not while tests are collected.
    from databricks.sdk import WorkspaceClient

    kind = get_type_hints(getattr(WorkspaceClient, group.replace("-", "_")).fget)["return"]
    found: Callable[..., Any] = getattr(kind, command.replace("-", "_"))
    return found


def needed(group: str, command: str) -> list[str]:
    """Return the names of a command's arguments, in order."""
    parameters = list(inspect.signature(method_of(group, command)).parameters.values())[1:]
    return [each.name for each in parameters if each.default is each.empty]


def known(group: str, command: str) -> set[str]:
    """Return the names of all that a command can be given."""
    return set(list(inspect.signature(method_of(group, command)).parameters)[1:])


def problem(words: list[str]) -> str:
    """Return what is wrong with a command by the description; empty: nothing."""
    arguments, options = parsed(words)
    if len(arguments) < 2:
        return "a command is a group and a method"
    named = " ".join(arguments[:2])
    try:
        wanted, taken = needed(*arguments[:2]), known(*arguments[:2])
    except AttributeError:
        return f"there is no {named}"
    if wrong := set(options) - taken - {"profile", "json", "output", *FLAGS}:
        return f"{named} has no {', '.join(sorted(wrong))}"
    if "json" not in options and len(arguments) - 2 != len(wanted):
        return f"{named} takes {len(wanted)} arguments: {', '.join(wanted)}"
    return ""
