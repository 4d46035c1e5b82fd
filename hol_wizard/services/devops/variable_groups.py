"""Variable groups of a project: with values of their own, or linked to a key vault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hol_wizard.services.answers import Document
from hol_wizard.services.devops.connection import Connection, named
from hol_wizard.services.devops.projects import Project, references
from hol_wizard.services.rest import json_object

KEY_VAULT: Final = "AzureKeyVault"
PLAIN: Final = "Vsts"


@dataclass(frozen=True, slots=True)
class VariableGroup:
    """A variable group."""

    id: int
    name: str
    kind: str
    """`AzureKeyVault`, or `Vsts` for one with its own values (recorded with az)."""
    description: str
    names: tuple[str, ...]
    """Names of its variables."""
    vault: str
    """Name of the key vault; empty without one."""
    connection: str
    """ID of the service connection that reads the vault."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Its own values that are not secret, by name."""


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

    def create_variable_group(
        self, project: Project, name: str, values: Mapping[str, str], description: str
    ) -> VariableGroup:
        """Create a group with values of its own, none of which is secret.

        Raises:
            AccessDeniedError: The caller may not create groups.
            ConflictError: The name is in use.
        """
        body = _plain(project, name, values, description)
        reply = self._send("POST", "/distributedtask/variablegroups", f"the variable group {name}", body)
        return _group(json_object(reply, self.url))

    def change_values(self, project: Project, found: VariableGroup, values: Mapping[str, str]) -> None:
        """Give a group these values; its secrets and its description stay."""
        body = _plain(project, found.name, values, found.description)
        # The service keeps a secret that is sent without its value.
        secrets = {each: {"value": None, "isSecret": True} for each in found.names if each not in found.values}
        body["variables"] = {**secrets, **body["variables"]}
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


def _plain(project: Project, name: str, values: Mapping[str, str], description: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": PLAIN,
        "description": description,
        "variables": {each: {"value": value, "isSecret": False} for each, value in values.items()},
        "variableGroupProjectReferences": references(project, name, description),
    }


def _group(document: Document) -> VariableGroup:
    provider, variables = document.inner("providerData"), document.inner("variables")
    return VariableGroup(
        id=document.required_number("id"),
        name=document.text("name"),
        kind=document.text("type"),
        description=document.text("description"),
        names=tuple(variables),
        vault=provider.text("vault"),
        connection=provider.text("serviceEndpointId"),
        values={
            name: variables.inner(name).text("value") for name in variables if not variables.inner(name).get("isSecret")
        },
    )
