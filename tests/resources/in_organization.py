"""What the cases of everything in an Azure DevOps organization have in common."""

from __future__ import annotations

import time

from hol_wizard.engine.ledger import Fact
from hol_wizard.practice import seed
from hol_wizard.resources.devops import PROJECT, organization, project_key
from hol_wizard.resources.visibility import devops_viewer
from tests.practice.test_devops import DevOps, as_user
from tests.resources.case import Case, Ground

ORGANIZATION = "practice"


class OrganizationCase(Case):
    """Something in the practice organization, which lets people in and not the service principal."""

    def prepare(self) -> None:
        self.ground.sign_in(seed.ATTENDEE, ORGANIZATION)
        self.hand: DevOps = as_user(self.ground.cloud)

    def refuse_at(self, path: str, *, service: str = "devops", message: str) -> None:
        self.ground.cloud.control.fault(
            "error",
            service=service,
            method="POST",
            path=path,
            times=1,
            status=403,
            code="AccessDeniedException",
            message=message,
        )


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
