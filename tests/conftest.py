"""Every test gets a home, an environment and a keyring of its own."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard import redaction

pytest_plugins = ["tests.practice_cloud", "tests.snapshots"]

OURS = ("HOL_WIZARD_", "AZURE_", "ARM_", "DATABRICKS_", "GIT_CONFIG", "GIT_SSL")
# Installed once a machine, in half a minute: a home of each test's own would have it installed by each.
RUNTIME = "HOL_WIZARD_PRACTICE_RUNTIME"
os.environ.setdefault(RUNTIME, str(Path.home() / ".cache" / "hol-wizard-tests"))
KEYRING_WANTED = "HOL_WIZARD_TESTS_KEYRING"
"""Set where a Secret Service runs for the tests; without it every test has no keyring at all."""
BACKEND = "PYTHON_KEYRING_BACKEND"


@pytest.fixture(scope="session", autouse=True)
def without_keyring() -> Iterator[None]:
    """Keep the desktop's keyring from each test that does not ask for it, and from what tests of a module share.

    What they share is made before the fixtures of the first of them.
    """
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(BACKEND, "keyring.backends.fail.Keyring")
        yield


@pytest.fixture(autouse=True)
def isolated(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Keep the machine's own settings, sign-ins and secrets out of a test, and the test's out of the machine."""
    home = tmp_path_factory.mktemp("home")
    # A process remembers its secrets to its end: an earlier test's would be hidden in this one's texts.
    redaction.forget_all()
    for name in list(os.environ):
        if name.startswith(OURS) and name not in {KEYRING_WANTED, RUNTIME}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    if request.node.get_closest_marker("keyring") is not None:
        monkeypatch.delenv(BACKEND)
    if keyring := sys.modules.get("keyring.core"):
        # It remembers the keyring that the first test of this process had.
        monkeypatch.setattr(keyring, "_keyring_backend", None)
    monkeypatch.setenv("HOL_WIZARD_HOME", str(home / "hol-wizard"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (home / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@example.com\n", encoding="utf-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "COLORTERM", "CI", "SSH_CONNECTION", "SSH_TTY", "CODESPACES"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Search for no garbage in what the tests load and in the tests themselves: it stays to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _longest_first(item: pytest.Item) -> tuple[bool, float]:
    """Return where a test comes: slow ones first, and of these the ones that may take longest."""
    timeout = item.get_closest_marker("timeout")
    return item.get_closest_marker("slow") is None, -float(timeout.args[0]) if timeout is not None else 0.0


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run; begin with what takes long, so that nobody waits for it."""
    items.sort(key=_longest_first)
    for item in items:
        if "snapshots" in getattr(item, "fixturenames", ()):
            # Each worker has snapshots of its own: a module's tests go to one, so that they are not made by all.
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
        if "trained" in getattr(item, "fixturenames", ()):
            # Likewise the starter's model, which takes seconds to train.
            item.add_marker(pytest.mark.xdist_group("trained"))
        if item.get_closest_marker("keyring"):
            # gnome-keyring-daemon crashes when several clients come at once, and loses sight of its own collection.
            item.add_marker(pytest.mark.xdist_group("keyring"))
        if item.get_closest_marker("keyring") and not os.environ.get(KEYRING_WANTED):
            item.add_marker(pytest.mark.skip(reason=f"no Secret Service for the tests ({KEYRING_WANTED} is not set)"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to run if pytest-xdist has lost the groups: it then makes in each worker what a group shares.

    Raises:
        UsageError: A test of a group is not told apart by its ID, as xdist's scheduler wants it.
    """
    if not getattr(session.config.option, "loadgroup", False):
        return
    lost = [
        each.nodeid
        for each in session.items
        if each.get_closest_marker("xdist_group") and each.nodeid.rfind("@") <= each.nodeid.rfind("]")
    ]
    if lost:
        raise pytest.UsageError(f"pytest-xdist ignores the group of {lost[0]}: this pytest is too new for it")


def pytest_xdist_auto_num_workers() -> int:
    """Run two workers a core, as many tests wait for a cloud or for a terminal.

    A third one costs 15 seconds of processor time, for what each worker loads and makes for itself, and gains nothing.
    """
    return 2 * (os.cpu_count() or 1)
