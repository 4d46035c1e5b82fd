"""Branch policies: configurations of a project which allow changes to a branch by pull request only."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from hol_wizard.practice.devops import access, errors, paging
from hol_wizard.practice.devops.members import identity_ref
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, member, members, whole_number
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

REVIEWERS = "fa4e907d-c16b-4a4c-9dfa-4906e5d171dd"
MERGE_STRATEGY = "fa4e907d-c16b-4a4c-9dfa-4916e5d171ab"
BUILD = "0609b952-1397-4640-95ec-e00a01b2c241"
REQUIRED_REVIEWERS = "fd2167ab-b0be-447a-8ec8-39368250530e"
COMMENTS = "c6a1889d-b943-4856-b76f-9e46bb6b0df2"
WORK_ITEMS = "40e92b44-2fe1-4dd6-b3d8-74a9c21d0c6e"
TYPES = {
    REVIEWERS: "Minimum number of reviewers",
    MERGE_STRATEGY: "Require a merge strategy",
    BUILD: "Build",
    REQUIRED_REVIEWERS: "Required reviewers",
    COMMENTS: "Comment requirements",
    WORK_ITEMS: "Work item linking",
}
"""Types of policies, the same in every organization (azure-devops-cli-extension, policy commands)."""
REFUSAL = "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch."
"""The message for a push to such a branch (public; not recorded)."""
HOOK = f"""#!/bin/sh
test -n "$PRACTICE_PROTECTED" || exit 0
expr "$2" : '0*$' >/dev/null && exit 0
set -f
for pattern in $PRACTICE_PROTECTED; do
    case "$1" in
    $pattern) echo "{REFUSAL}" >&2; exit 1 ;;
    esac
done
"""
"""Git's `update` hook. A branch that does not exist may be created in spite of a policy: an estimate."""


def patterns(policy: Document, repository: str, default: str) -> list[str]:
    """Return the refs of a repository that a policy applies to, as patterns of a shell; git allows no `*` in a name.

    `Prefix` means a folder of branches (azure-devops-cli-extension, `--branch-match-type`), and `DefaultBranch` the
    default branch of each repository (terraform-provider-azuredevops, `match_type`).

    Args:
        policy: The policy.
        repository: The repository's ID.
        default: Its default branch: `refs/heads/main`.
    """
    found = []
    for scope in members(policy["body"].get("settings") or {}, "scope"):
        name, match = str(scope.get("refName") or "").rstrip("/"), str(scope.get("matchKind") or "Exact").lower()
        if scope.get("repositoryId") not in {None, repository}:
            continue
        if match == "defaultbranch":
            found.append(default)
        elif not name:
            found.append("refs/heads/*")
        else:
            found += [name, f"{name}/*"] if match == "prefix" else [name]
    return found


class BranchPolicies:
    """The policies of every project."""

    def __init__(self, world: World, router: Router, projects: Projects) -> None:
        self._world = world
        self._projects = projects
        self._documents = world.collection("devops_policies", self)
        path = "/{organization}/{project}/_apis/policy/configurations"
        router.add("GET", path, self._list, honors=f"policyType {paging.PARAMETERS}", refuses="scope")
        router.add("POST", path, self._create)
        router.add("GET", f"{path}/{{configuration}}", self._get)
        router.add("PUT", f"{path}/{{configuration}}", self._change)
        router.add("DELETE", f"{path}/{{configuration}}", self._delete)

    def all(self) -> list[Document]:
        """Return the policies of every project."""
        return [each for each in self._documents.values() if not each.get("deleted")]

    def applying(self, project: str, repository: str, default: str, ref: str) -> list[Document]:
        """Return the enabled policies of a project that apply to a ref of a repository, as in `patterns`."""
        return [
            each
            for each in self.all()
            if each["project"] == project
            and each["body"].get("isEnabled")
            and any(fnmatchcase(ref, pattern) for pattern in patterns(each, repository, default))
        ]

    def protected(self, project: str, repository: str, default: str) -> list[str]:
        """Return which branches of a repository can be changed through pull requests only, as in `patterns`."""
        return [
            pattern
            for each in self.all()
            if each["project"] == project and each["body"].get("isEnabled") and each["body"].get("isBlocking")
            for pattern in patterns(each, repository, default)
        ]

    def _managed(self, request: Request) -> tuple[Organization, Document]:
        organization = access.organization(request)
        project = self._projects.find(organization, request.who, request.match["project"])
        if (
            request.method != "GET"
            and request.who.id != project["owner"]
            and request.who.id not in organization.administrators
        ):
            raise errors.not_permitted(request.who.client, "Edit policies")
        return organization, project

    def _find(self, request: Request) -> Document:
        project, wanted = self._managed(request)[1], request.match["configuration"]
        for each in self.all():
            if (each["project"], str(each["id"])) == (project["id"], wanted):
                return each
        raise errors.refused(
            404, f"TF402461: Policy configuration {wanted} does not exist.", "PolicyConfigurationNotFoundException"
        )

    def _list(self, request: Request) -> Response:
        project = self._managed(request)[1]
        wanted = request.query.get("policytype", "").lower()
        value = [
            self.shown(request, each)
            for each in self.all()
            if each["project"] == project["id"] and (not wanted or each["body"]["type"] == wanted)
        ]
        return paging.page(request, value)

    def _get(self, request: Request) -> Response:
        return Response(200, self.shown(request, self._find(request)))

    def _create(self, request: Request) -> Response:
        organization, project = self._managed(request)
        body: JsonObject = self._checked(request.json)
        number = 1 + max((int(each["id"]) for each in self._documents), default=0)
        policy: Document = {
            "id": number,
            "organization": organization.name,
            "project": project["id"],
            "creator": request.who.id,
            "created": self._world.clock.now(),
            "revision": 1,
            "body": body,
        }
        self._documents.put(str(number), policy)
        return Response(200, self.shown(request, policy))

    def _change(self, request: Request) -> Response:
        found = self._find(request)
        changed = {**found, "revision": found["revision"] + 1, "body": self._checked(request.json)}
        self._documents.put(str(found["id"]), changed)
        return Response(200, self.shown(request, changed))

    def _delete(self, request: Request) -> Response:
        found = self._find(request)
        # It stays in the collection, so that no number is used twice.
        self._documents.put(str(found["id"]), {**found, "deleted": True})
        return Response(204)

    @staticmethod
    def _checked(body: JsonObject) -> dict[str, Any]:
        identity = str(member(body, "type").get("id") or "").lower()
        if identity not in TYPES:
            raise errors.refused(
                404, f"TF402457: Policy type {identity} does not exist.", "PolicyTypeNotFoundException"
            )
        settings = member(body, "settings")
        for scope in members(settings, "scope"):
            if any(not isinstance(scope.get(name), str | None) for name in ("repositoryId", "refName", "matchKind")):
                raise ValueError("a scope has texts only")
        whole_number(settings, "minimumApproverCount")
        kept = ("isEnabled", "isBlocking", "settings")
        return {"type": identity, **{name: _typed(body[name]) for name in kept if name in body}}

    def shown(self, request: Request, policy: Document) -> JsonObject:
        """Return a policy as the service shows it."""
        base = f"{request.base}/{policy['organization']}/{policy['project']}/_apis/policy"
        kind, body = policy["body"]["type"], policy["body"]
        return {
            "createdBy": identity_ref(self._world, policy["organization"], policy["creator"]),
            "createdDate": short_timestamp(policy["created"]),
            "isEnabled": bool(body.get("isEnabled")),
            "isBlocking": bool(body.get("isBlocking")),
            "isDeleted": False,
            "settings": body.get("settings") or {},
            "_links": {
                "self": {"href": f"{base}/configurations/{policy['id']}"},
                "policyType": {"href": f"{base}/types/{kind}"},
            },
            "revision": policy["revision"],
            "id": policy["id"],
            "url": f"{base}/configurations/{policy['id']}",
            "type": {"id": kind, "url": f"{base}/types/{kind}", "displayName": TYPES[kind]},
        }


def _typed(value: Any, name: str = "") -> Any:
    """Return a value in the service's stored form: booleans and numbers that are sent as strings are converted.

    Recorded (Configurations_Create, as az sends it): `"useSquashMerge": "False"` becomes `false`, and `"matchKind":
    "exact"` becomes `Exact`.
    """
    if isinstance(value, dict):
        return {key: _typed(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    if name == "matchKind":
        return str(value)[:1].upper() + str(value)[1:]
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if isinstance(value, str) and value.isdecimal() and name.lower().endswith(("count", "id", "duration")):
        return int(value)
    return value
