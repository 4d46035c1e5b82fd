from __future__ import annotations

import random

from hol_wizard.engine.watching import (
    CLOUD_EVERY,
    GUESS,
    IDLE_AFTER,
    LOCAL_EVERY,
    REQUESTS,
    WINDOW,
    Candidate,
    Watch,
)


def view(key: str = "a", checked_at: float = 0.0) -> Candidate:
    return Candidate(key, checked_at, in_view=True)


def test_the_step_in_view_is_looked_at_every_twenty_seconds_and_a_local_one_every_five() -> None:
    watch = Watch(0.0)
    assert watch.next([view()], CLOUD_EVERY - 0.1) is None
    assert watch.next([view()], CLOUD_EVERY) == "a"
    watch.looked("a", 20.0, 2)
    assert watch.next([view()], 39.0) is None
    assert watch.next([view()], 40.0) == "a"
    watch.looked("local", 20.0, 0)
    assert watch.next([Candidate("local", 0.0)], 20.0 + LOCAL_EVERY - 0.1) is None
    assert watch.next([Candidate("local", 0.0)], 20.0 + LOCAL_EVERY) == "local"


def test_a_step_that_is_not_in_view_is_looked_at_once_after_the_person_returns() -> None:
    watch = Watch(0.0)
    beside = [view(checked_at=95.0), Candidate("b", 50.0), Candidate("c", 99.0)]
    assert watch.next(beside, 100.0) is None
    watch.wake(98.0)
    assert watch.next(beside, 100.0) == "a"
    watch.looked("a", 100.0, 1)
    assert watch.next(beside, 100.0) == "b"
    watch.looked("b", 101.0, 1)
    assert watch.next(beside, 102.0) is None, "c was checked after the return"


def test_what_is_changing_says_itself_when_to_look_again() -> None:
    watch = Watch(0.0)
    assert watch.next([Candidate("a", 0.0, again_after=8.0)], 7.9) is None
    assert watch.next([Candidate("a", 0.0, again_after=8.0)], 8.0) == "a"


def test_a_saved_file_makes_a_step_due_at_once_and_once() -> None:
    watch = Watch(0.0)
    watch.call_for({"b"})
    assert watch.next([Candidate("b", 1.0)], 1.0) == "b"
    watch.looked("b", 1.0, 0)
    assert watch.next([Candidate("b", 1.0)], 1.5) is None


def test_nothing_is_looked_at_when_nobody_is_there_until_somebody_is() -> None:
    watch = Watch(0.0)
    late = IDLE_AFTER + 1
    assert watch.is_paused(late)
    assert watch.next([view()], late) is None
    watch.attend(late)
    assert watch.next([view()], late) == "a"


def test_a_look_that_costs_more_than_the_budget_is_never_done_by_itself() -> None:
    watch = Watch(0.0)
    watch.looked("a", 0.0, REQUESTS + 1)
    assert watch.next([view()], 5 * WINDOW) is None


def test_no_minute_has_more_requests_than_the_budget_whatever_the_looks_cost() -> None:
    chance = random.Random(16)  # noqa: S311 no secret
    costs = {f"step-{number}": chance.randint(0, 15) for number in range(40)}
    watch, sent, now = Watch(0.0), list[tuple[float, int]](), 0.0
    for key, cost in costs.items():
        # Each was counted once, an hour ago.
        watch.looked(key, -3600.0, cost)
    while now < 3600.0:
        if chance.random() < 0.02:
            watch.wake(now)
        keys = chance.sample(sorted(costs), 6)
        found = watch.next([view(keys[0], -1e9), *(Candidate(key, -1e9) for key in keys[1:])], now)
        if found is not None:
            watch.looked(found, now, costs[found])
            sent.append((now, costs[found]))
        now += 1.0
    assert sum(count for _, count in sent) > 300, "the budget is used"
    for start, _ in sent:
        assert sum(count for at, count in sent if start <= at < start + WINDOW) <= REQUESTS


def test_an_uncounted_look_waits_until_its_expected_requests_fit() -> None:
    watch = Watch(0.0)
    watch.looked("a", 100.0, REQUESTS - GUESS + 1)
    assert watch.next([view("new", -1e9)], 100.0) is None
    assert watch.next([view("new", -1e9)], 100.0 + WINDOW) == "new"
