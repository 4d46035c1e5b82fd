"""The result of a check, and what to do next, as text for the screen and the clipboard."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence

from textual.content import Content
from textual.style import Style

from hol_wizard.engine.results import Expectation, Result, Status
from hol_wizard.lab.model import Section, Target
from hol_wizard.tui.board import Activity, Board
from hol_wizard.tui.runs import Run
from hol_wizard.wizard.requests import Kind

_ADDRESS = re.compile(r"https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)\]]")


def addresses(text: str) -> list[str]:
    """Return the addresses of pages in a text, each once."""
    return list(dict.fromkeys(_ADDRESS.findall(text)))


def with_links(text: str) -> Content:
    """Return a text whose addresses can be clicked, even if they are wrapped, in terminals that support links."""
    content = Content(text)
    for found in _ADDRESS.finditer(text):
        content = content.stylize(Style(underline=True, link=found[0]), found.start(), found.end())
    return content


def clock(seconds: float) -> str:
    """Return a duration as `m:ss`."""
    whole = max(0, int(seconds))
    return f"{whole // 60}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """Return a duration in words."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def elapsed_text(elapsed: float, usually: float | None) -> str:
    """Return how long something has been running, and how long it usually takes."""
    return f"{clock(elapsed)}, usually {duration(usually)}" if usually else clock(elapsed)


def _progress(elapsed: float, usually: float | None, width: int = 20) -> Content:
    """Return a progress bar that is never full before the end."""
    if not usually:
        return Content("")
    full = min(width - 1, int(width * elapsed / usually))
    return Content.assemble(("━" * full, "$accent"), ("━" * (width - full), "$foreground 25%"))


def _expectation(expectation: Expectation) -> Content:
    if expectation.met:
        return Content.assemble(("  ✓ ", "$success"), f"{expectation.what}: {expectation.actual}")
    return Content.assemble(
        ("  ✗ ", "$error"),
        (f"{expectation.what}: ", "bold"),
        f"expected {expectation.expected}, found ",
        (expectation.actual or "nothing", "bold"),
    )


def age(seconds: float) -> str:
    """Return how old a result is, in words that do not change every second."""
    if seconds < 5:
        return "just now"
    if seconds < 60:
        return f"{int(seconds) // 5 * 5} s ago"
    if seconds < 3600:
        return f"{int(seconds) // 60} min ago"
    return f"at {time.strftime('%H:%M', time.localtime(time.time() - seconds))}"


def result_content(board: Board, target: Target, *, watching: bool = True) -> Content:
    """Return the step's status: summary, what was expected and found, what to do next, how old it is.

    Args:
        board: The state of all steps.
        target: The step.
        watching: Whether it is checked again automatically.
    """
    standing, look = board.standings[target.key], board.look(target.key)
    parts: list[Content] = [
        Content.assemble((f"{look.symbol} {look.word}", look.style), f"  {board.title(target.key)}")
    ]
    if standing.activity is Activity.WORKING:
        text = standing.progress.text if standing.progress else "Working"
        usually = standing.progress.usually if standing.progress else None
        elapsed = board.elapsed(target.key)
        parts.append(Content(f"{text}  {elapsed_text(elapsed, usually)}"))
        if usually:
            parts.append(_progress(elapsed, usually))
        return Content("\n").join(parts)
    result = standing.result
    if result is None:
        if not target.step.check:
            parts.append(Content("This version cannot check the step yet: judge by what you see."))
        elif standing.activity is Activity.NONE:
            parts.append(Content("Not checked in this session yet. Press c to check."))
        return Content("\n").join(parts)
    parts.append(Content(result.summary))
    # What is wrong, and what to do about it, must be in view on a small screen.
    met = [each for each in result.expectations if each.met]
    if unmet := [each for each in result.expectations if not each.met]:
        parts.append(Content("\n").join([Content(""), *[_expectation(each) for each in unmet]]))
    if result.status is Status.WAITING and result.usually:
        parts.append(
            Content.styled(f"This usually takes {duration(result.usually)}; checked again automatically.", "$warning")
        )
    if result.next_action:
        parts.append(Content.assemble(("\nNext  ", "$accent bold"), with_links(result.next_action)))
    if met:
        parts.append(Content("\n").join([Content(""), *[_expectation(each) for each in met]]))
    if result.detail:
        parts.append(
            Content.assemble(("\nThe service's own message (e copies it)\n", "$foreground 60%"), result.detail)
        )
    if standing.seen_at:
        asleep = "" if watching else " · paused because nobody pressed a key; any key continues"
        parts.append(Content.styled(f"\nchecked {age(time.time() - standing.seen_at)}{asleep}", "$foreground 50%"))
    return Content("\n").join(parts)


def section_content(board: Board, section: Section) -> Content:
    """Return the status of a whole section, and what it needs."""
    targets = board.section_targets(section)
    count = board.count(targets)
    parts = [Content.styled(f"{section.role} · about {section.minutes} min", "$foreground 60%"), Content("")]
    parts.append(Content(f"{count.passed} of {count.total} steps are verified."))
    if count.confirmed:
        parts.append(Content(f"{count.confirmed} confirmed by you: only you can judge them."))
    if count.unchecked:
        said = "1 cannot" if count.unchecked == 1 else f"{count.unchecked} cannot"
        parts.append(Content(f"{said} be checked yet: do by hand, and compare what you see with the guide."))
    for need in section.needs:
        needed = board.lab.section(need.partition("/")[0])
        look = board.section_look(needed)
        parts.append(Content.assemble("Needs  ", (f"{look.symbol} {look.word} ", look.style), needed.title))
    if any(target.step.solve for target in targets) and count.open:
        parts.append(
            Content.assemble(
                "\nGo through the steps one by one, or press ",
                ("S", "$accent bold"),
                " to let the wizard do all of them.",
            )
        )
    return Content("\n").join(parts)


def result_plain(title: str, result: Result) -> str:
    """Return a result for the clipboard, with everything that helps others to help."""
    lines = [f"{title}: {result.status}", result.summary]
    for each in result.expectations:
        lines.append(f"  {'ok ' if each.met else 'not'} {each.what}: expected {each.expected}, found {each.actual}")
    if result.next_action:
        lines.append(f"Next: {result.next_action}")
    if result.detail:
        lines.append(result.detail)
    return "\n".join(lines)


def busy_text(board: Board, busy: Sequence[str]) -> str:
    """Return the work in progress: for each step its environments, each with its own time.

    Args:
        board: The state of the steps.
        busy: Keys of the steps in progress, grouped by step; the first step is described in full.
    """
    step = board.targets[busy[0]].step
    own = [key for key in busy if board.targets[key].step is step]
    said = [progress.text if (progress := board.standings[key].progress) else "" for key in own]
    more = f" · {len(busy) - len(own)} more in parallel" if len(busy) > len(own) else ""
    if len(own) == 1:
        progress = board.standings[own[0]].progress
        text = said[0] or board.title(own[0])
        return f"{text}  {elapsed_text(board.elapsed(own[0]), progress.usually if progress else None)}{more}"
    # Two texts do not fit on a line of 80 columns; the step's name does, and the log contains the rest.
    text = said[0] if said[0] and len(set(said)) == 1 and len(said[0]) <= len(step.title) else step.title
    times = " · ".join(f"{board.targets[key].environment} {clock(board.elapsed(key))}" for key in own)
    usually = next((found.usually for key in own if (found := board.standings[key].progress) and found.usually), None)
    return f"{text}  {times}{f', usually {duration(usually)}' if usually else ''}{more}"


def next_line(board: Board, target: Target | None, targets: Mapping[str, Target], working: Run | None) -> Content:
    """Return the line that says what is in progress or what to do next."""
    if working is not None:
        stopping = " · stopping at the next safe point" if working.cancelled.is_set() else ""
        if busy := board.working(working.keys | working.seen, first=tuple(targets)):
            return Content.assemble(("» ", "$accent bold"), f"{busy_text(board, busy)}{stopping}")
        verb = "Removing" if working.kind is Kind.UNDO else "Working"
        return Content.assemble(("» ", "$accent bold"), f"{verb}: {working.title}{stopping}")
    if target is not None:
        result = board.standings[target.key].result
        if target.step.confirm and not (result and result.confirmed):
            return Content.assemble(("Next: ", "$accent bold"), "follow the guide, then press i to confirm it.")
        if result is not None and result.next_action and not result.passed:
            return Content.assemble(("Next: ", "$accent bold"), result.next_action)
        if target.step.check and not (result and result.passed):
            do = (
                "press s to let the wizard do it, or follow the guide, then press c."
                if target.step.solve
                else "follow the guide, then press c."
            )
            return Content.assemble(("Next: ", "$accent bold"), do)
        if not target.step.check and not target.step.confirm:
            return Content.assemble(("Next: ", "$accent bold"), "do it by hand as described; it is not checked yet.")
    for key, candidate in targets.items():
        if (candidate.step.check or candidate.step.confirm) and board.status(key) not in {
            Status.PASSED,
            Status.SKIPPED,
        }:
            return Content.assemble(("Next: ", "$accent bold"), board.title(key))
    if any(candidate.step.check for candidate in targets.values()):
        return Content.assemble(
            ("✓ ", "$success bold"),
            "All that can be checked here is verified. ",
            ("]", "$accent bold"),
            " opens the next section.",
        )
    return Content.assemble(
        ("Next: ", "$accent bold"),
        "read the guide and do it by hand; ",
        ("]", "$accent bold"),
        " opens the next section.",
    )
