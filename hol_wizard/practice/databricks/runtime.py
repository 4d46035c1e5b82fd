"""The Python of practice clusters: a separate environment in the user's cache folder.

A Databricks runtime brings numpy, pandas and scikit-learn. The wizard does not need them, so they are not among its
requirements: they are installed from `runtime.lock`, with hashes, when a run first needs them, and kept. A later
version of the wizard installs them again only if the lock file has changed.
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
from hol_wizard.paths import Home, for_programs
from hol_wizard.practice.kernel import job_log, programs
from hol_wizard.practice.kernel.jobs import Step, Work
from hol_wizard.practice.kernel.programs import Program

LOCK = Path(__file__).with_name("runtime.lock")
FOLDER = "HOL_WIZARD_PRACTICE_RUNTIME"
"""Environment variable that names the folder of the environments; several machines can share it."""
_COMPLETE = "complete"
"""A file that marks an environment as completely installed."""
_FOR_PIP = (
    "--require-hashes",
    "--no-deps",
    "--only-binary=:all:",
    "--disable-pip-version-check",
    "--no-input",
    "--progress-bar=off",
)
_SECONDS = 1800.0
"""Time limit of the installation."""


class RuntimeMissingError(Exception):
    """The packages could not be installed; the message says why, and how to fix it."""


class Runtime:
    """The environment for this version's lock file."""

    def __init__(self) -> None:
        content = LOCK.read_bytes()
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        name = f"{hashlib.sha256(content).hexdigest()[:12]}-python{version}"
        home = Home.default()
        chosen = os.environ.get(FOLDER)
        place = Path(chosen) if chosen else (home.cache or home.state / "cache") / "practice-runtime"
        # `pyvenv.cfg` contains its path in UTF-8.
        self.folder = for_programs(place) / name
        """Its folder."""
        self.packages = len(re.findall(r"^\S+==", content.decode(), re.MULTILINE))
        """Number of packages in the lock file; some of them are for other systems."""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def ready(self) -> bool:
        """Whether it is completely installed."""
        return (self.folder / _COMPLETE).is_file()

    @property
    def commands(self) -> tuple[list[str], list[str]]:
        """The commands that create the environment and install the packages."""
        make = [sys.executable, "-m", "venv", str(self.folder)]
        return make, [str(self.python), "-m", "pip", "install", *_FOR_PIP, "-r", str(LOCK)]

    def note_complete(self) -> None:
        """Mark it as completely installed."""
        (self.folder / _COMPLETE).write_text("", encoding="utf-8")

    async def prepare(self, work: Work) -> None:
        """Install the environment if it is missing; the job shows the progress.

        Raises:
            RuntimeMissingError: It cannot be installed.
            CanceledError: The job was canceled.
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
        """Install it from scratch: the remains of an incomplete installation are removed."""
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
    """Counts the packages in pip's output, to show the progress."""

    def __init__(self, work: Work, packages: int) -> None:
        self._work, self._packages, self._seen = work, packages, 0

    def __call__(self, line: str) -> str:
        """Count the packages in a line and return the line."""
        if line.startswith("Collecting "):
            self._seen += 1
            self._work.keep(
                message=f"Downloading package {self._seen} of about {self._packages} for practice clusters."
            )
        elif line.startswith("Installing collected packages"):
            self._work.keep(message="Installing the packages of practice clusters, once: about 30 seconds.")
        return line


def _last(work: Work, step: Step) -> str:
    """Return the last error in a step's log."""
    said = job_log.read(work.log_file(step.record))
    errors = [line for line in said if line.startswith("ERROR")]
    return (errors or said or [""])[-1][:300]


def _allowed() -> list[str]:
    """Return the environment variables of the installation: those of the network and of pip, and the paths of
    programs."""
    named = (name for name in os.environ if variables.NETWORK.has(name) or variables.PRACTICE.has(name))
    return [*named, *(name for name in ("PATH", "LANG") if name in os.environ)]
