"""Section pull-request: the reader's work is committed and pushed to their branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.engine.registry import Change, check, solve
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ConflictError, NotFoundError, SecretStoreError, ServiceError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.databricks_token import kept_token
from hol_wizard.resources.devops import branches, organization, required_repository
from hol_wizard.resources.local_clone import required_clone
from hol_wizard.resources.starter_project import starter_paths
from hol_wizard.secret_findings import Finding, findings
from hol_wizard.services.git.clone import Clone, WorkTree, counted, some_of

COMMIT: Final = "Commit"
BRANCH: Final = "Branch"
LARGE: Final = 1_000_000
"""Size in bytes from which the wizard does not commit a file: the starter's files have a tenth of that."""
_SHORT: Final = 10
"""Number of digits of a commit ID that are shown."""
_MOST: Final = 3
"""Maximum number of findings in a message."""
_PUSHING: Final = 3.0


@dataclass(frozen=True, slots=True)
class Work:
    """The work in a clone that is not on the server."""

    state: WorkTree
    new: tuple[str, ...]
    """Untracked files of the lab."""
    others: tuple[str, ...]
    """Other files that git neither tracks nor ignores; they are left alone."""
    large: tuple[str, ...]
    """Changed or new files of the lab that are too large."""
    unreadable: tuple[str, ...]
    """New files of the lab that cannot be read, and so not searched."""

    @property
    def to_commit(self) -> tuple[str, ...]:
        """Paths that a commit would contain."""
        return (*self.state.changed, *self.new)


def _lab_roots() -> tuple[str, ...]:
    """Return the top folders and files of the lab's project."""
    return tuple(sorted({path.partition("/")[0] for path in starter_paths()}))


def _work(clone: Clone) -> Work:
    state, roots = clone.state(), _lab_roots()
    new = tuple(path for path in state.untracked if path.partition("/")[0] in roots)
    others = tuple(path for path in state.untracked if path not in new)
    large = tuple(path for path in (*state.changed, *new) if _size(clone.folder / path) > LARGE)
    return Work(state, new, others, large, tuple(path for path in new if not clone.is_readable(path)))


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


@check(deadline=30)
def is_pushed(context: StepContext) -> Result:
    """Check that the lab's files are committed in the clone, and that the server's branch is at the same commit.

    Other new files are shown and left to the reader.
    """
    clone, branch = required_clone(context), context.names.branch
    there = branches(context, required_repository(context)).get(branch, "")
    work, here = _work(clone), clone.commit("HEAD")
    state, pending = work.state, work.to_commit
    seen = [
        Expectation("Checked out", branch, state.branch or "no branch (detached)", state.branch == branch),
        Expectation("Files of the lab", "committed", _pending(work) or "committed", not pending),
        Expectation(
            f"{branch} in Azure DevOps",
            f"at your commit {here[:_SHORT]}",
            f"at {there[:_SHORT]}" if there else "not found",
            there == here,
        ),
    ]
    if work.others:
        seen.append(Expectation("Other new files", "yours to keep or to commit", some_of(work.others), met=True))
    if state.conflicts or state.doing:
        seen.append(Expectation("Work tree", "nothing to resolve", str(state), met=False))
        advice = f"In {clone.folder}: git status says how to end it. The wizard resolves nothing for you."
        return Result(Status.FAILED, f"In your clone {state}.", tuple(seen), advice)
    behind = bool(there) and not clone.contains(there)
    if pending:
        failed, advice = f"In your clone, {_pending(work)}.", "Commit and push it by hand as described, or <solve>."
    elif behind:
        failed = f"{branch} has commits in Azure DevOps that your clone does not have."
        advice = f"In {clone.folder}: git pull, then git push."
    else:
        failed, advice = f"Your newest commit is not on {branch} in Azure DevOps.", "Push it: git push. Or <solve>."
    return judge(
        seen,
        passed=f"Everything is committed, and {branch} is at your commit {here[:_SHORT]} in Azure DevOps.",
        failed=failed,
        next_action=advice,
    )


def _pending(work: Work) -> str:
    """Return in words what is not committed: `2 files changed (a, b), 1 new (c)`."""
    told = []
    if changed := work.state.changed:
        told.append(f"{counted(len(changed), 'file')} changed ({some_of(changed)})")
    if work.new:
        told.append(f"{len(work.new)} new ({some_of(work.new)})")
    return ", ".join(told)


# What must not be published


def _unpublished(clone: Clone, work: Work) -> list[Finding]:
    """Return the secrets in the lines that a commit would add."""
    found = [each for path, lines in clone.changed_lines().items() for each in findings(path, lines)]
    for path in work.new:
        with suppress(OSError):  # `Work.unreadable` names it
            text = clone.content(path).decode("utf-8", "replace")
            found += findings(path, list(enumerate(text.split("\n"), 1)))
    return found


def _unpushed(clone: Clone, start: str) -> list[Finding]:
    """Return the secrets in the lines that each later commit adds, even if another one removes them again.

    Merge commits are skipped: the server already has their content.
    """
    return [
        each
        for commit in clone.commits_since(start)
        for path, lines in clone.changed_lines(f"{commit}^", commit).items()
        for each in findings(path, lines)
    ]


def _refusal(work: Work, secrets: Sequence[Finding]) -> ConflictError | None:
    """Return why the changes are not committed, or None."""
    if secrets:
        return ConflictError(
            f"Your changes contain secrets: {_named(secrets)}.",
            "Remove them from the files: a notebook reads secrets from the secret scope, a program from its "
            "environment. Everybody who can read the repository could read them, even after a later commit removes "
            "them. If it is not a secret, commit it by hand.",
        )
    if work.unreadable:
        return ConflictError(
            f"These new files cannot be read: {some_of(work.unreadable)}.",
            "Correct their permissions, or move them out of the clone; also a folder that is a repository of its own.",
        )
    if work.large:
        return ConflictError(
            f"Too large for the repository: {some_of(work.large)}. Data and models are kept in the lake and in the "
            "registry.",
            "Move the file out of the clone, or add it to .gitignore. If you really want it in the repository, commit "
            "it by hand.",
        )
    return None


def _named(secrets: Sequence[Finding]) -> str:
    """Return the first places with secrets, and how many more there are."""
    more = f"; and {len(secrets) - _MOST} more" if len(secrets) > _MOST else ""
    return "; ".join(str(each) for each in secrets[:_MOST]) + more


def _learn_secrets(context: StepContext) -> None:
    """Read this lab's secrets from the keyring, so that they are recognized in files."""
    store = context.services.secrets
    try:
        context.services.devops_token(organization(context).organization)
        for environment in Environment:
            store.get(f"service-principal/{environment}")
            kept_token(context, environment)
    except SecretStoreError as error:
        context.reporter.say(f"{error.message} Secrets in your changes are recognized by their form only.")


# Commit and push


def _message(context: StepContext) -> str:
    return context.answer("commit_message")


def _plan(context: StepContext) -> Sequence[Change]:
    branch, where, message = context.names.branch, context.names.clone_folder, _message(context)
    try:
        clone = required_clone(context)
        there = branches(context, required_repository(context)).get(branch, "")
    except WizardError as error:
        if context.preview is None and not isinstance(error, NotFoundError):
            raise
        note = "your changes, as they are then; and pushed"
        return (Change("create", COMMIT, f"“{message}”", where, "free", note=note),)
    work = _work(clone)
    changes = []
    if work.to_commit:
        _learn_secrets(context)
        if (refusal := _refusal(work, _unpublished(clone, work))) is not None:
            return (Change("conflict", COMMIT, f"“{message}”", where, note=f"{refusal.message} {refusal.hint}"),)
        # Earlier steps that are still to be done will change files.
        later = "and what the earlier steps change" if context.preview is not None else ""
        note = "; ".join(filter(None, (_pending(work), later, clone.summary(), _author(clone))))
        diff = clone.diff(work.new)
        changes.append(Change("create", COMMIT, f"“{message}”", where, "free", note=note, diff=diff))
    if work.others:
        changes.append(Change("leave", "File", some_of(work.others), where, note="not part of the lab, not committed"))
    if work.to_commit or there != clone.commit("HEAD"):
        ahead = work.state.ahead
        earlier = f", with {counted(ahead, 'earlier commit')} of yours" if ahead else ""
        note = f"pushed to {context.names.repository}{earlier}"
        changes.append(Change("change", BRANCH, branch, context.names.repository, "free", _PUSHING, note))
    return changes or (Change("leave", BRANCH, branch, where, note="everything is committed and pushed"),)


def _author(clone: Clone) -> str:
    try:
        return f"by {clone.author}"
    except ServiceError:
        return ""


@solve(plan=_plan)
def commit_and_push(context: StepContext) -> None:
    """Commit the changes in the lab's files under the user's name, and push them to their branch.

    If the wizard is killed between commit and push, the next run pushes the commit.

    Raises:
        NotFoundError: There is no clone.
        ConflictError: The changes contain a secret or a large file, a conflict has to be resolved first, or both sides
            have new commits.
        AccessDeniedError: The account may not push, or a policy refuses the push.
    """
    context.save("commit_message")
    clone, branch = required_clone(context), context.names.branch
    clone.fetch()
    clone.switch(branch, f"origin/{branch}")
    work = _work(clone)
    if work.state.conflicts or work.state.doing:
        raise ConflictError(f"In {clone.folder}: {work.state}.", "Finish it first: git status says how.")
    _learn_secrets(context)
    if work.to_commit:
        if (refusal := _refusal(work, _unpublished(clone, work))) is not None:
            raise refusal
        context.reporter.stop_if_cancelled()
        made = clone.commit_all(_lab_roots(), _message(context))
        context.reporter.say(f"Commit {made[:_SHORT]} “{_message(context)}” by {clone.author}: {_pending(work)}.")
    if work.others:
        context.reporter.say(f"Not part of the lab, and not committed: {some_of(work.others)}.")
    _push(context, clone, branch)


def _push(context: StepContext, clone: Clone, branch: str) -> None:
    start = f"origin/{branch}" if clone.has_remote_branch(branch) else f"origin/{context.names.default_branch}"
    if secrets := _unpushed(clone, start):
        raise ConflictError(
            f"A commit that is not pushed yet contains secrets: {_named(secrets)}.",
            f"In {clone.folder}: git reset --soft {start} takes your commits back and keeps the files as they are. "
            "Remove the secrets, then <solve>. If it is not a secret, push it by hand.",
        )
    state = clone.state()
    if state.behind and state.upstream:
        raise ConflictError(
            f"{branch} has {counted(state.behind, 'commit')} in Azure DevOps that your clone "
            "does not have, such as one from Databricks.",
            f"In {clone.folder}: git pull --rebase puts your commits on top. Then <solve>.",
        )
    context.reporter.stop_if_cancelled()
    context.reporter.say(f"Pushing {branch} …")
    try:
        clone.push(branch)
    except ConflictError as error:
        raise ConflictError(
            error.message,
            f"In {clone.folder}: git pull --rebase puts your commits on top. Then <solve>.",
            detail=error.detail,
        ) from error
    context.reporter.say(f"{branch} is pushed; {clone.state()}.")
