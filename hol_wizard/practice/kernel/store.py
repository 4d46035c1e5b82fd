"""The state on disk: small JSON documents in SQLite, all of them held in memory too."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
SCHEMA_VERSION = 2
Document = dict[str, Any]
_DAMAGE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
"""SQLite's result codes that tell of the file's content; SQLITE_ERROR: a table or column that is not there."""


class UnreadableError(Exception):
    """The database was damaged, or another version has written it."""


class Collection:
    """Documents of one kind under their keys; keys are kept in lower case, as ARM compares them."""

    def __init__(self, name: str, documents: dict[str, Document], changed: set[tuple[str, str]]) -> None:
        self._name = name
        self._documents = documents
        self._changed = changed

    def get(self, key: str) -> Document | None:
        """Return the document, or None. Change it only to `put` it back."""
        return self._documents.get(key.lower())

    def put(self, key: str, document: Document) -> None:
        """Keep the document under this key."""
        self._documents[key.lower()] = document
        self._changed.add((self._name, key.lower()))

    def delete(self, key: str) -> None:
        """Forget the document; nothing happens where there is none."""
        if self._documents.pop(key.lower(), None) is not None:
            self._changed.add((self._name, key.lower()))

    def items(self) -> list[tuple[str, Document]]:
        """Return keys and documents, in the order of their making; a copy, safe to change while looping."""
        return list(self._documents.items())

    def values(self) -> list[Document]:
        """Return the documents, in the order of their making."""
        return list(self._documents.values())

    def clear(self) -> None:
        """Forget all documents."""
        for key, _ in self.items():
            self.delete(key)

    def __contains__(self, key: str) -> bool:
        """Return whether there is a document under this key."""
        return key.lower() in self._documents

    def __iter__(self) -> Iterator[Document]:
        """Go through the documents, in the order of their making."""
        return iter(self.values())

    def __len__(self) -> int:
        """Return how many documents there are."""
        return len(self._documents)


class Store:
    """The collections of one practice cloud.

    Each request's changes are one transaction. SQLite in WAL mode with `synchronous=NORMAL` outlives the
    death of the process at any point (only a power cut may lose the last transactions).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        """Where the database is; bytes that are no documents lie beside it."""
        self._memory: dict[str, dict[str, Document]] = {}
        self._changed: set[tuple[str, str]] = set()
        self.set_aside: Path | None = None
        """Where the database that was there is kept, if it could not be read."""
        try:
            self._database = self._open(path)
        except UnreadableError as error:
            self.set_aside = _set_aside(path)
            LOG.warning("%s: %s; it is kept as %s, and the cloud starts empty", path, error, self.set_aside)
            self._database = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        """Open the database, make it if there is none, and read all of it.

        Raises:
            UnreadableError: What is in the file is not what this version has written.
            sqlite3.Error: The file cannot be used now; it may be as good as ever.
        """
        new = not path.exists()
        if not new and path.stat().st_size == 0:
            raise UnreadableError("the file is empty")
        database = sqlite3.connect(path, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if not new and version != SCHEMA_VERSION:
                raise UnreadableError(f"it has the format {version}, not {SCHEMA_VERSION}")
            (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise UnreadableError(str(said))
            database.execute("BEGIN IMMEDIATE")
            database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            database.execute(
                "CREATE TABLE IF NOT EXISTS documents (place INTEGER PRIMARY KEY AUTOINCREMENT, "
                "collection TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (collection, key))"
            )
            database.execute("COMMIT")
            self._memory.clear()
            for collection, key, body in database.execute("SELECT collection, key, body FROM documents ORDER BY place"):
                document = json.loads(body)
                if not isinstance(document, dict):
                    raise UnreadableError(f"{collection}/{key} is no document")
                self._memory.setdefault(collection, {})[key] = document
        except ValueError as error:
            database.close()
            raise UnreadableError(f"a document cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            database.close()
            # Locked, no right to read it, a full disk: nothing that a new file would make better.
            if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            raise UnreadableError(str(error)) from error
        except BaseException:
            database.close()
            raise
        return database

    def collection(self, name: str) -> Collection:
        """Return the collection of this name; it is there as soon as it is asked for."""
        return Collection(name, self._memory.setdefault(name, {}), self._changed)

    def forget(self, keep: Container[str]) -> None:
        """Empty every collection but those named.

        Args:
            keep: Names of collections.
        """
        for name in self._memory:
            if name not in keep:
                self.collection(name).clear()

    def dump(self) -> str:
        """Return all documents as JSON, for `load`."""
        return json.dumps(self._memory)

    def load(self, dumped: str, keep: Container[str]) -> None:
        """Replace every collection but those named by what `dump` returned.

        Args:
            dumped: From this store or another one of the same build.
            keep: Names of collections.
        """
        self.forget(keep)
        for name, documents in json.loads(dumped).items():
            if name not in keep:
                collection = self.collection(name)
                for key, document in documents.items():
                    collection.put(key, document)

    def commit(self) -> None:
        """Write what has changed since the last commit, all of it or nothing."""
        if not self._changed:
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for collection, key in self._changed:
                document = self._memory[collection].get(key)
                if document is None:
                    self._database.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (collection, key))
                else:
                    self._database.execute(
                        "INSERT INTO documents (collection, key, body) VALUES (?, ?, ?) "
                        "ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body",
                        (collection, key, json.dumps(document)),
                    )
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._database.execute("ROLLBACK")
            raise
        self._changed.clear()

    def close(self) -> None:
        """Write what is not yet written and let go of the file."""
        self.commit()
        self._database.close()


def _set_aside(path: Path) -> Path:
    """Move a database, with what SQLite keeps beside it, to a name that nothing has, and return that name."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.unreadable-{number}")
        try:
            # Made first: a rename would replace a file that is there.
            os.close(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            number += 1
            continue
        path.replace(kept)
        for beside in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + beside).replace(kept.with_name(kept.name + beside))
        return kept
