"""Microsoft Graph: applications, service principals, and who is signed in."""

from __future__ import annotations

from hol_wizard.services.rest import RestClient


class Graph:
    """Microsoft Graph: applications, service principals, and who is signed in."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
