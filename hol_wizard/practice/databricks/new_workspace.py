"""The contents of a new workspace: groups, compute policies, Unity Catalog, legacy features.

Serves Groups_list, _get, ClusterPolicies_list, _get, the current metastore assignment, the list of catalogs, and the
settings of legacy features, all of them read-only. Sources:

- Groups and entitlements: "Default workspace permissions" and "Manage entitlements" (Microsoft Learn): everybody is in
  `users`, which has workspace-access and databricks-sql-access; administrators may create clusters and pools.
- Policies: "Default policies and policy families" (Databricks documentation): these four; `policy_family_id` as public
  configurations of the vendor's Terraform provider name them. Their IDs and definitions are unrecorded.
- Unity Catalog: "Enable a workspace for Unity Catalog" (Microsoft Learn): new workspaces are attached to a metastore
  automatically since November 2023, and get a catalog of their own. How it is named exactly is unrecorded.
- Legacy features: "Disable access to legacy features in new workspaces" (Microsoft Learn): an account can switch off
  the DBFS root, mounts and the Hive metastore. Here they are off: the lab must not depend on them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.records import Members
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

GROUPS: Mapping[str, tuple[str, ...]] = {
    "admins": ("allow-cluster-create", "allow-instance-pool-create", "databricks-sql-access", "workspace-access"),
    "users": ("databricks-sql-access", "workspace-access"),
}
"""The workspace's own groups with their entitlements; every user of the workspace is in both."""
_POLICIES: Mapping[str, tuple[str, str]] = {
    "Personal Compute": ("personal-vm", "Use with small-to-medium data or libraries like pandas and scikit-learn."),
    "Power User Compute": ("power-user", "Use for compute-intensive work of a single user."),
    "Shared Compute": ("shared-compute", "Use for interactive work of several users."),
    "Job Compute": ("job-cluster", "Use for all jobs, unless specific requirements exist."),
}
_LEGACY = ("disable_legacy_access", "disable_legacy_dbfs")
_FILTER = re.compile(r'displayName eq "([^"]*)"', re.IGNORECASE)
_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"


class NewWorkspace:
    """The contents of every workspace."""

    def __init__(self, world: World, router: Router) -> None:
        self._world = world
        self._members = world.part(Members)
        for groups in ("/api/2.0/preview/scim/v2/Groups", "/api/2.0/scim/v2/Groups"):
            router.add(
                "GET",
                groups,
                self._list_groups,
                honors="filter startIndex count",
                refuses="attributes excludedAttributes sortBy sortOrder",
            )
            router.add("GET", f"{groups}/{{group}}", self._get_group)
        router.add("GET", "/api/2.0/policies/clusters/list", self._list_policies, ignores="sort_column sort_order")
        router.add("GET", "/api/2.0/policies/clusters/get", self._get_policy, honors="policy_id")
        catalog = "/api/2.1/unity-catalog"
        router.add("GET", f"{catalog}/current-metastore-assignment", self._assignment)
        router.add("GET", f"{catalog}/catalogs", self._catalogs, ignores="max_results page_token include_browse")
        for name in _LEGACY:
            router.add("GET", f"/api/2.0/settings/types/{name}/names/default", self._legacy, ignores="etag")

    def _resource(self, request: Request) -> Document:
        found = address.resource_of(self._world, request.thing)
        if found is None:
            raise LookupError(request.thing)  # the service has authenticated the caller
        return found

    # Groups

    def _group(self, request: Request, name: str) -> JsonObject:
        members = sorted(self._members.of(request.thing), key=lambda each: each.id)
        return {
            "schemas": [_SCHEMA],
            "id": str(numbered(name)),
            "displayName": name,
            "entitlements": [{"value": each} for each in GROUPS[name]],
            "members": [_member(each) for each in members],
            "groups": [],
            "meta": {"resourceType": "WorkspaceGroup"},
        }

    def _list_groups(self, request: Request) -> Response:
        wanted = request.query.get("filter", "")
        match = _FILTER.fullmatch(wanted.strip())
        if wanted and match is None:
            raise errors.invalid(f"The practice cloud filters groups by displayName eq only, not by: {wanted}")
        names = [each for each in GROUPS if match is None or each.lower() == match[1].lower()]
        try:
            start, count = int(request.query.get("startindex", 1)), int(request.query.get("count", 100))
        except ValueError as error:
            raise errors.invalid("startIndex or count is invalid.") from error
        page = names[max(0, start - 1) :][: max(0, count)]
        body = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": len(names),
            "startIndex": start,
            "itemsPerPage": len(page),
            "Resources": [self._group(request, each) for each in page],
        }
        return Response(200, body, content_type=errors.SCIM)

    def _get_group(self, request: Request) -> Response:
        for name in GROUPS:
            if str(numbered(name)) == request.match["group"]:
                return Response(200, self._group(request, name), content_type=errors.SCIM)
        raise errors.missing(f"Group with id {request.match['group']} not found.")

    # Compute policies

    def _policies(self, request: Request) -> list[JsonObject]:
        return [
            {
                "policy_id": hashlib.sha256(f"{request.thing}/{name}".encode()).hexdigest()[:16].upper(),
                "name": name,
                "description": description,
                "is_default": True,
                "policy_family_id": family,
            }
            for name, (family, description) in _POLICIES.items()
        ]

    def _list_policies(self, request: Request) -> Response:
        return Response(200, {"policies": self._policies(request)})

    def _get_policy(self, request: Request) -> Response:
        wanted = request.query.get("policy_id", "")
        for each in self._policies(request):
            if each["policy_id"] == wanted:
                return Response(200, each)
        raise errors.missing(f"Can't find a cluster policy with id: {wanted}.")

    # Unity Catalog and its predecessors

    def _assignment(self, request: Request) -> Response:
        resource = self._resource(request)
        body = {
            "metastore_id": _metastore(resource),
            "workspace_id": address.number(resource),
            "default_catalog_name": _catalog(resource),
        }
        return Response(200, body)

    def _catalogs(self, request: Request) -> Response:
        resource = self._resource(request)
        kinds = {_catalog(resource): "MANAGED_CATALOG", "samples": "DELTASHARING_CATALOG", "system": "SYSTEM_CATALOG"}
        found = [
            {
                "name": name,
                "full_name": name,
                "catalog_type": kind,
                "metastore_id": _metastore(resource),
                "isolation_mode": "ISOLATED" if kind == "MANAGED_CATALOG" else "OPEN",
                "securable_type": "CATALOG",
            }
            for name, kind in kinds.items()
        ]
        return Response(200, {"catalogs": found})

    def _legacy(self, request: Request) -> Response:
        name = request.path.split("/")[-3]
        body = {
            "setting_name": "default",
            "etag": hashlib.sha256(name.encode()).hexdigest()[:32],
            name: {"value": True},
        }
        return Response(200, body)


def numbered(name: str) -> int:
    """Return the number that a user or a group has in a workspace."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:13], 16)


def _member(who: seed.Principal) -> JsonObject:
    kind = "ServicePrincipals" if who.app_id else "Users"
    return {"display": who.display_name, "value": str(numbered(who.id)), "$ref": f"{kind}/{numbered(who.id)}"}


def _metastore(resource: Document) -> str:
    """Return the ID of the region's metastore: each region of an account has one."""
    return seed.fixed_id(f"metastore {resource['location']}")


def _catalog(resource: Document) -> str:
    return str(resource["name"]).replace("-", "_")
