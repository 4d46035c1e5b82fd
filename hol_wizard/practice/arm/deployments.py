"""Deployments of templates to a resource group (resources: Deployments_CreateOrUpdate and its neighbors).

A deployment creates each resource as soon as those that it depends on exist, by the code that handles a client's PUT.
`az ml workspace create` sends one (azure-ai-ml, `workspace_base.json`). Resource types and template functions that are
not served, copies, linked and nested templates, the mode Complete, and what-if are refused by name. The fields are
recorded: Deployments_CreateOrUpdate, _Validate, _Get, DeploymentOperations_List.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import re
import uuid
from collections.abc import Mapping
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors, operations
from hol_wizard.practice.arm.inventory import Deployments, Resources
from hol_wizard.practice.arm.manager import PAGED, ResourceManager
from hol_wizard.practice.arm.operations import Style
from hol_wizard.practice.arm.templates import Expressions, TemplateError, UnknownYetError, named
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

LOG = logging.getLogger(__name__)
TYPE = "Microsoft.Resources/deployments"
_STEP = "deployment step"
_KIND = "deploy"
_UNQUOTED = re.compile(r"([{,]\s*)template(\s*:)")
"""az copies the template from the file into its request unchanged, after a key without quotes (recorded)."""
_HELP = "Please see https://aka.ms/arm-syntax-resources for usage details."
_ENDED = {"Succeeded", "Failed", "Canceled"}


class DeploymentTemplates:
    """Validates, starts, shows and deletes deployments."""

    def __init__(self, manager: ResourceManager) -> None:
        self._arm = manager
        self._world = manager.world
        self._kept = manager.world.part(Deployments)
        self._world.operations.on_end(_KIND, self._go_on)
        self._world.operations.on_end("delete-deployment", lambda world, done: self._kept.remove(done["target"]))
        group = "/subscriptions/{subscription}/resourceGroups/{group}"
        every = f"{group}/providers/{TYPE}"
        one = f"{every}/{{name}}"
        add = manager.router.add
        add("GET", every, self._list, honors=PAGED, refuses="$filter")
        add("PUT", one, self._put)
        add("GET", one, self._get)
        add("HEAD", one, self._head)
        add("DELETE", one, self._delete)
        add("POST", f"{one}/validate", self._validate)
        add("POST", f"{one}/whatIf", self._what_if)
        add("POST", f"{one}/cancel", self._cancel)
        add("POST", f"{one}/exportTemplate", self._export)
        add("GET", f"{one}/operationStatuses/{{operation}}", self._status)
        for below in (f"{group}/deployments/{{name}}/operations", f"{one}/operations"):
            add("GET", below, self._list_operations, honors=PAGED)

    # Which deployment, and who may access it

    def _place(self, request: Request, right: str) -> tuple[Document, str]:
        """Return the group and the deployment's ID."""
        subscription = self._arm.subscription(request)
        identity = f"/subscriptions/{subscription.id}/resourceGroups/{request.match['group']}/providers/{TYPE}"
        if "name" in request.match:
            identity += f"/{request.match['name']}"
        self._arm.require(request, f"{TYPE}/{right}", identity)
        return self._arm.group(subscription, request.match["group"]), identity

    def _found(self, request: Request, right: str) -> Document:
        found = self._kept.find(self._place(request, right)[1])
        if found is None:
            name = request.match["name"]
            raise errors.refused(404, "DeploymentNotFound", f"Deployment '{name}' could not be found.", gateway=True)
        return found

    # Requests

    def _list(self, request: Request) -> Response:
        group, _ = self._place(request, "read")
        found = [each for each in self._kept.all() if each["group"] == group["id"].lower()]
        return self._arm.page(request, [_shown(each) for each in found])

    def _get(self, request: Request) -> Response:
        return Response(200, _shown(self._found(request, "read")))

    def _head(self, request: Request) -> Response:
        return Response(404 if self._kept.find(self._place(request, "read")[1]) is None else 204)

    def _status(self, request: Request) -> Response:
        found = self._found(request, "operationstatuses/read")
        if found["operation"] != request.match["operation"]:
            raise errors.refused(404, "OperationNotFound", "The operation could not be found.", gateway=True)
        body: JsonObject = {"status": found["state"]}
        if found["error"]:
            body["error"] = found["error"]
        return Response(200, body, {} if found["state"] in _ENDED else self._world.clock.retry_headers())

    def _export(self, request: Request) -> Response:
        return Response(200, {"template": self._found(request, "exportTemplate/action")["template"]})

    def _what_if(self, request: Request) -> Response:
        self._place(request, "whatIf/action")
        raise errors.refused(
            400,
            "UnservedOperation",
            "The practice cloud does not predict what a deployment changes (what-if). Validate the template instead.",
            gateway=True,
        )

    def _cancel(self, request: Request) -> Response:
        found = self._found(request, "cancel/action")
        if found["state"] in _ENDED:
            raise errors.refused(
                409,
                "DeploymentCannotBeCancelled",
                f"The deployment '{found['name']}' cannot be cancelled because it is in provisioning state "
                f"'{found['state']}'. Please see https://aka.ms/arm-manage-deployments for usage details.",
                gateway=True,
            )
        self._kept.keep({**found, "state": "Canceled", "ended": self._world.clock.now()})
        return Response(204)

    def _delete(self, request: Request) -> Response:
        """Start a deletion; refuse a running deployment, and accept one that does not exist (Deployments_Delete).

        The error code is that of a PUT; its text is unrecorded.
        """
        found = self._kept.find(self._place(request, "delete")[1])
        if found is None:
            return Response(204)
        if found["state"] not in _ENDED:
            raise errors.refused(
                409,
                "DeploymentActive",
                f"The deployment '{found['name']}' cannot be deleted because it is in provisioning state "
                f"'{found['state']}'.",
                gateway=True,
            )
        path = "/".join(str(found["id"]).split("/")[:3]) + "/operationresults"
        _, address = operations.begin(self._world, request, "delete-deployment", found["id"], _STEP, Style.EMPTY, path)
        return Response(202, headers={"Location": address, **self._world.clock.retry_headers()})

    def _list_operations(self, request: Request) -> Response:
        """List the operations of a deployment, newest first."""
        found = self._found(request, "operations/read")
        shown = [
            {
                "id": f"{found['id']}/operations/{each['operation']}",
                "operationId": each["operation"],
                "properties": {
                    "provisioningOperation": "Create",
                    "provisioningState": each["state"],
                    "timestamp": timestamp(each["changed"]),
                    "duration": f"PT{max(0.0, each['changed'] - found['started']):.7f}S",
                    "trackingId": each["operation"],
                    "statusCode": each["status"],
                    **({"statusMessage": {"error": each["error"]}} if each["error"] else {}),
                    "targetResource": {
                        "id": each["id"],
                        "resourceType": each["type"],
                        "resourceName": each["name"],
                    },
                },
            }
            for each in reversed(found["resources"])
            if each["state"] != "Waiting"
        ]
        return self._arm.page(request, shown)

    def _validate(self, request: Request) -> Response:
        deployment = self._read(request, "validate/action")
        body = _shown({**deployment, "state": "Succeeded"})
        body["properties"]["validatedResources"] = [each["body"] for each in deployment["resources"]]
        return Response(200, body)

    def _put(self, request: Request) -> Response:
        deployment = self._read(request, "write")
        known = self._kept.find(deployment["id"])
        if known is not None and known["state"] not in _ENDED:
            raise errors.refused(
                409,
                "DeploymentActive",
                f"Unable to edit or replace deployment '{known['name']}': previous deployment from "
                f"'{timestamp(known['started'])}' is still active.",
                gateway=True,
            )
        self._kept.keep(deployment)
        self._begin(deployment)
        address = f"{request.base}{deployment['id']}/operationStatuses/{deployment['operation']}"
        headers = {"Azure-AsyncOperation": f"{address}?api-version={request.query['api-version']}"}
        return Response(201, _shown(deployment), {**headers, **self._world.clock.retry_headers()})

    # The template

    def _read(self, request: Request, right: str) -> Document:
        """Return the deployment that a request describes, not yet started.

        Raises:
            Refused: The template is wrong, or uses something that is not served.
        """
        group, identity = self._place(request, right)
        wanted = _body(request).get("properties")
        template = wanted.get("template") if isinstance(wanted, dict) else None
        if not isinstance(wanted, dict) or not isinstance(template, dict):
            raise _unserved("templates that are not part of the request")
        if str(wanted.get("mode")).lower() != "incremental":
            raise _unserved(f"the mode '{wanted.get('mode')}'")
        given = wanted.get("parameters") or {}
        if not isinstance(given, dict) or not all(isinstance(each, dict) for each in given.values()):
            raise _invalid("the parameters are no objects with a value")
        now = self._world.clock.now()
        deployment: Document = {
            "id": identity,
            "name": request.match["name"],
            "group": group["id"].lower(),
            "template": template,
            "values": {name: each.get("value") for name, each in given.items()},
            "by": request.who.id,
            "base": request.base,
            "state": "Accepted",
            "started": now,
            "ended": now,
            "operation": str(uuid.uuid4()),
            "correlation": str(uuid.uuid4()),
            "error": None,
            "outputs": {},
            "resources": [],
        }
        try:
            deployment["parameters"] = self._parameters(deployment)
            expressions = self._expressions(deployment)
            deployment["resources"] = self._resources(template, expressions, group)
            for name in template.get("outputs") or {}:
                expressions.known(template["outputs"][name].get("value"))
        except TemplateError as error:
            raise _invalid(str(error)) from error
        except (AttributeError, KeyError, TypeError):
            raise _invalid("a part of the template has another type than its schema says") from None
        return deployment

    def _parameters(self, deployment: Document) -> JsonObject:
        """Return the parameters with their types and values."""
        declared, given = deployment["template"].get("parameters") or {}, deployment["values"]
        names = {name.lower() for name in declared}
        extra = [name for name in given if name.lower() not in names]
        if extra:
            raise TemplateError(
                f"The template parameters '{', '.join(extra)}' in the parameters file are not valid; they are not "
                "present in the original template and can therefore not be provided at deployment time. The only "
                f"supported parameters for this template are '{', '.join(declared)}'."
            )
        lowered = {name.lower(): value for name, value in given.items()}
        about = {name.lower(): (name, each) for name, each in declared.items()}
        found: JsonObject = {}

        def value(name: str) -> Any:
            """Return a parameter's value; a default may name a parameter that is declared later."""
            key, each = named(about, name, "parameter")
            if key not in found:
                found[key] = None  # a default that refers to itself
                found[key] = {
                    "type": _type(str(each.get("type"))),
                    "value": self._value(key, each, lowered, expressions),
                }
            if found[key] is None:
                raise TemplateError(f"The template parameter '{key}' refers to itself.")
            return found[key]["value"]

        expressions = Expressions(value, {}, self._scope(deployment), _nothing)
        for name in declared:
            value(name)
        return {name: found[name] for name in declared}

    @staticmethod
    def _value(name: str, about: JsonObject, given: Mapping[str, Any], expressions: Expressions) -> Any:
        if name.lower() in given:
            value = given[name.lower()]
        elif "defaultValue" in about:
            value = expressions.value(about["defaultValue"])
        else:
            raise TemplateError(
                f"The value for the template parameter '{name}' at line '1' and column '1' is not provided. Please see "
                "https://aka.ms/resource-manager-parameter-files for usage details."
            )
        allowed = about.get("allowedValues")
        if allowed and value not in allowed:
            raise TemplateError(
                f"The provided value '{value}' for the template parameter '{name}' is not valid. The value must be "
                f"part of the list(s): '{','.join(str(each) for each in allowed)}'."
            )
        return value

    def _scope(self, deployment: Document) -> Mapping[str, Any]:
        group = self._arm.group_of(deployment["group"])
        subscription = str(group["subscription"])
        return {
            "subscription": {
                "id": f"/subscriptions/{subscription}",
                "subscriptionId": subscription,
                "tenantId": seed.TENANT,
                "displayName": seed.SUBSCRIPTIONS[subscription].name,
            },
            "resourcegroup": {
                "id": group["id"],
                "name": group["name"],
                "location": group["location"],
                "tags": group["tags"],
                "properties": {"provisioningState": group["state"]},
            },
        }

    def _expressions(self, deployment: Document, *, deployed: bool = False) -> Expressions:
        values = {name.lower(): each["value"] for name, each in deployment["parameters"].items()}
        variables = deployment["template"].get("variables") or {}

        def reference(name: str, whole: bool) -> Any:
            found = next((each for each in deployment["resources"] if name in {each["id"], each["name"]}), None)
            resource = self._world.part(Resources).find(found["id"] if found else name)
            if not deployed or resource is None:
                raise UnknownYetError(f"The resource '{name}' is not deployed.")
            shown = self._arm.render(resource)
            return shown if whole else shown["properties"]

        return Expressions(lambda name: named(values, name, "parameter"), variables, self._scope(deployment), reference)

    def _resources(self, template: JsonObject, expressions: Expressions, group: Document) -> list[JsonObject]:
        """Return the resources whose conditions hold, each with its ID and the IDs of the resources that it waits
        for."""
        found: list[JsonObject] = []
        written = template.get("resources") or []
        needs: dict[str, list[str]] = {}
        for each in written.values() if isinstance(written, dict) else written:
            kind, name = str(each.get("type")), str(expressions.value(each.get("name")))
            _check_segments(kind, name)
            identity = f"{group['id']}/providers/{kind}/{name}"
            if identity.lower() in needs:
                raise TemplateError(
                    f"The resource '{kind}/{name}' at line '1' and column '1' is defined multiple times in a template. "
                    f"{_HELP}"
                )
            needs[identity.lower()] = [str(expressions.value(need)) for need in each.get("dependsOn") or ()]
            if not expressions.value(each.get("condition", True)):
                continue
            served = self._arm.types.get(kind.lower())
            if served is None or "copy" in each or "scope" in each:
                raise _unserved(f"'{'copy' if 'copy' in each else kind}' in a template")
            body = {
                key: value
                for key, value in each.items()
                if key not in {"condition", "type", "apiVersion", "name", "dependsOn", "comments", "resourceGroup"}
            }
            version = str(each.get("apiVersion"))
            shown = {"apiVersion": version, "id": identity, "name": name, "type": kind, **expressions.known(body)}
            found.append(
                {
                    "id": identity,
                    "name": name,
                    "type": kind,
                    "version": version,
                    "written": body,
                    "body": shown,
                    "state": "Waiting",
                    "status": "",
                    "error": None,
                    "changed": self._world.clock.now(),
                    "operation": uuid.uuid4().hex[:16].upper(),
                }
            )
        dependencies = _dependencies(needs, group["id"])
        return [{**each, "needs": dependencies[each["id"].lower()]} for each in found]

    # Its progress

    def _begin(self, deployment: Document) -> None:
        self._world.operations.begin(
            _KIND, deployment["id"], _STEP, deployment["id"], method="PUT", deployment=deployment["operation"]
        )

    def _go_on(self, world: World, operation: Document) -> None:
        """Advance a deployment by one step: check the state of its resources, and start those that can be started."""
        deployment = self._kept.find(operation["target"])
        if deployment is None or deployment["operation"] != operation["deployment"]:
            return
        if deployment["state"] in _ENDED:
            return
        deployment["state"] = "Running"
        if operation["error"]:
            self._end(deployment, operation["error"])
            return
        for each in deployment["resources"]:
            if each["state"] == "Running":
                self._look(each)
        if not any(each["state"] == "Failed" for each in deployment["resources"]):
            for each in deployment["resources"]:
                if each["state"] == "Waiting" and not self._waits(deployment, each):
                    self._start(deployment, each)
        running = any(each["state"] == "Running" for each in deployment["resources"])
        failed = [each for each in deployment["resources"] if each["state"] == "Failed"]
        if running or (not failed and any(each["state"] == "Waiting" for each in deployment["resources"])):
            self._kept.keep(deployment)
            self._begin(deployment)
            return
        self._end(deployment, _failed(failed) if failed else None)

    @staticmethod
    def _waits(deployment: Document, resource: JsonObject) -> bool:
        """Return whether a dependency of a resource is missing; resources whose condition is false do not count."""
        return any(
            each["state"] != "Succeeded" and each["id"].lower() in resource["needs"] for each in deployment["resources"]
        )

    def _look(self, resource: JsonObject) -> None:
        found = self._world.part(Resources).find(resource["id"])
        if found is not None and found["state"] not in {"Succeeded", "Failed"}:
            return
        succeeded = found is not None and found["state"] == "Succeeded"
        resource |= {"state": "Succeeded" if succeeded else "Failed", "changed": self._world.clock.now()}
        if not succeeded:
            message = "The resource operation completed with terminal provisioning state 'Failed'."
            resource |= {"status": "Conflict", "error": {"code": "ResourceDeploymentFailure", "message": message}}

    def _start(self, deployment: Document, resource: JsonObject) -> None:
        """PUT a resource as the template has it, as the caller that started the deployment."""
        resource["changed"] = self._world.clock.now()
        try:
            body = self._expressions(deployment, deployed=True).value(resource["written"])
        except TemplateError as error:
            resource |= {"state": "Failed", "status": "BadRequest"}
            resource["error"] = {"code": "InvalidTemplate", "message": str(error)}
            return
        route, caught, _ = self._arm.router.find("PUT", resource["id"])
        request = Request(
            "PUT",
            resource["id"],
            {"api-version": resource["version"]},
            {},
            json.dumps(body).encode(),
            deployment["base"],
            match=caught,
            caller=self._world.principal(deployment["by"]),
        )
        try:
            self._arm.check_version(request, resource["version"])
            response = route.handler(request) if route is not None else Response(404)
            if inspect.isawaitable(response):
                raise TypeError(f"a PUT of {resource['type']} waits for something")
        except Refused as refused:
            response = refused.response
        except ValueError:
            response = errors.error_answer(400, "InvalidRequestContent", "The request content was invalid.")
        except (AttributeError, LookupError, TypeError):
            # A client would get a 500; here the error must not block every other request.
            LOG.exception("PUT %s in the deployment %s", resource["id"], deployment["name"])
            response = errors.error_answer(
                500, "InternalServerError", "The practice cloud has a defect; see server.log."
            )
        if response.status >= 400:
            said = response.body.get("error") if isinstance(response.body, dict) else None
            resource |= {"state": "Failed", "status": "BadRequest", "error": said}
            return
        resource |= {"state": "Running", "status": {200: "OK", 201: "Created"}.get(response.status, "Accepted")}
        self._look(resource)

    def _end(self, deployment: Document, error: JsonObject | None) -> None:
        deployment |= {"state": "Failed" if error else "Succeeded", "error": error, "ended": self._world.clock.now()}
        if not error:
            expressions = self._expressions(deployment, deployed=True)
            try:
                deployment["outputs"] = {
                    name: {"type": _type(str(each.get("type"))), "value": expressions.value(each.get("value"))}
                    for name, each in (deployment["template"].get("outputs") or {}).items()
                }
            except TemplateError as wrong:
                message = f"The template output is not valid: {wrong}"
                deployment |= {
                    "state": "Failed",
                    "error": {"code": "DeploymentOutputEvaluationFailed", "message": message},
                }
        self._kept.keep(deployment)


def _check_segments(kind: str, name: str) -> None:
    """Check that the name of a resource has as many parts as its type.

    Raises:
        TemplateError: It does not (public: "has incorrect segment lengths").
    """
    if name.count("/") + 1 != kind.count("/") or not all(name.split("/")):
        raise TemplateError(
            f"The template resource '{name}' for type '{kind}' at line '1' and column '1' has incorrect segment "
            "lengths. A nested resource type must have identical number of segments as its resource name. A root "
            f"resource type must have segment length one greater than its resource name. {_HELP}"
        )


def _dependencies(needs: Mapping[str, list[str]], group: str) -> dict[str, list[str]]:
    """Return the IDs of each resource's dependencies, in lowercase: all are in the template, and none is circular.

    Args:
        needs: The dependencies of each resource, by the resource's ID in lowercase.
        group: Id of the resource group.

    Raises:
        TemplateError: One is not in the template, or is circular (public: "is not defined in the template", "Circular
            dependency").
    """
    names: dict[str, list[str]] = {}
    for identity in needs:
        names.setdefault(identity, []).append(identity)
        names.setdefault(_name_of(identity), []).append(identity)
    found: dict[str, list[str]] = {}
    for identity, wanted in needs.items():
        found[identity] = []
        for each in wanted:
            meant = names.get(each.lower()) or names.get(f"{group.lower()}/providers/{each.lower()}")
            if not meant:
                raise TemplateError(f"The resource '{each}' is not defined in the template. {_HELP}")
            found[identity] += meant
    waits = {identity: set(each) for identity, each in found.items()}
    while waits:
        free = {identity for identity, left in waits.items() if not left}
        if not free:
            raise TemplateError(f"Circular dependency detected on resource: '{next(iter(waits))}'. {_HELP}")
        waits = {identity: left - free for identity, left in waits.items() if identity not in free}
    return found


def _name_of(identity: str) -> str:
    """Return the name of the resource with an ID; that of a nested one includes its parents."""
    return "/".join(identity.rpartition("/providers/")[2].split("/")[2::2])


def _body(request: Request) -> JsonObject:
    """Return the body of a request, also in the form that az sends."""
    try:
        return request.json
    except ValueError:
        text = request.content.decode("utf-8-sig")
        body = json.loads(_UNQUOTED.sub(r'\1"template"\2', text, count=1))
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object") from None
        return body


def _nothing(name: str, whole: bool) -> Any:
    del whole
    raise TemplateError(f"The template function 'reference' is not expected at this location: '{name}'.")


def _type(name: str) -> str:
    """Return the name of a type as responses show it (recorded: `String`, `SecureString`)."""
    known = {"string": "String", "securestring": "SecureString", "int": "Int", "bool": "Bool", "array": "Array"}
    return {**known, "object": "Object", "secureobject": "SecureObject"}.get(name.lower(), name)


def _invalid(message: str) -> Refused:
    """Return the error for a template that is refused (recorded: InvalidTemplate)."""
    violation = {"lineNumber": 1, "linePosition": 1, "path": ""}
    return errors.refused(
        400,
        "InvalidTemplate",
        f"Deployment template validation failed: '{message}'.",
        gateway=True,
        additionalInfo=[{"type": "TemplateViolation", "info": violation}],
    )


def _unserved(what: str) -> Refused:
    message = f"The practice cloud does not serve {what}."
    details = [{"code": "UnservedTemplate", "message": message, "details": []}]
    return errors.refused(400, "InvalidTemplateDeployment", message, gateway=True, details=details)


def _failed(failed: list[JsonObject]) -> JsonObject:
    """Return the error of a deployment (learn.microsoft.com, "Troubleshoot common ARM template deployment errors")."""
    details = [
        {
            "code": each["status"],
            "target": each["id"],
            "message": json.dumps({"error": each["error"]}, indent=2),
        }
        for each in failed
    ]
    return {
        "code": "DeploymentFailed",
        "message": "At least one resource deployment operation failed. Please list deployment operations for details. "
        "Please see https://aka.ms/arm-deployment-operations for usage details.",
        "details": details,
    }


def _shown(deployment: Document) -> JsonObject:
    namespaces: dict[str, dict[str, set[str]]] = {}
    for each in deployment["resources"]:
        namespace, _, kind = each["type"].partition("/")
        namespaces.setdefault(namespace, {}).setdefault(kind, set()).add(str(each["body"].get("location")))
    ids = {each["id"].lower(): each for each in deployment["resources"]}
    dependencies = [
        {
            "dependsOn": [_target(ids[need]) for need in each["needs"] if need in ids],
            **_target(each),
        }
        for each in deployment["resources"]
        if any(need in ids for need in each["needs"])
    ]
    digest = hashlib.sha256(json.dumps(deployment["template"], sort_keys=True).encode()).hexdigest()
    properties: JsonObject = {
        "templateHash": str(int(digest[:16], 16)),
        "parameters": _without_secrets(deployment["parameters"]),
        "mode": "Incremental",
        "provisioningState": deployment["state"],
        "timestamp": timestamp(deployment["ended"]),
        "duration": f"PT{max(0.0, deployment['ended'] - deployment['started']):.7f}S",
        "correlationId": deployment["correlation"],
        "providers": [
            {
                "namespace": namespace,
                "resourceTypes": [
                    {"resourceType": kind, "locations": sorted(places)} for kind, places in kinds.items()
                ],
            }
            for namespace, kinds in namespaces.items()
        ],
        "dependencies": dependencies,
    }
    if deployment["state"] == "Succeeded":
        properties["outputs"] = _without_secrets(deployment["outputs"])
        properties["outputResources"] = [{"id": each["id"]} for each in deployment["resources"]]
    if deployment["error"]:
        properties["error"] = deployment["error"]
    return {"id": deployment["id"], "name": deployment["name"], "type": TYPE, "properties": properties}


def _without_secrets(values: JsonObject) -> JsonObject:
    """Return parameters or outputs as the history shows them: only the type of those with a secure type."""
    return {
        name: {"type": each["type"]} if each["type"].startswith("Secure") else each for name, each in values.items()
    }


def _target(resource: JsonObject) -> JsonObject:
    return {"id": resource["id"], "resourceType": resource["type"], "resourceName": resource["name"]}
