"""The words of the command line: commands, and where an option means something."""

from __future__ import annotations

from collections.abc import Mapping

CLOUDS = ("azure", "usgov", "china")

PRACTICE = "practice"

PRACTICE_DEFAULTS = {
    "prefix": "practice",
    "location": "westeurope",
    "alias": "attendee",
    "devops_organization": "practice",
}
"""Default answers, so that the practice cloud needs no configuration."""

COMMANDS: Mapping[str, str] = {
    "solve": "do steps and what they need: solve [SECTION|STEP … | --all] [--environment E] [--plan] [--yes]",
    "teardown": "remove what this wizard created: teardown [SECTION|STEP …] [--environment E] [--plan] [--yes]",
    "confirm": "say that you have done a step that only you can judge: confirm STEP … [--withdraw]",
    "do": "do something else with what a step created, such as stop a cluster: do STEP[@ENV] ACTION",
    "cost": "what is running, what it costs, and when it stops automatically: cost [--format text|json]",
    "doctor": "check the wizard's prerequisites: doctor [--format text|json]",
    "ledger": "rebuild a damaged or lost list of what this wizard created: ledger rebuild [--plan] [--yes]",
    "lab": "for authors: lab test [FOLDER] takes each step through; lab trust FOLDER shows what it runs",
    "lint": "look for mistakes in a lab's documents: lint [FOLDER]; lint --names lists what they may name",
    "preview": "show a document as its section while you write it: preview FILE",
    "starter": "write the starter project, to seed a repository by hand: starter FOLDER [--plan] [--yes]",
    "git-credential": "git's credential helper for Azure DevOps, in a clone that the wizard made",
    "report": "write a file for a bug report, without secrets: report [--output FILE]",
    "completion": "print the completion for a shell: completion bash|zsh|fish|powershell",
    "practice": "the practice cloud: practice start|stop|status|env|approve|review|release|set|reset|fault …",
}

WORK = frozenset({"solve", "teardown"})

CHECK = "--check"

LIST = "--list"

READS_ONLY = frozenset({LIST, "starter", "completion"})
"""Commands that need a lab's documents, or nothing of it, and run nothing: they need no trust."""

LAB_WORDS = ("test", "trust")
"""What follows the word `lab`."""

FRONT = ""
"""Key for options of the wizard itself, without a command."""

ABOUT_RESOURCES = frozenset({FRONT, CHECK, "cost", "do", *WORK})
"""Commands whose output depends on the ledger: if it is damaged, they say so, and the exit code is not 0."""

SHELLS = ("bash", "zsh", "fish", "powershell")
"""The shells that have a completion."""

FORMATS: Mapping[str, tuple[str, ...]] = {
    CHECK: ("text", "json", "junit", "tap", "markdown"),
    LIST: ("text", "json"),
    "cost": ("text", "json"),
    "doctor": ("text", "json"),
    "lab": ("text", "json", "junit", "tap", "markdown"),
    "lint": ("text", "json"),
    "solve": ("text", "markdown"),
    "teardown": ("text", "markdown"),
}
"""The formats of each command's output."""

SCOPES: Mapping[str, frozenset[str]] = {
    "environment": frozenset({CHECK, "confirm", "do", "lab", *WORK}),
    "format": frozenset(FORMATS),
    "names": frozenset({"lint"}),
    "output": frozenset({CHECK, "report", "lab"}),
    "only": frozenset({"lab"}),
    "yes_really": frozenset({"lab"}),
    "wait": frozenset({CHECK}),
    "fail_fast": frozenset({CHECK}),
    "plan": WORK | {"ledger", "starter"},
    "yes": WORK | {"ledger", "starter", "lab"},
    "all": frozenset({"solve"}),
    "withdraw": frozenset({"confirm"}),
    "resume": frozenset({FRONT}),
    "catch_up": frozenset({FRONT}),
    "plain": frozenset({FRONT}),
    "theme": frozenset({FRONT, "preview"}),
}
"""The commands that an option applies to; an option that is not listed applies to all."""
