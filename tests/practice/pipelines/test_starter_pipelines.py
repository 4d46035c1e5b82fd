"""The starter's two pipelines as plans."""

import json

import pytest

from hol_wizard.practice.pipelines.plan import JobKind, ProtectedKind, plan_of
from tests.practice.pipelines.files import compiled, only_job, starter_text


def test_the_build_has_the_labs_tasks_in_their_order() -> None:
    plan = compiled(starter_text("azure-pipelines.yml"))

    assert [step.task for step in only_job(plan).steps] == [
        *["AzureCLI@2"] * 4,
        *["CopyFiles@2"] * 2,
        "PublishTestResults@2",
        "PublishCodeCoverageResults@2",
        "PublishPipelineArtifact@1",
    ]
    assert only_job(plan).timeout_minutes == 55
    assert plan.trigger.branches.include == ("main",)
    uses = {(each.kind, each.name) for each in plan.stages[0].protected}
    assert uses == {
        (ProtectedKind.VARIABLE_GROUP, "lab-secrets"),
        (ProtectedKind.QUEUE, "Azure Pipelines"),
        (ProtectedKind.ENDPOINT, "azure-connection"),
    }


def test_the_release_deploys_to_two_environments_one_after_the_other() -> None:
    plan = compiled(starter_text("azure-pipelines-release.yml"))

    qa, production = plan.stages
    assert production.depends_on == ("QA",)
    for stage, environment in ((qa, "hol-qa"), (production, "hol-production")):
        (job,) = stage.jobs
        assert job.kind is JobKind.DEPLOYMENT
        assert job.environment is not None
        assert job.environment.name == environment
        smoke_test = ["AzureCLI@2"] if stage is qa else []
        assert [step.task for step in job.hooks[0].steps] == ["Checkout@1", "Download@1", "AzureCLI@2", *smoke_test]
    assert [(each.alias, each.source) for each in plan.pipelines] == [("build", "Build")]
    assert not plan.trigger.enabled
    assert plan.pipelines[0].trigger is not None
    assert plan.pipelines[0].trigger.branches.include == ("main",)


@pytest.mark.parametrize("name", ["azure-pipelines.yml", "azure-pipelines-release.yml"])
def test_a_plan_is_the_same_each_time_also_from_json_and_from_its_final_text(name: str) -> None:
    plan = compiled(starter_text(name))

    assert compiled(starter_text(name)) == plan
    assert plan_of(json.loads(json.dumps(plan.as_document()))) == plan
    assert compiled(plan.final_yaml).final_yaml == plan.final_yaml
    assert not plan.notes
