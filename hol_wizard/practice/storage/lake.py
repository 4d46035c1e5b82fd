"""The files of all storage accounts: their metadata are documents, their bytes are files beside the database.

The bytes of a file are in one file on disk: an append writes to it, and a flush extends its valid length. Bytes after
the valid length, such as those left by a killed process, are ignored. Files that are no longer referenced are deleted
at the next start.
"""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterable
from email.utils import formatdate
from pathlib import Path

from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.storage import acl

NAME_RULE = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
"""Names of containers ("Naming and Referencing Containers, Blobs, and Metadata")."""
_TICKS_OF_EPOCH = 621_355_968_000_000_000
"""100 ns from the year 1 to 1970: ETags are the time of the last change in these (recorded)."""
_FILETIME_OF_EPOCH = 116_444_736_000_000_000


class Lake:
    """File systems (containers) and what is in them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.file_systems = world.collection("file_systems", self)
        self.paths = world.collection("file_system_paths", self)
        self.blocks = world.collection("file_system_blocks", self)
        """Blocks that no block list has made part of a blob, by the blob's key."""
        self._leaving = world.collection("file_systems_leaving", self)
        self._folder = world.folder("files")
        self._garbage: list[str] = []
        # Bytes that were to be deleted may belong to a restored snapshot.
        world.on_replaced(self._garbage.clear)
        self._last = 0
        self._clear({each["content"] for each in self.paths} | {b["content"] for d in self.blocks for b in d["blocks"]})

    def _clear(self, used: Iterable[str]) -> None:
        if self._folder.is_dir():
            kept = set(used)
            for each in self._folder.iterdir():
                if each.name not in kept:
                    each.unlink(missing_ok=True)

    def stamp(self) -> Document:
        """Return the time of a change, and the ETag that identifies it."""
        now = self._world.clock.now()
        self._last = max(self._last + 1, int(now * 10_000_000) + _TICKS_OF_EPOCH)
        return {"changed": now, "etag": f"0x{self._last:X}"}

    # File systems

    def file_system(self, account: str, name: str) -> Document | None:
        """Return a file system."""
        return self.file_systems.get(f"{account}/{name}")

    def of(self, account: str) -> list[Document]:
        """Return an account's file systems by name."""
        return sorted((each for each in self.file_systems if each["account"] == account), key=lambda each: each["name"])

    def leaving(self, account: str, name: str) -> bool:
        """Return whether a file system of this name was deleted so recently that the name is not yet free."""
        found = self._leaving.get(f"{account}/{name}")
        return found is not None and bool(found["until"] > self._world.clock.now())

    def make_file_system(self, account: str, name: str, owner: str, metadata: dict[str, str]) -> Document:
        """Create an empty file system."""
        document: Document = {
            "account": account,
            "name": name,
            "metadata": metadata,
            "created": self._world.clock.now(),
            **self.stamp(),
        }
        self.file_systems.put(f"{account}/{name}", document)
        self._put(self._new(document, "", owner, owner, acl.of_child({}, directory=True), directory=True))
        return document

    def change_file_system(self, document: Document, metadata: dict[str, str]) -> Document:
        """Replace the metadata of a file system."""
        changed = {**document, "metadata": metadata, **self.stamp()}
        self.file_systems.put(f"{changed['account']}/{changed['name']}", changed)
        return changed

    def delete_file_system(self, document: Document) -> None:
        """Delete a file system and everything in it."""
        for each in [*self.below(document, ""), self.find(document, "")]:
            if each is not None:
                self._forget(each)
        key = f"{document['account']}/{document['name']}"
        self.file_systems.delete(key)
        self._leaving.put(key, {"until": self._world.clock.due("Microsoft.Storage container delete")})

    def forget_account(self, account: str) -> None:
        """Delete everything that was in a deleted account."""
        for each in self.of(account):
            self.delete_file_system(each)
            self._leaving.delete(f"{account}/{each['name']}")

    # Files and directories

    def find(self, file_system: Document, path: str) -> Document | None:
        """Return a file or directory; the empty path is the root."""
        return self.paths.get(_key(file_system["account"], file_system["name"], path))

    def below(self, file_system: Document, directory: str) -> list[Document]:
        """Return everything below a directory, by path."""
        prefix = f"{directory}/" if directory else ""
        found = (
            each
            for each in self.paths
            if each["account"] == file_system["account"]
            and each["file_system"] == file_system["name"]
            and each["path"]
            and each["path"].startswith(prefix)
        )
        return sorted(found, key=lambda each: str(each["path"]))

    def ancestors(self, file_system: Document, path: str) -> list[Document]:
        """Return the directories above a path that exist, the root first."""
        parts = path.split("/")[:-1] if path else []
        above = ["", *("/".join(parts[: n + 1]) for n in range(len(parts)))] if path else []
        return [found for each in above if (found := self.find(file_system, each)) is not None]

    def make(self, file_system: Document, path: str, owner: str, *, directory: bool, parents: bool) -> Document:
        """Create an empty file or a directory, with the directories above it; what is at the path is replaced.

        Args:
            file_system: Where.
            path: Without leading and trailing slashes.
            owner: Object id of the creator.
            directory: Whether to create a directory.
            parents: Whether there are directories: a namespace without hierarchy has none.
        """
        parent = self.find(file_system, "")
        if parents:
            parts = path.split("/")[:-1]
            for n in range(len(parts)):
                above = "/".join(parts[: n + 1])
                found = self.find(file_system, above)
                parent = found or self._make(file_system, above, owner, parent, directory=True)
        old = self.find(file_system, path)
        if old is not None:
            self._drop(old["content"])
        return self._make(file_system, path, owner, parent, directory=directory)

    def _make(
        self, file_system: Document, path: str, owner: str, parent: Document | None, *, directory: bool
    ) -> Document:
        group = parent["group"] if parent is not None else owner
        inherited = acl.of_child(parent["acl"] if parent is not None else {}, directory=directory)
        made = self._new(file_system, path, owner, group, inherited, directory=directory)
        self._put(made)
        return made

    def _new(
        self, file_system: Document, path: str, owner: str, group: str, entries: acl.Acl, *, directory: bool
    ) -> Document:
        return {
            "account": file_system["account"],
            "file_system": file_system["name"],
            "path": path,
            "directory": directory,
            "owner": owner,
            "group": group,
            "acl": entries,
            "created": self._world.clock.now(),
            **self.stamp(),
            "length": 0,
            "content": "" if directory else uuid.uuid4().hex,
            "pending": {},
            "committed": [],
            "headers": {} if directory else {"Content-Type": "application/octet-stream"},
            "metadata": {},
        }

    def change(self, document: Document, **values: object) -> Document:
        """Change a file or directory, and its ETag."""
        changed = {**document, **values, **self.stamp()}
        self._put(changed)
        return changed

    def delete(self, file_system: Document, document: Document) -> None:
        """Delete a file, or a directory and everything below it."""
        if document["directory"]:
            for each in self.below(file_system, document["path"]):
                self._forget(each)
        self._forget(document)

    def move(self, source: Document, document: Document, target: Document, path: str) -> Document:
        """Move a file, or a directory and everything below it, to another path; return it.

        Args:
            source: The file system that it is in.
            document: What is moved.
            target: The file system that it goes to.
            path: Its new path.
        """
        old = str(document["path"])
        moving = [document, *(self.below(source, old) if document["directory"] else [])]
        there = self.find(target, path)
        if there is not None:
            self._forget(there)
        for each in moving:
            self.paths.delete(_key(each["account"], each["file_system"], each["path"]))
            self._put({**each, "file_system": target["name"], "path": path + each["path"][len(old) :]})
        moved = self.find(target, path)
        if moved is None:
            raise LookupError(path)
        return moved

    def _put(self, document: Document) -> None:
        self.paths.put(_key(document["account"], document["file_system"], document["path"]), document)

    def _forget(self, document: Document) -> None:
        key = _key(document["account"], document["file_system"], document["path"])
        self.paths.delete(key)
        self._forget_blocks(key)
        self._drop(document["content"])

    # Bytes

    def _file(self, content: str) -> Path:
        return self._folder / content

    def _drop(self, content: str) -> None:
        """Delete bytes only when the documents that no longer refer to them are on disk: when the next bytes are
        written."""
        if content:
            self._world.store.current.on_commit.append(lambda: self._garbage.append(content))

    def _write(self, content: str, position: int, data: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        while self._garbage:
            self._file(self._garbage.pop()).unlink(missing_ok=True)
        file = self._file(content)
        with contextlib.suppress(FileExistsError):
            file.touch(exist_ok=False)
        with file.open("r+b") as stream:
            stream.seek(position)
            stream.write(data)

    def read(self, document: Document, start: int, end: int) -> bytes:
        """Return the bytes of a file from `start` up to `end`."""
        if end <= start:
            return b""
        with self._file(document["content"]).open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def append(self, document: Document, position: int, data: bytes) -> Document:
        """Append bytes, which become part of the file with the next flush; return the file.

        Of an append before the valid end only the position is recorded: a flush refuses it.
        """
        if position >= document["length"]:
            self._write(document["content"], position, data)
        changed = {**document, "pending": {**document["pending"], str(position): len(data)}}
        self._put(changed)
        return changed

    def appended(self, document: Document) -> int | None:
        """Return the file's length with everything that was appended; None if that is not contiguous."""
        end = int(document["length"])
        for position, length in sorted((int(key), value) for key, value in document["pending"].items()):
            if position != end:
                return None
            end = position + length
        return end

    def flush(self, document: Document, position: int, *, retain: bool, headers: dict[str, str]) -> Document:
        """Set a file's length to `position`; return the file."""
        left = {key: value for key, value in document["pending"].items() if retain and int(key) >= position}
        return self.change(
            document, length=position, pending=left, committed=[], headers={**document["headers"], **headers}
        )

    def fill(self, document: Document, data: bytes, headers: dict[str, str], metadata: dict[str, str]) -> Document:
        """Write the content of a new file; return the file."""
        if data:
            self._write(document["content"], 0, data)
        return self.change(
            document, length=len(data), headers={**document["headers"], **headers}, metadata=dict(metadata)
        )

    # Blocks of blobs

    def blocks_of(self, file_system: Document, path: str) -> list[JsonObject]:
        """Return the uncommitted blocks, in the order of their arrival."""
        found = self.blocks.get(_key(file_system["account"], file_system["name"], path))
        return list(found["blocks"]) if found is not None else []

    def stage(self, file_system: Document, path: str, block: str, data: bytes) -> None:
        """Store a block until a block list makes it part of a blob; a block of the same ID is replaced."""
        waiting = self.blocks_of(file_system, path)
        for each in waiting:
            if each["id"] == block:
                self._drop(each["content"])
        content = uuid.uuid4().hex
        self._write(content, 0, data)
        new = {"id": block, "content": content, "length": len(data)}
        key = _key(file_system["account"], file_system["name"], path)
        self.blocks.put(key, {"blocks": [*(each for each in waiting if each["id"] != block), new]})

    def staged(self, block: JsonObject) -> bytes:
        """Return the bytes of an uncommitted block."""
        return self._file(block["content"]).read_bytes()

    def forget_blocks(self, file_system: Document, path: str) -> None:
        """Delete the uncommitted blocks of a path."""
        self._forget_blocks(_key(file_system["account"], file_system["name"], path))

    def _forget_blocks(self, key: str) -> None:
        found = self.blocks.get(key)
        if found is not None:
            for each in found["blocks"]:
                self._drop(each["content"])
            self.blocks.delete(key)


def _key(account: str, file_system: str, path: str) -> str:
    """Return a document's key; paths are in hex, since keys are compared case-insensitively."""
    return f"{account}/{file_system}/{path.encode().hex()}"


def http_time(seconds: float) -> str:
    """Return a time in the format of `Last-Modified`."""
    return formatdate(seconds, usegmt=True)


def file_time(seconds: float) -> str:
    """Return a time in units of 100 ns since 1601, as lists of paths show it (recorded)."""
    return str(int(seconds * 10_000_000) + _FILETIME_OF_EPOCH)
