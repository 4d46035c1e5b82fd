"""Markdown as plain words."""

from __future__ import annotations

import re

import pytest

from hol_wizard.lab import loader
from hol_wizard.lab.prose import inline, lead


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("a **b** `c`", "a b c"),
        (
            "A *service principal* is an __account__ of ***its*** _own_.",
            "A service principal is an account of its own.",
        ),
        ("see [the *page*](https://x.example)", "see the page"),
        ("<https://x.example>.", "https://x.example."),
        ("**`a*b*c` and b**", "a*b*c and b"),
        ("`**kwargs` and ``a ` b``", "**kwargs and a ` b"),
        ("2 * 3 * 4, sp_app_id, a\\*b\\*c, 1 &lt; 2", "2 * 3 * 4, sp_app_id, a*b*c, 1 < 2"),
    ],
)
def test_a_line_without_its_marks(markdown: str, text: str) -> None:
    assert inline(markdown, addresses=False, code_marks=False) == text


def test_a_line_to_be_read_aloud_keeps_addresses_and_the_marks_of_code() -> None:
    assert inline("*See* [it](https://x.example): `a*b*c`") == "See it (https://x.example): `a*b*c`"


def test_a_text_begins_with_its_first_paragraph_and_the_list_that_it_opens() -> None:
    assert lead("First *one*\ngoes on.\n\n- no\n") == ["First one goes on."]
    assert lead("Two:\n\n- In **dev**, you\n  work.\n- In `prod`.\n\nMore.") == [
        "Two:",
        "• In dev, you work.",
        "• In prod.",
    ]
    assert lead("Then:\n\n```bash\naz\n```") == ["Then:"]
    assert lead("  \n") == []


def test_no_section_of_the_lab_begins_with_marks_on_the_overview() -> None:
    for section in loader.load().sections:
        lines = lead(section.intro)
        assert lines, section.id
        assert not [line for line in lines if re.search(r"\*|`|\]\(|<http|^[-#>]", line)], section.id
