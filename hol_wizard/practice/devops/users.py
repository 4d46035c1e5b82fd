"""The users of an organization, with their access levels and their groups in projects."""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops.members import Members, member_id
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Users:
    """The users of every organization: the initial ones and those who were added."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._members = world.part(Members)

    def of(self, organization: Organization) -> list[Document]:
        """Return all users of an organization."""
        kept = {each["id"]: each for each in self._members.all() if each["organization"] == organization.name}
        for identity in sorted(organization.members):
            principal = seed.PRINCIPALS[identity]
            own = member_id(organization.name, identity)
            level = "stakeholder" if principal == seed.READER_USER else "express"
            if not principal.app_id:
                kept.setdefault(own, self.made(organization, own, principal.name, principal.display_name, level))
        return [each for each in kept.values() if not each["removed"]]

    def find(self, organization: Organization, **wanted: Any) -> Document | None:
        """Return the user with these values: `id`, `mail`."""
        for each in self.of(organization):
            if all(str(each[name]).lower() == str(value).lower() for name, value in wanted.items()):
                return dict(each)
        return None

    def made(self, organization: Organization, identity: str, mail: str, name: str, level: str) -> Document:
        """Return a new user, who is not in a project yet and is not saved."""
        return {
            "id": identity,
            "organization": organization.name,
            "mail": mail,
            "name": name,
            "level": level,
            "projects": {},
            "created": self._world.clock.now(),
            "removed": False,
        }

    def keep(self, user: Document) -> None:
        """Save a changed user."""
        self._members.keep(user)


def subject(user: Document) -> JsonObject:
    """Return a user as a subject of the Graph API."""
    return {
        "subjectKind": "user",
        "domain": seed.TENANT,
        "principalName": sign_in_name(user["mail"]),
        "mailAddress": user["mail"],
        "origin": "aad",
        "originId": seed.fixed_id(user["mail"]),
        "displayName": user["name"],
        "descriptor": descriptor(user),
    }


def descriptor(user: Document) -> str:
    """Return the Graph API's descriptor of a user."""
    return f"aad.{user['id'].replace('-', '')}"


def sign_in_name(mail: str) -> str:
    """Return somebody's user name in a directory: that of a guest is derived from the mail address.

    learn.microsoft.com/entra/external-id/user-properties ("#EXT#").
    """
    own = seed.USERS[next(iter(seed.USERS))].name.partition("@")[2]
    name, _, domain = mail.partition("@")
    return mail if domain == own else f"{name}_{domain}#EXT#@{own}"
