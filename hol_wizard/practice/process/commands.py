"""The commands: `python -m hol_wizard.practice serve …`, and those for a running server."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hol_wizard import variables
from hol_wizard.paths import problem_with_path
from hol_wizard.practice.kernel.faults import FORMS, KINDS
from hol_wizard.practice.process import launch, shell


def _speed(text: str) -> float:
    if text == "real":
        return 1.0
    value = float(text)
    if value <= 0:
        raise argparse.ArgumentTypeError("a speed is above 0")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return value


def _path(text: str) -> Path:
    if problem := problem_with_path(text):
        raise argparse.ArgumentTypeError(problem)
    return Path(text)


def parser_for(state: Path | None, prog: str) -> argparse.ArgumentParser:
    """Return the parser of the practice cloud's commands.

    Args:
        state: Folder of the practice cloud's files; None if an option names it.
        prog: What the person typed before the command.
    """
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str, **more: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, **more)
        if state is None:
            added.add_argument(
                "--state", type=_path, required=True, metavar="DIR", help="folder of the practice cloud's files"
            )
        else:
            added.set_defaults(state=state)
        return added

    serve = command("serve", "Serve until stopped.")
    serve.add_argument("--speed", type=_speed, default=60.0, metavar="N|real", help="times faster than Azure (60)")
    serve.add_argument("--log-exchanges", type=_path, metavar="FILE", help="write each exchange here, as JSON Lines")
    serve.add_argument("--port-base", type=int, metavar="N", help="use ports N, N+1, ... (default: free ones)")
    serve.add_argument("--keep", action="store_true", help="go on when the last wizard has gone")
    serve.add_argument(
        "--linger", type=float, default=15.0, metavar="SECONDS", help="time from the last wizard to the end"
    )

    kinds = "\n".join(f"  {kind:18}{text}" for kind, text in KINDS.items())
    fault = command(
        "fault",
        "Make requests fail.",
        epilog="kinds:\n" + kinds,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    fault.add_argument("kind", choices=tuple(KINDS), metavar="KIND")
    fault.add_argument("--service", help="resource_manager, active_directory, microsoft_graph")
    fault.add_argument("--method", help="GET, PUT, ...")
    fault.add_argument("--path", metavar="REGEX", help="searched in path and query")
    fault.add_argument("--times", type=int, metavar="N", help="how often (default: always)")
    fault.add_argument("--since", metavar="METHOD", help="wait until such a request has come")
    fault.add_argument("--retry-after", type=int, metavar="SECONDS")
    fault.add_argument(
        "--seconds", type=float, metavar="SECONDS", help="slow: delay of the response; drip: delay of each byte"
    )
    fault.add_argument(
        "--after", action="store_true", default=None, help="drop: carry out the request, lose only the response"
    )
    fault.add_argument("--status", type=int)
    fault.add_argument("--code")
    fault.add_argument("--message")
    fault.add_argument(
        "--form", choices=tuple(FORMS), help="error: " + "; ".join(f"{k}: {v}" for k, v in FORMS.items())
    )

    command("faults", "Show the active faults.")
    command("clear-faults", "Remove all faults.")
    command("reset", "Return the cloud to its initial, empty state.")
    command("stop", "Stop the server.")
    command("status", "Show the server's status; exit code 1 if none is running.")
    approve = command("approve", "Approve a sign-in that shows a code.")
    approve.add_argument("code", metavar="CODE", help="the code that the page or the program shows")
    expire = command("expire-tokens", "Expire all tokens.")
    expire.add_argument("--refresh", action="store_true", help="also refresh tokens: everybody must sign in again")
    settings = command("set", "Change settings of the running server.")
    settings.add_argument("--latency", type=float, metavar="SECONDS", help="seconds added to every response")
    settings.add_argument("--speed", type=_speed, metavar="N|real")
    settings.add_argument("--user", help="who signs in: attendee@practice.example, reader@, contributor@, ...")
    settings.add_argument("--approval", choices=("approve", "decline", "never"), help="how sign-ins are answered")
    settings.add_argument(
        "--quota", type=_quota, metavar="FAMILY=CORES,...", help="cores that may run: standardDDSv5Family=0,cores=10"
    )
    settings.add_argument(
        "--register-applications",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether everybody may register applications",
    )
    settings.add_argument(
        "--federation",
        choices=("allowed", "disabled", "constrained"),
        help="sign-ins without a secret: allowed, disabled for applications, or constrained for Azure DevOps",
    )
    environment = command("env", "Print what a shell needs to use the practice cloud under the services' real names.")
    environment.add_argument("--shell", choices=shell.SHELLS, help="its language (default: that of your shell)")
    environment.add_argument("--unset", action="store_true", help="print what puts the shell back as it was")
    browsing = command("browse", "Open an address as a shell does that was prepared with env.")
    browsing.add_argument("address", nargs="?", default="", metavar="ADDRESS")
    browsing.add_argument("--deliver", action="store_true", help=argparse.SUPPRESS)
    token = command("token", "Create a personal access token for Azure DevOps, as its page User settings does.")
    token.add_argument("--organization", default="practice", help="organization (default: practice)")
    token.add_argument(
        "--scope", default="vso.code_write", help="scopes, separated by spaces (default: vso.code_write)"
    )
    token.add_argument("--user", help="owner (default: who signs in)")
    token.add_argument("--days", type=float, help="lifetime in days (default: 30); negative: already expired")
    token.add_argument("--revoke", metavar="ID", help="revoke this token instead")
    review = command("review", "Review a pull request in Azure DevOps as a second person.")
    decision = review.add_mutually_exclusive_group(required=True)
    decision.add_argument("--approve", action="store_true", help="approve it, and resolve this person's comments")
    decision.add_argument("--reject", metavar="COMMENT", help="reject it, with a comment")
    decision.add_argument("--wait", metavar="COMMENT", help="wait for the author, with a comment")
    review.add_argument("--pull-request", type=int, metavar="NUMBER", help="which one (default: the only active one)")
    review.add_argument("--organization", default="practice", help="organization (default: practice)")
    review.add_argument("--user", default="", help="who reviews (default: organizer@practice.example)")
    release = command("release", "Answer the approval of a release in Azure DevOps as its approver.")
    answer = release.add_mutually_exclusive_group(required=True)
    answer.add_argument("--approve", nargs="?", const="", metavar="COMMENT", help="approve it, perhaps with a comment")
    answer.add_argument("--reject", nargs="?", const="", metavar="COMMENT", help="reject it, perhaps with a comment")
    answer.add_argument("--time-out", action="store_true", help="let the approval time out")
    release.add_argument("--approval", default="", metavar="ID", help="which one (default: the only pending one)")
    release.add_argument("--organization", default="practice", help="organization (default: practice)")
    release.add_argument("--user", default="", help="who answers (default: organizer@, or attendee@ if only they may)")
    release.add_argument(
        "--wait", type=_seconds, default=0.0, metavar="SECONDS", help="wait until an approval is pending (default: 0)"
    )
    return parser


def _quota(text: str) -> dict[str, int]:
    """Return the quota of cores, by family."""
    try:
        return {family: int(cores) for family, _, cores in (each.partition("=") for each in text.split(",") if each)}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' is not like standardDDSv5Family=0,cores=10") from error


def env(
    state: Path, environ: Mapping[str, str], *, language: str | None, unset: bool, is_wizards: bool = False
) -> list[str]:
    """Return the lines that prepare a shell for the practice cloud, which from now on runs until it is stopped.

    Args:
        state: Folder of the practice cloud's files.
        environ: The shell's variables.
        language: One of `shell.SHELLS`; None for that of the person's shell.
        unset: Whether the lines should restore the shell.
        is_wizards: Whether the folder is the wizard's own.

    Raises:
        LaunchError: The practice cloud cannot be started, or the shell cannot be prepared.
    """
    language = language or shell.shell_of(environ)
    before = variables.before_shell(environ)
    if unset:
        if before is None:
            raise launch.LaunchError("This shell is not prepared for the practice cloud, so there is nothing to unset.")
        return shell.lines(language, {**before, variables.SHELL: None})
    clean = dict(environ)
    variables.leave_shell(clean)
    served = launch.start(state, keep=True, is_wizards=is_wizards)
    try:
        return shell.lines(language, prepared(served, state, clean))
    except ValueError as error:
        raise launch.LaunchError(f"The shell cannot be prepared: {error}.") from error


def prepared(served: Mapping[str, Any], state: Path, environ: Mapping[str, str]) -> dict[str, str | None]:
    """Prepare a running practice cloud for a shell, and return the variables to set there, and with None to remove.

    Args:
        served: The endpoints of the practice cloud.
        state: Folder of its files.
        environ: The shell's variables before it was prepared.

    Raises:
        LaunchError: The practice cloud does not respond.
    """
    launch.ControlClient(served).way_out(proxy_of(environ), environ.get("no_proxy") or environ.get("NO_PROXY") or "")
    return shell.settings(served, state.resolve(), environ)


def proxy_of(environ: Mapping[str, str]) -> str:
    """Return the address of the person's own proxy for https addresses; empty if there is none."""
    names = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    return next((environ[name] for name in names if environ.get(name)), "")


def _talk(arguments: argparse.Namespace) -> Any:
    if arguments.command == "stop":
        return {"stopped": launch.stop(arguments.state)}
    endpoints = launch.read_endpoints(arguments.state)
    if endpoints is None:
        raise launch.LaunchError(f"No practice cloud runs in {arguments.state}.", "Start it: hol-wizard practice start")
    client = launch.ControlClient(endpoints)
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    given = {name: value for name, value in given.items() if name not in {"command", "state"}}
    match arguments.command:
        case "fault":
            return client.fault(given.pop("kind"), **given)
        case "faults":
            return client.faults()
        case "clear-faults":
            return client.clear_faults()
        case "reset":
            return client.reset()
        case "approve":
            return client.approve(given["code"])
        case "expire-tokens":
            return {"expired": client.expire_tokens("access", *(["refresh"] if arguments.refresh else []))}
        case "token" if arguments.revoke:
            return {"revoked": client.revoke_devops_token(arguments.revoke)}
        case "token":
            return client.devops_token(**given)
        case "review":
            # Imported here, because the other commands do not need Azure DevOps.
            from hol_wizard.practice.process.review import review

            decision = "approve" if arguments.approve else "reject" if arguments.reject is not None else "wait"
            return review(
                endpoints,
                organization=arguments.organization,
                number=arguments.pull_request,
                user=arguments.user,
                decision=decision,
                comment=arguments.reject or arguments.wait or "",
            )
        case "release":
            from hol_wizard.practice.process.release_approval import answer

            decision = "time-out" if arguments.time_out else "approve" if arguments.approve is not None else "reject"
            # Without it, the practice cloud ends soon after the last wizard, and so does what the release runs.
            with launch.Lease(endpoints):
                return answer(
                    endpoints,
                    organization=arguments.organization,
                    approval=arguments.approval,
                    user=arguments.user,
                    decision=decision,
                    comment=arguments.approve or arguments.reject or "",
                    wait=arguments.wait,
                    follow=True,
                )
        case "set":
            return client.settings(**given)
        case _:
            return client.status()


def main(
    argv: Sequence[str] | None = None,
    *,
    state: Path | None = None,
    prog: str = "python -m hol_wizard.practice",
    environ: Mapping[str, str] | None = None,
) -> int:
    """Run one command and return its exit code.

    Args:
        argv: The words after the program's name; None for those of the process.
        state: Folder of the practice cloud's files; None if the command contains it.
        prog: The program's name in its help.
        environ: The shell's variables; None for those of the process.
    """
    arguments = parser_for(state, prog).parse_args(argv)
    if environ is None:
        environ = dict(os.environ)
        variables.leave_shell(os.environ)
    try:
        if arguments.command == "serve":
            # Imported here, because the other commands do not need the server.
            from hol_wizard.practice.process import server

            server.serve(
                server.Options(
                    arguments.state.resolve(),
                    arguments.speed,
                    arguments.log_exchanges,
                    arguments.port_base,
                    arguments.keep,
                    arguments.linger,
                )
            )
            return 0
        if arguments.command == "browse":
            from hol_wizard.practice.process import browse

            if arguments.deliver:
                browse.deliver()
            else:
                browse.browse(arguments.state.resolve(), arguments.address)
            return 0
        if arguments.command == "env":
            found = env(
                arguments.state,
                environ,
                language=arguments.shell,
                unset=arguments.unset,
                is_wizards=state is not None,
            )
            sys.stdout.flush()
            # Paths are bytes, also those that are not in the terminal's encoding.
            sys.stdout.buffer.write(os.fsencode("\n".join(found) + "\n"))
            return 0
        response = _talk(arguments)
    except (launch.LaunchError, OSError) as error:
        hint = getattr(error, "hint", "")
        sys.stderr.write(f"{error}\n" + (f"{hint}\n" if hint else ""))
        return 2 if isinstance(error, launch.NotOursError) else 1
    if response is not None:
        sys.stdout.write(json.dumps(response, indent=2) + "\n")
    return 0
