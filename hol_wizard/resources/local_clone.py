"""The reader's clone of the lab's repository on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.engine.ownership import Resource, owns
from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError, NotFoundError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.secrets import Secret

PULLING: Final = 5.0
"""Usual duration in seconds of a clone of the lab's repository (with the practice cloud: one)."""
CLONING_ENDS: Final = 15.0
"""Seconds after which a clone that somebody else has started counts as abandoned."""
ANOTHER_FOLDER: Final = "Move it, or choose another folder for your clone: --clone-folder FOLDER"


def required_clone(context: StepContext) -> Clone:
    """Return the reader's clone.

    Raises:
        NotFoundError: It is not on this machine.
    """
    found = LocalClone(context, context.names.clone_folder, required_repository(context)).find(context.reads)
    if found is None:
        raise NotFoundError(
            f"There is no clone of the repository in {context.names.clone_folder}.",
            "<first scientist-setup/create-your-branch>.",
        )
    return found


@dataclass(frozen=True)
class LocalClone(Resource[Clone]):
    """A clone; the lab's ID is in its git settings. A teardown keeps it, because it may contain the reader's work."""

    context: StepContext
    folder: str
    repository: Repository | None = None
    """Its intended repository; None if unknown or irrelevant."""
    kind = "Clone"
    mark = "mark in its git settings"
    usually = PULLING

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the folder."""
        return self.folder

    @property
    def id(self) -> str:
        """Return its ID in the ledger."""
        return f"clone/{self.folder}"

    @property
    def where(self) -> str:
        """Return where it is: on this machine."""
        return "this machine"

    @property
    def note(self) -> str:
        """Return what it will be a clone of."""
        return f"of {self.context.names.repository}"

    @property
    def clone(self) -> Clone:
        """Return git's view of the folder, regardless of its contents."""
        services = self.context.services
        # Without a repository, only its settings are read, and nothing is sent.
        url = self.repository.remote_url if self.repository is not None else services.endpoints.devops
        return Clone(Path(self.folder), services.git_remote(url, self._authorization))

    def _authorization(self) -> Secret:
        return organization(self.context).authorization()

    # Checking

    def find(self, reads: ReadCache) -> Clone | None:
        """Return it, if the folder is the top of a git work tree."""
        del reads
        clone = self.clone
        return clone if clone.is_there else None

    def marked(self, found: Clone, noted: str | None) -> bool:
        """Return whether its settings contain the lab's ID."""
        del noted
        return self.context.is_lab_id(found.lab)

    def expectations(self, found: Clone) -> Sequence[Expectation]:
        """Return the expectations: it is of the lab's repository, and not of an earlier one with the same address."""
        if self.repository is None:
            return ()
        url = self.repository.remote_url
        if other := self._other_name(found):
            return (Expectation("Remote", "origin", other, met=False),)
        if not found.is_of(url):
            return (Expectation(self.kind, f"of {url}", f"of {found.origin or 'nothing'}", met=False),)
        if self.is_earlier(found):
            return (Expectation(self.kind, "of this repository", "of an earlier one of this name", met=False),)
        return (Expectation(self.kind, f"in {self.folder}", "there", met=True),)

    def _other_name(self, found: Clone) -> str:
        """Return what the clone calls its remote if it is of the lab's repository, but has no `origin`."""
        if self.repository is None or found.origin:
            return ""
        return found.other_name(self.repository.remote_url)

    def is_earlier(self, found: Clone) -> bool:
        """Whether it is of an earlier repository, which was deleted, with the same address."""
        return self.repository is not None and found.repository not in {"", self.repository.id}

    # Creating

    def obstacle(self) -> WizardError | None:
        """Return an error if something else is in the folder."""
        if self.clone.is_free:
            return None
        return ConflictError(f"{self.folder} already contains something else.", ANOTHER_FOLDER)

    def create(self, begun: Callable[[str], None]) -> str:
        """Clone the repository; it gets the mark before it is moved to its final path."""
        del begun
        self._make(self.context.lab_id)
        return ""

    def _make(self, lab: str) -> None:
        reporter, of = self.context.reporter, self.repository.id if self.repository is not None else ""
        self.clone.make(lambda text: reporter.progress(f"git clones: {text}", PULLING), of, lab)

    def refuse_unrelated(self, start: str) -> None:
        """Refuse a clone that somebody else made of an earlier repository with this address.

        Args:
            start: The branch that both must share history with: `main`.

        Raises:
            ConflictError: It is such a clone, or it is incomplete.
        """
        found = self.find(ReadCache())
        if found is None or found.repository or not all(each.met for each in self.expectations(found)):
            return
        end = time.monotonic() + CLONING_ENDS
        while not found.is_whole:
            self.context.reporter.stop_if_cancelled()
            if time.monotonic() > end:
                raise ConflictError(
                    f"The clone in {self.folder} is incomplete: no commit is checked out.",
                    "Delete the folder if it contains nothing of yours, or choose another one: --clone-folder FOLDER",
                )
            time.sleep(0.2)
        found.fetch()
        if not found.stems_from(f"origin/{start}"):
            raise ConflictError(
                f"What is checked out in {self.folder} has no common history with {start} of "
                f"{self.context.names.repository}: it is from another repository, which had this address before.",
                ANOTHER_FOLDER,
            )

    def changeable(self, found: Clone, *, ours: bool) -> bool:
        """Return whether it can be renamed: it is of an earlier repository of this name."""
        del ours
        return self.repository is not None and found.is_of(self.repository.remote_url) and self.is_earlier(found)

    def difference(self, found: Clone) -> str:
        """Return its new name."""
        return f"renamed to {found.aside.name} and cloned again: it is from an earlier repository of this name"

    def change(self, found: Clone) -> None:
        """Rename it with everything in it, and clone again."""
        lab = self.context.lab_id if owns(self, found) else ""
        aside = found.set_aside()
        self.context.reporter.say(
            f"{self.folder} was a clone of an earlier repository of this name; it is now {aside}."
        )
        self._make(lab)

    def stays(self, found: Clone) -> str:
        """Return why it is kept: it may contain somebody's work."""
        del found
        return "it may contain your work, so delete it yourself when you no longer need it"

    def delete(self, found: Clone) -> None:
        """Refuse: `stays` prevents this for every clone."""
        raise AssertionError(f"the clone in {found.folder} is kept")

    def remedy(self, found: Clone) -> str:
        """Return how to make room for a new clone, or how to repair this one."""
        if other := self._other_name(found):
            return (
                f"git's setting clone.defaultRemoteName gave it this name. To rename it: git -C '{self.folder}' remote "
                f"rename {other} origin"
            )
        if self.changeable(found, ours=owns(self, found)):
            return f"To rename it to {found.aside.name}, with everything in it, and clone again, <solve>."
        return ANOTHER_FOLDER
