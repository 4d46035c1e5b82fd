"""Builds an image from a dockerfile, as far as that is possible without a container."""

from __future__ import annotations

import fnmatch
import gzip
import io
import json
import re
import shlex
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from hol_wizard.practice.launchers.without_engine.command_line import DockerError, UnknownCommandError, pairs, say
from hol_wizard.practice.launchers.without_engine.store import Store, digest_of

_INSTRUCTION = re.compile(r"(\w+)\s+(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Build:
    """An image that is being built."""

    def __init__(self, store: Store, context: Path, given: Mapping[str, str]) -> None:
        """Begin without a base image.

        Args:
            store: The images that it can be based on.
            context: The folder that files are copied from.
            given: The values of build arguments.
        """
        self._store = store
        self._context = context
        self._given = given
        self._arguments: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        """The contents of the copied files by their paths in the image."""
        self.labels: dict[str, str] = {}
        self._has_base = False
        self._settings: dict[str, Any] = {}
        self._base_layers: list[bytes] = []

    def follow(self, file: Path) -> None:
        """Carry out the instructions of a dockerfile.

        Raises:
            DockerError: One is wrong.
        """
        for line in _instructions(file.read_text(encoding="utf-8")):
            self._add(line)
        if not self._has_base:
            raise DockerError(f"{file} has no FROM.")

    def _add(self, line: str) -> None:
        """Carry out one instruction, as far as that is possible without a container."""
        parsed = _INSTRUCTION.fullmatch(line)
        if parsed is None:
            raise DockerError(f"dockerfile parse error: {line}")
        word, rest = parsed[1].upper(), parsed[2]
        text = _VARIABLE.sub(lambda found: self._arguments.get(found[1] or found[2], ""), rest)
        if word == "ARG":
            name, _, default = text.partition("=")
            self._arguments[name] = self._given.get(name, default)
        elif word == "FROM":
            self._begin(text.split()[0])
        elif word == "COPY":
            self._copy(shlex.split(text))
        elif word == "LABEL":
            self.labels |= pairs(shlex.split(text))
        elif word == "ENV":
            self._settings["Env"] = [*self._settings.get("Env", ()), *shlex.split(text)]
        elif word == "WORKDIR":
            self._settings["WorkingDir"] = self._path(text)
        elif word == "CMD":
            self._settings["Cmd"] = _command(rest)
        elif word == "RUN":
            say(f"Not executed: RUN {' '.join(rest.split())[:100]}")
        elif word not in {"USER", "EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "VOLUME", "SHELL", "ENTRYPOINT"}:
            raise UnknownCommandError(f"{word} in a dockerfile needs a container engine.")

    def _begin(self, base: str) -> None:
        """Begin with a base image; with an empty one if it was not built here."""
        self._has_base = True
        try:
            identity = self._store.find(base)
        except DockerError:
            say(f"The base image {base} is not used.")
            self._settings, self._base_layers = {}, []
        else:
            self._settings = dict(self._store.config(identity).get("config") or {})
            self._base_layers = [each.read_bytes() for each in self._store.layers(identity)]
        self.labels = dict(self._settings.get("Labels") or {})

    def _path(self, path: str) -> str:
        return str(PurePosixPath(self._settings.get("WorkingDir") or "/") / path)

    def _copy(self, words: Sequence[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        found = [each for source in sources for each in self._sources(source)]
        if not found:
            raise DockerError(f"failed to compute cache key: {' '.join(sources)}: not found")
        many = len(found) > 1 or target.endswith(("/", "."))
        for each in found:
            if each.is_dir():
                for file in sorted(each.rglob("*")):
                    if file.is_file() and "__pycache__" not in file.parts:
                        self._keep(self._path(f"{target}/{file.relative_to(each).as_posix()}"), file)
            else:
                self._keep(self._path(f"{target}/{each.name}" if many else target), each)

    def _sources(self, source: str) -> Iterator[Path]:
        if not any(each in source for each in "*?["):
            if (self._context / source).exists():
                yield self._context / source
            return
        for each in sorted(self._context.iterdir()):
            if fnmatch.fnmatchcase(each.name, source):
                yield each

    def _keep(self, path: str, file: Path) -> None:
        self.files[str(PurePosixPath(path)).lstrip("/")] = file.read_bytes()

    def image(self, platform: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return the image's configuration, and its layers: those of the base image, and one with the copied files."""
        system, _, architecture = (platform or "linux/amd64").partition("/")
        archive = self._archive()
        layers = [*self._base_layers, gzip.compress(archive, mtime=0)]
        diffs = [digest_of(each) for each in (*map(gzip.decompress, self._base_layers), archive)]
        config = {
            "architecture": architecture,
            "os": system,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "config": {**self._settings, "Labels": self.labels},
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }
        return config, layers

    def _archive(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path, content in sorted(self.files.items()):
                about = tarfile.TarInfo(path)
                about.size = len(content)
                archive.addfile(about, io.BytesIO(content))
        return buffer.getvalue()


def _instructions(text: str) -> Iterator[str]:
    """Iterate over the instructions of a dockerfile, with continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\s*\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            yield line.strip()


def _command(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return shlex.split(text)
    return [str(each) for each in found]
