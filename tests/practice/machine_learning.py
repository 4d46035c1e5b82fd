"""A Machine Learning workspace of the tests, and requests about what is in it."""

from __future__ import annotations

from typing import Any

from tests.practice.conftest import MACHINE_LEARNING, Arm, provider
from tests.practice.test_resources import make_dependants

WORKSPACE = provider("MachineLearningServices/workspaces", "lab-ml")
ACCOUNT = provider("Storage/storageAccounts", "labml1")
MODELS = f"{WORKSPACE}/models"


def make_workspace(arm: Arm, **properties: Any) -> dict[str, Any]:
    """Make the workspace in the group `lab`, with all that it depends on, and return it."""
    return put_workspace(arm, {**make_dependants(arm.cloud, arm), **properties})


def put_workspace(arm: Arm, properties: dict[str, Any]) -> dict[str, Any]:
    """Make the workspace, and return it."""
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "sku": {"name": "Basic"}}
    arm.poll(arm.ask("PUT", WORKSPACE, {**body, "properties": properties}, version=MACHINE_LEARNING))
    return arm.until(WORKSPACE, MACHINE_LEARNING)


def uri_of(arm: Arm, place: str = "models/m/1") -> str:
    """Return the address of a folder in the default datastore."""
    where = f"subscriptions/{arm.subscription}/resourcegroups/lab/workspaces/lab-ml"
    return f"azureml://{where}/datastores/workspaceblobstore/paths/{place}"


def put_version(arm: Arm, number: int | str, *, model: str = "m", status: int = 201, **properties: Any) -> Any:
    """Register a version of a model, and return the answer's body."""
    body = {"properties": {"modelType": "custom_model", "modelUri": uri_of(arm, f"models/m/{number}"), **properties}}
    answer = arm.ask("PUT", f"{MODELS}/{model}/versions/{number}", body, version=MACHINE_LEARNING)
    assert answer.status_code == status, answer.text
    return answer.json()
