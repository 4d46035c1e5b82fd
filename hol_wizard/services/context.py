"""All services of one cloud, each made when it is first used."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from hol_wizard.services import transport
from hol_wizard.services.arm import ArmClient
from hol_wizard.services.docker import Docker
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.git import Git
from hol_wizard.services.identity import Identity
from hol_wizard.services.programs import Programs
from hol_wizard.services.secrets import SecretStore

if TYPE_CHECKING:
    from azure.core.pipeline.transport import RequestsTransport

T = TypeVar("T")


class _Client(cached_property[T]):
    """A cached property that two threads do not make twice: Python 3.12 took the lock out."""

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> T: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Self | T:
        if instance is None:
            return self
        with instance._making:
            made: T = super().__get__(instance, owner)
            return made


class Services:
    """The clients of one cloud; they share connections and the sign-in."""

    def __init__(self, endpoints: Endpoints, profile: str = "default") -> None:
        self.endpoints = endpoints
        self._profile = profile
        self._making = threading.RLock()

    @_Client
    def _transport(self) -> RequestsTransport:
        return transport.make_transport(self.endpoints)

    @_Client
    def identity(self) -> Identity:
        """Who is signed in."""
        return Identity(self.endpoints, connect=lambda: self._transport.session)

    @_Client
    def arm(self) -> ArmClient:
        """Azure Resource Manager."""
        return ArmClient(self.endpoints, self.identity, lambda: self._transport)

    @_Client
    def secrets(self) -> SecretStore:
        """The keyring."""
        return SecretStore(self.endpoints.name, self._profile)

    @_Client
    def docker(self) -> Docker:
        """The Docker engine."""
        return Docker()

    @_Client
    def git(self) -> Git:
        """git."""
        return Git()

    @_Client
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
