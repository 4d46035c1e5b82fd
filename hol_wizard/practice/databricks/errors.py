"""Errors in the format of Databricks: `error_code` and `message`.

The codes and their meanings, and the statuses that they map to, are those of databricks-sdk, errors/platform.py.
"""

from __future__ import annotations

from hol_wizard.practice.kernel.service import Refused, Response

EXPIRED = "Token is expiring within 30 seconds. (token expired)"
"""databricks-vscode issue 583."""


def response(status: int, code: str | int, message: str) -> Response:
    """Return an error."""
    return Response(status, {"error_code": code, "message": message})


def refused(status: int, code: str, message: str) -> Refused:
    """Return an exception to raise."""
    return Refused(response(status, code, message))


NO_ENDPOINT = "ENDPOINT_NOT_FOUND"
SCIM = "application/scim+json"
"""RFC 7644, section 3.1."""


def scim(refusal: Response) -> Response:
    """Return an error in the format of the workspace's SCIM API (RFC 7644, section 3.12): `status` is a string.

    Seen in MicrosoftDocs/azure-docs issue 85579. Errors of the front door have their own form there too: a number as
    `error_code` (databricks-sdk-go issues 853, 795 and 1038, all of `scim/v2`), or a path that is not served.
    """
    body = refusal.body
    if not isinstance(body, dict) or not isinstance(body.get("error_code"), str) or body["error_code"] == NO_ENDPOINT:
        return refusal
    document = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "scimType": body["error_code"],
        "detail": body["message"],
        "status": str(refusal.status),
    }
    return Response(refusal.status, document, refusal.headers, SCIM)


def stranger(status: int, message: str) -> Refused:
    """Return the error of a failed authentication: its `error_code` is a number (databricks-sdk-go issue 873)."""
    refusal = Refused(response(status, status, message))
    refusal.response.headers["X-Databricks-Reason-Phrase"] = message
    return refusal


def invalid(message: str) -> Refused:
    """Return the error for an invalid value."""
    return refused(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> Refused:
    """Return the error for something that does not exist."""
    return refused(404, "RESOURCE_DOES_NOT_EXIST", message)


def denied(message: str) -> Refused:
    """Return the error for a missing permission."""
    return refused(403, "PERMISSION_DENIED", message)


def wrong_state(message: str) -> Refused:
    """Return the error for a request that the current state does not allow."""
    return refused(400, "INVALID_STATE", message)
