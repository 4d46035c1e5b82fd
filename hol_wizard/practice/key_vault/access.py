"""Who may do what with the secrets of a vault: for its own requests, and for services that read secrets."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from hol_wizard.practice import seed
from hol_wizard.practice.arm.access import Access
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.service import Refused, Response
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.key_vault import access_policies

NAME_RULE = re.compile(r"[0-9a-zA-Z-]{1,127}")
_VAULTS = "microsoft.keyvault/vaults"


class Right(NamedTuple):
    """What a request needs, as an access policy's permission and as an Azure RBAC action."""

    permission: str
    action: str


GET = Right("get", "Microsoft.KeyVault/vaults/secrets/getSecret/action")
SET = Right("set", "Microsoft.KeyVault/vaults/secrets/setSecret/action")
UPDATE = Right("set", "Microsoft.KeyVault/vaults/secrets/update/action")
LIST = Right("list", "Microsoft.KeyVault/vaults/secrets/readMetadata/action")
LOOK = Right("get", "Microsoft.KeyVault/vaults/secrets/readMetadata/action")
DELETE = Right("delete", "Microsoft.KeyVault/vaults/secrets/delete")
RECOVER = Right("recover", "Microsoft.KeyVault/vaults/secrets/recover/action")
PURGE = Right("purge", "Microsoft.KeyVault/vaults/secrets/purge/action")


def error(status: int, code: str, message: str, **more: Any) -> Response:
    """Return an error in the format of Key Vault (recorded)."""
    return Response(status, {"error": {"code": code, "message": message, **more}})


def refused(status: int, code: str, message: str, inner: str = "") -> Refused:
    """Return an exception to raise."""
    more = {"innererror": {"code": inner}} if inner else {}
    return Refused(error(status, code, message, **more))


def vault_named(world: World, name: str) -> Document | None:
    """Return the vault with this name, in any state; None if there is none."""
    for each in world.part(Resources).all():
        if each["name"].lower() == name.lower() and each["type"].lower() == _VAULTS:
            return each
    return None


def missing(name: str) -> Refused:
    """Return the error for a secret that does not exist."""
    return refused(
        404,
        "SecretNotFound",
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you "
        "may be able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182",
    )


def allowed(world: World, vault_name: str, name: str, principal: str, client: str, right: Right) -> Document:
    """Return a vault, if a principal has a permission there.

    Args:
        world: The world.
        vault_name: The vault's name.
        name: The secret's name; empty for a request about all secrets.
        principal: Object ID of the caller.
        client: The caller's client ID, for the error's text; empty if it is unknown.
        right: The permission.

    Raises:
        Refused: The caller lacks the permission, or the name of the secret is invalid.
    """
    vault = vault_named(world, vault_name)
    if vault is None:
        raise LookupError(vault_name)  # the caller has seen it
    properties = vault["properties"]
    caller = f"oid={principal};iss=https://sts.windows.net/{seed.TENANT}/"
    caller = f"appid={client};{caller}" if client else caller
    if properties["publicNetworkAccess"] == "Disabled":
        raise refused(
            403,
            "Forbidden",
            "Public network access is disabled and request is not from a trusted service nor via an approved "
            f"private link.\r\nCaller: {caller}\r\nVault: {vault['name']};location={vault['location']}",
            "ForbiddenByConnection",
        )
    if properties["enableRbacAuthorization"]:
        resource = vault["id"] + (f"/secrets/{name}" if name else "")
        if not world.part(Access).allowed_data(principal, right.action, resource):
            raise refused(
                403,
                "Forbidden",
                "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments "
                "or role definitions were changed recently, please observe propagation time.\r\n"
                f"Caller: {caller}\r\nAction: '{right.action}'\r\nResource: '{resource.lower()}'\r\n"
                "Assignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: null \r\n"
                f"Vault: {vault['name']};location={vault['location']}\r\n",
                "ForbiddenByRbac",
            )
    elif not access_policies.allows(access_policies.in_force(vault, world.clock), principal, right.permission):
        raise refused(
            403,
            "Forbidden",
            f"The user, group or application '{caller}' does not have secrets {right.permission} permission on key "
            f"vault '{vault['name']};location={vault['location']}'. For help resolving this issue, please see "
            "https://go.microsoft.com/fwlink/?linkid=2125287",
            "AccessDenied",
        )
    if name and not NAME_RULE.fullmatch(name):
        raise refused(400, "BadParameter", f"The request URI contains an invalid name: {name}")
    return vault


def require_usable(version: Document, now: float) -> None:
    """Refuse to read a version that is disabled or not valid yet; an expired one can be read ("About secrets")."""
    attributes = version["attributes"]
    if not attributes["enabled"]:
        raise refused(403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled")
    if attributes.get("nbf", 0) > now:
        message = "Operation get is not allowed on a secret that is not yet valid."
        raise refused(403, "Forbidden", message, "SecretNotYetValid")
