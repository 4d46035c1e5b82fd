"""What tests of data planes need: who a token is of, and roles."""

from __future__ import annotations

import base64
import json
import uuid

from tests.practice.conftest import Arm

SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"


def oid(token: str) -> str:
    """Return the object id of whom a token is of."""
    part = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["oid"])


def give(arm: Arm, path: str, role: str, principal: str) -> None:
    """Give a person a role on a resource; it works some seconds later."""
    body = {
        "properties": {
            "roleDefinitionId": f"{arm.base}/providers/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": principal,
            "principalType": "User",
        }
    }
    name = uuid.uuid5(uuid.NAMESPACE_OID, f"{path} {role} {principal}")
    address = f"{path}/providers/Microsoft.Authorization/roleAssignments/{name}"
    assert arm.ask("PUT", address, body, version="2022-04-01").status_code == 201
