"""The outermost edge: from the process's arguments to its exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout

from hol_wizard import __version__, signals
from hol_wizard.cli.arguments import help_text, nearest, parse, practice_words
from hol_wizard.cli.commands import dispatch
from hol_wizard.cli.rules import is_practice, judge, judge_texts
from hol_wizard.cli.streams import (
    DEFECT,
    INTERRUPTED,
    UNKNOWN,
    USAGE,
    MisuseError,
    Stdout,
    StdoutError,
    close_stdout,
    complain,
    forget_another_size,
    have_streams,
    leave_behind,
    say,
)
from hol_wizard.cli.vocabulary import CHECK, CLOUDS, COMMANDS, FRONT, LIST, PRACTICE

CLOSED_PIPE = 141
"""Exit code after a broken pipe: 128 and SIGPIPE's number, as shells have it."""
_OTHER_WORDS = dict.fromkeys(("undo", "remove", "delete", "destroy"), "teardown")
"""Words for a command that has another name: `undo` is what the screens call it for one step."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The words after the program's name; None: those of the process.
    """
    try:
        have_streams()
        with signals.taken_by(signals.raise_ended), redirect_stdout(Stdout(sys.stdout)):
            code = _command(list(sys.argv[1:] if arguments is None else arguments), is_own_process=arguments is None)
            sys.stdout.flush()
    except MisuseError as error:
        complain(error.message, error.hint)
        return USAGE
    except KeyboardInterrupt:
        say("hol-wizard: interrupted.")
        leave_behind(INTERRUPTED)
        return INTERRUPTED
    except signals.EndedError as ended:
        more = " A change was in progress: it is in the ledger, and the next start finds it." if ended.at_once else ""
        say(f"hol-wizard: ended by {ended.name}.{more}")
        leave_behind(ended.code)
        return ended.code
    except BrokenPipeError:
        close_stdout()
        leave_behind(CLOSED_PIPE)
        return CLOSED_PIPE
    except StdoutError as error:
        close_stdout()
        complain(
            f"standard output cannot be written: {error.strerror}.", "Free some space, or redirect it to another place."
        )
        leave_behind(USAGE)
        return USAGE
    return code


def _command(arguments: list[str], *, is_own_process: bool) -> int:
    if is_own_process:
        forget_another_size()
    if arguments == ["--version"]:
        # At once, before anything is loaded that only other options need.
        sys.stdout.write(f"hol-wizard {__version__}\n")
        return 0
    command, rest = practice_words(arguments)
    options = parse(command)
    words: list[str] = options.words
    if options.version:
        sys.stdout.write(f"hol-wizard {__version__}\n")
        return 0
    name = CHECK if options.check else LIST if options.list else (words[0] if words else FRONT)
    if rest is not None:
        name = "practice"
    if options.help:
        sys.stdout.write(help_text(name))
        return 0
    judge_texts(options, name)
    if name not in {CHECK, LIST, FRONT} and name not in COMMANDS:
        near = _OTHER_WORDS.get(name) or nearest(name, COMMANDS)
        if near and near != "check":
            hint = f"Did you mean `hol-wizard {near}`?"
        elif name == "check":
            hint = "Did you mean `hol-wizard --check`?"
        else:
            hint = f"The commands are {', '.join(COMMANDS)}; to check a step, run `hol-wizard --check {name}`."
        raise MisuseError(f"there is no command `{name}`.", hint)
    if options.check and words and words[0] in COMMANDS:
        raise MisuseError(f"--check and {words[0]} do not go together.", "Use one of them.")
    if not (options.practice or options.cloud):
        options.practice = is_practice(os.environ)
    judge(options, name)
    selectors = words if name in {CHECK, LIST, FRONT} else words[1:]
    from hol_wizard import variables

    if is_own_process:
        # Nobody else may write into files of the wizard, whatever the shell says (`umask 000`).
        os.umask(os.umask(0o077) | 0o022)
        variables.leave_shell(os.environ)
    # Programs that the wizard or a library starts get only what is left. The process of another program keeps its own.
    environ = variables.take(os.environ) if is_own_process else dict(os.environ)
    return _run(name, options, selectors, rest, environ)


def _run(
    name: str,
    options: argparse.Namespace,
    selectors: Sequence[str],
    rest: Sequence[str] | None,
    environ: Mapping[str, str],
) -> int:
    """Run the command with everything that it needs, and turn errors into lines and exit codes."""
    import logging

    from hol_wizard import log, variables
    from hol_wizard.errors import ContentError, DefectError, UsageError, WizardError
    from hol_wizard.redaction import scrub

    variables.hide(environ)
    log.guard()
    closers: list[Callable[[], None]] = []
    try:
        return dispatch(name, options, selectors, rest, environ, closers)
    except (UsageError, ContentError) as error:
        complain(error.message, _pasted(error.hint, options))
        return USAGE
    except DefectError as error:
        complain(error.message, _sent(None, name, error.hint))
        return DEFECT
    except WizardError as error:
        logging.getLogger(__name__).error("%s (%s)", error.message, error.detail, exc_info=error)
        complain(error.message, _pasted(error.hint, options))
        return UNKNOWN
    except (BrokenPipeError, StdoutError):
        raise
    # The outermost edge: nobody should see a traceback, and the log contains it.
    except Exception as error:
        logging.getLogger(__name__).critical("the wizard failed", exc_info=error)
        complain(f"internal error: {type(error).__name__}: {scrub(str(error))}", _sent(error, name, "Try again."))
        return DEFECT
    finally:
        for close in reversed(closers):
            close()


def _pasted(hint: str, options: argparse.Namespace) -> str:
    """Return a hint in which each step is a command that can be pasted."""
    from hol_wizard.lab.profile import command_of
    from hol_wizard.lab.references import Speech

    cloud = PRACTICE if options.practice else options.cloud or CLOUDS[0]
    command = command_of(cloud, options.profile, options.lab or "")
    return Speech({}, command, practice=options.practice, commands=True).resolve(hint)


def _sent(error: Exception | None, name: str, first: str) -> str:
    """Write the report of a defect, and return what to do with it, after what to do first."""
    from hol_wizard import defects
    from hol_wizard.errors import UsageError
    from hol_wizard.paths import Home

    again = f"{first} This is a defect of the wizard. If it happens again, report it"
    try:
        path = defects.report(error, name, Home.default())
    except UsageError:
        path = None
    return f"{again} with this file, which contains no secrets: {path}" if path else f"{again}."
