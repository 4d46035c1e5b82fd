"""The requests about pull requests themselves (Git - Pull Requests, 7.1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from hol_wizard.practice.devops import errors
from hol_wizard.practice.devops.branch_policies import BranchPolicies
from hol_wizard.practice.devops.organizations import Organization
from hol_wizard.practice.devops.paging import page
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.pull_requests import merging, records
from hol_wizard.practice.devops.pull_requests.comments import Threads
from hol_wizard.practice.devops.pull_requests.evaluations import Evaluations
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.progress import Progress
from hol_wizard.practice.devops.pull_requests.records import PullRequests
from hol_wizard.practice.devops.pull_requests.reviewers import Reviewers
from hol_wizard.practice.devops.pull_requests.scope import Scope
from hol_wizard.practice.devops.pull_requests.statuses import Statuses
from hol_wizard.practice.devops.repositories import NO_COMMIT, Repositories
from hol_wizard.practice.devops.versions import BRANCHES, branch_heads
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Request, Response, Router, text
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

_PAGE = 100
"""Default length of a page of pull requests."""
_CRITERIA = ["status", "sourceRefName", "targetRefName", "creatorId", "reviewerId", "repositoryId", "includeLinks"]
_SEARCH = " ".join(f"searchCriteria.{each}" for each in _CRITERIA) + " $top $skip"
_UNSERVED_CRITERIA = (
    *("minTime", "maxTime", "queryTimeRangeType", "sourceRepositoryId"),
    *("labels", "tagsFilterOperator", "title"),
)
_UNSERVED_SEARCH = " ".join(f"searchCriteria.{each}" for each in _UNSERVED_CRITERIA)
_STATUSES = ("active", "abandoned", "completed", "all")
_SENT_STATUSES = {"1": "active", "2": "abandoned", "3": "completed", "4": "all"}
"""The Node client sends the values of `PullRequestStatus` as numbers."""
NO_BRANCH = (
    "TF401398: The pull request cannot be activated because the source and/or the target branch no longer exists, "
    "or the requested refs are not different."
)
_LISTED_DESCRIPTION = 400
"""Maximum length of a description in a list (Pull Requests - Get Pull Requests)."""


class PullRequestService:
    """Handles requests about the pull requests of all repositories."""

    def __init__(
        self,
        world: World,
        router: Router,
        projects: Projects,
        repositories: Repositories,
        policies: BranchPolicies,
    ) -> None:
        self._world = world
        self._pulls = world.part(PullRequests)
        self._people = People(world, projects)
        self._repositories = repositories
        self.progress = Progress(world, repositories, policies, self._people)
        self._scope = Scope(self._pulls, projects, repositories)
        bases = ("/{organization}/{project}/_apis/git", "/{organization}/_apis/git")
        for base in bases:
            many = f"{base}/repositories/{{repository}}/pullrequests"
            router.add("GET", many, self._list, honors=_SEARCH, refuses=_UNSERVED_SEARCH, ignores="maxCommentLength")
            router.add("POST", many, self._create, ignores="supportsIterations")
            one = f"{many}/{{pull}}"
            router.add(
                "GET",
                one,
                self._get,
                honors="includeCommits",
                ignores="includeWorkItemRefs maxCommentLength $skip $top",
            )
            router.add("PATCH", one, self._update)
            router.add("GET", f"{one}/commits", self._commits, refuses="continuationToken", honors="$top $skip")
            router.add("GET", f"{one}/iterations", self._iterations, ignores="includeCommits")
            router.add("GET", f"{base}/pullrequests/{{pull}}", self._get)
        router.add(
            "GET",
            "/{organization}/{project}/_apis/git/pullrequests",
            self._list_of_project,
            honors=_SEARCH,
            refuses=_UNSERVED_SEARCH,
            ignores="maxCommentLength",
        )
        Reviewers(router, self._scope, self._people)
        Threads(world, router, self._scope, self._people)
        Statuses(world, router, self._scope, self._people)
        Evaluations(router, self._scope, self.progress, policies)

    # Reading

    async def _shown(self, request: Request, pull: Document, project: Document, *, brief: bool = False) -> JsonObject:
        organization = self._scope.organization(request)

        def person(identity: str) -> JsonObject:
            return self._people.shown(request, organization, identity)

        repository = await self._repositories.reference(request, project, brief=brief)
        address = self._repositories.address(request, project)
        description = pull["description"]
        shown: JsonObject = {
            "repository": repository,
            "pullRequestId": pull["number"],
            "codeReviewId": pull["number"],
            "status": pull["status"],
            "createdBy": person(pull["creator"]),
            "creationDate": timestamp(pull["created"]),
            "title": pull["title"],
            "description": description[:_LISTED_DESCRIPTION] if brief else description,
            "sourceRefName": pull["source"],
            "targetRefName": pull["target"],
            "isDraft": pull["draft"],
            "reviewers": [
                self._scope.reviewer(request, pull, project, each, self._people) for each in pull["reviewers"]
            ],
            "url": f"{address}/pullRequests/{pull['number']}",
            "supportsIterations": True,
        }
        if pull["merge"] and pull["status"] != "abandoned":
            shown["mergeStatus"] = pull["merge"]["status"]
            if pull["merge"]["message"]:
                shown["mergeFailureMessage"] = pull["merge"]["message"]
        if pull["merge"]:
            shown["mergeId"] = pull["merge"]["id"]
        for name, commit in (("Source", pull["source_commit"]), ("Target", pull["target_commit"])):
            shown[f"lastMerge{name}Commit"] = {"commitId": commit, "url": f"{address}/commits/{commit}"}
        if pull["merge_commit"] and pull["status"] != "abandoned":
            commit = pull["merge_commit"]
            shown["lastMergeCommit"] = {"commitId": commit, "url": f"{address}/commits/{commit}"}
        if pull["labels"]:
            shown["labels"] = pull["labels"]
        if pull["closed"] is not None:
            shown["closedDate"] = timestamp(pull["closed"])
        if pull["closed_by"]:
            shown["closedBy"] = person(pull["closed_by"])
        if pull["completing"]:
            shown["completionQueueTime"] = timestamp(pull["completing"]["at"])
            shown["closedBy"] = person(pull["completing"]["by"])
        if pull["auto_complete"]:
            shown["autoCompleteSetBy"] = person(pull["auto_complete"])
        if pull["options"] or pull["completing"]:
            shown["completionOptions"] = pull["options"]
        if not brief:
            ids = f"{pull['project']}/{pull['repository']}/{pull['number']}"
            shown["artifactId"] = f"vstfs:///Git/PullRequestId/{quote(ids, safe='')}"
        return shown

    async def _get(self, request: Request) -> Response:
        pull, project = await self._scope.pull(request)
        shown = await self._shown(request, pull, project)
        if request.query.get("includecommits", "").lower() == "true":
            shown["commits"] = await self._scope.commits(request, pull, project)
        return Response(200, shown)

    async def _list(self, request: Request) -> Response:
        return await self._listed(request, await self._scope.project(request))

    async def _list_of_project(self, request: Request) -> Response:
        return await self._listed(request, await self._scope.only_repository(request))

    async def _listed(self, request: Request, project: Document) -> Response:
        wanted = {name.lower(): request.query.get(f"searchcriteria.{name.lower()}", "") for name in _CRITERIA}
        status = wanted["status"] or "active"
        status = _SENT_STATUSES.get(status, status).lower()
        if status not in {*_STATUSES, "notset"}:
            raise records.invalid(f"The value '{status}' is not a valid PullRequestStatus.")
        identity = self._repositories.identity(project)
        if wanted["repositoryid"] not in {"", identity}:
            return Response(200, {"value": [], "count": 0})
        found = [
            each
            for each in self._pulls.of(identity)
            if status in {"all", "notset", each["status"]}
            and wanted["sourcerefname"] in {"", each["source"]}
            and wanted["targetrefname"] in {"", each["target"]}
            and wanted["creatorid"].lower() in {"", each["creator"]}
            and (not wanted["reviewerid"] or records.reviewer(each, wanted["reviewerid"].lower()))
        ]
        return page(request, [await self._shown(request, each, project, brief=True) for each in found], top=_PAGE)

    async def _commits(self, request: Request) -> Response:
        pull, project = await self._scope.pull(request)
        return page(request, await self._scope.commits(request, pull, project))

    async def _iterations(self, request: Request) -> Response:
        pull, project = await self._scope.pull(request)
        organization = self._scope.organization(request)
        address = self._repositories.address(request, project)

        def commit(identity: str) -> JsonObject:
            return {"commitId": identity, "url": f"{address}/commits/{identity}"}

        value = [
            {
                "id": each["id"],
                "author": self._people.shown(request, organization, each["by"]),
                "createdDate": timestamp(each["created"]),
                "updatedDate": timestamp(each["created"]),
                "sourceRefCommit": commit(each["source"]),
                "targetRefCommit": commit(each["target"]),
                "hasMoreCommits": False,
                "reason": "create" if each["id"] == 1 else "push",
            }
            for each in pull["iterations"]
        ]
        return Response(200, {"value": value, "count": len(value)})

    # Changes

    async def _create(self, request: Request) -> Response:
        """Create a pull request; the trial merge ends later (recorded: `mergeStatus: queued`)."""
        project, organization, body = (
            await self._scope.project(request),
            self._scope.organization(request),
            request.json,
        )
        self._scope.check_contributor(request, project)
        source, target = text(body, "sourceRefName"), text(body, "targetRefName")
        title, description = records.checked_texts(text(body, "title"), text(body, "description"))
        heads = await branch_heads(await self._repositories.path(project))
        if source not in heads or target not in heads or source == target:
            raise errors.refused(409, NO_BRANCH, "GitPullRequestStaleException", errors.GIT)
        self._check_unique(project, source, target)
        identity = records.member_of(request.who, organization)
        number = self._pulls.next_number(organization.name)
        pull = records.new(
            number,
            project,
            self._repositories.identity(project),
            identity,
            self._world.clock.now(),
            title=title,
            description=description,
            source=source,
            target=target,
            draft=bool(body.get("isDraft")),
        )
        for each in records.parts(body.get("reviewers")):
            self._scope.add_reviewer(organization, project, pull, each, self._people)
        pull["labels"] = [
            {"id": records.label_id(text(each, "name")), "name": text(each, "name"), "active": True}
            for each in records.parts(body.get("labels"))
        ]
        self._pulls.keep(pull)
        await self.progress.settle(project, await self._repositories.path(project))
        return Response(201, await self._shown(request, self._pulls.numbered(organization, str(number)), project))

    def _check_unique(self, project: Document, source: str, target: str, number: int = 0) -> None:
        for each in self._pulls.of(self._repositories.identity(project)):
            same = (each["status"], each["source"], each["target"]) == ("active", source, target)
            if same and each["number"] != number:
                message = "TF401179: An active pull request for the source and target branch already exists."
                raise errors.refused(409, message, "GitPullRequestExistsException", errors.GIT)

    async def _update(self, request: Request) -> Response:
        pull, project = await self._scope.writable(request)
        organization, body = self._scope.organization(request), request.json
        status = str(body.get("status") or pull["status"])
        status = _SENT_STATUSES.get(status, status).lower()
        if status not in _STATUSES[:3]:
            raise records.invalid(f"The value '{status}' is not a valid PullRequestStatus.")
        if pull["status"] == "completed" or (pull["status"] == "abandoned" and status != "active"):
            records.check_editable(pull)
        await self._change_texts(project, pull, body)
        if status == "active" and pull["status"] == "abandoned":
            await self._reactivate(project, pull)
        elif status == "abandoned":
            identity = records.member_of(request.who, organization)
            now = self._world.clock.now()
            pull |= {
                "status": "abandoned",
                "closed": now,
                "closed_by": identity,
                "completing": None,
                "auto_complete": "",
            }
        self._change_auto_complete(request, organization, pull, body)
        if status == "completed":
            self._complete(request, organization, pull, body)
        self._pulls.keep(pull)
        return Response(200, await self._shown(request, pull, project))

    async def _change_texts(self, project: Document, pull: Document, body: dict[str, Any]) -> None:
        if "title" in body or "description" in body:
            title, description = (text({**pull, **body}, name) for name in ("title", "description"))
            pull["title"], pull["description"] = records.checked_texts(title, description)
        if "isDraft" in body:
            pull["draft"] = bool(body["isDraft"])
        target = text(body, "targetRefName") or pull["target"]
        if target != pull["target"]:
            heads = await branch_heads(await self._repositories.path(project))
            if target not in heads or target == pull["source"]:
                raise records.invalid(f"The branch {target.removeprefix(BRANCHES)} does not exist.")
            self._check_unique(project, pull["source"], target, pull["number"])
            pull["target"] = target

    async def _reactivate(self, project: Document, pull: Document) -> None:
        heads = await branch_heads(await self._repositories.path(project))
        if pull["source"] not in heads or pull["target"] not in heads:
            raise errors.refused(400, NO_BRANCH, "GitPullRequestCannotBeActivated", errors.GIT)
        self._check_unique(project, pull["source"], pull["target"], pull["number"])
        pull |= {"status": "active", "closed": None, "closed_by": ""}
        self.progress.requeue(pull)

    def _change_auto_complete(
        self, request: Request, organization: Organization, pull: Document, body: dict[str, Any]
    ) -> None:
        """Set or clear auto-complete: only the caller's own ID is accepted (seen by a public client: anything else is
        400)."""
        if "completionOptions" in body:
            options = records.part(body["completionOptions"])
            pull["options"] = self._checked_options(request, organization, options)
        if "autoCompleteSetBy" not in body:
            return
        wanted = text(records.part(body["autoCompleteSetBy"]), "id").lower()
        if wanted == records.NOBODY:
            wanted = ""
        if wanted and wanted != records.member_of(request.who, organization):
            raise records.invalid("autoCompleteSetBy")
        pull["auto_complete"] = wanted

    def _checked_options(self, request: Request, organization: Organization, options: dict[str, Any]) -> dict[str, Any]:
        text(options, "mergeCommitMessage")
        strategy = merging.strategy(options)
        strategy = {"1": "noFastForward", "2": "squash", "3": "rebase", "4": "rebaseMerge"}.get(strategy, strategy)
        if strategy not in merging.SERVED:
            raise errors.refused(
                400,
                f"The practice cloud does not serve the merge strategy '{strategy}'; use noFastForward or squash.",
                "UnservedMergeStrategyException",
            )
        if options.get("bypassPolicy") and request.who.id not in organization.administrators:
            raise errors.needs_git_permission(request.who.client, "PullRequestBypassPolicy")
        return {**options, "mergeStrategy": strategy} if options.get("mergeStrategy") else dict(options)

    def _complete(self, request: Request, organization: Organization, pull: Document, body: dict[str, Any]) -> None:
        """Request the merge, which is carried out later (recorded: still `active`, with `completionQueueTime`).

        Raises:
            Refused: The source branch has moved (seen by public clients: TF401192, 409; a commit of zeros counts as
                none), it is a draft, or a policy is not met (403; the text is that of the policy, an estimate).
        """
        if pull["draft"]:
            raise records.invalid("A draft pull request cannot be completed.")
        reviewed = text(records.part(body.get("lastMergeSourceCommit")), "commitId").lower()
        if reviewed not in {"", NO_COMMIT, pull["source_commit"]}:
            message = "TF401192: The source branch has been modified since the last merge attempt."
            raise errors.refused(409, message, "GitPullRequestStaleException", errors.GIT)
        # The person who set the option may not be the one who completes the pull request.
        bypasses = pull["options"].get("bypassPolicy") and request.who.id in organization.administrators
        unmet = [] if bypasses else self.progress.unmet(pull)
        if unmet:
            kind = "GitPullRequestUpdateRejectedByPolicyException"
            raise errors.refused(403, "\r\n".join(unmet), kind, errors.GIT)
        pull["completing"] = {"by": records.member_of(request.who, organization), "at": self._world.clock.now()}
        self.progress.requeue(pull)
