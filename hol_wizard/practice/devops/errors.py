"""Errors in the format of Azure DevOps: a message that begins with a TF or VS code, and the type of the exception."""

from __future__ import annotations

import re

from hol_wizard.practice.kernel.service import Refused, Response

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def response(
    status: int, message: str, type_key: str, namespace: str = "Microsoft.TeamFoundation.Server.Core"
) -> Response:
    """Return an error (recorded: TF400813, TF401232).

    Args:
        status: The HTTP status.
        message: `TF200016: The following project does not exist: …`.
        type_key: The exception's name.
        namespace: The exception's namespace, which appears in `typeName` only.
    """
    body = {
        "$id": "1",
        "innerException": None,
        "message": message,
        "typeName": f"{namespace}.{type_key}, {namespace}",
        "typeKey": type_key,
        "errorCode": 0,
        "eventId": 3000,
    }
    return Response(status, body)


def refused(
    status: int, message: str, type_key: str, namespace: str = "Microsoft.TeamFoundation.Server.Core"
) -> Refused:
    """Return an exception to raise."""
    return Refused(response(status, message, type_key, namespace))


def unserved(name: str, when: str) -> Refused:
    """Return the error for a query parameter that the practice cloud does not serve in some combination.

    Args:
        name: The parameter's name.
        when: The combination: `beside 'path'`.
    """
    message = f"The practice cloud does not serve the query parameter '{name}' {when}."
    return refused(400, message, "UnservedQueryParameterException")


GIT = "Microsoft.TeamFoundation.Git.Server"
"""Namespace of git's errors (public: VS403403)."""
_CORE = "Microsoft.TeamFoundation.Core.WebApi"


def no_project(name: str) -> Refused:
    """Return the error for a project that does not exist or that the caller may not see: they are the same.

    For a name it is TF200016 (terraform-provider-azuredevops, vsts-vscode), for an ID VS800075
    (azure-devops-cli-extension issues 1352 and 1421, badges/shields issue 5349: "does not exist, or you do not have
    permission to access it"). The status of the second differs between areas of the API; 404 is an estimate.
    """
    if _ID.fullmatch(name):
        message = (
            f"VS800075: The project with id 'vstfs:///Classification/TeamProject/{name.lower()}' does not exist, or "
            "you do not have permission to access it."
        )
        return refused(404, message, "ProjectDoesNotExistException", _CORE)
    message = (
        f"TF200016: The following project does not exist: {name}. Verify that the name of the project is correct and "
        "that the project exists on the specified Azure DevOps Server."
    )
    return refused(404, message, "ProjectDoesNotExistWithNameException", _CORE)


def not_permitted(who: str, permission: str) -> Refused:
    """Return the error for a missing permission; the text is public, the status 403 an estimate."""
    message = (
        f"TF50309: The following account does not have sufficient permissions to complete the operation: {who}. The "
        f"following permissions are needed to perform this operation: {permission}."
    )
    return refused(403, message, "AccessCheckException")


def needs_git_permission(who: str, permission: str) -> Refused:
    """Return the error for a missing permission on a repository (public: TF401027; its status is 403)."""
    return refused(403, git_permission_message(who, permission), "GitNeedsPermissionException", GIT)


def git_permission_message(who: str, permission: str) -> str:
    """Return the message for a missing permission on a repository: `GenericContribute`."""
    return (
        f"TF401027: You need the Git '{permission}' permission to perform this action. Details: identity "
        f"'aad\\{who}', scope 'repository'."
    )
