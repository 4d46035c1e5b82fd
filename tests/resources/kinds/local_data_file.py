"""The copy of the data file on this machine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.errors import UsageError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.local_data_file import LocalDataFile
from hol_wizard.services.downloads import Downloads
from tests.resources.case import Case
from tests.steps.test_initial_data import STAND_IN


class LocalDataFileCase(Case):
    resource = LocalDataFile
    exempt = MappingProxyType(
        {
            "conflict": "what does not fit in the wizard's own folder is nobody's work: it is written again",
            "mark removed": "a file has no mark",
            "replaced": "nobody else writes into the wizard's own folder",
            "gone with parent": "the folder is of no account: without it there is no file",
        }
    )

    def make(self, context: StepContext) -> LocalDataFile:
        return LocalDataFile(context)

    @property
    def _file(self) -> Path:
        return Path(self.make(self.ground.context()).where)

    def state(self) -> object:
        return hashlib.sha256(self._file.read_bytes()).hexdigest() if self._file.exists() else None

    def by_hand(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(STAND_IN)

    def refuse(self) -> None:
        def full(*_: object) -> None:
            refusal.stop()
            raise UsageError("The file cannot be written: no space left on device.", "Make room.")

        refusal = patch.object(Downloads, "keep", full)
        refusal.start()

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)
