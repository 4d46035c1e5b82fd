"""Section workspace-resources: what stands in each resource group."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from hol_wizard.engine.registry import Change, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, ServiceError
from hol_wizard.resources.azure_resource import (
    BROKEN,
    Resource,
    Wanted,
    await_deletion,
    create,
    look,
    plan,
    plan_removal,
    provisioning_state,
    remove,
)
from hol_wizard.resources.context import StepContext

PROVIDERS = (
    "Microsoft.Databricks",
    "Microsoft.MachineLearningServices",
    "Microsoft.Storage",
    "Microsoft.KeyVault",
    "Microsoft.ContainerRegistry",
    "Microsoft.Insights",
    "Microsoft.OperationalInsights",
    "Microsoft.Compute",
)
"""Resource providers that the lab's resources belong to."""

REGISTRATION_USUALLY = 60.0
REGISTRATION_PATIENCE = 900.0
"""Seconds; Azure says that a registration can take several minutes."""


def _group(context: StepContext) -> str:
    names = context.names
    return f"/subscriptions/{names.subscription}/resourceGroups/{context.here.resource_group}"


def _id(context: StepContext, resource_type: str, name: str) -> str:
    return f"{_group(context)}/providers/{resource_type}/{name}"


def _location(context: StepContext) -> Wanted:
    return Wanted("Region", ("location",), context.names.location)


# Resource providers


def _provider_path(context: StepContext, provider: str) -> str:
    return f"/subscriptions/{context.names.subscription}/providers/{provider}"


def _registrations(context: StepContext) -> Mapping[str, str]:
    """Return each provider's registration state."""

    def state(provider: str) -> str:
        return str(context.services.arm.get(_provider_path(context, provider)).get("registrationState", "unknown"))

    with ThreadPoolExecutor(len(PROVIDERS)) as pool:
        return dict(zip(PROVIDERS, pool.map(state, PROVIDERS), strict=True))


@check(deadline=20)
def providers_registered(context: StepContext) -> Result:
    """Look whether the subscription may hold resources of all the types that the lab needs."""
    states = _registrations(context)
    seen = tuple(Expectation(name, "Registered", state, state == "Registered") for name, state in states.items())
    if any(state == "Registering" for state in states.values()) and not any(
        state in {"NotRegistered", "Unregistered"} for state in states.values()
    ):
        return Result(
            Status.WAITING,
            "The subscription is being made ready for these resource types.",
            seen,
            "Nothing to do: the wizard looks again by itself.",
            look_again_after=3,
            usually=REGISTRATION_USUALLY,
        )
    return judge(
        seen,
        passed="All resource providers are registered.",
        failed="Some resource providers are not registered.",
        next_action="Register them (do it for me), or ask an owner of the subscription to.",
    )


def _plan_registration(context: StepContext) -> Sequence[Change]:
    return [
        Change(
            "leave" if state == "Registered" else "change",
            "Resource provider",
            provider,
            "the whole subscription",
            "free",
            None if state == "Registered" else REGISTRATION_USUALLY,
            "is registered" if state == "Registered" else "register",
        )
        for provider, state in _registrations(context).items()
    ]


@solve(plan=_plan_registration)
def register_providers(context: StepContext) -> None:
    """Register the resource providers and wait until Azure says that they are.

    A registration serves everybody in the subscription, so it has no undo.
    """
    missing = [name for name, state in _registrations(context).items() if state != "Registered"]
    for provider in missing:
        context.channel.stop_if_cancelled()
        context.channel.say(f"Registering {provider} …")
        context.services.arm.post(f"{_provider_path(context, provider)}/register")
    deadline = time.monotonic() + REGISTRATION_PATIENCE
    while missing:
        context.channel.progress(f"Registering: {', '.join(missing)}", REGISTRATION_USUALLY)
        context.channel.wait(context.services.arm.poll_interval)
        states = _registrations(context)
        for provider in [name for name in missing if states[name] == "Registered"]:
            missing.remove(provider)
            context.channel.say(f"{provider} is registered.")
        if missing and time.monotonic() > deadline:
            raise ServiceError(
                f"Azure is still registering {', '.join(missing)}.",
                "Check again in a few minutes; it goes on by itself.",
            )


# Machine Learning workspace and what it stands on


def _storage_body(context: StepContext, *, hierarchical: bool, tier: str) -> Mapping[str, object]:
    return {
        "location": context.names.location,
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "accessTier": tier,
            "isHnsEnabled": hierarchical,
            "minimumTlsVersion": "TLS1_2",
            "allowBlobPublicAccess": False,
            "supportsHttpsTrafficOnly": True,
        },
    }


def _storage_wanted(context: StepContext, *, hierarchical: bool, tier: str) -> tuple[Wanted, ...]:
    return (
        _location(context),
        Wanted("Account kind", ("kind",), "StorageV2"),
        Wanted("Hierarchical namespace", ("properties", "isHnsEnabled"), hierarchical, missing_means=False),
        Wanted("Access tier", ("properties", "accessTier"), tier, changeable=True),
        Wanted(
            "Minimum TLS version",
            ("properties", "minimumTlsVersion"),
            "TLS1_2",
            changeable=True,
            missing_means="TLS1_0",
        ),
        Wanted("Secure transfer", ("properties", "supportsHttpsTrafficOnly"), expected=True, changeable=True),
    )


def _vault(context: StepContext, kind: str, name: str) -> Resource:
    names = context.names
    return Resource(
        kind=kind,
        id=_id(context, "Microsoft.KeyVault/vaults", name),
        body={
            "location": names.location,
            "properties": {
                "tenantId": names.tenant,
                "sku": {"family": "A", "name": "standard"},
                "enableRbacAuthorization": True,
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": 7,
                "accessPolicies": [],
            },
        },
        wanted=(
            _location(context),
            Wanted(
                "Permission model: Azure role-based access control",
                ("properties", "enableRbacAuthorization"),
                expected=True,
                changeable=True,
                missing_means=False,
            ),
        ),
        usually=20,
        cost="a few cents for each 10,000 operations",
        availability="Microsoft.KeyVault/vaults",
        trace=f"/subscriptions/{names.subscription}/providers/Microsoft.KeyVault/locations/{names.location}"
        f"/deletedVaults/{name}",
    )


def machine_learning_dependants(context: StepContext) -> tuple[Resource, ...]:
    """Return what a Machine Learning workspace needs beside it, in the order of creation.

    They are its own: a Databricks secret scope on a shared vault would show the workspace's secrets to everybody.
    """
    names = context.here
    logs = _id(context, "Microsoft.OperationalInsights/workspaces", names.log_analytics)
    return (
        Resource(
            kind="Storage account",
            id=_id(context, "Microsoft.Storage/storageAccounts", names.ml_storage_account),
            body=_storage_body(context, hierarchical=False, tier="Hot"),
            wanted=_storage_wanted(context, hierarchical=False, tier="Hot"),
            usually=25,
            cost="by what is stored; cents for the lab",
            availability="Microsoft.Storage/storageAccounts",
        ),
        _vault(context, "Key vault", names.ml_key_vault),
        Resource(
            kind="Log Analytics workspace",
            id=logs,
            body={
                "location": context.names.location,
                "properties": {"sku": {"name": "PerGB2018"}, "retentionInDays": 30},
            },
            wanted=(_location(context),),
            usually=30,
            cost="by what is logged; nothing for the lab",
            delete_query=(("force", "true"),),
        ),
        Resource(
            kind="Application Insights",
            id=_id(context, "Microsoft.Insights/components", names.application_insights),
            body={
                "location": context.names.location,
                "kind": "web",
                "properties": {"Application_Type": "web", "WorkspaceResourceId": logs},
            },
            wanted=(_location(context),),
            usually=10,
            cost="by what is logged; nothing for the lab",
        ),
    )


def machine_learning_workspace(context: StepContext) -> Resource:
    """Return the environment's Azure Machine Learning workspace."""
    names = context.here
    return Resource(
        kind="Machine Learning workspace",
        id=_id(context, "Microsoft.MachineLearningServices/workspaces", names.ml_workspace),
        body={
            "location": context.names.location,
            "identity": {"type": "SystemAssigned"},
            "sku": {"name": "Basic", "tier": "Basic"},
            "properties": {
                "friendlyName": names.ml_workspace,
                "storageAccount": _id(context, "Microsoft.Storage/storageAccounts", names.ml_storage_account),
                "keyVault": _id(context, "Microsoft.KeyVault/vaults", names.ml_key_vault),
                "applicationInsights": _id(context, "Microsoft.Insights/components", names.application_insights),
            },
        },
        wanted=(_location(context),),
        usually=45,
        cost="free itself; what stands beside it costs cents",
        # Without it the workspace is only soft-deleted and its name stays taken.
        delete_query=(("forceToPurge", "true"),),
    )


@check(deadline=20)
def machine_learning_workspace_exists(context: StepContext) -> Result:
    """Look whether the environment's Machine Learning workspace exists."""
    return look(context, machine_learning_workspace(context))


def _plan_machine_learning(context: StepContext) -> Sequence[Change]:
    workspace = plan(context, machine_learning_workspace(context))
    if workspace[0].verb == "leave":
        return workspace
    return [change for part in machine_learning_dependants(context) for change in _plan_part(context, part)] + list(
        workspace
    )


def _plan_part(context: StepContext, resource: Resource) -> tuple[Change, ...]:
    return _plan_vault(context, resource) if resource.trace else plan(context, resource)


@solve(plan=_plan_machine_learning)
def create_machine_learning_workspace(context: StepContext) -> None:
    """Create the Machine Learning workspace after what it stands on."""
    workspace = machine_learning_workspace(context)
    there = await_deletion(context, workspace)
    if there is None or provisioning_state(there) in BROKEN:
        with ThreadPoolExecutor(4) as pool:
            storage, vault, logs, insights = machine_learning_dependants(context)
            begun: list[Future[object]] = [
                pool.submit(create, context, storage),
                pool.submit(_create_vault, context, vault),
                pool.submit(lambda: [create(context, part) for part in (logs, insights)]),
            ]
            for part in begun:
                part.result()
    create(context, workspace)


def _with_dependants(context: StepContext) -> tuple[Resource, ...]:
    return (machine_learning_workspace(context), *reversed(machine_learning_dependants(context)))


@undo(plan=lambda context: [change for part in _with_dependants(context) for change in plan_removal(context, part)])
def delete_machine_learning_workspace(context: StepContext) -> None:
    """Delete the Machine Learning workspace and what was made for it."""
    for part in _with_dependants(context):
        remove(context, part)


# Data lake


def data_lake(context: StepContext) -> Resource:
    """Return the environment's data lake: a storage account with a hierarchical namespace, access tier Cool."""
    return Resource(
        kind="Storage account",
        id=_id(context, "Microsoft.Storage/storageAccounts", context.here.storage_account),
        body=_storage_body(context, hierarchical=True, tier="Cool"),
        wanted=_storage_wanted(context, hierarchical=True, tier="Cool"),
        usually=25,
        cost="by what is stored; cents for the lab",
        availability="Microsoft.Storage/storageAccounts",
    )


@check(deadline=20)
def data_lake_exists(context: StepContext) -> Result:
    """Look whether the environment's data lake exists, with the settings that cannot be changed later."""
    return look(context, data_lake(context))


@solve(plan=lambda context: plan(context, data_lake(context)))
def create_data_lake(context: StepContext) -> None:
    """Create the environment's data lake."""
    create(context, data_lake(context))


@undo(plan=lambda context: plan_removal(context, data_lake(context)))
def delete_data_lake(context: StepContext) -> None:
    """Delete the environment's data lake with all that is in it."""
    remove(context, data_lake(context))


# Key vault


def key_vault(context: StepContext) -> Resource:
    """Return the environment's Key Vault, with the Azure RBAC permission model."""
    return _vault(context, "Key vault", context.here.key_vault)


@check(deadline=20)
def key_vault_exists(context: StepContext) -> Result:
    """Look whether the environment's Key Vault exists; one that is soft-deleted is named as such."""
    vault = key_vault(context)
    result = look(context, vault)
    if result.status is Status.FAILED and result.expectations[0].actual == "not found":
        deleted = _deleted(context, vault)
        if deleted:
            return Result(
                Status.FAILED,
                f"Key vault {vault.name} is soft-deleted.",
                (Expectation("Key vault", f"{vault.name} exists", deleted, met=False),),
                "Recover it (do it for me), or purge it in the portal under Manage deleted vaults.",
            )
    return result


def _deleted(context: StepContext, vault: Resource) -> str:
    """Return when the soft-deleted vault goes for good, in words, or an empty string when there is none of ours."""
    document = context.services.arm.find(vault.trace)
    properties = (document or {}).get("properties", {})
    if str(properties.get("vaultId", "")).lower() != vault.id.lower():
        return ""
    return f"soft-deleted, purged by itself on {str(properties.get('scheduledPurgeDate', ''))[:10] or 'an unknown day'}"


def _plan_vault(context: StepContext, vault: Resource) -> tuple[Change, ...]:
    if context.services.arm.find(vault.id) is None and _deleted(context, vault):
        return (Change("adopt", vault.kind, vault.name, context.names.location, note="soft-deleted: recover it"),)
    return plan(context, vault)


def _create_vault(context: StepContext, vault: Resource) -> None:
    if (
        await_deletion(context, vault) is None
        and context.ledger.open_operation(vault.id) is None
        and _deleted(context, vault)
    ):
        context.channel.say(f"{vault.kind} {vault.name} is soft-deleted: recovering it, with all that was in it …")
        properties = {**vault.body["properties"], "createMode": "recover"}
        vault = replace(vault, body={**vault.body, "properties": properties}, availability="")
    create(context, vault)


@solve(plan=lambda context: _plan_vault(context, key_vault(context)))
def create_key_vault(context: StepContext) -> None:
    """Create the environment's Key Vault, or recover the soft-deleted one."""
    _create_vault(context, key_vault(context))


@undo(plan=lambda context: plan_removal(context, key_vault(context)))
def delete_key_vault(context: StepContext) -> None:
    """Delete and purge the environment's Key Vault, so that its name is free again."""
    remove(context, key_vault(context))


# Databricks workspace


def databricks_workspace(context: StepContext) -> Resource:
    """Return the environment's Databricks workspace: Premium, and able to run clusters (a serverless one is not)."""
    names = context.here
    return Resource(
        kind="Databricks workspace",
        id=_id(context, "Microsoft.Databricks/workspaces", names.databricks_workspace),
        body={
            "location": context.names.location,
            "sku": {"name": "premium"},
            "properties": {
                "computeMode": "Hybrid",
                "managedResourceGroupId": f"/subscriptions/{context.names.subscription}/resourceGroups/"
                f"{names.managed_resource_group}",
                "parameters": {"enableNoPublicIp": {"value": True}},
            },
        },
        wanted=(
            _location(context),
            Wanted("Pricing tier", ("sku", "name"), "premium", changeable=True),
            Wanted("Compute mode", ("properties", "computeMode"), "Hybrid", missing_means="Hybrid"),
        ),
        usually=180,
        cost="free while no cluster runs, but for its NAT gateway (see Azure's price list)",
    )


@check(deadline=20)
def databricks_workspace_exists(context: StepContext) -> Result:
    """Look whether the environment's Databricks workspace exists, Premium and able to run clusters."""
    return look(context, databricks_workspace(context))


def _group_in_the_way(context: StepContext, workspace: Resource) -> str:
    """Return what is wrong when the group that Databricks makes for itself is there already, or an empty string."""
    managed = str(workspace.body["properties"]["managedResourceGroupId"])
    arm = context.services.arm
    if context.ledger.open_operation(workspace.id) or arm.find(workspace.id) is not None:
        return ""
    group = arm.find(managed)
    if group is None or str(group.get("managedBy", "")).lower() == workspace.id.lower():
        return ""
    return f"The resource group {managed.rpartition('/')[2]}, which Databricks wants to make for itself, exists."


def _plan_databricks(context: StepContext) -> Sequence[Change]:
    workspace = databricks_workspace(context)
    problem = _group_in_the_way(context, workspace)
    if problem:
        return [Change("conflict", workspace.kind, workspace.name, context.names.location, note=problem)]
    return plan(context, workspace)


@solve(plan=_plan_databricks)
def create_databricks_workspace(context: StepContext) -> None:
    """Create the environment's Databricks workspace."""
    workspace = databricks_workspace(context)
    await_deletion(context, workspace)
    problem = _group_in_the_way(context, workspace)
    if problem:
        raise ConflictError(
            problem,
            "If it is left from an earlier workspace, delete it in the portal, then try again. "
            "Else choose another prefix (section set-up, step Choose your names).",
        )
    create(context, workspace)


@undo(plan=lambda context: plan_removal(context, databricks_workspace(context)))
def delete_databricks_workspace(context: StepContext) -> None:
    """Delete the environment's Databricks workspace; Azure deletes its managed resource group with it."""
    remove(context, databricks_workspace(context))


# Container registry


def container_registry(context: StepContext) -> Resource:
    """Return the `prod` environment's container registry, where the release puts the image."""
    return Resource(
        kind="Container registry",
        id=_id(
            context,
            "Microsoft.ContainerRegistry/registries",
            context.here.container_registry,
        ),
        body={
            "location": context.names.location,
            "sku": {"name": "Basic"},
            "properties": {"adminUserEnabled": False},
        },
        wanted=(
            _location(context),
            Wanted(
                "Admin user", ("properties", "adminUserEnabled"), expected=False, changeable=True, missing_means=False
            ),
        ),
        usually=20,
        cost="tier Basic, by the day (see Azure's price list)",
        availability="Microsoft.ContainerRegistry/registries",
    )


@check(deadline=20)
def container_registry_exists(context: StepContext) -> Result:
    """Look whether the container registry exists."""
    return look(context, container_registry(context))


@solve(plan=lambda context: plan(context, container_registry(context)))
def create_container_registry(context: StepContext) -> None:
    """Create the container registry."""
    create(context, container_registry(context))


@undo(plan=lambda context: plan_removal(context, container_registry(context)))
def delete_container_registry(context: StepContext) -> None:
    """Delete the container registry with the images in it."""
    remove(context, container_registry(context))
