"""The directory, as somebody asks Microsoft Graph past the wizard."""

from __future__ import annotations

import time
from typing import Any

from hol_wizard.practice import seed
from tests.practice.conftest import GRAPH, Arm, user_token
from tests.practice_cloud import PracticeCloud

NAME = "hol-practice-dev"


class Directory:
    """Applications and service principals named like that of the lab in dev."""

    def __init__(self, cloud: PracticeCloud, user: str = seed.ATTENDEE.name) -> None:
        self.http = Arm(cloud, user_token(cloud, user, scope=GRAPH)).http
        self.base = f"{cloud.endpoints['microsoft_graph']}/v1.0"

    def _list(self, path: str) -> list[dict[str, Any]]:
        found = self.http.get(f"{self.base}{path}", timeout=10).json()["value"]
        return [each for each in found if each["displayName"] == NAME]

    def _send(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self.http.request(method, f"{self.base}{path}", json=body, timeout=10)
        assert answer.status_code in {200, 201, 204}, answer.text
        made: dict[str, Any] = answer.json() if answer.content else {}
        return made

    def applications(self) -> list[dict[str, Any]]:
        return self._list("/applications")

    def principals(self) -> list[dict[str, Any]]:
        return self._list("/servicePrincipals")

    def deleted_applications(self) -> list[dict[str, Any]]:
        return self._list("/directory/deletedItems/microsoft.graph.application")

    def register(self, **more: Any) -> dict[str, Any]:
        return self._send("POST", "/applications", {"displayName": NAME, "signInAudience": "AzureADMyOrg", **more})

    def make_principal(self) -> dict[str, Any]:
        """Make the service principal of the application, as soon as the directory knows that one."""
        (application,) = self.applications()
        until = time.monotonic() + 10
        while True:
            try:
                return self._send("POST", "/servicePrincipals", {"appId": application["appId"]})
            except AssertionError as error:
                if "valid application object" not in str(error) or time.monotonic() > until:
                    raise
            time.sleep(0.05)

    def add_password(self, name: str = "by hand") -> str:
        """Add a client secret and return its value."""
        (application,) = self.applications()
        body = {"passwordCredential": {"displayName": name}}
        return str(self._send("POST", f"/applications/{application['id']}/addPassword", body)["secretText"])

    def remove_password(self, application: dict[str, Any]) -> None:
        for each in application["passwordCredentials"]:
            self._send("POST", f"/applications/{application['id']}/removePassword", {"keyId": each["keyId"]})

    def retag(self, path: str, *tags: str) -> None:
        self._send("PATCH", path, {"tags": list(tags)})

    def remove(self) -> None:
        """Delete all applications of the name, for good."""
        for each in self.applications():
            self._send("DELETE", f"/applications/{each['id']}")
        for each in self.deleted_applications():
            self._send("DELETE", f"/directory/deletedItems/{each['id']}")

    def remove_principals(self) -> None:
        for each in self.principals():
            self._send("DELETE", f"/servicePrincipals/{each['id']}")
