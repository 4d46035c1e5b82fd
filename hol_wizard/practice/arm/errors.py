"""The errors of Azure Resource Manager, with its own texts.

Texts marked (recorded) are from `recordings/public/_errors.jsonl`; the others are from public issues and the error
references of the services.
"""

from __future__ import annotations

from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.service import Refused, Response


def error_answer(status: int, code: str, message: str, *, gateway: bool = False, **more: Any) -> Response:
    """Return an error in the form that ARM uses.

    Args:
        status: The HTTP status.
        code: ARM's code: `ResourceNotFound`.
        message: One sentence for people.
        gateway: Whether the error comes from ARM itself rather than from the resource provider.
        more: Further members of `error`: `target`, `details`, `additionalInfo`.
    """
    headers = {"x-ms-failure-cause": "gateway"} if gateway else {}
    return Response(status, {"error": {"code": code, "message": message, **more}}, headers)


def refused(status: int, code: str, message: str, *, gateway: bool = False, **more: Any) -> Refused:
    """Return an exception to raise."""
    return Refused(error_answer(status, code, message, gateway=gateway, **more))


def unauthenticated(code: str, message: str, error: str = "invalid_token") -> Refused:
    """Return a 401 with the challenge that ARM sends (recorded: InvalidAuthenticationToken)."""
    refusal = refused(401, code, message, gateway=True)
    refusal.response.headers["WWW-Authenticate"] = (
        f'Bearer authorization_uri="https://login.windows.net/{seed.TENANT}", error="{error}", '
        f'error_description="{message}"'
    )
    return refusal


def authorization_failed(principal: seed.Principal, action: str, scope: str) -> Refused:
    """Return the error for a caller without a role (recorded)."""
    return refused(
        403,
        "AuthorizationFailed",
        f"The client '{principal.client}' with object id '{principal.id}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please "
        "refresh your credentials.",
        gateway=True,
    )


def group_not_found(name: str) -> Refused:
    """Return the error for a group that does not exist (recorded)."""
    return refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.", gateway=True)


def group_being_deleted(name: str) -> Refused:
    """Return the error for a change in a group that is being deleted."""
    return refused(
        409,
        "ResourceGroupBeingDeleted",
        f"The resource group '{name}' is in deprovisioning state and cannot perform this operation.",
        gateway=True,
    )


def resource_not_found(resource_type: str, name: str, group: str) -> Refused:
    """Return the error for a resource that does not exist (recorded)."""
    return refused(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix",
        gateway=True,
    )


def not_found_inside(code: str, message: str) -> Refused:
    """Return Azure Machine Learning's error for something that is not in a workspace.

    Azure/mlops-v2 issue 76 quotes it: the code is `UserError`, and `details` says what is missing.
    """
    details = [{"code": code, "message": message}]
    return refused(404, "UserError", "The specified resource was not found.", details=details)


def not_registered(namespace: str) -> Refused:
    """Return the error for a subscription that has not registered the provider (recorded)."""
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how "
        "to register subscriptions."
    )
    return refused(
        409,
        "MissingSubscriptionRegistration",
        message,
        gateway=True,
        details=[{"code": "MissingSubscriptionRegistration", "target": namespace, "message": message}],
    )


def wrong_location(location: str, resource_type: str) -> Refused:
    """Return the error for a region that does not exist, or that does not offer the type."""
    offered = ",".join(seed.LOCATIONS)
    if resource_type == "Microsoft.Resources/resourceGroups":
        return refused(
            400,
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{location}' is not available for resource group. List of available "
            f"regions is '{offered}'.",
            gateway=True,
        )
    return refused(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{resource_type}'. List of available "
        f"regions for the resource type is '{offered}'.",
        gateway=True,
    )
