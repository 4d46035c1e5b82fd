"""Personal access tokens: Tokens_create, _list, _delete, and TokenManagement_list, _get, _delete for admins."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.workspace_settings import WorkspaceSettings
from hol_wizard.practice.directory import objects
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

PREFIX = "dapi"
_DAY = 24 * 3600
_MOST_DAYS = 730
"""The default lifetime of a token: two years (databricks-sdk, TokensAPI.create)."""
_MOST_TOKENS = 600
"""Maximum number of tokens per user (azure-docs issue 49567: QUOTA_EXCEEDED)."""


class PersonalTokens:
    """The tokens of each workspace, by their SHA-256; nothing else of the value is stored."""

    def __init__(self, world: World, router: Router, settings: WorkspaceSettings) -> None:
        self._world = world
        self._documents = world.part(address.Contents).collection("databricks_tokens", self)
        self._settings = settings
        router.add("POST", "/api/2.0/token/create", self._create)
        router.add("GET", "/api/2.0/token/list", self._list)
        router.add("POST", "/api/2.0/token/delete", self._delete)
        router.add(
            "GET", "/api/2.0/token-management/tokens", self._list_all, honors="created_by_id created_by_username"
        )
        router.add("GET", "/api/2.0/token-management/tokens/{token}", self._get_any)
        router.add("DELETE", "/api/2.0/token-management/tokens/{token}", self._delete_any)

    def owner(self, workspace: str, token: str) -> str:
        """Return the object ID of a token's owner.

        Raises:
            Refused: The token is not of this workspace, or has expired, or the workspace has disabled tokens.
        """
        found = self._documents.get(f"{workspace}/{objects.digest(token)}")
        if found is None or self._is_old(found) or not self._are_allowed(workspace):
            raise errors.stranger(403, "Invalid access token.")
        return str(found["owner"])

    def _are_allowed(self, workspace: str) -> bool:
        return self._settings.value(workspace, "enableTokensConfig") == "true"

    def _is_old(self, token: Document) -> bool:
        return float(token["expiry_time"]) <= self._world.clock.now() * 1000

    def _of(self, request: Request, owner: seed.Principal | None = None) -> list[Document]:
        return [
            each
            for each in self._documents
            if each["workspace"] == request.thing
            and (owner is None or each["owner"] == owner.id)
            and not self._is_old(each)
        ]

    def _create(self, request: Request) -> Response:
        body = request.json
        if not self._are_allowed(request.thing):
            # The code is unrecorded.
            raise errors.denied("Personal access tokens are disabled for this workspace.")
        if len(self._of(request, request.who)) >= _MOST_TOKENS:
            raise errors.refused(400, "QUOTA_EXCEEDED", f"The token quota of {_MOST_TOKENS} is exceeded.")
        seconds = self._lifetime(request, body)
        value = f"{PREFIX}{secrets.token_hex(16)}-2"
        now = self._world.clock.now()
        document = {
            "workspace": request.thing,
            "token_id": secrets.token_hex(32),
            "owner": request.who.id,
            "owner_name": request.who.client,
            "comment": str(body.get("comment") or ""),
            "creation_time": int(now * 1000),
            "expiry_time": int((now + seconds) * 1000),
            "scopes": list(body.get("scopes") or []),
        }
        self._documents.put(f"{request.thing}/{objects.digest(value)}", document)
        return Response(200, {"token_value": value, "token_info": _shown(document)})

    def _lifetime(self, request: Request, body: JsonObject) -> int:
        """Return the token's lifetime in seconds; the texts of the errors are not recorded."""
        most = (int(self._settings.value(request.thing, "maxTokenLifetimeDays") or 0) or _MOST_DAYS) * _DAY
        seconds = body.get("lifetime_seconds")
        if seconds is None:
            return most
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
            raise errors.invalid("lifetime_seconds must be a positive integer.")
        if seconds > most:
            raise errors.invalid(
                f"The lifetime of the token ({seconds} seconds) exceeds the maximum token lifetime of this workspace "
                f"({most // _DAY} days)."
            )
        return seconds

    def _list(self, request: Request) -> Response:
        return Response(200, {"token_infos": [_shown(each) for each in self._of(request, request.who)]})

    def _delete(self, request: Request) -> Response:
        return self._remove(request, str(request.json.get("token_id", "")), self._of(request, request.who))

    def _list_all(self, request: Request) -> Response:
        found = [self._managed(request, each) for each in self._of(request)]
        for name in ("created_by_id", "created_by_username"):
            wanted = request.query.get(name, "")
            found = [each for each in found if not wanted or str(each[name]) == wanted]
        return Response(200, {"token_infos": found})

    def _get_any(self, request: Request) -> Response:
        for each in self._of(request):
            if each["token_id"] == request.match["token"]:
                return Response(200, {"token_info": self._managed(request, each)})
        raise errors.missing(f"Token with ID {request.match['token']} does not exist.")

    def _delete_any(self, request: Request) -> Response:
        return self._remove(request, request.match["token"], self._of(request))

    def _remove(self, request: Request, token_id: str, among: list[Document]) -> Response:
        if not any(each["token_id"] == token_id for each in among):
            raise errors.missing(f"Token with ID {token_id} does not exist.")
        for key, each in self._documents.items():
            if each["workspace"] == request.thing and each["token_id"] == token_id:
                self._documents.delete(key)
        return Response(200, {})

    def _managed(self, request: Request, token: Document) -> JsonObject:
        owner = int(hashlib.sha256(token["owner"].encode()).hexdigest()[:13], 16)
        resource = address.resource_of(self._world, request.thing)
        number = {"workspace_id": address.number(resource)} if resource is not None else {}
        return {
            **_shown(token),
            "created_by_id": owner,
            "created_by_username": token["owner_name"],
            "owner_id": owner,
            **number,
        }


def _shown(token: Document) -> JsonObject:
    shown: dict[str, Any] = {name: token[name] for name in ("token_id", "comment", "creation_time", "expiry_time")}
    if token["scopes"]:
        shown["scopes"] = token["scopes"]
    return shown
