"""The step `checkout`: a shallow clone of one commit.

What the service does: https://learn.microsoft.com/azure/devops/pipelines/repos/pipeline-options-for-git ("Shallow
fetch": pipelines created after September 2022 fetch one commit and no tags), and the log of the azure-pipelines-agent,
GitSourceProvider.cs. The commit is checked out without a branch. Credentials stay only with `persistCredentials`.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from hol_wizard.practice.pipelines.agent import environment
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.workspace import OutsideError
from hol_wizard.practice.pipelines.host import Clone
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest, Source

HEAD = """\
==============================================================================
Task         : Get sources
Description  : Get sources from a repository. Supports Git, TfsVC, and SVN repositories.
Version      : 1.0.0
Author       : Microsoft
Help         : [More Information](https://go.microsoft.com/fwlink/?LinkId=798199)
=============================================================================="""
_DEPTH = 1


def source_of(request: RunRequest, repository: str) -> Source:
    """Return what a `checkout` names.

    Raises:
        TaskError: No repository resource has this name.
    """
    if repository.lower() in {"self", ""}:
        return request.source
    for alias, source in request.repositories.items():
        if alias.lower() == repository.lower():
            return source
    raise TaskError(f"The repository '{repository}' is not a repository resource of this pipeline.")


def title(source: Source, folder: str) -> str:
    """Return the name of the record: `Checkout REPOSITORY@BRANCH to s`."""
    return f"Checkout {source.name}@{short(source.branch)} to {folder}"


def short(branch: str) -> str:
    """Return a branch's name without `refs/heads/`."""
    return branch.removeprefix("refs/heads/").removeprefix("refs/tags/")


class Checkout:
    """One checkout of a job."""

    def __init__(self, source: Source, folder: str) -> None:
        self._source = source
        self.folder = folder
        """Below the agent's build folder."""

    async def run(self, context: StepContext) -> None:
        """Fetch and check out the commit.

        Raises:
            TaskError: git is not installed, or refuses.
        """
        job, log = context.job, context.log
        clone = await job.host.clone(job.key, self._source.id)
        git = environment.program("git", context.environment())
        if git is None:
            raise TaskError("This step needs git, and this machine has none. Install git, and run the pipeline again.")
        try:
            place = job.workspace.inside(context.input("path") or self.folder)
        except OutsideError as error:
            raise TaskError(str(error)) from error
        self.folder = place.relative_to(job.workspace.build.resolve()).as_posix()
        log.write(HEAD)
        log.write(f"Syncing repository: {clone.name} (Git)")
        if context.flag("clean") and place.exists():
            await context.in_thread(shutil.rmtree, place)
        place.mkdir(parents=True, exist_ok=True)
        variables = _environment(job.base_environment(), clone)
        depth = _depth(context)
        fetch = ["--force", "--tags" if context.flag("fetchtags") else "--no-tags", "--prune", "--prune-tags"]
        fetch += ["--progress", "--no-recurse-submodules", "origin"]
        fetch += [f"--depth={depth}"] if depth else []
        # Without a depth, the whole history of all branches is there; with one, only the commit.
        fetch += [f"+{self._source.commit}"] if depth else ["+refs/heads/*:refs/remotes/origin/*", self._source.commit]
        await self._git(context, git, place, variables, "init", "--quiet", str(place))
        await self._git(context, git, place, variables, "remote", "add", "origin", clone.source)
        await self._git(context, git, place, variables, "config", "gc.auto", "0")
        await self._git(context, git, place, variables, "fetch", *fetch)
        await self._git(context, git, place, variables, "checkout", "--progress", "--force", self._source.commit)
        await self._git(context, git, place, variables, "remote", "set-url", "origin", clone.url)
        if context.flag("persistCredentials"):
            log.warning("The practice agent leaves no credentials in the clone: steps cannot push.")
        if context.input("submodules").lower() not in {"", "false"}:
            log.warning("The practice agent does not fetch submodules.")
        if context.flag("lfs"):
            log.warning("The practice agent does not fetch files of Git LFS.")
        job.clones[self.folder] = clone

    async def _git(
        self, context: StepContext, git: str, place: Path, variables: Mapping[str, str], *words: str
    ) -> None:
        context.log.command(f"git {' '.join(words)}")
        code = await context.run([git, *words], folder=place, variables=variables)
        if code != 0:
            raise TaskError(f"Git {words[0]} failed with exit code: {code}")

    async def clean_up(self, context: StepContext) -> None:
        """Do what `Post-job: Checkout` does."""
        context.log.write(HEAD)
        context.log.write(f"Cleaning any cached credential from repository: {self._source.name} (Git)")


def _depth(context: StepContext) -> int:
    """Return how many commits are fetched; 0 for all."""
    given = context.input("fetchdepth")
    if not given:
        return _DEPTH
    if not given.isdecimal():
        raise TaskError(f"The input fetchDepth is not a number: {given}")
    return int(given)


def _environment(base: Mapping[str, str], clone: Clone) -> dict[str, str]:
    """Return the environment of git for a checkout, with the credentials, which no step receives."""
    return {
        **base,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "LC_ALL": "C",
        "GIT_TEMPLATE_DIR": "",
        "GIT_ASKPASS": os.devnull,
        **clone.environment,
    }
