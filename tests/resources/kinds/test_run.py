"""The results of the attendee's tests, in a folder of the clone."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.errors import ServiceError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.test_run import RECORD, TestRun
from hol_wizard.resources.written_test import TEST_FILE
from hol_wizard.services.containers.workbench import RESULTS
from tests.resources.bench import IMAGE, OWN_TEST, Bench, leave
from tests.resources.case import Case


class TestRunCase(Case):
    __test__ = False
    resource = TestRun
    exempt = MappingProxyType({"conflict": "results that do not fit are nobody's work: the tests run again"})

    @property
    def _clone(self) -> Path:
        return self.ground.root.parent / "clone of the tests"

    def prepare(self) -> None:
        file = self._clone / TEST_FILE
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((files("hol_wizard") / "starter" / TEST_FILE).read_text(encoding="utf-8") + OWN_TEST)

    def make(self, context: StepContext) -> TestRun:
        return TestRun(context, Bench(), self._clone, IMAGE)

    def state(self) -> object:
        folder = self._clone / RESULTS
        if not folder.exists():
            return None
        return {str(each): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}

    def by_hand(self) -> None:
        leave(self._clone)

    def refuse(self) -> None:
        def refused(*_: object) -> bool:
            refusal.stop()
            raise ServiceError("The tests were not run: no space left on device.", "Make room.")

        refusal = patch.object(Bench, "run_tests", refused)
        refusal.start()

    def remove_mark(self) -> None:
        record = self._clone / RESULTS / RECORD
        about = json.loads(record.read_text(encoding="utf-8"))
        record.write_text(json.dumps({**about, "marks": {}}), encoding="utf-8")

    def remove(self) -> None:
        shutil.rmtree(self._clone / RESULTS, ignore_errors=True)

    def remove_parent(self) -> None:
        shutil.rmtree(self._clone)
