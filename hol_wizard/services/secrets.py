"""Secrets: the type that never shows its value, and the only module that accesses the operating system's keyring."""

from __future__ import annotations

import logging
import secrets as random
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from hol_wizard import redaction
from hol_wizard.errors import SecretStoreError

logger = logging.getLogger(__name__)

SERVICE = "hol-wizard"
"""Name of the entries in the keyring."""

TRUSTED = {
    "keyring.backends.SecretService": "Secret Service (GNOME Keyring, KWallet, KeePassXC)",
    "keyring.backends.libsecret": "Secret Service (libsecret)",
    "keyring.backends.kwallet": "KWallet",
    "keyring.backends.macOS": "macOS Keychain",
    "keyring.backends.Windows": "Windows Credential Manager",
}
"""Modules of the operating systems' own stores, and their display names.

Anything else, such as a file of `keyrings.alt` (which also has a module `Windows`), does not count as a keyring: it
would store secrets in plain text.
"""

LONGEST = 1200
"""Maximum number of characters: Windows Credential Manager accepts 1,280, so nothing longer is stored on any system."""


class Secret:
    """A value that is neither printed nor logged by accident."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def hidden(cls, value: str) -> Secret:
        """Return a secret from a person, a keyring or a service, and hide its value in all output.

        Do not use it for values that are only compared like secrets, such as the ID of an application.
        """
        redaction.remember((value,))
        return cls(value)

    def reveal(self) -> str:
        """Return the value; only for the service that it belongs to."""
        return self._value

    def __repr__(self) -> str:
        """Return `***`."""
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare in constant time."""
        return isinstance(other, Secret) and random.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        """Return the value's hash."""
        return hash(self._value)

    def __reduce__(self) -> Any:
        """Refuse, because a pickled secret would be a secret in a file."""
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What was found out about the keyring."""

    backend: str
    """The store's name; empty if there is none."""
    persistent: bool
    """Whether secrets outlive this session."""
    reason: str = ""
    """Why they do not."""
    hint: str = ""
    """What to do about it."""


class SecretStore:
    """The keyring's entries of one profile on one cloud; this session's memory if there is no keyring.

    Memory is used only if no trusted keyring works; `probe` reports that. Nothing is ever written to a plain file.
    A keyring may wait for a person to unlock it: call this on a thread.
    """

    def __init__(self, cloud: str = "azure", profile: str = "default") -> None:
        self._folder = f"{cloud}/{profile}"
        self._memory: dict[str, Secret] = {}
        self._lock = threading.RLock()

    @cached_property
    def _found(self) -> tuple[StoreReport, Any]:
        return _probe()

    def probe(self) -> StoreReport:
        """Return where secrets are stored; writes, reads and deletes one entry of realistic size, once per session.

        The backend's name is not enough: a locked keyring or one without a prompt looks like one that works.
        """
        with self._lock:
            return self._found[0]

    def get(self, name: str) -> Secret | None:
        """Return a secret, or None if there is none of that name.

        What was read in this session is not read again, because macOS asks the person each time.

        Raises:
            SecretStoreError: The keyring refused.
        """
        with self._lock:
            if name not in self._memory and self.probe().persistent:
                value = self._call("read", "get_password", name)
                if value is not None:
                    self._memory[name] = Secret.hidden(value)
            return self._memory.get(name)

    def set(self, name: str, secret: Secret) -> None:
        """Store a secret, unless an equal one is already stored.

        On macOS, writing deletes and adds the entry, which removes the person's permission to always allow access.

        Raises:
            SecretStoreError: The keyring refused, or the secret is too long.
        """
        if len(secret.reveal()) > LONGEST:
            raise SecretStoreError(f"The secret {name} is too long for a keyring.", "Report this.")
        with self._lock:
            if self.probe().persistent and self.get(name) != secret:
                self._call("keep", "set_password", name, secret.reveal())
            self._memory[name] = secret

    def delete(self, name: str) -> None:
        """Delete a secret; does nothing if there is none.

        Raises:
            SecretStoreError: The keyring refused.
        """
        with self._lock:
            if self.probe().persistent and self._call("read", "get_password", name) is not None:
                self._call("delete", "delete_password", name)
            self._memory.pop(name, None)

    def _call(self, verb: str, method: str, name: str, *values: str) -> Any:
        from keyring.errors import InitError, KeyringLocked

        try:
            return _ask(self._found[1], method, f"{self._folder}/{name}", *values)
        except _refusals() as error:
            if _has_ended(error):
                raise SecretStoreError(
                    f"The keyring's service ended before it answered, so the wizard cannot {verb} {name}.",
                    "Try again: the desktop starts the service by itself. If that does not help, sign out of your "
                    "desktop and in again.",
                    detail=str(error),
                ) from error
            if isinstance(error, KeyringLocked | InitError):
                raise SecretStoreError(
                    f"The keyring is locked, or its question was dismissed, so the wizard cannot {verb} {name}.",
                    "Unlock the keyring (sign in to your desktop, or open its password manager), then try again.",
                    detail=str(error),
                ) from error
            raise SecretStoreError(
                f"The keyring would not {verb} {name}.", "Look at it with: hol-wizard doctor", detail=str(error)
            ) from error


def _refusals() -> tuple[type[Exception], ...]:
    """Return the exceptions of keyrings, not all of which the `keyring` package wraps."""
    from keyring.errors import KeyringError

    found: list[type[Exception]] = [KeyringError, OSError, RuntimeError]
    for module, name in (
        ("secretstorage.exceptions", "SecretStorageException"),
        ("jeepney", "DBusErrorResponse"),
        ("win32ctypes.pywin32.pywintypes", "error"),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None:
            found.append(getattr(loaded, name))
    return tuple(found)


_ENDED = {f"org.freedesktop.DBus.Error.{name}" for name in ("NoReply", "Disconnected", "NameHasNoOwner")}
"""D-Bus errors for a service that ended before it responded (D-Bus specification, "Standard D-Bus errors")."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes: `keyring` turns most of them into an `InitError`."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _raised(error: BaseException, module: str, name: str) -> bool:
    """Return whether an error is of a class in a module that is loaded only with such a keyring."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, getattr(loaded, name))


def _has_ended(error: BaseException) -> bool:
    """Return whether the keyring's service ended before it responded."""
    return any(
        isinstance(each, ConnectionError)
        or _raised(each, "secretstorage.exceptions", "SecretServiceNotAvailableException")
        or (_raised(each, "jeepney", "DBusErrorResponse") and getattr(each, "name", "") in _ENDED)
        for each in _causes(error)
    )


def _has_vanished(error: BaseException) -> bool:
    """Return whether another wizard of the same person deleted an entry between two calls."""
    return _raised(error, "secretstorage.exceptions", "ItemNotFoundException") and not _raised(
        error, "secretstorage.exceptions", "PromptDismissedException"
    )


def _ask(store: Any, method: str, key: str, *values: str) -> Any:
    """Call a keyring, and repeat the call if its service ended: the session's bus starts it again.

    All three calls can be repeated: an entry is replaced, and a missing one need not be deleted.
    """
    from keyring.errors import PasswordDeleteError

    ask = partial(getattr(store, method), SERVICE, key, *values)
    try:
        try:
            return ask()
        except _refusals() as error:
            if not _has_ended(error) and not _has_vanished(error):
                raise
            logger.info("the keyring is asked again: %s", error)
            return ask()
    except PasswordDeleteError:
        if store.get_password(SERVICE, key) is not None:
            raise
        return None


def _without(reason: str, hint: str, backend: str = "") -> tuple[StoreReport, Any]:
    logger.info("secrets are kept for this session only: %s", reason)
    return StoreReport(backend, persistent=False, reason=reason, hint=hint), None


def _probe() -> tuple[StoreReport, Any]:
    import keyring
    from keyring.errors import InitError, KeyringLocked

    try:
        backend = keyring.get_keyring()
    except (ImportError, AttributeError, ValueError, TypeError, OSError, RuntimeError) as error:
        # PYTHON_KEYRING_BACKEND, or keyring's configuration file, names something that does not exist.
        return _without(
            f"the keyring that is configured cannot be loaded ({error})",
            "Look at the variable PYTHON_KEYRING_BACKEND and at: keyring diagnose",
        )
    # If two stores work, `keyring` returns one that combines both.
    trusted = [each for each in getattr(backend, "backends", None) or [backend] if type(each).__module__ in TRUSTED]
    if not trusted:
        name = type(backend).__module__
        if name in {"keyring.backends.fail", "keyring.backends.null"}:
            reason = "there is no keyring here"
        else:
            reason = f"the keyring {name} is not the system's own"
        return _without(
            reason,
            "On Linux install gnome-keyring or KWallet and sign in to a desktop session; in CI give secrets as "
            "variables.",
        )
    store, label = trusted[0], TRUSTED[type(trusted[0]).__module__]
    key, value = f"probe/{random.token_hex(4)}", random.token_urlsafe(LONGEST)[:LONGEST]
    try:
        _ask(store, "set_password", key, value)
        kept = _ask(store, "get_password", key)
        _ask(store, "delete_password", key)
    except _refusals() as error:
        logger.info("keyring probe: %s", error)
        if _has_ended(error):
            return _without(
                "the keyring's service ended before it answered",
                "Start the wizard again: the desktop starts the service by itself. If that does not help, sign out of "
                "your desktop and in again.",
                label,
            )
        if isinstance(error, KeyringLocked | InitError):
            return _without(
                "the keyring is locked, or nobody answered its question",
                "Unlock the keyring (sign in to your desktop, or open its password manager), then start the wizard "
                "again.",
                label,
            )
        return _without("the keyring does not answer", "Start your desktop's keyring service.", label)
    if kept != value:
        return _without("the keyring does not give back what it was given", "Look at: keyring diagnose", label)
    return StoreReport(label, persistent=True), store
