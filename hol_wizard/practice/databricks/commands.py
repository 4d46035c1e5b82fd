"""Commands on a cluster: CommandExecution_create, _context_status, _destroy, _execute, _command_status, _cancel.

The Python is really run, by an interpreter of its own on this machine that knows `dbutils.secrets` and nothing of
Spark, with as few of its owner's rights as the system lets it have (`confinement`); nothing is kept from one command to
the next. Contexts live in a cluster's memory: they are gone when it stops, and when the server does. Errors have the
one member `error` (databricks-sdk, errors/deserializer.py: API 1.2); ClusterNotReadyException is known to that SDK as
one that may pass, the texts are unrecorded.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks.clusters import Clusters
from hol_wizard.practice.databricks.secret_scopes import SecretScopes
from hol_wizard.practice.kernel.service import Answer, Call, JsonObject, Refused, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

LOG = logging.getLogger(__name__)
_INTERPRETER = Path(__file__).with_name("interpreter.py")
_CONFINEMENT = Path(__file__).with_name("confinement.py")
_SECONDS = 60.0
"""How long a command may take, in real seconds."""
_AT_ONCE = 4
"""How many commands run side by side; others wait their turn as `Queued`."""
_MOST_COMMANDS = 200
"""How many commands of a context are remembered."""
_LINE = 1 << 22
"""The longest line an interpreter may send: its result, with every character escaped."""
_FOR_THE_SYSTEM = ("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR")
"""What Python needs of the environment to start at all, on Windows."""


@dataclass
class Command:
    """One command and what has come of it."""

    id: str
    status: str = "Queued"
    results: JsonObject | None = None
    task: asyncio.Task[None] | None = None


@dataclass
class Context:
    """Where commands are run."""

    id: str
    workspace: str
    cluster_id: str
    commands: dict[str, Command] = field(default_factory=dict)


class Commands:
    """The contexts of all clusters, and their commands."""

    def __init__(self, world: World, router: Router, clusters: Clusters, scopes: SecretScopes) -> None:
        self._world = world
        self._clusters = clusters
        self._scopes = scopes
        self._contexts: dict[str, Context] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        world.on_end(self._forget_all)
        clusters.when_stopping.append(self._cluster_goes)
        router.add("POST", "/api/1.2/contexts/create", self._create)
        router.add("GET", "/api/1.2/contexts/status", self._context_status, honors="clusterId contextId")
        router.add("POST", "/api/1.2/contexts/destroy", self._destroy)
        router.add("POST", "/api/1.2/commands/execute", self._execute)
        router.add("GET", "/api/1.2/commands/status", self._command_status, honors="clusterId contextId commandId")
        router.add("POST", "/api/1.2/commands/cancel", self._cancel)

    def _forget_all(self) -> None:
        for context in list(self._contexts.values()):
            self._end(context)

    def _cluster_goes(self, cluster: Document) -> None:
        for context in list(self._contexts.values()):
            if (context.workspace, context.cluster_id) == (cluster["workspace"], cluster["cluster_id"]):
                self._end(context)

    def _end(self, context: Context) -> None:
        del self._contexts[context.id]
        for command in context.commands.values():
            if command.task is not None:
                command.task.cancel()

    def _cluster(self, call: Call, cluster_id: str) -> Document:
        """Return the cluster, if it runs.

        Raises:
            Refused: It does not, or there is none.
        """
        try:
            cluster = self._clusters.find(call.thing, cluster_id)
        except Refused as refusal:
            raise _refused(404, f"Cluster {cluster_id} does not exist") from refusal
        if cluster["state"] != "RUNNING":
            raise _refused(
                400,
                f"ClusterNotReadyException: Cluster {cluster_id} is not ready: it is {cluster['state'].capitalize()}.",
            )
        return cluster

    def _context(self, call: Call, given: JsonObject, name: str = "contextId") -> Context:
        self._cluster(call, str(given.get("clusterId") or given.get("clusterid") or ""))
        wanted = str(given.get(name) or given.get(name.lower()) or "")
        found = self._contexts.get(wanted)
        if found is None or found.workspace != call.thing:
            raise _refused(404, f"ContextNotFound: context {wanted} does not exist")
        return found

    def _command(self, call: Call, given: JsonObject) -> Command:
        wanted = str(given.get("commandId") or given.get("commandid") or "")
        found = self._context(call, given).commands.get(wanted)
        if found is None:
            raise _refused(404, f"CommandNotFound: command {wanted} does not exist")
        return found

    def _create(self, call: Call) -> Answer:
        cluster = self._cluster(call, str(call.json.get("clusterId") or ""))
        _check_language(call.json)
        context = Context(str(uuid.uuid4().int >> 64), call.thing, cluster["cluster_id"])
        self._contexts[context.id] = context
        self._clusters.touch(cluster)
        return Answer(200, {"id": context.id})

    def _context_status(self, call: Call) -> Answer:
        return Answer(200, {"id": self._context(call, dict(call.query)).id, "status": "Running"})

    def _destroy(self, call: Call) -> Answer:
        context = self._context(call, call.json)
        self._end(context)
        return Answer(200, {"id": context.id})

    async def _execute(self, call: Call) -> Answer:
        context = self._context(call, call.json)
        _check_language(call.json)
        text = call.json.get("command")
        if not isinstance(text, str):
            raise _refused(400, "The field 'command' is missing.")
        command = Command(uuid.uuid4().hex)
        context.commands[command.id] = command
        while len(context.commands) > _MOST_COMMANDS:
            dropped = context.commands.pop(next(iter(context.commands)))
            if dropped.task is not None:
                dropped.task.cancel()
        self._clusters.touch(self._cluster(call, context.cluster_id))
        command.task = asyncio.create_task(self._run(command, text, call.thing, call.who))
        return Answer(200, {"id": command.id})

    def _command_status(self, call: Call) -> Answer:
        command = self._command(call, dict(call.query))
        return Answer(200, {"id": command.id, "status": command.status, "results": command.results})

    def _cancel(self, call: Call) -> Answer:
        command = self._command(call, call.json)
        if command.task is not None:
            command.task.cancel()
        return Answer(200, {"id": command.id})

    async def _run(self, command: Command, text: str, workspace: str, who: seed.Principal) -> None:
        """Run one command to its end; a cancellation kills its interpreter."""
        try:
            async with self._turns:
                command.status = "Running"
                async with asyncio.timeout(_SECONDS):
                    command.results = await self._interpret(text, workspace, who)
            command.status = "Finished"
        except TimeoutError:
            summary = f"The command has not ended within {_SECONDS:.0f} seconds."
            command.results = {"resultType": "error", "summary": summary, "cause": summary}
            command.status = "Finished"
        except asyncio.CancelledError:
            command.status = "Cancelled"
            raise
        except (OSError, ValueError) as error:
            LOG.warning("a command could not be run", exc_info=True)
            command.results = {"resultType": "error", "summary": type(error).__name__, "cause": str(error)}
            command.status = "Error"

    async def _interpret(self, text: str, workspace: str, who: seed.Principal) -> JsonObject:
        """Start an interpreter, answer what it asks, and return its result."""
        with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
            folder = os.path.realpath(folder)
            certificates = self._world.store.path.with_name("bundle.pem").resolve()
            environ = {name: os.environ[name] for name in _FOR_THE_SYSTEM if name in os.environ}
            # What a cluster in Azure trusts, it trusts here: the practice cloud's own services.
            environ |= dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(certificates))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-X",
                "utf8",
                str(_CONFINEMENT),
                str(_INTERPRETER),
                folder,
                str(certificates),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**environ, "HOME": folder, "TEMP": folder, "TMP": folder, "TMPDIR": folder},
                cwd=folder,
                limit=_LINE,
                start_new_session=sys.platform != "win32",
            )
            try:
                return await self._talk(process, text, workspace, who)
            finally:
                _kill(process)
                await process.wait()

    async def _talk(
        self, process: asyncio.subprocess.Process, text: str, workspace: str, who: seed.Principal
    ) -> JsonObject:
        if process.stdin is None or process.stdout is None:
            raise OSError("the interpreter has no pipes")
        said: JsonObject = {"command": text}
        while True:
            process.stdin.write(json.dumps(said).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
            if not line:
                summary = "The Python process exited unexpectedly."
                return {"resultType": "error", "summary": summary, "cause": summary}
            heard = json.loads(line)
            if "result" in heard:
                return dict(heard["result"])
            said = self._answered(heard, workspace, who)

    def _answered(self, question: JsonObject, workspace: str, who: seed.Principal) -> JsonObject:
        """Return what the interpreter gets to know, with the rights of whoever runs the command."""
        answer: Any
        try:
            if question["ask"] == "scopes":
                answer = self._scopes.names(workspace)
            elif question["ask"] == "list":
                answer = self._scopes.keys(workspace, question["scope"], who)
            else:
                value = self._scopes.read(workspace, question["scope"], question["key"], who)
                answer = base64.b64encode(value).decode()
        except Refused as refusal:
            body = refusal.answer.body
            told = body if isinstance(body, dict) else {}
            return {"error": told.get("message", ""), "code": told.get("error_code", "")}
        return {"answer": answer}


def _kill(process: asyncio.subprocess.Process) -> None:
    """End a command with all that it has started and that has stayed in its session."""
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)


def _check_language(body: JsonObject) -> None:
    if body.get("language") != "python":
        raise _refused(400, f"The practice cloud runs Python only, not '{body.get('language')}'.")


def _refused(status: int, message: str) -> Refused:
    return Refused(Answer(status, {"error": message}))
