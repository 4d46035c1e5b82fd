"""Starts the practice cloud when it is first needed, and runs the command `practice`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.cli.arguments import choice_hint, nearest, speed_of
from hol_wizard.cli.streams import complain, say

if TYPE_CHECKING:
    from hol_wizard.practice.process import launch
    from hol_wizard.services.endpoints import Endpoints


class PracticeCloud:
    """Starts the practice cloud when it is first needed, and keeps it alive with a lease.

    It ends automatically some time after the last lease is released, so that another wizard can use it until then.
    """

    def __init__(self, state: Path, speed: str | None) -> None:
        import threading

        self._state = state
        self._speed = _factor(speed)
        self._lock = threading.Lock()
        self._lease: launch.Lease | None = None

    def connect(self) -> Endpoints:
        """Return its addresses; starts it if it is not running.

        Raises:
            WizardError: It could not be started.
        """
        from hol_wizard.errors import UnreachableError
        from hol_wizard.practice.process import launch
        from hol_wizard.services.endpoints import Endpoints

        with self._lock:
            try:
                # Checking the lease's connection is quick; asking the server whether it is alive takes a TLS handshake.
                if self._lease is None or not self._lease.alive:
                    self._release()
                    served = launch.start(self._state, speed=self._speed, is_wizards=True)
                    self._lease = launch.Lease(served)
                    trust(served["bundle_file"])
            except launch.LaunchError as error:
                raise UnreachableError(error.message, error.hint) from error
            return Endpoints.of_file(self._state / launch.ENDPOINTS_FILE)

    def shell_variables(self, environ: Mapping[str, str]) -> Mapping[str, str | None]:
        """Return the variables to set in a shell that uses this cloud, and with None those to remove.

        Args:
            environ: The shell's variables.

        Raises:
            WizardError: The practice cloud could not be started.
        """
        from hol_wizard.errors import UnreachableError
        from hol_wizard.practice.process import commands, launch

        self.connect()
        served = launch.read_endpoints(self._state)
        if served is None:
            raise UnreachableError("The practice cloud has just been stopped.", "Try again: it is then started.")
        try:
            return commands.prepared(served, self._state, environ)
        except launch.LaunchError as error:
            raise UnreachableError(error.message, error.hint) from error

    def _release(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def close(self) -> None:
        """Release the lease."""
        with self._lock:
            self._release()


def trust(bundle: str) -> None:
    """Make the SDKs of this process, and the programs that it starts, trust the practice cloud's certificates.

    They read these variables themselves; databricks-sdk and msal have no other way.
    """
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"):
        os.environ[variable] = bundle
    os.environ.pop("SSL_CERT_DIR", None)
    # Requests from this machine to itself must not go through a company's proxy.
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    if "127.0.0.1" not in known.split(","):
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, [known, "127.0.0.1", "localhost"]))


def _factor(speed: str | None) -> float | None:
    return None if speed is None else 1.0 if speed == "real" else float(speed)


def run_practice(words: list[str], speed: str | None, state: Path, environ: Mapping[str, str]) -> int:
    """Run a command of the practice cloud: `start` here, the others in its own module.

    Args:
        words: The words after `practice`.
        speed: How many times faster than Azure; None to leave it unchanged.
        state: Folder of the practice cloud's files.
        environ: All variables of the shell.
    """
    import contextlib
    import io

    from hol_wizard.errors import UsageError
    from hol_wizard.practice.process import commands as practice
    from hol_wizard.practice.process import launch

    known = (
        *("start", "stop", "status", "approve", "reset", "fault", "faults", "clear-faults"),
        *("expire-tokens", "set", "token", "review", "release", "env", "browse"),
    )
    asks_help = bool({"-h", "--help"} & set(words))
    name = next((word for word in words if not word.startswith("-")), "")
    if name not in known:
        near = nearest(name, known) if name else ""
        said = f"practice has no command `{name}`." if name else "practice needs a command."
        raise UsageError(said, f"Did you mean `{near}`?" if near else f"Its commands are {', '.join(known)}.")
    if name == "start" and not asks_help:
        behind = [word for word in words if word != "start"]
        if behind[:1] in (["--speed"], ["--practice-speed"]) and len(behind) == 2:
            try:
                speed = speed_of(behind.pop())
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"--speed: {error}.", "hol-wizard practice start --speed real") from error
            behind.clear()
        if behind:
            raise UsageError(
                f"practice start does not know `{behind[0]}`.", "hol-wizard practice start [--speed N|real]"
            )
        try:
            served = launch.start(state, speed=_factor(speed), keep=True, is_wizards=True)
        except launch.LaunchError as error:
            raise UsageError(error.message, error.hint) from error
        if served.get("notice"):
            say(str(served["notice"]))
        sys.stdout.write(
            f"The practice cloud runs (process {served.get('pid')}) until you run `hol-wizard practice stop`.\n"
        )
        return 0
    if name in {"review", "release"} and not asks_help:
        # The wizard that asked for a review or an approval has ended, and so may have the practice cloud.
        try:
            launch.start(state, speed=_factor(speed), is_wizards=True)
        except launch.LaunchError as error:
            raise UsageError(error.message, error.hint) from error
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            code = practice.main(words, state=state, prog="hol-wizard practice", environ=environ)
    except SystemExit as leaving:
        if not leaving.code:
            return 0
        last = complaint.getvalue().strip().rpartition("\n")[2]
        meant = choice_hint(last) if "choose from" in last else f"hol-wizard practice {name} --help"
        raise UsageError(last.partition("error: ")[2] or last, meant) from leaving
    if code and complaint.getvalue():
        message, _, hint = complaint.getvalue().strip().partition("\n")
        complain(message, hint)
    return code
