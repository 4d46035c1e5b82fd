"""The git repository of each project: real git over HTTPS, and the part of the REST that tells about it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.devops import access, bare_git, errors
from hol_wizard.practice.devops.branch_policies import HOOK, BranchPolicies
from hol_wizard.practice.devops.members import Members
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.service import Answer, Call, JsonObject, Refused, Router
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

BRANCHES = "refs/heads/"
_WHO = {
    "NAME": seed.ORGANIZER.display_name,
    "EMAIL": seed.ORGANIZER.name,
    "DATE": "2020-01-01T00:00:00+00:00",
}
NO_GIT = "The practice cloud needs git on this machine to keep repositories: install it, then try again."


class Repositories:
    """One repository a project, with its name; made when it is first asked for, gone with the project."""

    def __init__(self, world: World, router: Router, projects: Projects) -> None:
        self._world = world
        self._projects = projects
        self._policies = BranchPolicies(world, router, projects)
        self._members = world.part(Members)
        self._folder = world.folder("git")
        rest = "/{organization}/{project}/_apis/git/repositories"
        router.add("GET", rest, self._list)
        router.add("GET", f"{rest}/{{repository}}", self._get)
        # By the repository's id alone, too (recorded: Refs_List).
        for below in (f"{rest}/{{repository}}", "/{organization}/_apis/git/repositories/{repository}"):
            router.add("GET", f"{below}/refs", self._refs)
            router.add("GET", f"{below}/items", self._items)
            router.add("GET", f"{below}/stats/branches", self._stats)
        router.add("GET", "/{organization}/_apis/git/repositories/{repository}", self._get)
        router.add("GET", "/{organization}/_apis/git/repositories", self._list_all)
        git = "/{organization}/{project}/_git/{repository}"
        router.add("GET", f"{git}/info/refs", self._serve)
        router.add("POST", f"{git}/git-upload-pack", self._serve)
        router.add("POST", f"{git}/git-receive-pack", self._serve)

    # Which repository, and who may

    def _may_write(self, organization: Organization, who: seed.Principal, project: Document) -> bool:
        """Return whether somebody may push: all of the project but those who were invited as readers."""
        if not self._projects.has_member(organization, who, project):
            return False
        invited = self._members.of(organization.name, who.id)
        group = invited["projects"].get(project["id"]) if invited is not None else None
        return group != "projectReader" or who.id == project["owner"] or who.id in organization.administrators

    def _project(self, call: Call) -> Document:
        """Return the project whose repository a call is about.

        Raises:
            Refused: There is none, or the caller may not see it: the service makes no difference.
        """
        organization = access.organization(call)
        name = call.match.get("repository") or call.match["project"]
        message = (
            f"TF401019: The Git repository with name or identifier {name} does not exist or you do not have "
            "permissions for the operation you are attempting."
        )
        project: Document | None = None
        for each in self._projects.all_of(organization):
            of_it = call.match.get("project", each["id"]).lower() in {each["id"], each["name"].lower()}
            names = {repository_id(each)} | ({each["name"].lower()} if "project" in call.match else set())
            if of_it and ("repository" not in call.match or name.lower() in names):
                project = each
        if project is None or not self._projects.sees(organization, call.who, project):
            raise errors.refused(404, message, "GitRepositoryNotFoundException")
        return project

    async def _path(self, project: Document) -> Path:
        path = self._folder / f"{repository_id(project)}.git"
        if not (path / "HEAD").exists():
            path.mkdir(parents=True, exist_ok=True)
            try:
                await bare_git.run(path, "init", "--quiet", "--bare", "--initial-branch=main", ".")
                await bare_git.run(path, "config", "http.receivepack", "true")
                hook = path / "hooks" / "update"
                hook.parent.mkdir(exist_ok=True)
                hook.write_text(HOOK, encoding="utf-8", newline="\n")
                hook.chmod(0o700)
                if "first_branch" in project:
                    await _begin(path, str(project["first_branch"]))
            except bare_git.GitMissingError as error:
                raise errors.refused(503, NO_GIT, "GitMissingException") from error
        return path

    async def _branches(self, path: Path) -> dict[str, str]:
        told = await bare_git.run(path, "for-each-ref", "--format=%(refname) %(objectname)", BRANCHES)
        return dict(line.split(" ", 1) for line in told.text.splitlines())

    async def _default(self, path: Path) -> str:
        """Return the default branch, or an empty string; the first branch that is pushed becomes it."""
        branches = await self._branches(path)
        head = (await bare_git.run(path, "symbolic-ref", "HEAD")).text.strip()
        if branches and head not in branches:
            head = next(iter(branches))
            await bare_git.run(path, "symbolic-ref", "HEAD", head)
        return head if branches else ""

    # REST

    async def _shown(self, call: Call, project: Document) -> JsonObject:
        path = await self._path(project)
        base, identity, name = f"{call.base}/{project['organization']}", repository_id(project), project["name"]
        default = await self._default(path)
        shown: JsonObject = {
            "id": identity,
            "name": name,
            "url": f"{base}/{project['id']}/_apis/git/repositories/{identity}",
            "project": self._projects.reference(call, project),
            "size": sum(each.stat().st_size for each in (path / "objects").rglob("*") if each.is_file()),
            # The real one has `organization@` before its host here; with a port that reads as a password.
            "remoteUrl": f"{base}/{name}/_git/{name}",
            "webUrl": f"{base}/{name}/_git/{name}",
            "isDisabled": False,
            "isInMaintenance": False,
        }
        return {**shown, "defaultBranch": default} if default else shown

    async def _get(self, call: Call) -> Answer:
        return Answer(200, await self._shown(call, self._project(call)))

    async def _list(self, call: Call) -> Answer:
        value = [await self._shown(call, self._project(call))]
        return Answer(200, {"value": value, "count": len(value)})

    async def _list_all(self, call: Call) -> Answer:
        organization = access.organization(call)
        seen = [
            each for each in self._projects.all_of(organization) if self._projects.sees(organization, call.who, each)
        ]
        value = [await self._shown(call, each) for each in seen]
        return Answer(200, {"value": value, "count": len(value)})

    async def _refs(self, call: Call) -> Answer:
        project = self._project(call)
        branches = await self._branches(await self._path(project))
        wanted = f"refs/{call.query.get('filter', '')}"
        creator = {"displayName": call.who.display_name, "id": call.who.id, "uniqueName": call.who.client}
        value = [
            {"name": name, "objectId": commit, "creator": creator, "url": f"{call.base}{call.path}"}
            for name, commit in branches.items()
            if name.startswith(wanted)
        ]
        return Answer(200, {"value": value, "count": len(value)})

    async def _items(self, call: Call) -> Answer:
        project = self._project(call)
        path = await self._path(project)
        asked = call.query.get("versiondescriptor.version", "")
        branch = f"{BRANCHES}{asked}" if asked else await self._default(path)
        branches = await self._branches(path)
        if branch not in branches:
            message = f"TF401175: The version descriptor <Branch: {asked}> could not be resolved to a version in the "
            message += f"repository {project['name']}."
            raise errors.refused(404, message, "GitUnresolvableToCommitException")
        deep = call.query.get("recursionlevel", "none").lower() == "full"
        words = ["ls-tree", "-z", *(["-r", "-t"] if deep else []), branches[branch]]
        told = await bare_git.run(path, *words)
        value: list[JsonObject] = [self._item(call, "tree", branches[branch], branches[branch], "/")]
        for line in told.text.split("\0"):
            if line:
                facts, _, name = line.partition("\t")
                _, kind, identity = facts.split(" ")
                value.append(self._item(call, kind, identity, branches[branch], f"/{name}"))
        scope = f"/{call.query.get('scopepath', '').strip('/')}"
        if scope != "/":
            value = [each for each in value if f"{each['path']}/".startswith(f"{scope}/")]
            if not value:
                message = f"TF401174: The item '{scope}' could not be found in the repository '{project['name']}' "
                message += f"at the version specified by '<Branch: {branch.removeprefix(BRANCHES)} >'."
                raise errors.refused(404, message, "GitItemNotFoundException")
        return Answer(200, {"count": len(value), "value": value})

    async def _stats(self, call: Call) -> Answer:
        """Tell how far each branch is from the default one (Stats - List)."""
        path = await self._path(self._project(call))
        default = await self._default(path)
        value: list[JsonObject] = []
        for name, commit in (await self._branches(path)).items():
            counted = await bare_git.run(path, "rev-list", "--left-right", "--count", f"{default}...{commit}")
            behind, ahead = counted.text.split()
            short = name.removeprefix(BRANCHES)
            value.append(
                {
                    "commit": {"commitId": commit},
                    "name": short,
                    "aheadCount": int(ahead),
                    "behindCount": int(behind),
                    "isBaseVersion": name == default,
                }
            )
        return Answer(200, {"count": len(value), "value": value})

    @staticmethod
    def _item(call: Call, kind: str, identity: str, commit: str, path: str) -> JsonObject:
        item: JsonObject = {"objectId": identity, "gitObjectType": kind, "commitId": commit, "path": path}
        if kind == "tree":
            item["isFolder"] = True
        return {**item, "url": f"{call.base}{call.path}{path}"}

    # git

    async def _serve(self, call: Call) -> Answer:
        """Answer git's own requests by `git http-backend`, which speaks CGI (git-http-backend documentation)."""
        try:
            project = self._project(call)
        except Refused as refused:
            body = refused.answer.body
            text = str(body["message"]) if isinstance(body, dict) else ""
            return Answer(refused.answer.status, text, content_type="text/plain; charset=utf-8")
        pushes = "git-receive-pack" in {call.query.get("service"), call.path.rpartition("/")[2]}
        if pushes and not self._may_write(access.organization(call), call.who, project):
            message = (
                f"TF401027: You need the Git 'GenericContribute' permission to perform this action. Details: identity "
                f"'aad\\{call.who.client}', scope 'repository'."
            )
            return Answer(403, message, content_type="text/plain; charset=utf-8")
        path = await self._path(project)
        operation = call.path.partition(f"/_git/{call.match['repository']}")[2]
        more = {
            "GIT_PROJECT_ROOT": str(path),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": operation,
            "REQUEST_METHOD": call.method,
            "QUERY_STRING": urlencode(call.pairs),
            "CONTENT_TYPE": call.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(call.content)),
            "GIT_PROTOCOL": call.headers.get("Git-Protocol", ""),
            "REMOTE_USER": call.who.client,
            "REMOTE_ADDR": "127.0.0.1",
            "PRACTICE_PROTECTED": " ".join(self._policies.protected(project, repository_id(project))),
        }
        done = await bare_git.run(path, "http-backend", given=call.content, more=more)
        head, _, body = done.out.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line)
        status = int(headers.pop("Status", "200").split()[0])
        if not head:
            return Answer(500, done.err.decode("utf-8", "replace"), content_type="text/plain; charset=utf-8")
        await self._default(path)
        return Answer(status, body, headers, headers.get("Content-Type", "application/octet-stream"))


async def _begin(path: Path, branch: str) -> None:
    """Make a first commit on a branch, and the branch the default one."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
    blob = (await bare_git.run(path, "hash-object", "-w", "--stdin", given=b"# Reports\n")).text.strip()
    tree = (await bare_git.run(path, "mktree", given=f"100644 blob {blob}\tREADME.md\n".encode())).text.strip()
    commit = (await bare_git.run(path, "commit-tree", tree, "-m", "Added README.md", more=who)).text.strip()
    await bare_git.run(path, "update-ref", f"{BRANCHES}{branch}", commit)
    await bare_git.run(path, "symbolic-ref", "HEAD", f"{BRANCHES}{branch}")


def repository_id(project: Document) -> str:
    """Return the id of a project's repository."""
    return seed.fixed_id(f"repository {project['id']}")
