"""`confirm`: a person confirms a step that only they can judge, or withdraws the confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hol_wizard.headless.output import err, out
from hol_wizard.report import result_lines

if TYPE_CHECKING:
    from hol_wizard.wizard.facade import Wizard


def confirm(wizard: Wizard, selectors: Sequence[str], environment: str | None, *, withdraw: bool) -> int:
    """Confirm the steps, or withdraw their confirmation, show their status, and return the exit code.

    Naming the step is the confirmation: no question is asked.

    Raises:
        UsageError: An unknown step, one that cannot be confirmed, or a file that cannot be written.
    """
    confirming = wizard.confirming
    targets = confirming.select(selectors, environment)
    done = confirming.withdraw(targets) if withdraw else confirming.confirm(targets)
    if done.kept is not None:
        err(f"Lines of the confirmations could not be read. The file as it was is kept: {done.kept}")
    for key, result in done.results.items():
        for line in result_lines(key, result):
            out(line)
    return 0
