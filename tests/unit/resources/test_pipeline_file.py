"""The build pipeline's file is compared with the starter's, task by task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hol_wizard.resources.pipeline_file import PipelineFile, UnreadableFileError, compare, read

STARTER = (Path(__file__).parents[3] / "hol_wizard" / "starter" / "azure-pipelines.yml").read_text(encoding="utf-8")


@pytest.fixture
def expected() -> PipelineFile:
    return read(STARTER)


def wrong(text: str, expected: PipelineFile) -> dict[str, str]:
    return {each.what: each.actual for each in compare(read(text), expected) if not each.met}


def test_the_starters_file_has_nine_tasks_and_fits_itself(expected: PipelineFile) -> None:
    seen = compare(expected, expected)
    assert all(each.met for each in seen)
    assert [each.what for each in seen][:4] == [
        "Configure agent environment",
        "Train Model",
        "Build Inference Container",
        "Run Unit Tests",
    ]
    assert len(expected.tasks) == 9
    assert expected.images == ("ubuntu-24.04",)


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new, 1)


def without(title: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        start = text.index("  - task:", text.rindex("\n\n", 0, text.index(title)))
        end = text.find("\n\n", start)
        return text[:start] + (text[end + 2 :] if end > 0 else "")

    return change


PUBLISH = "Publish Test Results test-results.xml"


@pytest.mark.parametrize(
    ("change", "task", "difference"),
    [
        (
            replaced("Project_One/runbuild_pipeline.sh", "other.sh"),
            "Build Inference Container",
            "scriptpath is other.sh",
        ),
        (replaced("MODEL_NAME: $(model-name)", "OTHER: x"), "Build Inference Container", "env MODEL_NAME is missing"),
        (replaced("AzureCLI@2", "AzureCLI@1"), "Configure agent environment", "is AzureCLI@1"),
        (
            replaced("artifact: PipelineArt", "artifact: d"),
            "Publish Artifact: PipelineArtifacts",
            "artifact is difacts",
        ),
        (replaced("    condition: succeededOrFailed()\n", ""), PUBLISH, "condition is missing"),
        (replaced(": Train Model\n", ": Train Model\n    enabled: false\n"), "Train Model", "is disabled"),
        (without("Train Model"), "Train Model", "missing"),
        (
            replaced(": Train Model\n", ": Train Model\n    continueOnError: true\n"),
            "Train Model",
            "continueOnError is true",
        ),
        (
            replaced(": Train Model\n", ": Train Model\n    condition: always()\n"),
            "Train Model",
            "condition is always()",
        ),
        (replaced("ubuntu-24.04", "windows-2025"), "Image of the agent", "windows-2025"),
        (replaced("pool:\n  vmImage: ubuntu-24.04\n", ""), "Image of the agent", "missing"),
        (replaced("timeoutInMinutes: 55", "timeoutInMinutes: 60"), "Time limit of the job", "60 minutes"),
        (replaced("timeoutInMinutes: 55", "timeoutInMinutes: 0"), "Time limit of the job", "60 minutes"),
        (replaced("  timeoutInMinutes: 55\n", ""), "Time limit of the job", "60 minutes"),
        (replaced("- group: {variable_group}", "- group: another"), "Variable group", "another"),
    ],
)
def test_a_difference_is_named_with_its_task(
    change: Callable[[str], str], task: str, difference: str, expected: PipelineFile
) -> None:
    changed = change(STARTER)
    assert changed != STARTER
    assert wrong(changed, expected) == {task: difference}


@pytest.mark.parametrize(
    "change",
    [
        replaced("azureSubscription:", "connectedServiceNameARM:"),
        replaced("testResultsFormat: JUnit", "testRunner: JUnit"),
        replaced("      artifact: ", "      artifactName: "),
        replaced("targetPath:", "path:"),
        replaced(": Train Model\n", ": Train Model\n    condition: succeeded()\n    continueOnError: false\n"),
        replaced("condition: succeededOrFailed()", "condition: SucceededOrFailed( )"),
        replaced("vmImage: ubuntu-24.04", "name: My own agents"),
    ],
)
def test_what_means_the_same_is_no_difference(change: Callable[[str], str], expected: PipelineFile) -> None:
    changed = change(STARTER)
    assert changed != STARTER
    assert wrong(changed, expected) == {}


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ("", ""),
        ("  paths: [docs/*]\n", "only docs/*"),
        ("  paths:\n    include: ['*']\n    exclude: [docs, README.md]\n", "not docs, README.md"),
        ("  paths:\n    include: [src]\n    exclude: [src/x]\n", "only src and not src/x"),
        ("  paths: x\n", ""),
    ],
)
def test_a_trigger_can_be_for_some_paths(paths: str, words: str) -> None:
    assert read(f"trigger:\n  branches: [main]\n{paths}steps: []\n").paths == words


def test_another_order_is_a_difference_and_another_title_is_none(expected: PipelineFile) -> None:
    parts = STARTER.split("\n\n")
    train = next(n for n, part in enumerate(parts) if "Train Model" in part)
    parts[train], parts[train + 1] = parts[train + 1], parts[train]
    assert wrong("\n\n".join(parts), expected) == {"Order of the tasks": "another one"}
    assert wrong(STARTER.replace("displayName: Train Model", "displayName: Learn"), expected) == {}


@pytest.mark.parametrize(
    ("trigger", "starts"),
    [
        ("", True),
        ("trigger: none\n", False),
        ("trigger: [main]\n", True),
        ("trigger:\n- release/*\n", False),
        ("trigger:\n  branches:\n    include: ['*']\n    exclude: [main]\n", False),
        ("trigger:\n  branches:\n    exclude: [dev]\n", True),
        ("trigger:\n  branches:\n    include: [refs/heads/main]\n", True),
        ("trigger:\n  batch: true\n", True),
        ("trigger:\n  tags:\n    include: ['*']\n", False),
        ("trigger:\n  tags: [v1]\n  branches: [main]\n", True),
    ],
)
def test_a_trigger_is_for_some_branches(trigger: str, starts: bool) -> None:
    assert read(f"{trigger}steps: []\n").starts_for("main") is starts


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "x", "a: *b\n", "a: &b [*b]\n- c"])
def test_what_is_no_pipeline_is_refused(text: str) -> None:
    with pytest.raises(UnreadableFileError, match=r"^it "):
        read(text)


def test_aliases_are_refused_before_they_multiply() -> None:
    levels = "".join(f"a{n}: &a{n} [{{jobs: *a{n - 1}}}, {{jobs: *a{n - 1}}}]\n" for n in range(1, 40))
    with pytest.raises(UnreadableFileError, match=r"does not support aliases \(line 2\)"):
        read(f"a0: &a0 [{{steps: [{{script: x}}]}}]\n{levels}jobs: *a39\n")


def test_odd_values_are_no_crash() -> None:
    odd = "variables: x\njobs:\n- 1\n- steps: {a: b}\n- steps: [x, {script: ls}, {task: A@1, inputs: 3}]\npool: {}\n"
    found = read(f"{odd}extra: !!python/object:os.system x\n")
    assert [each.name for each in found.tasks] == ["script", "A@1"]
