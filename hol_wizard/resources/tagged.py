"""Resources with this lab's tag anywhere in the subscription, regardless of the ledger and of their names."""

from __future__ import annotations

from hol_wizard.engine.registry import Marked
from hol_wizard.resources.azure_resource import TAG, tags
from hol_wizard.resources.context import StepContext


def anywhere_in_azure(context: StepContext) -> list[Marked]:
    """Return every group and resource of the subscription with the tag, under any name.

    The filter is `tagName eq '…' and tagValue eq '…'` (REST reference, Resource Groups - List and Resources - List).
    What a service keeps in its own group (`managedBy`: Databricks) inherits the tag, and is deleted with the service.
    """
    subscription, arm = context.profile.choices.subscription, context.services.arm
    if not subscription or not context.lab_id:
        return []
    scope = f"/subscriptions/{subscription}"
    tagged = {"$filter": f"tagName eq '{TAG}' and tagValue eq '{context.lab_id}'"}
    groups = arm.list(f"{scope}/resourcegroups")
    managed = {str(each["id"]).lower() for each in groups if each.get("managedBy")}
    found = [
        Marked("Resource group", str(each["id"]), str(each["name"]))
        for each in groups
        if context.is_lab_id(tags(each).get(TAG)) and not each.get("managedBy")
    ]
    for each in arm.list(f"{scope}/resources", **tagged):
        identity = str(each["id"])
        group = "/".join(identity.split("/")[:5])
        if group.lower() not in managed:
            found.append(Marked(str(each["type"]), identity, str(each["name"]), group.rpartition("/")[2]))
    return found
