"""The Python of practice clusters: an environment of its own in the person's cache.

A Databricks runtime brings numpy, pandas and scikit-learn. The wizard does not need them, so they are not among its
requirements: they are installed from `runtime.lock`, each with its hash, when a run needs them for the first time, and
are kept. `hol-wizard practice start` of a later version installs again only if the lock has changed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from filelock import FileLock, Timeout

from hol_wizard import variables
from hol_wizard.paths import Home
from hol_wizard.practice.kernel import job_log, programs
from hol_wizard.practice.kernel.jobs import Step, Work
from hol_wizard.practice.kernel.programs import Program

LOCK = Path(__file__).with_name("runtime.lock")
FOLDER = "HOL_WIZARD_PRACTICE_RUNTIME"
"""Environment variable that names the folder of the environments, such as one that machines share."""
_COMPLETE = "complete"
"""A file in an environment that was installed to its end."""
_FOR_PIP = (
    "--require-hashes",
    "--no-deps",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--no-input",
    "--progress-bar=off",
)
_SECONDS = 1800.0
"""How long the installation may take."""


class RuntimeMissingError(Exception):
    """The packages could not be installed; the message says why, and what to do."""


class Runtime:
    """The environment that goes with this version's lock."""

    def __init__(self) -> None:
        content = LOCK.read_bytes()
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        name = f"{hashlib.sha256(content).hexdigest()[:12]}-python{version}"
        home = Home.default()
        chosen = os.environ.get(FOLDER)
        place = Path(chosen) if chosen else (home.cache or home.state / "cache") / "practice-runtime"
        self.folder = place / name
        """Where it is."""
        self.packages = len(re.findall(r"^\S+==", content.decode(), re.MULTILINE))
        """How many packages the lock has, at most: some are for other systems."""

    @property
    def python(self) -> Path:
        """The interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def ready(self) -> bool:
        """Whether it was installed to its end."""
        return (self.folder / _COMPLETE).is_file()

    @property
    def commands(self) -> tuple[list[str], list[str]]:
        """The commands that make the environment and install the packages."""
        make = [sys.executable, "-m", "venv", str(self.folder)]
        return make, [str(self.python), "-m", "pip", "install", *_FOR_PIP, "-r", str(LOCK)]

    def note_complete(self) -> None:
        """Note that it was installed to its end."""
        (self.folder / _COMPLETE).write_text("", encoding="utf-8")

    async def prepare(self, work: Work) -> None:
        """Install the environment if it is missing; what a job shows says how far that is.

        Raises:
            RuntimeMissingError: It cannot be installed.
            CanceledError: The job is cancelled.
        """
        if self.ready:
            return
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(self.folder) + ".lock", thread_local=False)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                work.keep(message="Another run is installing the packages of practice clusters.")
                await work.sleep(0.5)
        try:
            if not self.ready:
                await self._install(work)
        finally:
            lock.release()

    async def _install(self, work: Work) -> None:
        """Install it from nothing: what an earlier installation has left half-way is removed."""
        work.keep(message="Installing the packages of practice clusters, once.")
        if self.folder.exists():
            await asyncio.to_thread(shutil.rmtree, self.folder)
        async with work.step("Install the packages of practice clusters") as step:
            environment = programs.environment(work.folder, _allowed(), HOME=str(Path.home()))
            make, install = self.commands
            if await work.program(Program(make, work.folder, environment), step) != 0:
                raise RuntimeMissingError(f"{self.folder} could not be made. {_last(work, step)}")
            counted = _Counted(work, self.packages)
            program = Program(install, work.folder, environment)
            if await work.program(program, step, line=counted, seconds=_SECONDS) != 0:
                raise RuntimeMissingError(
                    "The packages of practice clusters are not installed, and cannot be downloaded. Connect this "
                    f"machine to the internet, or name a mirror in PIP_INDEX_URL, and run it again. {_last(work, step)}"
                )
        self.note_complete()


class _Counted:
    """Counts packages in what pip says, for whoever waits."""

    def __init__(self, work: Work, packages: int) -> None:
        self._work, self._packages, self._seen = work, packages, 0

    def __call__(self, line: str) -> str:
        """Count a line and return it."""
        if line.startswith("Collecting "):
            self._seen += 1
            self._work.keep(
                message=f"Downloading package {self._seen} of about {self._packages} for practice clusters."
            )
        elif line.startswith("Installing collected packages"):
            self._work.keep(message="Installing the packages of practice clusters, once: about 30 seconds.")
        return line


def _last(work: Work, step: Step) -> str:
    """Return the last error that a step's log has."""
    said = job_log.read(work.log_file(step.record))
    errors = [line for line in said if line.startswith("ERROR")]
    return (errors or said or [""])[-1][:300]


def _allowed() -> list[str]:
    """Return which variables the installation gets: the network's, pip's own, and where programs are."""
    named = (name for name in os.environ if variables.NETWORK.has(name) or variables.PRACTICE.has(name))
    return [*named, *(name for name in ("PATH", "LANG") if name in os.environ)]
