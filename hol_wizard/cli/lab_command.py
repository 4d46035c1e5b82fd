"""`lab trust` and `lab test`: commands about a lab as a whole."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard.cli.composition import lab_folder
from hol_wizard.cli.streams import MisuseError
from hol_wizard.cli.trusting import trust

if TYPE_CHECKING:
    from hol_wizard.paths import Home


def run_lab(
    words: Sequence[str],
    options: argparse.Namespace,
    home: Home,
    environ: Mapping[str, str],
    closers: list[Callable[[], None]],
) -> int:
    """Run one of the commands about a lab, and return its exit code.

    Args:
        words: Those after `lab`.
        options: The options of the command line.
        home: The folders of the wizard.
        environ: The process's variables, before any were removed.
        closers: Called when the command has ended.
    """
    del closers
    if words[0] == "trust":
        if len(words) > 1:
            options.lab = words[1]
        folder = lab_folder(options, environ)
        if folder is None:
            raise MisuseError("lab trust takes the folder of a lab.", "hol-wizard lab trust FOLDER")
        return trust(folder, home, yes=options.yes)
    raise AssertionError("judged before")
