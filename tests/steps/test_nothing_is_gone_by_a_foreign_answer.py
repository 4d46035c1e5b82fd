"""What a teardown believes: answers that are not the service's own remove nothing from the ledger.

The table has a row for every step that can be undone, every service and method that its teardown uses, and every answer
that says nothing about the resource: a 404 that some machine in between sent, and each status of a busy service.
Steps come from the lab itself, services and methods from an undisturbed teardown: a new undo is in the table at once.
A service's busy statuses are read in one place. So they take turns at the steps: a service's reads meet two of them at
each step, and requests that change something one.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from hol_wizard.engine import runner
from hol_wizard.engine.results import Status
from hol_wizard.errors import WizardError
from hol_wizard.lab import select
from hol_wizard.lab.model import Target
from hol_wizard.practice import seed
from hol_wizard.services import rest, transport
from hol_wizard.services.error_rules import BUSY
from hol_wizard.services.secrets import Secret
from tests.practice_cloud import PracticeCloud
from tests.snapshots import Snapshots
from tests.steps.attendee import DEFAULTS, Attendee, the_lab
from tests.steps.author import review

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

LAST_SOLVED = 11
"""Number of the last section whose steps the attendee has done."""
APART = ("variable-group",)
"""Later sections that need none of those between, and are done, too."""
BUILT = [section.id for section in the_lab().sections if section.number <= LAST_SOLVED or section.id in APART]
WITHOUT_A_RUN = (
    *(
        f"build-pipeline/{step}"
        for step in ("find-an-agent", "read-the-pipeline-file", "create-the-pipeline", "check-the-trigger")
    ),
    *(
        f"release/{step}"
        for step in (
            *("create-the-release-variables", "create-the-environments"),
            *("ask-for-an-approval", "create-the-release-pipeline"),
        )
    ),
)
"""Steps of the sections on pipelines that need no run of them; they are done with the sections."""
BEYOND = ("pull-request/create-the-pull-request",)
"""Steps of later sections that the attendee has done, with what they need."""
LOOP = (
    "scientist-setup/let-yourself-read-the-model-files@dev",
    *("train", "inference-code", "build-container", "test-container"),
    *("pull-request/commit-and-push", "pull-request/create-the-pull-request"),
)
"""What the attendee has done when another person approves the pull request."""
COMPLETE = "pull-request/complete-the-pull-request"
CHOICES = {
    "devops_organization": "practice",
    "devops_users": seed.STRANGER.name,
    "token_in_profile": "yes",
}

FOREIGN: Mapping[str, Mapping[str, Any]] = {
    "404 page": {"status": 404, "form": "page", "message": "The page was not found"},
    "404 empty": {"status": 404, "form": "empty"},
    "404 PageNotFound": {"status": 404, "code": "PageNotFound", "message": "no such page"},
    **{f"{status} page": {"status": status, "form": "page", "message": "busy"} for status in (502, 504)},
    **{
        f"{status} ServiceBusy": {"status": status, "code": "ServiceBusy", "message": "busy"}
        for status in (408, 429, 500, 503)
    },
}
"""Answers that say nothing about the resource that was asked for, as fields of the fault `error`."""
NOT_FOUND = [name for name, answer in FOREIGN.items() if answer["status"] == 404]
BUSY_ANSWERS = [name for name, answer in FOREIGN.items() if answer["status"] != 404]


def answers(turn: int, method: str) -> list[str]:
    """Return the answers that a step's requests get; its turn decides about the busy statuses."""
    number = 2 if method == "GET" else 1
    return [*NOT_FOUND, *(BUSY_ANSWERS[(turn * number + each) % len(BUSY_ANSWERS)] for each in range(number))]


def undone() -> Iterator[Target]:
    """Yield one target for each step that a teardown undoes: what its other environments do is the same."""
    seen = set()
    for target in select.find_targets(the_lab(), ()):
        step = target.step
        solved = step.section in {*BUILT, "train"} or {target.key, step.key} & {*BEYOND, *WITHOUT_A_RUN}
        if step.undo and not step.keep and solved and (step.section, step.id) not in seen:
            seen.add((step.section, step.id))
            yield target


def rows() -> Iterator[Any]:
    """Yield the table's parameters."""
    for turn, target in enumerate(undone()):
        yield pytest.param(target.key, turn, id=target.key)


@dataclass
class Ground:
    """Somebody who has done all, and what puts it back."""

    attendee: Attendee
    cloud: PracticeCloud
    keyring: dict[str, Secret]
    snapshots: Snapshots
    name: str = "everything"
    """`beyond`: the steps of `BEYOND` are done, too, and a branch in a pull request is not deleted any more;
    `approved`: those of `LOOP` are, and another person has approved; `merged`: the pull request is completed."""

    def restore(self) -> None:
        """Have everything solved: by solving it the first time, from the snapshot later."""
        self.cloud.control.clear_faults()
        shutil.rmtree(self.attendee.root, ignore_errors=True)
        self.attendee.root.mkdir()
        self.snapshots.prepare(f"foreign-{self.name}", self.cloud, self.attendee.root, self._solve)
        self.keyring.clear()
        self.keyring.update(KEPT[self.name])

    def _solve(self) -> None:
        self.cloud.register_providers()
        self.cloud.control.settings(user=seed.ATTENDEE.name)
        more = {"everything": (), "beyond": BEYOND}.get(self.name, LOOP)
        seen = self.attendee.solve(*BUILT, *WITHOUT_A_RUN, *more)
        wanting = {
            key: result
            for key, result in seen.results.items()
            if result.status not in {Status.PASSED, Status.SKIPPED} and self.attendee.wizard().target(key).step.undo
        }
        assert not wanting
        if more is LOOP:
            review(self.cloud)
        if self.name == "merged":
            assert self.attendee.solve(COMPLETE).results[COMPLETE].passed
        KEPT[self.name] = dict(self.keyring)

    def deletions(self, key: str) -> set[str]:
        """Return the resources of a step that stand, as a plan names them."""
        planned = self.attendee.plan_teardown(key).get(key, [])
        return {change.resource or change.name for change in planned if change.verb in {"delete", "purge"}}

    def requests(self, since: int) -> set[tuple[str, str]]:
        """Return the services that were asked from this place of the log on, and how."""
        return {(str(each["service"]), str(each["method"])) for each in self.cloud.exchanges(since)}


def situation(key: str) -> str:
    """Return the name of the situation in which a step is looked at."""
    section = key.partition("/")[0]
    if key == COMPLETE:
        return "merged"
    if key in BEYOND:
        return "beyond"
    return "everything" if section in BUILT else "approved"


KEPT: dict[str, dict[str, Secret]] = {}
"""What the keyring has at each snapshot; snapshots keep files only."""


@pytest.fixture
def ground(
    newcomer: Attendee,
    practice_cloud: PracticeCloud,
    keyring: dict[str, Secret],
    snapshots: Snapshots,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Ground:
    # Whether a busy service is asked again is the business of other tests; here nobody waits for it.
    monkeypatch.setattr(transport, "BUSY_WAITS", ())
    monkeypatch.setattr(rest, "BUSY_WAITS", ())
    monkeypatch.setattr("hol_wizard.services.git.remote.BUSY_WAITS", ())
    monkeypatch.setattr(runner, "UNSURE_WAITS", ())
    # The answers here are not the service's own.
    practice_cloud.wrong_on_purpose(".")
    newcomer.root = newcomer.root / "attendee"
    newcomer.defaults = {**DEFAULTS, **CHOICES}
    callspec = getattr(request.node, "callspec", None)
    name = situation(str(callspec.params.get("key"))) if callspec is not None else "everything"
    if name in {"approved", "merged"}:
        request.getfixturevalue("runtime")
        # The engine of this machine is not a service of the cloud.
        monkeypatch.setenv("DOCKER_HOST", f"unix://{newcomer.root / 'no.sock'}")
    made = Ground(newcomer, practice_cloud, keyring, snapshots, name)
    made.restore()
    return made


def test_busy_is_every_status_that_is_tried() -> None:
    assert {row["status"] for row in FOREIGN.values()} - {404} == BUSY


ELSEWHERE = {
    "inference-code": "a text in the clone: no service is asked",
    "build-container": "an image of the engine on this machine, and texts in the clone: no service is asked",
    "test-container": "an image of the engine on this machine, and results in the clone: no service is asked",
    "release/release-to-qa": "a run needs the agent: tests/steps/test_release.py, and the contract",
    "build-pipeline/run-the-pipeline": "a run needs the agent: tests/steps/test_build_pipeline.py, and the contract",
}
"""Sections and steps with undos that are tested elsewhere, and why."""


def test_every_step_that_can_be_undone_is_known_here() -> None:
    """A step that can be undone and that the attendee does not solve would be left out without a word."""
    known = {*BUILT, "train", *ELSEWHERE, *BEYOND, *WITHOUT_A_RUN}
    left_out = {
        f"{step.section}/{step.id}"
        for section in the_lab().sections
        for step in section.steps
        if step.undo and not {step.section, f"{step.section}/{step.id}"} & known
    }
    assert not left_out


@pytest.mark.parametrize(("key", "turn"), list(rows()))
def test_nothing_is_gone_by_an_answer_that_is_not_the_services_own(ground: Ground, key: str, turn: int) -> None:
    attendee, cloud = ground.attendee, ground.cloud
    standing = ground.deletions(key)
    assert standing
    ledger = attendee.home.ledger_file("practice", attendee.profile)
    before = ledger.read_bytes()

    began = cloud.log_size()
    gone = attendee.teardown(key)
    assert gone.all_passed(), gone.results
    asked = sorted(ground.requests(began))
    assert not ground.deletions(key)
    ground.restore()
    assert ground.deletions(key) == standing

    wrong = []
    for service, method in asked:
        for name in answers(turn, method):
            row = f"{service} {method} {name}"
            # The subscription itself answers: without it a teardown does not even begin.
            path = "/resourcegroups/|/providers/" if service == "resource_manager" else ""
            cloud.control.fault("error", service=service, method=method, path=path, **FOREIGN[name])
            wrong += [f"{row}: {words}" for words in _untrue_in_the_plan(attendee, key, standing)]
            began = cloud.log_size()
            result = attendee.teardown(key).results[key]
            cloud.control.clear_faults()
            written = attendee.ledger()[before.count(b"\n") :]
            # What stands is what a plan finds that knows what the ledger knew before.
            ledger.write_bytes(before)
            # Without a word about a removal there is nothing to be held against what stands.
            left = ground.deletions(key) if written or result.passed else standing
            wrong += [
                f"{row}: {each['fact']} {each['resource']} {each.get('detail', '')}"
                for each in written
                if each["fact"] != "deleted" or each["resource"] in left
            ]
            if left and result.passed:
                wrong.append(f"{row}: passed, and {sorted(left)} stands: {result.summary}")
            if result.summary.startswith("Internal error in the wizard"):
                wrong.append(f"{row}: {result.summary} {result.detail}")
            if any(each["method"] != "GET" and each["status"] < 400 for each in cloud.exchanges(began)):
                ground.restore()
    assert wrong == []


def _untrue_in_the_plan(attendee: Attendee, key: str, standing: set[str]) -> list[str]:
    """Return what a plan leaves out that stands; it may also say that it cannot tell."""
    try:
        planned = attendee.plan_teardown(key).get(key, [])
    except WizardError:
        return []
    left_out = standing - {change.resource or change.name for change in planned}
    return [f"the plan leaves out {sorted(left_out)}"] if left_out else []
