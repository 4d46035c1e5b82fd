"""Logging commands: `##vso[area.action name=value;…]text`, anywhere in a line of a program's output.

Parsing follows the azure-pipelines-agent, Command.cs and WorkerCommandManager.cs; the commands are described in
https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PREFIX = "##vso["
KEYWORD = "##vso"
HELP = "Please reference documentation (http://go.microsoft.com/fwlink/?LinkId=817296)"
_ESCAPED = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%AZP25", "%"))
"""In the order in which they are replaced: the percent sign is last, so that an escaped `%AZP250A` stays `%0A`."""


class CommandError(Exception):
    """A command cannot be carried out; the message is for the log."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    area: str
    action: str
    properties: Mapping[str, str] = field(default_factory=dict)
    """By their names in lowercase."""
    text: str = ""

    def get(self, name: str) -> str:
        """Return a property; empty if it is not there."""
        return self.properties.get(name, "")

    def flag(self, name: str) -> bool:
        """Return whether a property says true."""
        return self.get(name).strip().lower() == "true"


def parse(line: str) -> Command | None:
    """Return the command in a line, or None if it has none."""
    start = line.find(PREFIX)
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, properties = line[start + len(PREFIX) : end].partition(" ")
    parts = [each for each in name.split(".") if each]
    if len(parts) != 2:
        return None
    found: dict[str, str] = {}
    for each in properties.split(";"):
        key, equals, value = each.partition("=")
        if key and equals and value:
            found[key.strip().lower()] = _unescaped(value)
    return Command(parts[0].lower(), parts[1].lower(), found, _unescaped(line[end + 1 :]))


def _unescaped(text: str) -> str:
    for escaped, plain in _ESCAPED:
        text = text.replace(escaped, plain)
    return text
