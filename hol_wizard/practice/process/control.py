"""The control port, for what real clouds do not have: faults, reset, who signs in, leases, stopping."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web

from hol_wizard.practice import seed
from hol_wizard.practice.arm import providers
from hol_wizard.practice.arm.inventory import ResourceGroups, Resources
from hol_wizard.practice.devops import page as devops_page
from hol_wizard.practice.devops.pipelines import consent
from hol_wizard.practice.directory.assertions import FEDERATION
from hol_wizard.practice.entra.sign_ins import SignIns
from hol_wizard.practice.entra.tokens import Tokens
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.faults import KINDS
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.process import listening
from hol_wizard.practice.process.proxy import Proxy, way_out_of

LOG = logging.getLogger(__name__)
APPROVALS = ("approve", "decline", "never")
_WHOLE = frozenset({"/reset", "/snapshots", "/snapshots/restore"})
"""Commands that replace or copy everything, for which the world creates its own transactions."""


class Control:
    """Handles requests to the control port, which all need the control token as bearer token."""

    def __init__(self, world: World, token: str, stop: asyncio.Event, about: dict[str, Any], proxy: Proxy) -> None:
        self._world = world
        self._token = token
        self._stop = stop
        self._about = about
        self._proxy = proxy
        self.keep = False
        """Whether the server continues without leases."""
        self.leases = 0
        self._had_lease = False
        self.without_lease_since = asyncio.get_running_loop().time()
        self._routes: dict[tuple[str, str], Callable[[dict[str, Any]], Any]] = {
            ("GET", "/status"): lambda body: self.status(),
            ("GET", "/faults"): lambda body: {"faults": world.faults.all(), "kinds": KINDS},
            ("POST", "/faults"): lambda body: world.faults.add(str(body.pop("kind", "")), **body),
            ("DELETE", "/faults"): lambda body: world.faults.clear(),
            ("POST", "/reset"): lambda body: world.reset(),
            ("POST", "/snapshots"): lambda body: world.take_snapshot(str(body.get("name", ""))),
            ("POST", "/snapshots/restore"): lambda body: world.restore_snapshot(str(body.get("name", ""))),
            ("POST", "/settings"): self._change,
            ("POST", "/expire"): self._expire,
            ("POST", "/approve"): world.part(SignIns).approve,
            ("POST", "/register-providers"): lambda body: providers.register_all(world),
            ("POST", "/devops-tokens"): lambda body: devops_page.make_token(world, body),
            ("DELETE", "/devops-tokens"): lambda body: devops_page.revoke_token(world, body),
            ("POST", "/pipeline-consents/plan"): lambda body: consent.planned(world, body),
            ("GET", "/pipeline-consents"): lambda body: consent.recorded(world),
            ("POST", "/pipeline-consents"): lambda body: consent.record(world, body),
            ("DELETE", "/pipeline-consents"): lambda body: consent.withdraw(world, body),
            ("POST", "/expire-approval"): self._expire_approval,
            ("POST", "/keep"): self._keep,
            ("POST", "/way-out"): self._way_out,
            ("POST", "/stop"): lambda body: stop.set(),
        }

    def status(self) -> dict[str, Any]:
        """Return the server's status."""
        world = self._world
        running = world.operations.running()
        return {
            **self._about,
            "speed": world.clock.speed,
            "latency": world.setting("latency"),
            "user": world.setting("approver"),
            "service_principal": seed.CI_PRINCIPAL.id,
            "approval": world.setting("approval"),
            "quota": world.setting("quota"),
            "register_applications": world.setting("register_applications"),
            "federation": world.setting("federation"),
            "keep": self.keep,
            "leases": self.leases,
            "faults": len(world.faults.all()),
            "groups": len(world.part(ResourceGroups).all()),
            "resources": len(world.part(Resources).all()),
            "running_operations": [
                {"kind": each["kind"], "target": each["target"], "due": timestamp(each["due"])} for each in running
            ],
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            return web.json_response({"error": "The control token is missing or wrong."}, status=401)
        listening.trust(request)
        if (request.method, request.path) == ("GET", "/lease"):
            return await self._lease(request)
        handler = self._routes.get((request.method, request.path))
        if handler is None:
            return web.json_response({"error": f"There is no {request.method} {request.path}."}, status=404)
        try:
            body = await request.json() if request.can_read_body else {}
            if not isinstance(body, dict):
                raise ValueError("the body is no JSON object")
            if request.path in _WHOLE:
                result = handler(body)
            else:
                self._world.operations.settle()
                with self._world.store.transaction():
                    result = handler(body)
                    if inspect.isawaitable(result):
                        result = await result
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(result if result is not None else {})

    async def _lease(self, request: web.BaseRequest) -> web.StreamResponse:
        """Keep the response open as long as the client does; the server counts the open ones."""
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        self.leases += 1
        self._had_lease = True
        try:
            # The server cancels a handler if its client disconnects (`handler_cancellation`).
            await self._stop.wait()
        finally:
            self.leases -= 1
            self.without_lease_since = asyncio.get_running_loop().time()
        return response

    def _change(self, body: dict[str, Any]) -> dict[str, Any]:
        known = {
            *("latency", "user", "approval", "approval_seconds", "speed", "quota"),
            *("register_applications", "federation", "hosted_jobs", "container_engine"),
        }
        if not body or set(body) - known:
            raise ValueError(f"settings are: {', '.join(sorted(known))}")
        changes: dict[str, Any] = {}
        if "latency" in body:
            changes["latency"] = _number(body["latency"], "latency", 0)
        if "user" in body:
            if body["user"] not in seed.USERS:
                raise ValueError(f"there is no user {body['user']!r}; there are: {', '.join(seed.USERS)}")
            changes["approver"] = body["user"]
        if "approval" in body:
            if body["approval"] not in APPROVALS:
                raise ValueError(f"approval is one of: {', '.join(APPROVALS)}")
            changes["approval"] = body["approval"]
        if "quota" in body:
            changes["quota"] = _quota(body["quota"])
        for name in ("register_applications", "container_engine"):
            if name in body:
                if not isinstance(body[name], bool):
                    raise ValueError(f"{name} is true or false")
                changes[name] = body[name]
        if "federation" in body:
            if body["federation"] not in FEDERATION:
                raise ValueError(f"federation is one of: {', '.join(FEDERATION)}")
            changes["federation"] = body["federation"]
        if "hosted_jobs" in body:
            jobs = body["hosted_jobs"]
            if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 0):
                raise ValueError("hosted_jobs is a whole number, or null for what each organization has")
            changes["hosted_jobs"] = jobs
        if "speed" in body:
            self._world.clock.speed = _number(body["speed"], "speed", 0.01)
        if "approval_seconds" in body:
            self._world.clock.approval_seconds = _number(body["approval_seconds"], "approval_seconds", 0)
        self._world.set(**changes)
        return self.status()

    def _keep(self, body: dict[str, Any]) -> None:
        del body
        self.keep = True

    def _way_out(self, body: dict[str, Any]) -> None:
        """Make the proxy access other hosts as the shell that was just prepared does; this is not stored."""
        self._proxy.way_out = way_out_of(body)

    def _expire(self, body: dict[str, Any]) -> dict[str, Any]:
        kinds = body.get("kinds", ["access"])
        if not isinstance(kinds, list) or not set(kinds) <= {"access", "refresh"}:
            raise ValueError("kinds is a list of: access, refresh")
        tokens = self._world.part(Tokens)
        return {"expired": sum(tokens.expire(kind) for kind in kinds)}

    def _expire_approval(self, body: dict[str, Any]) -> None:
        if not self._world.part(Runs).approvals.expire(str(body.get("approval"))):
            raise ValueError("there is no pending approval with this ID")

    async def watch_leases(self, linger: float, first: float) -> None:
        """Stop the server if nobody has held a lease for a while.

        Args:
            linger: Seconds after the last lease is released.
            first: Seconds to wait for the first lease.
        """
        clock = asyncio.get_running_loop().time
        while not self._stop.is_set() and not self.keep:
            patience = linger if self._had_lease else max(linger, first)
            if self.leases == 0 and clock() - self.without_lease_since > patience:
                LOG.info("nobody holds a lease any more")
                self._stop.set()
                return
            await asyncio.sleep(min(1.0, linger / 4 + 0.05))


def _quota(value: Any) -> dict[str, int]:
    """Return the quota of cores by machine family, with `cores` for all."""
    if not isinstance(value, dict) or not all(type(limit) is int and limit >= 0 for limit in value.values()):
        raise ValueError('quota is an object of whole numbers: {"standardDDSv5Family": 0, "cores": 10}')
    return dict(value)


def _number(value: Any, name: str, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < least:
        raise ValueError(f"{name} is a number, at least {least}")
    return float(value)
