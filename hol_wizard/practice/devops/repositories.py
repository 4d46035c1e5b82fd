"""The git repository of each project: real git over HTTPS, and its part of the REST API."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, bare_git, bare_refs, branches, errors
from hol_wizard.practice.devops import items as items_of
from hol_wizard.practice.devops.branch_policies import HOOK, BranchPolicies
from hol_wizard.practice.devops.items import Items
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.versions import BRANCHES, branch_heads, ref_commits
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_WHO = {
    "NAME": seed.ORGANIZER.display_name,
    "EMAIL": seed.ORGANIZER.name,
    "DATE": "2020-01-01T00:00:00+00:00",
}
_NEW = "new-"
"""Prefix of the folder in which a repository is being created."""
Changes = Mapping[str, tuple[str, str]]
"""Changed branches and tags by their full names: the commits before and after."""
NO_COMMIT = "0" * 40
"""The commit of a branch that does not exist."""
NO_GIT = "The practice cloud needs git on this machine to keep repositories: install it, then try again."


class Repositories:
    """One repository per project, with the project's name; created on first use, deleted with the project."""

    def __init__(self, world: World, router: Router, projects: Projects, policies: BranchPolicies) -> None:
        self._world = world
        self._projects = projects
        self._policies = policies
        self._folder = world.folder("git")
        self._before_use: list[Callable[[Document, Path], Awaitable[None]]] = []
        self._on_push: list[Callable[[Document, seed.Principal, Changes], Awaitable[None]]] = []
        world.on_replaced(self._clear)
        # Also by the repository's ID alone (recorded: Refs_List).
        for rest in ("/{organization}/{project}/_apis/git/repositories", "/{organization}/_apis/git/repositories"):
            lists = self._list if "{project}" in rest else self._list_all
            router.add("GET", rest, lists, honors="includeLinks", refuses="includeAllUrls", ignores="includeHidden")
            one = f"{rest}/{{repository}}"
            router.add("GET", one, self._get, ignores="includeParent")
            router.add(
                "GET",
                f"{one}/refs",
                self._refs,
                honors="filter filterContains peelTags $top continuationToken",
                refuses="includeLinks includeMyBranches includeTargetBranches",
                ignores="includeStatuses latestStatusesOnly",
            )
            for items in (f"{one}/items", f"{one}/items/{{path*}}"):
                router.add("GET", items, self._items, honors=items_of.PARAMETERS, refuses=items_of.UNSERVED)
            router.add(
                "GET",
                f"{one}/stats/branches",
                self._stats,
                honors="name baseVersionDescriptor.version baseVersionDescriptor.versionType",
                refuses="baseVersionDescriptor.versionOptions",
            )
        # The short address is that of a repository with its project's name ("Clone an existing Git repo").
        for git in ("/{organization}/{project}/_git/{repository}", "/{organization}/_git/{repository}"):
            router.add("GET", f"{git}/vsts/info", self._about)
            router.add("GET", f"{git}/info/refs", self._serve, honors="service")
            router.add("POST", f"{git}/git-upload-pack", self._serve)
            router.add("POST", f"{git}/git-receive-pack", self._serve)

    # For other parts

    def before_use(self, look: Callable[[Document, Path], Awaitable[None]]) -> None:
        """Register a function to call with the project and the repository's folder before each request about it."""
        self._before_use.append(look)

    def on_push(self, tell: Callable[[Document, seed.Principal, Changes], Awaitable[None]]) -> None:
        """Register a function to call with the project, the user and the changes after each push."""
        self._on_push.append(tell)

    async def use(self, project: Document) -> Path:
        """Return the folder of a project's repository, after updating it."""
        path = await self.path(project)
        for look in self._before_use:
            await look(project, path)
        return path

    async def pushed(self, project: Document, who: seed.Principal, changed: Changes) -> None:
        """Report that branches or tags of a project's repository have changed."""
        for tell in self._on_push:
            await tell(project, who, changed)

    @staticmethod
    def identity(project: Document) -> str:
        """Return the ID of a project's repository."""
        return repository_id(project)

    def existing(self, project: Document) -> Path | None:
        """Return the folder of a project's repository; None if it has not been used yet."""
        path = self._folder / f"{repository_id(project)}.git"
        return path if (path / "HEAD").exists() else None

    async def default_branch(self, project: Document) -> str:
        """Return the default branch of a project's repository, `refs/heads/main`; empty if it has no branches."""
        return await self._default(await self.path(project))

    @staticmethod
    def in_build(request: Request, project: Document) -> JsonObject:
        """Return a project's repository as definitions and builds show it (recorded: Builds - Queue)."""
        there = remote_url(request.base, project)
        return {"id": repository_id(project), "type": "TfsGit", "name": project["name"], "url": there}

    # Finding the repository, and permissions

    def may_write(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody may push: all members of the project except those who were invited as readers."""
        return self._projects.contributes(organization, who, project)

    def project(self, request: Request) -> Document:
        """Return the project of the repository that a request is about.

        Raises:
            Refused: There is none, or the caller may not see it: the error is the same.
        """
        organization = access.organization(request)
        name = request.match.get("repository") or request.match["project"]
        message = (
            f"TF401019: The Git repository with name or identifier {name} does not exist or you do not have "
            "permissions for the operation you are attempting."
        )
        project: Document | None = None
        for each in self._projects.all_of(organization):
            of_it = request.match.get("project", each["id"]).lower() in {each["id"], each["name"].lower()}
            # Git's short address finds it by name alone, the API does not.
            by_name = "project" in request.match or access.is_git(request)
            names = {repository_id(each)} | ({each["name"].lower()} if by_name else set())
            if of_it and ("repository" not in request.match or name.lower() in names):
                project = each
        if project is None or not self._projects.sees(organization, request.who, project):
            raise errors.refused(404, message, "GitRepositoryNotFoundException")
        return project

    async def path(self, project: Document) -> Path:
        """Return the folder of a project's repository, which is created if it does not exist.

        Raises:
            Refused: git is not installed on this machine.
        """
        path = self._folder / f"{repository_id(project)}.git"
        if self.existing(project) is None:
            # Created elsewhere and then moved, so that an incomplete one is never used, even after a kill.
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=_NEW, ignore_cleanup_errors=True) as place:
                made = Path(place, "made")
                made.mkdir()
                try:
                    await _make(made, str(project.get("first_branch", "")))
                except bare_git.GitMissingError as error:
                    raise errors.refused(503, NO_GIT, "GitMissingException") from error
                with contextlib.suppress(OSError):  # another request was faster
                    made.rename(path)
        return path

    def default(self, repository: str) -> str:
        """Return the ref of the default branch of a repository with an ID that exists: `refs/heads/main`."""
        return bare_refs.head(self._folder / f"{repository}.git")

    def _clear(self) -> None:
        """Delete incomplete repositories that a killed server has left."""
        for each in self._folder.glob(f"{_NEW}*"):
            shutil.rmtree(each, ignore_errors=True)

    async def _default(self, path: Path) -> str:
        """Return the default branch, or an empty string; the first branch that is pushed becomes it."""
        branches = await branch_heads(path)
        head = bare_refs.head(path)
        if branches and head not in branches:
            head = next(iter(branches))
            await bare_git.run(path, "symbolic-ref", "HEAD", head)
        return head if branches else ""

    # REST

    async def reference(
        self, request: Request, project: Document, *, links: bool = False, brief: bool = False
    ) -> JsonObject:
        """Return a reference to a repository.

        Args:
            request: The request.
            project: Its project.
            links: Whether to include `_links`.
            brief: Whether to use the short form in lists of pull requests (recorded: id, name, address and the
                project's name and state).
        """
        identity, name, address = repository_id(project), project["name"], self.address(request, project)
        if brief:
            belongs = {"id": project["id"], "name": name, "state": "unchanged", "visibility": "unchanged"}
            return {"id": identity, "name": name, "url": address, "project": belongs}
        path = await self.path(project)
        there = remote_url(request.base, project)
        default = await self._default(path)
        shown: JsonObject = {
            "id": identity,
            "name": name,
            "url": address,
            "project": self._projects.reference(request, project),
            "size": folder_size(path / "objects"),
            # The organization is the user name for which git asks a password (recorded); there is no SSH server here.
            "remoteUrl": f"https://{project['organization']}@{there.removeprefix('https://')}",
            "sshUrl": f"git@127.0.0.1:v3/{quote(project['organization'])}/{quote(name)}/{quote(name)}",
            "webUrl": there,
            "isDisabled": False,
            "isInMaintenance": False,
        }
        if links:
            parts = ("commits", "refs", "pullRequests", "items", "pushes")
            shown["_links"] = {
                "self": {"href": address},
                "project": {"href": f"vstfs:///Classification/TeamProject/{project['id']}"},
                "web": {"href": there},
                "ssh": {"href": shown["sshUrl"]},
                **{part: {"href": f"{address}/{part}"} for part in parts},
            }
        return {**shown, "defaultBranch": default} if default else shown

    async def _get(self, request: Request) -> Response:
        return Response(200, await self.reference(request, self.project(request), links=True))

    async def _about(self, request: Request) -> Response:
        """Say what a clone's remote is: the Azure CLI asks in each clone (`GitClient.get_vsts_info_by_remote_url`).

        It takes what stands before `_apis` in the repository's address for the organization (`vsts_git_url_info.py`):
        the project is not in that address.
        """
        project = self.project(request)
        organization = access.organization(request)
        server = f"{request.base}/{organization.name}"
        return Response(
            200,
            {
                "serverUrl": server,
                "collection": {
                    "id": organization.id,
                    "name": organization.name,
                    "url": f"{server}/_apis/projectCollections/{organization.id}",
                },
                "repository": {
                    **await self.reference(request, project),
                    "url": f"{server}/_apis/git/repositories/{repository_id(project)}",
                },
            },
        )

    async def _list(self, request: Request) -> Response:
        return await self._listed(request, [self.project(request)])

    async def _listed(self, request: Request, projects: list[Document]) -> Response:
        links = request.query.get("includelinks", "").lower() == "true"
        value = [await self.reference(request, each, links=links) for each in projects]
        return Response(200, {"value": value, "count": len(value)})

    async def _list_all(self, request: Request) -> Response:
        organization = access.organization(request)
        seen = [
            each for each in self._projects.all_of(organization) if self._projects.sees(organization, request.who, each)
        ]
        return await self._listed(request, seen)

    def address(self, request: Request, project: Document) -> str:
        """Return the URL of a project's repository in the API."""
        base = f"{request.base}/{project['organization']}/{project['id']}"
        return f"{base}/_apis/git/repositories/{repository_id(project)}"

    async def _refs(self, request: Request) -> Response:
        project = self.project(request)
        return await branches.list_refs(request, await self.use(project), self.address(request, project))

    async def _items(self, request: Request) -> Response:
        project = self.project(request)
        path = await self.use(project)
        return await Items(request, project, repository_id(project), path).response(await self._default(path))

    async def _stats(self, request: Request) -> Response:
        project = self.project(request)
        path = await self.use(project)
        default = await self._default(path)
        return await branches.statistics(request, path, project, default, self.address(request, project))

    # git

    async def _serve(self, request: Request) -> Response:
        """Handle git's own requests with `git http-backend`, a CGI program (git-http-backend documentation)."""
        try:
            project = self.project(request)
        except Refused as refused:
            body = refused.response.body
            text = str(body["message"]) if isinstance(body, dict) else ""
            return Response(refused.response.status, text, content_type="text/plain; charset=utf-8")
        pushes = "git-receive-pack" in {request.query.get("service"), request.path.rpartition("/")[2]}
        if pushes and not self.may_write(access.organization(request), request.who, project):
            message = errors.git_permission_message(request.who.client, "GenericContribute")
            return Response(403, message, content_type="text/plain; charset=utf-8")
        path = await self.use(project)
        before = await ref_commits(path) if pushes else {}
        repository = repository_id(project)
        more = {
            **cgi_variables(request, path),
            "PRACTICE_PROTECTED": " ".join(
                self._policies.protected(project["id"], repository, self.default(repository))
            ),
        }
        done = await bare_git.run(path, "http-backend", given=request.content, more=more)
        head, _, body = done.out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        if not head:
            return Response(500, done.err.decode("utf-8", "replace"), content_type="text/plain; charset=utf-8")
        await self._default(path)
        if pushes:
            after = await ref_commits(path)
            changed = {
                ref: (before.get(ref, NO_COMMIT), after.get(ref, NO_COMMIT))
                for ref in {**before, **after}
                if before.get(ref) != after.get(ref)
            }
            if changed:
                await self.pushed(project, request.who, changed)
        return Response(status, body, headers, headers.get("Content-Type", "application/octet-stream"))


def cgi_variables(request: Request, path: Path) -> dict[str, str]:
    """Return the variables with which `git http-backend` handles a request about a repository in a folder.

    Without CONTENT_LENGTH it reads to the end of its input. With it, it would wait in a busy loop for the rest if this
    server were killed in the middle (`pipe_fixed_length` in git's http-backend.c).
    """
    return {
        "GIT_PROJECT_ROOT": str(path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": request.path.partition(f"/_git/{request.match['repository']}")[2],
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": urlencode(request.pairs),
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_USER": request.who.client,
        "REMOTE_ADDR": "127.0.0.1",
    }


def folder_size(folder: Path) -> int:
    """Return the size of the files in a folder; a push that is under way adds and removes some meanwhile."""
    size = 0
    # It skips a folder that is removed while it is read.
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += os.stat(os.path.join(place, name)).st_size  # noqa: PTH116, PTH118 - many files
    return size


async def _make(path: Path, branch: str) -> None:
    """Create a bare repository in an empty folder, with a first commit if a branch is named."""
    await bare_git.run(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
    await bare_git.run(path, "config", "http.receivepack", "true")
    hook = path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK, encoding="utf-8", newline="\n")
    hook.chmod(0o700)
    if branch:
        await _begin(path, branch)


async def _begin(path: Path, branch: str) -> None:
    """Create a first commit on a branch, and make the branch the default one."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    blob = (await bare_git.run(path, "hash-object", "-w", "--stdin", given=b"# Reports\n")).text.strip()
    tree = (await bare_git.run(path, "mktree", given=f"100644 blob {blob}\tREADME.md\n".encode())).text.strip()
    commit = (await bare_git.run(path, "commit-tree", tree, "-m", "Added README.md", more=who)).text.strip()
    await bare_git.run(path, "update-ref", f"{BRANCHES}{branch}", commit)
    await bare_git.run(path, "symbolic-ref", "HEAD", f"{BRANCHES}{branch}")


def remote_url(base: str, project: Document) -> str:
    """Return the address of a project's repository for git."""
    name = quote(project["name"])
    return f"{base}/{project['organization']}/{name}/_git/{name}"


def repository_id(project: Document) -> str:
    """Return the ID of a project's repository."""
    return seed.fixed_id(f"repository {project['id']}")
