"""The YAML of a pipeline is compiled to a plan, or refused with the place of each problem.

Pure: no process, no network, no clock. The order is that of the service: parameters are bound, templates are inserted
and `${{ }}` is evaluated, the result is read with all names checked, and what each stage needs to be
authorized is listed (https://learn.microsoft.com/azure/devops/pipelines/process/runs).
"""

from __future__ import annotations

from dataclasses import replace

from hol_wizard.practice.pipelines.compile.context import Context, Files
from hol_wizard.practice.pipelines.compile.expansion import Expander, Scope
from hol_wizard.practice.pipelines.compile.files import FileTrees
from hol_wizard.practice.pipelines.compile.final_yaml import final_yaml
from hol_wizard.practice.pipelines.compile.nodes import node_of, refuse
from hol_wizard.practice.pipelines.compile.parameters import declarations
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.resources import repositories
from hol_wizard.practice.pipelines.compile.stages import PlanMaker
from hol_wizard.practice.pipelines.compile.templates import TemplateWalker
from hol_wizard.practice.pipelines.expressions.values import plain
from hol_wizard.practice.pipelines.plan import Plan, Position

__all__ = ["Context", "Files", "compile_pipeline"]


def compile_pipeline(files: Files, path: str, context: Context | None = None) -> Plan:
    """Return the plan of a pipeline.

    Args:
        files: The files of the commit.
        path: The pipeline's file, from the repository's root.
        context: What the run provides.

    Raises:
        PipelineError: The pipeline is not valid, or has something that the practice agent does not know.
    """
    try:
        return _compiled(files, path, context or Context())
    except RecursionError as error:
        # Templates that wrap their parameters can nest deeper than any one file.
        raise refuse(Position("/" + path.lstrip("/"), 1, 1), "The expanded pipeline is nested too deeply.") from error


def _compiled(files: Files, path: str, context: Context) -> Plan:
    trees = FileTrees(files)
    root = trees.root(path)
    trees.repositories.update({each.alias.lower(): each for each in repositories(root.get_node("resources"))})
    given = {name: node_of(value, root.place) for name, value in context.parameters.items()}
    parameters = declarations(root.get_node("parameters")).bind(given, root.place)
    scope = Scope(parameters, dict(context.variables))
    tree = TemplateWalker(trees, Expander()).pipeline(root, scope)
    plan = PlanMaker(root.place.file, context, Findings()).plan(tree)
    plan = replace(plan, parameters={name: plain(value) for name, value in parameters.items()})
    return replace(plan, final_yaml=final_yaml(plan))
