"""Measures the build of the inference container: keys while its output streams, and what the wizard adds to its time.

    .venv/bin/python benchmarks/build_output.py [--runs N]

Works on a practice cloud of its own. For the first figure the clone's `build.py` prints 5,000 lines a second. For the
second one, the engine rebuilds everything after the base image, in turns for the wizard and for `docker build`.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import run
from benchmarks.run import WIZARD, Figure, home
from benchmarks.terminal import Terminal

RATE, SECONDS = 5000, 15
BUILD = "build-container/run-the-local-build"
BEFORE = (
    "build-container/set-the-build-settings",
    "inference-code/pull-the-training-code",
    "train/check-the-registered-model",
    "scientist-setup/let-yourself-read-the-model-files",
)
PRINTS = f"""import sys, time
began = time.monotonic()
for number in range({RATE * SECONDS}):
    print(f"#8 {{number / {RATE}:.3f}} Collecting package-{{number}} from the index, with its hash and its size")
    if number % 50 == 0:
        sys.stdout.flush()
        time.sleep(max(0.0, began + number / {RATE} - time.monotonic()))
sys.exit("it is only a measurement")
"""


def environment(folder: Path) -> dict[str, str]:
    """Return a clean environment, with the packages of practice clusters that this machine has."""
    known = {name: os.environ[name] for name in ("HOL_WIZARD_PRACTICE_RUNTIME",) if name in os.environ}
    return {**run.environment(folder), **known}


def wizard(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the wizard to its end."""
    command = [*WIZARD, *words]
    return subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)


def prepare(folder: Path) -> Path:
    """Bring the lab to the build, and return the clone."""
    (folder / ".gitconfig").write_text("[user]\n\tname = Alex\n\temail = alex@practice.example\n", encoding="utf-8")
    words = ("--practice", "--practice-speed", "600", "solve", *BEFORE, "--yes", "--devops-organization", "practice")
    done = wizard(folder, *words)
    clone = next((folder / "hol-lab" / "practice").glob("*"), folder)
    if not (clone / "Project_One" / "settings.env").is_file():
        raise SystemExit(f"the lab could not be brought to the build:\n{done.stdout[-3000:]}{done.stderr}")
    with (clone / "Project_One" / "settings.env").open("a", encoding="utf-8") as file:
        file.write(f"IMAGE_TAG=benchmark-{uuid.uuid4().hex[:8]}\n")
    return clone


def keys(runs: int) -> Figure:
    """Key to paint while a build streams its output."""
    taken: list[float] = []
    missed = 0
    for _ in range(runs):
        with home() as folder:
            clone = prepare(folder)
            (clone / "Project_One" / "build.py").write_text(PRINTS, encoding="utf-8")
            with Terminal([*WIZARD, "--practice", "--resume", "build-container"], environment(folder)) as terminal:
                terminal.wait_for("Run the local build")
                terminal.settle(1.0, 8)
                for _ in range(2):  # from the section's own line to the step
                    terminal.press("down")
                    terminal.settle(0.3, 2)
                terminal.press("s")
                terminal.wait_for("Do it")
                terminal.settle(2.0, 6)
                terminal.press("enter")
                terminal.wait_for("Collecting package", 60)
                cursor = re.compile(r"^ ?▌.*$", re.MULTILINE)
                deadline = time.monotonic() + SECONDS - 3
                down = False
                while time.monotonic() < deadline:
                    seen = terminal.seconds_to_change("down" if down else "up", cursor)
                    down = not down
                    if seen is None:
                        missed += 1
                    else:
                        taken.append(seen * 1000)
                    terminal.settle(0.05, 0.1)
                terminal.wait_for("package-7[0-9]+", 60)
    ordered = sorted(taken)
    if not ordered:
        raise SystemExit("no key was seen")
    p95 = ordered[round(0.95 * (len(ordered) - 1))]
    name = f"key to paint at {RATE} lines/s of build output, p95 ({len(ordered)} keys, {missed} unseen)"
    return Figure(name, p95, "ms", 50, ordered)


def wall_time(runs: int) -> Figure:
    """The wizard's build against `docker build` of the same context, each from the base image on."""
    ours: list[float] = []
    plain: list[float] = []
    with home() as folder:
        clone = prepare(folder)
        project = clone / "Project_One"
        original = (project / "dockerfile").read_text(encoding="utf-8")

        def renew() -> None:
            changed = original.replace("COPY requirements.txt .", f"RUN echo {uuid.uuid4()}\nCOPY requirements.txt .")
            (project / "dockerfile").write_text(changed, encoding="utf-8")
            with (project / "score.py").open("a", encoding="utf-8") as file:
                file.write(f"# {uuid.uuid4()}\n")

        for _ in range(runs + 1):
            renew()
            command = [*WIZARD, "--practice", "solve", BUILD, "--yes"]
            with subprocess.Popen(
                command, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            ) as process:
                lines = []
                for line in process.stdout or ():
                    lines.append(line)
                    if " Building hol-inference:" in line:
                        began = time.perf_counter()
                    elif " Built hol-inference:" in line:
                        ours.append(time.perf_counter() - began)
            if process.returncode:
                raise SystemExit("".join(lines[-30:]))
            renew()
            words = ["docker", "build", "--platform", "linux/amd64", "--file", str(project / "dockerfile")]
            began = time.perf_counter()
            subprocess.run([*words, "--tag", "hol-benchmark", str(project)], check=True, capture_output=True)
            plain.append(time.perf_counter() - began)
        wizard(folder, "--practice", "teardown", BUILD, "--yes")
        subprocess.run(["docker", "image", "rm", "--force", "hol-benchmark"], check=False, capture_output=True)
    # The first pair fills caches.
    ratios = [one / other for one, other in zip(ours[1:], plain[1:], strict=True)]
    name = f"build by the wizard against docker build ({statistics.median(plain[1:]):.1f} s)"
    return Figure(name, statistics.median(ours[1:]) / statistics.median(plain[1:]), "x", 1.05, ratios)


def main() -> int:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    figures = []
    for measure in (keys, wall_time):
        figure = measure(options.runs)
        figures.append(figure)
        mark = "ok  " if figure.kept else "OVER"
        print(f"{mark} {figure.name:<80} {figure.value:8.3f} {figure.unit:<3} budget {figure.budget}", flush=True)
        print("     " + " ".join(f"{each:.3f}" for each in figure.runs[:: max(1, len(figure.runs) // 20)]), flush=True)
    return 0 if all(figure.kept for figure in figures) else 1


if __name__ == "__main__":
    raise SystemExit(main())
