"""Which policies are assigned: PolicyAssignments_List (policy, 2024-05-01). A test puts assignments in."""

from __future__ import annotations

from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.kernel.service import Answer, Call


class Policies:
    """Policy assignments of a subscription; there are none until somebody puts some in."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._assignments = manager.world.collection("policy_assignments", self)
        path = "/subscriptions/{subscription}/providers/Microsoft.Authorization/policyAssignments"
        manager.router.add("GET", path, self._list)

    def _list(self, call: Call) -> Answer:
        scope = f"/subscriptions/{self._arm.subscription(call).id}"
        self._arm.require(call, "Microsoft.Authorization/policyAssignments/read", scope)
        return Answer(200, {"value": list(self._assignments)})
