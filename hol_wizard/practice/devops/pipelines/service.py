"""Azure Pipelines: everything that belongs to a project's pipelines, on the three hosts on which it is."""

from __future__ import annotations

from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissions
from hol_wizard.practice.devops.pipelines.artifact_requests import ArtifactRequests
from hol_wizard.practice.devops.pipelines.attachment_requests import AttachmentRequests
from hol_wizard.practice.devops.pipelines.build_list import BuildSearch
from hol_wizard.practice.devops.pipelines.build_requests import BuildRequests
from hol_wizard.practice.devops.pipelines.build_validation import BuildValidation
from hol_wizard.practice.devops.pipelines.build_view import BuildView
from hol_wizard.practice.devops.pipelines.checks import ApprovalRequests, CheckRequests
from hol_wizard.practice.devops.pipelines.commit_statuses import CommitStatusRequests
from hol_wizard.practice.devops.pipelines.consent import Consents
from hol_wizard.practice.devops.pipelines.definition_requests import DefinitionRequests
from hol_wizard.practice.devops.pipelines.definition_resources import DefinitionResourceRequests
from hol_wizard.practice.devops.pipelines.definitions import Definitions
from hol_wizard.practice.devops.pipelines.environments import EnvironmentRequests
from hol_wizard.practice.devops.pipelines.folders import FolderRequests
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettingsRequests
from hol_wizard.practice.devops.pipelines.leases import LeaseRequests
from hol_wizard.practice.devops.pipelines.parallelism import ParallelismRequests
from hol_wizard.practice.devops.pipelines.pipeline_requests import PipelineRequests
from hol_wizard.practice.devops.pipelines.push_triggers import Triggers
from hol_wizard.practice.devops.pipelines.queue_requests import QueueBuildRequests
from hol_wizard.practice.devops.pipelines.queueing import Queueing
from hol_wizard.practice.devops.pipelines.queues import QueueRequests
from hol_wizard.practice.devops.pipelines.run_host import RunHost
from hol_wizard.practice.devops.pipelines.run_plans import RunPlans
from hol_wizard.practice.devops.pipelines.run_states import RunStates
from hol_wizard.practice.devops.pipelines.scope import Scope
from hol_wizard.practice.devops.pipelines.sources import Sources
from hol_wizard.practice.devops.pipelines.stages import StageRequests
from hol_wizard.practice.devops.pipelines.test_requests import TestRequests
from hol_wizard.practice.devops.pipelines.test_summary import CoverageRequests, TestSummaryRequests
from hol_wizard.practice.devops.pipelines.timelines import TimelineRequests
from hol_wizard.practice.devops.pipelines.yaml_schema import YamlSchemaRequests
from hol_wizard.practice.devops.pull_requests.service import PullRequestService
from hol_wizard.practice.devops.repositories import Repositories
from hol_wizard.practice.kernel.service import Router
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.orchestrate.runs import Runs


class Pipelines:
    """Handles requests about pipelines on dev.azure.com, and starts what pushes trigger."""

    def __init__(self, world: World, router: Router, repositories: Repositories, pulls: PullRequestService) -> None:
        scope, states = Scope(world), RunStates(world)
        sources = Sources(scope.projects, repositories)
        queueing = Queueing(world, repositories, sources, states)
        view = BuildView(world, scope, repositories, states)
        world.part(Consents).plan = RunPlans(world, queueing)
        runs = world.part(Runs)
        runs.host = RunHost(world, sources)
        permissions = world.part(PipelinePermissions)
        permissions.when_changed.append(runs.advance_all)
        world.part(Definitions).on_delete(lambda each: permissions.forget_pipeline(each["project"], each["id"]))
        QueueRequests(world, router, scope)
        ParallelismRequests(world, router)
        YamlSchemaRequests(router)
        GeneralSettingsRequests(world, router, scope)
        FolderRequests(world, router, scope)
        EnvironmentRequests(world, router, scope)
        CheckRequests(world, router, scope)
        ApprovalRequests(world, router, scope)
        definitions = DefinitionRequests(world, router, scope, repositories)
        DefinitionResourceRequests(world, router, scope, states)
        LeaseRequests(world, router, scope)
        QueueBuildRequests(world, router, scope, queueing, sources, view, repositories)
        search = BuildSearch(world, repositories, states)
        BuildRequests(world, router, scope, view, search, states, definitions)
        TimelineRequests(world, router, scope, states)
        StageRequests(world, router, scope, states)
        ArtifactRequests(world, router, scope)
        AttachmentRequests(world, router, scope, states)
        PipelineRequests(world, router, scope, definitions, queueing, states, repositories)
        CommitStatusRequests(world, router, scope, repositories, sources, states)
        TestRequests(world, router, scope, states, "test")
        CoverageRequests(world, router, scope)
        Triggers(world, repositories, sources, queueing, states)
        BuildValidation(world, pulls, queueing, states, scope.people)


class TestResultsArea:
    """Handles requests about test results on vstmr.dev.azure.com."""

    __test__ = False  # not a class of tests

    def __init__(self, world: World, router: Router) -> None:
        scope, states = Scope(world), RunStates(world)
        TestRequests(world, router, scope, states, "testresults")
        TestSummaryRequests(world, router, scope, states)
