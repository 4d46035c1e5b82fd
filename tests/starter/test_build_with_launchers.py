"""The scripts of the committed pipeline with the launchers of the practice agent, with and without an engine."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from hol_wizard.practice import launchers
from hol_wizard.practice.arm import roles
from tests.practice.test_registry import Registry, made
from tests.practice_cloud import PracticeCloud
from tests.starter.ground import Ground, Registered

GROUP = "/resourceGroups/lab"


@dataclass
class Agent:
    """Runs the commands of a step as a practice agent does, as the service connection."""

    repository: Path
    environment: dict[str, str]

    def run(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.repository,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def ok(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


def agent_of(folder: Path, ground: Ground, settings: launchers.Settings, repository: Path) -> Agent:
    """Return an agent with an environment of its own."""
    programs = launchers.install(folder / "launchers", settings)
    home = folder / "agent-home"
    home.mkdir()
    endpoints = ground.cloud.endpoints
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "DOCKER_CONFIG": str(home / "docker"),
        "AZURE_CONFIG_DIR": str(home / "azure"),
        "AZURE_AUTHORITY_HOST": endpoints["active_directory"],
        "SSL_CERT_FILE": ground.cloud.ca_file,
        "REQUESTS_CA_BUNDLE": ground.cloud.ca_file,
        "ACR_NAME": "labacr1",
        "BUILD_BUILDID": "7",
        **ground.variables,
    }
    agent = Agent(repository, environment)
    who = ground.connection
    tenant = endpoints["defaults"]["tenant"]
    agent.ok("az", "login", "--service-principal", "-u", who.app_id, "-p", who.secret, "--tenant", tenant, "-o", "none")
    return agent


@pytest.fixture
def registry(registered: Registered, allowed: Ground) -> Registry:
    """The registry of the lab, and the roles of the service connection."""
    found = made(allowed.arm)
    path = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/labacr1"
    allowed.give(allowed.connection, roles.ACR_PUSH, path)
    allowed.give(allowed.connection, roles.ACR_IMPORTER, path)
    allowed.give(allowed.connection, roles.READER, GROUP)
    allowed.give(allowed.connection, roles.AZUREML_DATA_SCIENTIST, GROUP)
    allowed.give(allowed.connection, roles.STORAGE_BLOB_DATA_READER, GROUP)
    return found


def build(agent: Agent, registered: Registered) -> None:
    """Build the image with the registered model."""
    agent.environment |= registered.settings
    for file in registered.assets.iterdir():
        file.unlink()
    agent.ok("sh", "Project_One/runbuild_pipeline.sh")


def built(agent: Agent, registered: Registered, registry: Registry) -> str:
    """Build, test and push the image, and return the digest in `artifacts.json`."""
    build(agent, registered)
    agent.ok("sh", "Project_One-Tests/runtests_pipeline.sh")
    artifacts = json.loads((agent.repository / "ml_temp/artifacts/artifacts.json").read_text())
    server, _, digest = artifacts["image_location"].partition("/hol-inference@")
    assert server == registry.host
    assert (agent.repository / "ml_temp/artifacts/test_results/coverage.xml").is_file()
    pushed = registry.ask("HEAD", "/v2/hol-inference/manifests/7", Accept="*/*")
    assert pushed.headers["Docker-Content-Digest"] == digest
    return str(digest)


@pytest.mark.slow
def test_without_an_engine_the_build_is_practiced_and_its_digest_is_in_the_registry(
    registered: Registered, registry: Registry, allowed: Ground, repository: Path, runtime: Path, tmp_path: Path
) -> None:
    agent = agent_of(tmp_path, allowed, launchers.Settings(packages_python=str(runtime)), repository)
    import_base(registry)
    configured = agent.ok("sh", "Project_One/configure_agent.sh")
    assert "[practice: no container engine] Practiced without a container" in configured
    digest = built(agent, registered, registry)
    manifest = registry.ask("GET", f"/v2/hol-inference/manifests/{digest}", Accept="*/*").json()
    config = registry.ask("GET", f"/v2/hol-inference/blobs/{manifest['config']['digest']}").json()
    labels = config["config"]["Labels"]
    assert (labels["practice.no-container-engine"], labels["model.name"]) == ("true", "worst_regression")
    coverage = (repository / "ml_temp/artifacts/test_results/coverage.xml").read_text()
    assert f"<source>{repository / 'Project_One'}" in coverage
    # As the release does; the registry is found by its name here and by the name that people write.
    stage = {"ACR_NAME": "labacr1", "IMAGE_NAME": "hol-inference", "STAGE": "qa", "BUILD": "7"}
    agent.environment |= stage | {"ARTIFACTS": str(repository / "ml_temp/artifacts")}
    agent.ok("sh", "Project_One/promote_pipeline.sh")
    by_name = f"labacr1.azurecr.io/hol-inference@{digest}"
    agent.ok("az", "acr", "import", "-n", "labacr1", "--source", by_name, "--image", "hol-inference:prod", "--force")
    for tag in ("qa-7", "prod"):
        shown = ["az", "acr", "repository", "show", "-n", "labacr1", "-t", f"hol-inference:{tag}"]
        assert agent.ok(*shown, "--query", "digest", "-o", "tsv") == f"{digest}\n"
    tested = agent.ok("sh", "Project_One-Tests/smoketest_pipeline.sh")
    assert f"[practice: no container engine] Pulled {registry.host}/hol-inference@{digest}" in tested
    assert re.search(r"^\[practice: no container engine\] Smoke test passed: .* is -?[0-9.]+$", tested, re.MULTILINE)
    # What a registry gives under a digest is compared with it, as an engine does.
    layer = manifest["layers"][0]["digest"].partition(":")[2]
    for file in allowed.cloud.state.rglob(layer):
        file.write_bytes(b"something else")
    refused = agent.run("docker", "pull", f"{registry.host}/hol-inference@{digest}")
    assert refused.returncode == 1
    assert f"expected {manifest['layers'][0]['digest']}" in refused.stderr


def import_base(registry: Registry) -> None:
    """Give the registry something under the name of the base image, as an import without an engine does."""
    registry.push("base/python", "3.11-slim")


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.timeout(400)
def test_with_an_engine_the_build_is_real(
    registered: Registered, registry: Registry, allowed: Ground, repository: Path, tmp_path: Path
) -> None:
    docker, host = launchers.find_engine()
    settings = launchers.Settings(docker, host, registries={"labacr1.azurecr.io": registry.host})
    agent = agent_of(tmp_path, allowed, settings, repository)
    without_installation(repository)
    agent.ok("sh", "Project_One/configure_agent.sh")
    build(agent, registered)
    image = "hol-inference:7"
    agent.ok("docker", "tag", image, "labacr1.azurecr.io/other:1")
    agent.ok("docker", "push", "labacr1.azurecr.io/other:1")
    digests = agent.ok("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", "labacr1.azurecr.io/other:1")
    (pushed,) = json.loads(digests)
    assert pushed.startswith("labacr1.azurecr.io/other@sha256:")
    found = registry.ask("HEAD", "/v2/other/manifests/1", Accept="*/*")
    assert found.headers["Docker-Content-Digest"] == pushed.partition("@")[2]
    agent.run("docker", "image", "rm", "--force", image, "labacr1.azurecr.io/other:1")


def without_installation(repository: Path) -> None:
    """Leave out what needs the internet from the dockerfile."""
    file = repository / "Project_One" / "dockerfile"
    lines = file.read_text().split("RUN pip install", 1)
    file.write_text(lines[0] + lines[1].split("\n\n", 1)[1])


@pytest.mark.slow
def test_the_practice_az_refuses_what_it_does_not_know(
    practice_cloud: PracticeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = launchers.install(tmp_path / "launchers", launchers.Settings())
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": str(tmp_path)}
    agent = Agent(tmp_path, environment)
    unknown = agent.run("az", "vm", "create", "--name", "x")
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("az vm create: the practice az knows only version, cloud set, login")
    assert unknown.stderr.endswith("install the Azure CLI to run this step.\n")
    assert agent.run("az", "--version").returncode == 0
    assert agent.ok("az", "version", "--query", "azure-cli", "-o", "tsv") == "2.91.0\n"
    signed_out = agent.run("az", "account", "get-access-token")
    assert (signed_out.returncode, signed_out.stderr) == (1, "ERROR: Please run 'az login' to setup account.\n")
    environment["AZURE_AUTHORITY_HOST"] = practice_cloud.endpoints["active_directory"]
    environment["SSL_CERT_FILE"] = practice_cloud.ca_file
    ci = practice_cloud.endpoints["service_principal"]["client_id"]
    wrong = agent.run("az", "login", "--service-principal", "-u", ci, "-p", "wrong", "-t", "organizations")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("ERROR: AADSTS7000215: Invalid client secret provided.")
    assert agent.run("az", "login", "--service-principal", "-u").returncode == 2
    assert agent.run("az", "cloud", "set", "-n", "AzureCloud").returncode == 0
    assert agent.run("docker", "compose", "up").returncode == 2
    missing = agent.run("docker", "image", "inspect", "nothing")
    assert (missing.returncode, missing.stderr) == (
        1,
        "[practice: no container engine] Error response from daemon: No such image: nothing\n",
    )
    assert agent.ok("python3", "-c", "print(1)") == "1\n"
