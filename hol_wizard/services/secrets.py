"""Secrets: the type that never shows its value, and the only module that accesses the operating system's keyring."""

from __future__ import annotations

import logging
import secrets as random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

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


READ_SECONDS = 15.0
"""How long a read waits for a person to answer the keyring's question, such as for its password.

The deadline of most checks is a little longer. The question stays open, so an answer that comes later counts from then
on.
"""
KEEP_SECONDS = 60.0
"""The same for a write: a secret that cannot be kept has to be made again in the next session."""
_WAITING: Final = "the keyring waits for an answer to a question on your desktop"
_LOCKED: Final = "the keyring is locked, or its question was dismissed"
_ANSWER: Final = (
    "Answer it there (it usually asks for the keyring's password), then try again. Without a desktop, unlock the "
    "keyring before you start the wizard."
)

T = TypeVar("T")


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
    A keyring may wait for a person to unlock it, with no time limit of its own: it is asked on a thread, which is left
    behind if nobody answers.
    """

    def __init__(self, cloud: str = "azure", profile: str = "default") -> None:
        self._folder = f"{cloud}/{profile}"
        self._memory: dict[str, Secret] = {}
        self._session_only: set[str] = set()
        """Names of the secrets in memory that are not in the keyring."""
        self._lock = threading.RLock()
        self._probing: Future[tuple[StoreReport, Any]] | None = None
        self._asking: Future[Any] | None = None
        """The most recent call of the keyring."""

    def probe(self) -> StoreReport:
        """Return where secrets are stored; writes, reads and deletes one entry of realistic size, once per session.

        The backend's name is not enough: a locked keyring or one without a prompt looks like one that works.
        """
        return self._probed(READ_SECONDS)[0]

    def _probed(self, seconds: float, *, again: bool = False) -> tuple[StoreReport, Any]:
        """Return the report and the keyring; None if it does not work, or nobody has answered its question yet.

        Args:
            seconds: How long to wait for a person.
            again: Whether to wait although a person has not answered before.
        """
        with self._lock:
            if again and self._probing is not None and self._probing.done() and _is_refused(self._probing.result()[0]):
                # A question that was dismissed, or a keyring that was locked, is no answer for the whole session.
                self._probing = None
            first = self._probing is None
            if self._probing is None:
                self._probing = _started(_probe)
            wait_for([self._probing], seconds if first or again else 0)
            if not self._probing.done():
                return _without(_WAITING, _ANSWER)
            return self._probing.result()

    def get(self, name: str) -> Secret | None:
        """Return a secret, or None if there is none of that name.

        What was read in this session is not read again, because macOS asks the person each time.

        Raises:
            SecretStoreError: The keyring refused.
        """
        return self._read("read", name, READ_SECONDS)

    def _read(self, verb: str, name: str, seconds: float) -> Secret | None:
        with self._lock:
            if name in self._memory:
                return self._memory[name]
            report = self.probe()
            if report.reason == _WAITING:
                # Not None: the keyring can have it.
                raise _unanswered(verb, name)
            if report.persistent:
                value = self._call(verb, "get_password", name, seconds=seconds)
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
            if not self._probed(KEEP_SECONDS, again=True)[0].persistent:
                self._session_only.add(name)
            elif name in self._session_only or self._read("keep", name, KEEP_SECONDS) != secret:
                self._call("keep", "set_password", name, secret.reveal(), seconds=KEEP_SECONDS)
                self._session_only.discard(name)
            self._memory[name] = secret

    def delete(self, name: str) -> None:
        """Delete a secret; does nothing if there is none.

        Raises:
            SecretStoreError: The keyring refused.
        """
        with self._lock:
            here = self.probe().persistent
            if here and self._call("delete", "get_password", name, seconds=READ_SECONDS) is not None:
                self._call("delete", "delete_password", name, seconds=READ_SECONDS)
            self._memory.pop(name, None)
            self._session_only.discard(name)

    def _call(self, verb: str, method: str, name: str, *values: str, seconds: float) -> Any:
        store = self._probed(seconds)[1]
        # While a question is open, another call would only ask it once more.
        if self._asking is None or self._asking.done():
            self._asking = _started(partial(_ask, store, method, f"{self._folder}/{name}", *values))
            wait_for([self._asking], seconds)
            if self._asking.done():
                return self._answer(verb, name, self._asking)
        raise _unanswered(verb, name)

    def _answer(self, verb: str, name: str, asked: Future[Any]) -> Any:
        """Return what the keyring returned, or raise what its refusal means."""
        try:
            return asked.result()
        except _refusals() as error:
            if _has_ended(error):
                raise SecretStoreError(
                    f"The keyring's service ended before it answered, so the wizard cannot {verb} {name}.",
                    "Try again: the desktop starts the service by itself. If that does not help, sign out of your "
                    "desktop and in again.",
                    detail=str(error),
                ) from error
            if _is_locked(error):
                raise SecretStoreError(
                    f"The keyring is locked, or its question was dismissed, so the wizard cannot {verb} {name}.",
                    "Unlock the keyring (sign in to your desktop, or open its password manager), then try again.",
                    detail=str(error),
                ) from error
            raise SecretStoreError(
                f"The keyring would not {verb} {name}.", "Look at it with: hol-wizard doctor", detail=str(error)
            ) from error


def _is_refused(report: StoreReport) -> bool:
    return report.reason == _LOCKED


def _unanswered(verb: str, name: str) -> SecretStoreError:
    return SecretStoreError(f"{_WAITING[0].upper()}{_WAITING[1:]}, so the wizard cannot {verb} {name}.", _ANSWER)


def _started(ask: Callable[[], T]) -> Future[T]:
    """Call a function on a thread that does not keep the process from ending."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 whoever waits for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, name="keyring", daemon=True).start()
    return future


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


def _is_locked(error: BaseException) -> bool:
    """Return whether a keyring is locked, or the person dismissed its question."""
    from keyring.errors import InitError, KeyringLocked

    return isinstance(error, KeyringLocked | InitError) or any(
        _raised(each, "secretstorage.exceptions", name)
        for each in _causes(error)
        for name in ("LockedException", "PromptDismissedException")
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
        if _is_locked(error):
            return _without(
                _LOCKED,
                "Unlock the keyring (sign in to your desktop, or open its password manager), then enter or make the "
                "secret again: the keyring is asked for each one.",
                label,
            )
        return _without("the keyring does not answer", "Start your desktop's keyring service.", label)
    if kept != value:
        return _without("the keyring does not give back what it was given", "Look at: keyring diagnose", label)
    return StoreReport(label, persistent=True), store
