"""One document of a lab as its author sees it while they write: what it becomes, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from hol_wizard.errors import UsageError
from hol_wizard.lab.folder import read_folder
from hol_wizard.lab.lint import lint_documents
from hol_wizard.lab.loader import Known, is_document_name, read_documents, section_of
from hol_wizard.lab.model import Section
from hol_wizard.lab.problem import Problem
from hol_wizard.paths import expanded


class Draft(NamedTuple):
    """A document as it is now."""

    section: Section | None
    """None if it cannot become a section until its mistakes are corrected."""
    problems: tuple[Problem, ...]
    """What is wrong with it, sorted by line."""


def document_path(text: str) -> Path:
    """Return the path of a document.

    Raises:
        UsageError: There is no such file, or it cannot be a document of a lab.
    """
    path = expanded(text)
    if not path.is_file():
        raise UsageError(
            f"there is no file {path}.", "Name a document of a lab: hol-wizard preview screens/02-tools.md"
        )
    if not is_document_name(path.name):
        raise UsageError(
            f"{path.name} is not the name of a document.", "It is its number and ID, such as 03-resource-groups.md."
        )
    return path


def draft(path: Path, known: Known) -> Draft:
    """Return a document as it is now; reads its folder, and runs nothing.

    Args:
        path: The document.
        known: The functions that it may name.
    """
    folder = read_folder(path.parent)
    documents, mistakes = read_documents(folder, known)
    style = lint_documents(documents)
    problems = tuple(sorted(each for each in [*mistakes, *style] if each.file.name == path.name))
    found = next((each for each in documents if each.path.name == path.name), None)
    if found is None or found.problems or not found.headings:
        return Draft(None, problems or (Problem(path, 1, "the file cannot be read"),))
    return Draft(section_of(found), problems)
