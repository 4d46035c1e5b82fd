"""Answers from a command's options, or from the person at the terminal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hol_wizard.background import waited
from hol_wizard.errors import UsageError, WizardError
from hol_wizard.headless.output import err, watched
from hol_wizard.lines import one_line
from hol_wizard.prompts import ask, ask_secret
from hol_wizard.wizard.questions import Question

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """The options of `solve` or `teardown`."""

    selectors: tuple[str, ...] = ()
    environment: str | None = None
    plan: bool = False
    """Only show what would be done."""
    format: str = "text"
    """The form of the plan: `text` or `markdown`."""
    yes: bool = False
    """Do not ask."""
    whole: bool = False
    """`solve`: the whole lab, with the parts of people, which this cloud's stand-ins play."""


def answers_to(wizard: Wizard, questions: Sequence[Question], *, asks: bool) -> dict[str, str]:
    """Return the answers to questions, or refuse to continue without them; secrets go into the keyring.

    Raises:
        UsageError: A value is missing, and there is no terminal to ask on.
    """
    answers: dict[str, str] = {}
    for each in questions:
        source = waited(partial(each.source, answers)) if each.input.secret else ""
        if not asks:
            if each.input.secret and not source:
                raise UsageError(
                    f"{each.input.label} is missing. A secret cannot be given as an option.",
                    f"Give it as the variable {' or '.join(each.input.variables)}, or run solve in a terminal "
                    "without --yes: it asks for the value and keeps it in the keyring.",
                )
            if error := wizard.profile.settings.missing_error([question.name for question in questions]):
                raise error
        elif not each.input.secret:
            answers[each.name] = ask(each.input, listed=_listed(each))
        elif (secret := ask_secret(each.input, source)) is not None:
            err(waited(partial(each.keep, secret, answers)))
    return answers


def _listed(question: Question) -> Sequence[tuple[str, str]]:
    """Return the possible values of an input; if there is no list, the person is asked anyway."""
    if not question.input.listed:
        return ()
    try:
        return waited(question.options)
    except WizardError as error:
        err(f"The choices are unknown: {one_line(error.message)}")
        return ()


def can_ask() -> bool:
    """Return whether there is a person at the terminal."""
    return watched(sys.stdin) and watched(sys.stderr)


def can_consent(options: WorkOptions, command: str, *words: str) -> None:
    """Refuse a command that needs consent if there is no terminal to ask on.

    Args:
        options: The command's options.
        command: `solve`, `ledger rebuild`.
        words: The words after the command.

    Raises:
        UsageError: There is no consent and no terminal; the hint is the command that shows the plan.
    """
    if options.yes or options.plan or can_ask():
        return
    whole = ("--all",) if options.whole else ()
    where = ("--environment", options.environment) if options.environment else ()
    again = shlex.join((*command.split(), *words, *options.selectors, *whole, *where))
    raise UsageError(
        f"{command} asks before it changes anything, and there is no terminal to ask on.",
        f"`hol-wizard {again} --plan` shows what it would do. With --yes instead of --plan, it does it.",
    )
