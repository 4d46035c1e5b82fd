"""The tasks ArchiveFiles@2 and ExtractFiles@1, for zip and tar.

azure-pipelines-tasks, ArchiveFilesV2/archivefiles.ts and ExtractFilesV1/extractfilestask.ts. Nothing is written outside
of the destination folder, regardless of the names in an archive.
"""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import patterns
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.tasks.files import clean
from hol_wizard.tar_extraction import extract_member

_MODES = {"gz": "w:gz", "bz2": "w:bz2", "xz": "w:xz", "none": "w"}
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz")


async def archive(context: StepContext) -> Result:
    """Run the task ArchiveFiles@2."""
    root = context.path("rootFolderOrFile", required=True)
    if not root.exists():
        raise TaskError(f"Not found rootFolderOrFile: {root}")
    target = context.path("archiveFile", required=True)
    kind = context.input("archiveType").lower()
    if kind not in {"zip", "tar"}:
        raise TaskError(f"The practice agent writes archives of the types zip and tar, not of the type {kind}.")
    replaced = context.input("replaceExistingArchive").lower() != "false"
    if target.exists() and not replaced and kind == "tar":
        raise TaskError(f"The practice agent cannot add files to the archive {target}, which exists already.")
    base = root.parent if context.input("includeRootFolder").lower() != "false" or root.is_file() else root
    found = [root] if root.is_file() else patterns.files_below(root)
    found = [each for each in found if each != target]
    context.log.write(f"Found {sum(each.is_file() for each in found)} files")
    context.log.write(f"Archiving file: {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if kind == "zip":
        with zipfile.ZipFile(target, "w" if replaced else "a", zipfile.ZIP_DEFLATED) as made:
            for each in found:
                await context.in_thread(made.write, each, each.relative_to(base).as_posix())
    else:
        mode = _MODES.get(context.input("tarCompression").lower(), "w:gz")
        with tarfile.open(target, mode) as written:  # type: ignore[call-overload]  # the mode is one of four
            for each in found:
                await context.in_thread(written.add, each, each.relative_to(base).as_posix(), recursive=False)
    return Result.SUCCEEDED


async def extract(context: StepContext) -> Result:
    """Run the task ExtractFiles@1."""
    wanted = context.input("archiveFilePatterns", required=True).splitlines()
    target = context.path("destinationFolder", required=True)
    files = patterns.find(context.job.workspace.sources, wanted)
    if not files:
        raise TaskError("Specified archive file pattern did not match any files.")
    if context.input("cleanDestinationFolder").lower() != "false":
        context.log.write(f"Cleaning destination folder before extraction: {target}")
        await context.in_thread(clean, target)
    target.mkdir(parents=True, exist_ok=True)
    overwrite = context.flag("overwriteExistingFiles")
    for file in files:
        context.log.write(f"Extracting file: {file}")
        try:
            if file.name.lower().endswith(_TARS):
                await context.in_thread(_from_tar, file, target, overwrite)
            elif zipfile.is_zipfile(file):
                await context.in_thread(_from_zip, file, target, overwrite)
            else:
                raise TaskError(f"The practice agent extracts zip and tar archives; {file.name} is neither.")
        except (tarfile.TarError, zipfile.BadZipFile, OSError) as error:
            raise TaskError(f"Extracting {file} failed: {error}") from error
    return Result.SUCCEEDED


def _check_new(place: Path, overwrite: bool) -> None:
    if place.exists() and not overwrite:
        raise TaskError(f"The file {place} exists already, and overwriteExistingFiles is false.")


def _from_zip(file: Path, target: Path, overwrite: bool) -> None:
    with zipfile.ZipFile(file) as archive_file:
        for each in archive_file.infolist():
            if each.is_dir():
                (target / each.filename).resolve().relative_to(target.resolve())
                continue
            _check_new(target / each.filename, overwrite)
            archive_file.extract(each, target)


def _from_tar(file: Path, target: Path, overwrite: bool) -> None:
    with tarfile.open(file) as archive_file:
        for each in archive_file:
            if each.isfile():
                _check_new(target / each.name, overwrite)
            extract_member(archive_file, each, target)
