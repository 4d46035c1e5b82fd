"""Trains in the pipeline's Databricks workspace: uploads the notebook, runs it on a job cluster, waits for the run.

The build pipeline runs this program as the service connection; you can also run it with your own sign-in. The training
uses exactly what was checked out: the notebook and its modules are uploaded for this build, so the workspace needs no
Git credential, and no branch can move in the meantime.

- They go to the home folder of the identity that runs this program. Everybody may change what is in /Shared, regardless
  of a folder's own permissions; in a home folder, only its owner and the workspace's admins can. The folder is removed
  afterwards.
- The run gets its own job cluster, with the same runtime, machines and libraries as the cluster that DB_CLUSTER_ID
  names. That cluster is dedicated to the person who created it, so nobody else's program runs there. A job cluster
  costs less, and ends automatically.
- However this program ends (Ctrl-C, a canceled build, an error), the run is canceled if it is still in progress.

Reads from the environment:

- SUBSCRIPTION_ID, RESOURCE_GROUP, DB_WORKSPACE_NAME: the Databricks workspace
- DB_CLUSTER_ID: the cluster whose settings the job cluster gets
- AUTHOR: the tag created_by of the model; if it is not set, the notebook uses the secret created-by
- SCRIPT_NAME: the notebook, `train_model.py` if not set
- TIMEOUT_MINUTES: how long the run may take, 45 if not set

Exit codes: 0 trained, 1 the training failed, 2 the settings are wrong, 3 a service refused or did not answer, 4 it took
too long or was stopped; the run was canceled.
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sys
import time
import urllib.parse
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import model_registry
from model_registry import RegistryError, ServiceError, Services, SignIn

HERE = Path(__file__).resolve().parent
DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
"""Application ID of AzureDatabricks, the audience of the tokens: the same in every tenant."""
DATABRICKS_API_VERSION = "2026-01-01"
MODULES = ("training.py", "model_registry.py")
COPIED = (
    "spark_version",
    "node_type_id",
    "driver_node_type_id",
    "spark_conf",
    "spark_env_vars",
    "runtime_engine",
    "kind",
    "is_single_node",
    "use_ml_runtime",
)
"""Settings that a job cluster copies from the other cluster, in addition to its size."""
ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}
SECONDS_BETWEEN_LOOKS = 15.0


class SettingsError(Exception):
    """A setting is missing or wrong."""


class TrainingError(Exception):
    """The training failed."""


class TooSlowError(Exception):
    """The training did not end within the time limit."""


class StoppedError(Exception):
    """Somebody stopped this program."""


@dataclass(frozen=True)
class Settings:
    """What to run, and where."""

    cluster_id: str
    notebook: Path
    timeout: float
    """Time limit for the run, in seconds."""
    build: str
    """Name of this build's folder."""
    created_by: str
    """The tag of the model; if empty, the notebook sets it."""


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        SettingsError: One is missing or wrong.
    """
    cluster_id = _value(environment, "DB_CLUSTER_ID")
    if not cluster_id:
        raise SettingsError("DB_CLUSTER_ID is not set. Is the secret db-cluster-id in the variable group?")
    notebook = HERE / (_value(environment, "SCRIPT_NAME") or "train_model.py")
    if not notebook.is_file():
        raise SettingsError(f"There is no {notebook.name} in {HERE}: SCRIPT_NAME is not right.")
    minutes = _value(environment, "TIMEOUT_MINUTES") or "45"
    try:
        timeout = float(minutes) * 60
    except ValueError as error:
        raise SettingsError(f"TIMEOUT_MINUTES is not a number: {minutes!r}") from error
    build = _value(environment, "BUILD_BUILDID") or f"local-{uuid.uuid4().hex[:8]}"
    return Settings(cluster_id, notebook, timeout, build, _value(environment, "AUTHOR"))


class Databricks:
    """The REST interface of a Databricks workspace, also for an identity that is not a user of it."""

    def __init__(self, url: str, resource_id: str, sign_in: SignIn, services: Services) -> None:
        self.url = url.rstrip("/")
        self._resource_id = resource_id
        self._sign_in = sign_in
        self._services = services

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str) -> dict[str, Any]:
        """Send a request and return the response."""
        headers = {
            "Authorization": f"Bearer {self._sign_in.token(DATABRICKS)}",
            # A service principal that is not a user of the workspace has access with these two, if it is Contributor
            # on the workspace's Azure resource.
            "X-Databricks-Azure-Workspace-Resource-Id": self._resource_id,
            "X-Databricks-Azure-SP-Management-Token": self._sign_in.token(self._services.management_audience),
        }
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        hint = "It needs the role Contributor on the Databricks workspace."
        answer = model_registry.send(method, f"{self.url}{path}", headers, content, what=what, hint=hint)
        return dict(json.loads(answer)) if answer else {}

    def identity(self) -> str:
        """Return the identity's name in the workspace: a service principal's application ID or a person's user name."""
        return str(self.ask("GET", "/api/2.0/preview/scim/v2/Me", what="enter the workspace")["userName"])

    def job_cluster(self, cluster_id: str, user: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the settings of a job cluster like this one, dedicated to the user, and its libraries."""
        query = urllib.parse.urlencode({"cluster_id": cluster_id})
        like = self.ask("GET", f"/api/2.1/clusters/get?{query}", what=f"read the cluster {cluster_id}")
        cluster = {name: like[name] for name in COPIED if like.get(name) not in (None, "", {})}
        if not like.get("is_single_node"):
            size = "autoscale" if like.get("autoscale") else "num_workers"
            cluster[size] = like.get(size, 0)
            if like.get("spark_conf", {}).get("spark.databricks.cluster.profile") == "singleNode":
                cluster["custom_tags"] = {"ResourceClass": "SingleNode"}
        cluster |= {"data_security_mode": "SINGLE_USER", "single_user_name": user}
        found = self.ask("GET", f"/api/2.0/libraries/cluster-status?{query}", what="read the cluster's libraries")
        return cluster, [each["library"] for each in found.get("library_statuses", [])]

    def upload(self, folder: str, notebook: Path) -> str:
        """Put the notebook and its modules into a folder, and return the notebook's path."""
        self.ask("POST", "/api/2.0/workspace/mkdirs", {"path": folder}, what=f"make the folder {folder}")
        path = f"{folder}/{notebook.stem}"
        for target, file, form in [
            (path, notebook, {"format": "SOURCE", "language": "PYTHON"}),
            # AUTO creates a notebook only if the content begins like one, otherwise a file.
            *((f"{folder}/{name}", HERE / name, {"format": "AUTO"}) for name in MODULES),
        ]:
            content = base64.b64encode(file.read_bytes()).decode()
            body = {"path": target, "content": content, "overwrite": True, **form}
            self.ask("POST", "/api/2.0/workspace/import", body, what=f"upload {file.name}")
        return path

    def remove(self, folder: str) -> None:
        """Remove the folder of this build if it exists."""
        try:
            body = {"path": folder, "recursive": True}
            self.ask("POST", "/api/2.0/workspace/delete", body, what=f"remove the folder {folder}")
        except ServiceError as error:
            if error.status != 404:
                raise

    def submit(self, request: Mapping[str, Any]) -> int:
        """Start the run and return its number; if the same request is repeated, no second run starts."""
        return int(self.ask("POST", "/api/2.2/jobs/runs/submit", request, what="submit the training")["run_id"])

    def look(self, run_id: int) -> dict[str, Any]:
        """Return the current state of the run."""
        return self.ask("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}", what=f"look at run {run_id}")

    def cancel(self, run_id: int) -> None:
        """Cancel the run; this has no effect if it has ended."""
        self.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id}, what=f"cancel run {run_id}")

    def result(self, run: Mapping[str, Any]) -> str:
        """Return the notebook's exit value.

        Raises:
            TrainingError: The run failed.
        """
        task = (run.get("tasks") or [run])[0]["run_id"]
        output = self.ask("GET", f"/api/2.2/jobs/runs/get-output?run_id={task}", what="read the run's output")
        state = run.get("state", {})
        if state.get("result_state") != "SUCCESS":
            told = [output.get("error_trace", ""), output.get("error", "") or state.get("state_message", "")]
            said = "\n".join(part.strip() for part in told if part.strip())
            raise TrainingError(f"The training ended as {state.get('result_state') or 'failed'}.\n{said}".strip())
        return str((output.get("notebook_output") or {}).get("result") or "")


class Training:
    """One run, which ends no later than this program."""

    def __init__(self, databricks: Databricks, request: Mapping[str, Any]) -> None:
        self._databricks = databricks
        self._request = request
        self._submitting = False
        self._run_id = 0
        self._ended = False

    def run(self, seconds: float) -> str:
        """Submit the run, wait until it ends, and return the notebook's exit value.

        Raises:
            TrainingError: The run failed.
            TooSlowError: It did not end in time.
        """
        self._submitting = True
        self._run_id = self._databricks.submit(self._request)
        ends = time.monotonic() + seconds
        said = ""
        while True:
            run = self._databricks.look(self._run_id)
            state = run.get("state", {})
            if not said:
                say(f"Run {self._run_id}: {run.get('run_page_url', '')}")
            now = f"{state.get('life_cycle_state', '')} {state.get('state_message', '')}".strip()
            if now != said:
                say(f"{time.strftime('%H:%M:%S')} {now}")
                said = now
            if state.get("life_cycle_state") in ENDED:
                self._ended = True
                return self._databricks.result(run)
            if time.monotonic() > ends:
                raise TooSlowError(f"Run {self._run_id} has not ended within {seconds / 60:g} minutes.")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def end(self) -> None:
        """Cancel the run if it is in progress, even if the response to its submission was lost."""
        if self._ended or not self._submitting:
            return
        # The request contains an idempotency token: if it is repeated, the response names the run that it started.
        run_id = self._run_id or self._databricks.submit(self._request)
        self._databricks.cancel(run_id)
        self._ended = True
        say(f"Run {run_id} was canceled.")


def find_workspace(environment: Mapping[str, str], sign_in: SignIn) -> tuple[str, str]:
    """Return the workspace's address and resource ID.

    Raises:
        SettingsError: The settings name no workspace.
    """
    names = ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "DB_WORKSPACE_NAME")
    missing = [name for name in names if not _value(environment, name)]
    if missing:
        raise SettingsError(f"Not set: {', '.join(missing)}. Are their secrets in the variable group?")
    subscription, group, name = (_value(environment, each) for each in names)
    services = Services.of(environment)
    path = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Databricks/workspaces/{name}"
    answer = model_registry.send(
        "GET",
        f"{services.arm_url}{path}?api-version={DATABRICKS_API_VERSION}",
        {"Authorization": f"Bearer {sign_in.token(services.arm_audience)}"},
        what=f"find the Databricks workspace {name}",
        hint=f"It needs the role Contributor on {name}.",
    )
    found = json.loads(answer)
    return f"https://{found['properties']['workspaceUrl']}", str(found["id"])


def train(environment: Mapping[str, str]) -> str:
    """Train, and return the notebook's exit value."""
    settings = read_settings(environment)
    sign_in = model_registry.sign_in_of(environment)
    url, resource_id = find_workspace(environment, sign_in)
    databricks = Databricks(url, resource_id, sign_in, Services.of(environment))
    user = databricks.identity()
    cluster, libraries = databricks.job_cluster(settings.cluster_id, user)
    folder = f"/Users/{user}/Project_One/builds/{settings.build}"
    task: dict[str, Any] = {
        "task_key": "train",
        "new_cluster": cluster,
        "libraries": libraries,
        "notebook_task": {"notebook_path": f"{folder}/{settings.notebook.stem}", "source": "WORKSPACE"},
    }
    if settings.created_by:
        task["notebook_task"]["base_parameters"] = {"created_by": settings.created_by}
    request = {
        "run_name": f"Project_One build {settings.build}",
        "tasks": [task],
        "timeout_seconds": max(60, int(settings.timeout)),
        # If the request is repeated after a lost response, no second run starts.
        "idempotency_token": uuid.uuid4().hex,
    }
    training = Training(databricks, request)
    try:
        say(f"Uploading {settings.notebook.name} to {folder} of {url}")
        databricks.upload(folder, settings.notebook)
        return training.run(settings.timeout)
    finally:
        # End what costs money first, and let no further signal prevent that.
        _ignore_signals()
        try:
            training.end()
        finally:
            _clean(databricks, folder)


def _clean(databricks: Databricks, folder: str) -> None:
    """Remove what was uploaded; a failure is only reported, because it does not affect the training."""
    try:
        databricks.remove(folder)
    except RegistryError as error:
        print(f"submit_run_db: {error}", file=sys.stderr)


def say(text: str) -> None:
    """Print a line immediately, because people watch a pipeline's log."""
    print(text, flush=True)


def _value(environment: Mapping[str, str], name: str) -> str:
    """Return a variable; Azure Pipelines leaves `$(name)` unchanged if there is no such variable."""
    value = environment.get(name, "").strip()
    return "" if re.fullmatch(r"\$\([^)]*\)", value) else value


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    raise StoppedError(f"Stopped by {signal.Signals(number).name}.")


def _ignore_signals() -> None:
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def main() -> int:
    """Train, and return the exit code."""
    # When a build is canceled, the agent sends SIGINT, SIGTERM after 7.5 seconds, and kills 2.5 seconds later.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _stop)
    codes: dict[type[Exception], int] = {TrainingError: 1, SettingsError: 2, TooSlowError: 4, StoppedError: 4}
    try:
        result = train(os.environ)
    except (TrainingError, SettingsError, TooSlowError, StoppedError, RegistryError) as error:
        print(f"submit_run_db: {error}", file=sys.stderr)
        return codes.get(type(error), 3)
    say(f"Trained. {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
