"""The lab's pipelines: files in the repository, made known to Azure DevOps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hol_wizard.engine.ownership import owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.in_project import DescribedInProject
from hol_wizard.resources.starter_project import BUILD, RELEASE
from hol_wizard.services.devops.pipelines import Pipeline
from hol_wizard.services.devops.repositories import Repository


@dataclass(frozen=True)
class BuildPipeline(DescribedInProject[Pipeline]):
    """A pipeline of a YAML file on the default branch; its description carries the mark."""

    context: StepContext
    organization: str
    name: str
    file: str
    """Path of the YAML file in the lab's repository."""
    project: str = ""
    kind = "Pipeline"
    usually = 2.0

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"pipelines/{self.name}")

    @property
    def note(self) -> str:
        """Return what starts it."""
        return f"from {self.file}; the file's trigger starts it"

    # Checking

    def find(self, reads: ReadCache) -> Pipeline | None:
        """Return the project's pipeline with this name.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("pipeline", self.organization, place.id, self.name)
        return reads.share(key, lambda: self.client.pipeline(place.id, self.name))

    def _repository(self, reads: ReadCache) -> Repository | None:
        place, name = self.enter(reads), self.context.names.repository
        key = ("devops repository", self.organization, name)
        return reads.share(key, lambda: self.client.repository(place.name, name))

    def expectations(self, found: Pipeline) -> Sequence[Expectation]:
        """Return its file, its repository and branch, and that it can run."""
        place = self._repository(self.context.reads)
        identity, branch = (place.id, place.default_branch) if place is not None else ("", "")
        name = self.context.names.repository
        same = found.repository.lower() == identity.lower() != ""
        return (
            Expectation("File", self.file, found.file or "none: a classic pipeline", found.file == self.file),
            Expectation("Repository", name, name if same else "another one", same),
            Expectation("Default branch", branch or "none", found.branch or "none", found.branch == branch),
            Expectation("State", "enabled", found.state, found.state == "enabled"),
            Expectation(
                "Triggers",
                "those of the file",
                "set by hand" if found.own_triggers else "those of the file",
                not found.own_triggers,
            ),
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Create it, and return its number.

        Raises:
            NotFoundError: The repository does not exist.
        """
        del begun
        place, repository = self.enter(ReadCache()), self._required_repository()
        return str(self.client.create_pipeline(place.id, self.name, repository, self.file, self.context.mark).id)

    def _required_repository(self) -> Repository:
        found = self._repository(ReadCache())
        if found is None or not found.default_branch:
            raise NotFoundError(
                f"The repository {self.context.names.repository} does not exist, or is empty.",
                "<first devops-project/seed-the-repository>.",
            )
        return found

    def changeable(self, found: Pipeline, *, ours: bool) -> bool:
        """Return whether it is ours."""
        del found
        return ours

    def change(self, found: Pipeline) -> None:
        """Give it the file and the settings of a new one."""
        place = self.enter(ReadCache())
        self.client.change_pipeline(place.id, found, self._required_repository(), self.file)

    def remedy(self, found: Pipeline) -> str:
        """Return where it is changed."""
        by_hand = f"Correct it under Pipelines, {self.name}, Edit"
        return f"{by_hand}, or <solve>." if owns(self, found) else f"{by_hand}; or rename it there and <solve>."

    def delete(self, found: Pipeline) -> None:
        """Delete it with its runs."""
        self.client.delete_pipeline(self.enter(ReadCache()).id, found)


def lab_pipeline(context: StepContext) -> BuildPipeline:
    """Return the lab's build pipeline.

    Raises:
        NotFoundError: No organization is chosen.
    """
    return BuildPipeline(context, organization(context).organization, context.names.pipeline, BUILD)


def release_pipeline(context: StepContext) -> BuildPipeline:
    """Return the lab's release pipeline.

    Raises:
        NotFoundError: No organization is chosen.
    """
    return BuildPipeline(context, organization(context).organization, context.names.release_pipeline, RELEASE)
