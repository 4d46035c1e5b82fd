"""git, Docker, az and databricks as they may stand on somebody's machine: fake programs on a PATH of their own."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hol_wizard.services.containers import engine as engine_module
from hol_wizard.services.containers.engine import Engine, Finding
from hol_wizard.services.git.program import Git
from hol_wizard.services.programs import Programs, ask, version_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake programs are shell scripts")


@pytest.fixture
def bin_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def install(folder: Path, name: str, *, out: str = "", err: str = "", code: int = 0, lines: str = "") -> None:
    script = f"#!/bin/sh\n{lines}\ncat <<'EOF'\n{out}\nEOF\ncat >&2 <<'EOF'\n{err}\nEOF\nexit {code}\n"
    path = folder / name
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def environ(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin", "HOME": str(folder.parent), **more}


def only(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": str(folder), "HOME": str(folder.parent), **more}


CLIENT = {"Client": {"Version": "28.2.2"}}
SERVED = {**CLIENT, "Server": {"Version": "26.1.5", "Os": "linux", "Arch": "amd64"}}


@pytest.fixture(autouse=True)
def no_engine_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(engine_module, "DEFAULT_SOCKET", tmp_path / "no.sock")


def test_an_engine_that_answers(bin_folder: Path) -> None:
    install(bin_folder, "docker", out=json.dumps(SERVED), lines='test "$3" = "{{json .}}" || exit 9')
    found = Engine(environ(bin_folder)).probe()
    assert (found.client, found.engine, found.where) == ("28.2.2", "26.1.5", "linux/amd64")
    assert found.finding is Finding.ANSWERS
    assert not found.problem


def test_podman_in_dockers_place_counts(bin_folder: Path) -> None:
    install(bin_folder, "docker", out=json.dumps({"Client": {"Version": "5.4.0", "OsArch": "linux/amd64"}}))
    assert Engine(environ(bin_folder)).probe().engine == "5.4.0 (Podman)"


@pytest.mark.parametrize(
    ("err", "finding"),
    [
        ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?", Finding.NOT_RUNNING),
        ("permission denied while trying to connect to the Docker daemon socket", Finding.NO_PERMISSION),
        ('context "old": context not found: open meta.json: no such file', Finding.BAD_CONTEXT),
    ],
)
def test_an_engine_that_does_not_answer_is_told_by_its_reason(bin_folder: Path, err: str, finding: Finding) -> None:
    install(bin_folder, "docker", out=json.dumps({**CLIENT, "Server": None}), err=err, code=1)
    found = Engine(environ(bin_folder)).probe()
    assert found.finding is finding
    assert not found.engine
    assert found.problem
    assert found.remedy


def test_windows_containers_do_not_do(bin_folder: Path) -> None:
    install(
        bin_folder, "docker", out=json.dumps({**CLIENT, "Server": {"Version": "28", "Os": "windows", "Arch": "amd64"}})
    )
    found = Engine(environ(bin_folder)).probe()
    assert found.finding is Finding.WINDOWS_CONTAINERS
    assert not found.engine


def test_no_docker_command(bin_folder: Path) -> None:
    found = Engine(only(bin_folder)).probe()
    assert found.finding is Finding.NOT_INSTALLED
    assert found.client == ""


def test_an_engine_that_hangs_is_left_after_a_while(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "SECONDS", 0.3)
    # A child of the child keeps the output open.
    install(bin_folder, "docker", lines="sleep 30 & sleep 30")
    began = time.monotonic()
    assert Engine(environ(bin_folder)).probe().finding is Finding.HANGS
    assert time.monotonic() - began < 3


@contextmanager
def engine_at(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(5)

        def serve() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.recv(1000)
                        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")
            except OSError:
                return  # the test is over: its socket is closed

        threading.Thread(target=serve, daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)


def test_an_engine_elsewhere_is_offered_if_it_answers(
    bin_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    install(bin_folder, "docker", out=json.dumps(CLIENT), err="Cannot connect to the Docker daemon", code=1)
    runtime = tmp_path_factory.mktemp("r")
    with engine_at(runtime / "docker.sock"):
        found = Engine(environ(bin_folder, XDG_RUNTIME_DIR=str(runtime))).probe()
    assert found.finding is Finding.ELSEWHERE
    assert found.remedy == f"export DOCKER_HOST=unix://{runtime / 'docker.sock'}"
    # The socket's file is still there, but nobody listens.
    assert Engine(environ(bin_folder, XDG_RUNTIME_DIR=str(runtime))).probe().finding is Finding.NOT_RUNNING


@pytest.mark.parametrize(
    ("host", "err", "problem", "remedy"),
    [
        (
            "tcp://10.0.0.1:2375",
            "Cannot connect to the Docker daemon at tcp://10.0.0.1:2375. Is the docker daemon running?",
            "The Docker engine at tcp://10.0.0.1:2375 (DOCKER_HOST) does not respond.",
            "unset DOCKER_HOST",
        ),
        (
            "tcp://no.such.host:2375",
            'error during connect: Get "http://no.such.host:2375/v1": dial tcp: lookup no.such.host: no such host',
            "at tcp://no.such.host:2375 (DOCKER_HOST) cannot be reached: no such host",
            "unset DOCKER_HOST",
        ),
        (
            "ssh://me@far",
            "error during connect: command [ssh -l me -- far docker system dial-stdio] has exited with exit "
            "status 255, make sure the URL is valid: stderr=me@far: Permission denied (publickey,password).",
            "ssh://me@far (DOCKER_HOST) cannot be reached: me@far: Permission denied (publickey,password).",
            "ssh me@far docker version",
        ),
        (
            "ssh://me@far:2222",
            "error during connect: exit status 255: stderr=ssh: connect to host far port 2222: Connection refused",
            "cannot be reached: ssh: connect to host far port 2222: Connection refused",
            "ssh -p 2222 me@far docker version",
        ),
    ],
)
def test_an_engine_on_another_machine_is_named_with_the_reason(
    bin_folder: Path, host: str, err: str, problem: str, remedy: str
) -> None:
    install(bin_folder, "docker", out=json.dumps({**CLIENT, "Server": None}), err=err, code=1)
    found = Engine(environ(bin_folder, DOCKER_HOST=host)).probe()
    assert found.finding is Finding.UNREACHABLE
    assert problem in found.problem
    assert remedy in found.remedy
    assert "systemctl" not in found.remedy
    assert "usermod" not in found.remedy


def test_the_context_s_engine_on_another_machine_is_named_too(bin_folder: Path) -> None:
    answering = 'case "$1" in context) echo tcp://far:2375; exit 0;; esac\n'
    client = {"Client": {**CLIENT["Client"], "Context": "far"}}
    err = "Cannot connect to the Docker daemon at tcp://far:2375. Is the docker daemon running?"
    install(bin_folder, "docker", out=json.dumps({**client, "Server": None}), err=err, code=1, lines=answering)
    found = Engine(environ(bin_folder)).probe()
    assert "at tcp://far:2375 (the Docker context far) does not respond" in found.problem
    assert "docker context use default" in found.remedy
    install(bin_folder, "docker", out=json.dumps({**client, "Server": SERVED["Server"]}), lines=answering)
    assert Engine(environ(bin_folder)).probe().where == "linux/amd64 at tcp://far:2375"
    assert Engine(environ(bin_folder, DOCKER_HOST="ssh://me@far")).probe().where == "linux/amd64 at ssh://me@far"
    assert Engine(environ(bin_folder, DOCKER_HOST="unix:///a.sock")).probe().where == "linux/amd64"


def test_certificates_that_are_not_there_are_told(bin_folder: Path) -> None:
    err = (
        "Failed to initialize: unable to resolve docker endpoint: open /root/.docker/ca.pem: no such file or directory"
    )
    install(bin_folder, "docker", err=err, code=1)
    found = Engine(environ(bin_folder, DOCKER_HOST="tcp://far:2376", DOCKER_TLS_VERIFY="1")).probe()
    assert found.finding is Finding.BAD_CONTEXT
    assert "/root/.docker/ca.pem" in found.problem
    assert "DOCKER_CERT_PATH" in found.remedy


@pytest.mark.docker
def test_a_real_engine_answers() -> None:
    found = Engine().probe()
    if not found.engine:
        pytest.skip(f"no engine here: {found.problem}")
    assert version_in(found.engine)
    assert found.where.startswith("linux/")


def test_the_azure_cli_is_read(bin_folder: Path) -> None:
    install(bin_folder, "az", out='{"azure-cli": "2.91.0", "extensions": {}}')
    found = Programs(environ(bin_folder)).azure_cli()
    assert (found.version, found.remedy) == ("2.91.0", "")


def test_an_old_azure_cli_is_told_to_be_upgraded(bin_folder: Path) -> None:
    install(bin_folder, "az", out='{"azure-cli": "2.30.0"}')
    assert "az upgrade" in Programs(environ(bin_folder)).azure_cli().remedy


def test_an_azure_cli_that_is_broken_is_told(bin_folder: Path) -> None:
    install(bin_folder, "az", err="Traceback", code=1)
    assert Programs(environ(bin_folder)).azure_cli().remedy


@pytest.mark.parametrize(
    ("out", "version", "retired"),
    [
        ("Databricks CLI v1.13.0", "1.13.0", False),
        ("Version 0.18.0", "0.18.0", True),
        ("Databricks CLI v0.205.1", "0.205.1", False),
    ],
)
def test_the_databricks_cli_is_told_from_the_retired_one(
    bin_folder: Path, out: str, version: str, retired: bool
) -> None:
    install(bin_folder, "databricks", out=out)
    found = Programs(environ(bin_folder)).databricks_cli()
    assert found.version == version
    assert bool(found.remedy) is retired


def test_programs_that_are_not_there_say_how_to_get_them(bin_folder: Path) -> None:
    programs = Programs(only(bin_folder))
    assert programs.azure_cli().version == programs.databricks_cli().version == ""
    assert "install" in programs.azure_cli().note
    assert "install" in programs.databricks_cli().note


def test_a_program_gets_no_input_and_no_shell(bin_folder: Path) -> None:
    install(bin_folder, "echoes", lines='printf "%s|" "$@"; cat')
    answer = ask(["echoes", "$HOME; ls", "*"], 5, environ(bin_folder))
    assert answer.code == 0
    assert answer.out.startswith("$HOME; ls|*|")


def test_a_program_that_cannot_be_started_is_no_answer(bin_folder: Path) -> None:
    (bin_folder / "broken").write_bytes(b"\x00\x01")
    (bin_folder / "broken").chmod(0o755)
    assert ask(["broken"], 5, environ(bin_folder)).code is None


def test_git_says_its_version_and_who_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("GIT_AUTHOR_NAME", raising=False)
    monkeypatch.delenv("GIT_AUTHOR_EMAIL", raising=False)
    found = Git().probe()
    assert found.version
    assert (found.user_name, found.user_email) == ("", "")
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Alex\n\temail = alex@example.com\n", encoding="utf-8")
    found = Git().probe()
    assert (found.user_name, found.user_email) == ("Alex", "alex@example.com")


def test_no_git_and_git_again(bin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(bin_folder))
    assert Git().probe().problem == "not found"
    install(bin_folder, "git", lines="echo 'xcode-select: note: no developer tools were found' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    assert "xcode-select --install" in Git().probe().problem
    (bin_folder / "git").unlink()
    monkeypatch.setenv("PATH", before)
    assert Git().probe().version
