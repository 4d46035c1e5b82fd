"""Consent: what a person has allowed to run on their own machine.

On the service a pipeline runs on Microsoft's machine, here on the person's own. The wizard asks the control port what a
run would do, shows it, and records the answer by its digest; a run whose digest nobody has agreed to fails before its
first job. The digest is about exactly what runs:

- the files of all repositories that the run can use, by the IDs of their trees. Commits do not count: a merge of a
  branch that is up to date starts a run of another commit, but of the same files;
- the expanded YAML with all templates;
- parameters and variables that are set when the run is queued, and those of the pipeline's settings;
- stages that are left out.

Each is fixed when the run is queued, so a push, or a change of the settings, between plan and run is noticed. Values of
variable groups and secrets can change at any time, also on the service: they are no part of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from hol_wizard.practice.devops.pipelines.definitions import Variable
from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest

_MISSING: Final = (
    "The practice cloud runs a pipeline's programs on your machine, and nobody has agreed to run those of this "
    "run{why}. Start the run from the wizard, which shows what will run and asks."
)
_PIPELINE: Final = "pipeline"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_KEPT: Final = 100


def missing(changed: str = "") -> str:
    """Return the issue of a run that nobody has agreed to.

    Args:
        changed: In what it differs from what somebody has agreed to; empty: nobody has agreed to any run of it.
    """
    return _MISSING.format(why=f": what was agreed to has other {changed}" if changed else "")


def programs(request: RunRequest, trees: Mapping[str, str], settings: Mapping[str, Variable]) -> dict[str, str]:
    """Return the digests of what a run does, by what they are about.

    Args:
        request: The run.
        trees: IDs of the trees of its repositories, by alias.
        settings: The variables of the pipeline's settings.
    """
    plan = request.plan.as_document()
    repositories = {"self": request.source, **request.repositories}
    about: dict[str, object] = {
        # By name, because a person can agree before the pipeline is created.
        _PIPELINE: [request.project.id, request.pipeline.name.lower()],
        "files": {alias: [each.id, trees[alias]] for alias, each in repositories.items()},
        "parameters": plan.pop("parameters", {}),
        "steps": plan,
        "variables": request.variables,
        "variables in the settings": {
            name: [each.secret, "" if each.secret else each.value] for name, each in settings.items()
        },
        "skipped stages": sorted(each.lower() for each in request.skipped_stages),
    }
    return {name: _digest(each) for name, each in about.items()}


def digest_of(parts: Mapping[str, str]) -> str:
    """Return the one digest of what a run does (`programs`)."""
    return _digest(dict(parts))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class Consents(Register):
    """What people have agreed to run, by digest."""

    collection = "devops_pipeline_consents"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.plan: Callable[[dict[str, Any]], Awaitable[tuple[dict[str, str], dict[str, Any]]]] | None = None
        """Returns the digests of a run that may be queued, and what to show; Azure Pipelines sets it."""
        self.shown: dict[str, dict[str, str]] = {}
        """What was shown by this server, by its digest."""

    def key(self, document: Document) -> str:
        """Return the key of a consent."""
        return str(document["digest"])

    def refusal(self, parts: Mapping[str, str]) -> str:
        """Return why a run must not run; empty if it may."""
        if self.find(digest_of(parts)) is not None:
            return ""
        others = [
            [name for name, one in parts.items() if one != each["programs"].get(name)]
            for each in reversed(self.all())
            if each["programs"][_PIPELINE] == parts.get(_PIPELINE)
        ]
        # Otherwise a run has never the digests that were agreed to: the most similar one says what has changed.
        *most, last = min(others, key=len, default=[""])
        return missing(f"{', '.join(most)} and {last}" if most else last)


async def planned(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a run would do, for the person to read, with the `digest` to agree to.

    Raises:
        ValueError: There is no such pipeline, or it cannot run.
    """
    consents = world.part(Consents)
    if consents.plan is None:
        raise RuntimeError("no service has said how a run is planned")
    parts, shown = await consents.plan(body)
    digest = digest_of(parts)
    consents.shown[digest] = parts
    for oldest in list(consents.shown)[:-_KEPT]:
        del consents.shown[oldest]
    return {"digest": digest, "agreed": consents.find(digest) is not None, **shown}


def record(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Record a consent to what was shown with this `digest`.

    Raises:
        ValueError: The digest is missing or invalid, or nothing was shown with it.
    """
    consents, digest = world.part(Consents), str(body.get("digest") or "").lower()
    if not _DIGEST.fullmatch(digest):
        raise ValueError("digest is the SHA-256 of what will run, in 64 hexadecimal digits")
    known = consents.find(digest)
    parts = known["programs"] if known is not None else consents.shown.get(digest)
    if parts is None:
        raise ValueError("nothing was shown with this digest; ask for the plan of the run again")
    now = world.clock.now()
    consents.keep({"digest": digest, "programs": parts, "at": now})
    return {"digest": digest, "recorded": short_timestamp(now)}


def recorded(world: World) -> dict[str, Any]:
    """Return the digests that people have agreed to."""
    return {"digests": [each["digest"] for each in world.part(Consents).all()]}


def withdraw(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Withdraw the consent to a `digest`; without one, all."""
    consents = world.part(Consents)
    digests = [str(body["digest"]).lower()] if body.get("digest") else [each["digest"] for each in consents.all()]
    there = [each for each in digests if consents.find(each) is not None]
    for each in there:
        consents.remove(each)
    return {"withdrawn": len(there)}
