"""A shell at a terminal of its own, in which one block after the other is typed."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 90.0
"""How long a block may take."""
_NOTE = """printf '%s: exit code %s\\n' "${BASH_COMMAND:-a command}" "$__code" >>"$__failed\""""
_FAILED = {
    "bash": f"set -E; trap '__code=$?; {_NOTE.replace(chr(39), chr(34))}' ERR",
    "zsh": f"TRAPZERR() {{ local __code=$?; {_NOTE} }}",
}
"""Notes each command that fails, also inside of `$(…)`: a person who pastes a block sees the error of each line."""
_LOOP = """__failed='{failed}'
while IFS= read -r -u 3 __block; do
  {trap}
  case $__block in
    *.shown) . "$__block" ;;
    *) . "$__block" >'{said}' 2>&1 ;;
  esac
  printf '%s\\n' $? >&4
done
"""


@dataclass(frozen=True, slots=True)
class Typed:
    """What became of a block."""

    failed: tuple[str, ...]
    """The commands that failed; of a block that took too long, that it did."""
    said: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the person types when a program asks."""

    prompt: str
    """Regular expression of the question; empty: it does not ask, and gets the answer at once."""
    text: str
    on_terminal: bool = False
    """Whether the program wants its output on the terminal, too."""


class Shell:
    """A real shell, with a terminal as its standard input.

    What its commands print goes to a file, unless they want it on the terminal.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], first: str, program: str = "bash") -> None:
        """Start and prepare it.

        Args:
            folder: For its files; it begins in the person's home.
            environment: Its variables.
            first: What prepares it.
            program: `bash` or `zsh`.
        """
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._failed, self._said = folder / "failed", folder / "said"
        self._typed = 0
        loop = folder / "loop"
        loop.write_text(_LOOP.format(failed=self._failed, said=self._said, trap=_FAILED[program]), encoding="utf-8")
        self._terminal, terminal = os.openpty()
        blocks, self._blocks = os.pipe()
        self._results, results = os.pipe()
        starter = (
            "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
            f"ends = [fcntl.fcntl(each, fcntl.F_DUPFD, 20) for each in ({blocks}, {results})]; "
            "os.dup2(ends[0], 3); os.dup2(ends[1], 4); os.closerange(5, 64); os.execvp(sys.argv[1], sys.argv[1:])"
        )
        options = ["--noprofile", "--norc"] if program == "bash" else ["-f"]
        self._process = subprocess.Popen(
            [sys.executable, "-c", starter, program, *options, str(loop)],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            pass_fds=(blocks, results),
            cwd=environment["HOME"],
            env=dict(environment),
        )
        for each in (terminal, blocks, results):
            os.close(each)
        prepared = self.type(first)
        assert not prepared.failed, prepared

    def type(self, code: str, replies: Sequence[Reply] = (), watch: Callable[[str], object] | None = None) -> Typed:
        """Type a block, and wait for its end.

        Args:
            code: The block.
            replies: What the person types when programs ask, in this order.
            watch: Called now and then with what was printed so far.
        """
        self._typed += 1
        # A program that asks for consent wants to show it on a terminal.
        shown_there = any(each.on_terminal for each in replies)
        block = self._folder / f"block-{self._typed}{'.shown' if shown_there else ''}"
        block.write_text(code, encoding="utf-8")
        for file in (self._failed, self._said):
            file.write_text("", encoding="utf-8")
        os.write(self._blocks, f"{block}\n".encode())
        waiting, shown = list(replies), ""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            if waiting and re.search(waiting[0].prompt, shown):
                os.write(self._terminal, f"{waiting.pop(0).text}\n".encode())
                shown = ""
            ready, _, _ = select.select([self._terminal, self._results], [], [], 0.2)
            if self._terminal in ready:
                shown += os.read(self._terminal, 4096).decode(errors="replace")
            if self._results in ready:
                code_ = int(os.read(self._results, 16) or b"-1")
                noted = self._failed.read_text(encoding="utf-8").splitlines()
                failed = [each for each in noted if not each.startswith('. "$__block"')]
                if code_ and not failed:
                    failed = [f"exit code {code_}"]
                return Typed(tuple(failed), self._output())
            if watch is not None:
                watch(self._output())
        self.close()
        return Typed((f"not at its end after {SECONDS:.0f} s; asked: {shown[-200:]!r}",), self._output())

    def _output(self) -> str:
        return self._said.read_text(encoding="utf-8", errors="replace")

    @property
    def closed(self) -> bool:
        """Whether it has ended: a block that takes too long ends it."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End it, and all that it has started."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it ended just now
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for each in (self._terminal, self._blocks, self._results):
            with contextlib.suppress(OSError):  # closed before
                os.close(each)
