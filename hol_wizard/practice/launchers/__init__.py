"""Programs for the steps of a practice pipeline, at the front of their PATH: `az`, `docker`, `python3` and `python`.

`install` writes them into a folder: small scripts that call the modules of this package, which use only the
standard library and the variables of the step. They never use the person's own sign-in to Azure.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

SETTINGS = "HOL_WIZARD_LAUNCHERS"
"""Variable by which a script tells its program where the settings are."""
_CALL = "import sys; sys.path.insert(0, {place!r}); from hol_wizard.practice.launchers.{module} import main; main()"
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What the programs need besides the variables of a step."""

    docker: str = ""
    """Path of Docker's own command; empty if there is none."""
    docker_host: str = ""
    """Address of the engine, because a step has a Docker configuration of its own, without contexts."""
    python: str = sys.executable
    """The interpreter that steps get as `python3`."""
    packages_python: str = ""
    """An interpreter with the packages of the inference container, for builds without an engine."""
    registries: Mapping[str, str] = field(default_factory=dict)
    """Login servers by the names that people write: `labacr.azurecr.io`."""

    @classmethod
    def of_step(cls) -> Settings:
        """Return the settings of the calling script; the defaults if there are none."""
        file = os.environ.get(SETTINGS, "")
        return cls(**json.loads(Path(file).read_text(encoding="utf-8"))) if file else cls()


def find_engine() -> tuple[str, str]:
    """Return the path of Docker's command and the address of its engine; empty if there is none, or it is the default.

    Call it in the environment of the person, because the address can be in their Docker configuration.
    """
    command = shutil.which("docker") or ""
    if not command or os.environ.get("DOCKER_HOST"):
        return command, os.environ.get("DOCKER_HOST", "")
    words = [command, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return command, ""
    return command, asked.stdout.strip() if asked.returncode == 0 else ""


def install(folder: Path, settings: Settings) -> Path:
    """Write the programs and their settings into a folder, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "settings.json"
    file.write_text(json.dumps(asdict(settings)), encoding="utf-8")
    for name in ("az", "docker"):
        code = _CALL.format(place=str(Path(__file__).parents[3]), module=f"{name}_command")
        _write(folder, name, [sys.executable, "-I", "-c", code], file)
    for name in ("python3", "python"):
        _write(folder, name, [settings.python], file)
    return folder


def _write(folder: Path, name: str, words: list[str], settings: Path) -> None:
    """Write one script; on Windows one for Git's bash and one for cmd, which has not been tried."""
    script = folder / name
    lines = ["#!/bin/sh", f"{SETTINGS}={shlex.quote(str(settings))}", f"export {SETTINGS}"]
    script.write_text("\n".join([*lines, f'exec {shlex.join(words)} "$@"', ""]), encoding="utf-8", newline="\n")
    script.chmod(0o755)
    if sys.platform == "win32":
        command = f'@set "{SETTINGS}={settings}"\r\n@{subprocess.list2cmdline(words)} %*\r\n'
        script.with_suffix(".cmd").write_text(command, encoding="utf-8", newline="")
