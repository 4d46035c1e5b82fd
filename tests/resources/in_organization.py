"""What the cases of everything in an Azure DevOps organization have in common."""

from __future__ import annotations

import time
from typing import Any

import requests

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact
from hol_wizard.practice import seed
from hol_wizard.resources.devops import PROJECT, organization, project_key
from hol_wizard.resources.devops_project import lab_project
from hol_wizard.resources.visibility import devops_viewer
from tests.practice.test_devops import DevOps, as_user
from tests.resources.case import Case, Ground

ORGANIZATION = "practice"


class OrganizationCase(Case):
    """Something in the practice organization, which lets people in and not the service principal."""

    def prepare(self) -> None:
        self.ground.sign_in(seed.ATTENDEE, ORGANIZATION)
        self.hand: DevOps = as_user(self.ground.cloud)

    def refuse_at(self, path: str, *, service: str = "devops", method: str = "POST", message: str) -> None:
        self.ground.cloud.control.fault(
            "error",
            service=service,
            method=method,
            path=path,
            times=1,
            status=403,
            code="AccessDeniedException",
            message=message,
        )


class ProjectCase(OrganizationCase):
    """Something in the lab's project."""

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions = frozenset({PROJECT})
        ownership.solve(lab_project(self.ground.context()))

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> requests.Response:
        """Ask the project, as somebody does past the wizard."""
        project = self.ground.context().names.devops_project
        address = f"{self.ground.cloud.endpoints['devops']}/{ORGANIZATION}/{project}/_apis{path}"
        return self.hand.http.request(method, address, params={"api-version": "7.1", **query}, json=body, timeout=10)

    def remove_parent(self) -> None:
        remove_project(self.ground)


def remove_project(ground: Ground) -> None:
    """Remove the lab's project, which the ledger says that this wizard made."""
    context = ground.context()
    here, name = organization(context), context.names.devops_project
    by = str(devops_viewer(context, here))
    ground.ledger.write(Fact.INTENT, "contract/project", project_key(here, name), PROJECT, by=by)
    found = here.project(name)
    assert found is not None
    work = here.delete_project(found)
    until = time.monotonic() + 10
    while not here.is_over(work):
        assert time.monotonic() < until
        time.sleep(0.02)
