import itertools
import json
import random
import re
import string
from dataclasses import replace
from pathlib import Path

import pytest

from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import (
    BOUND,
    KINDS,
    RULES,
    UNKNOWN_SUFFIX,
    EnvironmentNames,
    Names,
    alias_from_user,
    location_name,
    problem_with_alias,
    problem_with_name,
    problem_with_prefix,
)

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SPECIFICATIONS = Path(__file__).parents[4] / "shared" / "contracts" / "specs" / "arm"

NASTY_PIECES = (
    *("a", "z", "0", "9", "-", "--", "A", "_", ".", "é", "ß", "ﬁ", "İ", "٣", "π", " ", "\n", "\0", "[", "{", "%", "'"),
    *("microsoft", "micro-soft", "windows", "win-dows", "login", "log-in", "xbox", "con", "kv", "dev", "a-" * 6),
)


def nasty_prefixes(seed: int) -> list[str]:
    """Every prefix of up to two nasty pieces, and random ones of all lengths around the limits."""
    picked = random.Random(seed)  # noqa: S311 - a repeatable choice of test values
    made = ["".join(pieces) for length in range(3) for pieces in itertools.product(NASTY_PIECES, repeat=length)]
    alphabet = string.ascii_lowercase + string.digits + "-"
    for length in range(1, 30):
        made += ["".join(picked.choices(alphabet, k=length)) for _ in range(60)]
        made += ["x" + "".join(picked.choices("ab-", k=length)) for _ in range(30)]
        made += ["".join(picked.choices(NASTY_PIECES, k=min(length, 5))) for _ in range(20)]
    return made


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_accepted_prefix_gives_only_names_that_azure_takes(seed: int) -> None:
    accepted = [prefix for prefix in nasty_prefixes(seed) if not problem_with_prefix(prefix)]
    assert len(accepted) > 500
    assert {len(prefix) for prefix in accepted} == set(range(2, 25))
    for prefix in accepted:
        names = Names(prefix=prefix, subscription=SUBSCRIPTION)
        assert names.problems() == (), prefix
        assert Names(prefix=prefix).problems() == (), prefix


@pytest.mark.parametrize("seed", range(2))
def test_names_of_different_environments_never_collide(seed: int) -> None:
    for prefix in nasty_prefixes(seed):
        if problem_with_prefix(prefix):
            continue
        created = Names(prefix=prefix, subscription=SUBSCRIPTION).created()
        assert len({each.name for each in created}) == len(created), created


def test_every_example_that_a_problem_gives_would_do() -> None:
    for prefix in nasty_prefixes(7):
        if problem := problem_with_prefix(prefix):
            example = problem.rpartition("For example: ")[2]
            assert problem_with_prefix(example) == "", (prefix, example)


def test_a_problem_says_which_rule_is_broken_and_offers_the_nearest_prefix() -> None:
    assert problem_with_prefix("Müller_Team") == (
        "It contains `M`; only lowercase letters a to z, digits and `-` are allowed. For example: muller-team"
    )
    assert "must begin with a letter" in problem_with_prefix("1up")
    assert "27 characters; the maximum is 24" in problem_with_prefix("x" * 27)
    assert "`microsoft`" in problem_with_prefix("my-micro-soft-lab")
    assert problem_with_prefix("contoso-lab-7") == ""


def test_names_are_derived_by_the_table_of_the_lab() -> None:
    names = Names(prefix="contoso-hands-on-lab", subscription=SUBSCRIPTION)
    suffix = names.suffix
    assert re.fullmatch(r"[0-9a-z]{5}", suffix)
    assert names.of(Environment.DEV) == EnvironmentNames(
        environment=Environment.DEV,
        resource_group="contoso-hands-on-lab-db-dev",
        service_principal="hol-contoso-hands-on-lab-dev",
        storage_account=f"contosohandsodld{suffix}",
        key_vault=f"contoso-hand-kv-d-{suffix}",
        databricks_workspace="contoso-hands-on-lab-dev",
        managed_resource_group=f"databricks-rg-contoso-hands-on-lab-dev-{suffix}",
        ml_workspace="contoso-hands-on-lab-ml-dev",
        ml_storage_account=f"contosohandsomld{suffix}",
        ml_key_vault=f"contoso-han-mlkv-d-{suffix}",
        log_analytics="contoso-hands-on-lab-logs-dev",
        application_insights="contoso-hands-on-lab-insights-dev",
    )
    assert names.of(Environment.PROD) == EnvironmentNames(
        environment=Environment.PROD,
        resource_group="contoso-hands-on-lab-db-prod",
        service_principal="hol-contoso-hands-on-lab-prod",
        container_registry=f"contosohandsonlabacr{suffix}",
    )


def test_a_machine_learning_workspace_of_the_longest_prefix_keeps_its_limit() -> None:
    names = Names(prefix="a" * 24, subscription=SUBSCRIPTION).of(Environment.PIPELINE)
    assert names.ml_workspace == "a" * 21 + "-ml-pipeline"
    assert len(names.ml_workspace) == 33


def test_the_five_characters_are_the_same_at_every_start_and_for_either_case_of_the_subscription() -> None:
    assert Names(prefix="contoso", subscription=SUBSCRIPTION).suffix == "hpy1q"
    upper = "AAAAAAAA-2222-3333-4444-555555555555"
    assert Names(prefix="a", subscription=upper).suffix == Names(prefix="a", subscription=upper.lower()).suffix
    assert Names(prefix="contosa", subscription=SUBSCRIPTION).suffix != "hpy1q"


def test_what_is_not_chosen_yet_can_be_seen() -> None:
    names = Names(prefix="contoso")
    assert names.of(Environment.DEV).key_vault == f"contoso-kv-d-{UNKNOWN_SUFFIX}"
    assert Names().values()["dev.resource_group"] == "[prefix]-db-dev"
    assert Names().values()["location"] == "[location]"


def test_each_environment_has_values_for_what_is_made_there_and_for_the_others_by_their_names() -> None:
    names = Names(prefix="contoso", subscription=SUBSCRIPTION)
    values = names.values(Environment.PROD)
    assert values["resource_group"] == values["prod.resource_group"] == "contoso-db-prod"
    assert values["pipeline.key_vault"] == names.of(Environment.PIPELINE).key_vault
    assert "key_vault" not in values
    assert "resource_group" not in names.values()
    assert values["pipeline"] == "contoso-build"


def test_everything_that_is_made_stands_in_the_preview_once() -> None:
    created = Names(prefix="contoso", subscription=SUBSCRIPTION).created()
    assert len(created) == sum(len(BOUND[kind]) for kind in KINDS)
    assert all(each.name for each in created)


@pytest.mark.skipif(not SPECIFICATIONS.is_dir(), reason="the official API descriptions are not here")
def test_names_fit_the_patterns_of_the_official_descriptions() -> None:
    patterns = {
        "storage_account": ("storage/2023-05-01", "accountName"),
        "key_vault": ("keyvault/2023-07-01", "vaultName"),
        "databricks_workspace": ("databricks/2024-05-01", "workspaceName"),
        "ml_workspace": ("machinelearning/2024-04-01", "workspaceName"),
        "resource_group": ("resources/2021-04-01", "resourceGroupName"),
    }
    for kind, (folder, parameter) in patterns.items():
        found = list(_parameters(SPECIFICATIONS / folder, parameter))
        assert found, kind
        for prefix in ("ab", "contoso-lab", "a" * 24, "a-b-c-d-e-f-g-h-i-j-k-l"):
            for each in Names(prefix=prefix, subscription=SUBSCRIPTION).created():
                if each.placeholder.removeprefix("ml_") == kind.removeprefix("ml_") and each.placeholder == kind:
                    for pattern, shortest, longest in found:
                        assert re.search(pattern, each.name)
                        assert shortest <= len(each.name) <= longest


def _parameters(folder: Path, name: str) -> list[tuple[str, int, int]]:
    found = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if node.get("name") == name and ("pattern" in node or "maxLength" in node):
                found.append((node.get("pattern", ""), node.get("minLength", 0), node.get("maxLength", 10**6)))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for file in folder.glob("*.json"):
        walk(json.loads(file.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("key_vault", "a--b"),
        ("key_vault", "1abc"),
        ("key_vault", "abc-"),
        ("key_vault", "a" * 25),
        ("storage_account", "has-hyphen"),
        ("storage_account", "ab"),
        ("resource_group", "ends."),
        ("resource_group", "group\n"),
        ("container_registry", "abcd"),
        ("ml_workspace", "a" * 34),
        ("devops_project", "_hidden"),
        ("storage_account", "loginstore"),
    ],
)
def test_a_name_that_its_service_refuses_is_a_problem(kind: str, name: str) -> None:
    assert problem_with_name(kind, name)
    assert RULES[kind].source


@pytest.mark.parametrize(
    ("user", "alias"),
    [
        ("Jane.Doe@contoso.com", "jane.doe"),
        ("jane_doe_contoso.com#EXT#@fabrikam.onmicrosoft.com", "jane_doe"),
        ("CONTOSO\\Jane Doe", "jane-doe"),
        ("Zoë", "zoe"),
        ("main", "attendee-main"),
        ("aux", "attendee-aux"),
        ("...", "attendee"),
        ("", "attendee"),
        ("李雷", "attendee"),
        ("x.lock@a.b", "x"),
    ],
)
def test_an_alias_follows_from_a_user_name(user: str, alias: str) -> None:
    assert alias_from_user(user) == alias


def test_every_alias_that_follows_from_a_user_name_can_be_a_branch() -> None:
    for user in nasty_prefixes(3):
        assert problem_with_alias(alias_from_user(user)) == "", user


@pytest.mark.parametrize(
    "alias", ["", "Jane", "a..b", "-a", "a.", "x.lock", "main", "con", "nul.x", "a b", "a/b", "a" * 41, "jane\n"]
)
def test_an_alias_that_git_or_windows_refuses_is_a_problem(alias: str) -> None:
    problem = problem_with_alias(alias)
    assert problem_with_alias(problem.rpartition("For example: ")[2]) == ""


@pytest.mark.parametrize("text", ["West Europe", "westeurope", "(Europe) West Europe", " west-europe ", "WestEurope"])
def test_a_region_is_understood_as_people_write_it(text: str) -> None:
    assert location_name(text) == "westeurope"


def test_the_clone_is_in_a_folder_for_each_cloud_unless_another_was_chosen() -> None:
    names = Names(prefix="contoso", cloud="practice")
    assert names.clone_folder == str(Path.home() / "hol-lab" / "practice" / "contoso-hol")
    assert replace(names, chosen_folder="elsewhere").values()["clone_folder"] == "elsewhere"
    assert names.values()["git_folder"] == "contoso-hol"
    assert names.values()["default_branch"] == "main"
    assert replace(names, default_branch="master").values()["default_branch"] == "master"
