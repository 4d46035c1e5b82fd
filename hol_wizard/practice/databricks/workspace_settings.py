"""Settings of a workspace: WorkspaceConf getStatus and setStatus."""

from __future__ import annotations

from collections.abc import Mapping

from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.kernel.service import Request, Response, Router
from hol_wizard.practice.kernel.world import World

_PATH = "/api/2.0/workspace-conf"
_DEFAULTS: Mapping[str, str | None] = {
    "enableTokensConfig": "true",
    "maxTokenLifetimeDays": None,
    "enableIpAccessLists": None,
    "enableDbfsFileBrowser": "false",
    "enableExportNotebook": "true",
    "enableWebTerminal": "true",
    "enableResultsDownloading": "true",
    "storeInteractiveNotebookResultsInCustomerAccount": None,
    "enableDeprecatedClusterNamedInitScripts": "false",
    "enableDeprecatedGlobalInitScripts": "false",
}
"""The settings, with the names of "Workspace conf" in the REST reference; all values are strings, and None means "never
set"."""


class WorkspaceSettings:
    """The settings of each workspace."""

    def __init__(self, world: World, router: Router) -> None:
        self._documents = world.part(address.Contents).collection("databricks_settings", self)
        router.add("GET", _PATH, self._get, honors="keys")
        router.add("PATCH", _PATH, self._set)

    def value(self, workspace: str, name: str) -> str | None:
        """Return one setting of a workspace; None if it was never set."""
        found = (self._documents.get(workspace) or {}).get("values", {})
        return str(found[name]) if name in found else _DEFAULTS[name]

    def _get(self, request: Request) -> Response:
        names = [name for name in request.query.get("keys", "").split(",") if name]
        self._known(names)
        return Response(200, {name: self.value(request.thing, name) for name in names})

    def _set(self, request: Request) -> Response:
        self._known(list(request.json))
        for name, value in request.json.items():
            if not isinstance(value, str):
                raise errors.invalid(f"The value of {name} must be a string.")
        kept = (self._documents.get(request.thing) or {}).get("values", {})
        self._documents.put(request.thing, {"workspace": request.thing, "values": {**kept, **request.json}})
        return Response(204)

    def _known(self, names: list[str]) -> None:
        unknown = [name for name in names if name not in _DEFAULTS]
        if unknown or not names:
            raise errors.refused(400, "BAD_REQUEST", f"Invalid keys: {unknown}")
