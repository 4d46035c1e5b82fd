"""The roles on the files of registered models: the service principal's and the attendee's."""

from __future__ import annotations

from typing import Any

import pytest

from hol_wizard.engine.results import Status
from hol_wizard.errors import NotFoundError
from hol_wizard.practice import seed
from hol_wizard.practice.arm import roles
from hol_wizard.steps import model_files
from tests.practice.conftest import Arm, provider, user_token
from tests.practice.data_planes import give
from tests.practice.test_authorization import VERSION
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import LEARNING, Attendee
from tests.steps.databricks import context_of

PROGRAM = "service-principal/give-it-the-role-on-the-model-files"
PERSON = "scientist-setup/let-yourself-read-the-model-files@dev"


@pytest.fixture
def person(newcomer: Attendee, practice_cloud: PracticeCloud, snapshots: Snapshots) -> Attendee:
    """A person with the Machine Learning workspace of dev."""

    def make() -> None:
        practice_cloud.control.settings(user=seed.ATTENDEE.name)
        practice_cloud.register_providers()
        assert newcomer.solve("set-up", f"{LEARNING}@dev").results[f"{LEARNING}@dev"].passed

    snapshots.prepare("member-with-machine-learning", practice_cloud, newcomer.root, make)
    return newcomer


def account(attendee: Attendee, environment: str = "dev") -> str:
    names = attendee.names(environment)
    return provider("Storage/storageAccounts", names.ml_storage_account, names.resource_group)


def given(cloud: PracticeCloud, path: str) -> list[tuple[str, str]]:
    """Return who has which role on the account itself."""
    arm = Arm(cloud, user_token(cloud))
    listed = arm.ask("GET", f"{path}/providers/Microsoft.Authorization/roleAssignments", version=VERSION)
    found: list[dict[str, Any]] = [each["properties"] for each in listed.json()["value"]]
    here = [each for each in found if str(each["scope"]).lower().endswith(path.lower())]
    return [(each["principalType"], each["roleDefinitionId"].rpartition("/")[2]) for each in here]


@pytest.mark.slow
def test_the_service_principal_gets_its_role_in_each_environment_and_loses_it(
    person: Attendee, practice_cloud: PracticeCloud
) -> None:
    seen = person.solve(PROGRAM)
    for environment in ("dev", "pipeline"):
        assert seen.results[f"{PROGRAM}@{environment}"].passed
        path = account(person, environment)
        assert given(practice_cloud, path) == [("ServicePrincipal", roles.STORAGE_BLOB_DATA_CONTRIBUTOR)]
    assert person.teardown(PROGRAM).all_passed()
    assert given(practice_cloud, account(person)) == []
    assert person.plan_teardown(PROGRAM) == {}


@pytest.mark.slow
def test_the_attendee_may_read_and_no_more(person: Attendee, practice_cloud: PracticeCloud) -> None:
    assert model_files.you_may_read(context_of(person, PERSON)).status is Status.FAILED
    model_files.let_yourself_read(context_of(person, PERSON))
    assert model_files.you_may_read(context_of(person, PERSON)).passed
    assert given(practice_cloud, account(person)) == [("User", roles.STORAGE_BLOB_DATA_READER)]
    model_files.take_back_reading(context_of(person, PERSON))
    assert given(practice_cloud, account(person)) == []


@pytest.mark.slow
def test_who_may_write_may_read(person: Attendee, practice_cloud: PracticeCloud) -> None:
    arm = Arm(practice_cloud, user_token(practice_cloud))
    give(arm, account(person), roles.STORAGE_BLOB_DATA_CONTRIBUTOR, seed.ATTENDEE.id)
    assert model_files.you_may_read(context_of(person, PERSON)).passed
    model_files.let_yourself_read(context_of(person, PERSON))
    assert given(practice_cloud, account(person)) == [("User", roles.STORAGE_BLOB_DATA_CONTRIBUTOR)]


def test_without_the_account_the_step_that_makes_it_is_named(attendee: Attendee) -> None:
    for ask in (model_files.you_may_read, model_files.let_yourself_read):
        with pytest.raises(NotFoundError) as caught:
            ask(context_of(attendee, PERSON))
        assert "workspace-resources/add-a-machine-learning-workspace" in caught.value.hint
