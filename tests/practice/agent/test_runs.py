"""Runs: stages, jobs, conditions, outputs, permissions, approvals, cancellation, and a restart."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hol_wizard.practice.pipelines.host import Check, HostError, Value
from hol_wizard.practice.pipelines.orchestrate import numbers
from hol_wizard.practice.pipelines.orchestrate.approvals import DecisionError, Status
from hol_wizard.practice.pipelines.orchestrate.progress import LOST
from hol_wizard.practice.pipelines.plan import (
    Environment,
    Hook,
    Job,
    JobKind,
    Plan,
    ProtectedKind,
    ProtectedUse,
    Step,
    Strategy,
)
from tests.practice.agent.bench import KEY, PLACE, Bench, FakeHost, job, plan, request, script, stage, variable
from tests.processes import runs


def results(bench: Bench, kind: str) -> dict[str, str]:
    return {each["name"]: each["result"] for each in bench.records(kind)}


async def test_stages_and_jobs_run_in_their_order_with_their_conditions(bench: Bench) -> None:
    run = await bench.all(
        plan(
            stage(job(script("true"), name="One"), job(script("exit 1"), name="Two", depends_on=("ONE",)), name="A"),
            stage(job(script("true"), name="X"), name="B", depends_on=("A",)),
            stage(job(script("true"), name="X"), name="C", depends_on=("A",), condition="failed('A')"),
            stage(job(script("true"), name="X"), name="D", depends_on=("B",), condition="always()"),
            stage(job(script("true"), name="X"), name="E", depends_on=("D",)),
            stage(job(script("true"), name="X"), name="F", depends_on=("D",), condition="succeeded('D')"),
        )
    )
    assert run["result"] == "failed"
    assert results(bench, "Stage") == {
        "A": "failed",
        "B": "skipped",
        "C": "succeeded",
        "D": "succeeded",
        "E": "skipped",  # B, on which D depends, was skipped
        "F": "succeeded",
    }


async def test_continue_on_error_of_a_job_lets_others_run(bench: Bench) -> None:
    run = await bench.all(
        plan(
            stage(
                job(script("exit 1"), name="One", continue_on_error=True),
                job(script("true"), name="Two", depends_on=("One",)),
            )
        )
    )
    assert (run["result"], results(bench, "Phase")) == (
        "partiallySucceeded",
        {"One": "succeededWithIssues", "Two": "succeeded"},
    )


async def test_outputs_reach_jobs_and_stages_and_secret_ones_are_not_stored(bench: Bench) -> None:
    text = (
        "echo '##vso[task.setvariable variable=v;isoutput=true]7'\n"
        'echo "##vso[task.setvariable variable=s;isoutput=true;issecret=true]canary-$((90 + 9))"'
    )
    await bench.all(
        plan(
            stage(
                job(script(text, name="make"), name="One"),
                job(
                    script("echo v=$(v) $V len=${#S}", display_name="Same", env={"S": "$(s)"}),
                    name="Two",
                    depends_on=("One",),
                    variables=(
                        variable("v", "$[dependencies.One.outputs['make.v']]"),
                        variable("s", "$[ dependencies.One.outputs['make.s'] ]"),
                    ),
                ),
                name="A",
            ),
            stage(
                job(
                    script("echo w=$(w) $SECRET", display_name="Later", env={"SECRET": "$(s)"}),
                    name="Three",
                    variables=(
                        variable("w", "$[stageDependencies.A.One.outputs['make.v']]"),
                        variable("s", "$[stageDependencies.A.One.outputs['make.s']]"),
                    ),
                ),
                name="B",
                depends_on=("A",),
                condition="eq(dependencies.A.outputs['One.make.v'], '7')",
            ),
        )
    )
    assert "v=7 7 len=9" in bench.log("Same")
    assert "w=7 ***" in bench.log("Later")
    assert "canary-99" not in bench.world.store.dump()


@pytest.mark.parametrize("of_the_run", [True, False])
async def test_variables_of_a_stage_or_the_run_read_outputs_of_stages_before(bench: Bench, of_the_run: bool) -> None:
    text = "echo '##vso[task.setvariable variable=v;isoutput=true]7'"
    read = (variable("x", "$[stageDependencies.A.One.outputs['make.v']]"),)
    run = await bench.all(
        plan(
            stage(job(script(text, name="make"), name="One"), name="A"),
            stage(
                job(script("echo x=$(x)", display_name="Say")),
                name="B",
                depends_on=("A",),
                variables=() if of_the_run else read,
            ),
            variables=read if of_the_run else (),
        )
    )
    assert run["result"] == "succeeded"
    assert "x=7" in bench.log("Say")


async def test_a_variable_that_cannot_be_evaluated_fails_the_run_not_the_request(bench: Bench) -> None:
    run = await bench.all(plan(stage(job(script("true"))), variables=(variable("x", "$[gt(1, 'a')]"),)))
    assert run["result"] == "failed"
    issues = bench.records("Stage")[0]["details"]["issues"]
    assert [each["message"] for each in issues] == ["Unable to convert from String to Number. Value: 'a'"]


async def test_a_stage_that_runs_again_still_gets_secret_outputs(bench: Bench) -> None:
    text = 'echo "##vso[task.setvariable variable=s;isoutput=true;issecret=true]canary-$((90 + 9))"'
    source = variable("s", "$[stageDependencies.A.One.outputs['make.s']]")
    failing = script("echo len=${#S}; exit 1", display_name="Use", env={"S": "$(s)"})
    stages = (
        stage(job(script(text, name="make"), name="One"), name="A"),
        stage(job(failing, name="Two", variables=(source,)), name="B", depends_on=("A",)),
    )
    await bench.all(plan(*stages))
    assert "len=9" in bench.log("Use")
    with bench.world.store.transaction():
        bench.runs.retry_stage(KEY, "B")
    await bench.ended()
    assert "len=9" in bench.log("Use")
    with bench.world.store.transaction():
        bench.runs.forget(KEY)
    assert not bench.runs._jobs._secrets


async def test_a_matrix_has_a_job_for_each_leg(bench: Bench) -> None:
    matrix = {"left": {"side": "l"}, "right": {"side": "r"}}
    text = (
        "echo side=$(side) $(System.JobPositionInPhase)/$(System.TotalJobsInPhase) name=$(System.JobName)\n"
        'echo "##vso[task.setvariable variable=o;isoutput=true]$(side)"'
    )
    await bench.all(
        plan(
            stage(
                job(script(text, name="it", display_name="Say"), name="M", strategy=Strategy(matrix)),
                job(
                    script("echo got=$(got)", display_name="Got"),
                    name="After",
                    depends_on=("M",),
                    variables=(variable("got", "$[dependencies.M.outputs['right.it.o']]"),),
                ),
            )
        )
    )
    assert results(bench, "Job") == {"M left": "succeeded", "M right": "succeeded", "After": "succeeded"}
    assert "side=l 1/2 name=left" in bench.log("Say")
    assert "got=r" in bench.log("Got")


async def test_a_matrix_can_be_an_expression_and_a_bad_one_fails(bench: Bench) -> None:
    legs = json.dumps({"a": {"x": "1"}})
    await bench.all(
        plan(
            stage(job(script("true"), name="M", strategy=Strategy("$[variables.legs]")), name="A"),
            stage(job(script("true"), name="N", strategy=Strategy("$[variables.bad]")), name="B", depends_on=("A",)),
            variables=(variable("legs", legs), variable("bad", "[1]")),
        )
    )
    assert results(bench, "Phase") == {"M": "succeeded", "N": "failed"}
    assert "mapping of legs" in bench.record("N", "Phase")["details"]["issues"][0]["message"]


def protected(kind: ProtectedKind, name: str) -> ProtectedUse:
    return ProtectedUse(kind, name, PLACE, job="Job", step="Train", input="azureSubscription")


async def test_a_run_waits_for_permission_and_goes_on(bench: Bench) -> None:
    bench.host.unauthorized = {"endpoint-conn", "variablegroup-g"}
    bench.host.groups["g"] = {}
    uses = protected(ProtectedKind.ENDPOINT, "conn"), protected(ProtectedKind.VARIABLE_GROUP, "g")
    bench.queue(request(plan(stage(job(script("true")), protected=uses), variables=(variable("g", None),))))
    assert [each["type"] for each in bench.records()] == ["Stage", "Checkpoint", "Checkpoint.Authorization"]
    waiting = bench.records("Checkpoint.Authorization")[0]
    assert waiting["state"] == "running"
    assert waiting["details"]["currentOperation"].startswith("This pipeline needs permission to access 2 resources")
    assert bench.records("Stage")[0]["state"] == "pending"
    bench.host.unauthorized.clear()
    with bench.world.store.transaction():
        bench.runs.advance(KEY)
    assert (await bench.ended())["result"] == "succeeded"
    assert bench.records("Checkpoint")[0]["result"] == "succeeded"


async def test_what_does_not_exist_is_a_problem_before_the_run(bench: Bench) -> None:
    bench.host.absent = {"conn", "Pool"}
    uses = protected(ProtectedKind.ENDPOINT, "conn"), ProtectedUse(ProtectedKind.QUEUE, "Pool", PLACE, job="Job")
    problems = bench.runs.problems(request(plan(stage(job(script("true")), protected=uses))))
    assert problems[0].startswith(
        "Job Job: Step Train input azureSubscription references service connection conn which could not be found."
    )
    assert problems[1].startswith("Could not find a pool with name Pool.")


async def test_a_server_job_is_refused_before_anything_runs(bench: Bench) -> None:
    waiting = Job(JobKind.SERVER, "Ask", PLACE, steps=(Step("ManualValidation@1", PLACE),))
    problems = bench.runs.problems(request(plan(stage(job(script("true")), waiting))))
    assert problems == [
        f"{PLACE}: The practice cloud does not run ManualValidation@1: it has no server jobs. Nothing was run."
    ]


async def test_a_look_that_changes_nothing_saves_nothing(bench: Bench) -> None:
    bench.host.unauthorized = {"endpoint-conn"}
    bench.queue(request(plan(stage(job(script("true")), protected=(protected(ProtectedKind.ENDPOINT, "conn"),)))))
    before = bench.run()
    with bench.world.store.transaction():
        bench.runs.advance_all()
    # A run that is saved has another time of its last change.
    assert bench.run() == before


async def test_steps_that_must_run_after_a_cancel_have_limited_time(bench: Bench, tmp_path: Path) -> None:
    started = tmp_path / "started"
    always = script("sleep 60", display_name="Forever", condition="always()")
    slow = script(f"touch {started}; sleep 60", display_name="Slow")
    work = job(slow, always, cancel_timeout_minutes="$(limit)", variables=(variable("limit", "0.005"),))
    bench.queue(request(plan(stage(work))))
    await bench.until_file(started)
    bench.cancel(KEY)
    assert (await bench.ended())["result"] == "canceled"
    # On a slow machine, the time is over before the step starts.
    assert bench.steps()["Forever"] in {"canceled", "skipped"}
    assert bench.steps()["Finalize Job"] == "skipped"


async def test_a_run_whose_project_is_gone_fails_with_that_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise HostError("The project does not exist anymore.")

    bench.host.unauthorized = {"endpoint-conn"}
    bench.queue(request(plan(stage(job(script("true")), protected=(protected(ProtectedKind.ENDPOINT, "conn"),)))))
    monkeypatch.setattr(bench.host, "find", gone)
    with bench.world.store.transaction():
        bench.runs.advance_all()
    assert bench.run()["result"] == "failed"
    issues = bench.records("Stage")[0]["details"]["issues"]
    assert [each["message"] for each in issues] == ["The project does not exist anymore."]


async def test_a_refused_run_fails_with_the_reason_and_runs_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.host.why_not = "No hosted parallelism has been purchased or granted."
    run = await bench.all(plan(stage(job(script(f"touch {tmp_path}/ran")))))
    assert run["result"] == "failed"
    assert bench.record("Job", "Phase")["details"]["issues"][0]["message"].startswith("No hosted parallelism")
    assert not (tmp_path / "ran").exists()


async def test_a_run_whose_yaml_is_wrong_ends_at_once(bench: Bench) -> None:
    key = bench.queue(request(plan(), problems=("/azure-pipelines.yml (Line: 3, Col: 5): no",)))
    run = bench.run(key)
    assert (run["state"], run["result"], run["issues"]) == (
        "completed",
        "failed",
        ["/azure-pipelines.yml (Line: 3, Col: 5): no"],
    )


def release(*hooks: Hook) -> Job:
    return job(name="promote", kind=JobKind.DEPLOYMENT, environment=Environment("prod", PLACE), hooks=hooks)


def gated() -> Plan:
    hooks = (
        Hook("deploy", (script("echo to=$(Environment.Name) id=$(Environment.Id)", display_name="Deploy"),), PLACE),
    )
    use = ProtectedUse(ProtectedKind.ENVIRONMENT, "prod", PLACE, job="promote")
    return plan(
        stage(release(*hooks), name="Prod", protected=(use,)),
        stage(job(script("true")), name="After", depends_on=("Prod",)),
    )


CHECK = Check("check-1", ["approver", "other"], 1, 2880, "Look first", requester_may_approve=False)


async def test_an_approved_stage_deploys(bench: Bench) -> None:
    bench.host.approvals["environment-prod"] = CHECK
    bench.queue(request(gated()))
    record = bench.records("Checkpoint.Approval")[0]
    assert record["state"] == "running"
    approval = bench.runs.approvals.find(record["id"])
    assert approval is not None
    assert (approval["status"], approval["instructions"]) == ("pending", "Look first")
    with bench.world.store.transaction():
        for who, may in (("stranger", {"stranger"}), ("person-1", {"person-1", "approver"})):
            with pytest.raises(DecisionError):
                bench.runs.decide(record["id"], who, may, Status.APPROVED, "")
        decided = bench.runs.decide(record["id"], "approver", {"approver"}, Status.APPROVED, "fine")
    assert [each["actual"] for each in decided["steps"] if each["status"] == "approved"] == ["approver"]
    with bench.world.store.transaction(), pytest.raises(DecisionError):
        bench.runs.decide(record["id"], "other", {"other"}, Status.REJECTED, "")
    assert (await bench.ended())["result"] == "succeeded"
    assert "to=prod id=environment-prod" in bench.log("Deploy")
    assert [(each.environment, each.stage, each.result) for each in bench.host.deployments] == [
        ("prod", "Prod", "succeeded")
    ]


async def test_a_rejected_stage_fails_the_run(bench: Bench) -> None:
    bench.host.approvals["environment-prod"] = CHECK
    bench.queue(request(gated()))
    with bench.world.store.transaction():
        bench.runs.decide(bench.records("Checkpoint.Approval")[0]["id"], "other", {"other"}, Status.REJECTED, "no")
    run = await bench.ended()
    assert (run["result"], results(bench, "Stage")) == ("failed", {"Prod": "failed", "After": "skipped"})
    assert bench.host.deployments == []


async def test_an_approval_that_nobody_gives_skips_the_stage_and_the_run_succeeds(bench: Bench) -> None:
    bench.host.approvals["environment-prod"] = Check("check-1", ["approver"], 1, 0)
    bench.queue(request(gated()))
    bench.world.operations.settle()
    run = await bench.ended()
    assert (run["result"], results(bench, "Stage")) == ("succeeded", {"Prod": "skipped", "After": "skipped"})


async def test_hooks_run_one_after_the_other_and_failure_has_its_own(bench: Bench) -> None:
    hooks = (
        Hook("preDeploy", (script("echo pre"),), PLACE),
        Hook("deploy", (script("exit 1"),), PLACE),
        Hook("routeTraffic", (script("true"),), PLACE),
        Hook("on.success", (script("true"),), PLACE),
        Hook("on.failure", (script("echo rolled back", display_name="Back"),), PLACE),
    )
    run = await bench.all(plan(stage(release(*hooks))))
    assert run["result"] == "failed"
    assert results(bench, "Job") == {
        "promote preDeploy": "succeeded",
        "promote": "failed",
        "promote routeTraffic": "skipped",
        "promote on.success": "skipped",
        "promote on.failure": "succeeded",
    }
    assert "rolled back" in bench.log("Back")


async def test_a_cancel_stops_the_step_and_always_steps_still_run_in_their_own_scope(
    bench: Bench, tmp_path: Path
) -> None:
    started, got = tmp_path / "started", tmp_path / "got"
    slow = f"trap 'touch {got}; exit 9' INT; touch {started}; sleep 60 & wait"
    bench.queue(
        request(
            plan(
                stage(
                    job(
                        script(slow, display_name="Slow"),
                        script("echo normal", display_name="Normal"),
                        script("sleep 0.05; echo cleaned", display_name="Always", condition="always()"),
                        script("echo told", display_name="Canceled", condition="canceled()"),
                        script("echo no status", display_name="Own", condition="eq(1, 1)"),
                        script("echo failed", display_name="Failed", condition="failed()"),
                    ),
                    name="A",
                ),
                stage(job(script("true")), name="B", depends_on=("A",)),
                stage(job(script("true", display_name="Last")), name="C", depends_on=("B",), condition="always()"),
            )
        )
    )
    await bench.until_file(started)
    assert bench.cancel(KEY)
    assert not bench.cancel(KEY)
    assert bench.run()["state"] == "cancelling"
    run = await bench.ended()
    assert run["result"] == "canceled"
    assert got.exists()
    assert bench.steps() == {
        "Initialize job": "succeeded",
        "Slow": "canceled",
        "Normal": "skipped",
        "Always": "succeeded",
        "Canceled": "succeeded",
        "Own": "succeeded",
        "Failed": "skipped",
        "Finalize Job": "succeeded",
        "Last": "succeeded",
    }
    assert "##[error]The Operation will be canceled. The next steps may not contain expected logs." in bench.log("Slow")
    assert "cleaned" in bench.log("Always")
    assert results(bench, "Stage") == {"A": "canceled", "B": "skipped", "C": "succeeded"}


async def test_an_always_step_that_runs_already_is_not_stopped(bench: Bench, tmp_path: Path) -> None:
    started, go = tmp_path / "started", tmp_path / "go"
    text = f"touch {started}; while ! test -e {go}; do sleep 0.01; done; echo survived"
    bench.queue(request(plan(stage(job(script(text, display_name="Always", condition="always()"))))))
    await bench.until_file(started)
    bench.cancel(KEY)
    await asyncio.sleep(0.05)
    go.touch()
    await bench.ended()
    assert "survived" in bench.log("Always")
    assert bench.steps()["Always"] == "succeeded"


async def test_a_run_that_waits_or_is_queued_can_be_canceled(bench: Bench) -> None:
    bench.host.unauthorized = {"endpoint-conn"}
    bench.queue(request(plan(stage(job(script("true")), protected=(protected(ProtectedKind.ENDPOINT, "conn"),)))))
    bench.cancel(KEY)
    run = bench.run()
    assert (run["state"], run["result"], results(bench, "Stage")) == (
        "completed",
        "canceled",
        {"__default": "canceled"},
    )
    first = bench.queue(request(plan(stage(job(script("sleep 60")))), run=2))
    second = bench.queue(request(plan(stage(job(script("true")))), run=3))
    bench.cancel(second)
    assert bench.run(second)["result"] == "canceled"
    assert bench.run(first)["state"] != "completed"
    bench.cancel(first)
    await bench.ended(first)


async def test_one_job_runs_at_a_time(bench: Bench, tmp_path: Path) -> None:
    text = f"test ! -e {tmp_path}/busy || exit 1; touch {tmp_path}/busy; sleep 0.05; rm {tmp_path}/busy"
    jobs = [job(script(text), name=f"J{n}") for n in range(3)]
    assert (await bench.all(plan(stage(*jobs))))["result"] == "succeeded"


async def gone(process: psutil.Process) -> None:
    """Wait until a process is killed: its supervisor does it when the server's pipe ends."""
    async with asyncio.timeout(30):
        while runs(process):
            await asyncio.sleep(0.02)


async def test_an_agent_that_is_killed_ends_its_run_with_an_issue_and_leaves_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.host.definition["hidden"] = Value("canary-restart-1", secret=True)
    pid = tmp_path / "pid"
    text = f"echo $$ > {pid}.new; mv {pid}.new {pid}; cat <<'E' > ~/kept\n$(hidden)\nE\nsleep 60"
    bench.queue(request(plan(stage(job(script(text, display_name="Slow"), script("true", display_name="Next"))))))
    waiting = bench.queue(request(plan(stage(job(script("echo after", display_name="After")))), run=2))
    await bench.until_file(pid)
    process = psutil.Process(int(pid.read_text()))
    await bench.close()
    again = Bench(tmp_path, FakeHost(tmp_path))
    try:
        run = again.run()
        assert (run["state"], run["result"]) == ("completed", "failed")
        assert "We stopped hearing from agent" in run["issues"][0]
        assert again.record("Job", "Job")["result"] == "failed"
        assert "We stopped hearing" in again.record("Job", "Job")["details"]["issues"][0]["message"]
        assert again.steps()["Next"] == "skipped"
        await gone(process)
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or b"canary-restart-1" not in file.read_bytes(), file
        assert (await again.ended(waiting))["result"] == "succeeded"
    finally:
        await again.close()


_SERVER = """
import asyncio, sys
from pathlib import Path
from hol_wizard.practice.pipelines.host import Value
from tests.practice.agent.bench import Bench, job, plan, request, script, stage

async def main(folder):
    bench = Bench(folder)
    bench.host.definition["hidden"] = Value("canary-kill-2", secret=True)
    kept = "cat > ~/kept <<'E'\\n$(hidden)\\nE\\n"
    text = f"{kept}setsid sleep 300 &\\necho $! > {folder}/new; mv {folder}/new {folder}/pid; sleep 300"
    bench.queue(request(plan(stage(job(script(text))))))
    await asyncio.sleep(300)

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="setsid; elsewhere, such a process is not found")
async def test_a_server_that_is_killed_leaves_no_process_and_no_secret(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    words = [sys.executable, "-c", _SERVER, str(tmp_path)]
    server = subprocess.Popen(words, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        async with asyncio.timeout(60):
            while not (tmp_path / "pid").exists():
                assert server.poll() is None
                await asyncio.sleep(0.02)
        orphan = psutil.Process(int((tmp_path / "pid").read_text()))
    finally:
        server.kill()
        server.wait()
    again = Bench(tmp_path, FakeHost(tmp_path))
    try:
        run = again.run()
        assert (run["state"], run["result"]) == ("completed", "failed")
        assert "We stopped hearing from agent" in run["issues"][0]
        await gone(orphan)
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or b"canary-kill-2" not in file.read_bytes(), file
    finally:
        await again.close()


async def test_a_run_that_waits_survives_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.host.unauthorized = {"endpoint-conn"}
    bench.queue(request(plan(stage(job(script("true")), protected=(protected(ProtectedKind.ENDPOINT, "conn"),)))))
    await bench.close()
    again = Bench(tmp_path)
    try:
        assert (await again.ended())["result"] == "succeeded"
    finally:
        await again.close()


async def test_a_job_that_reads_a_secret_output_of_before_a_restart_fails_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.host.unauthorized = {"endpoint-conn"}
    text = 'echo "##vso[task.setvariable variable=s;isoutput=true;issecret=true]canary-output-3"'
    source = variable("s", "$[stageDependencies.A.One.outputs['make.s']]")
    waits = (protected(ProtectedKind.ENDPOINT, "conn"),)
    after = (
        stage(job(script("true"), variables=(source,)), name="Reads", depends_on=("A",), protected=waits),
        stage(job(script("true")), name="Other", depends_on=("A",), protected=waits),
        stage(
            job(script("true")),
            name="Asks",
            depends_on=("A",),
            condition="eq(dependencies.A.outputs['One.make.s'], '1')",
        ),
    )
    bench.queue(request(plan(stage(job(script(text, name="make"), name="One"), name="A"), *after)))
    async with asyncio.timeout(30):
        while bench.record("Asks", "Stage")["result"] is None:
            await asyncio.sleep(0.02)
    assert bench.record("Asks", "Stage")["result"] == "skipped"
    await bench.close()
    again = Bench(tmp_path)
    try:
        assert (await again.ended())["result"] == "failed"
        results = {each["name"]: each["result"] for each in again.records("Stage")}
        assert (results["Reads"], results["Other"]) == ("failed", "succeeded")
        issues = str([each["details"].get("issues") for each in again.records()])
        assert LOST.format(name="make.s") in issues
    finally:
        await again.close()


async def test_a_run_can_be_forgotten(bench: Bench) -> None:
    await bench.do(script("true"))
    timeline = bench.run()["timeline"]
    with bench.world.store.transaction():
        bench.runs.forget(KEY)
    assert bench.runs.run(KEY) is None
    assert bench.jobs.timelines.records(timeline) == []


async def test_counter_counts_runs_not_uses(bench: Bench) -> None:
    made = plan(
        stage(
            job(script("echo n=$(n)", display_name="Say")), job(script("echo n=$(n)", display_name="Again"), name="J2")
        ),
        variables=(variable("n", "$[counter('p', 5)]"),),
    )
    await bench.all(made)
    assert "n=5" in bench.log("Say")
    assert "n=5" in bench.log("Again")
    key = bench.queue(request(made, run=2))
    await bench.ended(key)
    assert "n=6" in bench.log("Say", key=key)


async def test_variables_that_refer_to_each_other_stay_as_they_are(bench: Bench) -> None:
    run = await bench.all(
        plan(
            stage(job(script("true")), condition="and(eq(variables.a, '$(b) $(b)'), eq(variables.c, '<$(c)>'))"),
            variables=(variable("a", "$(b) $(b)"), variable("b", "$(a) $(a)"), variable("c", "<$(c)>")),
            number_format="$(a).$(SourceBranchName)",
        )
    )
    assert (run["result"], results(bench, "Stage")) == ("succeeded", {"__default": "succeeded"})
    assert run["number"].endswith(".main")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", "20261128.3"),
        ("$(Date:yyyy-MM-dd)$(Rev:.rr)", "2026-11-28.01"),
        ("v$(major).$(Rev:r)", "v4.1"),
        ("$(DayOfYear)_$(Hours)$(Minutes) $(nobody)", "332_65 $(nobody)"),
        ("$(Year:yy) $(Month) $(DayOfMonth) $(Seconds)", "26 11 28 7"),
        ("x" * 300, "x" * 255),
    ],
)
def test_the_number_of_a_run(pattern: str, expected: str) -> None:
    moment = 1795845907.0  # 2026-11-28T06:05:07Z
    taken = ["20261128.1", "20261128.2", "20261127.9", "20261128.2-x"]
    assert numbers.number(pattern, moment, {"major": "4"}.get, taken) == expected
