"""Secrets: the type that never shows itself, and the only module that touches the operating system's keyring."""

from __future__ import annotations

import logging
import secrets as random
import threading
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hol_wizard.errors import SecretStoreError

logger = logging.getLogger(__name__)

SERVICE = "hol-wizard"
"""Under this name the entries stand in the keyring."""

TRUSTED = ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
"""Modules of the `keyring` package whose stores are the operating system's own. Anything else, such as a file of
`keyrings.alt`, counts as none: it would keep secrets in clear."""

LONGEST = 1200
"""Characters: Windows' Credential Manager takes 1,280, so nothing longer is kept anywhere."""


class Secret:
    """A value that is neither printed nor logged by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; only for handing it to the service that it is for."""
        return self._value

    def __repr__(self) -> str:
        """Return `***`."""
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare without telling by the time taken how much is equal."""
        return isinstance(other, Secret) and random.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Return the value's hash."""
        return hash(self._value)

    def __reduce__(self) -> Any:
        """Refuse: a pickled secret is a secret in a file."""
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was found out about the keyring."""

    backend: str
    """The store's name; empty where there is none."""
    persistent: bool
    """Whether secrets outlive this session."""
    reason: str = ""
    """Why not."""
    hint: str = ""
    """What to do about it."""


class SecretStore:
    """The keyring's entries of one profile on one cloud; this session's memory where there is no keyring.

    Memory is used only where no trusted keyring works, `probe` says so, and nothing is ever written to a plain file.
    """

    def __init__(self, cloud: str = "azure", profile: str = "default") -> None:
        self._folder = f"{cloud}/{profile}"
        self._memory: dict[str, Secret] = {}
        self._lock = threading.Lock()

    @cached_property
    def _found(self) -> StoreReport:
        with self._lock:
            return _probe()

    def probe(self) -> StoreReport:
        """Tell where secrets go; writes, reads and deletes one entry of real size, once in a session.

        A backend's name proves nothing: a locked keyring and one without a prompt look the same as one that works.
        """
        return self._found

    def get(self, name: str) -> Secret | None:
        """Return a secret, or None where there is none of that name.

        Raises:
            SecretStoreError: The keyring refused.
        """
        if not self.probe().persistent:
            return self._memory.get(name)
        value = _call("read", lambda keyring: keyring.get_password(SERVICE, f"{self._folder}/{name}"))
        return Secret(value) if value is not None else None

    def set(self, name: str, secret: Secret) -> None:
        """Keep a secret; one that is there already, and equal, is not written again.

        Raises:
            SecretStoreError: The keyring refused, or the secret is too long for every system's.
        """
        if len(secret.reveal()) > LONGEST:
            raise SecretStoreError(f"The secret {name} is too long for a keyring.", "Report this.")
        if not self.probe().persistent:
            self._memory[name] = secret
            return
        if self.get(name) != secret:
            _call("keep", lambda keyring: keyring.set_password(SERVICE, f"{self._folder}/{name}", secret.reveal()))

    def delete(self, name: str) -> None:
        """Forget a secret; none of that name is fine.

        Raises:
            SecretStoreError: The keyring refused.
        """
        self._memory.pop(name, None)
        if self.probe().persistent and self.get(name) is not None:
            _call("delete", lambda keyring: keyring.delete_password(SERVICE, f"{self._folder}/{name}"))


def _call(verb: str, work: Any) -> Any:
    import keyring
    from keyring.errors import InitError, KeyringError, KeyringLocked

    try:
        return work(keyring)
    except (KeyringLocked, InitError) as error:
        raise SecretStoreError(
            f"The keyring is locked, so the wizard cannot {verb} a secret.",
            "Unlock it, then try again.",
            detail=str(error),
        ) from error
    except (KeyringError, OSError, RuntimeError) as error:
        raise SecretStoreError(
            f"The keyring would not {verb} a secret.", "Look at it with: hol-wizard doctor", detail=str(error)
        ) from error


def _backends(backend: Any) -> list[Any]:
    return list(getattr(backend, "backends", ())) or [backend]


def _probe() -> StoreReport:
    import keyring
    from keyring.errors import InitError, KeyringError, KeyringLocked

    backend = keyring.get_keyring()
    trusted = [each for each in _backends(backend) if type(each).__module__.rpartition(".")[2] in TRUSTED]
    if not trusted:
        name = type(backend).__module__.rpartition(".")[2]
        reason = (
            "there is no keyring here" if name in {"fail", "null"} else f"the keyring “{name}” is not the system's own"
        )
        return StoreReport(
            "",
            persistent=False,
            reason=reason,
            hint="On Linux install gnome-keyring or KWallet and sign in to a desktop session; in CI give secrets as "
            "variables.",
        )
    keyring.set_keyring(trusted[0])
    name = f"{type(trusted[0]).__module__.rpartition('.')[2]} keyring"
    key, value = f"probe/{random.token_hex(4)}", random.token_urlsafe(90)[:100]
    try:
        keyring.set_password(SERVICE, key, value)
        kept = keyring.get_password(SERVICE, key)
        keyring.delete_password(SERVICE, key)
    except (KeyringLocked, InitError) as error:
        logger.info("keyring probe: %s", error)
        return StoreReport(name, persistent=False, reason="the keyring is locked", hint="Unlock it, then start again.")
    except (KeyringError, OSError, RuntimeError) as error:
        logger.info("keyring probe: %s", error)
        return StoreReport(
            name, persistent=False, reason="the keyring does not answer", hint="Start your desktop's keyring service."
        )
    if kept != value:
        return StoreReport(name, persistent=False, reason="the keyring does not give back what it was given")
    return StoreReport(name, persistent=True)
