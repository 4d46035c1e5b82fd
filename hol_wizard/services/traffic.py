"""Counts the requests that this process sends to services, so that looking by itself keeps to a budget."""

from __future__ import annotations

import threading

_lock = threading.Lock()
_sent = 0


def note(requests: int = 1) -> None:
    """Count requests that are about to be sent."""
    global _sent
    with _lock:
        _sent += requests


def sent() -> int:
    """Return how many requests were sent since the start of the process."""
    return _sent
