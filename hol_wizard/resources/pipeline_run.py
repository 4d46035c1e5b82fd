"""The run of the build pipeline that counts: the newest of the default branch's newest commit."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar, Final

from hol_wizard.engine import ownership
from hol_wizard.engine.ownership import Pending
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import Change, Marked
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import NotAgreedError, NotFoundError, ServiceError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.resources import pipeline_file
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, is_seeded, organization, seeded_repository
from hol_wizard.resources.in_project import InProject
from hol_wizard.resources.long_run import LongRun
from hol_wizard.resources.pipeline import lab_pipeline, release_pipeline
from hol_wizard.resources.starter_project import BUILD, RELEASE
from hol_wizard.resources.training_run import TrainingRun, known_remedy
from hol_wizard.services.databricks.job_runs import JobRun
from hol_wizard.services.devops.builds import Build, Record
from hol_wizard.services.devops.pipelines import Pipeline

ARTIFACT: Final = "PipelineArtifacts"
"""What a run publishes: `artifacts.json`, and the results of the tests."""
USUALLY: Final = 1500.0
"""Seconds of a run of the lab's pipeline: training takes longest. [K]"""
logger = logging.getLogger(__name__)

TRAINING: Final = "Train Model"
"""Title of the task that trains."""
CANCELED: Final = "canceled"
"""Result of a run, or of a part of it, that somebody has canceled."""
_TRAINS: Final = "Project_One build "
"""Name of the run in Databricks, up to the ID of the pipeline's run (`submit_run_db.py` of the starter)."""
_SKEW: Final = timedelta(minutes=10)
"""By how much the clocks of Azure DevOps and Databricks may differ."""
_SHORT: Final = 10
_LINES: Final = 8
"""Last lines of a step's log that are told; the page has all of them."""
_SEARCHED: Final = 60
"""Last lines of the log of the step that failed in which a remedy is looked for."""
_TIME: Final = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z ?")
_WAITS: Final = "Checkpoint"
_REMEDIES: Final = (
    (
        r"hosted parallelism",
        "Request the free grant, or buy a parallel job: <first build-pipeline/find-an-agent>.",
    ),
    (
        r"agreed to run|agree that this commit",
        "Start the run here with <solve>: it shows what will run, and asks.",
    ),
    (
        r"service connection .* could not be found|variable group .* could not be found|has not been authorized",
        "Create it, and permit it: <first build-pipeline/create-the-pipeline>.",
    ),
    (
        r"secrets get permission|ForbiddenByRbac|AccessDenied.*vault|vault .*(denied|forbidden)|does not have secrets",
        "Give the connection its access policy: <first variable-group/give-the-connection-its-roles>.",
    ),
    (
        r"AADSTS7002(11|13|23|38)|AADSTS70021|AADSTS700024",
        "Trust the service connection again: <first variable-group/trust-the-service-connection>.",
    ),
    (
        r"Unauthorized access to Org|importImage|AuthorizationFailed|unauthorized: authentication required",
        "The connection lacks a role: <first variable-group/give-the-connection-its-roles>. A role works after up to "
        "ten minutes.",
    ),
    (
        r"AbfsRestOperationException|AuthorizationPermissionMismatch",
        "The service principal may not use the pipeline's storage: <first service-principal/give-it-the-storage-role>. "
        "A role works after up to ten minutes.",
    ),
    (
        r"Secret does not exist|Scope .{1,300} does not exist",
        "The notebook cannot read a secret: <first secrets/create-the-secret-scope>.",
    ),
    (
        r"secret with \(name/id\) .* was not found|secret .{1,200} (was not found|does not exist) in .*vault",
        "The variable group names a secret that the vault does not have: <first variable-group/link-the-key-vault>.",
    ),
    (
        r"AADSTS7000222|client secret keys? .* expired",
        "The client secret has expired. Use a connection without a secret "
        "(<first variable-group/trust-the-service-connection>); for the data lake's: "
        "<first secrets/add-the-secrets-of-the-data-lake>.",
    ),
    (
        r"Artifact .{1,200} already exists",
        "Two tasks publish an artifact under the same name. Give one of them another name in the file.",
    ),
    (
        r"stopped hearing from agent|lost communication",
        "The agent ended before the run did. Nothing is wrong with the file: run it again. A training that it had "
        "started can still be in progress.",
    ),
    (
        r"exceeded the maximum (execution )?time|ran longer than the maximum time",
        "The job reached its time limit. See which step took long; a cluster that starts slowly is usual.",
    ),
    (r"toomanyrequests", "Docker Hub limits anonymous downloads. Run it again later."),
)
"""What a failed record says, and what to do about it; the first that fits counts."""


@dataclass(frozen=True)
class PipelineRun(LongRun[Build], InProject[tuple[Build, ...]]):
    """The runs of one commit, the newest first; the newest counts, regardless of what started it.

    A run carries no mark. What a merge, or somebody else, has started is adopted.
    """

    context: StepContext
    organization: str
    pipeline: int
    """ID of the pipeline."""
    branch: str
    """Empty for an undo, in which the repository may be gone: every branch."""
    commit: str
    project: str = ""
    digest: str = ""
    """Of what will run, where that is on the person's own machine; empty: it runs elsewhere."""
    starts: str = ""
    """Digest of the release that it starts, where that runs on the person's own machine; otherwise empty."""
    tasks: tuple[str, ...] = ()
    """Titles of the tasks that will run."""
    told: set[str] | None = field(default=None, compare=False)
    """IDs of the steps whose end was told; None: nothing is told while the run is followed."""
    kind = "Pipeline run"
    unmarked = "a run carries no mark: it is the wizard's if the wizard saw that it was accepted"
    usually = USUALLY
    patience: ClassVar[float] = 3600.0

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the commit."""
        return f"of commit {self.commit[:_SHORT]}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"runs/{self.pipeline}/{self.commit}")

    @property
    def cost(self) -> str:
        """Return what costs while it runs."""
        return "minutes of an agent, and a job cluster while the training runs"

    @property
    def note(self) -> str:
        """Return what runs, and where, for the person's consent."""
        what = f"tasks: {', '.join(self.tasks)}" if self.tasks else ""
        return "; ".join(filter(None, (what, runs_here(self.digest))))

    # Checking

    def find(self, reads: ReadCache) -> tuple[Build, ...] | None:
        """Return the runs of the commit.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("pipeline runs", self.organization, place.id, self.pipeline, self.branch)
        known = reads.share(key, lambda: self.client.builds(place.id, self.pipeline, self.branch))
        return tuple(each for each in known if each.commit == self.commit) or None

    def marked(self, found: tuple[Build, ...], noted: str | None) -> bool:
        """Return whether the wizard saw one of them accepted."""
        return noted is not None and any(str(each.id) == noted for each in found)

    def identity(self, found: tuple[Build, ...]) -> str:
        """Return the ID of the newest."""
        return str(found[0].id)

    def pending(self, found: tuple[Build, ...]) -> Pending | None:
        """Return how far the newest is: what it waits for, or which steps are in progress."""
        newest = found[0]
        if newest.ended:
            return None
        return Pending(f"{self._progress(newest)}: {newest.page}", can_be_deleted=True)

    def records(self, run: Build) -> list[Record]:
        """Return the parts of a run in their order."""
        return ordered(self.client.timeline(self.place, run.id))

    def _progress(self, run: Build) -> str:
        records = self.records(run)
        waiting = [each for each in records if each.kind.startswith(_WAITS) and each.state == "inProgress"]
        if waiting:
            return "waiting for permission, which you give on the run's page"
        steps = [each for each in records if each.kind == "Task"]
        self._tell(run, steps)
        now = [each.name for each in steps if each.state == "inProgress"]
        done = sum(each.state == "completed" for each in steps)
        if now:
            training = self.training(run) if now[-1] == TRAINING else None
            words = f", Databricks: {training.state.lower()}, {training.page}" if training is not None else ""
            return f"going on ({now[-1]}, {done} of {len(steps)} steps done{words})"
        return "going on" if run.status == "inProgress" else "waiting for an agent"

    @property
    def _trainer(self) -> TrainingRun:
        """The runs in the pipeline's workspace."""
        return TrainingRun(replace(self.context, environment=Environment.PIPELINE), self.commit)

    def training(self, run: Build) -> JobRun | None:
        """Return the run in Databricks that trains for a run of the pipeline; None: there is none, or it is not seen.

        Azure DevOps has the log of a step only when the step has ended, so the run is found by its name in the
        pipeline's workspace. An account without access to that workspace, or that is no administrator there, does not
        see it: Databricks then shows other people's runs only to those whom their owner permits.
        """
        if run.started is None:
            return None
        name = f"{_TRAINS}{run.id}"
        try:
            found = self._trainer.enter(ReadCache()).submitted_runs(run.started - _SKEW)
        except WizardError as error:
            logger.info("the training of run %s cannot be followed: %s", run.id, error.message)
            return None
        return next((each for each in found if each.name == name), None)

    def _training_failed(self, run: Build) -> tuple[str, str]:
        """Return what the notebook of a failed training said with its page, and what to do about it; empty: unknown."""
        training = self.training(run)
        if training is None or not training.ended or training.succeeded:
            return "", ""
        try:
            output = self._trainer.here.run_output(training)
        except WizardError as error:
            logger.info("the output of the training of run %s cannot be read: %s", run.id, error.message)
            return f"Databricks: {training.result or training.state}, {training.page}", ""
        said = output.error or training.message or training.result
        return f"Databricks: {said[:300]}, {training.page}", known_remedy(f"{said} {output.trace}")

    def follow(self) -> Build:
        """Start a run, or wait for the one that goes on; each step is told when it has ended, also if the run fails.

        Raises:
            CancelledByUserError: The person asked to stop.
            NotAgreedError: The plan had another commit, or none.
            ServiceError: It failed, with what to do.
        """
        run = replace(self, told=set())
        try:
            newest = super(PipelineRun, run).follow()
        except NotAgreedError:
            raise  # Nothing was started.
        except ServiceError:
            run.tell_rest()
            raise
        run.tell_rest()
        self.context.reporter.say(f"The run's page: {newest.page}")
        return newest

    def tell_rest(self) -> None:
        """Say which steps have ended since somebody has looked last; call it when the run has ended."""
        found = self.find(ReadCache())
        if found is not None:
            self._tell(found[0], [each for each in self.records(found[0]) if each.kind == "Task"])

    def _tell(self, run: Build, steps: Sequence[Record]) -> None:
        """Say which steps have ended since, with the last lines of their logs."""
        for each in steps:
            if self.told is None or each.state != "completed" or each.id in self.told or each.result == "skipped":
                continue
            self.told.add(each.id)
            self.context.reporter.say(f"{each.name}: {each.result}")
            for line in self.client.log(self.place, run.id, each.log)[-_LINES:] if each.log else ():
                self.context.reporter.say(f"  {_TIME.sub('', line)}")

    def trouble(self, found: tuple[Build, ...]) -> WizardError | None:
        """Return the cause of the newest one's failure, and what to do about it."""
        newest = found[0]
        if newest.succeeded:
            return None
        records = self.records(newest)
        if newest.result == CANCELED:
            return self._canceled(newest, records)
        return self.failure(newest, records, f"Run {newest.number} ended as {newest.result}")

    def failure(self, run: Build, records: Sequence[Record], what: str) -> ServiceError:
        """Return why a run failed, and what to do about it.

        Args:
            run: The run.
            records: Its parts.
            what: What failed, and how: `Run 20261128.1 ended as failed`.
        """
        first = cause(records)
        log = self.client.log(self.place, run.id, first.log) if first is not None and first.log else []
        end = [_TIME.sub("", line) for line in log[-_SEARCHED:]]
        said = "; ".join(filter(None, (*(first.issues if first is not None else ()), *run.problems)))
        told = "\n".join((said, *end))
        where = f" in {first.name}" if first is not None and first.kind == "Task" else ""
        remedy = remedy_of(told, where)
        if first is not None and first.name == TRAINING:
            trained, cure = self._training_failed(run)
            said, remedy = "; ".join(filter(None, (said, trained))), cure or remedy
        brief = said[:500].rstrip(".")
        return ServiceError(
            f"{what}{where}{f': {brief}' if said else ''}.",
            # Values are masked in a log, so it only suggests a remedy; what a run has done is never read from it.
            f"{remedy} The run's page: {run.page}",
            detail="\n".join(end)[-2000:],
        )

    def _canceled(self, run: Build, records: Sequence[Record]) -> WizardError:
        """Return that somebody canceled a run, and in which step."""
        steps = [each for each in records if each.kind == "Task" and each.result == CANCELED]
        where = f" in {steps[0].name}" if steps else ""
        ended = " Its training in Databricks is canceled as well." if steps and steps[0].name == TRAINING else ""
        return ServiceError(
            f"Run {run.number} was canceled{where}.",
            f"Somebody canceled it, or it reached its time limit.{ended} The run's page: {run.page}",
        )

    def expectations(self, found: tuple[Build, ...]) -> Sequence[Expectation]:
        """Return whether the newest succeeded."""
        newest = found[0]
        return (Expectation("Result", "succeeded", newest.result or newest.status, newest.succeeded),)

    def result(self, found: tuple[Build, ...]) -> Result:
        """Return whether the newest succeeded, and what to do if not."""
        newest, seen, trouble = found[0], self.expectations(found), self.trouble(found)
        if trouble is not None:
            again = f"{trouble.hint} To run it again, <solve>."
            return Result(Status.FAILED, trouble.message, tuple(seen), again)
        started = "a merge" if newest.reason.endswith("CI") else "hand"
        return Result(
            Status.PASSED, f"Run {newest.number}, started by {started}, succeeded: {newest.page}", tuple(seen)
        )

    def absence(self) -> Result:
        """Return that the commit has not been built."""
        return Result(
            Status.FAILED,
            f"The pipeline has not run for the newest commit of {self.branch}, {self.commit[:_SHORT]}.",
            super().absence().expectations,
            "Run it by hand as described, or <solve>.",
        )

    # Creating

    def create(self, begun: Callable[[str], None]) -> str:
        """Record the consent if it runs on this machine, start the run, and return its ID."""
        del begun
        return self._queue()

    def consent(self) -> None:
        """Record the consent to what will run on the person's machine; nothing if it runs elsewhere.

        Raises:
            NotAgreedError: They have not agreed to exactly this.
        """
        if not self.digest:
            return
        if self.digest not in self.context.agreed:
            raise NotAgreedError(
                f"Nothing was started: the run would use commit {self.commit[:_SHORT]} of {self.branch} (digest "
                f"{self.digest[:_SHORT]}), and the plan that you agreed to did not have it. Either {self.branch} has "
                "changed since, or the commit did not exist yet.",
                "To see what would run now, and to agree to it, <solve>.",
            )
        self.context.services.identity.consent_to_run(self.digest)

    def _queue(self) -> str:
        """Start a run.

        Raises:
            NotAgreedError: It would run on the person's machine, and they have not agreed to exactly this.
        """
        self.consent()
        if self.starts and self.starts in self.context.agreed:
            self.context.services.identity.consent_to_run(self.starts)
        made = self.client.queue_build(self.enter(ReadCache()).id, self.pipeline, self.branch, self.commit)
        self.context.reporter.say(f"Run {made.number} is queued: {made.page}")
        self.context.reporter.say("Azure DevOps has the log of a step when the step has ended.")
        return str(made.id)

    def changeable(self, found: tuple[Build, ...], *, ours: bool) -> bool:
        """Return that another run can replace one that failed, regardless of who started it."""
        del found, ours
        return True

    def difference(self, found: tuple[Build, ...]) -> str:
        """Return that it runs once more, and what that runs on the person's machine."""
        return self.with_note(f"run {found[0].number} ended as {found[0].result}: another one is started")

    def consenting(self, changes: Sequence[Change]) -> list[Change]:
        """Return changes with the consent to the programs that they start on the person's own machine."""
        return [replace(each, consent=self.digest) if each.verb in {"create", "change"} else each for each in changes]

    def with_note(self, why: str) -> str:
        """Return why another run is started, with what it runs on the person's machine."""
        return "; ".join(filter(None, (why, self.note)))

    def change(self, found: tuple[Build, ...]) -> None:
        """Run it once more."""
        del found
        self._queue()

    # Removing

    def cancel(self, run: Build) -> None:
        """Say that a run is canceled, and cancel it."""
        self.context.reporter.say(f"Canceling run {run.number} …")
        self.client.cancel_build(self.place, run.id)

    def look(self, run: Build) -> Build | None:
        """Return a run as it is now."""
        return self.client.build(self.place, run.id)

    def remove(self, run: Build) -> None:
        """Delete a run; image and model stay."""
        self.client.delete_build(self.place, run.id)


def ordered(records: Sequence[Record]) -> list[Record]:
    """Return records in the order in which a person reads them: each below its parent, by its number."""
    found: list[Record] = []
    known = {each.id for each in records}

    def add(parent: str, depth: int) -> None:
        children = [each for each in records if (each.parent if each.parent in known else "") == parent]
        for each in sorted(children, key=lambda each: each.order):
            found.append(each)
            if depth < 10 and each.id:
                add(each.id, depth + 1)

    add("", 0)
    return found


def cause(records: Sequence[Record]) -> Record | None:
    """Return the first record that failed: the deepest one, as a failed step also fails its job and stage."""
    failed = [each for each in records if each.result == "failed"]
    steps = [each for each in failed if each.kind == "Task"]
    with_issues = [each for each in failed if each.issues]
    return next(iter(steps or with_issues or failed), None)


def remedy_of(said: str, where: str = "") -> str:
    """Return what to do about what a failed run says."""
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, said, re.IGNORECASE | re.DOTALL):
            return remedy
    if "Run Unit Tests" in where:
        return "See which test failed: <step build-pipeline/read-the-results>."
    return "Read the log of this step on the run's page, and correct the cause."


def runs_here(digest: str) -> str:
    """Return that what has a digest runs on the person's own machine, for a plan; empty if it runs elsewhere."""
    return f"the programs of this commit run on your machine as you; digest {digest[:_SHORT]}" if digest else ""


def run_digest(context: StepContext, pipeline: int, name: str, file: str, branch: str, commit: str) -> str:
    """Return the digest of what a run does on this machine; empty if it cannot run, which starting it says.

    Args:
        context: The step's context.
        pipeline: ID of the pipeline; 0: it is yet to be created.
        name: Its name.
        file: Path of its file.
        branch: The branch.
        commit: Its commit.
    """
    here, identity, project = organization(context), context.services.identity, context.names.devops_project
    which = {"pipeline": pipeline} if pipeline else {"name": name, "file": file}

    def planned() -> str:
        try:
            return str(identity.run_plan(here.organization, project, which, branch, commit).get("digest", ""))
        except ServiceError:
            return ""

    key = ("digest of a run", here.organization, pipeline or name, branch, commit)
    return context.reads.share(key, planned)


def lab_run(context: StepContext) -> PipelineRun:
    """Return the run of the default branch's newest commit.

    Raises:
        NotFoundError: There is no pipeline, or no repository.
    """
    pipeline = lab_pipeline(context)
    found = pipeline.find(context.reads)
    if found is None:
        raise NotFoundError(f"There is no pipeline {pipeline.name}.", "<first build-pipeline/create-the-pipeline>.")
    return run_of(context, found)


def run_of(context: StepContext, pipeline: Pipeline | None) -> PipelineRun:
    """Return the run of a pipeline with the default branch's newest commit.

    Everything is read at that commit: a push that comes in between makes another run, with another digest.

    Args:
        context: The step's context.
        pipeline: The pipeline; None: one that is yet to be created, only for a plan.

    Raises:
        NotFoundError: There is no repository.
    """
    repository, here = seeded_repository(context), organization(context)
    branch, project = repository.default_branch, context.names.devops_project
    commit = branches(context, repository)[branch]
    file = pipeline.file if pipeline is not None and pipeline.file else BUILD
    try:
        text = here.text(project, repository, file, commit)
        tasks = tuple(each.title for each in pipeline_file.read(text).tasks)
    except (NotFoundError, pipeline_file.UnreadableFileError):
        # The service refuses to start it, and says why.
        tasks = ()
    names, number = context.names, pipeline.id if pipeline is not None else 0
    release = release_pipeline(context).find(context.reads)
    return PipelineRun(
        context,
        here.organization,
        number,
        branch,
        commit,
        digest=run_digest(context, number, names.pipeline, BUILD, branch, commit),
        tasks=tasks,
        starts=run_digest(context, release.id, release.name, RELEASE, branch, commit) if release is not None else "",
    )


def marked_runs(context: StepContext, make: Callable[[StepContext], PipelineRun]) -> Sequence[Marked]:
    """Return the runs that count if the wizard started them; nothing without a repository or a pipeline.

    Args:
        context: The step's context.
        make: Returns the runs that count.
    """
    if not is_seeded(context):
        return ()
    try:
        return ownership.marked(make(context))
    except NotFoundError:
        return ()
