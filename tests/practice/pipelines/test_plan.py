"""The plan of a run as JSON."""

import json

from hol_wizard.practice.pipelines import plan

HERE = plan.Position("/azure-pipelines.yml", 3, 5)


def test_a_plan_goes_to_json_and_back() -> None:
    step = plan.Step(task="CmdLine@2", place=HERE, inputs={"script": "true"}, timeout_minutes="$[ variables.x ]")
    jobs = (
        plan.Job(kind=plan.JobKind.AGENT, name="A", place=HERE, steps=(step,), pool=plan.Pool(vm_image="ubuntu-24.04")),
        plan.Job(kind=plan.JobKind.AGENT, name="M", place=HERE, strategy=plan.Strategy(matrix={"one": {"x": "1"}})),
        plan.Job(kind=plan.JobKind.AGENT, name="N", place=HERE, strategy=plan.Strategy(matrix="$[ variables.legs ]")),
        plan.Job(
            kind=plan.JobKind.DEPLOYMENT,
            name="D",
            place=HERE,
            environment=plan.Environment("qa", HERE),
            hooks=(plan.Hook("deploy", (step,), HERE, pool=plan.Pool(server=True)),),
        ),
    )
    stage = plan.Stage(
        name=plan.DEFAULT_STAGE,
        place=HERE,
        jobs=jobs,
        protected=(plan.ProtectedUse(plan.ProtectedKind.ENDPOINT, "azure", HERE, job="A"),),
        variables=(plan.VariableSource("secrets", None, HERE), plan.VariableSource("x", "1", HERE, read_only=True)),
    )
    whole = plan.Plan(
        path="/azure-pipelines.yml",
        stages=(stage,),
        trigger=plan.PushTrigger(enabled=False, declared=True, tags=plan.Filter(("v*",))),
        parameters={"list": [1, {"a": True}], "none": None},
        pipelines=(plan.PipelineResource("build", "Build", HERE, trigger=plan.PipelineTrigger()),),
        notes=(plan.Note(HERE, "Schedules are not started."),),
    )

    assert plan.plan_of(json.loads(json.dumps(whole.as_document()))) == whole
