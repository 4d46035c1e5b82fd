"""Builds the inference container: downloads the registered model, runs `docker build`, records the result.

Used by `runbuild_local` on your machine (Windows, macOS, Linux) and by `runbuild_pipeline.sh` in the pipeline. Needs
Python 3.11 or newer, Docker, and a sign-in to Azure (`az login`); nothing has to be installed. Nothing is pushed:
`push.py` does that with an image that has passed its tests.

With `--here`, no image is built and Docker is not needed: the model is downloaded, and `without_container.json` records
what the image would contain. Use it to try things out on a machine without Docker. It does not write `artifacts.json`.

Exit codes: 0 built, 1 Docker failed, 2 the settings or the machine are not ready, 3 the model could not be downloaded,
130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import hashlib
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
COPIED = ("requirements.txt", "score.py", "server.py", "inference_code", "assets")
"""What the dockerfile copies into the image."""
TOKENS = ("ARM_ACCESS_TOKEN", "STORAGE_ACCESS_TOKEN", "AZURE_CLIENT_SECRET")
"""Variables that Docker does not get."""
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
    labels: dict[str, str]
    """Further labels for the image."""


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
        labels=dict(label.split("=", 1) for label in values.get("IMAGE_LABELS", "").split() if "=" in label),
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
    program = shutil.which("docker") or shutil.which("podman")
    if program is None:
        raise NotReadyError("Docker is not installed, or not on the PATH: see https://docs.docker.com/get-docker/.")
    environment = {name: value for name, value in os.environ.items() if name not in TOKENS}
    done = subprocess.run([program, *arguments], env=environment, check=False)
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


def revision() -> str:
    """Return the commit that is built, with `-dirty` if this folder has changes that are not committed.

    Empty where there is no git, or this is no clone.
    """

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def fetch(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Download the newest model into `assets`, and return the image's labels for model and commit."""
    registry = Registry(settings.workspace, sign_in_of(environment), Services.of(all_values(environment)))
    say(f"Looking for {settings.model_name} with {settings.tags} in {settings.workspace.name}")
    version = registry.newest(settings.model_name, settings.tags)
    say(f"Fetching version {version.version} into {ASSETS.name}")
    registry.fetch(version, ASSETS)
    note = trained_with(check_digests(ASSETS))
    if note:
        say(note)
    labels = {"model.name": version.name, "model.version": version.version, **settings.labels}
    commit = revision()
    return {**labels, "org.opencontainers.image.revision": commit} if commit else labels


def build(settings: Settings, environment: Mapping[str, str]) -> None:
    """Download the model, build the image, and write `artifacts.json`."""
    labels = fetch(settings, environment)
    say(f"Building {settings.image} for {settings.platform}")
    base = []
    if settings.python_image:
        base = ["--build-arg", f"PYTHON_IMAGE={settings.python_image}"]
        labels["org.opencontainers.image.base.name"] = settings.python_image
    labelled = [part for key, value in labels.items() for part in ("--label", f"{key}={value}")]
    file = ["--file", str(HERE / "dockerfile"), "--platform", settings.platform]
    docker("build", *file, "--tag", settings.image, *labelled, *base, str(HERE))
    about = {
        "image_location": settings.image,
        "platform": settings.platform,
        "model": {"name": labels["model.name"], "version": labels["model.version"]},
    }
    note("artifacts.json", about)
    say(f"Built {settings.image}; {ARTIFACTS / 'artifacts.json'} names it")


def build_here(settings: Settings, environment: Mapping[str, str]) -> None:
    """Download the model, and record what the image would contain; nothing is built."""
    labels = fetch(settings, environment)
    files = files_of_image()
    about = {"name": settings.image, "id": digest_of(files, labels), "labels": labels, "files": files}
    note("without_container.json", about)
    say(f"No image was built; {ARTIFACTS / 'without_container.json'} says what would be in {settings.image}")


def files_of_image() -> dict[str, str]:
    """Return the digest of each file that the dockerfile copies, by its path."""
    found = {}
    for name in COPIED:
        for file in sorted([HERE / name, *(HERE / name).rglob("*")]):
            path = file.relative_to(HERE)
            if file.is_file() and "__pycache__" not in path.parts and not file.name.startswith("."):
                found[path.as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def digest_of(files: Mapping[str, str], labels: Mapping[str, str]) -> str:
    """Return an ID that changes with the content."""
    return f"sha256:{hashlib.sha256(json.dumps([files, labels], sort_keys=True).encode()).hexdigest()}"


def note(name: str, about: Mapping[str, object]) -> None:
    """Write a file of the artifacts, whole or not at all."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    draft = ARTIFACTS / f".{name}.draft"
    draft.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    draft.replace(ARTIFACTS / name)


def say(text: str) -> None:
    """Print a line immediately, before Docker's output."""
    # A path need not be UTF-8.
    print(os.fsencode(text).decode("utf-8", "replace"), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Build, and return the exit code."""
    description = "Build the inference container around the newest registered model."
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--here", action="store_true", help="build no image, only note what would be in it")
    here = parser.parse_args(arguments).here
    try:
        (build_here if here else build)(read_settings(os.environ), os.environ)
    except KeyboardInterrupt:
        print("runbuild: stopped; nothing was built", file=sys.stderr)
        return 130
    except (NotReadyError, RegistryError, DockerError) as error:
        print(f"runbuild: {error}", file=sys.stderr)
        return {NotReadyError: 2, DockerError: 1}.get(type(error), 3)
    return 0


if __name__ == "__main__":
    sys.exit(main())
