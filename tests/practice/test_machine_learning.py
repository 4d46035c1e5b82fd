"""Models and datastores of Azure Machine Learning, held to the descriptions and the recordings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.practice.conftest import MACHINE_LEARNING, STORAGE, Arm, user_token
from tests.practice.machine_learning import (
    ACCOUNT,
    MODELS,
    WORKSPACE,
    make_workspace,
    put_version,
    put_workspace,
    uri_of,
)
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots


@pytest.fixture
def workspace(arm: Arm, snapshots: Snapshots, practice_cloud: PracticeCloud, tmp_path_factory: Any) -> Arm:
    """ARM as the attendee, who has an ML workspace in `lab`."""

    def make() -> None:
        arm.make_group()
        make_workspace(arm)

    root = tmp_path_factory.mktemp("root")
    snapshots.prepare("machine-learning", practice_cloud, root, make)
    return Arm(practice_cloud, user_token(practice_cloud))


def versions(arm: Arm, **query: str) -> list[str]:
    found = arm.ask("GET", f"{MODELS}/m/versions", version=MACHINE_LEARNING, **query).json()
    return [each["name"] for each in found["value"]]


def test_a_new_workspace_has_its_datastores_and_their_containers(workspace: Arm) -> None:
    path = f"{WORKSPACE}/datastores"
    found = workspace.ask("GET", path, version=MACHINE_LEARNING).json()["value"]
    assert [each["name"] for each in found] == [
        "workspaceartifactstore",
        "workspaceblobstore",
        "workspacefilestore",
        "workspaceworkingdirectory",
    ]
    (default,) = workspace.ask("GET", path, version=MACHINE_LEARNING, isDefault="true").json()["value"]
    assert default["name"] == "workspaceblobstore"
    assert default["properties"]["accountName"] == "labml1"
    assert default["properties"]["credentials"] == {"credentialsType": "AccountKey"}
    containers = workspace.ask("GET", f"{ACCOUNT}/blobServices/default/containers", version=STORAGE).json()["value"]
    assert {default["properties"]["containerName"], "azureml"} == {each["name"] for each in containers}
    assert workspace.ask("GET", f"{path}/workspaceblobstore", version=MACHINE_LEARNING).json() == default
    missing = workspace.ask("GET", f"{path}/mine", version=MACHINE_LEARNING)
    assert (missing.status_code, missing.json()["error"]["details"][0]["code"]) == (404, "DatastoreNotFound")
    page = workspace.ask("GET", path, version=MACHINE_LEARNING, count="3").json()
    assert len(page["value"]) == 3
    assert len(workspace.http.get(page["nextLink"], timeout=10).json()["value"]) == 1


def test_datastores_have_no_credentials_where_identities_are_asked_for(arm: Arm) -> None:
    arm.make_group()
    make_workspace(arm, systemDatastoresAuthMode="identity")
    found = arm.ask("GET", f"{WORKSPACE}/datastores", version=MACHINE_LEARNING).json()["value"]
    assert {each["properties"]["credentials"]["credentialsType"] for each in found} == {"None"}


def test_a_version_is_registered_once(workspace: Arm) -> None:
    made = put_version(workspace, 1, tags={"state": "dev"})
    assert made["properties"]["modelUri"] == uri_of(workspace, "models/m/1")
    assert put_version(workspace, 1, tags={"state": "dev"}, status=200)["properties"]["tags"] == {"state": "dev"}
    body = {"properties": {"modelUri": uri_of(workspace, "elsewhere"), "modelType": "custom_model"}}
    refused = workspace.ask("PUT", f"{MODELS}/m/versions/1", body, version=MACHINE_LEARNING)
    assert (refused.status_code, refused.json()["error"]["message"]) == (400, "Asset paths cannot be updated.")
    found = workspace.ask("GET", f"{MODELS}/m/versions/1", version=MACHINE_LEARNING).json()
    assert found["properties"]["modelUri"] == uri_of(workspace, "models/m/1")
    model = workspace.ask("GET", f"{MODELS}/m", version=MACHINE_LEARNING).json()["properties"]
    assert (model["latestVersion"], model["nextVersion"]) == ("1", "2")


@pytest.mark.parametrize(
    ("number", "uri"), [("first", "azureml://x"), ("0", "azureml://x"), ("1.2", "azureml://x"), ("1", "my/folder")]
)
def test_a_version_is_a_positive_integer_with_an_address(
    workspace: Arm, practice_cloud: PracticeCloud, number: str, uri: str
) -> None:
    practice_cloud.wrong_on_purpose("PUT .*/versions/")
    body = {"properties": {"modelUri": uri}}
    assert workspace.error("PUT", f"{MODELS}/m/versions/{number}", body, version=MACHINE_LEARNING) == (400, "UserError")
    missing = workspace.ask("GET", f"{MODELS}/m", version=MACHINE_LEARNING)
    assert missing.json()["error"]["details"][0]["message"] == "Model container with name: m not found."


def test_tags_archived_and_order_choose_versions(workspace: Arm) -> None:
    for number, tags in ((1, {"state": "dev", "by": "jane"}), (2, {"state": "dev"}), (3, {"by": "jane"})):
        put_version(workspace, number, tags=tags)
    put_version(workspace, 2, status=200, isArchived=True)
    assert versions(workspace) == ["3", "1"]
    assert versions(workspace, listViewType="All") == ["3", "2", "1"]
    assert versions(workspace, listViewType="ArchivedOnly") == ["2"]
    assert versions(workspace, tags="state=dev,by=jane") == ["1"]
    assert versions(workspace, tags="by") == ["3", "1"]
    assert versions(workspace, **{"$orderBy": "createdAt asc"}) == ["1", "3"]
    page = workspace.ask("GET", f"{MODELS}/m/versions", version=MACHINE_LEARNING, **{"$top": "1"}).json()
    assert [each["name"] for each in page["value"]] == ["3"]
    again = workspace.http.get(page["nextLink"], timeout=10).json()
    assert [each["name"] for each in again["value"]] == ["1"]
    workspace.cloud.wrong_on_purpose("models/m/versions")
    for wrong in ({"$top": "0"}, {"$skip": "-1"}):
        assert workspace.ask("GET", f"{MODELS}/m/versions", version=MACHINE_LEARNING, **wrong).status_code == 400


def test_a_property_is_added_and_never_changed(workspace: Arm) -> None:
    put_version(workspace, 1, properties={"a": "1"})
    assert put_version(workspace, 1, status=200, properties={"b": "2"})["properties"]["properties"] == {
        "a": "1",
        "b": "2",
    }
    put_version(workspace, 1, status=400, properties={"a": "2"})


def test_models_go_with_their_workspace(workspace: Arm) -> None:
    put_version(workspace, 1)
    made = workspace.ask("GET", WORKSPACE, version=MACHINE_LEARNING).json()["properties"]
    assert workspace.ask("DELETE", f"{MODELS}/m/versions/7", version=MACHINE_LEARNING).status_code == 204
    workspace.poll(workspace.ask("DELETE", WORKSPACE, version=MACHINE_LEARNING, forceToPurge="true"))
    assert workspace.error("GET", f"{MODELS}/m", version=MACHINE_LEARNING) == (404, "ResourceNotFound")
    needed = ("storageAccount", "keyVault", "applicationInsights")
    put_workspace(workspace, {name: made[name] for name in needed})
    assert workspace.error("GET", f"{MODELS}/m", version=MACHINE_LEARNING) == (404, "UserError")


def test_a_reader_of_the_subscription_registers_nothing(workspace: Arm, practice_cloud: PracticeCloud) -> None:
    reader = Arm(practice_cloud, user_token(practice_cloud, "reader@practice.example"))
    put_version(workspace, 1)
    assert versions(reader) == ["1"]
    body = {"properties": {"modelUri": uri_of(workspace), "modelType": "custom_model"}}
    assert reader.error("PUT", f"{MODELS}/m/versions/2", body, version=MACHINE_LEARNING) == (403, "AuthorizationFailed")
