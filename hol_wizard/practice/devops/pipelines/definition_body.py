"""The members of a build definition: what clients send, what is stored, and what the service shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from hol_wizard.practice.devops.pipelines.definitions import YAML
from hol_wizard.practice.devops.pipelines.scope import enumerated, invalid, unserved
from hol_wizard.practice.devops.versions import BRANCHES
from hol_wizard.practice.kernel.service import JsonObject, boolean, member, members, text, texts, whole_number

TRIGGERS: Final = (
    "none",
    "continuousIntegration",
    "batchedContinuousIntegration",
    "schedule",
    "gatedCheckIn",
    "batchedGatedCheckIn",
    "pullRequest",
    "buildCompletion",
    "all",
)
_TRIGGER_NUMBERS: Final = {
    1: "none",
    2: "continuousIntegration",
    4: "batchedContinuousIntegration",
    8: "schedule",
    64: "pullRequest",
}
"""Values of `DefinitionTriggerType`, which az sends as numbers (recorded: `"triggerType": 2`)."""
_STATES: Final = ("enabled", "paused", "disabled")
_SCOPES: Final = ("projectCollection", "project")
_SIMPLE: Final = (
    "description",
    "buildNumberFormat",
    "jobTimeoutInMinutes",
    "jobCancelTimeoutInMinutes",
    "badgeEnabled",
    "options",
    "retentionRules",
    "demands",
    "processParameters",
    "dropLocation",
)
"""Members that are stored as they are sent. Only a classic pipeline uses them: a YAML pipeline has them in its file."""
_READ_ONLY: Final = frozenset(
    {
        *(
            "id",
            "revision",
            "url",
            "uri",
            "_links",
            "authoredBy",
            "createdDate",
            "project",
            "type",
            "drafts",
            "draftOf",
        ),
        *("latestBuild", "latestCompletedBuild", "metrics", "quality", "properties", "comment"),
    }
)
"""Members that a client sends back as it got them, and the comment of a change."""
_KNOWN: Final = _READ_ONLY | {
    *("name", "path", "queue", "queueStatus", "process", "repository", "triggers", "variables", "variableGroups"),
    *("tags", "jobAuthorizationScope"),
    *_SIMPLE,
}
_REFUSED_NAME: Final = re.compile(r'[\\/:*?"<>|]')
"""Characters that no name may have: an estimate. Names are at most 260 characters long: an estimate, too."""


def checked(body: JsonObject, before: Mapping[str, Any], repository: str) -> dict[str, Any]:
    """Return the members to store; what is missing in the body gets its default, as the service does it.

    Args:
        body: Members that a client has sent.
        before: The stored members of the last revision, for the values of secrets; empty for a new definition.
        repository: ID of the project's repository.

    Raises:
        Refused: The service does not accept them, or the practice cloud does not serve them.
        ValueError: A member has the wrong type.
    """
    for name, value in body.items():
        if name not in _KNOWN and value is not None:
            raise unserved(f"the member '{name}' of a definition")
    name = text(body, "name").strip()
    if not name or len(name) > 260 or _REFUSED_NAME.search(name):
        raise invalid(f"The build pipeline name '{name}' is not valid.", "InvalidDefinitionException")
    return {
        "name": name,
        "path": folder(text(body, "path")),
        "queue": whole_number(member(body, "queue"), "id"),
        "queueStatus": enumerated(body.get("queueStatus") or "enabled", _STATES, "queueStatus"),
        "process": _process(body),
        "repository": _repository(body, repository),
        "triggers": [_trigger(each) for each in members(body, "triggers")],
        "variables": _variables(body, before.get("variables") or {}),
        "variableGroups": [whole_number(each, "id") for each in members(body, "variableGroups")],
        "tags": texts(body, "tags"),
        "jobAuthorizationScope": enumerated(
            body.get("jobAuthorizationScope") or "projectCollection", _SCOPES, "jobAuthorizationScope"
        ),
        **{each: body[each] for each in _SIMPLE if body.get(each) is not None},
    }


def folder(given: Any) -> str:
    """Return the path of a folder as the service writes it: `\\\\` or `\\\\one\\\\two`."""
    parts = [each for each in re.split(r"[\\/]", str(given or "")) if each]
    return "\\" + "\\".join(parts)


def _process(body: JsonObject) -> JsonObject:
    """Return the process, which is required (public: azure-devops-python-api issue 265)."""
    process = member(body, "process")
    kind = whole_number(process, "type")
    if not process:
        raise invalid("Value cannot be null.\r\nParameter name: definition.Process", "ArgumentNullException")
    if kind != YAML:
        return {**process, "type": kind}
    file = text(process, "yamlFilename").strip()
    if not file:
        raise invalid("The YAML file name is missing.", "InvalidDefinitionException")
    for name in set(process) - {"type", "yamlFilename"}:
        # The service returns what it has found in the file; nobody sends them by hand.
        if name not in {"errors", "resources", "target"}:
            raise unserved(f"the member 'process.{name}' of a definition")
    return {"yamlFilename": file, "type": YAML}


def _repository(body: JsonObject, own: str) -> JsonObject:
    repository = member(body, "repository")
    kind = text(repository, "type")
    if kind.lower() != "tfsgit":
        if not kind:
            raise invalid("Value cannot be null.\r\nParameter name: definition.Repository", "ArgumentNullException")
        raise unserved(f"the repository type '{kind}'")
    if text(repository, "id").lower() != own:
        message = f"The repository {repository.get('id') or repository.get('name') or ''} could not be found."
        raise invalid(message, "ExternalSourceProviderException")
    branch = text(repository, "defaultBranch")
    return {
        "defaultBranch": branch,
        "clean": repository.get("clean"),
        "checkoutSubmodules": boolean(repository, "checkoutSubmodules"),
    }


def full_branch(name: str) -> str:
    """Return the full name of a branch: `refs/heads/main` for `main`."""
    return name if not name or name.startswith("refs/") else f"{BRANCHES}{name}"


def _trigger(given: JsonObject) -> JsonObject:
    kind = given.get("triggerType")
    name = _TRIGGER_NUMBERS.get(kind, "") if isinstance(kind, int) else kind
    name = enumerated(name, TRIGGERS, "triggerType")
    if name != "continuousIntegration":
        # Nothing here fires them; `pullRequest` has no effect for Azure Repos at all.
        return {**given, "triggerType": name}
    return {
        "branchFilters": texts(given, "branchFilters"),
        "pathFilters": texts(given, "pathFilters"),
        "settingsSourceType": whole_number(given, "settingsSourceType") or 1,
        "batchChanges": boolean(given, "batchChanges"),
        "maxConcurrentBuildsPerBranch": whole_number(given, "maxConcurrentBuildsPerBranch") or 1,
        "triggerType": name,
    }


def _variables(body: JsonObject, before: Mapping[str, Any]) -> JsonObject:
    """Return the variables; a secret whose value is not sent keeps the one that it has (recorded: `"value": null`)."""
    found: JsonObject = {}
    for name, given in member(body, "variables").items():
        if not isinstance(given, dict):
            raise ValueError(f"the variable {name} is not an object")
        value = with_kept_secret(given, before.get(name) or {}).get("value")
        found[name] = {
            "value": value if value is None else str(value),
            **({"allowOverride": True} if boolean(given, "allowOverride") else {}),
            **({"isSecret": True} if boolean(given, "isSecret") else {}),
        }
    return found


def with_kept_secret(given: JsonObject, before: Mapping[str, Any]) -> JsonObject:
    """Return a variable; a secret that is sent without a value keeps the one that it has."""
    keeps = given.get("value") is None and given.get("isSecret") and before.get("isSecret")
    return {**given, "value": before.get("value")} if keeps else given


def shown_variables(variables: Mapping[str, Any]) -> JsonObject:
    """Return variables as the service shows them: never the value of a secret."""
    return {name: {**each, "value": None} if each.get("isSecret") else dict(each) for name, each in variables.items()}
