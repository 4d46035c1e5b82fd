"""What a plan announces is what a solve does: for every step, in every state that a step can be in.

The steps are walked in the lab's order, in two halves. Each is planned and solved while it is untouched, done,
interrupted, half done, deleted behind the ledger's back, and while the service refuses every change. What was announced
is compared with the ledger's facts and with the requests that the practice cloud has carried out.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from hol_wizard.engine.events import Said
from hol_wizard.engine.registry import Change
from hol_wizard.engine.results import Status
from hol_wizard.services.secrets import Secret
from hol_wizard.wizard.solves import PlannedChange
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import DEFAULTS, Attendee, Seen, drain
from tests.steps.author import COMPLETE, review

READS = {"GET", "HEAD", "OPTIONS"}
QUERIES = (
    "/oauth2/v2.0/token",
    "/oauth2/v2.0/devicecode",
    # A registry's tokens.
    "/oauth2/exchange",
    "/oauth2/token",
    "/providers/microsoft.resourcegraph/resources",
    "/listkeys",
    "/checknameavailability",
    "/checkdomainavailability",
    "/getschema",
    # The YAML of a run that is not started.
    "/preview",
    "/git-upload-pack",
    # A look at the secrets of a scope runs a command on the cluster.
    "/api/1.2/contexts/create",
    "/api/1.2/commands/execute",
    "/api/1.2/contexts/destroy",
)
"""Ends of the paths whose POST changes nothing."""
BY_LOOKING = ("cluster/launch-the-workspace",)
"""Steps whose change the service makes on a GET: the first request of an Owner makes them an administrator."""
CHANGES = rf"^(?!.*({'|'.join(QUERIES)})(\?|$))"
"""Paths of requests that change something, as a fault of the practice cloud matches them."""
QUIET = {"leave", "conflict"}
SECOND_HALF = "inference-code/"
"""Where the steps are cut in two parts of about the same length, so that they can run beside each other."""


@dataclass
class Made:
    """What a solve has done."""

    writes: list[str]
    """Requests that changed something."""
    facts: list[dict[str, str]]
    """New in the ledger."""
    files: bool
    """Whether files of the person's changed."""

    def __bool__(self) -> bool:
        """Whether anything was done; noting what exists changes nothing."""
        return bool(self.writes or self.files or self.begun)

    @property
    def begun(self) -> list[dict[str, str]]:
        """What was begun; *created* without it only notes the end of what an earlier solve began."""
        return [each for each in self.facts if each["fact"] == "intent"]


@dataclass
class Walk:
    """What was found at each step, in words."""

    attendee: Attendee
    cloud: PracticeCloud
    found: list[str] = field(default_factory=list)

    def files(self) -> dict[str, str]:
        """Return what the person's files hold, without what only says what was seen or done."""
        roots = [self.attendee.root / "config", self.attendee.root / "home", self.cloud.state / "databrickscfg"]
        paths = [path for root in roots for path in ([root] if root.is_file() else root.rglob("*")) if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if ".git/" not in str(path)}

    def writes(self, since: int) -> list[str]:
        """Return the requests that changed something, as `METHOD path`."""
        return [
            f"{each['method']} {path}"
            for each in self.cloud.exchanges(since)
            if each["method"] not in READS
            and (each["status"] or 500) < 400
            and not (path := str(each["url"]).partition("?")[0].partition("://")[2].partition("/")[2].lower()).endswith(
                tuple(query.lstrip("/") for query in QUERIES)
            )
        ]

    def solve(self, key: str, state: str, *, refused: bool = False, stop_after: int = 0) -> None:
        """Plan and solve a step, and note where the two differ."""
        since = self.cloud.log_size()
        agreed = self.plan(key)
        if planned := self.writes(since):
            self.found.append(f"{key} ({state}): the plan itself sent {planned}")
        before, ledger, since = self.files(), len(self.attendee.ledger()), self.cloud.log_size()
        if refused:
            for method in ("PUT", "POST", "PATCH", "DELETE"):
                self.cloud.control.fault("error", method=method, path=CHANGES, status=403, code="Forbidden")
        seen = self.run(key, stop_after, agreed)
        if not stop_after and any(result.ask_again for result in seen.results.values()):
            seen = self.run(key, stop_after, self.plan(key))
        if refused:
            self.cloud.control.clear_faults()
        if not (refused or stop_after) and seen.statuses[key] not in {Status.PASSED, Status.SKIPPED}:
            self.found.append(f"{key} ({state}): not passed: {seen.results[key]}")
        made = Made(self.writes(since), self.attendee.ledger()[ledger:], before != self.files())
        self.compare(f"{key} ({state})", [each.change for each in agreed], made, partly=refused or bool(stop_after))

    def remove_unnoted(self, key: str) -> None:
        """Remove what a step made as somebody else does: the ledger does not know of it."""
        folder = self.attendee.home.ledger_file("practice", "default").parent
        kept = self.attendee.root / "kept"
        shutil.copytree(folder, kept)
        self.attendee.teardown(key)
        shutil.rmtree(folder)
        kept.rename(folder)

    def plan(self, key: str) -> Sequence[PlannedChange]:
        wizard = self.attendee.wizard()
        return wizard.plan(wizard.targets([key]))

    def run(self, key: str, stop_after: int, agreed: Sequence[PlannedChange]) -> Seen:
        """Solve a step after its plan was agreed to; interrupt it once it has said so many things."""
        cancelled = threading.Event()
        wizard = self.attendee.wizard()

        def watched() -> Iterator[Any]:
            said = 0
            for event in wizard.solve(wizard.targets([key]), cancelled=cancelled, agreed=agreed):
                said += isinstance(event, Said)
                if stop_after and said >= stop_after:
                    cancelled.set()
                yield event

        return drain(watched())

    def compare(self, where: str, changes: list[Change], made: Made, *, partly: bool) -> None:
        """Note what was announced and not done, and what was done and not announced."""
        announced = [each for each in changes if each.verb not in QUIET]
        if not announced and made:
            self.found.append(f"{where}: nothing announced ({_short(changes)}), but {made}")
        if announced and not partly and not made and not where.startswith(BY_LOOKING):
            self.found.append(f"{where}: announced {_short(announced)}, but nothing changed")
        for fact in made.begun:
            if not any(_means(each, fact) for each in announced):
                self.found.append(f"{where}: began {fact['kind']} {fact['resource']}, announced {_short(changes)}")
        for each in announced if not partly else ():
            unnoted = not each.resource and (made.files or made.writes)
            if each.verb == "create" and not unnoted and not any(_means(each, fact) for fact in made.facts):
                self.found.append(f"{where}: announced {_short([each])}, made {made}")


def _means(change: Change, fact: dict[str, str]) -> bool:
    return change.resource == fact["resource"] if change.resource else change.kind == fact["kind"]


def _short(changes: list[Change]) -> str:
    return "; ".join(f"{each.verb} {each.kind} {each.name} ({each.note}) {each.resource[-40:]}" for each in changes)


@pytest.fixture
def walk(
    newcomer: Attendee, practice_cloud: PracticeCloud, keyring: dict[str, Secret], monkeypatch: pytest.MonkeyPatch
) -> Walk:
    del keyring
    home = newcomer.root / "home"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    # The images of an engine are this machine's: what another run has built there would be somebody else's here.
    monkeypatch.setenv("DOCKER_HOST", f"unix://{home / 'no.sock'}")
    for name, value in {"NAME": "Alex Attendee", "EMAIL": "attendee@practice.example"}.items():
        monkeypatch.setenv(f"GIT_AUTHOR_{name}", value)
        monkeypatch.setenv(f"GIT_COMMITTER_{name}", value)
    newcomer.defaults = {**DEFAULTS, "devops_organization": "practice"}
    practice_cloud.wrong_on_purpose(".*")
    return Walk(newcomer, practice_cloud)


def steps(attendee: Attendee) -> list[str]:
    """Return the steps that a solve is for, in the lab's order; of several environments only dev."""
    return [
        target.key
        for target in attendee.wizard().targets()
        if target.step.solve and target.environment in (None, "dev")
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", ["first", "second"])
def test_what_a_plan_announces_is_what_a_solve_does(walk: Walk, half: str) -> None:
    undoable = {target.key for target in walk.attendee.wizard().targets() if target.step.undo and not target.step.keep}
    keys = steps(walk.attendee)
    middle = next(number for number, key in enumerate(keys) if key.startswith(SECOND_HALF))
    if half == "second":
        seen = walk.attendee.solve(*keys[:middle])
        assert set(seen.statuses.values()) <= {Status.PASSED, Status.SKIPPED}, seen.results
    for key in keys[:middle] if half == "first" else keys[middle:]:
        if key == COMPLETE:
            # What no solve does: another person approves.
            review(walk.cloud)
        walk.solve(key, "untouched")
        walk.solve(key, "done")
        if key not in undoable:
            continue
        walk.remove_unnoted(key)
        walk.solve(key, "deleted by somebody else")
        walk.attendee.teardown(key)
        walk.solve(key, "refused", refused=True)
        walk.solve(key, "interrupted", stop_after=1)
        walk.solve(key, "half done")
    assert walk.found == [], "\n".join(walk.found)
