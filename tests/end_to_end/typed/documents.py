"""The blocks of code of the lab's documents, in the order in which a reader comes to them."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hol_wizard.lab.model import Environment, Section, Step
from hol_wizard.lab.text import fill

PLAN_FILE = Path(__file__).with_name("plan.toml")
TO_FILL_IN = re.compile(
    r"\b(?:[A-Z]{2,}(?:-[A-Z]+)+|CLIENT_ID|CLUSTER_ID|CONNECTION_ID|PROJECT_ID|REPOSITORY_ID|ISSUER|SUBJECT|DESCRIPTOR|NUMBER|VERSION)\b|SOMEBODY@EXAMPLE\.COM"
)
"""The words that a reader has to replace."""
SHELL = frozenset({"bash", "sh"})
FILES = frozenset({"json", "yaml", "python", "ini"})
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.DOTALL | re.MULTILINE
)
_SAVED_AS = re.compile(r"[Ss]ave this as `([\w.-]+)`")

Names = Mapping[Environment | None, Mapping[str, str]]
"""The reader's names, in each environment."""
NO_NAMES: Names = {each: {} for each in (None, *Environment)}


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code."""

    step: str
    """Key of its step; of an introduction, the section and a slash."""
    language: str
    code: str
    """With the reader's names."""
    template: str
    """As the author wrote it."""
    environment: Environment | None = None
    saved_as: str = ""
    """Name of the file that the text wants it saved as; empty: it is no file."""

    @property
    def title(self) -> str:
        """Its step and its text in one line, as `plan.toml` names it."""
        return f"{self.step}: {' '.join(self.template.replace(chr(92) + chr(10), ' ').split())}"

    @property
    def commands(self) -> list[str]:
        """Its commands, each in one line."""
        joined = self.code.replace("\\\n", " ")
        return [" ".join(line.split()) for line in joined.splitlines() if line.strip()]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A block that is not typed."""

    begins: str
    """How its title begins."""
    reason: str
    instead: str = ""
    """What is typed in its place, for what comes after it."""

    def replacement(self, block: Block, names: Names) -> str:
        """Return what is typed in the block's place, with the names of its environment."""
        return fill(self.instead, names[block.environment]).strip()


@dataclass(frozen=True, slots=True)
class Plan:
    """What the file says about the blocks of the documents."""

    left_out: tuple[LeftOut, ...]
    by_clicks: frozenset[str]
    """Keys of steps that the wizard does: a person does them on a page."""
    in_pipeline: frozenset[str]
    """Sections that are typed for the environment pipeline."""
    unfinished: Mapping[str, str]
    """Why the commands of a step are not all that it wants, by its key."""
    before: Mapping[str, str]
    """What is typed before a step, by its key: it gives what the reader has from an earlier section."""

    @classmethod
    def load(cls) -> Plan:
        """Return it."""
        listed = tomllib.loads(PLAN_FILE.read_text(encoding="utf-8"))
        return cls(
            tuple(
                LeftOut(begins, each["reason"], each.get("instead", ""))
                for each in listed["left_out"]
                for begins in each["blocks"]
            ),
            frozenset(listed["by_clicks"]),
            frozenset(listed["in_pipeline"]),
            listed["unfinished"],
            listed["before"],
        )

    def out(self, block: Block) -> LeftOut | None:
        """Return why a block is not typed; None: it is."""
        return next((each for each in self.left_out if block.title.startswith(each.begins)), None)

    def environment_of(self, step: Step) -> Environment | None:
        """Return the environment for which a step is typed."""
        wanted = Environment.PIPELINE if step.section in self.in_pipeline else Environment.DEV
        return wanted if wanted in step.for_each else next(iter(step.for_each), None)

    def commands_of(self, step: Step) -> Iterator[Block]:
        """Yield the blocks of a step that are for a shell."""
        return (each for each in _blocks(step.key, step.body, None, NO_NAMES) if each.language in SHELL)

    def blocks_of(self, section: Section, names: Names) -> Iterator[Block]:
        """Yield the blocks of a section."""
        yield from _blocks(f"{section.id}/", section.intro, None, names)
        for step in section.steps:
            if before := self.before.get(step.key):
                yield from _blocks(step.key, f"```sh\n{before.strip()}\n```\n", self.environment_of(step), names)
            yield from _blocks(step.key, step.body, self.environment_of(step), names)


def _blocks(key: str, text: str, environment: Environment | None, names: Names) -> Iterator[Block]:
    end = 0
    for found in _FENCE.finditer(text):
        saved = _SAVED_AS.findall(" ".join(text[end : found.start()].split()))
        end = found.end()
        template = textwrap.dedent(found["code"])
        file = saved[-1] if saved and found["language"] in FILES else ""
        yield Block(key, found["language"], fill(template, names[environment]), template, environment, file)
