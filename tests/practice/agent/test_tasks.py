"""What the tasks do, with real files and programs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from hol_wizard.practice.pipelines.agent import junit, patterns
from hol_wizard.practice.pipelines.agent.tasks import python_version
from hol_wizard.practice.pipelines.host import Artifact, RunKey
from hol_wizard.practice.pipelines.orchestrate.request import Named, Source, UpstreamRun
from hol_wizard.practice.pipelines.plan import Environment, Hook, Job, JobKind, Step
from tests.practice.agent.bench import (
    PLACE,
    Bench,
    job,
    launcher,
    plan,
    request,
    script,
    stage,
    task,
    variable,
)

# Scripts


async def test_bash_runs_a_file_with_arguments_in_a_folder(bench: Bench) -> None:
    await bench.do(
        script("mkdir d; printf 'echo \"<$1>\" $PWD; exit 4\\n' > d/x.sh"),
        task("Bash@3", filePath="d/x.sh", arguments='"a b"', workingDirectory="d"),
    )
    log = bench.log("It")
    assert any(line.startswith("<a b> ") and line.endswith("/_work/1/s/d") for line in log)
    assert "##[error]Bash exited with code '4'." in log
    assert any(line.startswith("Formatted command: exec bash '") for line in log)


@pytest.mark.parametrize("folder", ["nowhere", "$(missing)"])
async def test_a_working_folder_must_exist(bench: Bench, folder: str) -> None:
    await bench.do(task("Bash@3", targetType="inline", script="true", workingDirectory=folder))
    assert bench.steps()["It"] == "failed"
    assert any("Not found workingDirectory" in line for line in bench.log("It"))


async def test_fail_on_stderr_fails_and_shows_the_lines(bench: Bench) -> None:
    await bench.do(task("Bash@3", targetType="inline", script="echo out; echo err >&2", failOnStderr="true"))
    log = bench.log("It")
    assert bench.steps()["It"] == "failed"
    assert {"out", "err", "##[error]err"} <= set(log)
    assert "##[error]Bash wrote one or more lines to the standard error stream." in log


async def test_inputs_and_env_are_expanded_once_and_trimmed(bench: Bench) -> None:
    await bench.do(
        Step(
            "Bash@3",
            PLACE,
            {"targetType": "inline", "script": "  echo '[$(a)]' \"[$E]\" '$(LANG)'  "},
            {"E": "  $(a)  "},
            display_name="It",
        ),
        variables=(variable("a", "$(b)"), variable("b", "$(c)")),
    )
    assert "[$(c)] [$(c)] C.UTF-8" in bench.log("It")


# Azure CLI

_AZ = """printf '%s\\n' "$*" >> "$HOME/../../../az.txt"
printf '%s %s\\n' "$AZURE_CONFIG_DIR" "$ARM_URL" >> "$HOME/../../../config.txt"
case "$*" in *@-*) cat > "$HOME/../../../token.txt"; test -z "$PRACTICE_SIGN_IN" || exit 7;; esac
case "$1" in "$FAIL") echo "AADSTS700213: no match" >&2; exit 1;; esac"""


def with_az(bench: Bench, tmp_path: Path) -> None:
    launcher(tmp_path / "launchers", "az", _AZ)
    bench.host.launcher_folder = tmp_path / "launchers"


async def test_azure_cli_signs_in_runs_the_script_and_signs_out(bench: Bench, tmp_path: Path) -> None:
    with_az(bench, tmp_path)
    inline = task(
        "AzureCLI@2",
        connectedServiceNameARM="conn",
        scriptType="bash",
        scriptLocation="inlineScript",
        inlineScript="az account show; echo $idToken $servicePrincipalId $PWD",
        addSpnToEnvironment="true",
        cwd="made/here",
    )
    run = await bench.do(inline)
    assert run["result"] == "succeeded"
    assert (tmp_path / "az.txt").read_text().splitlines() == [
        "--version",
        "cloud set -n AzureCloud",
        "login --service-principal -u client-1 --tenant tenant-1 --allow-no-subscriptions --federated-token @-",
        "account set --subscription sub-1",
        "account show",
        "account clear",
    ]
    assert (tmp_path / "token.txt").read_text() == "id-token-1"
    folders = (tmp_path / "config.txt").read_text().splitlines()
    assert ".azclitask-" in folders[1]
    assert not Path(folders[1].split()[0]).exists()
    assert any(line.startswith("*** client-1 ") and line.endswith("/s/made/here") for line in bench.log("It"))


async def test_a_sign_in_that_fails_names_the_services_message(bench: Bench, tmp_path: Path) -> None:
    with_az(bench, tmp_path)
    step = Step(
        "AzureCLI@2",
        PLACE,
        {
            "connectedServiceNameARM": "c",
            "scriptType": "bash",
            "scriptLocation": "inlineScript",
            "inlineScript": "echo x",
        },
        {"FAIL": "login"},
        display_name="It",
    )
    await bench.do(step)
    messages = [each["message"] for each in bench.record("It")["details"]["issues"]]
    assert messages[:2] == ["Error Code: [1]", "Error: Azure login failed"]
    assert messages[2] == "Script failed with error: AADSTS700213: no match"
    assert "account clear" not in (tmp_path / "az.txt").read_text()


async def test_the_script_of_azure_cli_runs_in_the_sources_folder_and_must_be_a_shell_script(
    bench: Bench, tmp_path: Path
) -> None:
    with_az(bench, tmp_path)
    common = {"connectedServiceNameARM": "c", "scriptType": "bash", "scriptLocation": "scriptPath"}
    await bench.do(
        script("mkdir sub; echo 'echo in $PWD with $1; exit 3' > sub/x.sh; touch sub/x.py"),
        task("AzureCLI@2", "Path", **common, scriptPath="sub/x.sh", scriptArguments="'a b'"),
    )
    assert any(line.startswith("in ") and line.endswith("/_work/1/s with a b") for line in bench.log("Path"))
    assert "##[error]Script failed with exit code: 3" in bench.log("Path")
    await bench.ended(
        bench.queue(request(plan(stage(job(task("AzureCLI@2", "Py", **common, scriptPath="x.py")))), run=2))
    )
    assert bench.steps(RunKey("project-1", 7, 2))["Py"] == "failed"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"scriptType": "ps"}, "not of the type 'ps'"),
        ({"useGlobalConfig": "true"}, "useGlobalConfig is not supported"),
        ({"keepAzSessionActive": "true"}, "keepAzSessionActive is not supported"),
        ({"scriptLocation": "elsewhere"}, "is not a valid value for task input 'Script Location'"),
    ],
)
async def test_azure_cli_refuses_by_name(bench: Bench, inputs: dict[str, str], message: str) -> None:
    given = {"connectedServiceNameARM": "c", "scriptType": "bash", "scriptLocation": "inlineScript", **inputs}
    await bench.do(task("AzureCLI@2", **given))
    assert any(message in line for line in bench.log("It"))


async def test_without_the_azure_cli_the_task_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    given = {
        "connectedServiceNameARM": "c",
        "scriptType": "bash",
        "scriptLocation": "inlineScript",
        "inlineScript": "x",
    }
    await bench.do(task("AzureCLI@2", **given))
    assert "##[error]Azure CLI 2.x is not installed on this machine." in bench.log("It")


# Files


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("**", ["a.txt", "b.log", "d/[x].txt", "d/c.txt", "d/e/f.txt"]),
        ("*.txt", ["a.txt"]),
        ("**/*.txt", ["a.txt", "d/[x].txt", "d/c.txt", "d/e/f.txt"]),
        ("**\n!**/c.*\n!d/e/**", ["a.txt", "b.log", "d/[x].txt"]),
        ("**/*.txt\n!d/**\nd/c.txt", ["a.txt", "d/c.txt"]),
        ("?.log\n# a comment\n\nd/[[]x].txt", ["b.log", "d/[x].txt"]),
        ("[ab].*", ["a.txt", "b.log"]),
        ("[!a].*", ["b.log"]),
        ("nothing", []),
    ],
)
def test_patterns_choose_files(tmp_path: Path, wanted: str, expected: list[str]) -> None:
    root = tmp_path / "[root]"
    for each in ("a.txt", "b.log", "d/c.txt", "d/e/f.txt", "d/[x].txt"):
        (root / each).parent.mkdir(parents=True, exist_ok=True)
        (root / each).touch()
    found = [each for each in patterns.match(patterns.files_below(root), wanted.splitlines(), root) if each.is_file()]
    assert sorted(each.relative_to(root).as_posix() for each in found) == expected


async def test_copy_files_keeps_what_is_there_unless_told_otherwise(bench: Bench) -> None:
    await bench.do(
        script("mkdir -p src/d out; echo new > src/a; echo x > src/d/b; echo old > out/a; echo gone > out/old"),
        task("CopyFiles@2", "Keep", SourceFolder="src", TargetFolder="$(Build.SourcesDirectory)/out"),
        script("cat out/a out/d/b", display_name="One"),
        task(
            "CopyFiles@2",
            "Over",
            SourceFolder="src",
            TargetFolder="out",
            OverWrite="true",
            CleanTargetFolder="true",
            flattenFolders="true",
        ),
        script("ls out; cat out/a", display_name="Two"),
        task("CopyFiles@2", "Nothing", SourceFolder="src", Contents="*.x", TargetFolder="out"),
        task("CopyFiles@2", "Missing", SourceFolder="nowhere", TargetFolder="out"),
    )
    assert {"old", "x"} <= set(bench.log("One"))
    assert "found 2 files" in bench.log("Keep")
    assert bench.log("Two")[-4:-1] == ["a", "b", "new"]
    assert (bench.steps()["Nothing"], bench.steps()["Missing"]) == ("succeeded", "failed")


async def test_a_cancel_reaches_a_step_that_copies_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, canceled, copied = threading.Event(), threading.Event(), []

    def copy(source: Path, target: Path) -> None:
        begun.set()
        target.touch()
        if canceled.wait(5):
            copied.append(source.name)

    step = task("CopyFiles@2", SourceFolder="src", TargetFolder="out")
    monkeypatch.setattr(shutil, "copyfile", copy)
    key = bench.queue(request(plan(stage(job(script("mkdir src; touch src/a src/b"), step)))))
    assert await asyncio.to_thread(begun.wait, 30)
    bench.cancel(key)
    canceled.set()
    assert (await bench.ended())["result"] == "canceled"
    assert (bench.steps()["It"], copied) == ("canceled", ["a"])


# Results

_JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="suite">
<testcase name="a" classname="m" time="0.25"/><testcase name="b" classname="m" time="NaN"><failure message="no">trace
here</failure></testcase><testcase name="c"><skipped message="later"/></testcase><testcase classname="nameless"/>
<testsuite name="inner"><testcase name="d" time="-1"><error>bad</error></testcase></testsuite></testsuite>
</testsuites>"""


async def test_test_results_are_published(bench: Bench) -> None:
    await bench.do(
        script(
            f"mkdir r; cat > r/test-1.xml <<'E'\n{_JUNIT}\nE\necho '<broken' > r/test-2.xml; echo '<x/>' > r/test-3.xml"
        ),
        task("PublishTestResults@2", testResultsFiles="test-*.xml", searchFolder="$(Build.SourcesDirectory)/r"),
    )
    (run,) = bench.host.tests
    assert run.name == "suite"
    assert [(each.title, each.outcome, each.milliseconds) for each in run.cases] == [
        ("a", "Passed", 250.0),
        ("b", "Failed", 0.0),
        ("c", "NotExecuted", 0.0),
        ("d", "Failed", 0.0),
    ]
    assert (run.cases[1].message, run.cases[1].stack) == ("no", "trace\nhere")
    assert [each.name for each in run.attachments] == ["test-1.xml"]
    assert bench.record("It")["details"]["warningCount"] == 4
    assert bench.steps()["It"] == "succeeded"


@pytest.mark.parametrize(
    ("inputs", "result", "message"),
    [
        ({}, "succeeded", "##[warning]No test result files matching nothing.xml were found."),
        (
            {"failTaskOnMissingResultsFile": "true"},
            "failed",
            "##[error]No test result files matching nothing.xml were found.",
        ),
        (
            {"testRunner": "NUnit"},
            "failed",
            "##[error]The practice agent reads test results of the format JUnit, not of the format NUnit.",
        ),
    ],
)
async def test_missing_or_foreign_test_results(bench: Bench, inputs: dict[str, str], result: str, message: str) -> None:
    await bench.do(task("PublishTestResults@2", **{"testResultsFiles": "nothing.xml", **inputs}))
    assert bench.steps()["It"] == result
    assert message in bench.log("It")


async def test_failed_tests_fail_the_task_only_where_asked(bench: Bench) -> None:
    await bench.do(
        script(f"cat > t.xml <<'E'\n{_JUNIT}\nE\ncp t.xml u.xml"),
        task("PublishTestResults@2", testResultsFiles="*.xml", testRunTitle="Mine", failTaskOnFailedTests="true"),
    )
    assert bench.steps()["It"] == "failed"
    assert [each.name for each in bench.host.tests] == ["Mine_1", "Mine_2"]


def test_entities_in_results_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    file.write_text('<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>')
    with pytest.raises(junit.UnreadableResultsError, match="entities"):
        junit.read(file)


_COBERTURA = """<coverage lines-covered="8" lines-valid="10" branches-covered="0" branches-valid="0"><packages><package>
<classes><class filename="a.py"><lines><line number="1" hits="2"/><line number="2" hits="0"/></lines></class></classes>
</package></packages></coverage>"""


@pytest.mark.parametrize(
    ("reference", "more"),
    [("PublishCodeCoverageResults@2", {}), ("PublishCodeCoverageResults@1", {"codeCoverageTool": "Cobertura"})],
)
async def test_coverage_is_published(bench: Bench, reference: str, more: dict[str, str]) -> None:
    await bench.do(
        script(f"cat > coverage.xml <<'E'\n{_COBERTURA}\nE\necho '<coverage/>' > empty.xml; echo '<x/>' > bad.xml"),
        task(reference, summaryFileLocation="**/coverage.xml", **more),
        task(reference, "Empty", summaryFileLocation="empty.xml", **more),
        task(reference, "None", summaryFileLocation="none.xml", **more),
        task(reference, "Bad", summaryFileLocation="bad.xml", **more),
        task(reference, "Fail", summaryFileLocation="none.xml", failIfCoverageEmpty="true", **more),
    )
    (coverage,) = bench.host.coverage
    assert [(each.label, each.covered, each.total) for each in coverage.statistics] == [
        ("Lines", 8, 10),
        ("Branches", 0, 0),
    ]
    assert coverage.modules == [("a.py", 1, 2)]
    assert bench.steps() == {
        **bench.steps(),
        "Empty": "succeeded",
        "None": "succeeded",
        "Bad": "failed",
        "Fail": "skipped",
    }


# Artifacts


async def test_artifacts_are_published_once_and_downloaded(bench: Bench) -> None:
    run = await bench.do(
        script(
            "mkdir -p p/d; echo 1 > p/a.txt; echo 2 > p/d/b.txt; echo 3 > p/skip.log; echo '*.log' > p/.artifactignore"
        ),
        task("PublishPipelineArtifact@1", "Publish", path="p", artifactName="Mine"),
        task("PublishPipelineArtifact@1", "Again", path="p", artifactName="Mine"),
        Step("Download@1", PLACE, {"alias": "current", "artifact": "mine"}, display_name="Down", condition="always()"),
        script("cd $PIPELINE_WORKSPACE; find Mine -type f | sort", display_name="Look", condition="always()"),
        Step(
            "DownloadPipelineArtifact@2",
            PLACE,
            {"artifact": "Mine", "patterns": "d/*"},
            display_name="Task",
            condition="always()",
        ),
        script("cat $PIPELINE_WORKSPACE/d/b.txt", display_name="Straight", condition="always()"),
        Step("DownloadPipelineArtifact@2", PLACE, {"artifact": "Nope"}, display_name="Missing", condition="always()"),
        Step(
            "PublishPipelineArtifact@1",
            PLACE,
            {"path": "p", "artifactName": "a/b"},
            display_name="Name",
            condition="always()",
        ),
    )
    assert run["result"] == "failed"
    assert "##[error]Artifact Mine already exists for build 1." in bench.log("Again")
    assert bench.log("Look")[-4:-1] == ["Mine/.artifactignore", "Mine/a.txt", "Mine/d/b.txt"]
    assert "2" in bench.log("Straight")
    assert "##[error]Artifact Nope was not found for build 1." in bench.log("Missing")
    assert bench.steps()["Name"] == "failed"


async def test_build_artifacts_add_and_warn_of_nothing(bench: Bench) -> None:
    await bench.do(
        task("PublishBuildArtifacts@1", "Empty"),
        script("echo 1 > $BUILD_ARTIFACTSTAGINGDIRECTORY/a"),
        task("PublishBuildArtifacts@1", "One"),
        script("echo 2 > $BUILD_ARTIFACTSTAGINGDIRECTORY/b"),
        task("PublishBuildArtifacts@1", "Two", ArtifactName="drop"),
    )
    assert bench.record("Empty")["details"]["warningCount"] == 1
    assert sorted(each.name for each in bench.host.published[1, "drop"].folder.iterdir()) == ["a", "b"]


async def test_a_deployment_downloads_everything_and_checks_nothing_out(bench: Bench, tmp_path: Path) -> None:
    for run, name in ((1, "own"), (9, "theirs")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "f").write_text(name)
        bench.host.published[run, name] = Artifact(name, "PipelineArtifact", folder)
    up = UpstreamRun(Named("project-1", "Lab"), Named("8", "Other"), Named("9", "20261128.1"), "refs/heads/main", "c")
    hook = Hook(
        "deploy",
        (
            script(
                "cd $(Pipeline.Workspace); find . -type f | sort; ls s; echo $(resources.pipeline.up.runID)",
                display_name="Look",
            ),
        ),
        PLACE,
    )
    deployment = job(name="D", kind=JobKind.DEPLOYMENT, environment=Environment("e", PLACE), hooks=(hook,))
    await bench.all(plan(stage(deployment)), pipelines={"up": up})
    assert [each["name"] for each in bench.records("Task")] == ["Initialize job", "Download", "Look", "Finalize Job"]
    assert bench.log("Look")[-4:-1] == ["./own/f", "./up/theirs/f", "9"]


# Checkout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    environment |= {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    for number in range(3):
        (folder / "file").write_text(str(number))
        git("add", ".")
        git("commit", "--quiet", "-m", f"change {number}")
        git("tag", f"v{number}")
    return folder


def head(repository: Path, which: str = "HEAD") -> str:
    words = ["git", "rev-parse", which]
    return subprocess.run(words, cwd=repository, check=True, capture_output=True, text=True).stdout.strip()


async def test_checkout_takes_one_commit_without_history_tags_or_credentials(bench: Bench, repository: Path) -> None:
    bench.host.repository = repository
    commit = head(repository, "HEAD~1")
    look = script(
        "cat file; git rev-list --count HEAD; git tag; git status --short --branch; git remote get-url origin",
        display_name="Look",
    )
    made = plan(stage(job(Step("Checkout@1", PLACE, {"repository": "self"}), look)))
    run = await bench.all(made, commit=commit)
    assert run["result"] == "succeeded"
    assert [each["name"] for each in bench.records("Task")] == [
        "Initialize job",
        "Checkout Lab@main to s",
        "Look",
        "Post-job: Checkout Lab@main to s",
        "Finalize Job",
    ]
    assert bench.log("Look")[-4:-1] == ["11", "## HEAD (no branch)", "https://dev.azure.com/org/lab/_git/Lab"]


async def test_a_job_without_a_checkout_has_one_and_the_depth_can_be_set(bench: Bench, repository: Path) -> None:
    bench.host.repository = repository
    bare = Job(JobKind.AGENT, "Job", PLACE, steps=(script("cat file", display_name="Look"),))
    assert (await bench.all(plan(stage(bare)), commit=head(repository)))["result"] == "succeeded"
    deep = Step("Checkout@1", PLACE, {"repository": "self", "fetchDepth": "0", "fetchTags": "true", "path": "s/deep"})
    count = script("cd deep; git rev-list --count HEAD; git tag", display_name="Count")
    key = bench.queue(request(plan(stage(job(deep, count))), run=2, commit=head(repository)))
    await bench.ended(key)
    assert bench.log("Count", key=key)[-5:-1] == ["3", "v0", "v1", "v2"]


async def test_several_checkouts_get_folders_of_their_own(bench: Bench, repository: Path) -> None:
    bench.host.repository = repository
    other = Source("repo-2", "Other", "https://x/other", "refs/heads/main", head(repository, "HEAD~2"))
    steps = [Step("Checkout@1", PLACE, {"repository": each}) for each in ("self", "tools")]
    look = script(
        "cat s/Lab/file s/Other/file", display_name="Look", inputs={"workingDirectory": "$(Pipeline.Workspace)"}
    )
    await bench.all(plan(stage(job(*steps, look))), commit=head(repository), repositories={"tools": other})
    assert "20" in bench.log("Look")


async def test_a_commit_that_is_gone_fails_the_job(bench: Bench, repository: Path) -> None:
    bench.host.repository = repository
    made = plan(stage(job(Step("Checkout@1", PLACE, {"repository": "self"}), script("true", display_name="Next"))))
    await bench.all(made, commit="1" * 40)
    assert bench.steps()["Checkout Lab@main to s"] == "failed"
    assert any(
        line.startswith("##[error]Git fetch failed with exit code:") for line in bench.log("Checkout Lab@main to s")
    )
    assert bench.steps()["Next"] == "skipped"


# Python


async def test_a_version_that_is_missing_is_a_warning_that_names_both(bench: Bench) -> None:
    await bench.do(
        task("UsePythonVersion@0", "Here", versionSpec="3.x"),
        task("UsePythonVersion@0", "Future", versionSpec="9.7"),
        script("python --version; python3 --version; echo $(pythonLocation)", display_name="Look"),
    )
    assert bench.steps()["Future"] == "succeeded"
    assert "9.7" in bench.record("Future")["details"]["issues"][0]["message"]
    assert sum(line.startswith("Python 3.") for line in bench.log("Look")) == 2


@pytest.mark.parametrize(
    ("version", "spec", "expected"),
    [
        ("3.11.4", "3.x", True),
        ("3.11.4", "3.11", True),
        ("3.11.4", "3.1", False),
        ("3.11.4", ">=3.10 <3.12", True),
        ("3.12.0", ">=3.10 <3.12", False),
        ("3.11.4", "~3.11.2", True),
        ("3.12.0", "^3.11", True),
        ("3.9.1", "2.7 || 3.9", True),
        ("3.11.4", "latest", False),
    ],
)
def test_versions_fit_specifications(version: str, spec: str, expected: bool) -> None:
    assert python_version.fits(version, spec) is expected
