"""The Docker engine, through the docker command: it knows the contexts, credentials and hosts that people use."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hol_wizard.services.programs import ask

SECONDS = 10.0
"""An engine that accepts the connection and then says nothing hangs for ever."""


@dataclass(frozen=True, slots=True)
class DockerReport:
    """What was found out about Docker."""

    client: str
    """Version of the docker command; empty: not there."""
    engine: str = ""
    """Version of the engine that answers; empty: none does."""
    where: str = ""
    """Its system and architecture."""
    problem: str = ""
    remedy: str = ""


class Docker:
    """The engine that the docker command talks to."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def probe(self) -> DockerReport:
        """Tell whether an engine answers, and if not, which of the usual reasons it is."""
        answer = ask(["docker", "version", "--format", "json"], SECONDS)
        if answer.late:
            return DockerReport(
                "?", problem="The Docker engine does not answer in time.", remedy="Restart Docker, then check again."
            )
        if answer.code is None:
            return DockerReport("", problem="The docker command is not on the PATH.", remedy=_install())
        try:
            document = json.loads(answer.out)
        except ValueError:
            document = {}
        client = str((document.get("Client") or {}).get("Version") or "?")
        server = document.get("Server") or {}
        engine = str(server.get("Version") or "")
        if not engine:
            engine = next(
                (str(part.get("Version")) for part in server.get("Components") or () if part.get("Name") == "Engine"),
                "",
            )
        if engine:
            return DockerReport(client, engine, f"{server.get('Os', '?')}/{server.get('Arch', '?')}")
        return self._explain(client, answer.err)

    def _explain(self, client: str, words: str) -> DockerReport:
        low = words.lower()
        if "permission denied" in low:
            return DockerReport(
                client,
                problem="You may not use the Docker engine's socket.",
                remedy="sudo usermod -aG docker $USER, then sign out of your system and in again.",
            )
        if "context" in low and "not found" in low:
            return DockerReport(
                client, problem="The Docker context in use does not exist.", remedy="docker context use default"
            )
        others = list(self._others())
        if others:
            return DockerReport(
                client,
                problem="No Docker engine answers where docker looks, but there is one elsewhere.",
                remedy=f"export DOCKER_HOST=unix://{others[0]}",
            )
        return DockerReport(client, problem="The Docker engine is not running.", remedy=_start())

    def _others(self) -> Iterator[Path]:
        """Yield the sockets where Docker Desktop, OrbStack, Rancher, Colima, rootless Docker and Podman put theirs."""
        home = Path(self._environ.get("HOME", "~")).expanduser()
        runtime = self._environ.get("XDG_RUNTIME_DIR", "")
        places = [
            home / ".docker/run/docker.sock",
            home / ".docker/desktop/docker.sock",
            home / ".orbstack/run/docker.sock",
            home / ".rd/docker.sock",
            home / ".colima/default/docker.sock",
        ]
        if runtime:
            places += [Path(runtime) / "docker.sock", Path(runtime) / "podman/podman.sock"]
        asked = self._environ.get("DOCKER_HOST", "")
        return (place for place in places if f"unix://{place}" != asked and place.is_socket())


def _install() -> str:
    if platform.system() == "Linux":
        return "Install Docker Engine: docs.docker.com/engine/install"
    return "Install Docker Desktop: docs.docker.com/get-started/get-docker"


def _start() -> str:
    return (
        "sudo systemctl start docker"
        if platform.system() == "Linux"
        else "Start Docker Desktop and wait until it says that it runs."
    )
