import pytest

from hol_wizard.lab.inputs import INPUTS


def test_every_input_can_be_given_in_three_ways() -> None:
    given = {name: (each.flag, each.variable, each.key) for name, each in INPUTS.items()}
    assert given["devops_organization"] == (
        "--devops-organization",
        "HOL_WIZARD_DEVOPS_ORGANIZATION",
        "devops_organization",
    )
    assert set(given) == {
        "prefix",
        "location",
        "alias",
        "subscription",
        "devops_organization",
        "devops_sign_in",
        "devops_token",
        "devops_users",
        "devops_access_level",
        "git_name",
        "git_email",
        "clone_folder",
        "cluster_size",
        "node_type",
        "cluster_user",
        "own_data_file",
        "commit_message",
        "pull_request_title",
        "pull_request_description",
        "reviewers",
        "approvers",
        "requester_may_approve",
        "approval_comment",
        "build_identity",
        "token_in_profile",
    }


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("prefix", " Contoso ", "contoso"),
        ("location", "West Europe", "westeurope"),
        ("alias", "Jane.Doe@contoso.com", "jane.doe"),
        ("subscription", "{AAAAAAAA-2222-3333-4444-555555555555}", "aaaaaaaa-2222-3333-4444-555555555555"),
        (
            "subscription",
            "/subscriptions/aaaaaaaa-2222-3333-4444-555555555555/resourceGroups/x",
            "aaaaaaaa-2222-3333-4444-555555555555",
        ),
        ("devops_organization", "https://dev.azure.com/contoso/project", "contoso"),
        ("devops_organization", "https://contoso.visualstudio.com/", "contoso"),
        ("devops_organization", "https://me@dev.azure.com/Contoso", "Contoso"),
    ],
)
def test_a_value_is_taken_as_people_have_it(name: str, typed: str, kept: str) -> None:
    assert INPUTS[name].validate(typed) == ""
    assert INPUTS[name].normalise(typed) == kept


@pytest.mark.parametrize("around", ["\r", "\r\n", "\u200b", "\ufeff", "\u2060", "\u00a0", "\u202a", "\x00"])
@pytest.mark.parametrize(
    ("name", "value"), [("prefix", "contoso"), ("devops_token", "a" * 52), ("commit_message", "Add a test")]
)
def test_invisible_characters_around_a_value_are_left_away(name: str, value: str, around: str) -> None:
    assert INPUTS[name].validate(f"{around}{value}{around}") == ""
    assert INPUTS[name].normalise(f"{around}{value}{around}") == value


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("con\u200btoso", "an invisible character (U+200B, zero width space)"),
        ("con\u00adtoso", "an invisible character (U+00AD, soft hyphen)"),
        ("con toso", "a space"),
        ("contöso", "`ö`"),
    ],
)
def test_a_character_inside_a_value_is_named_so_that_it_can_be_found(typed: str, named: str) -> None:
    assert f"It contains {named}" in INPUTS["prefix"].validate(typed)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("prefix", "a_b"),
        ("location", "12"),
        ("alias", "main"),
        ("subscription", "Pay-As-You-Go"),
        ("devops_organization", "-x"),
        *((name, "") for name in INPUTS if name != "alias"),
    ],
)
def test_a_value_that_breaks_its_rule_is_explained(name: str, typed: str) -> None:
    assert len(INPUTS[name].validate(typed)) > 10


def test_a_token_is_asked_for_only_where_tokens_are_used_and_its_name_in_the_keyring_says_whose_it_is() -> None:
    token = INPUTS["devops_token"]
    assert token.secret
    assert not token.asked_with({})
    assert not token.asked_with({"devops_sign_in": "entra"})
    assert token.asked_with({"devops_sign_in": "token"})
    assert token.keyring_name({"devops_organization": "Contoso"}) == "devops-token/contoso"
    assert token.variables == ("HOL_WIZARD_DEVOPS_TOKEN", "AZURE_DEVOPS_EXT_PAT")


def test_what_is_wrong_with_a_token_is_said_without_the_token() -> None:
    assert "no-token" not in INPUTS["devops_token"].validate("no-token here")
    assert INPUTS["devops_token"].validate(" " + "a1" * 42 + "\n") == ""


def test_each_wrong_address_has_a_line_of_its_own() -> None:
    lines = INPUTS["devops_users"].validate("robin@contoso.com; sam, @kim").split("\n")
    assert [line.partition(" ")[0] for line in lines] == ["“sam”", "“@kim”"]
