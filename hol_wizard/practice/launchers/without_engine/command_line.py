"""The command line and the messages of the practice `docker`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MARK = "[practice: no container engine]"
_VALUES = {
    "build": {"--file", "-f", "--tag", "-t", "--label", "--build-arg", "--platform", "--iidfile"},
    "image ls": {"--filter", "-f"},
    "create": {"--name", "--network", "--platform"},
    "run": {"--name", "--network", "--platform"},
    "login": {"--username", "-u", "--password", "-p"},
    "image inspect": {"--format", "-f"},
    "inspect": {"--format", "-f"},
}
"""The options that take a value, by command."""


class DockerError(Exception):
    """A command failed."""


class UnknownCommandError(DockerError):
    """Only an engine can do this."""


TAG = "practiced-without-container"
"""The tag of a pipeline's run in which a container was practiced."""


def label_run() -> None:
    """Label the run of the pipeline, and the step, if a step has called: with the agent's own commands."""
    if os.environ.get("TF_BUILD"):
        about = "No container engine responds on this machine: the image was practiced without a container."
        sys.stdout.write(f"##vso[build.addbuildtag]{TAG}\n##vso[task.logissue type=warning]{about}\n")
        sys.stdout.flush()


def say(text: str) -> None:
    """Print lines for people, each with the mark."""
    for line in text.splitlines():
        sys.stdout.write(f"{MARK} {line}\n")
    sys.stdout.flush()


@dataclass(frozen=True)
class Words:
    """The options and arguments of a command."""

    options: Mapping[str, list[str]] = field(default_factory=dict)
    arguments: Sequence[str] = ()

    @classmethod
    def of(cls, command: str, words: Sequence[str], *, keep_after: int | None = None) -> Words:
        """Return the options and arguments in these words.

        Args:
            command: The command, which says which options take a value.
            words: What follows it.
            keep_after: Number of arguments after which all words are arguments, as those of a container's command.
        """
        options: dict[str, list[str]] = {}
        arguments: list[str] = []
        left = list(words)
        while left:
            word = left.pop(0)
            if not word.startswith("-") or word == "-" or (keep_after is not None and len(arguments) >= keep_after):
                arguments.append(word)
                continue
            name, equals, value = word.partition("=")
            if not equals and name in _VALUES.get(command, ()):
                if not left:
                    raise DockerError(f"flag needs an argument: {name}")
                value = left.pop(0)
            options.setdefault(name, []).append(value)
        return cls(options, arguments)

    def all(self, *names: str) -> list[str]:
        """Return all values of an option."""
        return [value for name in names for value in self.options.get(name, ())]

    def one(self, *names: str) -> str:
        """Return the last value of an option, or an empty text."""
        return (self.all(*names) or [""])[-1]

    def argument(self) -> str:
        """Return the only argument.

        Raises:
            DockerError: There is none, or there are several.
        """
        if len(self.arguments) != 1:
            raise DockerError(f"requires 1 argument, but there are {len(self.arguments)}.")
        return self.arguments[0]


def pairs(texts: Iterable[str]) -> dict[str, str]:
    """Return `NAME=VALUE` texts as a mapping."""
    return dict(each.partition("=")[::2] for each in texts)


def missed(missing: Sequence[str], asked: Words) -> int:
    """Say what could not be removed; with `--force`, that is no error (tried with Docker)."""
    for each in missing:
        sys.stderr.write(f"{MARK} {each}\n")
    return 1 if missing and not {"--force", "-f"} & set(asked.options) else 0
