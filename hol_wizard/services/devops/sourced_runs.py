"""Runs of a pipeline that uses a run of another pipeline (Pipelines - Runs, 7.1; no answer of it is recorded)."""

from __future__ import annotations

from dataclasses import dataclass

from hol_wizard.services.devops.connection import Connection
from hol_wizard.services.rest import json_object


@dataclass(frozen=True, slots=True)
class Source:
    """The run of another pipeline that a run uses."""

    pipeline: int
    """ID of the other pipeline."""
    number: str
    """Number of its run: `20261128.3`."""


class SourcedRuns(Connection):
    """The runs of an organization's pipelines, with what they use."""

    def source(self, project: str, pipeline: int, run: int, alias: str) -> Source | None:
        """Return the run of another pipeline that a run uses under an alias; None if it uses none."""
        path = f"/pipelines/{pipeline}/runs/{run}"
        found = self._get(path, f"the run {run}", below=project).inner("resources").inner("pipelines").inner(alias)
        if not found:
            return None
        return Source(found.inner("pipeline").number("id"), found.text("version"))

    def run_with_source(self, project: str, pipeline: int, branch: str, commit: str, alias: str, number: str) -> int:
        """Start a run of a commit that uses a run of another pipeline, and return its ID.

        Args:
            project: Name or ID.
            pipeline: ID of the pipeline.
            branch: Its branch, without `refs/heads/`.
            commit: The commit.
            alias: The other pipeline's name in the file.
            number: Number of the other pipeline's run.

        Raises:
            ConflictError: The file is not valid, or names something that does not exist.
            AccessDeniedError: The caller may not queue runs.
        """
        own = {"refName": f"refs/heads/{branch}", "version": commit}
        body = {"resources": {"repositories": {"self": own}, "pipelines": {alias: {"version": number}}}}
        reply = self._send("POST", f"/pipelines/{pipeline}/runs", "the run", body, below=project)
        return json_object(reply, self.url).required_number("id")
