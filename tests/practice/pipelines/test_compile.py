"""From YAML to a plan: directives, templates, parameters, and what is refused.

The cases are those of the template pages of the documentation, and those that other interpreters have tests for.
"""

import textwrap

import pytest

from hol_wizard.practice.pipelines.compile import compile_pipeline
from hol_wizard.practice.pipelines.plan import JobKind, Pool, ProtectedKind
from tests.practice.pipelines.files import FakeFiles, compiled, only_job, refusal, scripts

ONE_STEP = "steps:\n- script: 'true'\n"


def yaml(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "(Line: 1, Col: 1): The file is empty."),
        ("# only a comment\n", "The file is empty."),
        ("- a\n", "(Line: 1, Col: 1): Expected a mapping."),
        ("text\n", "(Line: 1, Col: 1): Expected a mapping."),
        ("steps:\n- &a\n  script: x\n", "(Line: 2, Col: 3): Anchors are not supported: '&a'."),
        ("a: &x 1\nsteps: *x\n", "Anchors are not supported: '&x'."),
        ("steps:\n- script: !!str x\n", "(Line: 2, Col: 11): Tags are not supported: 'tag:yaml.org,2002:str'."),
        ("<<: {a: 1}\nsteps: []\n", "(Line: 1, Col: 1): Merge keys ('<<') are not supported."),
        ("? [a]\n: b\n", "(Line: 1, Col: 3): A key must be a text."),
        (ONE_STEP + "---\n" + ONE_STEP, "(Line: 3, Col: 1): A pipeline is one YAML document; this is a second one."),
        ("steps: []\nSteps: []\n", "(Line: 2, Col: 1): 'Steps' is already defined"),
        ("steps:\n- script: 'open\n", "(Line: 3, Col: 1): Found unexpected end of stream."),
        ("steps:\n\t- script: x\n", "(Line: 2, Col: 1): Found character"),
        ("steps: [\x01]\n", "(Line: 1, Col: 9): The file has a character that YAML does not allow."),
        ("[" * 150, "levels."),
        ("trigger: none\n", "The pipeline has no 'stages', 'jobs', 'steps' or 'extends'."),
        ("steps: []\n", "(Line: 1, Col: 8): The pipeline has no steps."),
        ("jobs: []\n", "(Line: 1, Col: 7): The pipeline has no jobs."),
        ("jobs: []\nsteps: []\n", "(Line: 2, Col: 1): 'steps' is not allowed beside 'jobs'."),
        (ONE_STEP + "stepz: 1\n", "(Line: 3, Col: 1): Unexpected value 'stepz'"),
        ("phases: []\n", "does not know 'phases'"),
        ("steps:\n- script: x\n  displayname2: y\n", "(Line: 3, Col: 3): Unexpected value 'displayname2'"),
        ("steps:\n- scrip: x\n", "(Line: 2, Col: 3): Unexpected value 'scrip'"),
        ("steps:\n- x\n", "(Line: 2, Col: 3): Expected a mapping for a step, not a text."),
        ("steps:\n- script: [a]\n", "(Line: 2, Col: 11): Expected a text for 'script', not a list."),
        ("steps:\n- task: Nope@1\n", "(Line: 2, Col: 9): This practice agent does not know the task Nope@1."),
        ("steps:\n- task: Bash@4\n", "does not know the task Bash@4. It knows Bash@3. Nothing was run."),
        ("steps:\n- task: Bash\n", "A task has the form 'Name@1': 'Bash'."),
        ("steps:\n- task: AzureCLI@2\n  inputs: {scriptType: bash}\n", "expects a service connection"),
        (
            "steps:\n- task: AzureCLI@2\n  inputs: {azureSubscription: a, scriptType: batch}\n",
            "(Line: 3, Col: 46): The practice agent does not know 'batch' for scriptType of AzureCLI@2",
        ),
        (
            "steps:\n- task: PublishTestResults@2\n  inputs: {testResultsFormat: JUnitt}\n",
            "'JUnitt' is not a value of testRunner of PublishTestResults@2",
        ),
        ("steps:\n- script: x\n  condition: succeeded(\n", "(Line: 3, Col: 14): Unclosed function: 'succeeded'."),
        ("steps:\n- script: x\n  condition: eq(parameters.a, 1)\n", "Unrecognized value: 'parameters'"),
        ("steps:\n- script: x\n  target: host\n", "(Line: 3, Col: 3): The practice agent does not know 'target'"),
        ("steps:\n- script: x\n  name: 1x\n", "(Line: 3, Col: 9): '1x' is not a valid name of a step."),
        ("steps:\n- script: x\n  name: a\n- script: y\n  name: A\n", "The step name A appears more than once"),
        ("steps:\n- script: x\n  timeoutInMinutes: soon\n", "Expected a number for 'timeoutInMinutes', not 'soon'."),
        ("steps:\n- checkout: other\n", "The repository 'other' of a checkout is not in 'resources.repositories'."),
        ("steps:\n- checkout: self\n  lfs: true\n", "does not know 'lfs' of a checkout"),
        ("steps:\n- download: other\n", "The pipeline 'other' of a download is not in 'resources.pipelines'."),
        ("steps:\n- getPackage: x\n", "does not know 'getPackage'"),
        ("jobs:\n- job: a b\n", "(Line: 2, Col: 8): The job name 'a b' is not valid"),
        ("jobs:\n- job: A\n- job: a\n", "(Line: 3, Col: 3): The job name a appears more than once."),
        ("jobs:\n- job: A\n  dependsOn: B\n", "(Line: 2, Col: 3): Job A depends on unknown job B."),
        ("jobs:\n- job: A\n  dependsOn: B\n- job: B\n  dependsOn: A\n", "Job A depends on itself"),
        ("jobs:\n- job: A\n  container: x\n", "(Line: 3, Col: 3): The practice agent does not know 'container'"),
        ("jobs:\n- deployment: A\n", "The deployment job 'A' needs a 'strategy'."),
        ("jobs:\n- deployment: A\n  strategy: {rolling: {}}\n", "does not know 'rolling': only 'runOnce' is run."),
        (
            "jobs:\n- job: A\n  pool: server\n  steps: [{script: x}]\n",
            "CmdLine@2 cannot run in a job with 'pool: server'",
        ),
        ("jobs:\n- job: A\n  steps: [{task: Delay@1}]\n", "Delay@1 cannot run in a job with an agent"),
        (
            "pool: {vmImage: windows-2022}\n" + ONE_STEP,
            "(Line: 1, Col: 7): The practice agent runs jobs on this machine",
        ),
        ("pool: {vmImage: ubuntu-20.04}\n" + ONE_STEP, "The image 'ubuntu-20.04' is retired."),
        ("pool: {vmImage: beos}\n" + ONE_STEP, "does not know the image 'beos'"),
        ("pool: {}\n" + ONE_STEP, "A pool needs 'vmImage' or 'name'."),
        ("stages:\n- stage: A\n", "The stage A has no jobs."),
        ("stages:\n- stage: A\n  trigger: manual\n  jobs: [{job: B}]\n", "manual trigger"),
        ("stages:\n- stage: A\n  dependsOn: Z\n  jobs: [{job: B}]\n", "Stage A depends on unknown stage Z."),
        ("variables: {a: [b]}\n" + ONE_STEP, "Expected a text for 'a', not a list."),
        ("variables: [{name: a, valu: b}]\n" + ONE_STEP, "Unexpected value 'valu'"),
        ("variables: [{group: $(g)}]\n" + ONE_STEP, "(Line: 1, Col: 21): The name of a variable group must be known"),
        ("variables: {a: '$[ nope.x ]'}\n" + ONE_STEP, "Unrecognized value: 'nope'"),
        ("variables: {a: '$[ succeeded() ]'}\n" + ONE_STEP, "Unrecognized value: 'succeeded'"),
        ("variables: {a: '$[ variables.x ] y'}\n" + ONE_STEP, "A runtime expression must be the whole value"),
        ("resources: {webhooks: []}\n" + ONE_STEP, "does not know 'webhooks'"),
        (
            "resources:\n  repositories:\n  - repository: x\n    type: github\n    name: a/b\n" + ONE_STEP,
            "(Line: 4, Col: 11): The practice agent has no repositories of the type 'github'",
        ),
        ("resources: {pipelines: [{pipeline: x}]}\n" + ONE_STEP, "needs a 'source'"),
    ],
)
def test_what_is_not_known_or_not_valid_is_refused_with_its_place(text: str, why: str) -> None:
    assert why in refusal(text)


def test_all_problems_of_a_file_are_named() -> None:
    found = refusal("steps:\n- task: Nope@1\n- script: x\n  condition: (\n- task: Other@1\n")

    assert [line.partition(")")[0] for line in found.splitlines()] == [
        "/azure-pipelines.yml (Line: 2, Col: 9",
        "/azure-pipelines.yml (Line: 4, Col: 14",
        "/azure-pipelines.yml (Line: 5, Col: 9",
    ]


def test_texts_keep_their_spelling() -> None:
    plan = compiled("variables: {a: 3.10, b: 007, c: 1e3, d: yes, e: 2024-01-01}\n" + ONE_STEP)

    assert [each.value for each in plan.variables] == ["3.10", "007", "1e3", "yes", "2024-01-01"]


def test_a_mark_and_other_ends_of_lines_are_read() -> None:
    assert scripts(compiled("\ufeffsteps:\r\n- script: x\r\n")) == ["x"]


def test_shorthands_become_tasks() -> None:
    plan = compiled(
        yaml("""
        resources:
          pipelines:
          - pipeline: build
            source: Build
        steps:
        - checkout: self
          fetchDepth: 0
        - script: a
        - bash: b
          displayName: Bee
        - pwsh: c
        - download: build
          artifact: drop
        - publish: $(Build.ArtifactStagingDirectory)
          artifact: out
        - task: 46E4BE58-730B-4389-8A2F-EA10B3E5E815@2
          inputs: {AZURESUBSCRIPTION: arm, scriptType: bash, scriptLocation: inlineScript, inlineScript: x}
        """)
    )

    assert [(step.task, step.display_name) for step in only_job(plan).steps] == [
        ("Checkout@1", "Checkout"),
        ("CmdLine@2", "CmdLine"),
        ("Bash@3", "Bee"),
        ("PowerShell@2", "PowerShell"),
        ("Download@1", "Download"),
        ("PublishPipelineArtifact@1", "PublishPipelineArtifact"),
        ("AzureCLI@2", "AzureCLI"),
    ]
    assert only_job(plan).steps[0].inputs == {"repository": "self", "fetchDepth": "0"}
    assert only_job(plan).steps[3].inputs == {"targetType": "inline", "script": "c", "pwsh": "true"}
    assert only_job(plan).steps[6].inputs["connectedServiceNameARM"] == "arm"


def test_an_unknown_input_is_a_note() -> None:
    plan = compiled(
        "pool: {vmImage: ubuntu-24.04}\nsteps:\n- task: Bash@3\n  inputs: {targetType: inline, script: x, color: y}\n"
    )

    assert [str(note) for note in plan.notes] == [
        "/azure-pipelines.yml (Line: 4, Col: 43): The task Bash@3 has no input 'color'; it has no effect."
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${{ parameters.text }}-${{ parameters.flag }}", "a-True"),
        ("${{ parameters.number }}", "1.50"),
        ("${{ variables.missing }}x", "x"),
        ("${{ variables['my-secret'] }}", ""),
        ("${{ 'my${{value' }}", "my${{value"),
        ("${{ 'a }} b' }} c", "a }} b c"),
        ("${{ coalesce('a', parameters.nope) }}", "a"),
        ("${{ format('{0}{1}', parameters.text, 1) }}", "a1"),
        ("${{ eq(parameters.flag, 'true') }}", "True"),
        ("${{ length(parameters.list) }}", "2"),
        ("${{ parameters.object.a }}", "1"),
        ("${{ join(',', parameters.list) }}", "x,y"),
        ("$(macro) $[ no ] $${{ 'x' }}", "$(macro) $[ no ] $x"),
    ],
)
def test_expressions_in_texts(text: str, expected: str) -> None:
    plan = compiled(
        yaml("""
        parameters:
        - {name: text, default: a}
        - {name: flag, type: boolean, default: true}
        - {name: number, type: number, default: 1.50}
        - {name: list, type: object, default: [x, y]}
        - {name: object, type: object, default: {a: 1}}
        steps:
        - script: "TEXT"
        """).replace("TEXT", text)
    )

    assert scripts(plan) == [expected]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- script: ${{ if true }}", "Unexpected value '${{ if true }}'"),
        ("- ${{ else }}", "Unexpected value '${{ else }}'"),
        (
            "- ${{ else }}:\n  - script: x",
            "(Line: 2, Col: 3): The expression directive 'else' is not supported in this context",
        ),
        ("- ${{ if }}:\n  - script: x", "Unrecognized value: 'if'. Located at position 1 within expression: 'if'"),
        ("- ${{ each x of y }}:\n  - script: x", "The value 'of' is unexpected."),
        ("- ${{ each x in 'text' }}:\n  - script: x", "Expected a list or a mapping: ''text''."),
        ("- ${{ if false }}:\n  - script: ${{ 3 + 4 }}", "(Line: 3, Col: 13): Unexpected symbol: '+'."),
        ("- ${{ if eq(parameters.x, 1) }}:\n  - script: x\n- script: ${{ nope }}", "Unrecognized value: 'nope'"),
        ("- script: ${{ variables.x", "The expression is not closed."),
        ("- script: ${{ gt(1, 'a') }}", "Unable to convert from String to Number. Value: 'a'"),
        ("- script: a-${{ split('a,b', ',') }}", "Unable to convert from Array to String: 'split('a,b', ',')'."),
        ("- script: ${{ split('a,b', ',') }}", "Expected a text for 'script', not a list."),
        ("- script: ${{ }}", "An expression was expected"),
    ],
)
def test_wrong_expressions_are_refused_with_their_places(text: str, why: str) -> None:
    assert why in refusal(f"steps:\n{text}\n")


def test_conditions_and_loops_choose_steps() -> None:
    plan = compiled(
        yaml("""
        parameters:
        - {name: words, type: object, default: [a, b]}
        - {name: pairs, type: object, default: {k: v, l: w}}
        - {name: more, type: stepList, default: [{script: more1}, {script: more2}]}
        variables:
          mode: fast
        steps:
        - ${{ if eq(variables.mode, 'slow') }}:
          - script: slow
        - ${{ elseif eq(variables.mode, 'fast') }}:
          - script: fast
          - ${{ each word in parameters.words }}:
            - ${{ each pair in parameters.pairs }}:
              - script: ${{ word }}${{ pair.key }}${{ pair.value }}
        - ${{ else }}:
          - script: other
        - ${{ parameters.more }}
        - ${{ each step in parameters.more }}:
          - ${{ each pair in step }}:
              ${{ if ne(pair.key, 'script') }}:
                ${{ pair.key }}: ${{ pair.value }}
            script: wrapped ${{ step.script }}
        - ${{ if eq('', variables.nothing) }}:
          - ${{ if true }}:
            - script: deep
        - ${{ each nothing in variables.nothing }}:
          - script: never
        """)
    )

    assert scripts(plan) == [
        *("fast", "akv", "alw", "bkv", "blw", "more1", "more2", "wrapped more1", "wrapped more2", "deep"),
    ]


def test_directives_merge_mappings() -> None:
    plan = compiled(
        yaml("""
        parameters:
        - {name: env, type: object, default: {A: '1', B: '2'}}
        - {name: flag, type: boolean, default: false}
        variables:
          ${{ if parameters.flag }}:
            mode: on
          ${{ else }}:
            mode: off
          ${{ each pair in parameters.env }}:
            var_${{ pair.key }}: ${{ pair.value }}
        steps:
        - script: x
          env:
            ${{ insert }}: ${{ parameters.env }}
            C: ${{ variables.mode }}
          ${{ if parameters.flag }}:
            displayName: hidden
          ${{ if not(parameters.flag) }}:
            displayName: shown
        """)
    )

    (step,) = only_job(plan).steps
    assert step.env == {"A": "1", "B": "2", "C": "off"}
    assert step.display_name == "shown"
    assert [(each.name, each.value) for each in plan.variables] == [("mode", "off"), ("var_A", "1"), ("var_B", "2")]


def test_a_chain_of_conditions_can_choose_a_text() -> None:
    plan = compiled("variables:\n  a:\n    ${{ if true }}: x\n    ${{ else }}: y\n" + ONE_STEP)

    assert [each.value for each in plan.variables] == ["x"]


def test_doubled_keys_after_directives_are_refused() -> None:
    text = "steps:\n- script: x\n  ${{ if true }}:\n    script: y\n"

    assert "(Line: 4, Col: 5): 'script' is already defined" in refusal(text)


def test_variables_are_seen_after_the_place_where_they_are_written_and_inside_of_it() -> None:
    plan = compiled(
        yaml("""
        variables:
        - {name: a, value: root}
        - {name: b, value: "${{ variables.a }}-b"}
        jobs:
        - job: One
          variables: {a: one}
          steps:
          - script: ${{ variables.a }} ${{ variables.b }}
        - job: Two
          steps:
          - script: ${{ variables.a }} ${{ variables['Build.Reason'] }}
        """),
        variables={"Build.Reason": "Manual"},
    )

    assert scripts(plan) == ["one root-b", "root Manual"]


def test_templates_are_inserted_where_they_are_used() -> None:
    plan = compiled(
        yaml("""
        variables:
        - template: templates/variables.yml
        stages:
        - template: templates/stages.yml
          parameters:
            names: [A, B]
            steps:
            - script: mine
            - template: templates/steps.yml
              parameters: {word: inner}
        """),
        {
            "templates/variables.yml": "variables:\n  shared: yes\n",
            "templates/stages.yml": yaml("""
                parameters:
                - {name: names, type: object}
                - {name: steps, type: stepList, default: []}
                stages:
                - ${{ each name in parameters.names }}:
                  - stage: ${{ name }}
                    jobs:
                    - template: jobs/job.yml
                      parameters:
                        name: Job_${{ name }}
                        steps: ${{ parameters.steps }}
                """),
            "templates/jobs/job.yml": yaml("""
                parameters:
                - name: name
                - {name: steps, type: stepList}
                jobs:
                - job: ${{ parameters.name }}
                  steps:
                  - ${{ parameters.steps }}
                  - template: ../steps.yml
                    parameters: {word: "${{ variables.shared }}"}
                  - template: /templates/steps.yml
                """),
            "templates/steps.yml": yaml("""
                parameters:
                - {name: word, default: default}
                steps:
                - script: word ${{ parameters.word }}
                """),
        },
    )

    assert [stage.name for stage in plan.stages] == ["A", "B"]
    assert plan.stages[1].depends_on == ("A",)
    assert [job.name for stage in plan.stages for job in stage.jobs] == ["Job_A", "Job_B"]
    assert scripts(plan) == ["mine", "word inner", "word yes", "word default"] * 2
    step = plan.stages[0].jobs[0].steps[0]
    assert str(step.place) == "/azure-pipelines.yml (Line: 8, Col: 7)"
    assert plan.stages[0].jobs[0].steps[2].place.file == "/templates/steps.yml"


def test_a_pipeline_extends_a_template() -> None:
    plan = compiled(
        yaml("""
        trigger: none
        pool: {vmImage: ubuntu-24.04}
        extends:
          template: base.yml
          parameters:
            steps:
            - script: mine
        """),
        {
            "base.yml": yaml("""
                parameters:
                - {name: steps, type: stepList}
                variables: {a: b}
                stages:
                - stage: Only
                  jobs:
                  - job: Work
                    steps:
                    - script: before ${{ variables.a }}
                    - ${{ parameters.steps }}
                """)
        },
    )

    assert scripts(plan) == ["before b", "mine"]
    assert not plan.trigger.enabled
    assert plan.stages[0].jobs[0].pool.vm_image == "ubuntu-24.04"


def test_a_template_of_another_repository_is_read_from_there() -> None:
    root = yaml("""
        resources:
          repositories:
          - {repository: shared, type: git, name: Lab/Shared, ref: refs/heads/main}
        steps:
        - template: a/steps.yml@Shared
        """)
    others = {
        "Lab/Shared": {
            "a/steps.yml": "steps:\n- template: more.yml\n- template: mine.yml@self\n",
            "a/more.yml": "steps:\n- script: more\n",
        }
    }
    plan = compile_pipeline(FakeFiles({"p/x.yml": root, "mine.yml": "steps:\n- script: mine\n"}, others), "p/x.yml")

    assert scripts(plan) == ["more", "mine"]
    assert plan.stages[0].jobs[0].steps[0].place.file == "/a/more.yml@Shared"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("template: none.yml", "(Line: 2, Col: 13): File /none.yml not found."),
        ("template: ../x.yml", "The template '../x.yml' is outside of its repository."),
        ("template: $(x).yml", "The name of a template cannot have runtime variables"),
        ("template: t.yml@other", "The repository 'other' of the template 't.yml@other' is not in"),
        ("template: t.yml\n  color: x", "(Line: 3, Col: 3): Unexpected value 'color'"),
        ("template: t.yml", "(Line: 2, Col: 13): A value for the 'word' parameter must be provided."),
        ("template: t.yml\n  parameters: {word: a, other: b}", "(Line: 3, Col: 32): Unexpected parameter 'other'."),
        ("template: t.yml\n  parameters: {word: [a]}", "The 'word' parameter value '…' is not a valid String."),
        ("template: t.yml\n  parameters: {word: a, flag: apples}", "'apples' is not a valid Boolean."),
        ("template: t.yml\n  parameters: {word: a, count: x}", "'x' is not a valid Number."),
        ("template: t.yml\n  parameters: {word: c}", "The 'word' parameter value 'c' is not allowed."),
        ("template: t.yml\n  parameters: {word: b}", "/t.yml (Line: 9, Col: 13): Key not found 'nope'"),
        ("template: jobs.yml", "/jobs.yml (Line: 1, Col: 1): Unexpected value 'jobs' in a template of steps."),
        ("template: empty.yml", "The template /empty.yml has no 'steps'."),
        ("template: loop.yml", "Exceeded the maximum of 20 nested templates."),
        ("template: default.yml", "/default.yml (Line: 2, Col: 22): A template expression is not allowed"),
        ("template: types.yml", "The parameter 'a' has the unknown type 'text'."),
        ("template: twice.yml", "The parameter 'A' is declared more than once."),
    ],
)
def test_a_template_that_does_not_fit_is_refused(template: str, why: str) -> None:
    templates = {
        "t.yml": yaml("""
            parameters:
            - name: word
              values: [a, b]
            - {name: flag, type: boolean, default: false}
            - {name: count, type: number, default: 1}
            steps:
            - script: ${{ parameters.word }}
            - ${{ if eq(parameters.word, 'b') }}:
              - script: ${{ parameters.nope }}
            """),
        "jobs.yml": "jobs: []\n",
        "empty.yml": "parameters: []\n",
        "loop.yml": "steps:\n- template: loop.yml\n",
        "default.yml": "parameters:\n- {name: a, default: '${{ 1 }}'}\nsteps: []\n",
        "types.yml": "parameters:\n- {name: a, type: text}\nsteps: []\n",
        "twice.yml": "parameters:\n- {name: a, default: ''}\n- {name: A, default: ''}\nsteps: []\n",
    }

    assert why in refusal(f"steps:\n- {template}\n", templates)


def test_the_old_form_of_parameters_takes_everything() -> None:
    old = "parameters: {a: 1}\nsteps:\n- script: ${{ parameters.a }}${{ parameters.b }}${{ parameters.c }}\n"

    assert scripts(compiled("steps:\n- template: t.yml\n  parameters: {b: 2}\n", {"t.yml": old})) == ["12"]


def test_a_loops_variable_is_not_seen_inside_a_template() -> None:
    text = "steps:\n- ${{ each x in split('a', ',') }}:\n  - template: t.yml\n"

    assert "/t.yml (Line: 2, Col: 11): Unrecognized value: 'x'" in refusal(
        text, {"t.yml": "steps:\n- script: ${{ x }}\n"}
    )


def test_variables_beside_an_extended_template_with_variables_are_refused() -> None:
    text = "variables: {a: b}\nextends: {template: t.yml}\n"
    why = "'variables' is not allowed beside 'extends' if the template has variables, too."

    assert why in refusal(text, {"t.yml": "variables: {c: d}\nsteps:\n- script: x\n"})


def test_an_expansion_that_explodes_is_refused() -> None:
    word = "x" * 20_000
    loops = "".join(f"{'  ' * at}- ${{{{ each x{at} in parameters.l }}}}:\n" for at in range(4))
    declared = f"parameters:\n- {{name: l, type: object, default: [{', '.join('abcdefghij')}]}}\n"
    text = f"{declared}steps:\n{loops}{'  ' * 4}- script: {word}\n"

    assert "Maximum object size exceeded" in refusal(text)


def test_templates_that_nest_their_parameters_too_deeply_are_refused() -> None:
    deeper = "{a: " * 80 + "'${{ parameters.x }}'" + "}" * 80
    files = {
        f"{at}.yml": f"parameters: {{x: ''}}\nsteps:\n- template: {at + 1}.yml\n  parameters: {{x: {deeper}}}\n"
        for at in range(18)
    } | {"18.yml": "parameters: {x: ''}\nsteps:\n- script: ${{ convertToJson(parameters.x) }}\n"}

    assert "nested too deeply" in refusal("steps:\n- template: 0.yml\n", files)


def test_names_of_dependencies_are_spelled_as_they_are_declared() -> None:
    text = "stages:\n- stage: A\n  jobs: [{job: One}, {job: Two, dependsOn: [ONE, one]}]\n"
    plan = compiled(text + "- stage: B\n  dependsOn: a\n  jobs: [{job: Three}]\n")

    assert plan.stages[1].depends_on == ("A",)
    assert plan.stages[0].jobs[1].depends_on == ("One",)


def test_an_environment_whose_name_is_not_known_is_refused() -> None:
    text = "jobs:\n- deployment: D\n  environment: $(e)\n  strategy: {runOnce: {deploy: {steps: []}}}\n"

    assert "(Line: 3, Col: 16): Job D: Environment $(e) could not be found" in refusal(text)


def test_more_than_a_hundred_files_are_refused() -> None:
    templates = {f"{at}.yml": f"steps:\n- script: x{at}\n" for at in range(120)}
    text = "steps:\n" + "".join(f"- template: {at}.yml\n" for at in range(120))

    assert "(Line: 101, Col: 13): Exceeded the maximum of 100 files." in refusal(text, templates)


def test_parameters_of_the_run_replace_defaults() -> None:
    declared = "parameters:\n- {name: a, type: number, default: 1}\n- {name: b, type: boolean}\n"
    text = declared + "steps:\n- script: ${{ parameters.a }}${{ parameters.b }}\n"

    plan = compiled(text, parameters={"A": 2, "b": "TRUE"})
    assert scripts(plan) == ["2True"]
    assert plan.parameters == {"a": 2, "b": True}
    assert "A value for the 'b' parameter must be provided." in refusal(text)
    assert "Unexpected parameter 'c'." in refusal(text, parameters={"b": "true", "c": 1})


def test_pools_are_inherited() -> None:
    plan = compiled(
        yaml("""
        pool: {vmImage: ubuntu-22.04}
        stages:
        - stage: A
          pool: Own
          jobs:
          - job: One
          - {job: Two, pool: server, steps: [{task: Delay@1}]}
        - stage: B
          jobs:
          - {job: Three, pool: {name: Azure Pipelines, vmImage: ubuntu-latest}}
          - job: Four
            strategy: {matrix: {one: {image: ubuntu-24.04}, two: {image: ubuntu-latest}}}
            pool: {vmImage: $(image)}
          - job: Five
        """)
    )

    jobs = [job for stage in plan.stages for job in stage.jobs]
    assert [(job.pool.name, job.pool.vm_image, job.pool.server) for job in jobs] == [
        ("Own", "", False),
        ("", "", True),
        ("", "ubuntu-latest", False),
        ("", "$(image)", False),
        ("", "ubuntu-22.04", False),
    ]
    assert jobs[1].kind is JobKind.SERVER
    queues = {each.name for stage in plan.stages for each in stage.protected if each.kind is ProtectedKind.QUEUE}
    assert queues == {"Own", "Azure Pipelines"}


def test_an_image_of_a_matrix_is_looked_at() -> None:
    text = (
        "strategy: {matrix: {a: {image: ubuntu-24.04}, b: {image: windows-latest}}}\npool: {vmImage: $(image)}\n"
        + ONE_STEP
    )

    assert "which cannot be 'windows-latest'" in refusal(text)
    assert compiled(text, machine="win32").notes


def test_names_of_connections_come_from_variables_of_the_yaml() -> None:
    plan = compiled(
        yaml("""
        variables: {connection: first, place: qa}
        jobs:
        - deployment: D
          environment: $(place)
          variables: {connection: second}
          strategy:
            runOnce:
              deploy:
                steps:
                - task: AzureCLI@2
                  inputs: {azureSubscription: $(connection), scriptType: bash, scriptPath: x.sh}
                - task: AzureCLI@2
                  inputs: {azureSubscription: $(unknown), scriptType: bash, scriptPath: x.sh}
              on:
                failure:
                  steps: [{script: x}]
        """)
    )

    used = {(each.kind, each.name) for each in plan.stages[0].protected if each.kind is not ProtectedKind.QUEUE}
    assert used == {
        (ProtectedKind.ENVIRONMENT, "qa"),
        (ProtectedKind.ENDPOINT, "second"),
        (ProtectedKind.ENDPOINT, "$(unknown)"),
    }
    assert [hook.name for hook in plan.stages[0].jobs[0].hooks] == ["deploy", "on.failure"]


def test_runtime_values_stay_texts() -> None:
    job = only_job(
        compiled(
            yaml("""
            jobs:
            - job: A
              timeoutInMinutes: $[ variables.minutes ]
              continueOnError: $(go)
              strategy: {matrix: "$[ variables.legs ]", maxParallel: 2}
              steps: [{script: x, timeoutInMinutes: $(m), continueOnError: true, retryCountOnTaskFailure: 12}]
            """)
        )
    )

    assert (job.timeout_minutes, job.continue_on_error) == ("$[ variables.minutes ]", "$(go)")
    assert job.strategy is not None
    assert (job.strategy.matrix, job.strategy.max_parallel) == ("$[ variables.legs ]", 2)
    assert (job.steps[0].timeout_minutes, job.steps[0].continue_on_error, job.steps[0].retries) == ("$(m)", True, 10)


def test_without_a_pool_the_default_image_is_named_in_a_note() -> None:
    plan = compiled(ONE_STEP)

    assert only_job(plan).pool == Pool(vm_image="ubuntu-latest")
    assert "runs on 'ubuntu-latest'" in str(plan.notes[0])
