"""A real engine pushes to a registry, and the digest that is noted is the one under which the registry has it."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.starter.conftest import Import

pytestmark = [pytest.mark.slow, pytest.mark.docker]


class Registry:
    """As much of the registry's API (OCI distribution specification) as a push needs."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def handle_all(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                status, headers, content = registry.answer(self.command, self.path, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_all
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is given
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        url = urlsplit(target)
        if method == "POST":
            return 202, {"Location": f"{url.path}{uuid.uuid4()}"}, b""
        if "/uploads/" in url.path:
            self.blobs[url.path] = self.blobs.get(url.path, b"") + body
            if method == "PATCH":
                sent = len(self.blobs[url.path])
                return 202, {"Location": url.path, "Range": f"0-{sent - 1}"}, b""
            digest = parse_qs(url.query)["digest"][0]
            self.blobs[digest] = self.blobs.pop(url.path)
            assert digest == f"sha256:{hashlib.sha256(self.blobs[digest]).hexdigest()}"
            return 201, {"Docker-Content-Digest": digest}, b""
        kind, _, name = url.path.rpartition("/")
        if kind.endswith("/manifests"):
            if method == "PUT":
                digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
                self.manifests[name] = self.manifests[digest] = body
                return 201, {"Docker-Content-Digest": digest}, b""
            return 404, {}, b"{}"
        if kind.endswith("/blobs"):
            return (200, {"Content-Length": str(len(self.blobs[name]))}, b"") if name in self.blobs else (404, {}, b"")
        return 200, {}, b"{}"


@pytest.fixture
def registry() -> Iterator[Registry]:
    one = Registry()
    yield one
    one.server.shutdown()
    one.server.server_close()


def docker(*words: str) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """An image of one file: what is in it does not matter here."""
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("there is no Docker engine")
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", encoding="utf-8")
    name = f"hol-test-{uuid.uuid4().hex[:8]}"
    docker("build", "--quiet", "--tag", f"{name}:42", str(tmp_path))
    yield name
    listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines()
    docker("image", "rm", "--force", *[each for each in listed if name in each])


def test_the_digest_is_the_registry_s(
    starter: Import, registry: Registry, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = starter("push")
    real = module.answer
    # The Azure CLI only says the registry's address.
    monkeypatch.setattr(module, "answer", lambda *words: registry.address if words[0] == "az" else real(*words))
    module.ARTIFACTS.parent.mkdir(parents=True)
    about = {
        "image_location": f"{image}:42",
        "tested_image_id": docker("image", "inspect", "--format", "{{.Id}}", f"{image}:42"),
    }
    module.ARTIFACTS.write_text(json.dumps(about), encoding="utf-8")
    location = module.push("janeacr", module.ARTIFACTS)
    assert re.fullmatch(rf"{registry.address}/{image}@sha256:[0-9a-f]{{64}}", location)
    assert json.loads(module.ARTIFACTS.read_text(encoding="utf-8")) == {**about, "image_location": location}
    assert registry.manifests[location.partition("@")[2]] == registry.manifests["42"]
