"""The task UsePythonVersion@0.

On the service, a version that is not in the tool cache is an error (azure-pipelines-tasks, UsePythonVersionV0). The
practice agent installs nothing: it uses an interpreter of the version that is on this machine, or else the one that is
there, with a warning that names both.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from hol_wizard.practice.kernel.timelines import Result
from hol_wizard.practice.pipelines.agent import environment
from hol_wizard.practice.pipelines.agent.context import StepContext, TaskError

_PRINT = "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.executable)"


async def run(context: StepContext) -> Result:
    """Run the task."""
    spec = context.input("versionSpec") or "3.x"
    if spec.lower().startswith("pypy"):
        raise TaskError("The practice agent does not provide PyPy.")
    variables = context.environment()
    found = await context.in_thread(_interpreters, spec, variables)
    fitting = {path: version for path, version in found.items() if fits(version, spec)}
    if fitting:
        path, version = max(fitting.items(), key=lambda each: _parts(each[1]))
        context.log.write(f"Found Python {version} at {path}")
    elif found:
        path, version = next(iter(found.items()))
        context.log.warning(
            f"Version spec {spec} did not match any version on this machine, so the practice agent uses Python"
            f" {version} at {path}. On the service, the step would fail or install it."
        )
    else:
        raise TaskError(f"Version spec {spec} did not match any version: there is no Python on the search path.")
    context.job.variables.set("pythonLocation", str(Path(path).parent))
    if context.input("addToPath").lower() != "false":
        folder = _folder(context, path)
        context.log.write(f"Prepending PATH environment variable with directory: {folder}")
        context.job.prepended[:] = [folder, *(each for each in context.job.prepended if each != folder)]
    return Result.SUCCEEDED


def _interpreters(spec: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return the interpreters of this machine, each with its version."""
    return dict(found for each in candidates(spec, variables) if (found := _asked(each, variables)))


def _folder(context: StepContext, path: str) -> str:
    """Return a folder in which `python` and `python3` are this interpreter."""
    folder = context.job.workspace.tools / "Python" / Path(path).name
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        return str(Path(path).parent)
    for name in ("python", "python3"):
        launcher = folder / name
        launcher.write_text(f'#!/bin/sh\nexec "{path}" "$@"\n', encoding="utf-8", newline="\n")
        launcher.chmod(0o700)
    return str(folder)


def candidates(spec: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield interpreters on the search path, those that a version names first."""
    numbers = re.findall(r"\d+", spec)
    names = [f"python{'.'.join(numbers[:2])}"] if len(numbers) > 1 else []
    seen: set[str] = set()
    for name in (*names, "python3", "python"):
        found = environment.program(name, variables)
        if found is not None and found not in seen:
            seen.add(found)
            yield found


def _asked(path: str, variables: Mapping[str, str]) -> tuple[str, str] | None:
    """Return an interpreter's own path and its version; the path that was found may be a launcher."""
    try:
        asked = subprocess.run(  # noqa: S603 - an interpreter on the search path
            [path, "-I", "-c", _PRINT], env=dict(variables), capture_output=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version, _, own = asked.stdout.decode("utf-8", "replace").strip().partition(" ")
    return (own, version) if asked.returncode == 0 and own and re.fullmatch(r"[\d.]+", version) else None


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version))


def fits(version: str, spec: str) -> bool:
    """Return whether a version is one of those that a specification of semver names."""
    return any(_fits_all(_parts(version), part.split()) for part in spec.split("||"))


def _fits_all(version: tuple[int, ...], comparisons: list[str]) -> bool:
    return all(_fits_one(version, each) for each in comparisons)


def _fits_one(version: tuple[int, ...], text: str) -> bool:
    match = re.fullmatch(r"(>=|<=|>|<|=|~|\^)?v?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-.*)?", text)
    if match is None:
        return False
    sign = match[1] or "="
    wanted: list[int] = []
    for each in match.groups()[1:]:
        if each is None or not each.isdecimal():
            break
        wanted.append(int(each))
    bound = tuple(wanted)
    head = version[: len(bound)]
    if sign == "=":
        return head == bound
    if sign in {"~", "^"}:
        kept = 1 if sign == "^" else min(2, len(bound))
        return version[:kept] == bound[:kept] and head >= bound
    return {">=": head >= bound, "<=": head <= bound, ">": head > bound, "<": head < bound}[sign]
