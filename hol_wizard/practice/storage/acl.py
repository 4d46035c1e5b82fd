"""POSIX access control lists, as Data Lake Storage Gen2 writes, inherits and evaluates them.

After "Access control lists in Azure Data Lake Storage". An ACL is a dict: `user:` is the owning user, `user:<id>` a
named user, and `default:user:<object ID>` an entry for new children. No principal of the practice cloud is in a group,
so groups are stored and shown but grant nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Acl = dict[str, str]

SUPERUSER = "$superuser"
_ENTRY = re.compile(r"((?:default:)?)(user|group|mask|other)(?::([^:]*))?(?::([r-][w-][x-]))?")
_ORDER = ("user", "group", "mask", "other")
_BASE = ("user:", "group:", "other:")
_NOTHING = "---"


def parse(text: str, *, permissions: bool = True) -> Acl:
    """Return the entries of an `x-ms-acl` header.

    Args:
        text: `user:<object ID>:rwx,default:user:<object ID>:rwx`.
        permissions: Whether entries have permissions; for a removal they do not.

    Raises:
        ValueError: It is no such list.
    """
    found: Acl = {}
    for part in text.split(","):
        match = _ENTRY.fullmatch(part.strip())
        if match is None or (permissions and match[4] is None):
            raise ValueError(f"no ACL entry: {part}")
        if match[3] and match[2] in {"mask", "other"}:
            raise ValueError(f"{match[2]} has a name: {part}")
        key = f"{match[1]}{match[2]}:{match[3] or ''}"
        if key in found:
            raise ValueError(f"twice in the list: {part}")
        found[key] = match[4] or _NOTHING
    return found


def text(acl: Mapping[str, str]) -> str:
    """Return the list in the format of `x-ms-acl`: owners, named entries, mask, others; then the defaults."""
    return ",".join(f"{key}:{acl[key]}" for key in sorted(acl, key=_place))


def _place(key: str) -> tuple[bool, int, str]:
    scope, kind, name = _split(key)
    return bool(scope), _ORDER.index(kind), name


def _split(key: str) -> tuple[str, str, str]:
    scope = "default:" if key.startswith("default:") else ""
    kind, _, name = key.removeprefix(scope).partition(":")
    return scope, kind, name


def _union(permissions: list[str]) -> str:
    return "".join(bit if any(bit in each for each in permissions) else "-" for bit in "rwx")


def _common(one: str, other: str) -> str:
    return "".join(bit if bit in one and bit in other else "-" for bit in "rwx")


def _named(acl: Mapping[str, str], scope: str) -> list[str]:
    return [key for key in acl if _split(key)[0] == scope and _split(key)[1] in {"user", "group"} and _split(key)[2]]


def _with_masks(acl: Acl, kept: Mapping[str, str]) -> Acl:
    """Return the ACL with the masks computed that `kept` does not name: the union of all entries that they limit."""
    result = dict(acl)
    for scope in ("", "default:"):
        mask, named = scope + "mask:", _named(result, scope)
        if named and mask not in kept:
            result[mask] = _union([result[scope + "group:"], *(result[key] for key in named)])
        elif not named and mask not in kept:
            result.pop(mask, None)
    return result


def complete(acl: Acl) -> Acl:
    """Return a complete new ACL with its masks, and with the owners of the defaults if they are missing.

    Raises:
        ValueError: An owner, or `other`, is missing.
    """
    if any(key not in acl for key in _BASE):
        raise ValueError("user, group and other are required")
    result = dict(acl)
    if any(key.startswith("default:") for key in acl):
        for key in _BASE:
            result.setdefault("default:" + key, acl[key])
    return _with_masks(result, acl)


def modified(acl: Acl, changes: Acl) -> Acl:
    """Return the ACL with these entries added or changed."""
    result = {**acl, **changes}
    if any(key.startswith("default:") for key in result):
        for key in _BASE:
            result.setdefault("default:" + key, result[key])
    return _with_masks(result, changes)


def without(acl: Acl, entries: Acl) -> Acl:
    """Return the ACL without these entries.

    Raises:
        ValueError: One of them cannot be removed: an owner, or `other`.
    """
    if any(key.removeprefix("default:") in _BASE for key in entries):
        raise ValueError("owners and other cannot be removed")
    return _with_masks({key: value for key, value in acl.items() if key not in entries}, {})


def permissions(acl: Mapping[str, str]) -> str:
    """Return `rwxr-x---`, with a plus if there are further entries."""
    more = "+" if len(acl) > len(_BASE) else ""
    return acl["user:"] + acl.get("mask:", acl["group:"]) + acl["other:"] + more


def of_permissions(acl: Acl, asked: str) -> Acl:
    """Return the ACL with the owners' entries of `x-ms-permissions`: `rwxr-x---` or `0750`.

    Raises:
        ValueError: It is neither.
    """
    if re.fullmatch(r"[0-7]{3,4}", asked):
        asked = "".join(
            "".join(bit if int(digit) & 4 >> n else "-" for n, bit in enumerate("rwx")) for digit in asked[-3:]
        )
    if not re.fullmatch(r"([r-][w-][x-]){3}\+?", asked):
        raise ValueError(f"no permissions: {asked}")
    group = "mask:" if "mask:" in acl else "group:"
    return {**acl, "user:": asked[:3], group: asked[3:6], "other:": asked[6:9]}


def of_child(parent: Acl, *, directory: bool) -> Acl:
    """Return the ACL of a new file or directory: the parent's defaults, else the umask 027 (recorded: rwxr-x---)."""
    defaults = {key.removeprefix("default:"): value for key, value in parent.items() if key.startswith("default:")}
    if not defaults:
        return (
            {"user:": "rwx", "group:": "r-x", "other:": _NOTHING}
            if directory
            else {
                "user:": "rw-",
                "group:": "r--",
                "other:": _NOTHING,
            }
        )
    return {**defaults, **({f"default:{key}": value for key, value in defaults.items()} if directory else {})}


def allows(acl: Mapping[str, str], owner: str, principal: str, wanted: str) -> bool:
    """Return whether the ACL grants somebody all of `wanted` (letters of `rwx`); the first class that matches
    decides."""
    if principal == owner:
        given = acl["user:"]
    elif f"user:{principal}" in acl:
        given = _common(acl[f"user:{principal}"], acl.get("mask:", "rwx"))
    else:
        given = acl["other:"]
    return all(bit in given for bit in wanted)
