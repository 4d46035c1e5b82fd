"""`docker` without a container engine: what the lab's scripts need, practiced without a container.

A build copies files as the dockerfile says, and records labels; its `RUN` lines are not executed. The result is an
image in the OCI format without the base image's files, so that a push to a registry of the practice cloud, and its
digest, are real. A container runs the image's command in this machine's Python, on a copy of the image's files. Every
line that it prints for people is marked.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hol_wizard.practice.launchers import Settings
from hol_wizard.practice.launchers.web_client import UnreachableError
from hol_wizard.practice.launchers.without_engine.command_line import MARK, DockerError, UnknownCommandError, say
from hol_wizard.practice.launchers.without_engine.containers import Containers
from hol_wizard.practice.launchers.without_engine.images import Images
from hol_wizard.practice.launchers.without_engine.registries import Registries
from hol_wizard.practice.launchers.without_engine.store import Store


def run(words: Sequence[str], settings: Settings) -> int:
    """Run a command and return its exit code: 1 for an error, 2 for one that needs an engine."""
    try:
        return _run(words, settings)
    except UnknownCommandError as error:
        sys.stderr.write(f"{MARK} {error}\n")
        return 2
    except (DockerError, UnreachableError, OSError, ValueError) as error:
        sys.stderr.write(f"{MARK} {error}\n")
        return 1


def _run(words: Sequence[str], settings: Settings) -> int:
    commands = _commands(settings)
    for n in (2, 1):
        found = commands.get(" ".join(words[:n]))
        if found is not None:
            return found(words[n:])
    raise UnknownCommandError(
        f"docker {' '.join(words[:2])}: without a container engine, the practice docker knows only "
        f"{', '.join(commands)}; install Docker to run this step."
    )


def _commands(settings: Settings) -> Mapping[str, Callable[[Sequence[str]], int]]:
    configuration = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    folder = configuration / "without-engine"
    store = Store(folder)
    images, registries = Images(store), Registries(store, configuration)
    containers = Containers(folder / "containers", store, settings)
    return {
        "version": _version,
        "build": images.build,
        "tag": images.tag,
        "image inspect": images.inspect,
        "inspect": images.inspect,
        "image ls": images.list,
        "push": registries.push,
        "pull": registries.pull,
        "create": containers.create,
        "start": containers.start,
        "run": containers.run,
        "cp": containers.copy,
        "rm": containers.remove,
        "rmi": images.remove,
        "image rm": images.remove,
        "login": registries.login,
        "logout": registries.logout,
    }


def _version(words: Sequence[str]) -> int:
    del words
    say("Practiced without a container: no engine responds on this machine. Images are built without their base.")
    return 0
