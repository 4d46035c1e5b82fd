"""One Databricks workspace."""

from __future__ import annotations

from hol_wizard.services.rest import RestClient


class Databricks:
    """One Databricks workspace."""

    def __init__(self, rest: RestClient, host: str) -> None:
        self._rest = rest
        self.host = host
        """Its address: `https://adb-123.4.azuredatabricks.net`."""
