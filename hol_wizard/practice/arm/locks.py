"""Management locks, which are checked on every write and every deletion (locks, 2020-05-01; recorded).

"Lock your resources to protect your infrastructure" (learn.microsoft.com): a lock applies to its scope and everything
below it; `CanNotDelete` prevents deletions; `ReadOnly` prevents every change and every action. Only Owners and User
Access Administrators create and remove locks. The text of the refusal is public (az, "ScopeLocked").
"""

from __future__ import annotations

from hol_wizard.practice.arm import errors
from hol_wizard.practice.kernel.register import Register
from hol_wizard.practice.kernel.service import Refused

LEVELS = ("CanNotDelete", "ReadOnly")
PROVIDER = "/providers/Microsoft.Authorization/locks"
_ACTION = "microsoft.authorization/locks/"


class Locks(Register):
    """The locks of all scopes, by ID."""

    collection = "locks"

    def refusal(self, action: str, scope: str) -> Refused | None:
        """Return the error for an action that a lock prevents, or None.

        Args:
            action: `Microsoft.Storage/storageAccounts/delete`.
            scope: What is written or deleted.
        """
        lowered = action.lower()
        if lowered.startswith(_ACTION):
            return None
        deletes = lowered.endswith("/delete")
        if not deletes and not lowered.endswith(("/write", "/action")):
            return None
        asked = f"{scope.lower().rstrip('/')}/"
        locked = []
        for each in self.all():
            held = f"{each['scope'].lower()}/"
            # A deletion includes everything below; a change does not.
            concerns = asked.startswith(held) or (deletes and held.startswith(asked))
            if concerns and (deletes or each["properties"]["level"] == "ReadOnly"):
                locked.append(each["scope"])
        if not locked:
            return None
        return errors.refused(
            409,
            "ScopeLocked",
            f"The scope '{scope}' cannot perform {'delete' if deletes else 'write'} operation because following "
            f"scope(s) are locked: '{','.join(dict.fromkeys(locked))}'. Please remove the lock and try again.",
            gateway=True,
        )
