"""One job: its records, logs, results, conditions and variables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hol_wizard.practice.pipelines.plan import Step
from tests.practice.agent.bench import PLACE, Bench, job, plan, request, script, stage, variable


async def test_a_run_has_all_kinds_of_records_in_their_order(bench: Bench) -> None:
    run = await bench.do(script("echo hello", display_name="Say hello"))
    assert (run["state"], run["result"]) == ("completed", "succeeded")
    assert [(each["type"], each["name"], each["result"]) for each in bench.records()] == [
        ("Stage", "__default", "succeeded"),
        ("Phase", "Job", "succeeded"),
        ("Job", "Job", "succeeded"),
        ("Task", "Initialize job", "succeeded"),
        ("Task", "Say hello", "succeeded"),
        ("Task", "Finalize Job", "succeeded"),
    ]
    found = {each["name"]: each for each in bench.records()}
    assert found["Say hello"]["parent"] == bench.records("Job")[0]["id"]
    assert bench.records("Job")[0]["parent"] == bench.records("Phase")[0]["id"]
    assert bench.records("Phase")[0]["parent"] == bench.records("Stage")[0]["id"]
    assert found["Say hello"]["details"]["task"]["name"] == "CmdLine"
    assert [each["details"]["identifier"] for each in bench.records()[:3]] == [
        "__default",
        "__default.Job",
        "__default.Job.__default",
    ]
    assert [each["details"]["log_id"] for each in bench.records("Task")] == [1, 2, 3]
    assert bench.records("Job")[0]["details"]["log_id"] == 4


async def test_a_log_has_times_sections_and_the_head_of_the_task(bench: Bench) -> None:
    await bench.do(script("echo hello; echo oops >&2", display_name="Say"))
    raw = bench.raw_log("Say")
    assert raw[0].startswith("\ufeff")
    assert all(re.match(r"\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z ", line) for line in raw)
    lines = bench.log("Say")
    assert lines[0] == "##[section]Starting: Say"
    assert lines[-1] == "##[section]Finishing: Say"
    assert lines[1] == lines[7] == "=" * 78
    assert lines[2].startswith("Task         : Command line")
    assert lines[8:11] == ["Generating script.", "Script contents:", "echo hello; echo oops >&2"]
    assert "hello" in lines
    assert "oops" in lines
    whole = bench.log("Job", "Job")
    assert whole[0] == "##[section]Starting: Initialize job"
    assert lines[8] in whole


async def test_a_log_can_be_read_only_when_its_step_has_ended(bench: Bench, tmp_path: Path) -> None:
    said = tmp_path / "said"
    bench.queue(request(plan(stage(job(script(f"echo early; touch {said}; sleep 30", display_name="Slow"))))))
    await bench.until_file(said)
    record = bench.record("Slow")
    assert (record["state"], record["log"], record["details"].get("log_id")) == ("running", None, None)
    bench.cancel(request(plan()).key)
    await bench.ended()
    assert bench.record("Slow")["log"] is not None


async def test_only_the_last_command_of_a_script_counts(bench: Bench) -> None:
    await bench.do(script("false\ntrue"))
    assert bench.steps()["CmdLine"] == "succeeded"


async def test_a_failing_script_fails_the_run_with_the_tasks_message(bench: Bench) -> None:
    run = await bench.do(script("exit 3", display_name="Bad"), script("echo later", display_name="Later"))
    assert run["result"] == "failed"
    assert bench.steps()["Bad"] == "failed"
    assert bench.steps()["Later"] == "skipped"
    record = bench.record("Bad")
    assert [each["message"] for each in record["details"]["issues"]] == ["Bash exited with code '3'."]
    number = int(record["details"]["issues"][0]["data"]["logFileLineNumber"])
    assert bench.log("Bad")[number - 1] == "##[error]Bash exited with code '3'."
    assert bench.log("Later") == [
        "Skipping step due to condition evaluation.",
        "Evaluating: succeeded()",
        "Result: False",
    ]


GOOD, BAD, ISSUES = "true", "exit 1", "echo '##vso[task.complete result=SucceededWithIssues]'"


@pytest.mark.parametrize(
    ("first", "how", "second", "condition", "results", "run"),
    [
        (GOOD, {}, GOOD, None, ("succeeded", "succeeded"), "succeeded"),
        (BAD, {"continue_on_error": True}, GOOD, None, ("succeededWithIssues", "succeeded"), "partiallySucceeded"),
        (
            BAD,
            {"continue_on_error": True},
            GOOD,
            "always()",
            ("succeededWithIssues", "succeeded"),
            "partiallySucceeded",
        ),
        (BAD, {"continue_on_error": True}, BAD, None, ("succeededWithIssues", "failed"), "failed"),
        (BAD, {}, GOOD, "always()", ("failed", "succeeded"), "failed"),
        (BAD, {}, GOOD, "failed()", ("failed", "succeeded"), "failed"),
        (BAD, {}, GOOD, "succeededOrFailed()", ("failed", "succeeded"), "failed"),
        (BAD, {}, GOOD, "canceled()", ("failed", "skipped"), "failed"),
        (BAD, {}, GOOD, "eq(variables['Agent.JobStatus'], 'Failed')", ("failed", "succeeded"), "failed"),
        (GOOD, {}, GOOD, "failed()", ("succeeded", "skipped"), "succeeded"),
        (GOOD, {}, GOOD, "eq('$(x)', '1')", ("succeeded", "skipped"), "succeeded"),
        (GOOD, {}, GOOD, "eq(variables.x, '1')", ("succeeded", "succeeded"), "succeeded"),
        (GOOD, {}, GOOD, "gt(1, 'a')", ("succeeded", "failed"), "failed"),
        (GOOD, {}, BAD, None, ("succeeded", "failed"), "failed"),
        (GOOD, {}, ISSUES, None, ("succeeded", "succeededWithIssues"), "partiallySucceeded"),
        (ISSUES, {}, GOOD, None, ("succeededWithIssues", "succeeded"), "partiallySucceeded"),
        (ISSUES, {}, BAD, None, ("succeededWithIssues", "failed"), "failed"),
        (ISSUES, {}, GOOD, "failed()", ("succeededWithIssues", "skipped"), "partiallySucceeded"),
        ("echo '##vso[task.complete result=Canceled]'", {}, GOOD, None, ("canceled", "succeeded"), "succeeded"),
        ("echo '##vso[task.complete result=Skipped]'", {}, GOOD, None, ("skipped", "succeeded"), "succeeded"),
        ("echo '##vso[task.complete result=Failed]'", {}, GOOD, None, ("failed", "skipped"), "failed"),
        ("echo '##vso[task.logissue type=error]m'", {}, GOOD, None, ("succeeded", "succeeded"), "succeeded"),
        (BAD, {"enabled": False}, GOOD, None, (None, "succeeded"), "succeeded"),
        (BAD, {"continue_on_error": "$(on)"}, GOOD, None, ("succeededWithIssues", "succeeded"), "partiallySucceeded"),
        (BAD, {"continue_on_error": "$[eq(variables.x, 2)]"}, GOOD, None, ("failed", "skipped"), "failed"),
    ],
)
async def test_conditions_and_results_of_steps(
    bench: Bench,
    first: str,
    how: dict[str, object],
    second: str,
    condition: str | None,
    results: tuple[str | None, str],
    run: str,
) -> None:
    steps = script(first, display_name="One", **how), script(second, display_name="Two", condition=condition)
    found = await bench.do(*steps, variables=(variable("x", "1"), variable("on", "true")))
    assert (bench.steps().get("One"), bench.steps()["Two"]) == results
    assert found["result"] == run


async def test_a_step_that_takes_too_long_fails(bench: Bench) -> None:
    run = await bench.do(
        script("sleep 30", display_name="Slow", timeout_minutes="$(limit)"), variables=(variable("limit", "0.002"),)
    )
    assert run["result"] == "failed"
    assert "##[error]The task has timed out." in bench.log("Slow")


async def test_a_job_that_takes_too_long_is_canceled(bench: Bench) -> None:
    steps = script("sleep 30", display_name="Slow"), script("echo cleaned", display_name="Clean", condition="always()")
    run = await bench.do(*steps, timeout_minutes="$(limit)", variables=(variable("limit", "0.01"),))
    assert bench.steps()["Slow"] == "canceled"
    assert "cleaned" in bench.log("Clean")
    assert run["result"] == "canceled"
    assert "ran longer than the maximum time" in bench.records("Job")[0]["details"]["issues"][0]["message"]


async def test_a_failed_step_is_tried_again(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hol_wizard.practice.pipelines.agent.assignment.retry_seconds", lambda attempt: 0.001)
    mark = tmp_path / "mark"
    run = await bench.do(script(f"test -e {mark} && exit 0; touch {mark}; exit 1", display_name="Flaky", retries=2))
    assert run["result"] == "succeeded"
    assert [line for line in bench.log("Flaky") if "RetryHelper" in line] == [
        "##[warning]RetryHelper encountered task failure, will retry (attempt #: 1 out of 2) after 1 ms"
    ]


async def test_variables_come_from_all_places_and_the_nearest_wins(bench: Bench) -> None:
    made = plan(
        stage(
            job(
                script("echo root=$(root) stage=$(stage) job=$(job) queued=$(queued) no=$(nobody) $(echo shell)"),
                script("echo $FROM_ROOT $MAPPED", display_name="Env", env={"MAPPED": "$(job)-x"}),
                variables=(variable("job", "j"), variable("nested", "$(job)/$(root)")),
            ),
            variables=(variable("stage", "s"), variable("job", "from the stage")),
        ),
        variables=(variable("root", "r"), variable("stage", "from the root"), variable("from.root", "$(nested)")),
    )
    await bench.all(made, variables={"queued": "q", "root": "weaker"})
    assert "root=r stage=s job=j queued=q no=$(nobody) shell" in [
        line.replace("no=", "no=$(nobody)") if line.endswith("shell") else line for line in bench.log("CmdLine")
    ]
    assert "j/r j-x" in bench.log("Env")


async def test_a_step_sets_variables_for_the_next_ones(bench: Bench) -> None:
    await bench.do(
        script("echo '##vso[task.setvariable variable=color]red'; echo now=$COLOR", display_name="Set"),
        script("echo then=$COLOR and $(color)", display_name="Get"),
        script("echo '##vso[task.setvariable variable=out;isoutput=true]7'", name="maker", display_name="Out"),
        script("echo out=$(maker.out)", display_name="Got"),
    )
    assert "now=" in bench.log("Set")
    assert "then=red and red" in bench.log("Get")
    assert "out=7" in bench.log("Got")
    assert not [line for line in bench.log("Set") if line.startswith("##vso")]


async def test_an_unknown_task_fails_its_step_by_name(bench: Bench) -> None:
    await bench.do(Step("Terraform@4", PLACE, display_name="Terraform"))
    assert bench.steps()["Terraform"] == "failed"
    assert "This practice agent does not know the task Terraform@4" in bench.log("Terraform")[-2]
