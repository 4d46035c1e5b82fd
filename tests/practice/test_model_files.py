"""The files of registered models: who may read and write in the storage account of a Machine Learning workspace."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.arm import roles
from tests.practice.conftest import GROUPS, MACHINE_LEARNING, STORAGE, Arm, user_token
from tests.practice.data_planes import give
from tests.practice.machine_learning import ACCOUNT, WORKSPACE, make_workspace
from tests.practice.test_storage_data import AUDIENCE, Storage
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots

REFUSED = (403, "AuthorizationPermissionMismatch")
BLOCK = {"x-ms-blob-type": "BlockBlob"}


@pytest.fixture
def workspace(arm: Arm, snapshots: Snapshots, practice_cloud: PracticeCloud, tmp_path_factory: Any) -> Arm:
    """ARM as the attendee, who has an ML workspace in `lab`."""

    def make() -> None:
        arm.make_group()
        make_workspace(arm)

    snapshots.prepare("machine-learning", practice_cloud, tmp_path_factory.mktemp("root"), make)
    return Arm(practice_cloud, user_token(practice_cloud))


def files(arm: Arm, who: seed.Principal) -> tuple[Storage, str]:
    """Return the blob endpoint as somebody asks it, and the path of a file in the default datastore."""
    endpoints = arm.ask("GET", ACCOUNT, version=STORAGE).json()["properties"]["primaryEndpoints"]
    stores = arm.ask("GET", f"{WORKSPACE}/datastores", version=MACHINE_LEARNING, isDefault="true").json()["value"]
    asking = Storage(arm.cloud, endpoints["blob"], user_token(arm.cloud, who.name, AUDIENCE))
    return asking, f"{stores[0]['properties']['containerName']}/models/m/1/model.json"


def refusals(asking: Storage, path: str) -> list[tuple[int, str]]:
    """Return how it is refused to write, to read and to list."""
    container = path.partition("/")[0]
    return [
        asking.refusal("PUT", path, b"{}", BLOCK),
        asking.refusal("GET", path),
        asking.refusal("GET", container, restype="container", comp="list"),
    ]


@pytest.mark.parametrize(
    ("who", "role", "scope"),
    [
        (seed.ATTENDEE, None, ""),
        (seed.CONTRIBUTOR_USER, None, ""),
        (seed.READER_USER, None, ""),
        (seed.STRANGER, None, ""),
        (seed.STRANGER, roles.OWNER, ACCOUNT),
        (seed.STRANGER, roles.CONTRIBUTOR, ACCOUNT),
        (seed.STRANGER, roles.AZUREML_DATA_SCIENTIST, WORKSPACE),
        (seed.STRANGER, roles.AZUREML_DATA_SCIENTIST, ACCOUNT),
    ],
)
def test_no_role_without_data_actions_opens_the_files(
    workspace: Arm, practice_cloud: PracticeCloud, who: seed.Principal, role: str | None, scope: str
) -> None:
    practice_cloud.control.settings(speed=1e9)
    if role is not None:
        give(workspace, scope, role, who.id)
    asking, path = files(workspace, who)
    assert refusals(asking, path) == [REFUSED] * 3


def until_it_lists(asking: Storage, path: str) -> None:
    deadline = time.monotonic() + 10
    while asking.ask("GET", path.partition("/")[0], restype="container", comp="list").status_code == 403:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_reader_reads_and_a_contributor_writes(workspace: Arm) -> None:
    give(workspace, ACCOUNT, roles.STORAGE_BLOB_DATA_CONTRIBUTOR, seed.STRANGER.id)
    writer, path = files(workspace, seed.STRANGER)
    until_it_lists(writer, path)
    assert writer.ask("PUT", path, b"{}", BLOCK).status_code == 201
    give(workspace, ACCOUNT, roles.STORAGE_BLOB_DATA_READER, seed.READER_USER.id)
    reader, path = files(workspace, seed.READER_USER)
    until_it_lists(reader, path)
    assert reader.ask("GET", path).content == b"{}"
    assert reader.refusal("PUT", path, b"{}", BLOCK) == REFUSED
    assert reader.refusal("DELETE", path) == REFUSED
    owner, path = files(workspace, seed.ATTENDEE)
    assert refusals(owner, path) == [REFUSED] * 3, "others' roles open nothing to the owner of the account"


def test_a_role_on_another_account_or_group_opens_nothing(workspace: Arm, practice_cloud: PracticeCloud) -> None:
    practice_cloud.control.settings(speed=1e9)
    assert workspace.ask("PUT", "/resourcegroups/other", {"location": "westeurope"}, version=GROUPS).status_code == 201
    give(workspace, "/resourceGroups/other", roles.STORAGE_BLOB_DATA_OWNER, seed.STRANGER.id)
    asking, path = files(workspace, seed.STRANGER)
    assert refusals(asking, path) == [REFUSED] * 3
    give(workspace, "/resourceGroups/lab", roles.STORAGE_BLOB_DATA_READER, seed.STRANGER.id)
    assert asking.ask("GET", path).status_code == 404
