"""Agent pools of organizations, their queues in projects, and the agents of pools (distributedtask, 7.1).

A queue's ID is not its pool's: it is unique in the organization (recorded: queues 613 to 621 of pools 1 to 9). The
practice agent is the only agent of the hosted pool `Azure Pipelines`; nobody has registered agents in the others.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Final

from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.paging import words
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

HOSTED: Final = "Azure Pipelines"
"""The pool of Microsoft-hosted agents that a `vmImage` uses."""
_LEGACY: Final = (
    "Hosted",
    "Hosted VS2017",
    "Hosted Windows 2019 with VS2019",
    "Hosted Windows Container",
    "Hosted macOS",
    "Hosted macOS High Sierra",
    "Hosted Ubuntu 1604",
)
NAMES: Final = ("Default", *_LEGACY, HOSTED)
"""Pools of an organization in the order of their IDs, from 1 (recorded: queues of 2024 and 2025)."""
_FIRST_QUEUE: Final = 21
"""The first queue of an organization: an arbitrary number above the pools' IDs."""
_AGENT: Final = 8
_AGENT_VERSION: Final = "4.255.0"
_TASK_AGENT: Final = "Microsoft.TeamFoundation.DistributedTask.WebApi"
_LONG_AGO: Final = 1_577_836_800.0
_ACTIONS: Final = ("none", "manage", "use")
_POOL_TYPES: Final = ("automation", "deployment")


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of a project."""

    id: int
    name: str
    pool: int

    @property
    def hosted(self) -> bool:
        """Whether its agents are Microsoft-hosted ones."""
        return self.name != "Default"


class Queues(Register):
    """The queues of every project, which are created with its first use."""

    collection = "devops_queues"

    def of(self, project: Document) -> list[Queue]:
        """Return the queues of a project."""
        kept = self.find(project["id"])
        if kept is None:
            used = [int(each["first"]) for each in self.all() if each["organization"] == project["organization"]]
            first = max(used, default=_FIRST_QUEUE - len(NAMES)) + len(NAMES)
            kept = {"id": project["id"], "organization": project["organization"], "first": first}
            self.keep(kept)
        first = int(kept["first"])
        return [Queue(first + pool, name, pool + 1) for pool, name in enumerate(NAMES)]

    def named(self, project: Document, name: str) -> Queue | None:
        """Return a project's queue by its name, case-insensitively, or None."""
        return next((each for each in self.of(project) if each.name.lower() == name.lower()), None)

    def numbered(self, project: Document, identity: int) -> Queue | None:
        """Return a project's queue by its ID, or None."""
        return next((each for each in self.of(project) if each.id == identity), None)


class QueueRequests:
    """Handles requests about pools, queues and agents."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._queues = world.part(Queues)
        self._scope = requests
        queues = f"{PROJECT}/distributedtask/queues"
        router.add("GET", queues, self._list, honors="queueName queueIds queueNames poolIds actionFilter")
        router.add("GET", f"{queues}/{{queue}}", self._get, honors="actionFilter")
        pools = "/{organization}/_apis/distributedtask/pools"
        # Pools have no properties here.
        known = "poolName poolIds poolType actionFilter"
        router.add("GET", pools, self._pools, honors=known, ignores="properties")
        router.add("GET", f"{pools}/{{pool}}", self._pool, honors="actionFilter", ignores="properties")
        agents = f"{pools}/{{pool}}/agents"
        details = "includeCapabilities includeAssignedRequest includeLastCompletedRequest"
        router.add(
            "GET", agents, self._agents, honors="agentName", refuses=f"{details} demands", ignores="propertyFilters"
        )
        router.add("GET", f"{agents}/{{agent}}", self._agent, refuses=details, ignores="propertyFilters")

    # Queues

    def _list(self, request: Request) -> Response:
        place = self._scope.read(request)
        query = request.query
        ids, pools = scope.numbers(request, "queueIds"), scope.numbers(request, "poolIds")
        names = {each.lower() for each in words(request, "queueNames")}
        names |= {query["queuename"].lower()} if query.get("queuename") else set()
        found = [
            each
            for each in (self._queues.of(place.project) if self._may_use(request, place) else ())
            if (ids is None or each.id in ids)
            and (pools is None or each.pool in pools)
            and (not names or each.name.lower() in names)
        ]
        return Response(200, {"count": len(found), "value": [shown(place, each) for each in found]})

    def _may_use(self, request: Request, place: Place) -> bool:
        """Return whether the caller may do with queues what `actionFilter` names."""
        wanted = scope.choice(request, "actionFilter", _ACTIONS)
        return wanted != "manage" or self._scope.administers(place, request.who)

    def _get(self, request: Request) -> Response:
        place, number = self._scope.read(request), scope.number_of(request, "queue")
        queue = self._queues.numbered(place.project, number)
        if queue is None or not self._may_use(request, place):
            # The text is an estimate.
            message = f"No queue found with identifier {request.match['queue']}."
            raise errors.refused(404, message, "TaskAgentQueueNotFoundException", _TASK_AGENT)
        return Response(200, shown(place, queue))

    # Pools

    def _pools(self, request: Request) -> Response:
        organization, ids = access.organization(request), scope.numbers(request, "poolIds")
        name, kind = request.query.get("poolname", "").lower(), scope.choice(request, "poolType", _POOL_TYPES)
        found = [
            _pool(organization, each)
            for each in range(1, len(NAMES) + 1)
            if (ids is None or each in ids)
            and name in {"", NAMES[each - 1].lower()}
            and kind in {"", "automation"}
            and self._manages(request, organization)
        ]
        return Response(200, {"count": len(found), "value": found})

    @staticmethod
    def _manages(request: Request, organization: Organization) -> bool:
        wanted = scope.choice(request, "actionFilter", _ACTIONS)
        return wanted != "manage" or request.who.id in organization.administrators

    def _number(self, request: Request) -> tuple[Organization, int]:
        organization, number = access.organization(request), scope.number_of(request, "pool")
        if not 1 <= number <= len(NAMES) or not self._manages(request, organization):
            message = f"No agent pool found with identifier {request.match['pool']}."
            raise errors.refused(404, message, "TaskAgentPoolNotFoundException", _TASK_AGENT)
        return organization, number

    def _pool(self, request: Request) -> Response:
        return Response(200, _pool(*self._number(request)))

    # Agents

    def _agents(self, request: Request) -> Response:
        _, pool = self._number(request)
        wanted = request.query.get("agentname", "").lower()
        found = [each for each in _agents(pool) if wanted in {"", each["name"].lower()}]
        return Response(200, {"count": len(found), "value": found})

    def _agent(self, request: Request) -> Response:
        _, pool = self._number(request)
        for each in _agents(pool):
            if str(each["id"]) == request.match["agent"]:
                return Response(200, each)
        message = f"No agent found in pool {pool} with identifier {request.match['agent']}."
        raise errors.refused(404, message, "TaskAgentNotFoundException", _TASK_AGENT)


def shown(place: Place, queue: Queue) -> JsonObject:
    """Return a queue as the service shows it (recorded: Queues - Get)."""
    pool = _pool_reference(place.organization, queue.pool)
    return {"id": queue.id, "projectId": place.id, "name": queue.name, "pool": pool}


def in_build(queue: Queue) -> JsonObject:
    """Return a queue as a build shows it (recorded: Builds - Queue)."""
    pool = {"id": queue.pool, "name": queue.name, "isHosted": queue.hosted}
    return {"id": queue.id, "name": queue.name, "pool": pool}


def _pool_reference(organization: Organization, pool: int) -> JsonObject:
    name = NAMES[pool - 1]
    return {
        "id": pool,
        "scope": organization.id,
        "name": name,
        "isHosted": name != "Default",
        "poolType": "automation",
        "size": 0 if name == "Default" else 1,
        "isLegacy": name in _LEGACY,
        "options": "none",
    }


def _pool(organization: Organization, pool: int) -> JsonObject:
    return {
        **_pool_reference(organization, pool),
        "createdOn": timestamp(_LONG_AGO),
        "autoProvision": True,
        "autoUpdate": True,
        "autoSize": True,
        "targetSize": None if NAMES[pool - 1] == "Default" else 1,
        "agentCloudId": None if NAMES[pool - 1] == "Default" else 1,
        "properties": {},
    }


def _agents(pool: int) -> list[JsonObject]:
    """Return the agents of a pool; the members are those of the description, no answer is recorded."""
    if NAMES[pool - 1] != HOSTED:
        return []
    return [
        {
            "id": _AGENT,
            "name": "Hosted Agent",
            "version": _AGENT_VERSION,
            "osDescription": platform.platform(terse=True),
            "enabled": True,
            "status": "online",
            "provisioningState": "Provisioned",
            "accessPoint": "CodexAccessMapping",
            "maxParallelism": 1,
            "createdOn": timestamp(_LONG_AGO),
            "statusChangedOn": timestamp(_LONG_AGO),
            "properties": {},
        }
    ]
