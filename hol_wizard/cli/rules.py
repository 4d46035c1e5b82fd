"""Combinations and names that a command line must not contain."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from hol_wizard.cli.streams import MisuseError
from hol_wizard.cli.vocabulary import FORMATS, LAB_WORDS, LIST, SCOPES, SHELLS, WORK

PRACTICE_VARIABLE = "HOL_WIZARD_PRACTICE"
"""Environment variable that does the same as `--practice`."""
_SWITCHES = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("", "0", "false", "no", "off"), False)


def is_practice(environ: Mapping[str, str]) -> bool:
    """Return whether a variable asks for the practice cloud.

    Raises:
        MisuseError: Its value is neither yes nor no.
    """
    value = environ.get(PRACTICE_VARIABLE, "").strip().lower()
    if value not in _SWITCHES:
        raise MisuseError(
            f"{PRACTICE_VARIABLE} is neither 1 nor 0.",
            "Set it to 1 for the practice cloud, or unset it.",
        )
    return _SWITCHES[value]


def judge(options: argparse.Namespace, name: str) -> None:
    """Refuse options that cannot be combined.

    Raises:
        MisuseError: They cannot be combined.
    """
    for dest, places in SCOPES.items():
        if getattr(options, dest) not in (None, False) and name not in places:
            goes = ", ".join(sorted(place or "the wizard itself" for place in places))
            raise MisuseError(f"--{dest.replace('_', '-')} does not go with {name or 'that'}.", f"It goes with {goes}.")
    if options.practice and options.cloud:
        raise MisuseError("--practice and --cloud do not go together: the practice cloud is a cloud of its own.")
    if options.practice_speed and not options.practice:
        raise MisuseError("--practice-speed goes with --practice.", "Add --practice.")
    if options.all and (len(options.words) > 1 or options.environment):
        raise MisuseError("--all is the whole lab: it takes no section, step or environment.", "Omit one of them.")
    if options.catch_up and not options.resume:
        raise MisuseError(
            "--catch-up goes with --resume.",
            "Add the section to open: --resume SECTION; `hol-wizard --list` shows them.",
        )
    formats = FORMATS.get(name, ())
    if options.format and options.format not in formats:
        raise MisuseError(f"{name} has no format `{options.format}`.", f"Its formats are {' and '.join(formats)}.")
    if options.format and name in WORK and not options.plan:
        raise MisuseError(f"{name} takes --format only with --plan.", "Add --plan, or omit --format.")
    if name in {"cost", "doctor", LIST} and len(options.words) > (name != LIST):
        raise MisuseError(f"{name} takes no further words, such as `{options.words[-1]}`.")
    if name == "do" and len(options.words) != 3:
        raise MisuseError(
            "do takes a step and an action.",
            "For example: hol-wizard do cluster/create-the-cluster@dev start-cluster; `hol-wizard --list` shows them.",
        )
    if name == "lab" and options.words[1:2] not in [[word] for word in LAB_WORDS]:
        raise MisuseError(f"lab takes one of {', '.join(LAB_WORDS)}.", "hol-wizard lab --help")
    if name == "lab" and len(options.words) > 3:
        raise MisuseError(f"lab {options.words[1]} takes one folder.", "Steps of it: --only SECTION/STEP")
    if name == "lab" and options.words[1] == "test" and options.practice == options.yes_really:
        raise MisuseError(
            "lab test creates all that the lab creates, and removes it: it needs one of --practice and --yes-really.",
            "--practice is free of charge. --yes-really uses your subscription, with a prefix of its own.",
        )
    if name == "lint" and options.format and not options.names:
        raise MisuseError("--format goes with lint --names.", "Mistakes are lines: file, line and message.")
    if name == "lint" and options.names and len(options.words) > 1:
        raise MisuseError("lint --names takes no folder: it lists what any lab may name.", "Omit one of them.")
    if name == "lint" and len(options.words) > 2:
        raise MisuseError("lint takes one folder.", "hol-wizard lint FOLDER")
    if name == "ledger" and options.words[1:] != ["rebuild"]:
        raise MisuseError("ledger takes the word rebuild.", "hol-wizard ledger rebuild --plan shows what it would do.")
    if name == "git-credential" and options.words[1:] not in (["get"], ["store"], ["erase"]):
        raise MisuseError("git-credential takes get, store or erase, as git gives it.", "man gitcredentials")
    if name == "completion" and options.words[1:] not in [[shell] for shell in SHELLS]:
        raise MisuseError(f"completion takes one of {', '.join(SHELLS)}.", "hol-wizard completion bash")
    if name == "preview" and len(options.words) != 2:
        raise MisuseError("preview takes one document.", "hol-wizard preview FILE")
    if name == "starter" and len(options.words) != 2:
        raise MisuseError("starter takes one folder.", "hol-wizard starter FOLDER")


def judge_texts(options: argparse.Namespace, name: str) -> None:
    """Refuse texts that cannot be the name of a file, a section or a step; the inputs have their own rules.

    Raises:
        MisuseError: There is such a text.
    """
    from hol_wizard.lab.inputs import INPUTS
    from hol_wizard.paths import problem_with_path, problem_with_text

    for dest, given in vars(options).items():
        if dest in INPUTS:
            continue
        is_path = dest in {"output", "lab"} or (dest == "words" and name in {"lint", "starter", "lab", "preview"})
        for text in given if isinstance(given, list) else [given]:
            if isinstance(text, str) and (problem := (problem_with_path if is_path else problem_with_text)(text)):
                what = "a word of the command" if dest == "words" else f"--{dest.replace('_', '-')}"
                raise MisuseError(f"{what} cannot be used: {problem}.", "Give it another value.")
