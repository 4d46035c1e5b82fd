"""Personal access tokens of Azure DevOps: owner, organization, scopes, and expiration. Only their SHA-256 is stored."""

from __future__ import annotations

import secrets
import string
import uuid

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

FULL = "app_token"
"""The scope "Full access" (learn.microsoft.com/rest/api/azure/devops/tokens/pats/create)."""
LONGEST_DAYS = 365
"""Maximum lifetime of a token: a year (the same page, `validTo`)."""
_DAY = 24 * 3600
_LETTERS = string.ascii_letters + string.digits
_CODE = ("vso.code", "vso.code_write", "vso.code_manage", "vso.code_full")
_PROJECT = ("vso.project", "vso.project_write", "vso.project_manage")
_BUILD = ("vso.build", "vso.build_execute")
_CONNECTIONS = ("vso.serviceendpoint", "vso.serviceendpoint_query", "vso.serviceendpoint_manage")
_GROUPS = ("vso.variablegroups_read", "vso.variablegroups_write", "vso.variablegroups_manage")
_RESOURCES = ("vso.build", "vso.build_execute", "vso.pipelineresources_manage")
_MEMBERS = ("vso.memberentitlementmanagement", "vso.memberentitlementmanagement_write")
SCOPES = frozenset(
    {
        FULL,
        *_CODE,
        *_PROJECT,
        *_BUILD,
        *_MEMBERS,
        *("vso.code_status", "vso.profile", "vso.profile_write", "vso.graph", "vso.graph_manage", "vso.identity"),
        *("vso.agentpools", "vso.agentpools_manage", "vso.environment_manage", "vso.pipelineresources_manage"),
        *("vso.release", "vso.release_execute", "vso.release_manage", "vso.test", "vso.test_write", "vso.work"),
        *_CONNECTIONS,
        *_GROUPS,
        *("vso.work_write", "vso.packaging"),
        *("vso.tokens", "vso.tokenadministration", "vso.security_manage", "vso.auditlog"),
    }
)
"""Scopes that a token can have: learn.microsoft.com/azure/devops/integrate/get-started/authentication/oauth."""


class PersonalTokens:
    """The tokens of every organization, in any state."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents = world.collection("devops_tokens", self)

    def make(
        self, owner: seed.Principal, organization: str, name: str, scope: str, ends: float
    ) -> tuple[Document, str]:
        """Create a token, and return its record and its value, which is not stored.

        Args:
            owner: Its owner.
            organization: The only organization in which it is valid.
            name: Its name.
            scope: Scopes, separated by spaces.
            ends: Its expiration, by the practice clock.
        """
        # 84 characters with a fixed mark from the 76th on, by which secret scanners recognize them
        # (learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate).
        value = "".join(secrets.choice(_LETTERS) for _ in range(75)) + "AZDO"
        value += "".join(secrets.choice(_LETTERS) for _ in range(84 - len(value)))
        document: Document = {
            "id": str(uuid.uuid4()),
            "digest": objects.digest(value),
            "owner": owner.id,
            "organization": organization,
            "name": name,
            "scope": scope,
            "begins": self._world.clock.now(),
            "ends": ends,
        }
        self._documents.put(document["id"], document)
        return document, value

    def find(self, value: str) -> Document | None:
        """Return the record of a token, expired or not; None if it never existed or was revoked."""
        digest = objects.digest(value)
        return next((each for each in self._documents if each["digest"] == digest), None)

    def of(self, owner: str, organization: str) -> list[Document]:
        """Return somebody's tokens in an organization, newest first."""
        found = [each for each in self._documents if (each["owner"], each["organization"]) == (owner, organization)]
        return sorted(found, key=lambda each: float(each["begins"]), reverse=True)

    def keep(self, token: Document) -> None:
        """Save a changed token."""
        self._documents.put(token["id"], token)

    def has_ended(self, token: Document) -> bool:
        """Return whether a token has expired."""
        return float(token["ends"]) <= self._world.clock.now()

    def revoke(self, token: str) -> bool:
        """Revoke a token by its ID, and return whether there was one."""
        there = self._documents.get(token) is not None
        self._documents.delete(token)
        return there

    def days_from_now(self, days: float) -> float:
        """Return the time in a number of days."""
        return self._world.clock.now() + days * _DAY


def may(scope: str, method: str, path: str, *, pushes: bool = False) -> bool:
    """Return whether a token with a scope allows a request.

    The scopes are those that the reference names for each operation; if it names none, any token will do. `pushes`: the
    request is a git push.
    """
    held, path = set(scope.split()), path.lower()
    if FULL in held:
        return True
    writes = method not in {"GET", "HEAD", "OPTIONS"}
    if "/_git/" in path:
        return bool(held & set(_CODE[1:] if pushes else _CODE))
    if "/_apis/tokens/" in path:
        return False  # an Entra token only (manage-personal-access-tokens-via-api)
    for part, reading, writing in (
        ("/_apis/git/", _CODE, _CODE[1:]),
        ("/_apis/policy/", _CODE, _CODE[1:]),
        ("/_apis/projects", (*_PROJECT, "vso.profile"), _PROJECT[2:]),
        ("/_apis/process", (*_PROJECT, "vso.profile", "vso.work"), _PROJECT[2:]),
        ("/_apis/teams", (*_PROJECT, "vso.profile"), _PROJECT[2:]),
        ("/_apis/graph/", ("vso.graph", "vso.graph_manage"), ("vso.graph_manage",)),
        ("/_apis/identities", ("vso.identity", "vso.identity_manage"), ("vso.identity_manage",)),
        ("/_apis/userentitlements", _MEMBERS, _MEMBERS[1:]),
        ("/_apis/build", _BUILD, _BUILD[1:]),
        ("/_apis/serviceendpoint", _CONNECTIONS, _CONNECTIONS[-1:]),
        ("/_apis/distributedtask/variablegroups", _GROUPS, _GROUPS[-1:]),
        ("/_apis/pipelines/pipelinepermissions", _RESOURCES, _RESOURCES[-1:]),
        ("/_apis/pipelines", _BUILD, _BUILD[1:]),
        ("/_apis/artifact/", _BUILD, ()),
        ("/_apis/test", ("vso.test", "vso.test_write"), ("vso.test_write",)),
        ("/_apis/distributedtask/environments", ("vso.environment_manage",), ("vso.environment_manage",)),
        ("/_apis/distributedtask", (*_BUILD, "vso.agentpools", "vso.agentpools_manage"), ("vso.agentpools_manage",)),
    ):
        if part in path:
            return bool(held & set(writing if writes else reading))
    return True
