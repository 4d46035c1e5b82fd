"""The commands about registries of the practice cloud."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hol_wizard.practice.launchers.web_client import Answer, ask
from hol_wizard.practice.launchers.without_engine.command_line import MARK, DockerError, Words, say
from hol_wizard.practice.launchers.without_engine.store import Store, digest_of, tagged

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registries:
    """Each method carries out a command, and returns its exit code."""

    def __init__(self, store: Store, configuration: Path) -> None:
        """Keep the images, and the folder of Docker's configuration."""
        self._store = store
        self._configuration = configuration
        self._file = configuration / "config.json"

    def login(self, words: Sequence[str]) -> int:
        """Sign in, and keep the password for the other commands."""
        asked = Words.of("login", words)
        server = asked.argument()
        password = asked.one("--password", "-p") or sys.stdin.read().strip()
        secret = base64.b64encode(f"{asked.one('--username', '-u')}:{password}".encode()).decode()
        if _token(server, secret).status != 200:
            raise DockerError(
                f"Error response from daemon: Get https://{server}/v2/: unauthorized: authentication required"
            )
        self._keep_sign_ins({**self._sign_ins(), server: {"auth": secret}})
        say("Login Succeeded")
        return 0

    def logout(self, words: Sequence[str]) -> int:
        """Forget a password."""
        server = Words.of("logout", words).argument()
        self._keep_sign_ins({name: each for name, each in self._sign_ins().items() if name != server})
        return 0

    def push(self, words: Sequence[str]) -> int:
        """Upload an image."""
        name = Words.of("push", words).argument()
        identity = self._store.find(name)
        there = self._repository(name, "pull,push")
        parts = [
            there.upload(_CONFIG, self._store.config_bytes(identity)),
            *(there.upload(_LAYER, each.read_bytes()) for each in self._store.layers(identity)),
        ]
        manifest = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": parts[0], "layers": parts[1:]}
        content = json.dumps(manifest).encode()
        sent = {**there.headers, "Content-Type": _MANIFEST}
        put = ask("PUT", f"{there.address}/manifests/{there.reference}", headers=sent, content=content)
        _checked(put, 201)
        digest = str(put.headers["Docker-Content-Digest"])
        self._store.name(identity, f"{there.name}@{digest}")
        sys.stderr.write(f"{MARK} {there.reference}: digest: {digest} size: {len(content)}\n")
        return 0

    def pull(self, words: Sequence[str]) -> int:
        """Download an image."""
        name = Words.of("pull", words).argument()
        there = self._repository(name, "pull")
        sent = {**there.headers, "Accept": f"{_MANIFEST}, */*"}
        answer = ask("GET", f"{there.address}/manifests/{there.reference}", headers=sent)
        _checked(answer, 200)
        # An engine computes the digests itself, too, and takes nothing that has another one.
        digest = _verified(answer.content, there.reference if ":" in there.reference else "")
        manifest = answer.json
        layers = [there.download(each) for each in manifest["layers"]]
        identity = self._store.add_bytes(there.download(manifest["config"]), layers)
        self._store.name(identity, name, f"{there.name}@{digest}")
        say(f"Pulled {name}")
        return 0

    def _sign_ins(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return dict(found.get("auths") or {})

    def _keep_sign_ins(self, auths: Mapping[str, Any]) -> None:
        self._configuration.mkdir(parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        self._file.write_text(json.dumps({"auths": auths}), encoding="utf-8")

    def _repository(self, name: str, actions: str) -> _Repository:
        """Return the repository of an image, with the right to do something with it if the caller has it."""
        server, slash, rest = name.partition("/")
        if not slash or (":" not in server and "." not in server):
            raise DockerError(f"{name} is not in a registry of the practice cloud.")
        repository, _, reference = rest.partition("@") if "@" in rest else tagged(rest).rpartition(":")
        secret = self._sign_ins().get(server, {}).get("auth", "")
        token = _token(server, secret, f"repository:{repository}:{actions}").json.get("access_token", "")
        return _Repository(server, repository, reference, {"Authorization": f"Bearer {token}"})


@dataclass(frozen=True, slots=True)
class _Repository:
    """A repository of a registry, and one image in it."""

    server: str
    repository: str
    reference: str
    """The image's tag or digest."""
    headers: Mapping[str, str]
    """Of every request."""

    @property
    def name(self) -> str:
        """Its name with the server."""
        return f"{self.server}/{self.repository}"

    @property
    def address(self) -> str:
        """Where its manifests and blobs are."""
        return f"https://{self.server}/v2/{self.repository}"

    def upload(self, media_type: str, content: bytes) -> dict[str, Any]:
        """Upload a blob unless the repository has it, and return how a manifest names it."""
        digest = digest_of(content)
        if ask("HEAD", f"{self.address}/blobs/{digest}", headers=self.headers).status != 200:
            begun = ask("POST", f"{self.address}/blobs/uploads/", headers=self.headers)
            _checked(begun, 202)
            place = f"https://{self.server}{begun.headers['Location']}&digest={digest}"
            _checked(ask("PUT", place, headers=self.headers, content=content), 201)
        return {"mediaType": media_type, "size": len(content), "digest": digest}

    def download(self, part: Mapping[str, Any]) -> bytes:
        """Download a blob by how a manifest names it.

        Raises:
            DockerError: There is none, or it has another digest.
        """
        found = ask("GET", f"{self.address}/blobs/{part['digest']}", headers=self.headers)
        _checked(found, 200)
        _verified(found.content, part["digest"])
        return found.content


def _verified(content: bytes, wanted: str) -> str:
    """Return the digest of some bytes.

    Raises:
        DockerError: It is not the wanted one; empty: any will do. The text is that of containerd's `content` package.
    """
    digest = digest_of(content)
    if wanted not in {"", digest}:
        raise DockerError(f"unexpected commit digest {digest}, expected {wanted}: failed precondition")
    return digest


def _token(server: str, secret: str, scope: str = "") -> Answer:
    """Ask a registry for an access token.

    Args:
        server: Its login server.
        secret: Name and password in base64; empty without a sign-in.
        scope: What the token is for.
    """
    address = f"https://{server}/oauth2/token?service={server}{f'&scope={scope}' if scope else ''}"
    return ask("GET", address, headers={"Authorization": f"Basic {secret}"} if secret else {})


def _checked(answer: Answer, status: int) -> None:
    if answer.status != status:
        error = (answer.json.get("errors") or [{}])[0]
        raise DockerError(f"{str(error.get('code', answer.status)).lower()}: {error.get('message', '')}")
