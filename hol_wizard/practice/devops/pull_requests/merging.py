"""Merges two branches of a bare repository as Azure Repos does for a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hol_wizard.practice.devops import bare_git
from hol_wizard.practice.devops.repositories import NO_COMMIT
from hol_wizard.practice.devops.versions import BRANCHES
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.store import Document

OLD_GIT = "The practice cloud needs git 2.38 or later on this machine to merge."
"""`git merge-tree --write-tree` is new in 2.38 (git's release notes)."""
SERVED = ("noFastForward", "squash")
"""The merge strategies that the practice cloud supports; it refuses the other two."""


@dataclass(frozen=True, slots=True)
class Merge:
    """The result of a merge."""

    status: str
    """A `mergeStatus`: `succeeded`, `conflicts` or `failure`."""
    tree: str = ""
    message: str = ""


async def merged(path: Path, target: str, source: str) -> Merge:
    """Return the tree of a merge, or why it failed; no branch changes.

    Args:
        path: The bare repository.
        target: The commit that takes the change.
        source: The commit that is merged.
    """
    done = await bare_git.run(path, "merge-tree", "--write-tree", "--no-messages", "--name-only", target, source)
    if done.code == 0:
        return Merge("succeeded", done.text.splitlines()[0])
    if done.code == 1:
        files = [each for each in done.text.splitlines()[1:] if each]
        return Merge("conflicts", message=f"Conflicts in {', '.join(files)}")
    return Merge("failure", message=OLD_GIT if done.code == 129 else done.err.decode("utf-8", "replace").strip())


async def commit(path: Path, tree: str, parents: list[str], message: str, who: tuple[str, str], when: float) -> str:
    """Create a commit from a tree, and return its ID.

    Args:
        path: The bare repository.
        tree: The merged tree.
        parents: Its parent commits.
        message: Its message.
        who: Name and mail address of the author and committer.
        when: Seconds since the epoch; the same moment gives the same commit.
    """
    name, address = who
    facts = {"NAME": name, "EMAIL": address, "DATE": short_timestamp(when)}
    more = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in facts.items()}
    words = [word for parent in parents for word in ("-p", parent)]
    done = await bare_git.run(path, "commit-tree", tree, *words, "-m", message, more=more)
    return done.text.strip()


async def contains(path: Path, commit: str, other: str) -> bool:
    """Return whether a commit is another one, or has it as an ancestor."""
    return (await bare_git.run(path, "merge-base", "--is-ancestor", other, commit)).code == 0


async def merge_of(path: Path, target: str, source: str) -> str:
    """Return the merge commit on a branch that merged a commit, or an empty string."""
    told = await bare_git.run(path, "rev-list", "--merges", "--parents", "--first-parent", target)
    for line in told.text.splitlines():
        identity, _, *others = line.split()
        if source in others:
            return identity
    return ""


async def move(path: Path, ref: str, commit: str, before: str) -> bool:
    """Move a ref from one commit to another, and return whether it was at the first one; nothing else changes.

    Args:
        path: The bare repository.
        ref: Its full name.
        commit: The new commit; `NO_COMMIT` deletes the ref.
        before: The commit that it must be at; `NO_COMMIT`: it must not exist; empty: anywhere.
    """
    words = ["-d", ref] if commit == NO_COMMIT else [ref, commit]
    return (await bare_git.run(path, "update-ref", *words, *([before] if before else []))).code == 0


def strategy(options: Document) -> str:
    """Return the merge strategy of completion options.

    `squashMerge` counts only if they name none (GitPullRequestCompletionOptions).
    """
    return str(options.get("mergeStrategy") or ("squash" if options.get("squashMerge") else SERVED[0]))


async def at(path: Path, ref: str) -> str:
    """Return the commit of a ref, or an empty string."""
    return (await bare_git.run(path, "rev-parse", "--verify", "--quiet", ref)).text.strip()


def preview_message(pull: Document) -> str:
    """Return the message of a trial merge (recorded)."""
    source, target = (pull[name].removeprefix(BRANCHES) for name in ("source", "target"))
    return f"Merge pull request {pull['number']} from {source} into {target}"


def completion_message(pull: Document) -> str:
    """Return the message of the merge that completes a pull request (public: "Merged PR 42: Title")."""
    given = str(pull["options"].get("mergeCommitMessage") or "")
    return given or f"Merged PR {pull['number']}: {pull['title']}\n\n{pull['description']}".strip()
