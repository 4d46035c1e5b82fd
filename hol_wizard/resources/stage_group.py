"""The variable group of a stage of the release, which contains plain values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.variable_group import ProjectGroup
from hol_wizard.services.devops.variable_groups import PLAIN, VariableGroup


@dataclass(frozen=True)
class StageGroup(ProjectGroup):
    """A variable group that says where a stage takes the image to; further variables are somebody's own."""

    context: StepContext
    organization: str
    name: str
    values: tuple[tuple[str, str], ...]
    """Name and value of each variable."""
    project: str = ""

    @property
    def note(self) -> str:
        """Return what it contains."""
        return ", ".join(f"{name}={value}" for name, value in self.values)

    def expectations(self, found: VariableGroup) -> Sequence[Expectation]:
        """Return its values."""
        plain = found.kind == PLAIN
        known = {name.lower(): value for name, value in found.values.items()}
        seen = [Expectation("Values from", "the group itself", "the group itself" if plain else "a key vault", plain)]
        for name, value in self.values:
            actual = known.get(name)
            seen.append(Expectation(name, value, actual or "missing, or secret", actual == value))
        return seen

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number."""
        del begun
        place = self.enter(ReadCache())
        return str(self.client.create_variable_group(place, self.name, dict(self.values), self.context.mark).id)

    def change(self, found: VariableGroup) -> None:
        """Give it its values; further ones stay."""
        # The names of variables are case-insensitive (Azure Pipelines, "Define variables").
        mine = {name.lower() for name, _ in self.values}
        others = {name: value for name, value in found.values.items() if name.lower() not in mine}
        self.client.change_values(self.enter(ReadCache()), found, {**others, **dict(self.values)})
