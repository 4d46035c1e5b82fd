"""The pipeline settings of a project (Build - General Settings, 7.1)."""

from __future__ import annotations

from typing import Final

from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.pipelines.scope import PROJECT, Place, Scope, unserved
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router
from hol_wizard.practice.kernel.world import World

_NEW_PROJECT: Final = {
    "enforceReferencedRepoScopedToken": True,
    "disableClassicPipelineCreation": True,
    "disableClassicBuildPipelineCreation": True,
    "disableClassicReleasePipelineCreation": True,
    "forkProtectionEnabled": True,
    "buildsEnabledForForks": False,
    "enforceJobAuthScopeForForks": True,
    "enforceNoAccessToSecretsFromForks": True,
    "isCommentRequiredForPullRequest": True,
    "requireCommentsForNonTeamMembersOnly": False,
    "requireCommentsForNonTeamMemberAndNonContributors": False,
    "enableShellTasksArgsSanitizing": False,
    "enableShellTasksArgsSanitizingAudit": False,
    "disableImpliedYAMLCiTrigger": False,
    "statusBadgesArePrivate": True,
    "enforceSettableVar": True,
    "enforceJobAuthScope": True,
    "enforceJobAuthScopeForReleases": True,
    "publishPipelineMetadata": False,
    "auditEnforceSettableVar": False,
}
"""Settings of a project in a new organization, in which classic pipelines cannot be created (public:
AzureDevOpsDemoGenerator issue 1026); an old organization still allows them."""
_CLASSIC: Final = frozenset(each for each in _NEW_PROJECT if each.startswith("disableClassic"))


class GeneralSettings(Register):
    """The settings that differ from those of a new project."""

    collection = "devops_pipeline_settings"

    def of(self, place: Place) -> dict[str, bool]:
        """Return all settings of a project."""
        kept = self.find(place.id)
        return {**_initial(place.organization), **(kept["changed"] if kept is not None else {})}

    def change(self, place: Place, changed: dict[str, bool]) -> None:
        """Save changed settings of a project."""
        kept = self.find(place.id) or {"id": place.id, "changed": {}}
        self.keep({**kept, "changed": {**kept["changed"], **changed}})


def _initial(organization: Organization) -> dict[str, bool]:
    old = bool(organization.old_project)
    return {name: value and not (old and name in _CLASSIC) for name, value in _NEW_PROJECT.items()}


class GeneralSettingsRequests:
    """Handles requests about the settings."""

    def __init__(self, world: World, router: Router, scope: Scope) -> None:
        self._settings = world.part(GeneralSettings)
        self._scope = scope
        path = f"{PROJECT}/build/generalsettings"
        router.add("GET", path, self._get)
        router.add("PATCH", path, self._change)

    def _get(self, request: Request) -> Response:
        return Response(200, self._shown(self._scope.read(request)))

    def _shown(self, place: Place) -> JsonObject:
        return {**self._settings.of(place)}

    def _change(self, request: Request) -> Response:
        """Change the settings in the body; the others keep their values (General Settings - Update)."""
        place = self._scope.administer(request, "Edit project-level information")
        changed: dict[str, bool] = {}
        for name, value in request.json.items():
            if name not in _NEW_PROJECT:
                raise unserved(f"the setting '{name}'")
            if not isinstance(value, bool | None):
                raise ValueError(f"{name} is true or false")
            if value is not None:
                changed[name] = value
        self._settings.change(place, changed)
        return Response(200, self._shown(place))
