"""User-assigned managed identities, and the federated credentials by which others sign in as one.

Operations: UserAssignedIdentities_CreateOrUpdate, _Update, _Get, _Delete, _ListByResourceGroup, _ListBySubscription;
FederatedIdentityCredentials_CreateOrUpdate, _Get, _List, _Delete (managedidentity, 2023-01-31, recorded). A creation is
complete when it is answered; the service principal appears in the directory a little later (Azure/azure-cli issue 8530
and terraform-provider-azurerm issue 12780: PrincipalNotFound right after the creation).
"""

from __future__ import annotations

import re
import uuid
from typing import Final

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.arm.resources import ResourceType, given
from hol_wizard.practice.directory import objects
from hol_wizard.practice.directory.records import ServicePrincipalRecords
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

TYPE: Final = "Microsoft.ManagedIdentity/userAssignedIdentities"
_CREDENTIALS: Final = f"{TYPE}/federatedIdentityCredentials"
_MOST = 20
"""Maximum number of federated credentials per identity ("Important considerations and restrictions for federated
identity credentials")."""


class ManagedIdentities(ResourceType):
    """Managed identities: 201, or 200 if it exists; deletion 200; nothing takes time, except in the directory."""

    type = TYPE
    name_rule = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")

    def __init__(self, manager: ResourceManager) -> None:
        super().__init__(manager)
        every = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{TYPE}/{{name}}"
        many, add = f"{every}/federatedIdentityCredentials", manager.router.add
        add("GET", many, self._list_credentials, refuses="$top $skiptoken")
        add("GET", many + "/{credential}", self._get_credential)
        add("PUT", many + "/{credential}", self._put_credential)
        add("DELETE", many + "/{credential}", self._delete_credential)

    def name_refused(self, name: str) -> Refused:
        """Return the error for a name that breaks the rule; the text is not recorded."""
        return errors.refused(
            400,
            "InvalidResourceName",
            f"The resource name '{name}' is invalid. It must begin with a letter or digit, contain only letters, "
            "digits, hyphens and underscores, and have 3 to 128 characters.",
        )

    def make(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Add the service principal; the body has nothing else that counts."""
        del body
        client = str(uuid.uuid4())
        principal = objects.make_managed_identity(self.world, client, resource["name"], resource["id"])
        resource["properties"] = {"client": client, "principal": principal["id"], "federated": []}

    def change(self, request: Request, body: JsonObject, resource: Document) -> None:
        """Change nothing: only the tags can change."""

    def accept(self, request: Request, resource: Document) -> Response:
        """Respond 201: the identity is complete."""
        resource["state"] = "Succeeded"
        return Response(201, self.render(resource), {"Location": resource["id"]})

    def properties(self, resource: Document) -> JsonObject:
        """Return `properties` (recorded)."""
        kept = resource["properties"]
        return {"tenantId": seed.TENANT, "principalId": kept["principal"], "clientId": kept["client"]}

    def remove(self, resource: Document, when: float) -> None:
        """Remove the identity with its service principal."""
        super().remove(resource, when)
        self.world.part(ServicePrincipalRecords).remove(resource["properties"]["principal"])

    # Federated credentials

    def _credential_id(self, resource: Document, name: str) -> str:
        return f"{resource['id']}/federatedIdentityCredentials/{name}"

    def _shown(self, resource: Document, credential: Document) -> JsonObject:
        return {
            "id": self._credential_id(resource, credential["name"]),
            "name": credential["name"],
            "type": _CREDENTIALS,
            "properties": {name: credential[name] for name in ("issuer", "subject", "audiences")},
        }

    def _identity(self, request: Request, right: str) -> Document:
        """Return the identity of the path, if the caller has a right on its credentials."""
        return self._found(request, f"federatedIdentityCredentials/{right}")

    def _list_credentials(self, request: Request) -> Response:
        resource = self._identity(request, "read")
        return Response(200, {"value": [self._shown(resource, each) for each in resource["properties"]["federated"]]})

    def _find(self, resource: Document, name: str) -> Document | None:
        found = resource["properties"]["federated"]
        return next((each for each in found if each["name"].lower() == name.lower()), None)

    def _get_credential(self, request: Request) -> Response:
        resource, name = self._identity(request, "read"), request.match["credential"]
        found = self._find(resource, name)
        if found is None:
            message = f"The Federated Identity Credential '{name}' was not found."  # an estimate
            raise errors.refused(404, "NotFound", message)
        return Response(200, self._shown(resource, found))

    def _put_credential(self, request: Request) -> Response:
        resource, name = self._identity(request, "write"), request.match["credential"]
        wanted = given(request.json, "properties")
        issuer, subject, audiences = (wanted.get(each) for each in ("issuer", "subject", "audiences"))
        if not (isinstance(issuer, str) and issuer.startswith("https://")):
            raise _invalid("issuer", "a URL with the scheme https")
        if not (isinstance(subject, str) and subject):
            raise _invalid("subject", "a text")
        if not (isinstance(audiences, list) and len(audiences) == 1 and isinstance(audiences[0], str)):
            raise _invalid("audiences", "a list with one text")
        known = [each for each in resource["properties"]["federated"] if each["name"].lower() != name.lower()]
        if any((each["issuer"], each["subject"]) == (issuer, subject) for each in known):
            message = "Issuer and subject combination already exists for this Managed Identity."
            raise errors.refused(409, "Conflict", message)
        if len(known) >= _MOST:
            message = f"Too many Federated Identity Credentials: at most {_MOST} are allowed for an identity."
            raise errors.refused(400, "BadRequest", message)
        found = self._find(resource, name)
        credential = {
            "name": found["name"] if found else name,
            "issuer": issuer,
            "subject": subject,
            "audiences": audiences,
            "works": self.world.clock.due("federated credential"),
        }
        resource["properties"]["federated"] = [*known, credential]
        self.world.part(Resources).keep(resource)
        headers = {} if found else {"Location": self._credential_id(resource, name)}
        return Response(200 if found else 201, self._shown(resource, credential), headers)

    def _delete_credential(self, request: Request) -> Response:
        resource, name = self._identity(request, "delete"), request.match["credential"]
        if self._find(resource, name) is None:
            return Response(204)
        kept = [each for each in resource["properties"]["federated"] if each["name"].lower() != name.lower()]
        resource["properties"]["federated"] = kept
        self.world.part(Resources).keep(resource)
        return Response(200)


def _invalid(name: str, what: str) -> Refused:
    """Return the error for a property of a credential; the text is an estimate."""
    return errors.refused(
        400, "BadRequest", f"The property '{name}' of the Federated Identity Credential must be {what}."
    )
