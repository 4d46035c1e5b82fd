"""Code run on a cluster of a Databricks workspace."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress

from hol_wizard.errors import ServiceError, WizardError
from hol_wizard.services.databricks import sdk
from hol_wizard.services.databricks.connection import Connection

COMMAND_SECONDS = 300.0
"""Time limit for code on a cluster: a first command waits for the interpreter."""


class Commands(Connection):
    """Runs code on a workspace's clusters."""

    def run_command(
        self,
        cluster_id: str,
        python: str,
        *,
        seconds: float = COMMAND_SECONDS,
        wait: Callable[[float], object] = time.sleep,
    ) -> str:
        """Run Python on a running cluster and return what it prints (Command Execution API, 1.2).

        Args:
            cluster_id: The cluster.
            python: The code.
            seconds: Time limit.
            wait: Sleeps; it may raise to give up, and the code then continues.

        Raises:
            ConflictError: The cluster is not running.
            ServiceError: The code failed, took too long, or the workspace could not be asked.
        """
        compute = sdk.compute()
        language = compute.Language.PYTHON
        api = self._api(compute.CommandExecutionAPI, f"code on cluster {cluster_id}")
        pause = min(1.0, self._rest.endpoints.poll_interval)
        deadline = time.monotonic() + seconds
        made = api.create(cluster_id=cluster_id, language=language)
        with sdk.reading("place to run code in"):
            context = sdk.needed(made.response.id, "id")

        def late(what: str) -> ServiceError:
            return ServiceError(
                f"Code on cluster {cluster_id} {what} after {seconds:.0f} s.", "Try again when the cluster is idle."
            )

        try:
            while (state := sdk.value(api.context_status(cluster_id, context).status)) != "Running":
                if state == "Error":
                    raise ServiceError(
                        f"Cluster {cluster_id} provides no context to run code in.", "Restart the cluster."
                    )
                if time.monotonic() > deadline:
                    raise late("has not begun")
                wait(pause)
            begun = api.execute(cluster_id=cluster_id, context_id=context, language=language, command=python)
            with sdk.reading("code"):
                command = sdk.needed(begun.response.id, "id")
            while True:
                told = api.command_status(cluster_id, context, command)
                state = sdk.value(told.status)
                if state in {"Finished", "Error", "Cancelled"}:
                    break
                if time.monotonic() > deadline:
                    raise late("has not ended")
                wait(pause)
        finally:
            # A context that is not closed keeps its interpreter until the cluster stops; that is not worth an error.
            with suppress(WizardError):
                api.destroy(cluster_id, context)
        results = told.results
        if state != "Finished" or results is None or sdk.value(results.result_type) == "error":
            summary = re.sub(r"<[^<>]+>|\x1b\[[0-9;]*m", "", str((results and results.summary) or state))
            cause = re.sub(r"\x1b\[[0-9;]*m", "", str((results and results.cause) or ""))
            raise ServiceError(f"Code on cluster {cluster_id} failed: {summary}", detail=cause[-2000:])
        return str(results.data if results.data is not None else "")
