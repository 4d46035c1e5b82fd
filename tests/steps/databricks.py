"""What the tests of the Databricks sections do beside the wizard: its clients, a prepared workspace, actions."""

from __future__ import annotations

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.lab.model import Environment
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.workspace import workspace
from hol_wizard.services.databricks.client import Databricks
from tests.steps.attendee import Attendee, Seen, drain

LAUNCH, CLUSTER, LIBRARY = (
    f"cluster/{step}@dev" for step in ("launch-the-workspace", "create-the-cluster", "install-the-library")
)
TOKEN, PROFILE = (f"databricks-access/{step}@dev" for step in ("generate-an-access-token", "configure-a-cli-profile"))


def context_of(attendee: Attendee, key: str = CLUSTER) -> StepContext:
    """Return what the functions of a step are given."""
    wizard = attendee.wizard()
    (target,) = wizard.targets([key])
    return wizard.connection.context(target, wizard.connection.reach(), ReadCache())


def client(attendee: Attendee, environment: str = "dev") -> Databricks:
    """Return somebody's own client of a workspace."""
    return workspace(context_of(attendee), Environment(environment))


def name_of(attendee: Attendee) -> str:
    """Return the address by which the Databricks CLI knows the workspace of dev."""
    return context_of(attendee).services.endpoints.known_as(client(attendee).host)


def act(attendee: Attendee, key: str, action: str) -> Seen:
    wizard = attendee.wizard()
    return drain(wizard.act(wizard.targets([key]), action))
