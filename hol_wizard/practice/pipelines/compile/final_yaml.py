"""A plan as YAML: what the preview operation answers as `finalYaml`.

Every shorthand that is a task is written as one; stages and jobs have their names. Compiling it gives the same plan,
except for the places. Source: https://learn.microsoft.com/rest/api/azure/devops/pipelines/preview.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from hol_wizard.practice.pipelines.compile.steps import CHECKOUT, DOWNLOAD
from hol_wizard.practice.pipelines.plan import (
    Filter,
    Job,
    JobKind,
    PipelineResource,
    PipelineTrigger,
    Plan,
    Pool,
    PushTrigger,
    RepositoryResource,
    Schedule,
    Stage,
    Step,
    VariableSource,
)

_SELECTORS = {CHECKOUT: ("checkout", "repository"), DOWNLOAD: ("download", "alias")}
_FASTEST = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_FASTEST):  # type: ignore[misc, valid-type]  # PyYAML has no types.
    """Writes texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values again: Azure Pipelines reads no aliases."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def final_yaml(plan: Plan) -> str:
    """Return a plan as YAML."""
    document = _some(
        name=plan.number_format,
        appendCommitMessageToRunName=None if plan.append_commit_message else False,
        lockBehavior=plan.lock_behavior,
        trigger=_trigger(plan.trigger),
        pr=_trigger(plan.pr),
        schedules=[_schedule(each) for each in plan.schedules],
        resources=_some(
            repositories=[_repository(each) for each in plan.repositories],
            pipelines=[_pipeline(each) for each in plan.pipelines],
        ),
        variables=_variables(plan.variables),
    )
    document["stages"] = [_stage(each) for each in plan.stages]
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, width=2**20, allow_unicode=True)
    return text


def _some(**entries: Any) -> dict[str, Any]:
    """Return the entries that are not empty."""
    return {name: value for name, value in entries.items() if value not in (None, "", [], {})}


def _trigger(trigger: PushTrigger) -> Any:
    if not trigger.declared:
        return None
    if not trigger.enabled:
        return "none"
    return _some(
        batch=True if trigger.batch else None,
        branches=_filter(trigger.branches),
        paths=_filter(trigger.paths),
        tags=None if trigger.tags is None else _filter(trigger.tags),
    ) or {"branches": {"include": ["*"]}}


def _filter(each: Filter) -> dict[str, Any]:
    return _some(include=list(each.include), exclude=list(each.exclude))


def _schedule(each: Schedule) -> dict[str, Any]:
    return _some(
        cron=each.cron,
        displayName=each.display_name,
        branches=_filter(each.branches),
        always=True if each.always else None,
        batch=True if each.batch else None,
    )


def _repository(each: RepositoryResource) -> dict[str, Any]:
    trigger = None if each.trigger is None else _trigger(each.trigger)
    return _some(repository=each.alias, type="git", name=each.name, ref=each.ref, trigger=trigger)


def _pipeline(each: PipelineResource) -> dict[str, Any]:
    return _some(
        pipeline=each.alias,
        project=each.project,
        source=each.source,
        branch=each.branch,
        version=each.version,
        tags=list(each.tags),
        trigger=None if each.trigger is None else _pipeline_trigger(each.trigger),
    )


def _pipeline_trigger(each: PipelineTrigger) -> Any:
    return _some(branches=_filter(each.branches), tags=list(each.tags), stages=list(each.stages)) or True


def _variables(sources: Iterable[VariableSource]) -> list[dict[str, Any]]:
    return [
        {"group": each.name}
        if each.value is None
        else {"name": each.name, "value": each.value} | ({"readonly": True} if each.read_only else {})
        for each in sources
    ]


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.name,
        **_some(displayName=stage.display_name),
        "dependsOn": list(stage.depends_on),
        **_some(condition=stage.condition, lockBehavior=stage.lock_behavior, variables=_variables(stage.variables)),
        "jobs": [_job(each) for each in stage.jobs],
    }


def _job(job: Job) -> dict[str, Any]:
    deployment = job.kind is JobKind.DEPLOYMENT
    document = {
        "deployment" if deployment else "job": job.name,
        **_some(
            displayName=job.display_name,
            dependsOn=list(job.depends_on),
            condition=job.condition,
            continueOnError=job.continue_on_error or None,
            timeoutInMinutes=None if job.timeout_minutes == 60 else job.timeout_minutes,
            cancelTimeoutInMinutes=None if job.cancel_timeout_minutes == 5 else job.cancel_timeout_minutes,
            variables=_variables(job.variables),
            pool=_pool(job.pool),
            workspace=_some(clean=job.workspace_clean),
        ),
    }
    if job.environment is not None:
        document["environment"] = _some(name=job.environment.name, resourceName=job.environment.resource)
    if job.strategy is not None:
        document["strategy"] = _some(
            matrix=job.strategy.matrix,
            parallel=job.strategy.parallel or None,
            maxParallel=job.strategy.max_parallel or None,
        )
    if deployment:
        document["strategy"] = {"runOnce": _hooks(job)}
    elif job.steps:
        document["steps"] = [_step(each) for each in job.steps]
    return document


def _hooks(job: Job) -> dict[str, Any]:
    hooks: dict[str, Any] = {}
    for each in job.hooks:
        body = {
            **_some(pool=None if each.pool is None else _pool(each.pool)),
            "steps": [_step(step) for step in each.steps],
        }
        group, _, name = each.name.partition(".")
        if name:
            hooks.setdefault(group, {})[name] = body
        else:
            hooks[group] = body
    return hooks


def _pool(pool: Pool) -> Any:
    return "server" if pool.server else _some(name=pool.name, vmImage=pool.vm_image, demands=list(pool.demands))


def _step(step: Step) -> dict[str, Any]:
    if step.task in _SELECTORS:
        kind, selector = _SELECTORS[step.task]
        document: dict[str, Any] = {kind: step.inputs[selector]}
        document |= {name: value for name, value in step.inputs.items() if name != selector}
        inputs: Mapping[str, str] = {}
    else:
        document, inputs = {"task": step.task}, step.inputs
    return document | _some(
        name=step.name,
        displayName=None if step.display_name == step.task_name else step.display_name,
        condition=step.condition,
        continueOnError=step.continue_on_error or None,
        enabled=None if step.enabled else False,
        timeoutInMinutes=step.timeout_minutes or None,
        retryCountOnTaskFailure=step.retries or None,
        inputs=dict(inputs),
        env=step.env,
    )
