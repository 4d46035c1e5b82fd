from pathlib import Path

import pytest

from hol_wizard.errors import UsageError
from hol_wizard.lab.model import Environment, Lab, Role, Section, Step
from hol_wizard.lab.select import find_section, find_targets


def section(number: int, section_id: str, title: str, *steps: tuple[str, tuple[Environment, ...]]) -> Section:
    return Section(
        section_id,
        number,
        title,
        Role.EVERYONE,
        5,
        (),
        "",
        tuple(Step(step, section_id, step, "text", 1, for_each=each) for step, each in steps),
        Path(f"{number:02}-{section_id}.md"),
    )


DEV, PIPELINE, PROD = Environment
LAB = Lab(
    (
        section(1, "set-up", "Set up: names and sign-in", ("names", ()), ("look", ())),
        section(2, "resource-groups", "Create the resource groups", ("create", (DEV, PIPELINE, PROD))),
        section(
            3,
            "workspace-resources",
            "Create the workspaces",
            ("register", ()),
            ("lake", (DEV, PIPELINE)),
            ("registry", (PROD,)),
            ("look", ()),
        ),
        section(4, "train", "Train the model", ("run", ())),
    )
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("set-up", "set-up"),
        ("SET-UP", "set-up"),
        ("2", "resource-groups"),
        ("02", "resource-groups"),
        ("create the resource groups", "resource-groups"),
        ("workspaces", "workspace-resources"),
        ("The  Model", "train"),
        ("workspace-", "workspace-resources"),
    ],
)
def test_a_section_is_found_by_id_number_and_part_of_its_title(text: str, found: str) -> None:
    assert find_section(LAB, text).id == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resorce-groups", "There is no section `resorce-groups`. Did you mean 2 resource-groups"),
        ("trian", "There is no section `trian`. Did you mean 4 train"),
        ("9", "There is no section `9`."),
        ("", "There is no section ``."),
        ("create", "Several sections have `create` in their title: 2 resource-groups (Create the resource groups), 3"),
    ],
)
def test_an_unknown_or_ambiguous_section_is_answered_with_the_nearest(text: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        find_section(LAB, text)
    assert raised.value.message.startswith(message)
    assert "resource-groups" in raised.value.hint


@pytest.mark.parametrize(
    ("selectors", "environment", "found"),
    [
        (
            "resource-groups",
            None,
            "resource-groups/create@dev resource-groups/create@pipeline resource-groups/create@prod",
        ),
        ("resource-groups@prod", None, "resource-groups/create@prod"),
        ("lake 1", "dev", "set-up/names set-up/look workspace-resources/lake@dev"),
        ("3/lake@pipeline", None, "workspace-resources/lake@pipeline"),
        (
            "workspace-resources",
            "prod",
            "workspace-resources/register workspace-resources/registry@prod workspace-resources/look",
        ),
        ("run run train 4", None, "train/run"),
        ("set-up", "prod", "set-up/names set-up/look"),
        ("train 1/names", None, "set-up/names train/run"),
    ],
)
def test_selectors_give_targets_in_the_order_of_the_lab(selectors: str, environment: str | None, found: str) -> None:
    assert " ".join(target.key for target in find_targets(LAB, selectors.split(), environment)) == found


def test_no_selector_means_the_whole_lab() -> None:
    assert len(find_targets(LAB)) == 11
    assert len(find_targets(LAB, (), "dev")) == 7


@pytest.mark.parametrize(
    ("selectors", "environment", "message"),
    [
        ("lak", None, "lak: there is no section or step `lak`. Did you mean lake?"),
        ("3/lak", None, "3/lak: workspace-resources has no step `lak`. Did you mean workspace-resources/lake?"),
        ("4rain/run", None, "4rain/run: there is no section `4rain`. Did you mean train?"),
        ("look", None, "look: several steps have this name: set-up/look, workspace-resources/look."),
        (
            "lake@prd",
            None,
            "lake@prd: there is no environment `prd`; there are dev, pipeline, prod. Did you mean prod?",
        ),
        ("lake@prod", None, "lake@prod: lake belongs only to dev, pipeline."),
        ("run@dev", None, "run@dev: run belongs to no environment."),
        ("registry", "dev", "registry: registry belongs only to prod, and --environment dev was asked for."),
        ("lake@dev", "prod", "lake@dev: contradicts --environment prod."),
        ("", "live", "--environment: there is no environment `live`; there are dev, pipeline, prod."),
    ],
)
def test_a_selector_that_fits_nothing_is_answered_with_the_nearest(
    selectors: str, environment: str | None, message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        find_targets(LAB, selectors.split(), environment)
    assert raised.value.message == message


def test_all_wrong_selectors_are_told_at_once() -> None:
    with pytest.raises(UsageError) as raised:
        find_targets(LAB, ["nonsense-1", "run", "nonsense-2"])
    assert len(raised.value.message.splitlines()) == 2
