"""Section resource-groups: one resource group for each environment."""

from __future__ import annotations

from collections.abc import Sequence

from hol_wizard.engine.registry import check, solve, undo
from hol_wizard.engine.results import Result
from hol_wizard.resources.azure_resource import Resource, Wanted, look, ours, plan, plan_removal, remove
from hol_wizard.resources.azure_resource import create as create_resource
from hol_wizard.resources.context import StepContext

COMPANIONS = {"microsoft.alertsmanagement/smartdetectoralertrules", "microsoft.insights/actiongroups"}
"""Types that Azure adds by itself beside an Application Insights component; they go with the group.

Not in any description at hand, and not tried against Azure.
"""


def resource_group(context: StepContext) -> Resource:
    """Return the resource group of the context's environment."""
    names = context.names
    return Resource(
        kind="Resource group",
        id=f"/subscriptions/{names.subscription}/resourceGroups/{context.here.resource_group}",
        body={"location": names.location},
        wanted=(Wanted("Region", ("location",), names.location),),
        usually=5,
        cost="free",
    )


@check(deadline=20)
def exists(context: StepContext) -> Result:
    """Look whether the environment's resource group exists in the chosen region."""
    return look(context, resource_group(context))


@solve(plan=lambda context: plan(context, resource_group(context)))
def create(context: StepContext) -> None:
    """Create the environment's resource group, or adopt the one that is there."""
    create_resource(context, resource_group(context))


@undo(plan=lambda context: plan_removal(context, resource_group(context)))
def delete(context: StepContext) -> None:
    """Delete the environment's resource group, unless somebody else's things are in it."""
    group = resource_group(context)

    def foreign() -> Sequence[str]:
        left = context.services.arm.list(f"{group.id}/resources")
        return [
            f"{item['type']} {item['name']}"
            for item in left
            if not ours(context, item["id"], item) and str(item["type"]).lower() not in COMPANIONS
        ]

    remove(context, group, obstacles=foreign)
