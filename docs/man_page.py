"""Writes the manual page of `hol-wizard` from the command's own help: `python -m docs.man_page`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from argparse_manpage.manpage import Manpage

from hol_wizard import __version__
from hol_wizard.cli.arguments import parser_for
from hol_wizard.cli.vocabulary import CHECK, COMMANDS, FRONT

PAGE = Path(__file__).parent / "hol-wizard.1"
COMMAND = "python -m docs.man_page"
_BESIDE = {"git-credential"}
"""Commands that only other programs run."""


def page() -> str:
    """Return the page, in the language of man (man(7)); it has no date, so that it changes only with the command."""
    # The width of the help is that of the terminal.
    os.environ["COLUMNS"] = "100"
    top = parser_for(FRONT)
    top.usage = "hol-wizard [options] [COMMAND …]"
    top.epilog = None
    head, _, rest = str(Manpage(top)).partition(".SH NAME\nhol\\-wizard\n")
    del head
    name = f'.TH HOL\\-WIZARD 1 "" "hol-wizard {__version__}" "User Commands"\n.SH NAME\n'
    told = {name: _parts(text) for name, text in COMMANDS.items() if name not in _BESIDE}
    commands = [(usage or name, about) for name, (about, usage) in told.items()]
    codes = (parser_for(CHECK).epilog or "").splitlines()[1:]
    return (
        f"{name}hol\\-wizard \\- a wizard through the Databricks + Azure DevOps hands\\-on lab\n"
        f"{rest.rstrip()}\n"
        f".SH COMMANDS\n{_list(commands)}"
        f".SH EXIT STATUS\n{_list([(code, told) for code, told in (line.split(None, 1) for line in codes)])}"
    )


def _parts(text: str) -> tuple[str, str]:
    """Return what a command does, and how it is typed: `check the prerequisites: doctor [--format F]`."""
    about, _, usage = text.rpartition(": ")
    return (about, usage) if about else (usage, "")


def _list(items: Sequence[tuple[str, str]]) -> str:
    return "".join(f".TP\n.B {_escaped(tag)}\n{_escaped(text)}\n" for tag, text in items)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("-", "\\-")


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check that it is what would be written, and return the exit code."""
    text = page()
    if "--check" in arguments:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        sys.stderr.write(f"{PAGE.name} is out of date. To write it again: {COMMAND}\n")
        return 1
    PAGE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
