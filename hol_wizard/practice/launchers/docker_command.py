"""`docker` for the steps of a practice pipeline.

With an engine, it is Docker's own command; only names of registries are replaced by their addresses here, in the
arguments and back in the output. Without one, `without_engine` carries out the command.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from hol_wizard.practice.launchers import Settings

_PROBE_SECONDS = 10.0


def has_engine(settings: Settings, environment: Mapping[str, str]) -> bool:
    """Return whether a container engine responds."""
    if not settings.docker:
        return False
    words = [settings.docker, "version", "--format", "{{.Server.Version}}"]
    try:
        asked = subprocess.run(words, env=dict(environment), capture_output=True, timeout=_PROBE_SECONDS, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def replaced(text: str, names: Mapping[str, str]) -> str:
    """Return a text with each of these names replaced, unless it is a part of a longer one."""
    if not names:
        return text
    known = "|".join(map(re.escape, names))
    return re.sub(rf"(?<![\w.-])(?:{known})(?![\w-])", lambda found: names[found[0]], text)


def run(words: Sequence[str], settings: Settings) -> int:
    """Run a command and return its exit code."""
    environment = dict(os.environ)
    if settings.docker_host:
        environment.setdefault("DOCKER_HOST", settings.docker_host)
    here = [replaced(word, settings.registries) for word in words]
    if not has_engine(settings, environment):
        # Half of this program's time to start, which a command with an engine does not need.
        from hol_wizard.practice.launchers import without_engine

        return without_engine.run(here, settings)
    if here[:1] == ["build"] and sys.platform != "linux":
        _pull_bases(here, settings, environment)
    if here == list(words):
        return subprocess.run([settings.docker, *here], env=environment, check=False).returncode  # noqa: S603 - Docker's own command
    names = {address: name for name, address in settings.registries.items()}
    with subprocess.Popen(  # noqa: S603 - Docker's own command
        [settings.docker, *here], env=environment, stdout=subprocess.PIPE, text=True, errors="replace"
    ) as started:
        for line in started.stdout or ():
            sys.stdout.write(replaced(line, names))
            sys.stdout.flush()
    return started.returncode


def _pull_bases(words: Sequence[str], settings: Settings, environment: Mapping[str, str]) -> None:
    """Pull the images that a build's arguments name in a registry of the practice cloud.

    On macOS and Windows, the client of `docker build` would not accept the registry's certificate when it asks for a
    token (`SSL_CERT_FILE` counts on Linux only); it does not ask for an image that the engine has.
    """
    for word in words:
        _, equals, image = word.partition("=")
        if equals and any(image.startswith(f"{address}/") for address in settings.registries.values()):
            pull = [settings.docker, "pull", "--quiet", image]
            subprocess.run(pull, env=dict(environment), stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - as above


def main() -> NoReturn:
    """Run the command line."""
    try:
        sys.exit(run(sys.argv[1:], Settings.of_step()))
    except KeyboardInterrupt:
        sys.exit(130)
