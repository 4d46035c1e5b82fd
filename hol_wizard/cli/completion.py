"""Completion for shells: a script with the commands, the options, and the lab's sections, steps and actions."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hol_wizard.cli.arguments import parser_for
from hol_wizard.cli.vocabulary import CHECK, COMMANDS, FRONT, LAB_WORDS, SHELLS

if TYPE_CHECKING:
    from hol_wizard.lab.model import Lab
    from hol_wizard.wizard.facade import Wizard


def script(wizard: Wizard, language: str) -> str:
    """Return the completion for a shell.

    Args:
        wizard: The wizard, with its lab.
        language: One of `SHELLS`.
    """
    import shtab

    return str(shtab.complete(_parser(wizard), language))


def _parser(wizard: Wizard) -> argparse.ArgumentParser:
    """Return a parser of the whole command line in the form that shtab reads: with a parser for each command."""
    import shtab

    selectors = tuple(_selectors(wizard.lab))
    words: Mapping[str, Sequence[tuple[str, Iterable[str], str | None]]] = {
        "solve": [("target", selectors, "*")],
        "teardown": [("target", selectors, "*")],
        "confirm": [("target", [step.key for step in wizard.lab.steps.values() if step.confirm], "+")],
        "do": [
            ("step", [step.key for step in wizard.lab.steps.values() if step.actions], None),
            ("action", _actions(wizard), None),
        ],
        "ledger": [("word", ["rebuild"], None)],
        "lab": [("word", LAB_WORDS, None)],
        "completion": [("shell", SHELLS, None)],
    }
    top = _with_values(parser_for(FRONT), wizard.lab)
    for action in top._actions:
        if CHECK in action.option_strings:
            # It takes the words after it, which argparse has as words of the command line.
            action.nargs, action.choices = "*", selectors
    commands = top.add_subparsers()
    for name in COMMANDS:
        if name in {"git-credential", "practice"}:
            continue
        command = commands.add_parser(name, help=COMMANDS[name].partition(":")[0], add_help=False)
        # A parser takes in another one only if that has no groups.
        command._actions += _with_values(parser_for(name), wizard.lab)._actions
        for dest, choices, nargs in words.get(name, ()):
            command.add_argument(dest, choices=list(choices)).nargs = nargs
        if name in {"lint", "starter", "lab"}:
            folder: Any = command.add_argument("folder", nargs="?")
            folder.complete = shtab.DIRECTORY
    # argparse has no way to put a parser below another one as it is.
    commands.add_parser("practice", help=COMMANDS["practice"].partition(":")[0])
    commands._name_parser_map["practice"] = _of_practice()
    return top


def _of_practice() -> argparse.ArgumentParser:
    """Return the parser of the practice cloud's commands, as the wizard has them: with `start`, without `serve`."""
    from hol_wizard.practice.process.commands import parser_for as practice_parser

    parser = practice_parser(Path(), "hol-wizard practice")
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    commands._name_parser_map.pop("serve")
    commands._choices_actions[:] = [each for each in commands._choices_actions if each.dest != "serve"]
    start = commands.add_parser("start", help="Start it until `practice stop`.")
    start.add_argument("--speed", metavar="N|real", help="times faster than Azure")
    return parser


def _with_values(parser: argparse.ArgumentParser, lab: Lab) -> argparse.ArgumentParser:
    """Add the possible values of the options: of the inputs, sections, files and folders."""
    import shtab

    from hol_wizard.lab.inputs import INPUTS

    inputs = {each.flag: each for each in INPUTS.values()}
    action: Any
    for action in parser._actions:
        flag = next(iter(action.option_strings), "")
        if flag in inputs and inputs[flag].options:
            action.choices = [value for value, _ in inputs[flag].options]
        elif flag == "--resume":
            action.choices = [section.id for section in lab.sections]
        elif flag in {"--lab", "--clone-folder"}:
            action.complete = shtab.DIRECTORY
        elif flag == "--output" or (flag in inputs and inputs[flag].is_path):
            action.complete = shtab.FILE
    return parser


def _selectors(lab: Lab) -> Iterable[str]:
    """Yield what names sections and steps: `tools`, `tools/git`, `cluster/create-the-cluster@dev`."""
    for section in lab.sections:
        yield section.id
        for step in section.steps:
            yield step.key
            for environment in step.for_each:
                yield f"{step.key}@{environment}"


def _actions(wizard: Wizard) -> Iterable[str]:
    from hol_wizard.lab.model import targets_of

    steps = [step for step in wizard.lab.steps.values() if step.actions]
    return dict.fromkeys(action.word for step in steps for action in wizard.actions(targets_of(step)[0]))
