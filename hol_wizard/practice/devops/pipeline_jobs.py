"""The jobs of pipelines that run now, their access tokens, and the identity that these are of.

azure/devops/pipelines/process/access-tokens: a job has a token of its own, which ends with the job. With the job
authorization scope of new projects, "limit to current project", it is the token of the project's build service,
which can read the code and the builds of this project only. Here that identity is a reader of its project: on the
service it may also change some things, such as tags of builds.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


@dataclass(frozen=True)
class BuildService(seed.Principal):
    """The identity `PROJECT Build Service (ORGANIZATION)`."""

    organization: str = ""
    project: str = ""
    """The ID of its project."""


class PipelineJobs(Register):
    """The jobs that run now, by the ID of their timeline record, with what they may request for themselves.

    Documents: `id`, `plan`, `project` (ID, name and organization), `digest` (SHA-256 of the token) and `connections`
    (IDs of those that it may use). The service of pipelines adds and removes them.
    """

    collection = "devops_pipeline_jobs"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        # A job of an earlier server, or of the time before a snapshot was restored, no longer runs.
        world.on_replaced(self._forget_all)

    def begin(self, identity: str, plan: str, project: Document, connections: Sequence[str]) -> str:
        """Record that a job of a project runs, and return its access token, which is not stored."""
        token = secrets.token_urlsafe(48)
        about = {each: project[each] for each in ("id", "name", "organization")}
        document = {"id": identity, "plan": plan, "project": about, "connections": list(connections)}
        self.keep({**document, "digest": objects.digest(token)})
        return token

    def holder(self, token: str) -> BuildService | None:
        """Return whose access token it is; None if no running job has it."""
        digest = objects.digest(token)
        for each in self.all():
            if each["digest"] == digest:
                project, organization = each["project"], str(each["project"]["organization"])
                name = f"{project['name']} Build Service ({organization})"
                identity = seed.fixed_id(f"build service {project['id']}")
                return BuildService(identity, f"Build\\{project['id']}", name, "", organization, project["id"])
        return None

    def _forget_all(self) -> None:
        with self._world.store.transaction():
            for each in self.all():
                self.remove(each["id"])
