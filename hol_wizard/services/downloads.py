"""Files from the public internet: downloaded without a sign-in, resumed after an interruption, and verified before
use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from hol_wizard.errors import ServiceError, UnreachableError
from hol_wizard.paths import unwritable, write_private
from hol_wizard.services import error_rules, transport

if TYPE_CHECKING:
    import requests

logger = logging.getLogger(__name__)

T = TypeVar("T")
Told = Callable[[int, int], None]
"""Called with the number of bytes so far and in total (0: unknown); an exception ends the download, which can be
resumed."""

PAUSES = (0.5, 2.0)
"""Seconds before each further try if the response was interrupted or the server is busy."""
CHUNK = 64 * 1024
MOST = 64 * 1024 * 1024
"""Maximum size of a response in bytes; a larger one is not the requested file."""


class _BrokenError(Exception):
    """A response was interrupted, or the server is busy; the received part is kept."""

    def __init__(self, reason: UnreachableError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Downloads:
    """Downloads files over the services' connections, with their proxy, certificates and timeouts."""

    def __init__(self, connect: Callable[[], requests.Session], folder: Path) -> None:
        """Create the client without sending a request.

        Args:
            connect: Returns the connections (`transport.make_session`).
            folder: Folder for complete and partial files; it is created when it is first needed.
        """
        self._connect = connect
        self.folder = folder

    def file(self, name: str) -> Path:
        """Return the path of a complete file."""
        return self.folder / name

    def find(self, name: str) -> bytes | None:
        """Return a stored file's contents, or None if there is none.

        Raises:
            UsageError: It exists but cannot be read.
        """
        try:
            return self.file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unwritable(self.file(name), error) from error

    def keep(self, name: str, content: bytes) -> Path:
        """Store a file, completely or not at all, and return its path.

        Raises:
            UsageError: It cannot be written.
        """
        write_private(self.file(name), content)
        return self.file(name)

    def forget(self, name: str) -> None:
        """Remove a stored file, and partial downloads.

        Raises:
            UsageError: It cannot be removed.
        """
        try:
            self.file(name).unlink(missing_ok=True)
            for rest in self.rests():
                rest.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        # The folder is kept if it contains another profile's file, or somebody else's.
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def rests(self) -> tuple[Path, ...]:
        """Return partial downloads."""
        return tuple(sorted(self.folder.glob("*.part*"))) if self.folder.is_dir() else ()

    def fetch(self, sources: Sequence[str], build: Callable[[bytes], T], told: Told = lambda came, whole: None) -> T:
        """Return the file from the first source that works and provides the right one.

        What was received before an interruption or a kill is kept, and the next try requests only the rest (`Range`) if
        the server still has the same file (`If-Range`); otherwise it starts again.

        Args:
            sources: Addresses, tried in this order.
            build: Validates a complete download and converts it; raises ServiceError for a wrong one.
            told: Called with the progress.

        Raises:
            UnreachableError: No source could be reached.
            ServiceError: The reachable sources provide something else.
        """
        errors: dict[str, ServiceError] = {}
        silent: set[str] = set()
        for url in sources:
            host = urlsplit(url).netloc
            if host in silent:
                continue
            part = self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:12]}.part"
            try:
                built = build(self._whole(url, part, told))
            except ServiceError as error:
                logger.info("%s: %s %s", url, error.message, error.detail)
                errors[url] = error
                if isinstance(error, UnreachableError):
                    silent.add(host)
                else:
                    self._discard(part)
                continue
            self._discard(part)
            return built
        raise _summed_up(errors)

    def _discard(self, part: Path) -> None:
        for each in (part, _notes(part)):
            # If it cannot be removed, it is requested again with its validator, which does no harm.
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)

    def _whole(self, url: str, part: Path, told: Told) -> bytes:
        """Return the contents of an address, resuming a partial download.

        Raises:
            ServiceError: It cannot be downloaded from there.
        """
        for pause in (*PAUSES, None):
            try:
                self._come(url, part, told)
            except _BrokenError as broken:
                if pause is None:
                    raise broken.reason from broken
                logger.info("%s was interrupted: %s", url, broken.reason.detail or broken.reason.message)
                time.sleep(pause)
            except OSError as error:
                raise unwritable(part, error) from error
            else:
                return part.read_bytes()
        raise AssertionError("the last try returns or raises")

    def _come(self, url: str, part: Path, told: Told) -> None:
        from requests import RequestException

        host = urlsplit(url).netloc
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there, validator = self._come_before(url, part)
        headers = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": transport.USER_AGENT}
        if there:
            headers |= {"Range": f"bytes={there}-", "If-Range": validator}
        try:
            answer = self._connect().get(url, headers=headers, stream=True)
        except RequestException as error:
            raise transport.unreachable(error, host) from error
        try:
            with answer:
                self._take(answer, url, part, there, told)
        except RequestException as error:
            raise _BrokenError(transport.unreachable(error, host)) from error

    def _come_before(self, url: str, part: Path) -> tuple[int, str]:
        """Return how much of this address's file was already received, and its validator."""
        try:
            noted: dict[str, Any] = json.loads(_notes(part).read_text(encoding="utf-8"))
            validator = str(noted["validator"])
            if noted["url"] == url and validator:
                return part.stat().st_size, validator
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            # Nothing was received yet, or its origin is unknown.
            return 0, ""
        return 0, ""

    def _take(self, answer: requests.Response, url: str, part: Path, there: int, told: Told) -> None:
        host, status = urlsplit(url).netloc, answer.status_code
        if urlsplit(answer.url).scheme != "https":
            raise ServiceError(f"{host} redirects the download to an unencrypted address.", detail=answer.url)
        if status == 416 and there:
            # It is at least as long as the file: only a new download can tell.
            self._discard(part)
            raise _BrokenError(UnreachableError(f"{host} has a different file than before."))
        if status in error_rules.BUSY:
            raise _BrokenError(UnreachableError(f"{host} is too busy at the moment (HTTP {status}).", "Try again."))
        if status not in (200, 206):
            raise ServiceError(f"{host} no longer has the file (HTTP {status}).", detail=answer.url)
        goes_on = status == 206
        if goes_on and not answer.headers.get("Content-Range", "").startswith(f"bytes {there}-"):
            self._discard(part)
            raise _BrokenError(UnreachableError(f"{host} answers with a different part than requested."))
        came = there if goes_on else 0
        size = answer.headers.get("Content-Length", "")
        length = int(size) if size.isdecimal() else 0
        encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
        whole = came + length if length and not encoded else 0
        if whole > MOST:
            raise ServiceError(f"{host} serves something else: {whole} bytes.", detail=answer.url)
        if not goes_on:
            part.write_bytes(b"")
            notes = {"url": url, "validator": _validator(answer)}
            _notes(part).write_text(json.dumps(notes), encoding="utf-8")
        told(came, whole)
        with part.open("ab") as file:
            for chunk in answer.iter_content(CHUNK):
                file.write(chunk)
                came += len(chunk)
                if came > MOST:
                    raise ServiceError(f"{host} serves something else: more than {MOST} bytes.", detail=answer.url)
                told(came, whole)
        if whole and came < whole:
            raise _BrokenError(UnreachableError(f"The download from {host} was interrupted.", "Try again."))


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _validator(answer: requests.Response) -> str:
    """Return the validator by which the server recognizes the same file, or an empty string (RFC 9110, If-Range)."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _summed_up(errors: Mapping[str, ServiceError]) -> ServiceError:
    """Return one error for all sources: a wrong file is more informative than an unreachable source."""
    wrong = [error for error in errors.values() if not isinstance(error, UnreachableError)]
    first = (wrong or list(errors.values()) or [UnreachableError("There is no address to download it from.")])[0]
    kind = ServiceError if wrong else UnreachableError
    detail = "\n".join(f"{url}: {error.detail or error.message}" for url, error in errors.items())
    return kind(first.message, first.hint, code=first.code, detail=detail)
