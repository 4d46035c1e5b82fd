"""The reader's clone on this machine, and their branch: one has a mark and stays, the other has none."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import MappingProxyType

from hol_wizard.engine import ownership
from hol_wizard.practice import seed
from hol_wizard.resources.branch import Branch
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import PROJECT, organization, required_repository
from hol_wizard.resources.local_clone import LocalClone
from hol_wizard.services.devops.repositories import Repository
from hol_wizard.services.git.clone import Clone
from hol_wizard.services.git.remote import File, GitRemote, Person
from tests.resources.case import Case
from tests.resources.in_organization import remove_project
from tests.resources.kinds.git_credential import ORGANIZATION

PERSON = Person("Alex Attendee", seed.ATTENDEE.name)
BRANCH = "attendee"


class _WithRepository(Case):
    def prepare(self) -> None:
        self.ground.sign_in(seed.ATTENDEE, ORGANIZATION)
        assert self.ground.attendee.solve("devops-project/seed-the-repository").all_passed()
        self.repository: Repository = required_repository(self.ground.context())
        self.folder = self.ground.root.parent / "work" / "clone"

    @property
    def remote(self) -> GitRemote:
        context = self.ground.context()
        return context.services.git_remote(self.repository.remote_url, organization(context).authorization)

    def refuse_git(self, path: str) -> None:
        self.ground.cloud.control.fault(
            "error",
            path=path,
            times=1,
            status=403,
            code="GitRepositoryPermissionDenied",
            message="TF401027: You need the Git permission to perform this action.",
        )


class LocalCloneCase(_WithRepository):
    resource = LocalClone
    stays = True
    exempt = MappingProxyType({"gone with parent": "a folder of this machine goes with nothing of the lab's"})

    def make(self, context: StepContext) -> LocalClone:
        return LocalClone(context, str(self.folder), self.repository)

    @property
    def _clone(self) -> Clone:
        return self.make(self.ground.context()).clone

    def state(self) -> object:
        return (self.folder / ".git" / "config").read_bytes() if self.folder.exists() else None

    def by_hand(self) -> None:
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir()
        self.remote.clone_to(self.folder, lambda said: None)

    def by_hand_wrong(self) -> None:
        self.by_hand()
        self._clone._git("remote", "set-url", "origin", "https://dev.azure.com/other/other/_git/other")

    def refuse(self) -> None:
        self.refuse_git("/_git/")

    def remove_mark(self) -> None:
        self._clone._git("config", "--unset", "hol-wizard.lab")

    def remove(self) -> None:
        if self.folder.exists():
            shutil.rmtree(self.folder)


class BranchCase(_WithRepository):
    resource = Branch
    exempt = MappingProxyType({"conflict": "any branch of the name fits", "mark removed": "it has no mark"})

    def prepare(self) -> None:
        super().prepare()
        self.ground.companions = frozenset({PROJECT, LocalClone.kind})
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self._clone = ownership.solve(LocalClone(self.ground.context(), str(self.folder), self.repository))
        self._clone.switch(BRANCH, f"origin/{self.repository.default_branch}")

    def make(self, context: StepContext) -> Branch:
        start = self.repository.default_branch
        return Branch(context, ORGANIZATION, self.repository.id, BRANCH, start, self._clone)

    def state(self) -> object:
        context = self.ground.context()
        here = organization(context)
        if here.repository_of_id(self.repository.id) is None:
            return None
        return here.branches(context.names.devops_project, self.repository.id).get(BRANCH)

    def by_hand(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            files = {"mine.txt": File(b"Mine")}
            main = self.repository.default_branch
            self.remote.clone_to(Path(folder), lambda said: None)
            self.remote.run(Path(folder), ("push", "--quiet", "origin", f"{main}:refs/heads/{BRANCH}"), far=True)
            self.remote.push(files, BRANCH, "Mine", PERSON, onto=True, settle=lambda path, content: None)

    def refuse(self) -> None:
        self.refuse_git("git-receive-pack")

    def remove(self) -> None:
        at = self.state()
        if at is not None:
            self.remote.delete_branch(BRANCH, str(at))

    def remove_parent(self) -> None:
        remove_project(self.ground)
