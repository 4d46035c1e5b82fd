"""The commands of the lab's documents are typed as they are written, in a shell that `practice env` has prepared.

Each section begins at a practice cloud on which the wizard has done the sections before it, so that a section that
fails spoils no other. Its blocks are typed in order; what the texts ask the reader to fill in comes from the wizard's
names and from what the commands before have printed. `typed/plan.toml` lists the blocks that are not typed, with
the reasons. In the end, the wizard checks the steps that were done so.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.lab import loader
from hol_wizard.lab.model import Section, Target
from tests.end_to_end.conftest import Machine
from tests.end_to_end.ground import Ground
from tests.end_to_end.typed import programs
from tests.end_to_end.typed.documents import NO_NAMES, SHELL, TO_FILL_IN, Names, Plan
from tests.end_to_end.typed.reader import Reader, home_variables
from tests.end_to_end.typed.shell import Shell

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("test_commands_as_typed"),
    pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash and a terminal"),
]

LAB = loader.load()
SECTIONS = [section.id for section in LAB.sections]
PREPARED = 11
"""So many sections are done by the wizard before a later one is typed: a training and a build take too long here."""
PLAN = Plan.load()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("typed")
    machine = Machine(folder / "home")
    with Ground.of(machine, speed=6000.0) as ground:
        made = Reader(ground, folder / "kept")
        made.home.mkdir()
        # `az provider register --wait` looks every ten seconds.
        ground.cloud.register_providers()
        made.take_snapshot(before(SECTIONS[0]))
        yield made


@pytest.fixture
def at_home(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Reader:
    """The same person, whose files the wizard of this process uses, too."""
    monkeypatch.setenv("HOME", str(reader.home))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    return reader


def before(section: str) -> str:
    """Return the name of the snapshot with which a section begins."""
    return f"before-{section}"


def begin(reader: Reader, section: str) -> None:
    """Bring about what a section begins with."""
    number = min(SECTIONS.index(section), PREPARED)
    have = max(each for each in range(number + 1) if (reader.kept / before(SECTIONS[each])).exists())
    reader.restore_snapshot(before(SECTIONS[have]))
    for each in range(have, number):
        seen = reader.attendee.solve(SECTIONS[each], inputs={"git_name": "Alex", "git_email": "alex@practice.example"})
        bad = {key: result for key, result in seen.results.items() if result.status is Status.FAILED}
        assert not bad, bad
        reader.take_snapshot(before(SECTIONS[each + 1]))
    reader.begin(section)


@pytest.fixture
def shell(at_home: Reader, tmp_path: Path) -> Iterator[Shell]:
    cli = programs.azure_cli()
    programs.put_on_path(tmp_path / "programs", cli)
    environment = {
        **home_variables(at_home.home),
        "HOL_WIZARD_HOME": str(at_home.ground.machine.home),
        "PATH": f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}",
        "AZURE_EXTENSION_DIR": str(cli.extensions),
    }
    made = Shell(tmp_path / "shell", environment, 'eval "$(hol-wizard practice env)"')
    yield made
    made.close()


@dataclass
class Outcome:
    """What became of the blocks of a section."""

    ran: Counter[str] = field(default_factory=Counter)
    """How often each command was typed."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many blocks were not, by reason."""
    failed: list[str] = field(default_factory=list)
    not_done: set[str] = field(default_factory=set)
    """Keys of steps that were not done by their commands."""


def type_section(section: Section, names: Names, reader: Reader, shell: Shell) -> Outcome:
    """Type the blocks of a section; a failed one does not stop the others, as it would not stop a reader."""
    outcome, steps = Outcome(), set[str]()
    for block in PLAN.blocks_of(section, names):
        if block.step not in steps and block.step in LAB.steps:
            steps.add(block.step)
            reader.prepare(LAB.steps[block.step], block.environment, PLAN)
        if block.saved_as:
            (reader.home / block.saved_as).write_text(reader.completed(block), encoding="utf-8")
        if block.language not in SHELL:
            continue
        code, out = reader.completed(block), PLAN.out(block)
        if out is not None:
            outcome.left_out[out.reason] += 1
            outcome.not_done.add(block.step)
            code = out.replacement(block, names)
        if missing := TO_FILL_IN.findall(code):
            outcome.failed.append(f"{block.title}\n    nothing tells {', '.join(missing)}")
        elif code:
            typed = shell.type(code, reader.replies(block), reader.approve)
            if typed.failed:
                outcome.not_done.add(block.step)
                outcome.failed.append(f"{block.title}\n    {'; '.join(typed.failed)}\n    {typed.said.strip()[-700:]}")
            else:
                reader.learn(block, typed.said)
                outcome.ran.update(" ".join(each.split()[:2]) for each in block.commands if out is None)
        if shell.closed:
            outcome.failed.append("The rest was not typed.")
            break
    return outcome


@pytest.mark.parametrize("section", SECTIONS)
def test_the_commands_of_a_section_work_as_typed(section: str, at_home: Reader, request: pytest.FixtureRequest) -> None:
    # Before the sign-in, the wizard does not know all names.
    begin(at_home, section if section != SECTIONS[0] else SECTIONS[1])
    names = at_home.names()
    begin(at_home, section)
    outcome = type_section(LAB.section(section), names, at_home, request.getfixturevalue("shell"))
    ran = ", ".join(f"{count} {words}" for words, count in outcome.ran.most_common())
    print(f"\n{section}: {outcome.ran.total()} commands ({ran}); {outcome.left_out.total()} blocks left out")  # noqa: T201 the report
    assert not outcome.failed, f"{len(outcome.failed)} failed:\n" + "\n".join(outcome.failed)
    done = [
        Target(step, PLAN.environment_of(step)).key
        for step in LAB.section(section).steps
        if step.check and step.key not in {*outcome.not_done, *PLAN.unfinished} and any(PLAN.commands_of(step))
    ]
    results = at_home.attendee.check(*done).results if done else {}
    # Steps without commands, or whose commands are left out, block others.
    fine = {Status.PASSED, Status.BLOCKED}
    assert {key: results[key].summary for key in done if results[key].status not in fine} == {}


def test_each_entry_of_the_plan_is_needed() -> None:
    blocks = [each for section in LAB.sections for each in PLAN.blocks_of(section, NO_NAMES)]
    titles = [each.title for each in blocks if each.language in SHELL]
    listed: Counter[str] = Counter()
    for each in PLAN.left_out:
        listed[each.reason] += sum(title.startswith(each.begins) for title in titles)
    assert [each.begins for each in PLAN.left_out if not any(title.startswith(each.begins) for title in titles)] == []
    assert PLAN.by_clicks | set(PLAN.before) | set(PLAN.unfinished) <= set(LAB.steps)
    assert PLAN.in_pipeline <= {each.id for each in LAB.sections}
    print(f"\n{len(titles)} blocks in all; {listed.total()} are left out:")  # noqa: T201 the report
    for reason, count in listed.most_common():
        print(f"  {count}: {reason}")  # noqa: T201
