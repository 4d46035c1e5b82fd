"""What a run of the build says about the image that it has tested and pushed: `artifacts.json` in its artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def about_image(files: Mapping[str, bytes]) -> Mapping[str, Any]:
    """Return the contents of `artifacts.json` among the files of an artifact; empty without any."""
    try:
        found = json.loads(files.get("artifacts.json", b"{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def image_location(files: Mapping[str, bytes]) -> str:
    """Return where the image was pushed to: `hol.azurecr.io/hol-inference@sha256:…`; empty if that is not known."""
    return str(about_image(files).get("image_location") or "")
