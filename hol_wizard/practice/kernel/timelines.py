"""Timelines: pending, running and completed work as records, each with a log.

Records and their fields are those of Azure DevOps (build/timeline). Usually, a job has its own timeline. Several jobs,
and waits without a job, such as for an approval, can share one: a pipeline's run has one timeline.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Any

from hol_wizard.practice.kernel import job_log
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

ROOT = ""
"""The parent of top-level records."""


class State(StrEnum):
    """The state of a record; jobs use the same words, but `queued` instead of `pending`."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"


class Result(StrEnum):
    """The result of a job or a record."""

    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_ISSUES = "succeededWithIssues"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timedOut"
    SKIPPED = "skipped"
    INTERRUPTED = "interrupted"
    """The practice cloud ended, or was killed, while it was running."""


class Timelines:
    """All timelines. Changes are part of the caller's transaction."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("timelines", self)
        self._records = world.collection("timeline_records", self)
        self._logs = world.folder("job-logs")

    def add(
        self,
        timeline: str,
        name: str,
        *,
        kind: str = "Task",
        parent: str = ROOT,
        identity: str = "",
        order: int = 0,
        job: str = "",
        **details: Any,
    ) -> Document:
        """Add a pending record, and return it; the first one creates the timeline.

        Args:
            timeline: Its ID.
            name: What people read.
            kind: `Stage`, `Phase`, `Job`, `Task`, `Checkpoint`.
            parent: ID of its parent record.
            identity: Its ID; empty for a new one.
            order: Its position among the records with the same parent; 0 for the last.
            job: The job that works on it.
            details: Anything else.
        """
        siblings = [each["order"] for each in self.records(timeline) if each["parent"] == parent]
        record: Document = {
            "id": identity or str(uuid.uuid4()),
            "timeline": timeline,
            "job": job,
            "parent": parent,
            "type": kind,
            "name": name,
            "order": order or max(siblings, default=0) + 1,
            "state": State.PENDING,
            "result": None,
            "started": None,
            "finished": None,
            "log": None,
            "details": details,
        }
        return self._put(record)

    def change(self, timeline: str, record: str, *, details: Document | None = None, **values: Any) -> Document | None:
        """Change a record and return it; None if there is none.

        Args:
            timeline: Its ID.
            record: The record's.
            details: Additions to its details.
            values: Its other fields.
        """
        found = self._records.get(f"{timeline}/{record}")
        if found is None:
            return None
        return self._put({**found, **values, "details": {**found["details"], **(details or {})}})

    def _put(self, record: Document) -> Document:
        """Save a record, and count the change."""
        timeline = record["timeline"]
        record["change"] = self.newest(timeline) + 1
        self._documents.put(timeline, {"change": record["change"]})
        self._records.put(f"{timeline}/{record['id']}", record)
        return record

    def newest(self, timeline: str) -> int:
        """Return the number of the last change; 0 if there was none."""
        found = self._documents.get(timeline)
        return int(found["change"]) if found is not None else 0

    def records(self, timeline: str, since: int = 0) -> list[Document]:
        """Return the records in the order of creation.

        Args:
            timeline: Its ID.
            since: Only records that changed after this change number.
        """
        return [each for _, each in self._records.items(f"{timeline}/") if each["change"] > since]

    def record(self, timeline: str, record: str) -> Document:
        """Return a record.

        Raises:
            KeyError: There is none.
        """
        found = self._records.get(f"{timeline}/{record}")
        if found is None:
            raise KeyError(record)
        return found

    def finish(self, timeline: str, job: str, result: Result) -> None:
        """Complete the records of a job: running ones get the result, pending ones are skipped.

        Args:
            timeline: Its ID.
            job: The job, which has ended.
            result: The result of running records.
        """
        for record in self.records(timeline):
            if record["job"] == job and record["state"] != State.COMPLETED:
                ran = record["state"] == State.RUNNING
                how = {"result": result, "finished": self._world.clock.now()} if ran else {"result": Result.SKIPPED}
                self._put({**record, "state": State.COMPLETED, **how})

    def move(self, timeline: str, records: Collection[str], target: str) -> None:
        """Move records with their logs to another timeline; for the first one, this does not count as a change.

        Args:
            timeline: Its ID.
            records: IDs of the records.
            target: ID of the other timeline, which is created if it does not exist.
        """
        for record in self.records(timeline):
            if record["id"] in records:
                self._records.delete(f"{timeline}/{record['id']}")
                self._put({**record, "timeline": target})
                self._move_log(self.log_file(timeline, record["id"]), self.log_file(target, record["id"]))

    def _move_log(self, source: Path, target: Path) -> None:
        def move() -> None:
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                source.rename(target)

        self._world.store.current.on_commit.append(move)

    def remove(self, timeline: str) -> None:
        """Delete a timeline; its logs are deleted after the transaction is committed."""
        for record in self.records(timeline):
            self._records.delete(f"{timeline}/{record['id']}")
        self._documents.delete(timeline)
        place = self._logs / timeline
        self._world.store.current.on_commit.append(lambda: shutil.rmtree(place, ignore_errors=True))

    def log(self, timeline: str, record: str, first: int = 1, count: int | None = None) -> list[str]:
        """Return lines of a record's log.

        Args:
            timeline: Its ID.
            record: The record's.
            first: Number of the first line, from 1.
            count: Maximum number of lines.
        """
        return job_log.read(self.log_file(timeline, record), first, count)

    def log_file(self, timeline: str, record: str) -> Path:
        """Return the file of a record's log."""
        return self._logs / timeline / f"{record}.log"
