"""The starter's own release in the practice cloud promotes and tries a real image, with an engine and without one."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hol_wizard.practice import seed
from tests.practice.conftest import Arm, user_token
from tests.practice.pipeline_ground import Ground
from tests.practice.pipelines.files import STARTER, starter_text
from tests.practice.test_devops_protected import connect
from tests.practice.test_devops_release import BUILD_OF, Release, member, own_state, started
from tests.practice.test_registry import OCI, Registry, made
from tests.practice.test_registry_with_docker import BASE, Docker, sign_in
from tests.practice.test_service_connections import Project as Connections
from tests.practice_cloud import PracticeCloud
from tests.starter.test_smoketest import SERVER

__all__ = ["own_state"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ANSWERS = f"STATUS, ANSWER = 200, b'{{\"estimated_wages\": 12.5}}'\n{SERVER}"
"""A server that answers as that of the inference container."""
NO_MODEL = "raise SystemExit('there is no model')"
SCRIPTS = (
    *("Project_One/promote_pipeline.sh", "Project_One-Tests/smoketest.py"),
    "Project_One-Tests/smoketest_pipeline.sh",
)


def prepared(cloud: PracticeCloud, folder: Path, push: Callable[[Registry], str]) -> tuple[Release, Registry, str]:
    """Make a project whose build has pushed an image, and whose release is the starter's.

    Args:
        cloud: The practice cloud.
        folder: For the clone.
        push: Pushes the image `hol-inference` to the registry, and returns its digest.

    Returns:
        The release, the registry, and the digest.
    """
    ground = Ground(cloud, folder)
    ground.begin()
    cloud.register_providers()
    arm = Arm(cloud, user_token(cloud))
    arm.make_group()
    registry = made(arm)
    digest = push(registry)
    connections = Connections(ground.devops, ground.devops.ask("GET", "/projects/lab").json()["id"])
    connection, _ = connect(arm, connections)
    release = starter_text("azure-pipelines-release.yml").replace("azure-connection", "azure")
    for script in SCRIPTS:
        file = ground.clone / script
        file.parent.mkdir(exist_ok=True)
        file.write_text((STARTER / script).read_text(encoding="utf-8"), encoding="utf-8")
    build = BUILD_OF.format(image=f"{registry.host}/hol-inference@{digest}")
    made_commit = ground.commit("Starter", **{"azure-pipelines__yml": build, "azure-pipelines-release__yml": release})
    ground.git("push", "--quiet", "origin", "HEAD:main")
    ground.project.create()
    ground.project.create("release", file="azure-pipelines-release.yml")
    ground.consent(made_commit)
    ground.allow("endpoint", connection, 2)
    for stage in ("qa", "production"):
        name = f"hol-release-{stage}"
        values = {"image-name": "hol-inference", "dest-acr-name": "labacr1", "dest-env": stage}
        variables = {each: {"value": value} for each, value in values.items()}
        body = {**connections.group(connection, name), "type": "Vsts", "providerData": None, "variables": variables}
        group = connections.ask("POST", "/distributedtask/variablegroups", body)
        assert group.status_code == 200, group.text
        ground.allow("variablegroup", str(group.json()["id"]), 2)
    qa, production = (str(ground.environment(f"hol-{name}", 2)["id"]) for name in ("qa", "production"))
    prepared = Release(ground, qa, production)
    prepared.protect(member(seed.ORGANIZER))
    return prepared, registry, digest


def tags(registry: Registry) -> dict[str, str]:
    """Return the digests of the image's tags of the release."""
    found = registry.ask("GET", "/v2/hol-inference/tags/list").json()["tags"]
    return {
        tag: registry.ask("HEAD", f"/v2/hol-inference/manifests/{tag}", Accept="*/*").headers["Docker-Content-Digest"]
        for tag in found
        if tag.startswith(("qa-", "production-"))
    }


def promoted(release: Release, registry: Registry, digest: str) -> str:
    """Take a release to production, and return what its smoke test said."""
    run = release.triggered()
    (build,) = release.ground.project.get("/build/builds", definitions="1")["value"]
    pending = release.pending(run["id"])
    assert tags(registry) == {f"qa-{build['id']}": digest}
    assert release.decide(pending["id"], "approved", "Seen", seed.ORGANIZER.name).status_code == 200
    assert release.ground.wait(run["id"])["result"] == "succeeded"
    assert tags(registry) == dict.fromkeys((f"qa-{build['id']}", f"production-{build['id']}"), digest)
    return said(release, run["id"], "Run Smoke Test")


def said(release: Release, run: int, step: str) -> str:
    """Return the log of a step."""
    log = release.ground.record(run, step)["log"]["id"]
    return release.ground.project.ask("GET", f"/build/builds/{run}/logs/{log}").text


def pushed_without_engine(server: str) -> Callable[[Registry], str]:
    """Return what pushes an image with a server and nothing else, which needs no engine."""

    def push(registry: Registry) -> str:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            file = tarfile.TarInfo("var/azureml-app/server.py")
            file.size = len(server)
            archive.addfile(file, io.BytesIO(server.encode()))
        own = {"Cmd": ["python", "server.py"], "WorkingDir": "/var/azureml-app"}
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": own}).encode()
        kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        parts = [
            {"mediaType": kind, "digest": registry.upload("hol-inference", content), "size": len(content)}
            for kind, content in zip(kinds, (config, gzip.compress(layer.getvalue())), strict=True)
        ]
        manifest = {"schemaVersion": 2, "mediaType": OCI, "config": parts[0], "layers": parts[1:]}
        done = registry.ask("PUT", "/v2/hol-inference/manifests/7", json.dumps(manifest).encode(), Content_Type=OCI)
        assert done.status_code == 201, done.text
        return done.headers["Docker-Content-Digest"]

    return push


@pytest.fixture
def cloud_without_engine(own_state: Path, monkeypatch: pytest.MonkeyPatch, runtime: Path) -> PracticeCloud:
    del runtime  # it is installed
    # Nothing listens on port 9: Docker, if it is here, has no engine.
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    return started(own_state)


def test_without_an_engine_the_tested_digest_reaches_production(
    cloud_without_engine: PracticeCloud, tmp_path: Path
) -> None:
    release, registry, digest = prepared(cloud_without_engine, tmp_path, pushed_without_engine(ANSWERS))
    told = promoted(release, registry, digest)
    assert f"[practice: no container engine] Pulled {registry.host}/hol-inference@{digest}" in told
    assert "[practice: no container engine] Smoke test passed" in told


def test_an_image_that_does_not_answer_does_not_reach_the_approval(
    cloud_without_engine: PracticeCloud, tmp_path: Path
) -> None:
    release, registry, digest = prepared(cloud_without_engine, tmp_path, pushed_without_engine(NO_MODEL))
    run = release.triggered()
    assert release.ground.wait(run["id"])["result"] == "failed"
    assert release.stages(run["id"]) == {"QA": "failed", "Production": "skipped"}
    assert "there is no model" in said(release, run["id"], "Run Smoke Test")
    assert list(tags(registry).values()) == [digest]
    assert [each["result"] for each in release.history(release.qa)] == ["failed"]
    assert release.history(release.production) == []


@pytest.fixture
def engine(tmp_path: Path, practice_cloud: PracticeCloud) -> Iterator[tuple[Docker, list[str]]]:
    """Docker, and the names of images to remove."""
    docker, names = Docker(tmp_path / "docker", practice_cloud.ca_file), list[str]()
    yield docker, names
    subprocess.run(["docker", "image", "rm", "--force", *names], capture_output=True, check=False)


@pytest.mark.docker
def test_with_an_engine_the_image_in_qa_predicts_and_the_same_one_reaches_production(
    practice_cloud: PracticeCloud, engine: tuple[Docker, list[str]], tmp_path: Path
) -> None:
    docker, names = engine

    def push(registry: Registry) -> str:
        context = tmp_path / "context"
        context.mkdir()
        (context / "server.py").write_text(ANSWERS, encoding="utf-8")
        (context / "dockerfile").write_text(
            f'FROM {BASE}\nWORKDIR /var/azureml-app\nCOPY server.py .\nUSER 10001:10001\nCMD ["python", "server.py"]\n',
            encoding="utf-8",
        )
        sign_in(docker, registry)
        name = f"{registry.host}/hol-inference"
        docker("build", "--quiet", "--file", str(context / "dockerfile"), "--tag", f"{name}:7", str(context))
        docker("push", "--quiet", f"{name}:7")
        digest = registry.ask("HEAD", "/v2/hol-inference/manifests/7", Accept="*/*").headers["Docker-Content-Digest"]
        names.extend([f"{name}:7", f"{name}@{digest}"])
        return digest

    release, registry, digest = prepared(practice_cloud, tmp_path, push)
    told = promoted(release, registry, digest)
    assert f"{registry.host}/hol-inference@{digest}" in told or f"labacr1.azurecr.io/hol-inference@{digest}" in told
    assert "Smoke test passed" in told
    assert "no container engine" not in told
