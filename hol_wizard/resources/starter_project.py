"""The starter project: what the lab's repository begins with, and how it is known again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from hol_wizard.services.git.remote import File

MESSAGE: Final = "initial repo seed"
ROOTS: Final = ("Project_One", "Project_One-Tests")
"""The folders by which the lab's layout is known."""
OF_AZURE: Final = frozenset({"README.md", ".gitignore"})
"""What Azure DevOps puts into a repository that is initialized in the browser."""
TEMPLATE: Final = b"TODO: Give a short introduction of your project"
"""A line of the README that Azure DevOps writes: the template stands so in many public repositories."""


def starter_files() -> Mapping[str, File]:
    """Return the starter project, by path from its root."""
    return dict(_files(files("hol_wizard").joinpath("starter"), ""))


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, File]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{above}{each.name}"
        if each.is_dir():
            if each.name != "__pycache__":
                yield from _files(each, f"{path}/")
        else:
            # A wheel keeps no file modes on Windows: what is run as a program is known by its ending.
            yield path, File(each.read_bytes(), executable=path.endswith(".sh"))


def is_foreign(paths: frozenset[str]) -> bool:
    """Whether somebody else's work is in the repository: files, and none of the lab's folders."""
    return bool(paths - OF_AZURE) and not has_layout(paths)


def has_layout(paths: frozenset[str]) -> bool:
    """Whether one of the lab's folders is there."""
    return any(path.partition("/")[0] in ROOTS for path in paths)


def some(paths: frozenset[str]) -> str:
    """Return what is at the top of a repository, the first four by name."""
    named = sorted({path.partition("/")[0] for path in paths})
    return ", ".join(named[:4]) + (f" and {len(named) - 4} more" if len(named) > 4 else "")


def settled(path: str, content: bytes) -> bytes | None:
    """Return what a file of a repository that is initialized already is to be, at the first seeding; None: as it is."""
    ours = starter_files()[path].content
    if path == "README.md" and TEMPLATE in content:
        return ours
    if path == ".gitignore" and ours not in content:
        return content.rstrip(b"\n") + b"\n\n" + ours
    return None
