"""The federated credential by which the identity of the build trusts the tokens of the service connection.

Issuer and subject are those that the connection itself names, never guessed: for new connections they contain IDs that
only the service knows (Azure DevOps, "Check the issuer URL for accuracy").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.resources import service_connection
from hol_wizard.resources.application import DIRECTORY, ApplicationRegistration
from hol_wizard.resources.build_identity import STEP, BuildIdentity
from hol_wizard.resources.context import StepContext
from hol_wizard.services.devops.service_connections import ServiceConnection
from hol_wizard.services.graph import Trust

AUDIENCE: Final = "api://AzureADTokenExchange"
"""The recommended audience of tokens that Entra ID exchanges (workload identity federation)."""
SPREADS: Final = 60.0
"""Usual number of seconds until sign-ins know a new credential."""


class Credential(Resource[Trust]):
    """What both kinds have in common: one that fits counts whatever its name is."""

    context: StepContext
    name: str
    wanted: Trust | None
    """None for an undo, in which the connection may be gone."""
    kind = "Federated credential"
    usually = SPREADS

    def choose(self, known: Sequence[Trust]) -> Trust | None:
        """Return the one with this name if it is noted, else one that fits, else the one with this name."""
        named = next((each for each in known if each.name.lower() == self.name.lower()), None)
        if self.wanted is None or (named is not None and self.context.ledger.made(self.id)):
            return named
        return next((each for each in known if _fits(self.wanted, each)), named)

    def expectations(self, found: Trust) -> Sequence[Expectation]:
        """Return issuer, subject and audience, which Entra ID compares exactly."""
        wanted = self.wanted
        if wanted is None:
            return ()
        return [
            Expectation(what, expected, actual or "none", expected == actual)
            for what, expected, actual in (
                ("Issuer", wanted.issuer, found.issuer),
                ("Subject", wanted.subject, found.subject),
                ("Audience", AUDIENCE, ", ".join(found.audiences)),
            )
        ]

    def required(self) -> Trust:
        """Return the wanted credential.

        Raises:
            ConflictError: The connection names no issuer and subject.
        """
        wanted = self.wanted
        if wanted is None or not wanted.issuer or not wanted.subject:
            raise ConflictError(
                "The service connection names no issuer and subject: it does not use workload identity federation.",
                "Convert it under Project settings, Service connections, or delete it and create it again "
                "(<step variable-group/create-the-service-connection>).",
            )
        return wanted

    def changeable(self, found: Trust, *, ours: bool) -> bool:
        """Return whether it is ours: another one of this name is somebody else's."""
        del found
        return ours

    def remedy(self, found: Trust) -> str:
        """Return what to copy, and where to."""
        del found
        return (
            "Copy issuer and subject from the service connection's edit form into the credential, to the last "
            "character, or delete the credential and <solve>."
        )


@dataclass(frozen=True)
class IdentityCredential(Credential):
    """A federated credential of a managed identity, in Resource Manager."""

    context: StepContext
    place: str
    """Resource ID of the managed identity."""
    name: str
    wanted: Trust | None
    unmarked = (
        "a federated credential of a managed identity carries no mark: it is the wizard's if its creation was accepted"
    )

    @property
    def id(self) -> str:
        """Return its resource ID."""
        return f"{self.place}/federatedIdentityCredentials/{self.name}"

    @property
    def where(self) -> str:
        """Return the identity."""
        return self.place.rpartition("/")[2]

    def find(self, reads: ReadCache) -> Trust | None:
        """Return it.

        Raises:
            NotFoundError: The managed identity does not exist.
        """
        arm = self.context.services.arm
        if reads.share(("arm", self.place.lower()), lambda: arm.find(self.place)) is None:
            raise NotFoundError(f"There is no managed identity {self.where}.", STEP)
        path = f"{self.place}/federatedIdentityCredentials"
        return self.choose([_of_document(each) for each in reads.share(("arm", path.lower()), lambda: arm.list(path))])

    def marked(self, found: Trust, noted: str | None) -> bool:
        """Return whether it is the one whose creation was accepted."""
        return noted is not None and found.name.lower() == noted.lower()

    def identity(self, found: Trust) -> str:
        """Return its name."""
        return found.name

    def create(self, begun: Callable[[str], None]) -> str:
        """Add it to the identity, and return its name."""
        del begun
        wanted = self.required()
        properties = {"issuer": wanted.issuer, "subject": wanted.subject, "audiences": [AUDIENCE]}
        self.context.services.arm.put(self.id, {"properties": properties})
        return self.name

    def change(self, found: Trust) -> None:
        """Send it again."""
        del found
        self.create(lambda address: None)

    def delete(self, found: Trust) -> None:
        """Remove it from the identity."""
        self.context.services.arm.delete(f"{self.place}/federatedIdentityCredentials/{found.name}")


@dataclass(frozen=True)
class ApplicationCredential(Credential):
    """A federated credential of an application, in the directory; its description carries the mark."""

    context: StepContext
    application: str
    """Display name of the application, for the ledger."""
    object_id: str
    """Object ID of the application; empty if it is gone."""
    name: str
    wanted: Trust | None
    mark = "mark in its description"

    @property
    def id(self) -> str:
        """Return its ID in the ledger, below that of the application."""
        return f"graph/applications/{self.application}/federatedIdentityCredentials/{self.name}"

    @property
    def where(self) -> str:
        """Return the directory."""
        return DIRECTORY

    def find(self, reads: ReadCache) -> Trust | None:
        """Return it.

        Raises:
            NotFoundError: The application does not exist.
        """
        if not self.object_id:
            raise NotFoundError(f"There is no application {self.application}.", STEP)
        graph = self.context.services.graph
        return self.choose(reads.share(("trusts", self.object_id), lambda: graph.trusts(self.object_id)))

    def marked(self, found: Trust, noted: str | None) -> bool:
        """Return whether its description has the mark and it is the recorded one."""
        return self.context.is_mark(found.description) and noted in {None, "", found.id}

    def identity(self, found: Trust) -> str:
        """Return its ID."""
        return found.id

    def create(self, begun: Callable[[str], None]) -> str:
        """Add it to the application, and return its ID."""
        del begun
        wanted = self.required()
        trust = Trust(self.name, wanted.issuer, wanted.subject, (AUDIENCE,), description=self.context.mark)
        return self.context.services.graph.add_trust(self.object_id, trust)

    def change(self, found: Trust) -> None:
        """Replace it: the name can be used again at once."""
        self.delete(found)
        self.create(lambda address: None)

    def delete(self, found: Trust) -> None:
        """Remove it from the application."""
        self.context.services.graph.remove_trust(self.object_id, found.id)


def _fits(wanted: Trust, found: Trust) -> bool:
    return (wanted.issuer, wanted.subject) == (found.issuer, found.subject) and AUDIENCE in found.audiences


def _of_document(document: Mapping[str, Any]) -> Trust:
    properties = document.get("properties") or {}
    audiences = tuple(map(str, properties.get("audiences") or ()))
    issuer, subject = str(properties.get("issuer") or ""), str(properties.get("subject") or "")
    return Trust(str(document["name"]), issuer, subject, audiences)


def of_connection(
    context: StepContext, identity: BuildIdentity, found: ServiceConnection
) -> IdentityCredential | ApplicationCredential:
    """Return the credential by which an identity trusts a connection."""
    wanted = Trust(found.name, found.issuer, found.subject, (AUDIENCE,))
    if identity.place:
        return IdentityCredential(context, identity.place, found.name, wanted)
    return ApplicationCredential(context, identity.name, identity.application, found.name, wanted)


def lab_credential(context: StepContext) -> IdentityCredential | ApplicationCredential:
    """Return the credential by which the identity of the lab's connection trusts it.

    Raises:
        NotFoundError: There is no connection, or the directory does not know its identity.
    """
    return of_connection(context, service_connection.required_identity(context), service_connection.required(context))


def noted(context: StepContext) -> list[IdentityCredential | ApplicationCredential]:
    """Return what this step created, according to the ledger; the connection, and the identity, may be gone."""
    found: list[IdentityCredential | ApplicationCredential] = []
    for resource in context.ledger.made_by(context.target, Credential.kind):
        place, _, name = resource.rpartition("/federatedIdentityCredentials/")
        if place.startswith("/subscriptions/"):
            found.append(IdentityCredential(context, place, name, None))
            continue
        called = place.removeprefix("graph/applications/")
        registered = ApplicationRegistration(context, called).find(context.reads)
        object_id = registered.application.id if registered is not None else ""
        found.append(ApplicationCredential(context, called, object_id, name, None))
    return found
