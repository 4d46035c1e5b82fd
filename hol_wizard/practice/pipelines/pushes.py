"""Which pushes start a run: branches, paths, tags, and the words in a commit's message that prevent it.

Source: https://learn.microsoft.com/azure/devops/pipelines/repos/azure-repos-git ("CI triggers", "Skip CI for individual
pushes") and https://learn.microsoft.com/azure/devops/pipelines/build/triggers ("Wildcards"). The YAML of the pushed
branch, at the pushed commit, decides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

from hol_wizard.practice.pipelines.plan import Filter, PipelineTrigger, PushTrigger

BRANCH = "refs/heads/"
TAG = "refs/tags/"
_SKIP = re.compile(
    r"\[(?:skip (?:ci|azurepipelines|azpipelines|azp)|(?:ci|azurepipelines|azpipelines|azp) skip)\]"
    r"|skip-checks: ?true|\*\*\*NO_CI\*\*\*",
    re.IGNORECASE,
)


def prevents_run(message: str) -> bool:
    """Return whether a commit's message asks to skip the run."""
    return _SKIP.search(message) is not None


def takes_ref(trigger: PushTrigger, ref: str) -> bool:
    """Return whether a push of this branch or tag, by its full name, starts a run, as far as its name decides."""
    if not trigger.enabled:
        return False
    if ref.startswith(TAG):
        return trigger.tags is not None and _matches(trigger.tags, ref.removeprefix(TAG), TAG)
    # With tags only, no branch counts.
    only_tags = trigger.tags is not None and not (trigger.branches.include or trigger.branches.exclude)
    return ref.startswith(BRANCH) and not only_tags and _matches(trigger.branches, ref.removeprefix(BRANCH), BRANCH)


def takes_changes(trigger: PushTrigger, ref: str, paths: Iterable[str]) -> bool:
    """Return whether one of the changed files, by their paths from the root, counts; for a tag, files do not matter.

    A pattern without wildcards is a file, or a folder with its files.
    """
    patterns = trigger.paths
    if ref.startswith(TAG) or not (patterns.include or patterns.exclude):
        return True
    include = patterns.include or ("*",)
    return any(
        any(_path_pattern(each).match(path) for each in include)
        and not any(_path_pattern(each).match(path) for each in patterns.exclude)
        for path in (each.lstrip("/") for each in paths)
    )


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
        _matches(trigger.branches, branch.removeprefix(BRANCH), BRANCH)
        and all(each.lower() in has_tags for each in trigger.tags)
        and all(each.lower() in has_stages for each in trigger.stages)
    )


def _matches(patterns: Filter, name: str, prefix: str = "") -> bool:
    """Return whether a filter takes a name: an include pattern matches or there is none, and no exclude one does."""
    include = patterns.include or ("*",)
    return any(_pattern(each.removeprefix(prefix)).match(name) for each in include) and not any(
        _pattern(each.removeprefix(prefix)).match(name) for each in patterns.exclude
    )


def filter_of_settings(patterns: Sequence[str]) -> Filter:
    """Return a filter of a trigger that is defined in the settings: `+refs/heads/main`, `-refs/heads/old`."""
    include = tuple(each.removeprefix("+") for each in patterns if not each.startswith("-"))
    return Filter(include, tuple(each[1:] for each in patterns if each.startswith("-")))


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
