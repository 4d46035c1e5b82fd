"""The starter project: the initial contents of the lab's repository, and how it is recognized."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from hol_wizard.lab.names import Names
from hol_wizard.lab.text import fill
from hol_wizard.services.git.remote import File

MESSAGE: Final = "initial repo seed"
ROOTS: Final = ("Project_One", "Project_One-Tests")
"""The folders that identify the lab's layout."""
OF_AZURE: Final = frozenset({"README.md", ".gitignore"})
"""What Azure DevOps adds to a repository that is initialized in the browser."""
TEMPLATE: Final = b"TODO: Give a short introduction of your project"
"""A line of the README that Azure DevOps writes; many public repositories contain this template."""


BUILD: Final = "azure-pipelines.yml"
RELEASE: Final = "azure-pipelines-release.yml"


class Named(NamedTuple):
    """One of the reader's names that a pipeline's file must contain."""

    file: str
    what: str
    key: str
    """Its key, anywhere in the file."""
    placeholder: str

    def expected(self, names: Names) -> str:
        """Return the reader's own name."""
        return names.values()[self.placeholder]

    def found(self, text: str) -> tuple[str, ...]:
        """Return the values of the key in a file, each once."""
        values = re.findall(rf"^[ ]*(?:- )?{self.key}:[ ]*(\S.*)$", text, re.MULTILINE)
        return tuple(dict.fromkeys(re.sub(r"(?<=\s)#.*", "", value).strip().strip("'\"") for value in values))


NAMED: Final = (
    Named(BUILD, "Variable group", "group", "variable_group"),
    Named(BUILD, "Service connection", "azureSubscription", "service_connection"),
    Named(RELEASE, "Build pipeline", "source", "pipeline"),
    Named(RELEASE, "Service connection", "azureSubscription", "service_connection"),
)


def starter_paths() -> frozenset[str]:
    """Return the paths of the starter project's files, from its root."""
    return frozenset(path for path, _ in _files())


def starter_files(names: Names) -> Mapping[str, File]:
    """Return the starter project, by path from its root, with the reader's names in its pipelines."""
    # On Windows, a wheel keeps no file modes: executable files are recognized by their extension.
    found = {path: File(each.read_bytes(), executable=path.endswith(".sh")) for path, each in _files()}
    for path in (BUILD, RELEASE):
        found[path] = File(fill(found[path].content.decode(), names.values()).encode(), found[path].executable)
    return found


def _files(folder: Traversable | None = None, above: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield the starter's files by path, without reading them."""
    folder = folder or files("hol_wizard").joinpath("starter")
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        path = f"{above}{each.name}"
        if each.is_dir():
            if each.name != "__pycache__":
                yield from _files(each, f"{path}/")
        else:
            yield path, each


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


def settled(path: str, content: bytes, ours: bytes) -> bytes | None:
    """Return the new contents of an existing file of an initialized repository at the first seeding; None to keep it.

    Args:
        path: Path from the repository's root.
        content: The existing contents.
        ours: The starter's contents.
    """
    if path == "README.md" and TEMPLATE in content:
        return ours
    if path == ".gitignore" and ours not in content:
        return content.rstrip(b"\n") + b"\n\n" + ours
    return None
