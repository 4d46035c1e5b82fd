"""Which pushes start a run."""

import pytest

from hol_wizard.practice.pipelines.plan import Filter, PipelineTrigger
from hol_wizard.practice.pipelines.pushes import (
    filter_of_settings,
    prevents_run,
    starts_after,
    takes_changes,
    takes_ref,
)
from tests.practice.pipelines.files import compiled, refusal


@pytest.mark.parametrize(
    ("trigger", "ref", "paths", "starts"),
    [
        ("", "refs/heads/any/branch", ("a",), True),
        ("", "refs/tags/v1", ("a",), False),
        ("trigger: none", "refs/heads/main", ("a",), False),
        ("trigger: [main]", "refs/heads/main", ("a",), True),
        ("trigger: [main]", "refs/heads/Main", ("a",), False),
        ("trigger: [main]", "refs/heads/main2", ("a",), False),
        ("trigger: [refs/heads/main]", "refs/heads/main", ("a",), True),
        ("trigger: [features/*]", "refs/heads/features/a/b", ("a",), True),
        ("trigger: [release-?]", "refs/heads/release-1", ("a",), True),
        ("trigger: [release-?]", "refs/heads/release-12", ("a",), False),
        ("trigger: {branches: {exclude: [old/*]}}", "refs/heads/main", ("a",), True),
        ("trigger: {branches: {exclude: [old/*]}}", "refs/heads/old/x", ("a",), False),
        ("trigger: {branches: {include: [f/*], exclude: [f/x]}}", "refs/heads/f/x", ("a",), False),
        ("trigger: {branches: [main], paths: {include: [docs]}}", "refs/heads/main", ("docs/a.md",), True),
        ("trigger: {branches: [main], paths: {include: [docs]}}", "refs/heads/main", ("docs2/a.md",), False),
        ("trigger: {branches: [main], paths: {include: [docs]}}", "refs/heads/main", ("Docs/a.md",), False),
        ("trigger: {branches: [main], paths: {include: [docs/*.md]}}", "refs/heads/main", ("docs/x/a.md",), True),
        ("trigger: {branches: [main], paths: {include: [/docs/]}}", "refs/heads/main", ("docs/a.md",), True),
        ("trigger: {branches: [main], paths: {exclude: [docs]}}", "refs/heads/main", ("docs/a.md",), False),
        ("trigger: {branches: [main], paths: {exclude: [docs]}}", "refs/heads/main", ("docs/a.md", "b"), True),
        ("trigger: {branches: [main], paths: {include: [docs], exclude: [docs/x]}}", "refs/heads/main", (), False),
        ("trigger: {tags: {include: [v*]}}", "refs/tags/v1.2", (), True),
        ("trigger: {tags: {include: [v*], exclude: [v0*]}}", "refs/tags/v0.2", (), False),
        ("trigger: {tags: {include: [v*]}}", "refs/heads/main", (), False),
        ("trigger: {branches: [main], tags: [v*]}", "refs/heads/main", (), True),
        ("trigger: {branches: ['*']}", "refs/pull/1/merge", (), False),
    ],
)
def test_a_push_starts_a_run_if_the_filters_take_it(
    trigger: str, ref: str, paths: tuple[str, ...], starts: bool
) -> None:
    plan = compiled(f"{trigger}\nsteps:\n- script: 'true'\n")

    assert (takes_ref(plan.trigger, ref) and takes_changes(plan.trigger, ref, paths)) is starts


def test_a_trigger_of_the_settings_has_signs() -> None:
    assert filter_of_settings(["+refs/heads/main", "-refs/heads/old", "+rel/*"]) == Filter(
        ("refs/heads/main", "rel/*"), ("refs/heads/old",)
    )


@pytest.mark.parametrize(
    "message",
    [
        "Fix [skip ci]",
        "[CI SKIP] fix",
        "Fix\n\nskip-checks: true",
        "Fix\n\nskip-checks:true",
        "***NO_CI***",
        "[skip azurepipelines]",
        "[azurepipelines skip]",
        "[skip azpipelines]",
        "[azpipelines skip]",
        "[skip azp]",
        "[azp skip]",
    ],
)
def test_a_message_can_prevent_a_run(message: str) -> None:
    assert prevents_run(message)


@pytest.mark.parametrize("message", ["skip ci", "[skipci]", "[skip cd]", "NO_CI", "skip-checks: false"])
def test_other_messages_do_not(message: str) -> None:
    assert not prevents_run(message)


@pytest.mark.parametrize(
    ("trigger", "branch", "tags", "stages", "starts"),
    [
        (PipelineTrigger(), "refs/heads/x", (), (), True),
        (PipelineTrigger(Filter(("main",))), "refs/heads/main", (), (), True),
        (PipelineTrigger(Filter(("main",))), "refs/heads/x", (), (), False),
        (PipelineTrigger(tags=("a", "b")), "refs/heads/x", ("A",), (), False),
        (PipelineTrigger(tags=("a", "b")), "refs/heads/x", ("b", "A"), (), True),
        (PipelineTrigger(stages=("QA",)), "refs/heads/x", (), ("Build",), False),
        (PipelineTrigger(stages=("QA",)), "refs/heads/x", (), ("qa",), True),
    ],
)
def test_a_run_of_a_pipeline_resource_starts_a_run_if_the_filters_take_it(
    trigger: PipelineTrigger, branch: str, tags: tuple[str, ...], stages: tuple[str, ...], starts: bool
) -> None:
    assert starts_after(trigger, branch, tags, stages) is starts


@pytest.mark.parametrize(
    ("trigger", "why"),
    [
        ("trigger: main", "(Line: 1, Col: 10): Expected 'none', a list or a mapping for 'trigger', not 'main'."),
        ("trigger: {branch: [main]}", "(Line: 1, Col: 11): Unexpected value 'branch'"),
        ("trigger: {paths: [docs]}", "(Line: 1, Col: 11): Path filters need 'branches'."),
        ("trigger:\n- ${{ if true }}:\n  - main", "(Line: 2, Col: 3): A mapping was not expected"),
        ("pr: ['${{ variables.x }}']", "(Line: 1, Col: 6): A template expression is not allowed in 'pr'."),
        ("trigger: {branches: {include: [[a]]}}", "Expected a text for 'include', not a list."),
        ("schedules: [{cron: '* * *'}]", "Improperly formed cron syntax: '* * *'."),
    ],
)
def test_an_invalid_trigger_is_refused_with_its_place(trigger: str, why: str) -> None:
    assert why in refusal(f"{trigger}\nsteps:\n- script: 'true'\n")
