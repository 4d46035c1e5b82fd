"""Tasks that copy, delete, pack and unpack files.

azure-pipelines-tasks: CopyFilesV2/copyfiles.ts, DeleteFilesV1/deletefiles.ts, ArchiveFilesV2/archivefiles.ts and
ExtractFilesV1/extractfilestask.ts, with their messages.
"""

from __future__ import annotations

import shutil
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
        clean(target)
    target.mkdir(parents=True, exist_ok=True)
    for file in files:
        context.check()
        place = target / (file.name if context.flag("flattenFolders") else file.relative_to(source))
        if place.is_dir():
            raise TaskError(f"Unable to copy file {file} to {place}. The target path already exists as a directory.")
        if place.exists() and not context.flag("OverWrite"):
            context.log.write(f"File {file} already exist at {place}")
            continue
        context.log.write(f"Copying {file} to {place}")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
        shutil.copymode(file, place)
        if context.flag("preserveTimestamp"):
            shutil.copystat(file, place)
    return Result.SUCCEEDED


def clean(target: Path) -> None:
    """Remove what is in a folder, or a file in its place."""
    if target.is_dir():
        for each in target.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()
    elif target.exists():
        target.unlink()
