"""Refusals in the form in which Databricks writes them: `error_code` and `message`.

Codes and what they mean are those of databricks-sdk, errors/platform.py; statuses are those that it maps them to.
"""

from __future__ import annotations

from hol_wizard.practice.service import Answer, Refused

EXPIRED = "Token is expiring within 30 seconds. (token expired)"
"""databricks-vscode issue 583."""


def answer(status: int, code: str | int, message: str) -> Answer:
    """Return an error."""
    return Answer(status, {"error_code": code, "message": message})


def refused(status: int, code: str, message: str) -> Refused:
    """Return an error to raise."""
    return Refused(answer(status, code, message))


def stranger(status: int, message: str) -> Refused:
    """Return what somebody gets who is not let in: `error_code` is a number then (databricks-sdk-go issue 873)."""
    refusal = Refused(answer(status, status, message))
    refusal.answer.headers["X-Databricks-Reason-Phrase"] = message
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
