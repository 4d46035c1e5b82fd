"""How many jobs may run in parallel on Microsoft-hosted agents: what an organization has been granted.

For tests and for practice, the setting `hosted_jobs` of the control port replaces what every organization has.
"""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import access
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.records import RunState, request_of
from hol_wizard.practice.pipelines.orchestrate.runs import Runs

NONE: Final = (
    "No hosted parallelism has been purchased or granted. To request a free parallelism grant, please fill out the "
    "following form https://aka.ms/azpipelines-parallelism-request"
)
"""The issue of a run without a parallel job (public; the wording is quoted in many issues of public projects)."""
_FREE_MINUTES: Final = 1800
"""Minutes per month of the free grant (azure/devops/pipelines/licensing/concurrent-jobs)."""


def hosted_jobs(world: World, organization: Organization) -> int:
    """Return the number of parallel Microsoft-hosted jobs of an organization."""
    everywhere = world.setting("hosted_jobs")
    return organization.hosted_jobs if everywhere is None else int(everywhere)


class ParallelismRequests:
    """Handles requests about parallel jobs (azure-devops 7.1.0b4, `ResourceLimit`; names in the data are estimates)."""

    def __init__(self, world: World, router: Router) -> None:
        self._world = world
        self._projects = world.part(Projects)
        self._runs = world.part(Runs)
        parameters = "parallelismTag poolIsHosted"
        tasks = "/{organization}/_apis/distributedtask"
        router.add("GET", f"{tasks}/resourcelimits", self._limits, honors=parameters)
        running = "includeRunningRequests"
        router.add("GET", f"{tasks}/resourceusage", self._usage, honors=parameters, refuses=running)
        router.add("GET", "/{organization}/_apis/build/resourceusage", self._build_usage)

    def _limit(self, request: Request) -> JsonObject:
        organization = access.organization(request)
        hosted = request.query.get("poolishosted", "true").lower() != "false"
        jobs = hosted_jobs(self._world, organization) if hosted else 1
        return {
            "hostId": organization.id,
            "parallelismTag": request.query.get("parallelismtag", "Private"),
            "isHosted": hosted,
            "totalCount": jobs,
            "totalMinutes": _FREE_MINUTES if hosted and jobs else 0,
            "isPremium": False,
            "failedToReachAllProviders": False,
            "resourceLimitsData": {"FreeCount": str(jobs), "PurchasedCount": "0"},
        }

    def _limits(self, request: Request) -> Response:
        value = [self._limit(request)]
        return Response(200, {"count": len(value), "value": value})

    def _used(self, request: Request) -> int:
        """Return how many jobs of an organization's pipelines run now."""
        organization = access.organization(request)
        projects = {each["id"] for each in self._projects.all_of(organization)}
        running = (each for each in self._runs.all() if each["state"] == RunState.IN_PROGRESS)
        return min(1, sum(request_of(each).project.id in projects for each in running))

    def _usage(self, request: Request) -> Response:
        limit, used = self._limit(request), self._used(request)
        return Response(200, {"resourceLimit": limit, "usedCount": used, "usedMinutes": 0, "runningRequests": []})

    def _build_usage(self, request: Request) -> Response:
        used = self._used(request)
        return Response(
            200, {"distributedTaskAgents": used, "paidPrivateAgentSlots": 0, "totalUsage": used, "xamlControllers": 0}
        )
