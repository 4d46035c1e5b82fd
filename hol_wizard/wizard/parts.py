"""What the runs of one wizard share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hol_wizard.engine.ledger import Ledger
from hol_wizard.engine.progress import Progress
from hol_wizard.engine.results import Result
from hol_wizard.wizard.answers import Answers
from hol_wizard.wizard.confirming import Confirming
from hol_wizard.wizard.connection import Connection
from hol_wizard.wizard.graph import Graph
from hol_wizard.wizard.ledger_care import LedgerCare
from hol_wizard.wizard.wording import SIGN_IN_CHECK, Wording


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a wizard that checks, solves, actions and teardowns use."""

    graph: Graph
    connection: Connection
    answers: Answers
    wording: Wording
    ledger: Ledger
    care: LedgerCare
    progress: Progress
    confirming: Confirming

    def remember(self, results: Mapping[str, Result]) -> None:
        """Save the results of a run for the next start, and who is signed in if the run included the sign-in."""
        self.progress.remember(results)
        if any(self.graph.by_key[key].step.check == SIGN_IN_CHECK for key in results):
            self.connection.note_user()
            self.progress.note_user(self.connection.user)
