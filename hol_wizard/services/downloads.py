"""Files from the public internet: fetched without a sign-in, gone on with after a break, used when they are right."""

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
"""Is told how many bytes of how many (0: unknown) have come; what it raises ends the work, and the rest can follow."""

PAUSES = (0.5, 2.0)
"""Seconds before each further try at an address whose response was interrupted, or that is busy."""
CHUNK = 64 * 1024
MOST = 64 * 1024 * 1024
"""Bytes after which an answer is not what was asked for."""


class _BrokenError(Exception):
    """A response was interrupted, or the server is busy: what is there is kept."""

    def __init__(self, reason: UnreachableError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Downloads:
    """Fetches files over the connections of the services, so with their proxy, certificates and time-outs."""

    def __init__(self, connect: Callable[[], requests.Session], folder: Path) -> None:
        """Ask nobody yet.

        Args:
            connect: Returns the connections (`transport.make_session`).
            folder: Where files and what has come of them are kept; made when it is first needed.
        """
        self._connect = connect
        self.folder = folder

    def file(self, name: str) -> Path:
        """Return where a finished file is kept."""
        return self.folder / name

    def find(self, name: str) -> bytes | None:
        """Return a kept file's content, or None where there is none.

        Raises:
            UsageError: It is there and cannot be read.
        """
        try:
            return self.file(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unwritable(self.file(name), error) from error

    def keep(self, name: str, content: bytes) -> Path:
        """Keep a file, whole or not at all, and return where.

        Raises:
            UsageError: It cannot be written.
        """
        write_private(self.file(name), content)
        return self.file(name)

    def forget(self, name: str) -> None:
        """Remove a kept file, and leftovers of unfinished downloads.

        Raises:
            UsageError: It cannot be removed.
        """
        try:
            self.file(name).unlink(missing_ok=True)
            for rest in self.rests():
                rest.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        # Another profile's may lie beside it, or a file of somebody else's: then the folder stays.
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def rests(self) -> tuple[Path, ...]:
        """Return leftovers of unfinished downloads."""
        return tuple(sorted(self.folder.glob("*.part*"))) if self.folder.is_dir() else ()

    def fetch(self, sources: Sequence[str], build: Callable[[bytes], T], told: Told = lambda came, whole: None) -> T:
        """Return what the first source that works and is right hands out.

        What came before a break, or a kill, is kept, and the next try asks for the rest only (`Range`), if the server
        still has the same file (`If-Range`); otherwise it starts again.

        Args:
            sources: Addresses, tried in this order.
            build: Judges and turns a whole download into what is wanted; raises ServiceError for a wrong one.
            told: Is told how far it is.

        Raises:
            UnreachableError: No source could be reached.
            ServiceError: Those that could hand out something else.
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
            # What cannot be removed is asked for again with its validator: it does no harm.
            with contextlib.suppress(OSError):
                each.unlink(missing_ok=True)

    def _whole(self, url: str, part: Path, told: Told) -> bytes:
        """Return all that an address hands out, going on with what has come of it before.

        Raises:
            ServiceError: It cannot be had from there.
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
        """Return how much of this address's file is there already, and by what it is known to be the same file."""
        try:
            noted: dict[str, Any] = json.loads(_notes(part).read_text(encoding="utf-8"))
            validator = str(noted["validator"])
            if noted["url"] == url and validator:
                return part.stat().st_size, validator
        except (OSError, ValueError, KeyError, TypeError):
            # Nothing has come yet, or nobody knows of what.
            return 0, ""
        return 0, ""

    def _take(self, answer: requests.Response, url: str, part: Path, there: int, told: Told) -> None:
        host, status = urlsplit(url).netloc, answer.status_code
        if urlsplit(answer.url).scheme != "https":
            raise ServiceError(f"{host} redirects the download to an unencrypted address.", detail=answer.url)
        if status == 416 and there:
            # It is as long as the file, or longer: only a new beginning tells.
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
    """Return by what the server will know that it still has the same file, or an empty string (RFC 9110, If-Range)."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _summed_up(errors: Mapping[str, ServiceError]) -> ServiceError:
    """Return one error for all sources: that nobody was reached says less than that somebody handed out nonsense."""
    wrong = [error for error in errors.values() if not isinstance(error, UnreachableError)]
    first = (wrong or list(errors.values()) or [UnreachableError("There is no address to download it from.")])[0]
    kind = ServiceError if wrong else UnreachableError
    detail = "\n".join(f"{url}: {error.detail or error.message}" for url, error in errors.items())
    return kind(first.message, first.hint, code=first.code, detail=detail)
