"""The commands of the Databricks CLI in the lab's documents are in the vendor's description.

The CLI is a Go program that no package index has. It is generated from the same description as the vendor's SDK: a
command is a group and a method; what the method must have are arguments, all else are options.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

import pytest

from hol_wizard.lab.loader import load

# The SDK takes a second to load: not while tests are collected, and in one process.
pytestmark = pytest.mark.xdist_group("databricks-sdk")

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
    from databricks.sdk import WorkspaceClient

    kind = get_type_hints(getattr(WorkspaceClient, group.replace("-", "_")).fget)["return"]
    found: Callable[..., Any] = getattr(kind, command.replace("-", "_"))
    return found


def problem(words: list[str]) -> str:
    """Return what is wrong with a command by the description; empty: nothing."""
    arguments, options = parsed(words)
    if len(arguments) < 2:
        return "a command is a group and a method"
    try:
        parameters = list(inspect.signature(method_of(*arguments[:2])).parameters.values())[1:]
    except AttributeError:
        return f"there is no {' '.join(arguments[:2])}"
    needed = [each.name for each in parameters if each.default is each.empty]
    known = {each.name for each in parameters} | {"profile", "json", "output", *FLAGS}
    if wrong := set(options) - known:
        return f"{' '.join(arguments[:2])} has no {', '.join(sorted(wrong))}"
    if "json" not in options and len(arguments) - 2 != len(needed):
        return f"{' '.join(arguments[:2])} takes {len(needed)} arguments: {', '.join(needed)}"
    return ""


def commands() -> Iterator[tuple[str, str]]:
    """Yield each command in a block of code of the lab's documents, with its step."""
    fence = re.compile(r"^(?P<indent> *)```(?:bash|sh)\n(?P<code>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE)
    for key, step in load().steps.items():
        for found in fence.finditer(step.body):
            for line in textwrap.dedent(found["code"]).replace("\\\n", " ").splitlines():
                if line.split()[:1] == ["databricks"]:
                    yield key, " ".join(line.split())


COMMANDS = sorted(set(commands()))


@pytest.mark.parametrize(("step", "command"), COMMANDS, ids=[f"{step}: {command[:50]}" for step, command in COMMANDS])
def test_a_command_is_in_the_vendors_description(step: str, command: str) -> None:
    words = command.split()[1:]
    if words[0] in {"--version", "configure"}:
        pytest.skip(f"{step}: of the Go program alone")
    assert problem(words) == ""


@pytest.mark.parametrize(
    "command",
    [
        "secrets list --scope data-lake",
        "clusters create-it",
        "nothing list",
        "repos create https://a",
        "tokens create --seconds 3",
    ],
)
def test_a_command_that_the_cli_does_not_have_is_found(command: str) -> None:
    assert problem(command.split())
