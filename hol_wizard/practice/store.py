"""The state on disk: small JSON documents in SQLite, all of them held in memory too."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
SCHEMA_VERSION = 2
Document = dict[str, Any]


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
        try:
            self._database = self._open(path)
        except sqlite3.DatabaseError as error:
            broken = path.with_suffix(".broken")
            LOG.warning("%s cannot be read (%s); it is kept as %s, and the cloud starts empty", path, error, broken)
            path.replace(broken)
            for leftover in ("-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
            self._database = self._open(path)

    def _open(self, path: Path) -> sqlite3.Connection:
        database = sqlite3.connect(path, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != SCHEMA_VERSION:
                database.execute("DROP TABLE IF EXISTS documents")
                database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            database.execute(
                "CREATE TABLE IF NOT EXISTS documents (place INTEGER PRIMARY KEY AUTOINCREMENT, "
                "collection TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (collection, key))"
            )
            self._memory.clear()
            for collection, key, body in database.execute("SELECT collection, key, body FROM documents ORDER BY place"):
                self._memory.setdefault(collection, {})[key] = json.loads(body)
        except BaseException:
            database.close()
            raise
        return database

    def collection(self, name: str) -> Collection:
        """Return the collection of this name; it is there as soon as it is asked for."""
        return Collection(name, self._memory.setdefault(name, {}), self._changed)

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
