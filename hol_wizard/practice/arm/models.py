"""Models of Azure Machine Learning workspaces: ModelContainers_List, _Get, _CreateOrUpdate, _Delete, and
ModelVersions_List, _Get, _CreateOrUpdate, _Delete (machinelearning).

Fields and their order are those of recordings (Azure/azure-powershell, Get-AzMLWorkspaceModelVersion and
…ModelContainer). A model that does not exist is `UserError` with `ModelNotFound` inside (Azure/mlops-v2 issue 76). A
version is never overwritten: azure-ai-ml expects "Asset paths cannot be updated." (`ASSET_PATH_ERROR`); the status is
an estimate. Versions are positive integers (Azure/azureml-examples issue 2725). Properties can be added but not changed
(Azure/azureml-assets pull request 1174).
"""

from __future__ import annotations

import re

from hol_wizard.practice.arm import errors
from hol_wizard.practice.arm.machine_learning import MachineLearningWorkspaces, listed
from hol_wizard.practice.arm.resources import given
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document

_TYPE = "Microsoft.MachineLearningServices/workspaces/models"
_VERSIONS = f"{_TYPE}/versions"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")
_PAGE = 30
"""Number of versions on a page (an estimate: the description has no default here; for datastores it is 30)."""
_VIEWS = {"activeonly": (False,), "archivedonly": (True,), "all": (False, True)}
_NEWEST_FIRST = ("", "createdat desc", "createdtime desc")
_OLDEST_FIRST = ("createdat asc", "createdtime asc")


class ModelRecords(Register):
    """Models by ID."""

    collection = "machine_learning_models"


class ModelVersionRecords(Register):
    """Versions of models by ID."""

    collection = "machine_learning_model_versions"


class Models:
    """The models of each workspace, and their versions."""

    def __init__(self, workspaces: MachineLearningWorkspaces) -> None:
        self._workspaces = workspaces
        self._world = workspaces.world
        self._models = self._world.part(ModelRecords)
        self._versions = self._world.part(ModelVersionRecords)
        workspaces.when_removed.append(self._forget)
        models = f"{workspaces.path}/models"
        versions = f"{models}/{{model}}/versions"
        add = workspaces.arm.router.add
        add("GET", models, self._list_models, honors="$skip listViewType", refuses="count")
        add("GET", models + "/{model}", self._get_model)
        add("PUT", models + "/{model}", self._put_model)
        add("DELETE", models + "/{model}", self._delete_model)
        add(
            "GET",
            versions,
            self._list_versions,
            honors="$skip $top $orderBy version description tags properties listViewType offset",
            refuses="feed",
        )
        add("GET", versions + "/{version}", self._get_version)
        add("PUT", versions + "/{version}", self._put_version)
        add("DELETE", versions + "/{version}", self._delete_version)

    def _forget(self, workspace: Document) -> None:
        below = f"{workspace['id']}/models/".lower()
        for records in (self._models, self._versions):
            for each in records.all():
                if each["id"].lower().startswith(below):
                    records.remove(each["id"])

    # Models

    def _model_id(self, request: Request, right: str) -> str:
        workspace = self._workspaces.opened(request, f"models/{right}")
        return f"{workspace['id']}/models/{request.match['model']}"

    def _model(self, identity: str) -> Document:
        found = self._models.find(identity)
        if found is None:
            name = identity.rpartition("/")[2]
            raise errors.not_found_inside("ModelNotFound", f"Model container with name: {name} not found.")
        return found

    def _of(self, model: Document) -> list[Document]:
        """Return a model's versions, newest first."""
        found = [each for each in self._versions.all() if each["model"] == model["id"]]
        return sorted(found, key=lambda each: (float(each["created"]), int(each["name"])), reverse=True)

    def _list_models(self, request: Request) -> Response:
        workspace = self._workspaces.opened(request, "models/read")
        archived = _view(request)
        below = f"{workspace['id']}/models/".lower()
        found = [
            self._shown_model(each)
            for each in self._models.all()
            if each["id"].lower().startswith(below) and each["isArchived"] in archived
        ]
        return listed(request, found, "", _PAGE)

    def _get_model(self, request: Request) -> Response:
        return Response(200, self._shown_model(self._model(self._model_id(request, "read"))))

    def _put_model(self, request: Request) -> Response:
        identity = self._model_id(request, "write")
        found = self._models.find(identity)
        model = self._new_model(request, identity) if found is None else found
        self._take(request, model, given(request.json, "properties"))
        self._models.keep(model)
        return self._written(request, self._shown_model(model), found is None)

    def _delete_model(self, request: Request) -> Response:
        found = self._models.find(self._model_id(request, "delete"))
        if found is None:
            return Response(204)
        for each in self._of(found):
            self._versions.remove(each["id"])
        self._models.remove(found["id"])
        return Response(200)

    def _new_model(self, request: Request, identity: str) -> Document:
        name = request.match["model"]
        if not _NAME.fullmatch(name):
            raise _wrong(
                f"The model name '{name}' is invalid. It may have at most 255 characters: letters, digits, "
                "dashes, periods and underscores."
            )
        return self._new(request, identity, name)

    def _new(self, request: Request, identity: str, name: str) -> Document:
        now = self._world.clock.now()
        return {
            "id": identity,
            "name": name,
            "description": None,
            "tags": {},
            "properties": {},
            "isArchived": False,
            "created": now,
            "changed": now,
            "by": request.who.display_name,
            "by_application": bool(request.who.app_id),
        }

    def _take(self, request: Request, document: Document, wanted: JsonObject) -> None:
        """Update what can be changed in a model or a version: description, tags, new properties, archived or not.

        Raises:
            Refused: A property would be changed, or a value has the wrong form.
        """
        for name in ("tags", "properties"):
            pairs = given(wanted, name)
            if any(not isinstance(value, str) for value in pairs.values()):
                raise _wrong(f"The field '{name}' must hold strings.")
            if name == "tags" and wanted.get(name) is not None:
                document[name] = pairs
            elif name == "properties":
                for key, value in pairs.items():
                    if document[name].get(key, value) != value:
                        raise _wrong(f"Value of property {key} cannot be replaced to {value}.")
                document[name] = {**document[name], **pairs}
        if wanted.get("description") is not None:
            document["description"] = str(wanted["description"])
        if isinstance(wanted.get("isArchived"), bool):
            document["isArchived"] = wanted["isArchived"]
        document["changed"] = self._world.clock.now()

    def _written(self, request: Request, shown: JsonObject, new: bool) -> Response:
        """Return the response to a PUT; for a new resource, `Location` has its address (recorded)."""
        if not new:
            return Response(200, shown)
        return Response(
            201, shown, {"Location": f"{request.base}{shown['id']}?api-version={request.query['api-version']}"}
        )

    def _shown_model(self, model: Document) -> JsonObject:
        numbers = [int(each["name"]) for each in self._of(model)]
        latest = max(numbers, default=0)
        return {
            "id": model["id"],
            "name": model["name"],
            "type": _TYPE,
            "properties": {
                **_common(model),
                "latestVersion": str(latest) if latest else None,
                "nextVersion": str(latest + 1),
                "provisioningState": "Succeeded",
            },
            "systemData": _system_data(model),
        }

    # Versions

    def _version_id(self, request: Request, right: str) -> str:
        workspace = self._workspaces.opened(request, f"models/versions/{right}")
        return f"{workspace['id']}/models/{request.match['model']}/versions/{request.match['version']}"

    def _list_versions(self, request: Request) -> Response:
        workspace = self._workspaces.opened(request, "models/versions/read")
        model = self._model(f"{workspace['id']}/models/{request.match['model']}")
        archived = _view(request)
        number, description = request.query.get("version", ""), request.query.get("description", "")
        found = [
            each
            for each in self._of(model)
            if each["isArchived"] in archived
            and (not number or each["name"] == number)
            and (not description or each["description"] == description)
            and _has(each["tags"], request.query.get("tags", ""))
            and _has(each["properties"], request.query.get("properties", ""))
        ]
        order = request.query.get("$orderby", "").lower()
        if order in _OLDEST_FIRST:
            found.reverse()
        elif order not in _NEWEST_FIRST:
            raise _wrong(f"The practice cloud orders versions by createdAt only, not by '{order}'.")
        try:
            found = found[int(request.query.get("offset") or 0) :]
        except ValueError as error:
            raise _wrong("The value of offset is invalid.") from error
        return listed(request, [self._shown_version(each) for each in found], "$top", _PAGE)

    def _get_version(self, request: Request) -> Response:
        identity = self._version_id(request, "read")
        found = self._versions.find(identity)
        if found is None:
            name, number = request.match["model"], request.match["version"]
            self._model(identity.rpartition("/versions/")[0])
            raise errors.not_found_inside("ModelNotFound", f"Model with name {name}, version {number} not found.")
        return Response(200, self._shown_version(found))

    def _put_version(self, request: Request) -> Response:
        """Register a version, or update what can be changed in it; the model is created if it does not exist."""
        identity, wanted = self._version_id(request, "write"), given(request.json, "properties")
        found = self._versions.find(identity)
        if found is None:
            version = self._new_version(request, identity, wanted)
        else:
            version = found
            for name in ("modelUri", "modelType"):
                if wanted.get(name) is not None and str(wanted[name]) != version[name]:
                    raise _wrong("Asset paths cannot be updated.")
        if wanted.get("stage") is not None:
            version["stage"] = str(wanted["stage"])
        self._take(request, version, wanted)
        self._versions.keep(version)
        return self._written(request, self._shown_version(version), found is None)

    def _new_version(self, request: Request, identity: str, wanted: JsonObject) -> Document:
        number, uri = request.match["version"], str(wanted.get("modelUri") or "")
        if not re.fullmatch(r"[1-9]\d{0,9}", number):
            raise _wrong(f"The version '{number}' of a model is invalid: it must be a positive integer.")
        if not re.match(r"(azureml|runs|https?|wasbs?|abfss?)://?", uri):
            raise _wrong(f"The modelUri '{uri}' of the version is missing or invalid.")
        model = identity.rpartition("/versions/")[0]
        if self._models.find(model) is None:
            self._models.keep(self._new_model(request, model))
        return {
            **self._new(request, identity, number),
            "model": self._model(model)["id"],
            "modelUri": uri,
            "modelType": str(wanted.get("modelType") or "custom_model"),
            "jobName": wanted.get("jobName"),
            "stage": "Development",
            "flavors": wanted.get("flavors") or {},
        }

    def _delete_version(self, request: Request) -> Response:
        found = self._versions.find(self._version_id(request, "delete"))
        if found is None:
            return Response(204)
        self._versions.remove(found["id"])
        return Response(200)

    def _shown_version(self, version: Document) -> JsonObject:
        return {
            "id": version["id"],
            "name": version["name"],
            "type": _VERSIONS,
            "properties": {
                **_common(version),
                "isAnonymous": False,
                "flavors": version["flavors"],
                "modelType": version["modelType"],
                "modelUri": version["modelUri"],
                "jobName": version["jobName"],
                "provisioningState": "Succeeded",
                "stage": version["stage"],
            },
            "systemData": _system_data(version),
        }


def _common(document: Document) -> JsonObject:
    return {name: document[name] for name in ("description", "tags", "properties", "isArchived")}


def _system_data(document: Document) -> JsonObject:
    kind = "Application" if document["by_application"] else "User"
    return {
        "createdAt": timestamp(document["created"]),
        "createdBy": document["by"],
        "createdByType": kind,
        "lastModifiedAt": timestamp(document["changed"]),
        "lastModifiedBy": document["by"],
        "lastModifiedByType": kind,
    }


def _view(request: Request) -> tuple[bool, ...]:
    given_view = request.query.get("listviewtype") or "ActiveOnly"
    if given_view.lower() not in _VIEWS:
        raise _wrong(f"The listViewType '{given_view}' is invalid.")
    return _VIEWS[given_view.lower()]


def _has(pairs: JsonObject, asked: str) -> bool:
    """Return whether tags match a filter: "tag1,tag2=value2" (ModelVersions_List, `tags`)."""
    for each in filter(None, asked.split(",")):
        name, equals, value = each.partition("=")
        if name not in pairs or (equals and pairs[name] != value):
            return False
    return True


def _wrong(message: str) -> Refused:
    return errors.refused(400, "UserError", message)
