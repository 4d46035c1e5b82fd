"""What is in a Databricks workspace: a look at it lets nobody in."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.errors import AccessDeniedError
from hol_wizard.practice import seed
from hol_wizard.resources.cluster_library import ClusterLibrary
from hol_wizard.resources.databricks_cluster import DatabricksCluster
from hol_wizard.resources.databricks_token import DatabricksToken
from hol_wizard.resources.git_credential import DatabricksGitCredential
from hol_wizard.resources.git_folder import DatabricksGitFolder
from hol_wizard.resources.in_workspace import InWorkspace
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.training_run import TrainingRun
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee
from tests.steps.databricks import context_of
from tests.steps.test_scientist_setup import person, scientist

__all__ = ["person", "scientist"]


@pytest.mark.slow
def test_a_look_does_not_have_the_workspace_let_an_owner_in(scientist: Attendee, practice_cloud: PracticeCloud) -> None:
    """Every request of an owner's does, that names the Azure resource: a look first asks who one is without it."""
    practice_cloud.control.settings(user=seed.ORGANIZER.name)
    shutil.rmtree(practice_cloud.state / "azure", ignore_errors=True)
    assert scientist.solve("set-up/sign-in").all_passed()
    context = context_of(scientist)
    kinds: list[InWorkspace[Any]] = [
        DatabricksCluster(context),
        ClusterLibrary(context, "azureml-mlflow==1.62.0.post6"),
        DatabricksToken(context),
        DatabricksGitCredential(context),
        DatabricksGitFolder(context, "/Workspace/Shared/Project_One", "main"),
        KeyVaultScope(context),
        TrainingRun(context, "0123456789abcdef", "/Workspace/Shared/train"),
    ]
    assert {type(each) for each in kinds} == set(InWorkspace.__subclasses__())
    for each in kinds:
        with pytest.raises(AccessDeniedError):
            each.find(ReadCache())
