"""The tasks CopyFiles@2 and DeleteFiles@1, and what tasks that copy files share.

azure-pipelines-tasks, CopyFilesV2/copyfiles.ts and DeleteFilesV1/deletefiles.ts, with their messages.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import patterns
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError


async def copy(context: StepContext) -> Result:
    """Run the task CopyFiles@2."""
    source = context.path("SourceFolder")
    target = context.path("TargetFolder", required=True)
    if not source.is_dir():
        raise TaskError(f"Not found SourceFolder: {source}")
    wanted = context.input("Contents", required=True).splitlines()
    files = [each for each in patterns.match(patterns.files_below(source), wanted, source) if each.is_file()]
    context.log.write(f"found {len(files)} files")
    if not files:
        return Result.SUCCEEDED
    if context.flag("CleanTargetFolder"):
        context.log.write(f"Cleaning target folder: {target}")
        await context.in_thread(clean, target)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        place = target / (file.name if context.flag("flattenFolders") else file.relative_to(source))
        if place.is_dir():
            raise TaskError(f"Unable to copy file {file} to {place}. The target path already exists as a directory.")
        if place.exists() and not context.flag("OverWrite"):
            context.log.write(f"File {file} already exist at {place}")
            continue
        context.log.write(f"Copying {file} to {place}")
        await context.in_thread(_put, file, place)
        if context.flag("preserveTimestamp"):
            shutil.copystat(file, place)
    return Result.SUCCEEDED


async def delete(context: StepContext) -> Result:
    """Run the task DeleteFiles@1."""
    source = context.path("SourceFolder")
    wanted = context.input("Contents", required=True).splitlines()
    if not source.is_dir():
        context.log.write(f"The folder {source} does not exist.")
        return Result.SUCCEEDED
    if context.flag("RemoveSourceFolder"):
        context.log.write(f"Removing {source}")
        await context.in_thread(shutil.rmtree, source)
        return Result.SUCCEEDED
    found = patterns.match(patterns.files_below(source), wanted, source)
    if not context.flag("RemoveDotFiles"):
        found = [each for each in found if not any(part.startswith(".") for part in each.relative_to(source).parts)]
    context.log.write(f"found {len(found)} files")
    for each in sorted(found, key=lambda path: len(path.parts), reverse=True):
        await context.in_thread(_remove, each)
    return Result.SUCCEEDED


async def copy_below(context: StepContext, files: Iterable[Path], source: Path, target: Path) -> None:
    """Copy files below a folder, with their modes, to the same places below another."""
    for file in files:
        await context.in_thread(_put, file, target / file.relative_to(source))


def _put(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, place)
    shutil.copymode(file, place)


def clean(target: Path) -> None:
    """Remove what is in a folder, or a file in its place."""
    if target.is_dir():
        for each in target.iterdir():
            _remove(each)
    elif target.exists():
        target.unlink()


def _remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
