"""The image of the inference container, built on this machine from the reader's clone and their newest model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from hol_wizard.engine.ownership import Resource, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import AccessDeniedError, NotFoundError, WizardError
from hol_wizard.lab.model import Environment
from hol_wizard.lab.names import FIXED
from hol_wizard.resources import machine_learning
from hol_wizard.resources.build_settings import image_name
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.local_clone import required_clone
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.with_engine import digests
from hol_wizard.services.containers.workbench import (
    BUILD_USUALLY,
    COMMIT_LABEL,
    LAB_LABEL,
    PROJECT,
    VERSION_LABEL,
    Workbench,
)
from hol_wizard.services.machine_learning import ModelVersion

_SHORT: Final = 10
"""Number of digits of a commit that are shown."""
_DIRTY: Final = "-dirty"
ASSETS: Final = "assets/"
COPIED: Final = ("requirements.txt", "score.py", "server.py", "inference_code")
"""The files that the starter's dockerfile copies besides the model."""
_RECIPE: Final = ("dockerfile", ".dockerignore")
"""What decides how an image is built, and is not in it."""


def own_model(context: StepContext) -> ModelVersion:
    """Return the newest version of the model that the reader has registered in dev; it is read once per run.

    Raises:
        NotFoundError: There is none.
    """
    workspace = _registry(context)
    model, wanted = FIXED["model"], {"state": str(Environment.DEV), "created_by": context.names.alias}.items()
    found = context.reads.share(
        ("models", workspace.lower()), lambda: context.services.machine_learning.versions(workspace, model)
    )
    for each in found:
        if wanted <= dict(each.tags).items():
            return each
    raise NotFoundError(
        f"No version of {model} has your alias {context.names.alias} in its tag created_by.",
        "<first train/run-the-training>.",
    )


def _registry(context: StepContext) -> str:
    """Return the ID of dev's workspace, whose registry has the model, whatever the step's environment."""
    return machine_learning.workspace(replace(context, environment=Environment.DEV)).id


def _tag(alias: str) -> str:
    """Return an alias as a tag of an image, which consists of ASCII letters, digits, `_`, `.` and `-`."""
    return re.sub(r"[^a-zA-Z0-9_.-]", "-", alias)


@dataclass(frozen=True)
class InferenceImage(Resource[Image]):
    """The image with the name that the build gives it; a label has the lab's ID.

    It matches if it was built from the clone in its current state and from the newest model: the labels and the files
    in it are compared.
    """

    context: StepContext
    kind = "Container image"
    mark = "label"
    usually = BUILD_USUALLY

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return its name with its tag."""
        return image_name(self.context)

    @property
    def id(self) -> str:
        """Return its name in the ledger."""
        return f"this-machine/images/{self.name}"

    @property
    def where(self) -> str:
        """Say that it is on this machine."""
        return "this machine"

    @property
    def cost(self) -> str:
        """Return how much disk space it needs."""
        return "free; about half a gigabyte of your disk"

    @property
    def note(self) -> str:
        """Return what it is built from, and whether without a container."""
        return "; ".join(filter(None, (f"from {self.folder / PROJECT}", self.workbench.note)))

    @property
    def folder(self) -> Path:
        """The reader's clone."""
        return Path(self.context.names.clone_folder)

    @cached_property
    def workbench(self) -> Workbench:
        """The workbench where it is built; determined once per resource."""
        return self.context.services.workbench()

    # Reading

    def find(self, reads: ReadCache) -> Image | None:
        """Return it."""
        del reads
        return self.workbench.image(self.folder, self.name)

    def marked(self, found: Image, noted: str | None) -> bool:
        """Return whether its label has the lab's ID."""
        del noted
        return self.context.is_lab_id(found.labels.get(LAB_LABEL))

    def identity(self, found: Image) -> str:
        """Return its digest, which a build by hand changes."""
        return found.id

    def expectations(self, found: Image) -> Sequence[Expectation]:
        """Return whether commit, files and model are current."""
        there = self._files(found)
        return (self._commit(found), self._code(there), *self._model(found, there))

    def _files(self, found: Image) -> Mapping[str, str]:
        read = lambda: self.workbench.files(self.folder, found)  # noqa: E731 the content of an id never changes
        return self.context.reads.share(("files of image", found.id), read)

    def _commit(self, found: Image) -> Expectation:
        clone = required_clone(self.context)
        here, label = clone.commit("HEAD"), found.labels.get(COMMIT_LABEL, "")
        commit, dirty = label.removesuffix(_DIRTY), label.endswith(_DIRTY)
        same = bool(commit) and (commit == here or clone.tree(commit, PROJECT) == clone.tree("HEAD", PROJECT))
        shown = f"{commit[:_SHORT]}{' with uncommitted changes' if dirty else ''}" if commit else "not noted"
        if same and commit != here:
            shown += f" (same {PROJECT})"
        if same and not dirty:
            # The code is compared file by file, but these files are not in the image.
            state = clone.state()
            since = [each for each in _RECIPE if f"{PROJECT}/{each}" in {*state.changed, *state.untracked}]
            if since:
                shown, same = f"{shown}, before {' and '.join(since)} changed", False
        return Expectation("Commit", here[:_SHORT], shown, met=same)

    def _code(self, there: Mapping[str, str]) -> Expectation:
        """Compare the files in the image with those in the clone, including uncommitted changes."""
        here = digests(self.folder / PROJECT)
        wanted = {path for path in here if path.split("/", 1)[0] in COPIED}
        code = {path for path in there if not path.startswith(ASSETS)}
        different = sorted(path for path in wanted | code if here.get(path) != there.get(path))
        actual = f"different: {', '.join(different[:5])}" if different else f"{len(code)} files, all the same"
        return Expectation("Code", f"as in {self.folder / PROJECT}", actual, met=not different)

    def _model(self, found: Image, there: Mapping[str, str]) -> Sequence[Expectation]:
        model, noted = own_model(self.context), found.labels.get(VERSION_LABEL, "")
        version = Expectation(
            "Model", f"version {model.number}", f"version {noted}" if noted else "not noted", noted == str(model.number)
        )
        try:
            wanted = self.context.services.machine_learning.digests(_registry(self.context), model)
        except AccessDeniedError:
            # An account that may build may read them; a mere check does without.
            return (version,)
        different = [name for name, digest in wanted.items() if there.get(f"{ASSETS}{name}") != digest]
        actual = f"different: {', '.join(different)}" if different else ", ".join(sorted(wanted))
        return (version, Expectation("Files of the model", "as registered", actual, met=not different))

    # Building

    def obstacle(self) -> WizardError | None:
        """Return what is missing for a build."""
        try:
            required_clone(self.context)
            own_model(self.context)
        except NotFoundError as error:
            return error
        return None

    def create(self, begun: Callable[[str], None]) -> str:
        """Run the starter's build."""
        del begun
        self.workbench.build(self.folder, self.access(), self.context.lab_id, self.context.reporter)
        found = self.find(ReadCache())
        return found.id if found is not None else ""

    def access(self) -> Mapping[str, str]:
        """Return the variables with which the build downloads the model."""
        services = self.context.services
        return services.program_access(services.machine_learning.blob_address(_registry(self.context)))

    def changeable(self, found: Image, *, ours: bool) -> bool:
        """Return whether it can be built again: only if the wizard built it."""
        del found
        return ours

    def difference(self, found: Image) -> str:
        """Say that it is built again."""
        return "; ".join(filter(None, (f"built again: {super().difference(found)}", self.workbench.note)))

    def change(self, found: Image) -> None:
        """Build it again; the new image gets the name."""
        del found
        self.create(lambda address: None)

    def remedy(self, found: Image) -> str:
        """Return what to do about an image of another commit or model."""
        if owns(self, found):
            return "To build it again, <solve>."
        if LAB_LABEL in found.labels:
            return (
                "Another profile, or another person, has built it with the same container engine. To have one of your "
                f"own, add the line IMAGE_TAG={_tag(self.context.names.alias)} to "
                f"{self.folder / PROJECT / 'settings.env'}, "
                "then <solve>."
            )
        return f"Build it again by hand, or remove it (docker image rm {self.name}) and <solve>."

    # Removing

    def delete(self, found: Image) -> None:
        """Remove it, and the earlier, now unnamed images of this lab."""
        self.workbench.remove(self.folder, found, self.context.lab_id)
