"""Who is in an Azure DevOps organization, who the caller is there, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import AbsenceUnclearError, ServiceError
from hol_wizard.services.answers import Document, pages, unexpected
from hol_wizard.services.devops.connection import PREVIEW, VERSION, Connection, ask
from hol_wizard.services.devops.projects import Project
from hol_wizard.services.rest import json_object

COLLECTION: Final = "3e65f728-f8bc-4ecd-8764-7e378b19bfa7"
"""Security namespace of an organization's own permissions (Security namespace and permission reference)."""
CREATE_PROJECTS: Final = 4
"""Its bit for "Create new projects" (the same page, `CREATE_PROJECTS`)."""


@dataclass(frozen=True, slots=True)
class Person:
    """The caller's identity in an organization."""

    id: str
    """Their ID in the organization, not in the directory."""
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user of an organization."""

    id: str
    mail: str
    """Their sign-in name."""
    level: str
    """`express` (Basic), `stakeholder` and others (AccessLevel, `accountLicenseType`)."""
    level_name: str
    projects: tuple[str, ...] = ()
    """IDs of the projects that they are direct members of, not through a group."""
    known_as: frozenset[str] = frozenset()
    """Sign-in name and e-mail address, in lowercase: a guest is invited with one and signs in with the other."""


class People(Connection):
    """An organization's users."""

    def person(self) -> Person:
        """Return the caller's identity in the organization.

        Raises:
            AbsenceUnclearError: HTTP 404: for an unknown organization, Azure DevOps returns an HTML page.
            AccessDeniedError: The caller is not a member.
        """
        try:
            found = self._get("/connectionData", self.organization, PREVIEW).object("authenticatedUser")
        except AbsenceUnclearError as error:
            raise AbsenceUnclearError(
                f"There seems to be no Azure DevOps organization {self.organization}.",
                "Check the word after https://dev.azure.com/ in its address. To create an organization, use the "
                "browser.",
                code=error.code,
                detail=error.detail,
            ) from error
        account = found.inner("properties").inner("Account")
        return Person(str(found["id"]), str(account.get("$value") or found.get("providerDisplayName") or "you"))

    @property
    def _members(self) -> str:
        return f"{self._rest.endpoints.devops_entitlements}/{quote(self.organization)}/_apis/userentitlements"

    def members(self) -> list[Member]:
        """Return all users of the organization.

        Raises:
            AccessDeniedError: The caller may not see them.
        """

        def read(token: str) -> Document:
            query = {"select": "Projects"} | ({"continuationToken": token} if token else {})
            reply = ask(self._rest, "GET", self._members, "the organization's users", None, VERSION, query)
            return json_object(reply, self._members)

        listed = pages(read, lambda page: page.text("continuationToken"))
        # `items` in the description, `members` in recordings.
        return [_member(each) for page in listed for each in page.objects("items" if "items" in page else "members")]

    def identity(self, address: str) -> str:
        """Return the organization's own id of the person who signs in with an address; empty if there is nobody.

        Identities - Read Identities, as azure-devops-cli-extension resolves reviewers (`searchFilter=General`).
        """
        url = f"{self._rest.endpoints.devops_sps}/{quote(self.organization)}/_apis/identities"
        query = {"searchFilter": "General", "filterValue": address, "queryMembership": "None"}
        found = json_object(ask(self._rest, "GET", url, address, None, VERSION, query), url).objects("value")
        active = [each for each in found if each.get("isActive", True) and not each.get("isContainer")]
        return str(active[0]["id"]).lower() if len(active) == 1 else ""

    def add_member(self, mail: str, level: str, project: Project) -> str:
        """Add a user to the organization and, as a contributor, to a project; return their ID there.

        They get an e-mail. The ID is empty if the response does not contain it.

        Args:
            mail: Their sign-in address.
            level: `express` (Basic) or `stakeholder`.
            project: The project.

        Raises:
            ServiceError: Azure DevOps refused this person, possibly in a response with a success status.
        """
        body = {
            "accessLevel": {"accountLicenseType": level},
            "user": {"principalName": mail, "subjectKind": "user"},
            "projectEntitlements": [_contributor(project)],
        }
        answer = json_object(ask(self._rest, "POST", self._members, mail, body, VERSION, {}), self._members)
        _succeeded(answer)
        return answer.inner("operationResult").text("userId")

    def take_into_project(self, member: Member, project: Project) -> None:
        """Add a user of the organization to a project, as a contributor."""
        body = [{"op": "add", "path": "/projectEntitlements", "value": _contributor(project)}]
        url = f"{self._members}/{member.id}"
        _succeeded(json_object(ask(self._rest, "PATCH", url, member.mail, body, VERSION, {}), url))

    def remove_member(self, member: Member) -> None:
        """Remove a user from the organization."""
        ask(self._rest, "DELETE", f"{self._members}/{member.id}", member.mail, None, VERSION, {})

    def may_create_projects(self) -> bool:
        """Return whether the caller has the permission "Create new projects" (Permissions - Has Permissions)."""
        page = self._get(f"/permissions/{COLLECTION}/{CREATE_PROJECTS}", "your permissions")
        found = page["value"]
        if not isinstance(found, list) or not all(isinstance(each, bool) for each in found):
            raise unexpected(page.source, "value is not a list of permissions")
        return bool(found) and all(found)


def _member(document: Document) -> Member:
    user, level = document.inner("user"), document.inner("accessLevel")
    names = [str(user[key]) for key in ("principalName", "mailAddress") if user.get(key)]
    projects = [each.inner("projectRef").get("id") for each in document.some("projectEntitlements")]
    return Member(
        str(document["id"]),
        next(iter(names), ""),
        str(level.get("accountLicenseType") or ""),
        str(level.get("licenseDisplayName") or level.get("accountLicenseType") or "none"),
        tuple(str(each) for each in projects if each),
        frozenset(each.lower() for each in names),
    )


def _contributor(project: Project) -> dict[str, Any]:
    return {"group": {"groupType": "projectContributor"}, "projectRef": {"id": project.id}}


def _succeeded(answer: Document) -> None:
    """Raise an error for a failure in a response with a success status (`isSuccess`, `operationResult`,
    `operationResults`)."""
    results = answer.some("operationResults") or [answer.inner("operationResult") or answer]
    failed = [each for each in results if each.get("isSuccess") is False]
    if failed or answer.get("isSuccess") is False:
        words = [str(error.get("value") or error) for each in failed for error in each.some("errors")]
        raise ServiceError(
            f"Azure DevOps refused it: {'; '.join(words) or 'it does not say why'}",
            "Check Organization settings, Users, and Billing for available licenses.",
            detail=str(answer)[:2000],
        )
