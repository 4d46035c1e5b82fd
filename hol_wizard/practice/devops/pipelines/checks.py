"""Approvals on protected resources, and the decisions about them (Approvals and Checks, 7.1; official examples).

Of the kinds of checks, only `Approval` is served: people approve before a stage that uses the resource starts.
The ID of an approval is that of its record `Checkpoint.Approval`.
"""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.approvers import Approvers
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.paging import words
from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissions
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.environments import Environments
from hol_wizard.practice.devops.pipelines.scope import (
    PROJECT,
    Place,
    Scope,
    address,
    denied,
    enumerated,
    invalid,
    unserved,
)
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import (
    JsonObject,
    Request,
    Response,
    Router,
    boolean,
    member,
    members,
    text,
    whole_number,
)
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import Check
from hol_wizard.practice.pipelines.orchestrate.approvals import DecisionError, Status
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import ProtectedKind

APPROVAL: Final = "8c6f20a7-a545-4486-9777-f762fafe0d4d"
"""ID of the type `Approval`, the same everywhere (official examples)."""
_SPACE: Final = "Microsoft.Azure.Pipelines.Checks.WebApi"
_MOST_MINUTES: Final = 43_200
"""30 days, which is also the default; that it is the most is an estimate."""
_SETTINGS: Final = frozenset(
    {
        *("approvers", "executionOrder", "minRequiredApprovers", "instructions", "blockedApprovers"),
        *("requesterCannotBeApprover", "definitionRef"),
    }
)
_ORDERS: Final = ("anyOrder", "inSequence")
_ORDER_NUMBERS: Final = {"1": "anyOrder", "2": "inSequence"}
"""The same as numbers, which several public clients send."""
_EXPANSIONS: Final = ("none", "settings")
_STEPS: Final = ("none", "steps", "permissions")


class Checks(NumberedRegister):
    """The approvals that resources are configured with."""

    collection = "devops_checks"

    def of(self, project: str, kind: str, resource: str) -> list[Document]:
        """Return the checks of a resource."""
        found = (each for each in self.all() if each["project"] == project)
        return [each for each in found if (each["kind"], each["resource"]) == (kind.lower(), resource.lower())]

    def for_run(self, project: str, kind: str, resource: str) -> list[Check]:
        """Return the approvals that a run has to wait for; a disabled one asks nobody."""
        return [
            Check(
                str(each["id"]),
                each["approvers"],
                each["minimum"],
                each["timeout"],
                each["instructions"],
                each["requester_may_approve"],
            )
            for each in self.of(project, kind, resource)
            if not each["disabled"]
        ]


class CheckRequests:
    """Handles requests about the configurations of checks."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._world = world
        self._checks = world.part(Checks)
        self._environments = world.part(Environments)
        self._permissions = world.part(PipelinePermissions)
        self._scope = requests
        self._approvers = Approvers(world, requests.people)
        self._environments.when_deleted.append(self._forget)
        path = f"{PROJECT}/pipelines/checks"
        router.add("GET", f"{path}/configurations", self._list, honors="resourceType resourceId $expand")
        router.add("POST", f"{path}/configurations", self._create)
        one = f"{path}/configurations/{{check}}"
        router.add("GET", one, self._get, honors="$expand")
        router.add("PATCH", one, self._change)
        router.add("DELETE", one, self._delete)
        router.add("POST", f"{path}/queryconfigurations", self._query, honors="$expand")

    def _forget(self, project: str, environment: str) -> None:
        """Delete the checks and the permissions of a deleted environment."""
        kind = ProtectedKind.ENVIRONMENT
        self._permissions.forget(project, kind, environment)
        for each in self._checks.of(project, kind, environment):
            self._checks.remove(str(each["id"]))

    def _find(self, request: Request, place: Place) -> Document:
        found = self._checks.find(request.match["check"])
        if found is None or found["project"] != place.id:
            message = f"The check configuration {request.match['check']} does not exist."
            raise errors.refused(404, message, "CheckConfigurationNotFoundException", _SPACE)
        return found

    def _given(self, place: Place, body: JsonObject) -> Document:
        """Return what a body configures; it is checked first."""
        kind = member(body, "type")
        # A public client sends the name alone.
        if (text(kind, "id") or text(kind, "name")).lower() not in {APPROVAL, "approval"}:
            raise unserved(f"the check '{text(kind, 'name') or text(kind, 'id')}'")
        settings = member(body, "settings")
        for name, value in settings.items():
            if name not in _SETTINGS and value is not None:
                raise unserved(f"the setting '{name}' of an approval")
        if members(settings, "blockedApprovers"):
            raise unserved("approvers that are blocked")
        approvers = [text(each, "id").lower() for each in members(settings, "approvers")]
        if not approvers:
            raise invalid("An approval needs at least one approver.")
        for each in approvers:
            if not self._approvers.exists(place, each):
                raise invalid(f"The identity {each} is not recognized.")
        given = str(settings.get("executionOrder") or "anyOrder")
        order = enumerated(_ORDER_NUMBERS.get(given, given), _ORDERS, "executionOrder")
        if order != "anyOrder" and len(approvers) > 1:
            raise unserved("approvers in sequence")
        minimum = whole_number(settings, "minRequiredApprovers")
        if not 0 <= minimum <= len(approvers):
            raise invalid("minRequiredApprovers is at most the number of approvers.")
        timeout = whole_number(body, "timeout") or _MOST_MINUTES
        if not 0 < timeout <= _MOST_MINUTES:
            raise invalid(f"The timeout of a check is from 1 to {_MOST_MINUTES} minutes.")
        return {
            "approvers": approvers,
            "minimum": minimum,
            "order": order,
            "instructions": text(settings, "instructions"),
            "requester_may_approve": not boolean(settings, "requesterCannotBeApprover"),
            "timeout": timeout,
            "disabled": boolean(body, "isDisabled"),
        }

    def _resource(self, place: Place, body: JsonObject) -> Document:
        resource = member(body, "resource")
        kinds = tuple(each.value for each in ProtectedKind)
        kind, identity = enumerated(text(resource, "type"), kinds, "type"), text(resource, "id")
        given, name = text(resource, "name"), self._permissions.name_of(place.id, kind, identity)
        if name is None:
            raise invalid(f"The resource {kind} {identity} does not exist.")
        return {"kind": kind, "resource": identity.lower(), "name": name or given}

    def _see_that_administered(self, request: Request, place: Place, check: Document) -> None:
        """Make sure that the caller administers the resource of a check.

        Raises:
            Refused: They do not.
        """
        if not self._permissions.administers(place, check["kind"], check["resource"], request.who):
            raise denied(request.who, "Manage checks", place)

    def _list(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        found = self._checks.of(place.id, query.get("resourcetype", ""), query.get("resourceid", ""))
        return self._listed(request, place, found)

    def _query(self, request: Request) -> Response:
        place = self._scope.read(request)
        asked = [(text(each, "type"), text(each, "id")) for each in scope.objects(request)]
        return self._listed(request, place, [each for one in asked for each in self._checks.of(place.id, *one)])

    def _listed(self, request: Request, place: Place, found: list[Document]) -> Response:
        settings = scope.choice(request, "$expand", _EXPANSIONS) == "settings"
        shown = [self._shown(request, place, each, settings=settings) for each in found]
        return Response(200, {"count": len(shown), "value": shown})

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        settings = scope.choice(request, "$expand", _EXPANSIONS) == "settings"
        return Response(200, self._shown(request, place, self._find(request, place), settings=settings))

    def _create(self, request: Request) -> Response:
        place, now = self._scope.read(request), self._world.clock.now()
        resource = self._resource(place, request.json)
        self._see_that_administered(request, place, resource)
        made: Document = {
            "id": self._checks.next_number(),
            "project": place.id,
            "by": request.who.id,
            "created": now,
            "modified": now,
            **resource,
            **self._given(place, request.json),
        }
        self._checks.keep(made)
        return Response(200, self._shown(request, place, made, settings=True))

    def _change(self, request: Request) -> Response:
        place = self._scope.read(request)
        found = self._find(request, place)
        self._see_that_administered(request, place, found)
        if member(request.json, "resource"):
            asked = self._resource(place, request.json)
            if asked["resource"] != found["resource"] or asked["kind"] != found["kind"]:
                raise invalid("The resource of a check cannot be changed.")
        changed = {**found, **self._given(place, request.json), "modified": self._world.clock.now()}
        self._checks.keep(changed)
        return Response(200, self._shown(request, place, changed, settings=True))

    def _delete(self, request: Request) -> Response:
        place = self._scope.read(request)
        found = self._find(request, place)
        self._see_that_administered(request, place, found)
        self._checks.remove(str(found["id"]))
        return Response(204)

    def _shown(self, request: Request, place: Place, found: Document, *, settings: bool) -> JsonObject:
        url = f"{address(request, place)}/pipelines/checks/configurations/{found['id']}"
        who = self._scope.identity(request, place, found["by"])
        configured = {
            "approvers": [self._approvers.shown(request, place, each) for each in found["approvers"]],
            "executionOrder": found["order"],
            "minRequiredApprovers": found["minimum"],
            "instructions": found["instructions"],
            "blockedApprovers": [],
            "requesterCannotBeApprover": not found["requester_may_approve"],
        }
        return {
            **({"settings": configured} if settings else {}),
            "createdBy": who,
            "createdOn": timestamp(found["created"]),
            "modifiedBy": who,
            "modifiedOn": timestamp(found["modified"]),
            "timeout": found["timeout"],
            "isDisabled": found["disabled"],
            "_links": {"self": {"href": url}},
            "id": found["id"],
            "type": {"id": APPROVAL, "name": "Approval"},
            "url": url,
            "resource": {"type": found["kind"], "id": found["resource"], "name": found["name"]},
        }


class ApprovalRequests:
    """Handles requests about the approvals that runs wait for."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._runs = world.part(Runs)
        self._scope = requests
        self._approvers = Approvers(world, requests.people)
        path = f"{PROJECT}/pipelines/approvals"
        # The path is also that of a pipeline whose ID is "approvals", and so are its described parameters.
        honored = "approvalIds userIds state top $expand"
        router.add("GET", path, self._list, honors=honored, refuses="assignedTo", ignores="pipelineVersion")
        router.add("PATCH", path, self._update)
        router.add("GET", f"{path}/{{approval}}", self._get, honors="$expand")

    def _of(self, place: Place) -> list[Document]:
        found = []
        for each in self._runs.approvals.all():
            run = self._runs.find(each["run"])
            if run is not None and run["request"]["project"]["id"] == place.id:
                found.append(each)
        return found

    def _list(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        ids, users = ({each.lower() for each in words(request, name)} for name in ("approvalIds", "userIds"))
        states = tuple(each.value for each in Status)
        state = scope.choice(request, "state", (*states, "all", "undefined"))
        found = [
            each
            for each in self._of(place)
            if (not ids or each["id"] in ids)
            and (not users or users & {step["approver"] for step in each["steps"]})
            and state in {"", "all", "undefined", each["status"]}
        ]
        top = scope.numbers(request, "top") or {len(found)}
        if len(top) > 1:
            raise invalid(f"The value '{query['top']}' of 'top' is not valid.")
        most = max(top)
        value = [self._shown(request, place, each, self._wants_steps(request)) for each in found[:most]]
        return Response(200, {"count": len(value), "value": value})

    @staticmethod
    def _wants_steps(request: Request) -> bool:
        return scope.choice(request, "$expand", _STEPS) == "steps"

    def _get(self, request: Request) -> Response:
        place = self._scope.read(request)
        found = self._find(place, request.match["approval"])
        return Response(200, self._shown(request, place, found, self._wants_steps(request)))

    def _find(self, place: Place, identity: str) -> Document:
        for each in self._of(place):
            if each["id"] == identity.lower():
                return each
        message = f"The approval {identity} does not exist."
        raise errors.refused(404, message, "ApprovalNotFoundException", _SPACE)

    def _update(self, request: Request) -> Response:
        """Approve or reject: only an approver, and only once (the texts of refusals are estimates)."""
        place = self._scope.read(request)
        who, value = member_id(place.organization.name, request.who.id), []
        may_act_for = self._approvers.acts_for(place, request.who)
        for body in scope.objects(request):
            for name in ("reassignTo", "assignedApprover", "deferredTo"):
                if body.get(name):
                    raise unserved(f"the member '{name}' of an approval")
            status = Status(enumerated(text(body, "status"), (Status.APPROVED, Status.REJECTED), "status"))
            found = self._find(place, text(body, "approvalId"))
            try:
                decided = self._runs.decide(found["id"], who, may_act_for, status, text(body, "comment"))
            except DecisionError as error:
                raise invalid(str(error), "ApprovalUpdateException") from error
            value.append(self._shown(request, place, decided, True))
        return Response(200, {"count": len(value), "value": value})

    def _shown(self, request: Request, place: Place, found: Document, steps: bool) -> JsonObject:
        url = f"{address(request, place)}/pipelines/approvals/{found['id']}"
        shown = []
        for order, each in enumerate(found["steps"] if steps else (), 1):
            step: JsonObject = {
                "assignedApprover": self._approvers.shown(request, place, each["approver"]),
                "status": each["status"],
                "comment": each["comment"],
                "lastModifiedOn": timestamp(each["changed"]),
                "order": order,
                "initiatedOn": timestamp(found["created"]),
                "history": [],
            }
            if each["actual"]:
                actual = self._approvers.shown(request, place, each["actual"])
                step |= {"actualApprover": actual, "lastModifiedBy": actual}
            shown.append(step)
        return {
            "id": found["id"],
            "steps": shown,
            "status": found["status"],
            "createdOn": timestamp(found["created"]),
            "lastModifiedOn": timestamp(found["changed"]),
            "executionOrder": "anyOrder",
            "minRequiredApprovers": found["minimum"],
            "blockedApprovers": [],
            "instructions": found["instructions"],
            "_links": {"self": {"href": url}},
        }
