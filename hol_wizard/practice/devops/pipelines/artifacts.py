"""The artifacts of runs: files that a run publishes, kept until the practice cloud is reset."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Artifact, HostError, RunKey

PIPELINE: Final = "PipelineArtifact"
CONTAINER: Final = "Container"
MOST_BYTES: Final = 200 << 20
"""Maximum size of an artifact here; the service has no such limit."""


class Artifacts(NumberedRegister):
    """The artifacts of every run, by the run and their names."""

    collection = "devops_artifacts"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._builds = world.part(Builds)

    def key(self, document: Document) -> str:
        """Return the key of an artifact."""
        return f"{document['project']}/{document['run']}/{document['name']}"

    def of(self, key: RunKey) -> list[Document]:
        """Return the artifacts of a run in the order of publication."""
        return [each for each in self.all() if (each["project"], each["run"]) == (key.project, key.run)]

    def named(self, key: RunKey, name: str) -> Document | None:
        """Return an artifact of a run by its name, case-insensitively, or None."""
        return self.find(f"{key.project}/{key.run}/{name}")

    def folder(self, artifact: Document) -> Path:
        """Return the folder with the files of an artifact."""
        key = RunKey(artifact["project"], 0, int(artifact["run"]))
        return self._builds.folder(key, "artifacts", artifact["folder"])

    def published(self, key: RunKey) -> list[Artifact]:
        """Return the artifacts of a run for the steps of a run."""
        return [Artifact(each["name"], each["kind"], self.folder(each)) for each in self.of(key)]

    async def publish(self, key: RunKey, artifact: Artifact, record: str) -> None:
        """Copy the files of an artifact; called outside of a transaction.

        A pipeline artifact is published once (azure/devops/pipelines/artifacts/pipeline-artifacts: "can't be ...
        overwritten"); a build artifact of the same name adds files.

        Raises:
            HostError: There is one with this name, or it is too large.
        """
        there = self.named(key, artifact.name)
        if there is not None and PIPELINE in {artifact.kind, there["kind"]}:
            # The text is public (azure-pipelines-tasks issues about a second upload).
            raise HostError(f"Artifact {artifact.name} already exists for build {key.run}.")
        size = await asyncio.to_thread(_size, artifact.folder)
        if size > MOST_BYTES:
            raise HostError(f"The practice cloud keeps artifacts of at most {MOST_BYTES >> 20} MiB.")
        folder = there["folder"] if there is not None else uuid.uuid4().hex
        target = self._builds.folder(key, "artifacts", folder)
        await asyncio.to_thread(_copy, artifact.folder, target)
        with self._world.store.transaction():
            if there is None and self.named(key, artifact.name) is not None:
                shutil.rmtree(target, ignore_errors=True)
                raise HostError(f"Artifact {artifact.name} already exists for build {key.run}.")
            kept: Document = there or {
                "id": self.next_number(),
                "project": key.project,
                "run": key.run,
                "name": artifact.name,
                "kind": artifact.kind,
                "folder": folder,
                "record": record,
                "created": self._world.clock.now(),
            }
            self.keep({**kept, "size": _size(target)})


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files below a folder, each with its path in the folder, in order."""
    found = [Path(place, name) for place, _, names in os.walk(folder) for name in names]
    for each in sorted(found):
        yield each.relative_to(folder).as_posix(), each


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for _, each in files_of(folder) if each.is_file())


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, each in files_of(source):
        if each.is_file():
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            # A link is followed: its target may be outside of the artifact, where it would not last.
            shutil.copyfile(each, place)


def zipped(folder: Path, top: str) -> bytes:
    """Return the files of a folder as a zip archive, below a folder with the artifact's name."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, each in files_of(folder):
            archive.write(each, f"{top}/{name}")
    return written.getvalue()
