"""Updates pull requests as time passes and branches move: tries merges, and carries out completions.

Nothing runs in the background: before each request about a repository, everything that has become due is carried out,
as for operations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hol_wizard.practice import seed
from hol_wizard.practice.devops import bare_refs
from hol_wizard.practice.devops.branch_policies import BranchPolicies
from hol_wizard.practice.devops.members import member_id
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pull_requests import evaluation, merging, records
from hol_wizard.practice.devops.pull_requests.people import People
from hol_wizard.practice.devops.pull_requests.records import PullRequests
from hol_wizard.practice.devops.repositories import NO_COMMIT, Changes, Repositories
from hol_wizard.practice.devops.versions import branch_heads
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World

MERGE = "Azure DevOps pull request merge"
"""Its row in `clock.DURATIONS`."""


class BuildChecks(Protocol):
    """Queues the builds of pull requests that policies require, and knows how they went."""

    def verdict(self, policy: Document, pull: Document) -> evaluation.BuildVerdict:
        """Return how the newest build for a build validation went."""
        ...

    async def merged(self, project: Document, pull: Document, policies: list[Document]) -> None:
        """Queue the builds that a new trial merge needs."""
        ...

    async def queue(self, project: Document, pull: Document, policy: Document) -> None:
        """Queue the build of a policy for a pull request."""
        ...


def evaluation_id(found: evaluation.Evaluation, pull: Document) -> str:
    """Return the ID of an evaluation."""
    return seed.fixed_id(f"evaluation {found.policy['id']} {pull['organization']} {pull['number']}")


class Progress:
    """Keeps the pull requests of a repository up to date."""

    def __init__(self, world: World, repositories: Repositories, policies: BranchPolicies, people: People) -> None:
        self._world = world
        self._pulls = world.part(PullRequests)
        self._repositories = repositories
        self._policies = policies
        self._people = people
        self.builds: BuildChecks
        """Queues the builds that policies require; Azure Pipelines sets it."""
        repositories.before_use(self.settle)
        repositories.on_push(self._pushed)

    def evaluations(self, pull: Document) -> list[evaluation.Evaluation]:
        """Return the evaluation of each policy that applies to a pull request."""
        return [evaluation.evaluate(each, pull, self.builds.verdict) for each in self._applying(pull)]

    def evaluated(self, pull: Document, identity: str) -> evaluation.Evaluation | None:
        """Return the evaluation with an ID, or None."""
        return next((each for each in self.evaluations(pull) if evaluation_id(each, pull) == identity), None)

    def _applying(self, pull: Document) -> list[Document]:
        default = self._repositories.default(pull["repository"])
        return self._policies.applying(pull["project"], pull["repository"], default, pull["target"])

    def unmet(self, pull: Document) -> list[str]:
        """Return why blocking policies prevent the completion of a pull request."""
        return [
            each.unmet
            for each in self.evaluations(pull)
            if each.policy["body"].get("isBlocking") and each.status != "approved"
        ]

    def requeue(self, pull: Document) -> None:
        """Start another trial merge of a pull request."""
        records.queue_merge(pull, self._world.clock.due(MERGE))

    async def settle(self, project: Document, path: Path) -> None:
        """Carry out what has become due for the pull requests of a project's repository."""
        repository = self._repositories.identity(project)
        active = [each for each in reversed(self._pulls.of(repository)) if each["status"] == "active"]
        if not active:
            return
        for pull in active:
            heads = await branch_heads(path)
            before = repr(pull)
            if commit := await self._carried_out(pull, path, heads):
                pull["merge_commit"] = commit
                by = str((pull["completing"] or {"by": pull["auto_complete"]})["by"])
                await self._finish(pull, project, path, heads, by)
            else:
                await self._go_on(pull, project, path, heads)
            if repr(pull) != before:
                self._pulls.keep(pull)

    async def _carried_out(self, pull: Document, path: Path, heads: dict[str, str]) -> str:
        """Return the commit of a completion that is in git but not recorded here; empty if there is none.

        If the server is killed, or the request that carried it out fails, the record is rolled back, but git's change
        remains.
        """
        target = heads.get(pull["target"])
        if target is None or target == pull["target_commit"] or not (pull["completing"] or pull["auto_complete"]):
            return ""
        commit = await merging.at(path, _ref(pull))
        return commit if commit and await merging.contains(path, target, commit) else ""

    async def _go_on(self, pull: Document, project: Document, path: Path, heads: dict[str, str]) -> None:
        self._look(pull, heads)
        if pull["merge"] and pull["merge"]["status"] == "queued" and pull["merge"]["due"] <= self._world.clock.now():
            await self._merge(pull, path)
            if pull["merge"]["status"] == "succeeded":
                await self.builds.merged(project, pull, self._applying(pull))
        if pull["merge"] and pull["merge"]["status"] == "succeeded":
            await self._complete_if_wanted(pull, project, path, heads)

    def _look(self, pull: Document, heads: dict[str, str]) -> None:
        """Record the commits of the branches; if a branch no longer exists, the pull request does not change."""
        source, target = heads.get(pull["source"]), heads.get(pull["target"])
        if source is None or target is None:
            return
        if source != pull["source_commit"] or target != pull["target_commit"]:
            if not pull["iterations"] or pull["iterations"][-1]["source"] != source:
                self._iterate(pull, source, target, pull.get("pusher") or pull["creator"])
            if source != pull["source_commit"]:
                # The completion was requested for another commit.
                pull["completing"] = None
            pull["source_commit"], pull["target_commit"] = source, target
            self.requeue(pull)

    def _iterate(self, pull: Document, source: str, target: str, by: str) -> None:
        now, is_first = self._world.clock.now(), not pull["iterations"]
        number = len(pull["iterations"]) + 1
        pull["iterations"].append({"id": number, "source": source, "target": target, "created": now, "by": by})
        if is_first:
            return
        policies = self._applying(pull)
        for each in pull["reviewers"]:
            if any(evaluation.resets(policy, each["vote"]) for policy in policies):
                each["vote"] = 0

    async def _pushed(self, project: Document, who: seed.Principal, changed: Changes) -> None:
        """Record who pushed to the source branch of a pull request."""
        for pull in self._pulls.of(self._repositories.identity(project)):
            if pull["status"] == "active" and pull["source"] in changed:
                pull["pusher"] = member_id(pull["organization"], who.id)
                self._pulls.keep(pull)

    async def _merge(self, pull: Document, path: Path) -> None:
        result = await merging.merged(path, pull["target_commit"], pull["source_commit"])
        pull["merge"] = {**pull["merge"], "status": result.status, "message": result.message, "tree": result.tree}
        if result.status != "succeeded":
            # A requested completion is canceled here: the pull request stays active.
            pull["completing"] = None
            return
        parents = [pull["target_commit"], pull["source_commit"]]
        message = merging.preview_message(pull)
        when = float(pull["merge"]["due"])
        commit = await merging.commit(path, result.tree, parents, message, self._author(pull, pull["creator"]), when)
        pull["merge_commit"] = commit
        await merging.move(path, _ref(pull), commit, "")

    def _author(self, pull: Document, identity: str) -> tuple[str, str]:
        found = self._people.named(ORGANIZATIONS[pull["organization"]], identity)
        return (found[0], found[1]) if found else (identity, identity)

    async def _complete_if_wanted(self, pull: Document, project: Document, path: Path, heads: dict[str, str]) -> None:
        """Complete the merge if it was requested, or, with auto-complete, once all policies are met."""
        wanted = pull["completing"]
        if wanted and not pull["options"].get("bypassPolicy") and self.unmet(pull):
            # Since the request, a vote was reset, a policy was added, or the target branch was changed.
            pull["completing"] = wanted = None
        if wanted is None and pull["auto_complete"] and not pull["draft"] and not self.unmet(pull):
            wanted = {"by": pull["auto_complete"], "at": self._world.clock.now()}
        if wanted is None:
            return
        by, when = str(wanted["by"]), float(wanted["at"])
        source, target = pull["source_commit"], pull["target_commit"]
        if await merging.contains(path, target, source):
            # The branch has it already: the server was killed during a completion, or the same commits were pushed.
            pull["merge_commit"] = await merging.merge_of(path, target, source) or target
        else:
            parents = [target] if merging.strategy(pull["options"]) == "squash" else [target, source]
            message, who = merging.completion_message(pull), self._author(pull, by)
            commit = await merging.commit(path, str(pull["merge"]["tree"]), parents, message, who, when)
            # This ref first: the completion can be found again by it.
            await merging.move(path, _ref(pull), commit, "")
            if not await merging.move(path, pull["target"], commit, target):
                self.requeue(pull)  # somebody has pushed in the meantime
                return
            pull["merge_commit"] = commit
        await self._finish(pull, project, path, heads, by)

    async def _finish(self, pull: Document, project: Document, path: Path, heads: dict[str, str], by: str) -> None:
        """Record that a pull request was completed with the commit in `merge_commit`."""
        source, target = pull["source_commit"], pull["target_commit"]
        changed = {pull["target"]: (target, pull["merge_commit"])}
        wants_deletion = pull["options"].get("deleteSourceBranch") and heads.get(pull["source"]) == source
        if wants_deletion and self._can_be_deleted(project, path, pull["source"]):
            await merging.move(path, pull["source"], NO_COMMIT, source)
            changed[pull["source"]] = (source, NO_COMMIT)
        pull |= {"status": "completed", "closed": self._world.clock.now(), "closed_by": by, "completing": None}
        organization = ORGANIZATIONS[pull["organization"]]
        found = self._people.named(organization, by)
        principal = self._world.principal(found[2]) if found else None
        if principal is not None:
            await self._repositories.pushed(project, principal, changed)

    def _can_be_deleted(self, project: Document, path: Path, branch: str) -> bool:
        """Return whether a branch can be deleted: not the default branch, and not one with required policies.

        learn.microsoft.com/azure/devops/repos/git/branch-policies: "A branch with required policies configured can't be
        deleted". That the completion succeeds nevertheless is an estimate.
        """
        repository, default = self._repositories.identity(project), bare_refs.head(path)
        applying = self._policies.applying(project["id"], repository, default, branch)
        return branch != default and not any(each["body"].get("isBlocking") for each in applying)


def _ref(pull: Document) -> str:
    """Return the ref of a pull request's trial merge."""
    return f"refs/pull/{pull['number']}/merge"
