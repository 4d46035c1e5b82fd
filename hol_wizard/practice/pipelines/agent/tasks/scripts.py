"""The tasks CmdLine@2 and Bash@3, and what they share with AzureCLI.

azure-pipelines-tasks, CmdLineV2/cmdline.ts and BashV3/bash.ts, with their messages.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment, shells
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError

START = "========================== Starting Command Output ==========================="
_MOST_ERRORS = 10
_LONGEST_ERROR = 1000


async def cmd_line(context: StepContext) -> Result:
    """Run the task CmdLine@2: on a practice agent, which has no image of Windows, always with bash."""
    folder = working_folder(context, "workingDirectory")
    context.log.write("Generating script.")
    text = context.input("script")
    bash = await context.bash()
    file = _write(context, text)
    _show(context, text)
    context.log.write(START)
    words = [bash, "--noprofile", "--norc", shells.path_for_bash(file, sys.platform == "win32")]
    return await run_script(context, words, folder, file, fail_on_error=context.flag("failOnStderr"))


async def bash(context: StepContext) -> Result:
    """Run the task Bash@3."""
    folder = working_folder(context, "workingDirectory")
    variables = context.environment()
    if startup := context.input("bashEnvValue"):
        variables["BASH_ENV"] = startup
    windows = sys.platform == "win32"
    program = await context.bash()
    context.log.write("Generating script.")
    if context.input("targetType").lower() == "filepath":
        path = context.path("filePath", required=True)
        if not path.is_file():
            raise TaskError(f"Invalid file path '{path}'.")
        named = shells.quoted(shells.path_for_bash(path, windows))
        text = f"exec bash {named} {context.input('arguments')}".strip()
        context.log.write(f"Formatted command: {text}")
    else:
        text = context.input("script")
        _show(context, text)
    file = _write(context, text)
    context.log.write(START)
    words = [program, shells.path_for_bash(file, windows)]
    return await run_script(
        context, words, folder, file, variables=variables, fail_on_error=context.flag("failOnStderr")
    )


def working_folder(context: StepContext, name: str) -> Path:
    """Return the folder that a script runs in.

    Raises:
        TaskError: There is none.
    """
    folder = context.path(name)
    if not folder.is_dir():
        raise TaskError(f"Not found {name}: {folder}")
    return folder


def _write(context: StepContext, text: str) -> Path:
    return shells.write_script(context.job.workspace.temporary, text)


def _show(context: StepContext, text: str) -> None:
    """Show a script of one line."""
    if "\n" not in text and "##vso[" not in text.lower():
        context.log.write("Script contents:")
        context.log.write(text)


async def run_script(
    context: StepContext,
    words: Sequence[str],
    folder: Path,
    file: Path | None,
    *,
    variables: Mapping[str, str] | None = None,
    fail_on_error: bool = False,
    interpreter: str = "Bash",
) -> Result:
    """Run a script, remove its file, and return the result.

    Args:
        context: The step.
        words: The command.
        folder: Where it runs.
        file: The script that was written for it; None if it is the person's own.
        variables: Its environment; None for the step's.
        fail_on_error: Whether it fails if it writes to its standard error.
        interpreter: What runs it, for messages.
    """
    errors: list[str] = []
    context.log.command(" ".join(words))
    try:
        code = await context.run(
            words, folder=folder, variables=variables, error_line=errors.append if fail_on_error else None
        )
    finally:
        if file is not None:
            # It can contain a secret, where a macro was in the script.
            file.unlink(missing_ok=True)
    result = Result.SUCCEEDED
    if code != 0:
        context.log.error(exit_message(code, interpreter))
        result = Result.FAILED
    if errors:
        context.log.error(f"{interpreter} wrote one or more lines to the standard error stream.")
        for line in errors[:_MOST_ERRORS]:
            context.log.error(line if len(line) <= _LONGEST_ERROR else f"{line[:_LONGEST_ERROR]}<truncated>")
        if len(errors) > _MOST_ERRORS:
            context.log.error("Additional writes to stderr truncated")
        result = Result.FAILED
    return result


def powershell(context: StepContext, script: Path) -> list[str]:
    """Return the command that runs a script with PowerShell Core.

    Raises:
        TaskError: It is not installed.
    """
    program = environment.program("pwsh", context.environment())
    if program is None:
        raise TaskError("This step needs PowerShell (pwsh), and this machine has none.")
    quoted = str(script).replace("'", "''")
    options = ["-NoLogo", "-NoProfile", "-NonInteractive", "-ExecutionPolicy", "Unrestricted"]
    return [program, *options, "-Command", f". '{quoted}'"]


def exit_message(code: int, interpreter: str) -> str:
    """Return the message for an exit code."""
    if code == 137:
        return f"{interpreter} exited with code '{code}': the process was killed, for example because memory ran out."
    return f"{interpreter} exited with code '{code}'."
