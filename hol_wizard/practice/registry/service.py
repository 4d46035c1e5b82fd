"""Azure Container Registry: each registry has a port of its own, with the OCI distribution API.

The protocol is that of the OCI distribution specification 1.1, with the errors of distribution/distribution. The
challenge, the error for a missing authentication, the exchange of tokens and `MANIFEST_UNKNOWN` are recorded of Azure
Container Registry. Blobs are sent directly, not with a redirect to a storage account; clients support both
(`ContainerRegistryBlob_GetBlob`: 200 or 307).

A caller without the role for a request gets the same error as one without a token: "unauthorized: authentication
required" (Azure/acr issues 258 and 506).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

from hol_wizard.practice import seed
from hol_wizard.practice.arm.inventory import Resources
from hol_wizard.practice.kernel.service import JsonObject, Refused, Request, Response, Service
from hol_wizard.practice.kernel.store import Document
from hol_wizard.practice.kernel.world import World
from hol_wizard.practice.registry import attributes
from hol_wizard.practice.registry.access import Scope, SignIn, scopes
from hol_wizard.practice.registry.images import INDEXES, MANIFESTS, BlobError, Images, MissingBlobError

NAME = "registry"
"""The service's name in ports and faults."""
_TYPE = "microsoft.containerregistry/registries"
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_MANIFEST_BYTES = 4 << 20
"""Maximum size of a manifest (Azure Container Registry, "service tiers": 4 MiB)."""
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_PAGE = 100
"""Maximum length of a page; the default of the lists (Azure Container Registry, GetTags)."""
_BEFORE_NAME = re.compile(r"/(v2|acr/v1)/(?P<name>.+?)/(?P<rest>(?:blobs|manifests|tags)/.*|_tags.*|_manifests.*)")
"""A path below a repository."""


_Entry = TypeVar("_Entry")


class Caller(NamedTuple):
    """Who sends a request, and what their token allows."""

    principal: str
    scopes: list[Scope] | None
    """None: everything that the principal's roles allow, for a request without a token of the registry."""


class ContainerRegistry(Service):
    """The registries; the port says which one is meant."""

    name = NAME
    port_for_each = True
    known_headers = frozenset({"accept", "content-type", "content-range", "content-length", "range"})

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.images = world.part(Images)
        self.sign_in = world.part(SignIn)
        add = self.router.add
        add("POST", "/oauth2/exchange", self._exchange)
        add("POST", "/oauth2/token", self._token)
        add("GET", "/oauth2/token", self._token_for_password, honors="service scope", ignores="account client_id")
        add("GET", "/v2", lambda request: Response(200, {}))
        add("GET", "/v2/_catalog", self.catalog, honors="n last")
        upload = "/v2/{name*}/blobs/uploads"
        add("POST", upload, self._begin, honors="mount from digest", ignores="mode")
        for method, handler in (
            ("GET", self._progress),
            ("PATCH", self._append),
            ("PUT", self._complete),
            ("DELETE", self._cancel),
        ):
            add(method, upload + "/{upload}", handler, honors="digest", ignores="_state _nouploadcache")
        for method in ("HEAD", "GET"):
            add(method, "/v2/{name*}/blobs/{digest}", self._blob, ignores="mode")
            add(method, "/v2/{name*}/manifests/{reference}", self._manifest)
        add("DELETE", "/v2/{name*}/blobs/{digest}", self._delete_blob)
        add("PUT", "/v2/{name*}/manifests/{reference}", self._put_manifest)
        add("DELETE", "/v2/{name*}/manifests/{reference}", self._delete_manifest)
        add("GET", "/v2/{name*}/tags/list", self._tags, honors="n last")
        attributes.Attributes(self)

    # Errors

    def error(self, status: int, code: str, message: str, **more: Any) -> Response:
        """Return an error in the format of the distribution specification."""
        if status == 429:
            code, message = "TOOMANYREQUESTS", "too many requests"
        elif code == "ExpiredAuthenticationToken":
            status, code = 401, "UNAUTHORIZED"
        return Response(status, {"errors": [{"code": code, "message": message, **more}]})

    def refused(self, status: int, code: str, message: str, **more: Any) -> Refused:
        """Return an error for `raise`."""
        return Refused(self.error(status, code, message, **more))

    def not_found(self, request: Request, path_is_known: bool) -> Response:
        """Return the error for a path or a method that is not served."""
        if path_is_known:
            return self.error(405, "UNSUPPORTED", "The operation is unsupported.")
        return self.error(404, "NOT_FOUND", f"The practice cloud's registries serve nothing at {request.path}.")

    def headers(self, request: Request) -> dict[str, str]:
        """Return the headers of every response (recorded)."""
        return {"Docker-Distribution-Api-Version": "registry/2.0", "X-Content-Type-Options": "nosniff"}

    # Who

    def registry(self, request: Request) -> Document:
        """Return the registry of the request's port.

        Raises:
            Refused: It is not ready; in Azure, its name cannot be resolved then.
        """
        resources = self.world.part(Resources)
        for identity in resources.ids_of(_TYPE):
            if identity.rpartition("/")[2] == request.thing:
                found = resources.find(identity)
                if found is not None and found["state"] in {"Succeeded", "Updating"}:
                    return found
        raise self.refused(503, "UNAVAILABLE", "The registry is not ready: its name cannot be resolved yet.")

    def authenticate(self, request: Request) -> seed.Principal | None:
        """Return the caller; the token endpoints authenticate by what is sent to them.

        Raises:
            Refused: The request has no valid token for what it does.
        """
        registry = self.registry(request)
        if request.path.lower().startswith("/oauth2/"):
            return None
        wanted = needed(request)
        caller = self._caller(request, registry)
        if caller is None:
            raise self._challenge(request, wanted)
        have = caller.scopes
        if have is None:
            have = self.sign_in.granted(registry, caller.principal, wanted)
        if not all(_covered(each, have) for each in wanted):
            raise self._challenge(request, wanted)
        if caller.principal == registry["name"].lower():
            return seed.Principal(caller.principal, caller.principal, caller.principal)
        found = self.world.principal(caller.principal)
        if found is None:
            raise self._challenge(request, wanted)
        return found

    def _caller(self, request: Request, registry: Document) -> Caller | None:
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = self.sign_in.tokens.find(value.strip(), registry["name"].lower(), "access")
            if token is not None:
                return Caller(str(token["principal"]), scopes(" ".join(token["scopes"])))
        elif scheme.lower() == "basic":
            principal = self.sign_in.of_basic(value.strip(), registry)
            if principal:
                return Caller(principal, None)
        return None

    def _challenge(self, request: Request, wanted: list[Scope]) -> Refused:
        host = _host(request)
        detail = [{"Type": w.type, "Name": w.name, "Action": action} for w in wanted for action in w.actions]
        refusal = self._denied(detail=detail or None)
        challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}"'
        if wanted:
            challenge += f',scope="{" ".join(each.text for each in wanted)}"'
        refusal.response.headers["WWW-Authenticate"] = challenge
        return refusal

    # Tokens

    def _denied(self, **more: Any) -> Refused:
        message = "authentication required, visit https://aka.ms/acr/authorization for more information."
        return self.refused(401, "UNAUTHORIZED", message, **more)

    def _form(self, request: Request, *names: str) -> list[str]:
        for name in names:
            if not request.form.get(name):
                raise self.refused(400, "INVALID_PARAMETER", f"the parameter '{name}' is missing")
        return [request.form[name] for name in names]

    def _exchange(self, request: Request) -> Response:
        """Exchange a token of Entra ID for a refresh token. The tenant is checked only if it is sent."""
        registry = self.registry(request)
        grant, service = self._form(request, "grant_type", "service")
        self._checked_service(request, service)
        if grant != "access_token":
            raise self.refused(400, "UNSUPPORTED", f"the grant type '{grant}' is not supported")
        (token,) = self._form(request, "access_token")
        tenant = request.form.get("tenant", seed.TENANT)
        principal = self.sign_in.of_entra_token(token)
        if principal is None or tenant.lower() not in {seed.TENANT, seed.TENANT_DOMAIN}:
            raise self._denied()
        if not self.sign_in.granted(registry, principal.id, [Scope("registry", "catalog", ("*",))]) and not (
            self.sign_in.granted(registry, principal.id, [Scope("repository", "any", ("push", "delete"))])
        ):
            # "Access to registry 'NAME' was denied. Response code: 401." (Azure/acr issue 164)
            raise self._denied()
        name = registry["name"].lower()
        issued = self.sign_in.tokens.issue(name, principal.id, "refresh", _host(request), [])
        return Response(200, {"refresh_token": issued})

    def _token(self, request: Request) -> Response:
        registry = self.registry(request)
        grant, service = self._form(request, "grant_type", "service")
        self._checked_service(request, service)
        if grant == "refresh_token":
            (token,) = self._form(request, "refresh_token")
            principal = self.sign_in.of_refresh_token(token, registry)
        elif grant == "password":
            user, password = self._form(request, "username", "password")
            principal = self.sign_in.of_password(user, password, registry)
        else:
            raise self.refused(400, "UNSUPPORTED", f"the grant type '{grant}' is not supported")
        return self._access(request, registry, principal, request.form.get("scope", ""))

    def _token_for_password(self, request: Request) -> Response:
        registry = self.registry(request)
        self._checked_service(request, request.query.get("service", ""))
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        principal = self.sign_in.of_basic(value.strip(), registry) if scheme.lower() == "basic" else ""
        return self._access(request, registry, principal, " ".join(request.repeated("scope")))

    def _access(self, request: Request, registry: Document, principal: str, asked: str) -> Response:
        if not principal:
            raise self._denied()
        granted = self.sign_in.granted(registry, principal, scopes(asked))
        name = registry["name"].lower()
        return Response(
            200, {"access_token": self.sign_in.tokens.issue(name, principal, "access", _host(request), granted)}
        )

    def _checked_service(self, request: Request, service: str) -> None:
        if service.lower() != _host(request):
            raise self.refused(400, "INVALID_PARAMETER", f"the service '{service}' is not {_host(request)}")

    # Blobs

    def repository(self, request: Request) -> tuple[str, str]:
        """Return the names of the registry and of the repository in the path.

        Raises:
            Refused: The repository's name is invalid.
        """
        name = request.match["name"]
        if not _REPOSITORY.fullmatch(name) or len(name) > 255:
            raise self.refused(400, "NAME_INVALID", "invalid repository name", detail={"name": name})
        return request.thing, name

    def _digest(self, text: str) -> str:
        if not _DIGEST.fullmatch(text):
            raise self.refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        return text

    def _found_blob(self, request: Request) -> Document:
        digest = self._digest(request.match["digest"])
        found = self.images.blob(*self.repository(request), digest)
        if found is None:
            raise self.refused(404, "BLOB_UNKNOWN", "blob unknown to registry", detail={"Digest": digest})
        return found

    def _blob(self, request: Request) -> Response:
        blob = self._found_blob(request)
        size = int(blob["size"])
        headers = {"Docker-Content-Digest": blob["digest"], "ETag": f'"{blob["digest"]}"', "Accept-Ranges": "bytes"}
        kind = "application/octet-stream"
        if request.method == "HEAD":
            return Response(200, headers={**headers, "Content-Length": str(size)}, content_type=kind)
        start, end, status = 0, size, 200
        asked = _RANGE.fullmatch(request.headers.get("Range", ""))
        if asked is not None and (asked[1] or asked[2]):
            start = int(asked[1]) if asked[1] else max(size - int(asked[2]), 0)
            end = min(int(asked[2]) + 1, size) if asked[1] and asked[2] else size
            if start >= size or end <= start:
                return Response(416, headers={**headers, "Content-Range": f"bytes */{size}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        return Response(status, self.images.read(blob, start, end), headers, kind)

    def _delete_blob(self, request: Request) -> Response:
        blob = self._found_blob(request)
        self.images.unlink(*self.repository(request), blob["digest"])
        return Response(202)

    # Uploads

    def _begin(self, request: Request) -> Response:
        registry, name = self.repository(request)
        if digest := request.query.get("mount", ""):
            source = request.query.get("from", "")
            found = self.images.blob(registry, source, self._digest(digest)) if self._may_mount(request) else None
            if found is not None:
                self.images.link(registry, name, found)
                return self._created(name, digest)
        upload = self.images.begin(registry, name)
        if (digest := request.query.get("digest", "")) and request.content:
            return self._finish(self.images.append(upload, request.content), digest)
        return self._accepted(upload)

    def _may_mount(self, request: Request) -> bool:
        """Return whether the caller may pull from the repository that a blob is mounted from."""
        registry = self.registry(request)
        source = Scope("repository", request.query.get("from", ""), ("pull",))
        caller = self._caller(request, registry)
        if caller is None:
            return False
        have = caller.scopes
        return _covered(source, self.sign_in.granted(registry, caller.principal, [source]) if have is None else have)

    def _upload(self, request: Request) -> Document:
        found = self.images.upload(*self.repository(request), request.match["upload"])
        if found is None:
            raise self.refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return found

    def _accepted(self, upload: Document, status: int = 202) -> Response:
        headers = {
            "Location": f"/v2/{upload['repository']}/blobs/uploads/{upload['id']}?_nouploadcache=false&_state=practice",
            "Range": f"0-{max(upload['size'] - 1, 0)}",
            "Docker-Upload-Uuid": upload["id"],
        }
        return Response(status, headers=headers)

    def _created(self, name: str, digest: str, place: str = "blobs") -> Response:
        return Response(201, headers={"Location": f"/v2/{name}/{place}/{digest}", "Docker-Content-Digest": digest})

    def _progress(self, request: Request) -> Response:
        return self._accepted(self._upload(request), 204)

    def _append(self, request: Request) -> Response:
        upload = self._upload(request)
        self._check_position(request, upload)
        return self._accepted(self.images.append(upload, request.content))

    def _check_position(self, request: Request, upload: Document) -> None:
        given = re.fullmatch(r"(?:bytes )?(\d+)-(\d+)(?:/.*)?", request.headers.get("Content-Range", ""))
        if given is None:
            return
        if int(given[1]) != upload["size"] or int(given[2]) - int(given[1]) + 1 != len(request.content):
            raise Refused(self._accepted(upload, 416))

    def _complete(self, request: Request) -> Response:
        upload = self._upload(request)
        if request.content:
            self._check_position(request, upload)
            upload = self.images.append(upload, request.content)
        return self._finish(upload, request.query.get("digest", ""))

    def _finish(self, upload: Document, digest: str) -> Response:
        try:
            self.images.complete(upload, self._digest(digest))
        except BlobError as error:
            message = "provided digest did not match uploaded content"
            raise self.refused(400, "DIGEST_INVALID", message, detail={"Digest": digest}) from error
        return self._created(upload["repository"], digest)

    def _cancel(self, request: Request) -> Response:
        self.images.cancel(self._upload(request))
        return Response(204)

    # Manifests

    def found_manifest(self, request: Request, reference: str) -> Document:
        """Return a manifest by tag or digest.

        Raises:
            Refused: There is none (recorded).
        """
        found = self.images.find(*self.repository(request), reference)
        if found is None:
            detail = {"Name": request.match["name"], "Tag": reference}
            raise self.refused(404, "MANIFEST_UNKNOWN", "manifest unknown", detail=detail)
        return found

    def _manifest(self, request: Request) -> Response:
        found = self.found_manifest(request, request.match["reference"])
        kind = str(found["media_type"])
        accepted = [each.partition(";")[0].strip() for each in request.headers.get("Accept", "*/*").split(",")]
        if "oci" in kind and not {kind, "*/*", "application/*"} & set(accepted):
            # distribution/distribution, registry/handlers/manifests.go
            one, many = ("index", "indexes") if kind in INDEXES else ("manifest", "manifests")
            message = f"OCI {one} found, but Accept header does not support OCI {many}"
            raise self.refused(404, "MANIFEST_UNKNOWN", message)
        content = found["content"].encode()
        headers = {"Docker-Content-Digest": found["digest"], "ETag": f'"{found["digest"]}"'}
        if request.method == "HEAD":
            return Response(200, headers={**headers, "Content-Length": str(len(content))}, content_type=kind)
        return Response(200, content, headers, kind)

    def _put_manifest(self, request: Request) -> Response:
        (registry, name), reference = self.repository(request), request.match["reference"]
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in INDEXES | MANIFESTS or len(request.content) > _MOST_MANIFEST_BYTES:
            raise self.refused(400, "MANIFEST_INVALID", "manifest invalid", detail={"mediaType": kind})
        tags = [] if ":" in reference else [reference]
        if tags and not _TAG.fullmatch(reference):
            raise self.refused(400, "TAG_INVALID", "manifest tag did not match URI")
        try:
            manifest = self.images.put(registry, name, request.content, kind, tags)
        except MissingBlobError as error:
            detail = {"Digest": error.digest}
            raise self.refused(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", detail=detail) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.refused(400, "MANIFEST_INVALID", "manifest invalid") from error
        if not tags and manifest["digest"] != self._digest(reference):
            raise self.refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        return self._created(name, manifest["digest"], "manifests")

    def _delete_manifest(self, request: Request) -> Response:
        reference = request.match["reference"]
        if ":" not in reference:
            # "Note that a manifest can only be deleted by `digest`" (ContainerRegistry_DeleteManifest)
            raise self.refused(405, "UNSUPPORTED", "The operation is unsupported.")
        self.images.remove(self.found_manifest(request, self._digest(reference)))
        return Response(202)

    # Lists

    def _tags(self, request: Request) -> Response:
        registry, name = self.known_repository(request)
        names = [each["name"] for each in self.images.tags(registry, name)]
        return self.page(request, names, lambda page: {"name": name, "tags": page})

    def catalog(self, request: Request) -> Response:
        """Return the names of the repositories; ACR's own API and that of the distribution specification are alike."""
        return self.page(request, self.images.repositories(request.thing), lambda page: {"repositories": page or None})

    def known_repository(self, request: Request) -> tuple[str, str]:
        """Return the names of the registry and of the repository in the path, which has a manifest.

        Raises:
            Refused: The repository's name is invalid, or it does not exist.
        """
        registry, name = self.repository(request)
        if name not in self.images.repositories(registry):
            message = "repository name not known to registry"
            raise self.refused(404, "NAME_UNKNOWN", message, detail={"name": name})
        return registry, name

    def page(
        self,
        request: Request,
        names: list[_Entry],
        body: Callable[[list[_Entry]], JsonObject],
        key: Callable[[_Entry], str] = str,
    ) -> Response:
        """Return one page of a list with the link to the next one.

        Args:
            request: Names the last entry of the page before (`last`) and the length of a page (`n`).
            names: All entries, in order.
            body: Makes the response of a page's entries.
            key: Returns the name of an entry.
        """
        last, length = request.query.get("last", ""), request.query.get("n", "")
        if length and not length.isdigit():
            raise self.refused(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested")
        left = [each for each in names if not last or key(each) > last]
        most = min(int(length or _PAGE), 1000)
        page = left[:most]
        headers = {}
        if len(left) > len(page) and page:
            more = {**request.query, "last": key(page[-1]), "n": str(most)}
            headers["Link"] = f'<{quote(request.path)}?{urlencode(more)}>; rel="next"'
        return Response(200, body(page), headers)


def needed(request: Request) -> list[Scope]:
    """Return what a request needs, by its path and method."""
    path = request.path.rstrip("/")
    if path.lower() in {"/v2/_catalog", "/acr/v1/_catalog"}:
        return [Scope("registry", "catalog", ("*",))]
    if path.lower().startswith("/acr/v1/"):
        found = _BEFORE_NAME.fullmatch(path)
        name = found["name"] if found is not None else path[len("/acr/v1/") :]
        action = {"GET": "metadata_read", "DELETE": "delete"}.get(request.method, "metadata_write")
        return [Scope("repository", name, (action,))]
    found = _BEFORE_NAME.fullmatch(path + "/" if path.endswith("uploads") else path)
    if found is None:
        return []
    if request.method in {"GET", "HEAD"} and "blobs/uploads/" not in found["rest"]:
        return [Scope("repository", found["name"], ("pull",))]
    is_deletion = request.method == "DELETE" and not found["rest"].startswith("blobs/uploads/")
    return [Scope("repository", found["name"], ("delete",) if is_deletion else ("pull", "push"))]


def _covered(wanted: Scope, have: list[Scope]) -> bool:
    allowed = {action for each in have if (each.type, each.name) == wanted[:2] for action in each.actions}
    return "*" in allowed or set(wanted.actions) <= allowed


def _host(request: Request) -> str:
    return request.base.removeprefix("https://").lower()
