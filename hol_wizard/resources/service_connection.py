"""The service connection with which the pipelines work in Azure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Pending
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError, ServiceError, WizardError
from hol_wizard.resources import build_identity
from hol_wizard.resources.build_identity import BuildIdentity
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.in_project import DescribedInProject
from hol_wizard.services.devops.service_connections import FAILED, SCHEME, TYPE, Account, ServiceConnection

STEP: Final = "<first variable-group/create-the-service-connection>."
_WORDS: Final = {SCHEME: "workload identity federation"}


@dataclass(frozen=True)
class AzureConnection(DescribedInProject[ServiceConnection]):
    """A connection to Azure with workload identity federation; its description carries the mark.

    One that somebody has created by hand may sign in as another identity than the lab's: it fits if it signs in to this
    subscription, and its identity then gets the roles.
    """

    context: StepContext
    organization: str
    name: str
    project: str = ""
    kind = "Service connection"
    usually = 5.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"service-connections/{self.name}")

    @property
    def note(self) -> str:
        """Return what it signs in as, and that no pipeline may use it yet."""
        return f"signs in as {self.context.names.build_identity}, without a secret; no pipeline may use it yet"

    # Checking

    def find(self, reads: ReadCache) -> ServiceConnection | None:
        """Return the project's connection with this name.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("service connection", self.organization, place.id, self.name)
        return reads.share(key, lambda: self.client.service_connection(place.id, self.name))

    def pending(self, found: ServiceConnection) -> Pending | None:
        """Return whether Azure DevOps is still creating it."""
        if found.is_ready or found.state == FAILED:
            return None
        return Pending(f"being created ({found.state or 'not ready'})", can_be_deleted=True)

    def trouble(self, found: ServiceConnection) -> WizardError | None:
        """Return why its creation failed."""
        if found.state != FAILED:
            return None
        return ServiceError(
            f"Azure DevOps could not create {self.label}: {found.message or 'no reason is given'}.",
            "Delete it under Project settings, Service connections, then try again.",
        )

    def expectations(self, found: ServiceConnection) -> Sequence[Expectation]:
        """Return its type and credential, its subscription and directory, and the identity if the lab's exists."""
        names, own = self.context.names, build_identity.find(self.context)
        seen = [
            _same("Type", TYPE, found.kind),
            _same("Credential", _WORDS[SCHEME], _WORDS.get(found.scheme, found.scheme)),
            _same("Subscription", names.subscription, found.subscription),
            _same("Directory (tenant)", names.tenant, found.tenant),
        ]
        if own is not None:
            seen.append(_same(f"Client ID of {own.name}", own.client, found.client))
        state = "ready" if found.is_ready else found.message or found.state or "not ready"
        return [*seen, Expectation("State", "ready", state, found.is_ready)]

    # Creating

    def _account(self, own: BuildIdentity) -> Account:
        names, endpoints = self.context.names, self.context.services.endpoints
        return Account(
            cloud=endpoints.session_cloud or endpoints.name,
            tenant=names.tenant,
            client=own.client,
            subscription=names.subscription,
            subscription_name=names.subscription_name or names.subscription,
            managed=bool(own.place),
        )

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it for the lab's identity, and return its ID.

        Raises:
            NotFoundError: The identity does not exist.
        """
        del begun
        account = self._account(build_identity.required(self.context))
        place = self.enter(ReadCache())
        return self.client.create_service_connection(place, self.name, account, self.context.mark).id

    def changeable(self, found: ServiceConnection, *, ours: bool) -> bool:
        """Return whether it is ours, and of the right type."""
        return ours and (found.kind, found.scheme) == (TYPE, SCHEME)

    def change(self, found: ServiceConnection) -> None:
        """Give it the lab's identity and subscription again; issuer and subject stay."""
        account = self._account(build_identity.required(self.context))
        self.client.change_service_connection(self.enter(ReadCache()), found, account, self.context.mark)

    def remedy(self, found: ServiceConnection) -> str:
        """Return where it can be changed; the type and the credential cannot."""
        if (found.kind, found.scheme) != (TYPE, SCHEME):
            return (
                f"Delete {self.name} under Project settings, Service connections, or convert it there to workload "
                "identity federation."
            )
        return f"Edit it under Project settings, Service connections, {self.name}, or delete it and <solve>."

    def delete(self, found: ServiceConnection) -> None:
        """Delete it from the project."""
        self.client.delete_service_connection(self.enter(ReadCache()), found)


def _same(what: str, expected: str, actual: str) -> Expectation:
    return Expectation(what, expected, actual or "none", expected.lower() == actual.lower())


@kind("service_connection")
def service_connection(context: StepContext, name: str) -> AzureConnection:
    """Return a connection of the lab's project; the project's organization must be chosen."""
    return AzureConnection(context, organization(context).organization, name)


def lab_connection(context: StepContext) -> AzureConnection:
    """Return the connection of the lab's pipelines.

    Raises:
        NotFoundError: No organization is chosen.
    """
    return service_connection(context, context.names.values()["service_connection"])


def required(context: StepContext) -> ServiceConnection:
    """Return the existing connection of the lab's pipelines.

    Raises:
        NotFoundError: It does not exist.
    """
    resource = lab_connection(context)
    found = resource.find(context.reads)
    if found is None:
        raise NotFoundError(f"There is no service connection {resource.name}.", STEP)
    return found


def required_identity(context: StepContext) -> BuildIdentity:
    """Return the identity that the connection signs in as.

    Raises:
        NotFoundError: There is no connection, or the directory does not know its identity.
    """
    found = required(context)
    identity = build_identity.of_client(context, found.client)
    if identity is None:
        raise NotFoundError(
            f"The directory has no service principal with the client ID {found.client or '(none)'}, which the service "
            f"connection {found.name} signs in as.",
            "Wait a minute if the identity is new; otherwise edit the connection.",
        )
    return identity
