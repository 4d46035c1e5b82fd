from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.lab.choices import problem_with_profile
from hol_wizard.practice.kernel.store import Store
from hol_wizard.practice.process import commands, launch, state_folder
from hol_wizard.services.endpoints import Endpoints
from tests.practice.conftest import STORAGE, STORAGE_BODY, Arm, provider, user_token
from tests.practice.test_devops import as_user
from tests.practice_cloud import PracticeCloud

LAKE = provider("Storage/storageAccounts", "labdata1")


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder of its own; whatever runs in it is stopped."""
    folder = tmp_path / "practice"
    yield folder
    launch.stop(folder)


def cloud_of(state: Path, endpoints: dict[str, Any]) -> PracticeCloud:
    return PracticeCloud(state, endpoints, launch.ControlClient(endpoints), state / "none.jsonl")


def kill(endpoints: dict[str, Any]) -> None:
    os.kill(int(endpoints["pid"]), signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)


@pytest.mark.slow
def test_the_files_are_private_and_go_when_it_ends(state: Path) -> None:
    endpoints = launch.start(state, speed=600)
    files = [state / name for name in (launch.ENDPOINTS_FILE, "ca.pem", "bundle.pem")]
    assert all(each.exists() for each in files)
    if sys.platform != "win32":
        assert all(each.stat().st_mode & 0o077 == 0 for each in files)
    assert Path(endpoints["bundle_file"]).stat().st_size > Path(endpoints["ca_file"]).stat().st_size
    assert "PRIVATE KEY" not in "".join(each.read_text(encoding="utf-8") for each in files)
    assert launch.stop(state)
    assert not files[0].exists()
    assert launch.status(state) is None
    assert launch.stop(state) is False


@pytest.mark.slow
def test_two_starts_share_one_server(state: Path) -> None:
    found: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: found.append(launch.start(state))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len({each["pid"] for each in found}) == 1
    assert launch.start(state)["pid"] == found[0]["pid"]


@pytest.mark.slow
def test_it_ends_by_itself_when_the_last_lease_is_gone(state: Path) -> None:
    endpoints = launch.start(state, linger=0.3)
    first, second = launch.Lease(endpoints), launch.Lease(endpoints)
    client = launch.ControlClient(endpoints)
    assert client.status()["leases"] == 2
    first.close()
    wait_until(lambda: client.status()["leases"] == 1)
    time.sleep(0.6)
    assert second.alive
    second.close()
    wait_until(lambda: not (state / launch.ENDPOINTS_FILE).exists())
    assert launch.status(state) is None


@pytest.mark.slow
def test_a_lease_dies_with_the_process_that_holds_it(state: Path) -> None:
    endpoints = launch.start(state, linger=0.3)
    client = launch.ControlClient(endpoints)
    code = (
        "import sys, time; from pathlib import Path; from hol_wizard.practice.process import launch; "
        "lease = launch.Lease(launch.read_endpoints(Path(sys.argv[1]))); print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", code, str(state)], stdout=subprocess.PIPE, cwd=root) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"held"
        assert client.status()["leases"] == 1
        holder.kill()
    wait_until(lambda: launch.status(state) is None)


@pytest.mark.slow
def test_keep_goes_on_without_leases(state: Path) -> None:
    endpoints = launch.start(state, linger=0.1, keep=True)
    launch.Lease(endpoints).close()
    time.sleep(0.6)
    assert launch.status(state) is not None


@pytest.mark.slow
def test_what_was_made_outlives_a_restart_at_the_same_address(state: Path) -> None:
    endpoints = launch.start(state, speed=600)
    cloud = cloud_of(state, endpoints)
    cloud.register_providers()
    arm = Arm(cloud, user_token(cloud))
    arm.make_group()
    launch.stop(state)
    again = launch.start(state)
    assert again["resource_manager"] == endpoints["resource_manager"]
    assert again["pid"] != endpoints["pid"]
    # The token is still good: nobody has to sign in again.
    assert Arm(cloud_of(state, again), arm.token).ask("HEAD", "/resourcegroups/lab").status_code == 204


@pytest.mark.slow
def test_an_operation_goes_on_while_the_server_is_dead(state: Path) -> None:
    endpoints = launch.start(state, speed=20)
    cloud = cloud_of(state, endpoints)
    cloud.register_providers()
    arm = Arm(cloud, user_token(cloud))
    arm.make_group()
    accepted = arm.ask("PUT", LAKE, STORAGE_BODY, version=STORAGE)
    lease = launch.Lease(endpoints)
    kill(endpoints)
    wait_until(lambda: not lease.alive)
    assert (state / launch.ENDPOINTS_FILE).exists()
    assert launch.status(state) is None
    time.sleep(1)
    again = Arm(cloud_of(state, launch.start(state, speed=20)), arm.token)
    poll = again.http.get(accepted.headers["Location"], timeout=10)
    assert (poll.status_code, poll.json()["properties"]["provisioningState"]) == (200, "Succeeded")


@pytest.mark.slow
def test_stale_endpoints_are_replaced(state: Path) -> None:
    endpoints = launch.start(state)
    launch.stop(state)
    (state / launch.ENDPOINTS_FILE).write_text(json.dumps(endpoints), encoding="utf-8")
    assert launch.status(state) is None
    assert launch.start(state)["pid"] != endpoints["pid"]
    launch.stop(state)
    (state / launch.ENDPOINTS_FILE).write_text("{", encoding="utf-8")
    assert launch.start(state)["pid"]


@pytest.mark.slow
def test_a_server_of_another_build_is_replaced(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints = launch.start(state)
    monkeypatch.setattr(launch, "build", lambda: "another")
    assert launch.start(state)["pid"] != endpoints["pid"]


def damaged(good: bytes, how: str) -> bytes:
    return {
        "random": random.Random(1).randbytes(len(good)),  # noqa: S311 bytes for a test
        "truncated": good[: len(good) // 2],
        "empty": b"",
        "nul": bytes(len(good)),
        "half nul": good[: len(good) // 2] + bytes(len(good) - len(good) // 2),
        "text": b"no database at all, but long enough to be looked at" * 100,
    }[how]


@pytest.fixture
def good(tmp_path: Path) -> bytes:
    """A database with something in it."""
    path = tmp_path / "good.sqlite"
    Store(path).close()
    store = Store(path)
    with store.transaction():
        for number in range(300):
            store.collection("things").put(str(number), {"text": "x" * 100})
    store.close()
    return path.read_bytes()


@pytest.mark.parametrize("how", ["random", "truncated", "empty", "nul", "half nul", "text"])
def test_an_unreadable_database_is_set_aside(good: bytes, tmp_path: Path, how: str) -> None:
    database = tmp_path / launch.DATABASE_FILE
    content = damaged(good, how)
    (tmp_path / "cloud.sqlite.unreadable-1").write_text("an earlier one", encoding="utf-8")
    for number in (2, 3):
        database.write_bytes(content)
        store = Store(database)
        kept = tmp_path / f"cloud.sqlite.unreadable-{number}"
        assert store.set_aside == kept
        assert kept.read_bytes()[: len(content)] == content
        assert not list(store.collection("things").values())
        store.close()
    assert (tmp_path / "cloud.sqlite.unreadable-1").read_text(encoding="utf-8") == "an earlier one"
    store = Store(database)
    assert store.set_aside is None
    store.close()


@pytest.mark.slow
def test_a_database_that_was_set_aside_is_told(state: Path, good: bytes) -> None:
    launch.claim(state)
    (state / launch.DATABASE_FILE).write_bytes(damaged(good, "half nul"))
    endpoints = launch.start(state)
    assert str(state / "cloud.sqlite.unreadable-1") in endpoints["notice"]
    assert launch.ControlClient(endpoints).status()["notice"] == endpoints["notice"]
    assert Endpoints.of_file(state / launch.ENDPOINTS_FILE).notice == endpoints["notice"]
    launch.stop(state)
    assert launch.start(state)["notice"] == ""


@pytest.mark.slow
def test_a_database_that_somebody_holds_is_not_set_aside(state: Path) -> None:
    launch.start(state)
    launch.stop(state)
    with closing(sqlite3.connect(state / launch.DATABASE_FILE, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("PRAGMA user_version=2")
        with pytest.raises(launch.LaunchError, match="locked"):
            launch.start(state)
        other.execute("COMMIT")
    assert launch.start(state)["notice"] == ""
    assert not list(state.glob("*.unreadable*"))


def test_a_document_that_cannot_be_read_counts_as_damage(tmp_path: Path) -> None:
    for body in ("{", "null", "[]"):
        path = tmp_path / f"{len(body)}{body[0] == '['}.sqlite"
        store = Store(path)
        with store.transaction():
            store.collection("things").put("one", {"a": 1})
        store.close()
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            database.execute("UPDATE documents SET body = ?", (body,))
        assert Store(path).set_aside is not None


@contextmanager
def suspended(endpoints: dict[str, Any]) -> Iterator[None]:
    """Stop the server's process, as a suspended machine does, and let it go on."""
    os.kill(int(endpoints["pid"]), signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(int(endpoints["pid"]), signal.SIGCONT)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_a_server_that_does_not_answer_is_not_forgotten(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(launch, "PATIENCE_SECONDS", 1.0)
    endpoints = launch.start(state, keep=True)
    with suspended(endpoints):
        assert launch.status(state) is None
        with pytest.raises(launch.AlreadyRunningError, match=rf"process {endpoints['pid']}\), but it does not respond"):
            launch.start(state)
        assert (state / launch.ENDPOINTS_FILE).exists()
    assert launch.start(state)["pid"] == endpoints["pid"]
    assert launch.stop(state)
    assert launch.stop(state) is False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
@pytest.mark.parametrize("lost", [False, True])
def test_stop_ends_a_server_that_does_not_answer(state: Path, monkeypatch: pytest.MonkeyPatch, lost: bool) -> None:
    monkeypatch.setattr(launch, "ASK_SECONDS", 0.5)
    endpoints = launch.start(state, keep=True)
    if lost:
        (state / launch.ENDPOINTS_FILE).unlink()
    with suspended(endpoints):
        assert launch.stop(state)
    assert not (state / launch.ENDPOINTS_FILE).exists()
    assert launch.start(state)["pid"] != endpoints["pid"]


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP")
def test_a_process_that_is_not_the_server_is_never_ended(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "ASK_SECONDS", 0.5)
    launch.claim(state)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with (
            launch.file_lock(state / launch.SERVER_LOCK_FILE, wait=0, note=str(other.pid)),
            pytest.raises(launch.LaunchError, match="its process is unknown"),
        ):
            launch.stop(state)
        assert other.poll() is None
        other.communicate(b"\n")


@pytest.mark.slow
def test_a_start_keeps_a_server_that_was_to_end_with_its_lease(state: Path) -> None:
    endpoints = launch.start(state, linger=0.2)
    with launch.Lease(endpoints):
        assert launch.start(state, keep=True)["pid"] == endpoints["pid"]
        assert launch.ControlClient(endpoints).status()["keep"]
    time.sleep(1)
    assert launch.status(state) is not None


@pytest.mark.skipif(sys.platform == "win32", reason="no modes")
def test_all_files_are_private_whatever_the_umask_is(state: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; os.umask(0); from pathlib import Path; from hol_wizard.practice.process import launch; "
        "launch.start(Path(sys.argv[1]), keep=True, log_exchanges=Path(sys.argv[2]))"
    )
    state.mkdir(mode=0o777)
    state.chmod(0o777)
    log = tmp_path / "logs" / "exchanges.jsonl"
    subprocess.run([sys.executable, "-c", code, str(state), str(log)], check=True, cwd=Path(__file__).parents[2])
    endpoints = launch.read_endpoints(state)
    assert endpoints is not None
    cloud = cloud_of(state, endpoints)
    cloud.register_providers()
    Arm(cloud, user_token(cloud)).make_group()
    devops = as_user(cloud)
    devops.make("lab")
    git = f"{endpoints['devops']}/practice/lab/_git/lab/info/refs?service=git-receive-pack"
    assert devops.http.get(git, timeout=10).status_code == 200
    found = [state, log, *state.rglob("*")]
    assert list((state / "git").iterdir())
    assert {launch.DATABASE_FILE, "server.log", "server.out", "server.lock"} <= {each.name for each in found}
    assert [str(each) for each in found if each.lstat().st_mode & 0o077 and not each.is_symlink()] == []


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("", encoding="utf-8")
    with pytest.raises(launch.LaunchError, match="cannot use") as caught:
        launch.start(occupied / "practice")
    assert "HOL_WIZARD_HOME" in caught.value.hint


@pytest.mark.slow
def test_a_second_server_in_the_same_folder_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    launch.start(state)
    assert commands.main(["serve", "--state", str(state)]) == 1
    assert "Another practice cloud uses" in capsys.readouterr().err


def test_commands_without_a_server_say_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["faults", "--state", str(state)]) == 1
    assert "No practice cloud runs" in capsys.readouterr().err


def test_launch_loads_nothing_costly() -> None:
    code = (
        "import sys; from hol_wizard.practice.process import launch; "
        "print([name for name in ('ssl', 'http.client', 'aiohttp', 'sqlite3', 'asyncio') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert said.stdout.strip() == "[]"


def test_stop_waits_for_a_practice_cloud_that_is_just_ending(state: Path) -> None:
    launch.claim(state)
    held = threading.Event()

    def end_slowly() -> None:
        with launch.file_lock(state / launch.SERVER_LOCK_FILE, wait=1) as mine:
            assert mine
            held.set()
            time.sleep(0.4)

    ending = threading.Thread(target=end_slowly)
    ending.start()
    assert held.wait(5)
    assert launch.stop(state)
    ending.join()


@pytest.mark.parametrize(
    "name", ["notes.txt", "files", "git", "git-folders", "job-logs", "job-work", "cloud.sqlite", "server.log"]
)
@pytest.mark.parametrize("is_wizards", [False, True])
def test_a_folder_of_somebody_else_s_stays_as_it_is(
    name: str, is_wizards: bool, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state.mkdir(mode=0o755)
    (state / "endpoints.json").write_text("{}", encoding="utf-8")
    (state / "server.lock").write_text("theirs", encoding="utf-8")
    if name in {"files", "git", "git-folders", "job-logs", "job-work"}:
        (state / name).mkdir()
        (state / name / "mine").write_text("mine", encoding="utf-8")
    else:
        (state / name).write_text("mine", encoding="utf-8")
    before = {each: each.read_bytes() for each in state.rglob("*") if each.is_file()}
    with pytest.raises(launch.NotOursError, match="is not a practice cloud's folder, and it is not empty"):
        launch.start(state, is_wizards=is_wizards)
    assert commands.main(["serve", "--state", str(state)]) == 2
    assert "name an empty one" in capsys.readouterr().err
    assert launch.stop(state) is False
    assert {each: each.read_bytes() for each in state.rglob("*") if each.is_file()} == before
    assert sys.platform == "win32" or state.stat().st_mode & 0o777 == 0o755


@pytest.mark.slow
def test_profiles_may_lie_in_the_wizard_s_own_folder_and_a_reset_leaves_them(state: Path) -> None:
    ledger = state / "default" / "ledger.jsonl"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("", encoding="utf-8")
    with pytest.raises(launch.NotOursError):
        launch.start(state)
    endpoints = launch.start(state, is_wizards=True)
    launch.ControlClient(endpoints).reset()
    assert ledger.exists()
    assert launch.start(state)["pid"] == endpoints["pid"]
    taken = [each.name for each in state.iterdir() if each.is_dir() and each.name != "default"]
    assert all(
        problem_with_profile(name)
        for name in [*taken, "files", "git", "git-folders", "job-logs", "job-work", "snapshots", "azure"]
    )


def test_a_folder_that_another_start_marks_right_now_is_ours(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.mkdir()
    look = Path.iterdir

    def late(folder: Path) -> Iterator[Path]:
        (state / state_folder.MARK_FILE).touch()
        (state / launch.DATABASE_FILE).touch()
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", late)
    launch.claim(state)


@pytest.mark.slow
def test_a_folder_that_an_earlier_version_made_is_used_again(state: Path) -> None:
    launch.start(state)
    launch.stop(state)
    (state / state_folder.MARK_FILE).unlink()
    assert launch.start(state)["pid"]
    assert (state / state_folder.MARK_FILE).exists()


@pytest.mark.slow
def test_a_folder_of_an_earlier_version_that_was_killed_early_is_used_again(state: Path) -> None:
    served = launch.start(state)
    os.kill(served["pid"], signal.SIGKILL)
    assert b"CREATE TABLE documents" not in (state / "cloud.sqlite").read_bytes()
    (state / state_folder.MARK_FILE).unlink()
    assert launch.start(state)["pid"] != served["pid"]


@pytest.mark.parametrize("place", ["log", "log.1", "link"])
def test_exchanges_are_written_into_a_log_of_exchanges_only(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    if place == "link":
        if sys.platform == "win32":
            pytest.skip("links need a right there")
        log.symlink_to(tmp_path / "nowhere")
    else:
        (tmp_path / place).write_text("my notes\n", encoding="utf-8")
    assert commands.main(["serve", "--state", str(tmp_path / "state"), "--log-exchanges", str(log)]) == 2
    assert "is not a log of exchanges" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
    if place != "link":
        assert (tmp_path / place).read_text(encoding="utf-8") == "my notes\n"
