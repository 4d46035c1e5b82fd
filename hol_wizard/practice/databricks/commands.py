"""Commands on a cluster: CommandExecution_create, _context_status, _destroy, _execute, _command_status, _cancel.

The Python code is actually run, by a separate interpreter on this machine that has `dbutils.secrets` but no Spark, with
as few permissions as the operating system allows (`confinement`); no state is kept between commands. Each command is a
job. Contexts are deleted when their cluster stops. A command that was running when the practice cloud ended has the
status `Error`: in the API (databricks-sdk, CommandStatus) that is the status of a command that the driver could not
complete; the text is unrecorded. Errors have the one member `error` (databricks-sdk, errors/deserializer.py: API 1.2);
that SDK treats ClusterNotReadyException as temporary; the texts are unrecorded.
"""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address
from hol_wizard.practice.databricks.clusters import Clusters
from hol_wizard.practice.databricks.secret_scopes import SecretScopes
from hol_wizard.practice.kernel import programs
from hol_wizard.practice.kernel.jobs import Jobs, Kind, Work
from hol_wizard.practice.kernel.programs import AT_ONCE, Program, Running
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State
from hol_wizard.practice.kernel.world import World

_INTERPRETER = Path(__file__).with_name("interpreter.py")
_KIND = "databricks command"
_SECONDS = 60.0
"""Maximum duration of a command, in real seconds."""
_AT_ONCE = 4
"""Maximum number of commands that run at the same time; others are `Queued`."""
_MOST_COMMANDS = 200
"""Number of commands of a context that are kept."""


class Commands:
    """The contexts of all clusters, and their commands."""

    def __init__(self, world: World, router: Router, clusters: Clusters, scopes: SecretScopes) -> None:
        self._world = world
        self._clusters = clusters
        self._scopes = scopes
        contents = world.part(address.Contents)
        self._contexts = contents.collection("databricks_contexts", self)
        self._jobs = world.part(Jobs)
        self._jobs.register(
            Kind(_KIND, self._run, ended=self._ended, at_once=_AT_ONCE, seconds=_SECONDS, grace=AT_ONCE)
        )
        contents.when_gone.append(lambda workspace: self._forget(_owner(workspace)))
        clusters.when_stopping.append(self._cluster_goes)
        router.add("POST", "/api/1.2/contexts/create", self._create)
        router.add("GET", "/api/1.2/contexts/status", self._context_status, honors="clusterId contextId")
        router.add("POST", "/api/1.2/contexts/destroy", self._destroy)
        router.add("POST", "/api/1.2/commands/execute", self._execute)
        router.add("GET", "/api/1.2/commands/status", self._command_status, honors="clusterId contextId commandId")
        router.add("POST", "/api/1.2/commands/cancel", self._cancel)

    def _forget(self, owner: str) -> None:
        for job in self._jobs.of(owner):
            self._jobs.remove(job["id"])

    def _cluster_goes(self, cluster: Document) -> None:
        for context in self._contexts:
            if (context["workspace"], context["cluster_id"]) == (cluster["workspace"], cluster["cluster_id"]):
                self._end(context)

    def _end(self, context: Document) -> None:
        self._contexts.delete(context["id"])
        self._forget(_owner(context["workspace"], context["id"]))

    def _cluster(self, request: Request, cluster_id: str) -> Document:
        """Return the cluster, if it is running.

        Raises:
            Refused: It is not running, or does not exist.
        """
        try:
            cluster = self._clusters.find(request.thing, cluster_id)
        except Refused as refusal:
            raise _refused(404, f"Cluster {cluster_id} does not exist") from refusal
        if cluster["state"] != "RUNNING":
            raise _refused(
                400,
                f"ClusterNotReadyException: Cluster {cluster_id} is not ready: it is {cluster['state'].capitalize()}.",
            )
        return cluster

    def _admit(self, request: Request, cluster: Document) -> None:
        """Check that the caller may use the cluster.

        Raises:
            Refused: The cluster is dedicated to somebody else; the form of the error in this API is unrecorded.
        """
        refusal = self._clusters.refusal(cluster, request.who)
        if refusal:
            raise _refused(403, f"PERMISSION_DENIED: {refusal}")

    def _context(self, request: Request, given: JsonObject, name: str = "contextId") -> Document:
        self._cluster(request, str(given.get("clusterId") or given.get("clusterid") or ""))
        wanted = str(given.get(name) or given.get(name.lower()) or "")
        found = self._contexts.get(wanted)
        if found is None or found["workspace"] != request.thing:
            raise _refused(404, f"ContextNotFound: context {wanted} does not exist")
        return found

    def _command(self, request: Request, given: JsonObject) -> Document:
        wanted = str(given.get("commandId") or given.get("commandid") or "")
        context = self._context(request, given)
        found = self._jobs.find(wanted)
        if found is None or found["owner"] != _owner(request.thing, context["id"]):
            raise _refused(404, f"CommandNotFound: command {wanted} does not exist")
        return found

    def _create(self, request: Request) -> Response:
        cluster = self._cluster(request, str(request.json.get("clusterId") or ""))
        self._admit(request, cluster)
        _check_language(request.json)
        context = {
            "id": str(uuid.uuid4().int >> 64),
            "workspace": request.thing,
            "cluster_id": cluster["cluster_id"],
        }
        self._contexts.put(context["id"], context)
        self._clusters.touch(cluster)
        return Response(200, {"id": context["id"]})

    def _context_status(self, request: Request) -> Response:
        return Response(200, {"id": self._context(request, dict(request.query))["id"], "status": "Running"})

    def _destroy(self, request: Request) -> Response:
        context = self._context(request, request.json)
        self._end(context)
        return Response(200, {"id": context["id"]})

    def _execute(self, request: Request) -> Response:
        context = self._context(request, request.json)
        self._admit(request, self._cluster(request, context["cluster_id"]))
        _check_language(request.json)
        text = request.json.get("command")
        if not isinstance(text, str):
            raise _refused(400, "The field 'command' is missing.")
        owner = _owner(request.thing, context["id"])
        for old in self._jobs.of(owner)[: -_MOST_COMMANDS + 1]:
            self._jobs.remove(old["id"])
        self._clusters.touch(self._cluster(request, context["cluster_id"]))
        data = {"command": text, "workspace": request.thing, "principal": request.who.id, "results": None}
        return Response(200, {"id": self._jobs.submit(_KIND, owner, data)["id"]})

    def _command_status(self, request: Request) -> Response:
        command = self._command(request, dict(request.query))
        status, results = _shown(command)
        return Response(200, {"id": command["id"], "status": status, "results": results})

    def _cancel(self, request: Request) -> Response:
        command = self._command(request, request.json)
        self._jobs.cancel(command["id"])
        return Response(200, {"id": command["id"]})

    # The work

    async def _run(self, work: Work) -> None:
        """Start an interpreter, answer its requests, and store its result."""
        text = work.data["command"]
        # The source of a command is kept no longer than it is needed.
        work.keep(command="")
        folder = work.folder
        certificates = str(self._world.store.path.with_name("bundle.pem").resolve())
        # A cluster in Azure trusts Azure's services; here it trusts those of the practice cloud.
        trust = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), certificates)
        environment = programs.environment(folder, **trust)
        program = Program.of_python(_INTERPRETER, folder, environment, readable=[certificates])
        async with work.started(program) as running:
            work.keep(results=await self._talk(running, text, work.data["workspace"], work.data["principal"]))

    def _ended(self, job: Document) -> None:
        """Delete the source of a command that was canceled before it started."""
        if job["data"]["command"]:
            self._jobs.put({**job, "data": {**job["data"], "command": ""}})

    async def _talk(self, interpreter: Running, text: str, workspace: str, principal: str) -> JsonObject:
        said: JsonObject = {"command": text}
        while True:
            interpreter.input.write(json.dumps(said).encode() + b"\n")
            await interpreter.input.drain()
            line = await interpreter.output.readline()
            if not line:
                return _error("The Python process exited unexpectedly.")
            heard = json.loads(line)
            if "result" in heard:
                return dict(heard["result"])
            with self._world.store.transaction():
                said = self.answered(heard, workspace, principal)

    def answered(self, question: JsonObject, workspace: str, principal: str) -> JsonObject:
        """Return the answer to a request of the interpreter, with the permissions of the command's user."""
        response: Any
        who = self._world.principal(principal) or seed.Principal(principal, "", "")
        try:
            if question["ask"] == "scopes":
                response = self._scopes.names(workspace)
            elif question["ask"] == "list":
                response = self._scopes.keys(workspace, question["scope"], who)
            else:
                value = self._scopes.read(workspace, question["scope"], question["key"], who)
                response = base64.b64encode(value).decode()
        except Refused as refusal:
            body = refusal.response.body
            told = body if isinstance(body, dict) else {}
            return {"error": told.get("message", ""), "code": told.get("error_code", "")}
        return {"answer": response}


def _owner(*parts: str) -> str:
    """Return the owner of a command for its job: the workspace and the context."""
    return "/".join(("databricks", *parts))


def _shown(job: Document) -> tuple[str, JsonObject | None]:
    """Return status and results of a command (databricks-sdk, CommandStatus and Results)."""
    results: JsonObject | None = job["data"]["results"]
    if job["state"] == State.QUEUED:
        return "Queued", None
    if job["state"] == State.RUNNING:
        return "Cancelling" if job["canceling"] else "Running", None
    if job["result"] == Result.SUCCEEDED:
        return "Finished", results
    if job["result"] == Result.TIMED_OUT:
        return "Finished", _error(f"The command has not ended within {_SECONDS:.0f} seconds.")
    if job["result"] == Result.CANCELED:
        return "Cancelled", None
    return "Error", _error(job["cause"])


def _error(summary: str) -> JsonObject:
    return {"resultType": "error", "summary": summary, "cause": summary}


def _check_language(body: JsonObject) -> None:
    if body.get("language") != "python":
        raise _refused(400, f"The practice cloud runs Python only, not '{body.get('language')}'.")


def _refused(status: int, message: str) -> Refused:
    return Refused(Response(status, {"error": message}))
