"""`resources`: repositories and pipelines; what the practice cloud does not have is refused by name.

Source: https://learn.microsoft.com/azure/devops/pipelines/yaml-schema/resources.
"""

from __future__ import annotations

from hol_wizard.practice.pipelines.compile.fields import Fields
from hol_wizard.practice.pipelines.compile.nodes import Node, ScalarNode, SequenceNode, filled, refuse
from hol_wizard.practice.pipelines.compile.triggers import filter_of, push_trigger
from hol_wizard.practice.pipelines.plan import Filter, PipelineResource, PipelineTrigger, RepositoryResource

_REFUSED = {
    "webhooks": "there are no incoming webhooks.",
    "packages": "there are no package resources.",
    "builds": "there are no builds of other services.",
}


def repositories(node: Node | None) -> tuple[RepositoryResource, ...]:
    """Return the repository resources; those of other services are refused.

    Raises:
        PipelineError: One is not valid.
    """
    fields = _fields(node)
    if fields is None:
        return ()
    return tuple(_repository(each) for each in fields.items("repositories"))


def pipelines(node: Node | None) -> tuple[PipelineResource, ...]:
    """Return the pipeline resources.

    Raises:
        PipelineError: One, or another resource, is not valid.
    """
    fields = _fields(node)
    if fields is None:
        return ()
    for name, why in _REFUSED.items():
        fields.refuse(name, why)
    found = tuple(_pipeline(each) for each in fields.items("pipelines"))
    for each in fields.items("containers"):
        # A container that no job uses has no effect; jobs that use one are refused.
        Fields(each, "a container")
    fields.node("repositories")
    fields.end()
    return found


def _fields(node: Node | None) -> Fields | None:
    if (node := filled(node)) is None:
        return None
    if isinstance(node, SequenceNode):
        _check_old_form(node)
        return None
    return Fields(node, "'resources'")


def _check_old_form(node: SequenceNode) -> None:
    """The old form is a list, whose only element is the pipeline's own repository."""
    for each in node.items:
        fields = Fields(each, "a resource")
        if fields.text("repo").lower() != "self":
            raise refuse(fields.place("repo"), "The old form of 'resources' has 'repo: self' only.")
        fields.end()


def _repository(node: Node) -> RepositoryResource:
    fields = Fields(node, "a repository")
    alias = fields.text("repository")
    if not alias:
        raise refuse(node.place, "A repository resource needs 'repository', its alias.")
    kind = fields.text("type", "git")
    if kind.lower() != "git":
        raise refuse(
            fields.place("type"),
            f"The practice agent has no repositories of the type '{kind}': only 'git', those of the same organization.",
        )
    name = fields.text("name")
    if not name:
        raise refuse(node.place, f"The repository resource '{alias}' needs a name.")
    fields.text("endpoint")
    found = RepositoryResource(
        alias=alias,
        name=name,
        place=node.place,
        ref=fields.text("ref"),
        trigger=push_trigger(fields.node("trigger"), "trigger") if fields.has("trigger") else None,
    )
    fields.end()
    return found


def _pipeline(node: Node) -> PipelineResource:
    fields = Fields(node, "a pipeline resource")
    alias = fields.text("pipeline")
    if not alias:
        raise refuse(node.place, "A pipeline resource needs 'pipeline', its alias.")
    source = fields.text("source")
    if not source:
        raise refuse(node.place, f"The pipeline resource '{alias}' needs a 'source', the other pipeline's name.")
    found = PipelineResource(
        alias=alias,
        source=source,
        place=node.place,
        project=fields.text("project"),
        branch=fields.text("branch"),
        version=fields.text("version"),
        tags=fields.texts("tags"),
        trigger=_trigger(fields.node("trigger")),
    )
    fields.end()
    return found


def _trigger(node: Node | None) -> PipelineTrigger | None:
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        if node.text.strip().lower() == "true" or not node.text.strip():
            return PipelineTrigger()
        if node.text.strip().lower() == "none":
            return None
        raise refuse(node.place, f"Expected 'true' or 'none' for 'trigger', not '{node.text}'.")
    fields = Fields(node, "'trigger'")
    if not fields.flag("enabled", default=True):
        return None
    branches = fields.node("branches")
    filtered = Filter(fields.texts("branches")) if isinstance(branches, ScalarNode) else filter_of(branches, "branches")
    found = PipelineTrigger(filtered, tags=fields.texts("tags"), stages=fields.texts("stages"))
    fields.end()
    return found
