"""Entries in the access lists of the data lake."""

from __future__ import annotations

import time
from types import MappingProxyType

import requests

from hol_wizard.practice import seed
from hol_wizard.resources.access_entry import AccessEntry
from hol_wizard.resources.context import StepContext
from tests.practice.conftest import STORAGE, session, user_token
from tests.practice.data_planes import BLOB_OWNER, give, oid
from tests.resources.case import Case
from tests.steps.test_initial_data import CONTAINER, give_owner, lake_of

SOMEBODY = "2f0f4a4e-7c0c-4d6e-9f3c-0a4f6f3b9d11"
"""Object id of a service principal that the directory does not have."""


class AccessEntryCase(Case):
    """The entry for access; the default is the same with another word before it."""

    resource = AccessEntry
    exempt = MappingProxyType(
        {
            "conflict": "rights that are missing are added, whoever gave the others; test_access_entry.py",
            "mark removed": "it has no mark",
            "replaced": "one that is added again is the same",
        }
    )
    whom = f"user:{SOMEBODY}"

    def prepare(self) -> None:
        give_owner(self.ground.hand)
        assert self.ground.attendee.solve(f"{CONTAINER}@dev").all_passed()
        path = lake_of(self.ground.attendee)
        token = user_token(self.ground.cloud, scope="https://storage.azure.com/.default")
        give(self.ground.hand, path, BLOB_OWNER, oid(token))
        give(self.ground.hand, path, BLOB_OWNER, seed.CI_PRINCIPAL.id)
        account = self.ground.hand.ask("GET", path, version=STORAGE).json()
        self._address = f"{account['properties']['primaryEndpoints']['dfs']}datalake"
        self._http = session(self.ground.cloud)
        self._http.headers.update({"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"})

    def _ask(self, method: str, acl: str = "", **query: str) -> requests.Response:
        headers = {"x-ms-acl": acl} if acl else None
        return self._http.request(method, f"{self._address}/", params=query, headers=headers, timeout=10)

    def _change(self, acl: str, mode: str) -> None:
        """Change the list as soon as the role works."""
        until = time.monotonic() + 20
        while True:
            changed = self._ask("PATCH", acl, action="setAccessControlRecursive", mode=mode)
            if changed.status_code != 403 or time.monotonic() > until:
                break
            time.sleep(0.1)
        assert changed.status_code == 200, changed.text

    def make(self, context: StepContext) -> AccessEntry:
        # The wizard's own role was given just now, too.
        return AccessEntry(context, SOMEBODY, default=self.whom.startswith("default:"), new_right=True)

    def state(self) -> object:
        listed = self._ask("HEAD", action="getAccessControl").headers.get("x-ms-acl", "").split(",")
        return [each for each in listed if each.startswith(f"{self.whom}:")] or None

    def by_hand(self, rights: str = "rwx") -> None:
        self._change(f"{self.whom}:{rights}", "modify")

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            method="PATCH",
            path="datalake",
            times=1,
            status=409,
            code="PathConflict",
            message="The specified path, or an element of the path, exists and its resource type is invalid.",
        )

    def remove(self) -> None:
        self._change(self.whom, "remove")

    def remove_parent(self) -> None:
        path = f"{lake_of(self.ground.attendee)}/blobServices/default/containers/datalake"
        assert self.ground.hand.ask("DELETE", path, version=STORAGE).status_code == 200


class DefaultEntryCase(AccessEntryCase):
    whom = f"default:user:{SOMEBODY}"
