"""What the steps of a job share, and what one step has while it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from hol_wizard import variables as process_variables
from hol_wizard.practice.kernel.jobs import Step as KernelStep
from hol_wizard.practice.kernel.jobs import TooLongError, Work
from hol_wizard.practice.kernel.programs import Program
from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment, results, shells
from hol_wizard.practice.pipelines.agent.assignment import Assignment, Surroundings
from hol_wizard.practice.pipelines.agent.masking import Masker
from hol_wizard.practice.pipelines.agent.step_log import StepLog
from hol_wizard.practice.pipelines.agent.variables import Variables
from hol_wizard.practice.pipelines.agent.workspace import Workspace
from hol_wizard.practice.pipelines.host import Clone, Host, RunKey, Value

_ArgumentsT = ParamSpec("_ArgumentsT")
_ResultT = TypeVar("_ResultT")
UMASK = 0o022
"""Umask of the programs of a step, as on the hosted Ubuntu images: an image that copies files from the sources keeps
their modes, and its own user must be able to read them. Other users of this machine cannot enter the job's folder."""
_AFTER_DONE = 5.0
"""Seconds that a program may still run after it has ended its step (ExecutionContext.cs, `ForceTaskComplete`)."""


class TaskError(Exception):
    """A task has failed; the message is an error of its step."""


@dataclass(slots=True)
class JobContext:
    """What the steps of one job share."""

    work: Work
    assignment: Assignment
    surroundings: Surroundings
    workspace: Workspace
    masker: Masker
    variables: Variables
    result: Result = Result.SUCCEEDED
    """Of the steps so far: `Agent.JobStatus`."""
    prepended: list[str] = field(default_factory=list)
    """Folders that steps have prepended to the search path, the last one first."""
    outputs: dict[str, Value] = field(default_factory=dict)
    clones: dict[str, Clone] = field(default_factory=dict)
    """What was checked out, by the path in the job's folder."""
    noted: set[str] = field(default_factory=set)
    """Messages that the log of this job already has, and that are not repeated."""

    @property
    def host(self) -> Host:
        """Return the services around the run."""
        return self.surroundings.host

    @property
    def key(self) -> RunKey:
        """Return the run."""
        return self.assignment.request.key

    def merge(self, result: Result) -> None:
        """Add a step's result to the job's."""
        self.set_result(results.of_job(self.result, result))

    def set_result(self, result: Result) -> None:
        """Set the job's result so far."""
        self.result = result
        self.variables.set("Agent.JobStatus", results.status(result))

    def base_environment(self) -> dict[str, str]:
        """Return the environment that all steps have."""
        machine = os.environ
        host = self.host
        return environment.base(machine, self.workspace, host.launchers(), self.prepended, host.step_environment())


@dataclass(slots=True)
class StepContext:
    """What one step has while it runs."""

    job: JobContext
    kernel: KernelStep
    log: StepLog
    name: str = ""
    """For output variables."""
    inputs: dict[str, str] = field(default_factory=dict)
    """By their names in lowercase, with defaults and without macros."""
    env: dict[str, str] = field(default_factory=dict)
    """The step's `env`."""
    even_canceled: bool = False
    """Whether the step continues in a canceled job, because its condition still holds."""
    deadline: float | None = None
    """When the step times out, by the monotonic clock."""
    command_result: Result | None = None
    """What logging commands have made of the result."""
    done: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when `task.complete` with `done` ends the step."""
    handle: Callable[[StepContext, str], bool] = lambda context, line: False
    """Carries out a logging command in a line; returns whether there was one."""

    # Inputs

    def input(self, name: str, *, required: bool = False) -> str:
        """Return an input; empty if it is not set.

        Raises:
            TaskError: It is required and not set.
        """
        value = self.inputs.get(name.lower(), "").strip()
        if required and not value:
            raise TaskError(f"Input required: {name}")
        return value

    def flag(self, name: str) -> bool:
        """Return whether an input says true."""
        return self.input(name).lower() == "true"

    def path(self, name: str, *, required: bool = False) -> Path:
        """Return an input as a path, relative to the sources folder.

        Raises:
            TaskError: It is required and not set.
        """
        return Path(os.path.normpath(self.job.workspace.sources / self.input(name, required=required)))

    # Results

    def merge(self, result: Result) -> None:
        """Add a result to what logging commands have made of the step's result."""
        self.command_result = results.merged(self.command_result or Result.SUCCEEDED, result)

    # Programs

    def environment(self, **own: str) -> dict[str, str]:
        """Return the environment of a program of this step: what all have, the variables, and the step's `env`."""
        return {**self.job.base_environment(), **self.job.variables.environment(), **own, **self.env}

    def line(self, text: str) -> None:
        """Take a line of a program's output: carry out the command in it, or log it."""
        if not self.handle(self, text):
            self.log.write(text)

    async def run(
        self,
        command: Sequence[str],
        *,
        folder: Path | None = None,
        variables: Mapping[str, str] | None = None,
        error_line: Callable[[str], None] | None = None,
    ) -> int:
        """Run a program with its output in the step's log, and return its exit code.

        Args:
            command: Program and arguments, without secrets.
            folder: Where it runs; None for the sources folder.
            variables: Its complete environment; None for that of the step.
            error_line: Takes each line of its standard error as well; its order relative to the output is then lost.

        Raises:
            CanceledError: The job was canceled, and the step does not continue then.
            TooLongError: The step has timed out.
            TaskError: It cannot be started.
        """
        found = dict(variables) if variables is not None else self.environment()
        program = Program(command, folder or self.job.workspace.sources, found, UMASK)

        def both(text: str, take: Callable[[str], None]) -> None:
            take(text)
            self.line(text)

        running = asyncio.ensure_future(
            self.job.work.program(
                program,
                self.kernel,
                line=self.line,
                error_line=None if error_line is None else partial(both, take=error_line),
                seconds=self.seconds_left(),
                even_canceled=self.even_canceled,
            )
        )
        try:
            return await self._unless_done(running)
        except OSError as error:
            raise TaskError(f"{command[0]}: {error.strerror or error}") from error
        finally:
            self.log.flush()

    async def _unless_done(self, running: asyncio.Future[int]) -> int:
        """Return a program's exit code; 0 for one that is stopped because it has ended its step by a command."""
        told: asyncio.Future[Any] = asyncio.ensure_future(self.done.wait())
        try:
            await asyncio.wait([running, told], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                await asyncio.wait([running], timeout=_AFTER_DONE)
            return await running if running.done() else 0
        finally:
            told.cancel()
            if not running.done():
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    def seconds_left(self) -> float | None:
        """Return how long the step may still take; None for as long as the job.

        Raises:
            TooLongError: It has taken too long already.
        """
        if self.deadline is None:
            return None
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TooLongError("the step has timed out")
        return left

    async def in_thread(
        self, work: Callable[_ArgumentsT, _ResultT], /, *given: _ArgumentsT.args, **named: _ArgumentsT.kwargs
    ) -> _ResultT:
        """Do a piece of work on files in a thread, so that the practice cloud serves requests meanwhile.

        Raises:
            CanceledError: The job was canceled, and the step does not continue then.
            TooLongError: The step has timed out.
        """
        if not self.even_canceled:
            self.job.work.check()
        self.seconds_left()
        return await asyncio.to_thread(work, *given, **named)

    async def bash(self) -> str:
        """Return the path of bash.

        Raises:
            TaskError: This machine has none.
        """
        windows = sys.platform == "win32"
        found = ""
        if windows:
            found = await asyncio.to_thread(_git_exec_path)
        try:
            return shells.bash(self.job.base_environment(), windows, lambda: found)
        except shells.NoShellError as error:
            raise TaskError(str(error)) from error


def _git_exec_path() -> str:
    """Return the folder of git's own programs; empty without git."""
    git = shutil.which("git")
    if git is None:
        return ""
    words = [git, "--exec-path"]
    asked = subprocess.run(words, env=process_variables.of_child(os.environ), capture_output=True, check=False)  # noqa: S603 - fixed words
    return asked.stdout.decode("utf-8", "replace").strip()
