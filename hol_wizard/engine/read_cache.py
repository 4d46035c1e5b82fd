"""Reads that several checks of one run share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class ReadCache:
    """Runs each read once and gives its answer, or its error, to everybody who asks for the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def share(self, key: Hashable, read: Callable[[], T]) -> T:
        """Return the answer of the read with this key, running it only when nobody has yet.

        Raises:
            Exception: What the read raised, for everyone who shares it.
        """
        with self._lock:
            future = self._answers.get(key)
            first = future is None
            if future is None:
                future = self._answers[key] = Future()
        if first:
            try:
                future.set_result(read())
            except BaseException as error:
                future.set_exception(error)
                raise
        answer: T = future.result()
        return answer


class FirstLooks:
    """Shares reads among the first looks of a run, and gives a check that looks again a fresh set."""

    def __init__(self) -> None:
        self._shared = ReadCache()
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def of(self, key: str) -> ReadCache:
        """Return the reads for this look of a check."""
        with self._lock:
            first = key not in self._seen
            self._seen.add(key)
        return self._shared if first else ReadCache()
