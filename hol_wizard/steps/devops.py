"""The Azure DevOps organization and project of this lab, as several sections need them."""

from __future__ import annotations

from hol_wizard.errors import NotFoundError
from hol_wizard.services.devops import DevOps, Project, Repository
from hol_wizard.steps.context import StepContext


def organization(context: StepContext) -> DevOps:
    """Return the client of the organization that is chosen.

    Raises:
        NotFoundError: None is.
    """
    name = context.inputs.get("devops_organization") or context.profile.choices.devops_organization
    if not name:
        raise NotFoundError(
            "No Azure DevOps organization is chosen.",
            "Do the step “Choose the organization” first (devops-project/choose-the-organization).",
        )
    return context.services.devops(name)


def project(context: StepContext) -> Project | None:
    """Return the lab's project, or None; asked once however many checks need it.

    Raises:
        NotFoundError: There is no such organization, or none is chosen.
        AccessDeniedError: The account is not in the organization.
    """
    here, name = organization(context), context.names.devops_project
    return context.reads.share(("devops project", here.organization, name), lambda: here.project(name))


def repository(context: StepContext) -> Repository | None:
    """Return the lab's repository, or None: there is none, or the account may not see it.

    Raises:
        NotFoundError: There is no such organization, or none is chosen.
        AccessDeniedError: The account is not in the organization.
    """
    here, names = organization(context), context.names
    return context.reads.share(
        ("devops repository", here.organization, names.repository),
        lambda: here.repository(names.devops_project, names.repository),
    )
