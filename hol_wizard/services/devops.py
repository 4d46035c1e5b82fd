"""Azure DevOps Services: organizations, who is signed in to them, projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from hol_wizard.errors import AbsenceUnclearError, NotFoundError, ServiceError, SignInError
from hol_wizard.services.rest import Reply, RestClient, json_object
from hol_wizard.services.secrets import Secret

VERSION: Final = "7.1"
PREVIEW: Final = "7.1-preview.1"
"""For what is released as a preview only: connectionData (the service's own route table)."""

READY: Final = "wellFormed"
"""State of a project that can be used (Projects - Get, `state`)."""
_PAGE = 100

COLLECTION: Final = "3e65f728-f8bc-4ecd-8764-7e378b19bfa7"
"""Security namespace of an organization's own permissions (Security namespace and permission reference)."""
CREATE_PROJECTS: Final = 4
"""Its bit for "Create new projects" (the same page, `CREATE_PROJECTS`)."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who an organization takes the caller for."""

    id: str
    """The organization's own id of them, not the directory's."""
    name: str


@dataclass(frozen=True, slots=True)
class Project:
    """A project of an organization."""

    id: str
    name: str
    state: str
    """`wellFormed` when it can be used; `new`, `createPending` or `deleting` on the way."""
    source_control: str = ""
    """`Git` or `Tfvc`."""
    process: str = ""
    """Name of its process: `Agile`."""
    visibility: str = ""
    description: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether it can be used."""
        return self.state == READY


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository of a project."""

    id: str
    name: str
    default_branch: str
    """`main`, without `refs/heads/`; empty while there is no branch."""
    remote_url: str
    """Where git finds it: below the organization's address of today. What the service says itself (`remoteUrl`) bears a
    name before the host, and in an organization that has not moved the host of old (recorded: `….visualstudio.com`)."""
    is_disabled: bool = False
    project: str = ""
    """Id of its project."""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in an organization."""

    id: str
    mail: str
    """The name that they sign in with."""
    level: str
    """`express` (Basic), `stakeholder` and others (AccessLevel, `accountLicenseType`)."""
    level_name: str
    projects: tuple[str, ...] = ()
    """Ids of the projects that they are in by themselves, not through a group."""
    known_as: frozenset[str] = frozenset()
    """Sign-in name and mail address, in small letters: a guest is invited by the one and signs in with the other."""


@dataclass(frozen=True, slots=True)
class Work:
    """Something that goes on in an organization."""

    id: str
    url: str


class DevOps:
    """One organization, with the token of whoever is signed in.

    Facts: the service's own API descriptions, version 7.1, and recorded answers.
    """

    def __init__(self, rest: RestClient, organization: str) -> None:
        self._rest = rest
        self.organization = organization

    @property
    def url(self) -> str:
        """Its address: `https://dev.azure.com/contoso`."""
        return f"{self._rest.endpoints.devops}/{quote(self.organization)}"

    def _send(
        self,
        method: str,
        path: str,
        thing: str,
        body: Any = None,
        version: str = VERSION,
        below: str = "",
        **query: str,
    ) -> Reply:
        base = f"{self.url}/{quote(below)}" if below else self.url
        return ask(self._rest, method, f"{base}/_apis{path}", thing, body, version, query)

    def _get(self, path: str, thing: str, version: str = VERSION, below: str = "", **query: str) -> Mapping[str, Any]:
        return json_object(self._send("GET", path, thing, version=version, below=below, **query), self.url)

    def person(self) -> Person:
        """Return who the organization takes the caller for.

        Raises:
            AbsenceUnclearError: HTTP 404: Azure DevOps has a page of HTML for the name of no organization.
            AccessDeniedError: The caller is not in it.
        """
        try:
            found = self._get("/connectionData", self.organization, PREVIEW)["authenticatedUser"]
        except AbsenceUnclearError as error:
            raise AbsenceUnclearError(
                f"There seems to be no Azure DevOps organization {self.organization}.",
                "Look at the word after https://dev.azure.com/ in its address; a new one is made in the browser.",
                code=error.code,
                detail=error.detail,
            ) from error
        account = (found.get("properties") or {}).get("Account") or {}
        return Person(str(found["id"]), str(account.get("$value") or found.get("providerDisplayName") or "you"))

    def project(self, name: str) -> Project | None:
        """Return a project by its name or id, or None."""
        try:
            return _project(self._get(f"/projects/{quote(name)}", name, includeCapabilities="true"))
        except NotFoundError:
            return None

    def projects(self) -> list[Project]:
        """Return all projects that the caller may see, in whatever state."""
        found: list[Project] = []
        while True:
            more = {"$top": str(_PAGE), "$skip": str(len(found))}
            page = self._get("/projects", "the projects", stateFilter="all", **more)["value"]
            found += [_project(each) for each in page]
            if len(page) < _PAGE:
                return found

    def process_id(self, name: str) -> str:
        """Return the id of a process.

        Raises:
            NotFoundError: The organization has none of this name.
        """
        for each in self._get("/process/processes", "the processes")["value"]:
            if str(each.get("name")).lower() == name.lower():
                return str(each["id"])
        raise NotFoundError(
            f"The organization {self.organization} has no process {name}.",
            "Ask an administrator of the organization: Organization settings, Boards, Process.",
        )

    def create_project(self, name: str, description: str, process_id: str) -> Work:
        """Begin to make a private project with Git.

        Raises:
            ConflictError: There is one of this name.
            AccessDeniedError: The caller may not make projects.
        """
        body = {
            "name": name,
            "description": description,
            "visibility": "private",
            "capabilities": {
                "versioncontrol": {"sourceControlType": "Git"},
                "processTemplate": {"templateTypeId": process_id},
            },
        }
        return _work(json_object(self._send("POST", "/projects", f"the project {name}", body), self.url))

    def delete_project(self, project: Project) -> Work:
        """Begin to delete a project, with all that is in it."""
        return _work(json_object(self._send("DELETE", f"/projects/{project.id}", project.name), self.url))

    def authorization(self) -> Secret:
        """Return the value of an `Authorization` header with which git is let in."""
        return self._rest.authorization()

    def repository(self, project: str, name: str) -> Repository | None:
        """Return a repository of a project by its name or id, or None: there is none, or the caller may not see it."""
        try:
            found = self._get(f"/git/repositories/{quote(name)}", name, below=project)
        except NotFoundError:
            return None
        return _repository(found, f"{self.url}/{quote(project)}/_git/{quote(str(found['name']))}")

    def repository_of_id(self, identity: str) -> Repository | None:
        """Return a repository by its id, in whatever project, or None: there is none, or the caller may not see it."""
        try:
            found = self._get(f"/git/repositories/{quote(identity)}", f"the repository {identity}")
        except NotFoundError:
            return None
        project = quote(str(found["project"]["name"]))
        return _repository(found, f"{self.url}/{project}/_git/{quote(str(found['name']))}")

    def repositories(self) -> list[Repository]:
        """Return the repositories of all projects that the caller may see."""
        listed = self._get("/git/repositories", "the repositories")["value"]
        return [
            _repository(each, f"{self.url}/{quote(str(each['project']['name']))}/_git/{quote(str(each['name']))}")
            for each in listed
        ]

    def paths(self, project: str, repository: Repository) -> frozenset[str]:
        """Return the paths of all files on the default branch: `Project_One/score.py`; none while it is empty."""
        if not repository.default_branch:
            return frozenset()
        query = {"recursionLevel": "Full", "scopePath": "/", "versionDescriptor.version": repository.default_branch}
        path = f"/git/repositories/{quote(repository.id)}/items"
        found = self._get(path, repository.name, below=project, **query)["value"]
        return frozenset(str(each["path"]).lstrip("/") for each in found if not each.get("isFolder"))

    def branches(self, project: str, repository_id: str) -> dict[str, str]:
        """Return the branches of a repository with the commits that they stand at, without `refs/heads/`."""
        path = f"/git/repositories/{quote(repository_id)}/refs"
        found = self._get(path, "the branches", below=project, filter="heads/")["value"]
        return {str(each["name"]).removeprefix("refs/heads/"): str(each["objectId"]) for each in found}

    def blobs(self, project: str, repository_id: str, branch: str, folder: str = "/") -> dict[str, str]:
        """Return git's ids of the files below a folder of a branch, by path: `Project_One/score.py`.

        Raises:
            NotFoundError: There is no such branch, or no such folder on it.
        """
        query = {
            "recursionLevel": "Full",
            "scopePath": folder,
            "versionDescriptor.version": branch,
            "versionDescriptor.versionType": "branch",
        }
        path = f"/git/repositories/{quote(repository_id)}/items"
        found = self._get(path, folder, below=project, **query)["value"]
        return {str(each["path"]).lstrip("/"): str(each["objectId"]) for each in found if not each.get("isFolder")}

    @property
    def _members(self) -> str:
        return f"{self._rest.endpoints.devops_entitlements}/{quote(self.organization)}/_apis/userentitlements"

    def members(self) -> list[Member]:
        """Return everybody in the organization.

        Raises:
            AccessDeniedError: The caller may not see them.
        """
        found: list[Member] = []
        more: dict[str, str] = {}
        while True:
            query = {"select": "Projects", **more}
            reply = ask(self._rest, "GET", self._members, "the organization's users", None, VERSION, query)
            page = json_object(reply, self._members)
            # Described as `items`, recorded as `members`.
            found += [_member(each) for each in page.get("items") or page.get("members") or ()]
            token = str(page.get("continuationToken") or "")
            if not token:
                return found
            more = {"continuationToken": token}

    def add_member(self, mail: str, level: str, project: Project) -> str:
        """Take somebody into the organization and, as a contributor, into a project; return their id there.

        They get an e-mail. The id is empty where the answer does not tell it.

        Args:
            mail: The address that they sign in with.
            level: `express` (Basic) or `stakeholder`.
            project: Which.

        Raises:
            ServiceError: Azure DevOps refused this person; it may say so in an answer with a status of success.
        """
        body = {
            "accessLevel": {"accountLicenseType": level},
            "user": {"principalName": mail, "subjectKind": "user"},
            "projectEntitlements": [_contributor(project)],
        }
        answer = json_object(ask(self._rest, "POST", self._members, mail, body, VERSION, {}), self._members)
        _succeeded(answer)
        return str((answer.get("operationResult") or {}).get("userId") or "")

    def take_into_project(self, member: Member, project: Project) -> None:
        """Take somebody who is in the organization into a project, as a contributor."""
        body = [{"op": "add", "path": "/projectEntitlements", "value": _contributor(project)}]
        url = f"{self._members}/{member.id}"
        _succeeded(json_object(ask(self._rest, "PATCH", url, member.mail, body, VERSION, {}), url))

    def remove_member(self, member: Member) -> None:
        """Take somebody out of the organization."""
        ask(self._rest, "DELETE", f"{self._members}/{member.id}", member.mail, None, VERSION, {})

    def may_create_projects(self) -> bool:
        """Return whether the caller has the permission "Create new projects" (Permissions - Has Permissions)."""
        found = self._get(f"/permissions/{COLLECTION}/{CREATE_PROJECTS}", "your permissions")["value"]
        return bool(found) and all(bool(each) for each in found)

    def hosted_jobs(self) -> int | None:
        """Return how many jobs Microsoft's machines do at a time for private projects; None: not told.

        A hint only: the route is in the service's own table, the shape of its answer is in no document.
        """
        query = {"parallelismTag": "Private", "poolIsHosted": "true"}
        found = self._get("/distributedtask/resourcelimits", "the parallel jobs", PREVIEW, **query)
        listed = found.get("value") if "value" in found else [found]
        rows = [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
        counts = [each.get("totalCount") for each in rows if each.get("isHosted", True)]
        known = [each for each in counts if isinstance(each, int)]
        return sum(known) if known else None

    def is_over(self, work: Work) -> bool:
        """Return whether something that was begun has ended well.

        Raises:
            NotFoundError: The organization does not know of it.
            ServiceError: It has failed.
        """
        found = self._get(f"/operations/{work.id}", "the operation")
        status = str(found.get("status"))
        if status in {"failed", "cancelled"}:
            said = str(found.get("detailedMessage") or found.get("resultMessage") or status)
            raise ServiceError(f"Azure DevOps did not do it: {said}", "Try again.", code=status)
        return status == "succeeded"


def organizations(rest: RestClient) -> list[str]:
    """Return the names of the organizations that whoever is signed in is in, in the order of the alphabet."""
    base = rest.endpoints.devops_profile
    me = json_object(ask(rest, "GET", f"{base}/_apis/profile/profiles/me", "your profile", None, VERSION, {}), base)
    member = {"memberId": str(me.get("publicAlias") or me["id"])}
    reply = ask(rest, "GET", f"{base}/_apis/accounts", "your organizations", None, VERSION, member)
    # Recorded as a list; described as one, too; other lists of this service stand below `value`.
    found = reply.body.get("value") if isinstance(reply.body, Mapping) else reply.body
    return sorted((str(each["accountName"]) for each in found or ()), key=str.lower)


def ask(
    rest: RestClient, method: str, url: str, thing: str, body: Any, version: str, query: Mapping[str, str]
) -> Reply:
    """Send a request to one of Azure DevOps' addresses.

    Args:
        rest: With whom it goes.
        method: `GET`, `POST`, …
        url: Without a query.
        thing: What it is about, for messages.
        body: A document, or None.
        version: Of the API.
        query: What else stands behind the question mark.

    Raises:
        SignInError: It shows its page to sign in, with a status of success.
        WizardError: As the answer says.
    """
    asked = "&".join(f"{name}={quote(value)}" for name, value in {**query, "api-version": version}.items())
    # Without this header, who is not signed in is sent to a page to sign in, with a status of success.
    headers = {"X-TFS-FedAuthRedirect": "Suppress"}
    if method == "PATCH":
        headers["Content-Type"] = "application/json-patch+json"
    reply = rest.send(method, f"{url}?{asked}", thing=thing, body=body, headers=headers)
    if reply.status == 203 or (isinstance(reply.body, str) and "<html" in reply.body.lower()):
        raise SignInError(
            "Azure DevOps does not take this sign-in, and shows its page to sign in.",
            "Sign in again (section set-up, step Sign in), or run: az login",
            detail=f"HTTP {reply.status} from {url}",
        )
    return reply


def _project(document: Mapping[str, Any]) -> Project:
    capabilities = document.get("capabilities") or {}
    return Project(
        str(document["id"]),
        str(document["name"]),
        str(document.get("state") or ""),
        str((capabilities.get("versioncontrol") or {}).get("sourceControlType") or ""),
        str((capabilities.get("processTemplate") or {}).get("templateName") or ""),
        str(document.get("visibility") or ""),
        str(document.get("description") or ""),
    )


def _repository(document: Mapping[str, Any], url: str) -> Repository:
    return Repository(
        str(document["id"]),
        str(document["name"]),
        str(document.get("defaultBranch") or "").removeprefix("refs/heads/"),
        url,
        bool(document.get("isDisabled")),
        str((document.get("project") or {}).get("id") or ""),
    )


def _member(document: Mapping[str, Any]) -> Member:
    user, level = document.get("user") or {}, document.get("accessLevel") or {}
    names = [str(user[key]) for key in ("principalName", "mailAddress") if user.get(key)]
    projects = [(each.get("projectRef") or {}).get("id") for each in document.get("projectEntitlements") or ()]
    return Member(
        str(document["id"]),
        next(iter(names), ""),
        str(level.get("accountLicenseType") or ""),
        str(level.get("licenseDisplayName") or level.get("accountLicenseType") or "none"),
        tuple(str(each) for each in projects if each),
        frozenset(each.lower() for each in names),
    )


def _contributor(project: Project) -> dict[str, Any]:
    return {"group": {"groupType": "projectContributor"}, "projectRef": {"id": project.id}}


def _succeeded(answer: Mapping[str, Any]) -> None:
    """Raise what an answer of success says of a failure (`isSuccess`, `operationResult`, `operationResults`)."""
    results = answer.get("operationResults") or [answer.get("operationResult") or answer]
    failed = [each for each in results if each.get("isSuccess") is False]
    if failed or answer.get("isSuccess") is False:
        words = [str(error.get("value") or error) for each in failed for error in each.get("errors") or ()]
        raise ServiceError(
            f"Azure DevOps refused it: {'; '.join(words) or 'it does not say why'}",
            "Look at Organization settings, Users, and Billing for the licenses that are left.",
            detail=str(answer)[:2000],
        )


def _work(document: Mapping[str, Any]) -> Work:
    return Work(str(document["id"]), str(document.get("url") or ""))
