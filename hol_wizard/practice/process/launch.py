"""Starts the practice cloud, finds the one that runs, shares and stops it. Standard library only.

What is costly to import (TLS, HTTP) is imported when it is first needed: every start of the wizard loads this.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hol_wizard import __version__, variables
from hol_wizard.practice.process import state_folder

if TYPE_CHECKING:
    import http.client

FORMAT_VERSION = 1
ENDPOINTS_FILE = "endpoints.json"
DATABASE_FILE = "cloud.sqlite"
LOG_FILE = "server.log"
NAMES_FILE = "names.json"
"""The real addresses of what is there, each with the one that it has on this machine."""
SHELL_BUNDLE_FILE = "shell-bundle.pem"
"""Certificates for prepared shells: all that this machine trusts, and the practice cloud's CA."""
OUTPUT_FILE = "server.out"
SERVER_LOCK_FILE = "server.lock"
LAUNCH_LOCK_FILE = "launch.lock"
FIRST_LEASE_SECONDS = 60.0
"""How long a server that was just started waits for its first lease."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0
END_SECONDS = 3.0
"""How long a process that was told to end may take, before it is killed."""
PATIENCE_SECONDS = 8.0
"""How long a start waits for a server that runs and does not answer."""
ASK_SECONDS = 5.0
LOG_LIMIT = 1_000_000
"""Bytes of log from which on the server begins a new one; the last is kept."""


class LaunchError(Exception):
    """The practice cloud cannot be started, found or asked.

    Attributes:
        message: What happened.
        hint: What to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class AlreadyRunningError(LaunchError):
    """Another server holds the state folder."""


class NotOursError(LaunchError):
    """A folder or a file that was named is somebody else's; it stays as it is."""


class ControlError(LaunchError):
    """The control port refused: what was asked for makes no sense."""


def build() -> str:
    """Return a digest of this version and of the practice cloud's source: equal means the same program."""
    digest = hashlib.sha256(__version__.encode())
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    # `mkstemp` makes the file with mode 0600.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def file_lock(path: Path, *, wait: float, note: str = "") -> Iterator[bool]:
    """Hold a lock that dies with the process.

    filelock was considered: it empties the file at every attempt, so the holder could not note itself in it.

    Args:
        path: The file to lock; it stays behind.
        wait: Seconds to wait for another holder; 0: do not wait.
        note: What others read in it while the lock is held (`noted`).

    Yields:
        Whether the lock is held.
    """
    deadline = time.monotonic() + wait
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
        held = _try_lock(file.fileno())
        while not held and time.monotonic() < deadline:
            time.sleep(0.02)
            held = _try_lock(file.fileno())
        try:
            if held:
                # Windows locks the first byte, also against readers.
                file.truncate(0)
                file.seek(0)
                file.write(b" " + note.encode())
            yield held
        finally:
            if held:
                file.truncate(0)
                _unlock(file.fileno())


def noted(path: Path) -> str:
    """Return what the holder of a lock has noted in it; empty if there is no such note."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(1)
            return file.read(100).decode("ascii", "replace").strip()
    except OSError:
        return ""


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        try:
            os.lseek(handle, 0, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


def read_endpoints(state: Path) -> dict[str, Any] | None:
    """Return what `endpoints.json` says, or None if there is none that can be read."""
    try:
        document = json.loads((state / ENDPOINTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = {"control", "control_token", "ca_file", "build"}
    return document if isinstance(document, dict) and wanted <= set(document) else None


class ControlClient:
    """Asks the control port of one server."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._endpoints = endpoints

    def connect(self, timeout: float = ASK_SECONDS) -> http.client.HTTPSConnection:
        """Return a connection that trusts this server's CA and nothing else.

        Raises:
            LaunchError: The CA cannot be read.
        """
        import http.client
        import ssl

        try:
            context = ssl.create_default_context(cafile=self._endpoints["ca_file"])
        except OSError as error:
            raise LaunchError(f"{self._endpoints['ca_file']} cannot be read: {error}") from error
        address = urlsplit(str(self._endpoints["control"]))
        return http.client.HTTPSConnection(str(address.hostname), address.port, timeout=timeout, context=context)

    @property
    def headers(self) -> dict[str, str]:
        """The header that lets this client in."""
        return {"Authorization": f"Bearer {self._endpoints['control_token']}"}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the server's answer.

        Raises:
            LaunchError: No answer came.
            ControlError: It is a refusal.
        """
        import http.client

        connection = self.connect()
        content = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"} if body is not None else self.headers
        try:
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            status, text = response.status, response.read()
            answer = json.loads(text)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise LaunchError(f"The practice cloud does not respond: {error}", "Start it again.") from error
        finally:
            connection.close()
        if not isinstance(answer, dict) or status >= 400:
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise ControlError(f"The practice cloud refused: {reason}")
        return answer

    def status(self) -> dict[str, Any]:
        """Return how the server stands."""
        return self.ask("GET", "/status")

    def fault(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Add a fault (`hol_wizard.practice.kernel.faults.KINDS`) and return it."""
        return self.ask("POST", "/faults", {"kind": kind, **fields})

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that wait."""
        return list(self.ask("GET", "/faults")["faults"])

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.ask("DELETE", "/faults")

    def reset(self) -> None:
        """Make the cloud as empty as it was at its first start."""
        self.ask("POST", "/reset")

    def take_snapshot(self, name: str) -> None:
        """Keep a copy of everything that the cloud holds under a name."""
        self.ask("POST", "/snapshots", {"name": name})

    def restore_snapshot(self, name: str) -> None:
        """Put the cloud back to how it was when the snapshot was taken."""
        self.ask("POST", "/snapshots/restore", {"name": name})

    def settings(self, **values: Any) -> dict[str, Any]:
        """Change settings.

        Args:
            values: `latency` (seconds added to every response), `user`, `approval`, `speed`, `quota` (cores by
            machine
                family, `cores` for all), `register_applications` (whether everybody may).
        """
        return self.ask("POST", "/settings", values)

    def expire_tokens(self, *kinds: str) -> int:
        """Make all tokens too old, `access` ones where no kind is named; return how many there were."""
        return int(self.ask("POST", "/expire", {"kinds": list(kinds) or ["access"]})["expired"])

    def approve(self, code: str = "", *, address: str = "") -> dict[str, Any]:
        """Approve a sign-in, and return what it is.

        Args:
            code: The code that it shows.
            address: Or the address that a browser is about to open.

        Raises:
            ControlError: No such sign-in waits.
        """
        return self.ask("POST", "/approve", {"code": code} if code else {"address": address})

    def devops_token(self, organization: str, scope: str, **more: Any) -> dict[str, Any]:
        """Make a personal access token of Azure DevOps, as its page does, and return it with its value.

        Args:
            organization: Where it holds.
            scope: Scopes with spaces between them.
            more: `user` (whose it is; default: who signs in), `days` (how long it lives; below 0: ended), `name`.
        """
        return self.ask("POST", "/devops-tokens", {"organization": organization, "scope": scope, **more})

    def revoke_devops_token(self, token_id: str) -> bool:
        """Revoke a personal access token of Azure DevOps, as its page does, and return whether there was one."""
        return bool(self.ask("DELETE", "/devops-tokens", {"id": token_id})["revoked"])

    def register_providers(self) -> None:
        """Have every resource provider registered in the default subscription at once."""
        self.ask("POST", "/register-providers")

    def keep(self) -> None:
        """Have the server go on when the last lease is gone."""
        self.ask("POST", "/keep")

    def way_out(self, proxy: str, without: str) -> None:
        """Tell how a prepared shell reaches the hosts that are not the practice cloud's.

        Args:
            proxy: The person's own proxy; empty: the way that the server knows from its start stays.
            without: Hosts that are asked without it, as NO_PROXY has them.
        """
        if proxy:
            self.ask("POST", "/way-out", {"proxy": proxy, "without": without})

    def stop(self) -> None:
        """Ask the server to end."""
        self.ask("POST", "/stop")


class Lease:
    """Keeps a server alive: an open connection that the server counts. Close it, or leave its `with`.

    It ends with the process too, however that dies.
    """

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        client = ControlClient(endpoints)
        self._connection = client.connect()
        try:
            self._connection.request("GET", "/lease", headers=client.headers)
            # Kept: the answer's end closes the connection.
            self._response = self._connection.getresponse()
        except OSError as error:
            self._connection.close()
            raise LaunchError(f"The practice cloud does not respond: {error}", "Start it again.") from error
        if self._response.status != 200:
            self._connection.close()
            raise ControlError("The practice cloud refuses a lease: the control token is wrong.")

    @property
    def alive(self) -> bool:
        """Whether the server still holds its end of the connection; it never sends anything else."""
        connection = self._connection.sock
        if connection is None:
            return False
        readable, _, _ = select.select([connection], [], [], 0)
        return not readable

    def close(self) -> None:
        """Let go of the server."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Lease:
        """Return the lease."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let go of the server."""
        self.close()


def status(state: Path) -> dict[str, Any] | None:
    """Return how the server of this state folder stands, or None if none answers."""
    endpoints = read_endpoints(state)
    if endpoints is None:
        return None
    try:
        return ControlClient(endpoints).status()
    except LaunchError:
        return None


def stop(state: Path) -> bool:
    """Stop the server of this state folder and wait until it is gone; return whether there was one.

    One that does not answer is ended by the process id in its lock.

    Raises:
        LaunchError: It does not end.
    """
    lock = state / SERVER_LOCK_FILE
    if not state_folder.is_ours(state) or not lock.exists() or _cleared(state):
        return False
    endpoints = read_endpoints(state)
    try:
        if endpoints is None:
            raise LaunchError(f"There is no {ENDPOINTS_FILE}.")
        ControlClient(endpoints).stop()
    except LaunchError:
        _end(state)
    with file_lock(lock, wait=STOP_SECONDS) as gone:
        if not gone:
            raise LaunchError("The practice cloud does not end.", f"End its process ({noted(lock)}) yourself.")
        (state / ENDPOINTS_FILE).unlink(missing_ok=True)
    return True


def _cleared(state: Path) -> bool:
    """Return whether no server holds the state folder; what one has left behind is then removed.

    The lock alone tells: a server that does not answer may be suspended, or wait for a busy machine.
    """
    try:
        with file_lock(state / SERVER_LOCK_FILE, wait=0) as free:
            if free:
                (state / ENDPOINTS_FILE).unlink(missing_ok=True)
            return free
    except FileNotFoundError:
        # No folder, no server.
        return True


def _end(state: Path) -> None:
    """End the process that holds the state folder, softly first.

    Raises:
        LaunchError: It is not known which one that is, or it is not ours.
    """
    # It may be ending by itself right now.
    with file_lock(state / SERVER_LOCK_FILE, wait=1) as gone:
        if gone:
            return
    said = noted(state / SERVER_LOCK_FILE)
    pid = int(said) if said.isdigit() else 0
    if not pid or not _serves(pid, state):
        raise LaunchError(
            "The practice cloud does not respond, and its process is unknown.",
            f"End the process whose command has `hol_wizard.practice serve --state {state.resolve()}`.",
        )
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        if sys.platform != "win32":
            # A process that is stopped takes SIGTERM only when it goes on.
            os.kill(pid, signal.SIGCONT)
    with file_lock(state / SERVER_LOCK_FILE, wait=END_SECONDS) as gone:
        if gone:
            return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32" and _serves(pid, state):
            os.kill(pid, signal.SIGKILL)


def _serves(pid: int, state: Path) -> bool:
    """Return whether a process is a server of this state folder, by its command: process ids are used again."""
    words = _command(pid)
    return "hol_wizard.practice" in words and (str(state) in words or str(state.resolve()) in words)


def _command(pid: int) -> str:
    """Return the command line of a process; empty if it cannot be told."""
    try:
        if sys.platform.startswith("linux"):
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        if sys.platform == "win32":
            query = f"(Get-CimInstance Win32_Process -Filter ProcessId={pid}).CommandLine"
            asking = ["powershell", "-NoProfile", "-NonInteractive", "-Command", query]
        else:
            asking = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        environ = variables.of_child(os.environ)
        return subprocess.run(asking, env=environ, capture_output=True, text=True, timeout=20, check=False).stdout  # noqa: S603 - fixed words and a number
    except (OSError, subprocess.SubprocessError):
        return ""


def claim(state: Path, *, is_wizards: bool = False) -> None:
    """Make a folder the practice cloud's, unless it is somebody else's (`state_folder.claim`).

    Raises:
        NotOursError: It is.
        OSError: It cannot be used.
    """
    try:
        state_folder.claim(state, is_wizards=is_wizards)
    except state_folder.ForeignFolderError as error:
        raise NotOursError(
            str(error), "The practice cloud replaces and removes files in its folder: name an empty one, or a new one."
        ) from error


def start(
    state: Path,
    *,
    speed: float | None = None,
    log_exchanges: Path | None = None,
    keep: bool = False,
    linger: float | None = None,
    is_wizards: bool = False,
) -> dict[str, Any]:
    """Return the endpoints of a server that answers: the one that runs, or a new one.

    A stale `endpoints.json` is removed, a server of another build is replaced. Take a `Lease` soon.

    Args:
        state: Folder of its files; it is made where it is missing.
        speed: How much faster than Azure; None: leave it as it is, or the default.
        log_exchanges: Where a new server writes its log of exchanges.
        keep: Whether the server goes on without leases, also one that already runs.
        linger: Seconds for which a new server outlives its last lease.
        is_wizards: Whether the folder is the wizard's own.

    Raises:
        LaunchError: It cannot be started, or one that runs does not answer.
        NotOursError: The folder is somebody else's.
    """
    try:
        claim(state, is_wizards=is_wizards)
        with file_lock(state / LAUNCH_LOCK_FILE, wait=START_SECONDS) as held:
            if not held:
                raise LaunchError("Another start of the practice cloud does not finish.", f"Look into {state}.")
            found, kept = _running(state)
            if found is None:
                return _spawn(state, speed=speed, log_exchanges=log_exchanges, keep=keep or kept, linger=linger)
            if speed is not None:
                ControlClient(found).settings(speed=speed)
            if keep:
                ControlClient(found).keep()
            return found
    except OSError as error:
        raise LaunchError(
            f"The practice cloud cannot use {state}: {error}",
            "Set HOL_WIZARD_HOME to a folder that you may write to.",
        ) from error


def _running(state: Path) -> tuple[dict[str, Any] | None, bool]:
    """Return the endpoints of a server of this very build, and whether the one before was to go on without leases.

    One of another build is stopped; what a dead one has left is removed.

    Raises:
        LaunchError: One runs, but it does not respond.
    """
    if _cleared(state):
        return None, False
    # The one that holds the lock may still be starting, or ending.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        endpoints = read_endpoints(state)
        try:
            if endpoints is not None:
                status = ControlClient(endpoints).status()
                break
        except LaunchError:
            # Whether it is alive, the lock tells.
            endpoints = None
        if _cleared(state):
            return None, False
        if time.monotonic() > deadline:
            raise AlreadyRunningError(
                f"The practice cloud in {state} runs (process {noted(state / SERVER_LOCK_FILE) or 'unknown'}), "
                "but it does not respond.",
                "Try again in a moment, or stop it: hol-wizard practice stop",
            )
        time.sleep(0.1)
    if status["build"] == build():
        return endpoints, False
    stop(state)
    return None, bool(status.get("keep"))


def _spawn(
    state: Path, *, speed: float | None, log_exchanges: Path | None, keep: bool, linger: float | None
) -> dict[str, Any]:
    state = state.resolve()
    # -P: the folder that it is started in is no place to import from.
    command = [sys.executable, "-P", "-m", "hol_wizard.practice", "serve", "--state", str(state)]
    command += ["--speed", repr(speed)] if speed is not None else []
    command += ["--log-exchanges", str(log_exchanges.resolve())] if log_exchanges else []
    command += ["--linger", repr(linger)] if linger is not None else []
    command += ["--keep"] if keep else []
    # What it says before its own log is open, or when it dies.
    output = state / OUTPUT_FILE
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=state,
            env=_environment(),
            **_detached(),
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        endpoints = read_endpoints(state)
        if endpoints is not None:
            # It goes its own way from here: do not warn that it was never waited for.
            process.returncode = 0
            return endpoints
        if process.poll() is not None:
            break
        time.sleep(0.01)
    else:
        process.kill()
    said = output.read_bytes().decode("utf-8", "replace").strip()
    last = said.splitlines()[-1] if said else "it printed nothing"
    raise LaunchError(f"The practice cloud did not start: {last}", f"Look into {output} and {state / LOG_FILE}.")


def _environment() -> dict[str, str]:
    """Return the environment of the server: it finds this package, an engine and the network."""
    environment = variables.of_child(
        os.environ, variables.PYTHON, variables.DOCKER, variables.NETWORK, variables.PRACTICE
    )
    parent = Path(__file__).resolve().parents[3]
    if parent.name not in {"site-packages", "dist-packages"}:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(parent) + (os.pathsep + before if before else "")
    return environment


def _detached() -> dict[str, Any]:
    """Return what makes a child outlive its parent and its terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
