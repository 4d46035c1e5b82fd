"""The inputs of a task: defaults, macros, and paths.

The azure-pipelines-agent, TaskRunner.cs: defaults come first, values are trimmed, macros are expanded once and then, in
the same form, the environment of the agent's own process. An input of the type filePath becomes an absolute path below
the sources folder; an empty one becomes the sources folder itself (BuildJobExtension.cs, `ConvertLocalPath`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hol_wizard.practice.pipelines.agent.context import StepContext
from hol_wizard.practice.pipelines.agent.variables import expanded
from hol_wizard.practice.pipelines.plan import Step
from hol_wizard.practice.pipelines.tasks import Input


def prepare(context: StepContext, step: Step, inputs: Sequence[Input]) -> None:
    """Set the inputs and the environment of a step, with the variables as they are now."""
    variables = context.job.variables
    machine = {name.lower(): value for name, value in context.job.base_environment().items()}

    def value_of(text: str) -> str:
        return expanded(variables.expand(text.strip()), lambda name: machine.get(name.lower()))

    given = {name.strip().lower(): text for name, text in step.inputs.items() if name.strip()}
    values = {each.name.lower(): each.default for each in inputs} | given
    context.inputs = {name: value_of(text) for name, text in values.items()}
    for each in inputs:
        if each.kind.lower() == "filepath":
            context.inputs[each.name.lower()] = _local(context, context.inputs[each.name.lower()])
    context.env = {name.strip(): value_of(text) for name, text in step.env.items() if name.strip()}


def _local(context: StepContext, text: str) -> str:
    return os.path.normpath(context.job.workspace.sources / text)
