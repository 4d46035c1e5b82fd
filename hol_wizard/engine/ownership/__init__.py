"""Who owns a resource, and what may therefore be done with it: the one rule for everything that the lab creates.

A kind of resource (`Resource`) defines how a resource is found, its expected state, and how it is marked, created and
deleted. This package derives check, plan, solve, undo plan and undo from it, and is the only writer of the ledger:

- The intent is recorded, then the request is sent, then *created* is recorded. After a refusal and another check, the
  intent is withdrawn. Only a lost response (`UnreachableError`, also `InconclusiveError`) or a kill leaves it open.
- What exists and fits is adopted and never removed. What does not fit is a conflict with a remedy, or is changed if it
  is ours and can be changed. After a conflict, the rule checks again and adopts what fits.
- A resource is ours if the ledger says that this wizard created it (`Ledger.made`) *and* it still carries the mark.
  Only such resources are removed, and a check verifies that they are gone.
- If a resource is gone, so is everything in it, in the cloud and in the ledger. What is left in place is recorded as
  such.

How to write a kind: docs/resources.md. The contract that every kind fulfills: tests/resources/test_contract.py.
"""

from hol_wizard.engine.ownership.creation import solve
from hol_wizard.engine.ownership.looks import look_again
from hol_wizard.engine.ownership.marks import marked, unnamed
from hol_wizard.engine.ownership.plans import check, plan
from hol_wizard.engine.ownership.removal import plan_undo, plan_undo_all, undo, undo_all
from hol_wizard.engine.ownership.resource import Context, Pending, Resource, owns

__all__ = [
    "Context",
    "Pending",
    "Resource",
    "check",
    "look_again",
    "marked",
    "owns",
    "plan",
    "plan_undo",
    "plan_undo_all",
    "solve",
    "undo",
    "undo_all",
    "unnamed",
]
