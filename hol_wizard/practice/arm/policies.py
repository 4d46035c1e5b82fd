"""Policy assignments: PolicyAssignments_List (policy, 2024-05-01). Tests add assignments."""

from __future__ import annotations

from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.kernel.service import Request, Response


class Policies:
    """Policy assignments of a subscription; there are none at the start."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._assignments = manager.world.collection("policy_assignments", self)
        path = "/subscriptions/{subscription}/providers/Microsoft.Authorization/policyAssignments"
        manager.router.add("GET", path, self._list, honors="$filter", refuses="$top $expand")

    def _list(self, request: Request) -> Response:
        scope = f"/subscriptions/{self._arm.subscription(request).id}"
        self._arm.require(request, "Microsoft.Authorization/policyAssignments/read", scope)
        wanted = request.query.get("$filter", "")
        if wanted.lower() not in {"", "atscope()", "atexactscope()"}:
            raise errors.refused(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{wanted}' specified in the query string."
            )
        # All that can be added are at the scope of the subscription itself.
        return Response(200, {"value": list(self._assignments)})
