"""Reads the output of a container build: its progress, and why it failed.

BuildKit's plain output, that of Docker's older builder and Podman's differ; all of them number the dockerfile's steps.
It reads plain lines rather than `rawjson`, which only newer versions have: they are also what a build by hand shows.
"""

from __future__ import annotations

import re
from typing import Final

from hol_wizard.errors import ServiceError, WizardError
from hol_wizard.services.error_rules import READ, explain, rule_for

_STAGES: Final = (
    # BuildKit: `#8 [4/9] RUN pip …`, `#8 [builder 4/9] …`; the older builder: `Step 4/9 : RUN …`; Podman: `STEP 4/9: …`
    (re.compile(r"#\d+ \[(?:\S+ )?\s*(\d+)/(\d+)\] (.{1,60})"), "step {} of {}: {}"),
    (re.compile(r"(?i:step) (\d+)/(\d+) ?: (.{1,60})"), "step {} of {}: {}"),
    (re.compile(r"#\d+ sha256:\S+ (\S+) / (\S+)"), "downloading the base image: {} of {}"),
    (re.compile(r"#\d+ (exporting to image)"), "{}"),
    # The starter's own programs.
    (re.compile(r"(Looking for .{1,60}|Fetching version .{1,60}|Adding the tests to .{1,60}|Running the tests)"), "{}"),
)


def stage(line: str) -> str:
    """Return the progress of a build from a line; empty if the line does not show it."""
    for pattern, words in _STAGES:
        if found := pattern.match(line):
            return words.format(*found.groups())
    return ""


def failure(what: str, last: str, advice: str) -> WizardError:
    """Return why a program of the reader's repository failed, and what to do about it.

    Args:
        what: What failed: `The image was not built`.
        last: The last lines of its output.
        advice: What to do if nothing better is known.
    """
    end = tail(last)
    if rule := rule_for("containers", "", end):
        return explain(rule, "", end, detail=end, thing=what)
    lines = [line for line in last.splitlines() if line.strip()]
    # The starter's programs print their own reason last, beginning with their name.
    own = next((line for line in reversed(lines) if re.match(r"run(?:build|tests): ", line)), "")
    said = own.partition(": ")[2] or (lines[-1] if lines else "it printed nothing")
    return ServiceError(f"{what}: {said[:500]}", advice, detail=end)


def tail(output: str) -> str:
    """Return the end of a failed program's output, as much as an error rule reads."""
    return output[-READ:]
