"""The image of the inference container, in a real engine; and what takes its place without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from hol_wizard.engine.results import Expectation
from hol_wizard.errors import WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.inference_image import InferenceImage
from hol_wizard.services.containers.engine import Engine, Image
from hol_wizard.services.containers.with_engine import EngineWorkbench
from hol_wizard.services.containers.without_container import ContainerlessWorkbench
from hol_wizard.services.containers.workbench import PROJECT, Workbench
from tests.resources.case import Case

BUILD = """import json, os, pathlib, subprocess, sys
here = pathlib.Path(__file__).parent
refusal = here / "refuse"
if refusal.exists():
    refusal.unlink()
    sys.exit("write /var/lib/docker/x: no space left on device")
about = json.loads((here / "about.json").read_text())
labels = dict(each.split("=") for each in os.environ.get("IMAGE_LABELS", "").split())
labels = {**labels, "fits": about["fits"]}
if "--here" in sys.argv:
    note = here.parent / "ml_temp" / "artifacts" / "without_container.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps({"name": about["name"], "id": str(labels), "labels": labels, "files": {}}))
else:
    words = [word for name, value in labels.items() for word in ("--label", f"{name}={value}")]
    sys.exit(subprocess.run(["docker", "build", "--tag", about["name"], *words, str(here)]).returncode)
"""
"""Builds at once, and from nothing but what stands beside it."""


class ImageOfTest(InferenceImage):
    """The kind with a clone of the test's, and one expectation: the real ones have a test with the step."""

    bench: Workbench
    place: Path
    called: str

    @property
    def name(self) -> str:  # type: ignore[override]  # as in the kind itself
        return self.called

    @property
    def folder(self) -> Path:
        return self.place

    @property
    def workbench(self) -> Workbench:
        return self.bench

    def expectations(self, found: Image) -> Sequence[Expectation]:
        fits = found.labels.get("fits", "")
        return (Expectation("Fits", "yes", fits, met=fits == "yes"),)

    def obstacle(self) -> WizardError | None:
        return None

    def access(self) -> Mapping[str, str]:
        return {}


class _ImageCase(Case):
    exempt = MappingProxyType({"gone with parent": "nothing contains it"})
    bench: Workbench

    @property
    def _clone(self) -> Path:
        return self.ground.root.parent / "image-clone"

    def prepare(self) -> None:
        self._name = f"hol-contract:{uuid.uuid4().hex[:8]}"
        project = self._clone / PROJECT
        project.mkdir(parents=True)
        (project / "build.py").write_text(BUILD, encoding="utf-8")
        (project / "Dockerfile").write_text("FROM scratch\nCOPY about.json /\n", encoding="utf-8")
        self._about("yes")

    def _about(self, fits: str) -> None:
        (self._clone / PROJECT / "about.json").write_text(json.dumps({"name": self._name, "fits": fits}))

    def make(self, context: StepContext) -> ImageOfTest:
        made = ImageOfTest(context)
        for name, value in (("bench", self.bench), ("place", self._clone), ("called", self._name)):
            object.__setattr__(made, name, value)
        return made

    options: Sequence[str] = ()

    def state(self) -> object:
        found = self.bench.image(self._clone, self._name)
        return None if found is None else (found.id, dict(found.labels))

    def by_hand(self) -> None:
        environment = {name: os.environ[name] for name in ("PATH", "HOME")}
        words = [sys.executable, str(self._clone / PROJECT / "build.py"), *self.options]
        subprocess.run(words, env=environment, check=True, capture_output=True)

    def by_hand_wrong(self) -> None:
        self._about("no")
        self.by_hand()
        self._about("yes")

    def refuse(self) -> None:
        (self._clone / PROJECT / "refuse").touch()

    def remove_mark(self) -> None:
        self.by_hand()

    def remove(self) -> None:
        if (found := self.bench.image(self._clone, self._name)) is not None:
            self.bench.remove(self._clone, found, "nobody")


class ImageInEngineCase(_ImageCase):
    resource = InferenceImage
    bench = EngineWorkbench(Engine())

    def prepare(self) -> None:
        if shutil.which("docker") is None or Engine().probe().problem:
            pytest.skip("no container engine answers")
        super().prepare()


class ImageWithoutContainerCase(_ImageCase):
    resource = InferenceImage
    bench = ContainerlessWorkbench(Path(sys.executable))
    options = ("--here",)
