"""The repositories of runs: branches, commits, the YAML files in them, and what has changed between two commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hol_wizard.practice.devops import bare_git, bare_refs
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.repositories import NO_COMMIT, Repositories
from hol_wizard.practice.devops.versions import TAGS, refs
from hol_wizard.practice.kernel.store import Document

_FACTS = "%H%x00%an%x00%ae%x00%at%x00%B%x00%x01"
_MOST_CHANGES = 200
_COMPUTED = re.compile(r"[~^:]|@\{|\.\.")
"""What makes git compute a revision, such as `main~1`. No ref has it in its name (git-check-ref-format)."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit."""

    id: str
    author: str
    email: str
    when: float
    message: str

    @property
    def title(self) -> str:
        """The first line of its message."""
        return self.message.partition("\n")[0]


class Sources:
    """Reads the repositories of projects."""

    def __init__(self, projects: Projects, repositories: Repositories) -> None:
        self._projects = projects
        self._repositories = repositories

    async def head(self, project: Document, branch: str) -> str:
        """Return the commit of a branch, a tag or the trial merge of a pull request; empty if there is none."""
        path = await self._repositories.path(project)
        found = (await refs(path)).get(branch)
        if found is not None:
            return found.commit
        return "" if _COMPUTED.search(branch) else await _said(path, *_commit_of(branch))

    async def has(self, project: Document, commit: str) -> bool:
        """Return whether a repository has a commit with this whole ID."""
        path = await self._repositories.path(project)
        is_whole = len(commit) == len(NO_COMMIT) and commit.isalnum()
        return is_whole and await _said(path, "cat-file", "-t", commit) == "commit"

    async def commits(self, project: Document, new: str, old: str = "", most: int = _MOST_CHANGES) -> list[Commit]:
        """Return commits, newest first: those of `new` that `old` does not have, or only `new` itself."""
        path = await self._repositories.path(project)
        which = [f"{old}..{new}"] if old and old != NO_COMMIT else ["--max-count=1", new]
        told = await bare_git.run(path, "log", f"--format={_FACTS}", f"--max-count={most}", *which)
        found = []
        for each in told.text.split("\0\x01"):
            if "\0" in each:
                identity, author, email, when, message = each.lstrip("\n").split("\0", 4)
                found.append(Commit(identity, author, email, float(when), message.rstrip("\n")))
        return found

    async def changed_paths(self, project: Document, old: str, new: str) -> list[str]:
        """Return the paths that differ between two commits; all paths of `new` if there is no old one."""
        path = await self._repositories.path(project)
        words = ["diff-tree", "-r", "--name-only", "--no-renames", "-z", old, new]
        if not old or old == NO_COMMIT:
            words = ["ls-tree", "-r", "--name-only", "-z", new]
        return [each for each in (await bare_git.run(path, *words)).text.split("\0") if each]

    async def fork_point(self, project: Document, one: str, other: str) -> str:
        """Return the newest commit that two commits have in common; empty if there is none."""
        path = await self._repositories.path(project)
        return await _said(path, "merge-base", one, other)

    async def files(self, project: Document, commit: str) -> CommittedFiles:
        """Return the files of a commit, for one run."""
        folder = await self._repositories.path(project)
        others = [
            (each, there)
            for each in self._projects.all_of(ORGANIZATIONS[project["organization"]])
            if (there := self.folder(each)) is not None
        ]
        return CommittedFiles(project, folder, commit, others)

    async def tree(self, folder: Path, commit: str) -> str:
        """Return the ID of a commit's tree, which stands for the names, modes and bytes of all its files."""
        return await _said(folder, "rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}")

    def find(self, project: Document, name: str) -> Document | None:
        """Return the project whose repository a YAML file names: `Repository` or `Project/Repository`, or None."""
        for each in self._projects.all_of(ORGANIZATIONS[project["organization"]]):
            if _is_named(each, name):
                return each
        return None

    def folder(self, project: Document) -> Path | None:
        """Return the folder of a project's repository; None if it was never used."""
        return self._repositories.existing(project)


@dataclass(frozen=True, slots=True)
class Pin:
    """Another repository at the one commit that a run uses of it."""

    project: Document
    folder: Path
    branch: str
    commit: str


class CommittedFiles:
    """The files of a commit, and those of other repositories of the organization, for one run.

    A ref of another repository is resolved once: the templates, the checkout and the consent of a run are about the
    same commit, whatever is pushed in the meantime. It runs git and waits for it, so use it in a thread.
    """

    def __init__(
        self, project: Document, folder: Path, commit: str, others: Sequence[tuple[Document, Path]] = ()
    ) -> None:
        self.project = project
        self.folder = folder
        self.commit = commit
        self._others = others
        self._pins: dict[tuple[str, str], Pin] = {}

    def read(self, path: str, repository: str = "", ref: str = "") -> str | None:
        """Return a file's text, or None if there is none.

        Args:
            path: From the repository's root, without a leading slash.
            repository: Name of another repository; empty for the run's own.
            ref: The other repository's branch or tag; empty for its default branch.

        Raises:
            LookupError: There is no such repository or ref.
        """
        if not repository:
            return _file_at(self.folder, self.commit, path)
        pin = self.pin(repository, ref)
        return _file_at(pin.folder, pin.commit, path)

    def pin(self, repository: str, ref: str = "") -> Pin:
        """Return the commit of another repository, always the same one.

        Raises:
            LookupError: There is no such repository or ref.
        """
        key = repository.lower(), ref
        if key not in self._pins:
            self._pins[key] = self._pinned(repository, ref)
        return self._pins[key]

    def _pinned(self, repository: str, ref: str) -> Pin:
        for project, folder in self._others:
            if _is_named(project, repository):
                names = (full_branch(ref) or bare_refs.head(folder), f"{TAGS}{ref}")
                for name in () if _COMPUTED.search(ref) else names:
                    found = bare_git.read(folder, *_commit_of(name))
                    if found.code == 0:
                        return Pin(project, folder, name, found.text.strip())
                raise LookupError(f"the repository {repository} has no {ref or 'branches'}")
        raise LookupError(f"there is no repository {repository}")


def _is_named(project: Document, name: str) -> bool:
    """Return whether a YAML file names a project's repository: `Repository` or `Project/Repository`."""
    first, _, second = name.rpartition("/")
    own = project["name"].lower()
    return second.lower() == own and first.lower() in {"", own}


def _file_at(folder: Path, commit: str, path: str) -> str | None:
    """Return the text of a file in a commit; None if it does not exist."""
    done = bare_git.read(folder, "cat-file", "blob", f"{commit}:{path.lstrip('/')}")
    return done.out.decode("utf-8-sig", "replace") if done.code == 0 else None


def _commit_of(ref: str) -> tuple[str, ...]:
    """Return the git command that writes the ID of a ref's commit."""
    return "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"


async def _said(folder: Path, *words: str) -> str:
    """Return what a git command writes, without the line's end."""
    return (await bare_git.run(folder, *words)).text.strip()
