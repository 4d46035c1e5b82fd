"""The practice cloud's portal: one page that shows what exists, and changes nothing.

Its port speaks HTTP, because no browser trusts the practice cloud's CA, and what goes to the loopback address does not
leave the machine. The token is in the fragment of the page's address, which a browser sends to no server, and it only
reads what the page shows. That contains no secret: of a vault the names of its secrets, of a repository its name, of a
run its ID instead of its number, which can contain values of variables.
"""

from __future__ import annotations

import hmac
from typing import Any, Final

from aiohttp import web

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import ResourceGroups, Resources
from hol_wizard.practice.arm.roles import ROLES
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault.service import Secrets
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.process import listening
from hol_wizard.practice.process.portal_page import CONTENT_SECURITY_POLICY, PAGE

_VAULTS = "microsoft.keyvault/vaults"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Portal:
    """Handles requests to the portal's port: the page is for everybody, what it shows needs the portal's token."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request; the listener has checked its host and its origin."""
        if request.path not in {"/", "/snapshot"}:
            return _refusal(404, "There is no such page.")
        if request.method != "GET":
            return _refusal(405, "The portal only shows.")
        if request.path == "/":
            return web.Response(text=PAGE, content_type="text/html", charset="utf-8", headers=_HEADERS)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            return _refusal(401, "The portal's token is missing or wrong.")
        listening.trust(request)
        self._world.operations.settle()
        with self._world.store.transaction():
            return web.json_response(snapshot(self._world), headers=_HEADERS)


def _refusal(status: int, reason: str) -> web.Response:
    return web.json_response({"error": reason}, status=status, headers=_HEADERS)


def snapshot(world: World) -> dict[str, Any]:
    """Return what the portal shows, without any secret."""
    resources = world.part(Resources).all()
    projects = [
        {"organization": organization.name, "name": each["name"], "repository": each["name"]}
        for organization in ORGANIZATIONS.values()
        if seed.ATTENDEE.id in organization.members
        for each in world.part(Projects).all_of(organization)
        if each["gone"] is None
    ]
    return {
        "subscriptions": [{"id": each.id, "name": each.name} for each in seed.SUBSCRIPTIONS.values()],
        "groups": [
            {"id": each["id"], "name": each["name"], "location": each["location"]}
            for each in world.part(ResourceGroups).all()
        ],
        "resources": [
            {
                "id": each["id"],
                "name": each["name"],
                "type": each["type"],
                "location": each.get("location") or "",
                "state": each.get("state") or "",
            }
            for each in resources
        ],
        "roles": [_role(world, each) for each in world.part(Access).all()],
        "vaults": [
            {
                "name": each["name"],
                "secrets": [secret["name"] for secret in world.part(Secrets).of(each["name"], deleted=False)],
            }
            for each in resources
            if each["type"].lower() == _VAULTS
        ],
        "projects": projects,
        "runs": [_run(each) for each in reversed(world.part(Runs).all())],
    }


def _role(world: World, assignment: Document) -> dict[str, str]:
    principal = world.principal(assignment["principal"])
    role = ROLES.get(assignment["role"])
    return {
        "role": role.name if role is not None else assignment["role"],
        "principal": principal.name if principal is not None else assignment["principal"],
        "scope": assignment["scope"],
    }


def _run(run: Document) -> dict[str, Any]:
    request = run["request"]
    return {
        "id": run["id"],
        "project": request["project"]["name"],
        "pipeline": request["pipeline"]["name"],
        "branch": request["source"]["branch"],
        "state": run["state"],
        "result": run["result"] or "",
        "queued": timestamp(run["queued"]),
    }
