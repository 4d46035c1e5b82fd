"""Runs a program of the reader's repository, shows its output live, and stops it with its child processes on
request."""

from __future__ import annotations

import codecs
import errno
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import IO, Final

from hol_wizard import variables
from hol_wizard.engine.reporter import Reporter
from hol_wizard.errors import ServiceError, StoppedError
from hol_wizard.services.containers import supervisor

logger = logging.getLogger(__name__)

_WINDOW: Final = 0.1
"""Seconds for which output is collected before it is shown, and between checks for a stop."""
_LINGER: Final = 1.0
"""Seconds for which output is still read after the program has ended: child processes can keep the pipe open."""
_MOST: Final = 40
"""Lines of one window that are shown: more cannot be read, and the keys must stay quick. The log file has all."""
_LAST: Final = 300
"""Number of lines that are kept to explain a failure."""
_LONGEST: Final = 2000
"""Number of characters of a line that are shown."""
_ENDS: Final = re.compile(r"\r\n|\n|\r")
_UNSEEN: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Colors, cursor movements and other control characters."""
_NO_WINDOW: Final = 0x08000200 if sys.platform == "win32" else 0
"""`CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a program."""

    code: int
    last: str
    """The last lines of its output."""


def follow(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    reporter: Reporter,
    *,
    stage: Callable[[str], str] | None = None,
    usually: float | None = None,
    stopped: str = "Nothing is half done. To start again, <solve>.",
) -> Ended:
    """Run a program, and show each line of its output.

    It never outlives the wizard: if that is killed, `supervisor` ends it with its child processes.

    Args:
        command: Program and arguments; no shell.
        folder: Its working folder.
        environment: All its environment variables.
        reporter: Shows the lines, and tells when to stop.
        stage: Returns the progress of the program from a line; empty if the line does not show it.
        usually: Its usual duration in seconds.
        stopped: What to do after the user has stopped it.

    Raises:
        StoppedError: The user stopped it, or the deadline has passed; the program and its child processes have ended.
        ServiceError: It cannot be started.
    """
    supervised = [sys.executable, "-I", "-S", supervisor.__file__, *map(str, command)]
    try:
        if shutil.which(command[0], path=environment.get("PATH")) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        process = subprocess.Popen(  # noqa: S603 there is no shell
            supervised,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C is for the wizard, which asks first; the program leads a process group so that all of it can be
            # stopped.
            start_new_session=sys.platform != "win32",
            creationflags=_NO_WINDOW,
        )
    except OSError as error:
        raise ServiceError(
            f"{Path(command[0]).name} could not be started in {folder}: {error.strerror or error}.",
            "Check that the folder and the program exist.",
        ) from error
    last: deque[str] = deque(maxlen=_LAST)
    try:
        for lines in _blocks(process, reporter):
            last.extend(lines)
            logger.info("%s:\n%s", Path(command[1]).name, "\n".join(lines))
            if len(lines) > _MOST:
                reporter.say(f"… {len(lines) - _MOST} more lines: see the log file")
            for line in lines[-_MOST:]:
                reporter.say(line)
            if stage is not None and (told := next(filter(None, map(stage, reversed(lines))), "")):
                reporter.progress(told, usually)
    except StoppedError as error:
        _end(process)
        raise type(error)(error.message, stopped) from error
    except BaseException:
        _end(process)
        raise
    finally:
        if process.stdin is not None:
            process.stdin.close()
    return Ended(process.wait(), "\n".join(last))


def _blocks(process: subprocess.Popen[bytes], reporter: Reporter) -> Iterator[list[str]]:
    """Yield a program's output in blocks of whole lines, and check for a stop in between."""
    queue: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, queue), name="program output", daemon=True).start()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest, over, ended = "", False, 0.0
    while not over:
        reporter.stop_if_cancelled()
        block, over = _collected(queue)
        if process.poll() is not None:
            ended = ended or time.monotonic()
            over = over or time.monotonic() - ended > _LINGER
        *lines, rest = _ENDS.split(rest + decoder.decode(block, over))
        if over:
            lines.append(rest)
        if shown := [_UNSEEN.sub("", line)[:_LONGEST] for line in lines if line.strip()]:
            yield shown


def _read(output: IO[bytes], queue: SimpleQueue[bytes]) -> None:
    with output:
        while block := os.read(output.fileno(), 1 << 16):
            queue.put(block)
    queue.put(b"")


def _collected(queue: SimpleQueue[bytes]) -> tuple[bytes, bool]:
    """Return the output within a time window, and whether it has ended."""
    parts: list[bytes] = []
    end = time.monotonic() + _WINDOW
    while (left := end - time.monotonic()) > 0:
        try:
            part = queue.get(timeout=left)
        except Empty:
            break
        if not part:
            return b"".join(parts), True
        parts.append(part)
    return b"".join(parts), False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a program and its child processes, gracefully at first, so that a build or a container is cleaned up."""
    if sys.platform == "win32":
        words = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        subprocess.run(words, env=variables.of_child(os.environ), capture_output=True, check=False)  # noqa: S603
    else:
        for number, seconds in ((signal.SIGINT, supervisor.INTERRUPTED), (signal.SIGTERM, supervisor.TERMINATED)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                break
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
