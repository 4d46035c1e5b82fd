"""One Azure DevOps organization, and the list of organizations."""

from __future__ import annotations

from collections.abc import Mapping

from hol_wizard.services.answers import Document
from hol_wizard.services.devops.approvals import Approvals
from hol_wizard.services.devops.builds import Builds
from hol_wizard.services.devops.connection import PREVIEW, VERSION, ask
from hol_wizard.services.devops.environments import Environments
from hol_wizard.services.devops.people import People
from hol_wizard.services.devops.pipelines import Pipelines
from hol_wizard.services.devops.policies import Policies
from hol_wizard.services.devops.projects import Projects
from hol_wizard.services.devops.pull_requests import PullRequests
from hol_wizard.services.devops.repositories import Repositories
from hol_wizard.services.devops.service_connections import ServiceConnections
from hol_wizard.services.devops.sourced_runs import SourcedRuns
from hol_wizard.services.devops.test_results import TestResults
from hol_wizard.services.devops.variable_groups import VariableGroups
from hol_wizard.services.rest import RestClient, json_object


class DevOps(
    Projects,
    People,
    Repositories,
    PullRequests,
    Policies,
    ServiceConnections,
    VariableGroups,
    Pipelines,
    Builds,
    TestResults,
    SourcedRuns,
    Environments,
    Approvals,
):
    """One organization, with the token of the signed-in account.

    Sources: the service's API descriptions, version 7.1, and recorded responses.
    """

    def hosted_jobs(self) -> int | None:
        """Return the number of Microsoft-hosted parallel jobs for private projects; None if unknown.

        It is only a hint: the route is in the service's own table, but the format of its response is not documented.
        """
        query = {"parallelismTag": "Private", "poolIsHosted": "true"}
        found = self._get("/distributedtask/resourcelimits", "the parallel jobs", PREVIEW, **query)
        listed = found.get("value") if "value" in found else [found]
        rows = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        counts = [each.get("totalCount") for each in rows if each.get("isHosted", True)]
        known = [each for each in counts if isinstance(each, int)]
        return sum(known) if known else None


def organizations(rest: RestClient) -> list[str]:
    """Return the names of the signed-in account's organizations, in alphabetical order."""
    base = rest.endpoints.devops_profile
    me = json_object(ask(rest, "GET", f"{base}/_apis/profile/profiles/me", "your profile", None, VERSION, {}), base)
    member = {"memberId": str(me.get("publicAlias") or me["id"])}
    reply = ask(rest, "GET", f"{base}/_apis/accounts", "your organizations", None, VERSION, member)
    # It is a list, in recordings and in the description; other lists of this service are below `value`.
    listed = {"value": reply.body} if isinstance(reply.body, list) else json_object(reply, base)
    return sorted((str(each["accountName"]) for each in Document(listed, reply.source).objects("value")), key=str.lower)
