"""Builds the inference container: downloads the registered model, runs `docker build`, records the result.

Used by `runbuild_local` on your machine (Windows, macOS, Linux) and by `runbuild_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer, Docker, and a sign-in to Azure (`az login`); nothing has to be installed. Nothing is pushed:
`push.py` does that with an image that has passed its tests.

Exit codes: 0 built, 1 Docker failed, 2 the settings or the machine are not ready, 3 the model could not be downloaded.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebooks.model_registry import Registry, RegistryError, Services, Workspace, check_digests, sign_in_of

HERE = Path(__file__).resolve().parent
ARTIFACTS = HERE.parent / "ml_temp" / "artifacts"
"""Folder that `artifacts.json` is written to."""
PLATFORM = "linux/amd64"
"""The platform of the hosted agents and of most machines in Azure. An engine on Arm builds it too, by emulation."""
SETTINGS_FILE = HERE / "settings.env"
ASSETS = HERE / "assets"
NEEDED = ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "WORKSPACE_NAME", "STATE", "AUTHOR", "MODEL_NAME", "IMAGE_NAME")


class NotReadyError(Exception):
    """The settings or the machine are not ready; the message says what to do."""


class DockerError(Exception):
    """Docker failed; its own message has been printed."""


@dataclass(frozen=True)
class Settings:
    """What to build, and from what."""

    workspace: Workspace
    model_name: str
    tags: dict[str, str]
    image: str
    """Name of the image with its tag; it has no registry before it is pushed."""
    platform: str
    python_image: str
    """The base image; if empty, the one that the dockerfile names."""


def all_values(environment: Mapping[str, str], file: Path = SETTINGS_FILE) -> dict[str, str]:
    """Return the value from the environment, otherwise from the file."""
    return {**read_file(file), **{name: value for name, value in environment.items() if is_set(value)}}


def read_settings(environment: Mapping[str, str], file: Path = SETTINGS_FILE) -> Settings:
    """Return the settings: from the environment, otherwise from the file.

    Raises:
        NotReadyError: One is missing.
    """
    values = all_values(environment, file)
    missing = [name for name in NEEDED if not values.get(name)]
    if missing:
        raise NotReadyError(
            f"Not set: {', '.join(missing)}. Copy settings.example.env to {file.name} in {file.parent} and fill it in, "
            "or set them in the environment."
        )
    tag = values.get("IMAGE_TAG") or values.get("BUILD_BUILDID") or "local"
    return Settings(
        workspace=Workspace(values["SUBSCRIPTION_ID"], values["RESOURCE_GROUP"], values["WORKSPACE_NAME"]),
        model_name=values["MODEL_NAME"],
        tags={"state": values["STATE"], "created_by": values["AUTHOR"]},
        image=f"{values['IMAGE_NAME']}:{tag}",
        platform=values.get("PLATFORM") or PLATFORM,
        python_image=values.get("PYTHON_IMAGE", ""),
    )


def read_file(file: Path) -> dict[str, str]:
    """Return the NAME=VALUE lines of a file; none if the file does not exist."""
    if not file.is_file():
        return {}
    values = {}
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise NotReadyError(f"{file.name}, line {number} has no =.")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        values[name.strip()] = value
    return values


def is_set(value: str) -> bool:
    """Return whether a variable has a value; Azure Pipelines leaves `$(name)` if there is no such variable."""
    return bool(value) and not re.fullmatch(r"\$\([^)]*\)", value)


def docker(*arguments: str) -> None:
    """Run Docker.

    Raises:
        NotReadyError: It is not installed.
        DockerError: It failed.
    """
    program = shutil.which("docker")
    if program is None:
        raise NotReadyError("Docker is not installed, or not on the PATH: see https://docs.docker.com/get-docker/.")
    done = subprocess.run([program, *arguments], check=False)
    if done.returncode != 0:
        raise DockerError(
            f"docker {arguments[0]} failed with exit code {done.returncode}. Does `docker version` answer?"
        )


def trained_with(about: Mapping[str, object]) -> str:
    """Return a note if the container's scikit-learn differs from that of the training; empty if it is the same."""
    pinned = re.search(r"^scikit-learn==(\S+)", (HERE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    here, there = pinned[1] if pinned else "", about.get("scikit_learn", "")
    if here == there or not here or not there:
        return ""
    return (
        f"Note: trained with scikit-learn {there}, the container has {here}. Loading warns of it; "
        "to have the same version everywhere, change requirements.in."
    )


def build(settings: Settings, environment: Mapping[str, str]) -> None:
    """Download the model, build the image, and write `artifacts.json`."""
    values = all_values(environment)
    registry = Registry(settings.workspace, sign_in_of(environment), Services.of(values))
    say(f"Looking for {settings.model_name} with {settings.tags} in {settings.workspace.name}")
    version = registry.newest(settings.model_name, settings.tags)
    say(f"Fetching version {version.version} into {ASSETS.name}")
    registry.fetch(version, ASSETS)
    note = trained_with(check_digests(ASSETS))
    if note:
        say(note)
    say(f"Building {settings.image} for {settings.platform}")
    labels = {"model.name": version.name, "model.version": version.version}
    base = []
    if settings.python_image:
        base = ["--build-arg", f"PYTHON_IMAGE={settings.python_image}"]
        labels["org.opencontainers.image.base.name"] = settings.python_image
    labelled = [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    file = ["--file", str(HERE / "dockerfile"), "--platform", settings.platform]
    docker("build", *file, "--tag", settings.image, *labelled, *base, str(HERE))
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    about = {
        "image_location": settings.image,
        "platform": settings.platform,
        "model": {"name": version.name, "version": version.version},
    }
    (ARTIFACTS / "artifacts.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    say(f"Built {settings.image}; {ARTIFACTS / 'artifacts.json'} names it")


def say(text: str) -> None:
    """Print a line immediately, before Docker's output."""
    print(text, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Build, and return the exit code."""
    description = "Build the inference container around the newest registered model."
    argparse.ArgumentParser(description=description).parse_args(arguments)
    try:
        build(read_settings(os.environ), os.environ)
    except (NotReadyError, RegistryError, DockerError) as error:
        print(f"runbuild: {error}", file=sys.stderr)
        return {NotReadyError: 2, DockerError: 1}.get(type(error), 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
