"""Branch policies of an Azure DevOps project: how many people must approve a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hol_wizard.services.answers import Document, moment
from hol_wizard.services.devops.connection import Connection
from hol_wizard.services.devops.repositories import HEADS
from hol_wizard.services.rest import json_object

REVIEWERS: Final = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
"""Type "Minimum number of reviewers", the same in every organization (azure-devops-cli-extension, policy commands)."""

_SETTINGS: Final = {
    "minimumApproverCount": 1,
    "creatorVoteCounts": False,
    "allowDownvotes": False,
    "resetOnSourcePush": True,
}


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a policy applies."""

    repository: str
    """Id of the repository; empty: every repository of the project."""
    ref: str
    """`refs/heads/main`; empty: every branch."""
    match: str
    """`exact`, `prefix` or `defaultbranch`, in small letters."""

    def covers(self, repository: str, branch: str) -> bool:
        """Return whether it contains the default branch of a repository."""
        if self.repository not in {"", repository.lower()}:
            return False
        ref = f"{HEADS}{branch}"
        if self.match == "prefix":
            return ref == self.ref or ref.startswith(f"{self.ref.rstrip('/')}/")
        return self.match == "defaultbranch" or self.ref in {"", ref}


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """How many people must approve a pull request, and whether its creator is one of them."""

    id: int
    is_enabled: bool
    is_blocking: bool
    minimum: int
    counts_creator: bool
    """Whether the creator's own vote counts."""
    scopes: tuple[Scope, ...]
    creator: str = ""
    """Id of the account that has created it, in small letters."""
    created: datetime | None = None
    untouched: bool = False
    """Whether it has the settings that `create_review_policy` sends, and nobody has changed it since its creation."""


class Policies(Connection):
    """The branch policies of an organization's projects."""

    def review_policies(self, project: str) -> list[ReviewPolicy]:
        """Return the policies of a project that require approvals."""
        found = self._get("/policy/configurations", "the branch policies", below=project, policyType=REVIEWERS)
        return [_policy(each) for each in found.objects("value") if not each.get("isDeleted")]

    def create_review_policy(self, project: str, repository_id: str, branch: str) -> ReviewPolicy:
        """Require that another person approves each pull request into a branch.

        Args:
            project: Name or id.
            repository_id: Of the repository.
            branch: Without `refs/heads/`.

        Raises:
            AccessDeniedError: The caller may not edit policies.
        """
        body = _body(repository_id, branch)
        reply = self._send("POST", "/policy/configurations", "the branch policy", body, below=project)
        return _policy(json_object(reply, self.url))

    def change_review_policy(self, project: str, policy: ReviewPolicy, repository_id: str, branch: str) -> None:
        """Give a policy the settings of a new one."""
        path, thing = f"/policy/configurations/{policy.id}", f"the branch policy {policy.id}"
        self._send("PUT", path, thing, _body(repository_id, branch), below=project)

    def delete_policy(self, project: str, policy: ReviewPolicy) -> None:
        """Delete a policy."""
        self._send("DELETE", f"/policy/configurations/{policy.id}", f"the branch policy {policy.id}", below=project)


def _body(repository_id: str, branch: str) -> dict[str, Any]:
    scope = {"repositoryId": repository_id, "refName": f"{HEADS}{branch}", "matchKind": "Exact"}
    return {
        "type": {"id": REVIEWERS},
        "isEnabled": True,
        "isBlocking": True,
        "settings": {**_SETTINGS, "scope": [scope]},
    }


def _policy(document: Document) -> ReviewPolicy:
    settings = document.inner("settings")
    scopes = tuple(
        Scope(
            str(each.get("repositoryId") or "").lower(),
            str(each.get("refName") or ""),
            str(each.get("matchKind") or "exact").lower(),
        )
        for each in settings.some("scope")
    )
    return ReviewPolicy(
        id=document.required_number("id"),
        is_enabled=bool(document.get("isEnabled")),
        is_blocking=bool(document.get("isBlocking")),
        minimum=settings.number("minimumApproverCount"),
        counts_creator=bool(settings.get("creatorVoteCounts")),
        scopes=scopes,
        creator=str(document.inner("createdBy").get("id") or "").lower(),
        created=moment(str(document.get("createdDate") or "")),
        untouched=document.number("revision") == 1 and len(scopes) == 1 and _is_ours(settings),
    )


def _is_ours(settings: Document) -> bool:
    """Return whether a policy has the values of `_SETTINGS`, and no others that are on."""
    others = settings.keys() - _SETTINGS.keys() - {"scope"}
    return all(settings.get(name) == value for name, value in _SETTINGS.items()) and not any(map(settings.get, others))
