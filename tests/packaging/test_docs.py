"""The documents for people: what they point at is there, and what they tell to type exists."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import lab_coverage, man_page
from hol_wizard.cli.arguments import parser_for
from hol_wizard.cli.vocabulary import COMMANDS
from hol_wizard.lab.folder import default_folder
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.loader import load
from hol_wizard.lab.names import BOUND, PLAIN
from hol_wizard.lab.portal import PAGES
from hol_wizard.wizard.registration import known_names
from tests.packaging.test_distributions import ROOT

DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = document.parent / name if name else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def commands_of(document: Path) -> list[str]:
    text = document.read_text(encoding="utf-8")
    found = re.findall(r"^ {4}hol-wizard(.*)$|`hol-wizard([^`]*)`", text, re.MULTILINE)
    return [(indented or inline).partition("  #")[0] for indented, inline in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_and_option_exists(document: Path) -> None:
    known = set(OPTION.findall(parser_for().format_help()))
    practice = (ROOT / "hol_wizard" / "practice" / "process" / "commands.py").read_text(encoding="utf-8")
    for command in commands_of(document):
        for option in OPTION.findall(command):
            # An option that argparse takes away again with `--no-` stands there without it.
            names = {option, option.replace("--no-", "--", 1)}
            assert any(name in known or f'"{name}"' in practice for name in names), command
        valued = "|".join(
            [
                "cloud",
                "profile",
                "lab",
                "trust",
                "only",
                "resume",
                "practice-speed",
                *(each.flag[2:] for each in INPUTS.values()),
            ]
        )
        words = re.sub(rf"--({valued}) (\"[^\"]+\"|\S+)", "", command).split()
        first = next((word for word in words if not word.startswith("-")), "")
        assert not first or first in COMMANDS or "--check" in words, command


def test_the_authoring_guide_names_every_key_and_placeholder() -> None:
    guide = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
    wanted = {*PLAIN, *BOUND, *PAGES, *INPUTS}
    assert not [each for each in sorted(wanted) if f"`{each}`" not in guide]
    front = "".join(path.read_text(encoding="utf-8").split("+++")[1] for path in default_folder().glob("*.md"))
    keys = {*re.findall(r"^([a-z_]+) = ", front, re.MULTILINE)}
    assert not [key for key in sorted(keys) if f"`{key}`" not in guide]


def test_the_authoring_guide_names_every_kind_with_its_arguments() -> None:
    guide = (ROOT / "docs" / "authoring.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| ([^|]*)\|$", guide, re.MULTILINE)
    arguments = {
        name: set(re.findall(r"`(\w+)`", last)) for names, last in rows for name in re.findall(r"`(\w+)`", names)
    }
    for kind in known_names().kinds.values():
        assert kind.name in arguments, f"{kind.name} is missing in the table of kinds"
        assert arguments[kind.name] == set(kind.arguments), kind.name


def test_the_page_on_coverage_says_what_the_lab_does() -> None:
    assert lab_coverage.PAGE.read_text(encoding="utf-8") == lab_coverage.page(load()), f"run {lab_coverage.COMMAND}"


def test_the_manual_page_is_that_of_the_command() -> None:
    assert man_page.PAGE.read_text(encoding="utf-8") == man_page.page(), f"run {man_page.COMMAND}"


def test_a_step_that_gets_a_check_or_goes_makes_the_page_out_of_date() -> None:
    lab = load()
    read = lab.steps["train/read-the-training-code"]
    before = lab_coverage.page(lab)
    object.__setattr__(read, "confirm", "")
    object.__setattr__(read, "check", "train.read")
    assert lab_coverage.page(lab) != before
    object.__setattr__(read, "id", "read-it")
    with pytest.raises(KeyError):
        lab_coverage.page(lab)


def built(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "-f", str(folder / "zensical.toml")]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=folder)


def test_the_documents_are_a_site_without_dead_links(tmp_path: Path) -> None:
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    done = built(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {each.name for each in (tmp_path / "site").glob("*.html")} - {"404.html"}
    assert pages == {each.with_suffix(".html").name for each in (ROOT / "docs").glob("*.md")}
    assert "fonts.g" not in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    (tmp_path / "docs" / "index.md").write_text("[a page](nowhere.md)", encoding="utf-8")
    assert built(tmp_path).returncode != 0
