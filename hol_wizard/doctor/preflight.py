"""What can prevent the lab in the subscription, for the doctor; each finding says who can fix it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final

from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, ServiceError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.resources import machine_learning
from hol_wizard.resources.azure_resource import AzureResource, name_problem
from hol_wizard.resources.cluster_quota import quota
from hol_wizard.resources.container_registry import container_registry
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import key_vault
from hol_wizard.resources.running_clusters import running_clusters
from hol_wizard.resources.storage_account import data_lake
from hol_wizard.steps.subscription import allows

ROLE_RIGHT: Final = "Microsoft.Authorization/roleAssignments/write"

GIVING_ROLES: Final[Mapping[str, str]] = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
"""The built-in roles that may assign roles (Azure built-in roles reference)."""

CREATING_APPLICATIONS: Final = (
    "Global Administrator",
    "Application Administrator",
    "Cloud Application Administrator",
    "Application Developer",
)
"""The directory roles that may create applications (Microsoft Entra built-in roles)."""

ELIGIBILITY_VERSION: Final = "2020-10-01"
"""API version of Role Eligibility Schedule Instances - List For Scope; its filter `asTarget()` returns one's own."""

PIM_PAGE: Final = "/#view/Microsoft_Azure_PIMCommon/ActivationMenuBlade/~/azurerbac"
"""The portal's page where one's own eligible roles are activated ([K]: seen in Microsoft's documents, not tried)."""

POLICY_VERSION: Final = "2024-05-01"
ALLOWED_LOCATIONS: Final = "e56962a6-4747-49cd-b67b-bf8b01975c4c"
"""The built-in policy Allowed locations; its parameter is `listOfAllowedLocations`
(learn.microsoft.com/azure/governance/policy/samples/built-in-policies)."""
ONLY_LOOKING: Final = ("1f3afdf9-d0c9-4c3d-847f-89da613e70a8",)
"""The initiative that Defender for Cloud assigns to every subscription: it only audits, and denies nothing."""


def may_give_roles(context: StepContext) -> Result:
    """Check whether this account may assign roles in the subscription, or could after activating one of its own."""
    arm, scope = context.services.arm, f"/subscriptions/{context.names.subscription}"
    permissions = context.reads.share(
        ("permissions", scope), lambda: arm.list(f"{scope}/providers/Microsoft.Authorization/permissions")
    )
    may = any(allows(permission, ROLE_RIGHT) for permission in permissions)
    now = Expectation("You may assign roles in the subscription", "yes", "yes" if may else "no", may)
    if may:
        return Result(Status.PASSED, "You may assign roles.", (now,))
    try:
        eligible, unknown = _eligible(context, scope), ""
    except ServiceError as error:
        eligible, unknown = (), error.message
    could = ", ".join(eligible) or ("not told" if unknown else "none")
    seen = (now, Expectation("Role that you could activate", "not needed, or one", could, bool(eligible)))
    if eligible:
        return Result(
            Status.FAILED,
            f"You may not assign roles now, but you could: activate {eligible[0]} in Privileged Identity Management.",
            seen,
            f"You: activate it at {context.services.endpoints.portal}{PIM_PAGE}, then sign in again.",
        )
    return Result(
        Status.FAILED,
        "You may not assign roles: the lab's data and secrets need a few.",
        seen,
        "An owner of the subscription: assign you Owner or Role Based Access Control Administrator, "
        "or do the organizer's sections.",
        unknown,
    )


def _eligible(context: StepContext, scope: str) -> Sequence[str]:
    """Return the roles that may assign roles and that this account could activate."""
    found = context.services.arm.list(
        f"{scope}/providers/Microsoft.Authorization/roleEligibilityScheduleInstances",
        **{"api-version": ELIGIBILITY_VERSION, "$filter": "asTarget()"},
    )
    ids = (str(each.get("properties", {}).get("roleDefinitionId", "")).rpartition("/")[2].lower() for each in found)
    return tuple(dict.fromkeys(GIVING_ROLES[each] for each in ids if each in GIVING_ROLES))


def may_create_applications(context: StepContext) -> Result:
    """Check whether this account may create the lab's application in the directory."""
    graph = context.services.graph
    me = graph.signed_in()
    if me.kind != "User":
        return Result(
            Status.UNKNOWN,
            f"{me.name} is not a person, so it cannot find out whether it may create applications.",
            next_action="An administrator of the directory: give it the Microsoft Graph permission "
            "Application.ReadWrite.OwnedBy, or have a person do the section service-principal.",
        )
    has = [role for role in graph.directory_roles() if role in CREATING_APPLICATIONS]
    allowed = None if has else graph.allowed_to_create_applications()
    told = {None: "not told", True: "yes", False: "no"}[allowed]
    seen = (
        Expectation("Directory role that may create applications", "one, or not needed", ", ".join(has) or "none", True)
        if has
        else Expectation("Every user may create applications", "yes", told, bool(allowed))
    )
    if has or allowed:
        return Result(Status.PASSED, "You may create applications.", (seen,))
    help_ = (
        "An administrator of the directory: give you the role Application Developer, or create the application and its "
        "secret for you (<section service-principal>)."
    )
    if allowed is None:
        return Result(Status.UNKNOWN, "You may not see whether you may create applications.", (seen,), help_)
    return Result(Status.FAILED, "You may not create applications in this directory.", (seen,), help_)


def _named(context: StepContext) -> Sequence[AzureResource]:
    """Return the resources whose names are globally unique."""
    found: list[AzureResource] = []
    for environment in (Environment.DEV, Environment.PIPELINE):
        here = replace(context, environment=environment)
        found += [data_lake(here), key_vault(here), *machine_learning.dependants(here)]
    found.append(container_registry(replace(context, environment=Environment.PROD)))
    return [each for each in found if each.availability]


def names_free(context: StepContext) -> Result:
    """Check whether the globally unique names are available, or already belong to the lab's resources."""

    def told(resource: AzureResource) -> Expectation:
        if context.services.arm.find(resource.id) is not None:
            return Expectation(resource.label, "free, or in your group", "in your group", met=True)
        problem = name_problem(resource)
        return Expectation(resource.label, "free, or in your group", problem or "free", met=not problem)

    named = _named(context)
    with ThreadPoolExecutor(len(named)) as pool:
        seen = tuple(pool.map(told, named))
    taken = [each.what for each in seen if not each.met]
    return judge(
        seen,
        passed="The names that must be globally unique are available.",
        failed=f"Already in use: {', '.join(taken)}.",
        next_action="You: choose another prefix (<step set-up/choose-your-names>). Section workspace-resources "
        "recovers your own soft-deleted vault.",
    )


def policies(context: StepContext) -> Result:
    """Report which policies are assigned, and evaluate the only one that can be evaluated: allowed regions.

    An assignment does not say whether its policy denies requests: only a refusal does, and it names the policy.
    """
    scope = f"/subscriptions/{context.names.subscription}"
    try:
        found = context.services.arm.list(
            f"{scope}/providers/Microsoft.Authorization/policyAssignments",
            **{"api-version": POLICY_VERSION, "$filter": "atScope()"},
        )
    except AccessDeniedError as error:
        return Result(
            Status.UNKNOWN,
            "You may not see which policies are assigned.",
            next_action="An owner of the subscription: check whether policies restrict regions, sizes or public "
            "access.",
            detail=error.detail,
        )
    location = context.names.location
    seen: list[Expectation] = []
    unjudged: list[str] = []
    for assignment in found:
        properties = assignment.get("properties") or {}
        policy = str(properties.get("policyDefinitionId", "")).rpartition("/")[2].lower()
        if properties.get("enforcementMode") == "DoNotEnforce" or policy in ONLY_LOOKING:
            continue
        name = str(properties.get("displayName") or assignment.get("name"))
        if policy == ALLOWED_LOCATIONS:
            allowed = [str(each).lower().replace(" ", "") for each in _parameter(properties, "listOfAllowedLocations")]
            seen.append(Expectation(name, f"allows {location}", ", ".join(allowed) or "none", location in allowed))
        else:
            unjudged.append(name)
    if any(not each.met for each in seen):
        return Result(
            Status.FAILED,
            f"A policy does not allow the region {location}.",
            tuple(seen),
            "You: choose a region that it allows (<step set-up/choose-your-names>). An owner of the "
            "subscription: exempt the lab's resource groups.",
        )
    seen += [Expectation(name, "denies nothing that the lab creates", "not told", met=False) for name in unjudged]
    if unjudged:
        return Result(
            Status.UNKNOWN,
            f"{len(unjudged)} policies are assigned; whether one of them denies something that the lab creates is "
            "known only when it does. The refusal then names it.",
            tuple(seen),
            "An owner of the subscription: check them, or exempt the lab's resource groups if one refuses.",
        )
    return Result(Status.PASSED, "No policy that is enforced here affects the lab.", tuple(seen))


def _parameter(properties: Mapping[str, Any], name: str) -> Sequence[object]:
    parameter = (properties.get("parameters") or {}).get(name) or {}
    value = parameter.get("value")
    return value if isinstance(value, list) else []


def cores_left(context: StepContext) -> Result:
    """Check whether the subscription's quota is enough for the cluster of dev, unless it runs, and for a build's."""
    runs = _cluster_runs(context, Environment.DEV)
    told = quota(context, clusters=1 if runs else 2)
    if told.problem:
        return Result(
            Status.UNKNOWN,
            f"The quota for virtual machines could not be read: {told.problem}",
            next_action="You: az provider register --namespace Microsoft.Compute"
            if "not registered" in told.problem
            else "An owner of the subscription: check Quotas in the portal.",
        )
    seen = tuple(Expectation(room.family, f"{room.needed} cores free", str(room), room.fits) for room in told.rooms)
    best = told.best
    if best is not None:
        fits = tuple(each for each, room in zip(seen, told.rooms, strict=True) if room is best)
        whose = "a build's job cluster" if runs else "the cluster of dev and a build's job cluster"
        return Result(Status.PASSED, f"There is room for {whose}: {best}.", fits)
    refusal = told.refusal
    return Result(Status.FAILED, refusal.message, seen, f"You, or an owner of the subscription: {refusal.hint}")


def _cluster_runs(context: StepContext, environment: Environment) -> bool:
    try:
        return bool(running_clusters(context, environment))
    except WizardError:
        # No workspace yet, or one that cannot be asked: the cluster does not exist yet.
        return False
