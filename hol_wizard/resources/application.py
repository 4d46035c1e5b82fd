"""The application registration of an environment's service principal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.ownership import Resource
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError, ServiceError
from hol_wizard.resources.context import StepContext
from hol_wizard.services.graph import Application

DIRECTORY = "your directory (tenant)"
STEP = "<first service-principal/create-the-service-principal>."

CHANGED_AT_ONCE = "Directory_ConcurrencyViolation"
"""Code of Graph's refusal while another request changes the same object; HashiCorp's clients wait and retry."""


@dataclass(frozen=True, slots=True)
class Registered:
    """An application, and this lab's other applications of the same name."""

    application: Application
    doubles: tuple[Application, ...] = ()
    """Further applications with this lab's mark: a response was lost, and the request was repeated."""


@dataclass(frozen=True)
class ApplicationRegistration(Resource[Registered]):
    """An application for its own directory only; its mark is a tag.

    A display name is not unique: an application with this lab's mark takes precedence; without one, the only
    application of this name counts.
    """

    context: StepContext
    called: str = ""
    """Its display name; empty for the environment's service principal."""
    kind = "Application"
    mark = "tag"

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its display name."""
        return self.called or self.context.here.service_principal

    @property
    def id(self) -> str:
        """Return its ID in the ledger: with the mark, its name is enough."""
        return f"graph/applications/{self.name}"

    @property
    def where(self) -> str:
        """Return the directory."""
        return DIRECTORY

    # Checking

    def find(self, reads: ReadCache) -> Registered | None:
        """Return the application.

        Raises:
            ConflictError: There are several of this name, and none carries this lab's mark.
        """
        return reads.share(("application", self.name), self._look)

    def _look(self) -> Registered | None:
        graph = self.context.services.graph
        named = graph.applications(self.name)
        of_this_lab = [each for each in named if self._is_marked(each)]
        if not named:
            return None
        if not of_this_lab and len(named) > 1:
            ids = ", ".join(each.app_id for each in named)
            raise ConflictError(
                f"{len(named)} applications are called {self.name}: {ids}.",
                "Delete or rename those that are not for this lab: az ad app delete --id APPLICATION-ID",
            )
        candidates = of_this_lab or list(named)
        if len(candidates) > 1:
            # The one with a service principal first.
            behind = {each.id: graph.service_principal_of(each.app_id) is None for each in candidates}
            candidates.sort(key=lambda each: (behind[each.id], each.created, each.id))
        return Registered(candidates[0], tuple(candidates[1:]))

    def _is_marked(self, application: Application) -> bool:
        return any(map(self.context.is_mark, application.tags))

    def marked(self, found: Registered, noted: str | None) -> bool:
        """Return whether it has the lab's tag."""
        del noted
        return self._is_marked(found.application)

    def identity(self, found: Registered) -> str:
        """Return its object ID."""
        return found.application.id

    def expectations(self, found: Registered) -> Sequence[Expectation]:
        """Return the expectation that there is only one."""
        number = 1 + len(found.doubles)
        return (Expectation("Applications of this lab by that name", "1", str(number), number == 1),)

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Register it.

        If two wizards send the request at the same time, the directory accepts both: the older application is kept.

        Raises:
            ConflictError: Somebody else's is older.
        """
        del begun
        graph = self.context.services.graph
        made = graph.create_application(self.name, self.context.mark)
        for other in graph.applications(self.name):
            if other.id == made.id:
                continue
            if self._is_marked(other):
                # The response to a first request was lost, and the request was repeated.
                graph.delete_application(other.id)
            elif (other.created, other.id) < (made.created, made.id):
                graph.delete_application(made.id)
                raise ConflictError(
                    f"Somebody else has registered an application {self.name} at the same time: {other.app_id}.",
                    "Try again: the wizard then adopts it.",
                )
        return made.id

    def changeable(self, found: Registered, *, ours: bool) -> bool:
        """Return whether it was registered twice for this lab."""
        return ours

    def change(self, found: Registered) -> None:
        """Delete the duplicates."""
        for double in found.doubles:
            self.context.reporter.say(f"{self.name} was registered twice; deleting {double.app_id} …")
            self.context.services.graph.delete_application(double.id)

    def passes(self, error: ServiceError) -> bool:
        """Return whether another request is changing it."""
        return error.code == CHANGED_AT_ONCE

    # Removing

    def foreign(self, found: Registered) -> Sequence[str]:
        """Return its service principal if somebody else created it, because it would also be deleted."""
        from hol_wizard.resources.service_principal import ServicePrincipal

        principal = ServicePrincipal(self.context, self.called)
        there = self.context.services.graph.service_principal_of(found.application.app_id)
        return () if there is None or principal.marked(there, None) else (f"{principal.label} ({there.id})",)

    def contents(self, found: Registered) -> str:
        """Return how many client secrets of others are deleted with it, and what prevents the deletion."""
        others = [each for each in found.application.passwords if not self.context.is_mark(each.name)]
        secrets = f"with {len(others)} client secrets that the wizard did not create" if others else ""
        kept = "".join(f"not while {each} exists, which the wizard did not create" for each in self.foreign(found))
        return "; ".join(filter(None, (secrets, kept)))

    def delete(self, found: Registered) -> None:
        """Delete it with its service principal and its client secrets, permanently if the directory allows it."""
        for each in (found.application, *found.doubles):
            self._let_go(each)

    def _let_go(self, application: Application) -> bool:
        if self.context.services.graph.delete_application(application.id):
            return True
        self.context.reporter.say(
            f"The directory keeps the deleted {self.name} for 30 days, but nobody can sign in with it."
        )
        return False

    def takes_along(self, resource: str) -> bool:
        """Return whether it is its service principal, or one of its client secrets."""
        from hol_wizard.resources.service_principal import ServicePrincipal

        principal = ServicePrincipal(self.context, self.called).id
        return super().takes_along(resource) or resource.lower() == principal.lower()

    def trace(self) -> str:
        """Return a text if the directory still keeps the deleted application."""
        return "deleted, but kept by the directory for 30 days" if self._deleted() else ""

    def _deleted(self) -> Sequence[Application]:
        return [each for each in self.context.services.graph.deleted_applications(self.name) if self._is_marked(each)]

    def purge(self) -> bool:
        """Delete it permanently, which may require an administrator."""
        return all([self._let_go(each) for each in self._deleted()])
