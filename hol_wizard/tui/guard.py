"""Keeps keys, callbacks and messages from screens that do not exist yet, or no longer exist.

Textual mounts and removes screens while messages arrive: a second key press, a timer, a callback after the next refresh
or a worker's result can reach a screen whose widgets do not exist. Four rules apply to all screens:

- a command is accepted only by the top screen, and only after it is mounted: a second press of the same key is ignored;
- an error in a removed screen, or in an app that is ending, is logged and has no other effect;
- a screen is laid out for the terminal's current size, not for an earlier one;
- a dialog answers once, and removes itself, never whichever screen is on top.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import RenderableType
from textual._context import active_message_pump
from textual.app import App, ScreenStackError
from textual.await_complete import AwaitComplete
from textual.content import Content
from textual.dom import DOMNode, NoScreen
from textual.driver import Driver
from textual.events import Resize
from textual.message_pump import Callback, MessagePump
from textual.screen import Screen

from hol_wizard.tui.terminal import terminal_class
from hol_wizard.tui.widgets.message_line import MessageLine, message_content

if TYPE_CHECKING:
    from textual._types import CallbackType
    from textual.notifications import SeverityLevel
    from textual.timer import Timer

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")


def is_gone(pump: MessagePump) -> bool:
    """Whether a screen, or a part of one, has been removed or is about to be."""
    if pump._closing or pump._closed:
        return True
    if not isinstance(pump, DOMNode):
        return False
    try:
        screen = pump.screen
        return pump._pruning or screen._pruning or screen not in pump.app.screen_stack
    except (NoScreen, ScreenStackError):
        return True


def reading_time(text: str) -> float:
    """Return for how many seconds a message is shown: time to notice it, and to read 15 characters a second."""
    return 3.0 + len(text) / 15


class GuardedScreen(Screen[Answer]):
    """A screen whose callbacks do not run after its removal, and that answers once."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self._answered = False
        self._answer: Answer | None = None
        self._dismissed = False

    @property
    def is_ready(self) -> bool:
        """Whether the screen is mounted and not removed, so that its widgets can be queried."""
        return self.is_mounted and not is_gone(self)

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        """Answer as soon as no other dialog is above this one; a second answer is ignored.

        Textual's own method removes whichever screen is on top each time it is called.
        """
        if self._dismissed:
            return AwaitComplete()
        self._answered, self._answer = True, result
        if not self.is_active:
            return AwaitComplete()
        self._dismissed = True
        return super().dismiss(result)

    def close_unanswered(self) -> None:
        """Close without an answer."""
        self.dismiss(None)

    def on_screen_resume(self) -> None:
        """Show the app's message; close if the answer came while another dialog was above."""
        if isinstance(self.app, GuardedApp) and self.is_ready:
            for line in self.query(MessageLine):
                line.show(self.app.message)
        if self._answered:
            self.call_later(self.dismiss, self._answer)

    async def _on_resize(self, event: Resize) -> None:
        # A screen that is laid out for another size sends itself a Resize: with two sizes in progress at the same
        # time, this never ends, and no key is processed anymore (Textual 8.2.8). Textual calls its own handler of
        # this name after this one.
        if event.size != self.app.size:
            event.prevent_default()

    def call_after_refresh(self, callback: Callback, *args: Any, **kwargs: Any) -> bool:
        """Call the function after the next refresh, unless the screen has been removed by then."""
        return super().call_after_refresh(_unless_gone, partial(callback, *args, **kwargs), self)

    def _invoke_later(self, callback: CallbackType, sender: MessagePump) -> None:
        # The top screen runs the callbacks of all, including those of widgets of a screen that it has replaced.
        super()._invoke_later(partial(_unless_gone, callback, sender), sender)


async def _unless_gone(callback: CallbackType, sender: MessagePump) -> None:
    """Run the callback if its sender still exists."""
    if is_gone(sender):
        return
    found: object = callback()
    if isawaitable(found):
        await found


class GuardedApp(App[int]):
    """An app that survives keys at the wrong moment."""

    broken = False
    """Whether an unexpected error ended the app."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: dict[Content, Timer] = {}
        """What the app says at the moment, each with the timer of its end; the newest comes last."""

    @property
    def message(self) -> Content:
        """What the app says at the moment, the newest message first."""
        return Content("\n").join(reversed(self._messages))

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Say something in the message line; Textual's own toasts would cover what the person reads."""
        del markup
        said = message_content(message, title, severity)
        self._forget_message(said)
        self._messages[said] = self.set_timer(timeout or reading_time(message), lambda: self._forget_message(said))
        self._show_message()

    def _forget_message(self, said: Content) -> None:
        if (timer := self._messages.pop(said, None)) is not None:
            timer.stop()
            self._show_message()

    def clear_notifications(self) -> None:
        """Remove all messages."""
        for said in list(self._messages):
            self._forget_message(said)

    def _show_message(self) -> None:
        for screen in self.screen_stack if self.is_running else ():
            if screen.is_mounted and not is_gone(screen):
                for line in screen.query(MessageLine):
                    line.show(self.message)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that survives any input and a closed terminal."""
        return terminal_class()

    def takes(self, target: DOMNode) -> bool:
        """Whether this part of the app accepts a command now."""
        if self._exit:
            return False
        if target is self:
            return True
        try:
            screen = target.screen
        except NoScreen:
            return False
        return screen.is_active and screen.is_mounted and not is_gone(target)

    def show_error(self, error: Exception, title: str) -> None:
        """Show an error with what to do about it."""
        raise NotImplementedError

    async def run_action(
        self,
        action: Any,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Perform an available action; if it fails, its error is shown, and the app continues."""
        try:
            target, name, _ = self._parse_action(
                action, self if default_namespace is None else default_namespace, namespaces
            )
            if not self.takes(target):
                logger.debug("%s came when %r could not take it", name, target)
                return True
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:  # noqa: BLE001 the outermost edge of every command that a key or a click gives
            self.show_error(error, "That did not work")
            return True

    def _handle_exception(self, error: Exception) -> None:
        pump = active_message_pump.get(None)
        if self._exit or (pump is not None and pump is not self and is_gone(pump)):
            logger.info("error in %r, which has been removed", pump, exc_info=error)
            return
        super()._handle_exception(error)

    def panic(self, *renderables: RenderableType) -> None:
        """End without a message, which `run` shows. Textual's own tracebacks show the values of all variables."""
        self._fatal_error()

    def _fatal_error(self) -> None:
        logger.critical("the screens broke", exc_info=self._exception or True)
        self.broken = True
        self._close_messages_no_wait()
