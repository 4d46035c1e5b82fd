import uuid

import pytest

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import BOUND, Names
from hol_wizard.lab.portal import PAGES, resource_id, url

NAMES = Names(prefix="contoso", subscription="11111111-2222-3333-4444-555555555555", tenant="t-1")


def test_a_page_opens_in_the_tenant_of_the_subscription() -> None:
    assert url("resource_group", NAMES, Environment.DEV) == (
        "https://portal.azure.com/#@t-1/resource/subscriptions/11111111-2222-3333-4444-555555555555"
        "/resourceGroups/contoso-db-dev/overview"
    )
    assert url("resource_providers", NAMES, base="https://127.0.0.1:8443/portal/") == (
        "https://127.0.0.1:8443/portal/#@t-1/resource/subscriptions/11111111-2222-3333-4444-555555555555"
        "/resourceproviders"
    )


def test_the_token_of_a_local_portal_is_only_in_the_fragment() -> None:
    token = str(uuid.uuid4())
    address = url("resource_group", NAMES, Environment.DEV, base="http://127.0.0.1:8080", token=token)
    assert address == (
        f"http://127.0.0.1:8080/#token={token}&resource=/subscriptions/11111111-2222-3333-4444-555555555555"
        "/resourceGroups/contoso-db-dev"
    )
    assert url("resource_group", Names(prefix="contoso"), Environment.DEV, token=token) == ""


def test_a_thing_is_shown_in_its_resource_group() -> None:
    registry = NAMES.of(Environment.PROD).container_registry
    assert resource_id("container_registry", NAMES, Environment.PROD).endswith(
        f"/resourceGroups/contoso-db-prod/providers/Microsoft.ContainerRegistry/registries/{registry}"
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_page_has_an_address_once_everything_is_chosen_and_none_before(page: str) -> None:
    environment = BOUND[PAGES[page].placeholder][0] if PAGES[page].placeholder else None
    assert url(page, NAMES, environment).startswith("https://portal.azure.com/#@t-1/resource/subscriptions/")
    assert url(page, Names(prefix="contoso"), environment) == ""
    if environment:
        assert url(page, NAMES) == ""
