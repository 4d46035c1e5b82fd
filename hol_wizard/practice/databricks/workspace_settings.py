"""Settings of a workspace: WorkspaceConf getStatus and setStatus."""

from __future__ import annotations

from collections.abc import Mapping

from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.kernel.service import Answer, Call, Router
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
"""The settings there are, as "Workspace conf" of the REST reference names them; all values are strings, and None is
"never set"."""


class WorkspaceSettings:
    """The settings of each workspace."""

    def __init__(self, world: World, router: Router) -> None:
        self._documents = world.part(address.Contents).collection("databricks_settings", self)
        router.add("GET", _PATH, self._get, honors="keys")
        router.add("PATCH", _PATH, self._set)

    def value(self, workspace: str, name: str) -> str | None:
        """Return one setting of a workspace, None if it was never set."""
        found = (self._documents.get(workspace) or {}).get("values", {})
        return str(found[name]) if name in found else _DEFAULTS[name]

    def _get(self, call: Call) -> Answer:
        names = [name for name in call.query.get("keys", "").split(",") if name]
        self._known(names)
        return Answer(200, {name: self.value(call.thing, name) for name in names})

    def _set(self, call: Call) -> Answer:
        self._known(list(call.json))
        for name, value in call.json.items():
            if not isinstance(value, str):
                raise errors.invalid(f"The value of {name} must be a string.")
        kept = (self._documents.get(call.thing) or {}).get("values", {})
        self._documents.put(call.thing, {"workspace": call.thing, "values": {**kept, **call.json}})
        return Answer(204)

    def _known(self, names: list[str]) -> None:
        unknown = [name for name in names if name not in _DEFAULTS]
        if unknown or not names:
            raise errors.refused(400, "BAD_REQUEST", f"Invalid keys: {unknown}")
