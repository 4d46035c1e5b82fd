"""What the service's own preview does with expressions and directives, as a public project has recorded it (2026-08).

Its notes are C-E02-001 to 110 and C-E03-100 to 139; the pipelines here say the same in other words.
"""

import pytest

from tests.practice.pipelines.files import compiled, only_job, refusal, scripts

LIST = "parameters:\n- {name: list, type: object, default: [a, b]}\n- {name: no, type: boolean, default: false}\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("steps:\n- ${{ IF eq(1, 1) }}:\n  - script: x\n", "Unexpected symbol: 'eq'. Located at position 4 within"),
        (LIST + "steps:\n- ${{ EACH x in parameters.list }}:\n  - script: x\n", "Unexpected symbol: 'x'."),
        ("steps:\n- script: x\n  env:\n    ${{ INSERT }}: {A: b}\n", "Unrecognized value: 'INSERT'."),
        (
            LIST + "steps:\n- ${{ each x IN parameters.list }}:\n  - script: x\n",
            "The value 'IN' is unexpected. The expected format of an 'each' expression is: ${ each <identifier> in",
        ),
        (
            LIST + "steps:\n- ${{ each x in parameters.list more }}:\n  - script: x\n",
            "Exactly 3 parameter(s) were expected following the directive 'each'. Actual parameter count: 4",
        ),
        (
            "steps:\n- ${{ if eq(1, 2) }}:\n  - script: x\n- ${{ else if eq(1, 1) }}:\n  - script: y\n",
            "Exactly 0 parameter(s) were expected following the directive 'else'. Actual parameter count: 2",
        ),
        (
            "steps:\n- script: x\n  env:\n    ${{ insert more }}: {A: b}\n",
            "Exactly 0 parameter(s) were expected following the directive 'insert'. Actual parameter count: 1",
        ),
        (
            LIST + "steps:\n- ${{ each in in parameters.list }}:\n  - script: x\n",
            "Expected '(' to follow a function: 'in'",
        ),
        (
            LIST + "steps:\n- ${{ each Variables in parameters.list }}:\n  - script: x\n",
            "The idenfifier 'Variables' has already been defined within the current scope",
        ),
        (
            LIST
            + "steps:\n- ${{ each x in parameters.list }}:\n  - ${{ each X in parameters.list }}:\n    - script: x\n",
            "(Line: 6, Col: 5): The idenfifier 'X' has already been defined within the current scope",
        ),
        ("trigger:\n- ${{ if true }}:\n  - main\nsteps:\n- script: x\n", "A mapping was not expected"),
        (
            LIST
            + "steps:\n- ${{ if parameters.no }}:\n  - script: x\n"
            + "- ${{ each x in parameters.list }}:\n  - script: x\n- ${{ else }}:\n  - script: y\n",
            "(Line: 9, Col: 3): The expression directive 'else' is not supported in this context",
        ),
        (
            "steps:\n- ${{ if false }}:\n  - script: x\n- ${{ else }}:\n  - script: y\n"
            "- ${{ elseif true }}:\n  - script: z\n",
            "(Line: 6, Col: 3): The expression directive 'elseif' is not supported in this context",
        ),
        ("stepz:\n- script: x\n", "/azure-pipelines.yml (Line: 1, Col: 1): Unexpected value 'stepz'"),
        (LIST + "steps:\n- ${{ if parameters.none }}:\n  - script: x\n", "Key not found 'none'"),
    ],
)
def test_what_the_preview_has_refused(text: str, why: str) -> None:
    assert why in refusal(text)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("- ${{ each x in split('a in b', ' in ') }}:\n  - script: ${{ x }}\n", ["a", "", "", "", "b"]),
        ("- ${{ each x in split(format('{0}', in('b', 'b')), ',') }}:\n  - script: ${{ x }}\n", ["True"]),
        ("- ${{ each ITEM in parameters.list }}:\n  - script: ${{ item }}\n", ["a", "b"]),
        ("- ${{if eq (1, 1)}}:\n  - script: x\n", ["x"]),
        (
            "- ${{ if parameters.no }}:\n  - script: x\n- script: between\n- ${{ else }}:\n  - script: y\n",
            ["between", "y"],
        ),
        ("- ${{ if true }}:\n  - script: x\n- ${{ elseif lt(1, 'a') }}:\n  - script: y\n", ["x"]),
        ("- ${{ if parameters.no }}:\n  - script: ${{ parameters.none }}\n- script: z\n", ["z"]),
        ("- ${{ if true }}:\n    script: one\n", ["one"]),
    ],
)
def test_what_the_preview_has_expanded(steps: str, expected: list[str]) -> None:
    # The first text has three characters that separate, so its parts are empty in between.
    assert scripts(compiled(f"{LIST}steps:\n{steps}")) == expected


def test_a_chain_goes_on_after_an_ordinary_key() -> None:
    env = "    ${{ if false }}: {A: x}\n    B: y\n    ${{ else }}: {C: z}\n"
    (step,) = only_job(compiled(f"steps:\n- script: x\n  env:\n{env}")).steps
    assert step.env == {"B": "y", "C": "z"}


def test_keys_of_objects_compare_exactly_and_those_of_variables_do_not() -> None:
    text = (
        "parameters:\n- {name: o, type: object, default: {CamelKey: v}}\nvariables: {MyVar: w}\nsteps:\n"
        "- script: ${{ parameters.o.CamelKey }}.${{ parameters.o.camelkey }}.${{ variables.myvar }}\n"
    )
    assert scripts(compiled(text)) == ["v..w"]


def test_a_trigger_may_have_expressions() -> None:
    plan = compiled("trigger:\n- ${{ 'main' }}\nsteps:\n- script: x\n")
    assert plan.trigger.branches.include == ("main",)
