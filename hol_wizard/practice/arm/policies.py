"""Which policies are assigned: PolicyAssignments_List (policy, 2024-05-01). A test puts assignments in."""

from __future__ import annotations

from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.kernel.service import Request, Response


class Policies:
    """Policy assignments of a subscription; there are none until somebody puts some in."""

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
        # All that anybody puts in are at the subscription itself.
        return Response(200, {"value": list(self._assignments)})
