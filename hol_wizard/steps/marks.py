"""What carries this lab's mark now, whatever the ledger says: one function for each step whose resources can carry one.

Steps that are a kind of resource need none: `ownership.marked` finds theirs.

A mark is a tag where the service has tags, else a description, a comment or a name. From here a ledger that was lost
is written again. A kind without a mark cannot be found: `UNMARKED` says what a person can do about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hol_wizard.engine.ledger import SIGN_IN
from hol_wizard.engine.registry import Marked, MarkedFunction
from hol_wizard.errors import AccessDeniedError
from hol_wizard.resources import key_vault
from hol_wizard.resources.azure_resource import TAG, read
from hol_wizard.resources.context import StepContext
from hol_wizard.steps import (
    secrets,
    vault,
)

# Azure: the tag `hol-wizard`


def _is_tagged(context: StepContext, tags: Any) -> bool:
    return isinstance(tags, Mapping) and tags.get(TAG) == context.profile.choices.lab_id


def anywhere_in_azure(context: StepContext) -> list[Marked]:
    """Return every group and resource of the subscription with the tag, under whatever name.

    The filter is `tagName eq '…' and tagValue eq '…'` (REST reference, Resource Groups - List and Resources - List).
    What a service keeps in a group of its own (`managedBy`: Databricks) inherits the tag, and goes with the service.
    """
    choices, arm = context.profile.choices, context.services.arm
    if not choices.subscription or not choices.lab_id:
        return []
    subscription = f"/subscriptions/{choices.subscription}"
    tagged = {"$filter": f"tagName eq '{TAG}' and tagValue eq '{choices.lab_id}'"}
    groups = arm.list(f"{subscription}/resourcegroups")
    managed = {str(each["id"]).lower() for each in groups if each.get("managedBy")}
    found = [
        Marked("Resource group", str(each["id"]), str(each["name"]))
        for each in groups
        if _is_tagged(context, each.get("tags")) and not each.get("managedBy")
    ]
    for each in arm.list(f"{subscription}/resources", **tagged):
        identity = str(each["id"])
        group = "/".join(identity.split("/")[:5])
        if group.lower() not in managed:
            found.append(Marked(str(each["type"]), identity, str(each["name"]), group.rpartition("/")[2]))
    return found


# What is in a resource of Azure's


def _inside(parent: Callable[[StepContext], str], find: MarkedFunction) -> MarkedFunction:
    """Return the same for what is in a resource of Azure's: what ours does not show to us goes with it."""

    def look(context: StepContext) -> Sequence[Marked]:
        try:
            return find(context)
        except AccessDeniedError:
            if _is_tagged(context, (read(context, parent(context)) or {}).get("tags")):
                return []
            raise

    return look


# Key vault: a secret's tag


def _secrets(names: Sequence[str]) -> MarkedFunction:
    def find(context: StepContext) -> list[Marked]:
        if read(context, vault.vault_id(context)) is None:
            return []
        return [
            Marked(vault.KIND, f"{vault.vault_id(context)}/secrets/{item.name}", item.name, context.here.key_vault)
            for item in context.services.key_vault.items(key_vault.address(context))
            if item.name in names and _is_tagged(context, item.tags)
        ]

    return find


FINDERS: Final[Mapping[str, MarkedFunction]] = {
    "secrets.delete_data_lake_secrets": _inside(vault.vault_id, _secrets(secrets.DATA_LAKE)),
    "secrets.delete_ml_workspace_secrets": _inside(vault.vault_id, _secrets(secrets.ML_WORKSPACE)),
    "secrets.delete_build_secrets": _inside(vault.vault_id, _secrets(secrets.BUILD)),
}
"""By the registered name of the undo that removes what is found, for steps that are no kind of resource."""

UNMARKED: Final[Mapping[str, str]] = {
    "Library": "goes with its cluster",
    "Secret scope": "goes with its workspace; in another's workspace: databricks secrets delete-scope",
    "Access list": "goes with the data lake",
    "Git folder": "goes with its workspace; in another's workspace delete it there, under Workspace",
    "Branch": "goes with the project; in another's project delete it under Repos, Branches",
    "Clone": "stays on this machine in any case",
    "Data file": "stays on this machine",
    SIGN_IN: "ends with az logout",
    "Azure DevOps user": "is taken out under Organization settings, Users",
}
"""What cannot be found by a mark, and where it goes or how a person removes it, by kind as the ledger has it."""

LEDGER_ALONE: Final = frozenset({"Azure DevOps user", SIGN_IN})
"""Kinds whose removal rests on the ledger alone: where a part of it is lost, they are no longer taken for ours."""
