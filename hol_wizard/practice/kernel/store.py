"""The state on disk: small JSON documents in SQLite, all of which are also in memory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sqlite3
from collections.abc import Callable, Container, Iterator, KeysView
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
SCHEMA_VERSION = 2
Document = dict[str, Any]
_DAMAGE = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
"""SQLite's result codes about the file's contents; SQLITE_ERROR means a missing table or column."""


_NESTED = frozenset({dict, list})


class UnreadableError(Exception):
    """The database is damaged, or another version has written it."""


class ConflictError(Exception):
    """Two concurrent transactions have changed the same document; this one is rolled back."""


class NoTransactionError(Exception):
    """Something was changed outside of a transaction, which is a bug."""


class Collection:
    """Documents of one kind by their keys, which are in lowercase because ARM is case-insensitive.

    A document that is read is a copy: a change counts only if it is `put`, and if its transaction is committed.
    """

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self._store = store

    def get(self, key: str) -> Document | None:
        """Return the document, or None. If you change it, `put` it back."""
        return self._store.read(self.name, key.lower())

    def put(self, key: str, document: Document) -> None:
        """Save the document under this key.

        Raises:
            NoTransactionError: There is no transaction.
        """
        self._store.write(self.name, key.lower(), document)

    def delete(self, key: str) -> None:
        """Delete the document; does nothing if there is none.

        Raises:
            NoTransactionError: There is no transaction.
        """
        if key in self:
            self._store.write(self.name, key.lower(), None)

    def items(self, prefix: str = "") -> list[tuple[str, Document]]:
        """Return keys and documents in the order of creation; a copy, which can be changed in a loop.

        Args:
            prefix: Only for keys with this prefix.
        """
        return self._store.items(self.name, prefix.lower())

    def all_keys(self) -> list[str]:
        """Return the keys in the order of creation, without reading and copying documents."""
        return list(self._store.keys(self.name))

    def values(self) -> list[Document]:
        """Return the documents in the order of creation."""
        return [document for _, document in self.items()]

    def clear(self) -> None:
        """Delete all documents."""
        for key in list(self._store.keys(self.name)):
            self.delete(key)

    def __contains__(self, key: str) -> bool:
        """Return whether there is a document under this key."""
        return key.lower() in self._store.keys(self.name)

    def __iter__(self) -> Iterator[Document]:
        """Iterate over the documents in the order of creation."""
        return iter(self.values())

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._store.keys(self.name))


@dataclass(slots=True)
class _View:
    """One collection in a transaction."""

    own: dict[str, Document | None] = field(default_factory=dict)
    """Read documents, which are copies, and written ones; None for deleted ones."""
    written: dict[str, None] = field(default_factory=dict)
    """Keys that were put or deleted."""
    before: dict[str, Document | None] = field(default_factory=dict)
    """The old versions of documents that others have changed since the transaction began; None if it did not exist."""


class Transaction:
    """The view of one request, or one step of a job: the state at its beginning, and its own changes.

    It ends with `commit`, or is rolled back.
    """

    def __init__(self) -> None:
        self.views: dict[str, _View] = {}
        self.on_commit: list[Callable[[], object]] = []
        """Called in this order when the changes are written."""
        self.on_rollback: list[Callable[[], object]] = []
        """Called in this order when they are rolled back."""
        self.replaces_all = False
        """Whether every other open transaction fails when this one is committed."""
        self.void = False
        """Whether another one has replaced everything."""

    def view(self, collection: str) -> _View:
        """Return this transaction's view of a collection."""
        found = self.views.get(collection)
        if found is None:
            found = self.views[collection] = _View()
        return found


class Store:
    """The collections of one practice cloud.

    Changes are made in transactions (snapshot isolation): a transaction sees the state at its beginning, nobody sees
    its changes before it ends, and of two that change the same document, the second one fails. A transaction belongs to
    the task that started it: tasks that this task starts have none.

    SQLite in WAL mode with `synchronous=NORMAL` survives a kill of the process at any point (only a power failure may
    lose the last transactions).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        """Folder of the database, and of files that are not documents."""
        self._memory: dict[str, dict[str, Document]] = {}
        """The committed state."""
        self._open: dict[object, Transaction] = {}
        """The transactions by task."""
        self.set_aside: Path | None = None
        """New path of the previous database if it could not be read."""
        try:
            self._database = self._read(path)
        except UnreadableError as error:
            self.set_aside = _set_aside(path)
            LOG.warning("%s: %s; it is kept as %s, and the cloud starts empty", path, error, self.set_aside)
            self._database = self._read(path)

    def _read(self, path: Path) -> sqlite3.Connection:
        """Open the database, or create it, and read all of it.

        Raises:
            UnreadableError: This version did not write the contents of the file.
            sqlite3.Error: The file cannot be used now, but may be intact.
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
                    raise UnreadableError(f"{collection}/{key} is not a document")
                self._memory.setdefault(collection, {})[key] = document
        except ValueError as error:
            database.close()
            raise UnreadableError(f"a document cannot be read: {error}") from error
        except sqlite3.DatabaseError as error:
            database.close()
            # Locked, unreadable, a full disk: a new file would not help.
            if error.sqlite_errorcode & 0xFF not in _DAMAGE:
                raise
            raise UnreadableError(str(error)) from error
        except BaseException:
            database.close()
            raise
        return database

    # Transactions

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run the changes of this task as one transaction: all are committed at its end, or none if it raises an error.

        Raises:
            ConflictError: Another transaction has changed the same document in the meantime.
            sqlite3.Error: The changes cannot be written.
            RuntimeError: The task already has a transaction.
        """
        task = _task()
        if task in self._open:
            raise RuntimeError("a transaction in a transaction")
        transaction = self._open[task] = Transaction()
        try:
            yield transaction
            self._commit(transaction)
        except BaseException:
            del self._open[task]
            _call(transaction.on_rollback)
            raise
        del self._open[task]
        _call(transaction.on_commit)

    @property
    def current(self) -> Transaction:
        """The transaction of this task.

        Raises:
            NoTransactionError: It has none.
        """
        found = self._open.get(_task())
        if found is None:
            raise NoTransactionError("the practice cloud's state is changed in transactions only")
        return found

    def read(self, collection: str, key: str) -> Document | None:
        """Return a document from this task's transaction, otherwise the committed one."""
        transaction = self._open.get(_task())
        committed = self._memory.get(collection)
        document = committed.get(key) if committed is not None else None
        if transaction is None:
            return None if document is None else _copied(document)
        view = transaction.view(collection)
        if key in view.own:
            return view.own[key]
        if key in view.before:
            document = view.before[key]
        if document is None:
            return None
        view.own[key] = _copied(document)
        return view.own[key]

    def items(self, collection: str, prefix: str) -> list[tuple[str, Document]]:
        """Return keys with this prefix, and their documents as from `read`."""
        keys = [key for key in self.keys(collection) if key.startswith(prefix)]
        transaction = self._open.get(_task())
        committed = self._memory.get(collection) or {}
        if transaction is None:
            return [(key, _copied(committed[key])) for key in keys]
        view = transaction.view(collection)
        found: list[tuple[str, Document]] = []
        for key in keys:
            document = view.own.get(key)
            if document is None:
                there = view.before.get(key)
                document = view.own[key] = _copied(committed[key] if there is None else there)
            found.append((key, document))
        return found

    def keys(self, collection: str) -> KeysView[str]:
        """Return the keys of a collection in this task's transaction."""
        committed = self._memory.get(collection) or {}
        transaction = self._open.get(_task())
        view = transaction.views.get(collection) if transaction is not None else None
        if view is None or not (view.before or view.written):
            return committed.keys()
        seen: dict[str, Any] = dict.fromkeys(committed)
        changes = [*view.before.items(), *((key, view.own[key]) for key in view.written)]
        for key, document in changes:
            if document is None:
                seen.pop(key, None)
            else:
                seen[key] = None
        return seen.keys()

    def write(self, collection: str, key: str, document: Document | None) -> None:
        """Save a document, or delete it (None), in this task's transaction.

        Raises:
            NoTransactionError: It has none.
        """
        view = self.current.view(collection)
        view.own[key] = document
        view.written[key] = None

    def _commit(self, transaction: Transaction) -> None:
        """Write a transaction's changes, all of them or nothing.

        Raises:
            ConflictError: Another transaction has changed the same document.
            sqlite3.Error: They cannot be written.
        """
        changes = list(self._changes(transaction))
        if transaction.void and changes:
            raise ConflictError("everything was replaced")
        if not changes:
            return
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for collection, key, body in changes:
                if body is None:
                    self._database.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (collection, key))
                else:
                    self._database.execute(
                        "INSERT INTO documents (collection, key, body) VALUES (?, ?, ?) "
                        "ON CONFLICT (collection, key) DO UPDATE SET body = excluded.body",
                        (collection, key, body),
                    )
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the first error is the one to report
                self._database.execute("ROLLBACK")
            raise
        others = [each for each in self._open.values() if each is not transaction]
        for collection, key, body in changes:
            documents = self._memory.setdefault(collection, {})
            for other in others:
                other.view(collection).before.setdefault(key, documents.get(key))
            if body is None:
                documents.pop(key, None)
            else:
                documents[key] = json.loads(body)
        for other in others:
            other.void = other.void or transaction.replaces_all

    def _changes(self, transaction: Transaction) -> Iterator[tuple[str, str, str | None]]:
        """Iterate over the actual changes of a transaction: collection, key, and the document as JSON, or None.

        Two may add the same document, or delete the same one, because nothing is lost by that.

        Raises:
            ConflictError: Another transaction has changed it.
        """
        for collection, view in transaction.views.items():
            committed = self._memory.get(collection, {})
            for key in view.written:
                document, there = view.own[key], committed.get(key)
                same = document == there
                if key in view.before and not (same and (document is None or view.before[key] is None)):
                    raise ConflictError(f"{collection}/{key} was changed at the same time")
                if not same:
                    yield collection, key, None if document is None else json.dumps(document)

    # Everything

    def collection(self, name: str) -> Collection:
        """Return the collection of this name. Only `World.collection` calls this, because it knows the owner."""
        return Collection(name, self)

    def forget(self, keep: Container[str]) -> None:
        """Empty every collection except the named ones; other open transactions fail.

        Args:
            keep: Names of collections.
        """
        self.current.replaces_all = True
        for name in list(self._memory):
            if name not in keep:
                self.collection(name).clear()

    def dump(self) -> str:
        """Return all committed documents as JSON, for `load`."""
        return json.dumps(self._memory)

    def load(self, dumped: str) -> None:
        """Replace every collection by a result of `dump`; other open transactions fail.

        Args:
            dumped: From this store or another one of the same build.
        """
        self.forget(())
        for name, documents in json.loads(dumped).items():
            collection = self.collection(name)
            for key, document in documents.items():
                collection.put(key, document)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _task() -> object:
    """Return the current task; None if there is no event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _call(what: list[Callable[[], object]]) -> None:
    """Call all functions, even if one fails."""
    for each in what:
        try:
            each()
        except Exception:  # the transaction has already ended and cannot be rolled back
            LOG.exception("after a transaction")


def _copied(value: Any) -> Any:
    """Return a copy of a document; `copy.deepcopy` takes ten times as long."""
    if type(value) is dict:
        copy = value.copy()
        for key, each in value.items():
            if type(each) in _NESTED:
                copy[key] = _copied(each)
        return copy
    return [_copied(each) if type(each) in _NESTED else each for each in value]


def _set_aside(path: Path) -> Path:
    """Move a database, with SQLite's other files, to an unused name, and return that name."""
    number = 1
    while True:
        kept = path.with_name(f"{path.name}.unreadable-{number}")
        try:
            # Created first, because a rename would replace an existing file.
            os.close(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            number += 1
            continue
        path.replace(kept)
        for beside in ("-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + beside).replace(kept.with_name(kept.name + beside))
        return kept
