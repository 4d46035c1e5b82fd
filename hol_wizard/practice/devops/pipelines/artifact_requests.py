"""Requests about artifacts: their list, and their files as zip archives (Build - Artifacts, 7.1; not recorded).

The members of `resource` and the address of a pipeline artifact's files, which is on another host, are those that
public clients of the service have seen: `…/_apis/artifact/{id}/content?format=zip`. The archive has a folder with the
artifact's name at the top.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
import time
from typing import Final
from urllib.parse import quote

from hol_wizard.practice.devops import access, errors
from hol_wizard.practice.devops.organizations import ORGANIZATIONS
from hol_wizard.practice.devops.pipelines import scope
from hol_wizard.practice.devops.pipelines.artifacts import PIPELINE, Artifacts, files_of, zipped
from hol_wizard.practice.devops.pipelines.builds import Builds, run_key
from hol_wizard.practice.devops.pipelines.scope import BUILD, PROJECT, Place, Scope, address
from hol_wizard.practice.devops.projects import Projects
from hol_wizard.practice.kernel.clock import timestamp
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Router, attachment
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.pipelines.host import RunKey

_VALID_SECONDS: Final = 3600


class Downloads:
    """The addresses of artifacts on the host for their files."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = secrets.token_bytes(32)

    def url(self, place: Place, artifact: Document, form: str = "zip") -> str:
        """Return the address of an artifact's files, which a client requests with its own token."""
        text = f"pipelineartifact://{place.organization.name}/projectId/{place.id}/buildId/{artifact['run']}"
        named = base64.urlsafe_b64encode(f"{text}/artifactName/{artifact['name']}".encode()).decode().rstrip("=")
        base = f"{self._world.addresses['devops_artifacts']}/A{place.organization.id}/{place.id}"
        return f"{base}/_apis/artifact/{named}/content?format={form}"

    def signed(self, place: Place, artifact: Document) -> JsonObject:
        """Return an address that is valid for an hour without a token (`SignedUrl`)."""
        url, ends = self.url(place, artifact), int(time.time()) + _VALID_SECONDS
        path = url.removeprefix(self._world.addresses["devops_artifacts"]).partition("?")[0]
        signature = self._signature(path, str(ends))
        expires = f"&urlExpires={ends}&urlSigningMethod=HMACV1&urlSignature={signature}"
        return {"url": url + expires, "signatureExpires": timestamp(ends)}

    def is_signed(self, request: Request) -> bool:
        """Return whether a request has a valid signature."""
        ends = request.query.get("urlexpires", "")
        if not ends.isdecimal() or int(ends) < time.time():
            return False
        given = request.query.get("urlsignature", "")
        return hmac.compare_digest(self._signature(request.path, ends).encode(), given.encode())

    def _signature(self, path: str, ends: str) -> str:
        return hmac.new(self._key, f"{path.lower()} {ends}".encode(), hashlib.sha256).hexdigest()


def artifact_named(text: str) -> tuple[str, str, int, str] | None:
    """Return organization, project, build and name of the artifact that an address names; None if it names none."""
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    kind, _, rest = plain.partition("://")
    parts = rest.split("/", 6)
    if kind != "pipelineartifact" or len(parts) != 7 or not parts[4].isdecimal():
        return None
    return parts[0], parts[2], int(parts[4]), parts[6]


class ArtifactRequests:
    """Handles requests about artifacts on dev.azure.com."""

    def __init__(self, world: World, router: Router, requests: Scope) -> None:
        self._builds = world.part(Builds)
        self._artifacts = world.part(Artifacts)
        self._downloads = world.part(Downloads)
        self._scope = requests
        path = f"{PROJECT}/build/builds/{{build}}/artifacts"
        router.add("GET", path, self._list, honors="artifactName $format", refuses="fileId fileName")

    async def _list(self, request: Request) -> Response:
        place = self._scope.read(request)
        build = self._builds.get(place, scope.number_of(request, "build"))
        name = request.query.get("artifactname", "")
        if not name:
            value = [self._shown(request, place, build, each) for each in self._artifacts.of(run_key(build))]
            return Response(200, {"count": len(value), "value": value})
        artifact = self._artifacts.named(run_key(build), name)
        if artifact is None:
            raise missing(name, build["id"])
        if scope.wants_zip(request):
            return await content(self._artifacts, artifact)
        return Response(200, self._shown(request, place, build, artifact))

    def _shown(self, request: Request, place: Place, build: Document, artifact: Document) -> JsonObject:
        name = quote(artifact["name"], safe="")
        url = f"{address(request, place)}/build/builds/{build['id']}/artifacts?artifactName={name}&api-version=7.1"
        size = {"artifactsize": str(artifact["size"])}
        if artifact["kind"] == PIPELINE:
            digest = hashlib.sha256(f"{artifact['id']} {artifact['folder']}".encode()).hexdigest().upper()
            data, download = f"{digest}02", self._downloads.url(place, artifact)
            size = {"RootId": f"{digest}02", **size, "HashType": "DEDUP1024K", "DomainId": "0"}
        else:
            data, download = f"#/{artifact['id']}/{artifact['name']}", f"{url}&%24format=zip"
            size = {"localpath": "", **size}
        resource = {"type": artifact["kind"], "data": data, "properties": size, "url": url, "downloadUrl": download}
        return {"id": artifact["id"], "name": artifact["name"], "source": artifact["record"], "resource": resource}


async def content(artifacts: Artifacts, artifact: Document) -> Response:
    """Return the files of an artifact."""
    packed = await asyncio.to_thread(zipped, artifacts.folder(artifact), artifact["name"])
    return Response(200, packed, attachment(f"{artifact['name']}.zip"), scope.ZIP)


def missing(name: str, build: int) -> Refused:
    """Return the error for an artifact that does not exist (public: DownloadPipelineArtifact's error)."""
    return errors.refused(404, f"Artifact {name} was not found for build {build}.", "ArtifactNotFoundException", BUILD)


class ContentRequests:
    """Handles requests for files on the host of pipeline artifacts."""

    def __init__(self, world: World, router: Router) -> None:
        self._projects = world.part(Projects)
        self._artifacts = world.part(Artifacts)
        self._downloads = world.part(Downloads)
        path = "/{account}/{project}/_apis/artifact/{artifact}/content"
        router.add("GET", path, self._content, honors="format subPath urlExpires urlSignature")

    async def _content(self, request: Request) -> Response:
        found = artifact_named(request.match["artifact"])
        if found is None:
            raise missing("", 0)
        organization, project, build, name = found
        kept, artifact = self._projects.named(project), self._artifacts.named(RunKey(project, 0, build), name)
        if kept is None or artifact is None:
            raise missing(name, build)
        there = ORGANIZATIONS[kept["organization"]]
        given = (organization, request.match["account"].lower(), request.match["project"].lower())
        if given != (there.name, f"a{there.id}", project):
            raise missing(name, build)
        if not self._downloads.is_signed(request):
            access.named(there.name, request.who)
            if not self._projects.sees(there, request.who, kept):
                raise missing(name, build)
        if request.query.get("format", "zip").lower() == "zip":
            return await content(self._artifacts, artifact)
        wanted = request.query.get("subpath", "").lstrip("/")
        for path, file in files_of(self._artifacts.folder(artifact)):
            if path == wanted:
                return Response(200, file.read_bytes(), attachment(file.name), "application/octet-stream")
        raise missing(f"{name}/{wanted}", build)
