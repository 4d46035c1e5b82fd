import pytest

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import Names
from hol_wizard.lab.text import fill, misuse, placeholders

NAMES = Names(prefix="contoso", subscription="11111111-2222-3333-4444-555555555555", location="westeurope")
VALUES = NAMES.values(Environment.DEV)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("az group show --name {resource_group}", "az group show --name contoso-db-dev"),
        ("{prod.resource_group} in {location}", "contoso-db-prod in westeurope"),
        ("write {{resource_group}}", "write {resource_group}"),
        ('{"name":{"value":"{prefix}"}}', '{"name":{"value":"contoso"}}'),
        ("${prefix} $(prefix) ${{prefix}}", "${prefix} $(prefix) ${{prefix}}"),
        ("docker version --format '{{.Server.Version}}'", "docker version --format '{{.Server.Version}}'"),
        ("--query '[].{id:id,n:name}'", "--query '[].{id:id,n:name}'"),
        ("{nobody_knows}", "{nobody_knows}"),
        ("{}", "{}"),
        ("{Prefix} { prefix }", "{Prefix} { prefix }"),
        ("{alias}", "[alias]"),
    ],
)
def test_placeholders_are_filled_in_and_other_braces_left_alone(template: str, text: str) -> None:
    assert fill(template, VALUES) == text


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    assert fill("{user}", Names(user="{prefix}", prefix="x").values()) == "{prefix}"


def test_placeholders_are_found_without_the_literal_ones() -> None:
    assert list(placeholders("{a} {{b}} ${c} {dev.d} {")) == ["a", "dev.d"]


@pytest.mark.parametrize(
    ("placeholder", "environments", "message", "nearest"),
    [
        ("resouce_group", "dev", "there is no placeholder", "{resource_group}"),
        ("prod.resouce_group", "", "there is no placeholder", "{prod.resource_group}"),
        ("production.resource_group", "", "there is no environment `production`", "{prod.resource_group}"),
        ("resource_group", "", "name one", "{dev.resource_group}"),
        ("key_vault", "prod", "the lab creates no key vault in prod", "{dev.key_vault}"),
        ("container_registry", "dev prod", "the lab creates no container registry in dev", "{prod.container_registry}"),
        ("prod.key_vault", "", "the lab creates no key vault in prod", "{dev.key_vault}"),
        ("dev.prefix", "dev", "is the same in every environment", "{prefix}"),
    ],
)
def test_a_misused_placeholder_is_explained(placeholder: str, environments: str, message: str, nearest: str) -> None:
    wrong = misuse(placeholder, [Environment(each) for each in environments.split()])
    assert wrong is not None
    assert message in wrong.message
    assert wrong.nearest == nearest


@pytest.mark.parametrize(
    ("placeholder", "environments"),
    [("prefix", ""), ("resource_group", "dev pipeline prod"), ("pipeline.key_vault", ""), ("pipeline", "prod")],
)
def test_a_placeholder_in_its_place_is_fine(placeholder: str, environments: str) -> None:
    assert misuse(placeholder, [Environment(each) for each in environments.split()]) is None
