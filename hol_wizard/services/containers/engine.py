"""The container engine, at the address that docker uses: Docker Engine or Desktop, Rancher Desktop, Colima or Podman.

It is used through its command, `docker` or else `podman`. The command knows the user's contexts, hosts and credentials,
is what users type themselves, and has BuildKit, which no Python client has (docker-py issue 2230).
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hol_wizard import variables
from hol_wizard.errors import InconclusiveError, NotFoundError, UnreachableError
from hol_wizard.paths import expanded
from hol_wizard.services.containers.build_output import failure
from hol_wizard.services.programs import ask

SECONDS = 10.0
"""Timeout: a request to an engine that accepts the connection but does not respond would hang forever."""
PING_SECONDS = 1.0
"""Timeout for another engine on this machine, which is only suggested."""

GROUPS = (variables.DOCKER, variables.NETWORK)
"""The environment variables of the command."""

DEFAULT_SOCKET = Path("/var/run/docker.sock")


class Finding(StrEnum):
    """What was found."""

    ANSWERS = "answers"
    NOT_INSTALLED = "not installed"
    NOT_RUNNING = "not running"
    ELSEWHERE = "elsewhere"
    """No engine at docker's address, but one at another address."""
    UNREACHABLE = "unreachable"
    """An engine on another machine does not respond."""
    NO_PERMISSION = "no permission"
    HANGS = "hangs"
    BAD_CONTEXT = "bad context"
    WINDOWS_CONTAINERS = "windows containers"


@dataclass(frozen=True, slots=True)
class EngineReport:
    """The state of the engine."""

    client: str
    """Version of the command; empty: not installed."""
    engine: str = ""
    """Version of the engine that responds and can run the lab's images; empty if none does."""
    where: str = ""
    """Its system and architecture."""
    problem: str = ""
    remedy: str = ""
    finding: Finding = Finding.ANSWERS


class Engine:
    """The engine that the docker command talks to: by DOCKER_HOST, its current context, or the default socket."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    @property
    def command(self) -> str:
        """The command for it: `docker`, or `podman` if only that is installed."""
        path = self._environ.get("PATH")
        return "podman" if shutil.which("docker", path=path) is None and shutil.which("podman", path=path) else "docker"

    def probe(self) -> EngineReport:
        """Return whether an engine responds and, if not, which of the usual causes applies."""
        # `--format json` is newer than the 20.10 that Debian 12 has.
        answer = ask([self.command, "version", "--format", "{{json .}}"], SECONDS, self._environ, *GROUPS)
        if answer.late:
            return EngineReport(
                "?",
                problem="The Docker engine accepts the connection, but does not answer.",
                remedy="Restart Docker, then check again.",
                finding=Finding.HANGS,
            )
        if answer.code is None:
            other = next(self._others(), None)
            known = f" (an engine answers at {other}, but the lab's commands need docker)" if other else ""
            return EngineReport(
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
            return EngineReport(
                client,
                where=where,
                problem="The Docker engine runs Windows containers; the lab's images are Linux.",
                remedy="In Docker Desktop's menu choose Switch to Linux containers.",
                finding=Finding.WINDOWS_CONTAINERS,
            )
        address, source = self._address(str(client_part.get("Context") or ""))
        if engine:
            return EngineReport(client, engine, f"{where} at {address}" if _is_far(address) else where)
        if _is_far(address):
            return _explain_far(client, answer.err or answer.out, address, source)
        return self._explain(client, answer.err or answer.out)

    def _address(self, context: str) -> tuple[str, str]:
        """Return the engine's address and what sets it; both are empty for the default one."""
        for name in ("CONTAINER_HOST",) if self.command == "podman" else ("DOCKER_HOST",):
            if address := self._environ.get(name, ""):
                return address, name
        if context in {"", "default"}:
            return "", ""
        words = [self.command, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", context]
        return ask(words, SECONDS, self._environ, *GROUPS).out.strip(), f"the Docker context {context}"

    def run(self, *words: str, seconds: float = SECONDS) -> str:
        """Run the command, and return its output.

        Raises:
            NotFoundError: The engine says that it has no such image or container.
            ServiceError: It failed, with what to do.
        """
        answer = ask([self.command, *words], seconds, self._environ, *GROUPS)
        if answer.code == 0:
            return answer.out
        if answer.code is None:
            found = self.probe()
            late = "The Docker engine does not finish." if answer.late else found.problem
            raise UnreachableError(found.problem or late, found.remedy or "Restart Docker, then try again.")
        said = answer.err.strip() or answer.out.strip()
        if _ABSENT.search(said):
            raise NotFoundError(said.splitlines()[-1], detail=said)
        if (found := self.probe()).problem:
            raise UnreachableError(found.problem, found.remedy, detail=said)
        raise failure(f"{self.command} {' '.join(words[:2])} failed", said, "Run it by hand to see what it prints.")

    def image(self, name: str) -> Image | None:
        """Return an image by its name or ID, or None if the engine says that it does not exist.

        Raises:
            ServiceError: The engine could not be asked.
        """
        try:
            told = json.loads(self.run("image", "inspect", name))[0]
        except NotFoundError:
            return None
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise InconclusiveError(
                f"What the container engine says of {name} cannot be read.", f"See: {self.command} image inspect {name}"
            ) from error
        settings = told.get("Config") or {}
        return Image(
            name,
            str(told.get("Id") or ""),
            {str(label): str(value) for label, value in (settings.get("Labels") or {}).items()},
            f"{told.get('Os', '?')}/{told.get('Architecture', '?')}",
            tuple(str(each) for each in settings.get("Cmd") or ()),
        )

    def _explain(self, client: str, words: str) -> EngineReport:
        low = words.lower()
        if "permission denied" in low:
            return EngineReport(
                client,
                problem="You may not use the Docker engine's socket.",
                remedy="sudo usermod -aG docker $USER, then sign out of your system and in again.",
                finding=Finding.NO_PERMISSION,
            )
        if "context" in low and "not found" in low:
            return EngineReport(
                client,
                problem="The Docker context in use does not exist.",
                remedy="docker context use default",
                finding=Finding.BAD_CONTEXT,
            )
        if other := next(self._others(), None):
            return EngineReport(
                client,
                problem=f"No Docker engine responds at docker's default address, but one does at {other}.",
                remedy=f"export DOCKER_HOST=unix://{other}",
                finding=Finding.ELSEWHERE,
            )
        told = self._environ.get("DOCKER_HOST", "")
        return EngineReport(
            client,
            problem=f"The Docker engine is not running{f' at {told} (DOCKER_HOST)' if told else ''}.",
            remedy=_start(self.command),
            finding=Finding.NOT_RUNNING,
        )

    def _others(self) -> Iterator[Path]:
        """Yield the sockets at which an engine responds, among those of Docker, Docker Desktop, OrbStack, Rancher,
        Colima, Lima, rootless Docker and Podman; they are suggested, but never used automatically.
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


def _is_far(address: str) -> bool:
    """Return whether an engine's address is that of another machine, rather than of a socket on this one."""
    return "://" in address and not address.startswith(("unix://", "npipe://", "fd://"))


def _explain_far(client: str, words: str, address: str, source: str) -> EngineReport:
    """Return why an engine on another machine does not respond.

    Args:
        client: Version of the command.
        words: Its output.
        address: The engine's address.
        source: What sets it: `DOCKER_HOST`, or a context.
    """
    if "unable to resolve docker endpoint" in words:
        return EngineReport(
            client,
            problem=f"Docker cannot use the settings of its connection: {words.strip().rpartition('endpoint: ')[2]}.",
            remedy="Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, the folder with the certificates.",
            finding=Finding.BAD_CONTEXT,
        )
    # The message of ssh is at the end; that of the network follows the last colon.
    said = words.strip().rpartition("stderr=")[2] if "stderr=" in words else words.strip().rpartition(": ")[2]
    reason = "does not respond." if "Cannot connect" in words else f"cannot be reached: {said.rstrip('.')}."
    back = "docker context use default" if "context" in source else f"unset {source}"
    if address.startswith("ssh://"):
        parts = urlsplit(address)
        host = f"{parts.username}@{parts.hostname}" if parts.username else str(parts.hostname)
        port = f"-p {parts.port} " if parts.port else ""
        look = f"It must work without a password: ssh {port}{host} docker version."
    else:
        look = "Start Docker on that machine, and check the address."
    return EngineReport(
        client,
        problem=f"The Docker engine at {address} ({source}) {reason}",
        remedy=f"{look} For an engine on this machine: {back}",
        finding=Finding.UNREACHABLE,
    )


@dataclass(frozen=True, slots=True)
class Image:
    """An image, or its replacement without an engine."""

    name: str
    id: str
    """Digest of its content: different content has a different ID."""
    labels: Mapping[str, str]
    platform: str = ""
    """`linux/amd64`; empty: it is not an image."""
    command: tuple[str, ...] = ()
    """The command of a container."""


_ABSENT = re.compile(
    r"(?i)no such (?:image|container)|(?:image|container) not known|no container with name or ID"
    r"|could not find the file"
)
"""The texts of Docker and Podman."""


def _answers(place: Path) -> bool:
    """Return whether a Docker engine responds at a socket (Engine API: `GET /_ping`)."""
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
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _install() -> str:
    return {
        "Linux": "Install Docker Engine: docs.docker.com/engine/install",
        "Darwin": "Install Docker Desktop (docs.docker.com/get-started/get-docker), Rancher Desktop or Colima.",
    }.get(
        platform.system(),
        "Install Docker Desktop (docs.docker.com/get-started/get-docker) or Rancher Desktop. Both need WSL 2: run "
        "wsl --install as an administrator first.",
    )


def _start(command: str) -> str:
    if command == "podman":
        return "podman machine start" if platform.system() != "Linux" else "podman info"
    return {
        "Linux": "sudo systemctl start docker",
        "Darwin": "Start Docker Desktop, Rancher Desktop or Colima (colima start), and wait until it is running.",
    }.get(platform.system(), "Start Docker Desktop or Rancher Desktop, and wait until it is running.")
