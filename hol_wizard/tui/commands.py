"""The table of all commands: each row is a key binding, a palette entry, a help line and a footer text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding, BindingType


class Place(StrEnum):
    """Where a command is available."""

    APP = "app"
    OVERVIEW = "overview"
    SECTION = "section"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    id: str
    place: Place
    key: str
    """Textual's key names, several with commas; the first is shown."""
    action: str
    title: str
    """Title in the palette and the help."""
    help: str
    """One sentence."""
    footer: str = ""
    """Short text in the footer; empty to omit it there."""
    display: str = ""
    """How to show the key if its name is not suitable."""

    @property
    def keys(self) -> tuple[str, ...]:
        """Textual's names of its keys."""
        return tuple(self.key.split(","))

    @property
    def key_text(self) -> str:
        """The key as a person would write it."""
        if self.display:
            return self.display
        first = self.key.split(",", maxsplit=1)[0]
        return first.upper().replace("CTRL+", "^") if first.startswith("ctrl+") else first

    @property
    def namespaced(self) -> str:
        """The action for a click or the palette."""
        return f"{'app' if self.place is Place.APP else 'screen'}.{self.action}"

    def binding(self) -> Binding:
        """Return its key binding."""
        return Binding(
            self.key,
            self.action,
            self.title,
            show=bool(self.footer),
            key_display=self.key_text,
            tooltip=self.help,
            id=self.id,
        )


_APP, _OVER, _SECT, _REPO = Place.APP, Place.OVERVIEW, Place.SECTION, Place.REPORT

COMMANDS: tuple[Command, ...] = (
    # Overview
    Command(
        "overview.open", _OVER, "enter", "open", "Open the section", "Go to the section under the cursor.", "open", "⏎"
    ),
    Command("overview.next", _OVER, "n", "next", "Go on", "Open the next step that is not done yet.", "go on"),
    Command("overview.check", _OVER, "c", "check_all", "Check everything", "Check every step of the lab.", "check all"),
    Command(
        "overview.solve",
        _OVER,
        "S,shift+s",
        "solve_up_to_here",
        "Do everything up to here",
        "Do the section under the cursor and all before it, after showing what would be created.",
        "do up to here",
        "S",
    ),
    Command(
        "overview.broken",
        _OVER,
        "r",
        "regressed",
        "Go to what no longer passes",
        "Open the first step that passed earlier and does not now.",
        "no longer passes",
    ),
    Command("overview.role", _OVER, "f", "filter", "Filter by role", "Show one role's sections, or all."),
    # Section: the step
    Command(
        "step.solve",
        _SECT,
        "s",
        "solve_step",
        "Do this step for me",
        "Shows what would be created, asks, then does it and verifies it.",
        "do it",
    ),
    Command("step.check", _SECT, "c", "check_step", "Check this step", "Check the actual resource now.", "check"),
    Command(
        "step.confirm",
        _SECT,
        "i",
        "confirm_step",
        "Confirm this step, or withdraw it",
        "Say that you have done what only you can judge, or take that back.",
        "confirm",
    ),
    Command("step.hint", _SECT, "h", "hint", "Show a hint", "Show the next hint; the last one is the command.", "hint"),
    Command("step.copy", _SECT, "y", "copy_command", "Copy a command", "Copy one of the step's commands.", "copy"),
    Command(
        "step.portal",
        _SECT,
        "o",
        "portal",
        "Open in the portal",
        "Open the page of the resource in the portal.",
        "portal",
    ),
    Command(
        "step.report",
        _SECT,
        "v",
        "show_report",
        "Show the test results",
        "Show each test with its failure, and the coverage of each file.",
        "tests",
    ),
    Command(
        "step.page",
        _SECT,
        "w",
        "open_page",
        "Open the coverage report",
        "Open the coverage as web pages in the browser.",
        "report",
    ),
    Command(
        "step.undo",
        _SECT,
        "u",
        "undo_step",
        "Undo this step",
        "Remove what this wizard created for it, after asking.",
        "undo",
    ),
    Command(
        "step.act",
        _SECT,
        "m",
        "act",
        "More actions",
        "Show what else you can do with the resource, such as starting or stopping it.",
        "more",
    ),
    Command(
        "step.error",
        _SECT,
        "e",
        "copy_result",
        "Copy the result",
        "Copy the result, so that you can ask somebody about it.",
    ),
    Command("step.next", _SECT, "n", "next_step", "Go on", "Go to the next step that is not done yet.", "go on"),
    # Section: as a whole
    Command("run.stop", _SECT, "x", "stop", "Stop", "Stop what is running at its next safe point.", "stop"),
    Command(
        "section.solve",
        _SECT,
        "S,shift+s",
        "solve_section",
        "Do the whole section",
        "Shows everything that will be created, asks, then does it.",
        "do all",
        "S",
    ),
    Command(
        "section.check",
        _SECT,
        "C,shift+c",
        "check_section",
        "Check the section",
        "Check every step of this section.",
        "check all",
        "C",
    ),
    Command(
        "section.catch_up",
        _SECT,
        "b",
        "catch_up",
        "Do the missing earlier steps",
        "Do the steps of earlier sections that are not done, after asking.",
        "catch up",
    ),
    Command(
        "section.undo",
        _SECT,
        "U,shift+u",
        "undo_section",
        "Undo the section",
        "Remove everything that this wizard created for it, after asking.",
        display="U",
    ),
    Command("section.pane", _SECT, "p", "pane", "Next pane", "Switch between steps, guide, result and log.", "pane"),
    Command("section.next", _SECT, "right_square_bracket,N", "next_section", "Next section", "Open it.", "next", "]"),
    Command(
        "section.previous",
        _SECT,
        "left_square_bracket,P",
        "previous_section",
        "Previous section",
        "Open the previous section.",
        "",
        "[",
    ),
    Command("section.log", _SECT, "l", "copy_log", "Copy the log", "Copy this section's log."),
    Command("section.back", _SECT, "escape", "back", "Back", "Back to the overview.", "back", "esc"),
    # The report of a run of tests
    Command(
        "report.page",
        _REPO,
        "w",
        "open_page",
        "Open the coverage report",
        "Open the coverage as web pages in the browser.",
        "report",
    ),
    Command(
        "report.expand", _REPO, "e", "expand", "Open or close everything", "Show all lines, or only the heads.", "all"
    ),
    Command("report.copy", _REPO, "y", "copy_report", "Copy the report", "Copy tests and coverage as text.", "copy"),
    Command("report.back", _REPO, "escape,v", "back", "Back", "Back to the section.", "back", "esc"),
    # Everywhere
    Command("app.help", _APP, "question_mark,f1", "keys", "Help", "Show the keys of this screen.", "help", "?"),
    Command(
        "app.palette",
        _APP,
        "slash,ctrl+p",
        "command_palette",
        "Find anything",
        "Find a section, a step, a command, a setting or a text of the guides.",
        "find",
        "/",
    ),
    Command("app.theme", _APP, "t", "theme", "Light or dark", "Switch between the light and the dark theme."),
    Command("app.doctor", _APP, "d", "doctor", "Check this machine", "Check Python, network, keyring and sign-in."),
    Command(
        "app.cost",
        _APP,
        "dollar_sign",
        "cost",
        "What is running now, and what it costs",
        "Show what is running, since when, its price per hour, and when it stops.",
        display="$",
    ),
    Command(
        "app.ending",
        _APP,
        "E,shift+e",
        "ending",
        "What you have done",
        "Show what is verified and confirmed, how long it took, and what still costs money; writes a report.",
        display="E",
    ),
    Command("app.about", _APP, "a", "about", "About, and location of the files", "Version, folders and the log file."),
    Command(
        "app.teardown",
        _APP,
        "ctrl+t",
        "teardown",
        "Take everything down",
        "Remove everything that this wizard created, after showing it.",
    ),
    Command("app.quit", _APP, "q,ctrl+q", "leave", "Quit", "Quit; the next start continues where you were.", "quit"),
    Command(
        "app.shell",
        _APP,
        "exclamation_mark",
        "shell",
        "Open a shell on this cloud",
        "Leave the screen for your shell, in which az, git and databricks use this cloud; `exit` returns.",
        "shell",
        "!",
    ),
)


def commands_of(place: Place) -> tuple[Command, ...]:
    """Return the commands of one place, in the table's order."""
    return tuple(command for command in COMMANDS if command.place is place)


def bindings_of(place: Place) -> list[BindingType]:
    """Return the key bindings of one place."""
    return [command.binding() for command in commands_of(place)]
