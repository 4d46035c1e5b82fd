"""Kills the wizard, the practice cloud, or both while the whole lab is solved and torn down: nothing may be lost.

    .venv/bin/python benchmarks/kills.py [--kills 67] [--seed N] [--sort wizard|cloud|both]

Each kill is a SIGKILL at a random moment of a solve or, for one in five, of a teardown. After two to eight of them the
lab is solved to the end and torn down. Everything passes then, as much stands of each kind as after a solve that
nothing disturbed, a teardown leaves nothing of the wizard's, and what is somebody else's is as it was. A wizard whose
cloud is killed ends by itself, with an exit code that says so. The exit code is the number of rounds that broke.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.practice_ground import WHOLE, Ground, ground, seeded

SORTS = ("wizard", "cloud", "both")


def kill_once(place: Ground, sort: str, words: tuple[str, ...], moments: random.Random, figures: Counter[str]) -> bool:
    """Start a command, kill at a random moment, and wait for the command; return whether it finished."""
    before, began = place.ledger_size(), time.monotonic()
    process = place.start(*words)
    moment = moments.uniform(0.2, place.usual * (0.5 if words[0] == "solve" else 0.1))
    time.sleep(moment)
    if process.poll() is not None:
        done = place.end(process, words, began)
        figures[f"{words[0]} ended before its kill"] += 1
        if done.code:
            place.problems.append(f"nothing was killed: {done}")
        return True
    if sort != "wizard":
        place.kill_cloud()
    if sort != "cloud":
        process.kill()
        process.communicate()
    else:
        done = place.end(process, words, began)
        figures[f"exit code {done.code} after the cloud was killed"] += 1
        if done.code not in (0, 1, 3):
            place.problems.append(f"the cloud was killed after {moment:.1f} s: {done}")
        figures["longest end in seconds"] = max(figures["longest end in seconds"], round(done.seconds - moment))
    figures[f"kills in {words[0]}"] += 1
    figures["kills while something was written"] += place.ledger_size() > before
    return sort == "cloud" and done.code == 0


def play(sort: str, kills: int, moments: random.Random, *, verbose: bool) -> tuple[int, Counter[str]]:
    """Kill so many times, and return how many rounds broke, and figures."""
    figures: Counter[str] = Counter()
    broken = 0
    with ground() as place:
        problems = place.problems
        while (figures["kills in solve"] + figures["kills in teardown"]) < kills or problems:
            if problems:
                broken += 1
                print(f"{sort}, round {figures['rounds']}:", *problems, sep="\n  ", flush=True)
                problems.clear()
                continue
            figures["rounds"] += 1
            for _ in range(moments.randint(2, 8)):
                if kill_once(place, sort, WHOLE, moments, figures):
                    break
            done = place.solve()
            if done.code:
                problems.append(f"the solve after the kills: {done}")
            place.verify_solved()
            if moments.random() < 0.6:
                kill_once(place, sort, ("teardown", "--yes"), moments, figures)
            place.settle()
            if verbose:
                print(f"{sort}: {dict(figures)}", flush=True)
    return broken, figures


def main() -> int:
    """Kill, and return how many rounds broke."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=67, help="of each sort (67: two hundred in all)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--sort", choices=SORTS)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    number, moments = seeded(options.seed)
    print(f"seed {number}", flush=True)
    broken = 0
    for sort in (options.sort,) if options.sort else SORTS:
        found, figures = play(sort, options.kills, moments, verbose=options.verbose)
        broken += found
        told = ", ".join(f"{name}: {count}" for name, count in sorted(figures.items()))
        print(f"{sort}: {found} of {figures['rounds']} rounds broke; {told}", flush=True)
    return min(broken, 100)


if __name__ == "__main__":
    raise SystemExit(main())
