"""The account of the lab's code: application, service principal and client secret."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from hol_wizard.engine import ownership
from hol_wizard.practice import seed
from hol_wizard.resources import client_secret
from hol_wizard.resources.application import ApplicationRegistration
from hol_wizard.resources.client_secret import ClientSecret
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.service_principal import ServicePrincipal
from hol_wizard.services.secrets import Secret
from tests.resources.case import Case
from tests.steps.directory import Directory


class DirectoryCase(Case):
    """What they have in common: an administrator of the directory, by hand."""

    path: str
    """Of the request that makes one."""

    def prepare(self) -> None:
        self.directory = Directory(self.ground.cloud, seed.ORGANIZER.name)

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="microsoft_graph",
            method="POST",
            path=self.path,
            times=1,
            status=403,
            code="Authorization_RequestDenied",
            message="Insufficient privileges to complete the operation.",
        )


class InApplicationCase(DirectoryCase):
    """What is in an application."""

    def prepare(self) -> None:
        super().prepare()
        ownership.solve(ApplicationRegistration(self.ground.context()))

    @property
    def application(self) -> dict[str, Any]:
        (found,) = self.directory.applications()
        return found

    def remove_parent(self) -> None:
        self.directory.remove()


class ApplicationCase(DirectoryCase):
    resource = ApplicationRegistration
    namesakes = True
    path = "/applications$"
    exempt = MappingProxyType(
        {
            "conflict": "several of the name are told by the look itself; tests/steps/test_service_principal.py",
            "gone with parent": "an application is in a directory, which nobody deletes",
        }
    )

    def make(self, context: StepContext) -> ApplicationRegistration:
        return ApplicationRegistration(context)

    def state(self) -> object:
        return [(each["id"], each["tags"]) for each in self.directory.applications()] or None

    def by_hand(self) -> None:
        self.directory.register()

    def remove_mark(self) -> None:
        (application,) = self.directory.applications()
        self.directory.retag(f"/applications/{application['id']}", "somebody's")

    def remove(self) -> None:
        self.directory.remove()


class ServicePrincipalCase(InApplicationCase):
    resource = ServicePrincipal
    path = "/servicePrincipals$"
    exempt = MappingProxyType({"conflict": "the service principal of the application is the one"})

    def make(self, context: StepContext) -> ServicePrincipal:
        return ServicePrincipal(context)

    def state(self) -> object:
        return [(each["id"], each["tags"]) for each in self.directory.principals()] or None

    def by_hand(self) -> None:
        self.directory.make_principal()

    def remove_mark(self) -> None:
        (principal,) = self.directory.principals()
        self.directory.retag(f"/servicePrincipals/{principal['id']}", "somebody's")

    def remove(self) -> None:
        self.directory.remove_principals()


class ClientSecretCase(InApplicationCase):
    resource = ClientSecret
    namesakes = True
    path = "addPassword"
    exempt = MappingProxyType(
        {
            "conflict": "one of somebody else's whose value is not kept does not count: another is made beside it",
            "mark removed": "the directory does not rename a client secret",
        }
    )

    def make(self, context: StepContext) -> ClientSecret:
        return ClientSecret(context)

    def state(self) -> object:
        return [each["keyId"] for each in self.application["passwordCredentials"]] or None

    def by_hand(self) -> None:
        value = self.directory.add_password()
        context = self.ground.context()
        context.services.secrets.set(client_secret.kept_as(context), Secret(value))

    def remove(self) -> None:
        self.directory.remove_password(self.application)
        context = self.ground.context()
        context.services.secrets.delete(client_secret.kept_as(context))
