"""A real Docker engine signs in to a registry of the practice cloud, pushes to it and pulls from it."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.practice.conftest import REGISTRIES, Arm, provider
from tests.practice.test_registry import DELETE, NOBODY, PULL, Registry, as_stranger, importing, made, wait_for_access
from tests.practice_cloud import PracticeCloud

pytestmark = [pytest.mark.docker, pytest.mark.slow]
BASE = "python:3.11-slim"


class Docker:
    """Docker's command with a configuration of its own."""

    def __init__(self, folder: Path, bundle: str) -> None:
        # The builder asks for its token in the client, which, unlike the engine, verifies the certificate.
        self.environment = {**os.environ, "DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": bundle}

    def ask(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *words],
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def __call__(self, *words: str, given: str = "") -> str:
        done = self.ask(*words, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def docker(tmp_path: Path, practice_cloud: PracticeCloud) -> Docker:
    return Docker(tmp_path / "docker", practice_cloud.ca_file)


@pytest.fixture
def image(docker: Docker, tmp_path: Path) -> Iterator[str]:
    """An image of this test."""
    name = f"hol-registry-{uuid.uuid4().hex[:8]}:1"
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\nCMD ['/nothing']\n")
    (context / "data").write_bytes(os.urandom(1000))
    docker("build", "--quiet", "--tag", name, str(context))
    yield name
    docker.ask("image", "rm", "--force", name)


def sign_in(docker: Docker, registry: Registry) -> None:
    """Sign in as `az acr login` does."""
    token = registry.refresh_token().json()["refresh_token"]
    docker("login", registry.host, "--username", NOBODY, "--password-stdin", given=token)


def test_the_engine_pushes_and_pulls_by_tag_and_by_digest(arm: Arm, docker: Docker, image: str) -> None:
    registry, target = made(arm), made(arm, "labacr2")
    sign_in(docker, registry)
    name = f"{registry.host}/team/model"
    docker("tag", image, f"{name}:1")
    docker("push", "--quiet", f"{name}:1")
    (pushed,) = json.loads(docker("image", "inspect", "--format", "{{json .RepoDigests}}", f"{name}:1"))
    digest = pushed.partition("@")[2]
    assert registry.ask("HEAD", "/v2/team/model/manifests/1").headers["Docker-Content-Digest"] == digest
    identity = docker("image", "inspect", "--format", "{{.Id}}", image)
    docker("image", "rm", "--force", image, f"{name}:1")
    docker("pull", "--quiet", f"{name}@{digest}")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{name}@{digest}") == identity
    source = {"resourceId": arm.base + provider("ContainerRegistry/registries", "labacr1")}
    body = {"source": {**source, "sourceImage": f"team/model@{digest}"}, "targetTags": ["model:qa"]}
    assert arm.poll(importing(arm, body)).status_code == 200
    sign_in(docker, target)
    promoted = f"{target.host}/model:qa"
    docker("pull", "--quiet", promoted)
    assert docker("image", "inspect", "--format", "{{.Id}}", promoted) == identity
    docker("image", "rm", "--force", f"{name}@{digest}", promoted)


def test_the_engine_says_what_a_caller_without_the_role_may_not_do(arm: Arm, docker: Docker, image: str) -> None:
    registry = made(arm)
    puller = as_stranger(registry, PULL, DELETE)
    wait_for_access(puller)
    sign_in(docker, puller)
    name = f"{registry.host}/model:1"
    docker("tag", image, name)
    refused = docker.ask("push", "--quiet", name)
    docker("image", "rm", name)
    assert refused.returncode != 0
    assert "unauthorized: authentication required" in refused.stderr
    wrong = docker.ask("login", registry.host, "--username", NOBODY, "--password-stdin", given="wrong")
    assert wrong.returncode != 0


def test_an_image_from_outside_comes_by_way_of_the_engine(arm: Arm, docker: Docker, tmp_path: Path) -> None:
    registry = made(arm)
    source = {"registryUri": "docker.io", "sourceImage": f"library/{BASE}"}
    accepted = importing(arm, {"source": source, "targetTags": [f"base/{BASE}"]}, "labacr1")
    assert accepted.status_code == 202
    deadline = time.monotonic() + 60
    while (answer := arm.http.get(accepted.headers["Location"], timeout=10)).status_code == 202:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer.status_code == 200, answer.text
    found = registry.ask("HEAD", f"/v2/base/python/manifests/{BASE.partition(':')[2]}")
    digest = found.headers["Docker-Content-Digest"]
    sign_in(docker, registry)
    base = f"{registry.host}/base/python@{digest}"
    (tmp_path / "Dockerfile").write_text('ARG BASE\nFROM ${BASE}\nRUN python -c "print(6 * 7)" > /answer\n')
    built = f"hol-registry-{uuid.uuid4().hex[:8]}"
    docker("build", "--tag", built, "--build-arg", f"BASE={base}", str(tmp_path))
    assert docker("run", "--rm", built, "cat", "/answer") == "42"
    docker("image", "rm", "--force", built, base)


def test_an_image_that_nobody_has_is_not_imported(arm: Arm) -> None:
    made(arm)
    source = {"registryUri": "docker.io", "sourceImage": "library/no-such-image:1"}
    accepted = importing(arm, {"source": source, "targetTags": ["base:1"]}, "labacr1")
    refused = arm.poll(accepted)
    assert "no-such-image:1 could not be pulled" in refused.json()["error"]["message"]
    assert arm.ask("GET", provider("ContainerRegistry/registries", "labacr1"), version=REGISTRIES).status_code == 200
