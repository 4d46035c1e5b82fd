"""The command line: which front end runs on which cloud, and the exit codes.

Only `sys`, `os` and `argparse` are imported at the top: `hol-wizard --version` answers in a blink, and the first screen
does not wait for what it does not need.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from hol_wizard import __version__, signals

if TYPE_CHECKING:
    from hol_wizard.lab.model import Section
    from hol_wizard.paths import Home
    from hol_wizard.practice.process import launch
    from hol_wizard.services.endpoints import Endpoints
    from hol_wizard.wizard.facade import Wizard

USAGE = 2
INTERRUPTED = 130
STUMBLED = 3

CLOUDS = ("azure", "usgov", "china")
PRACTICE = "practice"
PRACTICE_DEFAULTS = {
    "prefix": "practice",
    "location": "westeurope",
    "alias": "attendee",
    "devops_organization": "practice",
}
"""Values for all that a person is asked for, so that nothing has to be configured on the practice cloud."""
INPUTS = (
    "prefix",
    "location",
    "alias",
    "subscription",
    "devops_organization",
    "devops_sign_in",
    "devops_users",
    "devops_access_level",
    "clone_folder",
    "cluster_size",
    "node_type",
    "own_data_file",
    "token_in_profile",
)
"""What has an option; a secret has none, because other programs see a command's options."""

COMMANDS: Mapping[str, str] = {
    "solve": "do steps for you and what they need: solve [SECTION|STEP …] [--environment E] [--plan] [--yes]",
    "teardown": "remove what this wizard made: teardown [SECTION|STEP …] [--environment E] [--plan] [--yes]",
    "do": "do something else with what a step made: do STEP[@ENV] ACTION; --list shows which",
    "cost": "what runs and costs now, and when it stops by itself: cost [--format text|json]",
    "doctor": "look at what the wizard itself stands on: doctor [--format text|json]",
    "ledger": "write a damaged or lost list of what this wizard made again: ledger rebuild [--plan] [--yes]",
    "lint": "look for mistakes in the lab's documents: lint [FOLDER]",
    "starter": "write the starter project, to seed a repository by hand: starter FOLDER [--plan] [--yes]",
    "git-credential": "what git asks for your sign-in to Azure DevOps, in a clone that the wizard made",
    "practice": "the practice cloud: practice start|stop|status|approve|reset|fault …",
}

_WORK = frozenset({"solve", "teardown"})
_CHECK = "--check"
_LIST = "--list"
_FRONT = ""
"""The place of an option that goes with the wizard itself, without a command."""

_ABOUT_RESOURCES = frozenset({_FRONT, _CHECK, "cost", "do", *_WORK})
"""What says something that a damaged ledger makes doubtful: it is told then, and the exit code is not 0."""

_SCOPES: Mapping[str, frozenset[str]] = {
    "environment": frozenset({_CHECK, "do", *_WORK}),
    "format": frozenset({_CHECK, "cost", "doctor"}),
    "output": frozenset({_CHECK}),
    "wait": frozenset({_CHECK}),
    "fail_fast": frozenset({_CHECK}),
    "plan": _WORK | {"ledger", "starter"},
    "yes": _WORK | {"ledger", "starter"},
    "resume": frozenset({_FRONT}),
    "catch_up": frozenset({_FRONT}),
    "plain": frozenset({_FRONT}),
    "theme": frozenset({_FRONT}),
}
"""Where an option means something; one that is not here goes everywhere."""

_TAKES_VALUE = frozenset(
    {
        *(f"--{name.replace('_', '-')}" for name in INPUTS),
        *("--cloud", "--profile", "--resume", "--theme", "--practice-speed"),
        *("--environment", "--format", "--output", "--wait"),
    }
)


class _StdoutError(OSError):
    """Standard output took no more, such as on a full disk."""


class _Stdout:
    """Standard output, which tells an error of its own from those of the program's files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, and return how many characters.

        Raises:
            _StdoutError: It takes no more.
        """
        with self._told_apart():
            return self._stream.write(text)

    def flush(self) -> None:
        """Write what is in the buffer.

        Raises:
            _StdoutError: It takes no more.
        """
        with self._told_apart():
            self._stream.flush()

    @contextmanager
    def _told_apart(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _StdoutError(error.errno, error.strerror) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _MisuseError(Exception):
    """The command line is wrong; like a UsageError, for where nothing of ours is loaded yet."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The words after the program's name; None: those of the process.
    """
    try:
        _have_streams()
        with signals.taken_by(signals.raise_ended), redirect_stdout(_Stdout(sys.stdout)):
            code = _command(list(sys.argv[1:] if arguments is None else arguments), is_own_process=arguments is None)
            sys.stdout.flush()
    except _MisuseError as error:
        _complain(error.message, error.hint)
        return USAGE
    except KeyboardInterrupt:
        _say("hol-wizard: interrupted.")
        _leave_behind(INTERRUPTED)
        return INTERRUPTED
    except signals.EndedError as ended:
        more = " A change was under way: the ledger has it, and the next start finds it again." if ended.at_once else ""
        _say(f"hol-wizard: ended by {ended.name}.{more}")
        _leave_behind(ended.code)
        return ended.code
    except BrokenPipeError:
        _close_stdout()
        return INTERRUPTED + 11  # 128 and SIGPIPE's number, as shells have it
    except _StdoutError as error:
        _close_stdout()
        _complain(f"standard output cannot be written: {error.strerror}.", "Make room, or send it elsewhere.")
        return USAGE
    return code


def _command(arguments: list[str], *, is_own_process: bool) -> int:
    command, rest = _practice_words(arguments)
    options = _parse(command)
    words: list[str] = options.words
    if options.version:
        sys.stdout.write(f"hol-wizard {__version__}\n")
        return 0
    name = _CHECK if options.check else _LIST if options.list else (words[0] if words else _FRONT)
    if rest is not None:
        name = "practice"
    if options.help:
        sys.stdout.write(_help(name))
        return 0
    _judge_texts(options, name)
    if name not in {_CHECK, _LIST, _FRONT} and name not in COMMANDS:
        near = _nearest(name, COMMANDS)
        if near and near != "check":
            hint = f"Did you mean `hol-wizard {near}`?"
        elif name == "check":
            hint = "Did you mean `hol-wizard --check`?"
        else:
            hint = f"The commands are {', '.join(COMMANDS)}; steps are looked at with `hol-wizard --check {name}`."
        raise _MisuseError(f"there is no command `{name}`.", hint)
    if options.check and words and words[0] in COMMANDS:
        raise _MisuseError(f"--check and {words[0]} do not go together.", "Say one of the two.")
    _judge(options, name)
    selectors = words if name in {_CHECK, _LIST, _FRONT} else words[1:]
    from hol_wizard import variables

    # What the wizard starts, or a library does, gets no more than is left. Another program's process keeps its own.
    environ = variables.take(os.environ) if is_own_process else dict(os.environ)
    return _run(name, options, selectors, rest, environ)


def _practice_words(arguments: list[str]) -> tuple[list[str], list[str] | None]:
    """Return our own arguments, and those for the practice cloud's command: everything behind the word `practice`."""
    index = 0
    while index < len(arguments):
        word = arguments[index]
        if word in _TAKES_VALUE:
            index += 2
        elif word.startswith("-"):
            index += 1
        elif word == "practice" and _CHECK not in arguments[:index]:
            behind = arguments[index + 1 :]
            asks_help = behind[:1] in (["-h"], ["--help"])
            return arguments[:index] + behind[:1] * asks_help, behind
        else:
            break
    return arguments, None


# Arguments


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage, with the option that was probably meant.

        Raises:
            _MisuseError: Always.
        """
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            word = next((each for each in unknown.split() if each.startswith("-")), unknown.split()[0])
            known = [name[2:] for name in self._option_string_actions if name.startswith("--")]
            near = _nearest(word.partition("=")[0].lstrip("-"), known)
            hint = f"Did you mean --{near}?" if near else "`hol-wizard --help` lists the options."
            raise _MisuseError(f"there is no option `{word}`.", hint)
        raise _MisuseError(message.removeprefix("argument ") + ".", _choice_hint(message))


def _choice_hint(message: str) -> str:
    """Return the choice that was probably meant, from argparse's own words."""
    said, _, choices = message.partition("(choose from ")
    if choices:
        word = said.rpartition("invalid choice: ")[2].strip(" '")
        if near := _nearest(word, [choice.strip(" ')") for choice in choices.split(",")]):
            return f"Did you mean {near}?"
    return "`hol-wizard --help` lists the options."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Knows its width without loading `shutil`."""

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


def _speed(text: str) -> str:
    if text == "real":
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 1_000_000:
        raise argparse.ArgumentTypeError(f"`{text}` is neither `real` nor how many times faster than real, such as 60")
    return text


def _parser(place: str | None = None) -> _Parser:
    """Return the parser with every option, or with those of one place for its help."""
    what = "[SECTION|STEP …]"
    usages = {
        None: "hol-wizard [options]",
        _FRONT: f"hol-wizard [options]\n       hol-wizard --check {what} [options]\n       hol-wizard COMMAND …",
        _CHECK: f"hol-wizard --check {what} [options]",
        _LIST: "hol-wizard --list",
        "solve": f"hol-wizard solve {what} [options]",
        "teardown": f"hol-wizard teardown {what} [options]",
        "do": "hol-wizard do STEP[@ENVIRONMENT] ACTION [options]",
        "cost": "hol-wizard cost [options]",
        "doctor": "hol-wizard doctor [options]",
        "ledger": "hol-wizard ledger rebuild [options]",
        "lint": "hol-wizard lint [FOLDER]",
        "starter": "hol-wizard starter FOLDER [options]",
        "git-credential": "hol-wizard git-credential get|store|erase [options]",
        "practice": "hol-wizard practice start|stop|status|approve|reset|fault …",
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
        if place is not None and place != _FRONT and place not in _SCOPES.get(dest, frozenset({place})):
            return
        if group not in groups:
            groups[group] = parser.add_argument_group(group)
        groups[group].add_argument(*names, **details)

    def switch(group: str, *names: str, text: str) -> None:
        add(group, *names, action="store_true", help=text)

    where = "where and who"
    switch(where, "--practice", text="work on the practice cloud on this machine: no subscription, no cost")
    add(where, "--cloud", choices=CLOUDS, help="the cloud (default: azure)")
    add(where, "--profile", default="default", metavar="NAME", help="another attendee's choices (default: default)")
    add(where, "--prefix", metavar="NAME", help="what the names of everything begin with")
    add(where, "--location", metavar="REGION", help="the Azure region")
    add(where, "--alias", metavar="NAME", help="your short name; your git branch is called so")
    add(where, "--subscription", metavar="ID", help="the Azure subscription")
    add(where, "--devops-organization", metavar="NAME", help="the word after dev.azure.com/")
    add(where, "--devops-sign-in", metavar="WAY", help="to Azure DevOps: entra (default) or token")
    add(where, "--devops-users", metavar="ADDRESSES", help="e-mail addresses of who is invited, separated by commas")
    add(where, "--devops-access-level", metavar="LEVEL", help="theirs in Azure DevOps: basic (default) or stakeholder")
    add(where, "--clone-folder", metavar="FOLDER", help="where your clone of the repository is to be")
    add(where, "--cluster-size", metavar="SIZE", help="of the Databricks cluster: single-node (default) or autoscaling")
    add(where, "--node-type", metavar="SIZE", help="virtual machine size of the cluster, such as Standard_D4ds_v5")
    add(where, "--own-data-file", metavar="FILE", help="your own copy of the lab's data file")
    add(where, "--token-in-profile", metavar="YES_OR_NO", help="whether .databrickscfg holds a token in clear (no)")
    add(
        where,
        "--practice-speed",
        type=_speed,
        metavar="N|real",
        help="how many times faster than Azure the practice cloud works",
    )
    front = "the wizard"
    add(front, "--resume", metavar="SECTION", help="open this section: its id, number or a part of its title")
    switch(front, "--catch-up", text="with --resume: do what is missing before it, after showing it")
    switch(
        front, "--plain", text="lines and numbered choices instead of screens: for screen readers and simple terminals"
    )
    add(front, "--theme", choices=("light", "dark"), help="colours (default: as you left it)")
    script = "for scripts"
    switch(script, "--check", text="look, report on stdout, and say by the exit code how it stands")
    switch(script, "--list", text="list all sections and steps")
    add(script, "--environment", choices=("dev", "pipeline", "prod"), help="only this environment")
    add(
        script,
        "--format",
        choices=("text", "json") if place in {"cost", "doctor"} else ("text", "json", "junit", "tap"),
        help="how to write the report (default: text)",
    )
    add(script, "--output", metavar="FILE", help="write the report to this file")
    add(script, "--wait", type=_seconds, metavar="SECONDS", help="look again this long at what is on its way")
    switch(script, "--fail-fast", text="stop at the first step that failed")
    switch(script, "--plan", text="only show what would be done")
    switch(script, "--yes", "-y", text="do not ask")
    switch("about", "--version", text="show the version")
    switch("about", "-h", "--help", text="show this help, or that of a command")
    if place is None:
        parser.add_argument("words", nargs="*")
    return parser


def _epilog(place: str | None) -> str:
    if place == _FRONT:
        width = max(map(len, COMMANDS))
        commands = "\n".join(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items())
        after = "Options stand before or after the command. `hol-wizard COMMAND --help` shows its own."
        return f"commands:\n{commands}\n\n{after}"
    if place == _CHECK:
        return (
            "exit codes:\n  0    all passed\n  1    some failed, or are not there yet\n  2    wrong usage or content\n"
            "  3    could not tell\n  130  interrupted"
        )
    return ""


def _help(place: str) -> str:
    return _parser(place if place in COMMANDS or place in {_CHECK, _LIST} else _FRONT).format_help()


def _parse(arguments: list[str]) -> argparse.Namespace:
    try:
        return _parser().parse_intermixed_args(arguments)
    except argparse.ArgumentError as error:
        raise _MisuseError(f"{error}.", "`hol-wizard --help` lists the options.") from error


def _judge(options: argparse.Namespace, name: str) -> None:
    """Refuse what does not go together.

    Raises:
        _MisuseError: It does not.
    """
    for dest, places in _SCOPES.items():
        if getattr(options, dest) not in (None, False) and name not in places:
            goes = ", ".join(sorted(place or "the wizard itself" for place in places))
            raise _MisuseError(
                f"--{dest.replace('_', '-')} does not go with {name or 'that'}.", f"It goes with {goes}."
            )
    if options.practice and options.cloud:
        raise _MisuseError("--practice and --cloud do not go together: the practice cloud is one of its own.")
    if options.practice_speed and not options.practice:
        raise _MisuseError("--practice-speed goes with --practice.", "Add --practice.")
    if options.catch_up and not options.resume:
        raise _MisuseError(
            "--catch-up goes with --resume.",
            "Add the section to open: --resume SECTION; `hol-wizard --list` shows them.",
        )
    if name in {"cost", "doctor"} and options.format not in (None, "text", "json"):
        raise _MisuseError(f"{name} has no format `{options.format}`.", "Its formats are text and json.")
    if name in {"cost", "doctor", _LIST} and len(options.words) > (name != _LIST):
        raise _MisuseError(f"{name} takes no further words, such as `{options.words[-1]}`.")
    if name == "do" and len(options.words) != 3:
        raise _MisuseError(
            "do takes a step and an action.",
            "For example: hol-wizard do cluster/create-the-cluster@dev start-cluster; `hol-wizard --list` shows them.",
        )
    if name == "lint" and len(options.words) > 2:
        raise _MisuseError("lint takes one folder.", "hol-wizard lint FOLDER")
    if name == "ledger" and options.words[1:] != ["rebuild"]:
        raise _MisuseError("ledger takes the word rebuild.", "hol-wizard ledger rebuild --plan shows what it would do.")
    if name == "git-credential" and options.words[1:] not in (["get"], ["store"], ["erase"]):
        raise _MisuseError("git-credential takes get, store or erase, as git gives it.", "man gitcredentials")
    if name == "starter" and len(options.words) != 2:
        raise _MisuseError("starter takes one folder.", "hol-wizard starter FOLDER")


def _judge_texts(options: argparse.Namespace, name: str) -> None:
    """Refuse texts that no file, section or step can be called; the inputs have rules of their own.

    Raises:
        _MisuseError: One is there.
    """
    from hol_wizard.paths import problem_with_path, problem_with_text

    for dest, given in vars(options).items():
        if dest in INPUTS:
            continue
        is_path = dest == "output" or (dest == "words" and name in {"lint", "starter"})
        for text in given if isinstance(given, list) else [given]:
            if isinstance(text, str) and (problem := (problem_with_path if is_path else problem_with_text)(text)):
                what = "a word of the command" if dest == "words" else f"--{dest.replace('_', '-')}"
                raise _MisuseError(f"{what} cannot be used: {problem}.", "Give it another value.")


def _nearest(word: str, words: Iterable[str]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, list(words), n=1, cutoff=0.5)), "")


# Composition


def _run(
    name: str,
    options: argparse.Namespace,
    selectors: Sequence[str],
    rest: Sequence[str] | None,
    environ: Mapping[str, str],
) -> int:
    """Run the command with all that it needs, and turn errors into lines and exit codes."""
    import logging

    from hol_wizard import log, variables
    from hol_wizard.errors import ContentError, UsageError, WizardError
    from hol_wizard.redaction import scrub

    variables.hide(environ)
    log.guard()
    closers: list[Callable[[], None]] = []
    try:
        return _dispatch(name, options, selectors, rest, environ, closers)
    except (UsageError, ContentError) as error:
        _complain(error.message, _pasted(error.hint, options))
        return USAGE
    except WizardError as error:
        logging.getLogger(__name__).error("%s (%s)", error.message, error.detail, exc_info=error)
        _complain(error.message, _pasted(error.hint, options))
        return STUMBLED
    except (BrokenPipeError, _StdoutError):
        raise
    # The outermost edge: nobody is to see a traceback, and the log has it.
    except Exception as error:
        logging.getLogger(__name__).critical("the wizard stumbled", exc_info=error)
        _complain(f"the wizard itself stumbled: {type(error).__name__}: {scrub(str(error))}", _where_the_log_is())
        return STUMBLED
    finally:
        for close in reversed(closers):
            close()


def _pasted(hint: str, options: argparse.Namespace) -> str:
    """Return a hint with commands that can be pasted in the place of steps."""
    from hol_wizard.lab.profile import options_of
    from hol_wizard.lab.references import Speech

    cloud = PRACTICE if options.practice else options.cloud or CLOUDS[0]
    command = " ".join(("hol-wizard", *options_of(cloud, options.profile)))
    return Speech({}, command, practice=options.practice, commands=True).resolve(hint)


def _dispatch(
    name: str,
    options: argparse.Namespace,
    selectors: Sequence[str],
    rest: Sequence[str] | None,
    environ: Mapping[str, str],
    closers: list[Callable[[], None]],
) -> int:
    from hol_wizard.paths import Home

    home = Home.default()
    if name == "lint":
        return _lint(selectors[0] if selectors else None)
    if name == "starter":
        from hol_wizard import headless

        return headless.starter(selectors[0], headless.WorkOptions(plan=options.plan, yes=options.yes))
    front = _front_end(options) if name == _FRONT else ""
    _begin_log(home, must=name in {_FRONT, "do", "ledger", *_WORK} or options.practice)
    if name == "practice":
        return _practice(list(rest or ()), options.practice_speed, home.practice_folder)
    wizard = _wizard(home, options, closers, environ)
    closers.append(wizard.close)
    code = _with(wizard, name, front, options, selectors)
    if name in _ABOUT_RESOURCES and (problem := wizard.ledger_care.problem()) is not None:
        _complain(problem.message, problem.hint)
        return code or STUMBLED
    return code


def _with(wizard: Wizard, name: str, front: str, options: argparse.Namespace, selectors: Sequence[str]) -> int:
    """Run a command that needs the wizard, and return its exit code."""
    if name == _FRONT:
        resume = wizard.find_section(options.resume) if options.resume else None
        return _show(front, wizard, resume, options)
    from hol_wizard import headless

    wizard.wording.commands = True
    if name == _CHECK:
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
    if name == _LIST:
        return headless.list_steps(wizard)
    if name == "do":
        return headless.act(wizard, selectors[0], selectors[1], options.environment)
    if name == "git-credential":
        return headless.git_credential(wizard, selectors[0], sys.stdin)
    if name == "cost":
        return headless.cost(wizard, options.format or "text")
    if name == "doctor":
        titles, events = wizard.doctor()
        return headless.doctor(titles, events, options.format or "text")
    work = headless.WorkOptions(tuple(selectors), options.environment, options.plan, options.yes)
    if name == "ledger":
        return headless.rebuild_ledger(wizard, work)
    return headless.solve(wizard, work) if name == "solve" else headless.teardown(wizard, work)


def _begin_log(home: Home, *, must: bool) -> None:
    """Start the log file; where it cannot be had, that ends commands that need the folder, and others go on.

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
        _complain(f"no log is kept. {error.message}", error.hint)


def _wizard(
    home: Home, options: argparse.Namespace, closers: list[Callable[[], None]], environ: Mapping[str, str]
) -> Wizard:
    from hol_wizard.errors import UsageError
    from hol_wizard.lab.choices import problem_with_profile
    from hol_wizard.wizard.facade import open_wizard

    if problem := problem_with_profile(options.profile):
        raise UsageError(problem, "Give the profile another name: --profile NAME")
    cloud = PRACTICE if options.practice else options.cloud or CLOUDS[0]
    flags = {name: getattr(options, name) for name in INPUTS}
    empty = [name for name, value in flags.items() if value is not None and not value.strip()]
    if empty:
        raise UsageError(f"--{empty[0].replace('_', '-')} was given without a value.", "Give it one, or leave it away.")
    connect: Callable[[], Endpoints]
    if options.practice:
        practice = _PracticeCloud(home.practice_folder, options.practice_speed)
        closers.append(practice.close)
        connect = practice.connect
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
    )


class _PracticeCloud:
    """Starts the practice cloud when it is first needed, and keeps it alive with a lease.

    It ends by itself some time after the last lease is gone, so another wizard can go on with it.
    """

    def __init__(self, state: Path, speed: str | None) -> None:
        import threading

        self._state = state
        self._speed = _factor(speed)
        self._lock = threading.Lock()
        self._lease: launch.Lease | None = None

    def connect(self) -> Endpoints:
        """Return its addresses; starts it, or starts it again, where it does not run.

        Raises:
            WizardError: It could not be started.
        """
        from hol_wizard.errors import UnreachableError
        from hol_wizard.practice.process import launch
        from hol_wizard.services.endpoints import Endpoints

        with self._lock:
            try:
                # Asking a lease's connection is quick; asking the server whether it is alive is a TLS handshake.
                if self._lease is None or not self._lease.alive:
                    self._release()
                    served = launch.start(self._state, speed=self._speed, is_wizards=True)
                    self._lease = launch.Lease(served)
                    trust(served["bundle_file"])
            except launch.LaunchError as error:
                raise UnreachableError(error.message, error.hint) from error
            return Endpoints.of_file(self._state / launch.ENDPOINTS_FILE)

    def _release(self) -> None:
        if self._lease is not None:
            self._lease.close()
            self._lease = None

    def close(self) -> None:
        """Let go of it."""
        with self._lock:
            self._release()


def trust(bundle: str) -> None:
    """Make the SDKs of this process, and the programs that it starts, trust the practice cloud's certificates.

    They read these variables themselves; databricks-sdk and msal know no other way.
    """
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"):
        os.environ[variable] = bundle
    os.environ.pop("SSL_CERT_DIR", None)
    # A company's proxy has no business between this machine and itself.
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    if "127.0.0.1" not in known.split(","):
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(filter(None, [known, "127.0.0.1", "localhost"]))


def _factor(speed: str | None) -> float | None:
    return None if speed is None else 1.0 if speed == "real" else float(speed)


def _practice(words: list[str], speed: str | None, state: Path) -> int:
    """Run a command of the practice cloud: `start` here, the others in its own module."""
    import contextlib
    import io

    from hol_wizard.errors import UsageError
    from hol_wizard.practice import __main__ as practice
    from hol_wizard.practice.process import launch

    known = (
        *("start", "stop", "status", "approve", "reset", "fault", "faults", "clear-faults"),
        *("expire-tokens", "set", "token"),
    )
    asks_help = bool({"-h", "--help"} & set(words))
    name = next((word for word in words if not word.startswith("-")), "")
    if name not in known:
        near = _nearest(name, known) if name else ""
        said = f"practice has no command `{name}`." if name else "practice needs a command."
        raise UsageError(said, f"Did you mean `{near}`?" if near else f"Its commands are {', '.join(known)}.")
    if name == "start" and not asks_help:
        behind = [word for word in words if word != "start"]
        if behind[:1] in (["--speed"], ["--practice-speed"]) and len(behind) == 2:
            try:
                speed = _speed(behind.pop())
            except argparse.ArgumentTypeError as error:
                raise UsageError(f"--speed: {error}.", "hol-wizard practice start --speed real") from error
            behind.clear()
        if behind:
            raise UsageError(
                f"practice start does not know `{behind[0]}`.", "hol-wizard practice start [--speed N|real]"
            )
        try:
            served = launch.start(state, speed=_factor(speed), keep=True, is_wizards=True)
        except launch.LaunchError as error:
            raise UsageError(error.message, error.hint) from error
        if served.get("notice"):
            _say(str(served["notice"]))
        sys.stdout.write(f"The practice cloud runs (process {served.get('pid')}) until `hol-wizard practice stop`.\n")
        return 0
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            code = practice.main(words, state=state, prog="hol-wizard practice")
    except SystemExit as leaving:
        if not leaving.code:
            return 0
        last = complaint.getvalue().strip().rpartition("\n")[2]
        meant = _choice_hint(last) if "choose from" in last else f"hol-wizard practice {name} --help"
        raise UsageError(last.partition("error: ")[2] or last, meant) from leaving
    if code and complaint.getvalue():
        message, _, hint = complaint.getvalue().strip().partition("\n")
        _complain(message, hint)
    return code


# Front ends


def _front_end(options: argparse.Namespace) -> str:
    """Return `tui` or `plain`.

    Raises:
        UsageError: There is nobody to talk to.
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


def _show(front: str, wizard: Wizard, resume: Section | None, options: argparse.Namespace) -> int:
    if front == "tui":
        import gc

        # Tens of thousands of objects are made until the first paint and stay; the app turns the collector on after it.
        gc.disable()
        from hol_wizard.tui import app

        return app.run(lambda: wizard, resume=resume, catch_up=options.catch_up, theme=options.theme or "")
    from hol_wizard import plain

    return plain.run(wizard, resume=resume, catch_up=options.catch_up)


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


# Streams


def _say(text: str) -> None:
    """Write a line to standard error."""
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody listens; the exit code tells it as well.
        return


def _complain(message: str, hint: str) -> None:
    message = message[:1].lower() + message[1:] if message[:2].istitle() else message
    _say(f"hol-wizard: {message}")
    for line in hint.splitlines():
        _say(f"  {line}")


def _where_the_log_is() -> str:
    from hol_wizard.paths import Home

    return f"Try again; if it stays, report it with the log file {Home.default().log_file}"


def _have_streams() -> None:
    """Have all three streams, and none that an odd letter breaks.

    Where the caller has closed one (`<&-`), the next file that is opened would get its number, and programs that are
    started would write into it. A byte or a letter that the encoding lacks becomes a question mark.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # Opened in this order, each gets the lowest number that is free: its own.
            opened = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115, PTH123 to the end
        if reconfigure := getattr(getattr(sys, name), "reconfigure", None):
            reconfigure(errors="replace")


def _close_stdout() -> None:
    """Send what is still to be written nowhere: Python would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        # Not a real stream; then nothing is left to be flushed either.
        return


def _leave_behind(code: int) -> None:
    """End the process now when threads are left that would keep it: reads, or what a person gave up waiting for."""
    import threading

    left = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if left:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(code)
