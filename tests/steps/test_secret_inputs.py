"""What the wizard does with a secret that it was given: it is in the keyring, in no file and among no settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.paths import Home
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.services.secrets import Secret
from hol_wizard.wizard.facade import Wizard, open_wizard

TOKEN = "canary" + "x7" * 30
WAY = {"devops_organization": "Contoso", "devops_sign_in": "token"}
STEP = "devops-project/choose-the-organization"


@pytest.fixture
def variables() -> dict[str, str]:
    return {}


@pytest.fixture
def wizard(tmp_path: Path, variables: dict[str, str]) -> Wizard:
    return open_wizard(
        home=Home(tmp_path / "config", tmp_path / "state"),
        cloud="azure",
        profile="default",
        connect=lambda: Endpoints.of_cloud("azure"),
        environ=variables,
    )


def test_without_a_keyring_it_is_kept_for_the_session_and_that_is_said(wizard: Wizard, tmp_path: Path) -> None:
    targets = wizard.targets([STEP])
    assert [each.name for each in wizard.secrets.asked(targets, WAY)] == ["devops_token"]
    said = wizard.secrets.keep("devops_token", Secret(f" {TOKEN}\n"), WAY)
    assert "for this session only because there is no keyring here" in said
    assert not wizard.secrets.asked(targets, WAY)
    assert wizard.secrets.source("devops_token", WAY) == "this session"
    kept = wizard.connection.reach().secrets.get("devops-token/contoso")
    assert kept is not None
    assert kept.reveal() == TOKEN
    wizard.profile.change(**WAY)
    assert TOKEN not in repr(wizard.profile.settings)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN in path.read_text(encoding="utf-8")]


def test_with_the_accounts_own_sign_in_none_is_asked_for(wizard: Wizard) -> None:
    assert not wizard.secrets.asked(wizard.targets([STEP]), {**WAY, "devops_sign_in": "entra"})
    assert not wizard.secrets.asked(wizard.targets([STEP]))


@pytest.mark.parametrize("variable", ["HOL_WIZARD_DEVOPS_TOKEN", "AZURE_DEVOPS_EXT_PAT"])
def test_a_variable_gives_it_too_and_goes_before(wizard: Wizard, variable: str, variables: dict[str, str]) -> None:
    variables[variable] = TOKEN
    assert not wizard.secrets.asked(wizard.targets([STEP]), WAY)
    assert wizard.secrets.source("devops_token", WAY) == variable
    said = wizard.secrets.keep("devops_token", Secret(TOKEN[::-1]), WAY)
    assert said.endswith(f"The variable {variable} is also set and takes precedence.")


def test_what_is_no_token_is_not_kept_and_not_said(wizard: Wizard) -> None:
    with pytest.raises(UsageError) as raised:
        wizard.secrets.keep("devops_token", Secret("no token"), WAY)
    assert "no token" not in f"{raised.value.message} {raised.value.hint}"
    assert not wizard.secrets.source("devops_token", WAY)


def test_another_organizations_token_is_not_taken(wizard: Wizard) -> None:
    wizard.secrets.keep("devops_token", Secret(TOKEN), WAY)
    assert wizard.secrets.asked(wizard.targets([STEP]), {**WAY, "devops_organization": "fabrikam"})
