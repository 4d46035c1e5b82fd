"""The record of a pull request, and changes to it."""

from __future__ import annotations

import uuid
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Refused
from hol_wizard.practice.kernel.store import Document

VOTES = frozenset({10, 5, 0, -5, -10})
"""Approved, approved with suggestions, no vote, waiting for the author, rejected (`IdentityRefWithVote.vote`)."""
APPROVED, WAITING, REJECTED = 5, -5, -10
NOBODY = str(uuid.UUID(int=0))
"""The ID that clients send to clear auto-complete."""
LONGEST_TITLE, LONGEST_DESCRIPTION = 400, 4000
"""Maximum lengths in characters (learn.microsoft.com/azure/devops/repos/git/pull-requests; the second seen by several
public clients)."""


class PullRequests(Register):
    """The pull requests of every organization, under the number that is unique in it."""

    collection = "devops_pull_requests"

    def key(self, document: Document) -> str:
        """Return the key of a pull request."""
        return f"{document['organization']}/{document['number']}"

    def numbered(self, organization: Organization, number: str) -> Document:
        """Return a pull request of an organization.

        Raises:
            Refused: There is none (public: TF401180).
        """
        found = self.find(f"{organization.name}/{number}") if number.isdecimal() else None
        if found is None:
            raise not_found()
        return found

    def of(self, repository: str) -> list[Document]:
        """Return the pull requests of a repository, newest first, as the service lists them."""
        return [each for each in reversed(self.all()) if each["repository"] == repository]

    def next_number(self, organization: str) -> int:
        """Return the number of the next pull request of an organization."""
        taken = (int(each["number"]) for each in self.all() if each["organization"] == organization)
        return 1 + max(taken, default=0)


def new(number: int, project: Document, repository: str, creator: str, now: float, **given: Any) -> Document:
    """Return the record of a new pull request.

    Args:
        number: Its number.
        project: The project of its repository.
        repository: ID of the repository.
        creator: The creator's ID in the organization.
        now: By the practice clock.
        given: `title`, `description`, `source`, `target` (full names of branches) and `draft`.
    """
    return {
        "number": number,
        "organization": project["organization"],
        "project": project["id"],
        "repository": repository,
        "creator": creator,
        "created": now,
        "status": "active",
        "merge": None,
        "source_commit": "",
        "target_commit": "",
        "merge_commit": "",
        "reviewers": [],
        "iterations": [],
        "threads": [],
        "statuses": [],
        "labels": [],
        "completing": None,
        "auto_complete": "",
        "options": {},
        "closed": None,
        "closed_by": "",
        **given,
    }


def queue_merge(pull: Document, due: float) -> None:
    """Start a trial merge of a pull request; the result is available at a time by the practice clock."""
    pull["merge"] = {"id": str(uuid.uuid4()), "status": "queued", "due": due, "message": ""}
    pull["merge_commit"] = ""


def check_editable(pull: Document) -> None:
    """Make sure that a pull request is active.

    Raises:
        Refused: It is completed or abandoned (public: TF401181, 400).
    """
    if pull["status"] != "active":
        raise errors.refused(
            400,
            "TF401181: The pull request cannot be edited due to its state.",
            "GitPullRequestNotEditableException",
            errors.GIT,
        )


def reviewer(pull: Document, identity: str) -> Document | None:
    """Return the record of a reviewer, or None."""
    found: Document | None = next((each for each in pull["reviewers"] if each["id"] == identity), None)
    return found


def enter(pull: Document, identity: str, *, required: bool = False) -> Document:
    """Return the record of a reviewer, who is added if necessary."""
    found = reviewer(pull, identity)
    if found is None:
        found = {"id": identity, "vote": 0, "required": required, "flagged": False, "declined": False}
        pull["reviewers"].append(found)
    return found


def not_found() -> Refused:
    """Return the error for a pull request that does not exist (public: TF401180)."""
    return errors.refused(
        404,
        "TF401180: The requested pull request was not found.",
        "GitPullRequestNotFoundException",
        errors.GIT,
    )


def invalid(what: str) -> Refused:
    """Return the error for an invalid argument (public: azure-devops-create-pr-task issue 149)."""
    return errors.refused(
        400,
        f"Invalid argument value.\r\nParameter name: {what}",
        "InvalidArgumentValueException",
        "Microsoft.TeamFoundation.SourceControl.WebServer",
    )


def checked_texts(title: str, description: str) -> tuple[str, str]:
    """Return title and description of a pull request.

    Raises:
        Refused: One is too long, or there is no title (messages are estimates).
    """
    wanted, length = title.strip(), len(description)
    if not wanted or len(wanted) > LONGEST_TITLE:
        raise invalid(f"The title of a pull request has 1 to {LONGEST_TITLE} characters.")
    if length > LONGEST_DESCRIPTION:
        raise invalid(f"A maximum description length of {LONGEST_DESCRIPTION} characters is allowed, not {length}.")
    return wanted, description


def label_id(name: str) -> str:
    """Return the ID of a label; names are compared case-insensitively (seen by a public client)."""
    return seed.fixed_id(f"label {name.lower()}")


def part(given: object) -> JsonObject:
    """Return an object in a body; an empty one if it is missing.

    Raises:
        ValueError: It has another type.
    """
    if given is not None and not isinstance(given, dict):
        raise ValueError("no object")
    return given or {}


def parts(given: object) -> list[JsonObject]:
    """Return the list of objects that a body is or contains; an empty one if it is missing.

    Raises:
        ValueError: It has another type.
    """
    if given is not None and not isinstance(given, list):
        raise ValueError("no list")
    return [part(each) for each in given or ()]


def member_of(who: seed.Principal, organization: Organization) -> str:
    """Return the ID that a caller has in an organization."""
    return member_id(organization.name, who.id)
