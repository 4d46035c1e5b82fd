"""References to steps in the texts of code and error rules, and what a reader sees in their place.

A text names a step by its key, and never by its title or by a front end's keys:

- `<step set-up/sign-in>`: that step, also of one environment (`<step cluster/create-the-cluster@dev>`). On a screen it
  becomes `section set-up, step “Sign in”`; for a script the command that does it, confirms it or checks it.
- `<first set-up/sign-in>`: advice to do that step first: `Do “Sign in” first`, with the place or the command;
  `Confirm … first` for a step that only a person can judge.
- `<confirm>`: confirming the step that the text is about: `confirm it`, or the command.
- `<section secrets>`: a section as a whole.
- `<solve>`: having the wizard do the step that the text is about: `let the wizard do it`, or the command. `<Solve>` at
  the beginning of a sentence.
- `<az login>` at the end of advice to sign in: `, or run: az login`, with the directory if one is named
  (`<az login TENANT>`). Nothing on the practice cloud, whose sign-in is the wizard's alone.
- `<practice review>` or `<practice release>` at the end of advice to have another person review a pull request, or
  approve a release: on the practice cloud the command that plays that person; elsewhere nothing, because nobody can
  decide for another.

`unknown` finds those that lead nowhere; `hol-wizard lint` and a test look through all of the package's texts with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hol_wizard.lab.model import Step

_STEP: Final = re.compile(r"( ?\(|)<step ([a-z0-9-]+/[a-z0-9-]+)(@[a-z]+)?>(\)?)")
_NAMED: Final = re.compile(r"<(?:step|first) ([a-z0-9-]+/[a-z0-9-]+)(?:@[a-z]+)?>")
_FIRST: Final = re.compile(r"<first ([a-z0-9-]+/[a-z0-9-]+)(@[a-z]+)?>")
_SECTION: Final = re.compile(r"<section ([a-z0-9-]+)>")
_KEY: Final = re.compile(r"(?<![\w./-])[a-z][a-z0-9-]*+/[a-z0-9][a-z0-9-]*+(?![\w/]|\.\w)")
_CONFIRM: Final = "<confirm>"
_SOLVE: Final = re.compile(r"<([sS])olve>")
_AZ_LOGIN: Final = re.compile(r",?<az login(?: ([^<>\s]+))?>")
_PLAYED: Final = re.compile(r"<practice (review|release)>")
_PLAYING: Final = {
    "review": "hol-wizard practice review --approve, or --reject COMMENT",
    "release": "hol-wizard practice release --approve, or --reject COMMENT",
}
"""Commands that play another person."""
_COMMAND: Final = re.compile(
    r"\bhol-wizard(?= (?:solve|teardown|confirm|do|cost|doctor|ledger|--check|--plain|--resume)\b)"
)
"""Commands in texts and errors, which must apply to the current cloud and profile."""
_FULL_STOP_BEHIND_A_COMMAND: Final = re.compile(r"(?<=[a-z0-9])\.$")


@dataclass(frozen=True, slots=True)
class Speech:
    """How texts address their reader."""

    titles: Mapping[str, str]
    """Title of each step of the lab, by its key; what is not in it (a check of `doctor`) has no screen.

    Empty if the lab is not loaded.
    """
    command: str
    """The beginning of a command for this cloud and profile: `hol-wizard --practice`."""
    practice: bool = False
    """Whether this is the practice cloud."""
    commands: bool = False
    """Whether the reader pastes commands (a script, a terminal) instead of going to a step on a screen."""
    looks: Mapping[str, str] = field(default_factory=dict)
    """Title of each check of a run that is not a step of the lab, by its key."""
    verbs: Mapping[str, str] = field(default_factory=dict)
    """The command for each step of the lab, by its key (`verb_of`); the default is `solve`."""
    steps: Mapping[str, str] = field(default_factory=dict)
    """Key of the step that does what such a check asks for, by the check's key, if there is one."""

    def resolve(self, text: str, target: str = "", here: str = "") -> str:
        """Return a text with every reference in the reader's terms.

        Args:
            text: A text from code or an error rule.
            target: Key of the step that the text is about, `section/step` or `section/step@environment`.
            here: Key of the step where the reader sees the text, whose section is not named again.
        """
        target = self.steps.get(target, target)
        if "<" in text:
            before_section = f"{self.command} solve " if self.commands else "section "
            pasted = self.commands and text.endswith(">.")
            text = _FIRST.sub(lambda found: self._first(found[1], found[2] or "", here), text)
            text = _STEP.sub(lambda found: self._step(found[2], found[3] or "", *found.group(1, 4)), text)
            text = _SECTION.sub(lambda found: f"{before_section}{found[1]}", text)
            text = text.replace(_CONFIRM, self._confirm(target))
            text = _SOLVE.sub(lambda found: self._solve(found[1], target), text)
            text = _PLAYED.sub(lambda found: self._played(found[1]), text)
            text = _AZ_LOGIN.sub(lambda found: self._az_login(found[1] or ""), text)
            if pasted:
                # A command to paste must not end in a period.
                text = _FULL_STOP_BEHIND_A_COMMAND.sub("", text)
        return _COMMAND.sub(self.command, text)

    def _played(self, what: str) -> str:
        return f" (in the practice cloud, you play that person: {_PLAYING[what]})" if self.practice else ""

    def _first(self, key: str, environment: str, here: str) -> str:
        key = self.steps.get(key, key)
        where = f" ({environment[1:]})" if environment else ""
        if self.titles and key not in self.titles:
            return f"Do “{self.looks.get(key, key)}” first"
        title = f"“{self.titles.get(key, key)}{where}”"
        verb = self.verbs.get(key, "solve")
        do = "Confirm" if verb == "confirm" else "Do"
        if not self.commands:
            section = key.partition("/")[0]
            return f"{do} {title} first" + ("" if section == here.partition("/")[0] else f" (section {section})")
        if verb == "--check":
            return f"Do {title} first, then run: {self.command} --check {key}{environment}"
        return f"{do} {title} first{f': {self.command} {verb} {key}{environment}' if verb else ', by hand'}"

    def _step(self, key: str, environment: str, before: str, behind: str) -> str:
        if self.titles and key not in self.titles:
            return "" if before and behind else f"{before}{key}{behind}"
        verb = self.verbs.get(key, "solve")
        if self.commands and verb:
            return f"{before}{self.command} {verb} {key}{environment}{behind}"
        where = f" ({environment[1:]})" if environment else ""
        return f"{before}section {key.partition('/')[0]}, step “{self.titles.get(key, key)}”{where}{behind}"

    def _confirm(self, target: str) -> str:
        if not self.commands or not target:
            return "confirm it"
        return f"run: {self.command} confirm {target}"

    def _solve(self, first: str, target: str) -> str:
        if not self.commands or not target:
            return "Let the wizard do it" if first == "S" else "let the wizard do it"
        return f"{'Run' if first == 'S' else 'run'}: {self.command} solve {target}"

    def _az_login(self, tenant: str) -> str:
        if self.practice:
            return ""
        return f", or run: az login{f' --tenant {tenant}' if tenant else ''}"


def verb_of(step: Step) -> str:
    """Return the command for a step: `solve`, `confirm` or `--check`; empty if it is done by hand and not checked."""
    return "solve" if step.solve else "confirm" if step.confirm else "--check" if step.check else ""


def unknown(text: str, sections: Collection[str], steps: Collection[str]) -> Iterator[str]:
    """Yield the keys in a text that look like steps of the lab but do not exist.

    Args:
        text: Anything: a module's source, a file of error rules.
        sections: Ids of the lab's sections.
        steps: Keys of the lab's steps.
    """
    keys = (found[0] for found in _KEY.finditer(text))
    yield from (key for key in keys if key.partition("/")[0] in sections and key not in steps)
    yield from (found[1] for found in _NAMED.finditer(text) if found[1].partition("/")[0] not in sections)
    yield from (found[1] for found in _SECTION.finditer(text) if found[1] not in sections)


def sources(package: Path) -> Iterator[Path]:
    """Yield the files of the package whose texts may name steps: its modules and its tables of error rules."""
    for path in sorted(package.rglob("*")):
        inside = path.relative_to(package).parts
        if path.suffix in {".py", ".toml"} and inside[0] not in {"practice", "starter", "_screens"}:
            yield path
