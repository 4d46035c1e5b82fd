"""Retention leases, which keep builds from being deleted (Build - Leases, 7.1). No answer is recorded.

Nothing is deleted by age here: a lease keeps a build, and its pipeline if it says so, from being deleted by a person.
"""

from __future__ import annotations

from typing import Any, Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.numbered import NumberedRegister
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.definitions import Definitions
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, invalid
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import (
    JsonObject,
    Refused,
    Request,
    Response,
    Router,
    boolean,
    text,
    whole_number,
)
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_DAY: Final = 24 * 3600.0
_FOREVER: Final = 36_500


class Leases(NumberedRegister):
    """The leases of every organization; IDs are unique in an organization."""

    collection = "devops_leases"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._world = world

    def key(self, document: Document) -> str:
        """Return the key of a lease."""
        return f"{document['organization']}/{document['id']}"

    def valid(self, organization: str, project: str) -> list[Document]:
        """Return the leases of a project that have not ended."""
        now = self._world.clock.now()
        return [
            each
            for each in self.all()
            if (each["organization"], each["project"]) == (organization, project) and each["until"] > now
        ]

    def keeps(self, build: Document) -> bool:
        """Return whether a lease keeps a build."""
        return any(each["run"] == build["id"] for each in self.valid(build["organization"], build["project"]))


class LeaseRequests:
    """Handles requests about leases."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._world = world
        self._leases = world.part(Leases)
        self._builds = world.part(Builds)
        self._scope = requests
        world.part(Definitions).on_delete(self._check_definition)
        path = f"{PROJECT}/build/retention/leases"
        router.add("GET", path, self._list, honors="ownerId definitionId runId", refuses="userOwnerId leasesToFetch")
        router.add("POST", path, self._create)
        router.add("DELETE", path, self._delete, honors="ids")
        router.add("GET", f"{path}/{{lease}}", self._get)
        router.add("PATCH", f"{path}/{{lease}}", self._change)
        router.add("GET", f"{PROJECT}/build/builds/{{build}}/leases", self._of_build)

    def _check_definition(self, definition: Document) -> None:
        """Keep a definition with retained builds (`CannotDeleteDefinitionWithRetainedBuildsException`; an
        estimate)."""
        held = self._leases.valid(definition["organization"], definition["project"])
        kept = {each["run"] for each in held if each["definition"] == definition["id"] and each["protect"]}
        for each in self._builds.all():
            same = (each["organization"], each["definition"]) == (definition["organization"], definition["id"])
            if same and each["deleted"] is None and (each["keep"] or each["id"] in kept):
                message = f"The build pipeline {definition['name']} has builds that are retained."
                raise errors.refused(409, message, "CannotDeleteDefinitionWithRetainedBuildsException", BUILD)

    def _of(self, place: Place) -> list[Document]:
        return self._leases.valid(place.organization.name, place.id)

    def _list(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        found = [
            each
            for each in self._of(place)
            if query.get("ownerid", "") in {"", each["owner"]}
            and query.get("definitionid", "") in {"", str(each["definition"])}
            and query.get("runid", "") in {"", str(each["run"])}
        ]
        return _listed(found)

    def _of_build(self, request: Request) -> Response:
        place = self._scope.read(request)
        build = self._builds.get(place, scope.number_of(request, "build"))
        return _listed([each for each in self._of(place) if each["run"] == build["id"]])

    def _find(self, place: Place, identity: str) -> Document:
        for each in self._of(place):
            if str(each["id"]) == identity:
                return each
        raise _not_found(identity)

    def _get(self, request: Request) -> Response:
        return Response(200, _shown(self._find(self._scope.read(request), request.match["lease"])))

    def _create(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Retain indefinitely")
        made = [self._made(place, each) for each in scope.objects(request)]
        return _listed(made)

    def _made(self, place: Place, given: JsonObject) -> Document:
        build = self._builds.get(place, whole_number(given, "runId"))
        if build["definition"] != whole_number(given, "definitionId") or not text(given, "ownerId").strip():
            raise invalid("A lease needs an ownerId, and the definitionId and runId of a build.")
        now = self._world.clock.now()
        lease: Document = {
            "id": self._leases.next_number(place.organization.name),
            "organization": place.organization.name,
            "project": place.id,
            "owner": text(given, "ownerId"),
            "definition": build["definition"],
            "run": build["id"],
            "created": now,
            "until": now + _days(given.get("daysValid")) * _DAY,
            "protect": boolean(given, "protectPipeline"),
        }
        self._leases.keep(lease)
        return lease

    def _change(self, request: Request) -> Response:
        place, body = self._scope.contribute(request, "Retain indefinitely"), request.json
        lease = self._find(place, request.match["lease"])
        if body.get("daysValid") is not None:
            lease["until"] = self._world.clock.now() + _days(body["daysValid"]) * _DAY
        lease["protect"] = boolean(body, "protectPipeline") if "protectPipeline" in body else lease["protect"]
        self._leases.keep(lease)
        return Response(200, _shown(lease))

    def _delete(self, request: Request) -> Response:
        place = self._scope.contribute(request, "Retain indefinitely")
        for each in sorted(scope.numbers(request, "ids") or ()):
            self._leases.remove(self._leases.key(self._find(place, str(each))))
        return Response(204)


def _days(given: Any) -> int:
    days = whole_number({"daysValid": given}, "daysValid") if given is not None else _FOREVER
    if days < 1:
        raise invalid("daysValid is at least 1.")
    return min(days, _FOREVER)


def _listed(found: list[Document]) -> Response:
    return Response(200, {"count": len(found), "value": [_shown(each) for each in found]})


def _shown(lease: Document) -> JsonObject:
    return {
        "leaseId": lease["id"],
        "ownerId": lease["owner"],
        "runId": lease["run"],
        "definitionId": lease["definition"],
        "createdOn": timestamp(lease["created"]),
        "validUntil": timestamp(lease["until"]),
        "protectPipeline": lease["protect"],
    }


def _not_found(identity: str) -> Refused:
    """Return the error for a lease that does not exist; its text is an estimate."""
    message = f"The retention lease {identity} could not be found."
    return errors.refused(404, message, "RetentionLeaseNotFoundException", BUILD)
