"""The Databricks CLI's profile of an environment, in the person's own file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Resource, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import AccessDeniedError, SignInError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_token import kept_token
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.client import Databricks
from hol_wizard.services.databricks.profiles import CliProfile, DatabricksProfiles, same_host
from hol_wizard.services.secrets import Secret

AZURE_CLI: Final = "azure-cli"
PAT: Final = "pat"


def insists_on_token(context: StepContext) -> bool:
    """Whether the person explicitly wants a token in the profile."""
    given = context.answer("token_in_profile")
    return given == "yes"


@kind("databricks_cli_profile", uses=("databricks_workspace",))
@dataclass(frozen=True)
class DatabricksCliProfile(Resource[CliProfile]):
    """A profile with the environment's name; its mark line names the lab and its workspace."""

    context: StepContext
    kind = "Databricks CLI profile"
    mark = "the wizard's comment line for this workspace"
    usually = 1.0

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the environment's name."""
        return str(self.context.environment)

    @property
    def file(self) -> DatabricksProfiles:
        """Return its file."""
        return self.context.services.databricks_profiles

    @property
    def id(self) -> str:
        """Return its ID in the ledger: below the path of the file."""
        return self.file.id_of(self.name)

    @property
    def where(self) -> str:
        """Return the path of the file."""
        return str(self.file.path)

    @property
    def note(self) -> str:
        """Return how it signs in."""
        if insists_on_token(self.context):
            return "with an access token in plain text, as you asked"
        return "signs in through the Azure CLI: no secret in it"

    @property
    def here(self) -> Databricks:
        """Return its intended workspace."""
        return workspace(self.context)

    @property
    def host(self) -> str:
        """Return its address for the CLI: the vendor's clients recognize an Azure workspace by its host name."""
        return self.context.services.endpoints.known_as(self.here.host)

    @property
    def _wanted_token(self) -> Secret | None:
        return kept_token(self.context) if insists_on_token(self.context) else None

    # Checking

    def find(self, reads: ReadCache) -> CliProfile | None:
        """Return it from the file; the workspace need not exist.

        Raises:
            ConflictError: The file is broken.
        """
        del reads
        return self.file.find(self.name)

    def marked(self, found: CliProfile, noted: str | None) -> bool:
        """Return whether its mark line names the lab and its current host."""
        del noted
        lab, _, host = found.mark.partition(" for ")
        return self.context.is_lab_id(lab) and same_host(host, found.host)

    def expectations(self, found: CliProfile) -> Sequence[Expectation]:
        """Return the expectations that it names this workspace, and that its sign-in has access.

        The sign-in of `auth_type = azure-cli` is shared with the Azure CLI; a token is tried as it is in the file.
        """
        here, mine, wanted = self.here, owns(self, found), self._wanted_token
        seen = [Expectation("Host", self.host, found.host or "none", met=same_host(found.host, self.host))]
        if found.token is not None:
            fits = insists_on_token(self.context) or not mine
            expected = "only if you ask for it"
            seen.append(Expectation("Access token in the file", expected, "is there in plain text", met=fits))
        elif wanted is not None:
            seen.append(Expectation("Access token in the file", "as you asked for", "none", met=False))
        else:
            sign_in = found.auth_type or "whatever the CLI finds"
            seen.append(Expectation("Sign-in", AZURE_CLI, sign_in, met=found.auth_type == AZURE_CLI or not mine))
            tenant = self.context.names.tenant
            if found.tenant or mine:
                met = found.tenant.lower() == tenant.lower()
                seen.append(Expectation("Directory (tenant)", tenant, found.tenant or "none", met=met))
        if all(each.met for each in seen):
            seen.append(_tried(here, found))
        return seen

    # Creating

    def _written(self, mark: str) -> CliProfile:
        token = self._wanted_token
        if token is not None:
            return CliProfile(self.host, PAT, token=token, mark=mark)
        return CliProfile(self.host, AZURE_CLI, self.context.names.tenant, mark=mark)

    @property
    def _mark(self) -> str:
        return f"{self.context.lab_id} for {self.host}"

    def create(self, begun: Callable[[str], None]) -> str:
        """Write it with the mark line, and change nothing else in the file."""
        del begun
        self.file.write(self.name, self._written(self._mark))
        return self.host

    def changeable(self, found: CliProfile, *, ours: bool) -> bool:
        """Return whether it is ours, or at least for this workspace."""
        return ours or same_host(found.host, self.host)

    def difference(self, found: CliProfile) -> str:
        """Return how it will sign in."""
        del found
        return self.note

    def change(self, found: CliProfile) -> None:
        """Write it; one that somebody else wrote remains theirs."""
        self.file.write(self.name, self._written(self._mark if owns(self, found) else found.mark))

    def delete(self, found: CliProfile) -> None:
        """Remove it from the file."""
        del found
        self.file.remove(self.name)

    # Texts

    def absence(self) -> Result:
        """Return the result if the file has no such profile."""
        return Result(
            Status.FAILED,
            f"There is no profile {self.name} in {self.file.path}.",
            (Expectation(self.kind, f"[{self.name}] in {self.file.path}", "not found", met=False),),
            "Write it by hand as described, or <solve>.",
        )

    def result(self, found: CliProfile) -> Result:
        """Return the result: whether it gives access to the workspace, and as which user."""
        seen = tuple(self.expectations(found))
        return judge(
            seen,
            passed=f"The profile {self.name} opens {self.context.here.databricks_workspace} {seen[-1].actual}.",
            failed=f"The profile {self.name} in {self.file.path} does not fit.",
            next_action=self.remedy(found),
        )

    def remedy(self, found: CliProfile) -> str:
        """Return how it can be corrected."""
        if self.changeable(found, ours=owns(self, found)):
            return "Correct it in an editor, or <solve>."
        return f"The wizard did not write this profile: rename [{self.name}] in {{self.file.path}}. Then, <solve>."


def _tried(here: Databricks, found: CliProfile) -> Expectation:
    """Use the profile as a client would, and return the result."""
    try:
        user = here.me(token=found.token)
    except SignInError as error:
        if found.token is None:
            raise
        return Expectation("The profile in use", "let in", error.message, met=False)
    except AccessDeniedError as error:
        return Expectation("The profile in use", "let in", error.message, met=False)
    return Expectation("The profile in use", "let in", f"as {user.name}", met=True)
