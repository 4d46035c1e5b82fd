"""Runs blocking work on daemon threads, so that neither the screen nor the exit ever waits for it.

Textual's own thread workers share the loop's executor, and quitting the app waits for each of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def aside(call: Callable[[], T], name: str = "aside") -> T:
    """Run the call on a daemon thread and return its result; canceling abandons the thread.

    Args:
        call: The blocking function.
        name: Name of the thread, for the log.

    Raises:
        Exception: The call raised it.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(answer: T | None, error: Exception | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)  # type: ignore[arg-type]  # None only where T has it

    def run() -> None:
        answer: T | None = None
        problem: Exception | None = None
        try:
            answer = call()
        except Exception as error:  # noqa: BLE001 handed, whole, to the one who awaits
            problem = error
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(settle, answer, problem)
            except RuntimeError:
                # The app ended between the two lines; nobody awaits the result anymore.
                return

    threading.Thread(target=run, name=name, daemon=True).start()
    return await future
