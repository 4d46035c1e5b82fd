"""Sign-ins that wait for their owner's approval.

Every user of this machine can reach 127.0.0.1 and start a sign-in. None of them has the control token in
`endpoints.json`, which only the owner can read. Therefore, a sign-in issues tokens only after its code, or the address
that the owner's browser will open, was approved through the control port.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hol_wizard.practice import seed
from hol_wizard.practice.directory import objects
from hol_wizard.practice.entra.tokens import CODE_SECONDS
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 9
MOST_WAITING = 200
"""Maximum number of pending sign-ins; a new one replaces the oldest. Anybody can start one, and each is stored."""
PENDING, APPROVED, DECLINED = "pending", "approved", "declined"
_AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


class SignIns:
    """The pending sign-ins."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._waiting = world.collection("sign_ins", self)

    def begin(self, kind: str, client: str, **more: Any) -> tuple[str, str]:
        """Save a sign-in that somebody has started.

        Args:
            kind: `device` or `browser`.
            client: The application's ID.
            more: Data to complete it.

        Returns:
            The secret with which its client requests the result, and the code that the owner approves.
        """
        self.prune()
        secret = secrets.token_urlsafe(40)
        code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
        self._put(secret, {"kind": kind, "client": client, "code": code, "state": PENDING, **more})
        return secret, code

    def find(self, secret: str, kind: str) -> Document | None:
        """Return the sign-in with this secret and kind, expired or not; None if there is none."""
        found = self._waiting.get(objects.digest(secret))
        return found if found is not None and found["kind"] == kind else None

    def outcome(self, sign_in: Document) -> str:
        """Return the owner's decision so far: `pending`, `approved` or `declined`."""
        return PENDING if self._world.clock.now() < sign_in.get("works", 0.0) else str(sign_in["state"])

    def end(self, secret: str) -> None:
        """Delete a sign-in, so that it issues no second token."""
        self._waiting.delete(objects.digest(secret))

    def approve(self, body: dict[str, Any]) -> dict[str, Any]:
        """Handle a request to the control port: approve the sign-in with a code, or one that a browser will open.

        Args:
            body: `code`, or `address`.

        Raises:
            ValueError: There is no such pending sign-in, or the address cannot be approved.
        """
        if set(body) == {"code"}:
            return self._approve_code(str(body["code"]))
        if set(body) == {"address"}:
            return self._approve_address(str(body["address"]))
        raise ValueError("approve takes a code or an address")

    def _approve_code(self, given: str) -> dict[str, Any]:
        code = "".join(letter for letter in given.upper() if letter.isalnum())
        now = self._world.clock.now()
        for key, each in self._waiting.items():
            if each["code"] and secrets.compare_digest(each["code"].encode(), code.encode()) and each["expires"] > now:
                state = self._word()
                works = now + self._world.clock.approval_seconds if each["kind"] == "device" else now
                self._waiting.put(key, {**each, **self._granted(state), "works": works})
                return {**self._told(each), "state": state}
        raise ValueError(f"no sign-in waits for the code {code or '(none)'}; codes end after 15 minutes")

    def _approve_address(self, address: str) -> dict[str, Any]:
        """Approve one authorization request before a browser sends it.

        This requires a proof key (RFC 7636): an address is an argument of the browser's process, which every user of
        the machine can read, so the code must be useless without the key.

        Raises:
            ValueError: It has none.
        """
        parts = urlsplit(address)
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        query = {name.lower(): value for name, value in pairs}
        if not query.get("code_challenge") or query.get("code_challenge_method") != "S256":
            raise ValueError("only an address with a code_challenge (S256) can be approved")
        self.prune()
        state = self._word()
        told = {"kind": "browser", "client": query.get("client_id", ""), "target": query.get("redirect_uri", "")}
        if state != PENDING:
            self._put(_request(parts.path, pairs), {**told, "kind": "address", "code": "", **self._granted(state)})
        return {**self._told(told), "state": state}

    def of_address(self, path: str, pairs: Iterable[tuple[str, str]]) -> Document | None:
        """Return and use up the approval of an authorization request; None if there is none."""
        secret = _request(path, pairs)
        found = self.find(secret, "address")
        self.end(secret)
        return found if found is not None and found["expires"] > self._world.clock.now() else None

    def prune(self) -> None:
        """Delete expired sign-ins, and the oldest ones if there are too many."""
        now = self._world.clock.now()
        for key, each in self._waiting.items():
            # Kept a while longer, so that a request with an old device code gets the error that it has expired.
            if each["expires"] + CODE_SECONDS < now:
                self._waiting.delete(key)
        pending = [key for key, each in self._waiting.items() if each["state"] == PENDING]
        for key in pending[: max(0, len(pending) - MOST_WAITING + 1)]:
            self._waiting.delete(key)

    def _put(self, secret: str, sign_in: Document) -> None:
        self._waiting.put(objects.digest(secret), {**sign_in, "expires": self._world.clock.now() + CODE_SECONDS})

    def _word(self) -> str:
        """Return the effect of the owner's approval in this cloud's settings: a person may also decline, or never
        respond."""
        words = {"approve": APPROVED, "decline": DECLINED, "never": PENDING}
        return words[str(self._world.setting("approval"))]

    def _granted(self, state: str) -> Document:
        return {"state": state, "user": seed.USERS[str(self._world.setting("approver"))].id}

    def _told(self, sign_in: Document) -> dict[str, Any]:
        """Return the description of a sign-in for the owner."""
        client = str(sign_in["client"])
        return {
            "application": "Azure CLI" if client == _AZURE_CLI else client,
            "kind": sign_in["kind"],
            "target": sign_in.get("target", ""),
            "user": self._world.setting("approver"),
        }


def _request(path: str, pairs: Iterable[tuple[str, str]]) -> str:
    return repr((path.lower().rstrip("/"), sorted(pairs)))
