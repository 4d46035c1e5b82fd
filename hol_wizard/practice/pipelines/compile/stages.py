"""Stages and the whole plan, after the templates are expanded.

Source: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/pipeline and `stages-stage`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hol_wizard.practice.pipelines.compile.context import Context
from hol_wizard.practice.pipelines.compile.fields import Fields
from hol_wizard.practice.pipelines.compile.jobs import JobMaker
from hol_wizard.practice.pipelines.compile.nodes import MappingNode, Node, refuse
from hol_wizard.practice.pipelines.compile.pools import pool
from hol_wizard.practice.pipelines.compile.problems import Findings
from hol_wizard.practice.pipelines.compile.protected import Uses
from hol_wizard.practice.pipelines.compile.resources import pipelines, repositories
from hol_wizard.practice.pipelines.compile.triggers import push_trigger, schedules
from hol_wizard.practice.pipelines.compile.variables import is_reserved, variable_sources
from hol_wizard.practice.pipelines.expressions.places import STAGE_CONDITION
from hol_wizard.practice.pipelines.plan import (
    DEFAULT_STAGE,
    Job,
    Plan,
    Pool,
    Stage,
    VariableSource,
)

_CONTENTS = ("stages", "jobs", "steps")
_ROOT = (
    *("trigger", "pr", "schedules", "name", "pool", "variables", "parameters", "resources", "lockbehavior"),
    *("appendcommitmessagetorunname", "strategy", "container", "services", "workspace"),
    *("timeoutinminutes", "canceltimeoutinminutes", "continueonerror"),
)
_LOCKS = ("sequential", "runlatest")


@dataclass(slots=True)
class PlanMaker:
    """Makes a plan of an expanded tree."""

    path: str
    context: Context
    findings: Findings

    def plan(self, root: MappingNode) -> Plan:
        """Return the plan, without its final text.

        Raises:
            PipelineError: With all problems that were found.
        """
        fields = Fields(root, "the pipeline")
        for old in ("phases", "phase", "queue"):
            fields.refuse(old, "the old names of jobs and pools are not read.")
        contents = [each for each in _CONTENTS if fields.has(each)]
        if not contents:
            fields.refuse_unknown(_ROOT)
            raise refuse(root.place, "The pipeline has no 'stages', 'jobs', 'steps' or 'extends'.")
        if len(contents) > 1:
            place = fields.key_place(contents[1])
            raise refuse(place, f"'{contents[1]}' is not allowed beside '{contents[0]}'.")
        plan = self._root(fields)
        inherited: Pool | None = None
        with self.findings.gather():
            inherited = pool(fields.node("pool"))
        stages = self._contents(fields, contents[0], inherited, root)
        with self.findings.gather():
            fields.end()
        self._check_names(stages)
        named = {each.name.lower(): each.name for each in stages}
        stages = tuple(self._with_uses(each, plan, named) for each in stages)
        self.findings.check()
        return replace(plan, stages=stages, notes=tuple(self.findings.notes))

    def _root(self, fields: Fields) -> Plan:
        """Return the plan with what the root has besides its contents."""
        plan = Plan(path=self.path, stages=())
        with self.findings.gather():
            plan = replace(plan, trigger=push_trigger(fields.node("trigger"), "trigger"))
        with self.findings.gather():
            plan = replace(plan, pr=push_trigger(fields.node("pr"), "pr"))
            if plan.pr.declared and plan.pr.enabled:
                self.findings.note(fields.key_place("pr"), "'pr' has no effect for a repository of Azure Repos.")
        with self.findings.gather():
            plan = replace(plan, schedules=schedules(fields.node("schedules")))
            if plan.schedules:
                self.findings.note(fields.key_place("schedules"), "Schedules are not started in the practice cloud.")
        with self.findings.gather():
            resources = fields.node("resources")
            plan = replace(plan, repositories=repositories(resources), pipelines=pipelines(resources))
        with self.findings.gather():
            plan = replace(plan, variables=self._variables(fields))
        with self.findings.gather():
            plan = replace(
                plan,
                number_format=fields.text("name").strip(),
                append_commit_message=fields.flag("appendCommitMessageToRunName", default=True),
                lock_behavior=self._lock(fields),
            )
        return plan

    def _variables(self, fields: Fields) -> tuple[VariableSource, ...]:
        found = variable_sources(fields.items("variables"))
        for each in found:
            if not each.is_group and is_reserved(each.name):
                self.findings.note(each.place, f"The prefix of '{each.name}' is reserved for the agent.")
        return found

    def _lock(self, fields: Fields) -> str:
        text = fields.text("lockBehavior").strip()
        if text and text.lower() not in _LOCKS:
            raise refuse(fields.place("lockBehavior"), f"Expected 'sequential' or 'runLatest', not '{text}'.")
        if text:
            self.findings.note(fields.key_place("lockBehavior"), "'lockBehavior' has no effect in the practice cloud.")
        return text

    def _contents(self, fields: Fields, kind: str, inherited: Pool | None, root: MappingNode) -> tuple[Stage, ...]:
        maker = JobMaker(self.findings, inherited)
        stages: list[Stage] = []
        with self.findings.gather():
            if kind == "stages":
                previous = ""
                for number, node in enumerate(fields.items("stages"), 1):
                    with self.findings.gather():
                        made = self._stage(node, number, previous, inherited)
                        stages.append(made)
                        previous = made.name
                if not stages and not self.findings.problems:
                    raise refuse(fields.place("stages"), "The pipeline has no stages.")
            elif kind == "jobs":
                jobs = self._jobs(maker, fields.items("jobs"))
                if not jobs and not self.findings.problems:
                    raise refuse(fields.place("jobs"), "The pipeline has no jobs.")
                stages.append(Stage(DEFAULT_STAGE, root.place, jobs=jobs))
            else:
                if not fields.items("steps"):
                    raise refuse(fields.place("steps"), "The pipeline has no steps.")
                stages.append(Stage(DEFAULT_STAGE, root.place, jobs=(maker.root(fields, root.place),)))
        return tuple(stages)

    def _jobs(self, maker: JobMaker, nodes: Sequence[Node]) -> tuple[Job, ...]:
        jobs: list[Job] = []
        for number, node in enumerate(nodes, 1):
            with self.findings.gather():
                jobs.append(maker.job(node, number))
        return tuple(jobs)

    def _stage(self, node: Node, number: int, previous: str, inherited: Pool | None) -> Stage:
        fields = Fields(node, "a stage")
        if not fields.has("stage"):
            raise refuse(node.place, "A stage begins with 'stage' or 'template'.")
        name = fields.name("stage", "stage", f"Stage{number}")
        if fields.text("trigger").strip().lower() not in ("", "automatic"):
            raise refuse(fields.key_place("trigger"), "The practice agent does not know stages with a manual trigger.")
        if fields.has("isSkippable"):
            fields.flag("isSkippable")
            self.findings.note(fields.key_place("isSkippable"), "'isSkippable' has no effect in the practice cloud.")
        fields.refuse("checks", "checks are set on environments.")
        fields.text("group")
        fields.node("templateContext")
        maker = JobMaker(self.findings, pool(fields.node("pool")) or inherited)
        jobs = self._jobs(maker, fields.items("jobs"))
        if not jobs and not self.findings.problems:
            raise refuse(node.place, f"The stage {name} has no jobs.")
        stage = Stage(
            name=name,
            place=node.place,
            display_name=fields.text("displayName").strip(),
            depends_on=fields.texts("dependsOn") if fields.has("dependsOn") else ((previous,) if previous else ()),
            condition=fields.condition(STAGE_CONDITION),
            variables=self._variables(fields),
            jobs=jobs,
            lock_behavior=self._lock(fields),
        )
        fields.end()
        return stage

    def _check_names(self, stages: Sequence[Stage]) -> None:
        if self.findings.problems:
            return
        self._check_graph("stage", stages, "a pipeline")
        for stage in stages:
            self._check_graph("job", stage.jobs, "a stage")

    def _check_graph(self, what: str, parts: Sequence[Stage] | Sequence[Job], whole: str) -> None:
        """Find duplicate names, unknown dependencies, and cycles."""
        seen: dict[str, Stage | Job] = {}
        for each in parts:
            if each.name.lower() in seen:
                self.findings.problem(
                    each.place,
                    f"The {what} name {each.name} appears more than once. The names must be unique in {whole}.",
                )
            seen[each.name.lower()] = each
        for each in parts:
            for other in each.depends_on:
                if other.lower() not in seen:
                    self.findings.problem(
                        each.place, f"{what.capitalize()} {each.name} depends on unknown {what} {other}."
                    )
        open_parts = {name: {other.lower() for other in each.depends_on} & set(seen) for name, each in seen.items()}
        while ready := [name for name, needs in open_parts.items() if not needs & set(open_parts)]:
            for name in ready:
                del open_parts[name]
        if open_parts:
            first = seen[next(iter(open_parts))]
            self.findings.problem(
                first.place, f"{what.capitalize()} {first.name} depends on itself, directly or through others."
            )

    def _with_uses(self, stage: Stage, plan: Plan, stages: Mapping[str, str]) -> Stage:
        """Return a stage with what it uses, and with dependencies spelled as they are declared."""
        named = {each.name.lower(): each.name for each in stage.jobs}
        jobs = tuple(replace(each, depends_on=_spelled(each.depends_on, named)) for each in stage.jobs)
        uses = Uses(plan, self.context.machine, self.findings)
        depends_on = _spelled(stage.depends_on, stages)
        return replace(stage, jobs=jobs, depends_on=depends_on, protected=uses.of_stage(stage))


def _spelled(names: Sequence[str], declared: Mapping[str, str]) -> tuple[str, ...]:
    """Return names as they are declared, each once."""
    return tuple(dict.fromkeys(declared.get(each.lower(), each) for each in names))
