"""Which pushes start a run: branches, paths, tags, and the words in a commit's message that prevent it.

Source: https://learn.microsoft.com/azure/devops/pipelines/repos/azure-repos-git ("CI triggers", "Skip CI for individual
pushes") and https://learn.microsoft.com/azure/devops/pipelines/build/triggers ("Wildcards"). The YAML of the pushed
branch, at the pushed commit, decides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass

from hol_wizard.practice.pipelines.plan import Filter, PipelineTrigger, PushTrigger

BRANCH = "refs/heads/"
TAG = "refs/tags/"
_SKIP = re.compile(
    r"\[(?:skip (?:ci|azurepipelines|azpipelines|azp)|(?:ci|azurepipelines|azpipelines|azp) skip)\]"
    r"|skip-checks: ?true|\*\*\*NO_CI\*\*\*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Push:
    """One ref that a push has moved."""

    ref: str
    """Its full name."""
    message: str
    """Message of the commit that it points to now."""
    paths: tuple[str, ...] = ()
    """Files that the push has changed, from the repository's root; of a new branch, those that differ from its base."""


def prevents_run(message: str) -> bool:
    """Return whether a commit's message asks for no run."""
    return _SKIP.search(message) is not None


def starts_run(trigger: PushTrigger, push: Push) -> bool:
    """Return whether a push starts a run of the pipeline with this trigger."""
    if not trigger.enabled or prevents_run(push.message):
        return False
    if push.ref.startswith(TAG):
        return trigger.tags is not None and matches(trigger.tags, push.ref.removeprefix(TAG), TAG)
    if not push.ref.startswith(BRANCH):
        return False
    # With tags only, no branch counts.
    if trigger.tags is not None and not (trigger.branches.include or trigger.branches.exclude):
        return False
    return matches(trigger.branches, push.ref.removeprefix(BRANCH), BRANCH) and _changes(trigger.paths, push.paths)


def starts_after(trigger: PipelineTrigger, branch: str, tags: Iterable[str] = (), stages: Iterable[str] = ()) -> bool:
    """Return whether a successful run of a pipeline resource starts a run.

    Args:
        trigger: Of the resource, as in the default branch of the pipeline that would be started.
        branch: The ref of the other run.
        tags: Tags of the other run; it needs all that the trigger has.
        stages: Stages of the other run that have succeeded; it needs all that the trigger has.
    """
    has_tags = {each.lower() for each in tags}
    has_stages = {each.lower() for each in stages}
    return (
        matches(trigger.branches, branch.removeprefix(BRANCH), BRANCH)
        and all(each.lower() in has_tags for each in trigger.tags)
        and all(each.lower() in has_stages for each in trigger.stages)
    )


def matches(patterns: Filter, name: str, prefix: str = "") -> bool:
    """Return whether a filter takes a name: one include pattern, or none at all, and no exclude pattern."""
    include = patterns.include or ("*",)
    return any(_pattern(each.removeprefix(prefix)).match(name) for each in include) and not any(
        _pattern(each.removeprefix(prefix)).match(name) for each in patterns.exclude
    )


def _changes(patterns: Filter, paths: tuple[str, ...]) -> bool:
    """Return whether a changed file counts. A pattern without wildcards is a file, or a folder with its files."""
    if not patterns.include and not patterns.exclude:
        return True
    include = patterns.include or ("*",)
    return any(
        any(_path_pattern(each).match(path) for each in include)
        and not any(_path_pattern(each).match(path) for each in patterns.exclude)
        for path in (each.lstrip("/") for each in paths)
    )


@functools.lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    """`*` is any number of characters, also slashes, and `?` is one character."""
    return re.compile(_translated(text) + r"\Z", re.DOTALL)


@functools.lru_cache(maxsize=1024)
def _path_pattern(text: str) -> re.Pattern[str]:
    text = text.strip().removeprefix("./").strip("/")
    if not text:
        return re.compile(r".*\Z", re.DOTALL)
    return re.compile(_translated(re.sub(r"\*+", "*", text)) + r"(?:/.*)?\Z", re.DOTALL)


def _translated(text: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in text)
