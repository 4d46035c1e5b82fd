"""The variable group by which the pipelines get secrets of a key vault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.ownership import owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.in_project import DescribedInProject
from hol_wizard.resources.service_connection import STEP, lab_connection
from hol_wizard.services.devops.variable_groups import KEY_VAULT, VariableGroup


class ProjectGroup(DescribedInProject[VariableGroup]):
    """A variable group of the project; its description carries the mark."""

    kind = "Variable group"
    usually = 1.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"variable-groups/{self.name}")

    def find(self, reads: ReadCache) -> VariableGroup | None:
        """Return the project's group with this name.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("variable group", self.organization, place.id, self.name)
        return reads.share(key, lambda: self.client.variable_group(place.id, self.name))

    def changeable(self, found: VariableGroup, *, ours: bool) -> bool:
        """Return whether it is ours."""
        del found
        return ours

    def remedy(self, found: VariableGroup) -> str:
        """Return where it is changed."""
        by_hand = f"Correct it under Pipelines, Library, {self.name}, and choose Save"
        return f"{by_hand}, or <solve>." if owns(self, found) else f"{by_hand}; or delete it there and <solve>."

    def delete(self, found: VariableGroup) -> None:
        """Delete it from the project; a vault stays as it is."""
        self.client.delete_variable_group(self.enter(ReadCache()), found)


@dataclass(frozen=True)
class VaultGroup(ProjectGroup):
    """A variable group that offers chosen secrets of a key vault."""

    context: StepContext
    organization: str
    name: str
    vault: str
    """Name of the key vault."""
    names: tuple[str, ...]
    """Names of the secrets that it offers, and no others."""
    project: str = ""

    @property
    def note(self) -> str:
        """Return what it offers."""
        return f"{len(self.names)} secrets of {self.vault}, by name; it contains no value"

    def _connection(self, reads: ReadCache) -> str:
        """Return the ID of the lab's connection; empty if there is none."""
        connection = lab_connection(self.context).find(reads)
        return connection.id if connection is not None else ""

    def expectations(self, found: VariableGroup) -> Sequence[Expectation]:
        """Return its vault, its connection, and the names that it offers."""
        connection, name = self._connection(self.context.reads), lab_connection(self.context).name
        by = name if found.connection.lower() == connection.lower() != "" else found.connection or "none"
        offered = {each.lower() for each in found.names}
        missing = [each for each in self.names if each not in offered]
        more = sorted(offered - {*self.names})
        actual = [f"missing: {', '.join(missing)}"] if missing else []
        actual += [f"too many: {', '.join(more)}"] if more else []
        kind = "a key vault" if found.kind == KEY_VAULT else "values of its own"
        return (
            Expectation("Values from", "a key vault", kind, found.kind == KEY_VAULT),
            Expectation("Key vault", self.vault, found.vault or "none", found.vault.lower() == self.vault.lower()),
            Expectation("Service connection", name, by, by == name),
            Expectation("Secrets", f"exactly {len(self.names)}", "; ".join(actual) or "all of them", not actual),
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number.

        Raises:
            NotFoundError: The service connection does not exist.
        """
        del begun
        place, connection = self.enter(ReadCache()), self._required_connection()
        made = self.client.link_key_vault(place, self.name, self.vault, connection, self.names, self.context.mark)
        return str(made.id)

    def _required_connection(self) -> str:
        connection = self._connection(ReadCache())
        if not connection:
            raise NotFoundError(f"There is no service connection {lab_connection(self.context).name}.", STEP)
        return connection

    def change(self, found: VariableGroup) -> None:
        """Link it again, with exactly the wanted names."""
        place, connection = self.enter(ReadCache()), self._required_connection()
        self.client.change_variable_group(place, found, self.vault, connection, self.names)


def lab_group(context: StepContext, names: tuple[str, ...]) -> VaultGroup:
    """Return the group of the lab's build pipeline.

    Raises:
        NotFoundError: No organization is chosen.
    """
    connection = lab_connection(context)
    name = context.names.values()["variable_group"]
    return VaultGroup(context, connection.organization, name, context.here.key_vault, names)
