"""Puts the wizard together, and chooses the front end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hol_wizard.cli.practice import PracticeCloud
from hol_wizard.cli.stand_ins import of_practice
from hol_wizard.cli.vocabulary import CLOUDS, PRACTICE, PRACTICE_DEFAULTS, READS_ONLY

LAB_VARIABLE = "HOL_WIZARD_LAB"
"""Environment variable with the folder of another lab."""

if TYPE_CHECKING:
    from pathlib import Path

    from hol_wizard.lab.model import Lab, Section
    from hol_wizard.paths import Home
    from hol_wizard.services.endpoints import Endpoints
    from hol_wizard.wizard.facade import ShellVariables, Wizard
    from hol_wizard.wizard.stand_ins import StandIns


def make_wizard(
    home: Home,
    options: argparse.Namespace,
    closers: list[Callable[[], None]],
    environ: Mapping[str, str],
    command: str,
    trusting: Home | None = None,
) -> Wizard:
    """Return the wizard for a command line.

    Args:
        home: The folders of the wizard.
        options: The options of the command line.
        closers: Called when the command has ended.
        environ: The process's variables, before any were removed.
        command: The command.
        trusting: The folders with the list of trusted labs; None: `home`.
    """
    from hol_wizard.errors import UsageError
    from hol_wizard.lab.choices import problem_with_profile
    from hol_wizard.lab.inputs import INPUTS
    from hol_wizard.wizard.facade import open_wizard

    if problem := problem_with_profile(options.profile):
        raise UsageError(problem, "Give the profile another name: --profile NAME")
    cloud = PRACTICE if options.practice else options.cloud or CLOUDS[0]
    flags = {each.name: getattr(options, each.name) for each in INPUTS.values() if not each.secret}
    empty = [name for name, value in flags.items() if value is not None and not value.strip()]
    if empty:
        raise UsageError(f"--{empty[0].replace('_', '-')} was given without a value.", "Give it one, or omit it.")
    # git calls its helper in any shell, and the helper has nothing to do with a lab.
    folder = None if command == "git-credential" else lab_folder(options, environ)
    lab: Lab | None = None
    if folder is not None and command not in READS_ONLY:
        from hol_wizard.cli.trusting import open_lab

        lab = open_lab(folder, trusting or home, options, command)
    connect: Callable[[], Endpoints]
    stand_ins: StandIns | None = None
    shell_variables: ShellVariables | None = None
    if options.practice:
        practice = PracticeCloud(home.practice_folder, options.practice_speed)
        closers.append(practice.close)
        connect = practice.connect
        stand_ins = of_practice(home.practice_folder)
        shell_variables = practice.shell_variables
    else:

        def connect() -> Endpoints:
            from hol_wizard.services.endpoints import Endpoints

            return Endpoints.of_cloud(cloud)

    return open_wizard(
        home=home,
        cloud=cloud,
        profile=options.profile,
        connect=connect,
        flags=flags,
        environ=environ,
        defaults=PRACTICE_DEFAULTS if options.practice else {},
        screens=folder if command in READS_ONLY else None,
        lab=lab,
        stand_ins=stand_ins,
        shell_variables=shell_variables,
    )


def lab_folder(options: argparse.Namespace, environ: Mapping[str, str]) -> Path | None:
    """Return the folder of the lab that an option or a variable names; None for the one that comes with the wizard.

    Raises:
        UsageError: There is no such folder, or it is not a lab.
    """
    from hol_wizard.errors import UsageError
    from hol_wizard.lab.folder import MANIFEST
    from hol_wizard.paths import expanded, problem_with_path

    name, given = ("--lab", options.lab) if options.lab is not None else (LAB_VARIABLE, environ.get(LAB_VARIABLE, ""))
    if not given.strip() and name == LAB_VARIABLE:
        return None
    if problem := problem_with_path(given) if given.strip() else "it is empty":
        raise UsageError(f"{name} names no folder: {problem}.", "Give it the folder of a lab, or omit it.")
    folder = expanded(given)
    if not folder.is_dir():
        raise UsageError(f"{name}: there is no folder {folder}.", f"Name a folder with {MANIFEST} and documents.")
    if not (folder / MANIFEST).is_file():
        raise UsageError(
            f"{name}: {folder} is not a lab: it has no {MANIFEST}.",
            f"Name a folder with {MANIFEST} and documents; docs/authoring.md describes it.",
        )
    return folder


def front_end(options: argparse.Namespace) -> str:
    """Return `tui` or `plain`.

    Raises:
        UsageError: There is no terminal.
    """
    from hol_wizard.errors import UsageError

    if options.plain:
        return "plain"
    reads, writes = sys.stdin.isatty(), sys.stdout.isatty()
    if not reads and not writes:
        raise UsageError(
            "there is no terminal to show the wizard on.",
            "`hol-wizard --check` reports without one; `hol-wizard --plain` reads answers from its input.",
        )
    return "tui" if reads and writes and _can_draw() else "plain"


def _can_draw() -> bool:
    """Whether the terminal can do more than lines."""
    if sys.platform == "win32":
        return True
    return os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def show(front: str, wizard: Wizard, resume: Section | None, options: argparse.Namespace) -> int:
    """Run a front end, and return its exit code."""
    if front == "tui":
        import gc

        # Tens of thousands of permanent objects are created before the first paint; the app enables the collector after
        # it.
        gc.disable()
        from hol_wizard.tui import app

        return app.run(lambda: wizard, resume=resume, catch_up=options.catch_up, theme=options.theme or "")
    from hol_wizard import plain

    return plain.run(wizard, resume=resume, catch_up=options.catch_up)
