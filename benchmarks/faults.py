"""Has the practice cloud go wrong at random requests while the whole lab is solved, checked and torn down.

    .venv/bin/python benchmarks/faults.py [--runs 100] [--seed N] [--verbose]

Each run puts one to four faults of random kinds on requests that an undisturbed run of the same command sends. Whatever
they are: the command ends by itself and without a traceback, its exit code is true, a check calls nothing failed that
stands, and nothing is forgotten. Whether that is so is seen without faults: after each run a solve brings about as much
of each kind as an undisturbed one, or a teardown ends well, leaves nothing of the wizard's, and what is somebody else's
as it was. The exit code is the number of runs that broke.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.practice_ground import Done, Ground, ground, seeded
from hol_wizard.practice.kernel.faults import FORMS, KINDS

COMMANDS = ("solve", "check", "teardown")
STATUSES = (400, 403, 404, 405, 408, 409, 410, 412, 418, 429, 500, 501, 502, 503, 504)
CODES = ("PageNotFound", "ServerBusy", "Teapot", "InternalServerError")
"""None of them is a code by which a service says that something does not exist."""
REFUSALS = frozenset({403})
"""What a service may say of the account: a check calls a step failed for it."""

Request = tuple[str, str, str]
"""Service, method and a regular expression of the path."""


def requests_of(exchanges: Sequence[dict[str, Any]]) -> list[Request]:
    """Return each kind of request once, in the order of its first appearance."""
    found: dict[Request, None] = {}
    for each in exchanges:
        path = re.escape(urlsplit(str(each["url"])).path)
        path = re.sub(r"[0-9a-f]{8}(?:\\?-[0-9a-f]{4}){3}\\?-[0-9a-f]{12}|(?<=/)\d{4,}|[0-9a-f]{32,}", "[^/]+", path)
        found[(str(each["service"]), str(each["method"]), f"^{path}(\\?|$)")] = None
    return list(found)


def pick(requests: Sequence[Request], moments: random.Random) -> dict[str, Any]:
    """Return a random fault on a random request."""
    kind = moments.choice([*KINDS, "error", "error"])
    service, method, path = moments.choice(requests)
    fault: dict[str, Any] = {"kind": kind, "service": service, "method": method, "path": path}
    times = moments.choice([1, 1, 1, 2, 3, None])
    if times is not None:
        fault["times"] = times
    if kind == "failed-operation":
        fault |= {
            "service": "resource_manager",
            "method": "PUT",
            "path": moments.choice(["Microsoft", "/vaults/", "/workspaces/"]),
        }
    elif kind == "error":
        fault |= {"status": moments.choice(STATUSES), "code": moments.choice(CODES), "form": moments.choice([*FORMS])}
        fault |= {"message": moments.choice(["no such page", "Ünïcode «»", "", "x" * 3000])}
    elif kind in {"throttle", "unavailable"}:
        fault["retry_after"] = moments.choice([0, 1, 1, 2])
    elif kind == "slow":
        fault["seconds"] = moments.choice([0.2, 1.0, 3.0])
    elif kind == "drop":
        fault["after"] = moments.random() < 0.5
    return fault


def play_once(place: Ground, command: str, faults: Sequence[dict[str, Any]], figures: Counter[str]) -> None:
    """Run a command under faults, and judge it without them."""
    problems = place.problems
    control = place.cloud().control
    for fault in faults:
        control.fault(**fault)
    results: dict[str, dict[str, Any]] = {}
    done: Done
    if command == "solve":
        done = place.solve()
    elif command == "teardown":
        done = place.teardown()
    else:
        done, results = place.check()
    hits = {each["id"]: each["hits"] for each in control.faults()}
    figures["faults that a request met"] += len(faults) - sum(not hit for hit in hits.values())
    control.clear_faults()
    figures[f"{command} ended with {done.code}"] += 1
    if done.code not in (0, 1, 3):
        problems.append(f"exit code: {done}")
    if command == "check":
        failed = {key: each["summary"] for key, each in results.items() if each["status"] == "failed"}
        if failed and not any(each.get("status") in REFUSALS or each["kind"] == "policy" for each in faults):
            problems.append(f"called failed although it stands: {failed}")
        if (done.code == 0) != all(each["status"] in {"passed", "skipped"} for each in results.values()):
            problems.append(f"the exit code is not what the results say: {done}")
    if done.code == 0 and command == "solve":
        place.verify_solved()
    if done.code == 0 and command == "teardown":
        place.verify_torn_down()


def play(runs: int, moments: random.Random, figures: Counter[str], *, verbose: bool) -> int:
    """Run commands under faults, count in the figures, and return how many runs broke."""
    broken = 0
    with ground(logs=True) as place:
        cloud = place.cloud()
        asked: dict[str, list[Request]] = {}
        for command in COMMANDS:
            began = cloud.log_size()
            place.solve() if command == "solve" else place.teardown() if command == "teardown" else place.check()
            asked[command] = requests_of(cloud.exchanges(began))
        print({command: len(found) for command, found in asked.items()}, "kinds of requests", flush=True)
        is_solved = False
        for number in range(runs):
            command = moments.choice(COMMANDS if is_solved else ("solve", "solve", "check"))
            faults = [pick(asked[command], moments) for _ in range(moments.randint(1, 4))]
            if command != "solve" and not is_solved:
                done = place.solve()
                if done.code:
                    place.problems.append(f"a solve that nothing disturbs: {done}")
            play_once(place, command, faults, figures)
            is_solved = moments.random() < 0.6
            if is_solved:
                done = place.solve()
                if done.code:
                    place.problems.append(f"the solve after it, which nothing disturbs: {done}")
                place.verify_solved()
            else:
                place.settle()
            if place.problems or verbose:
                print(f"run {number}, {command}:", *map(json.dumps, faults), *place.problems, sep="\n  ", flush=True)
                figures["runs"] += 1
                broken += bool(place.problems)
                figures["runs that broke"] = broken
                if place.problems:
                    # What broke must not break the next run as well.
                    place.teardown()
                    is_solved = False
                    if left := place.left():
                        print(f"cannot go on: {left}", flush=True)
                        return broken
                place.problems.clear()
            else:
                figures["runs"] += 1
        place.settle()
        if place.problems:
            broken += 1
            figures["runs that broke"] = broken
            print("at the end:", *place.problems, sep="\n  ", flush=True)
    return broken


def main() -> int:
    """Play, and return how many runs broke."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    number, moments = seeded(options.seed)
    print(f"seed {number}", flush=True)
    figures: Counter[str] = Counter()
    try:
        return min(play(options.runs, moments, figures, verbose=options.verbose), 100)
    finally:
        print(", ".join(f"{name}: {count}" for name, count in sorted(figures.items())), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
