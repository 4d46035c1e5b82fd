"""All services of one cloud, each made when it is first used."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Self

from hol_wizard.services import transport
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.docker import Docker
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.git import Git
from hol_wizard.services.identity import Identity
from hol_wizard.services.programs import Programs
from hol_wizard.services.secrets import SecretStore


class Services:
    """The clients of one cloud; they share connections and the sign-in."""

    def __init__(self, endpoints: Endpoints, profile: str = "default") -> None:
        self.endpoints = endpoints
        self._profile = profile

    @cached_property
    def _transport(self) -> Any:
        return transport.make_transport(self.endpoints)

    @cached_property
    def identity(self) -> Identity:
        """Who is signed in."""
        return Identity(self.endpoints)

    @cached_property
    def arm(self) -> ArmClient:
        """Azure Resource Manager."""
        return ArmClient(self.endpoints, self.identity, self._transport)

    @cached_property
    def secrets(self) -> SecretStore:
        """The keyring."""
        return SecretStore(self.endpoints.name, self._profile)

    @cached_property
    def docker(self) -> Docker:
        """The Docker engine."""
        return Docker()

    @cached_property
    def git(self) -> Git:
        """git."""
        return Git()

    @cached_property
    def programs(self) -> Programs:
        """Command-line tools."""
        return Programs()

    def replace(self, **clients: Any) -> Self:
        """Put other clients in the place of these, for tests.

        Raises:
            AttributeError: There is no such client.
        """
        for name, client in clients.items():
            if not isinstance(getattr(type(self), name, None), cached_property):
                raise AttributeError(f"Services has no {name}")
            setattr(self, name, client)
        return self

    def close(self) -> None:
        """Close the shared connections."""
        if "_transport" in self.__dict__:
            self._transport.session.close()
