"""A lab's folder: `lab.toml`, its documents, and nothing that is not a plain file in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hol_wizard.lab.folder import LARGEST, MOST, default_folder, read_folder
from hol_wizard.lab.loader import load, read

MANIFEST = """\
title = "A small lab"
introduction = "Two words."

[defaults]
location = "westeurope"
"""
DOCUMENT = """\
+++
id = "one"
title = "One"
role = "everyone"
minutes = 5

[steps.do-it]
human = "You."
+++
Hello.

## Do it
Do.
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    folder = tmp_path / "lab"
    folder.mkdir()
    (folder / "lab.toml").write_text(MANIFEST, encoding="utf-8")
    (folder / "01-one.md").write_text(DOCUMENT, encoding="utf-8")
    return folder


def problems(folder: Path) -> list[str]:
    return [str(each).removeprefix(f"{folder}/") for each in read(folder)[1]]


def test_the_title_the_introduction_and_the_defaults_are_read(lab: Path) -> None:
    loaded = load(lab)
    assert (loaded.title, loaded.introduction, loaded.folder) == ("A small lab", "Two words.", lab)
    assert loaded.defaults == {"location": "westeurope"}


def test_the_lab_that_comes_with_the_wizard_is_read_in_the_same_way() -> None:
    loaded = load()
    assert loaded.title
    assert loaded.introduction
    assert loaded.folder is None
    assert load(default_folder()).folder is None


def test_a_folder_without_lab_toml_is_told(lab: Path) -> None:
    (lab / "lab.toml").unlink()
    assert problems(lab) == ["lab.toml:1: a lab has this file, with its `title` and `introduction`; it does not exist"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('title = "A small lab"', 'title = "A', "lab.toml:1: this is not TOML: "),
        ("title", "titel", "lab.toml:1: there is no key `titel` in lab.toml (did you mean title?)"),
        ('"A small lab"', "1", "lab.toml:1: `title` must be a string, not 1"),
        ('"A small lab"', '" "', "lab.toml:1: `title` is empty"),
        ('"A small lab"', '"\\u001b[2J"', "lab.toml:1: there is a control character (U+001B) in `title`"),
        ('"A small lab"', f'"{"x" * 61}"', "lab.toml:1: `title` must be one line of at most 60 characters"),
        ('introduction = "Two words."\n', "", "lab.toml:1: `introduction` is missing"),
        ("title", "format = 2\ntitle", "lab.toml:1: this lab has format 2, and this hol-wizard knows format 1"),
        ("location", "locaton", "lab.toml:5: there is no input `locaton` (did you mean location?)"),
        ('"westeurope"', "true", "lab.toml:5: `location` must be a string, not True"),
        ("location", "devops_token", "lab.toml:5: `devops_token` is a secret: it has no default"),
        ("location", "prefix", "lab.toml:5: "),
        ("location", "alias", "lab.toml:5: "),
    ],
)
def test_what_is_wrong_in_lab_toml_is_told_with_its_line(lab: Path, old: str, new: str, problem: str) -> None:
    text = MANIFEST.replace(old, new, 1).replace('prefix = "westeurope"', 'prefix = "-"')
    (lab / "lab.toml").write_text(text.replace('alias = "westeurope"', 'alias = "main"'), encoding="utf-8")
    found = problems(lab)
    assert any(each.startswith(problem) for each in found), found


def test_lab_toml_that_is_not_text_is_told(lab: Path) -> None:
    (lab / "lab.toml").write_bytes(b'title = "a"\n\xff\n')
    assert problems(lab) == ["lab.toml:2: this is not UTF-8 text; save the file as UTF-8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (DOCUMENT.replace("Do.", "\x1b]52;c;aGk=\x07"), "01-one.md:13: there is a control character (U+001B)"),
        (DOCUMENT.replace("Do.", "a\rb"), "01-one.md:13: there is a control character (U+000D)"),
        (DOCUMENT.replace("Do.", "a\u202eb"), "01-one.md:13: there is a control character (U+202E)"),
        (DOCUMENT.replace('"You."', '"\\u001b[2J"'), "01-one.md:1: there is a control character (U+001B) in a value"),
        (DOCUMENT.replace("+++", "---"), "01-one.md:1: the front matter is not YAML here, but TOML"),
        ("x" * (LARGEST + 1), f"01-one.md:1: it is larger than {LARGEST // 1024} KB"),
    ],
)
def test_a_document_that_could_do_harm_is_not_shown(lab: Path, text: str, problem: str) -> None:
    (lab / "01-one.md").write_text(text, encoding="utf-8", newline="")
    assert problems(lab)[0].startswith(problem)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_pipes_and_folders_instead_of_a_document_are_not_followed(lab: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.md"
    outside.write_text(DOCUMENT, encoding="utf-8")
    (lab / "01-one.md").unlink()
    (lab / "01-one.md").symlink_to(outside)
    os.mkfifo(lab / "02-two.md")
    (lab / "03-three.md").mkdir()
    assert problems(lab) == [
        "01-one.md:1: it is a link to another file; copy the file to here",
        "02-two.md:1: it is not a file",
        "03-three.md:1: it is not a file",
    ]


def test_too_many_documents_are_not_read(lab: Path) -> None:
    for number in range(MOST):
        (lab / f"{number + 2}-x.md").write_text("", encoding="utf-8")
    assert problems(lab) == [f"{lab}:1: there are {MOST + 1} documents; the maximum is {MOST}"]


def test_the_digest_is_of_the_names_and_the_contents(lab: Path) -> None:
    before = read_folder(lab).digest
    assert before == read_folder(lab).digest
    (lab / "notes.txt").write_text("not a document", encoding="utf-8")
    assert read_folder(lab).digest == before
    (lab / "01-one.md").rename(lab / "01-two.md")
    assert read_folder(lab).digest != before
