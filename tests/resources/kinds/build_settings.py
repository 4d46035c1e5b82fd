"""The settings of the local build."""

from __future__ import annotations

import errno
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.person_files import Rewriting
from hol_wizard.resources.build_settings import FILE, BuildSettings
from hol_wizard.resources.context import StepContext
from tests.resources.case import Case


class BuildSettingsCase(Case):
    resource = BuildSettings
    exempt = MappingProxyType({"gone with parent": "it is in a clone, which stays"})

    @property
    def _file(self) -> Path:
        return self.ground.root.parent / "settings-clone" / FILE

    def prepare(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.unlink(missing_ok=True)

    def make(self, context: StepContext) -> BuildSettings:
        return BuildSettings(context, str(self._file.parent.parent))

    def state(self) -> object:
        return self._file.read_text(encoding="utf-8") if self._file.exists() else None

    def by_hand(self) -> None:
        wanted = self.make(self.ground.context()).wanted
        self._file.write_text("".join(f"{name}={value}\n" for name, value in wanted.items()), encoding="utf-8")

    def by_hand_wrong(self) -> None:
        self._file.write_text("AUTHOR=somebody\n", encoding="utf-8")

    def refuse(self) -> None:
        def full(*_: object) -> None:
            refusal.stop()
            raise OSError(errno.ENOSPC, "No space left on device")

        refusal = patch.object(Rewriting, "write", full)
        refusal.start()

    def remove_mark(self) -> None:
        lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True)
        self._file.write_text("".join(lines[1:]), encoding="utf-8")

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)
