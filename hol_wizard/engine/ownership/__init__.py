"""Whose a resource is, and what may therefore be done with it: the one rule for everything that the lab creates.

A kind of resource (`Resource`) says how one is found, what it should be, how it is marked, made and deleted. This
package derives check, plan, solve, undo plan and undo from it, and is the only writer of the ledger:

- The intent is noted, then the request is sent, then *created* is noted. A refusal withdraws the intent after another
  look. Only a lost answer (`UnreachableError`, also `InconclusiveError`) or a kill leaves it open.
- What exists and fits is adopted and never removed. What does not fit is a conflict with a remedy, or is changed where
  it is ours and can be changed. After a conflict the rule looks again, and adopts what fits.
- Ours is what the ledger says this wizard made (`Ledger.made`) *and* what still carries the mark. Only that is removed,
  and a look verifies that it is gone.
- What is gone takes along whatever was in it, in the cloud and in the ledger. Whatever is left in place is noted as
  such.

How to write a kind: docs/resources.md. The contract that every kind fulfills: tests/resources/test_contract.py.
"""

from hol_wizard.engine.ownership.creation import solve
from hol_wizard.engine.ownership.looks import look_again
from hol_wizard.engine.ownership.marks import marked, unnamed
from hol_wizard.engine.ownership.plans import check, plan
from hol_wizard.engine.ownership.removal import plan_undo, undo, undo_all
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
    "solve",
    "undo",
    "undo_all",
    "unnamed",
]
