"""Files of a repository in memory, for pipelines that are compiled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hol_wizard.practice.pipelines.compile import Context, compile_pipeline
from hol_wizard.practice.pipelines.plan import Job, PipelineError, Plan

STARTER = Path(__file__).parents[3] / "hol_wizard" / "starter"
NAMES = {
    "pipeline": "Build",
    "default_branch": "main",
    "service_connection": "azure-connection",
    "variable_group": "lab-secrets",
}


@dataclass
class FakeFiles:
    """The files of one repository, and of others by their names."""

    own: Mapping[str, str]
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def read(self, path: str, repository: str = "", ref: str = "") -> str | None:
        if not repository:
            return self.own.get(path)
        if repository not in self.others:
            raise LookupError("there is no such repository.")
        return self.others[repository].get(path)


def compiled(text: str, templates: Mapping[str, str] | None = None, **context: Any) -> Plan:
    """Return the plan of a text that is the file `azure-pipelines.yml`, with these templates beside it."""
    files = FakeFiles({"azure-pipelines.yml": text, **(templates or {})})
    return compile_pipeline(files, "azure-pipelines.yml", Context(**{"machine": "linux", **context}))


def refusal(text: str, templates: Mapping[str, str] | None = None, **context: Any) -> str:
    """Return why a text is refused, with the places."""
    try:
        compiled(text, templates, **context)
    except PipelineError as error:
        return str(error)
    raise AssertionError("It was not refused.")


def only_job(plan: Plan) -> Job:
    """Return the job of a plan that has one."""
    ((job,),) = (stage.jobs for stage in plan.stages)
    return job


def scripts(plan: Plan) -> list[str]:
    """Return the scripts of all steps, in their order."""
    return [step.inputs.get("script", step.task) for stage in plan.stages for job in stage.jobs for step in job.steps]


def starter_text(name: str) -> str:
    """Return a pipeline file of the starter with its names filled in."""
    text = (STARTER / name).read_text(encoding="utf-8")
    for placeholder, value in NAMES.items():
        text = text.replace("{" + placeholder + "}", value)
    return text
