"""Environments of a project, and what was deployed to them (Distributed Task - Environments, 7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from hol_wizard.services.answers import Document
from hol_wizard.services.devops.connection import Connection, named
from hol_wizard.services.rest import json_object


@dataclass(frozen=True, slots=True)
class DeployedEnvironment:
    """An environment, which a stage deploys to."""

    id: int
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """One job that has deployed to an environment."""

    run: int
    """ID of the pipeline's run."""
    result: str
    """`succeeded`, `failed`, …; empty while it goes on."""


class Environments(Connection):
    """The environments of an organization's projects."""

    def environment(self, project: str, name: str) -> DeployedEnvironment | None:
        """Return a project's environment with this name; None if there is none.

        Args:
            project: Name or ID.
            name: The environment's name.
        """
        path, thing = "/distributedtask/environments", f"the environment {name}"
        found = named(self._get(path, thing, below=project, name=name), name)
        return _environment(found) if found is not None else None

    def create_environment(self, project: str, name: str, description: str) -> DeployedEnvironment:
        """Create an environment without resources.

        Raises:
            AccessDeniedError: The caller may not create environments.
            ConflictError: The name is in use.
        """
        body, thing = {"name": name, "description": description}, f"the environment {name}"
        reply = self._send("POST", "/distributedtask/environments", thing, body, below=project)
        return _environment(json_object(reply, self.url))

    def delete_environment(self, project: str, found: DeployedEnvironment) -> None:
        """Delete an environment with its history and its checks."""
        path = f"/distributedtask/environments/{found.id}"
        self._send("DELETE", path, f"the environment {found.name}", below=project)

    def deployments(self, project: str, environment: int) -> list[Deployment]:
        """Return the newest deployments to an environment, the newest first."""
        path = f"/distributedtask/environments/{environment}/environmentdeploymentrecords"
        found = self._get(path, "the deployments", below=project, top="50")
        return [
            Deployment(run=each.inner("owner").number("id"), result=each.text("result"))
            for each in found.objects("value")
        ]


def _environment(document: Document) -> DeployedEnvironment:
    return DeployedEnvironment(document.required_number("id"), document.text("name"), document.text("description"))
