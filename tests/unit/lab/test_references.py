"""References to steps in the texts of code and error rules."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import hol_wizard
from hol_wizard.lab import loader
from hol_wizard.lab.folder import default_folder
from hol_wizard.lab.lint import lint
from hol_wizard.lab.references import Speech, sources, unknown

PACKAGE = Path(hol_wizard.__file__).parent
TITLES = {"set-up/sign-in": "Sign in", "train/read-it": "Read it", "tools/git": "Git", "train/look": "Look"}
VERBS = {"set-up/sign-in": "solve", "train/read-it": "confirm", "tools/git": "--check", "train/look": ""}
SCREEN = Speech(TITLES, "hol-wizard --practice", verbs=VERBS)
SCRIPT = Speech(TITLES, "hol-wizard --practice", commands=True, verbs=VERBS)


@pytest.mark.parametrize(
    ("text", "screen", "script"),
    [
        (
            "Sign in again (<step set-up/sign-in>)<az login>",
            "Sign in again (section set-up, step “Sign in”), or run: az login",
            "Sign in again (hol-wizard --practice solve set-up/sign-in), or run: az login",
        ),
        (
            "Create it by hand as described, or <solve>.",
            "Create it by hand as described, or let the wizard do it.",
            "Create it by hand as described, or run: hol-wizard --practice solve a/b@dev",
        ),
        ("<Solve>.", "Let the wizard do it.", "Run: hol-wizard --practice solve a/b@dev"),
        (
            "Do “Sign in (dev)” first (<step set-up/sign-in@dev>).",
            "Do “Sign in (dev)” first (section set-up, step “Sign in” (dev)).",
            "Do “Sign in (dev)” first (hol-wizard --practice solve set-up/sign-in@dev).",
        ),
        (
            "<first set-up/sign-in@dev>.",
            "Do “Sign in (dev)” first (section set-up).",
            "Do “Sign in (dev)” first: hol-wizard --practice solve set-up/sign-in@dev",
        ),
        (
            "<first train/read-it@dev>.",
            "Confirm “Read it (dev)” first (section train).",
            "Confirm “Read it (dev)” first: hol-wizard --practice confirm train/read-it@dev",
        ),
        (
            "<first tools/git>.",
            "Do “Git” first (section tools).",
            "Do “Git” first, then run: hol-wizard --practice --check tools/git",
        ),
        ("<first train/look>.", "Do “Look” first (section train).", "Do “Look” first, by hand"),
        (
            "Look again (<step train/look>).",
            "Look again (section train, step “Look”).",
            "Look again (section train, step “Look”).",
        ),
        (
            "When it is done, <confirm>.",
            "When it is done, confirm it.",
            "When it is done, run: hol-wizard --practice confirm a/b@dev",
        ),
        ("See <section secrets>.", "See section secrets.", "See hol-wizard --practice solve secrets"),
        ("Run hol-wizard teardown", "Run hol-wizard --practice teardown", "Run hol-wizard --practice teardown"),
        ("List<int> <b> a < b", "List<int> <b> a < b", "List<int> <b> a < b"),
    ],
)
def test_a_reference_reads_as_a_place_on_a_screen_and_as_a_command_in_a_script(
    text: str, screen: str, script: str
) -> None:
    assert (SCREEN.resolve(text, "a/b@dev"), SCRIPT.resolve(text, "a/b@dev")) == (screen, script)


def test_the_directory_of_a_sign_in_is_named_where_it_is_known() -> None:
    assert SCREEN.resolve("Sign in<az login 1-2>").endswith("or run: az login --tenant 1-2")


def test_nobody_on_the_practice_cloud_is_told_to_sign_in_with_the_azure_cli() -> None:
    practice = Speech({}, "hol-wizard --practice", practice=True)
    assert practice.resolve("Sign in again<az login>") == "Sign in again"


def test_a_second_person_is_played_on_the_practice_cloud_only() -> None:
    practice = Speech({}, "hol-wizard --practice", practice=True)
    played = practice.resolve("Ask somebody<practice review>.")
    assert played.startswith("Ask somebody (in the practice cloud, you play that person: hol-wizard practice review")
    assert SCREEN.resolve("Ask somebody<practice review>.") == "Ask somebody."


def test_lint_finds_a_heading_that_was_renamed_in_the_code_and_the_error_rules_that_name_it(tmp_path: Path) -> None:
    screens = tmp_path / "screens"
    shutil.copytree(default_folder(), screens)
    for document in screens.iterdir():
        text = document.read_text(encoding="utf-8").replace("## Sign in\n", "## Log in\n")
        text = text.replace("set-up/sign-in", "set-up/log-in").replace("[steps.sign-in]", "[steps.log-in]")
        document.write_text(text, encoding="utf-8")
    problems = [str(each) for each in lint(screens)]
    assert problems
    assert all("no step `set-up/sign-in` (did you mean set-up/log-in?)" in each for each in problems)
    assert any("error_rules/entra.toml:" in each for each in problems)


def test_a_renamed_step_is_found_wherever_it_is_named() -> None:
    text = (
        'hint = "See <step set-up/sing-in>, hol-wizard solve set-up/log-in or <step no-section/x> and <section y>; '
        '<first no-section/z>"'
    )
    found = list(unknown(text, {"set-up"}, {"set-up/sign-in"}))
    assert found == ["set-up/sing-in", "set-up/log-in", "no-section/x", "no-section/z", "y"]


def test_no_text_names_a_step_by_its_title_or_a_front_end_by_its_words() -> None:
    titles = "|".join(re.escape(f"“{step.title}”") for step in loader.load().steps.values())
    habits = re.compile(
        r"section [a-z-]+, step|\(section |(?<!, or run: )(?<![<`])az login|do it for me|"
        rf"[Ll]et the wizard (?!of)|{titles}"
    )
    assert {
        str(path.relative_to(PACKAGE)): found
        for path in sources(PACKAGE)
        if path.relative_to(PACKAGE).parts[0] in {"engine", "services", "resources", "steps", "doctor", "wizard"}
        and (found := habits.findall(path.read_text(encoding="utf-8")))
    } == {}


def test_a_step_of_the_readers_own_section_is_named_without_the_section() -> None:
    speech = Speech({"set-up/sign-in": "Sign in"}, "hol-wizard")
    advice = "<first set-up/sign-in>."
    assert speech.resolve(advice, "set-up/sign-in", "set-up/region") == "Do “Sign in” first."
    assert speech.resolve(advice, "set-up/sign-in", "train/look") == "Do “Sign in” first (section set-up)."
