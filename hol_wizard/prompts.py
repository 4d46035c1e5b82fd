"""Questions of a command on a terminal, with line editing; answers are validated before they are accepted."""

from __future__ import annotations

import getpass
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from hol_wizard.errors import UsageError
from hol_wizard.lab.inputs import Input
from hol_wizard.services.secrets import Secret

SIMPLE = {"", "dumb", "unknown"}
"""Values of TERM for terminals without cursor movement; there, answers are read as lines."""


def confirm(question: str) -> bool:
    """Return whether the person says yes; anything else is no.

    Raises:
        KeyboardInterrupt: They pressed Ctrl-C.
    """
    if _simple():
        try:
            return _line(f"{question} [y/N] ").lower() in {"y", "yes"}
        except EOFError:
            return False
    import questionary

    return bool(questionary.confirm(question, default=False, **_terminal()).unsafe_ask())


def ask(each: Input, offered: str = "", listed: Sequence[tuple[str, str]] = ()) -> str:
    """Return the value that the person enters for an input, in the form in which it is saved.

    Args:
        each: The input; its rule is shown below the line until the answer meets it.
        offered: The initial contents of the line.
        listed: Possible values from the cloud, each with its label. A number selects one; anything else is a value.

    Raises:
        KeyboardInterrupt: They pressed Ctrl-C.
        UsageError: The input has ended.
    """
    sys.stderr.write(f"{each.help}\n")
    offered = offered or each.default
    if each.options:
        return _choose(each, offered)
    for number, (value, label) in enumerate(listed, start=1):
        sys.stderr.write(f"{number}. {value if label == value else f'{label} ({value})'}\n")

    def meant(typed: str) -> str:
        number = numbered(typed, len(listed))
        return listed[number - 1][0] if number else typed

    how = ", a number or another" if listed else ""
    if _simple():
        while True:
            try:
                typed = meant(_line(f"{each.label}{how} [{offered}] ") or offered)
            except EOFError as end:
                raise UsageError(f"{each.label} is missing.", f"Give it with {each.flag} {each.metavar}.") from end
            problem = each.validate(typed)
            if not problem:
                return each.normalise(typed)
            sys.stderr.write(f"{problem}\n")
    import questionary

    answer = questionary.text(
        f"{each.label}{how}:",
        default=offered,
        validate=lambda typed: each.validate(meant(typed)) or True,
        **_terminal(),
    ).unsafe_ask()
    return each.normalise(meant(str(answer)))


def ask_secret(each: Input, source: str = "") -> Secret | None:
    """Return the secret that the person types, without showing it; None to keep the existing one.

    Args:
        each: What is asked for.
        source: Where the existing secret comes from, in words; empty if there is none, so one must be typed.

    Raises:
        KeyboardInterrupt: They pressed Ctrl-C.
        UsageError: The input has ended, or the terminal would show the secret.
    """
    sys.stderr.write(f"{each.help}\n")
    otherwise = f"Set it in the variable {' or '.join(each.variables)}."
    while True:
        try:
            typed = unseen(f"{each.label} (not shown{f', or Enter for the one from {source}' if source else ''}): ")
        except EOFError as end:
            raise UsageError(f"{each.label} is missing.", otherwise) from end
        except getpass.GetPassWarning as warning:
            raise UsageError(f"This terminal would show the {each.label.lower()}.", otherwise) from warning
        if source and not typed.strip():
            return None
        if not (problem := each.validate(typed)):
            return Secret.hidden(each.normalise(typed))
        sys.stderr.write(f"{problem}\n")


def unseen(question: str) -> str:
    """Return a line that the terminal does not show.

    Raises:
        EOFError: The input has ended.
        getpass.GetPassWarning: The terminal would show it, so the person was not asked.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        while True:
            try:
                return getpass.getpass(question, stream=sys.stderr)
            except UnicodeDecodeError:
                # getpass opens the terminal itself.
                sys.stderr.write("\nThat was not UTF-8. Type it again.\n")


def _choose(each: Input, offered: str) -> str:
    """Return one of the values that the input may have.

    Raises:
        KeyboardInterrupt: They pressed Ctrl-C.
        UsageError: The input has ended.
    """
    if not _simple():
        import questionary

        choices = [questionary.Choice(label, value) for value, label in each.options]
        return str(questionary.select(f"{each.label}:", choices, default=offered or None, **_terminal()).unsafe_ask())
    for number, (value, label) in enumerate(each.options, start=1):
        sys.stderr.write(f"{number}. {label} ({value})\n")
    while True:
        try:
            typed = _line(f"{each.label}, number or value [{offered}] ") or offered
        except EOFError as end:
            raise UsageError(f"{each.label} is missing.", f"Give it with {each.flag} {each.metavar}.") from end
        if number := numbered(typed, len(each.options)):
            return each.options[number - 1][0]
        if not (problem := each.validate(typed)):
            return each.normalise(typed)
        sys.stderr.write(f"{problem}\n")


def numbered(typed: str, most: int) -> int:
    """Return the number that was typed if it is from 1 to `most`, otherwise 0."""
    typed = typed.strip()
    # Python refuses to convert thousands of digits.
    number = int(typed) if typed.isdecimal() and len(typed) <= 9 else 0
    return number if number <= most else 0


def _simple() -> bool:
    return sys.platform != "win32" and os.environ.get("TERM", "").lower() in SIMPLE


def _terminal() -> dict[str, Any]:
    """Questions go to standard error; standard output is for the command's results."""
    from prompt_toolkit.output import create_output

    return {"output": create_output(stdout=sys.stderr)}


def _line(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()
