"""The reader's clone of the lab's repository on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hol_wizard.engine.ownership import Resource, owns
from hol_wizard.engine.reads import SharedReads
from hol_wizard.engine.results import Expectation
from hol_wizard.errors import ConflictError, NotFoundError, WizardError
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization, required_repository
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.secrets import Secret

PULLING: Final = 5.0
"""Seconds that a clone of the lab's repository takes (seen against the practice cloud: one)."""
CLONING_ENDS: Final = 15.0
"""Seconds after which a clone that somebody else has begun counts as given up."""
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
    """A clone; the lab's id is in its git settings. It stays at a teardown: the reader's work may be in it."""

    context: StepContext
    folder: str
    repository: Repository | None = None
    """What it is to be of; None: that is not known, or does not matter."""
    kind = "Clone"
    mark = "mark in its git settings"

    @property
    def name(self) -> str:  # type: ignore[override]  # the base has an attribute, and nobody writes to it
        """Return the folder."""
        return self.folder

    @property
    def id(self) -> str:
        """Return its name in the ledger."""
        return f"clone/{self.folder}"

    @property
    def where(self) -> str:
        """Return that it is on this machine."""
        return "this machine"

    @property
    def cost(self) -> str:
        """Return that it costs nothing."""
        return "free"

    @property
    def usually(self) -> float:
        """Return the seconds that it takes."""
        return PULLING

    @property
    def note(self) -> str:
        """Return of what it will be a clone."""
        return f"of {self.context.names.repository}"

    @property
    def clone(self) -> Clone:
        """Return the folder as git sees it, whatever is in it."""
        services = self.context.services
        # Without a repository, only its settings are looked at, and nothing is sent anywhere.
        url = self.repository.remote_url if self.repository is not None else services.endpoints.devops
        return Clone(Path(self.folder), services.git_remote(url, self._authorization))

    def _authorization(self) -> Secret:
        return organization(self.context).authorization()

    # Looking

    def find(self, reads: SharedReads) -> Clone | None:
        """Return it, if the folder is the top of a git work tree."""
        del reads
        clone = self.clone
        return clone if clone.is_there else None

    def marked(self, found: Clone, noted: str | None) -> bool:
        """Return whether its settings have the lab's id."""
        del noted
        return self.context.is_lab_id(found.lab)

    def expectations(self, found: Clone) -> Sequence[Expectation]:
        """Return whether it is of the lab's repository, and of none that had its address before."""
        if self.repository is None:
            return ()
        url = self.repository.remote_url
        if not found.is_of(url):
            return (Expectation(self.kind, f"of {url}", f"of {found.origin or 'nothing'}", met=False),)
        if self.is_earlier(found):
            return (Expectation(self.kind, "of this repository", "of an earlier one of this name", met=False),)
        return (Expectation(self.kind, f"in {self.folder}", "there", met=True),)

    def is_earlier(self, found: Clone) -> bool:
        """Whether it was made of a repository that was deleted, before the one that has its address now."""
        return self.repository is not None and found.repository not in {"", self.repository.id}

    # Making

    def obstacle(self) -> WizardError | None:
        """Return what is wrong where something else is in the folder."""
        if self.clone.is_free:
            return None
        return ConflictError(f"{self.folder} already contains something else.", ANOTHER_FOLDER)

    def create(self, begun: Callable[[str], None]) -> str:
        """Clone the repository, with the mark in it before it gets its place."""
        del begun
        self._make(self.context.lab_id)
        return ""

    def _make(self, lab: str) -> None:
        channel, of = self.context.channel, self.repository.id if self.repository is not None else ""
        self.clone.make(lambda text: channel.progress(f"git clones: {text}", PULLING), of, lab)

    def refuse_unrelated(self, start: str) -> None:
        """Refuse a clone that somebody else made of a repository which had this address before.

        Args:
            start: The branch that both must have a beginning in common with: `main`.

        Raises:
            ConflictError: It is one, or nobody has ended cloning it.
        """
        found = self.find(SharedReads())
        if found is None or found.repository or not all(each.met for each in self.expectations(found)):
            return
        end = time.monotonic() + CLONING_ENDS
        while not found.is_whole:
            self.context.channel.stop_if_cancelled()
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
        """Return whether it can be set aside: it is of an earlier repository of this name."""
        del ours
        return self.repository is not None and found.is_of(self.repository.remote_url) and self.is_earlier(found)

    def difference(self, found: Clone) -> str:
        """Return what it will be called."""
        return f"renamed to {found.aside.name} and cloned again: it is from an earlier repository of this name"

    def change(self, found: Clone) -> None:
        """Set it aside, with all that is in it, and clone again."""
        lab = self.context.lab_id if owns(self, found) else ""
        aside = found.set_aside()
        self.context.channel.say(f"{self.folder} was a clone of an earlier repository of this name; it is now {aside}.")
        self._make(lab)

    def stays(self, found: Clone) -> str:
        """Return that somebody's work may be in it."""
        del found
        return "it may contain your work, so delete it yourself when you no longer need it"

    def delete(self, found: Clone) -> None:
        """Refuse: `stays` keeps every clone from it."""
        raise AssertionError(f"the clone in {found.folder} is kept")

    def remedy(self, found: Clone) -> str:
        """Return how it gets out of the way."""
        if self.changeable(found, ours=owns(self, found)):
            return f"To rename it to {found.aside.name}, with everything in it, and clone again, <solve>."
        return ANOTHER_FOLDER
