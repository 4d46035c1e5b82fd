"""The programs that the documents' commands need: the Azure CLI and its extension, a substitute for Databricks' CLI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from hol_wizard import anywhere
from tests.end_to_end.test_foreign_clients import AZURE_CLI, installed
from tests.end_to_end.typed import databricks_cli

ROOT = Path(__file__).parents[3]
CACHE = Path.home() / ".cache" / "hol-wizard-tests"
"""Read before a test's fixtures take the home away."""
PAUSES = Path(__file__).with_name("pauses")
"""Folder of what shortens the pauses of the Azure CLI."""
EXTENSION = "azure-devops"
OF_THE_EXTENSION = ("setuptools<81", "distro", "keyring~=17.1.1")
"""What it imports without saying so, and what it installs at the first use."""
DEBIANS = "python3-azext-devops"
"""Debian's package of that extension, for machines that do not reach the Azure CLI's own index."""


@dataclass(frozen=True, slots=True)
class AzureCli:
    """An installed Azure CLI."""

    program: Path
    extensions: Path
    """Folder of its extensions."""

    @property
    def has_devops(self) -> bool:
        """Whether it has the extension for Azure DevOps."""
        return (self.extensions / EXTENSION).is_dir()


def azure_cli() -> AzureCli:
    """Return the Azure CLI; it is installed once a machine, outside the repository."""
    folder = CACHE / AZURE_CLI.replace("==", "-")
    made = AzureCli(folder / "venv" / "bin" / "az", folder / "extensions")
    CACHE.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            installed(folder / "venv", AZURE_CLI, *OF_THE_EXTENSION)
            _install_devops(made, folder)
            (folder / "complete").touch()
    return made


def _install_devops(cli: AzureCli, folder: Path) -> None:
    """Install the extension from its index, or from Debian's package of it, where one of them can be reached."""
    own = {"AZURE_EXTENSION_DIR": str(cli.extensions), "AZURE_CONFIG_DIR": str(folder / "config")}
    words = [str(cli.program), "extension", "add", "--yes", "--name", EXTENSION]
    if subprocess.run(words, env={**os.environ, **own}, capture_output=True, check=False, timeout=100).returncode == 0:
        return
    if shutil.which("apt-get") and shutil.which("dpkg"):
        unpacked = folder / "debian"
        unpacked.mkdir()
        words = ["apt-get", "download", DEBIANS]
        if subprocess.run(words, cwd=unpacked, capture_output=True, check=False, timeout=100).returncode == 0:
            (package,) = unpacked.glob("*.deb")
            subprocess.run(["dpkg", "-x", str(package), str(unpacked)], check=True, capture_output=True)
            shutil.copytree(unpacked / "usr/lib/python3/dist-packages", cli.extensions / EXTENSION)


def put_on_path(folder: Path, cli: AzureCli) -> None:
    """Make a folder with the documents' programs, to be put in front of the others."""
    folder.mkdir()
    _wrapper(folder / "az", "env", f"PYTHONPATH={PAUSES}", str(cli.program))
    _wrapper(folder / "hol-wizard", *anywhere.words("hol_wizard"))
    if shutil.which("databricks") is None:
        _wrapper(folder / "databricks", "env", f"PYTHONPATH={ROOT}", sys.executable, str(databricks_cli.__file__))


def _wrapper(file: Path, *words: str) -> None:
    quoted = " ".join(f"'{word}'" for word in words)
    file.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', encoding="utf-8")
    file.chmod(0o755)
