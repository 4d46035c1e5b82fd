"""Starts the practice cloud, finds a running one, shares and stops it.

Expensive modules (TLS, HTTP, locks) are imported when they are first needed, because every start of the wizard loads
this.
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
"""File of the real addresses of existing resources, each with its address on this machine."""
SHELL_BUNDLE_FILE = "shell-bundle.pem"
"""File of certificates for prepared shells: those that this machine trusts, and the practice cloud's CA."""
OUTPUT_FILE = "server.out"
SERVER_LOCK_FILE = "server.lock"
LAUNCH_LOCK_FILE = "launch.lock"
FIRST_LEASE_SECONDS = 60.0
"""How long a new server waits for its first lease."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0
END_SECONDS = 3.0
"""How long a process that was asked to end may take before it is killed."""
PATIENCE_SECONDS = 8.0
"""How long a start waits for a running server that does not respond."""
ASK_SECONDS = 5.0
LOG_LIMIT = 1_000_000
"""Size of the log at which the server starts a new one; the last one is kept."""


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
    """The given folder or file belongs to somebody else, and is left unchanged."""


class ControlError(LaunchError):
    """The control port refused an invalid request."""


def build() -> str:
    """Return a digest of this version and of the practice cloud's source, which identifies the program."""
    digest = hashlib.sha256(__version__.encode())
    folder = Path(__file__).parents[1]
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, completely or not at all.

    Raises:
        OSError: It cannot be written.
    """
    # `mkstemp` creates the file with mode 0600.
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
    """Hold a lock that ends with the process.

    Args:
        path: The file to lock, which is not removed.
        wait: Seconds to wait for another holder; 0 not to wait.
        note: What others can read while the lock is held (`noted`).

    Yields:
        Whether the lock is held.

    Raises:
        OSError: The file cannot be opened.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=wait, mode=0o600, poll_interval=0.02)
    try:
        lock.acquire()
    except Timeout:
        held = False
    else:
        held = True
    try:
        if held and note:
            write_private(_note_of(path), note.encode())
        yield held
    finally:
        if held:
            if note:
                _note_of(path).unlink(missing_ok=True)
            lock.release()


def noted(path: Path) -> str:
    """Return the note of a lock's holder; empty if there is none. One that was killed leaves its note behind."""
    try:
        return _note_of(path).read_bytes()[:100].decode("ascii", "replace").strip()
    except OSError:
        return ""


def _note_of(lock: Path) -> Path:
    """Return the file with the note of a lock's holder: on Windows, nobody else can read the locked file."""
    return lock.with_suffix(".holder")


def read_endpoints(state: Path) -> dict[str, Any] | None:
    """Return the contents of `endpoints.json`, or None if there is no readable one."""
    try:
        document = json.loads((state / ENDPOINTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    wanted = {"control", "control_token", "ca_file", "build"}
    return document if isinstance(document, dict) and wanted <= set(document) else None


def connect(endpoints: Mapping[str, Any], service: str) -> http.client.HTTPSConnection:
    """Return a connection to a service of a server, which trusts only this server's CA.

    Raises:
        LaunchError: The CA cannot be read.
    """
    import http.client
    import ssl

    try:
        context = ssl.create_default_context(cafile=endpoints["ca_file"])
    except OSError as error:
        raise LaunchError(f"{endpoints['ca_file']} cannot be read: {error}") from error
    address = urlsplit(str(endpoints[service]))
    return http.client.HTTPSConnection(str(address.hostname), address.port, timeout=ASK_SECONDS, context=context)


def exchange(
    connection: http.client.HTTPSConnection, method: str, path: str, body: object, headers: Mapping[str, str]
) -> tuple[int, Any]:
    """Send a request with JSON, close the connection, and return the response's status and JSON; None if it is empty.

    Raises:
        LaunchError: There is no response.
    """
    import http.client

    content = None if body is None else json.dumps(body).encode()
    sent = dict(headers) if body is None else {**headers, "Content-Type": "application/json"}
    try:
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise LaunchError(f"The practice cloud does not respond: {error}", "Start it again.") from error
    finally:
        connection.close()


class ControlClient:
    """Client for the control port of one server."""

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        self._endpoints = endpoints

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection to the control port, as `connect` does."""
        return connect(self._endpoints, "control")

    @property
    def headers(self) -> dict[str, str]:
        """The header that authenticates this client."""
        return {"Authorization": f"Bearer {self._endpoints['control_token']}"}

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the server's response.

        Raises:
            LaunchError: There is no response.
            ControlError: The server refused.
        """
        status, answer = exchange(self.connect(), method, path, body, self.headers)
        if not isinstance(answer, dict) or status >= 400:
            reason = answer.get("error") if isinstance(answer, dict) else answer
            raise ControlError(f"The practice cloud refused: {reason}")
        return answer

    def status(self) -> dict[str, Any]:
        """Return the server's status."""
        return self.ask("GET", "/status")

    def fault(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Add a fault (`hol_wizard.practice.kernel.faults.KINDS`) and return it."""
        return self.ask("POST", "/faults", {"kind": kind, **fields})

    def faults(self) -> list[dict[str, Any]]:
        """Return the active faults."""
        return list(self.ask("GET", "/faults")["faults"])

    def clear_faults(self) -> None:
        """Remove all faults."""
        self.ask("DELETE", "/faults")

    def reset(self) -> None:
        """Return the cloud to its initial, empty state."""
        self.ask("POST", "/reset")

    def take_snapshot(self, name: str) -> None:
        """Save a copy of the cloud's whole state under a name."""
        self.ask("POST", "/snapshots", {"name": name})

    def restore_snapshot(self, name: str) -> None:
        """Restore the state of a snapshot."""
        self.ask("POST", "/snapshots/restore", {"name": name})

    def settings(self, **values: Any) -> dict[str, Any]:
        """Change settings.

        Args:
            values: `latency` (seconds added to every response), `user`, `approval`, `approval_seconds` (from the
                approval of a device code until it counts; like `speed` until the server ends), `speed`, `quota` (cores
                by machine family, `cores` for all), `register_applications` (whether everybody may), `federation`
                (`allowed`, `disabled` for applications, or `constrained` for the issuer of Azure DevOps),
                `container_engine` (whether this machine's engine is used, if there is one).
        """
        return self.ask("POST", "/settings", values)

    def expire_tokens(self, *kinds: str) -> int:
        """Expire all tokens, by default `access` tokens; return how many there were."""
        return int(self.ask("POST", "/expire", {"kinds": list(kinds) or ["access"]})["expired"])

    def approve(self, code: str = "", *, address: str = "") -> dict[str, Any]:
        """Approve a sign-in, and return its description.

        Args:
            code: The code that it shows.
            address: Or the address that a browser will open.

        Raises:
            ControlError: There is no such pending sign-in.
        """
        return self.ask("POST", "/approve", {"code": code} if code else {"address": address})

    def devops_token(self, organization: str, scope: str, **more: Any) -> dict[str, Any]:
        """Create a personal access token for Azure DevOps, as its page does, and return it with its value.

        Args:
            organization: The organization in which it is valid.
            scope: Scopes, separated by spaces.
            more: `user` (its owner; default: who signs in), `days` (its lifetime; negative for an expired one), `name`.
        """
        return self.ask("POST", "/devops-tokens", {"organization": organization, "scope": scope, **more})

    def revoke_devops_token(self, token_id: str) -> bool:
        """Revoke a personal access token of Azure DevOps, as its page does, and return whether there was one."""
        return bool(self.ask("DELETE", "/devops-tokens", {"id": token_id})["revoked"])

    def expire_approval(self, approval: str) -> None:
        """Make a pending approval of a run time out now."""
        self.ask("POST", "/expire-approval", {"approval": approval})

    def plan_pipeline(self, organization: str, project: str, pipeline: int, **more: Any) -> dict[str, Any]:
        """Return what a run of a pipeline would do on this machine, with the `digest` to agree to.

        Args:
            organization: Its organization.
            project: Name or ID of its project.
            pipeline: Its ID.
            more: `branch`, `commit`, `variables`, `templateParameters` and `stagesToSkip` of the run.
        """
        wanted = {"organization": organization, "project": project, "pipeline": pipeline, **more}
        return dict(self.ask("POST", "/pipeline-consents/plan", wanted))

    def consent_to_pipeline(self, digest: str) -> None:
        """Record that what was shown with a digest may run on this machine."""
        self.ask("POST", "/pipeline-consents", {"digest": digest})

    def pipeline_consents(self) -> list[str]:
        """Return the digests that people have agreed to."""
        return list(self.ask("GET", "/pipeline-consents")["digests"])

    def withdraw_pipeline_consent(self, digest: str = "") -> int:
        """Withdraw the consent to a digest, or all; return how many there were."""
        return int(self.ask("DELETE", "/pipeline-consents", {"digest": digest})["withdrawn"])

    def register_providers(self) -> None:
        """Register every resource provider in the default subscription immediately."""
        self.ask("POST", "/register-providers")

    def keep(self) -> None:
        """Keep the server running after the last lease is released."""
        self.ask("POST", "/keep")

    def way_out(self, proxy: str, without: str) -> None:
        """Set how a prepared shell accesses hosts that the practice cloud does not serve.

        Args:
            proxy: The person's own proxy; empty to keep the settings from the server's start.
            without: Hosts to access without it, in the format of NO_PROXY.
        """
        if proxy:
            self.ask("POST", "/way-out", {"proxy": proxy, "without": without})

    def stop(self) -> None:
        """Ask the server to end."""
        self.ask("POST", "/stop")


class Lease:
    """Keeps a server alive: an open connection that the server counts. Close it, or use it with `with`.

    It also ends with the process, even if that is killed.
    """

    def __init__(self, endpoints: Mapping[str, Any]) -> None:
        client = ControlClient(endpoints)
        self._connection = client.connect()
        try:
            self._connection.request("GET", "/lease", headers=client.headers)
            # Keep a reference: the end of the response closes the connection.
            self._response = self._connection.getresponse()
        except OSError as error:
            self._connection.close()
            raise LaunchError(f"The practice cloud does not respond: {error}", "Start it again.") from error
        if self._response.status != 200:
            self._connection.close()
            raise ControlError("The practice cloud refuses a lease: the control token is wrong.")

    @property
    def alive(self) -> bool:
        """Whether the server keeps its end of the connection open; it never sends anything else."""
        connection = self._connection.sock
        if connection is None:
            return False
        readable, _, _ = select.select([connection], [], [], 0)
        return not readable

    def close(self) -> None:
        """Release the lease."""
        self._response.close()
        self._connection.close()

    def __enter__(self) -> Lease:
        """Return the lease."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Release the lease."""
        self.close()


def status(state: Path) -> dict[str, Any] | None:
    """Return the status of the server of this state folder, or None if none responds."""
    endpoints = read_endpoints(state)
    if endpoints is None:
        return None
    try:
        return ControlClient(endpoints).status()
    except LaunchError:
        return None


def stop(state: Path) -> bool:
    """Stop the server of this state folder and wait until it has ended; return whether there was one.

    One that does not respond is ended by the process ID in its lock.

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
    """Return whether no server holds the state folder; leftovers of an earlier one are then removed.

    Only the lock counts: a server that does not respond may be suspended, or slow on a busy machine.
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
    """End the process that holds the state folder, gracefully first.

    Raises:
        LaunchError: The process is unknown, or is not ours.
    """
    # It may be ending at this moment.
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
            # A stopped process receives SIGTERM only when it continues.
            os.kill(pid, signal.SIGCONT)
    with file_lock(state / SERVER_LOCK_FILE, wait=END_SECONDS) as gone:
        if gone:
            return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32" and _serves(pid, state):
            os.kill(pid, signal.SIGKILL)


def _serves(pid: int, state: Path) -> bool:
    """Return whether a process is a server of this state folder, by its command, because process IDs are reused."""
    words = _command(pid)
    return "hol_wizard.practice" in words and (str(state) in words or str(state.resolve()) in words)


def _command(pid: int) -> str:
    """Return the command line of a process; empty if unknown."""
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
    """Claim a folder for the practice cloud, unless it belongs to somebody else (`state_folder.claim`).

    Raises:
        NotOursError: It belongs to somebody else.
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
    """Return the endpoints of a responding server: the running one, or a new one.

    A stale `endpoints.json` is removed, and a server of another build is replaced. Take a `Lease` soon.

    Args:
        state: Folder of its files, which is created if it is missing.
        speed: How many times faster than Azure; None to leave it unchanged, or for the default.
        log_exchanges: Where a new server writes its log of exchanges.
        keep: Whether the server, also a running one, continues without leases.
        linger: Seconds for which a new server continues after its last lease.
        is_wizards: Whether the folder is the wizard's own.

    Raises:
        LaunchError: It cannot be started, or a running one does not respond.
        NotOursError: The folder belongs to somebody else.
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
    """Return the endpoints of a server of this build, and whether the previous one continues without leases.

    One of another build is stopped; leftovers of a dead one are removed.

    Raises:
        LaunchError: One is running but does not respond.
    """
    if _cleared(state):
        return None, False
    # The lock's holder may still be starting, or ending.
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        endpoints = read_endpoints(state)
        try:
            if endpoints is not None:
                status = ControlClient(endpoints).status()
                break
        except LaunchError:
            # The lock shows whether it is alive.
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
    # -P: nothing must be imported from the folder in which it is started.
    command = [sys.executable, "-P", "-m", "hol_wizard.practice", "serve", "--state", str(state)]
    command += ["--speed", repr(speed)] if speed is not None else []
    command += ["--log-exchanges", str(log_exchanges.resolve())] if log_exchanges else []
    command += ["--linger", repr(linger)] if linger is not None else []
    command += ["--keep"] if keep else []
    # Its output before its log is open, or when it crashes.
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
            # It continues independently, so suppress the warning that nobody waited for it.
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
    """Return the environment of the server, with what it needs for this package, an engine and the network."""
    environment = variables.of_child(
        os.environ, variables.PYTHON, variables.DOCKER, variables.NETWORK, variables.PRACTICE
    )
    parent = Path(__file__).resolve().parents[3]
    if parent.name not in {"site-packages", "dist-packages"}:
        before = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(parent) + (os.pathsep + before if before else "")
    return environment


def _detached() -> dict[str, Any]:
    """Return the options with which a child outlives its parent and its terminal."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
