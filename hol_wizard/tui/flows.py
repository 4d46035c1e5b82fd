"""Operations with several questions: coroutines that ask, read the cloud in the background and start runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from hol_wizard import own_shell
from hol_wizard.errors import WizardError
from hol_wizard.lab.model import Target
from hol_wizard.tui.desktop import copy_natively, open_in_browser
from hol_wizard.tui.modals.choose import ChooseDialog
from hol_wizard.tui.modals.confirm import ConfirmDialog
from hol_wizard.tui.modals.inputs import InputsDialog
from hol_wizard.tui.modals.leave import LeaveAnswer, LeaveDialog, LeaveRunningDialog
from hol_wizard.tui.modals.ledger import LedgerDialog
from hol_wizard.tui.modals.plan import PlanDialog
from hol_wizard.tui.result_text import result_plain
from hol_wizard.tui.threads import aside
from hol_wizard.wizard import conversation
from hol_wizard.wizard.conversation import Conversation
from hol_wizard.wizard.requests import Ask, ByHand, Confirm, Consent, Kind, LedgerDoubt, LedgerRebuilt, Work

if TYPE_CHECKING:
    from hol_wizard.tui.app import HolWizardApp


LEAVE, COPY, BROWSER, SHELL = "leave", "copy", "browser", "shell"
"""Groups of flows in addition to those that ask about changes; only one flow of each group runs at a time."""


async def solve(app: HolWizardApp, targets: Sequence[Target], title: str) -> None:
    """Ask for missing values, show what would be created, and do it if the person agrees."""
    if targets:
        await converse(app, conversation.solve(app.wizard, targets), title)


async def undo(app: HolWizardApp, targets: Sequence[Target] | None, title: str) -> None:
    """Show what would be removed (None: everything that was created), and remove it if the person agrees."""
    await converse(app, conversation.teardown(app.wizard, targets), title)


async def act(app: HolWizardApp, target: Target) -> None:
    """Ask which of a step's actions to do, and do it."""
    wizard, title = app.wizard, app.board.title(target.key)
    actions = {action.name: action.label for action in await aside(lambda: wizard.actions(target), "actions")}
    chosen = await app.push_screen_wait(ChooseDialog(title, list(actions.items())))
    if chosen is not None:
        await converse(app, conversation.act(wizard, [target], chosen), f"{actions[chosen]}: {title}")


async def shell(app: HolWizardApp) -> None:
    """Give the terminal to the person's shell, and look at the step in view when they return."""
    opened = await aside(lambda: own_shell.own_shell(app.wizard), "shell")
    if app.working is not None:
        app.notify(f"“{app.working.title}” has begun: open the shell when it has ended.", markup=False)
        return
    problem: WizardError | None = None
    try:
        with app.suspend():
            sys.stdout.write(f"{opened.line}\n")
            sys.stdout.flush()
            try:
                # Nothing else happens here until it ends: no other check, and no drawing over the shell.
                own_shell.run(opened)
            except WizardError as error:
                problem = error
    except SuspendNotSupported:
        app.notify("This terminal cannot be left for a shell.", severity="warning", markup=False)
        return
    if problem is not None:
        raise problem
    await app.look_again()


async def confirm(app: HolWizardApp, target: Target) -> None:
    """Ask the person to confirm a step, or whether to withdraw the confirmation, and record the answer."""
    confirming = app.wizard.confirming
    statement, result = confirming.statement(target), await aside(lambda: confirming.look(target), "confirmation")
    dialog = ConfirmDialog(app.board.title(target.key), statement, result)
    if not await app.push_screen_wait(dialog):
        return
    change = confirming.withdraw if result.confirmed else confirming.confirm
    done = await aside(lambda: change([target]), "confirmation")
    if done.kept is not None:
        said = f"Lines of the file could not be read. It is kept as {done.kept.name}."
        app.notify(said, title="Confirmations", severity="warning", markup=False)
    app.take_confirmations(done.results)


async def converse(app: HolWizardApp, requests: Conversation, title: str) -> None:
    """Answer a conversation with dialogs, up to its work; the rest follows when the work has ended."""
    while (request := await aside(lambda: next(requests, None), "conversation")) is not None:
        app.show_confirmations(app.wizard.confirming.results())
        match request:
            case ByHand():
                titles = ", ".join(f"“{app.board.title(target.key)}”" for target in request.targets)
                app.notify(f"For you to do by hand: {titles}.", timeout=8, markup=False)
            case Confirm(target=target, statement=statement):
                looked = await aside(partial(app.wizard.confirming.look, target), "confirmation")
                dialog = ConfirmDialog(app.board.title(target.key), statement, looked)
                request.confirmed = await app.push_screen_wait(dialog) or False
            case Ask():
                request.answers = await app.push_screen_wait(InputsDialog(request.questions, title))
            case LedgerDoubt():
                lines = list(request.survey.lines())
                request.rebuild = await app.push_screen_wait(LedgerDialog(lines, rebuildable=request.may_rebuild))
            case LedgerRebuilt():
                said = "\n".join(request.rebuilt.brief())
                app.notify(said, title="Rebuilding the ledger", timeout=12, markup=False)
            case Consent():
                plan = PlanDialog(app, title, request)
                request.agreed = await app.push_screen_wait(plan) or False
            case Work():
                app.start_work(request, title, requests)
                return


async def leave(app: HolWizardApp) -> None:
    """Ask what to do with work in progress, or with what is running and costs money, then quit."""
    if isinstance(app.screen, LeaveDialog | LeaveRunningDialog):
        return
    if app.working is None:
        await _leave_running(app)
        return
    busy = app.board.working(app.working.keys | app.working.seen)
    left = conversation.left_running(app.wizard, busy) if app.working.kind is Kind.SOLVE else ""
    answer = await app.push_screen_wait(LeaveDialog(app.working.title, left))
    if answer is LeaveAnswer.STAY:
        return
    if app.working is None:
        # It ended while the answer was on its way.
        app.exit(0)
        return
    app.leaving = True
    if answer in {LeaveAnswer.STOP, LeaveAnswer.CANCEL}:
        app.stop_work(cancel=answer is LeaveAnswer.CANCEL)
    else:
        app.notify("The wizard quits as soon as the work is done.", markup=False)


async def _leave_running(app: HolWizardApp) -> None:
    """Show what is running and what it costs, and offer to stop it before quitting."""
    cost = app.cost
    if cost is None or not cost.running:
        app.exit(0)
        return
    answer = await app.push_screen_wait(LeaveRunningDialog(cost))
    if answer is LeaveAnswer.STAY:
        return
    stops = app.cost.stops if app.cost is not None else {}
    if answer is LeaveAnswer.WAIT or not stops:
        app.exit(0)
        return
    action, keys = next(iter(stops.items()))
    app.leaving = True
    targets = [app.board.targets[key] for key in keys]
    await converse(app, conversation.act(app.wizard, targets, action), "Stopping what runs")


async def copy(app: HolWizardApp, text: str, what: str) -> None:
    """Copy the text, and show what was copied."""
    # A terminal at the other end of a connection has its own clipboard, so it is always asked as well.
    app.copy_to_clipboard(text)
    where = await aside(lambda: copy_natively(text), "copy")
    app.notify(
        what, title=f"Copied to {where}" if where else "Sent to the terminal's clipboard", timeout=4, markup=False
    )


async def copy_one(app: HolWizardApp, commands: Sequence[str]) -> None:
    """Copy a command; ask which one if there are several."""
    if not commands:
        return
    chosen: str | None = commands[0]
    if len(commands) > 1:
        options = [(command, command) for command in commands]
        chosen = await app.push_screen_wait(ChooseDialog("Copy which command?", options))
    if chosen is not None:
        await copy(app, chosen, chosen)


async def copy_result(app: HolWizardApp, target: Target) -> None:
    """Copy the result of a step's check."""
    result = app.board.standings[target.key].result
    if result is not None:
        await copy(
            app, result_plain(app.board.title(target.key), result), "The result, with the service's own message."
        )


async def open_address(app: HolWizardApp, address: str) -> None:
    """Open an address in a graphical browser, otherwise copy it."""
    if not address.startswith(("https://", "http://")):
        app.notify("The portal has no page for this.", severity="warning", markup=False)
        return
    await _browse(app, address, address, f"No browser is available; the address: {address}")


async def open_file(app: HolWizardApp, path: str) -> None:
    """Open a local page in a graphical browser, otherwise copy its path; show which."""
    if not await aside(lambda: Path(path).is_file(), "browser"):
        app.notify(f"It is gone: {path}. Run the tests again.", severity="warning", markup=False)
    else:
        await _browse(app, Path(path).as_uri(), path, f"No browser is available here. The report is {path}")


async def _browse(app: HolWizardApp, address: str, name: str, copied: str) -> None:
    """Open an address, or copy its name and say so.

    Args:
        app: The app.
        address: The address.
        name: How it is shown and copied.
        copied: What to say if there is no browser.
    """
    if await aside(lambda: open_in_browser(address), "browser"):
        app.notify(name, title="Opened in the browser", timeout=6, markup=False)
    else:
        await copy(app, name, copied)
