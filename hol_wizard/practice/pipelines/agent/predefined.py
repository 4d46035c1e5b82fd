"""The predefined variables of a job.

https://learn.microsoft.com/azure/devops/pipelines/build/variables. They are read-only. `System.AccessToken` is a
secret, so programs receive it only if a step's `env` maps it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator

from hol_wizard.practice.pipelines.agent.assignment import Assignment
from hol_wizard.practice.pipelines.agent.workspace import Workspace
from hol_wizard.practice.pipelines.orchestrate.request import RunRequest

AGENT_VERSION = "4.255.0"
"""A version of the azure-pipelines-agent that this one follows; pipelines compare it."""
AGENT_NAME = "Practice agent"


def branch_name(branch: str) -> str:
    """Return `Build.SourceBranchName`: the last part of the branch's path."""
    return branch.rstrip("/").rpartition("/")[2]


def reason(rest: str) -> str:
    """Return `Build.Reason` of a reason as in REST."""
    return rest[:1].upper() + rest[1:]


def of_run(request: RunRequest, number: str) -> Iterator[tuple[str, str]]:
    """Yield the variables that all jobs of a run have."""
    source = request.source
    yield "Build.BuildId", str(request.run)
    yield "Build.BuildNumber", number
    yield "Build.BuildUri", f"vstfs:///Build/Build/{request.run}"
    yield "Build.DefinitionName", request.pipeline.name
    yield "Build.DefinitionVersion", str(request.revision)
    yield "Build.Reason", reason(request.reason)
    yield "Build.QueuedBy", request.requested_by.name
    yield "Build.QueuedById", request.requested_by.id
    yield "Build.RequestedFor", request.requested_for.name
    yield "Build.RequestedForEmail", request.requested_for.email
    yield "Build.RequestedForId", request.requested_for.id
    yield "Build.SourceBranch", source.branch
    yield "Build.SourceBranchName", branch_name(source.branch)
    yield "Build.SourceVersion", source.commit
    yield "Build.SourceVersionAuthor", source.author
    yield "Build.SourceVersionMessage", source.message.partition("\n")[0]
    yield "Build.Repository.Id", source.id
    yield "Build.Repository.Name", source.name
    yield "Build.Repository.Provider", "TfsGit"
    yield "Build.Repository.Uri", source.url
    yield "Build.Repository.Clean", "False"
    yield "System.CollectionId", request.collection.id
    yield "System.CollectionUri", request.collection_url
    yield "System.TeamFoundationCollectionUri", request.collection_url
    yield "System.TeamFoundationServerUri", request.collection_url
    yield "System.TeamProject", request.project.name
    yield "System.TeamProjectId", request.project.id
    yield "System.DefinitionId", request.pipeline.id
    yield "System.DefinitionName", request.pipeline.name
    yield "System.HostType", "build"
    yield "System.Culture", "en-US"
    yield "System.Debug", "false"
    yield "TF_BUILD", "True"
    if (pull := request.pull_request) is not None:
        yield "System.PullRequest.PullRequestId", str(pull.id)
        yield "System.PullRequest.SourceBranch", pull.source_branch
        yield "System.PullRequest.TargetBranch", pull.target_branch
        yield "System.PullRequest.TargetBranchName", branch_name(pull.target_branch)
        yield "System.PullRequest.SourceRepositoryURI", source.url
        yield "System.PullRequest.SourceCommitId", source.commit
    for alias, up in request.pipelines.items():
        resource = f"resources.pipeline.{alias}"
        yield f"{resource}.projectID", up.project.id
        yield f"{resource}.projectName", up.project.name
        yield f"{resource}.pipelineName", up.pipeline.name
        yield f"{resource}.pipelineID", up.pipeline.id
        yield f"{resource}.runName", up.run.name
        yield f"{resource}.runID", up.run.id
        yield f"{resource}.runURI", f"vstfs:///Build/Build/{up.run.id}"
        yield f"{resource}.sourceBranch", up.branch
        yield f"{resource}.sourceCommit", up.commit
        yield f"{resource}.sourceProvider", "TfsGit"
        yield f"{resource}.requestedFor", up.requested_for.name
        yield f"{resource}.requestedForID", up.requested_for.id
    if request.triggering_alias:
        yield "resources.triggeringAlias", request.triggering_alias
        yield "resources.triggeringCategory", "pipeline"


def of_job(assignment: Assignment, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Yield the variables of one job, with its folders."""
    stage, job = assignment.stage, assignment.job
    yield "Agent.BuildDirectory", str(workspace.build)
    yield "Agent.HomeDirectory", str(workspace.root)
    yield "Agent.Id", "1"
    yield "Agent.JobName", assignment.display_name
    yield "Agent.MachineName", platform.node() or "practice"
    yield "Agent.Name", AGENT_NAME
    yield "Agent.OS", {"win32": "Windows_NT", "darwin": "Darwin"}.get(sys.platform, "Linux")
    yield "Agent.OSArchitecture", architecture(platform.machine())
    yield "Agent.TempDirectory", str(workspace.temporary)
    yield "Agent.ToolsDirectory", str(workspace.tools)
    yield "Agent.Version", AGENT_VERSION
    yield "Agent.WorkFolder", str(workspace.work)
    yield "Agent.RootDirectory", str(workspace.work)
    yield "Build.SourcesDirectory", str(workspace.sources)
    yield "Build.ArtifactStagingDirectory", str(workspace.staging)
    yield "Build.StagingDirectory", str(workspace.staging)
    yield "Build.BinariesDirectory", str(workspace.binaries)
    yield "Build.Repository.LocalPath", str(workspace.sources)
    yield "Common.TestResultsDirectory", str(workspace.test_results)
    yield "Pipeline.Workspace", str(workspace.build)
    yield "System.ArtifactsDirectory", str(workspace.staging)
    yield "System.DefaultWorkingDirectory", str(workspace.sources)
    yield "System.WorkFolder", str(workspace.work)
    yield "System.JobAttempt", str(assignment.attempt)
    yield "System.JobDisplayName", assignment.display_name
    yield "System.JobId", assignment.record
    yield "System.JobName", assignment.name
    yield "System.JobIdentifier", assignment.identifier
    yield "System.PhaseAttempt", str(assignment.attempt)
    yield "System.PhaseDisplayName", job.display_name or job.name
    yield "System.PhaseName", job.name
    yield "System.OidcRequestUri", _oidc_request(assignment)
    yield "System.PlanId", assignment.plan
    yield "System.StageAttempt", str(assignment.attempt)
    yield "System.StageDisplayName", stage.display_name or stage.name
    yield "System.StageName", stage.name
    yield "System.TimelineId", assignment.timeline
    if job.environment is not None:
        yield "Environment.Name", job.environment.name
        yield "Environment.ResourceName", job.environment.resource
        yield "Strategy.Name", "runOnce"


def _oidc_request(assignment: Assignment) -> str:
    """Return where a job requests tokens of its service connections (azure-identity, `AzurePipelinesCredential`)."""
    request = assignment.request
    job = f"plans/{assignment.plan}/jobs/{assignment.record}"
    return f"{request.collection_url}{request.project.id}/_apis/distributedtask/hubs/build/{job}/oidctoken"


def architecture(machine: str) -> str:
    """Return `Agent.OSArchitecture` of this machine."""
    return {"x86_64": "X64", "amd64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}.get(machine.lower(), machine.upper())
