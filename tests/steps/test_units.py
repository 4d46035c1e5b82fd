"""The parts of the steps that need no cloud, and what a plan decides over a cloud of a few dictionaries."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Status
from hol_wizard.errors import NotFoundError, ServiceError, UnreachableError
from hol_wizard.lab.inputs import INPUTS
from hol_wizard.lab.profile import Profile
from hol_wizard.paths import Home
from hol_wizard.resources.azure_resource import TAG, AzureResource
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.wanted import Wanted
from hol_wizard.services.context import Services
from hol_wizard.services.endpoints import Endpoints
from hol_wizard.steps.subscription import RIGHT, allows
from hol_wizard.wizard.facade import Wizard, open_wizard
from hol_wizard.wizard.solves import PlannedChange
from tests.steps.attendee import (
    DATABRICKS,
    DEFAULTS,
    GROUP,
    LAKE,
    LEARNING,
    NAMES,
    PROVIDERS,
    REGISTRY,
    SIGN_IN,
    SUBSCRIPTION,
    WHOLE,
)

# Rights


@pytest.mark.parametrize(
    ("permission", "allowed"),
    [
        ({"actions": ["*"]}, True),
        ({"actions": ["*/read"]}, False),
        ({"actions": ["Microsoft.Resources/*"]}, True),
        ({"actions": ["microsoft.resources/subscriptions/resourcegroups/WRITE"]}, True),
        ({"actions": ["Microsoft.Resources/subscriptions/resourceGroups/*"]}, True),
        ({"actions": ["MicrosoftXResources/*"]}, False),
        ({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}, True),
        ({"actions": ["*"], "notActions": ["*/write"]}, False),
        ({"actions": [], "dataActions": ["*"]}, False),
        ({}, False),
    ],
)
def test_an_action_is_allowed_that_some_pattern_names_and_none_takes_away(
    permission: Mapping[str, Any], allowed: bool
) -> None:
    assert allows(permission, RIGHT) is allowed


# Properties


@pytest.mark.parametrize(
    ("expected", "document", "actual", "met"),
    [
        ("westeurope", {"p": "West Europe"}, "West Europe", True),
        ("westeurope", {"p": "northeurope"}, "northeurope", False),
        (True, {"p": True}, "on", True),
        (True, {"p": False}, "off", False),
        (True, {"p": "true"}, "true", False),
        ("Cool", {}, "not set", False),
        ("Cool", {"p": None}, "not set", False),
        ("Cool", {"p": {"deeper": 1}}, "{'deeper': 1}", False),
    ],
)
def test_a_property_is_compared_as_azure_writes_it(
    expected: str | bool, document: dict[str, Any], actual: str, met: bool
) -> None:
    seen = Wanted("Thing", ("p",), expected).seen_in(document)
    assert (seen.actual, seen.met) == (actual, met)


def test_what_azure_leaves_out_means_what_azure_says_it_means() -> None:
    wanted = Wanted("Hierarchical namespace", ("properties", "isHnsEnabled"), expected=False, missing_means=False)
    assert wanted.seen_in({"properties": {}}).met
    assert wanted.seen_in({}).met
    assert wanted.seen_in({"properties": "odd"}).met
    assert not wanted.seen_in({"properties": {"isHnsEnabled": True}}).met


# What a plan decides


class FakeOperation:
    """An operation that goes on, is over, or failed."""

    def __init__(self, ends: Exception | bool) -> None:
        self._ends = ends
        self.done = False
        self.url = "https://fake/operation"
        self.retry_after = 0.0

    def poll(self) -> None:
        if isinstance(self._ends, Exception):
            raise self._ends
        self.done = self._ends


class FakeArm:
    """Resource Manager as a dictionary; keeps what it is asked."""

    poll_interval = 0.01

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.taken = ""
        self.operation_ends: Exception | bool = False
        self.asked: list[str] = []

    def find(self, path: str) -> dict[str, Any] | None:
        self.asked.append(f"GET {path}")
        return self.documents.get(path)

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        self.asked.append(f"POST {path}")
        return {"nameAvailable": False, "message": self.taken} if self.taken else {"nameAvailable": True}

    def operation(self, url: str) -> FakeOperation:
        self.asked.append(f"GET {url}")
        return FakeOperation(self.operation_ends)


GUID = "00000000-0000-0000-0000-000000000001"

THING = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Fake/things/thing"


def thing(context: StepContext) -> AzureResource:
    return AzureResource(
        context,
        kind="Thing",
        path=THING,
        body={"location": "westeurope"},
        wanted=(
            Wanted("Region", ("location",), "westeurope"),
            Wanted("Tier", ("properties", "tier"), "Cool", changeable=True),
        ),
        usually=10,
        cost="a fee",
        availability="Microsoft.Fake/things",
    )


def endpoints() -> Endpoints:
    return Endpoints(
        name="fake",
        resource_manager="https://fake",
        active_directory="https://fake",
        microsoft_graph="https://fake",
        management_audience="a",
        graph_audience="a",
        key_vault_audience="a",
        storage_audience="a",
        storage_suffix="s",
        key_vault_suffix="k",
        portal="https://fake/portal",
    )


@pytest.fixture
def arm() -> FakeArm:
    return FakeArm()


@pytest.fixture
def context(arm: FakeArm, tmp_path: Path) -> StepContext:
    profile = Profile("default", "practice", tmp_path / "default.toml")
    profile.change(prefix="practice", location="westeurope", alias="me", subscription=GUID)
    return StepContext(
        target="section/step",
        environment=None,
        profile=profile,
        services=Services(endpoints()).replace(arm=arm),
        reads=ReadCache(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        reporter=Reporter("section/step", lambda event: None, threading.Event()),
        inputs={},
    )


def document(context: StepContext, *, tier: str = "Cool", state: str = "Succeeded", tagged: bool = True) -> Any:
    tags = {TAG: context.profile.choices.lab_id} if tagged else {}
    return {
        "id": THING,
        "location": "westeurope",
        "tags": tags,
        "properties": {"tier": tier, "provisioningState": state},
    }


def planned(context: StepContext) -> tuple[str, str]:
    (change,) = ownership.plan(thing(context))
    return change.verb, change.note


def test_what_is_missing_is_created_and_its_cost_and_time_are_told(context: StepContext) -> None:
    (change,) = ownership.plan(thing(context))
    assert (change.verb, change.cost, change.seconds, change.where) == ("create", "a fee", 10, "g, westeurope")


def test_a_taken_name_is_a_conflict_in_the_services_words(context: StepContext, arm: FakeArm) -> None:
    arm.taken = "somebody has it"
    assert planned(context) == ("conflict", "Thing thing cannot be created: somebody has it")


def test_what_fits_is_left_as_it_is(context: StepContext, arm: FakeArm) -> None:
    arm.documents[THING] = document(context, tagged=False)
    assert planned(context) == ("leave", "exists and fits")


def test_what_is_being_made_is_waited_for(context: StepContext, arm: FakeArm) -> None:
    arm.documents[THING] = document(context, state="Creating")
    assert planned(context) == ("adopt", "it is being created (Creating); the wizard waits for it")


def test_a_misfit_of_somebody_elses_is_a_conflict_and_one_of_ours_is_changed(
    context: StepContext, arm: FakeArm
) -> None:
    arm.documents[THING] = document(context, tier="Hot", tagged=False)
    assert planned(context) == ("conflict", "Tier is Hot, not Cool")
    arm.documents[THING] = document(context, tier="Hot")
    assert "the ledger does not name it" in planned(_again(context))[1]
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    assert planned(_again(context)) == ("change", "Tier: Hot → Cool")
    arm.documents[THING] = document(context, tier="Hot", tagged=False)
    assert ownership.plan(thing(_again(context)))[0].verb == "conflict"


def test_a_failed_one_of_ours_is_tried_again_and_another_is_a_conflict(context: StepContext, arm: FakeArm) -> None:
    arm.documents[THING] = document(context, state="Failed", tagged=False)
    assert planned(context) == ("conflict", "Provisioning state is Failed, not Succeeded")
    arm.documents[THING] = document(context, state="Failed")
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    assert planned(_again(context)) == ("change", "Provisioning state: Failed → Succeeded")


def test_an_operation_that_was_begun_is_gone_on_with_and_no_name_is_asked_for(
    context: StepContext, arm: FakeArm
) -> None:
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    context.ledger.write(Fact.OPERATION, context.target, THING, "Thing", "https://fake/operation")
    assert planned(context)[0] == "leave"
    assert not [asked for asked in arm.asked if asked.startswith("POST")]


@pytest.mark.parametrize(
    ("ends", "status", "words"),
    [
        (False, Status.WAITING, "is being created"),
        (True, Status.FAILED, "does not exist"),
        (NotFoundError("gone"), Status.FAILED, "does not exist"),
        (ServiceError("No capacity.", code="SkuCapacity"), Status.FAILED, "could not be created: No capacity."),
    ],
)
def test_what_cannot_be_seen_yet_is_judged_by_its_operation(
    context: StepContext, arm: FakeArm, ends: Exception | bool, status: Status, words: str
) -> None:
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    context.ledger.write(Fact.OPERATION, context.target, THING, "Thing", "https://fake/operation")
    arm.operation_ends = ends
    result = ownership.check(thing(context))
    assert result.status is status
    assert words in result.summary


def test_an_operation_that_cannot_be_asked_about_says_nothing_about_the_resource(
    context: StepContext, arm: FakeArm
) -> None:
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    context.ledger.write(Fact.OPERATION, context.target, THING, "Thing", "https://fake/operation")
    arm.operation_ends = UnreachableError("nobody answers")
    with pytest.raises(UnreachableError):
        ownership.check(thing(context))
    with pytest.raises(UnreachableError):
        ownership.solve(thing(context))
    assert [entry.fact for entry in context.ledger.entries()] == [Fact.INTENT, Fact.OPERATION]


def test_a_removal_knows_ours_from_what_lost_its_tag_and_from_what_is_still_being_made(
    context: StepContext, arm: FakeArm
) -> None:
    arm.documents[THING] = document(context)
    assert ownership.plan_undo(thing(context)) == ()
    context.ledger.write(Fact.INTENT, context.target, THING, "Thing")
    assert [change.verb for change in ownership.plan_undo(thing(context))] == ["delete"]
    arm.documents[THING] = document(context, tagged=False)
    assert [change.verb for change in ownership.plan_undo(thing(context))] == ["leave"]
    del arm.documents[THING]
    assert ownership.plan_undo(thing(context)) == ()
    context.ledger.write(Fact.OPERATION, context.target, THING, "Thing", "https://fake/operation")
    (change,) = ownership.plan_undo(thing(context))
    assert (change.verb, "being created" in change.note) == ("delete", True)


def _again(context: StepContext) -> StepContext:
    from dataclasses import replace

    return replace(context, reads=ReadCache())


# The graph of the real lab


@pytest.fixture
def wizard(tmp_path: Path) -> Wizard:
    return fresh(tmp_path)


def fresh(root: Path, **defaults: str) -> Wizard:
    def unreachable() -> Endpoints:
        raise AssertionError("nobody is asked")

    return open_wizard(
        home=Home(root / "config", root / "state"),
        cloud="practice",
        profile="default",
        connect=unreachable,
        flags={},
        environ={},
        defaults=defaults,
    )


def needs(wizard: Wizard, key: str) -> set[str]:
    return {target.key for target in wizard.with_needs([wizard.target(key)])} - {key}


def test_a_step_of_one_environment_needs_the_group_of_that_environment(wizard: Wizard) -> None:
    for environment in ("dev", "pipeline"):
        assert f"{GROUP}@{environment}" in wizard.graph.needs(wizard.target(f"{LAKE}@{environment}"))
        other = "pipeline" if environment == "dev" else "dev"
        assert f"{GROUP}@{other}" not in wizard.graph.needs(wizard.target(f"{LAKE}@{environment}"))
    assert f"{GROUP}@prod" in wizard.graph.needs(wizard.target(f"{REGISTRY}@prod"))
    assert PROVIDERS in wizard.graph.needs(wizard.target(f"{DATABRICKS}@dev"))


def test_needs_are_followed_to_the_beginning_and_stand_in_the_order_of_the_lab(wizard: Wizard) -> None:
    everything = [target.key for target in wizard.targets()]
    for target in wizard.targets():
        needed = [each.key for each in wizard.with_needs([target])]
        assert needed == sorted(needed, key=everything.index)
        assert needed[-1] == target.key
    assert needs(wizard, f"{REGISTRY}@prod") >= {NAMES, SIGN_IN, SUBSCRIPTION, PROVIDERS, f"{GROUP}@prod"}
    assert needs(wizard, NAMES) == set()
    section = wizard.targets(["workspace-resources"])
    assert tuple(target.key for target in wizard.with_needs(section)) == WHOLE


def test_nothing_of_another_environment_is_needed_by_a_step_of_one(wizard: Wizard) -> None:
    for step in (LEARNING, LAKE, DATABRICKS):
        assert not {
            key for key in wizard.graph.needs(wizard.target(f"{step}@dev")) if key.endswith(("@pipeline", "@prod"))
        }


def test_the_prerequisites_of_a_section_are_only_what_its_steps_need(wizard: Wizard) -> None:
    before = wizard.prerequisites(wizard.find_section("resource-groups"))
    assert {target.key for target in before} == {NAMES, SIGN_IN, SUBSCRIPTION}
    devops = wizard.prerequisites(wizard.find_section("devops-project"))
    assert {target.step.section for target in devops} == {"set-up", "tools"}
    assert {target.step.id for target in devops if target.step.section == "tools"} == {"git"}
    assert wizard.prerequisites(wizard.find_section("set-up")) == ()


def test_missing_inputs_are_those_without_value_and_default_and_not_found_by_themselves(tmp_path: Path) -> None:
    bare = fresh(tmp_path)
    targets = bare.with_needs(bare.targets(["resource-groups"]))
    assert [each.name for each in bare.answers.missing(targets)] == ["prefix", "location", "alias"]
    assert [name for name, each in INPUTS.items() if not each.required] == [
        "subscription",
        "devops_sign_in",
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
    ]
    assert fresh(tmp_path, **DEFAULTS).answers.missing(targets) == ()
    assert bare.answers.missing(bare.targets(["tools"])) == ()
    bare.profile.change(prefix="mine")
    assert [each.name for each in bare.answers.missing(targets)] == ["location", "alias"]


def test_names_are_shown_before_they_are_chosen(tmp_path: Path) -> None:
    shown = fresh(tmp_path).name_preview("mine")
    assert len(shown) == len(set(shown))
    assert {environment for environment, _, _ in shown} == {"dev", "pipeline", "prod"}
    assert ("dev", "Resource group", "mine-db-dev") in shown
    assert all("mine" in name for _, _, name in shown)
    assert ("prod", "Container registry", "mineacr?????") in shown


def checked(wizard: Wizard) -> dict[str, Status]:
    """Return the last results without those of the steps that are confirmed: these are known without a check."""
    return {key: each for key, each in wizard.last_results().items() if not wizard.target(key).step.confirm}


def test_making_a_wizard_and_asking_about_texts_reaches_nobody(tmp_path: Path) -> None:
    wizard = fresh(tmp_path, **DEFAULTS)
    target = wizard.target(f"{GROUP}@dev")
    assert wizard.text("{resource_group}", target.environment) == "practice-db-dev"
    assert wizard.portal_url(target) == ""
    wizard.profile.change(subscription=GUID)
    assert "practice-db-dev" in wizard.portal_url(target)
    assert wizard.where() == f"cloud practice · profile default · {GUID}"
    assert checked(wizard) == {}
    assert wizard.input_problem("prefix", "Not A Prefix!")
    assert wizard.input_problem("prefix", "fine") == ""
    assert PlannedChange.__slots__


def test_a_broken_progress_file_is_no_progress(tmp_path: Path) -> None:
    wizard = fresh(tmp_path)
    path = wizard.home.progress_file("practice", "default")
    path.parent.mkdir(parents=True)
    for text in (
        "",
        "{",
        "[]",
        '{"version": 1, "steps": []}',
        '{"version": 1, "steps": {"x": 1, "set-up/sign-in": {"status": "odd"}}}',
        '{"version": 1, "steps": {"tools/git": {"status": []}}}',
        '{"version": 2, "steps": {"tools/git": {"status": "passed"}}}',
    ):
        path.write_text(text, encoding="utf-8")
        assert checked(wizard) == {}
    path.write_text('{"version": 1, "steps": {"set-up/sign-in": {"status": "passed"}}}', encoding="utf-8")
    assert checked(wizard) == {"set-up/sign-in": Status.PASSED}
