"""Finds builds by the parameters of Builds - List (7.1)."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.paging import words
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import REASONS, TRIGGERED, USER_CREATED, Builds
from hol_wizard.practice.devops.pipelines.definition_body import full_branch
from hol_wizard.practice.devops.pipelines.run_states import BuildState, RunStates
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.service import Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

HONORED: Final = (
    "definitions queues buildNumber minTime maxTime requestedFor reasonFilter statusFilter resultFilter tagFilters "
    "properties $top continuationToken maxBuildsPerDefinition deletedFilter queryOrder branchName buildIds "
    "repositoryId repositoryType"
)
STATUSES: Final = ("none", "inProgress", "completed", "cancelling", "postponed", "notStarted", "all")
RESULTS: Final = ("none", "succeeded", "partiallySucceeded", "failed", "canceled")
_DELETED: Final = ("excludeDeleted", "includeDeleted", "onlyDeleted")
_ORDERS: Final = (
    "finishTimeAscending",
    "finishTimeDescending",
    "queueTimeDescending",
    "queueTimeAscending",
    "startTimeDescending",
    "startTimeAscending",
)


class BuildSearch:
    """Finds builds."""

    def __init__(self, world: World, repositories: Repositories, states: RunStates) -> None:
        self._world = world
        self._builds = world.part(Builds)
        self._repositories = repositories
        self._states = states

    def find(self, request: Request, place: Place) -> list[Document]:
        """Return the builds that a request asks for, in its order; by default those queued last come first.

        Raises:
            Refused: A value is invalid.
            ValueError: A time or a number is none.
        """
        query = request.query
        deleted = scope.choice(request, "deletedFilter", _DELETED) or "excludeDeleted"
        order = scope.choice(request, "queryOrder", _ORDERS) or "queueTimeDescending"
        found = []
        for each in self._builds.of(place, deleted=deleted != "excludeDeleted"):
            if deleted == "onlyDeleted" and each["deleted"] is None:
                continue
            state = self._states.of(each)
            if (
                self._matches(request, place, each, state)
                and _in_state(request, state)
                and _in_time(request, each, state, order)
            ):
                found.append((each, state))
        found.sort(key=lambda pair: (_moment(order, *pair), int(pair[0]["id"])), reverse=order.endswith("Descending"))
        most = int(query.get("maxbuildsperdefinition") or 0)
        counts: dict[int, int] = {}
        kept = []
        for build, _ in found:
            counts[build["definition"]] = counts.get(build["definition"], 0) + 1
            if not most or counts[build["definition"]] <= most:
                kept.append(build)
        return kept

    def _matches(self, request: Request, place: Place, build: Document, state: BuildState) -> bool:
        query = request.query
        sets = (("definitions", "definition"), ("queues", "queue"), ("buildIds", "id"))
        for name, member in sets:
            wanted = scope.numbers(request, name)
            if wanted is not None and build[member] not in wanted:
                return False
        tags = {each.lower() for each in words(request, "tagFilters")}
        branch = full_branch(query.get("branchname", ""))
        return (
            tags <= {each.lower() for each in state.tags}
            and branch in {"", build["branch"]}
            and query.get("repositoryid", "").lower() in {"", self._repositories.identity(place.project)}
            and query.get("repositorytype", "").lower() in {"", "tfsgit"}
            and _has_reason(request, build["reason"])
            and self._is_for(query.get("requestedfor", ""), place, build)
        )

    def _is_for(self, wanted: str, place: Place, build: Document) -> bool:
        if not wanted:
            return True
        who = self._world.principal(build["requested_for"])
        names = {member_id(place.organization.name, build["requested_for"])}
        names |= {who.display_name.lower(), who.client.lower()} if who is not None else set()
        return wanted.lower() in names


def _has_reason(request: Request, reason: str) -> bool:
    wanted = scope.choice(request, "reasonFilter", REASONS)
    flags = {"userCreated": USER_CREATED, "triggered": TRIGGERED, "all": frozenset(REASONS), "": frozenset(REASONS)}
    return reason in flags.get(wanted, {wanted})


def _in_state(request: Request, state: BuildState) -> bool:
    """Return whether a run has one of the statuses and results; both are flags, separated by commas."""
    statuses = _flags(request, "statusFilter", STATUSES)
    results = _flags(request, "resultFilter", RESULTS)
    number = request.query.get("buildnumber", "").lower().replace("[", "[[]")
    return (
        (not statuses or "all" in statuses or state.status in statuses)
        and (not results or state.result in results)
        and (not number or fnmatchcase(state.number.lower(), number))
    )


def _flags(request: Request, name: str, names: tuple[str, ...]) -> set[str]:
    return {scope.enumerated(each, names, name) for each in words(request, name)}


def _in_time(request: Request, build: Document, state: BuildState, order: str) -> bool:
    """Return whether a build lies between two times; which of its times counts follows from the order (Builds - List:
    "finished/started/queued after this date based on the queryOrder")."""
    least, most = scope.moment(request, "minTime"), scope.moment(request, "maxTime")
    moment = _moment(order, build, state)
    return (least is None or moment >= least) and (most is None or moment <= most)


def _moment(order: str, build: Document, state: BuildState) -> float:
    if order.startswith("finishTime"):
        return state.finished or 0.0
    if order.startswith("startTime"):
        return state.started or 0.0
    return float(build["queued"])
