"""Everything by which the build works in Azure: connection, trust, variable group, and permissions of pipelines."""

from __future__ import annotations

import time
from types import MappingProxyType
from typing import Any

import requests

from hol_wizard.engine import ownership
from hol_wizard.practice import seed
from hol_wizard.resources import build_identity
from hol_wizard.resources.application import ApplicationRegistration
from hol_wizard.resources.azure_resource import AzureResource
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.federated_credential import AUDIENCE, ApplicationCredential, IdentityCredential
from hol_wizard.resources.pipeline_permission import PipelinePermission
from hol_wizard.resources.service_connection import AzureConnection, lab_connection
from hol_wizard.resources.variable_group import VaultGroup, lab_group
from hol_wizard.services.devops.service_connections import ENDPOINT
from hol_wizard.services.graph import Trust
from tests.resources.case import Case
from tests.resources.in_organization import ORGANIZATION, ProjectCase
from tests.service_connections import azure_connection
from tests.steps.attendee import GROUP
from tests.steps.directory import Directory

NAMES = ("acr-name", "model-name")
MANAGED = "2023-01-31"
WANTED = Trust("hol-azure", "https://issuer.example/v2.0", "/sc/1/2", (AUDIENCE,))


class InProjectCase(ProjectCase):
    """Something in the lab's project, with the identity of the build."""

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions |= {"Managed identity", AzureConnection.kind}
        assert self.ground.attendee.solve(f"{GROUP}@dev").all_passed()
        ownership.solve(build_identity.managed(self.ground.context()))

    def send(self, method: str, path: str, body: Any = None, **query: str) -> None:
        answer = self.hand.ask(method, path, body, **query)
        assert answer.status_code in {200, 204}, answer.text

    @property
    def project(self) -> str:
        found = self.hand.ask("GET", f"/projects/{self.ground.context().names.devops_project}").json()
        return str(found.get("id", ""))

    def references(self, name: str, description: str = "") -> list[dict[str, Any]]:
        reference = {"id": self.project, "name": self.ground.context().names.devops_project}
        return [{"name": name, "description": description, "projectReference": reference}]

    def connection(self, name: str) -> dict[str, Any]:
        """Return the body of a connection that fits."""
        context = self.ground.context()
        parameters = {"tenantid": seed.TENANT, "serviceprincipalid": build_identity.required(context).client}
        return azure_connection(name, parameters, serviceEndpointProjectReferences=self.references(name))


class AzureConnectionCase(InProjectCase):
    resource = AzureConnection

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions -= {AzureConnection.kind}

    def make(self, context: StepContext) -> AzureConnection:
        return lab_connection(context)

    def found(self) -> dict[str, Any]:
        answer = self.ask("GET", "/serviceendpoint/endpoints", endpointNames="hol-azure", includeFailed="true")
        found = answer.json()["value"] if answer.status_code == 200 else []
        return dict(found[0]) if found else {}

    def state(self) -> object:
        found = self.found()
        return (found["id"], found["description"], found["data"]) if found else None

    def by_hand(self, **data: str) -> None:
        body = self.connection("hol-azure")
        self.send("POST", "/serviceendpoint/endpoints", {**body, "data": {**body["data"], **data}})
        until = time.monotonic() + 10
        while not self.found()["isReady"]:
            assert time.monotonic() < until
            time.sleep(0.02)

    def by_hand_wrong(self) -> None:
        self.by_hand(subscriptionId=seed.READ_ONLY_SUBSCRIPTION.id)

    def refuse(self) -> None:
        self.refuse_at("/serviceendpoint/endpoints", message="You do not have permission to create a connection.")

    def remove_mark(self) -> None:
        body = {**self.found(), **self.connection("hol-azure"), "description": "somebody's"}
        self.send("PUT", f"/serviceendpoint/endpoints/{body['id']}", body)

    def remove(self) -> None:
        if found := self.found():
            self.send("DELETE", f"/serviceendpoint/endpoints/{found['id']}", projectIds=self.project)


class VaultGroupCase(InProjectCase):
    resource = VaultGroup

    def prepare(self) -> None:
        super().prepare()
        ownership.solve(lab_connection(self.ground.context()))

    def make(self, context: StepContext) -> VaultGroup:
        return lab_group(context, NAMES)

    def found(self) -> dict[str, Any]:
        answer = self.ask("GET", "/distributedtask/variablegroups", groupName="hol-pipeline-kv")
        found = answer.json()["value"] if answer.status_code == 200 else []
        return dict(found[0]) if found else {}

    def state(self) -> object:
        found = self.found()
        return (found["id"], found["description"], sorted(found["variables"])) if found else None

    def group(self, names: tuple[str, ...] = NAMES, description: str = "") -> dict[str, Any]:
        context = self.ground.context()
        connection = lab_connection(context).find(context.reads)
        assert connection is not None
        return {
            "name": "hol-pipeline-kv",
            "type": "AzureKeyVault",
            "description": description,
            "providerData": {"serviceEndpointId": connection.id, "vault": context.here.key_vault},
            "variables": {each: {"isSecret": True} for each in names},
            "variableGroupProjectReferences": self.references("hol-pipeline-kv", description),
        }

    def by_hand(self) -> None:
        self.send("POST", "/distributedtask/variablegroups", self.group())

    def by_hand_wrong(self) -> None:
        self.send("POST", "/distributedtask/variablegroups", self.group((*NAMES, "sp-password")))

    def refuse(self) -> None:
        self.refuse_at("/distributedtask/variablegroups", message="You do not have permissions to create groups.")

    def remove_mark(self) -> None:
        path = f"/distributedtask/variablegroups/{self.found()['id']}"
        self.send("PUT", path, self.group(description="somebody's"))

    def remove(self) -> None:
        if found := self.found():
            self.send("DELETE", f"/distributedtask/variablegroups/{found['id']}", projectIds=self.project)


class PipelinePermissionCase(InProjectCase):
    resource = PipelinePermission
    exempt = MappingProxyType(
        {
            "conflict": "there is no permission that does not fit",
            "mark removed": "it has no mark",
            "replaced": "one that is given again is the same",
        }
    )

    def prepare(self) -> None:
        super().prepare()
        context = self.ground.context()
        self.connection_id: str = ownership.solve(lab_connection(context)).id

    def make(self, context: StepContext) -> PipelinePermission:
        pipeline = context.names.pipeline
        return PipelinePermission(context, ORGANIZATION, ENDPOINT, self.connection_id, "hol-azure", 7, pipeline)

    @property
    def path(self) -> str:
        return f"/pipelines/pipelinepermissions/endpoint/{self.connection_id}"

    def state(self) -> object:
        answer = self.ask("GET", self.path, **{"api-version": "7.1-preview.1"})
        found = answer.json()["pipelines"] if answer.status_code == 200 else []
        return [each["id"] for each in found] or None

    def _permit(self, *, allowed: bool) -> None:
        body = {"pipelines": [{"id": 7, "authorized": allowed}]}
        self.ask("PATCH", self.path, body, **{"api-version": "7.1-preview.1"})

    def by_hand(self) -> None:
        self._permit(allowed=True)

    def refuse(self) -> None:
        self.refuse_at("pipelinepermissions", method="PATCH", message="Access denied.")

    def remove(self) -> None:
        self._permit(allowed=False)


class IdentityCredentialCase(Case):
    resource = IdentityCredential
    exempt = MappingProxyType(
        {"mark removed": "it has no mark", "replaced": "one that is added again under its name is the same"}
    )

    def prepare(self) -> None:
        self.ground.companions = frozenset({"Managed identity"})
        assert self.ground.attendee.solve(f"{GROUP}@dev").all_passed()
        self.identity: AzureResource = build_identity.managed(self.ground.context())
        ownership.solve(self.identity)

    def make(self, context: StepContext) -> IdentityCredential:
        return IdentityCredential(context, self.identity.path, WANTED.name, WANTED)

    def ask(self, method: str, rest: str = "", body: Any = None) -> requests.Response:
        path = f"{self.identity.path.removeprefix(self.ground.hand.base)}{rest}"
        return self.ground.hand.ask(method, path, body, version=MANAGED)

    def state(self) -> object:
        answer = self.ask("GET", "/federatedIdentityCredentials")
        return answer.json().get("value") or None if answer.status_code == 200 else None

    def _put(self, subject: str) -> None:
        body = {"properties": {"issuer": WANTED.issuer, "subject": subject, "audiences": [AUDIENCE]}}
        assert self.ask("PUT", f"/federatedIdentityCredentials/{WANTED.name}", body).status_code in {200, 201}

    def by_hand(self) -> None:
        self._put(WANTED.subject)

    def by_hand_wrong(self) -> None:
        self._put("a guess")

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="resource_manager",
            method="PUT",
            path="/federatedIdentityCredentials/",
            times=1,
            status=403,
            code="AuthorizationFailed",
            message="The client does not have authorization to perform action 'write'.",
        )

    def remove(self) -> None:
        self.ask("DELETE", f"/federatedIdentityCredentials/{WANTED.name}")

    def remove_parent(self) -> None:
        assert self.ask("DELETE").status_code == 200


class ApplicationCredentialCase(Case):
    resource = ApplicationCredential

    def prepare(self) -> None:
        self.ground.companions = frozenset({ApplicationRegistration.kind})
        self.directory = Directory(self.ground.cloud, seed.ORGANIZER.name)
        ownership.solve(ApplicationRegistration(self.ground.context()))

    @property
    def application(self) -> str:
        found = self.directory.applications()
        return str(found[0]["id"]) if found else ""

    def make(self, context: StepContext) -> ApplicationCredential:
        return ApplicationCredential(context, "hol-practice-dev", self.application, WANTED.name, WANTED)

    @property
    def path(self) -> str:
        return f"/applications/{self.application}/federatedIdentityCredentials"

    def known(self) -> list[dict[str, Any]]:
        answer = self.directory.http.get(f"{self.directory.base}{self.path}", timeout=10)
        return list(answer.json()["value"]) if answer.status_code == 200 else []

    def state(self) -> object:
        return self.known() if self.application and self.known() else None

    def _add(self, subject: str, description: str = "") -> None:
        body = {"name": WANTED.name, "issuer": WANTED.issuer, "subject": subject, "audiences": [AUDIENCE]}
        answer = self.directory.http.post(
            f"{self.directory.base}{self.path}", json={**body, "description": description}, timeout=10
        )
        assert answer.status_code == 201, answer.text

    def by_hand(self) -> None:
        self._add(WANTED.subject)

    def by_hand_wrong(self) -> None:
        self._add("a guess")

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            service="microsoft_graph",
            method="POST",
            path="/federatedIdentityCredentials$",
            times=1,
            status=403,
            code="Authorization_RequestDenied",
            message="Insufficient privileges to complete the operation.",
        )

    def remove_mark(self) -> None:
        self.remove()
        self._add(WANTED.subject, "somebody's")

    def remove(self) -> None:
        for each in self.known():
            self.directory.http.delete(f"{self.directory.base}{self.path}/{each['id']}", timeout=10)

    def remove_parent(self) -> None:
        self.directory.remove()
