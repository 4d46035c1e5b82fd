"""What takes several questions: coroutines that ask, read the cloud aside and start runs."""

from __future__ import annotations

import logging
import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.model import Target
from hol_wizard.tui.clipboard import copy_natively
from hol_wizard.tui.modals.choose import ChooseDialog
from hol_wizard.tui.modals.inputs import InputsDialog
from hol_wizard.tui.modals.leave import LeaveAnswer, LeaveDialog, LeaveRunningDialog
from hol_wizard.tui.modals.ledger import LedgerDialog
from hol_wizard.tui.modals.plan import PlanDialog
from hol_wizard.tui.result_text import result_plain
from hol_wizard.tui.runs import Kind
from hol_wizard.tui.threads import aside

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp

logger = logging.getLogger(__name__)

LEAVE, COPY, BROWSER = "leave", "copy", "browser"
"""Groups of flows besides those that ask about changes: of each group one at a time is under way."""


async def solve(app: HolWizardApp, targets: Sequence[Target], title: str) -> None:
    """Ask for what is missing, show what would be created, and do it when the person agrees."""
    if not targets:
        return
    wizard = app.wizard
    if await _doubts(app) is None:
        return
    inputs: Mapping[str, str] = {}
    questions = list(wizard.answers.missing(targets))
    if len(targets) == 1:
        # Whoever does this very step wants to see, and perhaps change, what it is done with.
        questions = [INPUTS[name] for name in targets[0].step.inputs]
    if questions:
        answers = await app.push_screen_wait(InputsDialog(wizard, questions, title))
        if answers is None:
            return
        inputs = answers
    if any(INPUTS[name].secret for target in targets for name in target.step.inputs):
        secrets = await aside(lambda: wizard.secrets.asked(targets, inputs), "keyring")
        if secrets and await app.push_screen_wait(InputsDialog(wizard, secrets, title, inputs)) is None:
            return
    agreed = await app.push_screen_wait(PlanDialog(app, title, lambda: wizard.plan(targets, inputs), removes=False))
    if agreed:
        app.start_work(Kind.SOLVE, targets, title, inputs)


async def _doubts(app: HolWizardApp, *, removing_all: bool = False) -> bool | None:
    """Tell what the ledger may have lost, and offer to write it again.

    Returns:
        Whether it is complete; None: the person does not go on.
    """
    wizard = app.wizard
    seen = await aside(lambda: wizard.ledger_care.doubts(removing_all=removing_all), "ledger")
    if seen.complete:
        return True
    rebuildable = seen.rebuildable and not seen.unknown
    answer = await app.push_screen_wait(LedgerDialog(list(seen.lines()), rebuildable=rebuildable))
    if not answer:
        return answer
    rebuilt = await aside(lambda: wizard.ledger_care.rebuild(seen), "ledger")
    app.notify("\n".join(rebuilt.brief()), title="The ledger is written again", timeout=12, markup=False)
    return (await aside(lambda: wizard.ledger_care.doubts(removing_all=removing_all), "ledger")).complete


async def act(app: HolWizardApp, target: Target) -> None:
    """Ask what else to do with what a step made, and do it."""
    wizard, title = app.wizard, app.board.title(target.key)
    actions = {action.name: action.label for action in await aside(lambda: wizard.actions(target), "actions")}
    chosen = await app.push_screen_wait(ChooseDialog(title, list(actions.items())))
    if chosen is not None:
        app.start_work(Kind.ACT, [target], f"{actions[chosen]}: {title}", action=chosen)


async def undo(app: HolWizardApp, targets: Sequence[Target] | None, title: str) -> None:
    """Show what would be removed (all that was made, for None), and remove it when the person agrees."""
    wizard = app.wizard
    complete = await _doubts(app, removing_all=targets is None)
    if complete is None:
        return
    plan = PlanDialog(app, title, lambda: wizard.plan_teardown(targets), removes=True, complete=complete)
    agreed = await app.push_screen_wait(plan)
    if agreed:
        app.start_work(Kind.UNDO, targets, title)


async def leave(app: HolWizardApp) -> None:
    """Ask what to do with the work under way, or with what runs and costs, then leave."""
    if isinstance(app.screen, LeaveDialog | LeaveRunningDialog):
        return
    if app.working is None:
        await _leave_running(app)
        return
    answer = await app.push_screen_wait(LeaveDialog(app.working.title))
    if answer is LeaveAnswer.STAY:
        return
    if app.working is None:
        app.exit(0)
        return
    app.leaving = True
    if answer is LeaveAnswer.STOP:
        app.stop_work()
    else:
        app.notify("Leaving as soon as the work is done.", markup=False)


async def _leave_running(app: HolWizardApp) -> None:
    """Say what runs and costs, and offer to stop it before leaving."""
    running = app.cost.running if app.cost is not None else ()
    if not running:
        app.exit(0)
        return
    answer = await app.push_screen_wait(LeaveRunningDialog(running))
    if answer is LeaveAnswer.STAY:
        return
    stops = app.cost.stops if app.cost is not None else {}
    if answer is LeaveAnswer.WAIT or not stops:
        app.exit(0)
        return
    action, keys = next(iter(stops.items()))
    app.leaving = True
    app.start_work(Kind.ACT, [app.board.targets[key] for key in keys], "Stopping what runs", action=action)


async def copy(app: HolWizardApp, text: str, what: str) -> None:
    """Copy the text, and say what was copied."""
    app.copy_to_clipboard(text)
    if sys.platform == "darwin":
        await aside(lambda: copy_natively(text), "copy")
    app.notify(what, title="Copied", timeout=4, markup=False)


async def copy_one(app: HolWizardApp, commands: Sequence[str]) -> None:
    """Copy a command, asking which where there are several."""
    if not commands:
        return
    chosen: str | None = commands[0]
    if len(commands) > 1:
        options = [(command, command) for command in commands]
        chosen = await app.push_screen_wait(ChooseDialog("Copy which command?", options))
    if chosen is not None:
        await copy(app, chosen, chosen)


async def copy_result(app: HolWizardApp, target: Target) -> None:
    """Copy what the check said about a step."""
    result = app.board.standings[target.key].result
    if result is not None:
        await copy(app, result_plain(app.board.title(target.key), result), "The result, with the service's own words.")


async def open_address(app: HolWizardApp, address: str) -> None:
    """Open an address in a browser that has a window of its own, else copy it."""
    if not address.startswith(("https://", "http://")):
        app.notify("There is no page for this.", severity="warning", markup=False)
        return
    if await aside(lambda: open_in_browser(address), "browser"):
        app.notify(address, title="Opened in the browser", timeout=6, markup=False)
    else:
        await copy(app, address, f"No browser here; the address: {address}")


def open_in_browser(address: str) -> bool:
    """Open the address, but never in a browser that would draw over this terminal."""
    windows = sys.platform in {"win32", "darwin"} or any(os.environ.get(v) for v in ("DISPLAY", "WAYLAND_DISPLAY"))
    remote = os.environ.get("SSH_CONNECTION") and not windows
    if remote or not windows:
        return False
    try:
        return webbrowser.open(address)
    except (webbrowser.Error, OSError) as error:
        logger.warning("no browser: %s", error)
        return False
