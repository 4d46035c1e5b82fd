"""`starter` and `ledger rebuild`: write files of the person, after showing what they would write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hol_wizard.background import waited
from hol_wizard.errors import UsageError
from hol_wizard.headless.asking import WorkOptions, can_consent
from hol_wizard.headless.output import NOTHING_DONE, UNSURE, err, out, tell
from hol_wizard.lines import one_line
from hol_wizard.prompts import confirm

if TYPE_CHECKING:
    from hol_wizard.lab.names import Names
    from hol_wizard.wizard.facade import Wizard


def starter(folder: str, names: Names, options: WorkOptions) -> int:
    """Show which files of the starter project a folder lacks, ask, write them, and return the exit code.

    Raises:
        UsageError: There is no consent and no terminal, no prefix for the names in the files, or the folder cannot be
            written.
    """
    from hol_wizard.person_files import State, plan
    from hol_wizard.resources.starter_project import starter_files

    can_consent(options, "starter", folder)
    if not names.prefix:
        raise UsageError(
            "The pipelines' files contain your names, and these are not chosen yet.",
            "Give the prefix of your names: hol-wizard starter FOLDER --prefix PREFIX",
        )
    planned = plan(Path(folder), starter_files(names))
    for each in planned.of(State.NEW):
        out(f"create {each.path}")
    new, same = len(planned.of(State.NEW)), len(planned.of(State.SAME))
    out(f"{one_line(str(planned.folder))}: {new} files to write, {same} exist already.")
    if not options.plan and new:
        if not options.yes and not confirm("Write these files?"):
            err("Nothing was written.")
            return NOTHING_DONE
        planned = planned.write()
        out(f"{len(planned.of(State.SAME))} of {len(planned.files)} files are in {one_line(str(planned.folder))}.")
    left = planned.of(State.LEFT)
    for each in left:
        err(f"Left alone: {each.path}: {each.reason}.")
    if left:
        err("To compare, write the starter into an empty folder; copy by hand what you need from it.")
    return NOTHING_DONE if left and not options.plan else 0


def rebuild_ledger(wizard: Wizard, options: WorkOptions) -> int:
    """Show what the ledger lost, ask, write it again, and return the exit code.

    Raises:
        LedgerError: Not everything could be checked, or it cannot be written.
        UsageError: There is no consent and no terminal.
    """
    can_consent(options, "ledger rebuild")
    seen = waited(wizard.ledger_care.survey)
    tell(seen.lines(), out)
    if not seen.rebuildable:
        out("The ledger is readable, and names everything that carries this lab's mark.") if seen.complete else None
        return 0 if seen.complete else UNSURE
    if options.plan:
        return UNSURE
    if not options.yes and not confirm("Rebuild the ledger?"):
        err("Nothing was changed.")
        return NOTHING_DONE
    tell(wizard.ledger_care.rebuild(seen).lines(), out)
    return UNSURE if seen.closed or seen.strays else 0
