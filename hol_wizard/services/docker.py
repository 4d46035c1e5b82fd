"""The Docker engine, through the docker command: it knows the contexts, credentials and hosts that people use."""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from hol_wizard import variables
from hol_wizard.paths import expanded
from hol_wizard.services.programs import ask

SECONDS = 10.0
"""An engine that accepts the connection and then says nothing hangs for ever."""
PING_SECONDS = 1.0
"""For an engine elsewhere on this machine, asked only to be offered."""

DEFAULT_SOCKET = Path("/var/run/docker.sock")


class Finding(StrEnum):
    """What was found."""

    ANSWERS = "answers"
    NOT_INSTALLED = "not installed"
    NOT_RUNNING = "not running"
    ELSEWHERE = "elsewhere"
    """None where docker looks, but one at another place."""
    NO_PERMISSION = "no permission"
    HANGS = "hangs"
    BAD_CONTEXT = "bad context"
    WINDOWS_CONTAINERS = "windows containers"


@dataclass(frozen=True, slots=True)
class DockerReport:
    """What was found out about Docker."""

    client: str
    """Version of the docker command; empty: not there."""
    engine: str = ""
    """Version of the engine that answers and that can run the lab's images; empty: none does."""
    where: str = ""
    """Its system and architecture."""
    problem: str = ""
    remedy: str = ""
    finding: Finding = Finding.ANSWERS


class Docker:
    """The engine that the docker command talks to: by DOCKER_HOST, its current context, or the default socket."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def probe(self) -> DockerReport:
        """Tell whether an engine answers, and if not, which of the usual reasons it is."""
        # `--format json` is newer than the 20.10 that Debian 12 has.
        groups = (variables.DOCKER, variables.NETWORK)
        answer = ask(["docker", "version", "--format", "{{json .}}"], SECONDS, self._environ, *groups)
        if answer.late:
            return DockerReport(
                "?",
                problem="The Docker engine accepts the connection, but does not answer.",
                remedy="Restart Docker, then check again.",
                finding=Finding.HANGS,
            )
        if answer.code is None:
            others = list(self._others())
            known = f" (an engine answers at {others[0]}, but the lab's commands need docker)" if others else ""
            return DockerReport(
                "",
                problem=f"The docker command is not on the PATH{known}.",
                remedy=_install(),
                finding=Finding.NOT_INSTALLED,
            )
        document = _json(answer.out)
        client_part, server = document.get("Client") or {}, document.get("Server") or {}
        client = str(client_part.get("Version") or "?")
        engine, where = str(server.get("Version") or ""), f"{server.get('Os', '?')}/{server.get('Arch', '?')}"
        if not engine and answer.code == 0 and client_part:
            # Podman's `docker` works without a server.
            engine, where = f"{client} (Podman)", str(client_part.get("OsArch") or "")
        if engine and where.startswith("windows"):
            return DockerReport(
                client,
                where=where,
                problem="The Docker engine runs Windows containers; the lab's images are Linux.",
                remedy="In Docker Desktop's menu choose Switch to Linux containers.",
                finding=Finding.WINDOWS_CONTAINERS,
            )
        if engine:
            return DockerReport(client, engine, where)
        return self._explain(client, answer.err or answer.out)

    def _explain(self, client: str, words: str) -> DockerReport:
        low = words.lower()
        if "permission denied" in low:
            return DockerReport(
                client,
                problem="You may not use the Docker engine's socket.",
                remedy="sudo usermod -aG docker $USER, then sign out of your system and in again.",
                finding=Finding.NO_PERMISSION,
            )
        if "context" in low and "not found" in low:
            return DockerReport(
                client,
                problem="The Docker context in use does not exist.",
                remedy="docker context use default",
                finding=Finding.BAD_CONTEXT,
            )
        others = list(self._others())
        if others:
            return DockerReport(
                client,
                problem=f"No Docker engine responds at docker's default address, but one does at {others[0]}.",
                remedy=f"export DOCKER_HOST=unix://{others[0]}",
                finding=Finding.ELSEWHERE,
            )
        told = self._environ.get("DOCKER_HOST", "")
        return DockerReport(
            client,
            problem=f"The Docker engine is not running{f' at {told} (DOCKER_HOST)' if told else ''}.",
            remedy=_start(),
            finding=Finding.NOT_RUNNING,
        )

    def _others(self) -> Iterator[Path]:
        """Yield the sockets where an engine answers, among those of Docker, Docker Desktop, OrbStack, Rancher, Colima,
        Lima, rootless Docker and Podman; they are offered, never used unasked.
        """
        home = expanded(self._environ.get("HOME") or "~")
        runtime = self._environ.get("XDG_RUNTIME_DIR", "")
        settings = Path(self._environ.get("XDG_CONFIG_HOME") or home / ".config")
        places = [
            DEFAULT_SOCKET,
            home / ".docker/run/docker.sock",
            home / ".docker/desktop/docker.sock",
            home / ".orbstack/run/docker.sock",
            home / ".rd/docker.sock",
            home / ".colima/default/docker.sock",
            settings / "colima/default/docker.sock",
            home / ".lima/docker/sock/docker.sock",
        ]
        if runtime:
            places += [Path(runtime) / "docker.sock", Path(runtime) / "podman/podman.sock"]
        places.append(Path("/run/podman/podman.sock"))
        asked = self._environ.get("DOCKER_HOST", "")
        return (place for place in places if f"unix://{place}" != asked and _answers(place))


def _answers(place: Path) -> bool:
    """Return whether a Docker engine answers at a socket (Engine API: `GET /_ping`)."""
    if sys.platform == "win32":
        return False
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PING_SECONDS)
            connection.connect(str(place))
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _json(text: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _install() -> str:
    if platform.system() == "Linux":
        return "Install Docker Engine: docs.docker.com/engine/install"
    return "Install Docker Desktop: docs.docker.com/get-started/get-docker"


def _start() -> str:
    return (
        "sudo systemctl start docker"
        if platform.system() == "Linux"
        else "Start Docker Desktop and wait until it is running."
    )
