"""A connection to one Databricks workspace: the SDK's service classes with our own requests.

The paths and the documents are those of databricks-sdk's generated service classes; the requests are ours
(`hol_wizard.services.rest`): one connection pool, one retry policy, Entra tokens, errors of
`error_rules/databricks.toml`. SDK types do not leave this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import GeneratorType, SimpleNamespace
from typing import Any, TypeVar, cast
from urllib.parse import urlencode

from hol_wizard.services import error_rules
from hol_wizard.services.answers import Pages
from hol_wizard.services.databricks.sdk import reading
from hol_wizard.services.rest import RestClient, json_object
from hol_wizard.services.secrets import Secret

T = TypeVar("T")

RESOURCE_HEADER = "X-Databricks-Azure-Workspace-Resource-Id"
"""Gives access to an Owner or Contributor of the Azure resource who is not a user yet (databricks-sdk, `azure.py`)."""


LISTS = frozenset(
    {
        *("clusters", "credentials", "groups", "items", "library_statuses", "node_types"),
        *("runs", "scopes", "secrets", "tasks", "token_infos", "versions"),
    }
)
"""Top-level members of the workspace's responses that are lists of objects; an empty list is omitted."""


class Connection:
    """The connection to one Databricks workspace; thread-safe."""

    def __init__(self, rest: RestClient, host: str) -> None:
        self._rest = rest
        self.host = host
        """Its address: `https://adb-123.4.azuredatabricks.net`."""

    def _api(
        self,
        kind: Callable[[Any], T],
        thing: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Secret | None = None,
    ) -> T:
        api = kind(Transport(self._rest, self.host, thing, headers or {}, token))
        return cast(T, _Judged(api, thing))


class _Judged:
    """One of the SDK's service classes; a response that the SDK cannot parse is an `InconclusiveError`."""

    def __init__(self, api: Any, thing: str) -> None:
        self._api = api
        self._thing = thing

    def __getattr__(self, name: str) -> Any:
        """Return a method that checks what it reads."""
        method = getattr(self._api, name)

        def judged(*arguments: Any, **named: Any) -> Any:
            with reading(self._thing):
                found = method(*arguments, **named)
                # A generator requests and reads page by page.
                return list(found) if isinstance(found, GeneratorType) else found

        return judged


class Transport:
    """The part of `ApiClient` that the SDK's service classes need: `do`, and a little of its configuration."""

    def __init__(
        self, rest: RestClient, host: str, thing: str, headers: Mapping[str, str], token: Secret | None
    ) -> None:
        self._rest = rest
        self._host = host
        self._thing = thing
        self._headers = headers
        self._token = token
        self._pages = Pages()
        self._cfg = SimpleNamespace(workspace_id=None, host=host, account_id=None)

    def do(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        **_: Any,
    ) -> Any:
        """Send a request and return the parsed response.

        Raises:
            InconclusiveError: The response has an unexpected form, or leads back to a page that was already read.
        """
        url = f"{self._host}{path}"
        if query:
            url += "?" + urlencode(list(_flat(query)))
        named = {**(headers or {}), **self._headers}
        # The transport sets the one that fits the body.
        named.pop("Content-Type", None)
        if self._token is not None:
            named |= {RESOURCE_HEADER: "", "Authorization": f"Bearer {self._token.reveal()}"}
        reply = self._rest.send(method, url, thing=self._thing, body=body, headers=named, signed=self._token is None)
        if reply.status >= 400:
            raise error_rules.of_reply("databricks", reply.status, reply.headers, reply.body, self._thing)
        if not reply.body and method != "GET":
            return {}
        document = json_object(reply, url)
        for name in LISTS & document.keys():
            document.some(name)
        self._pages.following(document.text("next_page_token"), reply.source)
        # The SDK treats a member that is null as missing, and reads it to find out.
        return reply.body


def _flat(query: Mapping[str, Any], prefix: str = "") -> Any:
    """Yield names and values in the API's form: `filter_by.is_pinned=true` (databricks-sdk, `_base_client.py`)."""
    for name, value in query.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield from ((f"{prefix}{name}", each) for each in value)
        else:
            yield f"{prefix}{name}", str(value).lower() if isinstance(value, bool) else value
