from __future__ import annotations

import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError

from hol_wizard.errors import SecretStoreError
from hol_wizard.services import secrets as module
from hol_wizard.services.secrets import LONGEST, Secret, SecretStore

ROOT = Path(__file__).parents[3]


class FakeKeyring(KeyringBackend):
    """Keeps entries in memory, and counts what it is asked."""

    priority = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # keyring leaves it so
        self.entries: dict[tuple[str, str], str] = {}
        self.calls: list[str] = []
        self.refuses: Exception | None = None
        self.stumbles: list[Exception] = []
        """What the next questions raise, one each."""
        self.most = 10_000

    def _asked(self, what: str) -> None:
        self.calls.append(what)
        if self.refuses:
            raise self.refuses
        if self.stumbles:
            raise self.stumbles.pop(0)

    def get_password(self, service: str, username: str) -> str | None:
        self._asked("get")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._asked("set")
        self.entries[service, username] = password[: self.most]

    def delete_password(self, service: str, username: str) -> None:
        self._asked("delete")
        if (service, username) not in self.entries:
            raise PasswordDeleteError(username)
        del self.entries[service, username]


def named(module: str) -> FakeKeyring:
    """Return a keyring of a class that lies in this module."""
    made: FakeKeyring = type("Keyring", (FakeKeyring,), {"__module__": module})()
    return made


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[KeyringBackend], None]:
    def install(backend: KeyringBackend) -> None:
        monkeypatch.setattr(keyring, "get_keyring", lambda: backend)

    return install


@pytest.fixture
def store(use: Callable[[KeyringBackend], None]) -> FakeKeyring:
    backend = named("keyring.backends.SecretService")
    use(backend)
    return backend


def test_a_secret_never_shows_itself() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {[secret]}"
    assert repr({"a": secret}) == "{'a': ***}"
    assert secret == Secret("hush")
    assert secret.reveal() == "hush"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)


def test_a_secret_is_kept_under_the_wizards_name(store: FakeKeyring) -> None:
    secrets = SecretStore("practice", "me")
    assert secrets.probe().persistent
    assert secrets.get("pat") is None
    secrets.set("pat", Secret("hush"))
    assert store.entries == {("hol-wizard", "practice/me/pat"): "hush"}
    assert SecretStore("practice", "me").get("pat") == Secret("hush")
    assert SecretStore("practice", "other").get("pat") is None
    secrets.delete("pat")
    secrets.delete("pat")
    assert store.entries == {}
    assert secrets.get("pat") is None


def test_a_keyring_is_asked_once_and_written_only_when_something_changes(store: FakeKeyring) -> None:
    secrets = SecretStore()
    secrets.set("pat", Secret("hush"))
    store.calls.clear()
    secrets.set("pat", Secret("hush"))
    assert secrets.get("pat") == Secret("hush")
    assert store.calls == []
    fresh = SecretStore()
    fresh.probe()
    store.calls.clear()
    fresh.get("pat")
    fresh.get("pat")
    assert store.calls == ["get"]


def test_the_probe_leaves_nothing_behind_and_has_the_size_of_the_largest_secret(store: FakeKeyring) -> None:
    assert SecretStore().probe().persistent
    assert store.calls == ["set", "get", "delete"]
    assert not store.entries
    store.most = LONGEST - 1
    report = SecretStore().probe()
    assert not report.persistent
    assert "does not give back" in report.reason


@pytest.mark.parametrize(
    "module",
    ["keyrings.alt.file", "keyrings.alt.Windows", "keyrings.efile", "keyring.backends.null", "keyring.backends.fail"],
)
def test_a_keyring_that_is_not_the_systems_own_is_not_used(use: Callable[[KeyringBackend], None], module: str) -> None:
    backend = named(module)
    use(backend)
    secrets = SecretStore()
    report = secrets.probe()
    assert not report.persistent
    assert report.reason
    assert report.hint
    secrets.set("pat", Secret("hush"))
    assert secrets.get("pat") == Secret("hush")
    assert SecretStore().get("pat") is None
    assert backend.calls == []


def test_of_several_keyrings_the_systems_own_is_used(use: Callable[[KeyringBackend], None]) -> None:
    chain = named("keyring.backends.chainer")
    plain, good = named("keyrings.alt.file"), named("keyring.backends.kwallet")
    chain.backends = [plain, good]  # type: ignore[attr-defined] # as ChainerBackend has it
    use(chain)
    SecretStore().set("pat", Secret("hush"))
    assert good.entries
    assert plain.calls == []


@pytest.mark.parametrize("error", [KeyringLocked("locked"), InitError("Prompt dismissed.."), OSError("no bus")])
def test_a_keyring_that_refuses_the_probe_is_said_to(store: FakeKeyring, error: Exception) -> None:
    store.refuses = error
    report = SecretStore().probe()
    assert not report.persistent
    assert report.backend
    assert report.reason
    assert report.hint


def test_a_keyring_that_is_locked_later_is_an_error_with_a_hint(store: FakeKeyring) -> None:
    secrets = SecretStore()
    secrets.probe()
    store.refuses = KeyringLocked("locked")
    with pytest.raises(SecretStoreError, match="is locked") as caught:
        secrets.set("pat", Secret("hush"))
    assert "Unlock" in caught.value.hint
    assert "hush" not in caught.value.message + caught.value.detail


def ended() -> Exception:
    """Return what `keyring` raises if the Secret Service crashes before it answers."""
    exceptions = pytest.importorskip("secretstorage.exceptions")
    words = "Message recipient disconnected from message bus without replying"
    try:
        try:
            raise exceptions.SecretServiceNotAvailableException(words)
        except exceptions.SecretStorageException as error:
            raise InitError(f"Failed to create the collection: {words}.") from error
    except InitError as error:
        return error


def test_a_keyring_whose_service_ends_is_asked_once_more(store: FakeKeyring) -> None:
    store.stumbles = [ended()]
    secrets = SecretStore()
    assert secrets.probe().persistent
    store.stumbles = [ConnectionResetError("the bus has gone")]
    secrets.set("pat", Secret("hush"))
    store.stumbles = [ended()]
    assert SecretStore().get("pat") == Secret("hush")
    # Its answer was lost, and the entry is gone when it is asked again.
    store.stumbles = [ended(), PasswordDeleteError("No such password!")]
    assert store.entries.pop(("hol-wizard", "azure/default/pat"))
    secrets.delete("pat")
    assert SecretStore().get("pat") is None


def test_a_keyring_whose_service_ends_again_is_not_called_locked(store: FakeKeyring) -> None:
    secrets = SecretStore()
    secrets.probe()
    store.refuses = ended()
    with pytest.raises(SecretStoreError, match="service ended before it answered") as caught:
        secrets.set("pat", Secret("hush"))
    assert "Unlock" not in caught.value.hint
    report = SecretStore().probe()
    assert not report.persistent
    assert "ended" in report.reason
    assert "Unlock" not in report.hint


def test_an_entry_that_another_wizard_deletes_meanwhile_is_none(store: FakeKeyring) -> None:
    exceptions = pytest.importorskip("secretstorage.exceptions")
    secrets = SecretStore()
    secrets.probe()
    store.stumbles = [exceptions.ItemNotFoundException("Item does not exist!")]
    assert secrets.get("pat") is None


def test_a_question_of_the_keyring_that_was_dismissed_is_not_asked_again(store: FakeKeyring) -> None:
    exceptions = pytest.importorskip("secretstorage.exceptions")
    store.stumbles = [exceptions.PromptDismissedException("Prompt dismissed.")]
    assert not SecretStore().probe().persistent
    assert store.calls == ["set"]


def test_a_dismissed_question_is_asked_again_for_the_next_secret(store: FakeKeyring) -> None:
    secrets = SecretStore()
    store.refuses = InitError("Prompt dismissed..")
    secrets.set("pat", Secret("hush"))
    assert not secrets.probe().persistent
    assert "its question was dismissed" in secrets.probe().reason
    assert secrets.get("pat") == Secret("hush")
    store.refuses = None
    secrets.set("other", Secret("secret"))
    assert secrets.probe().persistent
    secrets.set("pat", Secret("hush"))
    assert SecretStore().get("pat") == Secret("hush")
    assert SecretStore().get("other") == Secret("secret")


def test_an_entry_that_a_keyring_does_not_delete_is_an_error(store: FakeKeyring) -> None:
    secrets = SecretStore()
    secrets.set("pat", Secret("hush"))
    store.stumbles = []
    store.delete_password = lambda *words: (_ for _ in ()).throw(PasswordDeleteError("no"))  # type: ignore[method-assign]
    with pytest.raises(SecretStoreError, match="would not delete"):
        secrets.delete("pat")


def test_a_keyring_that_cannot_be_loaded_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> KeyringBackend:
        raise ModuleNotFoundError("No module named 'nothing'")

    monkeypatch.setattr(keyring, "get_keyring", broken)
    assert "cannot be loaded" in SecretStore().probe().reason


def test_what_no_system_can_keep_is_refused_everywhere(store: FakeKeyring) -> None:
    with pytest.raises(SecretStoreError, match="too long"):
        SecretStore().set("pat", Secret("x" * (LONGEST + 1)))
    assert store.calls == []


def test_many_threads_share_one_probe(store: FakeKeyring) -> None:
    secrets = SecretStore()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: secrets.set(f"s{number % 4}", Secret(str(number % 4))), range(64)))
    assert store.calls.count("delete") == 1
    assert len(store.entries) == 4


class Asking(FakeKeyring):
    """Answers only after a person has, as a locked Secret Service does."""

    def __init__(self) -> None:
        super().__init__()
        self.answered = threading.Event()
        self.answered.set()

    def _asked(self, what: str) -> None:
        super()._asked(what)
        self.answered.wait()


@pytest.fixture
def asking(use: Callable[[KeyringBackend], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Asking]:
    made: Asking = type("Keyring", (Asking,), {"__module__": "keyring.backends.SecretService"})()
    use(made)
    for name in ("READ_SECONDS", "KEEP_SECONDS"):
        monkeypatch.setattr(module, name, 0.05)
    yield made
    made.answered.set()


def test_a_question_that_nobody_answers_is_told_and_an_answer_that_comes_later_counts(asking: Asking) -> None:
    asking.answered.clear()
    secrets = SecretStore()
    report = secrets.probe()
    assert not report.persistent
    assert "waits for an answer to a question on your desktop" in report.reason
    assert "Answer it there" in report.hint
    # Not “there is none”: the keyring can have it.
    with pytest.raises(SecretStoreError, match="waits for an answer"):
        secrets.get("pat")
    secrets.set("pat", Secret("hush"))
    assert secrets.get("pat") == Secret("hush")
    # The question is asked once, however often the wizard needs the keyring.
    assert asking.calls == ["set"]
    asking.answered.set()
    secrets.set("pat", Secret("hush"))
    assert secrets.probe().persistent
    assert list(asking.entries.values()) == ["hush"]
    secrets.delete("pat")
    assert not asking.entries


def test_a_keyring_that_asks_again_later_does_not_hold_up_the_wizard(asking: Asking) -> None:
    secrets = SecretStore()
    secrets.set("pat", Secret("hush"))
    fresh = SecretStore()
    fresh.probe()
    asking.calls.clear()
    asking.answered.clear()
    for _ in range(2):
        with pytest.raises(SecretStoreError, match=r"waits for an answer .* so the wizard cannot read pat") as refused:
            fresh.get("pat")
    assert "Answer it there" in refused.value.hint
    with pytest.raises(SecretStoreError, match="cannot keep other"):
        secrets.set("other", Secret("hush"))
    assert asking.calls == ["get", "get"]
    asking.answered.set()
    assert SecretStore().get("pat") == Secret("hush")


@pytest.mark.parametrize("name", ["LockedException", "PromptDismissedException"])
def test_a_question_that_is_refused_later_is_told_as_such(store: FakeKeyring, name: str) -> None:
    exceptions = pytest.importorskip("secretstorage.exceptions")
    secrets = SecretStore()
    secrets.probe()
    store.refuses = getattr(exceptions, name)("no")
    with pytest.raises(SecretStoreError, match="is locked, or its question was dismissed"):
        secrets.set("pat", Secret("hush"))


LOCKED = """
import subprocess, sys
import secretstorage
from hol_wizard.errors import SecretStoreError
from hol_wizard.services import secrets

prompter = subprocess.Popen([sys.executable, "tests/prompter.py", sys.argv[1]], stdout=subprocess.PIPE, text=True)
assert prompter.stdout.readline() == "ready\\n"
early = secrets.SecretStore("test", "early")
early.set("pat", secrets.Secret("hush"))
late = secrets.SecretStore("test", "early")
assert late.probe().persistent
secretstorage.get_default_collection(secretstorage.dbus_init()).lock()
secrets.READ_SECONDS = secrets.KEEP_SECONDS = 1.0
print(secrets.SecretStore("test", "locked").probe())
for ask in (lambda: late.get("pat"), lambda: late.set("other", secrets.Secret("hush"))):
    try:
        print("no refusal", ask())
    except SecretStoreError as error:
        print(error.message, error.hint)
prompter.terminate()
print("asked:", prompter.communicate()[0].split())
"""


@pytest.mark.skipif(
    not (shutil.which("gnome-keyring-daemon") and shutil.which("dbus-run-session")),
    reason="gnome-keyring or dbus is not installed",
)
@pytest.mark.parametrize(
    ("person", "told", "asked"),
    [
        ("silent", "waits for an answer to a question on your desktop", "BeginPrompting"),
        ("refuse", "is locked, or ", "PerformPrompt"),
    ],
)
def test_a_real_keyring_that_is_locked_is_told_and_does_not_hang(
    person: str, told: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    ended = subprocess.run(
        [ROOT / "tests" / "with_keyring.sh", sys.executable, "-c", LOCKED, person],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    probe, get, keep, questions = ended.stdout.splitlines()
    assert all(told in line for line in (probe, get, keep)), ended.stdout
    assert "persistent=False" in probe
    assert "cannot read pat" in get
    assert "cannot keep other" in keep
    assert asked in questions


@pytest.mark.keyring
@pytest.mark.skipif(
    not os.environ.get("DBUS_SESSION_BUS_ADDRESS"),
    reason="no session bus with a Secret Service: run under tests/with_keyring.sh",
)
def test_a_real_secret_service_keeps_a_secret_across_stores() -> None:
    assert importlib.util.find_spec("secretstorage")
    secrets = SecretStore("test", "real")
    report = secrets.probe()
    assert report.persistent, report.reason
    assert report.backend.startswith("Secret Service")
    long = Secret("ä" * LONGEST)
    secrets.set("pat", long)
    assert SecretStore("test", "real").get("pat") == long
    secrets.delete("pat")
    assert SecretStore("test", "real").get("pat") is None
