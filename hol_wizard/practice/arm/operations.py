"""Long-running operations: how an accepted one is announced, and the responses to its polls.

Each provider does this differently; the forms here are those of `recordings/public/arm.lro-poll.jsonl` and
`recordings/public/flows/`.
"""

from __future__ import annotations

from enum import StrEnum

from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.arm.manager import ResourceManager
from hol_wizard.practice.kernel.clock import short_timestamp, timestamp
from hol_wizard.practice.kernel.service import Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World


class Style(StrEnum):
    """How a provider responds to the polls of an operation."""

    RESOURCE = "resource"
    """202 until it is done, then 200 with the resource (storage)."""
    EMPTY = "empty"
    """202 until it is done, then 200 without a body (resource groups)."""
    STATUS = "status"
    """200 with `{"status": ...}` throughout (the rule for `Azure-AsyncOperation`)."""
    ACCEPTED = "accepted"
    """202 with `{"status": "Accepted"}`, then 200 with `{"status": "Succeeded"}` (Databricks)."""
    VAULT = "vault"
    """202 with `{"status": "NotStarted"}`, then 200, with dates in Key Vault's own form (Key Vault)."""


class Operations:
    """Responds to polls."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        subscription = "/subscriptions/{subscription}"
        providers = subscription + "/providers/Microsoft."
        for template in (
            subscription + "/operationresults/{operation}",
            providers + "Storage/locations/{location}/asyncoperations/{operation}",
            providers + "KeyVault/locations/{location}/operationResults/{operation}",
            providers + "MachineLearningServices/locations/{location}/workspaceOperationsStatus/{operation}",
            providers + "ContainerRegistry/locations/{location}/operationResults/{operation}",
            subscription + "/resourceGroups/{group}/providers/Microsoft.Databricks"
            "/locations/{location}/operationStatuses/{operation}",
        ):
            manager.router.add("GET", template, self._poll, honors="type")

    def _poll(self, request: Request) -> Response:
        self._arm.subscription(request)
        operation = self._world.operations.find(request.match["operation"])
        if operation is None:
            raise errors.refused(
                404, "OperationNotFound", f"The operation '{request.match['operation']}' could not be found."
            )
        address = f"{request.base}{request.path}?api-version={request.query.get('api-version', '')}"
        style = Style(operation["style"])
        if style is Style.STATUS and request.query.get("type") == "location":
            # Azure Machine Learning serves both kinds of poll under one path (recorded).
            style = Style.RESOURCE if operation["kind"] == "create" else Style.EMPTY
            address += "&type=location"
        running = operation["status"] == "Running"
        wait = self._world.clock.retry_headers() if running else {}
        if style is Style.STATUS:
            return Response(200, _status(operation), wait)
        if running:
            started = short_timestamp(operation["started"]).replace("T", " ")
            body = {
                Style.ACCEPTED: {"status": "Accepted"},
                Style.VAULT: {"createdDateTime": started, "status": "NotStarted"},
            }.get(style)
            return Response(202, body, {"Location": address, **wait})
        if style is Style.ACCEPTED:
            return Response(200, _status(operation))
        if operation["error"]:
            return errors.error_answer(409, operation["error"]["code"], operation["error"]["message"])
        if style is Style.VAULT:
            body = {
                "createdDateTime": short_timestamp(operation["started"]).replace("T", " "),
                "lastActionDateTime": short_timestamp(operation["ended"]).replace("T", " "),
                "status": "Succeeded",
            }
            return Response(200, body)
        if style is Style.RESOURCE:
            resource = self._world.part(Resources).find(operation["target"])
            if resource is None:
                raise errors.refused(404, "ResourceNotFound", "The resource is gone.")
            return Response(200, self._arm.render(resource))
        return Response(200)


def _status(operation: Document) -> dict[str, object]:
    body: dict[str, object] = {
        "status": operation["running_as"] if operation["status"] == "Running" else operation["status"]
    }
    if operation["style"] == Style.STATUS:
        body["id"] = operation["path"]
        body["name"] = operation["id"]
        body["startTime"] = timestamp(operation["started"])
        if "ended" in operation:
            body["endTime"] = timestamp(operation["ended"])
    if operation["status"] == "Failed":
        body["error"] = operation["error"]
    return body


def begin(
    world: World,
    request: Request,
    kind: str,
    target: str,
    work: str,
    style: Style,
    path: str,
    running_as: str = "InProgress",
) -> tuple[Document, str]:
    """Start an operation and return it with the URL to poll.

    Args:
        world: Where it is kept.
        request: The request that starts it.
        kind: What ends it: `create`, `delete`, ...
        target: Id of the resource or group.
        work: Row of `clock.DURATIONS`.
        style: How polls are answered.
        path: Path of its polls up to the operation's own ID.
        running_as: The status until it is done.
    """
    operation = world.operations.begin(
        kind, target, work, request.path, method=request.method, style=str(style), running_as=running_as, path=path
    )
    operation["path"] = f"{path}/{operation['id']}"
    world.operations.keep(operation)
    return operation, f"{request.base}{operation['path']}?api-version={request.query['api-version']}"
