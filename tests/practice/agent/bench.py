"""A practice kernel with the runs of pipelines, and a fake of the services around them."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hol_wizard.practice.kernel.clock import Clock
from hol_wizard.practice.kernel.jobs import Jobs
from hol_wizard.practice.kernel.store import Document, Store
from hol_wizard.practice.kernel.timelines import State
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
from hol_wizard.practice.pipelines.orchestrate.request import Named, Person, RunRequest, Source
from hol_wizard.practice.pipelines.orchestrate.runs import Runs
from hol_wizard.practice.pipelines.plan import (
    Job,
    JobKind,
    Plan,
    Pool,
    Position,
    ProtectedKind,
    Stage,
    Step,
    VariableSource,
)

PLACE = Position("/azure-pipelines.yml", 1, 1)
WHO = Person("person-1", "Ada Example", "ada@example.com")
KEY = RunKey("project-1", 7, 1)


@dataclass
class FakeHost:
    """Services with what a test puts into them; everything exists and is authorized unless the test says otherwise."""

    folder: Path
    repository: Path | None = None
    launcher_folder: Path | None = None
    groups: dict[str, dict[str, Value]] = field(default_factory=dict)
    vaults: dict[str, str] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)
    unauthorized: set[str] = field(default_factory=set)
    approvals: dict[str, Check] = field(default_factory=dict)
    why_not: str = ""
    definition: dict[str, Value] = field(default_factory=dict)
    published: dict[tuple[int, str], Artifact] = field(default_factory=dict)
    tests: list[PublishedTests] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    attachments: list[tuple[str, str]] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)
    signs_in_with: str = "job-access-token"
    assertion: str = "id-token-1"
    ended_jobs: list[str] = field(default_factory=list)

    def refusal(self, key: RunKey, programs: Mapping[str, str]) -> str:
        return self.why_not

    def find(self, key: RunKey, kind: ProtectedKind, name: str) -> Found | None:
        return None if name in self.absent else Found(f"{kind}-{name}", name)

    def authorized(self, key: RunKey, kind: ProtectedKind, identity: str) -> bool:
        return identity not in self.unauthorized

    def checks(self, key: RunKey, kind: ProtectedKind, identity: str) -> Sequence[Check]:
        return [self.approvals[identity]] if identity in self.approvals else []

    async def definition_variables(self, key: RunKey) -> Mapping[str, Value]:
        return self.definition

    async def group_values(self, key: RunKey, group: str) -> Mapping[str, Value]:
        if group not in self.groups:
            raise HostError(f"the vault of {group} is closed to the connection")
        return self.groups[group]

    def vault_of(self, key: RunKey, group: str) -> str:
        return self.vaults.get(group, "")

    async def connection(self, key: RunKey, name: str) -> Connection:
        return Connection("c-1", name, "AzureCloud", "tenant-1", "client-1", "sub-1", "Lab", self.assertion)

    async def secrets(self, key: RunKey, vault: str, connection: Connection, names: Sequence[str]) -> Mapping[str, str]:
        return {name: f"value of {name}" for name in names}

    async def clone(self, key: RunKey, repository: str) -> Clone:
        return Clone(repository, "Lab", "https://dev.azure.com/org/lab/_git/Lab", str(self.repository))

    async def job_begins(self, key: RunKey, record: str, plan: str, connections: Sequence[str]) -> str:
        return self.signs_in_with

    def job_ended(self, record: str) -> None:
        self.ended_jobs.append(record)

    async def publish_artifact(self, key: RunKey, artifact: Artifact, record: str) -> None:
        place = self.folder / "artifacts" / str(key.run) / artifact.name
        if (key.run, artifact.name) in self.published and artifact.kind == "PipelineArtifact":
            raise HostError(f"Artifact {artifact.name} already exists for build {key.run}.")
        shutil.copytree(artifact.folder, place, dirs_exist_ok=True)
        self.published[key.run, artifact.name] = replace(artifact, folder=place)

    def artifacts(self, key: RunKey) -> Sequence[Artifact]:
        return [each for (run, _), each in self.published.items() if run == key.run]

    async def publish_tests(self, key: RunKey, tests: PublishedTests) -> None:
        self.tests.append(tests)

    async def publish_coverage(self, key: RunKey, coverage: Coverage) -> None:
        self.coverage.append(coverage)

    async def attach(self, key: RunKey, record: str, kind: str, name: str, file: Path) -> None:
        self.attachments.append((kind, name))

    def deployed(self, key: RunKey, deployment: Deployment) -> None:
        if deployment.result:
            self.deployments.pop()
        self.deployments.append(deployment)

    def step_environment(self) -> Mapping[str, str]:
        return {"ARM_URL": "https://127.0.0.1:9", "REQUESTS_CA_BUNDLE": "/ca.pem"}

    def launchers(self) -> Path | None:
        return self.launcher_folder


def launcher(folder: Path, name: str, text: str) -> None:
    """Write a program for a step's search path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


# Plans


def script(text: str, **how: Any) -> Step:
    """Return a step `script`."""
    env, inputs = how.pop("env", {}), how.pop("inputs", {})
    how.setdefault("display_name", "CmdLine")
    return Step("CmdLine@2", PLACE, {"script": text, **inputs}, env, **how)


def task(reference: str, title: str = "It", **inputs: str) -> Step:
    """Return a step with a task."""
    return Step(reference, PLACE, inputs, display_name=title)


NO_CHECKOUT = Step("Checkout@1", PLACE, {"repository": "none"})


def job(*steps: Step, name: str = "Job", **how: Any) -> Job:
    """Return a job without a checkout, unless a step has one."""
    if not any(each.task.startswith("Checkout") for each in steps):
        steps = (NO_CHECKOUT, *steps)
    how.setdefault("pool", Pool(vm_image="ubuntu-24.04"))
    return Job(how.pop("kind", JobKind.AGENT), name, PLACE, steps=steps, **how)


def stage(*jobs: Job, name: str = "__default", **how: Any) -> Stage:
    """Return a stage."""
    return Stage(name, PLACE, jobs=jobs, **how)


def variable(name: str, value: str | None, **how: Any) -> VariableSource:
    """Return a variable, or a group."""
    return VariableSource(name, value, PLACE, **how)


def plan(*stages: Stage, **how: Any) -> Plan:
    """Return a plan."""
    return Plan("/azure-pipelines.yml", stages, **how)


def request(plan: Plan, run: int = 1, commit: str = "c0ffee", **how: Any) -> RunRequest:
    """Return a run to be queued."""
    source = Source("repo-1", "Lab", "https://dev.azure.com/org/lab/_git/Lab", "refs/heads/main", commit, "A change")
    values: dict[str, Any] = {
        "project": Named("project-1", "Lab"),
        "pipeline": Named("7", "Build"),
        "revision": 1,
        "collection": Named("org-1", "org"),
        "collection_url": "https://dev.azure.com/org/",
        "source": source,
        "requested_by": WHO,
        "requested_for": WHO,
    }
    return RunRequest(run=run, plan=plan, **{**values, **how})


# The kernel


class Bench:
    """A world with runs."""

    def __init__(self, folder: Path, host: FakeHost | None = None) -> None:
        self.world = World(Store(folder / "cloud.sqlite"), Clock(600.0))
        self.jobs = self.world.part(Jobs)
        self.runs = self.world.part(Runs)
        self.host = host or FakeHost(folder)
        self.runs.host = self.host
        self.world.start()

    def queue(self, request: RunRequest) -> RunKey:
        """Queue a run."""
        with self.world.store.transaction():
            self.runs.queue(request)
        return request.key

    def cancel(self, key: RunKey) -> bool:
        """Cancel a run."""
        with self.world.store.transaction():
            return self.runs.cancel(key)

    def run(self, key: RunKey = KEY) -> Document:
        """Return a run's document."""
        found = self.runs.run(key)
        assert found is not None
        return found

    async def ended(self, key: RunKey = KEY, seconds: float = 30) -> Document:
        """Wait for the end of a run, and return it."""
        async with asyncio.timeout(seconds):
            while self.run(key)["state"] != "completed":
                await asyncio.sleep(0.005)
        return self.run(key)

    async def do(self, *steps: Step, **how: Any) -> Document:
        """Run a plan of one job to its end."""
        return await self.all(plan(stage(job(*steps, **how))))

    async def all(self, plan: Plan, **how: Any) -> Document:
        """Run a plan to its end."""
        return await self.ended(self.queue(request(plan, **how)))

    def records(self, kind: str = "", key: RunKey = KEY) -> list[Document]:
        """Return the records of a run's timeline, of one type or all."""
        found = self.jobs.timelines.records(self.run(key)["timeline"])
        return [each for each in found if not kind or each["type"] == kind]

    def record(self, name: str, kind: str = "Task", key: RunKey = KEY) -> Document:
        """Return the record with this name."""
        return next(each for each in self.records(kind, key) if each["name"] == name)

    def log(self, name: str, kind: str = "Task", key: RunKey = KEY) -> list[str]:
        """Return the log of the record with this name, without times."""
        lines = self.raw_log(name, kind, key)
        return [each.removeprefix("\ufeff")[29:] for each in lines]

    def raw_log(self, name: str, kind: str = "Task", key: RunKey = KEY) -> list[str]:
        """Return the log of the record with this name."""
        return self.jobs.timelines.log(self.run(key)["timeline"], self.record(name, kind, key)["id"])

    def steps(self, key: RunKey = KEY) -> dict[str, str]:
        """Return the results of the steps by their names."""
        return {each["name"]: each["result"] for each in self.records("Task", key)}

    async def until(self, name: str, state: str = State.RUNNING, seconds: float = 30) -> None:
        """Wait until a record has a state."""
        async with asyncio.timeout(seconds):
            while not any(each["name"] == name and each["state"] == state for each in self.records()):
                await asyncio.sleep(0.005)

    async def until_file(self, file: Path, seconds: float = 30) -> None:
        """Wait until a step has written a file."""
        async with asyncio.timeout(seconds):
            while not file.exists():
                await asyncio.sleep(0.005)

    async def close(self) -> None:
        """End everything."""
        running = [each.task for each in self.jobs._running.values() if each.task is not None]
        self.world.end()
        await asyncio.gather(*running, return_exceptions=True)
        self.world.store.close()
