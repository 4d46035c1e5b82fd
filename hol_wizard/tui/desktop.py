"""The desktop around the terminal: its clipboard, and its browser, neither of which may draw over the screen."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path

from hol_wizard import variables

logger = logging.getLogger(__name__)

_COPY_SECONDS = 5.0
_OPEN_SECONDS = 4.0
"""Seconds after which a program that was told to open an address counts as the browser itself."""
_OPENERS = (("xdg-open",), ("gio", "open"), ("wslview",), ("x-www-browser",))
"""What opens an address with the desktop's browser, in this order (as `webbrowser`, without text browsers)."""

_TEXT_BROWSERS = frozenset({"www-browser", "links", "elinks", "lynx", "w3m", "browsh"})


def copy_natively(text: str) -> str:
    """Pass the text to a program of the system that copies; return where it is then, or an empty string.

    Textual asks the terminal to copy (OSC 52), which nobody confirms: macOS Terminal and GNU Screen ignore it, and so
    does tmux with its defaults (`set-clipboard external`).
    """
    for command, where, encoding in _copiers():
        program = shutil.which(command[0])
        if program is None:
            continue
        try:
            done = subprocess.run(  # noqa: S603 fixed programs
                [program, *command[1:]],
                input=text.encode(encoding),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=variables.of_child(os.environ, variables.DESKTOP, variables.TERMINAL),
                timeout=_COPY_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            logger.info("%s does not copy: %s", command[0], error)
            continue
        if done.returncode == 0:
            return where
    return ""


def _copiers() -> Iterator[tuple[Sequence[str], str, str]]:
    """Yield commands that copy their input, where it is then, and its encoding."""
    if os.environ.get("TMUX"):
        # -w passes it on to the terminal's clipboard as well; tmux has that since 3.2.
        for words in (("tmux", "load-buffer", "-w", "-"), ("tmux", "load-buffer", "-")):
            yield words, "tmux's buffer (to paste: the prefix, then ])", "utf-8"
    if sys.platform == "darwin":
        yield ("pbcopy",), "the clipboard", "utf-8"
    elif sys.platform == "win32":
        yield ("clip",), "the clipboard", "utf-16"
    elif os.environ.get("WAYLAND_DISPLAY"):
        yield ("wl-copy",), "the clipboard", "utf-8"
    elif os.environ.get("DISPLAY"):
        yield ("xclip", "-selection", "clipboard"), "the clipboard", "utf-8"
        yield ("xsel", "--clipboard", "--input"), "the clipboard", "utf-8"


def open_in_browser(address: str) -> bool:
    """Open the address; return whether a browser did.

    Never in a text browser, which would draw over this terminal; and what a program prints stays off the screen.
    """
    if sys.platform in {"win32", "darwin"}:
        try:
            return webbrowser.open(address)
        except (webbrowser.Error, OSError) as error:
            logger.warning("no browser: %s", error)
            return False
    if not any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")):
        return False
    return any(_opens(command, address) for command in _openers())


def _openers() -> Iterator[tuple[str, ...]]:
    """Yield the person's own commands first, in the form that `webbrowser` describes."""
    for told in filter(None, os.environ.get("BROWSER", "").split(os.pathsep)):
        try:
            yield tuple(shlex.split(told))
        except ValueError:
            logger.warning("BROWSER has a word that is not closed")
    yield from _OPENERS


def _opens(command: Sequence[str], address: str) -> bool:
    program = shutil.which(command[0]) if command else None
    if program is None or Path(program).name in _TEXT_BROWSERS:
        return False
    words = [word.replace("%s", address) for word in command[1:] if word != "&"]
    if not any("%s" in word for word in command[1:]):
        words.append(address)
    try:
        process = subprocess.Popen(  # noqa: S603 the person's browser, without a shell
            [program, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=variables.of_child(os.environ, variables.DESKTOP, variables.NETWORK),
            start_new_session=True,
        )
    except OSError as error:
        logger.warning("%s cannot be started: %s", command[0], error)
        return False
    try:
        code = process.wait(_OPEN_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    if code:
        logger.warning("%s does not open an address: exit code %d", command[0], code)
    return code == 0
