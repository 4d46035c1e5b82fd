"""Commands without a screen: data on stdout, everything else on stderr, truthful exit codes."""

from hol_wizard.headless.asking import WorkOptions
from hol_wizard.headless.author_names import list_names
from hol_wizard.headless.bundle import bundle
from hol_wizard.headless.checking import CheckOptions, check
from hol_wizard.headless.confirming import confirm
from hol_wizard.headless.credential import git_credential
from hol_wizard.headless.files import rebuild_ledger, starter
from hol_wizard.headless.lab_test import LabTestOptions, lab_test
from hol_wizard.headless.lists import cost, doctor, list_steps
from hol_wizard.headless.output import err, out, tell
from hol_wizard.headless.work import act, solve, teardown

__all__ = [
    "CheckOptions",
    "LabTestOptions",
    "WorkOptions",
    "act",
    "bundle",
    "check",
    "confirm",
    "cost",
    "doctor",
    "err",
    "git_credential",
    "lab_test",
    "list_names",
    "list_steps",
    "out",
    "rebuild_ledger",
    "solve",
    "starter",
    "teardown",
    "tell",
]
