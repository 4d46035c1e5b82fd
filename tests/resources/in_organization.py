"""What the cases of everything in an Azure DevOps organization have in common."""

from __future__ import annotations

import os

from hol_wizard.practice import seed
from tests.practice.test_devops import DevOps, as_user
from tests.resources.case import Case

ORGANIZATION = "devops-project/choose-the-organization"


class OrganizationCase(Case):
    """Something in the practice organization, which lets people in and not the service principal."""

    def prepare(self) -> None:
        for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
            os.environ.pop(name, None)
        attendee = self.ground.attendee
        attendee.defaults = {**attendee.defaults, "devops_organization": "practice"}
        self.ground.cloud.control.settings(user=seed.ATTENDEE.name)
        assert attendee.solve(ORGANIZATION).all_passed()
        self.ground.renew()
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
