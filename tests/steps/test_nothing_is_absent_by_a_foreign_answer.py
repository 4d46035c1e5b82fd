"""What checks and solves believe: by an answer that is not the service's own nothing is missing, and nothing is made.

The table has a row for every step with a check or a solve, every service that it reads from when nothing disturbs it,
and every kind of answer that says nothing about what was asked for. Steps come from the lab itself. Each is looked at,
and worked on, by itself: what it needs would be found out first otherwise, and keep it from being tried.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hol_wizard.engine import runner
from hol_wizard.engine.events import Event
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.registry import CHECKS, SOLVES
from hol_wizard.engine.reporter import Reporter
from hol_wizard.engine.results import Result, Status
from hol_wizard.lab import select
from hol_wizard.lab.model import Target
from hol_wizard.resources.context import StepContext
from tests.practice_cloud import PracticeCloud
from tests.steps.attendee import Attendee, the_lab
from tests.steps.test_nothing_is_gone_by_a_foreign_answer import (
    BUILT,
    FOREIGN,
    LOOP,
    NOT_FOUND,
    WITHOUT_A_RUN,
    Ground,
    ground,
)

__all__ = ["ground"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

TO_CHECKS = [*NOT_FOUND, "502 page", "503 ServiceBusy"]
NO_CHANGE = ("/oauth2/", "/checknameavailability", "/hasroleassignment", "git-upload-pack", "/resourcegraph/")
"""Requests that change nothing although they are not GET."""


def steps() -> Iterator[Any]:
    """Yield one target for each step of the sections that are solved."""
    seen = set()
    for target in select.find_targets(the_lab(), ()):
        step = target.step
        solved = step.section in {*BUILT, *(each.partition("/")[0] for each in LOOP)} or step.key in WITHOUT_A_RUN
        if (step.check or step.solve) and solved and (step.section, step.id) not in seen:
            seen.add((step.section, step.id))
            yield pytest.param(target.key, id=target.key)


def alone(attendee: Attendee, key: str, run: Callable[[Target, StepContext], Result | None]) -> Result:
    """Return how a check or a solve ends that is run by itself."""
    wizard = attendee.wizard()
    (target,) = wizard.targets([key])
    events: list[Event] = []
    reporter = Reporter(key, events.append, threading.Event())
    context = wizard.connection.context(target, wizard.connection.reach(), ReadCache(), reporter)
    try:
        return run(target, context) or Result(Status.PASSED, "done")
    except Exception as error:  # noqa: BLE001 as the runner does
        return runner.result_of(error)


def look(attendee: Attendee, key: str) -> Result:
    return alone(attendee, key, lambda target, context: CHECKS[target.step.check].run(context))


def work(attendee: Attendee, key: str) -> Result:
    def run(target: Target, context: StepContext) -> None:
        SOLVES[target.step.solve].run(context)

    return alone(attendee, key, run)


def read_from(cloud: PracticeCloud, since: int) -> list[str]:
    return sorted({str(each["service"]) for each in cloud.exchanges(since) if each["method"] in {"GET", "HEAD"}})


def changes(cloud: PracticeCloud, since: int) -> list[str]:
    """Return the requests that have changed something."""
    return [
        f"{each['method']} {each['url']} {each['status']}"
        for each in cloud.exchanges(since)
        if each["method"] not in {"GET", "HEAD", "OPTIONS"}
        and each["status"] is not None
        and each["status"] < 400
        and each["service"] != "active_directory"
        and not any(words in each["url"].lower() for words in NO_CHANGE)
    ]


def disturb(cloud: PracticeCloud, service: str, name: str) -> None:
    for method in ("GET", "HEAD"):
        cloud.control.fault("error", service=service, method=method, **FOREIGN[name])


@pytest.mark.parametrize("key", list(steps()))
def test_nothing_is_missing_and_nothing_is_made_by_an_answer_that_is_not_the_services_own(
    ground: Ground, key: str
) -> None:
    attendee, cloud = ground.attendee, ground.cloud
    (target,) = attendee.wizard().targets([key])
    wrong = []
    if target.step.check:
        if look(attendee, key).status is Status.FAILED:
            # A clone is on the machine, which is another one for each test.
            assert attendee.solve(key).results[key].passed
        began = cloud.log_size()
        undisturbed = look(attendee, key)
        assert undisturbed.status in {Status.PASSED, Status.SKIPPED, Status.WAITING}, undisturbed
        for service in read_from(cloud, began):
            for name in TO_CHECKS:
                disturb(cloud, service, name)
                seen = look(attendee, key)
                cloud.control.clear_faults()
                if seen.status is Status.FAILED or seen.summary.startswith("Internal error in the wizard"):
                    wrong.append(f"check, {service} {name}: {seen.status.name} {seen.summary} {seen.detail[:200]}")
    if target.step.solve:
        began = cloud.log_size()
        work(attendee, key)
        asked = read_from(cloud, began)
        if changes(cloud, began):
            # One that does something each time is no less bound to leave things alone.
            ground.restore()
        before = attendee.ledger()
        usual = len(changes(cloud, began))
        for service in asked:
            for name in NOT_FOUND:
                disturb(cloud, service, name)
                began = cloud.log_size()
                seen = work(attendee, key)
                cloud.control.clear_faults()
                made, written = changes(cloud, began), attendee.ledger()[len(before) :]
                if seen.summary.startswith("Internal error in the wizard"):
                    wrong.append(f"solve, {service} {name}: {seen.summary} {seen.detail[:200]}")
                wrong += [f"solve, {service} {name}: {each['fact']} {each['resource']}" for each in written]
                if len(made) > usual:
                    wrong += [f"solve, {service} {name}: {each}" for each in made]
                if made or written:
                    ground.restore()
    assert wrong == []
