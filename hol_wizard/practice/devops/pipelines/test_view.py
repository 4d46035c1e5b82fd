"""Test runs and results as the service shows them (Test - Runs, Results, official examples; no answer is recorded)."""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import Place, Scope, address, page_address
from hol_wizard.practice.devops.pipelines.test_runs import FIRST_RESULT, OUTPUT_FILE
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_COUNTED: Final = ("Passed", "NotApplicable", "NotExecuted", "Failed")


class TestView:
    """Shows test runs and results, below `test` or below `testresults`."""

    __test__ = False  # not a class of tests

    def __init__(self, world: World, scope: Scope, states: RunStates, area: str) -> None:
        self._builds = world.part(Builds)
        self._scope = scope
        self._states = states
        self._area = area

    def run_url(self, request: Request, place: Place, run: Document) -> str:
        """Return the address of a test run."""
        return f"{address(request, place)}/{self._area}/Runs/{run['id']}"

    def project(self, request: Request, place: Place) -> JsonObject:
        """Return a reference to the project."""
        name = place.project["name"]
        return {"id": place.id, "name": name, "url": f"{request.base}/{place.organization.name}/_apis/projects/{name}"}

    def build(self, request: Request, place: Place, run: Document) -> JsonObject:
        """Return a reference to the build of a test run."""
        found = self._builds.numbered(place, run["build"])
        number = self._states.of(found).number if found is not None else ""
        url = f"{request.base}/{place.organization.name}/_apis/build/Builds/{run['build']}"
        return {"id": str(run["build"]), "name": number, "url": url}

    def run(self, request: Request, place: Place, run: Document, *, details: bool) -> JsonObject:
        """Return a test run."""
        counts, build = run["counts"], self.build(request, place, run)
        found = self._builds.numbered(place, run["build"])
        who = self._scope.identity(request, place, found["requested_for"] if found is not None else request.who.id)
        shown: JsonObject = {
            "id": run["id"],
            "name": run["name"],
            "url": self.run_url(request, place, run),
            "isAutomated": True,
            "owner": who,
            "project": self.project(request, place),
            "startedDate": timestamp(run["started"]),
            "completedDate": timestamp(run["completed"]),
            "state": "Completed",
            "postProcessState": "Complete",
            "totalTests": sum(counts.values()),
            "incompleteTests": 0,
            "notApplicableTests": counts.get("NotApplicable", 0),
            "passedTests": counts.get("Passed", 0),
            "unanalyzedTests": counts.get("Failed", 0),
            "revision": 3,
            "webAccessUrl": f"{page_address(request, place)}/_TestManagement/Runs?_a=runCharts&runId={run['id']}",
        }
        if details:
            shown |= {
                "build": build,
                "buildConfiguration": {
                    "id": run["build"],
                    "number": build["name"],
                    "platform": run["platform"],
                    "flavor": run["configuration"],
                    "uri": f"vstfs:///Build/Build/{run['build']}",
                    "buildDefinitionId": found["definition"] if found is not None else 0,
                    "branchName": found["branch"] if found is not None else "",
                    "project": {"name": place.project["name"]},
                },
                "createdDate": timestamp(run["created"]),
                "lastUpdatedDate": timestamp(run["created"]),
                "lastUpdatedBy": who,
                "runStatistics": self.statistics(run),
            }
        return shown

    @staticmethod
    def statistics(run: Document) -> list[JsonObject]:
        """Return the number of results by outcome."""
        return [
            {"state": "Completed", "outcome": outcome, "count": count}
            for outcome, count in sorted(run["counts"].items())
            if count
        ]

    def result(self, request: Request, place: Place, run: Document, index: int, case: Document) -> JsonObject:
        """Return one result; its ID follows from its position."""
        number, url = FIRST_RESULT + index, self.run_url(request, place, run)
        storage = case["storage"]
        shown: JsonObject = {
            "id": number,
            "project": self.project(request, place),
            "startedDate": timestamp(run["started"]),
            "completedDate": timestamp(run["started"] + case["milliseconds"] / 1000),
            "durationInMs": case["milliseconds"],
            "outcome": case["outcome"],
            "revision": 1,
            "state": "Completed",
            "testCase": {"name": case["title"]},
            "testRun": {"id": str(run["id"]), "name": run["name"], "url": url},
            "lastUpdatedDate": timestamp(run["created"]),
            "priority": 255,
            "build": self.build(request, place, run),
            "createdDate": timestamp(run["created"]),
            "url": f"{url}/Results/{number}",
            "failureType": "None",
            "automatedTestStorage": storage,
            "automatedTestType": "JUnit",
            "automatedTestName": f"{storage}.{case['title']}" if storage else case["title"],
            "testCaseTitle": case["title"],
            "customFields": [],
        }
        if case["message"]:
            shown["errorMessage"] = case["message"]
        if case["stack"]:
            shown["stackTrace"] = case["stack"]
        return shown

    def attachment(self, url: str, run: Document, number: int, name: str, size: int) -> JsonObject:
        """Return an attachment of a test run or of a result."""
        return {
            "createdDate": timestamp(run["created"]),
            "url": f"{url}/Attachments/{number}",
            "id": number,
            "fileName": name,
            "comment": "",
            "size": size,
            "attachmentType": "consoleLog" if name == OUTPUT_FILE else "generalAttachment",
        }
