"""Shorten the pauses of the Azure CLI, which waits for a fast practice cloud here; Python imports this by itself.

`az provider register --wait` alone sleeps for ten seconds before each look, also before the first.
"""

import time
from typing import Any

_MOST = 0.05
_sleep = time.sleep


def _sleep_briefly(seconds: Any) -> None:
    _sleep(min(seconds, _MOST))


time.sleep = _sleep_briefly
