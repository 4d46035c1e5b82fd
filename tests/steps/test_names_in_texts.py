"""No text of the lab shows a placeholder to somebody who is signed in; before that, it says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hol_wizard.lab import loader
from hol_wizard.lab.model import Environment, Lab, Section
from hol_wizard.lab.names import UNKNOWN_NAME, UNKNOWN_SUFFIX
from hol_wizard.paths import Home
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.wizard.facade import open_wizard
from tests.steps.attendee import Attendee

SECTIONS = [section.id for section in loader.load().sections]


def texts(section: Section) -> Iterator[tuple[str, Environment | None]]:
    """Yield every text of a section, with each environment that it is shown for."""
    yield section.intro, None
    for step in section.steps:
        for environment in step.for_each or (None,):
            for text in (step.title, step.body, step.human, step.cost, *step.hints):
                yield text, environment


@pytest.fixture
def lab() -> Lab:
    return loader.load()


def test_after_the_sign_in_no_text_of_the_lab_has_an_unknown_name(attendee: Attendee, lab: Lab) -> None:
    wizard = attendee.wizard()
    for _ in wizard.check(wizard.targets(("set-up",))):
        pass
    left = {
        (section.id, found[0])
        for section in lab.sections
        for template, environment in texts(section)
        for found in UNKNOWN_NAME.finditer(wizard.text(template, environment))
    }
    assert left == set()
    workspace = wizard.text("/Workspace/Users/{user}/x")
    assert wizard.connection.user
    assert workspace == f"/Workspace/Users/{wizard.connection.user}/x"


def test_who_is_signed_in_is_still_known_at_the_next_start(attendee: Attendee) -> None:
    wizard = attendee.wizard()
    for _ in wizard.check(wizard.targets(("set-up",))):
        pass
    assert attendee.wizard().text("{user}") == wizard.connection.user


@pytest.mark.parametrize("section_id", SECTIONS)
def test_before_the_sign_in_an_unknown_name_says_where_it_becomes_known(
    newcomer: Attendee, lab: Lab, section_id: str
) -> None:
    wizard = newcomer.wizard()
    for template, environment in texts(lab.section(section_id)):
        text = wizard.text(template, environment)
        assert UNKNOWN_NAME.search(text) is None
        assert UNKNOWN_SUFFIX not in text


def test_what_is_unknown_names_the_section_that_asks_for_it(newcomer: Attendee) -> None:
    wizard = newcomer.wizard()
    assert wizard.text("{user} {tenant} {devops_organization} {dev.storage_account}") == (
        "[user: sign in in section 1] [tenant: choose the subscription in section 1] "
        "[Azure DevOps organization: choose it in section 10] "
        "practicedld[suffix: choose the subscription in section 1]"
    )


def test_where_the_cloud_offers_no_name_the_prefix_is_unknown_too(tmp_path: Path) -> None:
    wizard = open_wizard(
        home=Home(tmp_path / "config", tmp_path / "state"),
        cloud="azure",
        profile="default",
        connect=lambda: Endpoints.of_cloud("azure"),
        environ={},
    )
    assert wizard.text("{dev.resource_group}") == "[prefix: choose it in section 1]-db-dev"
