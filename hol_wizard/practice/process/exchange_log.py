"""A log of every exchange as JSON Lines, without secrets, in the format that the contract checker reads."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qsl, urlencode

from hol_wizard.practice.process.launch import NotOursError

_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "x-ms-authorization-auxiliary", "x-databricks-azure-sp-management-token"}
)
_SECRET_FIELDS = re.compile(
    r"(token|secret|assertion|^code$|code_verifier|device_code|password|client_info|connectionstring|instrumentationkey"
    r"|^string_value$|^bytes_value$)",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset(
    {"token_type", "token_endpoint", "code_challenge_method", "secretUri", "secretUriWithVersion", "patTokenError"}
)
_SECRET_QUERY = frozenset({"code", "sig", "ticket"})
_VALUES = re.compile(r"/vaults/[^/]+/secrets/|/(listkeys|regeneratekey)$|/api/2\.0/secrets/get$", re.IGNORECASE)
"""Addresses in Azure Resource Manager and in Databricks whose `value` is a secret."""
_DEPLOYMENTS = re.compile(r"/providers/microsoft\.resources/deployments/", re.IGNORECASE)
"""Addresses of deployments: parameters of a secure type may have any name."""
REDACTED = "***"
MOST_BYTES = 256_000_000
"""Size at which a new file is started; the last one is kept. Everybody who can reach 127.0.0.1 can fill the log."""
LONGEST_TEXT = 1_000_000
"""Maximum size of a logged body; for a longer one, only its length is logged."""


def _redact(value: Any, values: bool) -> Any:
    """Return JSON without secrets; `values` says that members called `value` are also secrets."""
    if isinstance(value, dict):
        return {
            name: REDACTED
            if isinstance(item, str)
            and (_SECRET_FIELDS.search(name) or (values and name == "value"))
            and name not in _NOT_SECRET
            else _redact(item, values)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_redact(item, values) for item in value]
    return value


def _without_parameters(body: Any) -> Any:
    """Return the body of a deployment without the values of its parameters and outputs, and values derived from
    them."""
    properties = body.get("properties") if isinstance(body, dict) else None
    if not isinstance(properties, dict):
        return body
    hidden: dict[str, Any] = {}
    for name in ("parameters", "outputs"):
        if isinstance(properties.get(name), dict):
            hidden[name] = {
                each: {**about, "value": REDACTED} if isinstance(about, dict) and "value" in about else about
                for each, about in properties[name].items()
            }
    if isinstance(properties.get("validatedResources"), list):
        kept = ("id", "name", "type", "apiVersion", "location")
        hidden["validatedResources"] = [
            {key: each[key] for key in kept if key in each} for each in properties["validatedResources"]
        ]
    return {**body, "properties": {**properties, **hidden}}


def _body(
    content: bytes, content_type: str, *, values: bool = False, data: bool = False, deployment: bool = False
) -> Any:
    """Return a body in the form for the log: of `data`, the bytes of a file, only the length."""
    if len(content) > LONGEST_TEXT or (data and (content or content_type)):
        return f"({len(content)} bytes)"
    if not content:
        return None
    if "form-urlencoded" in content_type:
        return urlencode(_redact(dict(parse_qsl(content.decode("utf-8", "replace"), keep_blank_values=True)), values))
    try:
        read = json.loads(content)
        return _redact(_without_parameters(read) if deployment else read, values)
    except RecursionError:
        # Nested too deeply to find the secrets.
        return f"({len(content)} bytes)"
    except ValueError:
        return f"({len(content)} bytes)" if "text" not in content_type else content.decode("utf-8", "replace")


_SOURCE = "practice cloud"
_BEGINNING = json.dumps({"source": _SOURCE}).removesuffix("}").encode()
"""The beginning of each line, which identifies such a log."""


def _is_log(place: Path) -> bool:
    """Return whether a file is a log of exchanges, is empty, or does not exist."""
    try:
        if not place.is_file():
            return not os.path.lexists(place)
        with place.open("rb") as file:
            return file.read(len(_BEGINNING)) in {b"", _BEGINNING}
    except OSError:
        return False


class ExchangeLog:
    """Writes one line per exchange and flushes it immediately, so that a reader sees it as soon as the client does."""

    def __init__(self, path: Path) -> None:
        """Open the log; an existing one is continued.

        Args:
            path: A log of exchanges, or a path that does not exist.

        Raises:
            NotOursError: The path is something else, or another file has replaced the previous one.
            OSError: It cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = Path(os.path.realpath(path))
        self._before = self.path.with_name(f"{self.path.name}.1")
        for place in (path, self._before):
            if not _is_log(place):
                raise NotOursError(
                    f"{place} is not a log of exchanges, so nothing is written into it.",
                    "Name another file: --log-exchanges FILE",
                )
        self._file = self._open()

    def _open(self) -> TextIO:
        return os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8")

    def write(
        self,
        service: str,
        thing: str,
        method: str,
        url: str,
        request_headers: Mapping[str, str],
        request_body: bytes,
        status: int | None,
        response_headers: Mapping[str, str],
        response_body: bytes,
    ) -> None:
        """Write one exchange with a service or, if it has its own port, with one of the service's resources.

        `status` is None if no response was sent.
        """
        address, _, query = url.partition("?")
        pairs = [
            (name, REDACTED if name.lower() in _SECRET_QUERY else value)
            for name, value in parse_qsl(query, keep_blank_values=True)
        ]
        requests = {name.lower(): value for name, value in request_headers.items()}
        responses = {name.lower(): value for name, value in response_headers.items()}
        if service == "active_directory":
            # Addresses with a code or a ticket, and pages that contain them in hidden fields.
            responses |= {name: REDACTED for name in ("location", "refresh") if name in responses}
        values = service == "key_vault" or bool(_VALUES.search(address))
        stored = service.startswith("storage_") or "/_git/" in address
        deployment = bool(_DEPLOYMENTS.search(address))
        listed = "x-ms-error-code" in responses or any(name.lower() in {"comp", "resource"} for name, _ in pairs)
        record = {
            "source": _SOURCE,
            "service": service,
            "thing": thing,
            "method": method,
            "url": address + ("?" + urlencode(pairs) if pairs else ""),
            "request_headers": {
                name: REDACTED if name in _SECRET_HEADERS else value for name, value in requests.items()
            },
            "request_body": _body(
                request_body,
                requests.get("content-type", ""),
                values=values,
                data=stored and bool(request_body),
                deployment=deployment,
            ),
            "status": status,
            "response_headers": {
                name: REDACTED if name in _SECRET_HEADERS else value for name, value in responses.items()
            },
            "response_body": _body(
                response_body,
                responses.get("content-type", ""),
                values=values,
                deployment=deployment,
                data=(stored and not listed and method == "GET")
                or (service == "active_directory" and "html" in responses.get("content-type", "text/html")),
            ),
        }
        if self._file.tell() > MOST_BYTES:
            self._file.close()
            self.path.replace(self._before)
            self._file = self._open()
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
