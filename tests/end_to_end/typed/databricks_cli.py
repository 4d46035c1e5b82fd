"""A Databricks CLI made of the vendor's SDK, from whose API description the real one is generated, too.

The real CLI is a Go program that no package index has. What a method must have are arguments in its order, all else are
options, and `--json @FILE` is the whole request.
"""

from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path
from typing import Any

from databricks.sdk import WorkspaceClient
from databricks.sdk.core import Config

from tests.databricks_description import FLAGS, known, needed, parsed, problem

BY_PATH = {("repos", "update"): "repo_id"}
"""Where the real CLI takes a path for an id (databricks/cli, `cmd/workspace/repos/overrides.go`)."""


def shown(result: Any) -> Any:
    """Return a result as JSON."""
    if hasattr(result, "response"):
        result = result.response
    if hasattr(result, "as_dict"):
        return result.as_dict()
    if result is None or isinstance(result, str | int | float | bool | dict):
        return result
    return [shown(each) for each in result]


def main(words: list[str]) -> int:
    """Run a command, and return its exit code."""
    if wrong := problem(words):
        sys.stderr.write(f"Error: {wrong}\n")
        return 1
    (group, command, *given), options = parsed(words)
    client = WorkspaceClient(config=Config(profile=options.pop("profile", None)))
    method = getattr(getattr(client, group.replace("-", "_")), command.replace("-", "_"))
    body = options.pop("json", "")
    for name in (*FLAGS, "output"):
        options.pop(name, None)
    named: dict[str, Any] = {}
    if body:
        document = json.loads(Path(body.removeprefix("@")).read_text(encoding="utf-8"))
        if unknown := set(document) - known(group, command):
            sys.stderr.write(f"Error: unknown field: {', '.join(sorted(unknown))}\n")
            return 1
        named = {name: _sent(value) for name, value in document.items()}
    else:
        kinds = {each.name: str(each.annotation) for each in inspect.signature(method).parameters.values()}
        for name, value in {**dict(zip(needed(group, command), given, strict=True)), **options}.items():
            named[name] = int(value) if "int" in kinds[name] and value.isdigit() else value
        if (group, command) in BY_PATH:
            name = BY_PATH[group, command]
            named[name] = client.workspace.get_status(str(named[name])).object_id
    sys.stdout.write(json.dumps(shown(method(**named)), indent=2) + "\n")
    return 0


def _sent(value: Any) -> Any:
    if isinstance(value, list):
        return [_sent(each) for each in value]
    if isinstance(value, dict):
        return _Plain(value)
    return _Word(value) if isinstance(value, str) else value


class _Word(str):
    """A word of a request, as the SDK takes its enumerations."""

    @property
    def value(self) -> str:
        """Return it."""
        return str(self)


class _Plain(dict[str, Any]):
    """An object of a request, as the SDK takes its own classes."""

    def as_dict(self) -> dict[str, Any]:
        """Return it."""
        return self


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
