"""Runs of build pipelines: queue, follow and cancel them, and read what they leave (Build, 7.1)."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from hol_wizard.errors import InconclusiveError, NotFoundError
from hol_wizard.services.answers import Document, moment, pages
from hol_wizard.services.devops.connection import VERSION, Connection, ask
from hol_wizard.services.devops.repositories import HEADS
from hol_wizard.services.rest import Reply, json_object

COMPLETED: Final = "completed"
SUCCEEDED: Final = "succeeded"
_PAGE: Final = 200
_MOST_BYTES: Final = 200 << 20
"""Maximum size of what an artifact unpacks to."""


@dataclass(frozen=True, slots=True)
class Build:
    """One run of a pipeline."""

    id: int
    number: str
    status: str
    """`notStarted`, `inProgress`, `cancelling` or `completed`."""
    result: str
    """`succeeded`, `partiallySucceeded`, `failed` or `canceled`; empty until it has completed."""
    commit: str
    branch: str
    """Without `refs/heads/`."""
    reason: str
    """What started it: `manual`, `individualCI`, …"""
    page: str
    started: datetime | None
    problems: tuple[str, ...] = ()
    """What the service found wrong with the file or the run."""
    tags: tuple[str, ...] = ()
    requester: str = ""
    """ID of the person that it runs for."""
    finished: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it has completed."""
        return self.status.lower() == COMPLETED

    @property
    def succeeded(self) -> bool:
        """Whether it has succeeded."""
        return self.ended and self.result == SUCCEEDED


@dataclass(frozen=True, slots=True)
class Record:
    """A part of a run: a stage, a job, a step, or something that it waits for."""

    id: str
    parent: str
    kind: str
    """`Stage`, `Job`, `Task`, `Checkpoint.Authorization`, …"""
    name: str
    state: str
    """`pending`, `inProgress` or `completed`."""
    result: str
    order: int
    log: int
    """Number of its log; 0 until the step has ended."""
    issues: tuple[str, ...] = ()
    """Its errors."""
    identifier: str = ""
    """Its name in the file: `QA`, `QA.promote`."""


class Builds(Connection):
    """The runs of an organization's pipelines."""

    def builds(self, project: str, pipeline: int, branch: str, *, deleted: bool = False) -> list[Build]:
        """Return the runs of a pipeline, the newest first.

        Args:
            project: Name or ID.
            pipeline: ID of the pipeline.
            branch: Without `refs/heads/`; empty for all.
            deleted: Whether to include those that somebody has deleted.
        """
        query = {"definitions": str(pipeline), "queryOrder": "queueTimeDescending", "$top": str(_PAGE)}
        if branch:
            query["branchName"] = f"{HEADS}{branch}"
        if deleted:
            query["deletedFilter"] = "includeDeleted"

        def read(token: str) -> Reply:
            more = {"continuationToken": token} if token else {}
            return self._send("GET", "/build/builds", "the runs of the pipeline", below=project, **query, **more)

        read_pages = pages(read, lambda reply: reply.headers.get("x-ms-continuationtoken", ""))
        return [_build(each) for page in read_pages for each in json_object(page, self.url).objects("value")]

    def build(self, project: str, number: int) -> Build | None:
        """Return a run by its ID; None if it was deleted."""
        try:
            return _build(self._get(f"/build/builds/{number}", f"the run {number}", below=project))
        except NotFoundError:
            return None

    def queue_build(self, project: str, pipeline: int, branch: str, commit: str) -> Build:
        """Start a run of a commit.

        Raises:
            ConflictError: The file is not valid, or names something that does not exist.
            AccessDeniedError: The caller may not queue runs.
        """
        body = {
            "definition": {"id": pipeline},
            "sourceBranch": f"{HEADS}{branch}",
            "sourceVersion": commit,
            "reason": "manual",
        }
        return _build(json_object(self._send("POST", "/build/builds", "the run", body, below=project), self.url))

    def cancel_build(self, project: str, number: int) -> None:
        """Cancel a run, which may continue with steps that must still run."""
        self._send("PATCH", f"/build/builds/{number}", f"the run {number}", {"status": "cancelling"}, below=project)

    def delete_build(self, project: str, number: int) -> None:
        """Delete a run that has completed."""
        self._send("DELETE", f"/build/builds/{number}", f"the run {number}", below=project)

    def timeline(self, project: str, number: int) -> list[Record]:
        """Return the parts of a run; none before it has begun."""
        try:
            found = self._get(f"/build/builds/{number}/timeline", f"the run {number}", below=project)
        except NotFoundError:
            return []
        return [_record(each) for each in found.some("records")]

    def log(self, project: str, number: int, log: int) -> list[str]:
        """Return the lines of the log of a step that has ended."""
        path = f"/build/builds/{number}/logs/{log}"
        reply = self._send("GET", path, f"the log {log}", below=project)
        if isinstance(reply.body, str):
            return reply.body.splitlines()
        return [str(each) for each in json_object(reply, self.url).get("value") or ()]

    def artifact(self, project: str, number: int, name: str) -> dict[str, bytes] | None:
        """Return the files of an artifact by their paths in it; None if the run has no artifact of this name.

        Raises:
            InconclusiveError: The archive cannot be read.
        """
        url, thing = self._address(f"/build/builds/{number}/artifacts", project), f"the artifact {name}"
        query = {"artifactName": name, "$format": "zip"}
        try:
            reply = ask(self._rest, "GET", url, thing, None, VERSION, query, raw=True)
        except NotFoundError:
            return None
        try:
            with zipfile.ZipFile(io.BytesIO(bytes(reply.body))) as archive:
                listed = [each for each in archive.infolist() if not each.is_dir()]
                if sum(each.file_size for each in listed) > _MOST_BYTES:
                    raise InconclusiveError(f"{thing} is larger than {_MOST_BYTES >> 20} MB.", "Check it on the page.")
                # The artifact's name is the top folder.
                return {str(PurePosixPath(*PurePosixPath(e.filename).parts[1:])): archive.read(e) for e in listed}
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InconclusiveError(f"{thing} cannot be read: {error}.", "Check again in a minute.") from error


def _build(document: Document) -> Build:
    return Build(
        id=document.required_number("id"),
        number=document.text("buildNumber"),
        status=document.text("status"),
        result=document.text("result"),
        commit=document.text("sourceVersion"),
        branch=document.text("sourceBranch").removeprefix(HEADS),
        reason=document.text("reason"),
        page=document.inner("_links").inner("web").text("href"),
        started=moment(document.text("startTime")),
        problems=tuple(each.text("message") for each in document.some("validationResults")),
        tags=tuple(str(each) for each in document.get("tags") or ()),
        requester=document.inner("requestedFor").text("id").lower(),
        finished=moment(document.text("finishTime")),
    )


def _record(document: Document) -> Record:
    return Record(
        id=document.text("id"),
        parent=document.text("parentId"),
        kind=document.text("type"),
        name=document.text("name"),
        state=document.text("state"),
        result=document.text("result"),
        order=document.number("order"),
        log=document.inner("log").number("id"),
        issues=tuple(each.text("message") for each in document.some("issues") if each.text("type") == "error"),
        identifier=document.text("identifier"),
    )
