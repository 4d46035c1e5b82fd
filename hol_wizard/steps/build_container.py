"""Section build-container: the image of the inference container is built on this machine and tried."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hol_wizard.engine import ownership
from hol_wizard.engine.registry import LONG_WORK_DEADLINE, Marked, check, solve, undo
from hol_wizard.engine.results import Expectation, Result, Status, judge
from hol_wizard.errors import NotFoundError, WizardError
from hol_wizard.resources.build_settings import BuildSettings, image_name
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.inference_image import ASSETS, InferenceImage
from hol_wizard.services.containers.engine import Image
from hol_wizard.services.containers.workbench import MODEL_LABEL, NOTE_FILE, PERSON, VERSION_LABEL, with_note

_ANSWERS_IN: Final = 60.0
"""Timeout for the response of a started container; 7 seconds measured on two cores."""
_PICKLED: Final = ("model.pkl", "x_scaler.pkl", "y_scaler.pkl")
_ANSWER: Final = "estimated_wages"


# Settings


def _settings(context: StepContext) -> BuildSettings:
    return BuildSettings(context, context.names.clone_folder)


@check(deadline=20)
def settings_are_set(context: StepContext) -> Result:
    """Check that the settings file has the values of this lab."""
    return ownership.check(_settings(context))


@solve(plan=lambda context: ownership.plan(_settings(context)))
def write_settings(context: StepContext) -> None:
    """Write the settings file, or fill in missing values.

    Raises:
        ConflictError: It has other values, and the wizard did not write it.
    """
    ownership.solve(_settings(context))


def _marked_settings(context: StepContext) -> Sequence[Marked]:
    return ownership.marked(_settings(context))


@undo(plan=lambda context: ownership.plan_undo(_settings(context)), marked=_marked_settings)
def remove_settings(context: StepContext) -> None:
    """Remove the settings file if the wizard wrote it and nobody has changed it."""
    ownership.undo(_settings(context))


# Build


@check(deadline=120)
def is_built(context: StepContext) -> Result:
    """Check that the image was built from this clone and this model, and that it responds to a request."""
    image = InferenceImage(context)
    return with_note(_built(context, image), image.workbench)


def _built(context: StepContext, image: InferenceImage) -> Result:
    result = ownership.check(image)
    if result.status is not Status.PASSED:
        return result
    found = image.find(context.reads)
    if found is None:
        return image.absence()
    try:
        answer = context.services.remembered(
            ("answer of image", found.id), lambda: image.workbench.predict(image.folder, found, _ANSWERS_IN)
        )
    except WizardError as error:
        silent = Expectation("Answer", f"a number as {_ANSWER}", error.message, met=False)
        return Result(Status.FAILED, error.message, (*result.expectations, silent), error.hint, error.detail)
    told = answer.get(_ANSWER) if isinstance(answer, dict) else None
    number = Expectation("Answer", f"a number as {_ANSWER}", json.dumps(answer)[:80], isinstance(told, int | float))
    model = f"version {found.labels.get(VERSION_LABEL)} of {found.labels.get(MODEL_LABEL)}"
    return judge(
        (*result.expectations, number),
        passed=f"{found.name} has your code and {model}, and answers.",
        failed=f"{found.name} answers something else than a number.",
        next_action=f"Correct inference_code, then build again. Asked was: {json.dumps(dict(PERSON))}",
    )


@solve(plan=lambda context: ownership.plan(InferenceImage(context)), deadline=LONG_WORK_DEADLINE)
def build(context: StepContext) -> None:
    """Build the image with the starter's build, and show its output live.

    Raises:
        StoppedError: The user stopped it.
        WizardError: It failed, with the cause and what to do.
    """
    ownership.solve(InferenceImage(context))


def _marked_image(context: StepContext) -> Sequence[Marked]:
    return ownership.marked(InferenceImage(context))


@undo(plan=lambda context: ownership.plan_undo(InferenceImage(context)), marked=_marked_image)
def remove_image(context: StepContext) -> None:
    """Remove the image if the wizard built it.

    Raises:
        ServiceError: A container still uses it.
    """
    ownership.undo(InferenceImage(context))


# The image


@check(deadline=60)
def names_the_image(context: StepContext) -> Result:
    """Check that `artifacts.json` names the image and its model, and that the model's files are in the image."""
    image = InferenceImage(context)
    found = image.find(context.reads)
    if found is None:
        raise NotFoundError(f"There is no image {image.name}.", "<first build-container/run-the-local-build>.")
    files = image.workbench.files(image.folder, found)
    missing = [name for name in _PICKLED if f"{ASSETS}{name}" not in files]
    shown = f"missing: {', '.join(missing)}" if missing else ", ".join(_PICKLED)
    seen = [Expectation("Files of the model", ", ".join(_PICKLED), shown, met=not missing)]
    if not image.workbench.note:
        seen += _of_note(image.folder / NOTE_FILE, found)
    judged = judge(
        seen,
        passed=f"{image_name(context)} contains your model, and the next section finds it by its name.",
        failed=f"{Path(NOTE_FILE).name} and {found.name} do not belong together.",
        next_action="Build it again: <step build-container/run-the-local-build>.",
    )
    return with_note(judged, image.workbench)


def _of_note(file: Path, image: Image) -> list[Expectation]:
    try:
        about: Any = json.loads(file.read_text(encoding="utf-8"))
        model = about.get("model") or {}
        noted = {
            "image_location": about.get("image_location"),
            "platform": about.get("platform"),
            "model": f"{model.get('name')} {model.get('version')}",
        }
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        return [Expectation(file.name, "names the image", f"cannot be read: {error}", met=False)]
    wanted = {
        "image_location": image.name,
        "platform": image.platform,
        "model": f"{image.labels.get(MODEL_LABEL)} {image.labels.get(VERSION_LABEL)}",
    }
    return [
        Expectation(f"{file.name}, {name}", value, str(noted[name]), noted[name] == value)
        for name, value in wanted.items()
    ]
