"""The summary of a build's tests, and its coverage (Test Results - Resultsummarybybuild, Codecoverage, 7.1).

Nothing of this is recorded. Two operations say something of coverage: `test/codecoverage` has modules, and
`testresults/codecoverage` the summary of a Cobertura file.
"""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops import paging
from hol_wizard.practice.devops.pipelines.builds import Builds, run_key
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, address
from hol_wizard.practice.devops.pipelines.test_runs import FIRST_RESULT, Coverages, TestRuns
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import RunKey

_COMPARE: Final = " ".join(
    f"buildToCompare.{each}"
    for each in ("branchName", "buildSystem", "definitionId", "id", "number", "repositoryId", "uri")
)
_MODULES: Final = 1
"""Bit of `flags` for the modules of `test/codecoverage` (`CoverageQueryFlags`)."""


class TestSummaryRequests:
    """Handles requests about the tests of a build on vstmr.dev.azure.com."""

    __test__ = False  # not a class of tests

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates) -> None:
        self._runs = world.part(TestRuns)
        self._builds = world.part(Builds)
        self._coverages = world.part(Coverages)
        self._scope = requests
        self._states = states
        path = f"{PROJECT}/testresults"
        # The failures of a summary are compared with an earlier build, which is not served.
        summary = f"includeFailureDetails {_COMPARE}"
        router.add(
            "GET", f"{path}/resultsummarybybuild", self._summary, honors="buildId publishContext", refuses=summary
        )
        listed = "buildId publishContext outcomes $top continuationToken"
        router.add("GET", f"{path}/resultsbybuild", self._results, honors=listed)
        router.add("GET", f"{path}/codecoverage", self._coverage, honors="buildId flags", refuses="deltaBuildId")

    def _find(self, request: Request) -> tuple[Place, Document]:
        place, given = self._scope.read(request), request.query.get("buildid", "")
        return place, self._builds.get(place, int(given) if given.isdecimal() else 0)

    def _of(self, request: Request, key: RunKey) -> list[Document]:
        context = request.query.get("publishcontext", "").lower()
        return self._runs.of_build(key) if context in {"", "ci"} else []

    def _summary(self, request: Request) -> Response:
        place, build = self._find(request)
        key = run_key(build)
        runs = self._of(request, key)
        by_outcome: dict[str, tuple[int, float]] = {}
        for case in (case for run in runs for case in self._runs.cases(run)):
            count, spent = by_outcome.get(case["outcome"], (0, 0.0))
            by_outcome[case["outcome"]] = (count + 1, spent + case["milliseconds"])
        results = {
            outcome: {"outcome": outcome[0].lower() + outcome[1:], "count": count, "duration": _duration(spent)}
            for outcome, (count, spent) in by_outcome.items()
        }
        verdicts = ["Failed" if run["counts"].get("Failed") else "Passed" for run in runs]
        analysis = {
            "totalTests": sum(count for count, _ in by_outcome.values()),
            "duration": _duration(sum(spent for _, spent in by_outcome.values())),
            "resultsByOutcome": results,
            "runSummaryByState": {
                "Completed": {"state": "completed", "runsCount": len(runs), "resultsByOutcome": results}
            }
            if runs
            else {},
            "runSummaryByOutcome": {
                each: {"outcome": each.lower(), "runsCount": verdicts.count(each)} for each in sorted(set(verdicts))
            },
            "notReportedResultsByOutcome": {},
        }
        return Response(
            200,
            {
                "aggregatedResultsAnalysis": analysis,
                "teamProject": {"id": place.id, "name": place.project["name"]},
                "testResultsContext": {"contextType": "build", "build": self._reference(request, place, build)},
                "totalRunsCount": len(runs),
                "noConfigRunsCount": len(runs),
            },
        )

    def _reference(self, request: Request, place: Place, build: Document) -> JsonObject:
        return {
            "id": build["id"],
            "number": self._states.of(build).number,
            "uri": f"vstfs:///Build/Build/{build['id']}",
            "definitionId": build["definition"],
            "branchName": build["branch"],
        }

    def _results(self, request: Request) -> Response:
        _, build = self._find(request)
        wanted = {each.lower() for each in paging.words(request, "outcomes")}
        found = [
            {
                "id": FIRST_RESULT + index,
                "runId": run["id"],
                "refId": FIRST_RESULT + index,
                "outcome": case["outcome"],
                "priority": 255,
                "automatedTestName": f"{case['storage']}.{case['title']}" if case["storage"] else case["title"],
                "automatedTestStorage": case["storage"],
                "testCaseTitle": case["title"],
                "durationInMs": case["milliseconds"],
            }
            for run in self._of(request, run_key(build))
            for index, case in enumerate(self._runs.cases(run))
            if not wanted or case["outcome"].lower() in wanted
        ]
        return paging.page(request, found)

    def _coverage(self, request: Request) -> Response:
        """Return the summary of a build's coverage; with `flags`, its modules."""
        place, build = self._find(request)
        if "flags" in request.query:
            return modules(request, self._coverages, run_key(build))
        kept = self._coverages.of_build(run_key(build))
        statistics = [
            {
                "label": each["label"],
                "position": 4 + index,
                "total": each["total"],
                "covered": each["covered"],
                "isDeltaAvailable": False,
                "delta": 0.0,
            }
            for index, each in enumerate(kept["statistics"] if kept is not None else ())
        ]
        data = [{"buildPlatform": "", "buildFlavor": "", "coverageStats": statistics}] if statistics else []
        reference = {"id": str(build["id"]), "url": f"{address(request, place)}/build/Builds/{build['id']}"}
        status = "completed" if statistics else "none"
        return Response(200, {"coverageData": data, "build": reference, "deltaBuild": None, "status": status})


class CoverageRequests:
    """Handles requests about coverage on dev.azure.com."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._builds = world.part(Builds)
        self._coverages = world.part(Coverages)
        self._scope = requests
        router.add("GET", f"{PROJECT}/test/codecoverage", self._get, honors="buildId flags")

    def _get(self, request: Request) -> Response:
        place, given = self._scope.read(request), request.query.get("buildid", "")
        build = self._builds.get(place, int(given) if given.isdecimal() else 0)
        return modules(request, self._coverages, run_key(build))


def modules(request: Request, coverages: Coverages, key: RunKey) -> Response:
    """Return the coverage of a build by modules (official example: Code Coverage - Get Build Code Coverage)."""
    kept, flags = coverages.of_build(key), int(request.query.get("flags") or 0)
    if kept is None:
        return Response(200, {"value": [], "count": 0})
    listed = [
        {
            "blockCount": total,
            "name": name,
            "signature": "",
            "signatureAge": 0,
            "statistics": {
                "blocksCovered": 0,
                "blocksNotCovered": 0,
                "linesCovered": covered,
                "linesNotCovered": total - covered,
                "linesPartiallyCovered": 0,
            },
            "functions": [],
        }
        for name, covered, total in kept["modules"]
        if flags & _MODULES
    ]
    configuration = {"id": 1, "flavor": "", "platform": "", "uri": f"vstfs:///Build/Build/{key.run}", "project": {}}
    value = [{"configuration": configuration, "state": "0", "lastError": "", "modules": listed}]
    return Response(200, {"value": value, "count": 1})


def _duration(milliseconds: float) -> str:
    """Return a time span as .NET writes it: `00:00:01.2340000`."""
    seconds, rest = divmod(round(milliseconds * 10_000), 10_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:07}"
