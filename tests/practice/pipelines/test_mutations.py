"""Damaged files: each is expanded, or refused with a place, and never ends in a traceback."""

import random

import pytest

from hol_wizard.practice.pipelines.plan import Note, PipelineError, Plan
from tests.practice.pipelines.files import compiled, starter_text

NAMES = ("azure-pipelines.yml", "azure-pipelines-release.yml")
RICH = """\
parameters:
- name: legs
  type: object
  default: {one: {x: '1'}, two: {x: '2'}}
- name: fast
  type: boolean
  default: true
variables:
  ${{ if parameters.fast }}:
    mode: fast
  ${{ else }}:
    mode: slow
jobs:
- ${{ each leg in parameters.legs }}:
  - job: Job_${{ leg.key }}
    condition: and(succeeded(), eq(variables.mode, 'fast'))
    variables:
    - name: from
      value: $[ dependencies.First.outputs['step.x'] ]
    strategy:
      matrix:
        ${{ insert }}: ${{ parameters.legs }}
    steps:
    - ${{ if eq(variables.mode, 'fast') }}:
      - script: echo ${{ format('{0}-{1}', leg.value.x, variables.mode) }}
    - template: steps.yml
      parameters: {word: "${{ leg.key }}"}
"""
STEPS = """\
parameters:
- name: word
steps:
- bash: echo ${{ upper(parameters.word) }} ${{ 'a }} b' }}
"""
FRAGMENTS = (
    *("${{ ", " }}", "${{ if true }}:", "- ${{ else }}:", "${{ each x in y }}:", "${{ insert }}:", "$[ ", "$("),
    *("&a ", "*a", "!!x ", "<<: ", "? ", "---\n", "\t", "'", '"', "|", ">", "[", "{", "]", "}", ": ", "- ", "#"),
    *("\\", "\x00", "\x85", "é", "🙂", "\r", "\ufeff", "%", "@", "`", "..", "-", "null", "0" * 400),
    *("template: x.yml", "eq(", "1.2.3", "succeeded()"),
)


def mutated(text: str, random: random.Random) -> str:
    """Return a text with one to four changes."""
    for _ in range(random.randint(1, 4)):
        lines = text.split("\n")
        at = random.randrange(len(lines))
        match random.randrange(7):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[random.randrange(len(lines))])
            case 2:
                lines[at] = " " * random.randint(0, 9) + lines[at].lstrip()
            case 3:
                column = random.randint(0, len(lines[at]))
                lines[at] = lines[at][:column] + random.choice(FRAGMENTS) + lines[at][column:]
            case 4:
                column = random.randint(0, len(lines[at]))
                lines[at] = lines[at][:column] + lines[at][column + random.randint(1, 5) :]
            case 5:
                other = random.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 6:
                lines = lines[: at + 1]
        text = "\n".join(lines) or " "
    return text


def run(number: int, seed: int) -> tuple[int, int]:
    """Compile this many mutations; return how many were expanded and how many refused."""
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    texts = [starter_text(name) for name in NAMES] + [RICH]
    expanded = refused = 0
    for _ in range(number):
        text = mutated(rng.choice(texts), rng)
        steps = mutated(STEPS, rng) if rng.random() < 0.3 else STEPS
        plan, problems = outcome(text, steps)
        if plan is None:
            refused += 1
            assert problems
            for problem in problems:
                assert problem.place.file in ("/azure-pipelines.yml", "/steps.yml")
                assert problem.place.line >= 1
                assert problem.place.column >= 1
                assert problem.message.strip()
        else:
            expanded += 1
            assert outcome(text, steps) == (plan, ())
            assert compiled(plan.final_yaml).final_yaml == plan.final_yaml
    return expanded, refused


def outcome(text: str, steps: str) -> tuple[Plan | None, tuple[Note, ...]]:
    """Return the plan, or the problems."""
    try:
        return compiled(text, {"steps.yml": steps}), ()
    except PipelineError as error:
        return None, error.problems


def test_two_hundred_mutations_are_expanded_or_refused_with_a_place() -> None:
    expanded, refused = run(200, seed=1)

    assert expanded > 15
    assert refused > 50


@pytest.mark.slow
def test_three_thousand_mutations_are_expanded_or_refused_with_a_place() -> None:
    expanded, refused = run(3000, seed=2)

    assert expanded > 150
    assert refused > 500
