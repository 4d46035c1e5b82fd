"""What the command of a step has done, in a file of settings that git writes."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from hol_wizard.errors import UsageError
from hol_wizard.lab.declared import FUNCTIONS, Declared
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.declared_work import DeclaredWork
from hol_wizard.services.probing import Probing
from hol_wizard.services.programs import Answer
from tests.resources.case import Case

FILE = "{home_folder}/contract.ini"
GIT = ("git", "config", "--file", FILE)
DECLARED = {
    "check": Declared(command=(*GIT, "lab.name"), expect="^it$"),
    "solve": Declared(command=(*GIT, "lab.name", "it")),
    "undo": Declared(command=(*GIT, "--unset", "lab.name")),
}


class DeclaredWorkCase(Case):
    resource = DeclaredWork
    exempt = MappingProxyType(
        {
            "conflict": "a check that fails says that nothing was done, whatever else is there",
            "mark removed": "a command leaves no mark",
            "replaced": "what is there can only be told by the check, which passes or does not",
            "gone with parent": "it is in nothing that the wizard knows",
        }
    )

    def make(self, context: StepContext) -> DeclaredWork:
        return DeclaredWork(replace(context, declared=DECLARED, check=FUNCTIONS["command"]))

    def _git(self, *words: str) -> str:
        file = str(Path.home() / "contract.ini")
        done = subprocess.run(["git", "config", "--file", file, *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def state(self) -> object:
        return self._git("lab.name") or None

    def by_hand(self) -> None:
        self._git("lab.name", "it")

    def refuse(self) -> None:
        run = Probing.run

        def refused(self: Probing, command: Sequence[str], seconds: float, folder: Path) -> Answer:
            if command[-1] != "it":
                return run(self, command, seconds, folder)
            refusal.stop()
            raise UsageError("This command cannot run.", "Do the step by hand.")

        refusal = patch.object(Probing, "run", refused)
        refusal.start()

    def remove(self) -> None:
        self._git("--unset", "lab.name")
