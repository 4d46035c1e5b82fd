"""Validates responses of the sign-in service before MSAL, azure-cli-core or azure-identity read them.

These libraries interpret an HTML page as a missing directory, and a response of a busy service as a bug.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hol_wizard.errors import InconclusiveError, WizardError
from hol_wizard.services import error_rules, transport, waits
from hol_wizard.services.answers import unexpected
from hol_wizard.services.error_rules.documents import ErrorDocument

if TYPE_CHECKING:
    import requests

    from hol_wizard.services.endpoints import Endpoints

logger = logging.getLogger(__name__)

WAITS: Final = (1.0, 2.0)
"""Seconds before further tries, if the service does not say how long to wait."""

REFUSALS: Final = frozenset({400, 401})
"""Statuses of the service's own refusals (RFC 6749, section 5.2)."""

REQUIRED: Final[Mapping[str, Mapping[str, type | tuple[type, ...]]]] = {
    "/.well-known/openid-configuration": {"authorization_endpoint": str, "token_endpoint": str, "issuer": str},
    "/token": {"access_token": str, "expires_in": (int, str)},
    "/devicecode": {"device_code": str, "user_code": str, "expires_in": (int, str)},
}
"""Members that a valid response of an address has (OpenID Connect Discovery 1.0, section 3; RFC 6749, section 5.1; RFC
8628, section 3.2; Entra ID writes numbers as strings in some responses)."""

NUMBERS: Final = ("expires_in", "interval")
"""Members that are always seconds: MSAL converts them to numbers without a check."""


def judged(session: requests.Session, endpoints: Endpoints) -> requests.Session:
    """Return a session for the sign-in libraries that sends requests through another one and validates responses.

    Requests to the session's name of the sign-in service go to its actual address. Every request of a sign-in may be
    repeated, except the redemption of an authorization code, which is valid once. A response that is not from the
    sign-in service, even after further tries, is raised as an `InconclusiveError`.
    """
    import requests

    class Judged(requests.Session):
        def request(self, method: str | bytes, url: str | bytes, *args: Any, **named: Any) -> requests.Response:
            url, headers = _addressed(url, named.pop("headers", None), endpoints)
            named["headers"] = headers
            once = "authorization_code" in str(named.get("data") or "")
            waited = 0.0
            for wait in (*WAITS, None):
                asked = None
                try:
                    answer = session.request(method, url, *args, **named)
                    error = _trouble(answer)
                    asked = waits.retry_after(answer.headers)
                except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as broken:
                    error = unexpected("Microsoft Entra ID (sign-in)", f"the body is incomplete: {broken}"[:500])
                if error is None:
                    return answer
                logger.info("sign-in: %s %s", error.message, error.detail)
                if wait is None or once:
                    raise error
                waited += asked or wait
                if waited > transport.PATIENCE:
                    raise error
                time.sleep(asked or wait)
            raise AssertionError("the last try returns or raises")

    return Judged()


def _addressed(url: str | bytes, headers: Any, endpoints: Endpoints) -> tuple[str | bytes, Any]:
    """Return the actual address of a request, and its headers."""
    name = endpoints.session_authority
    if not name or not str(url).startswith(f"{name}/"):
        return url, headers
    return endpoints.active_directory + str(url).removeprefix(name), {**(headers or {}), "Host": urlsplit(name).netloc}


def _trouble(answer: requests.Response) -> WizardError | None:
    """Return why a response cannot be passed to the libraries, or None."""
    status, where = answer.status_code, urlsplit(answer.url)
    document = ErrorDocument.read(answer.content)
    if status in error_rules.BUSY or status >= 500:
        return error_rules.of_reply("entra", status, answer.headers, answer.content, "The sign-in", host=where.netloc)
    if document.form == "page" or status == 407:
        return error_rules.between(
            status, where.netloc, transport.proxy_of(answer.url), detail=f"HTTP {status}: a page of HTML"
        )
    try:
        told = json.loads(answer.content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return unexpected("Microsoft Entra ID (sign-in)", f"HTTP {status}: the body is no JSON: {error}"[:500])
    if not isinstance(told, dict):
        return unexpected("Microsoft Entra ID (sign-in)", f"HTTP {status}: the body is no JSON object")
    if status >= 300 and (status not in REFUSALS or not isinstance(told.get("error"), str)):
        # The service's own refusals have OAuth's format, also for a directory that does not exist.
        return unexpected("Microsoft Entra ID (sign-in)", f"HTTP {status}: {document.code} {document.words}"[:500])
    return _incomplete(where.path, told) if status < 300 else None


def _incomplete(path: str, told: Mapping[str, Any]) -> InconclusiveError | None:
    """Return an error for the member that is missing or wrong in a successful response."""
    for end, members in REQUIRED.items():
        if path.endswith(end):
            for name, kind in members.items():
                value = told.get(name)
                if not isinstance(value, kind) or value == "" or (name in NUMBERS and not _is_number(value)):
                    return unexpected("Microsoft Entra ID (sign-in)", f"{name} is missing or wrong")
    wrong = [name for name in NUMBERS if name in told and not _is_number(told[name])]
    return unexpected("Microsoft Entra ID (sign-in)", f"{wrong[0]} is wrong") if wrong else None


def _is_number(value: Any) -> bool:
    """Return whether a value is a number of seconds, which may be a string."""
    return re.fullmatch(r"[0-9]{1,12}", str(value)) is not None


def cause_of(error: BaseException) -> BaseException:
    """Return the cause of an error of azure-identity, which wraps every network error (`wrap_exceptions`)."""
    import requests
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, WizardError | requests.RequestException | ServiceRequestError | ServiceResponseError):
            return cause
        cause = cause.__cause__
    return error
