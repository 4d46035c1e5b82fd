"""The tasks PythonScript@0, PowerShell@2 and Docker@2.

azure-pipelines-tasks, PythonScriptV0/main.ts, PowerShellV2/powershell.ts and DockerV2/src, with their messages.
"""

from __future__ import annotations

import os
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment, patterns, shells
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError
from hol_wizard.practice.pipelines.agent.tasks import scripts
from hol_wizard.practice.pipelines.tasks import POWERSHELL_PREFERENCES


async def python(context: StepContext) -> Result:
    """Run the task PythonScript@0."""
    given = context.input("pythonInterpreter")
    variables = context.environment()
    program = given or environment.program("python", variables) or environment.program("python3", variables)
    if program is None:
        raise TaskError("This step needs Python, and there is none on the search path.")
    folder = scripts.working_folder(context, "workingDirectory")
    written = None
    if context.input("scriptSource").lower() == "inline":
        text = context.input("script", required=True)
        file = written = shells.write_script(context.job.workspace.temporary, text, ".py")
    else:
        file = context.path("scriptPath", required=True)
        if not file.is_file():
            raise TaskError(f"Script file could not be found at specified script location: '{file}'.")
    errors: list[str] = []
    words = [program, str(file), *shells.arguments(context.input("arguments"))]
    context.log.command(" ".join(words))
    try:
        fail_on_error = context.flag("failOnStderr")
        code = await context.run(words, folder=folder, error_line=errors.append if fail_on_error else None)
    finally:
        if written is not None:
            written.unlink(missing_ok=True)
    if code != 0:
        raise TaskError(f"The process '{program}' failed with exit code {code}")
    if errors:
        raise TaskError("The process failed because one or more lines were written to the STDERR stream")
    return Result.SUCCEEDED


async def powershell(context: StepContext) -> Result:
    """Run the task PowerShell@2; on a practice agent, always with PowerShell Core."""
    folder = scripts.working_folder(context, "workingDirectory")
    lines = [
        f"${name[0].upper()}{name[1:]} = '{value}'"
        for name in POWERSHELL_PREFERENCES
        if (value := context.input(name)) not in {"", "default"}
    ]
    context.log.write("Generating script.")
    if context.input("targetType").lower() == "filepath":
        file = context.path("filePath", required=True)
        if not file.is_file() or file.suffix.lower() != ".ps1":
            raise TaskError(f"Invalid file path '{file}'. A path to a .ps1 file is required.")
        quoted = str(file).replace("'", "''")
        lines.append(f". '{quoted}' {context.input('arguments')}".strip())
        context.log.write(f"Formatted command: {lines[-1]}")
    else:
        lines.append(context.input("script"))
    if not context.flag("ignoreLASTEXITCODE"):
        lines.append("if (Test-Path -LiteralPath variable:\\LASTEXITCODE) { exit $LASTEXITCODE }")
    # PowerShell reads a file without a byte order mark in UTF-8 since its version 6.
    script = shells.write_script(context.job.workspace.temporary, "\n".join(lines), ".ps1")
    try:
        words = scripts.powershell(context, script)
    except TaskError:
        script.unlink(missing_ok=True)
        raise
    context.log.write(scripts.START)
    fail_on_error = context.flag("failOnStderr")
    return await scripts.run_script(
        context, words, folder, script, fail_on_error=fail_on_error, interpreter="PowerShell"
    )


async def docker(context: StepContext) -> Result:
    """Run the task Docker@2 for images without a service connection to a registry."""
    if context.input("containerRegistry"):
        raise TaskError(
            "The practice agent does not sign in to a registry by a service connection: use 'az acr login'."
        )
    command = context.input("command", required=True).lower()
    program = environment.program("docker", context.environment())
    if program is None:
        raise TaskError("This step needs Docker, and this machine has none.")
    repository = context.input("repository")
    tags = [each for line in context.input("tags").splitlines() for each in line.replace(",", " ").split()]
    names = [f"{repository}:{each}" for each in tags] if repository else []
    more = shells.arguments(context.input("arguments"))
    if command in {"build", "buildandpush"}:
        file, folder = _dockerfile(context)
        named = [word for each in names for word in ("-t", each)]
        extra = more if command == "build" else []
        await _docker(context, program, "build", "-f", str(file), *named, *extra, str(folder))
    if command in {"push", "buildandpush"}:
        if not names:
            raise TaskError("Input required: repository")
        for each in names:
            await _docker(context, program, "push", each, *(more if command == "push" else []))
    if command in {"start", "stop"}:
        await _docker(context, program, command, context.input("container", required=True), *more)
    elif command not in {"build", "buildandpush", "push"}:
        await _docker(context, program, command, *more)
    return Result.SUCCEEDED


def _dockerfile(context: StepContext) -> tuple[Path, Path]:
    """Return the Dockerfile, and the folder that is built."""
    given = context.input("Dockerfile")
    found = patterns.find(context.job.workspace.sources, [given])
    if not found:
        raise TaskError(f"No Dockerfile matching {given} was found.")
    folder = context.input("buildContext")
    if not folder or folder.endswith("**"):
        return found[0], found[0].parent
    return found[0], Path(os.path.normpath(context.job.workspace.sources / folder))


async def _docker(context: StepContext, program: str, *words: str) -> None:
    context.log.command(f"docker {' '.join(words)}")
    code = await context.run([program, *words])
    if code != 0:
        raise TaskError(f"The process '{program}' failed with exit code {code}")
