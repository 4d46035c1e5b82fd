"""Refusals in the form in which Databricks writes them: `error_code` and `message`.

Codes and what they mean are those of databricks-sdk, errors/platform.py; statuses are those that it maps them to.
"""

from __future__ import annotations

from hol_wizard.practice.kernel.service import Refused, Response

EXPIRED = "Token is expiring within 30 seconds. (token expired)"
"""databricks-vscode issue 583."""


def response(status: int, code: str | int, message: str) -> Response:
    """Return an error."""
    return Response(status, {"error_code": code, "message": message})


def refused(status: int, code: str, message: str) -> Refused:
    """Return an error to raise."""
    return Refused(response(status, code, message))


NO_ENDPOINT = "ENDPOINT_NOT_FOUND"
SCIM = "application/scim+json"
"""RFC 7644, section 3.1."""


def scim(refusal: Response) -> Response:
    """Return an error as the workspace's SCIM API writes it (RFC 7644, section 3.12): `status` is text.

    Seen in MicrosoftDocs/azure-docs issue 85579. What the front door refuses keeps its form there too: a number as
    `error_code` (databricks-sdk-go issues 853, 795 and 1038, all of `scim/v2`), or a path that nobody serves.
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
    """Return what somebody gets who is not let in: `error_code` is a number then (databricks-sdk-go issue 873)."""
    refusal = Refused(response(status, status, message))
    refusal.response.headers["X-Databricks-Reason-Phrase"] = message
    return refusal


def invalid(message: str) -> Refused:
    """Return the refusal of a value."""
    return refused(400, "INVALID_PARAMETER_VALUE", message)


def missing(message: str) -> Refused:
    """Return the refusal of something that is not there."""
    return refused(404, "RESOURCE_DOES_NOT_EXIST", message)


def denied(message: str) -> Refused:
    """Return the refusal of what the caller may not do."""
    return refused(403, "PERMISSION_DENIED", message)


def wrong_state(message: str) -> Refused:
    """Return the refusal of what cannot be done now."""
    return refused(400, "INVALID_STATE", message)
