"""The run of the training notebook on the dev cluster, at the commit on which the Git folder stands."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final

from hol_wizard.engine.kinds import kind
from hol_wizard.engine.ownership import Pending
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import LONG_WORK_DEADLINE
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import NotFoundError, ServiceError, WizardError
from hol_wizard.resources import cluster, notebooks
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.git_folder import DatabricksGitFolder, own_path
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.long_run import LongRun
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.databricks.git import GitFolder
from hol_wizard.services.databricks.job_runs import JobRun

PARAMETER: Final = "created_by"
"""The notebook's widget for the alias."""
USUALLY: Final = 180.0
"""Seconds of a run on a cluster that runs; a stopped one needs a few minutes more. [K]"""
MOST_MINUTES: Final = 60
"""After which the workspace ends a run, also if nobody watches it anymore."""
_LOOKS: Final = 5
"""Looks for a run that was just submitted and is not listed yet, until it is a fault."""
_SHOWN: Final = timedelta(days=60)
"""For how long a workspace keeps runs (Jobs API, `get_run_output`)."""
_SHORT: Final = 10
"""Characters of a commit that are shown."""

_REMEDIES: Final = (
    (
        r"Single-user check failed",
        "The cluster is dedicated to somebody else. Create your own: <first cluster/create-the-cluster>.",
    ),
    (
        r"Unable to access the notebook",
        "The Git folder has no such notebook: <first scientist-setup/open-the-training-notebook>.",
    ),
    (
        r"Secret does not exist|Scope .{1,300} does not exist|Invalid permissions on the specified KeyVault",
        "The notebook cannot read a secret: <first secrets/create-the-secret-scope>. Databricks reads a new access "
        "policy after a few minutes.",
    ),
    (
        r"AbfsRestOperationException|AuthorizationPermissionMismatch|not authorized to perform this operation",
        "The service principal may not use the storage: <first service-principal/give-it-the-storage-role>. A role "
        "works after up to ten minutes.",
    ),
    (
        r"AADSTS7000215|invalid_client",
        "The password of the service principal is not valid: <first secrets/add-the-secrets-of-the-data-lake>.",
    ),
    (
        r"AuthorizationFailed",
        "The service principal may not register models: <first service-principal/give-it-the-machine-learning-role>.",
    ),
    (
        r"No module named|Library installation failed",
        "A package is missing on the cluster: <first cluster/install-the-library>.",
    ),
    (r"QUOTA|QuotaExceeded", "Azure gives no more cores of this kind. Choose another size for the cluster."),
)
"""What a failed run says, and what to do about it; the first that fits counts."""


def own_git_folder(context: StepContext) -> GitFolder:
    """Return the account's Git folder; checks of one run share the read.

    Raises:
        NotFoundError: There is none.
    """
    folder = DatabricksGitFolder(context, own_path(context), context.names.branch)
    found = context.reads.share(("git folder", folder.id.lower()), lambda: folder.find(context.reads))
    if found is None or found.folder is None:
        raise NotFoundError(f"There is no Git folder {folder.path}.", "<first scientist-setup/create-a-git-folder>.")
    return found.folder


def own_folder_commit(context: StepContext) -> str:
    """Return the commit on which the account's Git folder stands.

    Raises:
        NotFoundError: There is no Git folder.
    """
    return own_git_folder(context).head


def noted_commits(context: StepContext) -> list[str]:
    """Return the commits at which this wizard has run the notebook, according to the ledger, the oldest first."""
    return [each.rpartition("/")[2] for each in context.ledger.made_by(context.target, TrainingRun.kind)]


def counting(context: StepContext) -> TrainingRun:
    """Return the run that counts for the notebooks as the Git folder has them.

    It is the newest whose commit has the same notebooks: a commit that changes a test or the inference code leaves the
    model as it is. Without one, it is the run at the Git folder's commit, which is not there yet.
    """
    head = own_folder_commit(context)
    runs = {run.name: run for run in (TrainingRun(context, each) for each in (*noted_commits(context), head))}
    for listed in listed_runs(context):
        run = runs.get(listed.name)
        if run is not None and (run.commit == head or notebooks.are_same(context, run.commit, head)):
            return run
    return TrainingRun(context, head)


def listed_runs(context: StepContext) -> tuple[JobRun, ...]:
    """Return the runs of this lab's wizard, at whatever commit, the newest first."""
    return tuple(each for each in _submitted(context, context.reads) if each.name.endswith(f" {context.mark}"))


def _submitted(context: StepContext, reads: ReadCache) -> tuple[JobRun, ...]:
    run = TrainingRun(context, "")
    here, since = run.enter(reads), datetime.now(UTC) - _SHOWN
    return reads.share(("submitted runs", workspace_id(context).lower()), lambda: here.submitted_runs(since))


@kind("training_run", uses=("databricks_workspace",), deadline=30, work_deadline=LONG_WORK_DEADLINE)
@dataclass(frozen=True)
class TrainingRun(LongRun[JobRun], InWorkspace[tuple[JobRun, ...]]):
    """The runs of the notebook at one commit that this wizard has submitted, the newest first; the newest counts.

    They are found by their name, which holds the lab's mark and the commit. What a person runs in the browser leaves no
    run, and what another wizard runs has another mark: neither prevents this.
    """

    commit: str = ""
    """Empty: the commit on which the account's Git folder stands."""
    path: str = ""
    """The notebook; empty: the starter's, in the account's Git folder."""
    kind = "Training run"
    mark = "name"
    usually = USUALLY
    patience: ClassVar[float] = 1800.0

    @property
    def _commit(self) -> str:
        return self.commit or own_folder_commit(self.context)

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the run's name."""
        return f"train {self._commit[:_SHORT]} {self.context.mark}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger, which is written before the service assigns an ID."""
        return f"{workspace_id(self.context)}/training-runs/{self._commit}"

    @property
    def cost(self) -> str:
        """Return that the cluster costs while it runs."""
        return "the cluster's machine and units while it runs"

    @property
    def note(self) -> str:
        """Return on which cluster it runs, and as whose."""
        return (
            f"on {cluster.NAME}, which is started if it is stopped, as {self.context.names.alias}'s; Databricks "
            f"ends it after {MOST_MINUTES} minutes at most"
        )

    # Checking

    def find(self, reads: ReadCache) -> tuple[JobRun, ...] | None:
        """Return the runs of this name, and the one that the ledger names although the workspace does not list it
        yet."""
        listed = tuple(each for each in _submitted(self.context, reads) if each.name == self.name)
        noted = self.context.ledger.detail(self.id)
        if not noted or any(each.id == noted for each in listed):
            return listed or None
        unlisted = reads.share(("run", noted), lambda: self.enter(reads).run(noted))
        return (unlisted, *listed) if unlisted is not None else listed or None

    def marked(self, found: tuple[JobRun, ...], noted: str | None) -> bool:
        """Return that they carry the mark: by it they are found."""
        del noted
        return bool(found)

    def identity(self, found: tuple[JobRun, ...]) -> str:
        """Return the id of the newest."""
        return found[0].id

    def pending(self, found: tuple[JobRun, ...]) -> Pending | None:
        """Return how far the newest is."""
        newest = found[0]
        if newest.ended:
            return None
        words = " ".join(filter(None, (newest.state.lower(), newest.message)))
        return Pending(f"going on ({words}): {newest.page}", can_be_deleted=True)

    def trouble(self, found: tuple[JobRun, ...]) -> WizardError | None:
        """Return why the newest failed, and what to do about it."""
        newest = found[0]
        if newest.succeeded:
            return None
        output = self.here.run_output(newest)
        said = output.error or newest.message or newest.result
        return ServiceError(
            f"The training ended as {newest.result or newest.state}: {said[:500]}",
            f"{remedy_of(f'{said} {output.trace}')} The run's page: {newest.page}",
            detail=output.trace[-2000:],
        )

    def expectations(self, found: tuple[JobRun, ...]) -> Sequence[Expectation]:
        """Return whether the newest ended well."""
        newest = found[0]
        result = newest.result or newest.state
        return (Expectation("Result", "SUCCESS", result, met=newest.succeeded),)

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return that there is no cluster to run on."""
        if cluster.find(self.context) is not None:
            return None
        return NotFoundError(f"There is no cluster {cluster.NAME} yet.", "<first cluster/create-the-cluster>.")

    def create(self, begun: Callable[[str], None]) -> str:
        """Submit the run; the workspace starts the cluster if it is stopped."""
        del begun
        return self._submit("")

    def _submit(self, before: str) -> str:
        """Submit the run, and return its ID.

        The idempotency token is the same until the ledger has the run's ID: a wizard that is killed before the
        workspace lists the run finds that run, and starts no second one.

        Args:
            before: The ID of the run that this one replaces; empty: there is none.
        """
        ledger = self.context.ledger
        attempt = (self.context.mark, self.id, ledger.begun(self.id), ledger.detail(self.id), before)
        token = hashlib.sha256("\n".join(attempt).encode()).hexdigest()
        found = cluster.find(self.context)
        if found is None:
            raise NotFoundError(f"There is no cluster {cluster.NAME} yet.", "<first cluster/create-the-cluster>.")
        path = self.path or f"{own_path(self.context)}/{notebooks.NOTEBOOK}"
        self.context.reporter.say(f"Running {path} on {cluster.NAME}: {cluster.idling_of(found)} …")
        self.context.reporter.say("While it runs, Databricks shows the output of its cells only on the run's page.")
        parameters = {PARAMETER: self.context.names.alias}
        return self.here.submit_notebook(self.name, path, parameters, found.id, MOST_MINUTES * 60, token)

    def changeable(self, found: tuple[JobRun, ...], *, ours: bool) -> bool:
        """Return whether another run can take its place."""
        del found
        return ours

    def difference(self, found: tuple[JobRun, ...]) -> str:
        """Return that it runs once more."""
        return f"the run before ended as {found[0].result or found[0].state}: another one is started"

    def change(self, found: tuple[JobRun, ...]) -> None:
        """Run it once more, and look until the workspace lists the new run: before that, the old one is the newest.

        Raises:
            NotFoundError: There is no cluster to run on.
            ServiceError: The workspace refused, or does not list the run.
        """
        if (obstacle := self.obstacle()) is not None:
            raise obstacle
        made = self._submit(found[0].id)
        for _ in range(_LOOKS):
            listed = self.find(ReadCache())
            if listed is not None and any(each.id == made for each in listed):
                return
            self.context.reporter.wait(self.context.poll_interval)
        raise ServiceError(
            f"The run {made} was accepted, but the workspace does not list it.", "Check again in a minute."
        )

    # Removing

    def cancel(self, run: JobRun) -> None:
        """Say that a run is canceled, and cancel it."""
        self.context.reporter.say(f"Canceling the run {run.name} …")
        self.here.cancel_run(run.id)

    def look(self, run: JobRun) -> JobRun | None:
        """Return a run as it is now."""
        return self.here.run(run.id)

    def remove(self, run: JobRun) -> None:
        """Delete a run; a model that it has registered stays."""
        self.here.delete_run(run.id)

    # Texts

    def absence(self) -> Result:
        """Return that the notebook has not run at this commit."""
        commit = self._commit[:_SHORT]
        return Result(
            Status.FAILED,
            f"The training has not run with the notebooks of commit {commit}.",
            (Expectation("Trained with the notebooks of commit", commit, "not found", met=False),),
            "Run it by hand as described, or <solve>.",
        )

    def result(self, found: tuple[JobRun, ...]) -> Result:
        """Return whether the newest ended well, and what to do if not."""
        newest, commit = found[0], self._commit[:_SHORT]
        seen = (Expectation("Trained at commit", commit, commit, met=True), *self.expectations(found))
        trouble = self.trouble(found)
        return judge(
            seen,
            passed=f"The training ran at commit {commit}: {newest.page}",
            failed=trouble.message if trouble is not None else "",
            next_action=f"{trouble.hint} To run it again, <solve>." if trouble is not None else "",
        )


def known_remedy(said: str) -> str:
    """Return what to do about what a failed run says; empty if it is none of the known causes."""
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, said)), "")


def remedy_of(said: str) -> str:
    """Return what to do about what a failed run says."""
    if known := known_remedy(said):
        return known
    return "Read the notebook's error there, correct the code, and pull it into the Git folder."
