"""Runs a stage of a build again, or cancels it (Build - Stages, Update, 7.1; nothing of it is recorded)."""

from __future__ import annotations

from typing import Any, Final

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Scope, enumerated, invalid, unserved
from hol_wizard.practice.kernel.service import Request, Response, Router, boolean
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.attempts import AttemptError

_STATES: Final = ("cancel", "retry")
"""`StageUpdateType`; clients may send the index of a value in this tuple."""


class StageRequests:
    """Handles requests about stages."""

    def __init__(self, world: World, router: Router, requests: Scope, states: RunStates) -> None:
        self._builds = world.part(Builds)
        self._scope = requests
        self._states = states
        router.add("PATCH", f"{PROJECT}/build/builds/{{build}}/stages/{{stage}}", self._update)

    def _update(self, request: Request) -> Response:
        """Retry or cancel a stage; the texts of refusals are estimates."""
        place = self._scope.contribute(request, "Queue builds")
        build, body = self._builds.get(place, scope.number_of(request, "build")), request.json
        for name, value in body.items():
            if name not in {"state", "forceRetryAllJobs"} and value is not None:
                raise unserved(f"the member '{name}' of a stage")
        state = _state(body.get("state"))
        try:
            if state == "retry":
                all_jobs = boolean(body, "forceRetryAllJobs")
                self._states.retry_stage(build, request.match["stage"], all_jobs=all_jobs)
            else:
                self._states.cancel_stage(build, request.match["stage"])
        except KeyError as error:
            message = f"The stage {request.match['stage']} of build {build['id']} could not be found."
            raise errors.refused(404, message, "StageNotFoundException", BUILD) from error
        except AttemptError as error:
            raise invalid(str(error), "InvalidStageStateException") from error
        return Response(200)


def _state(given: Any) -> str:
    number = given if isinstance(given, int) and not isinstance(given, bool) else None
    if number is not None and 0 <= number < len(_STATES):
        return _STATES[number]
    return enumerated(given, _STATES, "state")
