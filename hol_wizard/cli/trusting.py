"""Asks whether a lab that does not come with the wizard is trusted, after showing what it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.cli.vocabulary import CHECK

if TYPE_CHECKING:
    from hol_wizard.lab.folder import LabFolder
    from hol_wizard.lab.model import Lab
    from hol_wizard.lab.trust import Trusted, TrustedLabs
    from hol_wizard.paths import Home


def open_lab(path: Path, home: Home, options: argparse.Namespace, command: str) -> Lab:
    """Return a lab that may run: one that comes with the wizard, or that the person trusts.

    Args:
        path: Its folder.
        home: Where the trusted labs are listed.
        options: The options of the command line.
        command: The command, which may ask unless it is for scripts.

    Raises:
        ContentError: Its documents have mistakes.
        UsageError: It is not trusted.
    """
    from hol_wizard.errors import UsageError
    from hol_wizard.lab import loader
    from hol_wizard.lab.folder import read_folder
    from hol_wizard.lab.trust import TrustedLabs

    folder = read_folder(path)
    if folder.own:
        return loader.load(folder)
    from hol_wizard.wizard.registration import known_names

    # Nobody has tested that each name in it exists.
    lab = loader.load(folder, known_names())
    if options.trust is not None:
        if options.trust.strip().lower() != folder.digest:
            raise UsageError(
                f"The digest of the lab in {path} is {folder.digest}, not the one that --trust names.",
                "`hol-wizard lab trust FOLDER` shows what the lab runs. If that is what you expect, use this digest.",
            )
        return lab
    labs = TrustedLabs(home.trusted_labs_file)
    if labs.has(folder.digest):
        return lab
    if command == CHECK or not _can_ask():
        changed = "has changed since you trusted it" if labs.last(path) else "does not come with the wizard"
        raise UsageError(
            f"The lab in {path} {changed}, so nothing of it runs until you trust it.",
            f"hol-wizard lab trust {path}\nIn a script, after that: --trust {folder.digest}",
        )
    _ask(folder, lab, labs, yes=False)
    return lab


def trust(path: Path, home: Home, *, yes: bool) -> int:
    """Show what a lab runs, ask whether it is trusted, and return the exit code.

    Raises:
        ContentError: Its documents have mistakes.
        UsageError: The person does not trust it, or cannot be asked.
    """
    from hol_wizard.headless import out, tell
    from hol_wizard.lab import loader
    from hol_wizard.lab.folder import read_folder
    from hol_wizard.lab.trust import TrustedLabs, runs_of
    from hol_wizard.wizard.registration import known_names

    folder = read_folder(path)
    lab = loader.load(folder, known_names())
    if folder.own:
        out("This lab comes with the wizard: it needs no trust.")
        return 0
    labs = TrustedLabs(home.trusted_labs_file)
    if labs.has(folder.digest):
        tell(described(lab, folder, runs_of(lab), None), out)
        out("You trust this lab already.")
    else:
        _ask(folder, lab, labs, yes=yes)
    return 0


def described(lab: Lab, folder: LabFolder, runs: Sequence[str], before: Trusted | None) -> Iterator[str]:
    """Yield what a person must know to trust a lab."""
    from hol_wizard.lab.trust import changes

    yield f"{lab.title} ({folder.path})"
    if before is not None:
        yield f"You trusted another version of it on {before.at[:10]}. Since then:"
        yield from (f"  {line}" for line in changes(before, folder, runs))
    yield "With your rights, on this machine and in your accounts, it can use:"
    yield from (f"  {line}" for line in runs)
    if not runs:
        yield "  nothing: it consists of text"
    yield f"Digest: {folder.digest}"


def _ask(folder: LabFolder, lab: Lab, labs: TrustedLabs, *, yes: bool) -> None:
    """Show what a lab runs, ask whether it is trusted, and record it.

    Raises:
        UsageError: The person does not trust it, or cannot be asked.
    """
    from hol_wizard.errors import UsageError
    from hol_wizard.headless import err, tell
    from hol_wizard.lab.trust import runs_of
    from hol_wizard.prompts import confirm

    runs = runs_of(lab)
    tell(described(lab, folder, runs, labs.last(folder.path)), err)
    if not yes and not _can_ask():
        raise UsageError(
            "There is no terminal to ask on, so the lab is not trusted.",
            f"With --yes, it is trusted. For one run of a script: --trust {folder.digest}",
        )
    if not yes and not confirm("Do you trust this lab?"):
        raise UsageError("The lab is not trusted, so nothing of it was run.", "hol-wizard lint FOLDER only reads it.")
    if kept := labs.trust(folder, runs):
        err(f"The list of trusted labs was damaged, and is kept as {kept}. Labs in it must be trusted again.")
    err("You trust this version of the lab. The wizard asks again if a document changes.")


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
