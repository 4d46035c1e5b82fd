"""git as the wizard starts it: where it works, what it is told, and how it gets a sign-in; with a real git."""

from __future__ import annotations

import base64
import shlex
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from hol_wizard.errors import ServiceError, UnreachableError
from hol_wizard.services.git import remote
from hol_wizard.services.git.program import Git, run
from hol_wizard.services.git.sign_in import answer, answering
from hol_wizard.services.secrets import Secret

TOKEN = "canary-token-3b7e"  # noqa: S105 that is the point
HOST = "https://dev.azure.example"


@pytest.fixture
def above(tmp_path: Path) -> Path:
    """A repository of the person's own, in which a folder of the wizard's is."""
    assert run(tmp_path, ["init", "--quiet"]).code == 0
    assert run(tmp_path, ["config", "person.own", "yes"]).code == 0
    return tmp_path


@pytest.mark.parametrize("inside", [(), (".git",)], ids=["no repository", "a damaged repository"])
def test_a_folder_that_is_no_repository_is_not_taken_for_one_above_it(above: Path, inside: tuple[str, ...]) -> None:
    folder = above / "clone"
    folder.joinpath(*inside).mkdir(parents=True)
    ended = run(folder, ["rev-parse", "--show-toplevel"])
    assert ended.code != 0
    assert "not a git repository" in ended.err
    assert run(folder, ["config", "--get", "person.own"]).code == 1


def test_a_folder_that_is_not_there_is_no_reason_to_work_somewhere_else(
    above: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(above)
    with pytest.raises(ServiceError, match="could not be started in"):
        run(above / "nowhere", ["status"])


def test_no_variable_sends_it_to_another_repository(
    above: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("own")
    for name in run(above, ["rev-parse", "--local-env-vars"]).text.split():
        monkeypatch.setenv(name, str(above / ".git"))
    assert run(folder, ["init", "--quiet"]).code == 0
    assert Path(run(folder, ["rev-parse", "--show-toplevel"]).text.strip()) == folder.resolve()
    assert run(folder, ["config", "--get", "person.own"]).code == 1


def test_settings_of_the_wizard_count_before_those_that_the_person_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {"COUNT": "2", "KEY_0": "hol.canary", "VALUE_0": "theirs", "KEY_1": "hol.other", "VALUE_1": "theirs"}
    for name, value in theirs.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'hol.canary=theirs'")
    told = run(tmp_path, ["config", "--get-all", "hol.canary"], settings=[("hol.canary", "one"), ("hol.canary", "two")])
    assert told.text.split() == ["one", "two"]
    assert run(tmp_path, ["config", "--get", "hol.other"]).code == 1


def test_a_home_that_is_a_repository_does_not_say_who_commits(monkeypatch: pytest.MonkeyPatch, isolated: Path) -> None:
    assert run(isolated, ["init", "--quiet"]).code == 0
    assert run(isolated, ["config", "--local", "user.name", "Dotfiles"]).code == 0
    monkeypatch.setenv("GIT_DIR", str(isolated / ".git"))
    assert Git().probe().user_name == "Test"


def test_it_is_heard_while_it_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    words = ["-c", "alias.slow=!echo one >&2; sleep 0.2; echo two >&2", "slow"]
    ended = run(tmp_path, words, heard=heard.append)
    assert "".join(heard) == ended.err == "one\ntwo\n"
    assert len(heard) == 2


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="does not finish"):
        run(tmp_path, ["-c", "alias.slow=!exec sleep 30", "slow"], seconds=0.2)


@pytest.mark.parametrize("words", [("clone", "--quiet"), ("fetch", "--quiet"), ("push", "--quiet", "--all")])
def test_a_server_that_drips_is_left_by_git_and_by_what_git_has_started(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "FAR_SECONDS", 0.4)
    left = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        service = "git-receive-pack" if words[0] == "push" else "git-upload-pack"
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/x-{service}-advertisement\r\n"
        connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode())
        with suppress(OSError):
            while True:
                connection.sendall(b"0")
                time.sleep(0.05)
        left.set()

    assert run(tmp_path, ["init", "--quiet", "repository"]).code == 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        far = remote.GitRemote(f"http://127.0.0.1:{listener.getsockname()[1]}/lab", lambda: Secret("Bearer x"))
        folder = tmp_path if words[0] == "clone" else tmp_path / "repository"
        began = time.monotonic()
        with pytest.raises(UnreachableError, match=f"git {words[0]} did not finish"):
            far.run(folder, (*words, far.url), far=True)
        assert time.monotonic() - began < 6
        assert left.wait(5)


def fill(folder: Path, helper: str) -> str:
    """Have git ask for the sign-in, as its transport does."""
    place = f"credential.{HOST}.helper"
    request = f"url={HOST}/lab\n\n".encode()
    return run(folder, ["credential", "fill"], settings=[(place, ""), (place, helper)], given=request).text


@pytest.mark.parametrize(
    "authorization", [f"Bearer {TOKEN}", f"Basic {base64.b64encode(f':{TOKEN}'.encode()).decode()}"]
)
def test_it_is_given_the_sign_in_when_it_asks_and_no_longer(authorization: str, tmp_path: Path) -> None:
    with answering(Secret(authorization)) as helper:
        assert TOKEN not in helper
        assert f"password={TOKEN}" in fill(tmp_path, helper).splitlines()
        # Neither its variables nor its arguments tell.
        shown = run(
            tmp_path, ["-c", "alias.variables=!env", "variables"], settings=[("credential.helper", helper)]
        ).text
        assert "GIT_CONFIG_VALUE_0" in shown
        assert TOKEN not in shown
        assert authorization not in shown
    assert TOKEN not in fill(tmp_path, helper)


def test_nobody_without_the_key_is_answered(tmp_path: Path) -> None:
    del tmp_path
    with answering(Secret(f"Bearer {TOKEN}")) as helper:
        file = Path(shlex.split(helper[1:])[-1])
        port, key = file.read_bytes().split()
        if sys.platform != "win32":
            assert file.stat().st_mode & 0o077 == 0
            assert file.parent.stat().st_mode & 0o077 == 0
        for shown in (b"", b"\n", key[:-1] + b"\n", key.upper() + b"x\n", b"x" * 100_000 + b"\n"):
            with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
                answered = b""
                with suppress(OSError):  # it may be closed before all is sent or read
                    connection.sendall(shown)
                    connection.shutdown(socket.SHUT_WR)
                    answered = connection.recv(1000)
                assert answered == b""
        # One that says nothing keeps nobody else waiting.
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10):
            assert (
                TOKEN
                in subprocess.run(
                    [*shlex.split(helper[1:]), "get"], input=b"\n", capture_output=True, check=True, timeout=5
                ).stdout.decode()
            )
    assert not file.exists()


def test_a_git_that_can_is_given_the_token_as_what_it_is() -> None:
    asked = ["capability[]=authtype", "protocol=https"]
    assert "authtype=Bearer" in answer(Secret(f"Bearer {TOKEN}"), asked)
    assert answer(Secret(f"Bearer {TOKEN}"), asked[1:]) == f"username=hol-wizard\npassword={TOKEN}\n"


def test_nothing_in_the_folder_gets_in_between(tmp_path: Path) -> None:
    for name in ("socket.py", "pathlib.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit('diverted')\n", encoding="utf-8")
    with answering(Secret(f"Bearer {TOKEN}")) as helper:
        assert f"password={TOKEN}" in fill(tmp_path, helper)


def test_how_far_a_transfer_is_is_read_from_gits_lines() -> None:
    told: list[str] = []
    heard = remote._progress_of(told.append)
    heard(
        "Cloning into '.'...\nremote: Counting objects:  50% (1/2)\r"
        "Receiving objects:  42% (21/50), 1.20 MiB | 2.30 MiB/s\r"
    )
    assert told == ["50% counted", "42% received 1.20 MiB | 2.30 MiB/s"]
