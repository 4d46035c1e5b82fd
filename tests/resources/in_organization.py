"""What the cases of everything in an Azure DevOps organization have in common."""

from __future__ import annotations

from hol_wizard.practice import seed
from tests.practice.test_devops import DevOps, as_user
from tests.resources.case import Case

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
