"""Runs of jobs: Jobs_submit, Jobs_get_run, _get_run_output, _list_runs, _cancel_run, _delete_run, version 2.1 and 2.2.

A run has one task, a notebook or a Python file of the workspace, and an existing cluster or its own. It is actually
executed, as a job of the practice cloud, with the packages of `runtime`. There is no recording of this API: fields and
enumerations are those of databricks-sdk (`service/jobs.py`); the form of a response and its URLs are from its issue
375; a comment names the source of a failure's text; the others are unrecorded.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hol_wizard.practice import seed
from hol_wizard.practice.databricks import address, errors, libraries
from hol_wizard.practice.databricks.clusters import Clusters
from hol_wizard.practice.databricks.commands import Commands
from hol_wizard.practice.databricks.git_folders import plain
from hol_wizard.practice.databricks.libraries import Libraries
from hol_wizard.practice.databricks.people import user_id
from hol_wizard.practice.databricks.runtime import Runtime, RuntimeMissingError
from hol_wizard.practice.databricks.workspace_objects import WorkspaceObjects
from hol_wizard.practice.kernel import programs
from hol_wizard.practice.kernel.jobs import Jobs, Kind, Step, Work
from hol_wizard.practice.kernel.programs import Grace, Program
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.timelines import Result, State
from hol_wizard.practice.kernel.world import World

_RUNNER = Path(__file__).with_name("notebook_runner.py")
_INTERPRETER = Path(__file__).with_name("interpreter.py")
_KIND = "databricks run"
_AT_ONCE = 4
"""Maximum number of concurrent runs, including those that wait for a cluster."""
_MOST_RUNS = 200
"""Number of runs of a workspace that are kept (the service deletes them after 60 days)."""
_PAGE, _MOST_PAGE = 20, 26
"""Runs on a page of the list (Jobs_list_runs, `limit`)."""
_OF_A_LIST = "active_only completed_only limit page_token run_type expand_tasks start_time_from start_time_to"
_LONGEST_TOKEN = 64
_LOOK = 0.1
"""Seconds between two checks of a cluster."""
_TASKS = ("notebook_task", "spark_python_task")
_OTHER_TASKS = re.compile(r"_task$")
_LIBRARY = "azureml-mlflow"
_OF_LIBRARY = ("azureml",)
"""Packages that a run has only if its cluster has the lab's library; mlflow itself is part of Databricks runtimes."""
_WORKLOAD = "Workload failed, see run output for details"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a run has ended."""

    life: str
    """`TERMINATED`, or `INTERNAL_ERROR` if the work never began."""
    result: str
    message: str
    code: str
    """`termination_details.code`."""
    kind: str
    """`termination_details.type`."""


class _EndedError(Exception):
    """A run has ended early."""

    def __init__(self, outcome: _Outcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


def _without_beginning(message: str, code: str, kind: str = "CLIENT_ERROR") -> _Outcome:
    return _Outcome("INTERNAL_ERROR", "FAILED", message, code, kind)


def _fields(outcome: _Outcome) -> JsonObject:
    return {name: getattr(outcome, name) for name in ("life", "result", "message", "code", "kind")}


def _never_began(message: str, code: str, kind: str = "CLIENT_ERROR") -> _EndedError:
    return _EndedError(_without_beginning(message, code, kind))


class Runs:
    """The runs of all workspaces."""

    def __init__(
        self,
        world: World,
        router: Router,
        clusters: Clusters,
        installed: Libraries,
        objects: WorkspaceObjects,
        commands: Commands,
    ) -> None:
        self._world = world
        self._clusters = clusters
        self._libraries = installed
        self._objects = objects
        self._commands = commands
        contents = world.part(address.Contents)
        self._runs = contents.collection("databricks_runs", self)
        self._tokens = contents.collection("databricks_run_tokens", self)
        self._jobs = world.part(Jobs)
        self._jobs.register(Kind(_KIND, self._run, ended=self._ended, at_once=_AT_ONCE, grace=Grace(2.0, 1.0)))
        contents.when_gone.append(self._workspace_goes)
        clusters.when_stopping.append(self._cluster_goes)
        clusters.when_idle.append(self._is_busy)
        for version in ("2.1", "2.2"):
            base = f"/api/{version}/jobs/runs"
            router.add("POST", f"{base}/submit", self._submit)
            router.add("POST", f"{base}/cancel", self._cancel)
            router.add("POST", f"{base}/delete", self._delete)
            router.add(
                "GET",
                f"{base}/get",
                self._get,
                honors="run_id",
                ignores="include_history include_resolved_values page_token",
            )
            router.add("GET", f"{base}/get-output", self._get_output, honors="run_id")
            router.add(
                "GET",
                f"{base}/list",
                self._list,
                honors=_OF_A_LIST,
                refuses="job_id offset",
            )

    def _workspace_goes(self, workspace: str) -> None:
        for job in self._jobs.of(_owner(workspace)):
            self._jobs.remove(job["id"])

    def _on(self, cluster: Document) -> list[Document]:
        """Return the jobs of the active runs on a cluster."""
        runs = (each for each in self._of(cluster["workspace"]) if each["cluster_id"] == cluster["cluster_id"])
        jobs = [job for each in runs if (job := self._jobs.find(each["job"])) is not None]
        return [each for each in jobs if each["state"] == State.RUNNING and each["data"]["life"] == "RUNNING"]

    def _is_busy(self, cluster: Document) -> bool:
        return bool(self._on(cluster))

    def _cluster_goes(self, cluster: Document) -> None:
        """End the runs on a cluster that stops (many public issues quote the beginning of the text)."""
        why = cluster["state_message"] or "The cluster was stopped"
        text = f"Cluster {cluster['cluster_id']} was terminated during the run (cluster state message: {why})."
        for job in self._on(cluster):
            if not job["canceling"]:
                outcome = _fields(_without_beginning(text, "CLUSTER_ERROR"))
                self._jobs.put({**job, "data": {**job["data"], "outcome": outcome}})
                self._jobs.cancel(job["id"])

    # Runs

    def _of(self, workspace: str) -> list[Document]:
        """Return a workspace's runs, newest first."""
        return [each for each in self._runs if each["workspace"] == workspace][::-1]

    def _found(self, request: Request, given: object) -> tuple[Document, bool]:
        """Return the run with a number, and whether the number is that of its task.

        Raises:
            Refused: There is none (code and text: databricks-sdk, errors/overrides.py, and many public issues).
        """
        try:
            number = int(str(given))
        except ValueError as error:
            raise errors.invalid(f"Run {given} does not exist.") from error
        for each in self._of(request.thing):
            if number in (each["run_id"], each["task_run_id"]):
                return each, number == each["task_run_id"]
        raise errors.invalid(f"Run {number} does not exist.")

    def _state(self, run: Document) -> tuple[str, _Outcome | None, str]:
        """Return a run's life cycle state, its result if it has ended, and its message."""
        job = self._jobs.find(run["job"])
        if job is None:
            return "TERMINATED", _Outcome("TERMINATED", "CANCELED", "Run cancelled.", "CANCELED", "SUCCESS"), ""
        data = job["data"]
        if job["state"] != State.COMPLETED:
            life = "TERMINATING" if job["canceling"] else data["life"]
            return life, None, data["message"]
        if data["outcome"]:
            outcome = _Outcome(**data["outcome"])
        elif job["result"] == Result.CANCELED:
            outcome = _Outcome("TERMINATED", "CANCELED", "Run cancelled.", "USER_CANCELED", "SUCCESS")
        else:
            message = job["cause"] or "The practice cloud ended while this ran."
            outcome = _without_beginning(message, "INTERNAL_ERROR", "INTERNAL_ERROR")
        return outcome.life, outcome, outcome.message

    def _shown_state(self, run: Document) -> JsonObject:
        """Return `state` and, from version 2.2 on, `status`."""
        life, outcome, message = self._state(run)
        state: JsonObject = {"life_cycle_state": life, "state_message": message, "user_cancelled_or_timedout": False}
        second = {"INTERNAL_ERROR": "TERMINATED"}.get(life, life)
        status: JsonObject = {"state": second}
        if outcome is not None:
            state["result_state"] = outcome.result
            state["user_cancelled_or_timedout"] = outcome.result in {"CANCELED", "TIMEDOUT"}
            status["termination_details"] = {
                "code": outcome.code,
                "type": outcome.kind,
                "message": outcome.message,
            }
        return {"state": state, "status": status}

    def _times(self, run: Document) -> JsonObject:
        job = self._jobs.find(run["job"])
        began = job["data"]["began"] if job is not None else 0.0
        finished = job["finished"] if job is not None else run["created"]
        setup = int(((began or finished or self._world.clock.now()) - run["created"]) * 1000)
        execution = int(((finished or self._world.clock.now()) - began) * 1000) if began else 0
        return {
            "start_time": int(run["created"] * 1000),
            "setup_duration": setup,
            "execution_duration": execution,
            "cleanup_duration": 0,
            "end_time": int(finished * 1000) if finished else 0,
        }

    def _page_of(self, request: Request, run: Document) -> str:
        resource = address.resource_of(self._world, request.thing)
        number = address.number(resource) if resource is not None else 0
        return f"{request.base}/?o={number}#job/{run['job_id']}/run/{run['run_id']}"

    def _task(self, request: Request, run: Document) -> JsonObject:
        cluster = {"cluster_id": run["cluster_id"]}
        return {
            **run["task"],
            "run_id": run["task_run_id"],
            "run_page_url": self._page_of(request, run),
            "attempt_number": 0,
            "cluster_instance": cluster,
            **self._times(run),
            **self._shown_state(run),
        }

    def _shown(self, request: Request, run: Document, *, tasks: bool = True) -> JsonObject:
        body: JsonObject = {
            "job_id": run["job_id"],
            "run_id": run["run_id"],
            "number_in_job": run["run_id"],
            "creator_user_name": run["creator"],
            "run_name": run["name"],
            "run_page_url": self._page_of(request, run),
            "run_type": "SUBMIT_RUN",
            "original_attempt_run_id": run["run_id"],
            **self._times(run),
            **self._shown_state(run),
        }
        if tasks:
            body["tasks"] = [self._task(request, run)]
        return body

    # Requests

    def _submit(self, request: Request) -> Response:
        body = request.json
        token = str(body.get("idempotency_token") or "")
        if len(token) > _LONGEST_TOKEN:
            raise errors.invalid(f"The idempotency token is longer than {_LONGEST_TOKEN} characters.")
        if token and (given := self._tokens.get(f"{request.thing}/{token}")) is not None:
            if not any(each["run_id"] == given["run_id"] for each in self._of(request.thing)):
                # databricks-sdk, `submit`: "If a run with the provided token is deleted, an error is returned." Its
                # code and text are unrecorded.
                raise errors.invalid(f"The run with the idempotency token {token} was deleted.")
            return Response(200, {"run_id": given["run_id"]})
        task = _checked_task(body)
        run_as = body.get("run_as") or {}
        if not isinstance(run_as, dict):
            raise errors.refused(400, "MALFORMED_REQUEST", "run_as must be an object.")
        if run_as and request.who.client not in run_as.values():
            raise errors.denied("In the practice cloud a run has the identity of the user who submits it.")
        numbers = [secrets.randbelow(10**15) for _ in range(3)]
        run: Document = {
            "workspace": request.thing,
            "job_id": numbers[0],
            "run_id": numbers[1],
            "task_run_id": numbers[2],
            "name": str(body.get("run_name") or "Untitled"),
            "task": task,
            "creator": request.who.client,
            "principal": request.who.id,
            "created": self._world.clock.now(),
            "cluster_id": self._cluster_of(request, task, f"job-{numbers[0]}-run-{numbers[1]}-{task['task_key']}"),
        }
        limits = [_seconds(each.get("timeout_seconds")) for each in (body, task)]
        data = {
            "workspace": request.thing,
            "run_id": run["run_id"],
            "seconds": min((each for each in limits if each), default=0),
            "life": "PENDING",
            "message": "",
            "began": 0.0,
            "outcome": None,
            "output": None,
        }
        run["job"] = self._jobs.submit(_KIND, _owner(request.thing, str(run["run_id"])), data)["id"]
        for old in self._of(request.thing)[_MOST_RUNS - 1 :]:
            if self._state(old)[1] is not None:
                self._forget(old)
        self._runs.put(f"{request.thing}/{run['run_id']}", run)
        if token:
            # The service never forgets one (databricks/cli pull request 5882: "the Jobs API keeps tokens reserved").
            self._tokens.put(f"{request.thing}/{token}", {"workspace": request.thing, "run_id": run["run_id"]})
        return Response(200, {"run_id": run["run_id"]})

    def _cluster_of(self, request: Request, task: JsonObject, name: str) -> str:
        """Return the ID of a run's cluster: its own is created, a stopped one is started.

        Raises:
            Refused: The request is not allowed.
        """
        wanted = task.get("libraries") or []
        if not isinstance(wanted, list):
            raise errors.refused(400, "MALFORMED_REQUEST", "libraries must be a list.")
        libraries.check(wanted)
        if "new_cluster" in task:
            cluster = self._clusters.create_for_run(request, task["new_cluster"], request.who, name)
        else:
            try:
                cluster = self._clusters.find(request.thing, str(task["existing_cluster_id"]))
            except Refused:
                return str(task["existing_cluster_id"])  # the run fails, not its submission
            if self._clusters.is_for_run(cluster):
                # databricks-sdk-py issue 744
                raise errors.invalid("existing_cluster_id only supports all-purpose cluster IDs")
            if cluster["state"] == "TERMINATED" and not self._clusters.refusal(cluster, request.who):
                self._clusters.wake(request, cluster)
        self._libraries.ask_for(cluster, wanted)
        return str(cluster["cluster_id"])

    def _get(self, request: Request) -> Response:
        run, is_task = self._found(request, request.query.get("run_id", ""))
        shown = self._shown(request, run)
        return Response(200, {**shown, "run_id": run["task_run_id"]} if is_task else shown)

    def _get_output(self, request: Request) -> Response:
        run, _ = self._found(request, request.query.get("run_id", ""))
        body: JsonObject = {"metadata": {**self._shown(request, run, tasks=False), "run_id": run["task_run_id"]}}
        _, outcome, message = self._state(run)
        job = self._jobs.find(run["job"])
        output = job["data"]["output"] if job is not None else None
        if output is not None and "error" in output:
            body |= {"error": output["error"], "error_trace": output["trace"]}
        elif outcome is not None and outcome.result != "SUCCESS":
            body["error"] = message
        elif output is not None and "notebook_task" in run["task"]:
            result = {} if output["value"] is None else {"result": output["value"]}
            body["notebook_output"] = {**result, "truncated": output["truncated"]}
        return Response(200, body)

    def _list(self, request: Request) -> Response:
        active, completed = (
            request.query.get(name, "").lower() == "true" for name in ("active_only", "completed_only")
        )
        if active and completed:
            raise errors.invalid("Only one of active_only and completed_only can be true.")
        try:
            size, start = int(request.query.get("limit", _PAGE)), int(request.query.get("page_token") or 0)
            since, before = (int(request.query.get(name) or 0) for name in ("start_time_from", "start_time_to"))
        except ValueError as error:
            raise errors.invalid("limit, page_token or a time is invalid.") from error
        if start < 0 or not 1 <= size <= _MOST_PAGE:
            raise errors.invalid(f"limit must be between 1 and {_MOST_PAGE - 1}.")
        found = []
        for each in self._of(request.thing):
            ended = self._state(each)[1] is not None
            at = int(each["created"] * 1000)
            if (
                not (active and ended)
                and not (completed and not ended)
                and at >= since
                and (not before or at <= before)
                and request.query.get("run_type", "SUBMIT_RUN") == "SUBMIT_RUN"
            ):
                found.append(each)
        expand = request.query.get("expand_tasks", "").lower() == "true"
        body: JsonObject = {"has_more": start + size < len(found)}
        if found[start : start + size]:
            body["runs"] = [self._shown(request, each, tasks=expand) for each in found[start : start + size]]
        if body["has_more"]:
            body["next_page_token"] = str(start + size)
        if start:
            body["prev_page_token"] = str(max(0, start - size))
        return Response(200, body)

    def _cancel(self, request: Request) -> Response:
        """Cancel a run; one that has ended does not change."""
        run, _ = self._found(request, request.json.get("run_id", ""))
        self._jobs.cancel(run["job"])
        return Response(200, {})

    def _delete(self, request: Request) -> Response:
        run, _ = self._found(request, request.json.get("run_id", ""))
        if self._state(run)[1] is None:
            raise errors.wrong_state(f"Run {run['run_id']} is still active: cancel it first.")
        self._forget(run)
        return Response(200, {})

    def _forget(self, run: Document) -> None:
        self._jobs.remove(run["job"])
        self._runs.delete(f"{run['workspace']}/{run['run_id']}")

    # The work

    async def _run(self, work: Work) -> None:
        run = self._runs.get(f"{work.data['workspace']}/{work.data['run_id']}")
        if run is None:
            raise LookupError(work.data["run_id"])
        seconds = work.data["seconds"]
        try:
            async with asyncio.timeout(seconds or None):
                outcome = await self._outcome(work, run)
        except TimeoutError:
            text = f"Run timed out after {seconds} seconds."
            outcome = _Outcome("TERMINATED", "TIMEDOUT", text, "USER_CANCELED", "CLIENT_ERROR")
        except _EndedError as ended:
            outcome = ended.outcome
        except RuntimeMissingError as error:
            outcome = _without_beginning(str(error), "CLUSTER_ERROR")
        work.keep(outcome=_fields(outcome))

    async def _outcome(self, work: Work, run: Document) -> _Outcome:
        who = self._world.principal(run["principal"]) or seed.Principal(run["principal"], "", "")
        runtime = Runtime()
        work.keep(message="Waiting for cluster")
        async with work.step("Wait for the cluster"):
            while not self._is_ready(run, who):
                await work.sleep(_LOOK)
        await runtime.prepare(work)
        order = self._order(work, run, who)
        work.keep(life="RUNNING", message="In run", began=self._world.clock.now())
        async with work.step("Run the task") as step:
            output = await self._talk(work, run, runtime, order, step)
            work.keep(output=output)
            if "error" in output:
                step.result = Result.FAILED
                return _Outcome("TERMINATED", "FAILED", _WORKLOAD, "RUN_EXECUTION_ERROR", "CLIENT_ERROR")
        return _Outcome("TERMINATED", "SUCCESS", "", "SUCCESS", "SUCCESS")

    def _is_ready(self, run: Document, who: seed.Principal) -> bool:
        """Return whether the run's cluster is running, with its libraries.

        Raises:
            _EndedError: It will never be, or this run may not use it.
        """
        self._world.operations.settle()
        with self._world.store.transaction():
            cluster, identity = self._cluster(run), run["cluster_id"]
            refusal = self._clusters.refusal(cluster, who)
            if refusal:
                raise _never_began(refusal, "UNAUTHORIZED_ERROR")
            if cluster["state"] in {"TERMINATED", "TERMINATING", "ERROR"}:
                # Quoted in issues of databricks-sdk and dbx.
                told = f"Cluster {identity} is in unexpected state {cluster['state'].capitalize()}"
                kind = "CLOUD_FAILURE" if (cluster["reason"] or {}).get("type") == "CLOUD_FAILURE" else "CLIENT_ERROR"
                raise _never_began(
                    f"Unexpected failure while waiting for the cluster ({identity}) to be ready: {told}: "
                    f"{cluster['state_message']}",
                    "CLUSTER_ERROR",
                    kind,
                )
            if cluster["state"] != "RUNNING":
                return False
            self._clusters.touch(cluster)
            return self._has_libraries(cluster)

    def _cluster(self, run: Document) -> Document:
        """Return the run's cluster.

        Raises:
            _EndedError: Somebody has deleted it.
        """
        try:
            return self._clusters.find(run["workspace"], run["cluster_id"])
        except Refused:
            # The text is from polar-rams/databricks-sdk-golang issue 6.
            raise _never_began(
                f"Run executed on existing cluster ID {run['cluster_id']} failed since the cluster does not exist.",
                "CLUSTER_ERROR",
            ) from None

    def _has_libraries(self, cluster: Document) -> bool:
        states = self._libraries.statuses(cluster)
        for each in states:
            if each["status"] == "FAILED":
                # astronomer/astronomer-providers issue 460 quotes the beginning.
                raise _never_began(
                    "Library installation failed for library due to user error. Error messages:\n"
                    + "\n".join(each.get("messages", [])),
                    "LIBRARY_INSTALLATION_ERROR",
                )
        return all(each["status"] not in {"PENDING", "RESOLVING", "INSTALLING"} for each in states)

    def _order(self, work: Work, run: Document, who: seed.Principal) -> JsonObject:
        """Return the order for the runner, after writing the files to its folder.

        Raises:
            _EndedError: The notebook or the file does not exist.
        """
        task = run["task"]
        is_notebook = "notebook_task" in task
        path = plain(
            str(task["notebook_task"]["notebook_path"] if is_notebook else task["spark_python_task"]["python_file"])
        )
        workspace = run["workspace"]
        files = dict(self._objects.beside(workspace, path))
        name = path.rpartition("/")[2] + (".py" if is_notebook else "")
        if name not in files or (is_notebook and self._objects.source(workspace, path) is None):
            # Quoted in issues of databricks/cli.
            raise _never_began(
                f'Unable to access the {"notebook" if is_notebook else "file"} "{path}". Either it does not exist, or '
                f"the identity used to run this job, {who.client} ({user_id(who)}), lacks the required permissions.",
                "RESOURCE_NOT_FOUND",
            )
        folder = work.folder / "workspace"
        folder.mkdir(exist_ok=True)
        for each, content in files.items():
            (folder / each).write_bytes(content)
        with self._world.store.transaction():
            cluster = self._cluster(run)
            has = any(
                str((each["library"].get("pypi") or {}).get("package", "")).lower().startswith(_LIBRARY)
                for each in self._libraries.statuses(cluster)
            )
        return {
            "file": str(folder / name),
            "folder": str(folder),
            "notebook": is_notebook,
            "parameters": task["notebook_task"].get("base_parameters") or {} if is_notebook else {},
            "arguments": [] if is_notebook else task["spark_python_task"].get("parameters") or [],
            "user": who.client,
            "absent": [] if has else list(_OF_LIBRARY),
            "environment": cluster["spec"].get("spark_env_vars") or {},
        }

    async def _talk(self, work: Work, run: Document, runtime: Runtime, order: JsonObject, step: Step) -> JsonObject:
        certificates = str(self._world.store.path.with_name("bundle.pem").resolve())
        addresses = self._world.addresses
        environment = programs.environment(
            work.folder,
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), certificates),
            # Secrets contain the real names of services, which the proxy maps to this practice cloud. Programs take the
            # practice cloud's own addresses from these variables.
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self._world.proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
            ARM_URL=addresses["resource_manager"],
            STORAGE_BLOB_URL=f"{addresses['storage_blob']}/{{account}}",
            PRACTICE_DFS_URL=addresses["storage_dfs"],
            AZUREML_CURRENT_CLOUD="practice",
            ARM_CLOUD_METADATA_URL=f"{addresses['resource_manager']}/metadata/endpoints?api-version=2019-05-01",
            OMP_NUM_THREADS="1",
            OPENBLAS_NUM_THREADS="1",
            **{str(name): str(value) for name, value in order.pop("environment").items()},
        )
        readable = [certificates, str(_INTERPRETER)]
        program = Program.of_python(_RUNNER, work.folder, environment, readable=readable, python=runtime.python)
        said = order
        async with work.started(program) as running:
            while True:
                running.input.write(json.dumps(said).encode() + b"\n")
                await running.input.drain()
                heard: Any = {"printed": None}
                while "printed" in heard:
                    try:
                        line = await running.output.readline()
                    except ValueError:  # longer than `programs.LINE`
                        line = b""
                    if not line:
                        text = "The Python process exited unexpectedly."
                        return {"error": text, "trace": text}
                    heard = json.loads(line)
                    if heard.get("printed") is not None:
                        step.log.append(heard["printed"])
                if "result" in heard:
                    return dict(heard["result"])
                with self._world.store.transaction():
                    said = self._commands.answered(heard, run["workspace"], run["principal"])

    def _ended(self, job: Document) -> None:
        """Release the run's own cluster; the idle time of another one starts."""
        run = self._runs.get(f"{job['data']['workspace']}/{job['data']['run_id']}")
        if run is None:
            return
        if "new_cluster" not in run["task"]:
            if job["data"]["life"] == "RUNNING":
                self._clusters.was_used(run["workspace"], run["cluster_id"])
            return
        try:
            self._clusters.end_for_run(self._clusters.find(run["workspace"], run["cluster_id"]))
        except Refused:
            return  # somebody has deleted it permanently


def _owner(*parts: str) -> str:
    return "/".join(("databricks-runs", *parts))


def _seconds(given: object) -> int:
    return given if isinstance(given, int) and not isinstance(given, bool) and given > 0 else 0


def _checked_task(body: JsonObject) -> JsonObject:
    """Return the one task of a run.

    Raises:
        Refused: It is invalid, or of a kind that the practice cloud does not run (all texts are unrecorded).
    """
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not tasks or not all(isinstance(each, dict) for each in tasks):
        raise errors.invalid("Missing required field: tasks")
    if body.get("git_source"):
        raise errors.invalid("The practice cloud runs what is in the workspace: git_source is not served.")
    if len(tasks) > 1:
        raise errors.invalid("The practice cloud runs one task at a time: submit one run for each.")
    task: JsonObject = tasks[0]
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,100}", str(task.get("task_key") or "")):
        raise errors.invalid("A task needs a task_key of letters, digits, dashes and underscores, at most 100.")
    other = [name for name in task if _OTHER_TASKS.search(name) and name not in _TASKS]
    found = [name for name in _TASKS if task.get(name)]
    if other or len(found) != 1:
        raise errors.invalid(f"A task has exactly one of: {', '.join(_TASKS)}. The practice cloud serves no other.")
    path = task[found[0]].get("notebook_path" if found[0] == "notebook_task" else "python_file")
    if not isinstance(path, str) or not path.startswith("/"):
        raise errors.invalid("Only absolute paths are currently supported. Paths must begin with '/'.")
    _check_strings(task[found[0]])
    if "existing_cluster_id" not in task and "new_cluster" not in task:
        # databricks/cli issue 838
        raise errors.invalid("One of job_cluster_key, new_cluster, or existing_cluster_id must be specified.")
    if "existing_cluster_id" in task and "new_cluster" in task:
        raise errors.invalid("A task needs exactly one of existing_cluster_id and new_cluster.")
    if "new_cluster" in task and not isinstance(task["new_cluster"], dict):
        raise errors.refused(400, "MALFORMED_REQUEST", "new_cluster must be an object.")
    return task


def _check_strings(task: JsonObject) -> None:
    named, listed = task.get("base_parameters") or {}, task.get("parameters") or []
    values = [*named.values(), *listed] if isinstance(named, dict) and isinstance(listed, list) else [None]
    if any(not isinstance(value, str) for value in values):
        raise errors.refused(400, "MALFORMED_REQUEST", "Parameters of a task must be strings.")
