"""The commands about containers: each is a folder with a copy of its image's files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hol_wizard.practice.launchers import Settings
from hol_wizard.practice.launchers.without_engine.command_line import (
    DockerError,
    UnknownCommandError,
    Words,
    missed,
    say,
)
from hol_wizard.practice.launchers.without_engine.store import Store
from hol_wizard.tar_extraction import extract_member

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
"""Variables of the step that a container's program needs on this machine."""


class Containers:
    """Each method carries out a command, and returns its exit code."""

    def __init__(self, folder: Path, store: Store, settings: Settings) -> None:
        self._folder = folder
        self._store = store
        self._settings = settings

    def create(self, words: Sequence[str]) -> int:
        """Create a container."""
        name, _ = self._make("create", words)
        sys.stdout.write(f"{name}\n")
        return 0

    def start(self, words: Sequence[str]) -> int:
        """Run the command of a container."""
        return self._run(Words.of("start", words).argument())

    def run(self, words: Sequence[str]) -> int:
        """Create a container and run its command."""
        name, asked = self._make("run", words)
        try:
            return self._run(name)
        finally:
            if "--rm" in asked.options:
                shutil.rmtree(self._place(name))

    def copy(self, words: Sequence[str]) -> int:
        """Copy files out of a container."""
        source, target = Words.of("cp", words).arguments
        name, colon, path = source.partition(":")
        if not colon:
            raise UnknownCommandError("Without a container engine, files are only copied out of a container.")
        place = self._place(name) / "files" / path.lstrip("/")
        if not place.exists():
            raise DockerError(f"Could not find the file {path} in container {name}")
        if place.is_dir():
            into = Path(target) if path.endswith("/.") or not Path(target).is_dir() else Path(target) / place.name
            shutil.copytree(place, into, dirs_exist_ok=True)
        else:
            shutil.copyfile(place, Path(target) / place.name if Path(target).is_dir() else target)
        return 0

    def remove(self, words: Sequence[str]) -> int:
        """Remove containers."""
        asked, missing = Words.of("rm", words), []
        for each in asked.arguments:
            if self._place(each).is_dir():
                shutil.rmtree(self._place(each))
            else:
                missing.append(f"Error response from daemon: No such container: {each}")
        return missed(missing, asked)

    def _place(self, name: str) -> Path:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
            raise DockerError(f"Invalid container name ({name}).")
        return self._folder / name

    def _make(self, command: str, words: Sequence[str]) -> tuple[str, Words]:
        """Create a container, and return its name and what was asked."""
        asked = Words.of(command, words, keep_after=1)
        image, *own = asked.arguments
        identity = self._store.find(image)
        name = asked.one("--name") or uuid.uuid4().hex[:12]
        place = self._place(name)
        if place.exists():
            raise DockerError(f'Conflict. The container name "/{name}" is already in use.')
        files = place / "files"
        files.mkdir(parents=True)
        for layer in self._store.layers(identity):
            with tarfile.open(layer) as archive:
                for member in archive:
                    extract_member(archive, member, files)
        settings = self._store.config(identity)["config"]
        about = {"command": own or settings.get("Cmd") or [], "environment": settings.get("Env") or []}
        (place / "container.json").write_text(
            json.dumps({**about, "folder": settings.get("WorkingDir") or "/"}), encoding="utf-8"
        )
        return name, asked

    def _run(self, name: str) -> int:
        """Run a container's command in this machine's Python, and return its exit code."""
        place = self._place(name)
        try:
            about: dict[str, Any] = json.loads((place / "container.json").read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DockerError(f"Error: No such container: {name}") from error
        root = (place / "files").resolve()

        def inside(text: str) -> str:
            """Return a text with absolute paths in the container as paths on this machine."""
            return re.sub(r"(?<![\w./-])/(?=[A-Za-z])", f"{root}/", text)

        command = [inside(each) for each in about["command"]]
        if not command or PurePosixPath(command[0]).name not in {"python", "python3"}:
            raise UnknownCommandError("Without a container engine, only a Python program can run in a container.")
        python = self._settings.packages_python
        if not python or not Path(python).is_file():
            raise DockerError(
                "The Python packages of the practice cloud are not installed on this machine: train first."
            )
        for each in ("results", "tmp"):
            (root / each).mkdir(exist_ok=True)
        own = {key: inside(value) for key, _, value in (each.partition("=") for each in about["environment"])}
        folder = Path(inside(about["folder"])) if about["folder"] != "/" else root
        folder.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        with (
            subprocess.Popen(  # noqa: S603 - the image's own command
                [python, *command[1:]],
                cwd=folder,
                env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **own},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            ) as started
        ):
            for line in started.stdout or ():
                say(line.rstrip("\n").replace(str(root), ""))
        for file in (root / "results").glob("*.xml"):
            file.write_text(file.read_text(encoding="utf-8").replace(str(root), ""), encoding="utf-8")
        return started.returncode
