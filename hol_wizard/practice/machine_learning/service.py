"""MLflow tracking of Azure Machine Learning workspaces, for the clients `azureml-mlflow` and `mlflow-skinny`.

Each region has a host, `REGION.api.azureml.ms`; below the workspace's resource ID it serves MLflow's REST API
(mlflow.org/docs/latest/rest-api.html), with its paths, fields and error codes. Seen with azureml-mlflow 1.62 and
mlflow-skinny 3.15: every request has a token for Azure Resource Manager, whatever the workspace's `mlFlowTrackingUri`
says, it goes to `mlflow/v2.0`. The Azure actions that an operation needs are from "Manage access to Azure Machine
Learning workspaces", MLflow operations. The service's authentication errors are not recorded: those of Resource Manager
are used.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any
from urllib.parse import urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.arm import errors as arm_errors
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service, members, whole_number
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.machine_learning.records import Tracking

_TYPE = "Microsoft.MachineLearningServices/workspaces"
_AUDIENCES = frozenset({"https://management.core.windows.net", "https://management.azure.com", "https://ml.azure.com"})
_VERSIONS = ("v1.0", "v2.0")
_STATUSES = frozenset({"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"})
_MOST_RUNS = 1000


class MachineLearning(Service):
    """The tracking of all workspaces, whatever their region."""

    name = "machine_learning"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._tracking = world.part(Tracking)
        self._tokens = world.part(Tokens)
        for version in _VERSIONS:
            base = (
                f"/mlflow/{version}/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{_TYPE}/{{name}}"
                "/api/2.0/mlflow"
            )
            add = self.router.add
            add("GET", f"{base}/experiments/get-by-name", self._get_experiment_by_name, honors="experiment_name")
            add("GET", f"{base}/experiments/get", self._get_experiment, honors="experiment_id")
            add("POST", f"{base}/experiments/create", self._create_experiment)
            add("POST", f"{base}/experiments/search", self._search_experiments)
            add("POST", f"{base}/runs/create", self._create_run)
            add("GET", f"{base}/runs/get", self._get_run, honors="run_id run_uuid")
            add("POST", f"{base}/runs/update", self._update_run)
            add("POST", f"{base}/runs/log-batch", self._log_batch)
            add("POST", f"{base}/runs/log-metric", self._log_metric)
            add("POST", f"{base}/runs/log-parameter", self._log_parameter)
            add("POST", f"{base}/runs/set-tag", self._set_tag)
            add("POST", f"{base}/runs/search", self._search_runs)
            add("GET", f"{base}/metrics/get-history", self._metric_history, honors="run_id run_uuid metric_key")

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error of the front door."""
        return arm_errors.error_answer(status, code, message, **more)

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return MLflow's error for a path that is not served."""
        del path_is_known
        return Response(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for '{request.path}'"})

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller, by a token for Azure Resource Manager."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        grant = self._tokens.find(token.strip(), "access") if scheme.lower() == "bearer" else None
        who = None if grant is None else self.world.principal(grant["principal"])
        if grant is None or who is None or grant["audience"].rstrip("/") not in _AUDIENCES:
            raise arm_errors.unauthenticated("InvalidAuthenticationToken", "The access token is invalid.")
        if grant["expires"] <= self.world.clock.now():
            raise arm_errors.unauthenticated("ExpiredAuthenticationToken", "The access token has expired.")
        return who

    # Where

    def _workspace(self, request: Request, right: str) -> str:
        """Return the ID of the workspace of the path, in lowercase.

        Raises:
            Refused: There is none, or the caller lacks the permission in it.
        """
        match = request.match
        identity = (
            f"/subscriptions/{match['subscription']}/resourceGroups/{match['group']}/providers/{_TYPE}/{match['name']}"
        )
        if not self.world.part(Access).allowed(request.who.id, f"{_TYPE}/{right}", identity):
            raise arm_errors.authorization_failed(request.who, f"{_TYPE}/{right}", identity)
        found = self.world.part(Resources).find(identity)
        if found is None or found["state"] != "Succeeded":
            raise arm_errors.resource_not_found(_TYPE, match["name"], match["group"])
        return identity.lower()

    def _experiments(self, workspace: str) -> list[Document]:
        return [each for each in self._tracking.experiments if each["workspace"] == workspace]

    def _experiment(self, workspace: str, identity: str) -> Document:
        found = self._tracking.experiments.get(f"{workspace}|{identity}")
        if found is None:
            raise _missing(f"No Experiment with id={identity} exists")
        return found

    def _run(self, request: Request, right: str) -> Document:
        """Return the run that a request names."""
        workspace = self._workspace(request, right)
        given: Any = request.query if request.method == "GET" else request.json
        identity = str(given.get("run_id") or given.get("run_uuid") or "")
        if not identity:
            raise _invalid("Missing value for required parameter 'run_id'.")
        found = self._tracking.runs.get(f"{workspace}|{identity}")
        if found is None:
            raise _missing(f"Run with id={identity} not found")
        return found

    def _keep(self, run: Document) -> None:
        self._tracking.runs.put(f"{run['workspace']}|{run['run_id']}", run)

    # Experiments

    def _shown_experiment(self, experiment: Document) -> JsonObject:
        return {
            "experiment_id": experiment["experiment_id"],
            "name": experiment["name"],
            "artifact_location": "",
            "lifecycle_stage": "active",
            "creation_time": experiment["created"],
            "last_update_time": experiment["created"],
            "tags": [],
        }

    def _get_experiment_by_name(self, request: Request) -> Response:
        workspace = self._workspace(request, "experiments/read")
        name = request.query.get("experiment_name", "")
        for each in self._experiments(workspace):
            if each["name"] == name:
                return Response(200, {"experiment": self._shown_experiment(each)})
        raise _missing(f"Could not find experiment with name '{name}'")

    def _get_experiment(self, request: Request) -> Response:
        workspace = self._workspace(request, "experiments/read")
        return Response(
            200,
            {"experiment": self._shown_experiment(self._experiment(workspace, request.query.get("experiment_id", "")))},
        )

    def _create_experiment(self, request: Request) -> Response:
        workspace = self._workspace(request, "experiments/write")
        name = str(request.json.get("name") or "")
        if not name:
            raise _invalid("Missing value for required parameter 'name'.")
        if any(each["name"] == name for each in self._experiments(workspace)):
            raise _refused(400, "RESOURCE_ALREADY_EXISTS", f"Experiment '{name}' already exists.")
        identity = str(uuid.uuid4())
        experiment = {"workspace": workspace, "experiment_id": identity, "name": name, "created": self._now()}
        self._tracking.experiments.put(f"{workspace}|{identity}", experiment)
        return Response(200, {"experiment_id": identity})

    def _search_experiments(self, request: Request) -> Response:
        found = [
            self._shown_experiment(each) for each in self._experiments(self._workspace(request, "experiments/read"))
        ]
        if request.json.get("filter"):
            raise _invalid("The practice cloud searches experiments without a filter.")
        return Response(200, {"experiments": found} if found else {})

    # Runs

    def _now(self) -> int:
        return int(self.world.clock.now() * 1000)

    def _shown_run(self, run: Document) -> JsonObject:
        place = f"experiments/{run['experiment']}/runs/{run['run_id']}/artifacts"
        host = urlsplit(self.world.addresses[self.name]).netloc
        info: JsonObject = {
            "run_id": run["run_id"],
            "run_uuid": run["run_id"],
            "run_name": run["name"],
            "experiment_id": run["experiment_id"],
            "user_id": run["user"],
            "status": run["status"],
            "start_time": run["start"],
            "artifact_uri": f"azureml://{host}/mlflow/v2.0{run['workspace']}/{place}",
            "lifecycle_stage": "active",
        }
        if run["end"]:
            info["end_time"] = run["end"]
        return {
            "info": info,
            "data": {
                "metrics": [values[-1] for values in run["metrics"].values()],
                "params": _pairs(run["params"]),
                "tags": _pairs(run["tags"]),
            },
        }

    def _create_run(self, request: Request) -> Response:
        workspace, body = self._workspace(request, "experiments/runs/write"), request.json
        experiment = self._experiment(workspace, str(body.get("experiment_id") or ""))
        identity = str(uuid.uuid4())
        tags = {str(each.get("key")): str(each.get("value")) for each in members(body, "tags")}
        name = str(body.get("run_name") or tags.get("mlflow.runName") or f"run_{secrets.token_hex(4)}")
        run: Document = {
            "workspace": workspace,
            "run_id": identity,
            "name": name,
            "experiment_id": experiment["experiment_id"],
            "experiment": experiment["name"],
            "user": request.who.display_name,
            "status": "RUNNING",
            "start": whole_number(body, "start_time") or self._now(),
            "end": 0,
            "metrics": {},
            "params": {},
            "tags": {**tags, "mlflow.rootRunId": identity, "mlflow.runName": name},
        }
        self._keep(run)
        return Response(200, {"run": self._shown_run(run)})

    def _get_run(self, request: Request) -> Response:
        return Response(200, {"run": self._shown_run(self._run(request, "experiments/runs/read"))})

    def _update_run(self, request: Request) -> Response:
        run = self._run(request, "experiments/runs/write")
        status = request.json.get("status")
        if status is not None:
            if not isinstance(status, str) or status not in _STATUSES:
                raise _invalid(f"Invalid value '{status}' for parameter 'status'.")
            run["status"] = status
        run["end"] = whole_number(request.json, "end_time") or run["end"]
        run["name"] = str(request.json.get("run_name") or run["name"])
        self._keep(run)
        return Response(200, {"run_info": self._shown_run(run)["info"]})

    def _log_batch(self, request: Request) -> Response:
        run, body = self._run(request, "experiments/runs/write"), request.json
        for each in members(body, "params"):
            _put_parameter(run, each)
        for each in members(body, "metrics"):
            self._put_metric(run, each)
        for each in members(body, "tags"):
            run["tags"][str(each.get("key"))] = str(each.get("value"))
        self._keep(run)
        return Response(200, {})

    def _log_metric(self, request: Request) -> Response:
        run = self._run(request, "experiments/runs/write")
        self._put_metric(run, request.json)
        self._keep(run)
        return Response(200, {})

    def _put_metric(self, run: Document, given: JsonObject) -> None:
        key, value = given.get("key"), given.get("value")
        if not isinstance(key, str) or isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(f"Invalid value {given!r} for parameter 'metric'.")
        entry = {
            "key": key,
            "value": float(value),
            "timestamp": whole_number(given, "timestamp") or self._now(),
            "step": whole_number(given, "step"),
        }
        run["metrics"] = {**run["metrics"], key: [*run["metrics"].get(key, []), entry]}

    def _log_parameter(self, request: Request) -> Response:
        run = self._run(request, "experiments/runs/write")
        _put_parameter(run, request.json)
        self._keep(run)
        return Response(200, {})

    def _set_tag(self, request: Request) -> Response:
        run = self._run(request, "experiments/runs/write")
        run["tags"][str(request.json.get("key"))] = str(request.json.get("value"))
        self._keep(run)
        return Response(200, {})

    def _search_runs(self, request: Request) -> Response:
        workspace, body = self._workspace(request, "experiments/runs/read"), request.json
        if body.get("filter"):
            raise _invalid("The practice cloud searches runs by experiment only.")
        wanted = body.get("experiment_ids") or []
        if not isinstance(wanted, list):
            raise _invalid("Invalid value for parameter 'experiment_ids'.")
        found = [
            each for each in self._tracking.runs if each["workspace"] == workspace and each["experiment_id"] in wanted
        ]
        found.sort(key=lambda each: int(each["start"]), reverse=True)
        most = min(whole_number(body, "max_results") or _MOST_RUNS, _MOST_RUNS)
        return Response(200, {"runs": [self._shown_run(each) for each in found[:most]]} if found else {})

    def _metric_history(self, request: Request) -> Response:
        run = self._run(request, "experiments/runs/read")
        found = run["metrics"].get(request.query.get("metric_key", ""), [])
        return Response(200, {"metrics": found} if found else {})


def _put_parameter(run: Document, given: JsonObject) -> None:
    """Log a parameter: a value that was logged cannot be changed (mlflow, `SqlAlchemyStore._log_params`)."""
    key, value = str(given.get("key")), str(given.get("value"))
    old = run["params"].get(key, value)
    if old != value:
        raise _invalid(
            f"Changing param values is not allowed. Param with key='{key}' was already logged with value='{old}' for "
            f"run ID='{run['run_id']}'. Attempted logging new value '{value}'."
        )
    run["params"] = {**run["params"], key: value}


def _pairs(given: JsonObject) -> list[JsonObject]:
    return [{"key": key, "value": value} for key, value in given.items()]


def _refused(status: int, code: str, message: str) -> Refused:
    return Refused(Response(status, {"error_code": code, "message": message}))


def _missing(message: str) -> Refused:
    return _refused(404, "RESOURCE_DOES_NOT_EXIST", message)


def _invalid(message: str) -> Refused:
    return _refused(400, "INVALID_PARAMETER_VALUE", message)
