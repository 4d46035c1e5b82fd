"""Section secrets: access policies, scope and what Databricks sees, over services that are played here."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hol_wizard.engine import ownership
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Status
from hol_wizard.errors import AccessDeniedError, ConflictError, NotFoundError, ServiceError, UnreachableError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.profile import Profile
from hol_wizard.practice.key_vault import access_policies
from hol_wizard.resources.azure_resource import TAG
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import vault_id
from hol_wizard.resources.secret_scope import KeyVaultScope
from hol_wizard.resources.workspace import workspace_id
from hol_wizard.services.context import Services
from hol_wizard.services.databricks.clusters import Cluster
from hol_wizard.services.databricks.secret_scopes import SecretScope
from hol_wizard.services.graph import Principal
from hol_wizard.steps import secret_reading, secret_values, secrets
from tests.steps.test_units import GUID
from tests.steps.test_vault import URI, Kept, PlayedVault
from tests.unit.services.places import CLOUD

HOST = "adb-1.2.test.invalid"
TEN = (*secret_values.DATA_LAKE, *secret_values.ML_WORKSPACE)
PERSON = Principal("object-1", "User", "me@test.invalid")
DATABRICKS = Principal("object-3", "ServicePrincipal", "Databricks")
ROBOT = Principal("object-2", "ServicePrincipal", "build-robot")


@dataclass
class PlayedArm:
    """Resource Manager: a vault with access policies and a workspace, all of them the lab's own."""

    context: StepContext | None = None
    gone: set[str] = field(default_factory=set)
    """Parts of ids that do not exist."""
    policies: list[dict[str, Any]] = field(default_factory=list)
    by_roles: bool = False
    """Whether the vault goes by roles."""
    sent: list[str] = field(default_factory=list)
    """What was changed: the ends of the paths."""
    poll_interval = 0.01

    def find(self, resource_id: str) -> dict[str, Any] | None:
        assert self.context is not None
        if any(part in resource_id for part in self.gone):
            return None
        tags = {TAG: self.context.profile.choices.lab_id}
        vault = {"accessPolicies": list(self.policies), "enableRbacAuthorization": self.by_roles}
        return {"properties": {"vaultUri": URI, "workspaceUrl": HOST, **vault}, "tags": tags}

    def put(self, path: str, body: dict[str, Any]) -> None:
        self.sent.append(path.rpartition("/vaults/")[2].partition("/")[2])
        sent = body["properties"]["accessPolicies"]
        self.policies = access_policies.changed(path.rpartition("/")[2], self.policies, sent)

    def list(self, path: str, **query: str) -> list[dict[str, Any]]:
        assert path.endswith("/secrets")
        return []

    def allow(self, principal: Principal | None, *permissions: str) -> None:
        """Give somebody an access policy by hand."""
        assert principal is not None
        self.policies.append({"objectId": principal.id.upper(), "permissions": {"secrets": [*permissions]}})


@dataclass
class PlayedGraph:
    """Microsoft Graph: who is signed in, and Databricks' own principal."""

    me: Principal = PERSON
    databricks: Principal | None = DATABRICKS

    def signed_in(self) -> Principal:
        return self.me

    def service_principal_of(self, app_id: str) -> Principal | None:
        assert app_id == "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
        return self.databricks


@dataclass
class PlayedWorkspace:
    """A Databricks workspace with secret scopes."""

    scopes: dict[str, SecretScope] = field(default_factory=dict)
    shown: Sequence[str] = TEN
    error: Exception | None = None
    refusal: Exception | None = None
    """Of what creates a scope."""
    asked: list[str] = field(default_factory=list)
    cluster: Cluster | None = None
    read: dict[str, str] = field(default_factory=dict)
    """What a notebook would read."""

    def me(self) -> None:
        """Whoever asks is let in."""
        if self.error:
            raise self.error

    def list_scopes(self) -> list[SecretScope]:
        if self.error:
            raise self.error
        return list(self.scopes.values())

    def create_scope(self, name: str, resource_id: str, dns_name: str, *, manage_principal: str) -> None:
        if self.refusal:
            raise self.refusal
        self.asked.append(f"create {name} for {manage_principal}")
        self.scopes[name] = SecretScope(name, "AZURE_KEYVAULT", resource_id, dns_name)

    def delete_scope(self, name: str) -> None:
        self.asked.append(f"delete {name}")
        del self.scopes[name]

    def clusters(self) -> tuple[Cluster, ...]:
        return (self.cluster,) if self.cluster else ()

    def run_command(self, cluster_id: str, python: str, *, seconds: float) -> str:
        """Run it for real, with a `dbutils` that reads what the workspace would."""
        assert seconds > 0
        assert self.cluster is not None
        assert cluster_id == self.cluster.id
        self.asked.append(python)
        if self.error:
            raise self.error
        found = SimpleNamespace(secrets=SimpleNamespace(get=lambda scope, key: self.read[key]))
        printed: list[str] = []
        exec(python, {"dbutils": found, "print": printed.append})  # noqa: S102 our own code, as the cluster runs it
        return "\n".join(["Some warning.", *printed])

    def list_secret_names(self, scope: str) -> list[str]:
        if self.error:
            raise self.error
        return list(self.shown)


class PlayedServices(Services):
    """Services with one workspace, whatever its address."""

    workspace: PlayedWorkspace

    def databricks(self, workspace_url: str, resource_id: str) -> Any:
        assert workspace_url == HOST
        return self.workspace


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    profile = Profile("default", "practice", tmp_path / "default.toml")
    profile.change(prefix="practice", location="westeurope", alias="me", subscription=GUID)
    services = PlayedServices(CLOUD).replace(arm=PlayedArm(), graph=PlayedGraph(), key_vault=PlayedVault())
    services.workspace = PlayedWorkspace()
    made = StepContext(
        target="secrets/some@dev",
        environment=Environment.DEV,
        profile=profile,
        services=services,
        reads=ReadCache(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        reporter=Reporter("secrets/some@dev", lambda event: None, threading.Event()),
        inputs={},
    )
    services.arm.context = made  # type: ignore[attr-defined]  # it is a played one
    services.arm.allow(DATABRICKS, "get", "list")  # type: ignore[attr-defined]
    return made


def again(context: StepContext) -> StepContext:
    """The next look: nothing is remembered."""
    return replace(context, reads=ReadCache())


def played(context: StepContext) -> tuple[Any, Any, Any, PlayedWorkspace]:
    """Return the played Resource Manager, Graph, vault and workspace."""
    services: Any = context.services
    return services.arm, services.graph, services.key_vault, services.workspace


def fitting(context: StepContext, **other: str) -> SecretScope:
    return replace(SecretScope("data-lake", "AZURE_KEYVAULT", vault_id(context), URI), **other)


def verbs(context: StepContext) -> list[str]:
    return [change.verb for change in ownership.plan(KeyVaultScope(again(context)))]


# Access policies

ALL_OF_THEM = ("Get", "List", "Set", "Delete", "Recover", "Purge")
"""As the portal spells them."""


def test_the_policy_to_write_is_that_of_whoever_is_signed_in(context: StepContext) -> None:
    arm, graph, vault, _ = played(context)
    assert secrets.you_may_write(context).status is Status.FAILED
    arm.allow(PERSON, *ALL_OF_THEM)
    assert secrets.you_may_write(again(context)).passed
    vault.refuses = {"items": [AccessDeniedError("No.", code="AccessDenied")]}
    assert secrets.you_may_write(again(context)).status is Status.WAITING
    vault.refuses = {"items": [AccessDeniedError("The firewall.", code="ForbiddenByFirewall")]}
    with pytest.raises(AccessDeniedError, match="firewall"):
        secrets.you_may_write(again(context))
    graph.me = ROBOT
    assert secrets.you_may_write(again(context)).status is Status.FAILED


@pytest.mark.parametrize(
    ("given", "passed"), [(("get", "list"), False), (("all",), False), (("all", "purge"), True), (("backup",), False)]
)
def test_a_policy_has_to_give_each_permission(context: StepContext, given: tuple[str, ...], passed: bool) -> None:
    arm, _, _, _ = played(context)
    arm.allow(PERSON, *given)
    result = secrets.you_may_write(context)
    assert result.passed is passed
    # Nothing follows the command, so that it can be pasted.
    assert passed or result.next_action.endswith("<solve>.")
    secrets.let_yourself_write(again(context))
    assert arm.sent == ([] if passed else ["accessPolicies/add"])


def test_a_policy_that_names_an_application_is_not_the_persons(context: StepContext) -> None:
    arm, _, _, _ = played(context)
    arm.allow(PERSON, *ALL_OF_THEM)
    arm.policies[-1]["applicationId"] = "some application"
    assert secrets.you_may_write(context).status is Status.FAILED


def test_what_this_step_gave_is_taken_back_spelled_as_it_is(context: StepContext) -> None:
    arm, graph, _, _ = played(context)
    secrets.let_yourself_write(context)
    arm.policies[-1]["permissions"]["secrets"] = ["Get", "list", "backup"]
    graph.me = ROBOT
    secrets.take_back_your_access(again(context))
    assert arm.sent == ["accessPolicies/add", "accessPolicies/remove"]
    kept = arm.policies[-1]
    assert (kept["objectId"], kept["permissions"]) == (PERSON.id, {"secrets": ["backup"]})


def test_a_policy_that_somebody_widened_to_all_stays(context: StepContext) -> None:
    arm, _, _, _ = played(context)
    secrets.let_yourself_write(context)
    arm.policies[-1]["permissions"]["secrets"] = ["all", "purge"]
    secrets.take_back_your_access(again(context))
    assert arm.sent == ["accessPolicies/add"]
    assert not context.ledger.standing()


def test_no_policy_is_added_to_a_vault_that_goes_by_roles(context: StepContext) -> None:
    arm, _, _, workspace = played(context)
    arm.by_roles = True
    for solve in (secrets.let_yourself_write, lambda context: ownership.solve(KeyVaultScope(context))):
        with pytest.raises(ConflictError, match="role-based access control") as caught:
            solve(again(context))
        assert "az keyvault update --name" in caught.value.hint
        assert "<step secrets/let-yourself-write-secrets>" in caught.value.hint
    assert (arm.sent, workspace.asked) == ([], [])


def test_without_a_vault_the_step_that_makes_it_is_named(context: StepContext) -> None:
    arm, _, _, _ = played(context)
    arm.gone = {"/vaults/"}
    for look in (secrets.you_may_write, secrets.let_yourself_write):
        with pytest.raises(NotFoundError) as caught:
            look(again(context))
        assert "workspace-resources/add-a-key-vault" in caught.value.hint
    arm.gone = {"/"}
    assert [change.verb for change in secrets._plan_writer(again(context))] == ["create"]
    assert verbs(context) == ["create"]


# Scope


def test_a_scope_is_made_for_all_users_over_exactly_this_vault(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    assert ownership.check(KeyVaultScope(again(context))).status is Status.FAILED
    assert verbs(context) == ["create"]
    ownership.solve(KeyVaultScope(again(context)))
    assert workspace.asked == ["create data-lake for users"]
    assert workspace.scopes["data-lake"] == fitting(context)
    assert ownership.check(KeyVaultScope(again(context))).passed
    assert verbs(context) == ["leave"]
    ownership.solve(KeyVaultScope(again(context)))
    assert workspace.asked == ["create data-lake for users"]
    assert [entry.fact for entry in context.ledger.entries()] == [Fact.INTENT, Fact.CREATED]


def test_a_scope_that_a_kill_left_unnoted_is_adopted(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    context.ledger.write(Fact.INTENT, context.target, KeyVaultScope(context).id, KeyVaultScope.kind)
    workspace.scopes = {"data-lake": fitting(context)}
    ownership.solve(KeyVaultScope(context))
    assert workspace.asked == []
    # Nobody can tell whose it is.
    assert not context.ledger.made(KeyVaultScope(context).id)


def test_a_fitting_scope_of_somebody_else_is_adopted_and_stays(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    workspace.scopes = {"data-lake": fitting(context, dns_name=URI.rstrip("/"))}
    ownership.solve(KeyVaultScope(context))
    assert [entry.fact for entry in context.ledger.entries()] == [Fact.ADOPTED]
    assert ownership.plan_undo(KeyVaultScope(again(context))) == ()
    ownership.undo(KeyVaultScope(context))
    assert workspace.asked == []


@pytest.mark.parametrize(
    "other",
    [
        {"backend": "DATABRICKS", "resource_id": "", "dns_name": ""},
        {"resource_id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/other-kv"},
        {"dns_name": "https://other.vault.test.invalid/"},
    ],
)
def test_a_scope_that_shows_something_else_is_not_ours_and_a_conflict(
    context: StepContext, other: dict[str, str]
) -> None:
    _, _, _, workspace = played(context)
    workspace.scopes = {"data-lake": fitting(context, **other)}
    result = ownership.check(KeyVaultScope(again(context)))
    assert result.status is Status.FAILED
    assert "databricks secrets delete-scope data-lake --profile dev" in result.next_action
    assert verbs(context) == ["conflict"]
    with pytest.raises(ConflictError, match="does not fit") as caught:
        ownership.solve(KeyVaultScope(again(context)))
    assert "delete-scope" in caught.value.hint
    assert workspace.asked == []


def test_a_scope_whose_databricks_lost_its_policy_gets_it_again(context: StepContext) -> None:
    arm, graph, _, workspace = played(context)
    ownership.solve(KeyVaultScope(again(context)))
    arm.policies.clear()
    result = ownership.check(KeyVaultScope(again(context)))
    assert [each.what for each in result.expectations if not each.met] == ["Secret permissions for AzureDatabricks"]
    assert "az keyvault set-policy" in result.next_action
    assert verbs(context) == ["change"]
    ownership.solve(KeyVaultScope(again(context)))
    assert ownership.check(KeyVaultScope(again(context))).passed
    assert (arm.sent, workspace.asked) == (["accessPolicies/add"], ["create data-lake for users"])
    for each in (None, graph.databricks):
        graph.databricks = each
        assert ownership.check(KeyVaultScope(again(context))).passed


def test_a_service_principal_is_told_beforehand_that_it_may_be_refused(context: StepContext) -> None:
    _, graph, _, workspace = played(context)
    graph.me = ROBOT
    result = ownership.check(KeyVaultScope(again(context)))
    assert (result.status, result.expectations[1].actual) == (Status.FAILED, "the service principal build-robot")
    assert "only a person can" in result.summary
    assert "<step set-up/sign-in>" in result.next_action
    (change,) = ownership.plan(KeyVaultScope(again(context)))
    assert (change.verb, "a service principal (build-robot)" in change.note) == ("create", True)
    refusal = "INVALID_PARAMETER_VALUE: Scope with Azure KeyVault must have userAADToken defined!"
    workspace.refusal = ServiceError("Databricks refuses.", detail=refusal)
    with pytest.raises(AccessDeniedError, match="not build-robot") as caught:
        ownership.solve(KeyVaultScope(again(context)))
    assert "<step set-up/sign-in>" in caught.value.hint
    assert caught.value.detail == refusal
    workspace.refusal = None
    ownership.solve(KeyVaultScope(again(context)))
    assert ownership.check(KeyVaultScope(again(context))).passed


def test_our_scope_is_deleted_and_what_another_made_of_it_is_not(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    ownership.solve(KeyVaultScope(again(context)))
    assert [change.verb for change in ownership.plan_undo(KeyVaultScope(again(context)))] == ["delete"]
    workspace.scopes = {"data-lake": fitting(context, resource_id="/other")}
    assert [change.verb for change in ownership.plan_undo(KeyVaultScope(again(context)))] == ["leave"]
    ownership.undo(KeyVaultScope(again(context)))
    assert "data-lake" in workspace.scopes
    workspace.scopes = {"data-lake": fitting(context)}
    ownership.undo(KeyVaultScope(again(context)))
    assert workspace.scopes == {}
    assert context.ledger.standing() == ()


def test_a_scope_goes_with_its_workspace(context: StepContext) -> None:
    arm, _, _, workspace = played(context)
    ownership.solve(KeyVaultScope(again(context)))
    workspace.error = UnreachableError("Away.")
    with pytest.raises(UnreachableError):
        ownership.plan_undo(KeyVaultScope(again(context)))
    context.ledger.write(Fact.INTENT, "workspace-resources/x", workspace_id(context), "Databricks workspace")
    (change,) = ownership.plan_undo(KeyVaultScope(again(context)))
    assert change.verb == "leave"
    assert change.note.startswith("it cannot be reached; it is deleted together with Databricks workspace")
    arm.gone = {"/Microsoft.Databricks/"}
    assert ownership.plan_undo(KeyVaultScope(again(context))) == ()
    ownership.undo(KeyVaultScope(again(context)))
    assert not context.ledger.made(KeyVaultScope(context).id)


# What Databricks sees


def running(state: str = "RUNNING") -> Cluster:
    return Cluster("1123-081500-abcd1234", "cpu", state, "", "", 120, "", "", True, (0, 0), 1)


def filled(context: StepContext) -> None:
    _, _, vault, workspace = played(context)
    values = {name: f"canary-{name}" for name in TEN}
    vault.kept = {name: Kept(value) for name, value in values.items()}
    workspace.read = dict(values)


def test_without_a_running_cluster_the_names_are_looked_at_and_that_is_said(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    filled(context)
    for workspace.cluster in (None, running("TERMINATED")):
        result = secrets.databricks_sees_the_secrets(again(context))
        assert result.passed
        assert result.expectations[-1].actual == "not tested: it is not running"
        assert "start-cluster" in result.next_action
    assert workspace.asked == []
    workspace.shown = TEN[1:]
    result = secrets.databricks_sees_the_secrets(again(context))
    assert (result.status, result.expectations[0].actual) == (Status.FAILED, "missing")


def test_a_running_cluster_proves_that_it_reads_the_secrets_and_shows_none(context: StepContext) -> None:
    _, _, _, workspace = played(context)
    filled(context)
    workspace.cluster = running()
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.passed
    assert [each.actual for each in result.expectations[10:]] == ["the same"] * 10
    first, second = workspace.asked[0], secrets.databricks_sees_the_secrets(again(context)) and workspace.asked[1]
    assert first != second
    assert "canary-" not in f"{result}{workspace.asked}"
    workspace.read["sp-password"] = "another"
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.status is Status.FAILED
    assert [each.what for each in result.expectations if not each.met] == ["sp-password on the cluster"]


def test_what_cannot_be_compared_is_said_to_be_read_only(context: StepContext) -> None:
    _, _, vault, workspace = played(context)
    filled(context)
    workspace.cluster = running()
    vault.refuses = {"read": [AccessDeniedError("No.", code="AccessDenied")]}
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.passed
    assert {each.actual for each in result.expectations[10:]} == {"read; the vault does not allow a comparison"}


@pytest.mark.parametrize(
    "error",
    [
        AccessDeniedError("Databricks may not read it.", detail="AKV: does not have secrets list permission"),
        ServiceError("Code failed.", detail="PERMISSION_DENIED: Invalid permissions on the specified KeyVault"),
        ServiceError("Code failed.", detail="DecisionReason: 'DeniedWithNoValidRBAC'"),
    ],
)
def test_a_refusal_to_databricks_is_traced_to_its_cause(context: StepContext, error: Exception) -> None:
    arm, _, _, workspace = played(context)
    workspace.error = error
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.status is Status.WAITING, "its policy is there, and may be young"
    arm.policies.clear()
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.status is Status.FAILED
    assert "<step secrets/create-the-secret-scope>" in result.next_action
    arm.by_roles = True
    result = secrets.databricks_sees_the_secrets(again(context))
    assert result.status is Status.FAILED
    assert "az keyvault update" in result.next_action
    workspace.error = AccessDeniedError("You are not known here.", detail="PERMISSION_DENIED")
    with pytest.raises(AccessDeniedError, match="not known"):
        secrets.databricks_sees_the_secrets(again(context))


def test_a_command_that_prints_something_else_proves_nothing(context: StepContext) -> None:
    assert secret_reading._proofs("no json\n[1]\n") == {}
    assert secret_reading._proofs('{"a": "1"}\n') == {"a": "1"}
