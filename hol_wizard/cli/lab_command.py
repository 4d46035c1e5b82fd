"""`lab trust` and `lab test`: commands about a lab as a whole."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.cli.composition import lab_folder, make_wizard
from hol_wizard.cli.streams import say
from hol_wizard.cli.trusting import trust

if TYPE_CHECKING:
    from hol_wizard.paths import Home

PROFILE = "lab-test"
"""The profile of a test, so that it does not meet what a person has made."""
_FASTEST = "100000"
"""Speed of the practice cloud for a test, unless an option says otherwise."""


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
    from hol_wizard.errors import UsageError

    if words[0] == "test":
        return _test(words[1:], options, home, environ, closers)
    if len(words) > 1:
        options.lab = words[1]
    folder = lab_folder(options, environ)
    if folder is None:
        raise UsageError("lab trust takes the folder of a lab.", "hol-wizard lab trust FOLDER")
    return trust(folder, home, yes=options.yes)


def _test(
    words: Sequence[str],
    options: argparse.Namespace,
    home: Home,
    environ: Mapping[str, str],
    closers: list[Callable[[], None]],
) -> int:
    """Take a lab through: on a practice cloud of its own, or on a real subscription with a prefix of its own."""
    from hol_wizard.headless import LabTestOptions, lab_test

    if words:
        options.lab = words[0]
    trusting = home
    options.profile = PROFILE if options.profile == "default" else options.profile
    if options.practice:
        home = _home_of_its_own(home, closers)
        options.practice_speed = options.practice_speed or _FASTEST
    elif options.prefix is None:
        options.prefix = f"labtest{os.urandom(2).hex()}"
        say(f"The prefix of this test is {options.prefix}.")
    wizard = make_wizard(home, options, closers, environ, "lab", trusting=trusting)
    closers.append(wizard.close)
    wizard.wording.commands = True
    return lab_test(
        wizard,
        LabTestOptions(
            selectors=tuple(options.only or ()),
            environment=options.environment,
            format=options.format or "junit",
            output=Path(options.output) if options.output is not None else None,
            keeps=not options.practice,
        ),
    )


def _home_of_its_own(home: Home, closers: list[Callable[[], None]]) -> Home:
    """Return folders for one test on the practice cloud, which are removed afterwards; also a home folder.

    The container engine's settings and the packages of the practice cloud remain those of the person.
    """
    import shutil
    import tempfile

    from hol_wizard.paths import Home, home_folder
    from hol_wizard.practice.databricks.runtime import FOLDER
    from hol_wizard.practice.process import launch

    root = Path(tempfile.mkdtemp(prefix="hol-lab-test-"))
    before = dict(os.environ)
    os.environ.setdefault("DOCKER_CONFIG", str(home_folder() / ".docker"))
    os.environ.setdefault(FOLDER, str((home.cache or home.state / "cache") / "practice-runtime"))
    for name in ("HOME", "USERPROFILE"):
        os.environ[name] = str(root / "home")
    (root / "home").mkdir()
    own = Home(root / "config", root / "state", root / "cache")

    def remove() -> None:
        launch.stop(own.practice_folder)
        shutil.rmtree(root, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)

    closers.append(remove)
    return own
