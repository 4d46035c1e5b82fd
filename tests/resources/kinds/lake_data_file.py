"""The data file in the lake."""

from __future__ import annotations

import time

import requests

from hol_wizard.resources.context import StepContext
from hol_wizard.resources.lake_data_file import LakeDataFile
from hol_wizard.services import dataset
from tests.practice.conftest import STORAGE, session, user_token
from tests.practice.data_planes import BLOB_CONTRIBUTOR, give, oid
from tests.resources.case import Case
from tests.steps.test_initial_data import CONTAINER, GET, MAY_WRITE, STAND_IN, give_owner, lake_of


class LakeDataFileCase(Case):
    resource = LakeDataFile

    def prepare(self) -> None:
        give_owner(self.ground.hand)
        assert self.ground.attendee.solve(GET, f"{CONTAINER}@dev", f"{MAY_WRITE}@dev").all_passed()
        path = lake_of(self.ground.attendee)
        token = user_token(self.ground.cloud, scope="https://storage.azure.com/.default")
        give(self.ground.hand, path, BLOB_CONTRIBUTOR, oid(token))
        account = self.ground.hand.ask("GET", path, version=STORAGE).json()
        endpoints = account["properties"]["primaryEndpoints"]
        self._address = f"{endpoints['dfs']}datalake/{dataset.NAME}"
        self._blob = f"{endpoints['blob']}datalake/{dataset.NAME}"
        self._http = session(self.ground.cloud)
        self._http.headers.update({"Authorization": f"Bearer {token}", "x-ms-version": "2023-11-03"})
        until = time.monotonic() + 20
        while self._ask("HEAD").status_code == 403:
            assert time.monotonic() < until
            time.sleep(0.1)

    def _ask(
        self, method: str, content: bytes = b"", headers: dict[str, str] | None = None, **query: str
    ) -> requests.Response:
        return self._http.request(
            method, self._address, params=query, data=content or None, headers=headers, timeout=10
        )

    def make(self, context: StepContext) -> LakeDataFile:
        return LakeDataFile(context)

    def state(self) -> object:
        answer = self._ask("HEAD")
        if answer.status_code == 404:
            return None
        return {name: answer.headers.get(name) for name in ("Content-Length", "ETag", "x-ms-properties")}

    def _upload(self, content: bytes) -> None:
        assert self._ask("PUT", resource="file").status_code == 201
        assert self._ask("PATCH", content, action="append", position="0").status_code == 202
        assert self._ask("PATCH", action="flush", position=str(len(content))).status_code == 200

    def by_hand(self) -> None:
        self._upload(STAND_IN)

    def by_hand_wrong(self) -> None:
        self._upload(b"somebody's own")

    def refuse(self) -> None:
        self.ground.cloud.control.fault(
            "error",
            method="PUT",
            path=dataset.NAME,
            times=1,
            status=403,
            code="AuthorizationFailure",
            message="This request is not authorized to perform this operation.",
        )

    def remove_mark(self) -> None:
        # The properties of a file in the lake are the metadata of the same file as a blob.
        answer = self._http.put(self._blob, params={"comp": "metadata"}, timeout=10)
        assert answer.status_code == 200, answer.text

    def remove(self) -> None:
        self._ask("DELETE")

    def remove_parent(self) -> None:
        path = f"{lake_of(self.ground.attendee)}/blobServices/default/containers/datalake"
        assert self.ground.hand.ask("DELETE", path, version=STORAGE).status_code == 200
