"""The run of the release pipeline that counts: the newest one that promotes the image of the newest build."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from hol_wizard.engine.ownership import Pending
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.errors import NotFoundError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import pipeline_file
from hol_wizard.resources.committed_file import committed_file
from hol_wizard.resources.container_registry import login_server
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import branches, seeded_repository
from hol_wizard.resources.pipeline import release_pipeline
from hol_wizard.resources.pipeline_run import ARTIFACT, PipelineRun, lab_run, run_digest
from hol_wizard.resources.stage_environment import StageApproval
from hol_wizard.resources.starter_project import RELEASE
from hol_wizard.resources.tested_image import image_location
from hol_wizard.services.devops.approvals import PENDING, Approval, ApprovalRule, Identity
from hol_wizard.services.devops.builds import SUCCEEDED, Build, Record

ALIAS: Final = "build"
"""What the release's file calls the build pipeline."""
QA, PRODUCTION = "QA", "Production"
"""Stages of the release's file."""
QA_ENVIRONMENT, PRODUCTION_ENVIRONMENT = "hol-qa", "hol-production"
"""What they deploy to."""
_TAGS: Final = {QA: ("qa",), PRODUCTION: ("qa", "production")}
"""Beginnings of the tags in the registry after a stage, which end with the ID of the build's run."""
_TRIGGER_SECONDS: Final = 60.0
"""How long after the end of a build its release is expected to start by itself. [K]"""
_STAGE: Final = "Stage"
_APPROVAL: Final = "Checkpoint.Approval"
_ENDED: Final = "completed"


@dataclass(frozen=True)
class ReleaseRun(PipelineRun):
    """The runs of the release that use one run of the build, the newest first; the newest counts.

    A run that the build has started by itself is adopted. The run as a whole says little: if nobody approves in time,
    it can succeed although a stage was skipped. So its stages are judged.
    """

    source: int = 0
    """ID of the build's run."""
    builder: int = 0
    """ID of the build pipeline; 0 for an undo."""
    number: str = ""
    """Number of the build's run; empty for an undo."""
    built: datetime | None = None
    """When the build's run has ended."""
    stage: str = QA
    """The stage up to which it is waited for."""
    asked: bool = False
    """Whether a stage that waits for an approval is enough."""
    kind = "Release run"
    usually = 300.0

    @property
    def name(self) -> str:  # type: ignore[override]  # computed, where others have a field
        """Return the build's run."""
        return f"of build {self.number or self.source}"

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return self.below(f"release-runs/{self.pipeline}/{self.source}")

    @property
    def cost(self) -> str:
        """Return what costs."""
        return "minutes of an agent, and the registry's storage"

    # Checking

    def find(self, reads: ReadCache) -> tuple[Build, ...] | None:
        """Return the runs that use the build's run.

        Raises:
            NotFoundError: The project does not exist.
            UnseenError: The project may be hidden from this account.
        """
        place = self.enter(reads)
        key = ("release runs", self.organization, place.id, self.pipeline, self.source)
        return reads.share(key, lambda: self._using(place.id)) or None

    def _using(self, place: str) -> tuple[Build, ...]:
        noted = self.context.ledger.detail(self.id)
        # A run is younger than what it uses, and IDs of runs increase.
        known = (each for each in self.client.builds(place, self.pipeline, "") if each.id > self.source)
        return tuple(each for each in known if str(each.id) == noted or self._uses(place, each))

    def _uses(self, place: str, run: Build) -> bool:
        found = self.client.source(place, self.pipeline, run.id, ALIAS)
        return found is not None and (found.pipeline, found.number) == (self.builder, self.number)

    def pending(self, found: tuple[Build, ...]) -> Pending | None:
        """Return how far the newest is, up to the end of the stage."""
        newest = found[0]
        if newest.ended:
            return None
        records = self.records(newest)
        stage = stage_of(records, self.stage)
        if stage is not None and stage.state == _ENDED:
            return None
        waiting = self.waiting(records)
        if self.asked and waiting is not None and stage is not None and waiting.id in checkpoints(records, stage):
            return None
        words = f"waiting for {self.words(waiting)}" if waiting is not None else self._progress(newest)
        return Pending(f"{words}: {newest.page}", can_be_deleted=True)

    def waiting(self, records: Sequence[Record]) -> Approval | None:
        """Return the approval that a run waits for; None if it waits for none."""
        known = [each.id for each in records if each.kind == _APPROVAL and each.state != _ENDED]
        found = self.client.approvals(self.place, known)
        return next((each for each in found if each.status == PENDING), None)

    def decided(self, records: Sequence[Record]) -> list[Approval]:
        """Return the approvals of the stage, whatever their state."""
        found = stage_of(records, self.stage)
        return self.client.approvals(self.place, checkpoints(records, found)) if found is not None else []

    def words(self, approval: Approval) -> str:
        """Return whose approval it is, since when, and until when."""
        who = names(approval.open) or "somebody"
        since = f" since {shown(approval.created)}" if approval.created is not None else ""
        end = self.deadline(approval)
        return f"approval by {who}{since}{f', times out at {shown(end)}' if end is not None else ''}"

    def deadline(self, approval: Approval) -> datetime | None:
        """Return when an approval times out, by the rule of the environment; None if that is unknown."""
        rules = self.rules()
        if approval.created is None or not rules:
            return None
        return approval.created + timedelta(minutes=min(each.minutes for each in rules))

    def rules(self) -> list[ApprovalRule]:
        """Return the rules of the environment of Production; they are read once by a check or a solve."""
        approval = StageApproval(self.context, self.organization, PRODUCTION_ENVIRONMENT, project=self.project)
        try:
            return approval.rules(self.context.reads)
        except NotFoundError:
            return []

    def trouble(self, found: tuple[Build, ...]) -> WizardError | None:
        """Return the cause of the failure of the newest one's stage, and what to do about it."""
        newest, records = found[0], self.records(found[0])
        stage = stage_of(records, self.stage)
        if self._met(records, stage):
            return None
        ended = (stage.result if stage is not None else "") or newest.result or newest.status
        return self.failure(newest, records, f"{self.stage} of run {newest.number} ended as {ended}")

    def _met(self, records: Sequence[Record], stage: Record | None) -> bool:
        if stage is None:
            return False
        return stage.result == SUCCEEDED or (self.asked and stage.state != _ENDED and self.waiting(records) is not None)

    def expectations(self, found: tuple[Build, ...]) -> Sequence[Expectation]:
        """Return whether the newest one's stage succeeded."""
        records = self.records(found[0])
        stage = stage_of(records, self.stage)
        state = (stage.result or stage.state) if stage is not None else found[0].result or "not begun"
        seen = [Expectation(f"Stage {self.stage}", SUCCEEDED, state, self._met(records, stage))]
        return [*seen, *self.tags()] if state == SUCCEEDED else seen

    def tags(self) -> list[Expectation]:
        """Return whether the tags of the stages are the very image that the build has tested."""
        context, image = self.context, FIXED["image"]
        server = login_server(context)
        if not server:
            name = context.names.of(Environment.PROD).container_registry
            return [Expectation("Registry", name, "missing", met=False)]
        expected = self._tested()
        seen = []
        for stage in _TAGS[self.stage]:
            actual = context.services.registries.digest(server, image, f"{stage}-{self.source}")
            wanted = _short(expected) if expected else "that of the tested image"
            there = _short(actual) if actual else "missing"
            seen.append(Expectation(f"Digest of {stage}-{self.source}", wanted, there, actual == expected != ""))
        return seen

    def _tested(self) -> str:
        """Return the digest of the image that the build has tested; empty if the build does not say."""
        key = ("tested image", self.organization, self.place, self.source)
        files = self.context.reads.share(key, lambda: self.client.artifact(self.place, self.source, ARTIFACT))
        return image_location(files or {}).partition("@")[2]

    def result(self, found: tuple[Build, ...]) -> Result:
        """Return whether the newest one's stage succeeded, and what to do if not."""
        newest, seen = found[0], tuple(self.expectations(found))
        if (trouble := self.trouble(found)) is not None:
            return Result(Status.FAILED, trouble.message, seen, f"{trouble.hint} To release it again, <solve>.")
        if not all(each.met for each in seen):
            return Result(
                Status.FAILED,
                f"Run {newest.number} succeeded in {self.stage}, but the registry has no tested image there.",
                seen,
                "Somebody may have moved or deleted a tag. To release it again, <solve>.",
            )
        started = "by hand" if newest.reason == "manual" else "by the build"
        summary = f"Run {newest.number}, started {started}, has taken build {self.number} to {self.stage}"
        return Result(Status.PASSED, f"{summary}: {newest.page}", seen)

    def absence(self) -> Result:
        """Return that the build has not been released."""
        return replace(
            super().absence(),
            summary=f"No run of the release uses build {self.number}.",
            next_action="Check the source in the release's file, and start a run by hand as described, or <solve>.",
        )

    # Creating

    def await_trigger(self) -> None:
        """Wait a little for the run that the build starts by itself, if the build has just ended."""
        if self.built is None:
            return
        age = max((datetime.now(UTC) - self.built).total_seconds(), 0.0)
        deadline = time.monotonic() + _TRIGGER_SECONDS - age
        while time.monotonic() < deadline and self.find(ReadCache()) is None:
            self.context.reporter.progress(f"{self.label} is not started yet by the build")
            self.context.reporter.wait(self.context.poll_interval)

    def _queue(self) -> str:
        self.consent()
        place = self.enter(ReadCache()).id
        made = self.client.run_with_source(place, self.pipeline, self.branch, self.commit, ALIAS, self.number)
        run = self.client.build(place, made)
        self.context.reporter.say(f"Run {run.number if run else made} is queued{f': {run.page}' if run else ''}")
        return str(made)

    def difference(self, found: tuple[Build, ...]) -> str:
        """Return that it runs once more."""
        if self.trouble(found) is None:
            return self.with_note(
                f"the registry does not have the tested image in {self.stage}: another run is started"
            )
        stage = stage_of(self.records(found[0]), self.stage)
        ended = (stage.result if stage is not None else "") or found[0].result
        return self.with_note(f"{self.stage} of run {found[0].number} ended as {ended}: another run is started")


def _short(digest: str) -> str:
    return f"{digest[:19]}…"


def stage_of(records: Sequence[Record], stage: str) -> Record | None:
    """Return the record of a stage by its name in the file; None if it has none yet."""
    return next((each for each in records if each.kind == _STAGE and each.identifier == stage), None)


def checkpoints(records: Sequence[Record], stage: Record) -> list[str]:
    """Return the IDs of the approvals of a stage, which are those of records below it."""
    above = {each.id: each.parent for each in records}

    def is_below(record: Record) -> bool:
        parent = record.parent
        for _ in range(len(above)):
            if parent == stage.id:
                return True
            parent = above.get(parent, "")
        return False

    return [each.id.lower() for each in records if each.kind == _APPROVAL and is_below(each)]


def names(people: Sequence[Identity]) -> str:
    """Return the names of people, each of whom may answer."""
    return " or ".join(dict.fromkeys(each.name for each in people))


def shown(moment: datetime | None) -> str:
    """Return a time in UTC, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "an unknown time"


def lab_release(context: StepContext, stage: str = QA) -> ReleaseRun:
    """Return the release of the newest build of the default branch.

    Raises:
        NotFoundError: There is no release pipeline, no repository, or no successful build of the newest commit.
    """
    pipeline = release_pipeline(context)
    found = pipeline.find(context.reads)
    if found is None:
        raise NotFoundError(f"There is no pipeline {pipeline.name}.", "<first release/create-the-release-pipeline>.")
    built = lab_run(context)
    runs = built.find(context.reads)
    if runs is None or not runs[0].succeeded:
        raise NotFoundError(
            f"No build of the newest commit of {built.branch} has succeeded.",
            "<first build-pipeline/run-the-pipeline>.",
        )
    try:
        tasks = tuple(dict.fromkeys(each.title for each in committed_file(context, found.file or RELEASE).tasks))
    except pipeline_file.UnreadableFileError:
        tasks = ()
    return ReleaseRun(
        context,
        pipeline.organization,
        found.id,
        built.branch,
        built.commit,
        digest=built.starts,
        tasks=tasks,
        source=runs[0].id,
        builder=built.pipeline,
        number=runs[0].number,
        built=runs[0].finished,
        stage=stage,
    )


def release_digest(context: StepContext) -> str:
    """Return the digest of what a release would run on this machine, also before there is a build or a pipeline.

    Raises:
        NotFoundError: There is no repository.
    """
    repository, pipeline = seeded_repository(context), release_pipeline(context)
    found, branch = pipeline.find(context.reads), repository.default_branch
    commit = branches(context, repository)[branch]
    return run_digest(context, found.id if found is not None else 0, pipeline.name, RELEASE, branch, commit)
