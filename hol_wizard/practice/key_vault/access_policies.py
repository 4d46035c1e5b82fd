"""Access policies of key vaults: validation, changes by a request, and the permissions that they grant.

The names of permissions, the required members and the limit are from `AccessPolicyEntry` and `Permissions` of the
official description (keyvault 2023-07-01, "An array of 0 to 1024 identities … must use the same tenant ID as the key
vault's"). The errors are quoted from azure-libraries-for-net issue 361 (a permission that does not exist), azure-cli
issue 18430 (an invalid object ID) and az-204 issue 142 (an object ID that the directory does not have).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hol_wizard.practice import seed
from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document

_COMMON = "all get list delete backup restore recover purge"
_PERMISSIONS = {
    "keys": f"{_COMMON} encrypt decrypt wrapkey unwrapkey sign verify create update import release rotate "
    "getrotationpolicy setrotationpolicy",
    "secrets": f"{_COMMON} set",
    "certificates": f"{_COMMON} create import update managecontacts getissuers listissuers setissuers deleteissuers "
    "manageissuers",
    "storage": f"{_COMMON} set update regeneratekey setsas listsas getsas deletesas",
}
_ALLOWED = {kind: frozenset(names.split()) for kind, names in _PERMISSIONS.items()}
MOST = 1024
_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
INVALID = "An invalid value was provided for 'accessPolicies'."


def checked(given: object, known: Callable[[str], bool]) -> list[JsonObject]:
    """Return the policies of a request.

    Args:
        given: The policies in the request.
        known: Whether the directory has an object ID.

    Raises:
        ValueError: The service refuses them; the text is that of the service.
    """
    if not isinstance(given, list) or len(given) > MOST:
        raise ValueError(INVALID)
    return [_entry(each, number, known) for number, each in enumerate(given)]


def _entry(given: object, number: int, known: Callable[[str], bool]) -> JsonObject:
    if not isinstance(given, dict):
        raise ValueError(INVALID)
    tenant, identity, permissions = (given.get(name) for name in ("tenantId", "objectId", "permissions"))
    application = given.get("applicationId")
    if str(tenant).lower() != seed.TENANT or not isinstance(permissions, dict):
        raise ValueError(INVALID)
    if not isinstance(identity, str) or not _GUID.fullmatch(identity):
        raise ValueError(INVALID)
    if application is not None and not _GUID.fullmatch(str(application)):
        raise ValueError(INVALID)
    for kind, names in permissions.items():
        if kind not in _ALLOWED or not isinstance(names, list | None):
            raise ValueError(INVALID)
        if any(str(name).lower() not in _ALLOWED[kind] for name in names or []):
            raise ValueError(INVALID)
    if not known(identity.lower()):
        raise ValueError(f"Invalid value found at accessPolicies[{number}].ObjectId: {identity}")
    entry = {"tenantId": seed.TENANT, "objectId": identity, "permissions": permissions}
    return entry if application is None else {**entry, "applicationId": str(application)}


def changed(operation: str, policies: Iterable[JsonObject], given: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the policies after an operation of Vaults_UpdateAccessPolicy.

    `remove` removes the permissions that the request names, in their exact spelling ("we need to send it with all
    permissions in the correct case", terraform-provider-azurerm, key_vault_access_policy_resource.go); a policy without
    permissions is gone.

    Args:
        operation: `add`, `replace` or `remove`.
        policies: The current ones.
        given: Those of the request.
    """
    found = {_whose(each): each for each in policies}
    for each in given:
        before = found.get(_whose(each))
        if operation == "replace":
            found[_whose(each)] = each
        elif operation == "add":
            found[_whose(each)] = each if before is None else _with(before, each)
        elif before is not None:
            found[_whose(each)] = _without(before, each)
    return [each for each in found.values() if any(each["permissions"].values())]


def _whose(policy: JsonObject) -> tuple[str, str]:
    return str(policy["objectId"]).lower(), str(policy.get("applicationId") or "").lower()


def _with(policy: JsonObject, more: JsonObject) -> JsonObject:
    permissions = {kind: list(names or []) for kind, names in policy["permissions"].items()}
    for kind, names in more["permissions"].items():
        there = permissions.setdefault(kind, [])
        lowered = {str(name).lower() for name in there}
        there.extend(name for name in names or [] if str(name).lower() not in lowered)
    return {**policy, "permissions": permissions}


def _without(policy: JsonObject, less: JsonObject) -> JsonObject:
    gone = less["permissions"]
    permissions = {
        kind: [name for name in names or [] if name not in (gone.get(kind) or [])]
        for kind, names in policy["permissions"].items()
    }
    return {**policy, "permissions": permissions}


def put(vault: Document, policies: list[JsonObject], clock: Clock) -> None:
    """Replace the policies of a vault; they take effect a little later.

    Args:
        vault: The vault; the caller saves it.
        policies: All of them.
        clock: Says when they take effect.
    """
    properties = vault["properties"]
    if policies == properties["accessPolicies"]:
        return
    vault["policies_before"] = in_force(vault, clock)
    vault["policies_due"] = clock.due("access policy")
    vault["properties"] = {**properties, "accessPolicies": policies}


def in_force(vault: Document, clock: Clock) -> list[JsonObject]:
    """Return the policies that are now in effect."""
    if vault.get("policies_due", 0.0) > clock.now():
        return list(vault["policies_before"])
    return list(vault["properties"]["accessPolicies"])


def allows(policies: Iterable[JsonObject], principal: str, permission: str) -> bool:
    """Return whether a policy grants somebody a permission on secrets; `all` is everything but `purge`.

    A policy that also names an application applies only to requests made through that application.
    """
    given = {
        str(each).lower()
        for policy in policies
        if _whose(policy) == (principal, "")
        for each in (policy.get("permissions") or {}).get("secrets") or []
    }
    return permission in given or ("all" in given and permission != "purge")
