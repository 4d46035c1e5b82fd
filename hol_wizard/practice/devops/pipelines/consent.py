"""Consent: which commits' programs a person has allowed to run on their own machine.

On the service a pipeline runs on Microsoft's machine, here on the person's own. The wizard shows what will run, asks,
and records the answer with the control port; without it, a run fails before its first job. Consent is given for a
commit, with the digest of what was shown. A commit with the same files is the same: a merge of a branch that is up to
date starts a run of another commit, but of the programs that were agreed to. A run that uses other repositories needs
consent for their commits too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hol_wizard.practice.kernel.clock import short_timestamp
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.world import World

MISSING: Final = (
    "The practice cloud runs a pipeline's programs on your machine, and nobody has agreed to run those of commit "
    "{commit}. Start the run from the wizard, which shows what will run and asks."
)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Consents(Register):
    """The commits whose programs may run."""

    collection = "devops_pipeline_consents"

    def key(self, document: dict[str, Any]) -> str:
        """Return the key of a consent."""
        return str(document["commit"])

    def refusal(self, commit: str, tree_of: Callable[[str], str]) -> str:
        """Return why the programs of a commit must not run; empty if they may.

        Args:
            commit: The commit.
            tree_of: Returns the ID of a commit's tree, which stands for all its files; empty for an unknown commit.
        """
        if self.find(commit) is not None:
            return ""
        tree = tree_of(commit)
        same = tree and any(tree_of(each["commit"]) == tree for each in reversed(self.all()))
        return "" if same else MISSING.format(commit=commit[:8])


def record(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Record a consent: `commit`, and the `digest` (SHA-256) of what was shown.

    Raises:
        ValueError: They are missing or invalid.
    """
    commit, digest = str(body.get("commit") or "").lower(), str(body.get("digest") or "").lower()
    if not _COMMIT.fullmatch(commit):
        raise ValueError("commit is the 40 hexadecimal digits of a commit")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("digest is the SHA-256 of what will run, in 64 hexadecimal digits")
    now = world.clock.now()
    world.part(Consents).keep({"commit": commit, "digest": digest, "at": now})
    return {"commit": commit, "digest": digest, "recorded": short_timestamp(now)}


def recorded(world: World) -> dict[str, Any]:
    """Return the consents: `{"consents": [{"commit", "digest"}]}`."""
    found = [{name: each[name] for name in ("commit", "digest")} for each in world.part(Consents).all()]
    return {"consents": found}


def withdraw(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Withdraw the consent for a `commit`; without one, all."""
    consents = world.part(Consents)
    commits = [str(body["commit"]).lower()] if body.get("commit") else [each["commit"] for each in consents.all()]
    there = [each for each in commits if consents.find(each) is not None]
    for each in there:
        consents.remove(each)
    return {"withdrawn": len(there)}
