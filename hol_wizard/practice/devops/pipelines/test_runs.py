"""Test runs, coverage and attachments that runs publish."""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Coverage, PublishedTests, RunKey

FIRST_RESULT: Final = 100_000
"""ID of the first result of every run (official examples)."""
OUTPUT_FILE: Final = "Standard_Console_Output.log"
"""Name of the attachment with the output of a test (azure-pipelines-agent, JUnitResultReader.cs)."""


class TestRuns(NumberedRegister):
    """The test runs of every organization, without their results."""

    __test__ = False  # not a class of tests
    collection = "devops_test_runs"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._builds = world.part(Builds)
        self._cases = world.collection("devops_test_results", self)

    def of(self, project: str) -> list[Document]:
        """Return the test runs of a project."""
        return [each for each in self.all() if each["project"] == project]

    def of_build(self, key: RunKey) -> list[Document]:
        """Return the test runs of a build."""
        return [each for each in self.of(key.project) if each["build"] == key.run]

    def cases(self, run: Document) -> list[Document]:
        """Return the results of a test run."""
        found = self._cases.get(str(run["id"]))
        return list(found["cases"]) if found is not None else []

    def attachment(self, run: Document, kept: Document) -> Path:
        """Return the file of an attachment of a test run."""
        return self._builds.folder(RunKey(run["project"], 0, run["build"]), "tests", kept["file"])

    async def publish(self, key: RunKey, tests: PublishedTests) -> None:
        """Save a test run, and copy its attachments; called outside of a transaction."""
        folder = self._builds.folder(key, "tests")
        attachments = []
        for number, file in enumerate(tests.attachments, 1):
            name = uuid.uuid4().hex
            size = await asyncio.to_thread(_copy, file, folder / name)
            attachments.append({"id": number, "name": file.name, "file": name, "size": size})
        now = self._world.clock.now()
        run: Document = {
            "project": key.project,
            "build": key.run,
            "name": tests.name,
            "started": tests.started or now,
            "completed": tests.completed or now,
            "created": now,
            "platform": tests.platform,
            "configuration": tests.configuration,
            "attachments": attachments,
        }
        counts: dict[str, int] = {}
        for case in tests.cases:
            counts[case.outcome] = counts.get(case.outcome, 0) + 1
        with self._world.store.transaction():
            run["id"] = self.next_number()
            self.keep({**run, "counts": counts})
            self._cases.put(str(run["id"]), {"cases": [asdict(each) for each in tests.cases]})


class Coverages(Register):
    """The coverage of every build that has some."""

    collection = "devops_coverage"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._builds = world.part(Builds)

    def key(self, document: Document) -> str:
        """Return the key of a build's coverage."""
        return f"{document['project']}/{document['build']}"

    def of_build(self, key: RunKey) -> Document | None:
        """Return the coverage of a build, or None."""
        return self.find(f"{key.project}/{key.run}")

    async def publish(self, key: RunKey, coverage: Coverage) -> None:
        """Save coverage, and copy its file; what is published later replaces it. Called outside of a transaction."""
        target = self._builds.folder(key, "coverage", coverage.summary.name)
        await asyncio.to_thread(_copy, coverage.summary, target)
        kept = {
            "project": key.project,
            "build": key.run,
            "statistics": [asdict(each) for each in coverage.statistics],
            "modules": [list(each) for each in coverage.modules],
            "file": coverage.summary.name,
        }
        with self._world.store.transaction():
            self.keep(kept)


class Attachments(Register):
    """The attachments of timeline records: summaries, and files that a step has uploaded."""

    collection = "devops_attachments"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._builds = world.part(Builds)

    def key(self, document: Document) -> str:
        """Return the key of an attachment."""
        return "/".join(str(document[each]) for each in ("project", "build", "record", "kind", "name"))

    def of_build(self, key: RunKey) -> Sequence[Document]:
        """Return the attachments of a build."""
        return [each for each in self.all() if (each["project"], each["build"]) == (key.project, key.run)]

    def file(self, kept: Document) -> Path:
        """Return the file of an attachment."""
        return self._builds.folder(RunKey(kept["project"], 0, kept["build"]), "attachments", kept["file"])

    async def add(self, key: RunKey, record: str, kind: str, name: str, file: Path) -> None:
        """Copy an attachment of a record; called outside of a transaction."""
        stored = uuid.uuid4().hex
        await asyncio.to_thread(_copy, file, self._builds.folder(key, "attachments", stored))
        kept = {"project": key.project, "build": key.run, "record": record, "kind": kind, "name": name, "file": stored}
        with self._world.store.transaction():
            self.keep(kept)


def _copy(source: Path, target: Path) -> int:
    """Copy a file, and return its size."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return target.stat().st_size
