"""Azure Data Lake Storage Gen2: file systems, files and access lists, over the `dfs` endpoint's REST interface.

Every method names the account by its endpoint, as returned by Resource Manager (`properties.primaryEndpoints.dfs`). The
facts about the service are from its reference (learn.microsoft.com/rest/api/storageservices/data-lake-storage-gen2) and
its official description (`DataLakeStorage.json`, 2023-05-03), unless marked as not verified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError
from hol_wizard.services.answers import Document, pages
from hol_wizard.services.rest import Reply, RestClient, json_object

logger = logging.getLogger(__name__)

API_VERSION = "2023-11-03"
"""Sent as `x-ms-version`; a bearer token is refused without one."""

PART = 1024 * 1024
"""Bytes that are sent and flushed at a time: a kill loses at most this much."""

SHA256_NAME = "hol_wizard_sha256"
"""Name of the metadata with the digest of the whole content, as hexadecimal digits.

Names of metadata are C# identifiers (Naming containers, blobs and metadata), so it contains no hyphens.
"""

Told = Callable[[int, int], None]
"""Called with the number of bytes so far and in total; an exception ends the work at that safe point."""

_GONE_WITH_IT = frozenset({"FilesystemNotFound", "ContainerNotFound"})


@dataclass(frozen=True, slots=True)
class FileProperties:
    """The properties of a file or directory in a lake."""

    length: int
    """In bytes; data that was appended and not flushed does not count."""
    etag: str
    """Changes with every change of the contents or the metadata."""
    content_md5: str = ""
    """MD5 of the contents in base64, as provided by the writer; empty if it was not provided."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    directory: bool = False
    modified: str = ""
    """Time of the last change, in HTTP's format."""

    @property
    def sha256(self) -> str:
        """The digest that the wizard recorded when it wrote the file, or an empty string."""
        return self.metadata.get(SHA256_NAME, "")

    @property
    def age(self) -> float:
        """Seconds since the last change, by this machine's clock; infinite if unknown."""
        try:
            return (datetime.now(UTC) - parsedate_to_datetime(self.modified)).total_seconds()
        except (TypeError, ValueError):
            return math.inf


@dataclass(frozen=True, slots=True)
class PathItem:
    """One line of a listing."""

    name: str
    length: int
    directory: bool


@dataclass(frozen=True, slots=True)
class AccessControl:
    """The access rights of one file or directory."""

    owner: str
    """Object ID, or `$superuser`."""
    group: str
    permissions: str
    """`rwxr-x---`, followed by `+` if the list contains more."""
    entries: tuple[str, ...]
    """`user:<object ID>:r-x`; with the prefix `default:` for what new files and folders inherit."""


@dataclass(frozen=True, slots=True)
class AclChanges:
    """The result of a change of access lists."""

    directories: int
    files: int


class DataLake:
    """The data lakes that the account may access; thread-safe."""

    def __init__(self, rest: RestClient) -> None:
        """Create the client without sending a request."""
        self._rest = rest

    def _send(
        self,
        method: str,
        endpoint: str,
        path: str,
        query: Mapping[str, str | int],
        headers: Mapping[str, str] | None = None,
        *,
        thing: str,
        content: bytes | None = None,
        raw: bool = False,
    ) -> Reply:
        url = f"{endpoint.rstrip('/')}/{path}"
        if query:
            url += f"?{urlencode(query)}"
        named = {"x-ms-version": API_VERSION, **(headers or {})}
        if content is not None:
            named["Content-Type"] = "application/octet-stream"
        return self._rest.send(method, url, thing=thing, content=content, headers=named, raw=raw)

    # File systems

    def file_system_exists(self, endpoint: str, name: str) -> bool:
        """Return whether the account has this file system (container).

        Raises:
            AccessDeniedError: The signed-in account has no role that allows this.
            ServiceError: The lake could not be asked.
        """
        try:
            self._send("HEAD", endpoint, quote(name), {"resource": "filesystem"}, thing=f"container {name}")
        except NotFoundError:
            return False
        return True

    def paths(self, endpoint: str, file_system: str, *, recursive: bool = False) -> tuple[PathItem, ...]:
        """Return the contents of a file system, by name.

        Raises:
            NotFoundError: There is no such file system.
            AccessDeniedError: Neither a role nor the access list allows this.
            ServiceError: The lake could not be asked.
        """
        found: list[PathItem] = []
        query: dict[str, str | int] = {"resource": "filesystem", "recursive": str(recursive).lower()}

        def read(mark: str) -> Reply:
            more = {"continuation": mark} if mark else {}
            return self._send("GET", endpoint, quote(file_system), query | more, thing=f"container {file_system}")

        for reply in pages(read, _continuation):
            for each in json_object(reply, endpoint).objects("paths"):
                directory = str(each.get("isDirectory", "")).lower() == "true"
                found.append(PathItem(str(each["name"]), each.number("contentLength"), directory))
        return tuple(found)

    # Files

    def file(self, endpoint: str, file_system: str, path: str) -> FileProperties | None:
        """Return the properties of a file or directory, or None if there is none.

        Raises:
            NotFoundError: The file system does not exist either.
            AccessDeniedError: Neither a role nor the access lists allow this.
            ServiceError: The lake could not be asked.
        """
        try:
            reply = self._send("HEAD", endpoint, _place(file_system, path), {}, thing=_words(file_system, path))
        except NotFoundError as error:
            if error.code in _GONE_WITH_IT:
                raise
            return None
        headers = reply.headers
        return FileProperties(
            length=Document(headers, reply.source).number("content-length"),
            etag=headers.get("etag", ""),
            content_md5=headers.get("content-md5", ""),
            metadata=_metadata(headers.get("x-ms-properties", "")),
            directory=headers.get("x-ms-resource-type", "") == "directory",
            modified=headers.get("last-modified", ""),
        )

    def read(self, endpoint: str, file_system: str, path: str, *, length: int | None = None, etag: str = "") -> bytes:
        """Return a file's content.

        Args:
            endpoint: The account's.
            file_system: The container.
            path: The file.
            length: How many bytes from the beginning; None for all.
            etag: Read only this version of the file; empty for any.

        Raises:
            NotFoundError: There is no such file.
            ConflictError: It has changed since it had this etag.
            ServiceError: The lake could not be asked.
        """
        if length == 0:
            return b""
        headers = {"Accept": "*/*"}
        if length is not None:
            headers["Range"] = f"bytes=0-{length - 1}"
        if etag:
            headers["If-Match"] = etag
        thing = _words(file_system, path)
        reply = self._send("GET", endpoint, _place(file_system, path), {}, headers, thing=thing, raw=True)
        content: bytes = reply.body
        return content if length is None else content[:length]

    def upload(
        self,
        endpoint: str,
        file_system: str,
        path: str,
        content: bytes,
        *,
        metadata: Mapping[str, str],
        replaces: FileProperties | None = None,
        told: Told = lambda sent, whole: None,
    ) -> FileProperties:
        """Write a file in parts, or continue the same upload after an interruption.

        Bytes that were appended but not flushed cannot be read or counted, so they are lost after a kill. Therefore,
        each part is flushed immediately, and an upload continues from what is committed. An existing file counts as
        such a beginning only if it has exactly this metadata, which includes the digest of the whole contents, and if
        its bytes are the first bytes of the contents. Until the last flush, the file therefore exists but is too short,
        so a check compares its length. Every flush names the ETag that the previous one returned, so that two
        simultaneous uploads never mix: one of them ends with a ConflictError.

        Args:
            endpoint: The account's.
            file_system: The container.
            path: Where the file goes.
            content: All of it.
            metadata: Stored with the file; the digest (`SHA256_NAME`) is added.
            replaces: The file that may be overwritten, in exactly this version; None if no file may be.
            told: Called after every part.

        Returns:
            The properties of the file.

        Raises:
            ConflictError: Something else exists, or somebody else writes to it.
            AccessDeniedError: Neither a role nor the access lists allow this.
            ServiceError: The lake refused, or could not be asked.
        """
        upload = _Upload(self, endpoint, file_system, path, content, metadata, told)
        try:
            return upload.run(replaces)
        except ConflictError as error:
            if error.code != "InvalidFlushPosition":
                raise
            # Data of another run was appended but never flushed: only a new file discards it.
            logger.info("starting the upload of %s again: %s", path, error.detail)
            return upload.run(replaces, fresh=True)

    def delete(self, endpoint: str, file_system: str, path: str, *, etag: str = "") -> bool:
        """Delete a file; return whether there was one.

        Args:
            endpoint: The account's.
            file_system: The container.
            path: The file.
            etag: Delete only this version of the file; empty for any.

        Raises:
            ConflictError: It has changed since it had this etag.
            AccessDeniedError: Neither a role nor the access lists allow this.
            ServiceError: The lake refused, or could not be asked.
        """
        headers = {"If-Match": etag} if etag else {}
        try:
            self._send("DELETE", endpoint, _place(file_system, path), {}, headers, thing=_words(file_system, path))
        except NotFoundError:
            return False
        return True

    # Access lists

    def get_access_control(self, endpoint: str, file_system: str, path: str = "") -> AccessControl:
        """Return the access list of a file or directory; the empty path is the file system's top folder.

        Raises:
            NotFoundError: It does not exist.
            AccessDeniedError: Neither a role nor the access lists allow this.
            ServiceError: The lake could not be asked.
        """
        reply = self._send(
            "HEAD",
            endpoint,
            _place(file_system, path),
            {"action": "getAccessControl", "upn": "false"},
            thing=_words(file_system, path),
        )
        headers = reply.headers
        return AccessControl(
            headers.get("x-ms-owner", ""),
            headers.get("x-ms-group", ""),
            headers.get("x-ms-permissions", ""),
            tuple(filter(None, headers.get("x-ms-acl", "").split(","))),
        )

    def modify_access_control_recursive(
        self, endpoint: str, file_system: str, entries: Iterable[str], path: str = "", *, told: Told = lambda a, b: None
    ) -> AclChanges:
        """Add entries to the access lists of a directory and everything below it; other entries are kept.

        It is idempotent.

        Args:
            endpoint: The account's.
            file_system: The container.
            entries: `user:<object ID>:rwx` and `default:user:<object ID>:rwx`; files have no default entries.
            path: The directory; empty for the file system's top folder.
            told: Called after each page with the number of changed directories and files.

        Raises:
            AccessDeniedError: The account neither owns all of it nor has a role that may change access lists (Storage
                Blob Data Owner); earlier changes remain.
            ServiceError: The lake refused, or could not be asked.
        """
        return self._change_acls(endpoint, file_system, path, "modify", ",".join(entries), told)

    def remove_access_control_recursive(
        self, endpoint: str, file_system: str, entries: Iterable[str], path: str = "", *, told: Told = lambda a, b: None
    ) -> AclChanges:
        """Remove entries from the access lists of a directory and everything below it.

        Args:
            endpoint: The account's.
            file_system: The container.
            entries: `user:<object ID>` and `default:user:<object ID>`, without permissions.
            path: The directory; empty for the file system's top folder.
            told: Called after each page with the number of changed directories and files.

        Raises:
            AccessDeniedError: As for `modify_access_control_recursive`.
            ServiceError: The lake refused, or could not be asked.
        """
        return self._change_acls(endpoint, file_system, path, "remove", ",".join(entries), told)

    def _change_acls(
        self, endpoint: str, file_system: str, path: str, mode: str, entries: str, told: Told
    ) -> AclChanges:
        query: dict[str, str | int] = {"action": "setAccessControlRecursive", "mode": mode}
        thing = _words(file_system, path)
        directories = files = 0

        def change(mark: str) -> Reply:
            more, headers = {"continuation": mark} if mark else {}, {"x-ms-acl": entries}
            return self._send("PATCH", endpoint, _place(file_system, path), query | more, headers, thing=thing)

        for reply in pages(change, _continuation):
            page = json_object(reply, endpoint)
            directories += page.number("directoriesSuccessful")
            files += page.number("filesSuccessful")
            if page.number("failureCount"):
                raise _refused_entries(page, thing)
            told(directories, files)
        return AclChanges(directories, files)


def _continuation(reply: Reply) -> str:
    """Return the mark of the next page; empty on the last one."""
    return reply.headers.get("x-ms-continuation", "")


class _Upload:
    """One upload of contents to one path."""

    def __init__(
        self,
        lake: DataLake,
        endpoint: str,
        file_system: str,
        path: str,
        content: bytes,
        metadata: Mapping[str, str],
        told: Told,
    ) -> None:
        self._lake = lake
        self._endpoint = endpoint
        self._file_system = file_system
        self._path = path
        self._content = content
        self._metadata = {**metadata, SHA256_NAME: hashlib.sha256(content).hexdigest()}
        self._told = told
        self._thing = _words(file_system, path)

    def run(self, replaces: FileProperties | None, *, fresh: bool = False) -> FileProperties:
        found = self._look()
        begun = found is not None and not found.directory and dict(found.metadata) == self._metadata
        whole = len(self._content)
        if found is not None and begun and not fresh and self._is_beginning(found):
            done, etag = found.length, found.etag
            if done == whole and found.content_md5:
                return found
        elif found is None or begun or (replaces is not None and replaces.etag == found.etag):
            done, etag = 0, self._create(found)
        else:
            raise ConflictError(
                f"{self._thing} already exists, with other contents.",
                "Check it in the portal (Storage browser), and delete it there if nobody needs it.",
            )
        self._told(done, whole)
        while True:
            part = self._content[done : done + PART]
            if part:
                self._append(part, done)
            done += len(part)
            etag = self._flush(done, etag, last=done == whole)
            self._told(done, whole)
            if done == whole:
                break
        written = self._look()
        if written is None or written.etag != etag:
            raise _written_by_others(self._thing)
        return written

    def _look(self) -> FileProperties | None:
        return self._lake.file(self._endpoint, self._file_system, self._path)

    def _is_beginning(self, found: FileProperties) -> bool:
        """Whether the existing file is a beginning of the contents."""
        if found.length > len(self._content) or (found.length % PART and found.length != len(self._content)):
            return False
        there = self._lake.read(self._endpoint, self._file_system, self._path, length=found.length, etag=found.etag)
        return there == self._content[: found.length]

    def _send(
        self, method: str, query: Mapping[str, str | int], headers: Mapping[str, str], content: bytes | None = None
    ) -> Reply:
        place = _place(self._file_system, self._path)
        return self._lake._send(method, self._endpoint, place, query, headers, thing=self._thing, content=content)

    def _create(self, found: FileProperties | None) -> str:
        """Create the file, still empty, or replace the one that was found; return its ETag."""
        condition = {"If-Match": found.etag} if found is not None else {"If-None-Match": "*"}
        named = {
            **condition,
            "x-ms-properties": ",".join(f"{name}={_base64(value.encode())}" for name, value in self._metadata.items()),
            "x-ms-content-type": "text/csv",
        }
        try:
            return self._send("PUT", {"resource": "file"}, named).headers.get("etag", "")
        except ConflictError:
            # The response to a first try may have been lost: then the existing file is ours, and empty.
            made = self._look()
            if made is None or made.length or dict(made.metadata) != self._metadata:
                raise
            return made.etag

    def _append(self, part: bytes, position: int) -> None:
        digest = hashlib.md5(part, usedforsecurity=False).digest()
        query: dict[str, str | int] = {"action": "append", "position": position}
        self._send("PATCH", query, {"Content-MD5": _base64(digest)}, part)

    def _flush(self, length: int, etag: str, *, last: bool) -> str:
        """Flush the appended data; return the file's ETag."""
        query: dict[str, str | int] = {"action": "flush", "position": length}
        named = {"If-Match": etag}
        if last:
            query["close"] = "true"
            whole = hashlib.md5(self._content, usedforsecurity=False).digest()
            named |= {"x-ms-content-md5": _base64(whole), "x-ms-content-type": "text/csv"}
        try:
            return self._send("PATCH", query, named).headers.get("etag", "")
        except ConflictError as error:
            if error.code != "ConditionNotMet":
                raise
            # The response to a first try may have been lost: then the file already has the length after this flush.
            now = self._look()
            if now is None or now.length != length or dict(now.metadata) != self._metadata:
                raise _written_by_others(self._thing) from error
            return now.etag


def _place(file_system: str, path: str) -> str:
    # The top folder is an empty path after a second slash, as in requests of Microsoft's clients.
    return f"{quote(file_system)}/{quote(path) or '/'}"


def _words(file_system: str, path: str) -> str:
    return f"{path} in container {file_system}" if path else f"container {file_system}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _metadata(text: str) -> dict[str, str]:
    """Return the contents of `x-ms-properties`: `name=base64,name=base64`."""
    found = {}
    for each in filter(None, text.split(",")):
        name, _, value = each.strip().partition("=")
        try:
            found[name] = base64.b64decode(value).decode("utf-8", "replace")
        except binascii.Error:
            found[name] = value
    return found


def _written_by_others(thing: str) -> ConflictError:
    return ConflictError(
        f"Somebody else is writing {thing} at the same time.",
        "Wait until they are done, then check again.",
        code="ConditionNotMet",
    )


def _refused_entries(page: Mapping[str, Any], thing: str) -> ServiceError:
    failed = [each for each in page.get("failedEntries") or () if isinstance(each, Mapping)]
    names = ", ".join(str(each.get("name") or "the top folder") for each in failed[:5])
    words = "; ".join(str(each.get("errorMessage") or "") for each in failed[:5])
    return AccessDeniedError(
        f"The access list of {names or thing} in {thing} cannot be changed by this account.",
        "Ask for the role Storage Blob Data Owner on the storage account.",
        detail=words,
    )
