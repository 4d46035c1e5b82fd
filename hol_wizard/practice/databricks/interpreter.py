"""Runs one command of a notebook: `commands.py` starts it as a separate process with an empty environment.

The two exchange lines of JSON: first comes the command; each secret is requested when `dbutils` needs it, so that none
is ever in an argument, in the environment or in a file; the last line is the result. Imports nothing of `hol_wizard`.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, TextIO

MOST_CHARACTERS = 1 << 19
"""Maximum length of the output before secrets are redacted."""
SHOWN_CHARACTERS = 1 << 16
"""Maximum length of the output that is sent."""
REDACTED = "[REDACTED]"


class IllegalArgumentException(Exception):
    """A secret or a scope does not exist."""


class DatabricksServiceHttpClientException(Exception):
    """A secret may not be read."""


class Printed(io.StringIO):
    """The output of a command, up to a limit."""

    truncated = False

    def write(self, text: str) -> int:
        """Append the text up to the limit."""
        room = MOST_CHARACTERS - self.tell()
        self.truncated = self.truncated or len(text) > room
        super().write(text[: max(0, room)])
        return len(text)


class SecretMetadata:
    """One entry of `dbutils.secrets.list`."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __repr__(self) -> str:
        """Return it as a notebook shows it."""
        return f"SecretMetadata(key='{self.key}')"


class SecretScope:
    """One entry of `dbutils.secrets.listScopes`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        """Return it as a notebook shows it."""
        return f"SecretScope(name='{self.name}')"

    def getName(self) -> str:
        """Return the scope's name."""
        return self.name


class SecretsUtil:
    """`dbutils.secrets`."""

    def __init__(self, asking: TextIO, answering: TextIO) -> None:
        self._asking = asking
        self._answering = answering
        self._seen: set[str] = set()

    def _ask(self, **question: str) -> Any:
        self._asking.write(json.dumps(question) + "\n")
        self._asking.flush()
        response = json.loads(self._answering.readline())
        if "error" in response:
            if response["code"] == "RESOURCE_DOES_NOT_EXIST":
                raise IllegalArgumentException(response["error"])
            raise DatabricksServiceHttpClientException(f"{response['code']}: {response['error']}")
        return response["answer"]

    def get(self, scope: str, key: str) -> str:
        """Return the value of a secret."""
        value = self.getBytes(scope, key).decode()
        self._seen.add(value)
        return value

    def getBytes(self, scope: str, key: str) -> bytes:
        """Return the bytes of a secret."""
        value = base64.b64decode(self._ask(ask="get", scope=scope, key=key))
        self._seen.add(value.decode("utf-8", "replace"))
        return value

    def list(self, scope: str) -> Sequence[SecretMetadata]:
        """Return the names of the secrets in a scope."""
        return [SecretMetadata(key) for key in self._ask(ask="list", scope=scope)]

    def listScopes(self) -> Sequence[SecretScope]:
        """Return the scopes."""
        return [SecretScope(name) for name in self._ask(ask="scopes")]

    def redacted(self, text: str) -> str:
        """Return the text with every secret value that was read redacted, the longest first."""
        for value in sorted(self._seen, key=len, reverse=True):
            if value.strip():
                text = text.replace(value, REDACTED)
        return text


class DbUtils:
    """The part of `dbutils` that the practice cloud has."""

    def __init__(self, secrets: SecretsUtil) -> None:
        self.secrets = secrets


def run(command: str, secrets: SecretsUtil) -> dict[str, Any]:
    """Run a command and return its result as the Command Execution API shows it."""
    printed = Printed()
    names: dict[str, Any] = {"__name__": "__main__", "dbutils": DbUtils(secrets)}
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            tree = ast.parse(command, "<command>")
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, "<command>", "exec"), names)  # noqa: S102  running it is what this is for
            if isinstance(last, ast.Expr):
                code = compile(ast.Expression(last.value), "<command>", "eval")
                value = eval(code, names)  # noqa: S307  as above
                if value is not None:
                    print(repr(value))  # noqa: T201  a notebook shows the value of its last line
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a command raises is its result
        told = "".join(traceback.format_exception(error))[-SHOWN_CHARACTERS:]
        summary = f"{type(error).__name__}: {error}"
        return {"resultType": "error", "summary": secrets.redacted(summary), "cause": secrets.redacted(told)}
    text = secrets.redacted(printed.getvalue())
    cut = printed.truncated or len(text) > SHOWN_CHARACTERS
    return {"resultType": "text", "data": text[:SHOWN_CHARACTERS].removesuffix("\n"), "truncated": cut}


def main() -> None:
    """Read the command from standard input and write its result to standard output."""
    answering = os.fdopen(os.dup(0), encoding="utf-8")
    asking = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Child processes of the command must not read or write on this channel.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    sys.stdin = io.StringIO()
    command = json.loads(answering.readline())["command"]
    result = run(command, SecretsUtil(asking, answering))
    asking.write(json.dumps({"result": result}) + "\n")
    asking.flush()


if __name__ == "__main__":
    main()
