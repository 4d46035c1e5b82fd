"""The commands about images."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hol_wizard.practice.launchers.without_engine.command_line import (
    UnknownCommandError,
    Words,
    label_run,
    missed,
    pairs,
    say,
)
from hol_wizard.practice.launchers.without_engine.dockerfile import Build
from hol_wizard.practice.launchers.without_engine.store import Store

LABEL = "practice.no-container-engine"
"""The label of every image that was built here."""


class Images:
    """Each method carries out a command, and returns its exit code."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def build(self, words: Sequence[str]) -> int:
        """Build an image from a dockerfile."""
        asked = Words.of("build", words)
        context = Path(asked.argument())
        file = Path(asked.one("--file", "-f") or _dockerfile(context))
        made = Build(self._store, context, pairs(asked.all("--build-arg")))
        made.follow(file)
        made.labels |= {**pairs(asked.all("--label")), LABEL: "true"}
        identity = self._store.add(*made.image(asked.one("--platform")))
        if file_for_id := asked.one("--iidfile"):
            Path(file_for_id).write_text(identity, encoding="utf-8")
        tags = asked.all("--tag", "-t")
        self._store.name(identity, *tags)
        label_run()
        say(f"Built {', '.join(tags) or identity}: {len(made.files)} files were copied; nothing was installed.")
        return 0

    def tag(self, words: Sequence[str]) -> int:
        """Give an image another name."""
        source, target = Words.of("tag", words).arguments
        self._store.name(self._store.find(source), target)
        return 0

    def remove(self, words: Sequence[str]) -> int:
        """Remove names, and images without a name."""
        asked = Words.of("rmi", words)
        missing = [each for each in asked.arguments if not self._store.remove(each)]
        return missed([f"Error response from daemon: No such image: {each}" for each in missing], asked)

    def inspect(self, words: Sequence[str]) -> int:
        """Print what is known of an image, or one member of it: `--format '{{json .RepoDigests}}'`."""
        asked = Words.of("image inspect", words)
        identity = self._store.find(asked.argument())
        config = self._store.config(identity)
        names = [each for each, found in self._store.names().items() if found == identity]
        about = {
            "Id": identity,
            "RepoTags": [each for each in names if "@" not in each],
            "RepoDigests": [each for each in names if "@" in each],
            "Architecture": config["architecture"],
            "Os": config["os"],
            "Config": config["config"],
        }
        form = asked.one("--format", "-f")
        if not form:
            sys.stdout.write(json.dumps([about], indent=4) + "\n")
            return 0
        found = re.fullmatch(r"\{\{\s*(json )?\.(\w+(?:\.\w+)*)\s*\}\}", form)
        if found is None:
            raise UnknownCommandError(f"docker image inspect --format {form!r} needs a container engine.")
        value: Any = about
        for part in found[2].split("."):
            value = value.get(part) if isinstance(value, dict) else None
        sys.stdout.write((json.dumps(value) if found[1] or not isinstance(value, str) else value) + "\n")
        return 0

    def list(self, words: Sequence[str]) -> int:
        """Print the IDs of all images with a label: `--quiet --no-trunc --filter label=NAME=VALUE`."""
        asked = Words.of("image ls", words)
        filters = asked.all("--filter", "-f")
        if "--quiet" not in asked.options or not all(each.startswith("label=") for each in filters):
            raise UnknownCommandError(
                "docker image ls without --quiet, or with such a filter, needs a container engine."
            )
        wanted = [each.removeprefix("label=").partition("=")[::2] for each in filters]
        for identity in self._store.identities():
            labels = self._store.config(identity)["config"].get("Labels") or {}
            if all(labels.get(name) == value for name, value in wanted):
                sys.stdout.write(f"{identity}\n")
        return 0


def _dockerfile(context: Path) -> Path:
    return next((context / name for name in ("Dockerfile", "dockerfile") if (context / name).is_file()), context)
