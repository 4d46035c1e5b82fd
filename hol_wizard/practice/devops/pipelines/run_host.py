"""What the runs of pipelines need from Azure DevOps and Azure (`practice.pipelines.host.Host`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pipeline_jobs import PipelineJobs
from hol_wizard.practice.devops.pipeline_permissions import PipelinePermissions
from hol_wizard.practice.devops.pipelines.artifacts import Artifacts
from hol_wizard.practice.devops.pipelines.builds import Builds
from hol_wizard.practice.devops.pipelines.checks import Checks
from hol_wizard.practice.devops.pipelines.consent import Consents
from hol_wizard.practice.devops.pipelines.definitions import Definitions, variables
from hol_wizard.practice.devops.pipelines.environments import Environments
from hol_wizard.practice.devops.pipelines.general_settings import GeneralSettings
from hol_wizard.practice.devops.pipelines.parallelism import NONE, hosted_jobs
from hol_wizard.practice.devops.pipelines.queues import Queues
from hol_wizard.practice.devops.pipelines.scope import Place
from hol_wizard.practice.devops.pipelines.sources import Sources
from hol_wizard.practice.devops.pipelines.step_programs import StepPrograms
from hol_wizard.practice.devops.pipelines.test_runs import Attachments, Coverages, TestRuns
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.devops.repositories import remote_url, repository_id
from hol_wizard.practice.devops.service_connections import ServiceConnections
from hol_wizard.practice.devops.variable_groups import UnreadableError, VariableGroups
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import (
    Artifact,
    Check,
    Clone,
    Connection,
    Coverage,
    Deployment,
    Found,
    HostError,
    PublishedTests,
    RunKey,
    Value,
)
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import ProtectedKind

_CLOUD: Final = "AzureCloud"


class RunHost:
    """The services around the runs of all projects."""

    def __init__(self, world: World, sources: Sources) -> None:
        self._world = world
        self._sources = sources
        self._projects = world.part(Projects)
        self._builds = world.part(Builds)
        self._definitions = world.part(Definitions)
        self._permissions = world.part(PipelinePermissions)
        self._connections = world.part(ServiceConnections)
        self._groups = world.part(VariableGroups)
        self._queues = world.part(Queues)
        self._environments = world.part(Environments)
        self._settings = world.part(GeneralSettings)
        self._artifacts = world.part(Artifacts)
        self._test_runs = world.part(TestRuns)
        self._coverages = world.part(Coverages)
        self._attachments = world.part(Attachments)
        self._consents = world.part(Consents)
        self._checks = world.part(Checks)
        self._jobs = world.part(PipelineJobs)
        self._programs = StepPrograms(world)

    def _project(self, key: RunKey) -> Document:
        """Return the project of a run.

        Raises:
            HostError: It was deleted.
        """
        found = self._projects.named(key.project)
        if found is None:
            raise HostError("The project does not exist anymore.")
        return found

    # Before a run and between its jobs

    def refusal(self, key: RunKey, programs: Mapping[str, str]) -> str:
        """Return why no job of the run may start, or an empty text."""
        if hosted_jobs(self._world, ORGANIZATIONS[self._project(key)["organization"]]) == 0:
            return NONE
        return self._consents.refusal(programs)

    def find(self, key: RunKey, kind: ProtectedKind, name: str) -> Found | None:
        """Return a protected resource of the run's project; None if there is none."""
        project = self._project(key)
        if kind is ProtectedKind.ENDPOINT:
            connection = self._connections.named(key.project, name)
            return None if connection is None else Found(connection["id"], _name_of(connection, key.project))
        if kind is ProtectedKind.VARIABLE_GROUP:
            group = self._groups.named(key.project, name)
            return None if group is None else Found(str(group["id"]), name)
        if kind is ProtectedKind.QUEUE:
            queue = self._queues.named(project, name)
            return None if queue is None else Found(str(queue.id), queue.name)
        if kind is ProtectedKind.REPOSITORY:
            there = self._sources.find(project, name)
            return None if there is None else Found(f"{there['id']}.{repository_id(there)}", there["name"])
        environment = self._environments.named(key.project, name)
        return None if environment is None else Found(str(environment["id"]), environment["name"])

    def authorized(self, key: RunKey, kind: ProtectedKind, identity: str) -> bool:
        """Return whether the pipeline may use a protected resource.

        All pipelines may use the queues of Microsoft-hosted agents, and repositories unless the project protects them
        (`enforceReferencedRepoScopedToken`): both are estimates.
        """
        project = self._project(key)
        if kind is ProtectedKind.QUEUE:
            queue = self._queues.numbered(project, int(identity))
            if queue is not None and queue.hosted:
                return True
        if kind is ProtectedKind.REPOSITORY:
            place = Place.of(project)
            if not self._settings.of(place)["enforceReferencedRepoScopedToken"]:
                return True
        return self._permissions.authorized(key.project, kind.value, identity, key.pipeline)

    def checks(self, key: RunKey, kind: ProtectedKind, identity: str) -> Sequence[Check]:
        """Return the approvals that a protected resource is configured with."""
        return self._checks.for_run(key.project, kind.value, identity)

    # While a job runs

    async def definition_variables(self, key: RunKey) -> Mapping[str, Value]:
        """Return the variables of the pipeline's settings page, as they were when the run was queued."""
        project = self._project(key)
        place = Place.of(project)
        definition, run = self._definitions.numbered(place, key.pipeline), self._world.part(Runs).run(key)
        found = variables(definition, run["request"]["revision"]) if definition is not None and run is not None else {}
        return {name: Value(each.value, each.secret) for name, each in found.items()}

    def _group(self, key: RunKey, name: str) -> Document:
        found = self._groups.named(key.project, name)
        if found is None:
            raise HostError(f"The variable group {name} does not exist anymore.")
        return found

    async def group_values(self, key: RunKey, group: str) -> Mapping[str, Value]:
        """Return the values of a variable group."""
        with self._world.store.transaction():
            try:
                found = self._groups.values(key.project, self._group(key, group))
            except UnreadableError as error:
                raise HostError(str(error)) from error
        return {name: Value(value, secret) for name, (value, secret) in found.items()}

    def vault_of(self, key: RunKey, group: str) -> str:
        """Return the name of the Key Vault that a variable group is linked to, or an empty text."""
        found = self._groups.named(key.project, group)
        return self._groups.vault(found) if found is not None else ""

    def _connection(self, key: RunKey, name: str) -> Document:
        found = self._connections.named(key.project, name)
        if found is None:
            raise HostError(f"The service connection {name} does not exist, or has been disabled.")
        return found

    async def connection(self, key: RunKey, name: str) -> Connection:
        """Return a service connection with a new federated token."""
        found = self._connection(key, name)
        with self._world.store.transaction():
            login = self._connections.login(found)
            self._connections.note_use(found, self._use(key))
        return Connection(
            id=login.connection,
            name=_name_of(found, key.project),
            cloud=_CLOUD,
            tenant=login.tenant,
            client=login.client,
            subscription=login.subscription,
            subscription_name=login.subscription_name,
            federated_token=login.assertion,
        )

    def _use(self, key: RunKey) -> JsonObject:
        """Return an entry of a connection's execution history (`ServiceEndpointExecutionData`)."""
        build, now = self._builds.of_run(key), self._world.clock.now()
        run = self._world.part(Runs).run(key)
        name = str(run["number"]) if run is not None else str(key.run)
        definition = run["request"]["pipeline"]["name"] if run is not None else ""
        return {
            "id": key.run,
            "planType": "Build",
            "definition": {"id": key.pipeline, "name": definition},
            "owner": {"id": key.run, "name": name},
            "ownerDetails": build["branch"] if build is not None else "",
            "startTime": timestamp(now),
            "finishTime": timestamp(now),
            "result": "succeeded",
        }

    async def secrets(self, key: RunKey, vault: str, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        """Return secrets of a Key Vault, fetched with the identity of a service connection."""
        with self._world.store.transaction():
            try:
                return self._groups.secrets(self._connection(key, connection.id), vault, list(names))
            except UnreadableError as error:
                raise HostError(str(error)) from error

    async def clone(self, key: RunKey, repository: str) -> Clone:
        """Return a repository of the run's organization to check out."""
        project, folder = self._repository(key, repository)
        address = remote_url(self._world.addresses["devops"], project)
        return Clone(repository, project["name"], address, str(folder))

    def _repository(self, key: RunKey, identity: str) -> tuple[Document, Path]:
        """Return the project and the folder of a repository of the run's organization.

        Raises:
            HostError: It was deleted.
        """
        for each in self._projects.all_of(ORGANIZATIONS[self._project(key)["organization"]]):
            folder = self._sources.folder(each)
            if repository_id(each) == identity.lower() and folder is not None:
                return each, folder
        raise HostError(f"The repository {identity} does not exist anymore.")

    async def job_begins(self, key: RunKey, record: str, plan: str, connections: Sequence[str]) -> str:
        """Return the access token of a job, which works until the job ends."""
        with self._world.store.transaction():
            found = (self._connections.named(key.project, each) for each in connections)
            identities = [each["id"] for each in found if each is not None]
            return self._jobs.begin(record, plan, self._project(key), identities)

    def job_ended(self, record: str) -> None:
        """Invalidate the access token of a job."""
        with self._world.store.transaction():
            self._jobs.remove(record)

    async def publish_artifact(self, key: RunKey, artifact: Artifact, record: str) -> None:
        """Copy the files of an artifact to the run's artifacts."""
        await self._artifacts.publish(key, artifact, record)

    def artifacts(self, key: RunKey) -> Sequence[Artifact]:
        """Return the artifacts of a run, in the order of publication."""
        return self._artifacts.published(key)

    async def publish_tests(self, key: RunKey, tests: PublishedTests) -> None:
        """Publish a test run."""
        await self._test_runs.publish(key, tests)

    async def publish_coverage(self, key: RunKey, coverage: Coverage) -> None:
        """Publish coverage."""
        await self._coverages.publish(key, coverage)

    async def attach(self, key: RunKey, record: str, kind: str, name: str, file: Path) -> None:
        """Copy an attachment of a timeline record."""
        await self._attachments.add(key, record, kind, name, file)

    def deployed(self, key: RunKey, deployment: Deployment) -> None:
        """Record the start or the end of a deployment job in its environment's history."""
        self._environments.deployed(key, deployment)

    # For the programs of a step

    def step_environment(self) -> Mapping[str, str]:
        """Return the practice addresses and the certificate bundle for all steps.

        Secrets of the lab contain the real names of services, which the proxy maps to this practice cloud.
        """
        certificates = str(self._world.store.path.with_name("bundle.pem").resolve())
        addresses = self._world.addresses
        return {
            "ARM_URL": addresses["resource_manager"],
            # The starter derives the audience that Databricks wants from this one.
            "ARM_AUDIENCE": "https://management.azure.com",
            "STORAGE_BLOB_URL": f"{addresses['storage_blob']}/{{account}}",
            "AZURE_AUTHORITY_HOST": addresses["active_directory"],
            **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "GIT_SSL_CAINFO"), certificates),
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self._world.proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),
        }

    def launchers(self) -> Path | None:
        """Return the folder with `az`, `docker` and `python3` for the front of a step's PATH."""
        return self._programs.folder()


def _name_of(connection: Document, project: str) -> str:
    return str(connection["projects"][project]["name"])
