"""The guide to a step: its text, its hints, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from textual.content import Content

from hol_wizard.lab.model import Section, Target

_COMMAND = re.compile(r"^(?:az|git|docker|databricks|python3?|pip|uv|hol-wizard|curl|conda|dbfs|brew|winget)\s\S")


def is_command(text: str) -> bool:
    """Return whether a whole hint is a command to paste into a terminal."""
    return bool(_COMMAND.match(text)) and "\n\n" not in text


def guide_text(section: Section, target: Target | None, filled: Callable[[str], str]) -> str:
    """Return the guide as Markdown.

    Args:
        section: The section; its introduction is returned if there is no target.
        target: The step.
        filled: Fills the reader's own names into a text of the lab.
    """
    if target is None:
        return f"## {section.title}\n\n{filled(section.intro)}"
    step = target.step
    facts = [str(target.environment)] if target.environment else []
    facts += [f"about {step.minutes:g} min"] if step.minutes else []
    facts += [step.cost] if step.cost else []
    parts = [f"## {step.title}"]
    if facts:
        parts.append(f"*{' · '.join(facts)}*")
    parts.append(filled(step.body))
    if step.human:
        lead = "Your part." if step.solve else "Only you can do this."
        parts.append(f"> **{lead}** {filled(step.human)}")
    if step.confirm:
        parts.append(f"> **Only you can judge this.** Confirm it when you can say: “{filled(step.confirm)}”")
    elif not step.check:
        parts.append("> **Not checked yet.** This version cannot check the step: judge by what you see.")
    return "\n\n".join(parts)


def hints_content(hints: Sequence[str], shown: int) -> Content:
    """Return the hints shown so far, and how to get the next one."""
    parts = []
    for number, hint in enumerate(hints[:shown], 1):
        style = "$accent" if is_command(hint) else ""
        parts.append(Content.assemble((f"Hint {number} of {len(hints)}  ", "bold"), (hint, style)))
    left = len(hints) - shown
    if left:
        many = f"{left} hints" if left > 1 else "1 hint"
        said = f"{many} more: press " if shown else f"Stuck? {many}: press "
        parts.append(Content.assemble((said, "$foreground 60%"), ("h", "$accent bold")))
    return Content("\n\n").join(parts)
