"""A run of the training notebook."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from hol_wizard.resources import cluster
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.training_run import TrainingRun
from hol_wizard.services.databricks.job_runs import JobRun
from tests.resources.in_workspace import InWorkspaceCase
from tests.steps.databricks import CLUSTER

SOURCE = b"# Databricks notebook source\nassert dbutils.widgets.get('created_by')\n"


class TrainingRunCase(InWorkspaceCase):
    resource = TrainingRun
    beside = True
    exempt = MappingProxyType(
        {
            "conflict": "another run is not in the way",
            "overtaken": "another run is not in the way",
            "mark removed": "the name of a run cannot be changed",
        }
    )

    def prepare(self) -> None:
        super().prepare()
        assert self.ground.attendee.solve(CLUSTER).all_passed()
        content = base64.b64encode(SOURCE).decode()
        body = {"path": "/Shared/train", "format": "SOURCE", "language": "PYTHON", "content": content}
        self.here._rest.send("POST", f"{self.here.host}/api/2.0/workspace/import", thing="notebook", body=body)

    def make(self, context: StepContext) -> TrainingRun:
        return TrainingRun(context, "0123456789abcdef", "/Workspace/Shared/train")

    def _runs(self) -> tuple[JobRun, ...]:
        return self.here.submitted_runs(datetime.now(UTC) - timedelta(days=1)) if self.has_parent else ()

    def state(self) -> object:
        return sorted(each.id for each in self._runs()) or None

    def by_hand(self) -> None:
        found = cluster.find(self.ground.context())
        assert found is not None
        self.here.submit_notebook(
            "somebody's", "/Workspace/Shared/train", {"created_by": "joe"}, found.id, 600, uuid.uuid4().hex
        )

    def refuse(self) -> None:
        self.refuse_at("jobs/runs/submit")

    def remove(self) -> None:
        case = self.make(self.ground.context())
        if self._runs():
            case.delete(self._runs())
