"""Variable groups: values that pipelines share, their own ones or the secrets of a key vault.

Operations: Variablegroups - Add, Update, Delete, Get, Get Variable Groups, Get Variable Groups By Id (distributedTask
7.1; recorded, also below a project, as the Azure CLI sends them). A name that is in use is a 409, and a group that does
not exist a `null`: both verified against the service by a public client (devops-mcp, `test_variable_groups`). Groups of
key vaults are in no recording: their form is that of the description and of `AzureKeyVaultVariableGroupProviderData` in
azure-devops 7.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from hol_wizard.practice.devops import access, errors, paging
from hol_wizard.practice.devops.members import identity_ref
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.pipeline_permissions import VARIABLE_GROUP, PipelinePermissions
from hol_wizard.practice.devops.pipelines.definition_body import with_kept_secret
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.service_connections import ServiceConnections, ServiceConnectionsService
from hol_wizard.practice.directory.assertions import RejectedError
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, member, members
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault import access as vault_access
from hol_wizard.practice.key_vault.service import Secrets

_PLAIN: Final = "Vsts"
_VAULT: Final = "AzureKeyVault"
_SPACE: Final = "Microsoft.TeamFoundation.DistributedTask.WebApi"
_ADVICE: Final = (
    "The specified Azure service connection needs to have Get, List secret management permissions on the selected key "
    "vault. To set these permissions, download the ProvisionKeyVaultPermissions.ps1 script from build/release logs and "
    "execute it, or set them from the Azure portal."
)
"""What the task Azure Key Vault adds to a 403 of the vault (azure-pipelines-tasks, AzureKeyVaultV2)."""


class UnreadableError(Exception):
    """The values of a group, or secrets of a vault, cannot be read; the message is for the log of the job."""


class VariableGroups(NumberedRegister):
    """The variable groups of every organization, by number."""

    collection = "devops_variable_groups"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world
        self._connections = world.part(ServiceConnections)
        world.part(PipelinePermissions).knows(VARIABLE_GROUP, self._name_in)

    def in_project(self, project: str) -> list[Document]:
        """Return the groups of a project by its ID."""
        return [each for each in self.all() if project in each["projects"] and not each["deleted"]]

    def named(self, project: str, name: str) -> Document | None:
        """Return the group with this name in a project; None if there is none."""
        found = (each for each in self.in_project(project) if each["projects"][project].lower() == name.lower())
        return next(found, None)

    def _name_in(self, project: str, identity: str) -> str | None:
        found = self.find(identity)
        return None if found is None or found["deleted"] or project not in found["projects"] else str(found["name"])

    def vault(self, group: Document) -> str:
        """Return the name of the key vault of a group; empty if its values are its own."""
        return str(group["provider"].get("vault", "")) if group["type"] == _VAULT else ""

    def values(self, project: str, group: Document) -> dict[str, tuple[str, bool]]:
        """Return the values of a group for a job that starts, and whether each is secret.

        Those of a vault are read now, with the identity of the group's connection, and only the chosen names.

        Args:
            project: The project's ID.
            group: The group.

        Raises:
            UnreadableError: They cannot be read.
        """
        if group["type"] != _VAULT:
            variables = group["variables"].items()
            return {name: (str(each.get("value") or ""), bool(each.get("isSecret"))) for name, each in variables}
        connection = self._connections.named(project, str(group["provider"].get("serviceEndpointId", "")))
        if connection is None:
            message = f"The service connection of the variable group {group['name']} does not exist anymore."
            raise UnreadableError(message)
        found = self.secrets(connection, self.vault(group), list(group["variables"]))
        return {name: (value, True) for name, value in found.items()}

    def secrets(self, connection: Document, vault: str, names: list[str]) -> dict[str, str]:
        """Return secrets of a vault, read with the identity of a service connection, as the task Azure Key Vault does.

        An expired secret is refused: what the service does with one is not known to us.

        Args:
            connection: The connection.
            vault: The vault's name.
            names: The names; empty for all secrets that are enabled.

        Raises:
            UnreadableError: Entra ID rejects the sign-in, or the vault refuses a secret.
        """
        try:
            who = self._connections.sign_in(connection)
        except RejectedError as error:
            raise UnreadableError(f"Entra ID rejected the token issued by Azure DevOps: {error.message}") from error
        if (found := vault_access.vault_named(self._world, vault)) is None or found["state"] != "Succeeded":
            raise UnreadableError(f"getaddrinfo ENOTFOUND {vault}.vault.azure.net")
        kept, now = self._world.part(Secrets), self._world.clock.now()
        if not names:
            with _read("*"):
                vault_access.allowed(self._world, vault, "", who.id, who.app_id, vault_access.LIST)
            usable = (each for each in kept.of(found["name"], deleted=False) if not kept.busy(each))
            names = [each["name"] for each in usable if each["versions"][-1]["attributes"]["enabled"]]
        values = {}
        for name in names:
            with _read(name):
                vault_access.allowed(self._world, vault, name, who.id, who.app_id, vault_access.GET)
                secret = kept.find(found["name"], name)
                if secret is None or secret["deleted"] or kept.busy(secret):
                    raise vault_access.missing(name)
                version = secret["versions"][-1]
                vault_access.require_usable(version, now)
            if version["attributes"].get("exp", now + 1) <= now:
                raise UnreadableError(f'{name}: "The secret has expired."')
            values[name] = str(version["value"])
        return values


class VariableGroupsService:
    """Handles the requests about variable groups."""

    def __init__(
        self, world: World, router: Router, projects: Projects, connections: ServiceConnectionsService
    ) -> None:
        self._world = world
        self._projects = projects
        self._groups = world.part(VariableGroups)
        self._connections = world.part(ServiceConnections)
        self._connection_rights = connections
        for path in (
            "/{organization}/_apis/distributedtask/variablegroups",
            "/{organization}/{project}/_apis/distributedtask/variablegroups",
        ):
            router.add("POST", path, self._create)
            router.add("PUT", f"{path}/{{id}}", self._update)
            router.add("DELETE", f"{path}/{{id}}", self._delete, honors="projectIds")
        router.add(
            "GET",
            path,
            self._list,
            honors=f"groupName groupIds queryOrder {paging.PARAMETERS}",
            ignores="actionFilter loadSecrets top",
        )
        router.add("GET", f"{path}/{{id}}", self._get)

    # Who may

    def _manages(self, organization: Organization, request: Request, project: Document, group: Document) -> bool:
        return request.who.id == group["creator"] or self._projects.administers(organization, request.who, project)

    def _check_creator(self, request: Request, organization: Organization, projects: Iterable[str]) -> None:
        """Make sure that the caller may create groups in projects, also to share an existing one: an estimate.

        Contributors are creators ("Library", security); the text is an estimate.
        """
        for identity in projects:
            project = self._projects.find(organization, request.who, identity)
            if not self._projects.creates(organization, request.who, project):
                message = "You do not have permissions to create variable groups in this project."
                raise errors.refused(403, message, "AccessDeniedException", _SPACE)

    def _managed(self, request: Request) -> tuple[Organization, Document]:
        """Return the group of the path, if the caller may change it; the error's text is an estimate."""
        organization, found = access.organization(request), self._groups.find(request.match["id"])
        if found is None or found["deleted"] or found["organization"] != organization.name:
            raise _no_group(request.match["id"])
        for identity in found["projects"]:
            project = self._projects.find(organization, request.who, identity)
            if not self._manages(organization, request, project, found):
                message = (
                    f"You do not have permissions to perform this operation on the variable group {found['name']}."
                )
                message += " An Administrator of the variable group has them."
                raise errors.refused(403, message, "AccessDeniedException", _SPACE)
        return organization, found

    # Requests

    def _given(self, request: Request, organization: Organization, before: JsonObject) -> Document:
        """Return the members of a group that a body sets.

        A secret whose value is null keeps the one that it has (terraform-provider-azuredevops issue 1433).

        Args:
            request: The request.
            organization: Its organization.
            before: The variables of the group until now.

        Raises:
            Refused: They are incomplete, or name a connection that the caller may not use.
        """
        body = request.json
        name, kind = str(body.get("name") or "").strip(), str(body.get("type") or _PLAIN)
        if not name:
            raise _invalid("The name of a variable group cannot be empty.")
        if kind not in {_PLAIN, _VAULT}:
            raise _invalid(f"Variable group type {kind} is not valid.")
        given = member(body, "variables")
        if not given:
            raise _invalid("No variables specified. A variable group must have at least one variable.")
        variables = {key: member(given, key) for key in given}
        projects = self._references(request, organization, name)
        provider = member(body, "providerData")
        if kind == _VAULT:
            self._check_provider(request, organization, projects, provider)
            kept = ("enabled", "contentType", "expires")
            variables = {
                key: {**{each: value.get(each) for each in kept}, "isSecret": True, "value": None}
                for key, value in variables.items()
            }
        else:
            variables = {key: with_kept_secret(each, before.get(key) or {}) for key, each in variables.items()}
        return {
            "name": name,
            "type": kind,
            "description": str(body.get("description") or ""),
            "variables": variables,
            "provider": provider,
            "projects": projects,
        }

    def _references(self, request: Request, organization: Organization, name: str) -> dict[str, str]:
        """Return the names of the group by project; below a project, it belongs to that one (recorded)."""
        references = members(request.json, "variableGroupProjectReferences")
        found = self._projects.referenced(request, organization, references)
        if not found:
            raise _invalid("At least one project reference is needed for a variable group.")
        return {identity: str(each.get("name") or name) for identity, each in found}

    def _check_provider(
        self, request: Request, organization: Organization, projects: dict[str, str], provider: JsonObject
    ) -> None:
        """Refuse a vault without a name, and a connection that is not there or not the caller's to use."""
        if not str(provider.get("vault") or ""):
            raise _invalid("A variable group of a key vault needs the name of the vault.")
        wanted = str(provider.get("serviceEndpointId") or "").lower()
        found = self._connections.find(wanted)
        for identity in projects:
            project = self._projects.find(organization, request.who, identity)
            if found is None or identity not in found["projects"]:
                message = f"Service connection {wanted} could not be found."  # an estimate
                raise errors.refused(400, message, "ServiceEndpointNotFoundException", _SPACE)
            if not self._connection_rights.manages(organization, request.who, project, found):
                # An estimate: "at save: endpoint not authorized".
                message = f"You do not have permissions to use the service connection {wanted}."
                raise errors.refused(403, message, "AccessDeniedException", _SPACE)

    def _free(self, projects: dict[str, str], *, but: str = "") -> None:
        for project, name in projects.items():
            found = self._groups.named(project, name)
            if found is not None and found["id"] != but:
                raise errors.refused(
                    409, f"Variable group '{name}' already exists.", "VariableGroupExistsException", _SPACE
                )

    def _create(self, request: Request) -> Response:
        organization = access.organization(request)
        given = self._given(request, organization, {})
        self._check_creator(request, organization, given["projects"])
        self._free(given["projects"])
        now = self._world.clock.now()
        group: Document = {
            **given,
            "id": str(self._groups.next_number()),
            "organization": organization.name,
            "creator": request.who.id,
            "created": now,
            "changer": request.who.id,
            "changed": now,
            "deleted": False,
        }
        self._groups.keep(group)
        return Response(200, self.shown(group))

    def _update(self, request: Request) -> Response:
        organization, found = self._managed(request)
        given = self._given(request, organization, found["variables"])
        self._check_creator(request, organization, set(given["projects"]) - set(found["projects"]))
        self._free(given["projects"], but=found["id"])
        group = {**found, **given, "changer": request.who.id, "changed": self._world.clock.now()}
        self._groups.keep(group)
        return Response(200, self.shown(group))

    def _delete(self, request: Request) -> Response:
        """Delete a group from the projects that are named, or from that of the path (recorded: 204)."""
        organization, found = self._managed(request)
        projects = self._projects.chosen(request, organization)
        if not projects:
            raise _invalid("At least one project ID is needed to delete a variable group.")
        for identity in projects:
            if found["projects"].pop(identity, None) is None:
                raise _no_group(found["id"])
            self._world.part(PipelinePermissions).forget(identity, VARIABLE_GROUP, found["id"])
        # It stays in the collection, so that no number is used twice.
        self._groups.keep({**found, "deleted": not found["projects"]})
        return Response(204)

    def _list(self, request: Request) -> Response:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        found = self._groups.in_project(project["id"])
        name = request.query.get("groupname", "").lower()
        if name:
            found = [each for each in found if _matches(name, each["projects"][project["id"]].lower())]
        ids = paging.words(request, "groupIds")
        if ids:
            found = [each for each in found if each["id"] in ids]
        # "Sort order of results; it defaults to IdDescending".
        ascending = request.query.get("queryorder", "").lower() in {"idascending", "0"}
        found.sort(key=lambda each: int(each["id"]), reverse=not ascending)
        return paging.page(request, [self.shown(each) for each in found])

    def _get(self, request: Request) -> Response:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        found = self._groups.find(request.match["id"])
        if found is None or found["deleted"] or project["id"] not in found["projects"]:
            return Response(200, "null")
        return Response(200, self.shown(found))

    def shown(self, group: Document) -> JsonObject:
        """Return a group (VariableGroup); secret values are never shown."""
        variables = {
            name: {**each, **({"value": None} if each.get("isSecret") else {})}
            for name, each in group["variables"].items()
        }
        provider = {"providerData": group["provider"]} if group["type"] == _VAULT else {}
        references = [
            {
                "projectReference": {"id": identity, "name": self._projects.name_of(identity)},
                "name": name,
                "description": group["description"],
            }
            for identity, name in group["projects"].items()
        ]
        return {
            "variables": variables,
            "id": int(group["id"]),
            "type": group["type"],
            "name": group["name"],
            "description": group["description"],
            **provider,
            "createdBy": identity_ref(self._world, group["organization"], group["creator"]),
            "createdOn": timestamp(group["created"]),
            "modifiedBy": identity_ref(self._world, group["organization"], group["changer"]),
            "modifiedOn": timestamp(group["changed"]),
            "isShared": len(group["projects"]) > 1,
            "variableGroupProjectReferences": references,
        }


def _matches(wanted: str, name: str) -> bool:
    """Return whether a name fits; a `*` at an end of the wanted one stands for anything (Get Variable Groups)."""
    core = wanted.strip("*")
    if wanted.startswith("*"):
        return core in name if wanted.endswith("*") else name.endswith(core)
    return name.startswith(core) if wanted.endswith("*") else name == core


@contextmanager
def _read(name: str) -> Iterator[None]:
    """Turn a vault's refusal of a secret into `UnreadableError`."""
    try:
        yield
    except Refused as refusal:
        raise UnreadableError(_told(name, refusal)) from refusal


def _told(name: str, refusal: Refused) -> str:
    """Return the log line of the task Azure Key Vault for a refused secret."""
    body: Any = refusal.response.body
    message = str(body["error"]["message"])
    advice = f" {_ADVICE}" if refusal.response.status == 403 and "permission" in message else ""
    return f'{name}: "{message}{advice}"'


def _invalid(message: str) -> Refused:
    """The texts are estimates."""
    return errors.refused(400, message, "ArgumentException", "System")


def _no_group(identity: str) -> Refused:
    """The text is an estimate."""
    message = f"Variable group with ID {identity} does not exist."
    return errors.refused(404, message, "VariableGroupNotFoundException", _SPACE)
