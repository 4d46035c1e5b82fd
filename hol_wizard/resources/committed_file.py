"""A pipeline's file as it is on the default branch."""

from __future__ import annotations

from hol_wizard.errors import NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, seeded_repository
from hol_wizard.resources.pipeline_file import PipelineFile, read
from hol_wizard.resources.starter_project import starter_files


def committed_text(context: StepContext, name: str) -> str:
    """Return the text of a file on the default branch; read once, regardless of how many checks need it.

    Raises:
        NotFoundError: There is no such file, or no repository.
    """
    repository = seeded_repository(context)
    here, project = organization(context), context.names.devops_project
    key = ("pipeline file", here.organization, repository.id, name)
    try:
        return context.reads.share(key, lambda: here.text(project, repository, name))
    except NotFoundError as error:
        raise NotFoundError(
            f"{name} is not on {repository.default_branch}.",
            "Copy it from the starter project in a pull request: hol-wizard starter FOLDER writes it.",
        ) from error


def committed_file(context: StepContext, name: str) -> PipelineFile:
    """Return the contents of a pipeline's file on the default branch.

    Raises:
        NotFoundError: There is no such file, or no repository.
        UnreadableFileError: It cannot be compared.
    """
    return read(committed_text(context, name))


def starter_file(context: StepContext, name: str) -> PipelineFile:
    """Return the contents of a pipeline's file as the starter project has it, to compare with."""
    return read(starter_files(context.names)[name].content.decode())
