"""The project that a request is about, the caller's permissions in it, and references that every answer contains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import ORGANIZATIONS, Organization
from hol_wizard.practice.devops.paging import words
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

BUILD = "Microsoft.TeamFoundation.Build.WebApi"
"""Namespace of the errors of builds (public: "The requested build 139106 could not be found.")."""
PROJECT = "/{organization}/{project}/_apis"
"""The beginning of the paths of this API; most of it exists in projects only."""

ZIP = "application/zip"


@dataclass(frozen=True, slots=True)
class Place:
    """A project, in its organization."""

    organization: Organization
    project: Document

    @classmethod
    def of(cls, project: Document) -> Place:
        """Return a project in its organization."""
        return cls(ORGANIZATIONS[project["organization"]], project)

    @property
    def id(self) -> str:
        """The project's ID."""
        return str(self.project["id"])


class Scope:
    """Finds the project of a request.

    Permissions are the default ones of azure/devops/pipelines/policies/permissions: readers see everything,
    contributors edit, queue and delete pipelines, administrators delete and stop builds.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.projects = world.part(Projects)
        self.people = People(world, self.projects)

    def read(self, request: Request) -> Place:
        """Return the project, which the caller must be able to see.

        Raises:
            Refused: There is none, or the caller may not see it.
        """
        organization = access.organization(request)
        return Place(organization, self.projects.find(organization, request.who, request.match["project"]))

    def contribute(self, request: Request, permission: str) -> Place:
        """Return the project for a change that contributors may make.

        Args:
            request: The request.
            permission: The permission's name: `Queue builds`.

        Raises:
            Refused: As for `read`, or the caller may only read.
        """
        place = self.read(request)
        if not self.projects.contributes(place.organization, request.who, place.project):
            raise denied(request.who, permission, place)
        return place

    def administer(self, request: Request, permission: str) -> Place:
        """Return the project for a change that only administrators may make.

        Raises:
            Refused: As for `read`, or the caller is not an administrator.
        """
        place = self.read(request)
        if not self.administers(place, request.who):
            raise denied(request.who, permission, place)
        return place

    def administers(self, place: Place, who: seed.Principal) -> bool:
        """Return whether somebody is an administrator of a project."""
        return self.projects.administers(place.organization, who, place.project)

    def identity(self, request: Request, place: Place, principal: str) -> JsonObject:
        """Return a reference to somebody by their object ID in the directory."""
        return self.people.shown(request, place.organization, member_id(place.organization.name, principal))

    def reference(self, request: Request, place: Place) -> JsonObject:
        """Return a reference to the project."""
        return self.projects.reference(request, place.project)


def address(request: Request, place: Place) -> str:
    """Return the project's address in the API, by its ID as the service writes it."""
    return f"{request.base}/{place.organization.name}/{place.id}/_apis"


def page_address(request: Request, place: Place) -> str:
    """Return the address of the project's web pages."""
    return f"{request.base}/{place.organization.name}/{place.id}"


def denied(who: seed.Principal, permission: str, place: Place) -> Refused:
    """Return the error for a missing permission (public: TF215106; the status is an estimate)."""
    message = (
        f"TF215106: Access denied. {who.display_name} needs {permission} permissions in team project "
        f"{place.project['name']} to perform the action. For more information, contact the Azure DevOps Server "
        "administrator."
    )
    return errors.refused(403, message, "AccessDeniedException", BUILD)


def invalid(message: str, kind: str = "InvalidRequestException") -> Refused:
    """Return the error for a value that the service does not accept."""
    return errors.refused(400, message, kind, BUILD)


def unserved(what: str) -> Refused:
    """Return the refusal of something that the service has and the practice cloud does not."""
    return errors.refused(400, f"The practice cloud does not serve {what}. Omit it.", "UnservedMemberException")


def flag(request: Request, name: str) -> bool:
    """Return a query parameter as a Boolean."""
    return request.query.get(name.lower(), "").strip().lower() in {"true", "1"}


def numbers(request: Request, name: str) -> set[int] | None:
    """Return a query parameter as numbers separated by commas; None if it is not given.

    Raises:
        Refused: It is something else.
    """
    parts = words(request, name)
    if any(not each.isdecimal() for each in parts):
        raise invalid(f"The value '{request.query[name.lower()]}' of '{name}' is not valid.")
    return {int(each) for each in parts} if parts else None


def moment(request: Request, name: str) -> float | None:
    """Return a query parameter that is a time, in seconds; None if it is not given.

    Raises:
        ValueError: It is something else.
    """
    given = request.query.get(name.lower(), "")
    if not given:
        return None
    found = datetime.fromisoformat(given)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def wants_zip(request: Request) -> bool:
    """Return whether a client asks for a zip archive, with `$format` or the header Accept."""
    return request.query.get("$format", "").lower() == "zip" or ZIP in request.headers.get("Accept", "").lower()


def choice(request: Request, name: str, names: tuple[str, ...]) -> str:
    """Return a query parameter as one of the names of an enumeration, case-insensitively; empty if it is not given.

    Raises:
        Refused: It is none of them.
    """
    given = request.query.get(name.lower(), "")
    if not given:
        return ""
    return enumerated(given, names, name)


def enumerated(given: Any, names: tuple[str, ...], what: str) -> str:
    """Return the name of an enumeration's value in the service's spelling.

    Raises:
        Refused: There is no such value.
    """
    for each in names:
        if str(given).lower() == each.lower():
            return each
    raise invalid(f"The value '{given}' is not valid for {what}. It is one of: {', '.join(names)}.")


def number_of(request: Request, name: str) -> int:
    """Return a number in the path; 0 if it is none, which no object has."""
    given = request.match[name]
    return int(given) if given.isdecimal() else 0


def objects(request: Request) -> list[JsonObject]:
    """Return the body as a list of JSON objects.

    Raises:
        ValueError: It is something else.
    """
    found = json.loads(request.content)
    if not isinstance(found, list) or any(not isinstance(each, dict) for each in found):
        raise ValueError("the body is not a list of objects")
    return found
