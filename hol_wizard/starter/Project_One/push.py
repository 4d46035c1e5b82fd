"""Pushes the inference image that has passed its tests, and records its digest in `artifacts.json`.

Used by `runtests_pipeline.sh`, after the tests. Needs Python 3.11 or newer, Docker signed in to the registry
(`az acr login`), the Azure CLI, and the variable ACR_NAME. From then on `image_location` is `server/name@sha256:…`: a
digest identifies exactly one image, so the release promotes exactly the image that was tested.

Exit codes: 0 pushed, 1 Docker or the Azure CLI failed, 2 not tested, or the machine is not ready.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ARTIFACTS = Path(__file__).resolve().parent.parent / "ml_temp" / "artifacts" / "artifacts.json"


class NotReadyError(Exception):
    """No image may be pushed, or the machine is not ready; the message says what to do."""


class ToolError(Exception):
    """Docker or the Azure CLI failed; its own message has been printed."""


def answer(*command: str) -> str:
    """Run a program and return what it prints.

    Raises:
        NotReadyError: It is not installed.
        ToolError: It failed.
    """
    program = shutil.which(command[0])
    if program is None:
        raise NotReadyError(f"{command[0]} is not installed, or not on the PATH.")
    done = subprocess.run([program, *command[1:]], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise ToolError(f"{' '.join(command[:3])} failed with exit code {done.returncode}.")
    return done.stdout.strip()


def push(registry: str, file: Path = ARTIFACTS) -> str:
    """Push the tested image, record its location in `artifacts.json`, and return it.

    Args:
        registry: The registry's name, without its address.
        file: `artifacts.json`.

    Raises:
        NotReadyError: No image was built, or the tests have not passed in exactly this image.
        ToolError: Docker or the Azure CLI failed.
    """
    if not registry:
        raise NotReadyError("ACR_NAME is not set: to which registry?")
    if not file.is_file():
        raise NotReadyError(f"{file} does not exist. Build the image first.")
    about = json.loads(file.read_text(encoding="utf-8"))
    image = str(about["image_location"])
    if "@" in image:
        print(f"{image} has been pushed already.", flush=True)
        return image
    if answer("docker", "image", "inspect", "--format", "{{.Id}}", image) != about.get("tested_image_id"):
        raise NotReadyError(f"{image} has not passed its tests. Run them first.")
    # Not NAME.azurecr.io: the address ends differently in other clouds.
    server = answer("az", "acr", "show", "--name", registry, "--query", "loginServer", "--output", "tsv")
    target = f"{server}/{image}"
    print(f"Pushing {target}", flush=True)
    answer("docker", "tag", image, target)
    answer("docker", "push", "--quiet", target)
    digests = json.loads(answer("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", target))
    repository = target.rpartition(":")[0]
    (about["image_location"],) = [each for each in digests if each.startswith(f"{repository}@")]
    file.write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return str(about["image_location"])


def main() -> int:
    """Push, and return the exit code."""
    try:
        print(f"Pushed {push(os.environ.get('ACR_NAME', ''))}", flush=True)
    except NotReadyError as error:
        print(f"push: {error}", file=sys.stderr)
        return 2
    except ToolError as error:
        print(f"push: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
