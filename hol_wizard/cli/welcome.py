"""The first start: asks what the person wants, in lines that every terminal can show."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from hol_wizard.cli.vocabulary import CLOUDS
from hol_wizard.prompts import numbered

if TYPE_CHECKING:
    from hol_wizard.paths import Home

CHOICES = (
    "Practice on this machine: free of charge, no subscription needed",
    "Do the lab in my own Azure subscription",
    "I am a proctor: open a section on an attendee's machine",
    "Plain lines instead of screens, for example for a screen reader",
)
_PRACTICE, _OWN, _PROCTOR, _PLAIN = range(1, len(CHOICES) + 1)
_SAID = (
    "",
    "To start there directly: hol-wizard --practice",
    "To start there directly: hol-wizard --cloud azure",
    "To start there directly: hol-wizard --resume SECTION, with --practice or --cloud",
)


def is_first(home: Home, options: argparse.Namespace) -> bool:
    """Return whether nothing says yet where the person works: no option, and no earlier start in a subscription."""
    if options.practice or options.cloud or options.resume or options.catch_up:
        return False
    return not any((folder / cloud).exists() for folder in (home.config, home.state) for cloud in CLOUDS)


def ask(options: argparse.Namespace, source: TextIO, output: TextIO, front: str) -> str | None:
    """Ask what the person wants, set the options, and return the front end; None if they leave.

    Args:
        options: The options of the command line; `practice` and `resume` are set.
        source: The terminal's input.
        output: The terminal's output.
        front: The front end for this terminal.
    """
    _say(output, ("Welcome to hol-wizard. What do you want?", *_lines(CHOICES)))
    while True:
        answer = _answer(source, output, f"Number (Enter for {_PRACTICE}, q to quit): ")
        if answer is None:
            return None
        chosen = numbered(answer, len(CHOICES)) if answer else _PRACTICE
        if chosen == _PLAIN:
            front = "plain"
            _say(output, ("Plain lines. Where do you want to work?",))
        elif chosen == _PROCTOR:
            section = _answer(source, output, "Number or name of the section (Enter for 1): ")
            if section is None:
                return None
            options.resume = section or "1"
        if chosen in {_PRACTICE, _OWN, _PROCTOR}:
            options.practice = chosen == _PRACTICE
            _say(output, (_SAID[chosen],))
            return front
        if not chosen:
            _say(output, (f"Type a number from 1 to {len(CHOICES)}.",))


def _lines(choices: Sequence[str]) -> list[str]:
    return [f"{number}. {choice}" for number, choice in enumerate(choices, start=1)]


def _say(output: TextIO, lines: Sequence[str]) -> None:
    output.write("".join(f"{line}\n" for line in lines))
    output.flush()


def _answer(source: TextIO, output: TextIO, question: str) -> str | None:
    """Return what the person types; None if they leave."""
    output.write(question)
    output.flush()
    line = source.readline()
    answer = line.strip()
    return None if not line or answer.casefold() in {"q", "quit"} else answer
