"""Imports an image from a registry outside of the practice cloud, such as Docker Hub.

The container engine of this machine fetches it, unless it has it already. The manifest is a new one, so its digest
is not that of the source. Without an engine, the import adds a stand-in: an image without layers, with a label that
says so. It is enough where no image is built.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import re
import shutil
import tarfile
from pathlib import Path
from typing import Any

from hol_wizard import variables
from hol_wizard.practice.kernel.jobs import Jobs, Kind, Work
from hol_wizard.practice.kernel.programs import Program
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.registry.images import Images

KIND = "image import"
STAND_IN = "practice.stand-in"
"""The label of an image that stands for one that could not be fetched."""
_SECONDS = 900.0
_PROBE_SECONDS = 10.0
_DOCKER_HUB = frozenset({"docker.io", "index.docker.io", "registry.hub.docker.com", "registry-1.docker.io"})
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_WORDS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")


class OutsideImages:
    """Fetches images from outside, each as a job whose end is that of an operation."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._images = world.part(Images)
        self._jobs = world.part(Jobs)
        self._jobs.register(Kind(KIND, self._fetch, ended=self._ended, seconds=_SECONDS))

    def begin(self, operation: str, registry: str, source: str, targets: list[list[str]], *, force: bool) -> None:
        """Start an import.

        Args:
            operation: ID of the operation that waits for it.
            registry: The target registry's name in lowercase.
            source: `docker.io/library/python:3.11-slim`.
            targets: Pairs of repository and tag.
            force: Whether tags that exist are moved.
        """
        data: Document = {"operation": operation, "source": source, "targets": targets, "force": force}
        self._jobs.submit(KIND, f"registry/{registry}", {**data, "registry": registry})

    async def _fetch(self, work: Work) -> None:
        name, archive = local_name(work.data["source"]), work.folder / "image.tar"
        docker = shutil.which("docker") if self._world.setting("container_engine") else None
        if docker is None or not await self._runs(work, docker, "version", "--format", "{{.Server.Version}}"):
            self._add_stand_in(work, name)
            return
        if not _WORDS.fullmatch(name):
            raise ValueError(f"invalid reference format: {name}")
        found = await self._runs(work, docker, "image", "inspect", name)
        if not found and not await self._runs(work, docker, "pull", "--platform", "linux/amd64", name):
            raise LookupError(f"{name} could not be pulled by this machine's container engine")
        if not await self._runs(work, docker, "save", "--output", str(archive), name):
            raise LookupError(f"{name} could not be read from this machine's container engine")
        # Compressing takes seconds of computing: on the event loop, nobody would get a response meanwhile.
        layers, config = await asyncio.to_thread(layers_of, archive, work.folder)
        self._add(work, config, layers)

    async def _runs(self, work: Work, *words: str) -> bool:
        """Run Docker's command; return whether it has succeeded."""
        program = Program(words, work.folder, variables.of_child(os.environ, variables.DOCKER))
        async with work.step(" ".join(Path(word).name for word in words[:3])) as step:
            seconds = _PROBE_SECONDS if words[1] == "version" else None
            return await work.program(program, step, seconds=seconds) == 0

    def _add_stand_in(self, work: Work, name: str) -> None:
        labels = {STAND_IN: f"{name} was not fetched: this machine has no container engine"}
        config = {"architecture": "amd64", "os": "linux", "config": {"Labels": labels}}
        self._add(work, json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": []}}).encode(), [])

    def _add(self, work: Work, config: bytes, layers: list[Path]) -> None:
        registry = work.data["registry"]
        with self._world.store.transaction():
            for repository, tag in work.data["targets"]:
                if not work.data["force"] and self._images.tag(registry, repository, tag) is not None:
                    raise FileExistsError(f"Tag {repository}:{tag} already exists in target registry.")
                parts = [self._images.add(registry, repository, each.read_bytes()) for each in layers]
                settings = self._images.add(registry, repository, config)
                manifest = {
                    "schemaVersion": 2,
                    "mediaType": _MANIFEST,
                    "config": _part(_CONFIG, settings),
                    "layers": [_part(_LAYER, each) for each in parts],
                }
                self._images.put(registry, repository, json.dumps(manifest).encode(), _MANIFEST, [tag])

    def _ended(self, job: Document) -> None:
        """Complete the operation that waits."""
        operation = self._world.operations.find(job["data"]["operation"])
        if operation is not None and operation["status"] == "Running":
            if job["result"] != "succeeded":
                cause = str(job["cause"] or "the import was interrupted").partition(": ")
                operation["error"] = {"code": "ImportFailed", "message": cause[2] or cause[0]}
            operation["due"] = self._world.clock.now()
            self._world.operations.keep(operation)


def _part(media_type: str, blob: Document) -> dict[str, Any]:
    return {"mediaType": media_type, "size": blob["size"], "digest": blob["digest"]}


def local_name(source: str) -> str:
    """Return the name of an image as an engine knows it: `python:3.11-slim` for Docker Hub's."""
    host, _, rest = source.partition("/")
    return rest.removeprefix("library/") if host in _DOCKER_HUB else source


def layers_of(archive: Path, folder: Path) -> tuple[list[Path], bytes]:
    """Return the layers of an image that an engine has saved, compressed, and its configuration.

    Args:
        archive: The file of `docker save`.
        folder: Where the layers are written.
    """
    layers = []
    with tarfile.open(archive) as saved:
        manifest = json.loads(_read(saved, "manifest.json"))[0]
        for number, name in enumerate(manifest["Layers"]):
            content, target = _read(saved, name), folder / f"layer-{number}"
            # Without the time, so that the same layer has the same digest each time.
            target.write_bytes(content if content[:2] == b"\x1f\x8b" else gzip.compress(content, 6, mtime=0))
            layers.append(target)
        return layers, _read(saved, manifest["Config"])


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    if member is None:
        raise ValueError(f"{name} is not a file")
    with member:
        return member.read()
