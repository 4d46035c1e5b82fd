"""A Git folder: it has no mark."""

from __future__ import annotations

from types import MappingProxyType

from hol_wizard.engine.read_cache import ReadCache
from hol_wizard.practice import seed
from hol_wizard.resources.context import StepContext
from hol_wizard.resources.devops import organization
from hol_wizard.resources.git_folder import DatabricksGitFolder, own_path
from hol_wizard.services.git.remote import File, Person
from tests.resources.in_workspace import InWorkspaceCase
from tests.resources.kinds.git_credential import ORGANIZATION

PERSON = Person("Alex Attendee", seed.ATTENDEE.name)
BRANCH = "attendee"


class GitFolderCase(InWorkspaceCase):
    resource = DatabricksGitFolder
    exempt = MappingProxyType({"mark removed": "it has no mark"})

    def prepare(self) -> None:
        self.ground.sign_in(seed.ATTENDEE, ORGANIZATION)
        super().prepare()
        wanted = "devops-project/seed-the-repository", "scientist-setup/add-your-git-credential@dev"
        assert self.ground.attendee.solve(*wanted).all_passed()
        self._path = own_path(self.ground.context())
        files = {"README.md": File(b"The branch")}
        context = self.ground.context()
        remote = context.services.git_remote(self._url, organization(context).authorization)
        remote.push(files, BRANCH, "A commit", PERSON, onto=False, settle=lambda path, content: None)

    @property
    def _url(self) -> str:
        return self.make(self.ground.context()).repository(ReadCache()).remote_url

    def make(self, context: StepContext) -> DatabricksGitFolder:
        return DatabricksGitFolder(context, self._path, BRANCH)

    def state(self) -> object:
        return self.here.git.folder(self._path) or self.here.git.object(self._path)

    def by_hand(self) -> None:
        made = self.here.git.create_folder(self._url, self._path)
        self.here.git.switch(made.id, BRANCH)

    def by_hand_wrong(self) -> None:
        path = self._path.removeprefix("/Workspace")
        address = f"{self.here.host}/api/2.0/workspace/mkdirs"
        self.here._rest.send("POST", address, thing="folder", body={"path": path})

    def refuse(self) -> None:
        self.refuse_at("api/2.0/repos")

    def remove(self) -> None:
        found = self.here.git.object(self._path)
        if found is not None and found.type == "REPO":
            self.here.git.delete_folder(found.id)
        elif found is not None:
            address = f"{self.here.host}/api/2.0/workspace/delete"
            body = {"path": self._path.removeprefix("/Workspace"), "recursive": True}
            self.here._rest.send("POST", address, thing="folder", body=body)
