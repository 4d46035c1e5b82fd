"""Trains in the pipeline's Databricks workspace: puts the notebook there, runs it on the cluster, waits for it.

Run by the build pipeline. What was checked out is what trains: the notebook and its modules are uploaded to a folder of
this build, so the workspace needs no Git credential and no branch can move in the meantime.

Reads from the environment:

- DB_CLUSTER_ID: the cluster
- DB_WORKSPACE_NAME, SUBSCRIPTION_ID, RESOURCE_GROUP: the Databricks workspace; or DB_WORKSPACE_URL, its address
- DB_ACCESS_TOKEN: an access token for it; without one it is whoever is signed in to the Azure CLI, in the pipeline the
  service connection
- SCRIPT_NAME: the notebook, `train_model.py` if not set
- TIMEOUT_MINUTES: how long to wait, 60 if not set

Exit codes: 0 trained, 1 the training failed, 2 the settings are not right, 3 a service refused or did not answer,
4 it took too long and was cancelled.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_registry
from model_registry import GivenTokens, RegistryError, Services, SignIn

HERE = Path(__file__).resolve().parent
DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
"""AzureDatabricks, for which tokens are made: the same in every tenant."""
DATABRICKS_API_VERSION = "2026-01-01"
FOLDER = "/Shared/Project_One"
MODULES = ("training.py", "model_registry.py")
ENDED = {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}
SECONDS_BETWEEN_LOOKS = 15.0


class SettingsError(Exception):
    """A setting is missing or wrong."""


class TrainingError(Exception):
    """The training has run, and failed."""


class TooSlowError(Exception):
    """The training was still running when the time was over; it was cancelled."""


@dataclass(frozen=True)
class Settings:
    """What to run where."""

    cluster_id: str
    notebook: Path
    timeout: float
    """Seconds to wait."""
    build: str
    """What the folder of this build is called."""


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
    minutes = _value(environment, "TIMEOUT_MINUTES") or "60"
    try:
        timeout = float(minutes) * 60
    except ValueError as error:
        raise SettingsError(f"TIMEOUT_MINUTES is no number: {minutes!r}") from error
    build = _value(environment, "BUILD_BUILDID") or f"local-{uuid.uuid4().hex[:8]}"
    return Settings(cluster_id, notebook, timeout, build)


class Databricks:
    """The REST interface of a Databricks workspace."""

    def __init__(self, url: str, sign_in: SignIn) -> None:
        self.url = url.rstrip("/")
        self._sign_in = sign_in

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, what: str) -> dict[str, Any]:
        """Return the answer to one request."""
        headers = {"Authorization": f"Bearer {self._sign_in.token(DATABRICKS)}"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        hint = "Is the service connection Contributor on the Databricks workspace, or DB_ACCESS_TOKEN still good?"
        answer = model_registry.send(method, f"{self.url}{path}", headers, content, what=what, hint=hint)
        return dict(json.loads(answer)) if answer else {}

    def upload(self, settings: Settings) -> str:
        """Put the notebook and its modules into the folder of this build, and return the notebook's path."""
        folder = f"{FOLDER}/builds/{settings.build}"
        self.ask("POST", "/api/2.0/workspace/mkdirs", {"path": folder}, what=f"make the folder {folder}")
        notebook = f"{folder}/{settings.notebook.stem}"
        for path, file, form in [
            (notebook, settings.notebook, {"format": "SOURCE", "language": "PYTHON"}),
            # AUTO makes a file, not a notebook, of what does not begin like one.
            *((f"{folder}/{name}", HERE / name, {"format": "AUTO"}) for name in MODULES),
        ]:
            content = base64.b64encode(file.read_bytes()).decode()
            body = {"path": path, "content": content, "overwrite": True, **form}
            self.ask("POST", "/api/2.0/workspace/import", body, what=f"upload {file.name}")
        return notebook

    def submit(self, notebook: str, settings: Settings) -> int:
        """Start the run and return its number."""
        task = {
            "task_key": "train",
            "existing_cluster_id": settings.cluster_id,
            "notebook_task": {"notebook_path": notebook, "source": "WORKSPACE"},
        }
        body = {
            "run_name": f"Project_One build {settings.build}",
            "tasks": [task],
            "timeout_seconds": int(settings.timeout),
            # A repeated request, after an answer that was lost, starts no second run.
            "idempotency_token": uuid.uuid4().hex,
        }
        return int(self.ask("POST", "/api/2.2/jobs/runs/submit", body, what="submit the training")["run_id"])

    def wait(self, run_id: int, seconds: float) -> dict[str, Any]:
        """Return the run when it has ended, saying each change of its state.

        Raises:
            TooSlowError: It has not ended in time.
        """
        ends = time.monotonic() + seconds
        said = ""
        while True:
            run = self.ask("GET", f"/api/2.2/jobs/runs/get?run_id={run_id}", what=f"look at run {run_id}")
            state = run.get("state", {})
            now = f"{state.get('life_cycle_state', '')} {state.get('state_message', '')}".strip()
            if now != said:
                say(now)
                said = now
            if state.get("life_cycle_state") in ENDED:
                return run
            if time.monotonic() > ends:
                self.ask("POST", "/api/2.2/jobs/runs/cancel", {"run_id": run_id}, what=f"cancel run {run_id}")
                page = run.get("run_page_url", "")
                raise TooSlowError(f"Run {run_id} was cancelled after {seconds / 60:.0f} minutes. {page}")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def result(self, run: Mapping[str, Any]) -> str:
        """Return what the notebook has told at its end.

        Raises:
            TrainingError: The run failed.
        """
        task = (run.get("tasks") or [run])[0]["run_id"]
        output = self.ask("GET", f"/api/2.2/jobs/runs/get-output?run_id={task}", what="read the run's output")
        state = run.get("state", {})
        if state.get("result_state") != "SUCCESS":
            told = [output.get("error_trace", ""), output.get("error", "") or state.get("state_message", "")]
            page = run.get("run_page_url", "")
            said = "\n".join(part.strip() for part in told if part.strip())
            raise TrainingError(
                f"The training ended as {state.get('result_state') or 'failed'}. {page}\n{said}".strip()
            )
        return str((output.get("notebook_output") or {}).get("result") or "")


def workspace_url(environment: Mapping[str, str], sign_in: SignIn) -> str:
    """Return the workspace's address: from DB_WORKSPACE_URL, else from Azure, by its name.

    Raises:
        SettingsError: The settings name no workspace.
    """
    url = _value(environment, "DB_WORKSPACE_URL")
    if url:
        return url if "://" in url else f"https://{url}"
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
        hint=f"It needs the role Reader on {group}.",
    )
    return f"https://{json.loads(answer)['properties']['workspaceUrl']}"


def train(environment: Mapping[str, str]) -> str:
    """Train, and return what the notebook has told at its end."""
    settings = read_settings(environment)
    sign_in = model_registry.sign_in_of(environment)
    url = workspace_url(environment, sign_in)
    token = _value(environment, "DB_ACCESS_TOKEN")
    databricks = Databricks(url, GivenTokens({DATABRICKS: token}) if token else sign_in)
    say(f"Uploading {settings.notebook.name} to {databricks.url}")
    notebook = databricks.upload(settings)
    run_id = databricks.submit(notebook, settings)
    say(f"Run {run_id} of {notebook} on cluster {settings.cluster_id}")
    return databricks.result(databricks.wait(run_id, settings.timeout))


def say(text: str) -> None:
    """Print a line at once: a pipeline's log is watched."""
    print(text, flush=True)


def _value(environment: Mapping[str, str], name: str) -> str:
    """Return a variable; Azure Pipelines leaves `$(name)` where it knows no such variable."""
    value = environment.get(name, "").strip()
    return "" if re.fullmatch(r"\$\([^)]*\)", value) else value


def main() -> int:
    """Train, and return the exit code."""
    codes: dict[type[Exception], int] = {TrainingError: 1, SettingsError: 2, TooSlowError: 4}
    try:
        result = train(os.environ)
    except (TrainingError, SettingsError, TooSlowError, RegistryError) as error:
        print(f"submit_run_db: {error}", file=sys.stderr)
        return codes.get(type(error), 3)
    say(f"Trained. {result}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
