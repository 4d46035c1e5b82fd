"""The secrets in a vault, over a vault that is played here: what is written, kept, recovered, removed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from hol_wizard.engine.events import Event, Said
from hol_wizard.engine.ledger import Fact, Ledger
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Status
from hol_wizard.errors import AccessDeniedError, ConflictError, UnreachableError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.profile import Profile
from hol_wizard.resources import vault_secret as vault
from hol_wizard.resources.azure_resource import TAG
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.key_vault import vault_id
from hol_wizard.resources.vault_secret import State, VaultSecret, Wanted, known
from hol_wizard.services.context import Services
from hol_wizard.services.key_vault import Content, Item
from hol_wizard.services.secrets import Secret
from tests.steps.test_units import GUID
from tests.unit.services.places import CLOUD

URI = "https://vault.test.invalid/"
CANARY = "canary-value-1"
WANTED = (known("alg-state", "dev"), Wanted("sp-password", Secret(CANARY), "Make one first."))


@dataclass
class Kept:
    """One secret of the played vault."""

    value: str
    tags: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False
    versions: int = 1


@dataclass
class PlayedVault:
    """Key Vault's data plane, in memory."""

    kept: dict[str, Kept] = field(default_factory=dict)
    refuses: dict[str, list[WizardError]] = field(default_factory=dict)
    """Errors by method; the last one stays."""
    asked: list[str] = field(default_factory=list)

    def _ask(self, method: str, name: str = "") -> None:
        self.asked.append(f"{method} {name}".strip())
        errors = self.refuses.get(method)
        if errors:
            raise errors[0] if len(errors) == 1 else errors.pop(0)

    def _there(self, name: str) -> Kept | None:
        found = self.kept.get(name)
        return found if found and not found.deleted else None

    def items(self, uri: str) -> tuple[Item, ...]:
        assert uri == URI
        self._ask("items")
        return tuple(Item(name, tags=kept.tags) for name, kept in self.kept.items() if not kept.deleted)

    def names(self, uri: str) -> tuple[str, ...]:
        return tuple(item.name for item in self.items(uri))

    def read(self, uri: str, name: str) -> Content | None:
        self._ask("read", name)
        found = self._there(name)
        return Content(Item(name, tags=found.tags), Secret(found.value)) if found else None

    def set(self, uri: str, name: str, secret: Secret, *, tags: Mapping[str, str] | None = None) -> None:
        self._ask("set", name)
        found = self.kept.get(name)
        if found and found.deleted:
            raise ConflictError("It is deleted.", code="ObjectIsDeletedButRecoverable")
        self.kept[name] = Kept(secret.reveal(), dict(tags or {}), versions=found.versions + 1 if found else 1)

    def delete(self, uri: str, name: str) -> bool:
        self._ask("delete", name)
        found = self._there(name)
        if found:
            found.deleted = True
        return found is not None

    def deleted(self, uri: str, name: str) -> Item | None:
        self._ask("deleted", name)
        found = self.kept.get(name)
        return Item(name, tags=found.tags) if found and found.deleted else None

    def recover(self, uri: str, name: str) -> bool:
        self._ask("recover", name)
        self.kept[name].deleted = False
        return True

    def purge(self, uri: str, name: str) -> bool:
        self._ask("purge", name)
        found = self.kept.get(name)
        if found and found.deleted:
            del self.kept[name]
        return found is not None

    @property
    def writes(self) -> list[str]:
        return [each for each in self.asked if each.split()[0] in {"set", "delete", "recover", "purge"}]


@dataclass
class PlayedArm:
    """Resource Manager, of which only the vault is asked."""

    vault: dict[str, Any] | None
    names: list[str] = field(default_factory=list)
    poll_interval = 0.01

    def find(self, resource_id: str) -> dict[str, Any] | None:
        return self.vault

    def list(self, path: str) -> list[dict[str, Any]]:
        assert path.endswith("/secrets")
        return [{"name": name} for name in self.names]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VaultSecret, "patience", 0.3)


@pytest.fixture
def played() -> PlayedVault:
    return PlayedVault()


@pytest.fixture
def said() -> list[Event]:
    return []


@pytest.fixture
def context(played: PlayedVault, said: list[Event], tmp_path: Path) -> StepContext:
    profile = Profile("default", "practice", tmp_path / "default.toml")
    profile.change(prefix="practice", location="westeurope", alias="me", subscription=GUID)
    arm = PlayedArm({"properties": {"vaultUri": URI}, "tags": {TAG: profile.choices.lab_id}})
    return StepContext(
        target="secrets/some@dev",
        environment=Environment.DEV,
        profile=profile,
        services=Services(CLOUD).replace(arm=arm, key_vault=played),
        reads=ReadCache(),
        ledger=Ledger(tmp_path / "ledger.jsonl"),
        reporter=Reporter("secrets/some@dev", said.append, threading.Event()),
        inputs={},
    )


def again(context: StepContext) -> StepContext:
    """The next look: nothing is remembered."""
    return replace(context, reads=ReadCache())


def facts(context: StepContext, name: str) -> list[str]:
    return [str(entry.fact) for entry in context.ledger.entries() if entry.resource.endswith(f"/secrets/{name}")]


def states(context: StepContext) -> list[str]:
    return [each.actual for each in vault.look(again(context), WANTED, "the step").expectations]


def verbs(context: StepContext) -> list[str]:
    return [change.verb for change in vault.plan(lambda _: WANTED, ["a", "b"])(again(context))]


def ours(context: StepContext, value: str) -> Kept:
    return Kept(value, {TAG: context.profile.choices.lab_id})


def test_what_is_missing_is_written_once_and_told_without_its_value(
    context: StepContext, played: PlayedVault, said: list[Event]
) -> None:
    assert states(context) == ["missing", "missing"]
    assert verbs(context) == ["create", "create"]
    vault.write(context, WANTED)
    assert {name: kept.value for name, kept in played.kept.items()} == {"alg-state": "dev", "sp-password": CANARY}
    assert facts(context, "sp-password") == ["intent", "created"]
    result = vault.look(again(context), WANTED, "the step")
    assert result.passed
    assert "right values" in result.summary
    assert verbs(context) == ["leave", "leave"]
    vault.write(again(context), WANTED)
    assert sorted(played.writes) == ["set alg-state", "set sp-password"]
    everything = f"{said}{result}{context.ledger.path.read_text(encoding='utf-8')}"
    assert CANARY not in everything


def test_only_what_differs_gets_a_new_version(context: StepContext, played: PlayedVault) -> None:
    played.kept = {"alg-state": Kept("dev"), "sp-password": Kept("an old one", {"file-encoding": "utf-8"})}
    result = vault.look(again(context), WANTED, "the step")
    assert (result.status, states(context)) == (Status.FAILED, ["set", "differs"])
    assert "sp-password (differs)" in result.summary
    assert "an old one" not in str(result)
    assert verbs(context) == ["leave", "change"]
    vault.write(context, WANTED)
    assert played.writes == ["set sp-password"]
    assert played.kept["sp-password"].versions == 2
    assert played.kept["sp-password"].tags == {"file-encoding": "utf-8"}


def test_what_somebody_else_wrote_stays_at_a_teardown(context: StepContext, played: PlayedVault) -> None:
    played.kept = {"alg-state": Kept("dev"), "sp-password": Kept("an old one")}
    vault.write(context, WANTED)
    assert facts(context, "alg-state") == facts(context, "sp-password") == ["adopted"]
    assert vault.plan_removal(again(context)) == []
    vault.remove(again(context))
    assert set(played.kept) == {"alg-state", "sp-password"}


def test_a_kill_between_the_write_and_its_note_makes_nothing_twice(context: StepContext, played: PlayedVault) -> None:
    context.ledger.write(Fact.INTENT, context.target, f"{vault_id(context)}/secrets/alg-state", VaultSecret.kind)
    played.kept = {"alg-state": ours(context, "dev")}
    vault.write(context, WANTED)
    assert played.writes == ["set sp-password"]
    assert facts(context, "alg-state") == ["intent", "created"]


def test_a_deleted_secret_is_recovered_before_it_is_set(context: StepContext, played: PlayedVault) -> None:
    played.kept = {"alg-state": Kept("dev", deleted=True), "sp-password": Kept("an old one", deleted=True)}
    assert states(context) == ["missing", "missing"]
    assert verbs(context) == ["adopt", "adopt"]
    vault.write(context, WANTED)
    assert sorted(played.writes) == ["recover alg-state", "recover sp-password", "set sp-password"]
    assert states(context) == ["set", "set"]
    assert facts(context, "alg-state") == ["intent", "withdrawn", "adopted"]
    assert [change.verb for change in vault.plan_removal(again(context))] == []


def test_a_deletion_that_ends_only_now_is_recovered_on_the_way(context: StepContext, played: PlayedVault) -> None:
    busy = ConflictError("It is being deleted.", code="ObjectIsBeingDeleted")
    gone = ConflictError("It is deleted.", code="ObjectIsDeletedButRecoverable")
    played.kept = {"alg-state": Kept("dev", deleted=True)}
    played.refuses = {"set": [busy, gone, busy]}

    def relent(uri: str, name: str) -> bool:
        played.refuses.clear()
        return PlayedVault.recover(played, uri, name)

    played.deleted = lambda uri, name: None  # type: ignore[method-assign]
    played.recover = relent  # type: ignore[method-assign]
    vault.write(context, WANTED[:1])
    assert states(context)[0] == "set"


def test_a_value_that_nobody_here_knows_is_left_alone_or_asked_for(context: StepContext, played: PlayedVault) -> None:
    unknown = (Wanted("sp-password", None, "Make one first."),)
    result = vault.look(again(context), unknown, "the step")
    assert (result.status, result.next_action) == (Status.FAILED, "Make one first.")
    (change,) = vault.plan(lambda _: unknown, [])(again(context))
    assert change.verb == "conflict"
    assert change.note.endswith("Make one first.")
    with pytest.raises(ConflictError, match="not known here"):
        vault.write(context, unknown)
    played.kept = {"sp-password": Kept("set by hand")}
    result = vault.look(again(context), unknown, "the step")
    assert result.passed
    assert "cannot compare sp-password" in result.summary
    vault.write(again(context), unknown)
    assert played.writes == []


def test_a_disabled_secret_is_set_anew(context: StepContext, played: PlayedVault) -> None:
    played.kept = {"alg-state": Kept("dev")}
    played.refuses = {"read": [ConflictError("It is disabled.", code="SecretDisabled")]}
    assert states(context) == ["disabled", "missing"]
    vault.write(context, WANTED[:1])
    assert played.writes == ["set alg-state"]


def test_where_values_may_not_be_read_names_alone_are_no_proof(context: StepContext, played: PlayedVault) -> None:
    refusal = AccessDeniedError("Not allowed.", "Get the policy.", code="AccessDenied")
    played.refuses = {"read": [refusal]}
    arm: Any = context.services.arm
    arm.names = ["alg-state", "sp-password", "other"]
    result = vault.look(again(context), WANTED, "the step")
    assert (result.status, result.next_action) == (Status.UNKNOWN, "Get the policy.")
    assert [each.actual for each in result.expectations] == ["set, not readable"] * 2
    arm.names = ["alg-state"]
    result = vault.look(again(context), WANTED, "the step")
    assert (result.status, result.expectations[1].actual) == (Status.FAILED, "missing")


def test_a_policy_that_comes_and_goes_is_waited_for(context: StepContext, played: PlayedVault) -> None:
    refusal = AccessDeniedError("Not allowed.", code="AccessDenied")
    played.refuses = {"read": [refusal, refusal]}
    threading.Timer(0.05, played.refuses.clear).start()
    vault.write(context, WANTED)
    assert set(played.kept) == {"alg-state", "sp-password"}
    played.refuses = {"read": [AccessDeniedError("The firewall.", code="ForbiddenByFirewall")]}
    with pytest.raises(AccessDeniedError, match="firewall"):
        vault.write(again(context), WANTED)


def test_what_the_step_wrote_is_deleted_purged_and_noted(context: StepContext, played: PlayedVault) -> None:
    vault.write(context, WANTED)
    played.kept["other"] = Kept("somebody's")
    assert [(change.verb, change.name) for change in vault.plan_removal(again(context))] == [
        ("delete", "alg-state"),
        ("delete", "sp-password"),
    ]
    vault.remove(again(context))
    assert set(played.kept) == {"other"}
    assert facts(context, "sp-password") == ["intent", "created", "deleted"]
    assert vault.plan_removal(again(context)) == []
    vault.write(again(context), WANTED)
    assert played.kept["alg-state"].versions == 1


def test_a_teardown_goes_on_where_a_kill_left_secrets_deleted_but_not_purged(
    context: StepContext, played: PlayedVault
) -> None:
    vault.write(context, WANTED)
    played.kept["alg-state"].deleted = True
    assert [change.verb for change in vault.plan_removal(again(context))] == ["purge", "delete"]
    played.refuses = {"purge": [ConflictError("Busy.", code="ObjectIsBeingDeleted")]}
    threading.Timer(0.05, played.refuses.clear).start()
    vault.remove(again(context))
    assert played.kept == {}


def test_what_was_set_anew_by_hand_is_left_alone(context: StepContext, played: PlayedVault) -> None:
    vault.write(context, WANTED)
    played.kept["alg-state"] = Kept("by hand")
    assert [(change.verb, change.name) for change in vault.plan_removal(again(context))] == [
        ("leave", "alg-state"),
        ("delete", "sp-password"),
    ]
    vault.remove(again(context))
    assert set(played.kept) == {"alg-state"}
    assert facts(context, "alg-state") == ["intent", "created", "left"]


def test_with_the_vault_its_secrets_are_gone(context: StepContext) -> None:
    vault.write(context, WANTED)
    arm: Any = context.services.arm
    arm.vault = None
    assert vault.plan_removal(again(context)) == []
    vault.remove(again(context))
    assert context.ledger.standing() == ()


@pytest.mark.parametrize("error", [AccessDeniedError("No.", code="AccessDenied"), UnreachableError("Away.")])
def test_a_teardown_does_not_stop_at_a_vault_that_lets_nobody_in(
    context: StepContext, played: PlayedVault, error: WizardError
) -> None:
    vault.write(context, WANTED)
    context.ledger.write(Fact.INTENT, "workspace-resources/x", vault_id(context), "Key vault")
    played.refuses = {"read": [error]}
    changes = vault.plan_removal(again(context))
    assert {change.verb for change in changes} == {"leave"}
    assert all(f"it is deleted together with Key vault {context.here.key_vault}" in each.note for each in changes)
    vault.remove(again(context))
    assert len(context.ledger.standing()) == 3


def test_secrets_in_a_closed_vault_of_somebody_else_are_told(context: StepContext, played: PlayedVault) -> None:
    vault.write(context, WANTED)
    played.refuses = {"read": [AccessDeniedError("No.", code="AccessDenied")]}
    arm: Any = context.services.arm
    arm.vault["tags"] = {}
    told = vault.plan_removal(again(context))
    assert {(each.verb, each.note) for each in told} == {("unclear", "cannot tell whether it exists: No.")}
    with pytest.raises(AccessDeniedError):
        vault.remove(again(context))
    assert len(context.ledger.standing()) == 2
    played.refuses = {"read": [UnreachableError("Away.")]}
    with pytest.raises(UnreachableError):
        vault.plan_removal(again(context))


def test_where_purging_is_forbidden_a_deleted_secret_counts_as_gone(
    context: StepContext, played: PlayedVault, said: list[Event]
) -> None:
    vault.write(context, WANTED)
    played.refuses = {"purge": [AccessDeniedError("Not allowed.", code="AccessDenied")]}
    vault.remove(again(context))
    assert context.ledger.standing() == ()
    assert "is deleted permanently after its retention period" in "".join(
        event.text for event in said if isinstance(event, Said)
    )


def test_in_a_vault_protected_against_purging_nothing_is_purged(context: StepContext, played: PlayedVault) -> None:
    vault.write(context, WANTED)
    arm: Any = context.services.arm
    arm.vault["properties"]["enablePurgeProtection"] = True
    vault.remove(again(context))
    assert {kept.deleted for kept in played.kept.values()} == {True}
    assert context.ledger.standing() == ()


def test_a_plan_without_a_vault_names_what_would_be_written(context: StepContext) -> None:
    arm: Any = context.services.arm
    arm.vault = None

    def never(context: StepContext) -> tuple[Wanted, ...]:
        raise AssertionError("nobody is asked")

    assert [(change.verb, change.name) for change in vault.plan(never, ["a", "b"])(context)] == [
        ("create", "a"),
        ("create", "b"),
    ]


def test_states_that_are_good_need_no_deed() -> None:
    assert {State.SET, State.UNCOMPARED} == vault.GOOD
