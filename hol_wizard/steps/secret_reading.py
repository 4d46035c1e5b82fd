"""Section secrets: checks in Databricks that it can read the secrets."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets as random
from collections.abc import Mapping, Sequence

from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import ServiceError
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import key_vault, vault_access_policy, vault_secret
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.vault_secret import Wanted
from hol_wizard.resources.workspace import workspace

READING = 60.0
"""Seconds for which a check waits for the cluster to read the secrets."""


def _command(scope: str, names: Sequence[str], nonce: str) -> str:
    """Return Python code that proves that the cluster can read the secrets without showing them: an HMAC of each."""
    return f"""\
import hashlib, hmac, json
found = {{}}
for name in {json.dumps(list(names))}:
    value = dbutils.secrets.get(scope={json.dumps(scope)}, key=name)
    found[name] = hmac.new(bytes.fromhex({json.dumps(nonce)}), value.encode(), hashlib.sha256).hexdigest()
print(json.dumps(found))
"""


def _proofs(text: str) -> Mapping[str, str]:
    """Return the command's output, or nothing if it has another format."""
    for line in reversed(text.strip().splitlines()):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return {str(name): str(proof) for name, proof in found.items()}
    return {}


def read_on_cluster(
    context: StepContext, seen: Sequence[Expectation], required: Sequence[str], cluster_id: str
) -> Result:
    """Let the cluster read the secrets, and compare the values with the vault's, showing neither."""
    scope, nonce = FIXED["secret_scope"], random.token_hex(32)
    try:
        said = workspace(context).run_command(cluster_id, _command(scope, required, nonce), seconds=READING)
    except ServiceError as error:
        told = refused(context, error)
        if told is None:
            raise
        return told
    proofs = _proofs(said)
    contents = vault_secret.look_into(context, [Wanted(name, None) for name in required])

    def reading(name: str) -> Expectation:
        found, proof = contents.found.get(name), proofs.get(name)
        if not proof:
            return Expectation(f"{name} on the cluster", "as in the vault", "not read", met=False)
        if found is None or found.value is None:
            return Expectation(
                f"{name} on the cluster", "read", "read; the vault does not allow a comparison", met=True
            )
        same = hmac.compare_digest(
            proof, hmac.new(bytes.fromhex(nonce), found.value.reveal().encode(), hashlib.sha256).hexdigest()
        )
        return Expectation(f"{name} on the cluster", "as in the vault", "the same" if same else "differs", same)

    return judge(
        (*seen, *map(reading, required)),
        passed=f"The scope {scope} shows all ten secrets, and the cluster {FIXED['cluster']} reads them.",
        failed=f"What the cluster {FIXED['cluster']} reads differs from the vault.",
        next_action="Wait a minute and check again: Databricks caches secrets for a while. If it still differs, "
        "check whether the scope points to the right vault.",
    )


_SIGNS = ("ForbiddenByRbac", "DeniedWithNoValidRBAC", "does not have secrets")


def refused(context: StepContext, error: ServiceError) -> Result | None:
    """Return the result for the vault's refusal to Databricks: what is missing or not effective; None for other errors.

    The texts are from public reports (`PERMISSION_DENIED … Invalid permissions on the specified KeyVault`, which
    contains the vault's own refusal); there is no recording.
    """
    words = f"{error.code} {error.message} {error.detail}"
    denied = "PERMISSION_DENIED" in words and "vault" in words.lower()
    if not denied and not any(sign in words for sign in _SIGNS):
        return None
    if (by_roles := key_vault.goes_by_roles(context)) is not None:
        return Result(Status.FAILED, by_roles.message, (), by_roles.hint, detail=error.detail)
    policy = vault_access_policy.of_databricks(context)
    if policy is None:
        return None
    found = policy.find(context.reads)
    seen = policy.expectations(found or ())
    if not all(each.met for each in seen):
        return Result(
            Status.FAILED,
            f"The vault {policy.where} has no access policy that lets AzureDatabricks read secrets.",
            tuple(seen),
            "Databricks adds one when the scope is created; to look at it and add it again: "
            "<step secrets/create-the-secret-scope>.",
            error.detail,
        )
    return Result(
        Status.WAITING,
        f"The access policy of AzureDatabricks on {policy.where} is there, and does not work yet.",
        (*seen, Expectation("The access policy in use", "has access", "still denied", met=False)),
        "Nothing to do: the wizard checks again automatically.",
        look_again_after=max(1.0, context.poll_interval),
        usually=vault_access_policy.SPREADS,
    )
