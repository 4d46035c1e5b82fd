"""The options, their help, and their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from functools import cache
from typing import Any, NoReturn

from hol_wizard.cli.streams import MisuseError
from hol_wizard.cli.vocabulary import CHECK, CLOUDS, COMMANDS, FORMATS, FRONT, LIST, SCOPES, SHELLS, WORK


def practice_words(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """Return our own arguments, and those for the practice cloud's command: everything after the word `practice`."""
    parser, index = _whole(), 0
    while index < len(arguments):
        word = arguments[index]
        if parser.takes_value(word):
            index += 2
        elif word.startswith("-"):
            index += 1
        elif word == "practice" and CHECK not in arguments[:index]:
            behind = arguments[index + 1 :]
            asks_help = behind[:1] in (["-h"], ["--help"])
            return arguments[:index] + behind[:1] * asks_help, behind
        else:
            break
    return arguments, None


class _Parser(argparse.ArgumentParser):
    def takes_value(self, word: str) -> bool:
        """Return whether the next word of the command line is this option's value."""
        option = self._option_string_actions.get(word)
        return option is not None and option.nargs is None

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage, with the option that was probably meant.

        Raises:
            MisuseError: Always.
        """
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = next((each for each in unknown.split() if each.startswith("-")), unknown.split()[0])
            known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
            near = nearest(word.partition("=")[0].lstrip("-"), known)
            hint = f"Did you mean --{near}?" if near else "`hol-wizard --help` lists the options."
            raise MisuseError(f"there is no option `{word}`.", hint)
        raise MisuseError(message.removeprefix("argument ") + ".", choice_hint(message))


def choice_hint(message: str) -> str:
    """Return the choice that was probably meant, from argparse's message."""
    said, _, choices = message.partition("(choose from ")
    if choices:
        word = said.rpartition("invalid choice: ")[2].strip(" '")
        if near := nearest(word, [choice.strip(" ')") for choice in choices.split(",")]):
            return f"Did you mean {near}?"
    return "`hol-wizard --help` lists the options."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Determines its width without loading `shutil`."""

    def __init__(self, prog: str) -> None:
        try:
            width = int(os.environ.get("COLUMNS", "")) or os.get_terminal_size().columns
        except (OSError, ValueError):
            width = 100
        super().__init__(prog, max_help_position=30, width=max(40, min(width, 110) - 2))


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of seconds from 0 to 86400")
    return value


def speed_of(text: str) -> str:
    """Return the speed of the practice cloud from the value of `--practice-speed`."""
    if text == "real":
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"`{text}` is neither `real` nor how many times faster than real, such as 60")
    return text


def parser_for(place: str | None = None) -> _Parser:
    """Return the parser with every option, or only with those of one command for its help."""
    from hol_wizard.lab.inputs import INPUTS

    what = "[SECTION|STEP …]"
    usages = {
        None: "hol-wizard [options]",
        FRONT: f"hol-wizard [options]\n       hol-wizard --check {what} [options]\n       hol-wizard COMMAND …",
        CHECK: f"hol-wizard --check {what} [options]",
        LIST: "hol-wizard --list [options]",
        "solve": f"hol-wizard solve {what} [options]\n       hol-wizard solve --all [options]",
        "teardown": f"hol-wizard teardown {what} [options]",
        "confirm": "hol-wizard confirm SECTION|STEP … [options]",
        "do": "hol-wizard do STEP[@ENVIRONMENT] ACTION [options]",
        "cost": "hol-wizard cost [options]",
        "doctor": "hol-wizard doctor [options]",
        "ledger": "hol-wizard ledger rebuild [options]",
        "lab": "hol-wizard lab test [FOLDER] --practice|--yes-really [--only SECTION|STEP] [options]\n"
        "       hol-wizard lab trust FOLDER [--yes]",
        "lint": "hol-wizard lint [FOLDER]\n       hol-wizard lint --names [--format text|json]",
        "preview": "hol-wizard preview FILE [--theme light|dark]",
        "starter": "hol-wizard starter FOLDER [options]",
        "git-credential": "hol-wizard git-credential get|store|erase [options]",
        "report": "hol-wizard report [--output FILE]",
        "completion": f"hol-wizard completion {'|'.join(SHELLS)}",
        "practice": "hol-wizard practice start|stop|status|env|approve|review|release|set|token|reset|fault|faults …",
    }
    parser = _Parser(
        prog="hol-wizard",
        usage=usages[place],
        description=COMMANDS.get(place or "", "A wizard through the Databricks + Azure DevOps hands-on lab."),
        epilog=_epilog(place),
        formatter_class=_Formatter,
        add_help=False,
        allow_abbrev=False,
    )
    groups: dict[str, Any] = {}

    def add(group: str, *names: str, **details: Any) -> None:
        dest = details.get("dest") or names[-1].lstrip("-").replace("-", "_")
        if place is not None and place != FRONT and place not in SCOPES.get(dest, frozenset({place})):
            return
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        groups[group].add_argument(*names, **details)

    def switch(group: str, *names: str, text: str) -> None:
        add(group, *names, action="store_true", help=text)

    where = "where and who"
    switch(where, "--practice", text="use the practice cloud on this machine: no subscription, no cost")
    add(where, "--cloud", choices=CLOUDS, help="the cloud (default: azure)")
    add(where, "--profile", default="default", metavar="NAME", help="another attendee's choices (default: default)")
    add(where, "--lab", metavar="FOLDER", help="another lab: a folder with lab.toml and documents")
    add(where, "--trust", metavar="DIGEST", help="trust this version of another lab, for this run")
    for each in INPUTS.values():
        if not each.secret:
            add(where, each.flag, metavar=each.metavar, help=each.option)
    add(
        where,
        "--practice-speed",
        type=speed_of,
        metavar="N|real",
        help="how many times faster than Azure the practice cloud works",
    )
    front = "the wizard"
    add(front, "--resume", metavar="SECTION", help="open this section: its ID, number or part of its title")
    switch(front, "--catch-up", text="with --resume: do the missing earlier steps, after showing them")
    switch(
        front, "--plain", text="lines and numbered choices instead of screens: for screen readers and simple terminals"
    )
    add(front, "--theme", choices=("light", "dark"), help="theme (default: the one you used last)")
    script = "for scripts"
    switch(script, "--check", text="check, report on standard output, and set the exit code")
    switch(script, "--list", text="list all sections and steps")
    add(script, "--environment", choices=("dev", "pipeline", "prod"), help="only this environment")
    add(
        script,
        "--format",
        choices=FORMATS.get(place or "", FORMATS[CHECK]),
        help="format of the plan (default: text)" if place in WORK else "format of the report (default: text)",
    )
    add(script, "--output", metavar="FILE", help="write the report to this file")
    add(script, "--wait", type=_seconds, metavar="SECONDS", help="check again for this long what is still waiting")
    add(script, "--only", action="append", metavar="STEP", help="only this section or step; can be repeated")
    switch(script, "--names", text="list what a document may name, with a line about each")
    switch(script, "--yes-really", text="use the real subscription, with a prefix of its own, and pay for it")
    switch(script, "--fail-fast", text="stop at the first step that fails")
    switch(script, "--plan", text="only show what it would do")
    switch(script, "--all", text="the whole lab; on the practice cloud, stand-ins play the other people")
    switch(script, "--withdraw", text="take the confirmation back")
    switch(script, "--yes", "-y", text="do not ask")
    switch("about", "--version", text="show the version")
    switch("about", "-h", "--help", text="show this help, or the help of a command")
    if place is None:
        parser.add_argument("words", nargs="*")
    return parser


@cache
def _whole() -> _Parser:
    return parser_for()


def _epilog(place: str | None) -> str:
    if place == FRONT:
        width = max(map(len, COMMANDS))
        commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
        after = "Options can come before or after the command. `hol-wizard COMMAND --help` shows its options."
        return f"commands:\n{commands}\n\n{after}"
    if place == CHECK:
        return (
            "exit codes:\n  0    all passed, or confirmed by a person\n"
            "  1    some failed, or are not there yet\n  2    wrong usage or content\n"
            "  3    could not tell\n  70   a defect of the wizard itself\n  130  interrupted"
        )
    return ""


def help_text(place: str) -> str:
    """Return the help of the wizard, or of one command."""
    return parser_for(place if place in COMMANDS or place in {CHECK, LIST} else FRONT).format_help()


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of a command line."""
    try:
        return _whole().parse_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise MisuseError(f"{error}.", "`hol-wizard --help` lists the options.") from error


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word that was probably meant; empty if none is near."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), n=1, cutoff=0.5)), "")
