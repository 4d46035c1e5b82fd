"""A part whose documents have numbers as IDs."""

from __future__ import annotations

from hol_wizard.practice.kernel.register import Register


class NumberedRegister(Register):
    """Documents with numbers as IDs, which are unique in the collection or in each organization."""

    def next_number(self, organization: str = "") -> int:
        """Return the number of a new document.

        Args:
            organization: Name of the organization in which the number is unique; empty for the whole collection.
        """
        documents = (each for each in self.all() if not organization or each["organization"] == organization)
        return 1 + max((int(each["id"]) for each in documents), default=0)
