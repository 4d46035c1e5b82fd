from pathlib import Path

import pytest

from hol_wizard.config import Origin, Settings
from hol_wizard.errors import UsageError
from hol_wizard.lab.choices import Choices

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "22222222-2222-3333-4444-555555555555"


def test_a_flag_goes_before_a_variable_before_the_file_before_a_default() -> None:
    settings = Settings.resolve(
        {"prefix": "flag", "location": None},
        {"HOL_WIZARD_PREFIX": "variable", "HOL_WIZARD_LOCATION": "West US"},
        Choices(prefix="file", location="eastus", alias="jane"),
        {"prefix": "default", "devops_organization": "contoso"},
        Path("p.toml"),
    )
    seen = {name: (each.value, each.origin, each.source) for name, each in settings.values.items()}
    assert seen == {
        "prefix": ("flag", Origin.FLAG, "--prefix"),
        "location": ("westus", Origin.VARIABLE, "HOL_WIZARD_LOCATION"),
        "alias": ("jane", Origin.FILE, "alias in p.toml"),
        "devops_organization": ("contoso", Origin.DEFAULT, "the default"),
        "devops_access_level": ("basic", Origin.DEFAULT, "the default"),
        "devops_sign_in": ("entra", Origin.DEFAULT, "the default"),
        "cluster_size": ("single-node", Origin.DEFAULT, "the default"),
        "commit_message": ("Add a test of the model", Origin.DEFAULT, "the default"),
        "requester_may_approve": ("yes", Origin.DEFAULT, "the default"),
        "build_identity": ("managed-identity", Origin.DEFAULT, "the default"),
        "token_in_profile": ("no", Origin.DEFAULT, "the default"),
    }
    assert settings.value("subscription") == ""


def test_an_empty_variable_counts_as_none() -> None:
    assert Settings.resolve({}, {"HOL_WIZARD_PREFIX": " "}, Choices(prefix="file"), {}).value("prefix") == "file"


def test_all_wrong_values_are_told_at_once_with_who_gave_them() -> None:
    with pytest.raises(UsageError) as raised:
        Settings.resolve(
            {"prefix": "1up"}, {"HOL_WIZARD_SUBSCRIPTION": "mine"}, Choices(location="!"), {}, Path("p.toml")
        )
    lines = raised.value.message.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("--prefix = '1up': It must begin with a letter")
    assert lines[1].startswith("location in p.toml = '!': ")
    assert lines[2].startswith("HOL_WIZARD_SUBSCRIPTION = 'mine': ")


def test_missing_values_are_listed_at_once_with_the_three_ways_to_give_each() -> None:
    settings = Settings.resolve({"prefix": "contoso"}, {}, Choices(), {}, Path("p.toml"))
    asked = ("prefix", "location", "alias", "subscription", "location")
    assert [(each.flag, each.variable, each.key) for each in settings.missing(asked)] == [
        ("--location", "HOL_WIZARD_LOCATION", "location"),
        ("--alias", "HOL_WIZARD_ALIAS", "alias"),
    ]
    error = settings.missing_error(asked)
    assert error is not None
    assert error.message == (
        "2 values are missing:\n"
        '  Region: --location REGION, or HOL_WIZARD_LOCATION=REGION, or location = "REGION"\n'
        '  Alias: --alias NAME, or HOL_WIZARD_ALIAS=NAME, or alias = "NAME"'
    )
    assert "--location REGION --alias NAME" in error.hint
    assert "p.toml" in error.hint
    assert settings.missing_error(("prefix",)) is None


def test_another_subscription_takes_no_name_and_tenant_of_the_old_one_along() -> None:
    saved = Choices(prefix="a1", subscription=SUBSCRIPTION, subscription_name="Lab", tenant="t")
    same = Settings.resolve({"subscription": SUBSCRIPTION.upper()}, {}, saved, {}).applied(saved)
    assert (same.subscription, same.subscription_name, same.tenant) == (SUBSCRIPTION, "Lab", "t")
    other = Settings.resolve({"subscription": OTHER}, {}, saved, {}).applied(saved)
    assert (other.subscription, other.subscription_name, other.tenant) == (OTHER, "", "")
