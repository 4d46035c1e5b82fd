"""Runs of jobs in a Databricks workspace: a notebook that runs once, without a job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hol_wizard.errors import NotFoundError
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection

ENDED: Final = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
"""Final life cycle states (databricks-sdk, `RunLifeCycleState`)."""
_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run of one task."""

    id: str
    name: str
    state: str
    """Life cycle state: `PENDING`, `RUNNING`, `TERMINATED`, …"""
    message: str
    """What the workspace says about the state; often empty."""
    result: str
    """`SUCCESS`, `FAILED`, `CANCELED`, `TIMEDOUT`, …; empty until the run has ended."""
    page: str
    """Address of its page."""
    task: str
    """ID of its only task, which is needed to get its output."""
    started: datetime | None
    finished: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state in ENDED

    @property
    def succeeded(self) -> bool:
        """Whether it has succeeded."""
        return self.ended and self.result == "SUCCESS"


@dataclass(frozen=True, slots=True)
class RunOutput:
    """The output of a run."""

    value: str
    """The notebook's exit value."""
    error: str
    """Why it failed, in one line; empty if it did not."""
    trace: str


class JobRuns(Connection):
    """The runs that the workspace shows to the account."""

    def _runs(self, thing: str) -> Any:
        return self._api(sdk.jobs().JobsAPI, thing)

    def submitted_runs(self, since: datetime) -> tuple[JobRun, ...]:
        """Return the runs without a job that have started since then, newest first.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        kind, begin = sdk.jobs().RunType.SUBMIT_RUN, int(since.timestamp() * 1000)
        found = self._runs("list of runs").list_runs(run_type=kind, start_time_from=begin, expand_tasks=True)
        return tuple(map(_run, found))

    def run(self, run_id: str) -> JobRun | None:
        """Return a run, or None: the workspace keeps runs for 60 days.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        try:
            return _run(self._runs(f"run {run_id}").get_run(int(run_id)))
        except NotFoundError:
            return None

    def run_output(self, run: JobRun) -> RunOutput:
        """Return the output of a run that has ended.

        The cells' output of a running notebook is on the run's page only: `logs` are "not supported for the
        notebook_task", `notebook_output` is the value of a notebook that terminates (databricks-sdk, `RunOutput`), and
        `runs/export` returns an HTML page for a browser, of which nothing says that it has the output of a running one.

        Raises:
            ServiceError: The workspace could not be asked.
        """
        return _output(self._runs(f"output of run {run.id}").get_run_output(int(run.task)))

    def submit_notebook(
        self, name: str, path: str, parameters: Mapping[str, str], cluster_id: str, most_seconds: int, token: str
    ) -> str:
        """Run a notebook once on a cluster, which is started if it is stopped; return the run's ID.

        A token starts one run: if it is sent again, the response has the ID of that run, whether it goes on or has
        ended. If that run was deleted, the workspace refuses (Jobs API, `submit`, `idempotency_token`).

        Args:
            name: The run's name.
            path: The notebook, with `/Workspace`.
            parameters: Values of its widgets.
            cluster_id: The cluster.
            most_seconds: Seconds after which the workspace ends the run.
            token: The idempotency token, of at most 64 characters.

        Raises:
            ServiceError: The workspace refused.
        """
        jobs = sdk.jobs()
        notebook = jobs.NotebookTask(notebook_path=path, base_parameters=dict(parameters))
        task = jobs.SubmitTask(task_key="train", existing_cluster_id=cluster_id, notebook_task=notebook)
        made = self._runs(f"run {name}").submit(
            run_name=name, tasks=[task], idempotency_token=token, timeout_seconds=most_seconds
        )
        with sdk.reading("run"):
            return sdk.needed(made.response.run_id, "run_id")

    def cancel_run(self, run_id: str) -> None:
        """Cancel a run, which may continue for some seconds; does nothing if it has ended or no longer exists.

        Raises:
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._runs(f"run {run_id}").cancel_run(int(run_id))

    def delete_run(self, run_id: str) -> None:
        """Delete a run that has ended; does nothing if it no longer exists.

        Raises:
            ConflictError: It has not ended.
            ServiceError: The workspace refused.
        """
        with suppress(NotFoundError):
            self._runs(f"run {run_id}").delete_run(int(run_id))


@sdk.reads("run")
def _run(told: Any) -> JobRun:
    state = told.state
    number = sdk.needed(told.run_id, "run_id")
    tasks = told.tasks or ()
    return JobRun(
        id=number,
        name=str(told.run_name or ""),
        state=sdk.value(state.life_cycle_state),
        message=str(state.state_message or ""),
        result=sdk.value(state.result_state) if state.result_state else "",
        page=str(told.run_page_url or ""),
        task=sdk.needed(tasks[0].run_id, "run_id") if tasks else number,
        started=sdk.moment(told.start_time),
        finished=sdk.moment(told.end_time),
    )


@sdk.reads("output of a run")
def _output(told: Any) -> RunOutput:
    notebook = told.notebook_output
    return RunOutput(
        value=str((notebook and notebook.result) or ""),
        error=_COLORS.sub("", str(told.error or "")),
        trace=_COLORS.sub("", str(told.error_trace or "")),
    )
