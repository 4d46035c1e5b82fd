"""Writes lines and reads answers.

Lines are only added: nothing is redrawn, and the cursor is not moved. Answers are read as complete lines from the
terminal. questionary, and the prompt_toolkit that it uses, cannot do that: even with TERM=dumb, they move the cursor
and write the question a second time when it is answered, so that a screen reader reads it twice.
"""

from __future__ import annotations

import re
import textwrap
import time
from collections.abc import Sequence
from getpass import GetPassWarning
from typing import TextIO

from hol_wizard.errors import UsageError
from hol_wizard.lab.prose import plain_text
from hol_wizard.lines import clean
from hol_wizard.prompts import numbered, unseen

WIDEST = 100
CONTINUE = -1
"""The choice of Enter alone."""


class EndError(Exception):
    """There are no more answers."""


class LeaveError(EndError):
    """The person wants to leave, and can still be asked."""


class BackError(Exception):
    """Ctrl-C at a question: go back."""


class Talk:
    """Writes lines and reads answers."""

    def __init__(self, answers: TextIO, output: TextIO) -> None:
        from rich.console import Console

        class Lines(Console):
            def on_broken_pipe(self) -> None:
                """Let the command line handle it: Rich would end the program with exit code 1."""
                raise

        self._answers = answers
        self._output = output
        self._console = Lines(file=output, highlight=False, markup=False, emoji=False)
        self.last = time.monotonic()
        """The time of the last output."""

    @property
    def is_on_terminal(self) -> bool:
        """Whether both the answers and the lines are those of a terminal."""
        return self._answers.isatty() and self._output.isatty()

    def say(self, text: str = "", style: str = "") -> None:
        """Add lines, wrapped between words."""
        for line in clean(text).split("\n"):
            indent = re.match(r"\s*(?:[-*] |\d+[.)] )?", line)
            hanging = " " * len(indent[0]) if indent else ""
            width = max(20, min(self._console.width, WIDEST))
            for part in textwrap.wrap(
                line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
            ) or [""]:
                self.add(part, style)

    def add(self, line: str, style: str = "") -> None:
        """Add one line without wrapping, so that a command can be copied."""
        from rich.text import Text

        self._console.print(Text(clean(line), style), soft_wrap=True)
        self.last = time.monotonic()

    def heading(self, text: str) -> None:
        """Add a heading, with an empty line above it."""
        self.add("")
        self.say(text, "bold")

    def document(self, markdown: str) -> None:
        """Add a text of the lab: prose is wrapped, commands are not."""
        for text, style, verbatim in plain_text(markdown):
            if verbatim:
                self.add(text, style)
            else:
                self.say(text, style)

    def ask(self, question: str) -> str:
        """Return what the person types.

        Raises:
            EndError: The input has ended.
            BackError: They pressed Ctrl-C.
        """
        try:
            # Inside the try block: Ctrl-C can arrive as soon as the question is visible.
            self._output.write(f"{question} ")
            self._output.flush()
            answer = self._answers.readline()
        except KeyboardInterrupt:
            self._output.write("\n")
            raise BackError from None
        if not answer:
            self._output.write("\n")
            raise EndError
        if not self._answers.isatty():
            # It was not typed on a terminal: write it, so that what follows makes sense.
            self._output.write(clean(answer) if answer.endswith("\n") else f"{clean(answer)}\n")
        self.last = time.monotonic()
        return answer.strip()

    def ask_secret(self, question: str) -> str:
        """Return what the person types, without showing or repeating it.

        Raises:
            EndError: The input has ended.
            BackError: They pressed Ctrl-C.
            UsageError: The terminal would show it.
        """
        try:
            if self._answers.isatty():
                answer = unseen(f"{question} ")
            elif not (answer := self._read(question)):
                raise EOFError
        except KeyboardInterrupt:
            self._output.write("\n")
            raise BackError from None
        except EOFError:
            self._output.write("\n")
            raise EndError from None
        except GetPassWarning as warning:
            raise UsageError(
                "This terminal would show the secret while you type.", "Set it in a variable."
            ) from warning
        self.last = time.monotonic()
        return answer.strip()

    def _read(self, question: str) -> str:
        self._output.write(f"{question}\n")
        self._output.flush()
        return self._answers.readline()

    def choose(self, title: str, choices: Sequence[str], zero: str, *, listed: bool = True, enter: str = "") -> int:
        """Return the number of a choice, starting at 1; 0 to go back, `CONTINUE` for Enter alone.

        Args:
            title: The heading of the choices.
            choices: Their texts.
            zero: The text for 0.
            listed: Whether to list them immediately; `?` always does.
            enter: What Enter alone does; empty if it does nothing.

        Raises:
            LeaveError: The person leaves.
            EndError: The input has ended.
            BackError: They pressed Ctrl-C.
        """
        width = len(str(len(choices)))

        def show() -> None:
            self.add(title)
            if enter:
                self.say(f"Enter: {enter}")
            for number, choice in enumerate(choices, start=1):
                self.say(f"{number:>{width}}. {choice}")
            self.say(f"{0:>{width}}. {zero}")

        if listed:
            show()
        while True:
            answer = self.ask("Number:" if listed else "Number (? lists the choices):")
            folded = answer.casefold()
            if enter and not answer:
                return CONTINUE
            number = numbered(answer, len(choices))
            if number or answer == "0":
                return number
            if folded in {"q", "quit", "exit"}:
                raise LeaveError
            begin = [number for number, choice in enumerate(choices, start=1) if choice.casefold().startswith(folded)]
            if folded and len(begin) == 1:
                return begin[0]
            if folded == "?":
                show()
            elif answer:
                self.say(f"Type a number from 0 to {len(choices)}, ? for the list, or q to quit.")

    def agree(self, question: str, yes: str, no: str = "No, go back") -> bool:
        """Return whether the person chooses `yes`."""
        return self.choose(question, [yes], no) == 1
