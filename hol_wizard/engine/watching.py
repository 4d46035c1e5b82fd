"""When to look again at what a person may change by hand: a schedule with a budget of requests.

It knows no thread, no screen and no service. A front end asks it what is due, looks, and reports what the look cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

LOCAL_EVERY = 5.0
"""Seconds between two looks that send no request."""
CLOUD_EVERY = 20.0
"""Seconds between two looks at the step in view that send requests."""
REQUESTS = 12
"""Maximum number of requests in a minute, whatever is looked at."""
WINDOW = 60.0
"""Seconds over which the requests are counted."""
GUESS = 4
"""Requests that a look is expected to send if it has never been counted."""
IDLE_AFTER = 600.0
"""Seconds without a person's gesture, and without a noticed change, after which the schedule pauses."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A step that may be looked at."""

    key: str
    checked_at: float
    """When it was last checked, for whatever reason."""
    in_view: bool = False
    """Whether it is the step that the person sees; others are looked at once after each gesture, or as they ask."""
    again_after: float | None = None
    """Seconds after which it asks for another look because its state is still changing."""


class Watch:
    """Decides what to look at next. All times are of one monotonic clock, which the caller reads."""

    def __init__(self, now: float) -> None:
        self._sent: deque[tuple[float, int]] = deque()
        self._costs: dict[str, int] = {}
        self._looked: dict[str, float] = {}
        self._called: set[str] = set()
        self._active_at = now
        self._woken_at = float("-inf")

    def attend(self, now: float) -> None:
        """Record that the person does something, or that something changes."""
        self._active_at = now

    def wake(self, now: float) -> None:
        """Record that the person may return from working by hand: everything in view is due, within the budget."""
        self.attend(now)
        self._woken_at = now

    def call_for(self, keys: Iterable[str]) -> None:
        """Make steps due, because something on this machine that they are about has changed."""
        self._called |= set(keys)

    def is_paused(self, now: float) -> bool:
        """Return whether nothing is looked at because nobody seems to be there."""
        return now - self._active_at > IDLE_AFTER

    def left(self, now: float) -> int:
        """Return how many requests may still be sent in this minute."""
        while self._sent and now - self._sent[0][0] >= WINDOW:
            self._sent.popleft()
        return REQUESTS - sum(count for _, count in self._sent)

    def cost(self, key: str) -> int:
        """Return how many requests a look at a step sends, as far as is known."""
        return self._costs.get(key, GUESS)

    def is_local(self, key: str) -> bool:
        """Return whether a look at the step is known to send no request."""
        return self._costs.get(key) == 0

    def looked(self, key: str, now: float, requests: int) -> None:
        """Record a look and the requests that it sent."""
        self._looked[key] = now
        self._called.discard(key)
        self._costs[key] = max(requests, self._costs.get(key, 0))
        if requests:
            self._sent.append((now, requests))

    def next(self, candidates: Iterable[Candidate], now: float) -> str | None:
        """Return the step to look at now, or None.

        Args:
            candidates: In the order in which they matter.
            now: The time.
        """
        if self.is_paused(now):
            return None
        left = self.left(now)
        for each in candidates:
            if self._is_due(each, now) and self.cost(each.key) <= left:
                return each.key
        return None

    def _is_due(self, each: Candidate, now: float) -> bool:
        last = max(self._looked.get(each.key, float("-inf")), each.checked_at)
        if last < self._woken_at or each.key in self._called:
            return True
        if each.again_after is not None:
            return now - last >= each.again_after
        if self.is_local(each.key):
            return now - last >= LOCAL_EVERY
        return each.in_view and now - last >= CLOUD_EVERY
