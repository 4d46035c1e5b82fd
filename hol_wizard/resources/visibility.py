"""The signed-in account in services that hide resources from others (`engine.visibility`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hol_wizard.engine import visibility
from hol_wizard.engine.visibility import Unseen, Viewer
from hol_wizard.resources.context import StepContext

if TYPE_CHECKING:
    from hol_wizard.services.databricks.client import Databricks
    from hol_wizard.services.devops.client import DevOps

__all__ = ["Unseen", "Viewer", "databricks_viewer", "devops_viewer", "project_viewer", "unseen"]


def devops_viewer(context: StepContext, here: DevOps) -> Viewer:
    """Return who is signed in to an organization; read once per run."""
    person = context.reads.share(("devops person", here.organization), here.person)
    return Viewer(person.id, person.name)


def project_viewer(context: StepContext, here: DevOps) -> Viewer:
    """Return who is signed in to an organization, for its projects: the creator may have been removed from one."""
    return replace(devops_viewer(context, here), was_deleted=here.was_deleted)


def databricks_viewer(context: StepContext, here: Databricks) -> Viewer:
    """Return who is signed in to a workspace; read once per run."""
    user = context.reads.share(("databricks viewer", here.host), here.me)
    return Viewer(user.id, user.name, user.administrator)


def unseen(
    context: StepContext, viewer: Viewer, resource: str, kind: str, name: str, where: str, *, personal: bool = False
) -> Unseen | None:
    """Return why a resource that was not found cannot be considered absent (`engine.visibility.unseen`)."""
    return visibility.unseen(context.ledger, viewer, resource, kind, name, where, personal=personal)
