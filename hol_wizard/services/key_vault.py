"""Key Vault's data plane: secrets."""

from __future__ import annotations

from hol_wizard.services.rest import RestClient


class KeyVault:
    """Key Vault's data plane: secrets."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest
