"""The service principal of an environment: its application in this directory, which gets the rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.errors import NotFoundError, ServiceError
from hol_wizard.resources.application import CHANGED_AT_ONCE, DIRECTORY, STEP, ApplicationRegistration
from hol_wizard.resources.context import StepContext
from hol_wizard.services.graph import Application, Principal


@dataclass(frozen=True, slots=True)
class Account:
    """The identity of the code in one environment."""

    name: str
    application_id: str
    """The application (client) id, which it signs in with."""
    object_id: str
    """Object ID of the service principal, which roles and access lists use."""
    application_object_id: str
    """Object ID of the application, which roles do not use."""


@dataclass(frozen=True)
class ServicePrincipal(Resource[Principal]):
    """A service principal; its mark is its own tag.

    The tags that Graph shows for it are "the union of strings set here and on the associated application entity's tags"
    (Microsoft Graph, servicePrincipal), so the application's mark says nothing about it.
    """

    context: StepContext
    called: str = ""
    """Its application's display name; empty for the environment's service principal."""
    kind = "Service principal"
    mark = "tag"
    usually = 20.0
    patience: ClassVar[float] = 180.0
    """Seconds to wait for a directory that does not know the application yet, as in azure-cli."""

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its display name, which is its application's."""
        return self.called or self.context.here.service_principal

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"graph/servicePrincipals/{self.name}"

    @property
    def where(self) -> str:
        """Return the directory."""
        return DIRECTORY

    def _application(self, reads: ReadCache) -> Application:
        found = ApplicationRegistration(self.context, self.called).find(reads)
        if found is None:
            raise NotFoundError(f"There is no application {self.name}.", STEP)
        return found.application

    def find(self, reads: ReadCache) -> Principal | None:
        """Return the service principal of the application."""
        application = self._application(reads)
        return reads.share(
            ("service principal", application.app_id),
            lambda: self.context.services.graph.service_principal_of(application.app_id),
        )

    @property
    def _tag(self) -> str:
        return f"{self.context.mark} service principal"

    def marked(self, found: Principal, noted: str | None) -> bool:
        """Return whether it has the lab's tag for service principals."""
        del noted
        return bool(self.context.lab_id) and self._tag in found.tags

    def identity(self, found: Principal) -> str:
        """Return its object ID."""
        return found.id

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it."""
        del begun
        application = self._application(ReadCache())
        return self.context.services.graph.create_service_principal(application.app_id, self._tag).id

    def passes(self, error: ServiceError) -> bool:
        """Return whether the new application is not replicated in the whole directory yet."""
        young = error.code == "NoBackingApplicationObject" or "valid application object" in error.detail
        return young or error.code == CHANGED_AT_ONCE

    def delete(self, found: Principal) -> None:
        """Delete it."""
        self.context.services.graph.delete_service_principal(found.id)


def account(context: StepContext) -> Account | None:
    """Return the environment's service principal with all its IDs, or None.

    Raises:
        ConflictError: Several applications have its name.
    """
    registered = ApplicationRegistration(context).find(context.reads)
    principal = ServicePrincipal(context).find(context.reads) if registered is not None else None
    if registered is None or principal is None:
        return None
    application = registered.application
    return Account(application.name, application.app_id, principal.id, application.id)


def required(context: StepContext) -> Account:
    """Return the environment's service principal.

    Raises:
        NotFoundError: There is none.
    """
    found = account(context)
    if found is None:
        raise NotFoundError(f"There is no service principal {context.here.service_principal}.", STEP)
    return found
