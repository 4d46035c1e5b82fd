"""The programs `az`, `docker` and `python3` that steps get, set up for this machine and this practice cloud."""

from __future__ import annotations

from pathlib import Path

from hol_wizard.paths import for_programs
from hol_wizard.practice import launchers
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.databricks.runtime import Runtime
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.registry.service import NAME

_REGISTRIES = "microsoft.containerregistry/registries"


class StepPrograms:
    """A folder for the front of a step's search path."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._engine: tuple[str, str] | None = None
        self._installed: launchers.Settings | None = None

    def folder(self) -> Path:
        """Return the folder, after writing what has changed: registries come and go."""
        if self._engine is None:
            self._engine = launchers.find_engine()
        docker, host = self._engine if self._world.setting("container_engine") else ("", "")
        runtime = Runtime()
        settings = launchers.Settings(
            docker=docker,
            docker_host=host,
            packages_python=str(runtime.python) if runtime.ready else "",
            registries=self._registries(),
        )
        folder = for_programs(self._world.store.path.parent / "step-programs")
        if settings != self._installed or not folder.is_dir():
            launchers.install(folder, settings)
            self._installed = settings
        return folder

    def _registries(self) -> dict[str, str]:
        """Return the addresses of the registries by the names that people write, as on Azure."""
        found = (each for each in self._world.part(Resources).all() if each["type"].lower() == _REGISTRIES)
        return {
            f"{each['name']}.azurecr.io": self._world.open_port(NAME, each["name"]).removeprefix("https://")
            for each in found
        }
