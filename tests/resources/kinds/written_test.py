"""The unit test that the wizard writes into the reader's clone."""

from __future__ import annotations

import errno
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.person_files import Rewriting
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.written_test import _BODY, TEST_FILE, WrittenTest
from tests.resources.case import Case

STARTER = "from inference_code.model_class import MyModel\r\n\r\n\r\ndef test_a():\r\n    assert MyModel().x_scaler\r\n"


class WrittenTestCase(Case):
    resource = WrittenTest
    exempt = MappingProxyType({"conflict": "any test of the name fits", "gone with parent": "see the step's own test"})

    @property
    def _file(self) -> Path:
        return self.ground.root.parent / "clone" / TEST_FILE

    def prepare(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(STARTER.encode())

    def make(self, context: StepContext) -> WrittenTest:
        return WrittenTest(context, str(self._file.parent.parent))

    @property
    def _text(self) -> str:
        return self._file.read_bytes().decode()

    def state(self) -> object:
        text = self._text
        assert text.startswith(STARTER.rstrip())
        assert "\n" not in text.replace("\r\n", "")
        return text if WrittenTest.name in text else None

    def by_hand(self) -> None:
        self._file.write_bytes(f"{STARTER}\r\n\r\n".encode() + _BODY.replace("\n", "\r\n").encode())

    def refuse(self) -> None:
        def full(*_: object) -> None:
            refusal.stop()
            raise OSError(errno.ENOSPC, "No space left on device")

        refusal = patch.object(Rewriting, "write", full)
        refusal.start()

    def remove_mark(self) -> None:
        kept = [line for line in self._text.splitlines(keepends=True) if not line.startswith("# Written by")]
        self._file.write_bytes("".join(kept).encode())

    def remove(self) -> None:
        self._file.write_bytes(STARTER.encode())
