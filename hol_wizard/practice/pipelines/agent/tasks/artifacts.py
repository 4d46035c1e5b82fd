"""The tasks that publish and download artifacts.

https://learn.microsoft.com/azure/devops/pipelines/artifacts/pipeline-artifacts and the pages of the tasks; messages of
the azure-pipelines-agent (strings.json). A pipeline artifact cannot be changed: a second one with its name is refused.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import patterns
from hol_wizard.practice.pipelines.agent.command_effects import artifact_name
from hol_wizard.practice.pipelines.agent.commands import CommandError
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.masking import MASK
from hol_wizard.practice.pipelines.agent.tasks.files import clean, copy_below
from hol_wizard.practice.pipelines.host import Artifact, RunKey

MOST_BYTES = 200 << 20
"""Greatest size of an artifact on the person's machine."""
_IGNORE = ".artifactignore"


async def publish_pipeline(context: StepContext) -> Result:
    """Run the task PublishPipelineArtifact, @0 and @1."""
    if context.input("artifactType").lower() == "filepath":
        raise TaskError("The practice agent does not publish to a file share.")
    path = context.path("path" if context.input("path") else "targetPath")
    if not path.exists():
        raise TaskError(f"Path does not exist: {path}")
    name = _name(context, context.input("artifactName") or context.job.assignment.name)
    context.log.write(f"Uploading pipeline artifact from {path} for build #{context.job.key.run}")
    with tempfile.TemporaryDirectory(prefix="artifact-", dir=context.job.workspace.temporary) as made:
        folder = Path(made)
        count = await _gather(context, path, folder)
        await context.job.host.publish_artifact(
            context.job.key, Artifact(name, "PipelineArtifact", folder), context.job.assignment.record
        )
    context.log.write(f"Uploaded {count} files.")
    context.log.write("Uploading pipeline artifact finished.")
    return Result.SUCCEEDED


async def publish_build(context: StepContext) -> Result:
    """Run the task PublishBuildArtifacts@1."""
    if context.input("ArtifactType").lower() == "filepath":
        raise TaskError("The practice agent does not publish to a file share.")
    path = context.path("PathtoPublish")
    if not path.exists():
        raise TaskError(f"Not found PathtoPublish: {path}")
    name = _name(context, context.input("ArtifactName") or "drop")
    with tempfile.TemporaryDirectory(prefix="artifact-", dir=context.job.workspace.temporary) as made:
        folder = Path(made)
        if not await _gather(context, path, folder):
            context.log.warning(f"Directory '{path}' is empty. Nothing will be added to build artifact '{name}'.")
            return Result.SUCCEEDED
        context.log.write(f"Upload '{path}' to file container: '{name}'")
        await context.job.host.publish_artifact(
            context.job.key, Artifact(name, "Container", folder), context.job.assignment.record
        )
    context.log.write(f"Associated artifact {name} with build {context.job.key.run}")
    return Result.SUCCEEDED


def _name(context: StepContext, given: str) -> str:
    """Return the name of an artifact; a secret in it is hidden, which the service does not do."""
    masker = context.job.masker
    if masker.hides(given):
        given = masker.mask(given).replace(MASK, "_")
        context.log.warning(f"The name of the artifact contains a secret, so the artifact is called '{given}'.")
    try:
        return artifact_name(given)
    except CommandError as error:
        raise TaskError(str(error)) from error


async def _gather(context: StepContext, path: Path, folder: Path) -> int:
    """Copy what is published to a folder, and return the number of files."""
    if path.is_file():
        _check_size(path.stat().st_size)
        await context.in_thread(shutil.copyfile, path, folder / path.name)
        return 1
    files = [each for each in patterns.files_below(path) if each.is_file()]
    ignore = path / _IGNORE
    if ignore.is_file():
        context.log.write(f"Using {_IGNORE} file located in: {path} for globbing")
        files = _not_ignored(files, path, ignore.read_text(encoding="utf-8-sig").splitlines())
    _check_size(sum(each.stat().st_size for each in files))
    await copy_below(context, files, path, folder)
    return len(files)


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise TaskError(f"The artifact has {size >> 20} MB; the practice agent publishes up to {MOST_BYTES >> 20} MB.")


def _not_ignored(files: Sequence[Path], root: Path, lines: Sequence[str]) -> list[Path]:
    """Return the files that `.artifactignore` leaves; its rules are those of `.gitignore`, later ones win."""
    ignored: set[Path] = set()
    for raw in lines:
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        kept = line.startswith("!")
        rule = line.lstrip("!").rstrip("/")
        anywhere = "/" not in rule
        rule = rule.lstrip("/")
        wanted = [f"**/{rule}", f"**/{rule}/**"] if anywhere else [rule, f"{rule}/**"]
        matched = set(patterns.match(files, wanted, root))
        ignored = ignored - matched if kept else ignored | matched
    return [each for each in files if each not in ignored]


async def download_pipeline(context: StepContext) -> Result:
    """Run the task DownloadPipelineArtifact, @1 and @2, for runs of this project's pipelines."""
    key = _source(context)
    name = context.input("artifact") or context.input("artifactName")
    given = context.input("path") or context.input("targetPath")
    target = Path(os.path.normpath(context.job.workspace.build / given))
    wanted = (context.input("patterns") or context.input("itemPattern")).splitlines() or ["**"]
    straight = bool(name) and (not given or Path(given).is_absolute())
    await download(context, key, name, target, wanted, own_folder=not straight)
    return Result.SUCCEEDED


async def download_build(context: StepContext) -> Result:
    """Run the task DownloadBuildArtifacts, @0 and @1."""
    key = _source(context)
    single = context.input("downloadType").lower() != "specific"
    name = context.input("artifactName", required=True) if single else ""
    given = context.input("downloadPath", required=True)
    target = Path(os.path.normpath(context.job.workspace.build / given))
    if context.flag("cleanDestinationFolder"):
        await context.in_thread(clean, target)
    await download(context, key, name, target, context.input("itemPattern").splitlines() or ["**"], own_folder=True)
    return Result.SUCCEEDED


async def download_step(context: StepContext) -> Result:
    """Run the step `download`: `current`, or a pipeline resource."""
    alias = context.input("alias")
    if alias.lower() == "none":
        context.log.write("Nothing is downloaded.")
        return Result.SUCCEEDED
    base = context.job.workspace.build
    given = context.input("path")
    if alias.lower() == "current":
        key, place = context.job.key, base
    else:
        found = {name.lower(): each for name, each in context.job.assignment.request.pipelines.items()}
        if alias.lower() not in found:
            raise TaskError(f"The pipeline resource '{alias}' is not known.")
        key, place = found[alias.lower()].key, base / alias
    target = Path(os.path.normpath(base / given)) if given else place
    wanted = context.input("patterns").splitlines() or ["**"]
    await download(context, key, context.input("artifact"), target, wanted, own_folder=True)
    return Result.SUCCEEDED


def _source(context: StepContext) -> RunKey:
    """Return the run whose artifacts a task downloads.

    Raises:
        TaskError: It is one that the practice agent does not find.
    """
    key, request = context.job.key, context.job.assignment.request
    if (context.input("source") or context.input("buildType")).lower() != "specific":
        return key
    project = context.input("project", required=True)
    if project.lower() not in {request.project.id.lower(), request.project.name.lower()}:
        raise TaskError("The practice agent does not download artifacts of another project.")
    pipeline = (context.input("pipeline") or context.input("definition")).lower()
    upstream = [
        each for each in request.pipelines.values() if pipeline in {each.pipeline.id, each.pipeline.name.lower()}
    ]
    if (context.input("runVersion") or context.input("buildVersionToDownload")).lower() == "specific":
        run = context.input("runId") or context.input("pipelineId") or context.input("buildId")
        if not run.isdecimal():
            raise TaskError("Input required: runId")
        return RunKey(key.project, int(pipeline) if pipeline.isdecimal() else key.pipeline, int(run))
    if not upstream:
        raise TaskError(
            "The practice agent downloads artifacts of another pipeline's run if the run is named by its ID, or if the"
            " pipeline is a resource of this one (resources.pipelines)."
        )
    return upstream[0].key


async def download(
    context: StepContext, key: RunKey, name: str, target: Path, wanted: Sequence[str], *, own_folder: bool
) -> None:
    """Copy artifacts of a run to a folder.

    Args:
        context: The step.
        key: The run.
        name: The artifact; empty for all.
        target: The folder.
        wanted: Patterns; without a name, they begin with the artifact's.
        own_folder: Whether each artifact gets a folder with its name.

    Raises:
        TaskError: There is none of this name.
    """
    found = [each for each in context.job.host.artifacts(key) if not name or each.name.lower() == name.lower()]
    if name and not found:
        raise TaskError(f"Artifact {name} was not found for build {key.run}.")
    context.log.write(f"Download from the specified build: #{key.run}")
    context.log.write(f"Download artifact to: {target}")
    for artifact in found:
        place = target / artifact.name if own_folder else target
        root = artifact.folder
        files = [each for each in patterns.files_below(root) if each.is_file()]
        named = [each if name else _without(each, artifact.name) for each in wanted]
        chosen = patterns.match(files, [each for each in named if each], root)
        place.mkdir(parents=True, exist_ok=True)
        await copy_below(context, chosen, root, place)
        context.log.write(f"Downloaded {len(chosen)} files of the artifact {artifact.name}.")
    context.log.write("Downloading artifact finished.")


def _without(pattern: str, artifact: str) -> str:
    """Return a pattern for all artifacts as one for the files of this artifact; empty if it is for another."""
    sign = "!" if pattern.startswith("!") else ""
    first, slash, rest = pattern.lstrip("!").partition("/")
    if first == "**":
        return pattern
    if not patterns.compiled(first).match(artifact):
        return ""
    return sign + (rest if slash else "**")
