"""Microsoft Graph: applications, their service principals and passwords, and who is signed in."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hol_wizard.errors import AccessDeniedError, NotFoundError, ServiceError
from hol_wizard.services.answers import Document, pages
from hol_wizard.services.rest import RestClient, json_object
from hol_wizard.services.secrets import Secret

ONLY_HERE = "AzureADMyOrg"
"""Audience of an application for its own directory only (Microsoft Graph, application, signInAudience)."""


_APPLICATION = "id,appId,displayName,createdDateTime,tags,passwordCredentials"


@dataclass(frozen=True, slots=True)
class Principal:
    """A principal that can have a role."""

    id: str
    """Object ID."""
    kind: Literal["User", "ServicePrincipal"]
    name: str
    tags: tuple[str, ...] = ()
    """Tags of a service principal: its own and its application's."""
    resource: str = ""
    """Resource ID of the managed identity that it belongs to; empty for an application's."""


@dataclass(frozen=True, slots=True)
class Password:
    """What is visible of a client secret after its creation."""

    key_id: str
    name: str
    ends: str
    """ISO 8601 in UTC."""
    begins: str = ""
    """ISO 8601 in UTC."""
    hint: str = ""
    """The first three characters of its value."""


@dataclass(frozen=True, slots=True)
class Application:
    """An application registration."""

    id: str
    """Object ID, which differs from that of its service principal."""
    app_id: str
    """Application (client) ID."""
    name: str
    tags: tuple[str, ...] = ()
    passwords: tuple[Password, ...] = ()
    created: str = ""
    """ISO 8601 in UTC."""


def _application(document: Document) -> Application:
    listed = document.objects("passwordCredentials") if document.get("passwordCredentials") else ()
    passwords = tuple(map(_password, listed))
    return Application(
        str(document["id"]),
        str(document.get("appId") or ""),
        str(document.get("displayName") or ""),
        tuple(document.get("tags", ())),
        passwords,
        str(document.get("createdDateTime") or ""),
    )


def _password(document: Mapping[str, Any]) -> Password:
    return Password(
        str(document["keyId"]),
        str(document.get("displayName") or ""),
        str(document.get("endDateTime") or ""),
        str(document.get("startDateTime") or ""),
        str(document.get("hint") or ""),
    )


def _principal(document: Document, app_id: str) -> Principal:
    name, tags = str(document.get("displayName") or app_id), tuple(document.get("tags", ()))
    # "Full resource IDs for managed identities" (servicePrincipal, alternativeNames).
    others = (str(each) for each in document.get("alternativeNames", ()))
    resource = next((each for each in others if each.startswith("/subscriptions/")), "")
    return Principal(str(document["id"]), "ServicePrincipal", name, tags, resource)


@dataclass(frozen=True, slots=True)
class Trust:
    """A federated credential: whose tokens sign in, without a secret."""

    name: str
    issuer: str
    subject: str
    audiences: tuple[str, ...]
    id: str = ""
    """The directory's ID of an application's credential."""
    description: str = ""


class Graph:
    """Microsoft Graph, v1.0."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def _url(self, path: str) -> str:
        return f"{self._rest.endpoints.microsoft_graph}/v1.0{path}"

    def _get(self, path: str, thing: str) -> Document:
        url = self._url(path)
        return json_object(self._rest.send("GET", url, thing=thing), url)

    def _post(self, path: str, thing: str, body: Any) -> Document:
        url = self._url(path)
        return json_object(self._rest.send("POST", url, thing=thing, body=body), url)

    def _list(self, path: str, thing: str) -> list[Document]:
        def read(url: str) -> Document:
            return json_object(self._rest.send("GET", url, thing=thing), url)

        listed = pages(read, lambda page: page.text("@odata.nextLink"), self._url(path))
        return [each for page in listed for each in page.objects("value")]

    def signed_in(self) -> Principal:
        """Return who is signed in.

        In most directories, a service principal may not read itself: its token contains its object ID (access token
        claims reference, `oid`).

        Raises:
            SignInError: Nobody is signed in.
        """
        token = self._rest.token()
        claims = _claims(token.reveal())
        if claims.get("idtyp") == "app":
            return Principal(
                str(claims["oid"]), "ServicePrincipal", str(claims.get("app_displayname") or "this program")
            )
        me = self._get("/me?$select=id,userPrincipalName", "you")
        return Principal(str(me["id"]), "User", str(me.get("userPrincipalName") or "you"))

    # Applications

    def applications(self, name: str) -> Sequence[Application]:
        """Return the applications with a display name, which is not unique."""
        escaped = name.replace("'", "''")
        query = f"?$filter=displayName eq '{escaped}'&$select={_APPLICATION}"
        return [_application(each) for each in self._list(f"/applications{query}", name)]

    def application(self, object_id: str) -> Application | None:
        """Return an application by its object ID, or None."""
        try:
            return _application(self._get(f"/applications/{object_id}", "the application"))
        except NotFoundError:
            return None

    def create_application(self, name: str, mark: str) -> Application:
        """Register an application with the mark in its tags."""
        body = {"displayName": name, "signInAudience": ONLY_HERE, "tags": [mark]}
        return _application(self._post("/applications", name, body))

    def delete_application(self, object_id: str) -> bool:
        """Delete an application, its service principal and its passwords; does nothing if it no longer exists.

        The directory keeps a deleted application for 30 days (Microsoft Graph, directory, deletedItems), unless an
        administrator deletes it permanently.

        Returns:
            Whether it is gone permanently.
        """
        self._delete(f"/applications/{object_id}")
        try:
            self._delete(f"/directory/deletedItems/{object_id}")
        except AccessDeniedError:
            return False
        return True

    def deleted_applications(self, name: str) -> Sequence[Application]:
        """Return the deleted applications with a display name that the directory still keeps."""
        found = self._list("/directory/deletedItems/microsoft.graph.application", "deleted applications")
        return [_application(each) for each in found if each.get("displayName") == name]

    def _delete(self, path: str) -> None:
        try:
            self._rest.send("DELETE", self._url(path), thing="the application")
        except NotFoundError:
            return

    def application_of(self, app_id: str) -> Application | None:
        """Return an application by its application (client) ID, or None."""
        try:
            return _application(self._get(f"/applications(appId='{app_id}')?$select={_APPLICATION}", app_id))
        except NotFoundError:
            return None

    # Federated credentials

    def trusts(self, object_id: str) -> Sequence[Trust]:
        """Return the federated credentials of an application.

        Raises:
            NotFoundError: There is no such application.
        """
        found = self._list(f"/applications/{object_id}/federatedIdentityCredentials", "the application")
        return [
            Trust(
                each.text("name"),
                each.text("issuer"),
                each.text("subject"),
                tuple(map(str, each.get("audiences") or ())),
                str(each["id"]),
                each.text("description"),
            )
            for each in found
        ]

    def add_trust(self, object_id: str, trust: Trust) -> str:
        """Add a federated credential to an application, and return its ID."""
        body = {
            "name": trust.name,
            "issuer": trust.issuer,
            "subject": trust.subject,
            "audiences": list(trust.audiences),
            "description": trust.description,
        }
        made = self._post(f"/applications/{object_id}/federatedIdentityCredentials", "the federated credential", body)
        return str(made["id"])

    def remove_trust(self, object_id: str, trust_id: str) -> None:
        """Remove a federated credential; does nothing if it no longer exists."""
        self._delete(f"/applications/{object_id}/federatedIdentityCredentials/{trust_id}")

    # Service principals

    def service_principal_of(self, app_id: str) -> Principal | None:
        """Return the service principal of an application in this directory, or None."""
        names = "id,displayName,tags,alternativeNames"
        try:
            found = self._get(f"/servicePrincipals(appId='{app_id}')?$select={names}", app_id)
        except NotFoundError:
            return None
        return _principal(found, app_id)

    def create_service_principal(self, app_id: str, tag: str) -> Principal:
        """Create the service principal of an application, with its own tag.

        Raises:
            ConflictError: The application is too new, and not replicated in the whole directory yet.
        """
        made = self._post("/servicePrincipals", "the service principal", {"appId": app_id, "tags": [tag]})
        return _principal(made, app_id)

    def delete_service_principal(self, object_id: str) -> None:
        """Delete a service principal; does nothing if it no longer exists."""
        self._delete(f"/servicePrincipals/{object_id}")

    # Passwords

    def add_password(self, object_id: str, name: str, days: int) -> tuple[Password, Secret]:
        """Add a client secret and return its properties and its value, which is shown only this time.

        Args:
            object_id: The application's object ID.
            name: The secret's name in the application's list.
            days: Its lifetime.
        """
        ends = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {"passwordCredential": {"displayName": name, "endDateTime": ends}}
        made = self._post(f"/applications/{object_id}/addPassword", "the client secret", body)
        secret = Secret.hidden(str(made["secretText"]))
        return replace(_password(made), name=name, ends=str(made.get("endDateTime") or ends)), secret

    def remove_password(self, object_id: str, key_id: str) -> None:
        """Remove a client secret; does nothing if it no longer exists."""
        url = self._url(f"/applications/{object_id}/removePassword")
        try:
            self._rest.send("POST", url, thing="the client secret", body={"keyId": key_id})
        except NotFoundError:
            return
        except ServiceError as error:
            # "No password credential found with keyId" is a 400.
            if "No password credential" not in error.detail:
                raise

    # Rights

    def allowed_to_create_applications(self) -> bool | None:
        """Return whether every user of the directory may register applications; None if the account may not read
        that."""
        try:
            policy = self._get("/policies/authorizationPolicy", "the directory's policy")
        except AccessDeniedError:
            return None
        return bool(policy.get("defaultUserRolePermissions", {}).get("allowedToCreateApps"))

    def directory_roles(self) -> Sequence[str]:
        """Return the names of the directory roles that the person has, such as Application Developer."""
        try:
            found = self._list("/me/transitiveMemberOf/microsoft.graph.directoryRole?$select=displayName", "your roles")
        except (AccessDeniedError, NotFoundError):
            return ()
        return [str(each.get("displayName")) for each in found]


def _claims(token: str) -> Mapping[str, Any]:
    """Return the claims of an access token."""
    payload = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
