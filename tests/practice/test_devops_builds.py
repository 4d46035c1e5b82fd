"""Builds of the practice cloud: queueing, following, logs, artifacts, test results, triggers."""

from __future__ import annotations

import base64
import io
import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.practice import seed
from hol_wizard.practice.devops.organizations import NEW, PRACTICE
from hol_wizard.practice.devops.pipelines.checks import APPROVAL
from hol_wizard.practice.devops.pipelines.consent import missing
from hol_wizard.practice.devops.pipelines.parallelism import NONE
from hol_wizard.practice.process.launch import ControlError
from tests.practice.pipeline_ground import Ground
from tests.practice.test_devops import as_user, join
from tests.practice.test_devops_git import git, remote
from tests.practice.test_devops_pipelines import Project
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots

HELLO = """\
trigger: none
steps:
- script: |
    echo one
    echo two
  displayName: Say two lines
"""
JUNIT = """\
<testsuite name="suite" tests="3" failures="1">
  <testcase classname="score" name="good" time="0.5"/>
  <testcase classname="score" name="bad" time="0.1"><failure message="2 != 3">at line 7</failure></testcase>
  <testcase classname="score" name="later"><skipped/></testcase>
</testsuite>
"""
COVERAGE = """\
<coverage lines-covered="3" lines-valid="4" branches-covered="1" branches-valid="2" line-rate="0.75" version="1">
  <packages><package name="p"><classes><class name="c" filename="score.py"><lines>
  <line number="1" hits="1"/><line number="2" hits="0"/>
  </lines></class></classes></package></packages>
</coverage>
"""
PUBLISHES = f"""\
trigger: none
steps:
- bash: |
    mkdir -p results/site
    cat > results/junit.xml <<'END'
{"".join(f"    {line}" + chr(10) for line in JUNIT.splitlines())}    END
    cat > results/coverage.xml <<'END'
{"".join(f"    {line}" + chr(10) for line in COVERAGE.splitlines())}    END
    echo '# Done' > summary.md
    echo "##vso[task.uploadsummary]$(System.DefaultWorkingDirectory)/summary.md"
    echo "##vso[build.addbuildtag]tried"
- task: PublishTestResults@2
  inputs: {{testResultsFormat: JUnit, testResultsFiles: results/junit.xml, testRunTitle: Unit tests}}
- task: PublishCodeCoverageResults@2
  inputs: {{summaryFileLocation: results/coverage.xml}}
- publish: results
  artifact: PipelineArtifacts
"""


@pytest.fixture
def ground(practice_cloud: PracticeCloud, tmp_path: Path, snapshots: Snapshots) -> Ground:
    def make() -> None:
        made = Ground(practice_cloud, tmp_path)
        made.begin()
        made.push(HELLO, "Added a pipeline")
        made.project.create()

    snapshots.prepare("pipeline", practice_cloud, tmp_path, make)
    return Ground(practice_cloud, tmp_path)


def test_a_build_is_queued_and_followed_to_its_logs(ground: Ground) -> None:
    queued = ground.queue(sourceBranch="main")
    assert (queued["id"], queued["reason"], queued["sourceBranch"]) == (1, "manual", "refs/heads/main")
    assert queued["buildNumber"].endswith(".1")
    assert queued["definition"]["name"] == "build"
    build = ground.wait(1)
    assert build["result"] == "succeeded", ground.timeline(1)
    assert build["startTime"] <= build["finishTime"]
    step = ground.record(1, "Say two lines")
    assert (step["type"], step["state"], step["result"]) == ("Task", "completed", "succeeded")
    log = f"/build/builds/1/logs/{step['log']['id']}"
    text = ground.project.ask("GET", log).text
    assert text.startswith("\ufeff2")
    lines = ground.devops.http.get(
        f"{ground.cloud.endpoints['devops']}/practice/lab/_apis{log}",
        params={"api-version": "7.1", "startLine": "2", "endLine": "3"},
        headers={"Accept": "application/json"},
        timeout=10,
    ).json()
    assert (lines["count"], lines["value"]) == (2, text.splitlines()[1:3])
    assert any(line.endswith(" two") for line in text.splitlines())
    listed = ground.project.get("/build/builds/1/logs")["value"]
    assert {each["id"] for each in listed} >= {step["log"]["id"]}
    archive = ground.project.ask("GET", "/build/builds/1/logs", **{"$format": "zip"})
    assert len(zipfile.ZipFile(io.BytesIO(archive.content)).namelist()) == len(listed)
    assert ground.project.error("GET", "/build/builds/1/logs/999") == (404, "BuildLogNotFoundException")


@pytest.mark.slow
def test_a_running_step_has_no_log_and_the_timeline_tells_only_what_has_changed(ground: Ground) -> None:
    ground.push(
        "steps:\n- script: |\n    echo before\n    while [ ! -e go ]; do sleep 0.05; done\n  displayName: Wait\n"
    )
    (build,) = ground.project.get("/build/builds")["value"]
    wait = {"state": ""}
    while wait["state"] != "inProgress":
        ground.wait(build["id"], "inProgress")
        wait = next((each for each in ground.timeline(build["id"]) if each["name"] == "Wait"), wait)
    assert wait["log"] is None
    whole = ground.project.get(f"/build/builds/{build['id']}/timeline")
    later = ground.project.get(f"/build/builds/{build['id']}/timeline", changeId=str(whole["changeId"]))
    assert (later["records"], later["changeId"]) == ([], whole["changeId"])
    canceled = ground.project.ask("PATCH", f"/build/builds/{build['id']}", {"status": "Cancelling"})
    assert canceled.json()["status"] == "cancelling"
    assert ground.wait(build["id"])["result"] == "canceled"
    newer = ground.project.get(f"/build/builds/{build['id']}/timeline", changeId=str(whole["changeId"]))
    assert {each["name"] for each in newer["records"]} < {each["name"] for each in whole["records"]} | {"Finalize Job"}
    assert ground.record(build["id"], "Wait")["result"] == "canceled"
    ground.cloud.wrong_on_purpose("PATCH .*/builds/")
    again = ground.project.error("PATCH", f"/build/builds/{build['id']}", {"status": "cancelling"})
    assert again == (400, "BuildStatusInvalidChangeException")


def of_another_organization(url: str) -> list[str]:
    """Return addresses of an artifact that name an organization to which it does not belong, in one or both places."""
    start, name = url.partition("/_apis/artifact/")[::2]
    text = base64.urlsafe_b64decode(name.partition("/")[0] + "==").decode()
    renamed = base64.urlsafe_b64encode(text.replace("://practice/", f"://{NEW.name}/").encode()).decode().rstrip("=")
    other = start.replace(f"/A{PRACTICE.id}/", f"/A{NEW.id}/")
    end = "/content?format=zip"
    return [
        f"{start}/_apis/artifact/{renamed}{end}",
        f"{other}/_apis/artifact/{renamed}{end}",
        url.replace(start, other),
    ]


@pytest.mark.slow
def test_what_a_build_publishes_is_there(ground: Ground) -> None:
    ground.push(PUBLISHES)
    build = ground.run()
    assert build["result"] == "succeeded", ground.timeline(build["id"])
    assert build["tags"] == ["tried"]
    number = build["id"]
    (artifact,) = ground.project.get(f"/build/builds/{number}/artifacts")["value"]
    assert (artifact["name"], artifact["resource"]["type"]) == ("PipelineArtifacts", "PipelineArtifact")
    alone = ground.project.get(f"/build/builds/{number}/artifacts", artifactName="PipelineArtifacts")
    assert alone == artifact
    for got in (
        ground.devops.http.get(artifact["resource"]["downloadUrl"], timeout=10),
        ground.project.ask(
            "GET", f"/build/builds/{number}/artifacts", artifactName="pipelineartifacts", **{"$format": "zip"}
        ),
    ):
        assert got.status_code == 200, got.text
        with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
            assert "PipelineArtifacts/junit.xml" in archive.namelist()
            assert archive.read("PipelineArtifacts/coverage.xml").decode() == COVERAGE
    missing = ground.project.error("GET", f"/build/builds/{number}/artifacts", artifactName="none")
    assert missing == (404, "ArtifactNotFoundException")
    signed = ground.project.get(
        f"/pipelines/1/runs/{number}/artifacts", artifactName="PipelineArtifacts", **{"$expand": "signedContent"}
    )
    anonymous = as_user(ground.cloud)
    del anonymous.http.headers["Authorization"]
    assert anonymous.http.get(signed["signedContent"]["url"], timeout=10).status_code == 200
    forged = signed["signedContent"]["url"][:-1] + ("0" if signed["signedContent"]["url"][-1] != "0" else "1")
    assert anonymous.http.get(forged, timeout=10).status_code == 401
    ground.cloud.wrong_on_purpose("GET .*/_apis/artifact/.*")
    for elsewhere in of_another_organization(artifact["resource"]["downloadUrl"]):
        assert ground.devops.http.get(elsewhere, timeout=10).status_code == 404
    (summary,) = ground.project.get(f"/build/builds/{number}/attachments/Distributedtask.Core.Summary")["value"]
    assert ground.devops.http.get(
        summary["_links"]["self"]["href"], params={"api-version": "7.1"}, timeout=10
    ).text == ("# Done\n")


@pytest.mark.slow
def test_test_results_and_coverage_of_a_build_are_at_both_hosts(ground: Ground) -> None:
    ground.push(PUBLISHES)
    number = ground.run()["id"]
    (run,) = ground.project.get("/test/runs", buildUri=f"vstfs:///Build/Build/{number}")["value"]
    assert (run["name"], run["totalTests"], run["passedTests"]) == ("Unit tests", 3, 1)
    results = ground.project.get(f"/test/runs/{run['id']}/results")["value"]
    assert [each["outcome"] for each in results] == ["Passed", "Failed", "NotExecuted"]
    failed = ground.project.get(f"/test/runs/{run['id']}/results/{results[1]['id']}")
    assert (failed["testCaseTitle"], failed["errorMessage"]) == ("bad", "2 != 3")
    only = ground.project.get(f"/test/runs/{run['id']}/results", outcomes="Failed")["value"]
    assert [each["id"] for each in only] == [failed["id"]]
    statistics = ground.project.get(f"/test/runs/{run['id']}/Statistics")["runStatistics"]
    assert {each["outcome"]: each["count"] for each in statistics} == {"Passed": 1, "Failed": 1, "NotExecuted": 1}
    (kept,) = ground.project.get(f"/test/runs/{run['id']}/attachments")["value"]
    assert kept["fileName"] == "junit.xml"
    content = ground.devops.http.get(kept["url"], params={"api-version": "7.1"}, timeout=10)
    assert content.text == JUNIT

    def ask(path: str, **query: str) -> Any:
        address = f"{ground.cloud.endpoints['devops_test_results']}/practice/lab/_apis/testresults{path}"
        answer = ground.devops.http.get(address, params={"api-version": "7.1-preview", **query}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()

    summary = ask("/resultsummarybybuild", buildId=str(number))["aggregatedResultsAnalysis"]
    assert summary["totalTests"] == 3
    assert {name: each["count"] for name, each in summary["resultsByOutcome"].items()} == {
        "Passed": 1,
        "Failed": 1,
        "NotExecuted": 1,
    }
    assert ask("/runs")["count"] == 1
    (data,) = ask("/codecoverage", buildId=str(number))["coverageData"]
    counted = [(each["label"], each["covered"], each["total"]) for each in data["coverageStats"]]
    assert counted == [("Lines", 3, 4), ("Branches", 1, 2)]
    (by_build,) = ground.project.get("/test/codecoverage", buildId=str(number), flags="7")["value"]
    (module,) = by_build["modules"]
    assert (module["name"], module["statistics"]["linesCovered"]) == ("score.py", 1)


def test_a_build_is_refused_if_its_yaml_cannot_run(ground: Ground) -> None:
    ground.cloud.wrong_on_purpose("POST ")
    ground.push("steps:\n- task: NoSuchTask@9\n")
    answer = ground.project.ask("POST", "/build/builds", {"definition": {"id": 1}})
    assert (answer.status_code, answer.json()["typeKey"]) == (400, "BuildRequestValidationFailedException")
    (problem,) = answer.json()["customProperties"]["ValidationResults"]
    assert problem["result"] == "error"
    assert "NoSuchTask@9" in problem["message"]
    assert "azure-pipelines.yml (Line: 2, Col: " in problem["message"]
    refused = ground.project.ask("POST", "/pipelines/1/runs", {})
    assert (refused.status_code, refused.json()["typeKey"]) == (400, "PipelineValidationException")
    assert ground.project.error("POST", "/build/builds", {"definition": {"id": 1}, "sourceBranch": "none"})[0] == 400
    assert ground.project.error("POST", "/build/builds", {"definition": {"id": 9}}) == (
        404,
        "DefinitionNotFoundException",
    )
    assert ground.project.error("POST", "/build/builds", {"definition": {"id": 1, "revision": 0}})[0] == 404
    ground.project.create("other", file="none.yml")
    gone = ground.project.ask("POST", "/build/builds", {"definition": {"id": 2}}).json()
    assert "File /none.yml not found in repository" in gone["customProperties"]["ValidationResults"][0]["message"]


def test_variables_are_set_only_if_the_pipeline_says_so(ground: Ground) -> None:
    ground.cloud.wrong_on_purpose("POST .*/build/builds")
    kept = ground.project.get("/build/definitions/1")
    variables = {"open": {"value": "1", "allowOverride": True}, "closed": {"value": "2"}}
    assert ground.project.ask("PUT", "/build/definitions/1", {**kept, "variables": variables}).status_code == 200
    ground.push("trigger: none\nsteps:\n- script: echo open=$(open) closed=$(closed)\n  displayName: Say\n")
    refused = ground.project.ask(
        "POST", "/build/builds", {"definition": {"id": 1}, "parameters": '{"closed": "7", "open": "8"}'}
    )
    assert refused.status_code == 400
    assert "You can't set the following variables (closed)" in refused.json()["message"]
    build = ground.run(parameters='{"open": "8"}')
    log = ground.record(build["id"], "Say")["log"]["id"]
    assert "open=8 closed=2" in ground.project.ask("GET", f"/build/builds/{build['id']}/logs/{log}").text


def refused(ground: Ground, **more: Any) -> str:
    """Queue a build that fails for want of consent, and return its issue."""
    build = ground.wait(ground.queue_unseen(**more)["id"])
    assert build["result"] == "failed"
    assert all(each["type"] != "Task" for each in ground.timeline(build["id"]))
    (issue,) = ground.record(build["id"], "Job")["issues"]
    return str(issue["message"])


@pytest.mark.slow
def test_a_run_needs_consent_to_its_files(ground: Ground) -> None:
    control = ground.cloud.control
    control.withdraw_pipeline_consent()
    assert refused(ground) == missing()
    first = ground.agree()
    assert ground.wait(ground.queue_unseen()["id"])["result"] == "succeeded"
    ground.commit("Not shown to anybody", **{"azure-pipelines__yml": HELLO + "- script: touch ran\n"})
    ground.git("push", "--quiet", "origin", "HEAD:main")
    assert refused(ground) == missing("files and steps")
    # A merge has the same files as the branch that was agreed to.
    ground.git("checkout", "--quiet", "-b", "side")
    ground.consent(ground.commit("Agreed to", **{"more__txt": "more"}))
    ground.git("checkout", "--quiet", "main")
    ground.git("merge", "--quiet", "--no-ff", "--message", "Merged", "side")
    ground.git("push", "--quiet", "origin", "HEAD:main")
    assert ground.wait(ground.queue_unseen()["id"])["result"] == "succeeded"
    agreed = control.pipeline_consents()
    assert first in agreed
    assert control.withdraw_pipeline_consent(agreed[-1]) == 1
    assert refused(ground) == missing("files and steps")
    assert control.withdraw_pipeline_consent() == len(agreed) - 1


@pytest.mark.slow
def test_a_run_needs_consent_to_its_parameters_and_variables(ground: Ground) -> None:
    ground.push(
        "trigger: none\nparameters:\n- {name: what, type: string, default: one}\n"
        "steps:\n- bash: echo ${{ parameters.what }} $(more)\n"
    )
    settable = {"enforceSettableVar": False}
    assert ground.project.ask("PATCH", "/build/generalsettings", settable).status_code == 200
    ground.agree()
    assert ground.wait(ground.queue_unseen()["id"])["result"] == "succeeded"
    assert refused(ground, templateParameters={"what": "$(touch ran)"}) == missing("parameters and steps")
    assert refused(ground, parameters=json.dumps({"more": "; touch ran"})) == missing("variables")
    build = ground.run(templateParameters={"what": "two"}, parameters=json.dumps({"more": "three"}))
    assert build["result"] == "succeeded"
    kept = ground.project.get("/build/definitions/1")
    changed = {**kept, "variables": {"more": {"value": "; touch ran", "allowOverride": True}}}
    assert ground.project.ask("PUT", "/build/definitions/1", changed).status_code == 200
    assert refused(ground) == missing("variables in the settings")


def test_variables_of_the_settings_are_those_of_the_queued_revision(ground: Ground) -> None:
    ground.push("trigger: none\nsteps:\n- bash: while test '$(more)' != old; do sleep 0.05; done\n")
    kept = ground.project.get("/build/definitions/1")
    builds = []
    # There is one parallel job, so the second run starts when the settings have changed again.
    for value in ("first", "old", "new"):
        kept = ground.project.ask(
            "PUT", "/build/definitions/1", {**kept, "variables": {"more": {"value": value}}}
        ).json()
        builds.append(ground.queue()["id"])
    ground.project.ask("PATCH", f"/build/builds/{builds[0]}", {"status": "cancelling"})
    assert ground.wait(builds[1])["result"] == "succeeded"
    ground.project.ask("PATCH", f"/build/builds/{builds[2]}", {"status": "cancelling"})


@pytest.fixture
def shared(ground: Ground) -> Ground:
    """A second repository, whose branch is pushed without consent."""
    ground.devops.make("shared")
    other = replace(ground, folder=ground.folder / "shared-clone")
    other.folder.mkdir()
    there = remote(ground.cloud).replace("lab", "shared")
    done = git(other.folder, "clone", there, "clone", cloud=ground.cloud, token=ground.token)
    assert done.returncode == 0, done.stderr
    open_to_all = {"enforceReferencedRepoScopedToken": False}
    assert ground.project.ask("PATCH", "/build/generalsettings", open_to_all).status_code == 200
    return other


MORE = "trigger: none\nresources: {repositories: [{repository: more, type: git, name: shared/shared}]}\n"


@pytest.mark.slow
def test_the_files_of_other_repositories_need_consent_too(ground: Ground, shared: Ground) -> None:
    shared.commit("Seen", **{"steps__sh": "true"})
    shared.git("push", "--quiet", "origin", "HEAD:main")
    ground.push(f"{MORE}steps:\n- checkout: more\n- script: sh steps.sh\n")
    ground.agree()
    assert ground.wait(ground.queue_unseen()["id"])["result"] == "succeeded"
    # Between the plan and the run.
    shared.commit("Not shown to anybody", **{"steps__sh": "touch ran\n"})
    shared.git("push", "--quiet", "origin", "HEAD:main")
    assert refused(ground) == missing("files")
    assert ground.run()["result"] == "succeeded"


@pytest.mark.slow
def test_templates_of_other_repositories_need_consent_too(ground: Ground, shared: Ground) -> None:
    shared.commit("Seen", **{"steps__yml": "steps:\n- bash: 'true'\n"})
    shared.git("push", "--quiet", "origin", "HEAD:main")
    ground.push(f"{MORE}steps:\n- template: steps.yml@more\n")
    ground.agree()
    shared.commit("Not shown to anybody", **{"steps__yml": "steps:\n- bash: touch ran\n"})
    shared.git("push", "--quiet", "origin", "HEAD:main")
    assert refused(ground) == missing("files and steps")


READS_OWN = """\
trigger: none
steps:
- bash: |
    set -e
    here="$(System.CollectionUri)$(System.TeamProject)/_apis/build"
    printf %s "$TOKEN" > $(Build.ArtifactStagingDirectory)/token
    git -c http.extraheader="AUTHORIZATION: bearer $TOKEN" ls-remote "$(Build.Repository.Uri)" > refs
    grep -q "$(Build.SourceVersion)" refs
    python3 ask.py GET "$here/builds/$(Build.BuildId)?api-version=7.1" 200
    python3 ask.py GET "$here/builds/$(Build.BuildId)/artifacts?api-version=7.1" 200
    python3 ask.py GET "$(System.CollectionUri)other/_apis/build/builds?api-version=7.1" 404
    python3 ask.py POST "$here/builds?definitionId=1&api-version=7.1" 403
    python3 ask.py POST "$(System.OidcRequestUri)?api-version=7.1-preview.1&serviceConnectionId=$(System.JobId)" 403
    git config http.extraheader "AUTHORIZATION: bearer $TOKEN"
    git push "$(Build.Repository.Uri)" HEAD:refs/heads/made 2> said && exit 1
    grep -q "403\\|GenericContribute" said
  displayName: Use the token
  env:
    TOKEN: $(System.AccessToken)
- bash: test -z "$SYSTEM_ACCESSTOKEN"
- publish: $(Build.ArtifactStagingDirectory)
  artifact: kept
"""
ASK = """\
import os, sys, urllib.error, urllib.request
method, address, wanted = sys.argv[1:]
headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"}
asked = urllib.request.Request(address, b"{}" if method == "POST" else None, headers, method=method)
try:
    status = urllib.request.urlopen(asked).status
except urllib.error.HTTPError as error:
    status = error.code
sys.exit(f"{method} {address}: {status}" if status != int(wanted) else 0)
"""


@pytest.mark.slow
def test_a_jobs_token_opens_what_the_build_service_may_and_ends_with_the_job(ground: Ground) -> None:
    ground.devops.make("other")
    ground.cloud.wrong_on_purpose("POST ")
    ground.commit("Asks", **{"ask__py": ASK})
    ground.push(READS_OWN)
    build = ground.run()
    log = ground.record(build["id"], "Use the token")["log"]
    said = ground.project.ask("GET", f"/build/builds/{build['id']}/logs/{log['id']}").text
    assert build["result"] == "succeeded", said
    (artifact,) = ground.project.get(f"/build/builds/{build['id']}/artifacts")["value"]
    content = ground.devops.http.get(artifact["resource"]["downloadUrl"], timeout=10).content
    token = zipfile.ZipFile(io.BytesIO(content)).read("kept/token").decode()
    assert len(token) > 40
    assert token not in said
    done = git(
        ground.clone,
        "-c",
        f"http.extraheader=AUTHORIZATION: bearer {token}",
        "ls-remote",
        remote(ground.cloud),
        cloud=ground.cloud,
    )
    assert done.returncode != 0


def test_a_plan_says_what_a_run_would_do(ground: Ground) -> None:
    control = ground.cloud.control
    ground.push("trigger: none\nsteps:\n- bash: |\n    sudo apt-get install jq\n    echo 2\n    echo 3\n    echo 4\n")
    plan = control.plan_pipeline("practice", "lab", 1, branch="main")
    (step,) = plan["steps"]
    assert (step["task"], step["programs"]) == ("Bash@3", ["apt-get", "sudo"])
    assert step["script"] == ["sudo apt-get install jq", "echo 2", "echo 3", "…"]
    assert plan["repositories"][0]["commit"] == ground.git("rev-parse", "HEAD")
    again = control.plan_pipeline("practice", "lab", 0, name="build", file="azure-pipelines.yml")
    assert again["digest"] == plan["digest"]
    # As in a request to run it, null is no value.
    again = control.plan_pipeline("practice", "lab", 1, branch="main", templateParameters={"environment": None})
    assert again["digest"] == plan["digest"]
    for pipeline, more, why in (
        (9, {}, "there is no pipeline 9"),
        (1, {"branch": "none"}, "Could not find branch refs/heads/none"),
        (1, {"variables": {"a": []}}, "variables is an object of texts"),
    ):
        with pytest.raises(ControlError, match=why):
            control.plan_pipeline("practice", "lab", pipeline, **more)
    with pytest.raises(ControlError, match="there is no project practice/none"):
        control.plan_pipeline("practice", "none", 1)
    with pytest.raises(ControlError, match="nothing was shown with this digest"):
        control.consent_to_pipeline("0" * 64)
    with pytest.raises(ControlError, match="SHA-256"):
        control.consent_to_pipeline("0")


@pytest.mark.parametrize("revision", ["main~0", "main^{commit}"])
def test_a_revision_that_git_computes_is_not_a_branch(ground: Ground, revision: str) -> None:
    plan = ground.cloud.control.plan_pipeline
    with pytest.raises(ControlError, match=re.escape(f"Could not find branch refs/heads/{revision} in the repository")):
        plan("practice", "lab", 1, branch=revision)
    ground.push(
        f"resources:\n  repositories:\n  - {{repository: x, type: git, name: lab, ref: '{revision}'}}\n"
        "trigger: none\nsteps:\n- bash: echo 1\n"
    )
    with pytest.raises(ControlError, match=re.escape(f"The repository lab has no {revision}.")):
        plan("practice", "lab", 1, branch="main")


def test_a_run_without_a_parallel_job_fails_and_says_so(ground: Ground) -> None:
    ground.cloud.control.settings(hosted_jobs=0)
    (limit,) = ground.devops.ask("GET", "/distributedtask/resourcelimits", version="7.1-preview.1").json()["value"]
    assert limit["totalCount"] == 0
    build = ground.run()
    assert build["result"] == "failed"
    assert NONE in str([build["validationResults"], ground.timeline(build["id"])])
    ground.cloud.control.settings(hosted_jobs=None)
    assert ground.run()["result"] == "succeeded"


@pytest.mark.slow
def test_builds_are_found_by_what_they_are(ground: Ground) -> None:
    first = ground.run()
    ground.push(HELLO + "- script: exit 3\n")
    second = ground.run()
    ground.project.ask("PUT", f"/build/builds/{first['id']}/tags/kept")

    def found(**query: str) -> list[int]:
        return [each["id"] for each in ground.project.get("/build/builds", **query)["value"]]

    assert found() == [second["id"], first["id"]]
    assert found(resultFilter="failed") == [second["id"]]
    assert found(tagFilters="KEPT") == [first["id"]]
    assert found(statusFilter="inProgress,notStarted") == []
    assert found(branchName="main", definitions="1", **{"$top": "1"}) == [second["id"]]
    assert found(definitions="2") == []
    assert found(buildNumber="*.1") == [first["id"]]
    assert found(buildIds=str(first["id"])) == [first["id"]]
    assert found(maxBuildsPerDefinition="1") == [second["id"]]
    assert found(reasonFilter="manual", queryOrder="queueTimeAscending") == [first["id"], second["id"]]
    assert found(requestedFor=seed.ATTENDEE.name) == [second["id"], first["id"]]
    assert found(minTime="2999-01-01T00:00:00Z") == []
    latest = ground.project.get("/build/latest/build")
    assert latest["id"] == second["id"]
    (change,) = ground.project.get(f"/build/builds/{second['id']}/changes")["value"]
    assert change["id"] == second["sourceVersion"]
    listed = ground.project.get("/build/definitions", includeLatestBuilds="true")["value"]
    assert listed[0]["latestCompletedBuild"]["id"] == second["id"]


def test_a_kept_build_is_not_deleted(practice_cloud: PracticeCloud, ground: Ground) -> None:
    practice_cloud.wrong_on_purpose("DELETE ")
    number = ground.run()["id"]
    lease = {"definitionId": 1, "runId": number, "ownerId": "User:lab", "daysValid": 7, "protectPipeline": True}
    (made,) = ground.project.ask("POST", "/build/retention/leases", [lease]).json()["value"]
    assert ground.project.get(f"/build/builds/{number}/leases")["count"] == 1
    assert ground.project.error("DELETE", f"/build/builds/{number}") == (409, "CannotDeleteRetainedBuildException")
    assert ground.project.ask("DELETE", "/build/definitions/1").status_code == 409
    assert ground.project.ask("DELETE", "/build/retention/leases", ids=str(made["leaseId"])).status_code == 204
    join(ground.devops, seed.CONTRIBUTOR_USER, ground.devops.ask("GET", "/projects/lab").json()["id"])
    other = Project(as_user(practice_cloud, seed.CONTRIBUTOR_USER.name))
    assert other.error("DELETE", f"/build/builds/{number}") == (403, "AccessDeniedException")
    assert ground.project.ask("DELETE", f"/build/builds/{number}").status_code == 204
    assert ground.project.error("GET", f"/build/builds/{number}") == (404, "BuildNotFoundException")
    (deleted,) = ground.project.get("/build/builds", deletedFilter="onlyDeleted")["value"]
    assert deleted["deleted"] is True


def test_tags_are_added_and_removed_as_az_does(ground: Ground) -> None:
    number = ground.run()["id"]
    tags = f"/build/builds/{number}/tags"
    assert ground.project.ask("PUT", f"{tags}/one").json() == {"count": 1, "value": ["one"]}
    assert ground.project.ask("POST", tags, ["two", "ONE"]).json()["value"] == ["one", "two"]
    assert ground.project.get("/build/tags")["value"] == ["one", "two"]
    changed = ground.project.ask("PATCH", tags, {"tagsToAdd": ["three"], "tagsToRemove": ["Two"]})
    assert changed.json()["value"] == ["one", "three"]
    assert ground.project.ask("DELETE", f"{tags}/one").json() == {"count": 1, "value": ["three"]}
    assert ground.project.get(tags)["value"] == ["three"]


def test_the_pipelines_api_shows_the_same_pipelines_and_runs(practice_cloud: PracticeCloud, ground: Ground) -> None:
    repository = ground.project.get("/git/repositories")["value"][0]["id"]
    configuration = {
        "type": "yaml",
        "path": "/azure-pipelines.yml",
        "repository": {"id": repository, "type": "azureReposGit"},
    }
    made = ground.project.ask("POST", "/pipelines", {"name": "new", "folder": "\\lab", "configuration": configuration})
    assert (made.json()["id"], made.json()["folder"]) == (2, "\\lab")
    assert [each["name"] for each in ground.project.get("/pipelines")["value"]] == ["build", "new"]
    whole = ground.project.get("/pipelines/2")
    assert whole["configuration"]["path"] == "/azure-pipelines.yml"
    (trigger,) = ground.project.get("/build/definitions/2")["triggers"]
    assert trigger["settingsSourceType"] == 2
    own = {"self": {"refName": "refs/heads/main"}}
    ground.agree(2)
    run = ground.project.ask("POST", "/pipelines/2/runs", {"resources": {"repositories": own}}).json()
    assert (run["state"], run["pipeline"]["name"]) == ("inProgress", "new")
    ground.wait(run["id"])
    ended = ground.project.get(f"/pipelines/2/runs/{run['id']}")
    assert (ended["state"], ended["result"]) == ("completed", "succeeded")
    assert [each["id"] for each in ground.project.get("/pipelines/2/runs")["value"]] == [run["id"]]
    assert ground.project.error("GET", f"/pipelines/1/runs/{run['id']}")[0] == 404
    practice_cloud.wrong_on_purpose("POST ")
    assert ground.project.error("POST", "/pipelines/2/runs", {"nonsense": 1}) == (400, "UnservedMemberException")
    assert ground.project.error("POST", "/pipelines/2/runs", {"yamlOverride": "steps: []"})[0] == 400


def test_a_preview_expands_the_yaml_also_before_it_is_pushed(ground: Ground) -> None:
    committed = ground.project.ask("POST", "/pipelines/1/preview", {"previewRun": True}).json()
    assert "CmdLine@2" in committed["finalYaml"]
    override = "parameters:\n- name: who\n  default: me\nsteps:\n- bash: echo ${{ parameters.who }}\n"
    body = {"previewRun": True, "yamlOverride": override, "templateParameters": {"who": "you"}}
    expanded = ground.project.ask("POST", "/pipelines/1/preview", body).json()["finalYaml"]
    assert "echo you" in expanded
    assert ground.project.get("/build/builds")["count"] == 0
    ground.cloud.wrong_on_purpose("POST ")
    wrong = ground.project.ask("POST", "/pipelines/1/preview", {"previewRun": True, "yamlOverride": "stepz: []\n"})
    assert (wrong.status_code, wrong.json()["typeKey"]) == (400, "PipelineValidationException")
    assert wrong.json()["message"].startswith("/azure-pipelines.yml (Line: 1, Col: 1): ")


def test_a_commit_has_the_status_of_its_build_and_those_of_tools(ground: Ground) -> None:
    build = ground.run()
    (repository,) = ground.project.get("/git/repositories")["value"]
    path = f"/git/repositories/{repository['id']}/commits/{build['sourceVersion']}/statuses"
    (status,) = ground.project.get(path)["value"]
    assert (status["state"], status["context"]) == ("succeeded", {"name": "build", "genre": "continuous-integration"})
    posted = {"state": "failed", "context": {"name": "lint"}, "description": "no", "targetUrl": "https://example.org"}
    assert ground.project.ask("POST", path, posted).json()["state"] == "failed"
    assert [each["context"]["name"] for each in ground.project.get(path, latestOnly="true")["value"]] == [
        "lint",
        "build",
    ]
    missing = f"/git/repositories/{repository['id']}/commits/{'1' * 40}/statuses"
    assert ground.project.error("GET", missing)[0] == 404


TWO_STAGES = """\
trigger: none
stages:
- stage: Build
  jobs:
  - job: Good
    steps:
    - bash: echo good
  - job: Sometimes
    steps:
    - bash: test -e "$MARK"
      displayName: Try
      env: {MARK: $(mark)}
- stage: Deploy
  jobs:
  - job: Last
    steps:
    - bash: echo deployed
"""


@pytest.mark.slow
def test_a_failed_stage_runs_again_with_what_depends_on_it(ground: Ground, tmp_path: Path) -> None:
    kept = ground.project.get("/build/definitions/1")
    mark = tmp_path / "mark"
    variables = {"mark": {"value": str(mark)}}
    assert ground.project.ask("PUT", "/build/definitions/1", {**kept, "variables": variables}).status_code == 200
    ground.push(TWO_STAGES)
    number = ground.run()["id"]
    first = {(each["type"], each["name"]): each for each in ground.timeline(number)}
    assert (first["Stage", "Build"]["result"], first["Stage", "Deploy"]["result"]) == ("failed", "skipped")
    mark.touch()
    retried = ground.project.ask("PATCH", f"/build/builds/{number}/stages/Build", {"state": "retry"})
    assert retried.status_code == 200, retried.text
    assert ground.wait(number)["result"] == "succeeded"
    second = {(each["type"], each["name"]): each for each in ground.timeline(number)}
    assert second["Stage", "Deploy"]["result"] == "succeeded"
    assert second["Job", "Good"]["id"] == first["Job", "Good"]["id"]
    assert second["Job", "Sometimes"]["id"] != first["Job", "Sometimes"]["id"]
    stage = second["Stage", "Build"]
    assert stage["attempt"] == 2
    (previous,) = stage["previousAttempts"]
    earlier = ground.project.get(f"/build/builds/{number}/timeline/{previous['timelineId']}")["records"]
    assert "failed" in {each["result"] for each in earlier if each["name"] == "Try"}
    failed = next(each for each in earlier if each["name"] == "Try")
    assert ground.project.ask("GET", f"/build/builds/{number}/logs/{failed['log']['id']}").status_code == 200
    ground.cloud.wrong_on_purpose("PATCH .*/stages/")
    path = f"/build/builds/{number}/stages"
    assert ground.project.error("PATCH", f"{path}/Build", {"state": "retry"}) == (400, "InvalidStageStateException")
    assert ground.project.error("PATCH", f"{path}/Other", {"state": "retry"}) == (404, "StageNotFoundException")
    again = {"state": "retry", "forceRetryAllJobs": True}
    assert ground.project.ask("PATCH", f"{path}/Build", again).status_code == 200
    assert ground.wait(number)["result"] == "succeeded"
    assert ground.record(number, "Good")["id"] != first["Phase", "Good"]["id"]


@pytest.mark.slow
def test_a_stage_is_canceled_and_the_others_go_on(ground: Ground) -> None:
    ground.push(
        "trigger: none\nstages:\n- stage: Long\n  jobs:\n  - job: A\n    steps:\n"
        "    - bash: while [ ! -e go ]; do sleep 0.05; done\n"
        "- stage: After\n  condition: always()\n  jobs:\n  - job: B\n    steps:\n    - bash: echo after\n"
    )
    number = ground.queue()["id"]
    ground.wait(number, "inProgress")
    canceled = ground.project.ask("PATCH", f"/build/builds/{number}/stages/Long", {"state": "cancel"})
    assert canceled.status_code == 200, canceled.text
    assert ground.wait(number)["result"] == "canceled"
    stages = {each["name"]: each["result"] for each in ground.timeline(number) if each["type"] == "Stage"}
    assert stages == {"Long": "canceled", "After": "succeeded"}


DEPLOYS = """\
trigger: none
jobs:
- deployment: Deploy
  environment: QA
  strategy:
    runOnce:
      deploy:
        steps:
        - bash: echo deployed
"""


def test_a_stage_waits_for_the_approval_of_its_environment(ground: Ground) -> None:
    ground.push(DEPLOYS)
    environment = ground.environment("QA")
    assert ground.run()["result"] == "succeeded"
    history = f"/distributedtask/environments/{environment['id']}/environmentdeploymentrecords"
    assert [each["result"] for each in ground.project.get(history)["value"]] == ["succeeded"]
    me = ground.devops.ask("GET", "/connectionData", version="7.1-preview.1").json()["authenticatedUser"]["id"]
    settings = {"approvers": [{"id": me}], "minRequiredApprovers": 1, "executionOrder": "anyOrder"}
    check = {
        "type": {"id": APPROVAL, "name": "Approval"},
        "settings": {**settings, "instructions": "Look first", "blockedApprovers": []},
        "resource": {"type": "environment", "id": str(environment["id"]), "name": "QA"},
        "timeout": 2880,
    }
    preview = {"version": "7.1-preview.1"}
    made = ground.project.ask("POST", "/pipelines/checks/configurations", check, **preview)
    assert made.status_code == 200, made.text
    query = {"resourceType": "environment", "resourceId": str(environment["id"]), "$expand": "settings"}
    (listed,) = ground.project.ask("GET", "/pipelines/checks/configurations", **preview, **query).json()["value"]
    assert (listed["timeout"], listed["settings"]["instructions"]) == (2880, "Look first")
    for status, result in (("rejected", "failed"), ("approved", "succeeded")):
        number = ground.queue()["id"]
        (waiting,) = [each for each in ground.timeline(number) if each["type"] == "Checkpoint.Approval"]
        (pending,) = ground.project.get("/pipelines/approvals", state="pending", **{"$expand": "steps"})["value"]
        assert pending["id"] == waiting["id"]
        assert pending["steps"][0]["assignedApprover"]["id"] == me
        decision = [{"approvalId": pending["id"], "status": status, "comment": "Seen"}]
        decided = ground.project.ask("PATCH", "/pipelines/approvals", decision).json()["value"][0]
        assert (decided["status"], decided["steps"][0]["actualApprover"]["id"]) == (status, me)
        assert ground.wait(number)["result"] == result
        ground.cloud.wrong_on_purpose("PATCH .*/approvals")
        again = ground.project.error("PATCH", "/pipelines/approvals", decision)
        assert again == (400, "ApprovalUpdateException")
    one = f"/pipelines/checks/configurations/{listed['id']}"
    check["settings"] = {**settings, "requesterCannotBeApprover": True}
    assert ground.project.ask("PATCH", one, check, **preview).status_code == 200
    number = ground.queue()["id"]
    (pending,) = ground.project.get("/pipelines/approvals", state="pending")["value"]
    decision = [{"approvalId": pending["id"], "status": "approved"}]
    assert ground.project.error("PATCH", "/pipelines/approvals", decision) == (400, "ApprovalUpdateException")
    ground.project.ask("PATCH", f"/build/builds/{number}", {"status": "cancelling"})
    assert ground.wait(number)["result"] == "canceled"
    assert ground.project.ask("DELETE", one, **preview).status_code == 204
    assert ground.run()["result"] == "succeeded"


def test_a_new_environment_inherits_nothing_from_a_deleted_one_with_its_id(ground: Ground) -> None:
    me = ground.devops.ask("GET", "/connectionData", version="7.1-preview.1").json()["authenticatedUser"]["id"]
    preview = {"version": "7.1-preview.1"}

    def make() -> str:
        made = ground.project.ask("POST", "/distributedtask/environments", {"name": "QA"})
        assert made.status_code == 200, made.text
        return str(made.json()["id"])

    identity = make()
    permissions = f"/pipelines/pipelinepermissions/environment/{identity}"
    allowed = {"pipelines": [{"id": 1, "authorized": True}]}
    assert ground.project.ask("PATCH", permissions, allowed, **preview).json()["pipelines"]
    check = {
        "type": {"id": APPROVAL, "name": "Approval"},
        "settings": {"approvers": [{"id": me}], "minRequiredApprovers": 1},
        "resource": {"type": "environment", "id": identity, "name": "QA"},
    }
    assert ground.project.ask("POST", "/pipelines/checks/configurations", check, **preview).status_code == 200
    assert ground.project.ask("DELETE", f"/distributedtask/environments/{identity}").status_code == 204
    assert make() == identity
    assert ground.project.ask("GET", permissions, **preview).json()["pipelines"] == []
    query = {"resourceType": "environment", "resourceId": identity}
    listed = ground.project.ask("GET", "/pipelines/checks/configurations", **preview, **query).json()
    assert listed["count"] == 0


def test_a_job_gets_the_values_of_a_group_that_was_sent_back_as_it_is_shown(ground: Ground) -> None:
    body: dict[str, Any] = {"name": "plain", "type": "Vsts", "variables": {"empty": None, "full": {"value": "1"}}}
    body["variables"]["hidden"] = {"value": "2", "isSecret": True}
    ground.cloud.wrong_on_purpose("POST .*/variablegroups")
    made = ground.project.ask("POST", "/distributedtask/variablegroups", body).json()
    assert made["variables"] == {"empty": {}, "full": {"value": "1"}, "hidden": {"value": None, "isSecret": True}}
    same = ground.devops.ask("PUT", f"/distributedtask/variablegroups/{made['id']}", made)
    assert (same.status_code, same.json()["variables"]) == (200, made["variables"])
    allowed = {"allPipelines": {"authorized": True}}
    permissions = f"/pipelines/pipelinepermissions/variablegroup/{made['id']}"
    assert ground.project.ask("PATCH", permissions, allowed, version="7.1-preview.1").status_code == 200
    ground.push("trigger: none\nvariables:\n- group: plain\nsteps:\n- bash: test '$(full)$(empty)$(hidden)' = 12\n")
    build = ground.run()
    assert build["result"] == "succeeded", ground.timeline(build["id"])
