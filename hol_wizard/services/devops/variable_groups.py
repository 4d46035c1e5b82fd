"""Variable groups of a project, above all those that a key vault is linked to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.services.answers import Document
from hol_wizard.services.devops.connection import Connection, named
from hol_wizard.services.devops.projects import Project, references
from hol_wizard.services.rest import json_object

KEY_VAULT: Final = "AzureKeyVault"


@dataclass(frozen=True, slots=True)
class VariableGroup:
    """A variable group."""

    id: int
    name: str
    kind: str
    """`AzureKeyVault`, or `Vsts` for one with its own values."""
    description: str
    names: tuple[str, ...]
    """Names of its variables."""
    vault: str
    """Name of the key vault; empty without one."""
    connection: str
    """ID of the service connection that reads the vault."""


class VariableGroups(Connection):
    """The variable groups of an organization's projects."""

    def variable_group(self, project: str, name: str) -> VariableGroup | None:
        """Return a project's group with this name; None if there is none.

        Args:
            project: Name or ID.
            name: The group's name.
        """
        found = self._get(
            "/distributedtask/variablegroups", f"the variable group {name}", below=project, groupName=name
        )
        known = named(found, name)
        return _group(known) if known is not None else None

    def link_key_vault(
        self, project: Project, name: str, vault: str, connection: str, names: Sequence[str], description: str
    ) -> VariableGroup:
        """Create a group that offers secrets of a key vault.

        Args:
            project: The project that it belongs to.
            name: The group's name.
            vault: Name of the key vault.
            connection: ID of the service connection that reads it.
            names: Names of the secrets; others of the vault are not offered.
            description: Its description.

        Raises:
            AccessDeniedError: The caller may not create groups, or not use the connection.
            ConflictError: The name is in use.
        """
        body = _body(project, name, vault, connection, names, description)
        reply = self._send("POST", "/distributedtask/variablegroups", f"the variable group {name}", body)
        return _group(json_object(reply, self.url))

    def change_variable_group(
        self, project: Project, found: VariableGroup, vault: str, connection: str, names: Sequence[str]
    ) -> None:
        """Link a group to another vault, by another connection, or with other names; its description stays."""
        body = _body(project, found.name, vault, connection, names, found.description)
        path, thing = f"/distributedtask/variablegroups/{found.id}", f"the variable group {found.name}"
        self._send("PUT", path, thing, body)

    def delete_variable_group(self, project: Project, found: VariableGroup) -> None:
        """Delete a group from a project; the vault stays as it is."""
        path, thing = f"/distributedtask/variablegroups/{found.id}", f"the variable group {found.name}"
        self._send("DELETE", path, thing, projectIds=project.id)


def _body(
    project: Project, name: str, vault: str, connection: str, names: Sequence[str], description: str
) -> dict[str, Any]:
    return {
        "name": name,
        "type": KEY_VAULT,
        "description": description,
        "providerData": {"serviceEndpointId": connection, "vault": vault},
        "variables": {each: {"isSecret": True, "enabled": True, "contentType": "", "value": None} for each in names},
        "variableGroupProjectReferences": references(project, name, description),
    }


def _group(document: Document) -> VariableGroup:
    provider = document.inner("providerData")
    return VariableGroup(
        id=document.required_number("id"),
        name=document.text("name"),
        kind=document.text("type"),
        description=document.text("description"),
        names=tuple(document.inner("variables")),
        vault=provider.text("vault"),
        connection=provider.text("serviceEndpointId"),
    )
