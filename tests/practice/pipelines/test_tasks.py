"""The definitions of the tasks."""

import pytest

from hol_wizard.practice.pipelines import tasks
from hol_wizard.practice.pipelines.agent.tasks import RUNS

ALL = {each.reference: each for each in tasks.known().values()}


def test_every_task_that_is_known_does_something() -> None:
    on_agents = {reference.lower() for reference, task in ALL.items() if not task.server}

    assert on_agents - set(RUNS) == set()


@pytest.mark.parametrize("task", ALL.values(), ids=lambda task: task.reference)
def test_inputs_are_consistent(task: tasks.Task) -> None:
    names = [name.lower() for each in task.inputs for name in (each.name, *each.aliases)]
    assert len(names) == len(set(names))
    values = task.values({})
    for each in task.inputs:
        each.is_visible(values)
        assert not each.options or not each.default or each.default in each.options
        assert not each.refused or not each.options or set(each.refused) <= set(each.options)
        if each.kind == "boolean":
            assert each.default in ("", "true", "false")


def test_a_task_is_found_by_its_name_its_id_and_in_any_case() -> None:
    task = tasks.find("azurecli@2")

    assert task is tasks.find("46E4BE58-730B-4389-8A2F-EA10B3E5E815@2")
    assert tasks.find("AzureCLI@7") is None
    assert tasks.majors("azurecli") == (1, 2)


def test_an_input_that_is_not_visible_is_not_missing() -> None:
    task = tasks.find("Bash@3")
    assert task is not None

    assert task.missing(task.values({})) == ("filePath",)
    assert task.missing(task.values({"targetType": "inline", "script": " "})) == ("script",)
    assert task.missing(task.values({"targetType": "INLINE", "script": "x"})) == ()


def test_rules_of_visibility_have_and_and_or() -> None:
    task = tasks.find("AzureCLI@2")
    assert task is not None
    found = task.input("powerShellErrorActionPreference")
    assert found is not None

    assert [found.is_visible({"scriptType": kind}) for kind in ("ps", "pscore", "bash")] == [True, True, False]
    nested = tasks.Input("x", visible="a = 1 && b != 2 || c == 3")
    assert [nested.is_visible(each) for each in ({"a": "1"}, {"a": "1", "b": "2"}, {"c": "3"})] == [True, False, True]
