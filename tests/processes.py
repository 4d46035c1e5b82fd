"""Whether a process still runs, asked without a moment in between in which it could end."""

from __future__ import annotations

import psutil


def runs(process: int | psutil.Process) -> bool:
    """Return whether a process runs: one that has ended, and a zombie, do not."""
    try:
        found = psutil.Process(process) if isinstance(process, int) else process
        return found.is_running() and found.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
