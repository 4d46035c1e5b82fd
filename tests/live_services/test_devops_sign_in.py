"""How Azure DevOps treats a token that has ended, as our client sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hol_wizard.services.context import Services
from hol_wizard.services.devops import connection
from hol_wizard.services.identity import Account
from tests.practice_cloud import PracticeCloud

pytestmark = pytest.mark.slow


def test_a_token_that_has_ended_is_renewed_and_a_page_to_sign_in_is_known_as_one(
    services: Services, sign_in: Callable[[], Account], practice_cloud: PracticeCloud
) -> None:
    practice_cloud.wrong_on_purpose("/_apis/")
    name = sign_in().user
    organization = services.devops("practice")
    assert organization.person().name == name
    practice_cloud.control.expire_tokens()
    sent = f"{services.endpoints.devops}/practice/_apis/projects?api-version=7.1"
    # Our client asks not to be sent to a page; a proxy can drop that header.
    page = organization._rest.send("GET", sent, thing="projects", redirects=True)
    assert page.status == 302
    assert connection._asks_to_sign_in(page)
    assert organization.person().name == name
