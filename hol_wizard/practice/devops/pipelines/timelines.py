"""The timeline of a build and its logs (Build - Timeline, Get Build Log, Get Build Log Lines, Get Build Logs, 7.1).

A record has a log only after it has ended: while a step runs, nobody can read its lines with this API
(vsts-rest-api-specs issue 524; azure-pipelines-agent, JobServerQueue.cs). `logs` lists only such logs.
"""

from __future__ import annotations

import io
import re
import zipfile
from typing import Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, address
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, attachment
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State, Timelines
from hol_wizard.practice.kernel.world import World

_STATES: Final = {
    State.PENDING: "pending",
    State.QUEUED: "pending",
    State.RUNNING: "inProgress",
    State.COMPLETED: "completed",
}
_RESULTS: Final = {
    Result.SUCCEEDED: "succeeded",
    Result.SUCCEEDED_WITH_ISSUES: "succeededWithIssues",
    Result.FAILED: "failed",
    Result.CANCELED: "canceled",
    Result.TIMED_OUT: "canceled",
    Result.SKIPPED: "skipped",
    Result.INTERRUPTED: "abandoned",
}
"""A job that exceeds its limit is canceled; one whose agent has disappeared is abandoned (`TaskResult`)."""
_NEVER: Final = "0001-01-01T00:00:00"
_BOM: Final = "\ufeff"


class TimelineRequests:
    """Handles requests about timelines and logs."""

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates) -> None:
        self._timelines = world.part(Timelines)
        self._builds = world.part(Builds)
        self._scope = requests
        self._states = states
        one = f"{PROJECT}/build/builds/{{build}}"
        for path in (f"{one}/timeline", f"{one}/timeline/{{timeline}}"):
            router.add("GET", path, self._timeline, honors="changeId planId")
        router.add("GET", f"{one}/logs", self._logs, honors="$format")
        router.add("GET", f"{one}/logs/{{log}}", self._log, honors="$format startLine endLine")

    def _find(self, request: Request) -> tuple[Place, Document]:
        place = self._scope.read(request)
        return place, self._builds.get(place, scope.number_of(request, "build"))

    # The timeline

    def _timeline(self, request: Request) -> Response:
        """Return the records, or only those that have changed since `changeId`."""
        place, build = self._find(request)
        state, query = self._states.of(build), request.query
        wanted, plan = request.match.get("timeline", "").lower(), query.get("planid", "").lower()
        shown = wanted if wanted in state.earlier else state.timeline
        newest = self._timelines.newest(shown)
        if not newest and not wanted:
            # Nothing has begun yet; official clients turn this answer into no timeline.
            return Response(204)
        if wanted not in {"", state.timeline.lower(), *state.earlier} or plan not in {"", state.plan.lower()}:
            raise _no_timeline(build)
        records = self._timelines.records(shown, int(query.get("changeid") or 0))
        changed = max((each["finished"] or each["started"] or 0.0 for each in records), default=0.0)
        base = address(request, place)
        return Response(
            200,
            {
                "records": [record_shown(base, build, each) for each in records],
                "lastChangedBy": "00000002-0000-8888-8000-000000000000",
                "lastChangedOn": timestamp(changed or build["queued"]),
                "id": shown,
                "changeId": newest,
                "url": f"{base}/build/builds/{build['id']}/Timeline/{shown}",
            },
        )

    # Logs

    def _with_logs(self, build: Document) -> list[Document]:
        """Return the records that have a log, in the order of the logs."""
        state = self._states.of(build)
        everything = (each for one in (*state.earlier, state.timeline) for each in self._timelines.records(one))
        found = [each for each in everything if log_number(each)]
        return sorted(found, key=log_number)

    def _logs(self, request: Request) -> Response:
        place, build = self._find(request)
        records = self._with_logs(build)
        if scope.wants_zip(request):
            return _zip({_file(each): self._text(each) for each in records}, f"logs_{build['id']}.zip")
        base = address(request, place)
        value = [
            {
                "lineCount": each["log"]["lines"],
                "createdOn": timestamp(each["started"] or each["finished"]),
                "lastChangedOn": timestamp(each["finished"]),
                **_log_reference(base, build, each),
            }
            for each in records
        ]
        return Response(200, {"count": len(value), "value": value})

    def _log(self, request: Request) -> Response:
        """Return lines of one log, as text, JSON or a zip file; `startLine` and `endLine` count from 1."""
        _, build = self._find(request)
        number = scope.number_of(request, "log")
        record = next((each for each in self._with_logs(build) if log_number(each) == number), None)
        if record is None:
            raise _no_log(build, request.match["log"])
        first = max(1, int(request.query.get("startline") or 1))
        last = request.query.get("endline", "")
        count = max(0, int(last) - first + 1) if last else None
        lines = self._timelines.log(record["timeline"], record["id"], first, count)
        kind = _wants(request)
        if kind == scope.ZIP:
            return _zip({f"{number}.txt": _joined(lines)}, f"log_{number}.zip")
        if kind == "application/json":
            value = [each.removeprefix(_BOM) for each in lines]
            return Response(200, {"count": len(value), "value": value})
        return Response(200, _joined(lines), content_type="text/plain; charset=utf-8")

    def _text(self, record: Document) -> str:
        return _joined(self._timelines.log(record["timeline"], record["id"]))


def log_number(record: Document) -> int:
    """Return the number of a record's log; 0 if it has none yet."""
    ended = record["state"] == State.COMPLETED and record["log"] is not None
    return int(record["details"].get("log_id") or 0) if ended else 0


def record_shown(base: str, build: Document, record: Document) -> JsonObject:
    """Return a record as the service shows it (recorded: Timeline - Get)."""
    details = record["details"]
    shown: JsonObject = {
        "previousAttempts": details.get("previousAttempts", []),
        "id": record["id"],
        "parentId": record["parent"] or None,
        "type": record["type"],
        "name": record["name"],
        "startTime": timestamp(record["started"]) if record["started"] is not None else None,
        "finishTime": timestamp(record["finished"]) if record["finished"] is not None else None,
        "currentOperation": details.get("currentOperation"),
        "percentComplete": details.get("percentComplete"),
        "state": _STATES[record["state"]],
        "result": _RESULTS[record["result"]] if record["result"] is not None else None,
        "resultCode": details.get("resultCode"),
        "changeId": record["change"],
        "lastModified": _NEVER,
        "workerName": details.get("workerName"),
        "order": record["order"],
        "details": None,
        "errorCount": details.get("errorCount", 0),
        "warningCount": details.get("warningCount", 0),
        "url": None,
        "log": _log_reference(base, build, record) if log_number(record) else None,
        "task": details.get("task"),
        "attempt": details.get("attempt", 1),
        "identifier": details.get("identifier"),
    }
    for name in ("queueId", "issues"):
        if details.get(name):
            shown[name] = details[name]
    return shown


def _log_reference(base: str, build: Document, record: Document) -> JsonObject:
    number = log_number(record)
    return {"id": number, "type": "Container", "url": f"{base}/build/builds/{build['id']}/logs/{number}"}


def _wants(request: Request) -> str:
    """Return the media type that a client asks for; text by default."""
    if scope.wants_zip(request):
        return scope.ZIP
    accepted, form = request.headers.get("Accept", "").lower(), request.query.get("$format", "").lower()
    return "application/json" if form == "json" or "application/json" in accepted else "text/plain"


def _joined(lines: list[str]) -> str:
    return "".join(f"{each}\n" for each in lines)


def _file(record: Document) -> str:
    """Return the name of a log in a zip file: its number and its record's name (an estimate)."""
    return f"{log_number(record)}_{re.sub(r'[^A-Za-z0-9 ._@-]', '_', record['name'])}.txt"


def _zip(files: dict[str, str], name: str) -> Response:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, text in files.items():
            archive.writestr(each, text)
    return Response(200, written.getvalue(), attachment(name), scope.ZIP)


def _no_timeline(build: Document) -> Refused:
    message = f"The timeline of build {build['id']} could not be found."
    return errors.refused(404, message, "TimelineNotFoundException", BUILD)


def _no_log(build: Document, log: str) -> Refused:
    message = f"The log {log} of build {build['id']} could not be found."
    return errors.refused(404, message, "BuildLogNotFoundException", BUILD)
