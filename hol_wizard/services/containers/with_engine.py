"""The workbench with a container engine: the starter's own programs, which use the engine's command."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from hol_wizard import variables
from hol_wizard.engine.reporter import Reporter
from hol_wizard.errors import ConflictError, InconclusiveError, NotFoundError, ServiceError, WizardError
from hol_wizard.person_files import ChangedError, Rewriting, UnfitError
from hol_wizard.services.containers import build_output
from hol_wizard.services.containers.engine import GROUPS, Engine, Image
from hol_wizard.services.containers.following import Ended, follow
from hol_wizard.services.containers.workbench import (
    BUILD_USUALLY,
    CHECK_LABEL,
    LAB_LABEL,
    NOTE_FILE,
    PERSON,
    PROJECT,
    TESTED,
    TESTS,
    TESTS_LABEL,
    TESTS_USUALLY,
)

IN_IMAGE: Final = "/var/azureml-app"
_PORT: Final = "5001"
_LIFE: Final = "90"
"""Seconds after which a container for a trial request ends on its own, so that none remains if the wizard is killed."""
_TEST_CONTAINERS: Final = "mltests-"
"""Beginning of the names that `run_tests.py` gives to its containers."""
_REMOVAL: Final = 60.0
_LOOK: Final = 0.2
_SILENT: Final = "-"
_ASKING: Final = """\
import http.client, socket, sys
# By the container's own address, as from outside: a server that listens on localhost only would not answer.
there = http.client.HTTPConnection(socket.gethostbyname(socket.gethostname()), int(sys.argv[1]), timeout=8)
try:
    there.request("POST", "/score", sys.argv[2])
    answer = there.getresponse()
    body = answer.read(1 << 16).decode("utf-8", "replace")
except (OSError, http.client.HTTPException) as error:
    print("-", error, sep="\\n")
else:
    print(answer.status, body, sep="\\n")
"""
"""Program that prints the status of the answer and then its body; `_SILENT` instead of a status: there is none."""


class EngineWorkbench:
    """Uses an engine that responds."""

    note = ""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def build(self, clone: Path, given: Mapping[str, str], lab: str, reporter: Reporter) -> None:
        """Run `build.py`, then remove the images that it has taken the name from."""
        more = {**given, "IMAGE_LABELS": f"{LAB_LABEL}={lab}"}
        ended = run_program(clone / PROJECT / "build.py", more, reporter, usually=BUILD_USUALLY)
        if ended.code != 0:
            raise self._failure("The image was not built", ended)
        self._remove_earlier(lab)

    def _failure(self, what: str, ended: Ended) -> WizardError:
        found = self._engine.probe()
        if found.problem:
            # This is the cause, whatever the program printed last.
            return ServiceError(f"{what}: {found.problem}", found.remedy, detail=build_output.tail(ended.last))
        return build_output.failure(what, ended.last, "Correct it, then <solve>. By hand, you see the same output.")

    def image(self, clone: Path, name: str) -> Image | None:
        """Return the engine's image with a name."""
        del clone
        return self._engine.image(name)

    def files(self, clone: Path, image: Image) -> Mapping[str, str]:
        """Return the digests of the files, copied out of a container that is never started."""
        del clone
        container = self._engine.run("create", "--label", CHECK_LABEL, image.id).strip()
        try:
            with tempfile.TemporaryDirectory(prefix="hol-wizard-", ignore_cleanup_errors=True) as folder:
                with suppress(NotFoundError):  # other images have no such folder
                    self._engine.run("cp", f"{container}:{IN_IMAGE}/.", folder)
                return digests(Path(folder))
        finally:
            self._engine.run("rm", container)

    def predict(self, clone: Path, image: Image, seconds: float) -> Any:
        """Start a container without a published port, send it a request from inside, and stop it.

        A published port would be on the engine's machine, which need not be this one.
        """
        del clone
        end = time.monotonic() + seconds
        name = f"hol-wizard-ask-{uuid.uuid4().hex[:8]}"
        hardened = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "1g")
        limited = ("timeout", "--signal=INT", _LIFE, *image.command)
        labelled = ("--label", CHECK_LABEL)
        self._engine.run("run", "--detach", "--rm", "--name", name, *hardened, *labelled, image.id, *limited)
        try:
            return self._ask(name, end)
        finally:
            with suppress(NotFoundError):  # it has ended by itself
                self._engine.run("rm", "--force", name, seconds=_REMOVAL)

    def _ask(self, name: str, end: float) -> Any:
        while time.monotonic() < end:
            try:
                said = self._engine.run("exec", name, "python", "-c", _ASKING, _PORT, json.dumps(dict(PERSON)))
            except ServiceError as error:
                if self._is_running(name):
                    raise
                raise ServiceError(
                    "The container ended right after it was started: the image does not work.",
                    "Start it by hand to see why: <step build-container/look-at-the-image>.",
                ) from error
            status, _, body = said.partition("\n")
            if status == "200":
                try:
                    return json.loads(body)
                except (ValueError, RecursionError) as error:
                    raise ServiceError("The container does not answer with JSON.", "Correct score.py.") from error
            if status != _SILENT:
                raise ServiceError(
                    f"The container answers {status} to a request: {body.strip()[:300]}",
                    "Correct the inference code, then build again.",
                )
            time.sleep(_LOOK)  # it is still starting
        raise InconclusiveError(
            "The container does not answer in time.",
            "Start it by hand to see why: <step build-container/look-at-the-image>.",
        )

    def _is_running(self, name: str) -> bool:
        try:
            return self._engine.run("container", "inspect", "--format", "{{.State.Running}}", name).strip() == "true"
        except NotFoundError:
            return False

    def run_tests(self, clone: Path, lab: str, reporter: Reporter) -> bool:
        """Run `run_tests.py`."""
        ended = run_program(clone / TESTS / "run_tests.py", test_labels(lab), reporter, usually=TESTS_USUALLY)
        if ended.code not in (0, 1):
            raise self._failure("The tests were not run", ended)
        return ended.code == 0

    def tested(self, clone: Path) -> str:
        """Return the ID in `artifacts.json`."""
        return tested_in(clone / NOTE_FILE)

    def has_test_images(self, lab: str) -> bool:
        """Return whether there is one whose label has the mark."""
        return bool(self._nameless(f"{TESTS_LABEL}={lab}"))

    def remove_tests(self, clone: Path, lab: str) -> None:
        """Remove the images with tests whose label has the mark, and the entry in `artifacts.json`."""
        self._remove_containers(f"label={TESTS_LABEL}={lab}", f"name={_TEST_CONTAINERS}")
        for each in self._nameless(f"{TESTS_LABEL}={lab}"):
            self._engine.run("image", "rm", each, seconds=_REMOVAL)
        forget_tested(clone / NOTE_FILE)

    def remove(self, clone: Path, image: Image, lab: str) -> None:
        """Remove the name, then all images of this lab that have no name and are not in use."""
        del clone
        self._remove_containers(f"label={LAB_LABEL}={lab}", f"label={CHECK_LABEL}")
        self._engine.run("image", "rm", image.name, seconds=_REMOVAL)
        self._remove_earlier(lab)

    def _remove_earlier(self, lab: str) -> None:
        """Remove the earlier builds of the inference image; each takes up to half a gigabyte."""
        tests = self._nameless(TESTS_LABEL)
        for each in self._nameless(f"{LAB_LABEL}={lab}"):
            if each not in tests:
                try:
                    self._engine.run("image", "rm", each, seconds=_REMOVAL)
                except ServiceError:
                    continue  # a container or another image still uses it; it has no name

    def _remove_containers(self, *filters: str) -> None:
        """Remove all containers, running or not, that each filter finds; a container has the labels of its image."""
        given = [word for each in filters for word in ("--filter", each)]
        for each in self._engine.run("ps", "--all", "--quiet", "--no-trunc", *given).split():
            with suppress(NotFoundError):  # its own program has removed it meanwhile
                self._engine.run("rm", "--force", each, seconds=_REMOVAL)

    def _nameless(self, label: str) -> tuple[str, ...]:
        """Return the IDs of the images with a label that have no name."""
        ours = ("--filter", "dangling=true", "--filter", f"label={label}")
        return tuple(dict.fromkeys(self._engine.run("image", "ls", "--quiet", "--no-trunc", *ours).split()))


def run_program(
    script: Path,
    given: Mapping[str, str],
    reporter: Reporter,
    *options: str,
    usually: float | None = None,
    python: str = sys.executable,
) -> Ended:
    """Run one of the starter's programs from the clone, and show its output live.

    It gets only those environment variables of this process that git, the engine and the network need.

    Args:
        script: The program's file.
        given: Variables for it.
        reporter: Shows the output, and tells when to stop.
        options: Its arguments.
        usually: Its usual duration in seconds.
        python: The interpreter; the programs need only the standard library, unless they run the tests.
    """
    environment = {
        **variables.of_child(os.environ, *GROUPS, variables.GIT),
        # Otherwise Python would buffer its output, and BuildKit would move the cursor.
        **{"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "BUILDKIT_PROGRESS": "plain", "NO_COLOR": "1"},
        **given,
    }
    command: Sequence[str | Path] = (python, script, *options)
    return follow(command, script.parent, environment, reporter, stage=build_output.stage, usually=usually)


def test_labels(lab: str) -> dict[str, str]:
    """Return the variables with which `run_tests.py` marks its image and its results; none without a mark."""
    return {"TEST_LABELS": f"{TESTS_LABEL}={lab}"} if lab else {}


def forget_tested(file: Path) -> None:
    """Remove the ID of the image whose tests passed from a file, if it has one.

    Raises:
        ConflictError: It cannot be written.
    """
    if not tested_in(file):
        return
    try:
        with Rewriting(file) as rewriting:
            about = json.loads(rewriting.before or b"{}")
            about.pop(TESTED, None)
            rewriting.write(f"{json.dumps(about, indent=2)}\n".encode())
    except (OSError, ValueError, AttributeError, RecursionError, UnfitError, ChangedError) as error:
        raise ConflictError(f"{file} cannot be written: {error}.", "Look at the file's permissions.") from error


def tested_in(file: Path) -> str:
    """Return the ID of the image whose tests passed from a file; empty if there is none."""
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return ""
    return str(about.get(TESTED) or "") if isinstance(about, dict) else ""


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder by its path, without bytecode and hidden notes."""
    found = {}
    # It skips a folder that is removed while it is read.
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            path = file.relative_to(folder)
            if "__pycache__" in path.parts or name.startswith(".") or not file.is_file():
                continue
            # An editor that saves has a temporary file for a moment.
            with suppress(FileNotFoundError):
                found[path.as_posix()] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found
