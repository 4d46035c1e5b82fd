"""Writes the manual page of `hol-wizard` from the command's own help.

    .venv/bin/python -m docs.man_page [--check]

With `--check` nothing is written, and the exit code is 1 if the page is out of date.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from argparse_manpage.manpage import Manpage

from docs.generated import write
from hol_wizard import __version__
from hol_wizard.cli.arguments import parser_for
from hol_wizard.cli.vocabulary import CHECK, COMMANDS, FRONT

PAGE = Path(__file__).parent / "hol-wizard.1"
COMMAND = ".venv/bin/python -m docs.man_page"
_BESIDE = {"git-credential"}
"""Commands that only other programs run."""


def page() -> str:
    """Return the page, in the language of man (man(7)); it has no date, so that it changes only with the command."""
    # The width of the help is that of the terminal.
    os.environ["COLUMNS"] = "100"
    top = parser_for(FRONT)
    top.usage = "hol-wizard [options] [COMMAND …]"
    top.epilog = None
    rest = str(Manpage(top)).partition(".SH NAME\nhol\\-wizard\n")[2]
    head = f'.TH HOL\\-WIZARD 1 "" "hol-wizard {__version__}" "User Commands"\n.SH NAME\n'
    commands = [_entry(name, text) for name, text in COMMANDS.items() if name not in _BESIDE]
    codes = [line.split(None, 1) for line in (parser_for(CHECK).epilog or "").splitlines()[1:]]
    return (
        f"{head}hol\\-wizard \\- a wizard through the Databricks + Azure DevOps hands\\-on lab\n"
        f"{rest.rstrip()}\n"
        f".SH COMMANDS\n{_list(commands)}"
        f".SH EXIT STATUS\n{_list([(code, meaning) for code, meaning in codes])}"
    )


def _entry(name: str, text: str) -> tuple[str, str]:
    """Return how a command is typed, and what it does: `check the prerequisites: doctor [--format F]`."""
    about, _, usage = text.rpartition(": ")
    return (usage, about) if about else (name, usage)


def _list(items: Sequence[tuple[str, str]]) -> str:
    return "".join(f".TP\n.B {_escaped(tag)}\n{_escaped(text)}\n" for tag, text in items)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


if __name__ == "__main__":
    sys.exit(write(PAGE, page(), COMMAND, sys.argv[1:]))
