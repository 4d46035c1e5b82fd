"""What a push must be like to start a run (azure/devops/pipelines/repos/azure-repos-git, "CI triggers").

Include patterns first, then exclude patterns; exclude patterns alone mean everything else. `*` and `?` match anything,
also slashes. Branches are named with or without `refs/heads/`; paths are case-sensitive and begin at the root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final

from hol_wizard.practice.devops.versions import BRANCHES
from hol_wizard.practice.pipelines.plan import Filter

SKIPS: Final = (
    *("[skip ci]", "[ci skip]", "skip-checks: true", "skip-checks:true"),
    *("[skip azurepipelines]", "[azurepipelines skip]", "[skip azpipelines]", "[azpipelines skip]"),
    *("[skip azp]", "[azp skip]", "***no_ci***"),
)
"""Texts in the newest commit's message with which a push starts nothing ("Skipping CI for individual pushes")."""


def is_skipped(message: str) -> bool:
    """Return whether the message of the newest commit says that a push starts no run."""
    return any(each in message.lower() for each in SKIPS)


def matches_branch(chosen: Filter, ref: str) -> bool:
    """Return whether a branch, such as `refs/heads/main`, is among those of a filter."""
    return _matches(chosen, [ref, ref.removeprefix(BRANCHES)])


def matches_paths(chosen: Filter, paths: Iterable[str]) -> bool:
    """Return whether any of the changed paths is among those of a filter; without patterns, all are."""
    if not chosen.include and not chosen.exclude:
        return True
    folders = Filter(tuple(map(_path, chosen.include)), tuple(map(_path, chosen.exclude)))
    return any(_matches(folders, _with_parents(each)) for each in paths)


def _path(pattern: str) -> str:
    return pattern.strip("/") or "*"


def _with_parents(path: str) -> list[str]:
    """Return a path and its folders: a pattern for a folder stands for everything in it."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _matches(chosen: Filter, names: Sequence[str]) -> bool:
    included = not chosen.include or any(_like(each, name) for each in chosen.include for name in names)
    return included and not any(_like(each, name) for each in chosen.exclude for name in names)


def _like(pattern: str, name: str) -> bool:
    # A bracket stands for itself here, and for a set of characters in fnmatch.
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def of_settings(filters: Sequence[str]) -> Filter:
    """Return a filter of a trigger that is defined in the settings: `+refs/heads/main`, `-refs/heads/old`."""
    include = tuple(each.lstrip("+") for each in filters if not each.startswith("-"))
    return Filter(include, tuple(each[1:] for each in filters if each.startswith("-")))
