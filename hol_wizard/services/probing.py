"""What declared checks look at: programs, files and web addresses, each bounded in time and size."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hol_wizard import variables
from hol_wizard.errors import UnreachableError, UsageError
from hol_wizard.services import programs, transport
from hol_wizard.services.endpoints import Endpoints

if TYPE_CHECKING:
    import requests

MOST: Final = 1024 * 1024
"""Maximum number of bytes that are read of an output, a file or a response."""
HTTP_SECONDS: Final = 15.0
"""Time limit for a response."""
_FOR_BATCH: Final = frozenset('"&|<>^%!()`\r\n')
"""Characters that cmd.exe interprets in the arguments of a batch file, which Windows starts with it, without a shell of
ours (CERT/CC VU#123335)."""


@dataclass(frozen=True, slots=True)
class Page:
    """A response."""

    status: int
    text: str


def problem_for_batch(command: Sequence[str]) -> str:
    """Return why a batch file must not get these arguments; empty if it may."""
    strange = next((letter for word in command[1:] for letter in word if letter in _FOR_BATCH), "")
    return f"{command[0]} is a batch file here, and an argument contains {strange!r}" if strange else ""


class Probing:
    """Runs commands, and reads files and pages, for what a document declares."""

    def __init__(self, endpoints: Endpoints, connect: Callable[[], requests.Session]) -> None:
        """Create the object without doing anything.

        Args:
            endpoints: The cloud.
            connect: Returns the connections (`transport.make_session`).
        """
        self._endpoints = endpoints
        self._connect = connect

    def run(self, command: Sequence[str], seconds: float, folder: Path) -> programs.Answer:
        """Run a command without a shell and return its result.

        It gets no secrets of this process, and on a cloud that keeps its own sign-in for other programs, that one.

        Args:
            command: Program and arguments; the program is searched for on the PATH.
            seconds: Time limit.
            folder: Where it works.

        Raises:
            UsageError: Windows would have a shell interpret an argument.
        """
        environ = dict(os.environ)
        for name, path in (
            ("AZURE_CONFIG_DIR", self._endpoints.azure_config_dir),
            ("DATABRICKS_CONFIG_FILE", self._endpoints.databricks_config_file),
        ):
            if path is not None:
                environ[name] = str(path)
        if sys.platform == "win32" and programs.is_batch_file(command[0], environ.get("PATH")):
            if problem := problem_for_batch(command):
                raise UsageError(f"This command cannot run on Windows: {problem}.", "Do the step by hand.")
        groups = (variables.NETWORK, variables.GIT, variables.DOCKER, variables.AZURE, variables.DATABRICKS)
        return programs.ask(command, seconds, environ, *groups, folder=folder, most=MOST)

    def read(self, path: Path, place: Path) -> str | None:
        """Return the beginning of a file as text, or None if it does not exist.

        Args:
            path: The file.
            place: The folder that it must be in, after links are followed.

        Raises:
            UsageError: It is outside, is not a file, or cannot be read.
        """
        actual = Path(os.path.realpath(path))
        if not actual.is_relative_to(os.path.realpath(place)):
            raise UsageError(f"{path} is a link to {actual}, which is outside {place}.", "Put a file there instead.")
        try:
            if not stat.S_ISREG(actual.stat().st_mode):
                raise UsageError(f"{path} is not a file.", "Remove it, and put a file there.")
            with actual.open("rb") as file:
                return file.read(MOST).decode("utf-8", "replace")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", "") or str(error)
            raise UsageError(f"{path} cannot be read: {why}.", "Give yourself the right to read it.") from error

    def get(self, url: str) -> Page:
        """Return what an address answers to GET without a sign-in; a redirect is an answer.

        Args:
            url: The address; a service of this cloud may have the name that other clients use.

        Raises:
            UnreachableError: There was no answer, or not in time.
        """
        from requests import RequestException

        url = self._endpoints.address_of(url)
        host, began = urlsplit(url).netloc, time.monotonic()
        headers = {"Accept": "*/*", "User-Agent": transport.USER_AGENT}
        try:
            with self._connect().get(url, headers=headers, stream=True, allow_redirects=False) as answer:
                body = bytearray()
                for chunk in answer.iter_content(64 * 1024):
                    body += chunk
                    if len(body) >= MOST:
                        break
                    if time.monotonic() - began > HTTP_SECONDS:
                        raise UnreachableError(
                            f"{host} did not answer completely within {HTTP_SECONDS:.0f} seconds.", "Check again."
                        )
                return Page(answer.status_code, body[:MOST].decode("utf-8", "replace"))
        except RequestException as error:
            raise transport.unreachable(error, host) from error
