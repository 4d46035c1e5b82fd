"""The commands of the Databricks CLI in the lab's documents are in the vendor's description."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

import pytest

from hol_wizard.lab.loader import load
from tests.databricks_description import problem

# The SDK takes a second to load: not while tests are collected, and in one process.
pytestmark = pytest.mark.xdist_group("databricks-sdk")


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
