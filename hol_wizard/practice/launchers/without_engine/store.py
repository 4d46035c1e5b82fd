"""The images of this job, as files."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hol_wizard.practice.launchers.without_engine.command_line import DockerError

_IDENTITY = re.compile(r"sha256:[0-9a-f]{64}")


class Store:
    """Images by their IDs, and the names that they have."""

    def __init__(self, folder: Path) -> None:
        self._names_file = folder / "names.json"
        self._folder = folder / "images"

    def names(self) -> dict[str, str]:
        """Return the IDs of images by their names."""
        try:
            found: dict[str, str] = json.loads(self._names_file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def _keep(self, names: Mapping[str, str]) -> None:
        self._names_file.parent.mkdir(parents=True, exist_ok=True)
        self._names_file.write_text(json.dumps(names), encoding="utf-8")

    def name(self, identity: str, *names: str) -> None:
        """Give names to an image, which other images lose."""
        self._keep({**self.names(), **dict.fromkeys(map(tagged, names), identity)})

    def find(self, name: str) -> str:
        """Return the ID of an image.

        Raises:
            DockerError: There is none.
        """
        identity = self.names().get(tagged(name), name)
        if not self._has(identity):
            raise DockerError(f"Error response from daemon: No such image: {name}")
        return identity

    def _has(self, identity: str) -> bool:
        return _IDENTITY.fullmatch(identity) is not None and self._place(identity).is_dir()

    def identities(self) -> list[str]:
        """Return the IDs of all images."""
        return [f"sha256:{each.name}" for each in sorted(self._folder.glob("*"))]

    def config(self, identity: str) -> dict[str, Any]:
        """Return the configuration of an image."""
        found: dict[str, Any] = json.loads(self.config_bytes(identity))
        return found

    def config_bytes(self, identity: str) -> bytes:
        """Return the configuration of an image as its ID was computed from it."""
        return (self._place(identity) / "config.json").read_bytes()

    def layers(self, identity: str) -> list[Path]:
        """Return the layers of an image, compressed."""
        return sorted(self._place(identity).glob("layer-*"))

    def add(self, config: Mapping[str, Any], layers: Sequence[bytes]) -> str:
        """Add an image, and return its ID."""
        return self.add_bytes(json.dumps(config, sort_keys=True).encode(), layers)

    def add_bytes(self, content: bytes, layers: Sequence[bytes]) -> str:
        """Add an image with these bytes of its configuration, and return its ID, which is their digest."""
        identity = digest_of(content)
        folder = self._place(identity)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_bytes(content)
        for number, layer in enumerate(layers):
            (folder / f"layer-{number:03}").write_bytes(layer)
        return identity

    def remove(self, name: str) -> bool:
        """Remove a name, or an image without a name by its ID; return whether there was one."""
        names = self.names()
        if names.pop(tagged(name), None) is not None:
            self._keep(names)
            return True
        if not self._has(name) or name in names.values():
            return False
        shutil.rmtree(self._place(name))
        return True

    def _place(self, identity: str) -> Path:
        return self._folder / identity.removeprefix("sha256:")


def tagged(name: str) -> str:
    """Return the name of an image with its tag, or its digest."""
    return name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"


def digest_of(content: bytes) -> str:
    """Return the digest of some bytes, as registries and images have it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
