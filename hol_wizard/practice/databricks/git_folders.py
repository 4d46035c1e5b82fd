"""Git folders: Repos_create, _list, _get, _update, _delete. Each is a real clone, fetched by the system's git.

Codes and texts of errors are quoted from public issues where a comment names one; the others are unrecorded.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from hol_wizard import git_sign_in
from hol_wizard.practice.databricks import address, errors
from hol_wizard.practice.databricks.git_credentials import PROVIDERS, GitCredentials
from hol_wizard.practice.devops import bare_git
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_PATH = "/api/2.0/repos"
_SETTINGS = "Go to User Settings > Git Integration"
_MISSING = f"Missing Git provider credentials. {_SETTINGS} to add your personal access token."
"""databricks-vscode issue 508, with PERMISSION_DENIED."""
_INVALID = (
    f"Invalid Git provider credentials. {_SETTINGS} to ensure that:\n1. You have entered a username with your Git "
    "provider credentials.\n2. You have selected the correct Git provider with your credentials.\n3. Your personal "
    "access token or app password has the correct repo access."
)
"""databricks/cli issue 1551, with PERMISSION_DENIED."""


class GitFolders:
    """The Git folders of each workspace; their work trees are beside the store."""

    def __init__(self, world: World, router: Router, credentials: GitCredentials) -> None:
        self._world = world
        self._documents = world.part(address.Contents).collection("databricks_git_folders", self)
        self._credentials = credentials
        self._root = world.folder("git-folders")
        contents = world.part(address.Contents)
        contents.when_gone.append(lambda workspace: self._remove_files(self._root / workspace))
        self.taken: Callable[[str, str], bool] = lambda workspace, path: False
        """Returns whether something else is at a path; the workspace's tree sets this."""
        self.has_folder: Callable[[str, str], bool] = lambda workspace, path: True
        """Returns whether the parent folder of a new Git folder exists."""
        self._being_made: set[tuple[str, str]] = set()
        world.on_replaced(self._clear)
        router.add("GET", _PATH, self._list, honors="path_prefix", ignores="next_page_token")
        router.add("POST", _PATH, self._create)
        router.add("GET", f"{_PATH}/{{folder}}", self._get)
        router.add("PATCH", f"{_PATH}/{{folder}}", self._update)
        router.add("DELETE", f"{_PATH}/{{folder}}", self._delete)

    def at(self, workspace: str, path: str) -> tuple[Document, Path] | None:
        """Return the Git folder that contains a path, and the file in its work tree, or None.

        Git's own files are excluded, and so are links to files outside the work tree.
        """
        for each in self._documents:
            if each["workspace"] == workspace and (path == each["path"] or path.startswith(f"{each['path']}/")):
                parts = path[len(each["path"]) :].strip("/").split("/")
                tree = self.tree(each)
                file = tree.joinpath(*parts)
                hidden = any(part.lower() == ".git" for part in parts)
                return None if hidden or not file.resolve().is_relative_to(tree.resolve()) else (each, file)
        return None

    def below(self, workspace: str, path: str) -> list[Document]:
        """Return the Git folders directly below a path."""
        return [
            each
            for each in self._documents
            if each["workspace"] == workspace and str(each["path"]).rpartition("/")[0] == path.rstrip("/")
        ]

    def all_below(self, workspace: str, path: str) -> list[Document]:
        """Return the Git folder at a path and all those below it."""
        prefix = f"{path.rstrip('/')}/"
        return [
            each for each in self._documents if each["workspace"] == workspace and f"{each['path']}/".startswith(prefix)
        ]

    def remove(self, folder: Document) -> None:
        """Delete a Git folder with its work tree; the repository does not change."""
        self._documents.delete(f"{folder['workspace']}/{folder['id']}")
        self._remove_files(self.tree(folder))

    def _clear(self) -> None:
        """Delete work trees that belong to no folder: they are from a server that was killed."""
        used = {self.tree(each) for each in self._documents}
        for tree in self._root.glob("*/*"):
            if tree not in used:
                shutil.rmtree(tree, ignore_errors=True)

    def is_being_made(self, workspace: str, path: str) -> bool:
        """Return whether another request is creating a Git folder at a path or above it."""
        return any(place == workspace and f"{path}/".startswith(f"{made}/") for place, made in self._being_made)

    def _remove_files(self, place: Path) -> None:
        """Delete files after the documents that no longer refer to them are written."""
        self._world.store.current.on_commit.append(lambda: shutil.rmtree(place, ignore_errors=True))

    def tree(self, folder: Document) -> Path:
        """Return the path of a Git folder's work tree."""
        return self._root / str(folder["workspace"]) / str(folder["id"])

    def _find(self, request: Request) -> Document:
        found = self._documents.get(f"{request.thing}/{request.match['folder']}")
        if found is None:
            raise errors.missing(f"Repo with ID {request.match['folder']} does not exist.")
        return found

    async def _shown(self, folder: Document) -> JsonObject:
        tree = self.tree(folder)
        head = (await bare_git.run(tree, "rev-parse", "--verify", "HEAD")).text.strip()
        branch = (await bare_git.run(tree, "symbolic-ref", "--short", "--quiet", "HEAD")).text.strip()
        shown: JsonObject = {name: folder[name] for name in ("id", "path", "url", "provider")}
        if head:
            shown["head_commit_id"] = head
        return {**shown, "branch": branch} if branch else shown

    async def _list(self, request: Request) -> Response:
        prefix = plain(request.query.get("path_prefix") or "/")
        # databricks-sdk, `ReposAPI.list`: an effectively empty prefix serves what is under /Workspace/Repos.
        prefix = "/Repos" if prefix == "/" else prefix
        found = [
            await self._shown(each)
            for each in self._documents
            if each["workspace"] == request.thing and str(each["path"]).startswith(prefix)
        ]
        return Response(200, {"repos": found} if found else {})

    async def _get(self, request: Request) -> Response:
        return Response(200, await self._shown(self._find(request)))

    async def _create(self, request: Request) -> Response:
        url, provider = str(request.json.get("url") or ""), str(request.json.get("provider") or "")
        if not url or provider.lower() not in {each.lower() for each in PROVIDERS}:
            raise errors.invalid("url and provider must be specified, and the provider be a known one.")
        name = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        asked = str(request.json.get("path") or f"/Repos/{request.who.client}/{name}")
        path = plain(asked)
        inside = self.at(request.thing, path) is not None or self.at(request.thing, path.rpartition("/")[0]) is not None
        if inside or self.is_being_made(request.thing, path) or self.taken(request.thing, path):
            raise errors.refused(400, "RESOURCE_ALREADY_EXISTS", f"Git folder or path ({path}) already exists.")
        if not self.has_folder(request.thing, path.rpartition("/")[0]):
            raise errors.missing(f"Parent folder of ({path}) does not exist.")
        folder: Document = {
            "workspace": request.thing,
            "id": secrets.randbelow(10**15) + 10**14,
            "path": path,
            "url": url,
            "provider": next(each for each in PROVIDERS if each.lower() == provider.lower()),
        }
        tree = self.tree(folder)
        self._being_made.add((request.thing, path))
        # Until the folder has been created or refused: other requests do not see it before that.
        transaction = self._world.store.current
        for ends in (transaction.on_commit, transaction.on_rollback):
            ends.append(lambda: self._being_made.discard((request.thing, path)))
        transaction.on_rollback.append(lambda: shutil.rmtree(tree, ignore_errors=True))
        tree.mkdir(parents=True)
        # No links: the contents of a repository must not refer to other files on this machine.
        chosen = ("--config", "core.autocrlf=false", "--config", "core.symlinks=false")
        await self._git(request, folder, "clone", "--quiet", *chosen, url, ".")
        self._documents.put(f"{request.thing}/{folder['id']}", folder)
        return Response(200, await self._shown(folder))

    async def _update(self, request: Request) -> Response:
        """Check out a branch and pull it, or check out a tag: conflicting changes prevent it."""
        folder = self._find(request)
        branch, tag = str(request.json.get("branch") or ""), str(request.json.get("tag") or "")
        if bool(branch) == bool(tag):
            raise errors.invalid("Exactly one of branch and tag must be specified.")
        await self._git(request, folder, "fetch", "--quiet", "--prune", "--tags", "--force", "origin")
        if tag:
            if not await self._has(folder, f"refs/tags/{tag}"):
                raise errors.missing(f"Tag {tag} was not found on the remote.")
            # databricks-sdk, `ReposAPI.update`: a tag leaves the folder in a detached HEAD state.
            await self._move(folder, "checkout", "--quiet", "--detach", f"refs/tags/{tag}", "--")
            return Response(200, {})
        remote = f"refs/remotes/origin/{branch}"
        if not await self._has(folder, remote):
            raise errors.missing(f"Branch {branch} was not found on the remote.")
        if await self._has(folder, f"refs/heads/{branch}"):
            await self._move(folder, "checkout", "--quiet", branch, "--")
        else:
            await self._move(folder, "checkout", "--quiet", "--track", "-b", branch, f"origin/{branch}", "--")
        await self._move(folder, "merge", "--quiet", "--ff-only", remote)
        return Response(200, {})

    async def _has(self, folder: Document, ref: str) -> bool:
        return (await bare_git.run(self.tree(folder), "rev-parse", "--verify", "--quiet", ref)).code == 0

    async def _move(self, folder: Document, *words: str) -> None:
        """Change the work tree.

        Raises:
            Refused: Changes in the workspace prevent it.
        """
        done = await bare_git.run(self.tree(folder), *words)
        if done.code:
            said = done.err.decode("utf-8", "replace").strip()
            raise errors.wrong_state(f"Uncommitted changes or a merge conflict are in the way: {said}")

    def _delete(self, request: Request) -> Response:
        self.remove(self._find(request))
        return Response(200, {})

    async def _git(self, request: Request, folder: Document, *words: str) -> None:
        """Run git against the remote, with only the caller's own credential.

        Raises:
            Refused: The remote is not in this practice cloud, or it refused git's request.
        """
        devops = self._world.addresses["devops"]
        if not str(folder["url"]).startswith(f"{devops}/"):
            raise errors.denied(f"The practice cloud clones from its own Azure DevOps only: {devops}")
        wanted = request.json.get("git_credential_id")
        token = self._credentials.token(request.thing, request.who, str(folder["provider"]), wanted)
        if not token:
            raise errors.denied(_MISSING)
        # By git's credential protocol: every program that git starts inherits its environment.
        with git_sign_in.answering(lambda _: f"username=token\npassword={token}\n") as helper:
            settings = (
                # Empty first: no credential helper of this machine asks for, provides, or stores these credentials.
                ("credential.helper", ""),
                (f"credential.{devops}.helper", helper),
                ("core.askPass", ""),
                ("http.sslCAInfo", str(self._world.store.path.parent / "ca.pem")),
                ("http.proxy", ""),
                ("http.followRedirects", "false"),
            )
            more = {
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_ASKPASS": "",
                "GIT_ALLOW_PROTOCOL": "https",
                "GIT_CONFIG_COUNT": str(len(settings)),
            }
            for number, (name, value) in enumerate(settings):
                more |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
            try:
                done = await bare_git.run(self.tree(folder), *words, more=more)
            except bare_git.GitMissingError as error:
                raise errors.refused(503, "TEMPORARILY_UNAVAILABLE", "The practice cloud needs git.") from error
        if done.code:
            raise _of_git(done.err.decode("utf-8", "replace"))


def _of_git(said: str) -> Refused:
    """Return the error for git's message."""
    lower = said.lower()
    if any(each in lower for each in ("authentication failed", "could not read username", "error: 401", "error: 403")):
        return errors.denied(_INVALID)
    if "not found" in lower or "tf401019" in lower:
        return errors.missing("Remote repository not found.")
    return errors.refused(500, "INTERNAL_ERROR", said.strip()[-500:])


def plain(path: str) -> str:
    """Return a path in its stored form: without `/Workspace` and without a trailing slash.

    Raises:
        Refused: It contains `..`, or is not a path (the text is unrecorded).
    """
    parts = path.strip("/").split("/")
    if parts[0] == "Workspace":
        parts = parts[1:]
    if any(part in {".", ".."} or "\\" in part or "\0" in part for part in parts) or "" in parts[1:]:
        raise errors.invalid(f"Path ({path}) is not valid.")
    return "/" + "/".join(parts)
