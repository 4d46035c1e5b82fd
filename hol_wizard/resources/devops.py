"""The Azure DevOps organization and project of this lab, for several sections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hol_wizard.errors import ConflictError, NotFoundError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.visibility import Unseen, project_viewer, unseen
from hol_wizard.services.devops.client import DevOps
from hol_wizard.services.devops.projects import Project
from hol_wizard.services.devops.repositories import Repository

PROJECT: Final = "Azure DevOps project"


def organization(context: StepContext) -> DevOps:
    """Return the client of the chosen organization.

    Raises:
        NotFoundError: None is chosen.
    """
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    if not name:
        raise NotFoundError(
            "No Azure DevOps organization is chosen.",
            "<first devops-project/choose-the-organization>.",
        )
    return context.services.devops(name)


def project(context: StepContext) -> Project | None:
    """Return the lab's project, or None; read once, regardless of how many checks need it.

    Raises:
        NotFoundError: There is no such organization, or none is chosen.
        AccessDeniedError: The account is not in the organization.
    """
    here, name = organization(context), context.names.devops_project
    return context.reads.share(("devops project", here.organization, name), lambda: here.project(name))


def project_key(here: DevOps, name: str) -> str:
    """Return a project's ID in the ledger, which is written before the service assigns an ID."""
    return f"devops/{here.organization}/projects/{name}"


def hidden_project(context: StepContext) -> Unseen | None:
    """Return why the lab's project, which was not found, may exist anyway: according to the ledger, others created it.

    None if it is not in the ledger, or if the signed-in account created it.
    """
    here, name = organization(context), context.names.devops_project
    key = project_key(here, name)
    if not context.ledger.made(key):
        return None
    return unseen(context, project_viewer(context, here), key, PROJECT, name, here.organization)


def repository(context: StepContext) -> Repository | None:
    """Return the lab's repository; None if there is none, or if the account may not see it.

    Raises:
        NotFoundError: There is no such organization, or none is chosen.
        AccessDeniedError: The account is not in the organization.
    """
    here, names = organization(context), context.names
    return context.reads.share(
        ("devops repository", here.organization, names.repository),
        lambda: here.repository(names.devops_project, names.repository),
    )


def required_repository(context: StepContext) -> Repository:
    """Return the lab's repository.

    Raises:
        NotFoundError: There is none, or the account may not see it.
        InconclusiveError: According to the ledger, somebody else created the project, and the account does not see it.
        AccessDeniedError: The account is not in the organization.
    """
    found = repository(context)
    if found is None:
        if (hidden := hidden_project(context)) is not None:
            raise hidden.error
        raise NotFoundError(
            f"There is no repository {context.names.repository}, or you may not see it.",
            "Do the section devops-project first; then ask an administrator of the project to add you "
            "(its step Invite the users).",
        )
    return found


def seeded_repository(context: StepContext, missing: str = "") -> Repository:
    """Return the lab's repository, which has a default branch.

    Args:
        context: The step's context.
        missing: What an empty repository lacks, for the message: `there is nothing to merge into`.

    Raises:
        NotFoundError: There is none, or the account may not see it.
        ConflictError: It is empty.
        InconclusiveError: According to the ledger, somebody else created the project, and the account does not see it.
        AccessDeniedError: The account is not in the organization.
    """
    found = required_repository(context)
    if not found.default_branch:
        raise ConflictError(
            f"The repository {found.name} is empty{missing and f': {missing}'}.",
            "<first devops-project/seed-the-repository>.",
        )
    return found


def is_seeded(context: StepContext) -> bool:
    """Return whether an organization is chosen, and its repository exists and is not empty."""
    if not context.profile.choices.devops_organization:
        return False
    found = repository(context)
    return found is not None and bool(found.default_branch)


def branches(context: StepContext, found: Repository) -> Mapping[str, str]:
    """Return a repository's branches with their commits; read once, regardless of how many checks need it."""
    here, name = organization(context), context.names.devops_project
    return context.reads.share(("devops branches", here.organization, found.id), lambda: here.branches(name, found.id))
