"""Requests about test runs and results, on dev.azure.com (`test`) and vstmr.dev.azure.com (`testresults`), 7.1."""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import errors, paging
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope
from hol_wizard.practice.devops.pipelines.test_runs import FIRST_RESULT, OUTPUT_FILE, TestRuns
from hol_wizard.practice.devops.pipelines.test_view import TestView
from hol_wizard.practice.kernel.service import Refused, Request, Response, Router, attachment
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_TEST: Final = "Microsoft.TeamFoundation.TestManagement.WebApi"
_MOST_RESULTS: Final = 1000
_HONORED: Final = (
    "buildUri includeRunDetails automated $skip $top minLastUpdatedDate maxLastUpdatedDate state isAutomated buildIds "
    "buildDefIds branchName runTitle publishContext continuationToken"
)
_OTHERS: Final = "owner tmiRunId planId planIds releaseIds releaseDefIds releaseEnvIds releaseEnvDefIds $sortOrder"
_BYTES: Final = "application/octet-stream"


class TestRequests:
    """Handles requests about test runs."""

    __test__ = False  # not a class of tests

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates, area: str) -> None:
        self._runs = world.part(TestRuns)
        self._builds = world.part(Builds)
        self._scope = requests
        self._view = TestView(world, requests, states, area)
        path = f"{PROJECT}/{area}/runs"
        # Results have no iterations, work items, points or further results here.
        details = "detailsToInclude"
        router.add("GET", path, self._list, honors=_HONORED, refuses=_OTHERS)
        one = f"{path}/{{run}}"
        router.add("GET", one, self._get, honors="includeDetails", ignores="includeTags")
        router.add("GET", f"{one}/statistics", self._statistics)
        results = f"{one}/results"
        router.add(
            "GET", results, self._results, honors="$skip $top outcomes", refuses="$newTestsOnly", ignores=details
        )
        router.add("GET", f"{results}/{{result}}", self._result, ignores=details)
        router.add("GET", f"{one}/attachments", self._attachments)
        router.add("GET", f"{one}/attachments/{{attachment}}", self._attachment)
        parts = "testSubResultId iterationId"
        router.add("GET", f"{results}/{{result}}/attachments", self._result_attachments, refuses=parts)
        router.add("GET", f"{results}/{{result}}/attachments/{{attachment}}", self._result_attachment, refuses=parts)

    def _find(self, request: Request) -> tuple[Place, Document]:
        place = self._scope.read(request)
        run = self._runs.find(request.match["run"])
        if run is None or run["project"] != place.id:
            message = f"Test run {request.match['run']} cannot be found."
            raise errors.refused(404, message, "TestObjectNotFoundException", _TEST)
        return place, run

    # Runs

    def _list(self, request: Request) -> Response:
        place, query = self._scope.read(request), request.query
        builds, definitions = scope.numbers(request, "buildIds"), scope.numbers(request, "buildDefIds")
        after, before = scope.moment(request, "minLastUpdatedDate"), scope.moment(request, "maxLastUpdatedDate")
        state = query.get("state", "").lower()
        automated = {query.get("automated", "").lower(), query.get("isautomated", "").lower()}
        found = []
        for each in self._runs.of(place.id):
            build = self._builds.numbered(place, each["build"])
            uri = f"vstfs:///build/build/{each['build']}"
            if (
                query.get("builduri", "").lower() in {"", uri}
                and (builds is None or each["build"] in builds)
                and (definitions is None or (build is not None and build["definition"] in definitions))
                and query.get("branchname", "") in {"", build["branch"] if build is not None else ""}
                and query.get("runtitle", "").lower() in {"", each["name"].lower()}
                and query.get("publishcontext", "").lower() in {"", "build", "all"}
                and (after is None or each["created"] >= after)
                and (before is None or each["created"] <= before)
                and state in {"", "unspecified", "completed"}
                and "false" not in automated
            ):
                found.append(each)
        details = scope.flag(request, "includeRunDetails") or after is not None
        return paging.page(request, [self._view.run(request, place, each, details=details) for each in found])

    def _get(self, request: Request) -> Response:
        place, run = self._find(request)
        details = request.query.get("includedetails", "true").lower() != "false"
        return Response(200, self._view.run(request, place, run, details=details))

    def _statistics(self, request: Request) -> Response:
        place, run = self._find(request)
        reference = {"id": str(run["id"]), "name": run["name"], "url": self._view.run_url(request, place, run)}
        return Response(200, {"run": reference, "runStatistics": self._view.statistics(run)})

    # Results

    def _results(self, request: Request) -> Response:
        place, run = self._find(request)
        wanted = {each.lower() for each in paging.words(request, "outcomes")}
        found = [
            self._view.result(request, place, run, index, each)
            for index, each in enumerate(self._runs.cases(run))
            if not wanted or each["outcome"].lower() in wanted
        ]
        return paging.page(request, found, top=_MOST_RESULTS)

    def _case(self, request: Request) -> tuple[Place, Document, int, Document]:
        place, run = self._find(request)
        cases, index = self._runs.cases(run), scope.number_of(request, "result") - FIRST_RESULT
        if not 0 <= index < len(cases):
            message = f"Test result {request.match['result']} of test run {run['id']} cannot be found."
            raise errors.refused(404, message, "TestObjectNotFoundException", _TEST)
        return place, run, index, cases[index]

    def _result(self, request: Request) -> Response:
        place, run, index, case = self._case(request)
        return Response(200, self._view.result(request, place, run, index, case))

    # Attachments

    def _attachments(self, request: Request) -> Response:
        place, run = self._find(request)
        url = self._view.run_url(request, place, run)
        value = [self._view.attachment(url, run, each["id"], each["name"], each["size"]) for each in run["attachments"]]
        return Response(200, {"count": len(value), "value": value})

    def _attachment(self, request: Request) -> Response:
        _, run = self._find(request)
        for each in run["attachments"]:
            if str(each["id"]) == request.match["attachment"]:
                return Response(200, self._runs.attachment(run, each).read_bytes(), attachment(each["name"]), _BYTES)
        raise _no_attachment(request)

    def _result_attachments(self, request: Request) -> Response:
        place, run, index, case = self._case(request)
        url = f"{self._view.run_url(request, place, run)}/Results/{FIRST_RESULT + index}"
        sizes = [len(case["output"].encode())] if case["output"] else []
        value = [self._view.attachment(url, run, 1, OUTPUT_FILE, size) for size in sizes]
        return Response(200, {"count": len(value), "value": value})

    def _result_attachment(self, request: Request) -> Response:
        _, _, _, case = self._case(request)
        if not case["output"] or request.match["attachment"] != "1":
            raise _no_attachment(request)
        return Response(200, case["output"].encode(), attachment(OUTPUT_FILE), _BYTES)


def _no_attachment(request: Request) -> Refused:
    message = f"The attachment {request.match['attachment']} cannot be found."
    return errors.refused(404, message, "TestObjectNotFoundException", _TEST)
