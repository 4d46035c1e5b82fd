"""A pipeline's YAML compared with the lab's."""

import re

import pytest

from hol_wizard.lab.names import Names
from hol_wizard.pipeline_file import PipelineFileError, compare
from hol_wizard.resources.starter_project import BUILD, starter_files

WANTED = starter_files(Names(prefix="jane"))[BUILD].content.decode()


def line_of(text: str, part: str) -> int:
    """Return the first line that has a text."""
    return text[: text.index(part)].count("\n") + 1


def differences(text: str) -> list[tuple[str, str, str, int]]:
    return [(each.what, each.expected, each.actual, each.line) for each in compare(text, WANTED).differences]


def without_step(text: str, name: str) -> str:
    """Return the text without the step of this display name."""
    steps = re.split(r"(?m)^(?=  - task: )", text)
    return "".join(step for step in steps if f"displayName: {name}\n" not in step)


def test_the_starters_file_is_what_the_lab_asks_for() -> None:
    found = compare(WANTED, WANTED)

    assert found.differences == ()
    assert len([each for each in found.findings if each.what.startswith("Task ")]) == 9
    assert all(each.line for each in found.findings)


@pytest.mark.parametrize(
    ("old", "new", "what", "expected", "actual"),
    [
        ("vmImage: ubuntu-24.04", "vmImage: ubuntu-latest", "Agent", "ubuntu-24.04", "ubuntu-latest"),
        ("timeoutInMinutes: 55", "timeoutInMinutes: 90", "Time limit of the job", "less than 60 minutes", "90 minutes"),
        ("timeoutInMinutes: 55", "timeoutInMinutes: 0", "Time limit of the job", "less than 60 minutes", "0 minutes"),
        (
            "runtests_pipeline.sh",
            "runtests.sh",
            "Run Unit Tests: scriptPath",
            "Project_One-Tests/runtests_pipeline.sh",
            "Project_One-Tests/runtests.sh",
        ),
        (
            "STATE: $(alg-state)",
            "STATE: $(state)",
            "Build Inference Container: env STATE",
            "$(alg-state)",
            "$(state)",
        ),
        (
            "testResultsFormat: JUnit",
            "testResultsFormat: NUnit",
            "Publish Test Results test-results.xml: testResultsFormat",
            "JUnit",
            "NUnit",
        ),
        (
            "artifact: PipelineArtifacts",
            "artifactName: drop",
            "Publish Artifact: PipelineArtifacts: artifact",
            "PipelineArtifacts",
            "drop",
        ),
        (
            "task: PublishCodeCoverageResults@2",
            "task: PublishCodeCoverageResults@1",
            "Task Publish code coverage",
            "PublishCodeCoverageResults@2",
            "PublishCodeCoverageResults@1",
        ),
        (
            "displayName: Train Model",
            "displayName: Training",
            "Train Model: displayName",
            "Train Model",
            "Training",
        ),
        (
            "displayName: Train Model",
            "displayName: Train Model\n    continueOnError: true",
            "Train Model: continueOnError",
            "false",
            "true",
        ),
        (
            "displayName: Train Model",
            "displayName: Train Model\n    enabled: false",
            "Train Model: enabled",
            "true",
            "false",
        ),
        (
            "displayName: Train Model",
            "displayName: Train Model\n    condition: always()",
            "Train Model: condition",
            "succeeded()",
            "always()",
        ),
    ],
)
def test_what_is_set_otherwise_is_named_with_its_line(
    old: str, new: str, what: str, expected: str, actual: str
) -> None:
    text = WANTED.replace(old, new, 1)
    assert text != WANTED

    ((found, wanted, value, line),) = differences(text)
    assert (found, wanted, value) == (what, expected, actual)
    assert line == line_of(text, new) + new.count("\n") or "displayName" in what or what.startswith("Task ")


@pytest.mark.parametrize(
    "name",
    [
        "Configure agent environment",
        "Train Model",
        "Build Inference Container",
        "Run Unit Tests",
        "Publish code coverage",
    ],
)
def test_a_missing_task_is_named(name: str) -> None:
    found = differences(without_step(WANTED, name))

    assert [(what, actual, line) for what, _, actual, line in found] == [(f"Task {name}", "missing", 0)]


def test_tasks_in_another_order_are_named() -> None:
    head, *steps = re.split(r"(?m)^(?=  - task: )", WANTED)
    steps[1], steps[3] = steps[3], steps[1]
    text = head + "".join(steps)

    assert [(what, expected, actual) for what, expected, actual, _ in differences(text)] == [
        ("Build Inference Container: order", "after Train Model", "before Train Model"),
        ("Run Unit Tests: order", "after Train Model", "before Train Model"),
    ]


@pytest.mark.parametrize(
    ("trigger", "actual"),
    [
        ("trigger: none", "none"),
        ("", "every branch"),
        ("trigger: [develop]", "develop"),
        ("trigger: {branches: {include: [main], exclude: ['ma*']}}", "main, without ma*"),
        ("trigger: {branches: {include: [main]}, paths: {include: [docs]}}", "main, only for certain paths"),
        ("trigger: {tags: {include: ['*']}}", "none"),
        ("trigger: {branches: {exclude: [main]}}", "every branch, without main"),
    ],
)
def test_a_trigger_that_does_not_start_a_build_of_the_default_branch_is_named(trigger: str, actual: str) -> None:
    assert [found[:3] for found in differences(with_trigger(trigger))] == [("Trigger", "main", actual)]


@pytest.mark.parametrize(
    "trigger",
    [
        "trigger: [main]",
        "trigger: [release/*, refs/heads/main]",
        "trigger: {batch: true, branches: {include: ['ma*']}}",
        "trigger: {branches: {exclude: [old/*]}}",
    ],
)
def test_other_forms_of_the_trigger_are_the_same(trigger: str) -> None:
    assert differences(with_trigger(trigger)) == []


def with_trigger(trigger: str) -> str:
    text = re.sub(r"(?m)^trigger:\n(?:  .*\n)+", trigger + "\n", WANTED)
    assert text != WANTED
    return text


def test_own_tasks_inputs_groups_and_pools_are_allowed() -> None:
    text = (
        WANTED.replace("  - task: AzureCLI@2", "  - script: echo mine\n  - task: AzureCLI@2")
        .replace("variables:\n", "variables:\n- group: mine\n")
        .replace("    inputs:\n", "    inputs:\n      failOnStandardError: false\n")
        .replace("vmImage: ubuntu-24.04", "name: My agents")
    )

    assert differences(text) == []


def test_a_file_of_another_form_is_the_same() -> None:
    """As the service writes it: stages, jobs, and inputs by their own names."""
    text = WANTED.replace("azureSubscription:", "ConnectedServiceNameARM:").replace("targetPath:", "path:")
    head, _, jobs = text.partition("jobs:\n")
    indented = "".join(f"  {line}" for line in jobs.splitlines(keepends=True))

    assert differences(f"{head}stages:\n- stage: __default\n  jobs:\n{indented}") == []


def test_a_wrong_group_and_a_wrong_connection_are_named() -> None:
    text = re.sub(r"group: .*", "group: other", WANTED)
    text = re.sub(r"azureSubscription: .*", "azureSubscription: elsewhere", text)

    found = differences(text)
    assert [(what, actual) for what, _, actual, _ in found] == [
        ("Variable group", "other"),
        ("Configure agent environment: azureSubscription", "elsewhere"),
        ("Train Model: azureSubscription", "elsewhere"),
        ("Build Inference Container: azureSubscription", "elsewhere"),
        ("Run Unit Tests: azureSubscription", "elsewhere"),
    ]


def test_templates_are_named_because_their_content_is_elsewhere() -> None:
    found = compare("steps:\n- template: steps.yml\n", WANTED)

    assert [(each.text, each.line) for each in found.templates] == [("steps.yml", 2)]
    assert len([each for each in found.differences if each.actual == "missing"]) == 11


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("", "it is not a pipeline", 1),
        ("- a", "it is not a pipeline", 1),
        ("a: b\nc: [", "node content", 2),
        ("a: &x 1\nb: *x\n", "Azure Pipelines reads no aliases", 2),
        ("[" * 5000, "the nesting is too deep", 1),
        ("a: \x00", "it has a character that YAML does not allow", 1),
    ],
)
def test_a_file_that_cannot_be_read_says_where(text: str, problem: str, line: int) -> None:
    with pytest.raises(PipelineFileError) as refused:
        compare(text, WANTED)

    assert problem in str(refused.value)
    assert refused.value.line == line


@pytest.mark.parametrize(
    "text", ["steps: x", "jobs: [a, b]", "steps: [[a], {}]", "variables: {a: b}\npool: [x]\nstrategy: x"]
)
def test_nonsense_is_only_different(text: str) -> None:
    assert compare(text, WANTED).differences
