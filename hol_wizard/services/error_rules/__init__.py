"""What services' error codes mean, and what to do about them: data in this folder's TOML files, first match wins."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args

from hol_wizard import errors
from hol_wizard.errors import (
    AccessDeniedError,
    ConflictError,
    NotFoundError,
    ServiceError,
    SignInError,
    UnreachableError,
    WizardError,
)

Service = Literal["arm", "entra", "network", "graph", "key_vault", "storage", "databricks", "devops", "git"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)

SIGN_IN_AGAIN: Final = "Sign in again (section set-up, step Sign in), or run: az login"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of error."""

    service: Service
    error: type[WizardError]
    message: str
    """In plain words. `{thing}` is what was asked for, `{original}` the service's own words, `{host}` who was asked."""
    hint: str
    code: str = ""
    """Regular expression over the whole code, in any case."""
    pattern: str = ""
    """Regular expression over the service's words; its named groups can stand in message and hint."""
    link: str = ""
    """A page that says more."""
    retry: bool = False
    """Whether the same request is worth another try within seconds."""


@cache
def rules(service: Service) -> tuple[Rule, ...]:
    """Return a service's rules, in the order in which they are tried.

    Raises:
        ValueError: The file breaks the form of a rule; its tests find that, never an attendee.
    """
    import tomllib

    text = files(__package__).joinpath(f"{service}.toml").read_text(encoding="utf-8")
    found = []
    for number, table in enumerate(tomllib.loads(text).get("rule", ()), start=1):
        kind = getattr(errors, table.pop("error", ""), None)
        if not (isinstance(kind, type) and issubclass(kind, WizardError)):
            raise ValueError(f"{service}.toml: rule {number} names no error of hol_wizard.errors")
        found.append(Rule(service=service, error=kind, **table))
    return tuple(found)


class _Known(dict[str, str]):
    """Facts by name; what nobody knows has a word that can stand in a sentence."""

    def __missing__(self, key: str) -> str:
        return {"tenant": "TENANT", "policy": "(not named)", "reason": "unknown reason"}.get(key, "it")


def rule_for(service: Service, code: str, original: str) -> Rule | None:
    """Return the first rule that fits, or None.

    Args:
        service: Who answered.
        code: Its code; empty where there is none.
        original: Its own words.
    """
    for rule in rules(service):
        if re.fullmatch(rule.code, code, re.IGNORECASE) and (
            not rule.pattern or re.search(rule.pattern, original, re.DOTALL)
        ):
            return rule
    return None


def explain(rule: Rule, code: str, original: str, *, detail: str = "", **facts: str) -> WizardError:
    """Return the project's error for a service's.

    Args:
        rule: What it means.
        code: The service's code.
        original: The service's own words.
        detail: What is kept for a question to the proctor; the code and the words where it is empty.
        facts: What message and hint can name.
    """
    found = re.search(rule.pattern, original, re.DOTALL) if rule.pattern else None
    groups = {name: value for name, value in (found.groupdict() if found else {}).items() if value}
    words = _Known({**{name: value for name, value in facts.items() if value}, "original": original.strip(), **groups})
    hint = rule.hint.format_map(words)
    return rule.error(
        rule.message.format_map(words),
        f"{hint} More: {rule.link}" if rule.link else hint,
        code=code,
        detail=detail or f"{code}: {original}".removeprefix(": "),
    )


def _error_of(body: Any) -> Mapping[str, Any]:
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    if isinstance(error, str):
        # Databricks' Command Execution API says no more than that; OAuth has a code there.
        return {"message": body.get("error_description") or error}
    return error if isinstance(error, Mapping) else {}


def code_of(body: Any) -> str:
    """Return the code of an error document, or an empty string.

    Key Vault says the reason in `innererror` (`ForbiddenByRbac`), Databricks says `error_code`, Azure DevOps names the
    exception (`typeKey`).
    """
    error = _error_of(body)
    inner = error.get("innererror")
    narrower = str(inner.get("code") or "") if isinstance(inner, Mapping) else ""
    return narrower or str(error.get("code") or error.get("error_code") or error.get("typeKey") or "")


def of_reply(service: Service, status: int, headers: Mapping[str, str], body: Any, thing: str) -> WizardError:
    """Return the error that a service's refusal means.

    Args:
        service: Who answered.
        status: HTTP status, 400 or above.
        headers: Of the answer, names in lower case. Storage says its code there, and nothing else for a HEAD.
        body: The parsed answer.
        thing: What was asked for.
    """
    request = headers.get("x-ms-request-id") or headers.get("request-id") or ""
    code = code_of(body) or headers.get("x-ms-error-code", "")
    return of_answer(service, status, body, thing, code=code, request=request)


_ASK = {
    "arm": "Ask an owner of the subscription for the role Contributor.",
    "graph": "Ask an administrator of the directory (tenant).",
    "key_vault": "Ask an owner of the key vault for the role Key Vault Secrets Officer.",
    "storage": "Ask an owner of the storage account for the role Storage Blob Data Contributor.",
    "databricks": "Ask an administrator of the Databricks workspace.",
    "devops": "Ask an administrator of the Azure DevOps organization.",
}


def of_answer(
    service: Service, status: int, body: Any, thing: str, *, code: str = "", request: str = ""
) -> WizardError:
    """Return the error that an answer means.

    Args:
        service: Who answered.
        status: HTTP status, 400 or above.
        body: The parsed answer; anything else than an error document is taken as it is.
        thing: What was asked for.
        code: The service's code, where it stands elsewhere than in the body.
        request: The request's id, by which Microsoft's support finds it.
    """
    error = _error_of(body)
    code = code or code_of(body)
    said = error.get("message") or (_plain_text(body) if isinstance(body, str) else "") or f"HTTP {status}"
    original = str(said).strip()[:2000]
    detail = f"HTTP {status} {code}: {original}".replace(" : ", ": ")
    for inner in error.get("details") or ():
        if isinstance(inner, Mapping) and inner.get("message") and str(inner["message"]) not in detail:
            detail += f"\n{inner.get('code', '')}: {inner['message']}"[:2000]
    if request:
        detail += f"\nRequest id: {request}"
    if rule := rule_for(service, code, original):
        return explain(rule, code, original, detail=detail, thing=thing, policy=_policy(error))
    kind: type[WizardError] = {401: SignInError, 403: AccessDeniedError, 404: NotFoundError, 409: ConflictError}.get(
        status, ServiceError
    )
    hint = {401: SIGN_IN_AGAIN, 403: _ASK.get(service, ""), 404: ""}.get(
        status, "Try again; if it stays so, copy the details to the proctor."
    )
    return kind(f"{thing}: {original}", hint, code=code, detail=detail)


def _plain_text(body: str) -> str:
    """Return what an XML error of Storage says, or the text as it is."""
    found = re.search(r"<Message>(.*?)</Message>", body, re.DOTALL)
    return found[1] if found else body


def _policy(error: Mapping[str, Any]) -> str:
    """Return the display names of the policies that refused (`additionalInfo[].info.policyDefinitionDisplayName`)."""
    information = [
        entry["info"]
        for entry in error.get("additionalInfo") or ()
        if isinstance(entry, Mapping) and isinstance(entry.get("info"), Mapping)
    ]
    named = [
        str(info.get("policyDefinitionDisplayName") or info.get("policyAssignmentDisplayName") or "")
        for info in information
    ]
    return ", ".join(f"“{name}”" for name in dict.fromkeys(named) if name)


_SIGN_IN_CODE = re.compile(
    r"AADSTS\d+|\b(?:invalid_grant|authorization_declined|access_denied|expired_token|code_expired"
    r"|interaction_required|consent_required|invalid_tenant)\b"
)
_SIGN_IN_WORDS = (
    (r"does not exist in MSAL token cache|Can't find token from MSAL cache", "no_token"),
    (r"Unable to get authority configuration", "no_authority"),
)


def of_sign_in(original: str, *, tenant: str = "", thing: str = "") -> SignInError:
    """Return the error that words of Entra ID's, or of a sign-in library, mean.

    Args:
        original: The words; the codes are found in them.
        tenant: The directory that was asked.
        thing: The application that tried, where it is no person.
    """
    # A number says more than the OAuth error that stands before it.
    codes = sorted(_SIGN_IN_CODE.findall(original), key=lambda code: not code.startswith("AADSTS"))
    codes += [code for words, code in _SIGN_IN_WORDS if re.search(words, original)]
    for code in codes:
        if rule := rule_for("entra", code, original):
            error = explain(rule, code, original, detail=original, tenant=tenant, thing=thing)
            if isinstance(error, SignInError):
                return error
    first = original.strip().splitlines()[0] if original.strip() else "no reason given"
    return SignInError(f"The sign-in failed: {first}", SIGN_IN_AGAIN, code=codes[0] if codes else "", detail=original)


def of_network(original: str, host: str) -> UnreachableError:
    """Return the error for a connection that did not come about.

    Args:
        original: What the network libraries say.
        host: Who was asked.
    """
    rule = rule_for("network", "", original)
    error = explain(rule, "", original[:2000], host=host) if rule else None
    return error if isinstance(error, UnreachableError) else UnreachableError(f"{host} cannot be reached.")
