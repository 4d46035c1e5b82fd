"""Runs the command that was asked for."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.cli.composition import front_end, make_wizard, show
from hol_wizard.cli.practice import run_practice
from hol_wizard.cli.streams import UNKNOWN, USAGE, complain
from hol_wizard.cli.vocabulary import ABOUT_RESOURCES, CHECK, FRONT, LIST, PRACTICE_DEFAULTS, WORK

if TYPE_CHECKING:
    from hol_wizard.paths import Home
    from hol_wizard.wizard.facade import Wizard


def dispatch(
    name: str,
    options: argparse.Namespace,
    selectors: Sequence[str],
    rest: Sequence[str] | None,
    environ: Mapping[str, str],
    closers: list[Callable[[], None]],
) -> int:
    """Run a command, and return its exit code; what it opens is closed by `closers`."""
    from hol_wizard.paths import Home

    home = Home.default()
    if name == "lint" and options.names:
        from hol_wizard.headless import list_names

        return list_names(options.format or "text")
    if name == "lint":
        return _lint(selectors[0] if selectors else None)
    if name == "preview":
        return _preview(selectors[0], options.theme or "dark")
    front = front_end(options) if name == FRONT else ""
    if front == "tui" and not options.practice:
        from hol_wizard.cli.welcome import ask, is_first

        wanted = ask(options, sys.stdin, sys.stdout, front) if is_first(home, options) else front
        if wanted is None:
            return 0
        front = wanted
    _begin_log(home, must=name in {FRONT, "confirm", "do", "lab", "ledger", *WORK} or options.practice)
    if name == "practice":
        return run_practice(list(rest or ()), options.practice_speed, home.practice_folder, environ)
    if name == "lab":
        from hol_wizard.cli.lab_command import run_lab

        return run_lab(selectors, options, home, environ, closers)
    wizard = make_wizard(home, options, closers, environ, name)
    closers.append(wizard.close)
    if name == "completion":
        from hol_wizard.cli.completion import script
        from hol_wizard.headless.output import put

        put(script(wizard, selectors[0]))
        return 0
    if name == "report":
        from hol_wizard import headless

        wizard.wording.commands = True
        return headless.bundle(wizard, home, Path(options.output) if options.output is not None else None)
    if name == "starter":
        from hol_wizard import headless

        work = headless.WorkOptions(plan=options.plan, yes=options.yes)
        return headless.starter(selectors[0], wizard.profile.offered_names, work)
    code = _with(wizard, name, front, options, selectors)
    if name in ABOUT_RESOURCES and (problem := wizard.ledger_care.problem()) is not None:
        complain(problem.message, problem.hint)
        return code or UNKNOWN
    return code


def _with(wizard: Wizard, name: str, front: str, options: argparse.Namespace, selectors: Sequence[str]) -> int:
    """Run a command that needs the wizard, and return its exit code."""
    if name == FRONT:
        resume = wizard.find_section(options.resume) if options.resume else None
        return show(front, wizard, resume, options)
    from hol_wizard import headless

    wizard.wording.commands = True
    if name == CHECK:
        return headless.check(
            wizard,
            headless.CheckOptions(
                selectors=tuple(selectors),
                environment=options.environment,
                format=options.format or "text",
                output=Path(options.output) if options.output is not None else None,
                wait=options.wait or 0.0,
                fail_fast=options.fail_fast,
            ),
        )
    if name == LIST:
        return headless.list_steps(wizard, options.format or "text")
    if name == "do":
        return headless.act(wizard, selectors[0], selectors[1], options.environment)
    if name == "confirm":
        return headless.confirm(wizard, selectors, options.environment, withdraw=options.withdraw)
    if name == "git-credential":
        return headless.git_credential(wizard, selectors[0], sys.stdin)
    if name == "cost":
        return headless.cost(wizard, options.format or "text")
    if name == "doctor":
        titles, events = wizard.doctor()
        return headless.doctor(titles, events, options.format or "text")
    work = headless.WorkOptions(
        tuple(selectors), options.environment, options.plan, options.format or "text", options.yes, options.all
    )
    if name == "ledger":
        return headless.rebuild_ledger(wizard, work)
    return headless.solve(wizard, work) if name == "solve" else headless.teardown(wizard, work)


def _begin_log(home: Home, *, must: bool) -> None:
    """Start the log file; if that fails, commands that need the folder end, and others continue.

    Raises:
        UsageError: The wizard's folders cannot be written, and this command needs them.
    """
    from hol_wizard import log
    from hol_wizard.errors import UsageError

    try:
        if must:
            home.ensure_writable()
        log.start(home.log_file, debug=bool(os.environ.get("HOL_WIZARD_DEBUG")))
    except UsageError as error:
        if must:
            raise
        complain(f"No log is written. {error.message}", error.hint)


def _preview(file: str, theme: str) -> int:
    """Show a document of a lab until the author quits, and return the exit code.

    Raises:
        UsageError: There is no such document, or no terminal.
    """
    from hol_wizard.errors import UsageError
    from hol_wizard.lab.preview import document_path

    path = document_path(file)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("there is no terminal to show the document on.", "`hol-wizard lint FOLDER` lists mistakes.")
    from hol_wizard.tui.preview import PreviewApp

    PreviewApp(path, PRACTICE_DEFAULTS, theme).run()
    return 0


def _lint(folder: str | None) -> int:
    from hol_wizard.errors import UsageError
    from hol_wizard.headless import out
    from hol_wizard.lab.lint import lint
    from hol_wizard.wizard.registration import known_names

    path = Path(folder) if folder else None
    if path is not None and not path.is_dir():
        raise UsageError(f"there is no folder {path}.", "Name the folder with the lab's documents: screens")
    problems = lint(path, known_names())
    for problem in problems:
        out(str(problem))
    if not problems:
        out("No mistakes.")
    return USAGE if problems else 0
