"""The container registries: the OCI distribution API, tokens and roles, import, the admin user, a snapshot."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from hol_wizard.practice import seed
from tests.practice.conftest import REGISTRIES, Arm, provider, session, user_token
from tests.practice.data_planes import give, oid
from tests.practice_cloud import PracticeCloud

PULL, PUSH = "7f951dda-4ed3-4680-a7ca-43fe172d538d", "8311e382-0749-4cb8-b61a-304f252e45ec"
DELETE = "c2f4ef07-c644-48eb-af81-4b1b4947fb11"
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
NOBODY = "00000000-0000-0000-0000-000000000000"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass
class Registry:
    """One registry, and a client that signs in to it as Docker and the SDK do."""

    cloud: PracticeCloud
    arm: Arm
    name: str
    entra_token: str
    http: requests.Session = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)
    server: str = ""
    """Its login server; empty for a registry of the group `lab`."""

    def __post_init__(self) -> None:
        self.http = session(self.cloud)

    @property
    def host(self) -> str:
        if self.server:
            return self.server
        shown = self.arm.until(provider("ContainerRegistry/registries", self.name), REGISTRIES)
        return str(shown["properties"]["loginServer"])

    def refresh_token(self) -> requests.Response:
        form = {"grant_type": "access_token", "service": self.host, "access_token": self.entra_token}
        return self.http.post(f"https://{self.host}/oauth2/exchange", data={**form, "tenant": seed.TENANT}, timeout=10)

    def access_token(self, scope: str) -> str:
        if scope not in self.tokens:
            form = {"grant_type": "refresh_token", "service": self.host, "scope": scope}
            form["refresh_token"] = self.refresh_token().json()["refresh_token"]
            answer = self.http.post(f"https://{self.host}/oauth2/token", data=form, timeout=10)
            self.tokens[scope] = answer.json()["access_token"]
        return self.tokens[scope]

    def ask(self, method: str, path: str, data: bytes = b"", scope: str = "", **headers: str) -> requests.Response:
        """Ask as clients do: without a token first, then with one for the scope of the challenge."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        address = f"https://{self.host}{path}"
        if not scope:
            first = self.http.request(method, address, data=data, headers=named, timeout=10)
            if first.status_code != 401:
                return first
            scope = first.headers["WWW-Authenticate"].partition('scope="')[2].partition('"')[0]
        named["Authorization"] = f"Bearer {self.access_token(scope)}"
        return self.http.request(method, address, data=data, headers=named, timeout=10)

    def error(self, method: str, path: str, data: bytes = b"", **headers: str) -> tuple[int, str]:
        answer = self.ask(method, path, data, **headers)
        return answer.status_code, str(answer.json()["errors"][0]["code"])

    def upload(self, repository: str, content: bytes) -> str:
        begun = self.ask("POST", f"/v2/{repository}/blobs/uploads/")
        assert begun.status_code == 202, begun.text
        digest = digest_of(content)
        done = self.ask("PUT", f"{begun.headers['Location']}&digest={digest}", content)
        assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, digest), done.text
        return digest

    def push(self, repository: str, tag: str, layer: bytes = b"layer", kind: str = DOCKER) -> str:
        """Push an image of one layer, and return its digest."""
        config = json.dumps({"architecture": "amd64", "os": "linux"}).encode()
        parts = [{"digest": self.upload(repository, each), "size": len(each)} for each in (config, layer)]
        parts[0]["mediaType"], parts[1]["mediaType"] = "application/vnd.oci.image.config.v1+json", "application/x-tar"
        body = {"schemaVersion": 2, "mediaType": kind, "config": parts[0], "layers": [parts[1]]}
        content = json.dumps(body).encode()
        done = self.ask("PUT", f"/v2/{repository}/manifests/{tag}", content, Content_Type=kind)
        assert done.status_code == 201, done.text
        return done.headers["Docker-Content-Digest"]


def made(arm: Arm, name: str = "labacr1", **properties: Any) -> Registry:
    """Make a registry."""
    if arm.ask("GET", "/resourcegroups/lab").status_code == 404:
        arm.make_group()
    body = {"location": "westeurope", "sku": {"name": "Basic"}, "properties": properties}
    path = provider("ContainerRegistry/registries", name)
    arm.poll(arm.ask("PUT", path, body, version=REGISTRIES))
    return Registry(arm.cloud, arm, name, arm.token)


@pytest.fixture
def registry(arm: Arm) -> Registry:
    return made(arm)


def as_stranger(registry: Registry, *roles: str) -> Registry:
    """Return a client of a person with these roles."""
    token = user_token(registry.cloud, "stranger@practice.example")
    path = provider("ContainerRegistry/registries", registry.name)
    for role in roles:
        give(registry.arm, path, role, oid(token))
    return Registry(registry.cloud, registry.arm, registry.name, token)


def wait_for_access(registry: Registry) -> None:
    """Wait until a role works; the exchange of tokens needs one."""
    deadline = time.monotonic() + 10
    while registry.refresh_token().status_code == 401:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_an_image_is_pushed_and_pulled_by_tag_and_by_digest(registry: Registry) -> None:
    digest = registry.push("team/model", "1", b"the layer")
    by_tag = registry.ask("GET", "/v2/team/model/manifests/1")
    assert by_tag.headers["Docker-Content-Digest"] == digest == digest_of(by_tag.content)
    assert by_tag.headers["Content-Type"] == DOCKER
    by_digest = registry.ask("GET", f"/v2/team/model/manifests/{digest}")
    assert by_digest.content == by_tag.content
    layer = by_tag.json()["layers"][0]["digest"]
    assert registry.ask("GET", f"/v2/team/model/blobs/{layer}").content == b"the layer"
    head = registry.ask("HEAD", f"/v2/team/model/blobs/{layer}")
    assert (head.status_code, head.headers["Content-Length"]) == (200, "9")
    part = registry.ask("GET", f"/v2/team/model/blobs/{layer}", Range="bytes=4-6")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"lay", "bytes 4-6/9")
    assert registry.ask("GET", f"/v2/team/model/blobs/{layer}", Range="bytes=-2").content == b"er"


def test_a_layer_arrives_in_pieces_in_their_order(registry: Registry) -> None:
    place = registry.ask("POST", "/v2/model/blobs/uploads/").headers["Location"]
    first = registry.ask("PATCH", place, b"abc", Content_Range="0-2")
    assert (first.status_code, first.headers["Range"]) == (202, "0-2")
    registry.cloud.wrong_on_purpose("PATCH .*/uploads/")
    wrong = registry.ask("PATCH", place, b"xyz", Content_Range="9-11")
    assert (wrong.status_code, wrong.headers["Range"]) == (416, "0-2")
    assert registry.ask("PATCH", first.headers["Location"], b"def", Content_Range="3-5").status_code == 202
    assert registry.ask("GET", place).headers["Range"] == "0-5"
    digest = digest_of(b"abcdef")
    assert registry.ask("PUT", f"{place}&digest={digest}").status_code == 201
    assert registry.ask("GET", f"/v2/model/blobs/{digest}").content == b"abcdef"
    assert registry.error("PUT", f"{place}&digest={digest}") == (404, "BLOB_UPLOAD_UNKNOWN")


def test_what_does_not_have_its_digest_is_refused(registry: Registry) -> None:
    place = registry.ask("POST", "/v2/model/blobs/uploads/").headers["Location"]
    wrong = digest_of(b"something else")
    assert registry.error("PUT", f"{place}&digest={wrong}", b"abc") == (400, "DIGEST_INVALID")
    assert registry.ask("HEAD", f"/v2/model/blobs/{wrong}").status_code == 404
    assert registry.ask("HEAD", f"/v2/model/blobs/{digest_of(b'abc')}").status_code == 404
    assert registry.ask("DELETE", place).status_code == 204
    registry.push("model", "1")
    body = json.dumps({"schemaVersion": 2, "config": {"digest": wrong}, "layers": []}).encode()
    assert registry.error("PUT", "/v2/model/manifests/2", body, Content_Type=OCI) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert registry.error("PUT", "/v2/model/manifests/2", b"{", Content_Type=OCI) == (400, "MANIFEST_INVALID")
    assert registry.error("PUT", "/v2/model/manifests/2", b"{}", Content_Type="text/plain") == (400, "MANIFEST_INVALID")
    content = registry.ask("GET", "/v2/model/manifests/1").content
    put = ("PUT", f"/v2/model/manifests/{wrong}", content)
    assert registry.error(*put, Content_Type=DOCKER) == (400, "DIGEST_INVALID")
    assert registry.error("GET", "/v2/model/manifests/2") == (404, "MANIFEST_UNKNOWN")


def test_an_oci_image_goes_only_to_clients_that_know_the_format(registry: Registry) -> None:
    digest = registry.push("model", "1", kind=OCI)
    registry.cloud.wrong_on_purpose("GET .*/manifests/")
    assert registry.error("GET", "/v2/model/manifests/1", Accept=DOCKER) == (404, "MANIFEST_UNKNOWN")
    assert registry.ask("GET", "/v2/model/manifests/1", Accept=f"{DOCKER}, {OCI}").status_code == 200
    child = {"mediaType": OCI, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}}
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).encode()
    assert registry.ask("PUT", "/v2/model/manifests/all", index, Content_Type=INDEX).status_code == 201
    assert registry.ask("GET", "/v2/model/manifests/all", Accept=INDEX).content == index
    missing = index.replace(digest.encode(), digest_of(b"").encode())
    put = ("PUT", "/v2/model/manifests/all", missing)
    assert registry.error(*put, Content_Type=INDEX) == (400, "MANIFEST_BLOB_UNKNOWN")


def test_a_blob_is_mounted_from_another_repository(registry: Registry) -> None:
    digest = registry.upload("first", b"shared")
    scope = "repository:second:pull,push"
    path = f"/v2/second/blobs/uploads/?mount={digest}&from=first"
    # Without the right to pull from the other one, an upload begins instead.
    assert registry.ask("POST", path, scope=scope).status_code == 202
    mounted = registry.ask("POST", path, scope=f"{scope} repository:first:pull")
    assert (mounted.status_code, mounted.headers["Docker-Content-Digest"]) == (201, digest)
    assert registry.ask("GET", f"/v2/second/blobs/{digest}").content == b"shared"
    assert registry.ask("DELETE", f"/v2/first/blobs/{digest}").status_code == 202
    assert registry.ask("HEAD", f"/v2/first/blobs/{digest}").status_code == 404
    assert registry.ask("HEAD", f"/v2/second/blobs/{digest}").status_code == 200


def test_repositories_and_tags_are_listed_in_pages(registry: Registry) -> None:
    assert registry.ask("GET", "/v2/_catalog").json() == {"repositories": None}
    digest = registry.push("a/b", "V1")
    registry.push("a/b", "v1", b"other")
    registry.push("c", "latest")
    assert registry.ask("GET", "/v2/a/b/tags/list").json() == {"name": "a/b", "tags": ["V1", "v1"]}
    assert registry.ask("GET", "/v2/_catalog").json() == {"repositories": ["a/b", "c"]}
    first = registry.ask("GET", "/acr/v1/_catalog?n=1")
    assert first.json() == {"repositories": ["a/b"]}
    assert first.headers["Link"] == '</acr/v1/_catalog?n=1&last=a%2Fb>; rel="next"'
    assert registry.ask("GET", "/acr/v1/_catalog?n=1&last=a%2Fb").json() == {"repositories": ["c"]}
    about = registry.ask("GET", "/acr/v1/a/b").json()
    assert (about["imageName"], about["manifestCount"], about["tagCount"]) == ("a/b", 2, 2)
    assert registry.ask("GET", "/acr/v1/a/b/_tags/V1").json()["tag"]["digest"] == digest
    manifest = registry.ask("GET", f"/acr/v1/a/b/_manifests/{digest}").json()["manifest"]
    assert (manifest["tags"], manifest["architecture"], manifest["os"]) == (["V1"], "amd64", "linux")
    assert len(registry.ask("GET", "/acr/v1/a/b/_manifests").json()["manifests"]) == 2
    assert registry.error("GET", "/acr/v1/a/b/_tags/v2") == (404, "TAG_UNKNOWN")
    assert registry.error("GET", "/v2/unknown/tags/list") == (404, "NAME_UNKNOWN")
    assert registry.error("GET", "/v2/Upper/tags/list") == (400, "NAME_INVALID")


def test_tags_manifests_and_repositories_are_deleted(registry: Registry) -> None:
    digest = registry.push("model", "1")
    content = registry.ask("GET", "/v2/model/manifests/1").content
    assert registry.ask("PUT", "/v2/model/manifests/2", content, Content_Type=DOCKER).status_code == 201
    registry.cloud.wrong_on_purpose("DELETE ")
    assert registry.error("DELETE", "/v2/model/manifests/1") == (405, "UNSUPPORTED")
    assert registry.ask("DELETE", "/acr/v1/model/_tags/1").status_code == 202
    assert registry.ask("GET", "/v2/model/tags/list").json()["tags"] == ["2"]
    assert registry.ask("DELETE", f"/v2/model/manifests/{digest}").status_code == 202
    assert registry.error("GET", "/v2/model/manifests/2") == (404, "MANIFEST_UNKNOWN")
    registry.push("other", "1")
    assert registry.ask("DELETE", "/acr/v1/other").status_code == 202
    assert registry.ask("GET", "/v2/_catalog").json() == {"repositories": None}


def test_without_a_token_there_is_a_challenge_with_the_scope(registry: Registry) -> None:
    ping = registry.http.get(f"https://{registry.host}/v2/", timeout=10)
    assert ping.status_code == 401
    assert ping.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    realm = f'Bearer realm="https://{registry.host}/oauth2/token",service="{registry.host}"'
    assert ping.headers["WWW-Authenticate"] == realm
    upload = registry.http.post(f"https://{registry.host}/v2/model/blobs/uploads/", timeout=10)
    assert upload.headers["WWW-Authenticate"] == f'{realm},scope="repository:model:pull,push"'
    assert [each["Action"] for each in upload.json()["errors"][0]["detail"]] == ["pull", "push"]
    assert registry.ask("GET", "/v2/", scope="repository:any:pull").status_code == 200


def test_a_token_is_exchanged_only_by_those_who_have_a_role(registry: Registry) -> None:
    stranger = as_stranger(registry)
    assert stranger.refresh_token().status_code == 401
    wrong = Registry(registry.cloud, registry.arm, registry.name, "not-a-token")
    assert wrong.refresh_token().status_code == 401
    other = made(registry.arm, "labacr2")
    form = {"grant_type": "refresh_token", "service": other.host, "scope": "repository:a:pull"}
    form["refresh_token"] = registry.refresh_token().json()["refresh_token"]
    elsewhere = other.http.post(f"https://{other.host}/oauth2/token", data=form, timeout=10)
    assert elsewhere.status_code == 401


def test_roles_allow_to_pull_to_push_and_to_delete(registry: Registry) -> None:
    digest = registry.push("model", "1")
    puller = as_stranger(registry, PULL)
    wait_for_access(puller)
    assert puller.ask("GET", "/v2/model/manifests/1").status_code == 200
    assert puller.error("POST", "/v2/model/blobs/uploads/") == (401, "UNAUTHORIZED")
    assert puller.error("DELETE", f"/v2/model/manifests/{digest}") == (401, "UNAUTHORIZED")
    both = as_stranger(registry, PUSH, DELETE)
    deadline = time.monotonic() + 10
    while both.ask("POST", "/v2/model/blobs/uploads/").status_code == 401:  # until the roles have propagated
        assert time.monotonic() < deadline
        both.tokens.clear()
    assert both.push("model", "2") == digest
    assert both.ask("DELETE", f"/v2/model/manifests/{digest}").status_code == 202


def test_the_admin_user_is_off_unless_it_was_turned_on(arm: Arm) -> None:
    registry = made(arm)
    path = provider("ContainerRegistry/registries", "labacr1")
    refused = arm.error("POST", f"{path}/listCredentials", version=REGISTRIES)
    assert refused == (400, "UnAuthorizedForCredentialOperations")
    changed = arm.ask("PATCH", path, {"properties": {"adminUserEnabled": True}}, version=REGISTRIES)
    assert "passwords" not in changed.json()["properties"]
    known = arm.ask("POST", f"{path}/listCredentials", version=REGISTRIES).json()
    assert (known["username"], [each["name"] for each in known["passwords"]]) == ("labacr1", ["password", "password2"])
    address, password = f"https://{registry.host}/v2/_catalog", known["passwords"][1]["value"]
    assert registry.http.get(address, auth=("labacr1", password), timeout=10).status_code == 200
    new = arm.ask("POST", f"{path}/regenerateCredential", {"name": "password2"}, version=REGISTRIES).json()
    assert new["passwords"][0] == known["passwords"][0]
    assert registry.http.get(address, auth=("labacr1", password), timeout=10).status_code == 401


def test_docker_signs_in_with_a_refresh_token_or_an_applications_secret(registry: Registry) -> None:
    address = f"https://{registry.host}/oauth2/token?service={registry.host}&scope=repository:model:pull"
    refresh = registry.refresh_token().json()["refresh_token"]
    signed = registry.http.get(address, auth=(NOBODY, refresh), timeout=10)
    token = signed.json()["access_token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["access"] == [{"Type": "repository", "Name": "model", "Actions": ["pull"]}]
    assert registry.http.get(address, auth=(NOBODY, "wrong"), timeout=10).status_code == 401
    principal = registry.cloud.endpoints["service_principal"]
    ci = (principal["client_id"], principal["client_secret"])
    assert registry.http.get(address, auth=ci, timeout=10).status_code == 200
    assert registry.http.get(address, auth=(ci[0], "wrong"), timeout=10).status_code == 401


def importing(arm: Arm, body: dict[str, Any], name: str = "labacr2") -> requests.Response:
    return arm.ask("POST", f"{provider('ContainerRegistry/registries', name)}/importImage", body, version=REGISTRIES)


def test_an_image_is_imported_from_another_registry_with_its_digest(registry: Registry) -> None:
    arm, target = registry.arm, made(registry.arm, "labacr2")
    digest = registry.push("model", "1", b"the model")
    source = {"resourceId": arm.base + provider("ContainerRegistry/registries", "labacr1")}
    body = {"source": {**source, "sourceImage": f"model@{digest}"}, "targetTags": ["model:qa-7"], "mode": "NoForce"}
    accepted = importing(arm, body)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert arm.poll(accepted).status_code == 200
    found = target.ask("GET", "/v2/model/manifests/qa-7")
    assert found.headers["Docker-Content-Digest"] == digest
    assert target.ask("GET", f"/v2/model/blobs/{found.json()['layers'][0]['digest']}").content == b"the model"
    again = arm.poll(importing(arm, body)).json()["error"]
    assert again["message"] == "Tag model:qa-7 already exists in target registry."
    assert arm.poll(importing(arm, {**body, "mode": "Force"})).status_code == 200
    absent = {**body, "source": {**source, "sourceImage": "model:2"}}
    assert arm.poll(importing(arm, absent)).json()["error"]["code"] == "ImageNotFound"


def test_who_may_not_pull_from_the_source_may_not_import_from_it(registry: Registry) -> None:
    made(registry.arm, "labacr2")
    registry.push("model", "1")
    token = user_token(registry.cloud, "stranger@practice.example")
    importer = "577a9874-89fd-4f24-9dbd-b5034d0ad23a"
    give(registry.arm, provider("ContainerRegistry/registries", "labacr2"), importer, oid(token))
    stranger = Arm(registry.cloud, token)
    source = {"resourceId": registry.arm.base + provider("ContainerRegistry/registries", "labacr1")}
    body = {"source": {**source, "sourceImage": "model:1"}, "targetTags": ["model:1"]}
    refused = importing(stranger, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    by_name = {"source": {"registryUri": "labacr1.azurecr.io", "sourceImage": "model:1"}, "targetTags": ["model:1"]}
    assert importing(stranger, by_name).status_code == 400
    registry.cloud.wrong_on_purpose("importImage")
    assert importing(registry.arm, {"source": source}).status_code == 400


def test_a_deleted_registry_takes_its_images_with_it(registry: Registry) -> None:
    registry.push("model", "1")
    path = provider("ContainerRegistry/registries", "labacr1")
    usage = registry.arm.ask("GET", f"{path}/listUsages", version=REGISTRIES).json()["value"][0]
    assert usage["currentValue"] > 0
    registry.arm.poll(registry.arm.ask("DELETE", path, version=REGISTRIES))
    again = made(registry.arm)
    assert again.ask("GET", "/v2/_catalog").json() == {"repositories": None}


def test_a_snapshot_has_the_images(registry: Registry) -> None:
    cloud, digest = registry.cloud, registry.push("model", "1", b"in the snapshot")
    cloud.control.take_snapshot("with-image")
    registry.ask("DELETE", "/acr/v1/model")
    registry.push("later", "1", b"later")
    cloud.control.restore_snapshot("with-image")
    restored = Registry(cloud, registry.arm, registry.name, registry.arm.token)
    found = restored.ask("GET", "/v2/model/manifests/1")
    assert found.headers["Docker-Content-Digest"] == digest
    layer = found.json()["layers"][0]["digest"]
    assert restored.ask("GET", f"/v2/model/blobs/{layer}").content == b"in the snapshot"
    assert restored.ask("GET", "/v2/_catalog").json() == {"repositories": ["model"]}
