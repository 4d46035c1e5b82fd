"""Waiting for what happens in another process or thread, within a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds to wait for something that takes a second or two unless the machine is very busy."""


def until(answer: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Ask again until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := answer()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)
    return found
