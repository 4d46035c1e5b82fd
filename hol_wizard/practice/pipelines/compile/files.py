"""The files of a pipeline: its own, and the templates that it uses."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

from hol_wizard.practice.pipelines.compile.context import Files
from hol_wizard.practice.pipelines.compile.expansion import check_syntax
from hol_wizard.practice.pipelines.compile.nodes import MappingNode, refuse
from hol_wizard.practice.pipelines.compile.reader import MAX_SIZE, read
from hol_wizard.practice.pipelines.plan import Position, RepositoryResource

MAX_FILES = 100
"""https://learn.microsoft.com/azure/devops/pipelines/process/templates, "Imposed limits"."""


@dataclass(slots=True)
class FileTrees:
    """Reads each file once."""

    files: Files
    repositories: dict[str, RepositoryResource] = field(default_factory=dict)
    """By their aliases in lowercase."""
    _trees: dict[str, MappingNode] = field(default_factory=dict)
    _size: int = 0

    def root(self, path: str) -> MappingNode:
        """Return the pipeline's own file.

        Raises:
            PipelineError: It is not there, or not valid.
        """
        return self._tree("/" + path.lstrip("/"), Position("/" + path.lstrip("/"), 1, 1))

    def template(self, name: str, place: Position) -> MappingNode:
        """Return a template's file.

        Args:
            name: As the YAML has it: relative to the file of the place, or from the root, or in another repository.
            place: Where it is used.

        Raises:
            PipelineError: It is not there, or not valid.
        """
        path, _, alias = name.strip().replace("\\", "/").partition("@")
        file, _, current = place.file.partition("@")
        if not path:
            raise refuse(place, "A template needs a name.")
        if "$(" in path or "$(" in alias:
            raise refuse(place, f"The name of a template cannot have runtime variables: '{name}'.")
        if not alias:
            alias = current
        elif alias.lower() == "self":
            alias = ""
        if alias and alias.lower() not in self.repositories:
            raise refuse(
                place, f"The repository '{alias}' of the template '{name}' is not in 'resources.repositories'."
            )
        base = "/" if path.startswith("/") or alias.lower() != current.lower() else posixpath.dirname(file)
        whole = _resolved(posixpath.join(base, path.lstrip("/")))
        if whole is None:
            raise refuse(place, f"The template '{name}' is outside of its repository.")
        return self._tree(f"{whole}@{alias}" if alias else whole, place)

    def _tree(self, file: str, place: Position) -> MappingNode:
        if file not in self._trees:
            if len(self._trees) >= MAX_FILES:
                raise refuse(place, f"Exceeded the maximum of {MAX_FILES} files.")
            text = self._text(file, place)
            self._size += len(text)
            if self._size > MAX_SIZE:
                raise refuse(place, "Maximum object size exceeded: the files are larger than 10 MB.")
            tree = read(text, file)
            check_syntax(tree)
            self._trees[file] = tree
        return self._trees[file]

    def _text(self, file: str, place: Position) -> str:
        path, _, alias = file.partition("@")
        repository = self.repositories.get(alias.lower())
        try:
            if repository is None:
                text = self.files.read(path.lstrip("/"))
            else:
                text = self.files.read(path.lstrip("/"), repository.name, repository.ref)
        except LookupError as error:
            raise refuse(place, f"The repository '{alias}' cannot be read: {error}") from error
        if text is None:
            where = f" in the repository '{alias}'" if alias else ""
            raise refuse(place, f"File {path} not found{where}.")
        return text


def _resolved(path: str) -> str | None:
    """Return an absolute path without `.` and `..`, or None if it leaves the root."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
